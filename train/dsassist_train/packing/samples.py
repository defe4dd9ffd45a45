"""The samples of one document: pieces of it, each whole in one sample, all of them together the whole document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from dsassist.completion.window import CHARACTERS_PER_TOKEN
from dsassist_train.packing.context import context_ids, parts_near
from dsassist_train.packing.folder import CorpusFolder
from dsassist_train.packing.holes import Hole, hole_in
from dsassist_train.packing.mix import Mix
from dsassist_train.packing.text import DocumentText, Encode

__all__ = ["LEAST_LENGTH", "samples_of"]

LEAST_LENGTH = 64
"""Tokens of a sequence: with fewer, marks and seams leave no room for text."""

_OVERHEAD = 8  # BOS, three marks, end of text, and what the seams of a hole cost
_WHOLE = 0.5  # of the pieces are as long as may be; the others end earlier, as a first prompt does
_LEAST_SHARE = 0.1
_CONTEXT_SHARE = 0.4  # of a prompt's tokens, as in the runtime
_NEAR_END = 0.7  # of the holes have little behind them: the runtime's prompts have at most 192 tokens there
_SUFFIX_BYTES = 600


def samples_of(
    folder: CorpusFolder, number: int, encode: Encode, length: int, mix: Mix, draw: Random
) -> Iterator[list[int]]:
    """The samples of document `number`: at most `length` tokens each, in the order of its text."""
    document = DocumentText(folder.tokens_of(number).tolist(), folder.vocabulary, encode)
    spans = folder.spans_of(number)
    start = 0
    while start < len(document):
        room = length - _OVERHEAD
        if draw.random() >= _WHOLE:
            room = draw.randint(max(1, int(room * _LEAST_SHARE)), room)
        has_hole = draw.random() < mix.fim
        related = folder.documents[number].related if has_hole and draw.random() < mix.context else ()
        own = room - int(room * _CONTEXT_SHARE) if related else room
        while True:
            end = document.end_within(start, own)
            if has_hole:
                suffix_bytes = _SUFFIX_BYTES if draw.random() < _NEAR_END else 0
                hole = hole_in(document, spans, start, end, mix, draw, suffix_bytes)
                tokens = _with_hole(folder, number, encode, document, (start, end), hole, related, room, mix, draw)
            else:
                tokens = _plain(folder, document, start, end)
            if len(tokens) <= length or own <= 1:
                break
            own = max(1, own * 3 // 4)  # cut elsewhere, a text may have more tokens than it had
        assert len(tokens) <= length, (len(tokens), length, start, end)
        yield tokens
        start = end


def _plain(folder: CorpusFolder, document: DocumentText, start: int, end: int) -> list[int]:
    """Text as it goes on; the end of text only where the document ends."""
    marks = folder.vocabulary.marks
    tail = [marks.eot] if end == len(document) else []
    return [*_bos(folder), *document.ids(start, end), *tail]


def _with_hole(
    folder: CorpusFolder,
    number: int,
    encode: Encode,
    document: DocumentText,
    piece: tuple[int, int],
    hole: Hole,
    related: Sequence[int],
    room: int,
    mix: Mix,
    draw: Random,
) -> list[int]:
    marks, entry = folder.vocabulary.marks, folder.documents[number]
    before = [marks.prefix, *document.ids(piece[0], hole.start)]
    after = [marks.suffix, *document.ids(hole.end, piece[1])]
    middle = [marks.middle, *document.ids(hole.start, hole.end), marks.eot]
    head = _bos(folder)
    if related:
        left = room - len(before) - len(after) - len(middle)
        limit = max(0, left) * CHARACTERS_PER_TOKEN * 3 // 4
        parts = parts_near(folder, related, document, hole.start, hole.end, draw, limit)
        head = [*head, *context_ids(marks, encode, parts, entry.project, entry.path, left)]
    parts_of = [*after, *before] if draw.random() < mix.spm else [*before, *after]
    return [*head, *parts_of, *middle]


def _bos(folder: CorpusFolder) -> list[int]:
    marks = folder.vocabulary.marks
    return [marks.bos] if marks.adds_bos and marks.bos is not None else []
