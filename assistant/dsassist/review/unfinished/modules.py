"""An import of a module that the change moved or took away (DSA201)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Finding, Related, finding_at
from dsassist.review.unfinished.change import PythonChanges
from dsassist.review.unfinished.links import Links, is_guarded
from dsassist.review.unfinished.python_file import Occurrence, PythonFile
from dsassist.review.unfinished.tree import Overlay, is_deleted

__all__ = ["find_stale_modules"]

_LEAST_NAME = 3


def find_stale_modules(files: Sequence[ChangedFile], tree: Overlay, changes: PythonChanges) -> Iterator[Finding]:
    """Imports that led to a file that is no longer there, and lead nowhere now."""
    gone = {path: file for file in files if (path := _gone_path(file)) and path not in tree.paths}
    if not gone:
        return
    now, before = Links(tree.paths), Links([*tree.paths, *gone])
    for path, moved in gone.items():
        stem = PurePosixPath(path).stem
        for file in changes.files_with({stem}):
            for each in file.imports:
                is_plain = "." in each.module.strip(".") or each.module.startswith(".")
                if is_plain and before.leads_to(each, file.path, path) and not now.leads_anywhere(each, file.path):
                    yield from _findings(file, moved, path, stem, each.line)


def _gone_path(file: ChangedFile) -> str:
    """The path of a Python module that is there no longer; a package's own file stands for more than itself."""
    path = file.path if is_deleted(file) else file.old_path or ""
    stem = PurePosixPath(path).stem
    return path if path.endswith(".py") and stem != "__init__" and len(stem) >= _LEAST_NAME else ""


def _findings(file: PythonFile, moved: ChangedFile, path: str, stem: str, line: int) -> Iterator[Finding]:
    for use in file.occurrences(stem):
        if use.role == "import" and use.line == line and not is_guarded(use):
            yield _finding(file, moved, path, use)
            return


def _finding(file: PythonFile, moved: ChangedFile, path: str, use: Occurrence) -> Finding:
    is_gone = is_deleted(moved)
    return finding_at(
        file.path,
        file.source,
        file.source.span(use.node),
        severity="warning",
        family="stale-name",
        function=file.function_around(use.node),
        message=f"there is no module {path} any more" if is_gone else f"the module is now {moved.path}",
        evidence=f"this change {'took away' if is_gone else 'moved'} {path}, to which this import led",
        related=() if is_gone else (Related(moved.path, 1, 1, f"was {path}"),),
    )
