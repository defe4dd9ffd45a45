"""Sequences of one length, without end, from any position on.

The documents of an epoch are put into an order of its own and cut into groups, and each group is packed by itself: by
its number, the seed and the length alone. So a run goes on at a position with one group's work, and several processes
can pack ahead without changing what comes.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import lru_cache
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from dsassist_runtime.errors import DsassistError
from dsassist_train.packing.folder import CorpusFolder, Split
from dsassist_train.packing.mix import Mix
from dsassist_train.packing.samples import LEAST_LENGTH, samples_of
from dsassist_train.tokenizer import TextTokenizer, load_tokenizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tokens = NDArray[np.int32]
    Mask = NDArray[np.bool_]

__all__ = ["Packed", "next_group", "sequences"]

_GROUP_TOKENS = 1 << 17
_GROUP_SHIFT, _EPOCH_SHIFT = 20, 40  # a position is epoch, group and sequence in one number
_GROUPS_AHEAD = 2  # of each process


class Packed(NamedTuple):
    """One sequence: `tokens` `(length,) int32`, and a `mask` `(length,) bool` of those that a model is to foretell.

    `position` is the `start` that goes on behind it. `mask[0]` is false, as nothing stands before the first token.
    """

    tokens: Tokens
    mask: Mask
    position: int


class _Task(NamedTuple):
    """What decides about a group."""

    folder: Path
    length: int
    seed: int
    split: Split
    mix: Mix
    epoch: int
    group: int


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
    """Sequences of `length` tokens from the position `start` on, epoch after epoch (`epochs`: so many in all).

    Every document of the split is in each epoch once and whole. Samples begin with BOS, where the vocabulary adds one,
    and lie whole in a sequence; its rest is end of text, and masked. `n_workers` processes pack ahead; their number
    changes nothing else. A position holds for its length: for another one go on at `next_group`.
    """
    if length < LEAST_LENGTH:
        raise ValueError(f"a sequence of {length} tokens is too short; {LEAST_LENGTH} is the least")
    corpus = _corpus(folder)
    if not any(document.split == split for document in corpus.documents):
        raise DsassistError(f"the corpus {folder} has no documents to {split} on; make it anew from more projects")
    skipped = start & ((1 << _GROUP_SHIFT) - 1)
    tasks = _tasks(folder, length, seed, split, mix or Mix(), start, epochs)
    for task, (tokens, mask) in _packed(tasks, n_workers):
        for i in range(skipped, len(tokens)):
            behind = _position(task, i + 1) if i + 1 < len(tokens) else _behind(task)
            yield Packed(tokens[i], mask[i], behind)
        skipped = 0


def next_group(position: int) -> int:
    """The position of the next group's start, or the same where a group begins: where the length may change."""
    within = position & ((1 << _GROUP_SHIFT) - 1)
    return position if not within else position - within + (1 << _GROUP_SHIFT)


def _group_samples(task: _Task) -> list[list[int]]:
    """The samples of a group's documents, a document behind the other."""
    corpus, tokenizer = _corpus(task.folder), _tokenizer(task.folder)
    found: list[list[int]] = []
    for number in _groups(task.folder, task.split, task.seed, task.epoch)[task.group]:
        draw = Random(f"{task.seed}:{task.epoch}:{number}")  # noqa: S311  (a sample, not a secret)
        found += samples_of(corpus, number, tokenizer.encode, task.length, task.mix, draw)
    return found


def _tasks(
    folder: Path, length: int, seed: int, split: Split, mix: Mix, start: int, epochs: int | None
) -> Iterator[_Task]:
    first_epoch, first_group = start >> _EPOCH_SHIFT, (start >> _GROUP_SHIFT) & ((1 << _GROUP_SHIFT) - 1)
    for epoch in count(first_epoch) if epochs is None else range(first_epoch, epochs):
        n_groups = len(_groups(folder, split, seed, epoch))
        for group in range(first_group if epoch == first_epoch else 0, n_groups):
            yield _Task(folder, length, seed, split, mix, epoch, group)


def _position(task: _Task, index: int) -> int:
    return (task.epoch << _EPOCH_SHIFT) | (task.group << _GROUP_SHIFT) | index


def _behind(task: _Task) -> int:
    n_groups = len(_groups(task.folder, task.split, task.seed, task.epoch))
    if task.group + 1 < n_groups:
        return _position(task._replace(group=task.group + 1), 0)
    return _position(task._replace(epoch=task.epoch + 1, group=0), 0)


def _packed(tasks: Iterator[_Task], n_workers: int) -> Iterator[tuple[_Task, tuple[Tokens, Mask]]]:
    """The groups in their order, packed here or ahead of time by others."""
    if n_workers <= 0:
        for task in tasks:
            yield task, _pack(task)
        return
    # Forked from a process that trains, a worker would have its threads' locks. Ctrl-C reaches workers too, and a run
    # that finishes its step needs them.
    ignored = signal.SIGINT, signal.SIG_IGN
    pool = ProcessPoolExecutor(n_workers, get_context("spawn"), initializer=signal.signal, initargs=ignored)
    pending: list[tuple[_Task, Future[tuple[Tokens, Mask]]]] = []
    try:
        for task in tasks:
            pending.append((task, pool.submit(_pack, task)))
            if len(pending) > n_workers * _GROUPS_AHEAD:
                first, packed = pending.pop(0)
                yield first, packed.result()
        for first, packed in pending:
            yield first, packed.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _pack(task: _Task) -> tuple[Tokens, Mask]:
    """All sequences of a group: `(n, length)` tokens and mask."""
    import numpy as np

    marks = _corpus(task.folder).vocabulary.marks
    samples = _group_samples(task)
    bins = _best_fit(list(map(len, samples)), task.length)
    Random(f"{task.seed}:{task.epoch}:{task.group}:order").shuffle(bins)  # noqa: S311
    rows = np.full((len(bins), task.length), marks.eot, dtype=np.int32)
    mask = np.zeros((len(bins), task.length), dtype=np.bool_)
    never = np.array(sorted(marks.never_told), dtype=np.int32)
    for row, told, members in zip(rows, mask, bins, strict=True):
        tokens = np.array([token for i in members for token in samples[i]], dtype=np.int32)
        row[: len(tokens)] = tokens
        told[: len(tokens)] = ~np.isin(tokens, never)
        starts = np.cumsum([0, *(len(samples[i]) for i in members)])[:-1]
        told[starts] = False
    return rows, mask


def _best_fit(sizes: list[int], room: int) -> list[list[int]]:
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


@lru_cache(maxsize=4)
def _corpus(folder: Path) -> CorpusFolder:
    return CorpusFolder(folder)


@lru_cache(maxsize=4)
def _tokenizer(folder: Path) -> TextTokenizer:
    return load_tokenizer(folder / "tokenizer.json")


@lru_cache(maxsize=4)
def _groups(folder: Path, split: Split, seed: int, epoch: int) -> list[list[int]]:
    """The documents of an epoch, in its order, in groups of about as many tokens."""
    corpus = _corpus(folder)
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
