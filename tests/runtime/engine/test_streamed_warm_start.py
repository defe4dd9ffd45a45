"""An engine whose experts wait on disk reads ahead what its project will ask for, while nobody asks."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from dsassist_runtime.api import InfillRequest, Sampling
from dsassist_runtime.engine.local import LocalEngine
from dsassist_runtime.errors import ModelMissing
from streamed_engine import streamed_engine, streaming

REQUEST = InfillRequest(
    "def area(width, height):\n    return ",
    "\n",
    max_tokens=6,
    sampling=Sampling(temperature=0.0),
    speculate=False,
    repository="shapes",
)


def prepare(engine: LocalEngine) -> None:
    while engine.prepare():
        pass


@pytest.mark.parametrize("priority", ["interactive", "review"])
def test_engine_has_what_completions_of_the_project_used_before_it_is_asked(
    builtin_model: Path, tmp_path: Path, priority: Literal["interactive", "review"]
) -> None:
    request = replace(REQUEST, priority=priority)
    texts = []
    for is_first in (True, False):
        with streamed_engine(builtin_model, share=0.95, n_threads=1) as engine:
            engine.keep_heat_in(tmp_path / "heat")
            prepare(engine)
            is_known = not is_first and priority == "interactive"
            assert (streaming(engine).preloaded_bytes_total > 0) == is_known
            events = list(engine.events(request))
            texts.append([event for event in events if hasattr(event, "text")])
            found = streaming(engine)
            assert found.prompt.batches + found.other.batches > 0
            if is_known:
                assert (found.text.misses, found.prompt.misses) == (0, 0)
            else:
                assert found.prompt.misses + found.other.misses > 0
            engine.save()
    assert texts[0] == texts[1] != []


def test_reading_ahead_ends_when_something_arrives(builtin_model: Path, tmp_path: Path) -> None:
    for is_quiet in (True, False):
        with streamed_engine(builtin_model, share=0.9, n_threads=1) as engine:
            engine.keep_heat_in(tmp_path / "heat")
            if is_quiet:
                list(engine.events(REQUEST))
                engine.save()
                continue
            engine.watch(lambda: False)
            prepared = [engine.prepare() for _ in range(1000)]
            assert all(prepared[-10:]), "there is something left to be done"
            engine.watch(lambda: True)
            prepare(engine)
            assert streaming(engine).preloaded_bytes_total > 0


def test_idle_engine_keeps_what_a_project_used_before_it_is_killed(builtin_model: Path, tmp_path: Path) -> None:
    """Another model takes an engine's place without a word to it."""
    heat = tmp_path / "heat"
    with streamed_engine(builtin_model, n_threads=1) as engine:
        engine.keep_heat_in(heat)
        list(engine.events(REQUEST))
        until = time.monotonic() + 60
        while not heat.exists():
            assert time.monotonic() < until, "waited in vain"
            prepare(engine)
            time.sleep(0.05)
        (path,) = heat.iterdir()
        assert any(map(any, json.loads(path.read_text())["uses"].values()))


def test_file_that_vanishes_while_it_is_loaded_is_told_as_one(builtin_model: Path, tmp_path: Path) -> None:
    """It was an internal error: the folders for what is kept of a model ask for its file once more."""
    path = Path(shutil.copy(builtin_model, tmp_path / "model.gguf"))
    with streamed_engine(path, n_threads=1) as engine:
        path.unlink()
        engine.keep_heat_in(tmp_path / "heat")
        with pytest.raises(ModelMissing, match=r"model\.gguf vanished while it was loaded; put it back"):
            engine.keep_prefixes_in(tmp_path / "prefixes")
        with pytest.raises(ModelMissing, match=r"model\.gguf vanished while it was in use"):
            list(engine.events(REQUEST))


def test_idle_engine_wants_to_look_at_the_memory_now_and_then(builtin_model: Path) -> None:
    with streamed_engine(builtin_model, n_threads=1) as engine:
        assert not engine.step()
        first = engine.next_deadline()
        if first is None:
            pytest.skip("this system tells nothing of its memory")
        engine.step()
        assert engine.next_deadline() is not None
