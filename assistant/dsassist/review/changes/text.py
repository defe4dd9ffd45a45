"""The text in a file's bytes: UTF-8, or what a Python file says of itself in its first two lines (PEP 263)."""

from __future__ import annotations

from typing import NamedTuple

from dsassist.documents import DocumentError, decode_text
from dsassist.review.changes.files import LIMIT_BYTES

__all__ = ["Decoded", "decode_source"]

_MARK = b"\xef\xbb\xbf"


class Decoded(NamedTuple):
    """A text, and the encoding that makes the same bytes of it again."""

    text: str
    encoding: str


def decode_source(data: bytes, path: str, language: str | None) -> Decoded:
    """The text of a source file; `DocumentError` for one that is none, or that is too large."""
    if language == "python" and not data.isascii() and len(data) <= LIMIT_BYTES and b"\0" not in data:
        encoding = _declared_encoding(data)
        if encoding != "utf-8":
            return _decoded(data, path, encoding)
    return Decoded(decode_text(data, path, LIMIT_BYTES), "utf-8-sig" if data.startswith(_MARK) else "utf-8")


def _declared_encoding(data: bytes) -> str:
    """The encoding that a coding line or a byte order mark tells; UTF-8 without one, or where Python knows it not."""
    import tokenize

    lines = iter(data.splitlines(keepends=True)[:2])
    try:
        encoding, _ = tokenize.detect_encoding(lambda: next(lines, b""))
    except SyntaxError:
        return "utf-8"
    return encoding.removesuffix("-sig")


def _decoded(data: bytes, path: str, encoding: str) -> Decoded:
    try:
        text = data.decode(encoding)
        is_same = text.encode(encoding) == data
    # A codec may be no encoding of text at all (`hex`), and `punycode` and others raise what they like.
    except (LookupError, ValueError) as error:
        raise DocumentError(f"{path} is not {encoding}, which its coding line says", f"not {encoding}") from error
    # Lines are counted in the bytes: an encoding in which a line feed looks otherwise (UTF-7) would shift them.
    if not is_same or text.count("\n") != data.count(b"\n"):
        raise DocumentError(f"{path} is {encoding}, which cannot be reviewed", f"encoding {encoding}")
    return Decoded(text, encoding)
