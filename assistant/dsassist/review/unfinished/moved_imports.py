"""Imports of a file that was moved to another folder, which count from it and lead nowhere from there (DSA201)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from dsassist.review.findings import Finding, Related, finding_at
from dsassist.review.source import Source
from dsassist.review.unfinished.change import PythonChanges
from dsassist.review.unfinished.links import Links, is_guarded, submodules_of
from dsassist.review.unfinished.modules import is_offered, statement_line
from dsassist.review.unfinished.python_file import PythonFile
from dsassist.review.unfinished.tree import Overlay
from dsassist.syntax.imports import Import

__all__ = ["find_misled_imports"]


def find_misled_imports(
    gone_files: Mapping[str, str | None], tree: Overlay, changes: PythonChanges
) -> Iterator[Finding]:
    """Imports in Python files that have another folder now; `gone_files` as in `moves`."""
    moved = {old: new for old, new in gone_files.items() if new is not None and _is_elsewhere(old, new)}
    if not moved:
        return
    before = Links([*tree.paths, *gone_files])
    for old, new in moved.items():
        file = PythonFile(new, Source(tree.text(new) or ""))
        if file.has_errors:
            continue
        for each in (one for one in file.imports if one.module.startswith(".")):
            for name, led_to in _lost(each, old, file, (before, changes.links), tree):
                if (finding := _finding(file, name, each.line, led_to)) is not None:
                    yield finding


def _lost(
    one: Import, old: str, file: PythonFile, links: tuple[Links, Links], tree: Overlay
) -> Iterator[tuple[str, str]]:
    """What of an import leads nowhere from the file's new folder: by what word it stands there, and where it led."""
    before, now = links
    packages = now.modules(one, file.path)
    if (led_to := before.modules(one, old)) and not packages:
        yield (one.module.strip(".") or one.names[0].name).split(".")[-1], led_to[0]
        return
    for each, name in zip(submodules_of(one), one.names, strict=False):
        led_to = before.modules(each, old)
        if led_to and not now.modules(each, file.path) and not is_offered(name.name, packages, tree):
            yield name.name, led_to[0]


def _is_elsewhere(old: str, new: str) -> bool:
    return new.endswith(".py") and PurePosixPath(old).parent != PurePosixPath(new).parent


def _finding(file: PythonFile, name: str, line: int, led_to: str) -> Finding | None:
    """Where the word stands in the import that begins on a line; None where it may fail there."""
    for use in file.occurrences(name):
        if use.role == "import" and statement_line(use) == line and not is_guarded(use):
            return finding_at(
                file.path,
                file.source,
                file.source.span(use.node),
                severity="warning",
                family="stale-name",
                function=file.function_around(use.node),
                message=f"this led to {led_to}, and leads nowhere from here",
                evidence="this change moved the file, and the import counts from its folder",
                related=(Related(led_to, 1, 1, "what it led to"),),
            )
    return None
