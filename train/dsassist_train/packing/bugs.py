"""Python functions with bugs put into them, packed as trees: a function is read once, and behind it, as branches, what
stands at the place of each bug.

    stem      BOS context def total(a, b):\\n    if a < b: ...
    branch                                         > b: ...        a bug, and the tokens behind it that both have

That is how the review asks: one pass over what is written, and each alternative behind its beginning. So a function
costs hardly more with eight bugs than with none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from dsassist.bench.review.injection import draw_bugs
from dsassist.bench.review.young import YoungFunction
from dsassist.review.passes.paths import is_test_path
from dsassist_runtime.api import ScoreRequest
from dsassist_runtime.engine.prefix_cache import common_prefix
from dsassist_train.packing.functions import functions_of
from dsassist_train.packing.groups import Group, best_fit, corpus_of, documents_of, rows_from, tokenizer_of
from dsassist_train.packing.mix import Mix

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BugPlace", "BugRow", "bug_rows"]

_MOST_BUGS = 8  # of a function
_MOST_SITE = 32  # tokens that differ
_MOST_DOCUMENT = 100_000  # bytes: each bug's file is parsed
_STEM_SHARE = 0.75  # of a row, at most; the branches need some
_BEHIND = ScoreRequest.suffix_tokens


class BugPlace(NamedTuple):
    """Where a bug stands in a row: `n_written` tokens from `written` on are `n_branch` tokens from `branch` on in it.

    Neither number is 0. Behind either, `n_behind` tokens are the same. `only` is that of the bug (`injection.Bug`).
    """

    written: int
    n_written: int
    branch: int
    n_branch: int
    n_behind: int
    only: bool


class BugRow(NamedTuple):
    """A row of trees: `tokens` `(length,) int32`, and what each comes behind, `parents` `(length,) int32`, or -1.

    `mask` `(length,) bool` has the tokens of the functions as they were written, with the head of their file, which a
    model is to foretell as any text. `position` is the `start` that goes on behind the row.
    """

    tokens: NDArray[np.int32]
    parents: NDArray[np.int32]
    mask: NDArray[np.bool_]
    bugs: tuple[BugPlace, ...]
    position: int


class _Tree(NamedTuple):
    """One function; its first `n_stem` tokens are the stem."""

    tokens: list[int]
    parents: list[int]
    n_stem: int
    bugs: list[BugPlace]


def bug_rows(folder: Path, length: int, seed: int, start: int = 0, *, n_workers: int = 0) -> Iterator[BugRow]:
    """Rows of `length` tokens from the position `start` on, of the documents to train on; none where none has a bug."""
    first = Group(folder, length, seed, "train", Mix(), 0, 0)
    for row, behind in rows_from(first, start, _pack, n_workers=n_workers):
        yield row._replace(position=behind)


def _pack(group: Group) -> list[BugRow]:
    """All rows of a group."""
    import numpy as np

    trees = list(_trees(group))
    eot = corpus_of(group.folder).vocabulary.marks.eot
    bins = best_fit([len(tree.tokens) for tree in trees], group.length)
    Random(f"{group.name}:rows of bugs").shuffle(bins)  # noqa: S311  (a sample, not a secret)
    rows = []
    for members in bins:
        tokens = np.full(group.length, eot, dtype=np.int32)
        parents = np.full(group.length, -1, dtype=np.int32)
        mask = np.zeros(group.length, dtype=np.bool_)
        bugs: list[BugPlace] = []
        at = 0
        for tree in (trees[i] for i in members):
            end = at + len(tree.tokens)
            tokens[at:end] = tree.tokens
            parents[at:end] = [-1 if parent < 0 else at + parent for parent in tree.parents]
            mask[at + 1 : at + tree.n_stem] = True
            bugs += [bug._replace(written=at + bug.written, branch=at + bug.branch) for bug in tree.bugs]
            at = end
        rows.append(BugRow(tokens, parents, mask, tuple(bugs), 0))
    return rows


def _trees(group: Group) -> Iterator[_Tree]:
    """The functions of a group that a bug can be put into, as far as they fit."""
    corpus = corpus_of(group.folder)
    for number in documents_of(group):
        document = corpus.documents[number]
        if document.language != "python" or document.n_bytes > _MOST_DOCUMENT or is_test_path(document.path):
            continue
        draw = Random(f"{group.seed}:{group.epoch}:{number}:bugs")  # noqa: S311  (a sample, not a secret)
        for young in functions_of(document, corpus.bytes_of(number).decode("utf-8"), draw):
            if (tree := _tree(group, young, draw)) is not None:
                yield tree


def _tree(group: Group, young: YoungFunction, draw: Random) -> _Tree | None:
    encode = tokenizer_of(group.folder).encode
    marks = corpus_of(group.folder).vocabulary.marks
    written = encode(young.function.text)
    room = int(group.length * _STEM_SHARE) - len(written)
    if room <= 0:
        return None
    head = encode(young.task.context)[-room + 1 :] if room > 1 else []
    bos = [marks.bos] if marks.adds_bos and marks.bos is not None else []
    stem = [*bos, *head, *written] if bos or head else [*encode("\n"), *written]
    tree = _Tree(stem, list(range(-1, len(stem) - 1)), len(stem), [])
    before = tree.n_stem - len(written)
    text = young.function.text
    for bug in draw_bugs(young, draw, _MOST_BUGS):
        edit = bug.edit
        branch = _branch(written, encode(text[: edit.start] + edit.replacement + text[edit.end :]))
        if branch is not None:
            _add(tree, before, branch, written, bug.only, group.length)
    return tree if tree.bugs else None


class _Branch(NamedTuple):
    """`tokens` stand in a bug's text in the place of `written[start:end]`."""

    tokens: list[int]
    start: int
    end: int


def _branch(written: Sequence[int], other: Sequence[int]) -> _Branch | None:
    """Where the bug's text parts from what was written; None where nothing stands behind, or too much differs."""
    start = common_prefix(written, other)
    shared = common_prefix(written[start:][::-1], other[start:][::-1])
    end, other_end = len(written) - shared, len(other) - shared
    if start in (end, other_end):  # one more, so that neither is empty
        if not shared:
            return None
        end, other_end = end + 1, other_end + 1
    if max(end, other_end) - start > _MOST_SITE:
        return None
    return _Branch(list(other[start:other_end]), start, end)


def _add(tree: _Tree, before: int, branch: _Branch, written: Sequence[int], only: bool, room: int) -> None:
    """Let a bug branch off, where it still fits; `before` tokens of the stem stand before the function."""
    behind = list(written[branch.end : branch.end + _BEHIND])
    tokens = [*branch.tokens, *behind]
    at = len(tree.tokens)
    if at + len(tokens) > room:
        return
    tree.parents.extend([before + branch.start - 1, *range(at, at + len(tokens) - 1)])
    tree.tokens.extend(tokens)
    n_written = branch.end - branch.start
    tree.bugs.append(BugPlace(before + branch.start, n_written, at, len(branch.tokens), len(behind), only))
