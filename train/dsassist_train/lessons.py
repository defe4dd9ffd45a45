"""What a teacher says of sequences, in a file: the K likeliest tokens at each place, with their log-probabilities.

    lessons.bin    a record a sequence: tokens, which of them count, and the teacher's K ids and log-probabilities
    lessons.json   what they were made of: corpus, teacher, length, K, seed, and how many there are to be

Records are only ever added, so that an interrupted teacher goes on behind the last whole one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dsassist_runtime.errors import DsassistError, NotDone

__all__ = ["Lesson", "LessonPlan", "Lessons", "add_lesson"]


class Lesson(NamedTuple):
    """A sequence of T + 1 tokens `(T + 1,) int32`, `mask` `(T + 1,) bool` as in `packing.Packed`, and of each of the
    last T what the teacher says: `ids` `(T, K) int32` and `logprobs` `(T, K) float16`.

    `position` is where the next one begins.
    """

    tokens: npt.NDArray[np.int32]
    mask: npt.NDArray[np.bool_]
    position: int
    ids: npt.NDArray[np.int32]
    logprobs: npt.NDArray[np.float16]


@dataclass(frozen=True)
class LessonPlan:
    """What decides about the lessons; `length` is T, `k` is K, `n_lessons` how many there are to be."""

    corpus: str
    teacher: str
    length: int
    k: int
    seed: int
    n_lessons: int

    @property
    def dtype(self) -> np.dtype[np.void]:
        """A record."""
        n = self.length
        return np.dtype(
            [
                ("tokens", "<i4", (n + 1,)),
                ("mask", "?", (n + 1,)),
                ("ids", "<i4", (n, self.k)),
                ("logprobs", "<f2", (n, self.k)),
            ]
        )


@dataclass(frozen=True)
class Lessons:
    """The lessons in a folder, as far as they are written."""

    folder: Path
    plan: LessonPlan

    @classmethod
    def begin(cls, folder: Path, plan: LessonPlan) -> Lessons:
        """Those that are there, or none yet; `DsassistError` where there are others.

        `NotDone` without room, and where there are some and nothing tells what they are.
        """
        file = folder / "lessons.json"
        try:
            written = file.read_text(encoding="utf-8") if file.exists() else ""
        except OSError as error:  # nothing is begun anew for that
            raise _refused("read", file, error) from None
        with suppress(ValueError, TypeError):
            before = LessonPlan(**json.loads(written))
            if before != plan:
                names = [name for name, value in asdict(plan).items() if value != getattr(before, name)]
                raise DsassistError(
                    f"{folder} has lessons of other settings ({', '.join(names)} differ); leave those options out, or "
                    "begin in another folder"
                )
            return cls(folder, plan)
        found = cls(folder, plan)
        if found.path.exists() and found.path.stat().st_size:
            raise NotDone(
                f"{file} does not tell of what the lessons beside it are; put it back, or delete {folder} to ask the "
                "teacher anew"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(asdict(plan), indent=1), encoding="utf-8")
        except OSError as error:
            raise _refused("write into", folder, error) from None
        return found

    @property
    def path(self) -> Path:
        """The records."""
        return self.folder / "lessons.bin"

    @property
    def n_written(self) -> int:
        """How many are there whole."""
        return self.path.stat().st_size // self.plan.dtype.itemsize if self.path.exists() else 0

    @property
    def fingerprint(self) -> str:
        """What they are known by in a checkpoint."""
        plan = self.plan
        return f"{plan.corpus}:{plan.teacher}:{plan.length}:{plan.k}:{plan.seed}:{plan.n_lessons}"

    @cached_property
    def _records(self) -> npt.NDArray[Any]:
        assert self.n_written >= self.plan.n_lessons, (self.n_written, self.plan.n_lessons)
        return np.memmap(self.path, dtype=self.plan.dtype, mode="r", shape=(self.plan.n_lessons,))

    def rows(self, seed: int, position: int) -> Iterator[Lesson]:
        """All lessons in an order of the seed, then all in another one, without end; from a position on."""
        n_lessons = self.plan.n_lessons
        while True:
            turn, start = divmod(position, n_lessons)
            order = np.random.default_rng([seed, turn]).permutation(n_lessons)
            for index in order[start:]:
                record = self._records[index]
                position += 1
                yield Lesson(record["tokens"], record["mask"], position, record["ids"], record["logprobs"])


def _refused(what: str, path: Path, error: OSError) -> NotDone:
    return NotDone(f"cannot {what} {path}: {(error.strerror or str(error)).lower()}; check its permissions and room")


def add_lesson(lessons: Lessons, lesson: Lesson) -> None:
    """Add one behind the last whole one; `NotDone` where there is no room, and what was there stays."""
    record = np.zeros((), lessons.plan.dtype)
    for name in ("tokens", "mask", "ids", "logprobs"):
        record[name] = getattr(lesson, name)
    at = lessons.n_written * lessons.plan.dtype.itemsize
    try:
        with lessons.path.open("r+b" if lessons.path.exists() else "wb") as file:
            if file.seek(0, os.SEEK_END) > at:  # an earlier one was cut
                file.truncate(at)
            file.seek(at)
            file.write(record.tobytes())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise NotDone(
            f"cannot write {lessons.path}: {reason}; make room; the {lessons.n_written} lessons before are kept"
        ) from error
