"""Which holes are asked: drawn from the commits of several repositories, the same ones for the same seed.

The file is taken as it stood at the commit, with the hole cut out. What it held a moment before the line was written is
not known; the parent's file would lack the rest of the same change, which the person had in mind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random

from dsassist.bench.fim.admissible import read_source
from dsassist.bench.fim.cuts import Cut, cuts
from dsassist.bench.fim.hole import KINDS, Hole, Kind, Visit
from dsassist.bench.handwritten import is_named_like_code
from dsassist.bench.history import Change, History, names_of

__all__ = ["Mine", "holes_of", "visits"]

_MOST_OF_FILE, _MOST_OF_COMMIT = 2, 3
_MOST_OF_LINE = 2  # holes whose first line is the same
_MOST_CANDIDATES = 8  # of a file, for each variety
_MOST_FILES_LOOKED_AT = 6  # of a commit: one that adds a thousand files is not all there is
_MOST_VISITS = 4


@dataclass(frozen=True)
class Mine:
    """What is asked for: so many holes, in equal shares of the kinds, from commits since a day."""

    repositories: tuple[Path, ...]
    since: date
    n_holes: int
    seed: int

    def wanted(self) -> dict[Kind, int]:
        """How many of each kind; what does not divide goes to the first ones."""
        share, rest = divmod(self.n_holes, len(KINDS))
        return {kind: share + (i < rest) for i, kind in enumerate(KINDS)}


def holes_of(mine: Mine) -> list[Hole]:
    """The holes, repository by repository and there the oldest commit first; fewer where the history has no more."""
    names = names_of(mine.repositories)
    veins = [_vein(History(root), name, mine) for root, name in zip(mine.repositories, names, strict=True)]
    taken = _Taken(mine.wanted())
    while veins and not taken.is_full():
        for vein in list(veins):
            candidates = next(vein, None)
            if candidates is None:
                veins.remove(vein)
            elif not taken.is_full():
                taken.take(candidates)
    order = {root: number for number, root in enumerate(mine.repositories)}
    ages = {root: {commit: i for i, commit in enumerate(History(root).commits_since(mine.since))} for root in order}
    return sorted(taken.holes, key=lambda hole: (order[hole.root], -ages[hole.root][hole.commit], hole.path, hole.row))


def visits(history: History, hole: Hole) -> list[Visit]:
    """The other code files of the hole's commit, where it wrote most lines in a row in each: at most four."""
    found: list[Visit] = []
    for change in sorted(history.changes(hole.commit), key=lambda change: change.path):
        if change.path == hole.path or not is_named_like_code(change.path) or len(found) == _MOST_VISITS:
            continue
        text, rows = history.text(change.blob), history.added_rows(hole.commit, change.path)
        if text is not None and rows:
            found.append(Visit(change.path, text, _longest_run(rows)))
    return found


def _longest_run(rows: frozenset[int]) -> int:
    """The first of most rows in a row; where there are two such runs, the upper one."""
    starts = sorted(row for row in rows if row - 1 not in rows)
    return max(starts, key=lambda start: next(n for n in range(1, len(rows) + 1) if start + n not in rows))


class _Taken:
    """The holes so far, and what limits the next one."""

    def __init__(self, wanted: dict[Kind, int]) -> None:
        self._wanted = wanted
        self._of: Counter[object] = Counter()
        self.holes: list[Hole] = []

    def is_full(self) -> bool:
        return all(self._left(kind) <= 0 for kind in KINDS)

    def take(self, candidates: dict[Kind, list[Hole]]) -> None:
        """Take one hole of the kind that lacks most, if there is one."""
        for kind in sorted(KINDS, key=lambda kind: -self._left(kind)):
            if self._left(kind) <= 0:
                return
            for hole in self._rarest_first(candidates[kind]):
                if self._may(hole):
                    self._of.update(self._keys(hole))
                    self.holes.append(hole)
                    return

    def _left(self, kind: Kind) -> int:
        return self._wanted[kind] - self._of[kind]

    def _rarest_first(self, holes: list[Hole]) -> list[Hole]:
        return sorted(holes, key=lambda hole: self._of[hole.kind, hole.variety])

    def _may(self, hole: Hole) -> bool:
        return all(self._of[key] < most for key, most in _limits(hole).items())

    def _keys(self, hole: Hole) -> list[object]:
        return [hole.kind, (hole.kind, hole.variety), *_limits(hole)]


def _limits(hole: Hole) -> dict[object, int]:
    """How many holes there may be of the same commit, file and first line."""
    line = (hole.place.line_before + hole.expected.partition("\n")[0]).strip()
    return {
        ("commit", hole.commit): _MOST_OF_COMMIT,
        ("file", hole.root, hole.path): _MOST_OF_FILE,
        ("line", line): _MOST_OF_LINE,
    }


def _vein(history: History, name: str, mine: Mine) -> Iterator[dict[Kind, list[Hole]]]:
    """The holes that each file of each commit offers, in an order that the seed gives."""
    draw = Random(f"{mine.seed}:{name}")  # noqa: S311  (a sample, not a secret)
    commits = history.commits_since(mine.since)
    draw.shuffle(commits)
    for commit in commits:
        changes = [change for change in history.changes(commit) if is_named_like_code(change.path)]
        draw.shuffle(changes)
        for change in changes[:_MOST_FILES_LOOKED_AT]:
            yield _offered(history, name, commit, change, draw)


def _offered(history: History, name: str, commit: str, change: Change, draw: Random) -> dict[Kind, list[Hole]]:
    text = history.text(change.blob)
    source = read_source(change.path, text, history.added_rows(commit, change.path), draw) if text is not None else None
    if source is None:
        return {kind: [] for kind in KINDS}

    def hole(cut: Cut) -> Hole:
        left = source.text[: cut.start] + source.text[cut.end :]
        return Hole(
            history.root,
            name,
            commit,
            change.path,
            source.language,
            cut.kind,
            cut.variety,
            left,
            cut.start,
            source.text[cut.start : cut.end],
            cut.typed,
        )

    return {kind: [hole(cut) for cut in _some_of_each(cuts(source, kind, draw), draw)] for kind in KINDS}


def _some_of_each(found: list[Cut], draw: Random) -> list[Cut]:
    """A few cuts of each variety, in any order: each hole holds the whole file."""
    draw.shuffle(found)
    n_taken: Counter[str] = Counter()
    some = []
    for cut in found:
        if n_taken[cut.variety] < _MOST_CANDIDATES:
            n_taken[cut.variety] += 1
            some.append(cut)
    return some
