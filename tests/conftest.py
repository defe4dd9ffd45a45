"""Fixtures for the whole suite: no test sees the user's home, configuration or server."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own for each test; short, because a Unix socket's path has 108 bytes at most."""
    for name in list(os.environ):
        if name.startswith(("DSASSIST_", "GIT_", "XDG_", "HF_", "PRE_COMMIT")):
            monkeypatch.delenv(name)
    home = Path(tempfile.mkdtemp(prefix="dsa-"))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DSASSIST_HOME", str(home / "d"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (home / "gitconfig").write_text("[user]\n\tname = Test\n\temail = test@example.com\n[init]\n\tdefaultBranch = main\n")
    yield home
    shutil.rmtree(home, ignore_errors=True)
