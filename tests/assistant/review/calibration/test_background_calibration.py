"""A calibration in a process of its own: what it is told, and what is told of its end."""

from __future__ import annotations

import queue
from pathlib import Path

import pytest

from dsassist.config import load
from dsassist.review.calibration.background import BackgroundCalibration, CalibrationEnd
from dsassist.review.calibration.record import read_record
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


def calibrated(folder: Path) -> CalibrationEnd:
    ends: queue.Queue[CalibrationEnd] = queue.Queue()
    BackgroundCalibration(folder, load(folder), ends.put)
    return ends.get(timeout=LIMIT_S)


@pytest.mark.slow
@pytest.mark.timeout(600)  # niced processes: a busy machine takes minutes over what takes seconds
def test_all_functions_are_measured_by_the_configured_model(repository: Repository, server: Path) -> None:
    repository.commit(a=CLAMP, b=CLAMP.replace("clamp", "limit"), excluded=CLAMP.replace("clamp", "cut"))
    (repository.root / "dsassist.toml").write_text('[review]\nexclude = ["excluded.py"]\n')
    assert calibrated(repository.root) == CalibrationEnd(2, 430, complete=True)
    assert calibrated(repository.root) == CalibrationEnd(complete=True), "there is nothing left to do"


def test_a_repository_without_a_commit_is_told(repository: Repository, server: Path) -> None:
    assert "there is no commit" in calibrated(repository.root).error


def test_a_folder_outside_of_a_repository_is_told(tmp_path: Path) -> None:
    assert "is not inside a git repository" in calibrated(tmp_path).error


def test_one_that_is_stopped_before_it_began_ends_without_an_error(repository: Repository) -> None:
    ends: queue.Queue[CalibrationEnd] = queue.Queue()
    calibration = BackgroundCalibration(repository.root, load(repository.root), ends.put)
    calibration.cancel()
    assert calibration.join(LIMIT_S)
    assert ends.get_nowait() == CalibrationEnd()


def test_what_two_processes_measure_is_kept_of_both(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF")
    one, other = read_record(model), read_record(model)
    one.add("first", {"name": 1.0})
    other.add("second", {"name": None})
    assert read_record(model).functions == {"first": {"name": 1.0}, "second": {"name": None}}
