"""The sources of findings that real fixes are looked at with; no threshold is applied, so that one can be fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

from dsassist.bench.review.fix_mining import Fix
from dsassist.bench.review.held_back_history import Repository
from dsassist.bench.review.sources import Scored, enumerated, further
from dsassist.bench.review.sources import Source as OfFile
from dsassist.bench.review.unfinished_at_fix import UnfinishedAtFix
from dsassist.bench.review.written_at_fix import WrittenAtFix
from dsassist.review.source import Source
from dsassist_runtime.api import Engine

__all__ = ["TITLES", "FixSource", "SourceName", "fix_sources"]

SourceName = Literal["enumerated", "further", "unfinished", "written"]

FixSource = Callable[[Fix, Source], list[Scored]]
"""What is found when the fix's line reads as in one of its two versions."""

TITLES: dict[SourceName, str] = {
    "enumerated": "enumerated",
    "further": "further families",
    "unfinished": "unfinished changes",
    "written": "written by the model",
}
"""What figures call each source, by the name that `--sources` gives it."""


def fix_sources(
    names: Sequence[SourceName], engine: Engine, repositories: Mapping[str, Repository]
) -> dict[str, FixSource]:
    """The sources by their titles, in the order of `TITLES`; repositories by the names that fixes carry."""
    known: dict[SourceName, FixSource] = {
        "enumerated": _of_line(enumerated(engine)),
        "further": _of_line(enumerated(engine, further)),
        "unfinished": UnfinishedAtFix(repositories),
        "written": WrittenAtFix(engine),
    }
    return {title: known[name] for name, title in TITLES.items() if name in names}


def _of_line(find: OfFile) -> FixSource:
    """Sources that look at one file take the version as if its line had just been written."""
    return partial(_found, find)


def _found(find: OfFile, fix: Fix, version: Source) -> list[Scored]:
    return find(fix.version(version))
