"""All findings of unfinished changes, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Finding
from dsassist.review.unfinished.calls import find_stale_calls
from dsassist.review.unfinished.change import PythonChanges
from dsassist.review.unfinished.copies import find_uneven_copies
from dsassist.review.unfinished.mirrors import find_lone_mirrors
from dsassist.review.unfinished.modules import find_stale_modules
from dsassist.review.unfinished.moved_imports import find_misled_imports
from dsassist.review.unfinished.moves import gone_files
from dsassist.review.unfinished.names import find_stale_names
from dsassist.review.unfinished.plain_modules import find_stale_plain_modules
from dsassist.review.unfinished.plain_names import find_stale_plain_names
from dsassist.review.unfinished.tree import Overlay, Tree
from dsassist.review.unfinished.twice import find_given_twice
from dsassist.review.unfinished.twins import find_left_twins

__all__ = ["find_unfinished"]

_DATA = ("json", "yaml", "toml", "html", "css", "hcl")
"""Languages in which lines that are alike are the rule."""


def find_unfinished(
    files: Sequence[ChangedFile], tree: Tree, moved: Mapping[str, str] | None = None
) -> Iterator[Finding]:
    """What the change of `files` left undone, in these files and in the rest of `tree`; one finding a line.

    Files that are gone may be among them, with their old text and an empty new one. `moved` has the new names of those
    that were renamed as they were, by the old ones; `tree` has them under the new ones. A stale name or call says more
    than that the line has a twin, so those come first.
    """
    overlay = Overlay(files, tree)
    code = [file for file in files if file.language not in _DATA]
    changes = PythonChanges(files, overlay)
    gone = gone_files(files, moved or {})
    found: dict[tuple[str, int], Finding] = {}
    for each in (
        *find_stale_names(changes),
        *find_stale_modules(gone, overlay, changes),
        *find_stale_plain_modules(gone, overlay),
        *find_misled_imports(gone, overlay, changes),
        *find_stale_plain_names(files, overlay),
        *find_stale_calls(changes),
        *find_uneven_copies(code),
        *find_given_twice(files),
        *find_left_twins(code, overlay),
        *find_lone_mirrors(changes),
    ):
        found.setdefault((each.path, each.line), each)
    yield from sorted(found.values(), key=lambda each: (each.path, each.line, each.column))
