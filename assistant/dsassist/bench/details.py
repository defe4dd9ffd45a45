"""The file of a bench's details: each case with all that was found, a JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from dsassist_runtime.errors import DsassistError

__all__ = ["details_file"]


@contextmanager
def details_file(path: Path | None) -> Iterator[TextIO | None]:
    """The file that `--details` names, to be written; None where it names none."""
    if path is None:
        yield None
        return
    try:
        file = path.expanduser().open("w", encoding="utf-8")
    except OSError as error:
        raise DsassistError(f"--details {path} cannot be written: {(error.strerror or str(error)).lower()}") from error
    with file:
        yield file
