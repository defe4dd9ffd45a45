"""Parts of other files before the text, as the runtime chooses and writes them.

The parts are cut as the index cuts files (`dsassist.index.chunks`), and of a related file the one is taken that has
most identifiers in common with the lines around the cursor.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from dsassist.completion.window import below as below_limit
from dsassist.index.chunks import chunks_of
from dsassist.index.words import identifiers, is_word_of_interest
from dsassist_runtime.api import ContextFile
from dsassist_runtime.engine.fim import comment
from dsassist_train.packing.folder import CorpusFolder
from dsassist_train.packing.text import DocumentText, Encode
from dsassist_train.tokenizer import Marks

__all__ = ["context_ids", "parts_near"]

_BYTES_ABOVE, _BYTES_BELOW = 800, 320  # about the lines that the runtime looks at
_MOST_PARTS = 3
_MOST_CHUNKS = 12  # of a file that are looked at
_MOST_CHARACTERS = 40_000


def parts_near(
    folder: CorpusFolder,
    related: Sequence[int],
    document: DocumentText,
    start: int,
    end: int,
    draw: Random,
    limit_characters: int,
) -> list[ContextFile]:
    """A part of each of one to three related documents, for a hole at `[start, end)`; the best one stands last.

    A part that is longer than `limit_characters` is cut at a line's end.
    """
    numbers = draw.sample(list(related), min(len(related), draw.randint(1, _MOST_PARTS)))
    above = document.data[max(0, start - _BYTES_ABOVE) : start]
    below = document.data[end : end + _BYTES_BELOW]
    words = _words((above + b"\n" + below).decode("utf-8", "ignore"))
    found: list[tuple[int, ContextFile]] = []
    for number in numbers:
        text = folder.bytes_of(number).decode("utf-8")[:_MOST_CHARACTERS]
        lines = text.split("\n")
        chunks = chunks_of(lines)
        if len(chunks) > _MOST_CHUNKS:
            chunks = draw.sample(chunks, _MOST_CHUNKS)
        parts = ["\n".join(lines[chunk.start_line - 1 : chunk.end_line]) for chunk in chunks]
        if parts:
            shared, best = max(((len(words & _words(part)), part) for part in parts), key=lambda each: each[0])
            found.append((shared, ContextFile(folder.documents[number].path, below_limit(best, limit_characters))))
    return [part for _, part in sorted(found, key=lambda each: each[0])]


def context_ids(
    marks: Marks, encode: Encode, parts: Sequence[ContextFile], project: str, path: str, budget: int
) -> list[int]:
    """The head of a prompt as `dsassist_runtime.engine.fim` writes it; the first parts go if it is long."""
    if marks.file is None:
        head: list[int] = []
        tail = encode(f"\n{comment(path)}\n")
        written = [encode(f"{comment(part.path)}\n{part.text}\n") for part in parts]
    else:
        head = [] if marks.repository is None else [marks.repository, *encode(f"{project}\n")]
        tail = [marks.file, *encode(f"{path}\n")]
        written = [[marks.file, *encode(f"{part.path}\n{part.text}\n")] for part in parts]
    budget -= len(head) + len(tail)
    kept: list[list[int]] = []
    for ids in reversed(written):
        if len(ids) > budget:
            break
        budget -= len(ids)
        kept.insert(0, ids)
    return [*head, *(token for ids in kept for token in ids), *tail] if kept else []


def _words(text: str) -> set[str]:
    return {word for word in identifiers(text) if is_word_of_interest(word)}
