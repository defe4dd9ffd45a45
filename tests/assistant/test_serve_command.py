"""`dsassist serve` in the foreground, as a real process: what it answers, says, and ends with."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsassist.cli import main
from dsassist_runtime.client import server_health
from dsassist_runtime.gguf import read_header
from dsassist_runtime.models.store import BUILTIN_PATH
from dsassist_runtime.version import __version__
from gguf_files import write
from streamed_engine import keep_measured, ram_for

LIMIT_S = 30.0
Process = subprocess.Popen[str]
Start = Callable[..., Process]


def wait_for(condition: Callable[[], object], process: Process) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def health() -> dict[str, Any]:
    found = server_health()
    assert found is not None
    return found


@pytest.fixture
def start(server: Path, tmp_path: Path) -> Iterator[Start]:
    """`start(option, ...)` starts `dsassist serve`; what still runs at the end is killed."""
    processes: list[Process] = []

    def start(*options: str) -> Process:
        process = subprocess.Popen(
            [sys.executable, "-m", "dsassist", "serve", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def serving(start: Start) -> Process:
    """A server in the foreground that has its model."""
    process = start()
    wait_for(lambda: (found := server_health()) and found["model"], process)
    return process


def ended(process: Process) -> tuple[int, str, str]:
    """Exit code, stdout and stderr, the log of requests left out, once it has ended."""
    out, err = process.communicate(timeout=LIMIT_S)
    return process.returncode, out, "".join(line for line in err.splitlines(keepends=True) if not is_logged(line))


def is_logged(line: str) -> bool:
    """Whether a line is the log's of one request."""
    return line.startswith("{") and "finish_reason" in json.loads(line)


def said_at_start(server: Path) -> str:
    return f"dsassist: serving builtin.gguf on {server}/server.sock; Ctrl-C ends it\n"


