"""A server for a whole test module: loading the model for each test would take most of the time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from running_server import Served, serving


@pytest.fixture(scope="module")
def served(builtin_model: Path) -> Iterator[Served]:
    """Without a key."""
    with serving(builtin_model) as running:
        yield running
