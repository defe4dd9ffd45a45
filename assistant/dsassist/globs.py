"""Globs as the options `review.exclude` and `completion.exclude` have them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

__all__ = ["is_excluded"]


def is_excluded(path: str, globs: Sequence[str]) -> bool:
    """A glob excludes the paths it matches, the files whose bare name it matches, and all below a folder it matches."""
    pure = PurePosixPath(path)
    places = [pure, *pure.parents]
    return any(
        fnmatchcase(pure.name, glob) or any(fnmatchcase(str(place), glob.rstrip("/")) for place in places)
        for glob in globs
    )
