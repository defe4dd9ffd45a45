"""A calibration in a process of its own: what it is told, and what is told of its end."""

from __future__ import annotations

import fcntl
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dsassist.config import load
from dsassist.engine import engine_settings
from dsassist.review.calibration.background import BackgroundCalibration, CalibrationEnd
from dsassist.review.calibration.record import read_record, record_path
from dsassist_runtime.api import EngineSettings
from dsassist_runtime.client import Client, server_health, stop_server
from dsassist_runtime.places import make_private, runtime_dir
from review_repositories import Repository

LIMIT_S = 300.0
CLAMP = (
    "def clamp(value, low, high):\n    if value < low:\n        return low\n    return high if value > low else value\n"
)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path)
    made.git("init", "--quiet")
    return made


@pytest.fixture
def held(isolated: Path, server: Path) -> EngineSettings:
    """What the configuration calls for, loaded by a real server."""
    settings = engine_settings(load(isolated))
    Client(settings).facts()
    return settings


def calibrated(folder: Path) -> CalibrationEnd:
    ends: queue.Queue[CalibrationEnd] = queue.Queue()
    BackgroundCalibration(folder, load(folder), ends.put)
    return ends.get(timeout=LIMIT_S)


@contextmanager
def working(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process that takes the steps, whatever its parent looked at before."""
    command = [sys.executable, "-m", "dsassist.review.calibration.working"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps({"folder": str(folder), "options": {}}).encode() + b"\n")
            process.stdin.flush()
            yield process
        finally:
            process.kill()


def health() -> dict[str, Any]:
    found = server_health()
    assert found is not None
    return found


def is_locked(model: Path) -> bool:
    """Whether a process calibrates the model."""
    with (make_private(runtime_dir()) / f"calibration-{record_path(model).stem}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait on a machine that may be busy, without keeping it so."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(600)  # niced processes: a busy machine takes minutes over what takes seconds
def test_all_functions_are_measured_by_the_configured_model(repository: Repository, held: EngineSettings) -> None:
    repository.commit(a=CLAMP, b=CLAMP.replace("clamp", "limit"), excluded=CLAMP.replace("clamp", "cut"))
    (repository.root / "dsassist.toml").write_text('[review]\nexclude = ["excluded.py"]\n')
    assert calibrated(repository.root) == CalibrationEnd(2, 430, complete=True)
    assert calibrated(repository.root) == CalibrationEnd(complete=True), "there is nothing left to do"


def test_a_model_that_another_took_the_place_of_stays_away(
    repository: Repository, held: EngineSettings, tmp_path: Path
) -> None:
    """Two editors with a model each took it away from one another in turns, for work that nobody waits for."""
    repository.commit(a=CLAMP)
    copy = tmp_path / "another.gguf"
    shutil.copy(held.model_path, copy)
    Client(EngineSettings(copy)).facts()
    before = health()
    assert calibrated(repository.root) == CalibrationEnd()
    assert (health()["engine_pid"], health()["model"]) == (before["engine_pid"], before["model"])
    assert read_record(held.model_path).functions == {}


def test_no_server_is_started(repository: Repository, server: Path) -> None:
    """One that had left when idle was started again, and the model loaded, each minute."""
    repository.commit(a=CLAMP)
    assert calibrated(repository.root) == CalibrationEnd()
    assert server_health() is None


@pytest.mark.parametrize("lost", ["another model", "no server"])
def test_a_model_that_is_lost_in_the_middle_ends_the_process_and_there_is_more_to_do(
    repository: Repository, held: EngineSettings, tmp_path: Path, lost: str
) -> None:
    repository.commit(a=CLAMP)
    if lost == "no server":
        stop_server()
    else:
        shutil.copy(held.model_path, tmp_path / "another.gguf")
        Client(EngineSettings(tmp_path / "another.gguf")).facts()
    before = server_health()
    with working(repository.root) as process:
        assert process.stdout is not None
        told = process.stdout.read()
    assert json.loads(told) == {"complete": False}
    after = server_health()
    assert (after and after["engine_pid"]) == (before and before["engine_pid"])


def test_the_process_ends_with_its_parent_though_it_has_nothing_to_tell(
    repository: Repository, held: EngineSettings
) -> None:
    """It learnt of its parent's death only when it told of a function, of which known and empty ones are not told."""
    repository.commit(a=CLAMP)
    engine_pid = health()["engine_pid"]
    os.kill(engine_pid, signal.SIGSTOP)
    try:
        with working(repository.root) as process:
            wait_until(lambda: health()["requests"] > 0)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(LIMIT_S) == 0
    finally:
        os.kill(engine_pid, signal.SIGCONT)
    assert not is_locked(held.model_path)
    assert read_record(held.model_path).functions == {}


def test_a_repository_without_a_commit_is_told(repository: Repository, held: EngineSettings) -> None:
    assert "there is no commit" in calibrated(repository.root).error


def test_a_folder_outside_of_a_repository_is_told(tmp_path: Path, held: EngineSettings) -> None:
    assert "is not inside a git repository" in calibrated(tmp_path).error


def test_a_model_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSASSIST_MODEL", str(tmp_path / "gone.gguf"))
    assert "there is no file" in calibrated(tmp_path).error


def test_one_that_is_stopped_before_it_began_ends_without_an_error(
    repository: Repository, held: EngineSettings
) -> None:
    repository.commit(a=CLAMP)
    ends: queue.Queue[CalibrationEnd] = queue.Queue()
    calibration = BackgroundCalibration(repository.root, load(repository.root), ends.put)
    calibration.cancel()
    assert ends.get(timeout=LIMIT_S) == CalibrationEnd()


def test_what_two_processes_measure_is_kept_of_both(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF")
    one, other = read_record(model), read_record(model)
    one.add("first", {"name": 1.0})
    other.add("second", {"name": None})
    assert read_record(model).functions == {"first": {"name": 1.0}, "second": {"name": None}}
