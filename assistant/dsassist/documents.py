"""Source files as text, and places in them as a person writes them: `FILE:LINE:COL`.

Lines end at LF, CRLF or a lone CR, as in LSP; not at a form feed or U+2028, where `str.splitlines` breaks as well.
Lines and columns count from 1, columns in code points. A byte order mark is taken off and counts nowhere.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from dsassist_runtime.errors import DsassistError

__all__ = [
    "LIMIT_BYTES",
    "DocumentError",
    "Place",
    "decode_text",
    "offset_of",
    "parse_place",
    "read_bytes",
    "read_standard_input",
    "read_text",
]

LIMIT_BYTES = 4 * 1024 * 1024

_MEGABYTE = 1024 * 1024
_LINE_END = re.compile(r"\r\n|\n|\r")


class DocumentError(DsassistError):
    """A file that is no source text, or a place that is not in it.

    `reason` is the message in a few words and without the name, for lists of files.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


@dataclass(frozen=True)
class Place:
    """A cursor in a file: before column `column` of line `line`. With `is_stdin` the text comes from standard input."""

    path: Path
    line: int
    column: int
    is_stdin: bool = False


def read_text(path: Path, limit_bytes: int = LIMIT_BYTES) -> str:
    """The text of a source file, its line ends as they are."""
    return decode_text(read_bytes(path, limit_bytes), str(path), limit_bytes)


def read_bytes(path: Path, limit_bytes: int = LIMIT_BYTES) -> bytes:
    """The content of a file; `DocumentError` for what is none, cannot be read, or is too large."""
    try:
        # A pipe without a writer would block in a plain open().
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                kind = _kind(found.st_mode)
                raise DocumentError(f"{path} is {kind}, not a file", f"{kind}, not a file")
            _refuse_large(found.st_size, str(path), limit_bytes)
            data = file.read(limit_bytes + 1)
            _refuse_large(len(data), str(path), limit_bytes)
            return data
    except FileNotFoundError:
        raise DocumentError(f"{path} does not exist", "does not exist") from None
    except IsADirectoryError:
        raise DocumentError(f"{path} is a directory, not a file", "a directory, not a file") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DocumentError(f"cannot read {path}: {reason}", reason) from error


def read_standard_input(name: str) -> str:
    """The text on standard input up to its end; `name` stands in the errors."""
    if sys.stdin is None:
        raise DocumentError("standard input is closed; give the text there, or name a file in place of `-`")
    try:
        data = sys.stdin.buffer.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise DocumentError(f"cannot read standard input: {(error.strerror or str(error)).lower()}") from error
    return decode_text(data, name)


def decode_text(data: bytes, name: str, limit_bytes: int = LIMIT_BYTES) -> str:
    """The text in the bytes of a file or of standard input; `name` stands in the errors."""
    _refuse_large(len(data), name, limit_bytes)
    if (at := data.find(b"\0")) >= 0:
        raise DocumentError(f"{name} is binary (a NUL byte at offset {at}), not text", "binary")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"{name} is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}; save it as UTF-8",
            f"not UTF-8 at byte {error.start}",
        ) from None
    return text.removeprefix("\ufeff")


def parse_place(text: str) -> Place:
    """Read `FILE:LINE:COL`, from the right, so that the name may have colons; `-:3:5` is a place in standard input."""
    name, *numbers = text.rsplit(":", 2)
    if not name or len(numbers) != 2 or not all(_is_position(number) for number in numbers):
        raise DocumentError(f"{text!r} is no place: write FILE:LINE:COL, both numbers from 1, as in src/app.py:12:5")
    line, column = (int(number) for number in numbers)
    return Place(Path(name), line, column, is_stdin=name == "-")


def offset_of(text: str, line: int, column: int, name: str) -> int:
    """The index in `text` of a line and column; the column behind the last character is the line's end."""
    start, line_count, end = 0, 1, None
    for found in _LINE_END.finditer(text):
        if line_count == line:
            end = found.start()
            break
        start = found.end()
        line_count += 1
    if line < 1 or line > line_count:
        raise DocumentError(f"{name} has {_count(line_count, 'line')}; line {line} is outside")
    length = (len(text) if end is None else end) - start
    if column < 1 or column > length + 1:
        raise DocumentError(f"line {line} of {name} has {_count(length, 'character')}; column {column} is outside")
    return start + column - 1


def _refuse_large(size_bytes: int, name: str, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        limit = f"{limit_bytes // _MEGABYTE} MB"
        raise DocumentError(
            f"{name} has {size_bytes / _MEGABYTE:.1f} MB; files above {limit} are not completed", f"above {limit}"
        )


def _is_position(number: str) -> bool:
    return number.isascii() and number.isdigit() and len(number) < 10 and int(number) > 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a directory"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device"
