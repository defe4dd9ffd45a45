"""Rows without end from the documents of a corpus, from any position on.

The documents of an epoch are put into an order of its own and cut into groups, and each group is packed by itself: by
its number, the seed and the length alone. So a run goes on at a position with one group's work, and several processes
can pack ahead without changing what comes.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import lru_cache
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar

from dsassist_runtime.errors import DsassistError
from dsassist_train.packing.folder import CorpusFolder, Split
from dsassist_train.packing.mix import Mix
from dsassist_train.packing.samples import LEAST_LENGTH
from dsassist_train.tokenizer import TextTokenizer, load_tokenizer

__all__ = ["Group", "best_fit", "corpus_of", "documents_of", "next_group", "rows_from", "tokenizer_of"]

_GROUP_TOKENS = 1 << 17
_GROUP_SHIFT, _EPOCH_SHIFT = 20, 40  # a position is epoch, group and row in one number
_GROUPS_AHEAD = 2  # of each process

Row = TypeVar("Row")


class Group(NamedTuple):
    """What decides about the rows of a group."""

    folder: Path
    length: int
    seed: int
    split: Split
    mix: Mix
    epoch: int
    number: int

    @property
    def name(self) -> str:
        """Of what is drawn for it."""
        return f"{self.seed}:{self.epoch}:{self.number}"


def rows_from(
    first: Group, start: int, pack: Callable[[Group], Sequence[Row]], *, epochs: int | None = None, n_workers: int = 0
) -> Iterator[tuple[Row, int]]:
    """The rows that `pack` makes of each group, from the position `start` on, each with the position behind it.

    Epoch after epoch (`epochs`: so many in all). `first` decides about all but epoch and number. `n_workers` processes
    pack ahead; their number changes nothing else. A position holds for its length: for another one go on at
    `next_group`. They end where a whole epoch has no row.
    """
    if first.length < LEAST_LENGTH:
        raise ValueError(f"a sequence of {first.length} tokens is too short; {LEAST_LENGTH} is the least")
    corpus = corpus_of(first.folder)
    if not any(document.split == first.split for document in corpus.documents):
        raise DsassistError(
            f"the corpus {first.folder} has no documents to {first.split} on; make it anew from more projects"
        )
    skipped = start & ((1 << _GROUP_SHIFT) - 1)
    has_rows = True  # of an epoch that is not gone through from its first group nothing is known
    for group, rows in _packed(_groups(first, start, epochs), pack, n_workers):
        if group.number == 0:
            if not has_rows:
                return
            has_rows = False
        has_rows = has_rows or bool(rows)
        for i in range(skipped, len(rows)):
            yield rows[i], _position(group, i + 1) if i + 1 < len(rows) else _behind(group)
        skipped = 0


def next_group(position: int) -> int:
    """The position of the next group's start, or the same where a group begins: where the length may change."""
    within = position & ((1 << _GROUP_SHIFT) - 1)
    return position if not within else position - within + (1 << _GROUP_SHIFT)


def best_fit(sizes: Sequence[int], room: int) -> list[list[int]]:
    """Best-fit decreasing (Johnson 1973): each into the fullest bin that it fits in, the largest first."""
    bins: list[list[int]] = []
    with_room: list[list[int]] = [[] for _ in range(room + 1)]  # bins by what is left in them
    for i in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        size = sizes[i]
        left = next((left for left in range(size, room + 1) if with_room[left]), None)
        if left is None:
            bins.append([i])
            with_room[room - size].append(len(bins) - 1)
        else:
            chosen = with_room[left].pop()
            bins[chosen].append(i)
            with_room[left - size].append(chosen)
    return bins


def documents_of(group: Group) -> list[int]:
    """The numbers of a group's documents."""
    return _numbers(group.folder, group.split, group.seed, group.epoch)[group.number]


@lru_cache(maxsize=4)
def corpus_of(folder: Path) -> CorpusFolder:
    """A corpus, mapped once in a process."""
    return CorpusFolder(folder)


@lru_cache(maxsize=4)
def tokenizer_of(folder: Path) -> TextTokenizer:
    """Its tokenizer, likewise."""
    return load_tokenizer(folder / "tokenizer.json")


def _groups(first: Group, start: int, epochs: int | None) -> Iterator[Group]:
    first_epoch, first_number = start >> _EPOCH_SHIFT, (start >> _GROUP_SHIFT) & ((1 << _GROUP_SHIFT) - 1)
    for epoch in count(first_epoch) if epochs is None else range(first_epoch, epochs):
        n_groups = len(_numbers(first.folder, first.split, first.seed, epoch))
        for number in range(first_number if epoch == first_epoch else 0, n_groups):
            yield first._replace(epoch=epoch, number=number)


def _position(group: Group, index: int) -> int:
    return (group.epoch << _EPOCH_SHIFT) | (group.number << _GROUP_SHIFT) | index


def _behind(group: Group) -> int:
    n_groups = len(_numbers(group.folder, group.split, group.seed, group.epoch))
    if group.number + 1 < n_groups:
        return _position(group._replace(number=group.number + 1), 0)
    return _position(group._replace(epoch=group.epoch + 1, number=0), 0)


def _packed(
    groups: Iterator[Group], pack: Callable[[Group], Sequence[Row]], n_workers: int
) -> Iterator[tuple[Group, Sequence[Row]]]:
    """The groups in their order, packed here or ahead of time by others."""
    if n_workers <= 0:
        for group in groups:
            yield group, pack(group)
        return
    # Forked from a process that trains, a worker would have its threads' locks. Ctrl-C reaches workers too, and a run
    # that finishes its step needs them.
    ignored = signal.SIGINT, signal.SIG_IGN
    pool = ProcessPoolExecutor(n_workers, get_context("spawn"), initializer=signal.signal, initargs=ignored)
    pending: list[tuple[Group, Future[Sequence[Row]]]] = []
    try:
        for group in groups:
            pending.append((group, pool.submit(pack, group)))
            if len(pending) > n_workers * _GROUPS_AHEAD:
                first, packed = pending.pop(0)
                yield first, packed.result()
        for first, packed in pending:
            yield first, packed.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@lru_cache(maxsize=4)
def _numbers(folder: Path, split: Split, seed: int, epoch: int) -> list[list[int]]:
    """The documents of an epoch, in its order, by groups of about as many tokens."""
    corpus = corpus_of(folder)
    numbers = [number for number, document in enumerate(corpus.documents) if document.split == split]
    Random(f"{seed}:{epoch}").shuffle(numbers)  # noqa: S311
    groups: list[list[int]] = [[]]
    n_tokens = 0
    for number in numbers:
        if n_tokens >= _GROUP_TOKENS:
            groups.append([])
            n_tokens = 0
        groups[-1].append(number)
        n_tokens += corpus.documents[number].end - corpus.documents[number].start
    return groups
