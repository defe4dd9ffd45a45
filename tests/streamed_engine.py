"""Engines whose model does not fit: its experts are streamed from disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from dsassist_runtime.api import EngineSettings, StreamingStatus
from dsassist_runtime.engine.local import LocalEngine
from dsassist_runtime.engine.opening import plan_for
from dsassist_runtime.engine.trial import trial_name
from dsassist_runtime.gguf import read_header
from dsassist_runtime.models.store import BUILTIN_PATH
from dsassist_runtime.planning.kept import keep
from planned_models import keep_speeds

__all__ = ["KINDS", "Kind", "keep_measured", "kind_of_engine", "ram_for", "streamed_engine", "streaming"]

Kind = Literal["resident", "streamed"]
KINDS: tuple[Kind, ...] = ("resident", "streamed")


def ram_for(path: Path, share: float, **settings: Any) -> int:
    """The memory in which so large a share of the model's experts has room."""
    header = read_header(path)
    made = plan_for(EngineSettings(path, ram_bytes=1 << 60, **settings), header)
    assert made is not None
    _contents, plan = made
    return plan.ram.n_bytes - int((1 - share) * plan.ram.expert_bytes)


def keep_measured(path: Path, *, is_tried: bool = True) -> None:
    """Have this machine measured already, and streaming tried unless it is due."""
    keep_speeds(path)
    if is_tried:
        keep(trial_name(read_header(path).architecture), {"passed": True})


@contextmanager
def streamed_engine(path: Path, share: float = 0.5, **settings: Any) -> Iterator[LocalEngine]:
    """An engine with room for a share of the experts; what it keeps on disk is kept in a folder that goes."""
    with tempfile.TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DSASSIST_HOME", home)
        keep_measured(path)
        ram_bytes = ram_for(path, share, **settings)
        with closing(LocalEngine(EngineSettings(path, ram_bytes=ram_bytes, **settings))) as engine:
            status = streaming(engine)
            assert status.budget_bytes < status.expert_bytes
            yield engine


@contextmanager
def kind_of_engine(kind: Kind) -> Iterator[LocalEngine]:
    """The builtin model in one thread: all of it in memory, or half of its experts on disk. The laws are the same."""
    if kind == "streamed":
        with streamed_engine(BUILTIN_PATH, n_threads=1) as engine:
            yield engine
    else:
        with closing(LocalEngine(EngineSettings(BUILTIN_PATH, n_threads=1))) as engine:
            yield engine


def streaming(engine: LocalEngine) -> StreamingStatus:
    """How its experts are brought."""
    found = engine.status().streaming
    assert found is not None
    return found
