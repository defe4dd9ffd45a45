"""The language server learns how much evidence findings need while nobody works, and stops when somebody does."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsassist.config import load
from dsassist.review.calibration.record import record_path
from dsassist_lsp.idle_calibration import is_wanted
from dsassist_lsp.power import is_on_battery
from dsassist_runtime.client import stop_server
from dsassist_runtime.models.store import resolve
from dsassist_runtime.places import make_private, runtime_dir
from lsp.client import ProcessClient
from review_repositories import Repository

CLAMP = """\
def clamp_{0}(value, low, high):
    if value < low:
        return low
    return high if value > low + {0} else value


"""
N_FUNCTIONS = 3


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    root = tmp_path / "work"
    root.mkdir()
    made = Repository(root)
    made.git("init", "--quiet")
    made.commit(**{f"f{n}": CLAMP.format(n) for n in range(N_FUNCTIONS)})
    return made


@pytest.fixture
def busy(tmp_path: Path) -> Path:
    """While this file is there, the machine is not free."""
    return tmp_path / "busy"


@pytest.fixture
def client(repository: Repository, busy: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessClient]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    monkeypatch.setenv("DSASSIST_ENGINE_IDLE_TIMEOUT_S", "20")  # a net: the server leaves should we die before it
    client = ProcessClient(repository.root, [sys.executable, "-m", "lsp.idle_server", str(busy)])
    client.initialize(root=repository.root)
    yield client
    client.close()
    stop_server()


class Model:
    """What is known of the builtin model, which is looked at once."""

    def __init__(self) -> None:
        self._record = record_path(resolve("builtin").path)

    def measured(self) -> set[str]:
        return set(json.loads(self._record.read_bytes())["functions"]) if self._record.exists() else set()

    def is_calibrated(self) -> bool:
        """Whether a process is at work: it holds the model's lock."""
        with (make_private(runtime_dir()) / f"calibration-{self._record.stem}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


@pytest.fixture
def model() -> Model:
    return Model()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait on a machine that may be busy, without keeping it so."""
    deadline = time.monotonic() + 250
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(600)  # niced processes: a busy machine takes minutes over what takes seconds
def test_a_key_stops_the_calibration_and_the_next_idle_time_goes_on(
    client: ProcessClient, repository: Repository, busy: Path, model: Model
) -> None:
    uri = (repository.root / "f0.py").as_uri()
    client.open(CLAMP.format(0), uri)
    wait_until(lambda: len(model.measured()) > 0)
    busy.touch()
    client.change([{"text": CLAMP.format(0) + "x"}], 2, uri)
    wait_until(lambda: not model.is_calibrated())
    kept = model.measured()
    assert 0 < len(kept) < N_FUNCTIONS
    busy.unlink()
    wait_until(lambda: f"calibrated in idle time: {N_FUNCTIONS} of 430 functions" in client.logged())
    assert kept < model.measured()
    assert len(model.measured()) == N_FUNCTIONS
    repository.commit(later=CLAMP.format(9))
    client.change([{"text": CLAMP.format(0) + "xy"}], 3, uri)
    wait_until(lambda: f"calibrated in idle time: {N_FUNCTIONS + 1} of 430 functions" in client.logged())
    assert len(model.measured()) == N_FUNCTIONS + 1


@pytest.mark.slow
@pytest.mark.timeout(600)  # niced processes: a busy machine takes minutes over what takes seconds
def test_the_calibration_ends_with_the_server(client: ProcessClient, model: Model) -> None:
    wait_until(lambda: len(model.measured()) > 0)
    assert client.leave() == 0
    wait_until(lambda: not model.is_calibrated())
    assert len(model.measured()) < N_FUNCTIONS


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, True),
        ({"DSASSIST_REVIEW_ENABLED": "false"}, False),
        ({"DSASSIST_REVIEW_THRESHOLD_NATS": "6"}, False),
        ({"DSASSIST_MODEL": "http://127.0.0.1:9/v1"}, False),
    ],
)
def test_it_is_off_where_no_review_would_use_it(tmp_path: Path, variables: dict[str, str], wanted: bool) -> None:
    loaded = load(tmp_path, environ=variables)
    assert is_wanted(loaded) is wanted


@pytest.mark.parametrize(
    ("supplies", "on_battery"),
    [
        ({}, False),
        ({"BAT0": {"type": "Battery", "status": "Discharging"}, "AC": {"type": "Mains", "online": "0"}}, True),
        ({"BAT0": {"type": "Battery", "status": "Charging"}, "AC": {"type": "Mains", "online": "1"}}, False),
        ({"mouse": {"type": "Battery", "status": "Discharging", "scope": "Device"}}, False),
    ],
)
def test_a_battery_that_is_used_up_is_seen(
    tmp_path: Path, supplies: dict[str, dict[str, str]], on_battery: bool
) -> None:
    for name, files in supplies.items():
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_text(f"{content}\n")
    assert is_on_battery(tmp_path) is on_battery
    assert is_on_battery(tmp_path / "nowhere") is False
