"""What earlier reviews found, by the text of what they looked at: nobody looks through the same file twice.

The engine's scores have a store of their own (`answers.scores`), and yet a review that finds all of them there would
parse each file and seek its alternatives to know the questions. What is kept here makes that unnecessary:

    of a file      that the passes found nothing and no secret in it
    of a file      how many functions were reviewed, what was left out, and what the model found
    of a change    that nothing in it is unfinished

A key is a digest of all that decides: the texts and lines, what the model's findings need, our own modules, and what is
installed beside them. Nothing is kept of a file with secrets, nor of one that was not reviewed to its end.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsassist.answers.store import AnswerStore
from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.findings import Finding, Related, Replacement

if TYPE_CHECKING:
    from dsassist.review.reviewer import Judge

__all__ = ["Memory", "Outcome"]

_NOTHING = "nothing"


@dataclass(frozen=True)
class Outcome:
    """What a review of a file's functions came to; `is_asked` tells that there was something to ask a model."""

    functions: int
    skipped: tuple[Skipped, ...]
    is_asked: bool
    findings: tuple[Finding, ...] = ()


class Memory:
    """The memory of this user's reviews. What is noted is written by `save`."""

    def __init__(self, store: AnswerStore) -> None:
        self._store = store
        self._noted: dict[bytes, str] = {}

    def is_clean(self, file: ChangedFile) -> bool:
        """Whether the file is known to hold no secret and nothing that a pass finds."""
        return self._store.get(_digest("passes", *_sides(file))) is not None

    def note_clean(self, file: ChangedFile) -> None:
        """Keep that."""
        self._noted[_digest("passes", *_sides(file))] = _NOTHING

    def is_finished(self, files: Sequence[ChangedFile], moved: Mapping[str, str], state: str) -> bool:
        """Whether a change is known to leave nothing undone; `state` names the content of the tree that it makes."""
        return self._store.get(_of_change(files, moved, state)) is not None

    def note_finished(self, files: Sequence[ChangedFile], moved: Mapping[str, str], state: str) -> None:
        """Keep that."""
        self._noted[_of_change(files, moved, state)] = _NOTHING

    def listing(self, file: ChangedFile) -> Outcome | None:
        """What is known of a file without its findings; None where that is nothing."""
        known = self._store.get(_of_text("listing", file))
        return None if known is None else _outcome(json.loads(known), file.path)

    def findings(self, file: ChangedFile, judge: Judge) -> tuple[Finding, ...] | None:
        """What a judge's model finds in a file; None where that is not known."""
        known = self._store.get(_of_judge(file, judge)) if judge.name else None
        return None if known is None else tuple(_finding(each, file.path) for each in json.loads(known))

    def note_outcome(self, file: ChangedFile, outcome: Outcome, judge: Judge | None) -> None:
        """Keep what a review of all functions of a file came to."""
        prefix = len(file.path)
        skipped = [[each.what[prefix:], each.reason] for each in outcome.skipped]
        listing = {"functions": outcome.functions, "skipped": skipped, "is_asked": outcome.is_asked}
        self._noted[_of_text("listing", file)] = json.dumps(listing)
        if judge is not None and judge.name and outcome.is_asked:
            found = [_to_json(replace(each, path="")) for each in outcome.findings]
            self._noted[_of_judge(file, judge)] = json.dumps(found)

    def save(self) -> None:
        """Write down what was noted."""
        if self._noted:
            self._store.put_all(self._noted)
            self._noted = {}


def _sides(file: ChangedFile) -> tuple[object, ...]:
    return file.path, file.language, file.encoding, file.old_path, file.source.text, file.old, sorted(file.lines)


def _of_change(files: Sequence[ChangedFile], moved: Mapping[str, str], state: str) -> bytes:
    return _digest("unfinished", state, sorted(moved.items()), [_sides(file) for file in files])


def _of_text(kind: str, file: ChangedFile, *more: object) -> bytes:
    """Without the path, so that a file that is renamed is known."""
    return _digest(kind, file.language, file.source.language, file.source.text, sorted(file.lines), *more)


def _of_judge(file: ChangedFile, judge: Judge) -> bytes:
    thresholds = judge.thresholds
    needed = [thresholds.threshold_nats, sorted(thresholds.factors.items())]
    return _of_text("findings", file, judge.name, judge.severity, needed)


def _digest(kind: str, *parts: object) -> bytes:
    text = json.dumps(["review memory", _reviewer(), kind, *parts], ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).digest()


@cache
def _reviewer() -> str:
    """Another text for another version of what decides: our modules, Python, and the packages beside them.

    A version number would have to be thought of at each change; files tell by themselves.
    """
    package = Path(__file__).parents[1]
    told = [sys.version, *(f"{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in _modules(package))]
    # Whatever is installed or taken away there changes the folder: a grammar, say.
    places = [Path(place) for place in sys.path if place.endswith(("site-packages", "dist-packages"))]
    told += [f"{place} {place.stat().st_mtime_ns}" for place in places if place.is_dir()]
    return hashlib.sha256("\n".join(told).encode("utf-8", "surrogateescape")).hexdigest()


def _modules(package: Path) -> list[tuple[str, os.stat_result]]:
    folders, found = [str(package)], []
    while folders:
        with os.scandir(folders.pop()) as entries:  # it brings most of what is asked for along
            for entry in entries:
                if entry.is_dir() and entry.name != "__pycache__":
                    folders.append(entry.path)
                elif entry.name.endswith((".py", ".scm", ".json")):
                    found.append((entry.path, entry.stat()))
    return sorted(found, key=lambda each: each[0])


def _to_json(finding: Finding) -> dict[str, Any]:
    return {
        **vars(finding),
        "fix": [vars(each) for each in finding.fix],
        "related": [vars(each) for each in finding.related],
    }


def _finding(known: dict[str, Any], path: str) -> Finding:
    fix = tuple(Replacement(**each) for each in known["fix"])
    related = tuple(Related(**each) for each in known["related"])
    return Finding(**{**known, "path": path, "fix": fix, "related": related})


def _outcome(known: dict[str, Any], path: str) -> Outcome:
    skipped = tuple(Skipped(path + what, reason) for what, reason in known["skipped"])
    return Outcome(known["functions"], skipped, known["is_asked"])
