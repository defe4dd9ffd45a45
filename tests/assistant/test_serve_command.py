"""`dsassist serve` in the foreground, as a real process: what it answers, says, and ends with."""

from __future__ import annotations

import contextlib
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
    """Exit code, stdout and stderr, once it has ended."""
    out, err = process.communicate(timeout=LIMIT_S)
    return process.returncode, out, err


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


def test_status_says_what_it_holds(serving: Process, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--status"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"dsassist {__version__}, process {serving.pid}, idle for ")
    assert f"({BUILTIN_PATH}, context " in out
    assert out.count("\n") == 1

    assert main(["serve", "--status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pid"] == serving.pid
    assert found["version"] == __version__
    assert found["model"]["path"] == str(BUILTIN_PATH)


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
    assert (isolated / "d" / "state" / "server.log").read_text() == ""
