"""Evaluated prompts outlive the engine, and nothing that can be wrong with their files harms the next one."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dsassist_runtime.api import CompletionRequest, EngineSettings, GenerationEnd, Sampling, TextPiece
from dsassist_runtime.engine import saved_prefixes
from dsassist_runtime.engine.local import LocalEngine
from dsassist_runtime.errors import NotDone

CODE = "".join(f"def f{i}(x):\n    return x + {i}\n\n\n" for i in range(12))
OTHER = "".join(f"class C{i}:\n    x = {i}\n\n\n" for i in range(12))


@contextmanager
def engine_with(folder: Path, model: Path) -> Iterator[LocalEngine]:
    with closing(LocalEngine(EngineSettings(model, n_threads=1))) as engine:
        engine.keep_prefixes_in(folder)
        yield engine


def write(engine: LocalEngine, prompt: str) -> tuple[str, GenerationEnd]:
    request = CompletionRequest(prompt=prompt, max_tokens=8, sampling=Sampling(temperature=0.0), speculate=False)
    *events, end = engine.events(request)
    assert isinstance(end, GenerationEnd)
    return "".join(event.text for event in events if isinstance(event, TextPiece)), end


@pytest.fixture
def saved(tmp_path: Path, builtin_model: Path) -> tuple[Path, str]:
    with engine_with(tmp_path / "prefixes", builtin_model) as engine:
        text, _ = write(engine, CODE)
        assert engine.save()["sequences"] == 1
    return tmp_path / "prefixes", text


def test_the_next_engine_finds_the_prompt_evaluated(saved: tuple[Path, str], builtin_model: Path) -> None:
    folder, text = saved
    with engine_with(folder, builtin_model) as engine:
        again, end = write(engine, CODE)
    assert again == text
    assert end.cached_tokens == end.prompt_tokens - 1
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.rglob("*.kv")), "prompts are the user's code"


def test_a_prompt_that_shares_a_part_reads_it_too(saved: tuple[Path, str], builtin_model: Path) -> None:
    with engine_with(saved[0], builtin_model) as engine:
        _, end = write(engine, CODE[: len(CODE) // 2] + OTHER)
    assert end.cached_tokens > 60


def test_what_was_not_asked_for_is_kept_by_the_next_save(saved: tuple[Path, str], builtin_model: Path) -> None:
    with engine_with(saved[0], builtin_model) as engine:
        write(engine, OTHER)
        assert engine.save()["sequences"] == 2
    with engine_with(saved[0], builtin_model) as engine:
        for prompt in (CODE, OTHER):
            _, end = write(engine, prompt)
            assert end.cached_tokens == end.prompt_tokens - 1


def test_another_model_file_does_not_take_it(saved: tuple[Path, str], builtin_model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    shutil.copy(builtin_model, other)
    with engine_with(saved[0], other) as engine:
        assert write(engine, CODE)[1].cached_tokens < 5


@pytest.mark.parametrize("damage", ["cut", "garbage", "gone", "index", "lies"])
def test_damaged_files_cost_time_and_nothing_else(saved: tuple[Path, str], builtin_model: Path, damage: str) -> None:
    folder, text = saved
    (kv,) = folder.rglob("*.kv")
    (index,) = folder.rglob("index.json")
    if damage == "cut":
        os.truncate(kv, kv.stat().st_size // 2)
    elif damage == "garbage":
        kv.write_bytes(os.urandom(5000))
    elif damage == "gone":
        kv.unlink()
    elif damage == "index":
        index.write_text('{"identity": [')
    else:
        content = json.loads(index.read_text())
        content["prefixes"][0]["tokens"][70] += 1
        index.write_text(json.dumps(content))
    with engine_with(folder, builtin_model) as engine:
        again, end = write(engine, CODE)
        assert again == text
        assert end.cached_tokens < 5
        engine.forget_everything()
        assert engine.status().kv_tokens == 0


def test_what_would_not_fit_is_not_written(
    tmp_path: Path, builtin_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine_with(tmp_path, builtin_model) as engine:
        write(engine, CODE)
        write(engine, OTHER)
        assert engine.save()["sequences"] == 2
        sizes = [path.stat().st_size for path in tmp_path.rglob("*.kv")]
        monkeypatch.setattr(saved_prefixes, "_LARGEST_BYTES", sum(sizes) - 1)
        assert engine.save()["sequences"] == 1
        monkeypatch.setattr(saved_prefixes, "_LARGEST_BYTES", min(sizes) - 1)
        assert engine.save()["sequences"] == 0
        monkeypatch.setattr(saved_prefixes, "_LARGEST_BYTES", sum(sizes) + 100)
        assert engine.save()["sequences"] == 2


def test_what_a_save_left_behind_goes_and_takes_no_models_place(saved: tuple[Path, str], builtin_model: Path) -> None:
    folder, _ = saved
    left, begun, others = folder / "dead.new", folder / "begun.new", [folder / "a", folder / "b"]
    for other in (left, begun, *others):
        other.mkdir()
    os.utime(left, (0, 0))
    for other in others:
        os.utime(other, (1, 1))
    with engine_with(folder, builtin_model) as engine:
        write(engine, OTHER)
        engine.save()
    assert not left.exists()
    assert begun.exists(), "another engine saves"
    assert all(other.exists() for other in others)


def test_a_full_disk_is_told_and_keeps_what_was_saved_before(saved: tuple[Path, str], builtin_model: Path) -> None:
    folder, _ = saved
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with engine_with(folder, builtin_model) as engine:
            write(engine, OTHER)
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
            with pytest.raises(NotDone, match="could not be saved in") as caught:
                engine.save()
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            assert write(engine, CODE)[1].finish_reason in ("length", "stop"), "the engine goes on"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert os.strerror(errno.EFBIG) in str(caught.value) or "whole" in str(caught.value)
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
