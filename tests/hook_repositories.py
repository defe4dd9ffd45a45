"""Real repositories for the tests of the hook."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["commit", "git", "write_program"]


def git(*arguments: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run git and keep what it prints; the hooks' output is in its stderr."""
    return subprocess.run(["git", *arguments], cwd=cwd, check=check, capture_output=True, text=True)


def commit(cwd: Path, name: str = "a.txt", text: str = "more\n") -> subprocess.CompletedProcess[str]:
    """Add a text to a file, stage it and try to commit it."""
    with (cwd / name).open("a") as file:
        file.write(text)
    git("add", name, cwd=cwd)
    return git("commit", "-q", "-m", "more", cwd=cwd, check=False)


def write_program(path: Path, *lines: str) -> None:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
