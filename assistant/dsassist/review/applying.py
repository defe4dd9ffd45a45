"""Writing fixes down: into the index, whose blobs were reviewed, and into the working tree where the same lines stand.

With partial staging the two differ, and what is not staged must stay as it is: a file of the working tree is edited
only where it holds the lines that the fix was made for, and otherwise left alone, which is told.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from dsassist import git
from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Replacement
from dsassist.review.fixes import apply_fix
from dsassist.review.source import Source
from dsassist_runtime.errors import NotDone

__all__ = ["Edits", "all_parts", "apply_to_index", "apply_to_working_tree"]

_REGULAR = ("100644", "100755")


@dataclass(frozen=True)
class Edits:
    """What is to be replaced in a reviewed file: replacements that do not overlap."""

    file: ChangedFile
    parts: tuple[Replacement, ...]


def apply_to_index(edits: Edits, root: Path) -> None:
    """Put the file with its edits into the index; `NotDone` where that no longer holds what was reviewed."""
    path = os.fsencode(edits.file.path)
    # A name may hold anything but NUL, so it is not written into a pathspec.
    listed = git.run_git(
        ["--literal-pathspecs", "ls-files", "--stage", "-z", "--full-name", "--", edits.file.path], root
    )
    mode, blob, stage = listed.partition(b"\t")[0].decode("ascii").split(" ") if listed else ("", "", "")
    if mode not in _REGULAR or stage != "0":
        raise NotDone(f"{edits.file.path} is not in the index any more; nothing was fixed in it")
    content = edits.file.source.text.encode(edits.file.encoding)
    if git.read_blobs([blob], root)[blob] != content:
        raise NotDone(f"{edits.file.path} was staged anew during the review; nothing was fixed in it")
    new = apply_fix(edits.file.source, edits.parts).encode(edits.file.encoding)
    name = git.run_git(["hash-object", "-w", "--no-filters", "--stdin"], root, stdin=new).decode("ascii").strip()
    entry = f"{mode} {name}\t".encode("ascii") + path + b"\0"
    git.run_git(["update-index", "-z", "--index-info"], root, stdin=entry)


def apply_to_working_tree(edits: Edits, path: Path) -> bool:
    """Make the edits in a file on disk; False, and nothing is written, where it does not hold all of their lines."""
    try:
        if path.is_symlink() or not path.is_file():
            return False
        data = path.read_bytes()
        text = data.decode(edits.file.encoding)
    except (OSError, ValueError):
        return False
    moved = _moved(edits, text)
    if moved is None:
        return False
    _write(path, apply_fix(Source(text), moved).encode(edits.file.encoding))
    return True


def _moved(edits: Edits, text: str) -> tuple[Replacement, ...] | None:
    """The replacements at the lines that they have in another version of the file; None where lines differ.

    Line ends do not count: the index may have others than the disk (core.autocrlf).
    """
    reviewed, there = _lines(edits.file.source.text), _lines(text)
    line_of: dict[int, int] = {}
    for start, other, size in SequenceMatcher(None, reviewed, there, autojunk=False).get_matching_blocks():
        line_of.update((start + i + 1, other + i + 1) for i in range(size))
    ending = "\r\n" if "\r\n" in text else "\n"
    moved = []
    for part in edits.parts:
        # Before an insertion of whole lines stands nothing of the line itself; the line must be there all the same.
        places = [line_of.get(line) for line in range(part.line, part.end_line + 1)]
        first = places[0]
        if first is None or places != list(range(first, first + len(places))):
            return None
        written = part.text.replace("\r\n", "\n").replace("\n", ending)
        moved.append(Replacement(first, part.column, first + len(places) - 1, part.end_column, written))
    return tuple(moved)


def _lines(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in text.split("\n")]


def _write(path: Path, content: bytes) -> None:
    """Replace a file, whole or not at all, with the mode that it had."""
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name[:40]}-", delete=False) as file:
            temporary = file.name
            file.write(content)
        Path(temporary).chmod(path.stat().st_mode & 0o7777)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise NotDone(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error


def all_parts(fixes: Sequence[tuple[Replacement, ...]]) -> tuple[Replacement, ...]:
    """The replacements of several fixes as one."""
    return tuple(part for fix in fixes for part in fix)
