"""Sequences of one length, without end, from any position on: samples of documents, packed together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from dsassist_train.packing.folder import Split
from dsassist_train.packing.groups import Group, best_fit, corpus_of, documents_of, rows_from, tokenizer_of
from dsassist_train.packing.mix import Mix
from dsassist_train.packing.samples import samples_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tokens = NDArray[np.int32]
    Mask = NDArray[np.bool_]

__all__ = ["Packed", "sequences"]


class Packed(NamedTuple):
    """One sequence: `tokens` `(length,) int32`, and a `mask` `(length,) bool` of those that a model is to foretell.

    `position` is the `start` that goes on behind it. `mask[0]` is false, as nothing stands before the first token.
    """

    tokens: Tokens
    mask: Mask
    position: int


def sequences(
    folder: Path,
    length: int,
    seed: int,
    start: int = 0,
    *,
    split: Split = "train",
    mix: Mix | None = None,
    epochs: int | None = None,
    n_workers: int = 0,
) -> Iterator[Packed]:
    """Sequences of `length` tokens from the position `start` on (`groups.rows_from` has `epochs` and `n_workers`).

    Every document of the split is in each epoch once and whole. Samples begin with BOS, where the vocabulary adds one,
    and lie whole in a sequence; its rest is end of text, and masked.
    """
    first = Group(folder, length, seed, split, mix or Mix(), 0, 0)
    for (tokens, mask), behind in rows_from(first, start, _pack, epochs=epochs, n_workers=n_workers):
        yield Packed(tokens, mask, behind)


def _samples(group: Group) -> list[list[int]]:
    """The samples of a group's documents, a document behind the other."""
    corpus, tokenizer = corpus_of(group.folder), tokenizer_of(group.folder)
    found: list[list[int]] = []
    for number in documents_of(group):
        draw = Random(f"{group.seed}:{group.epoch}:{number}")  # noqa: S311  (a sample, not a secret)
        found += samples_of(corpus, number, tokenizer.encode, group.length, group.mix, draw)
    return found


def _pack(group: Group) -> list[tuple[Tokens, Mask]]:
    """All sequences of a group."""
    import numpy as np

    marks = corpus_of(group.folder).vocabulary.marks
    samples = _samples(group)
    bins = best_fit(list(map(len, samples)), group.length)
    Random(f"{group.name}:order").shuffle(bins)  # noqa: S311
    rows = np.full((len(bins), group.length), marks.eot, dtype=np.int32)
    mask = np.zeros((len(bins), group.length), dtype=np.bool_)
    never = np.array(sorted(marks.never_told), dtype=np.int32)
    for row, told, members in zip(rows, mask, bins, strict=True):
        tokens = np.array([token for i in members for token in samples[i]], dtype=np.int32)
        row[: len(tokens)] = tokens
        told[: len(tokens)] = ~np.isin(tokens, never)
        starts = np.cumsum([0, *(len(samples[i]) for i in members)])[:-1]
        told[starts] = False
    return list(zip(rows, mask, strict=True))
