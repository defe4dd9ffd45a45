"""The server as a real process, with the builtin model: starting, streaming, cancelling, dying, leaving."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from dsassist_runtime.api import Edit, EngineSettings, InfillRequest, Sampling, ScoreRequest
from dsassist_runtime.client import Client, server_health, stop_server
from dsassist_runtime.errors import (
    DeadlineExceeded,
    EngineDied,
    ModelInvalid,
    ModelMissing,
    NotDone,
    RequestRefused,
    ServerUnavailable,
)
from dsassist_runtime.launch import server_is_up, try_connect
from dsassist_runtime.server.engine_process import spawn_engine
from dsassist_runtime.version import VERSION_HEADER
from dsassist_runtime.wire import to_wire
from frozen import frozen

pytestmark = pytest.mark.slow  # whole servers

# Five tokens on any machine: which one is the likeliest depends on how its processor adds.
SHORT = InfillRequest("def add(a, b):\n    return ", "\n", max_tokens=5, sampling=Sampling(seed=1), ignore_eos=True)


@pytest.fixture
def client(server: Path, builtin_model: Path) -> Client:
    return Client(EngineSettings(builtin_model, n_threads=1), idle_timeout_s=60)


def wait_for(condition: Callable[[], object], limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def health() -> dict[str, object]:
    answer = server_health()
    assert answer is not None
    return answer


def test_a_request_starts_the_server_and_streams(client: Client) -> None:
    assert server_health() is None
    stream = client.infill(SHORT)
    pieces = list(stream)
    assert stream.end is not None
    assert stream.end.completion_tokens == 5
    assert len(pieces) > 1, "token by token, not all at once"
    assert stream.end.ttft_ms <= stream.end.total_ms


def test_only_the_user_can_open_the_socket(client: Client, server: Path) -> None:
    client.facts()
    assert stat.S_IMODE((server / "server.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE(server.stat().st_mode) == 0o700


def test_two_clients_at_once_start_one_server(server: Path, builtin_model: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from dsassist_runtime.api import EngineSettings;"
        "from dsassist_runtime.client import Client, server_health;"
        "Client(EngineSettings(Path(sys.argv[1])), idle_timeout_s=60).facts(); print(server_health()['pid'])"
    )
    clients = [
        subprocess.Popen([sys.executable, "-c", code, str(builtin_model)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    pids = {process.communicate(timeout=60)[0] for process in clients}
    assert len(pids) == 1
    assert all(process.returncode == 0 for process in clients)


def test_a_second_server_says_that_one_runs(client: Client) -> None:
    client.facts()
    second = subprocess.run(
        [sys.executable, "-m", "dsassist", "serve"], capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode == 3
    assert "a dsassist server runs already" in second.stderr


def test_closing_a_stream_leaves_the_engine_free_at_once(client: Client, endless: InfillRequest) -> None:
    with client.infill(endless) as stream:
        pieces = iter(stream)
        next(pieces)
    started = time.perf_counter()
    list(client.infill(SHORT))
    assert time.perf_counter() - started < 5
    assert stream.end is not None
    assert stream.end.finish_reason == "cancelled"
    assert 0 < stream.end.completion_tokens < 900
    assert stream.end.prompt_tokens > 0
    assert 0 < stream.end.prompt_ms <= stream.end.ttft_ms, "in which the model was loaded as well"


def test_a_stream_can_be_closed_from_another_thread(client: Client, endless: InfillRequest) -> None:
    stream = client.infill(endless)
    threading.Timer(0.1, stream.close).start()
    list(stream)
    assert stream.end is not None
    assert stream.end.finish_reason == "cancelled"


def test_a_request_that_waits_can_be_cancelled(client: Client, endless: InfillRequest) -> None:
    first = client.infill(endless)
    pieces = iter(first)
    next(pieces)
    waiting = client.infill(SHORT)
    waiting.close()
    assert list(waiting) == []
    assert next(pieces), "the one before it goes on"
    first.close()
    assert len(list(client.infill(SHORT))) > 1


def test_requests_at_once_are_all_answered(client: Client) -> None:
    client.facts()
    ends: list[str] = []

    def ask() -> None:
        stream = client.infill(SHORT)
        list(stream)
        assert stream.end is not None
        ends.append(stream.end.finish_reason)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # In a batch with others a token of little probability may be drawn, the end of the text for one.
    assert len(ends) == 8
    assert set(ends) <= {"length", "stop"}


def test_an_engine_killed_in_mid_stream_is_a_clear_error_and_the_next_request_works(
    client: Client, endless: InfillRequest
) -> None:
    pieces = iter(client.infill(endless))
    next(pieces)
    os.kill(int(str(health()["engine_pid"])), signal.SIGKILL)
    with pytest.raises(EngineDied, match="the engine process was killed by SIGKILL while it worked on this request"):
        list(pieces)
    assert len(list(client.infill(SHORT))) > 1


def test_an_engine_killed_while_idle_is_not_noticed(client: Client) -> None:
    client.facts()
    for _ in range(3):
        os.kill(int(str(health()["engine_pid"])), signal.SIGKILL)
        assert len(list(client.infill(SHORT))) > 1


def test_a_server_killed_in_the_middle_of_a_stream_is_a_clear_error_and_the_next_request_starts_another(
    client: Client, server: Path, endless: InfillRequest
) -> None:
    """Its socket stays behind: a stale one must not stop the next server."""
    pieces = iter(client.infill(endless))
    next(pieces)
    engine_pid = int(str(health()["engine_pid"]))
    os.kill(int(str(health()["pid"])), signal.SIGKILL)
    with pytest.raises(ServerUnavailable, match="went away in the middle of its answer"):
        list(pieces)
    assert (server / "server.sock").exists()
    assert len(list(client.infill(SHORT))) > 1
    wait_for(lambda: not Path(f"/proc/{engine_pid}").exists() or sys.platform != "linux")


def test_the_server_leaves_when_idle_and_takes_the_engine_along(server: Path, builtin_model: Path) -> None:
    client = Client(EngineSettings(builtin_model), idle_timeout_s=0.5)
    client.facts()
    engine_pid = int(str(health()["engine_pid"]))
    wait_for(lambda: not server_is_up())
    assert not (server / "server.sock").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(engine_pid, 0)
    assert client.facts().architecture == "deepseek2"


def test_a_running_request_is_not_idleness(server: Path, builtin_model: Path, endless: InfillRequest) -> None:
    client = Client(EngineSettings(builtin_model, n_threads=1), idle_timeout_s=0.2)
    stream = client.infill(endless)
    list(stream)
    assert stream.end is not None
    assert stream.end.finish_reason != "cancelled"


def test_another_model_takes_the_place_of_the_first(client: Client, tmp_path: Path, builtin_model: Path) -> None:
    """Swapping to and fro once left the server deaf: the second engine's pipe got the number of the first one's."""
    copy = tmp_path / "copy.gguf"
    copy.symlink_to(builtin_model)
    other = Client(EngineSettings(copy, n_ctx=256), idle_timeout_s=60)
    for _ in range(3):
        assert client.facts().n_ctx == 1024
        assert other.facts().n_ctx == 256
        assert len(list(client.infill(SHORT))) > 1


def test_sigterm_ends_the_server_and_its_engine(client: Client) -> None:
    client.facts()
    engine_pid = int(str(health()["engine_pid"]))
    os.kill(int(str(health()["pid"])), signal.SIGTERM)
    wait_for(lambda: not server_is_up())
    with pytest.raises(ProcessLookupError):
        os.kill(engine_pid, 0)


def test_a_model_that_is_no_gguf_is_a_clear_error_each_time(server: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"not a model at all, but long enough to be read")
    client = Client(EngineSettings(bad), idle_timeout_s=60)
    for _ in range(2):
        with pytest.raises(ModelInvalid, match=r"bad\.gguf"):
            client.facts()
    with pytest.raises(ModelMissing):
        Client(EngineSettings(tmp_path / "none.gguf"), idle_timeout_s=60).facts()


def test_a_refused_request_leaves_the_engine_running(client: Client) -> None:
    client.facts()
    pid = health()["engine_pid"]
    with pytest.raises(RequestRefused, match="leaves no room for a prompt"):
        list(client.infill(InfillRequest("a", "b", max_tokens=100_000)))
    with pytest.raises(RequestRefused, match="lies outside"):
        client.score(ScoreRequest("", "a = 1", (Edit(9, 12, "x"),)))
    assert health()["engine_pid"] == pid


def test_scores_come_back_over_the_socket(client: Client) -> None:
    (score,) = client.score(ScoreRequest("", "if a < b:\n    return a\n", (Edit(5, 6, ">"),)))
    assert score.edit == Edit(5, 6, ">")
    assert score.suffix_original


def frozen_engine() -> AbstractContextManager[int]:
    return frozen(int(str(health()["engine_pid"])))


def test_a_score_ends_at_its_time_limit_though_the_engine_does_not_answer(client: Client) -> None:
    client.facts()
    request = ScoreRequest("", "if a < b:\n    return a\n", (Edit(5, 6, ">"),))
    with frozen_engine(), pytest.raises(DeadlineExceeded, match="no answer from the model within"):
        client.score(request, timeout_s=0.2)
    assert client.score(request, timeout_s=60)


def test_a_server_that_does_not_answer_at_all_is_not_waited_for_beyond_the_limit(client: Client) -> None:
    client.facts()
    request = ScoreRequest("", "a < b", (Edit(2, 3, ">"),))
    with (
        frozen(int(str(health()["pid"]))),
        pytest.raises(DeadlineExceeded, match=r"no answer from the model within 0\.2 s"),
    ):
        client.score(request, timeout_s=0.2)


def test_an_engine_that_does_not_obey_a_cancel_is_replaced(client: Client, endless: InfillRequest) -> None:
    stream = client.infill(endless)
    pieces = iter(stream)
    next(pieces)
    with frozen_engine() as pid:
        stream.close()
        assert len(list(client.infill(SHORT))) > 1
        assert health()["engine_pid"] != pid


def test_a_client_that_does_not_read_holds_up_nobody(
    client: Client, builtin_model: Path, endless: InfillRequest
) -> None:
    """It once did: the engine's turn was held until the socket took the last line."""
    settings = {"model_path": str(builtin_model), "n_threads": 1}
    body = json.dumps({"engine": settings, "request": to_wire(endless)}).encode()
    client.facts()
    connection = try_connect()
    assert connection is not None
    with connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        head = b"POST /engine/infill HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head + body)
        wait_for(lambda: health()["idle_s"] == 0)
        assert len(list(client.infill(SHORT))) > 1


