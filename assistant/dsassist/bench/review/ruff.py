"""A baseline: the bug rules of ruff (pyflakes, errors of syntax, bugbear, pylint's errors), where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from dsassist_runtime.errors import NotDone

__all__ = ["Messages", "find_ruff", "messages", "new_lines"]

RULES = "F,E9,B,PLE"
_LIMIT_S = 60.0

Messages = list[tuple[int, str, str]]  # line, code, message


def find_ruff() -> Path | None:
    """Ruff beside the Python that runs this, or on the PATH."""
    beside = Path(sys.executable).with_name("ruff")
    if beside.is_file():
        return beside
    found = shutil.which("ruff")
    return Path(found) if found else None


def messages(ruff: Path, text: str) -> Messages:
    """What ruff says of a Python file; its own configuration and comments that silence it do not count."""
    options = ["check", "--isolated", "--ignore-noqa", "--no-cache", "--select", RULES, "--output-format", "json"]
    try:
        done = subprocess.run(
            [str(ruff), *options, "--stdin-filename", "file.py", "-"],
            input=text.encode(),
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
        found = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise NotDone(f"{ruff} gave no answer: {error}") from error
    return [(each["location"]["row"], str(each["code"]), each["message"]) for each in found]


def new_lines(before: Messages, after: Messages) -> list[int]:
    """The lines of what is said of the second text and was not said of the first, wherever it stands."""
    known = Counter((code, message) for _, code, message in before)
    lines = []
    for line, code, message in after:
        if known[code, message]:
            known[code, message] -= 1
        else:
            lines.append(line)
    return lines
