"""`dsassist stats`, as a user runs it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dsassist.command import Command
from dsassist.commands.stats import COMMAND
from dsassist.dispatch import Parser
from dsassist.ledger.database import is_empty, ledger_dir
from dsassist.ledger.entries import RequestCost, ShownOffer
from dsassist.ledger.kept import Kept
from dsassist.ledger.ledger import Ledger
from dsassist_runtime.errors import DsassistError, NotDone

DAY_S = 86_400


def stats(*arguments: str) -> int:
    parser = Parser(prog="dsassist stats", allow_abbrev=False)
    COMMAND.add_arguments(parser)
    return COMMAND.run(parser.parse_args(arguments))


@pytest.fixture
def counted() -> None:
    """Two offers of today, one of 40 days ago."""
    now = time.time()
    times = iter([now - 40 * DAY_S, now, now])
    current = [now]
    ledger = Ledger(pytest.fail, clock=lambda: current[0])
    for language in ("go", "python", "typescript"):
        current[0] = next(times)
        offer = ledger.shown(ShownOffer(language, "qwen", "/r", 20, 1, 0.5, 150.0))
        ledger.accepted(offer)
        ledger.kept(Kept(offer, "5min", 0.75))
    ledger.request(RequestCost("python", "qwen", "/r", 90.0, 300, 50, 16, 16, "below the threshold"))
    assert ledger.close()


def test_it_is_a_command() -> None:
    assert isinstance(COMMAND, Command)


def test_an_empty_ledger_is_said_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert stats() == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dsassist: no completion has been counted yet; ")
    assert err.count("\n") == 1
    assert not ledger_dir().exists()


@pytest.mark.usefixtures("counted")
def test_the_figures_are_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert stats() == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert re.search(r"^shown +2$", out, re.MULTILINE)
    assert re.search(r"^kept 5 min +75 %", out, re.MULTILINE)
    assert re.search(r"^python +1 +100 %", out, re.MULTILINE)
    assert "below the threshold" in out
    assert not re.search(r"^go ", out, re.MULTILINE)
    assert "\x1b" not in out


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(
    ("arguments", "languages"),
    [
        ([], {"python", "typescript"}),
        (["--days", "365"], {"go", "python", "typescript"}),
        (["--language", "python"], {"python"}),
        (["--model", "another"], set()),
    ],
)
def test_only_what_is_asked_for_is_counted(
    capsys: pytest.CaptureFixture[str], arguments: list[str], languages: set[str]
) -> None:
    assert stats("--json", *arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["languages"]) == languages
    assert found["total"]["shown"] == len(languages)
    assert found["total"]["outcomes"]["accepted"] == len(languages)


@pytest.mark.usefixtures("counted")
def test_when_nothing_matches_it_says_what_was_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert stats("--language", "cobol") == 0
    assert "nothing was counted for --days 30 --language cobol; ask for more" in capsys.readouterr().err


@pytest.mark.usefixtures("counted")
def test_the_page_is_written_to_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "stats.html"
    assert stats("--html", str(file)) == 0
    assert capsys.readouterr().out == ""
    assert file.read_text().startswith("<!doctype html>")
    with pytest.raises(NotDone, match=r"cannot write .*: no such file or directory"):
        stats("--html", str(tmp_path / "no" / "stats.html"))


@pytest.mark.parametrize("days", ["0", "-1", "x", "1.5", "99999"])
def test_days_that_are_none_are_refused(days: str) -> None:
    with pytest.raises(DsassistError, match="allowed is a whole number of days"):
        stats(f"--days={days}")


@pytest.mark.usefixtures("counted")
def test_a_damaged_ledger_is_told_and_moved_aside(capsys: pytest.CaptureFixture[str]) -> None:
    (ledger_dir() / "ledger.sqlite3").write_bytes(b"damaged" * 1000)
    assert stats() == 0
    assert "it lies aside as damaged-" in capsys.readouterr().err
    assert stats() == 0
    assert "no completion has been counted yet" in capsys.readouterr().err


@pytest.mark.usefixtures("counted")
def test_forgetting_needs_a_yes() -> None:
    with pytest.raises(DsassistError, match="add --yes"):
        stats("--forget")
    assert not is_empty(ledger_dir())


@pytest.mark.usefixtures("counted")
def test_forgetting_erases_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert stats("--forget", "--yes") == 0
    assert "all that was counted is erased" in capsys.readouterr().err
    assert [file.name for file in ledger_dir().iterdir()] == ["lock"]
    assert stats("--forget", "--yes") == 0
    assert "there was nothing to erase" in capsys.readouterr().err


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(("answer", "code", "erased"), [("y\n", 0, True), ("\n", 1, False), ("no\n", 1, False)])
def test_on_a_terminal_it_asks(answer: str, code: int, erased: bool) -> None:
    terminal, inside = pty.openpty()
    lines = [
        f"import sys; sys.path[:0] = {sys.path!r}",
        "import argparse; from dsassist.commands.stats import COMMAND",
        "parser = argparse.ArgumentParser(); COMMAND.add_arguments(parser)",
        "sys.exit(COMMAND.run(parser.parse_args(['--forget'])))",
    ]
    os.write(terminal, answer.encode())
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], stdin=inside, capture_output=True, text=True, timeout=60, check=False
    )
    os.close(inside)
    os.close(terminal)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("dsassist: erase all that was counted of completions, for good? [y/N]")
    assert is_empty(ledger_dir()) == erased