def test_a_server_that_is_told_to_leave_ends_every_request_in_words(
    client: Client, endless: InfillRequest, builtin_model: Path
) -> None:
    running = iter(client.infill(endless))
    next(running)
    waiting = Client(EngineSettings(builtin_model, n_ctx=256), idle_timeout_s=60).infill(SHORT)
    assert stop_server()
    for stream in (running, waiting):
        with pytest.raises(ServerUnavailable, match="was told to leave in the middle of this request; ask again"):
            list(stream)
    assert len(list(client.infill(SHORT))) > 1


def test_cancels_at_any_moment_leave_the_engine_usable(client: Client, endless: InfillRequest) -> None:
    draw = random.Random(5)
    client.facts()
    for _ in range(40):
        stream = client.infill(endless if draw.random() < 0.7 else SHORT)
        pieces = iter(stream)
        for _piece in range(draw.randrange(4)):
            next(pieces, None)
        time.sleep(draw.random() * 0.02)
        stream.close()
        list(pieces)
    assert len(list(client.infill(SHORT))) > 1


def test_a_program_from_before_an_upgrade_is_told_to_start_again_and_stops_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.facts()
    pid = health()["pid"]
    old = "import sys, dsassist_runtime.exchange as e; e.__version__ = '0.0.9'; from pathlib import Path;"
    old += "from dsassist_runtime.api import EngineSettings; from dsassist_runtime.client import Client;"
    old += "Client(EngineSettings(Path(sys.argv[1]))).facts()"
    done = subprocess.run(
        [sys.executable, "-c", old, str(client._settings.model_path)], capture_output=True, text=True, check=False
    )
    assert "is installed by now and this program is still 0.0.9: start it again" in done.stderr
    assert health()["pid"] == pid


