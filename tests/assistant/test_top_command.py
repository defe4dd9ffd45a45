"""`dsassist top`: the lines that it shows, and the live view on a real terminal with a real server."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dsassist.cli import main
from dsassist.status_report import ServerReport, age, report_of, status_lines
from dsassist.top_view import view
from dsassist_runtime.api import (
    EngineSettings,
    EngineStatus,
    ExpectedSpeed,
    ModelFacts,
    SeenSpeed,
    SequenceStatus,
    StreamedWork,
    StreamingStatus,
)
from dsassist_runtime.client import Client, server_status
from dsassist_runtime.errors import NotDone
from dsassist_runtime.version import __version__
from dsassist_runtime.wire import to_wire

pytestmark = pytest.mark.slow  # whole servers

LIMIT_S = 30.0
MODEL = ModelFacts("Qwen", Path("/models/qwen.gguf"), "qwen2", 8192, 0, 0, ("psm",), True, size_bytes=491_400_064)
ENGINE = EngineStatus(
    requests=(
        SequenceStatus(12, "infill", "interactive", "decode", "/src/" + "long/" * 20 + "a.py", 1200, 1200, 14, 400.0),
        SequenceStatus(13, "score", "review", "prefill", "", 4096, 1024, 0, 3400.0),
        SequenceStatus(14, "chat", "chat", "waiting", "evil\x1b[2J", 38, 0, 0, 72_000.0),
    ),
    kv_tokens=5300,
    kv_tokens_limit=16_384,
    cached_tokens=2100,
    cached_sequences=4,
    n_threads=1,
    n_threads_limit=2,
    token_ms=23.7,
    prefill_tokens_per_s=321.4,
    decode_tokens_per_s=42.13,
    speculating=True,
    rss_bytes=912_000_000,
    prompt_tokens_total=123_456,
    prompt_tokens_cached_total=100_000,
    completion_tokens_total=3456,
    drafted_tokens_total=1200,
    accepted_tokens_total=730,
    preemptions_total=3,
)
STREAMING = StreamingStatus(
    budget_bytes=1_800_000_000,
    budget_limit_bytes=2_600_000_000,
    held_bytes=1_790_000_000,
    expert_bytes=8_700_000_000,
    n_lanes=4,
    text=StreamedWork(300, 300, 40_000, 8000, 31_000_000_000, 120.0),
    prompt=StreamedWork(),
    other=StreamedWork(),
    seen=SeenSpeed(2.412, 0.834, 102_400_000.0, 2.04),
    expected=(ExpectedSpeed("even", 1.961, 0.3), ExpectedSpeed("local", 7.93, 0.88)),
    read_bytes_total=45_200_000_000,
    preloaded_bytes_total=910_000_000,
    lanes_busy_s_total=44.0,
    evictions_total=7310,
    remarks=("memory is short\x1b[2J",),
)
REPORT = ServerReport(123, 124, 7500.0, 0.0, "127.0.0.1:8080", ENGINE, MODEL)


def test_the_view_says_all_that_the_engine_tells() -> None:
    assert view(REPORT, 80) == [
        f"server    dsassist {__version__}, process 123, on 127.0.0.1:8080, up 2 h 5 min",
        "model     Qwen (qwen2, 491 MB), context 8,192 tokens",
        "file      /models/qwen.gguf",
        "engine    process 124, memory 912 MB, threads 1 of 2",
        "requests  2 running (1 interactive, 1 review), 1 waiting (1 chat)",
        "cache     [#####...........] 5,300 of 16,384 tokens, 2,100 kept in 4 prefixes",
        "speed     prompt 321 tokens/s, text 42.1 tokens/s, 23.7 ms a token",
        "drafts    speculation is on, 61% of 1,200 tokens accepted",
        "so far    123,456 tokens read (81% cached), 3,456 written, 3 preempted",
        "",
        "    ID CLASS       STATE           PROMPT   TEXT        AGE  DOCUMENT",
        "    12 interactive decode       1200/1200     14      0.4 s  …ong/long/long/a.py",
        "    13 review      prefill      1024/4096      0      3.4 s  score",
        r"    14 chat        waiting           0/38      0 1 min 12 s  evil\x1b[2J",
    ]


def test_of_streamed_experts_what_is_seen_stands_beside_what_was_expected() -> None:
    def told(streaming: StreamingStatus) -> list[tuple[str, str]]:
        return status_lines(replace(REPORT, engine=replace(ENGINE, streaming=streaming)))[9:]

    assert told(STREAMING) == [
        (
            "experts",
            "1.8 GB in memory of 1.8 GB (by the plan 2.6 GB), all are 8.7 GB, 7,310 evicted, 910 MB preloaded",
        ),
        ("disk", "45 GB read, lately 102 MB a token of text, with 2.0 of 4 lanes busy"),
        ("plan", "expected at most 1.96 to 7.93 tokens/s with 30% to 88% hits, seen lately 2.41 with 83%"),
        ("note", r"memory is short\x1b[2J"),
    ]
    none = StreamedWork()
    unused = StreamingStatus(2 * 10**9, 2 * 10**9, 0, 8 * 10**9, 4, none, none, none, SeenSpeed())
    assert told(unused) == [
        ("experts", "0 bytes in memory of 2.0 GB, all are 8.0 GB, 0 evicted"),
        ("disk", "0 bytes read"),
        ("plan", "nothing expected, nothing seen yet"),
    ]
    sure = replace(unused, expected=(ExpectedSpeed("even", 11.0, 1.0),))
    assert told(sure)[2][1] == "expected at most 11 tokens/s with 100% hits, nothing seen yet"


@pytest.mark.parametrize("width", [1, 9, 40, 79, 80, 200])
@pytest.mark.parametrize("height", [1, 5, 11, 13, 14, 50])
def test_the_view_fits_every_window(width: int, height: int) -> None:
    lines = view(REPORT, width, height)
    assert len(lines) <= height
    assert all(len(line) <= max(width, 11) for line in lines), "a label is never cut"


def test_requests_that_do_not_fit_are_counted() -> None:
    many = replace(ENGINE, requests=tuple(replace(ENGINE.requests[1], request=n) for n in range(30)))
    lines = view(replace(REPORT, engine=many), 80, 20)
    assert len(lines) <= 20
    shown = sum(" review " in line and "prefill" in line for line in lines)
    assert lines[-1] == f"{30 - shown} more: make the window higher to see them"


def test_a_dead_engine_names_no_model() -> None:
    dead = replace(REPORT, engine=None, model=None, engine_pid=None, idle_s=3.0)
    assert [text for _, text in status_lines(dead)][1:] == ["none in memory"]
    assert "Qwen" not in "".join(view(dead, 80))


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (86_399, "23 h 59 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_span_of_time_is_told_in_two_units_at_most(seconds: float, told: str) -> None:
    assert age(seconds) == told


def test_another_versions_server_is_told() -> None:
    server = {"version": "9.9", "pid": 1, "engine_pid": 2, "uptime_s": 1.0, "idle_s": 0.0, "listen": None}
    with pytest.raises(NotDone, match=r"the running server is of version 9\.9 .* `dsassist serve --stop` ends it"):
        report_of({"server": server, "engine": to_wire(ENGINE), "model": to_wire(MODEL)})


@pytest.fixture
def with_model(server: Path, builtin_model: Path) -> None:
    Client(EngineSettings(builtin_model, n_threads=1), idle_timeout_s=60).facts()


def test_without_a_terminal_one_view_is_printed(with_model: None, capsys: pytest.CaptureFixture[str]) -> None:
    for options in ([], ["--once"]):
        assert main(["top", *options]) == 0
        out, err = capsys.readouterr()
        assert out.startswith(f"server    dsassist {__version__}, process ")
        assert "builtin.gguf" in out
        assert out.endswith("no requests\n")
        assert err == ""


def test_json_is_the_servers_whole_status(with_model: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "--json", "--once"]) == 0
    found = json.loads(capsys.readouterr().out)
    status = server_status()
    assert status is not None
    assert found["model"] == status["model"]
    assert found["server"]["pid"] == status["server"]["pid"]
    assert set(found["engine"]) == set(to_wire(ENGINE))


def test_json_goes_on_a_line_a_second_until_nobody_reads(with_model: None) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dsassist", "top", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(2):
            assert json.loads(process.stdout.readline())["model"]
        process.stdout.close()
        assert process.wait(LIMIT_S) == 141
        assert process.stderr.read() == b""


def test_without_a_server_one_view_is_exit_code_3(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "--once"]) == 3
    assert capsys.readouterr() == ("", "dsassist: no server runs; it starts with the first request\n")
    assert main(["top", "--once", "--json"]) == 3
    assert capsys.readouterr().out == "null\n"


class Terminal:
    """`dsassist top` on a terminal of its own."""

    def __init__(self, columns: int, lines: int) -> None:
        self.descriptor, inside = pty.openpty()
        self.resize(columns, lines)
        self.before = termios.tcgetattr(self.descriptor)
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        # Ctrl-C and Ctrl-Z are signals to the processes whose controlling terminal it is.
        code = "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
        code += "from dsassist.cli import main; sys.exit(main(['top']))"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env={**environment, "TERM": "xterm"},
            start_new_session=True,
        )
        os.close(inside)
        self.written = b""

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read_until(self, pattern: str) -> str:
        """What is written until the pattern was, which is then forgotten."""
        deadline = time.monotonic() + LIMIT_S
        while not (found := re.search(pattern, self.text, re.DOTALL)):
            assert time.monotonic() < deadline, self.text
            assert self._read() or re.search(pattern, self.text, re.DOTALL), self.text
        self.written = self.text[found.end() :].encode()
        return found.group()

    @property
    def text(self) -> str:
        return self.written.decode("utf-8", "ignore")

    def press(self, keys: bytes) -> None:
        os.write(self.descriptor, keys)

    def exit_code(self) -> int:
        deadline = time.monotonic() + LIMIT_S
        while self._read() and time.monotonic() < deadline:
            pass
        return self.process.wait(LIMIT_S)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.descriptor)

    def _read(self) -> bool:
        """Read some more; False at the end."""
        if not select.select([self.descriptor], [], [], 0.1)[0]:
            return True
        try:
            data = os.read(self.descriptor, 65_536)
        except OSError:  # Linux says so when the other end is closed
            return False
        self.written += data
        return bool(data)


@pytest.fixture
def terminal(server: Path) -> Iterator[Terminal]:
    terminal = Terminal(80, 24)
    yield terminal
    terminal.close()


TAKEN = re.escape("\x1b[?1049h")
GIVEN_BACK = "\x1b[?25h\x1b[?1049l"


@pytest.mark.parametrize(("keys", "number", "code"), [(b"q", 0, 0), (b"\x03", 0, 0), (b"", signal.SIGTERM, 143)])
def test_the_terminal_is_given_back_however_it_ends(terminal: Terminal, keys: bytes, number: int, code: int) -> None:
    terminal.read_until(TAKEN)
    terminal.read_until("no server runs; it starts with the first request")
    terminal.read_until("q ends it")
    if keys:
        terminal.press(keys)
    else:
        terminal.process.send_signal(number)
    assert terminal.exit_code() == code
    assert terminal.text.endswith(GIVEN_BACK)
    assert termios.tcgetattr(terminal.descriptor) == terminal.before


def test_the_live_view_follows_the_server_and_the_window(terminal: Terminal, builtin_model: Path) -> None:
    terminal.read_until("no server runs")
    Client(EngineSettings(builtin_model, n_threads=1), idle_timeout_s=60).facts()
    terminal.read_until(r"builtin\.gguf")
    terminal.read_until(" {60}[0-9:]{8}   q ends it")
    terminal.resize(40, 5)
    page = terminal.read_until("\x1b\\[H((?!\x1b\\[H).)*\n {20}[0-9:]{8}   q ends it")
    assert page.count("\n") == 4


def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(terminal: Terminal) -> None:
    terminal.read_until("no server runs")
    terminal.press(b"\x1a")
    terminal.read_until(re.escape(GIVEN_BACK))
    assert os.WIFSTOPPED(os.waitpid(terminal.process.pid, os.WUNTRACED)[1])
    terminal.process.send_signal(signal.SIGCONT)
    terminal.read_until(TAKEN)
    terminal.read_until("no server runs")
    terminal.press(b"q")
    assert terminal.exit_code() == 0
