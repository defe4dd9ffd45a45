"""What is reviewed, as data: changed files with their lines, and what is left out with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dsassist.git import WORKING_TREE, Treeish
from dsassist.review.source import Source

__all__ = ["LIMIT_BYTES", "ChangedFile", "Changes", "PendingFile", "Skipped"]

LIMIT_BYTES = 1024 * 1024
"""Less than what is completed: larger files are generated, and their tree alone would take seconds."""


@dataclass(frozen=True)
class ChangedFile:
    """The new text of a file, and its changed lines, counted from 1.

    `old` is the text before, None where there was none or where the whole file is looked at; `language` is
    `syntax.languages`' name, None for a text that it does not know. `old_path` is the name before, where it was another
    one. `encoding` is what turns the text into the file's bytes again.
    """

    path: str
    source: Source
    lines: frozenset[int]
    old: str | None = None
    language: str | None = None
    old_path: str | None = None
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Skipped:
    """What was not reviewed, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class PendingFile:
    """A file to review; `read` may find that it is no text."""

    path: str
    read: Callable[[], ChangedFile | Skipped]


@dataclass(frozen=True)
class Changes:
    """The files to review, and those that are left out from the start.

    `deleted` are files that are gone: without lines, their text in `old`. `moved` has the new names of files that have
    another name and nothing else, by their old ones. `tree` is the state of all files that the new side belongs to,
    `base` the commit or tree before, None where there was none or it has no name; both are of the repository at `root`,
    which is None where whole files are looked at. `state` names the content of `tree`; it is empty where nothing does.
    `around` has the other files where `tree` is none of git's, None where they are not known. `within` says what git
    is doing where this is no plain commit.
    """

    pending: tuple[PendingFile, ...]
    skipped: tuple[Skipped, ...]
    deleted: tuple[PendingFile, ...] = ()
    root: Path | None = None
    tree: Treeish = WORKING_TREE
    base: str | None = None
    moved: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    around: Treeish | None = None
    within: str = ""