def test_the_engine_ends_with_its_server_even_in_the_middle_of_a_line(builtin_model: Path) -> None:
    engine = spawn_engine(EngineSettings(builtin_model))
    with engine:
        assert engine.stdin is not None
        assert engine.stdout is not None
        while b"ready" not in engine.stdout.readline():
            pass
        engine.stdin.write(b'{"id": 1, "op": "inf')
        engine.stdin.close()
        assert engine.wait(20) == 0


def test_the_working_directory_is_no_place_to_import_from(
    server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `-m` Python looks there first: a repository's own `queue.py` ran in the engine."""
    (tmp_path / "queue.py").write_text("raise SystemExit('the repository took over')")
    dsassist = Path(sys.executable).with_name("dsassist")
    foreground = subprocess.Popen([dsassist, "serve"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: (server_health() or {}).get("model"))
    finally:
        foreground.terminate()
        assert "took over" not in foreground.communicate()[1]


def raw(request: bytes) -> bytes:
    connection = try_connect()
    assert connection is not None
    with connection:
        connection.sendall(request)
        connection.settimeout(10)
        answer = b""
        while block := connection.recv(65536):
            answer += block
        return answer


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "the body is not JSON"),
        (b"\xff\xfe", "the body is not JSON"),
        (b"[]", "the body must be a JSON object"),
        (b'{"request": {}}', "engine must be an object"),
        (b'{"engine": {"model_path": 3}}', "engine.model_path must be"),
        (b'{"engine": {"model_path": "/x"}, "request": {"prefix": "a"}}', "request lacks the field 'suffix'"),
    ],
)
def test_a_bad_request_is_refused_in_words(client: Client, body: bytes, message: str) -> None:
    client.facts()
    head = b"POST /engine/infill HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = raw(head + body)
    assert answer.startswith(b"HTTP/1.1 400")
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert error["type"] == "RequestRefused"
    assert message in error["message"]


