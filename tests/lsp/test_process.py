"""The real thing: `dsassist lsp` as a process, with the builtin model on a real engine."""

from __future__ import annotations

import os
import random
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dsassist_runtime.client import server_health
from lsp.client import LIMIT_S, URI, LanguageClient, ProcessClient, at

pytestmark = pytest.mark.slow  # whole processes

CANCELLED = -32800
DOCUMENT = "def add(a, b):\n    return a + b\n"


def health() -> dict[str, Any]:
    found = server_health()
    assert found is not None, "no model server runs"
    return found


def engine_that_is_ready() -> dict[str, Any]:
    deadline = time.monotonic() + LIMIT_S
    while (found := server_health()) is None or found["model"] is None:
        assert time.monotonic() < deadline, "the model was not loaded"
        time.sleep(0.02)
    return found


def wait_until_idle(limit_s: float = 10.0) -> None:
    started = time.monotonic()
    while (found := server_health()) is None or not _looks_idle(found):
        assert time.monotonic() < started + limit_s, "the engine does not become idle"
        time.sleep(0.02)


def _looks_idle(found: dict[str, Any]) -> bool:
    return bool(found["idle_s"] > 0)  # 0.1 s or more: it is rounded


def running_request(client: LanguageClient) -> int:
    """A request that the engine has and does not end: it is stopped until `go_on`.

    No text of the builtin model is long for certain, and the model is to be replaced by a better one.
    """
    os.kill(engine_that_is_ready()["engine_pid"], signal.SIGSTOP)
    request_id = client.request_inline(1, 11)
    with pytest.raises(AssertionError, match="did not come within"):
        client.answer(request_id, 0.3)
    assert health()["idle_s"] == 0.0
    return request_id


def go_on() -> None:
    os.kill(health()["engine_pid"], signal.SIGCONT)


def test_initialize_is_answered_before_anything_slow_and_warms_the_model_up_afterwards(client: ProcessClient) -> None:
    client.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
    assert server_health() is None
    client.notify("initialized", {})
    engine_that_is_ready()


def test_a_completion_by_the_builtin_model_comes_with_a_word_on_that_model(client: ProcessClient) -> None:
    client.initialize()
    client.open("import os\nimport ")
    # By hand, as what is shown unasked must be likely, and this model is seldom sure of anything.
    found = client.ask("textDocument/inlineCompletion", at(1, 7) | {"context": {"triggerKind": 1}})
    assert found[0]["range"] == {"start": {"line": 1, "character": 7}, "end": {"line": 1, "character": 7}}
    assert found[0]["insertText"].strip()
    assert client.wait_shown("small test model")["type"] == 3
    assert client.leave() == 0
    assert client.stderr() == ""
    assert server_health() is not None
    assert client.has_ended(), "the model server holds the editor's stream open"


def test_a_cancel_stops_the_real_engine_at_once(client: ProcessClient) -> None:
    client.initialize()
    client.open(DOCUMENT)
    request_id = running_request(client)
    client.cancel(request_id)
    assert client.answer(request_id)["error"]["code"] == CANCELLED  # before the engine, which is stopped, does anything
    go_on()
    wait_until_idle()
    assert isinstance(client.inline(1, 11), list)


def test_each_of_a_burst_of_requests_is_answered_once_though_half_are_cancelled(client: ProcessClient) -> None:
    client.initialize()
    uris = [f"file:///project/{name}.py" for name in "abc"]
    for uri in uris:
        client.open("def add(a, b):\n    return a + b\n", uri=uri)
    draw = random.Random(4)
    requests, cancelled = [], set()
    for number in range(30):
        requests.append(client.request_inline(1, draw.randrange(16), uris[number % 3]))
        if number % 2:
            cancelled.add(draw.choice(requests))
            client.cancel(max(cancelled))
    client.cancel(4711)
    for request_id in requests:
        answer = client.answer(request_id)
        assert answer.get("result") is not None or answer["error"]["code"] == CANCELLED, answer
    assert client.leave() == 0
    assert client.stderr() == ""


def test_an_engine_killed_in_the_middle_is_replaced_and_the_editor_gets_its_answers(client: ProcessClient) -> None:
    """It had answered nothing, so the server asks the next engine. One killed in mid-stream: tests/runtime/server."""
    client.initialize()
    client.open(DOCUMENT)
    request_id = running_request(client)
    killed = health()["engine_pid"]
    os.kill(killed, signal.SIGKILL)
    assert isinstance(client.answer(request_id)["result"], list)
    assert isinstance(client.inline(1, 11), list)
    assert health()["engine_pid"] not in (None, killed)
    assert [message for message in client.shown() if message["type"] == 2] == []


def test_a_request_in_flight_does_not_delay_the_end(client: ProcessClient) -> None:
    client.initialize()
    client.open(DOCUMENT)
    request_id = running_request(client)
    assert client.leave() == 0  # while the engine is stopped
    assert client.answer(request_id)["error"]["code"] == CANCELLED
    assert client.stderr() == ""
    go_on()
    wait_until_idle()


def test_exit_without_shutdown_is_an_exit_code_of_one(client: ProcessClient) -> None:
    client.initialize()
    client.open(DOCUMENT)
    running_request(client)
    client.notify("exit")
    assert client.process.wait(LIMIT_S) == 1
    assert client.stderr() == ""


def test_an_editor_that_dies_ends_the_server_with_it(client: ProcessClient) -> None:
    client.initialize()
    client.open(DOCUMENT)
    running_request(client)
    client.hang_up()
    assert client.process.wait(LIMIT_S) == 1
    assert client.stderr() == ""
    go_on()
    wait_until_idle()


def test_before_initialize_requests_are_refused(client: ProcessClient) -> None:
    assert client.answer(client.request_inline(0, 0, URI))["error"]["code"] == -32002
    client.notify("exit")
    assert client.process.wait(LIMIT_S) == 1


def test_what_is_printed_meanwhile_does_not_reach_the_client(tmp_path: Path) -> None:
    printing = (
        "import os, sys, threading, time\n"
        "from dsassist.cli import main\n"
        "def stray(client=os.fstat(1).st_ino):\n"
        "    while os.fstat(1).st_ino == client:\n"  # a slow machine takes its time until the server has the pipe
        "        time.sleep(0.01)\n"
        "    print('stray', flush=True), os.write(1, b'stray too\\n'), os.write(2, b'printed\\n')\n"
        "threading.Thread(target=stray).start()\n"
        "sys.exit(main(['lsp']))\n"
    )
    client = ProcessClient(tmp_path, [sys.executable, "-c", printing])
    try:
        client.initialize(options={"completion": {"enabled": False}})
        time.sleep(1.0)
        assert client.leave() == 0
        assert client.has_ended()
        assert client.stderr() == "stray\nstray too\nprinted\n"
    finally:
        client.close()


def test_a_server_without_standard_error_works(tmp_path: Path) -> None:
    command = f"exec {shlex.quote(sys.executable)} -m dsassist lsp 2>&-"
    client = ProcessClient(tmp_path, ["sh", "-c", command])
    try:
        client.initialize({}, {"completion": {"enabled": False}})
        client.open(DOCUMENT)
        assert client.inline(1, 11) == []
        assert client.leave() == 0
    finally:
        client.close()