def test_it_says_where_it_serves_and_answers_there(
    serving: Process, server: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert health()["pid"] == serving.pid
    write(tmp_path / "a.py", b"x = ")
    assert main(["complete", f"{tmp_path}/a.py:1:5", "--max-tokens", "3"]) == 0
    assert health()["pid"] == serving.pid, "the client found it and started none of its own"
    assert main(["serve", "--stop"]) == 0
    assert ended(serving) == (0, "", said_at_start(server))


@pytest.mark.parametrize("plan", ["auto", "off"])
def test_a_model_larger_than_the_named_memory_is_streamed_unless_there_shall_be_no_plan(
    start: Start, capsys: pytest.CaptureFixture[str], plan: str
) -> None:
    keep_measured(BUILTIN_PATH)
    process = start("--ram", f"{ram_for(BUILTIN_PATH, 0.6) // 1000}K", "--plan", plan)
    wait_for(lambda: (found := server_health()) and found["model"], process)
    assert main(["serve", "--status"]) == 0
    told = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert ("experts" in told) == (plan == "auto")
    assert ("plan" in told) == (plan == "auto")


def test_status_says_what_it_holds_and_does(serving: Process, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--status"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    told = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert told["server"].startswith(f"dsassist {__version__}, process {serving.pid}, up ")
    assert told["file"] == str(BUILTIN_PATH)
    assert told["engine"].startswith(f"process {health()['engine_pid']}, memory ")
    assert told["requests"] == "0 running, 0 waiting"
    assert set(told) == {"server", "model", "file", "engine", "requests", "cache", "speed", "drafts", "so"}

    assert main(["serve", "--status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["server"]["pid"] == serving.pid
    assert found["server"]["version"] == __version__
    assert found["model"]["path"] == str(BUILTIN_PATH)
    assert found["engine"]["requests"] == []


def test_status_names_no_model_whose_engine_is_dead(serving: Process, capsys: pytest.CaptureFixture[str]) -> None:
    """It once named the model of a killed engine until the next request."""
    os.kill(health()["engine_pid"], signal.SIGKILL)
    wait_for(lambda: health()["engine_pid"] is None, serving)
    assert main(["serve", "--status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["server", "model"]
    assert lines[1].split(maxsplit=1)[1] == "none in memory"
    assert main(["serve", "--status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"] is None
    assert found["engine"] is None


def test_status_without_a_server_is_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--status"]) == 3
    assert capsys.readouterr() == ("", "dsassist: no server runs; it starts with the first request\n")
    assert main(["serve", "--status", "--json"]) == 3
    assert json.loads(capsys.readouterr().out) is None


def test_stop_ends_it_and_is_content_without_one(serving: Process, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--stop"]) == 0
    assert ended(serving)[0] == 0
    assert main(["serve", "--stop"]) == 0
    assert capsys.readouterr() == ("", "dsassist: the server has left\ndsassist: no server runs\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_it_without_a_trace(serving: Process, server: Path, number: signal.Signals, code: int) -> None:
    """SIGTERM once killed the process where it stood, and left the socket behind."""
    engine_pid = health()["engine_pid"]
    serving.send_signal(number)
    assert ended(serving) == (code, "", said_at_start(server))
    assert not (server / "server.sock").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(engine_pid, 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_while_it_starts_ends_it_without_a_trace(
    start: Start, server: Path, number: signal.Signals, code: int
) -> None:
    """A Ctrl-C before the web framework was ready once printed its traceback."""
    process = start()
    wait_for((server / "server.sock").exists, process)
    process.send_signal(number)
    assert ended(process) == (code, "", said_at_start(server))
    assert not (server / "server.sock").exists()


def test_ctrl_c_ends_it_while_a_request_runs(serving: Process, tmp_path: Path) -> None:
    """The engine stands still, so that the request is in flight for certain. It once left uvicorn's tracebacks."""
    write(tmp_path / "a.py", b"x = ")
    engine_pid = health()["engine_pid"]
    wait_for(lambda: health()["idle_s"] > 0, serving)
    os.kill(engine_pid, signal.SIGSTOP)
    try:
        client = subprocess.Popen(
            [sys.executable, "-m", "dsassist", "complete", "a.py:1:5"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        wait_for(lambda: health()["idle_s"] == 0, client)
        serving.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            serving.wait(0.5)
        serving.send_signal(signal.SIGINT)  # as a person does who does not like to wait
        code, _, err = ended(serving)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(engine_pid, signal.SIGCONT)
    assert code == 130
    assert "Traceback" not in err
    code, out, err = ended(client)
    assert (code, out.strip()) == (3, "")
    assert err.splitlines()[-1] in (
        "dsassist: the dsassist server was told to leave in the middle of this request; ask again",
        "dsassist: the dsassist server went away in the middle of its answer",
    )


def test_a_second_one_is_sent_away(serving: Process, start: Start) -> None:
    second = start()
    assert ended(second) == (
        3,
        "",
        "dsassist: a dsassist server runs already; `dsassist serve --stop` ends it, `--status` says what it holds\n",
    )
    assert health()["pid"] == serving.pid


def test_it_takes_the_place_of_a_killed_one(serving: Process, start: Start, server: Path) -> None:
    serving.kill()
    serving.wait()
    assert (server / "server.sock").is_socket()
    second = start()
    wait_for(lambda: (found := server_health()) and found["pid"] == second.pid, second)


def test_it_leaves_when_idle(start: Start, server: Path) -> None:
    process = start("--idle-timeout", "0.5")
    assert ended(process) == (0, "", said_at_start(server))


def test_it_ends_at_once_with_a_model_that_llama_cpp_refuses(start: Start, tmp_path: Path) -> None:
    """It once went on to serve, and told only those who asked it for something."""
    architecture = read_header(BUILTIN_PATH).architecture.encode()
    write(
        tmp_path / "strange.gguf",
        BUILTIN_PATH.read_bytes().replace(architecture, b"nosuchnetwork"[: len(architecture)]),
    )
    code, out, err = ended(start("--model", "./strange.gguf"))
    assert (code, out) == (3, "")
    assert err.splitlines()[-1].startswith(
        f"dsassist: {tmp_path}/strange.gguf: this llama.cpp does not know the architecture nosuch"
    )
    assert "Traceback" not in err


def test_what_lies_in_a_client_started_servers_log_is_no_trace(
    server: Path, isolated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a.py", b"x = ")
    assert main(["complete", f"{tmp_path}/a.py:1:5", "--max-tokens", "3"]) == 0
    assert main(["serve", "--stop"]) == 0
    lines = (isolated / "d" / "state" / "server.log").read_text().splitlines()
    assert [line for line in lines if not is_logged(line)] == []


def ask(address: str, path: str, key: str | None = None) -> int:
    """The status of a GET over TCP."""
    connection = http.client.HTTPConnection(address, timeout=LIMIT_S)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
        return connection.getresponse().status


def listening(process: Process) -> str:
    wait_for(lambda: (found := server_health()) and found["model"], process)
    address: str = health()["listen"]
    return address


def test_it_listens_on_tcp_with_the_key_of_a_file(start: Start, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch(0o600)
    key.write_text("sk-file\n")
    process = start("--listen", "127.0.0.1:0", "--api-key-file", str(key))
    address = listening(process)
    assert [ask(address, "/v1/models", sent) for sent in (None, "sk-env", "sk-file")] == [401, 401, 200]
    assert main(["serve", "--stop"]) == 0
    assert f"server.sock and http://{address.split(':')[0]}:" in ended(process)[2]


def test_it_listens_on_tcp_with_the_key_of_the_environment(
    start: Start, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DSASSIST_API_KEY", "sk-env")
    address = listening(start("--listen", "127.0.0.1:0"))
    assert [ask(address, "/v1/models", sent) for sent in (None, "sk-env")] == [401, 200]
    assert main(["serve", "--status"]) == 0
    out, err = capsys.readouterr()
    assert f", on {address}, up " in out
    assert err == ""


def test_it_listens_on_loopback_without_a_key(start: Start) -> None:
    address = listening(start("--listen", "127.0.0.1:0"))
    assert ask(address, "/v1/models") == 200


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--listen", "0.0.0.0:0"], "can be reached from other machines, and there is no API key"),
        (["--listen", "8080"], "cannot listen on '8080'; name a host and a port"),
        (
            ["--api-key-file", "key"],
            "--api-key-file is for clients on TCP; say where to listen: --listen 127.0.0.1:8080",
        ),
        (["--listen", "127.0.0.1:0", "--api-key-file", "nosuch"], "cannot read nosuch: no such file or directory"),
        (
            ["--listen", "127.0.0.1:0", "--api-key-file", "open"],
            "others may read or write open; make it private: chmod",
        ),
        (["--listen", "127.0.0.1:0", "--api-key-file", "empty"], "there is no key in empty"),
        (
            ["--listen", "127.0.0.1:0", "--api-key-file", "words"],
            "words holds no key: one is a word of ASCII characters",
        ),
    ],
)
def test_it_does_not_listen_where_that_is_not_safe(
    start: Start, server: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    for name, text, mode in (("open", "sk", 0o640), ("empty", "\n", 0o600), ("words", "to be", 0o600)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    code, out, err = ended(start(*options))
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert not (server / "server.sock").exists()
