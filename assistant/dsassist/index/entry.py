"""What the index keeps of one file: computed from its text alone, so that the same text always gives the same entry."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from dsassist.index.chunks import Chunk, chunks_of
from dsassist.index.database import packed
from dsassist.index.files import FoundFile, content_refusal, read_regular
from dsassist.index.words import words_of
from dsassist.secrets import without_secrets
from dsassist.syntax.languages import language_of
from dsassist.syntax.symbols import Symbol, symbols

__all__ = [
    "Entry",
    "Stored",
    "chunk_words",
    "digest",
    "entry_of_file",
    "is_folders_own",
    "language_key",
    "module_key",
]

_RECENT_NS = 2_000_000_000
# Files that are imported by their folder's name.
_FOLDERS_OWN = frozenset(("__init__", "index", "mod", "init", "package"))


class Stored(NamedTuple):
    """What is known of a file from before."""

    id: int
    size: int
    mtime_ns: int
    hash: bytes


@dataclass(frozen=True)
class Entry:
    """A file as the index holds it. `text` is compressed, its secrets are replaced; `mtime_ns` 0 means: look again."""

    path: str
    module: str
    language: str
    size: int
    mtime_ns: int
    hash: bytes
    refusal: str = ""
    text: bytes = b""
    symbols: Sequence[Symbol] = ()
    chunks: Sequence[Chunk] = ()
    words: Sequence[str] = ()  # of each chunk, with blanks between them


def entry_of_file(root: Path, path: str, known: Stored | None = None) -> Entry | Stored | None:
    """The entry of a file on disk; what is `known`, with new times, if only those have changed; None if it is gone."""
    read = read_regular(root, path)
    if read is None:
        return None
    found, data = read
    mtime_ns = _trusted(found)
    hashed = digest(data)
    if known is not None and known.hash == hashed:
        return known._replace(size=found.size, mtime_ns=mtime_ns)
    refusal = content_refusal(path, data)
    text = "" if refusal else data.decode("utf-8", errors="replace").removeprefix("\ufeff")
    return _entry(path, found.size, mtime_ns, hashed, refusal, text)


def digest(data: bytes) -> bytes:
    """What tells two contents apart."""
    return hashlib.blake2b(data, digest_size=16).digest()


def module_key(path: str) -> str:
    """What an import ends with that means this file, in lower case: its name, or its folder's."""
    pure = PurePosixPath(path)
    if is_folders_own(path):
        return pure.parent.name.lower()
    return pure.name.split(".")[0].lower() or pure.name.lower()


def is_folders_own(path: str) -> bool:
    """Is a file imported by its folder's name, as `__init__.py`, `index.ts` and all of Go are?"""
    pure = PurePosixPath(path)
    is_own = pure.name.split(".")[0].lower() in _FOLDERS_OWN or pure.suffix == ".go"
    return is_own and len(pure.parts) > 1


def language_key(path: str) -> str:
    """Our name of a file's language, or else the ending of its name: chunks are compared within it."""
    return language_of(path) or PurePosixPath(path).suffix.lower()


def chunk_words(lines: Sequence[str], chunk: Chunk) -> str:
    """The words that a chunk of these lines is found by."""
    return " ".join(words_of("\n".join(lines[chunk.start_line - 1 : chunk.end_line])))


def _trusted(found: FoundFile) -> int:
    # A file that is written twice within the clock's grain looks unchanged, so a young one is looked at again.
    return found.mtime_ns if time.time_ns() - found.mtime_ns > _RECENT_NS else 0


def _entry(path: str, size: int, mtime_ns: int, hashed: bytes, refusal: str, text: str) -> Entry:
    language = language_key(path)
    if refusal:
        return Entry(path, module_key(path), language, size, mtime_ns, hashed, refusal)
    text = without_secrets(text.replace("\r\n", "\n"))
    found = symbols(language, text)
    lines = text.split("\n")
    chunks = [
        (chunk, words)
        for chunk in chunks_of(lines, {symbol.start_line for symbol in found})
        if (words := chunk_words(lines, chunk))
    ]
    return Entry(
        path,
        module_key(path),
        language,
        size,
        mtime_ns,
        hashed,
        text=packed(text),
        symbols=found,
        chunks=[chunk for chunk, _ in chunks],
        words=[words for _, words in chunks],
    )
