"""What reaches the terminal, and in what colour."""

from __future__ import annotations

import io
import os
import pty
import sys
from collections.abc import Iterator

import pytest

from dsassist import output


@pytest.fixture(autouse=True)
def automatic_color() -> Iterator[None]:
    yield
    output.set_color("auto")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.TextIOWrapper]:
    """A real terminal to write to."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        yield stream
    os.close(ours)


def test_terminal_gets_color(terminal: io.TextIOWrapper) -> None:
    assert output.style("x", "bold", "red", stream=terminal) == "\x1b[1;31mx\x1b[0m"


def test_no_color_in_the_environment_is_obeyed(terminal: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.style("x", "red", stream=terminal) == "x"


def test_dumb_terminal_gets_no_color(terminal: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert output.style("x", "red", stream=terminal) == "x"


def test_the_flag_wins_over_the_environment(terminal: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    output.set_color("always")
    assert "\x1b[" in output.style("x", "red", stream=terminal)
    output.set_color("never")
    monkeypatch.delenv("NO_COLOR")
    assert output.style("x", "red", stream=terminal) == "x"


def test_pipe_gets_no_color(capsys: pytest.CaptureFixture[str]) -> None:
    output.warn("careful")
    assert capsys.readouterr().err == "dsassist: warning: careful\n"


def test_notices_go_to_stderr_and_the_answer_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    output.notice("note")
    output.error("wrong")
    output.write_line("answer")
    output.write("piece")
    assert capsys.readouterr() == ("answer\npiece", "dsassist: note\ndsassist: wrong\n")


def test_control_characters_in_a_message_are_shown_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    output.notice("evil\x1b]0;title\x07\rname\x9b2J")
    assert capsys.readouterr().err == "dsassist: evil\\x1b]0;title\\x07\\x0dname\\x9b2J\n"


def test_notice_that_nobody_reads_does_not_end_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        output.notice("lost")
        # Nothing may be left over that would fail when the stream is closed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)


def test_without_streams_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    output.write_line("answer")
    output.notice("note")
    assert output.style("x", "red") == "x"


def test_any_text_can_be_written_in_an_ascii_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    output.prepare_streams()
    output.write_line("é \udcff \ud800")  # an accent, a byte of a file name that is not UTF-8, half a surrogate pair
    sys.stdout.flush()
    assert raw.getvalue() == b"\xc3\xa9 \xff \\ud800\n"
