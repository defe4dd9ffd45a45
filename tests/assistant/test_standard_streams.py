"""Commands whose standard streams are closed, or end in a terminal: real processes, real pseudo-terminals."""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

DSASSIST = str(Path(sys.executable).parent / "dsassist")

COMPLETE = """
import argparse
from dsassist.commands.complete import COMMAND, run
from dsassist_runtime.testing import ScriptedEngine

parser = argparse.ArgumentParser()
COMMAND.add_arguments(parser)
text = "print('\\x1b[2J\\x9b2J\\x07é')\\n"
run(parser.parse_args(["a.py:1:1"]), lambda _: ScriptedEngine([text]))
"""


def shell(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], cwd=cwd, capture_output=True, text=True, check=False)


def on_a_terminal(arguments: list[str], cwd: Path) -> str:
    """What a program writes to stdout when that is a terminal."""
    controller, terminal = pty.openpty()
    with subprocess.Popen(arguments, cwd=cwd, stdout=terminal, stderr=subprocess.DEVNULL) as process:
        os.close(terminal)
        written = b""
        try:
            while piece := os.read(controller, 1024):
                written += piece
        except OSError:  # Linux: nobody has the terminal open any more
            pass
        assert process.wait() == 0
    os.close(controller)
    return written.decode().replace("\r\n", "\n")


def test_control_characters_of_the_model_are_shown_on_a_terminal_and_kept_in_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("")
    program = [sys.executable, "-c", COMPLETE]
    piped = subprocess.run(program, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    assert "\x1b[2J\x9b2J\x07é" in piped.decode()
    shown = on_a_terminal(program, tmp_path)
    assert "\\x1b[2J\\x9b2J\\x07é" in shown
    assert not {"\x1b", "\x9b", "\x07"} & set(shown)
    assert "print(" in shown


def test_standard_input_that_is_closed_is_told(tmp_path: Path) -> None:
    done = shell(f"{shlex.quote(DSASSIST)} complete -:1:1 <&-", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("dsassist: standard input is closed; ")
    assert done.stderr.count("\n") == 1


def test_standard_input_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    done = shell(f"{shlex.quote(DSASSIST)} complete -:1:1 0>out", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("dsassist: cannot read standard input: ")


@pytest.mark.parametrize(("command", "code"), [("--version", 0), ("", 2), ("no-such-command", 2), ("config", 0)])
def test_a_closed_standard_error_changes_no_exit_code(tmp_path: Path, command: str, code: int) -> None:
    done = shell(f"{shlex.quote(DSASSIST)} {command} 2>&-", tmp_path)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize("options", ["--color never --version", "--color=never -V", "--version --color never", "-V"])
def test_version_is_printed_beside_other_options(tmp_path: Path, options: str) -> None:
    done = shell(f"{shlex.quote(DSASSIST)} {options}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("dsassist ")
    assert done.stdout.count("\n") == 1
