"""Findings that a team has looked at and keeps: a file of their fingerprints, one JSON object a line.

The lines are sorted by code, path and fingerprint, so that branches which add some merge as text.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from dsassist import git
from dsassist.git import Treeish
from dsassist.review.findings import Finding
from dsassist_runtime.errors import DsassistError, NotDone

__all__ = ["BASELINE", "Entry", "baseline_of_tree", "entries_of", "read_baseline", "updated", "write_baseline"]

BASELINE = ".dsassist-baseline.json"
"""At the repository's root it is used without being named."""


@dataclass(frozen=True, order=True)
class Entry:
    """A finding that is not reported any more."""

    code: str
    path: str
    fingerprint: str


def entries_of(findings: Iterable[Finding]) -> list[Entry]:
    """What stands for findings in a baseline."""
    return sorted({Entry(each.code, each.path, each.fingerprint) for each in findings})


def read_baseline(path: Path, *, missing_ok: bool = False) -> list[Entry]:
    """The entries of a file on disk."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if missing_ok:
            return []
        raise DsassistError(f"there is no baseline {path}; `--update-baseline` writes it") from None
    except OSError as error:
        raise DsassistError(f"cannot read the baseline {path}: {(error.strerror or str(error)).lower()}") from error
    return _parsed(content, str(path))


def baseline_of_tree(root: Path, tree: Treeish) -> list[Entry]:
    """The entries of the default file as it stands in what is reviewed: the index, a commit, or the disk."""
    if tree.kind == "working-tree":
        return read_baseline(root / BASELINE, missing_ok=True)
    name = f":{BASELINE}" if tree.kind == "index" else f"{tree.id}:{BASELINE}"
    found = git.object_ids([name], root).get(name)
    if found is None or found[1] != "blob":
        return []
    return _parsed(git.read_blobs([found[0]], root)[found[0]], BASELINE)


def updated(old: Iterable[Entry], found: Iterable[Finding], complete: Collection[str]) -> list[Entry]:
    """The entries after a review: what it found, and of the old ones those whose files it did not read whole."""
    return sorted({*entries_of(found), *(entry for entry in old if entry.path not in complete)})


def write_baseline(path: Path, entries: Iterable[Entry]) -> None:
    """Write a baseline, whole or not at all."""
    lines = [json.dumps({"code": e.code, "path": e.path, "fingerprint": e.fingerprint}) for e in sorted(set(entries))]
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f"{path.name}-", delete=False) as file:
            temporary = file.name
            file.write("".join(f"{line}\n" for line in lines))
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise NotDone(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _parsed(content: bytes, name: str) -> list[Entry]:
    entries = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            read = json.loads(line)
            entries.append(Entry(str(read["code"]), str(read["path"]), str(read["fingerprint"])))
        except (ValueError, KeyError, TypeError):
            raise DsassistError(
                f"{name}, line {number}, is no entry of a baseline; mend it, or write it anew with --update-baseline"
            ) from None
    return entries
