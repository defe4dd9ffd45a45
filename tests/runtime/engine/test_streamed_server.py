"""A real server whose model does not fit: what a client and `serve --status` see while its file is not what it was."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dsassist.status_report import read_report, status_lines
from dsassist_runtime.api import EngineSettings, InfillRequest, Sampling
from dsassist_runtime.client import Client, server_health
from dsassist_runtime.errors import EngineDied, ModelError, ModelInvalid, ModelMissing, NotDone
from streamed_engine import keep_measured, ram_for

pytestmark = pytest.mark.slow  # whole processes

TEXT = InfillRequest("def add(a, b):\n    return ", "\n", max_tokens=5, sampling=Sampling(temperature=0.0))


@pytest.fixture
def model(builtin_model: Path, tmp_path: Path) -> Path:
    path = Path(shutil.copy(builtin_model, tmp_path / "model.gguf"))
    keep_measured(path)
    return path


def text(client: Client) -> str:
    return "".join(client.infill(TEXT))


def told() -> dict[str, str]:
    report = read_report()
    assert report is not None
    return dict(status_lines(report))


def wait_for_failure() -> None:
    """The engine says so right behind its last answer."""
    until = time.monotonic() + 60
    while not (found := server_health()) or not found["failure"]:
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def cut(path: Path) -> None:
    os.truncate(path, 4096)


def vanish(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "error", "first", "later"),
    [
        (cut, ModelInvalid, "changed while it was in use", "truncated"),
        (vanish, ModelMissing, "vanished while it was in use", "there is no file"),
    ],
)
def test_server_outlives_a_file_that_is_damaged_and_serves_again_once_it_is_back(
    server: Path,
    model: Path,
    builtin_model: Path,
    damage: Callable[[Path], None],
    error: type[ModelError],
    first: str,
    later: str,
) -> None:
    client = Client(EngineSettings(model, n_threads=1, ram_bytes=ram_for(model, 0.5)), idle_timeout_s=60)
    expected = text(client)
    health = server_health()
    assert health is not None
    assert health["failure"] == ""
    damage(model)
    with pytest.raises(error, match=rf"model\.gguf {first}"):
        text(client)
    wait_for_failure()
    with pytest.raises(error, match=later):
        text(client)
    assert told()["model"].startswith("none in memory: ")
    assert later in told()["model"]
    shutil.copy(builtin_model, model)
    assert text(client) == expected
    again = server_health()
    assert again is not None
    assert again["pid"] == health["pid"]
    assert again["failure"] == ""


def test_engine_that_touched_a_page_which_is_gone_is_told_as_the_file_that_was_cut_short(
    server: Path, model: Path
) -> None:
    """Within a batch nobody can look first; the system's signal says it all the same."""
    client = Client(EngineSettings(model, n_threads=1), idle_timeout_s=60)
    endless = InfillRequest("x = [1, ", "\n", max_tokens=900, ignore_eos=True)
    stream = iter(client.infill(endless))
    assert next(stream)
    health = server_health()
    assert health is not None
    os.kill(health["engine_pid"], signal.SIGBUS)
    with pytest.raises(
        ModelInvalid, match=r"model\.gguf could not be read while it was in use.*put the whole file back"
    ):
        list(stream)
    assert "model.gguf could not be read" in told()["model"]
    assert text(client)


def test_engine_that_an_instruction_killed_tells_how_llama_cpp_is_compiled_anew(server: Path, model: Path) -> None:
    client = Client(EngineSettings(model, n_threads=1), idle_timeout_s=60)
    stream = iter(client.infill(InfillRequest("x = [1, ", "\n", max_tokens=900, ignore_eos=True)))
    assert next(stream)
    health = server_health()
    assert health is not None
    os.kill(health["engine_pid"], signal.SIGILL)
    with pytest.raises(EngineDied, match=r"SIGILL.*another processor.*pip install .*llama-cpp-python==.*-mno-amx-int8"):
        list(stream)
    assert text(client)


def test_model_that_has_no_room_is_refused_with_the_sentence_of_the_plan(server: Path, model: Path) -> None:
    client = Client(EngineSettings(model, n_threads=1, ram_bytes=6_000_000), idle_timeout_s=60)
    with pytest.raises(NotDone, match=r"needs .* of RAM at least \(.*\), and there are 6\.0 MB;"):
        text(client)
    assert "and there are 6.0 MB;" in told()["model"]
