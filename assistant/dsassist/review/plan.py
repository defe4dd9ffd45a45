"""What a review has to look at: the functions of all files, the order in which they come, and what was left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.risk import OldLines, Risk, risk_of

if TYPE_CHECKING:
    from dsassist.review.likelihood.tasks import Task

__all__ = ["DEADLINE", "Cut", "Plan"]

DEADLINE = "deadline"
_TOO_DEEP = "too deeply nested"

_LOOKING_SHARE = 0.2
"""Of the time, for alternatives by which the functions are put in order; those that are left then come last."""


@dataclass(frozen=True)
class Cut:
    """A function that the deadline cut; with `task` None all functions of the file."""

    file: ChangedFile
    task: Task | None


class Plan:
    """The functions of files, by numbers in the order of the text; `order` has the riskiest first.

    A file whose turn comes when no time remains is named whole. Of files whose review is `known`, by their numbers,
    only what is left out has a place here.
    """

    def __init__(
        self,
        files: Sequence[ChangedFile],
        remaining_s: Callable[[], float],
        known: Mapping[int, Sequence[Skipped]] = MappingProxyType({}),
    ) -> None:
        self._files = files
        self._remaining_s = remaining_s
        self._entries: list[tuple[int, Task | Skipped]] = []
        self._reasons: dict[int, str] = {}
        for number, file in enumerate(files):
            if number in known:
                self._entries += [(number, each) for each in known[number]]
            elif remaining_s() <= 0:
                self.leave_out(len(self._entries), DEADLINE)
                self._entries.append((number, Skipped(file.path, DEADLINE)))
            else:
                self._entries += [(number, each) for each in _listed(file)]
        self.tasks = {number: each for number, (_, each) in enumerate(self._entries) if not isinstance(each, Skipped)}
        self.order = list(self.tasks)

    def put_in_order(self, gone: Iterable[ChangedFile], deadline_s: float) -> None:
        """Let the riskiest functions come first. `gone` are files of which functions may come."""
        old = OldLines([*self._files, *gone])
        by_size = sorted(self.tasks, key=lambda number: self._risk(number, old, with_candidates=False))
        looked = self._looked_at(by_size, _LOOKING_SHARE * deadline_s)
        looked.sort(key=lambda number: self._risk(number, old, with_candidates=True))
        known = {*looked, *self._reasons}
        self.order = [*looked, *(number for number in by_size if number not in known)]

    def has_candidates(self, number: int) -> bool:
        """Whether there is something to ask about a function; finding that out may take a while.

        Of one that is nested too deeply there is not, and it is left out.
        """
        try:
            return bool(self.tasks[number].candidates)
        except RecursionError:
            self.leave_out(number, _TOO_DEEP)
            return False

    def leave_out(self, number: int, reason: str) -> None:
        """Note why a function is not reviewed."""
        self._reasons[number] = reason

    def is_left_out(self, number: int) -> bool:
        """Whether a function is not reviewed."""
        return number in self._reasons

    def cut(self) -> list[Cut]:
        """What the deadline cut: the functions in their order, then the files that it was too late for."""
        functions = [Cut(self._file(number), self.tasks[number]) for number in self.order if self._is_cut(number)]
        return functions + [Cut(self._file(number), None) for number in self._reasons if self._is_late_file(number)]

    def explain_cut(self, reason: str) -> None:
        """Say more of what the deadline cut than that."""
        self._reasons.update({number: reason for number in self._reasons if self._is_cut(number)})

    @property
    def reasons(self) -> list[str]:
        """Why something was not reviewed that could have been, in alphabetical order."""
        return sorted({reason for reason in self._reasons.values() if reason != _TOO_DEEP})

    def not_done(self) -> Iterator[Skipped]:
        """What was not reviewed, in the order of the text."""
        for number, (_, each) in enumerate(self._entries):
            if isinstance(each, Skipped):
                yield Skipped(each.what, self._reasons.get(number, each.reason))
            elif number in self._reasons:
                yield Skipped(each.name, self._reasons[number])

    def done(self) -> dict[int, list[Task | Skipped]]:
        """What there was to do in each file in which nothing is left to do, by the files' numbers."""
        of_file: dict[int, list[Task | Skipped]] = {number: [] for number in range(len(self._files))}
        for file, each in self._entries:
            of_file[file].append(each)
        left = {self._entries[number][0] for number in self._reasons}
        return {file: entries for file, entries in of_file.items() if file not in left}

    def file_of(self, number: int) -> int:
        """The number of a function's file."""
        return self._entries[number][0]

    def complete(self) -> frozenset[str]:
        """The paths of which each line was reviewed."""
        partly = {
            file
            for number, (file, each) in enumerate(self._entries)
            if isinstance(each, Skipped) or number in self._reasons
        }
        whole = (file for number, file in enumerate(self._files) if number not in partly and _is_whole(file))
        return frozenset(file.path for file in whole)

    def _file(self, number: int) -> ChangedFile:
        return self._files[self._entries[number][0]]

    def _is_cut(self, number: int) -> bool:
        return self._reasons.get(number) == DEADLINE

    def _is_late_file(self, number: int) -> bool:
        return self._is_cut(number) and number not in self.tasks

    def _looked_at(self, numbers: Iterable[int], limit_s: float) -> list[int]:
        """Find the alternatives of as many functions as the time allows; those that are too deep are left out."""
        until_s = max(self._remaining_s() - limit_s, 0.0)
        looked = []
        for number in numbers:
            if self._remaining_s() <= until_s:
                break
            self.has_candidates(number)
            if not self.is_left_out(number):
                looked.append(number)
        return looked

    def _risk(self, number: int, old: OldLines, *, with_candidates: bool) -> Risk:
        return risk_of(self.tasks[number], old, self._entries[number][0], with_candidates=with_candidates)


def _listed(file: ChangedFile) -> list[Task | Skipped]:
    from dsassist.review.likelihood.tasks import tasks_of  # of files that are known already, nothing is asked

    try:
        return list(tasks_of(file))
    except RecursionError:
        return [Skipped(file.path, _TOO_DEEP)]


def _is_whole(file: ChangedFile) -> bool:
    return file.old is None and len(file.lines) >= file.source.text.count("\n")
