"""The scripts that set the editors up: what cannot be had is told in a line, and what does not work is an error."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hook_repositories import write_program

SCRIPTS = Path(__file__).parents[3] / "scripts" / "editors"


def run(script: Path, folder: Path, search_path: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": search_path, "DSASSIST_TEST_EDITORS": str(folder / "editors")}
    return subprocess.run([script], env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_on_another_system_each_editor_is_left_out_with_a_line_and_that_is_no_error(tmp_path: Path) -> None:
    write_program(
        tmp_path / "bin" / "uname", 'case $1 in -s) echo Darwin ;; -m) echo arm64 ;; *) echo "Darwin arm64" ;; esac'
    )
    done = run(SCRIPTS / "all.sh", tmp_path, f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert done.stderr.splitlines() == [
        "Left out: tests in Neovim. only Linux on x86-64 has both Neovims as packages.",
        "Left out: tests in VS Code. VS Code is tested on Linux on x86-64 only.",
    ]
    assert done.returncode == 0


@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="elsewhere no npm is asked for")
def test_without_npm_it_is_told_how_to_have_it(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "cat", "dirname", "mkdir", "tail", "uname"):
        (programs / name).symlink_to(str(shutil.which(name)))
    done = run(SCRIPTS / "vscode.sh", tmp_path, str(programs))
    assert done.stderr.splitlines() == ["npm is missing; install it: apt-get install npm"]
    assert done.returncode == 3


def test_what_should_work_and_does_not_is_an_error_with_its_log(tmp_path: Path) -> None:
    shutil.copy(SCRIPTS / "all.sh", tmp_path)
    write_program(tmp_path / "nvim.sh", "echo downloading", "echo 'tmux is missing; install it' >&2", "exit 3")
    write_program(
        tmp_path / "vscode.sh", "echo 'src/server.ts: error' >&2", "echo 'the extension does not build' >&2", "exit 1"
    )
    done = run(tmp_path / "all.sh", tmp_path, os.environ["PATH"])
    assert done.stderr.splitlines() == [
        "Left out: tests in Neovim. tmux is missing; install it.",
        "VS Code could not be set up for its tests:",
        "src/server.ts: error",
        "the extension does not build",
    ]
    assert done.returncode == 1