def test_a_client_of_another_version_is_sent_away_and_takes_over(client: Client, server: Path) -> None:
    client.facts()
    before = health()["pid"]
    headers = f"Host: x\r\nConnection: close\r\n{VERSION_HEADER}: 0.0.1\r\nContent-Length: 2"
    head = f"POST /engine/facts HTTP/1.1\r\n{headers}\r\n\r\n{{}}"
    assert raw(head.encode()).startswith(b"HTTP/1.1 409")
    assert stop_server()
    client.facts()
    assert health()["pid"] != before


def test_a_home_that_cannot_be_written_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, builtin_model: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DSASSIST_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(NotDone, match=r"cannot write to .*/file/home/run: not a directory; make it writable"):
        Client(EngineSettings(builtin_model)).facts()


def test_a_path_too_long_for_a_socket_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, builtin_model: Path
) -> None:
    monkeypatch.setenv("DSASSIST_HOME", str(tmp_path / ("x" * 100)))
    with pytest.raises(ServerUnavailable, match="the socket's path is too long"):
        Client(EngineSettings(builtin_model)).facts()


def test_a_file_in_the_place_of_the_socket_is_replaced(client: Client, server: Path) -> None:
    server.mkdir(parents=True)
    (server / "server.sock").write_text("left here")
    assert client.facts().architecture == "deepseek2"


def test_no_server_is_started_where_none_is_wanted(server: Path, builtin_model: Path) -> None:
    with pytest.raises(ServerUnavailable, match="no dsassist server is running; start one with `dsassist serve`"):
        Client(EngineSettings(builtin_model), start=False).facts()


def test_a_server_that_cannot_start_says_why(server: Path, builtin_model: Path) -> None:
    server.mkdir(parents=True)
    (server / "server.lock").mkdir()
    with pytest.raises(ServerUnavailable, match=r"could not be started.*server\.lock"):
        Client(EngineSettings(builtin_model)).facts()
    (server / "server.lock").rmdir()


def test_a_client_that_sends_nothing_does_not_stop_the_others(client: Client) -> None:
    client.facts()
    idle = try_connect()
    assert isinstance(idle, socket.socket)
    with idle:
        assert len(list(client.infill(SHORT))) > 1
