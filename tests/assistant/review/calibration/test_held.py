"""An engine that answers only while the server holds just its model: one real server, two copies of a small model."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dsassist.review.calibration.held import HeldEngine, ModelNotHeld, is_held
from dsassist_runtime.api import Edit, EngineSettings, ScoreRequest
from dsassist_runtime.client import Client, server_health, stop_server
from dsassist_runtime.errors import NotDone

pytestmark = pytest.mark.slow  # whole servers

REQUEST = ScoreRequest("", "return value + 1\n", (Edit(7, 12, "other"),))


@pytest.fixture
def one(server: Path, builtin_model: Path) -> EngineSettings:
    return EngineSettings(builtin_model)


@pytest.fixture
def other(tmp_path: Path, builtin_model: Path) -> EngineSettings:
    """The same file at another path is another model."""
    copy = tmp_path / "other.gguf"
    shutil.copy(builtin_model, copy)
    return EngineSettings(copy)


def health() -> dict[str, Any]:
    found = server_health()
    assert found is not None
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 250
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def asks(settings: EngineSettings) -> threading.Thread:
    """Somebody who waits for a model, until the server goes."""

    def ask() -> None:
        with suppress(NotDone):
            Client(settings, start=False).score(REQUEST)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread


def test_it_answers_as_the_server_does_while_the_model_is_held(one: EngineSettings) -> None:
    client, engine = Client(one), HeldEngine(one)
    facts, scores = client.facts(), client.score(REQUEST)
    assert is_held(one)
    assert engine.facts() == facts
    assert [score.edit for score in engine.score(REQUEST)] == [score.edit for score in scores]


def test_no_server_is_started_and_none_that_left_is_started_again(one: EngineSettings) -> None:
    engine = HeldEngine(one)
    for _ in range(2):
        assert not is_held(one)
        with pytest.raises(ModelNotHeld, match=r"no server holds .*\.gguf now"):
            engine.score(REQUEST)
        assert server_health() is None
        Client(one).facts()
        engine.score(REQUEST)
        stop_server()


def test_another_model_is_not_taken_away(one: EngineSettings, other: EngineSettings) -> None:
    Client(one).facts()
    engine = HeldEngine(one)
    engine.score(REQUEST)
    Client(other).facts()
    pid = health()["engine_pid"]
    with pytest.raises(ModelNotHeld):
        engine.score(REQUEST)
    assert (health()["engine_pid"], health()["model"]["path"]) == (pid, str(other.model_path))
    assert is_held(other)


def test_the_same_model_with_other_settings_is_another(one: EngineSettings) -> None:
    Client(one).facts()
    assert not is_held(replace(one, n_ctx=512))
    assert not is_held(replace(one, n_threads=1))


def test_it_does_not_queue_behind_who_waits_for_another_model(one: EngineSettings, other: EngineSettings) -> None:
    """It would have its own model loaded again when its turn came."""
    Client(one).facts()
    engine_pid = health()["engine_pid"]
    os.kill(engine_pid, signal.SIGSTOP)
    try:
        asked = [asks(one)]
        wait_until(lambda: health()["requests"] == 1)
        assert is_held(one)
        asked.append(asks(other))
        wait_until(lambda: health()["requests_waiting_for_a_model"] == 1)
        assert not is_held(one)
    finally:
        os.kill(engine_pid, signal.SIGCONT)
    for thread in asked:
        thread.join()
    assert is_held(other)


def test_a_server_of_an_older_version_is_not_asked_to_make_room(one: EngineSettings) -> None:
    Client(one).facts()
    newer = (
        "import dsassist_runtime.version as version; version.__version__ = '99.0';"
        "from dsassist.review.calibration.held import HeldEngine; import sys; from pathlib import Path;"
        "from dsassist_runtime.api import EngineSettings; HeldEngine(EngineSettings(Path(sys.argv[1]))).facts()"
    )
    pid = health()["pid"]
    done = subprocess.run([sys.executable, "-c", newer, str(one.model_path)], capture_output=True, check=False)
    assert b"ModelNotHeld" in done.stderr
    assert health()["pid"] == pid
