"""Functions with a bug put in, and what the reviewer and what it is compared with say of them and of their twins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple
from zlib import crc32

from dsassist.bench.review import ruff
from dsassist.bench.review.injection import Bug, draw_bug
from dsassist.bench.review.prose import Chatter, ask_in_prose
from dsassist.bench.review.sources import Alternatives, Scorer, Source, measured
from dsassist.bench.review.surprise import surprise_by_line
from dsassist.bench.review.young import YoungFunction
from dsassist.review.calibration.fit import Reached
from dsassist.review.changes import ChangedFile
from dsassist.review.likelihood.evidence import evidence_nats
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.scoring import scores_of
from dsassist.review.source import Source as SourceText
from dsassist_runtime.api import Edit, ScoreRequest

__all__ = [
    "ALONE",
    "PROSE",
    "SURPRISE",
    "WHOLE",
    "Arm",
    "Case",
    "Result",
    "Suspect",
    "Version",
    "arms_of",
    "cases_of",
    "groups_of",
    "has_repair",
    "prefers_original",
    "ruff_lines",
    "strongest_of",
]

WHOLE, ALONE = "whole function", "line alone"
SURPRISE, PROSE = "highest surprise", "asked in prose"


class Suspect(NamedTuple):
    """Lines of a file on which something may be wrong, and how strongly that is said."""

    first: int
    last: int
    strength: float

    def is_at(self, lines: Iterable[int]) -> bool:
        """Whether one of the lines is among them."""
        return any(self.first <= line <= self.last for line in lines)


def strongest_of(suspects: Sequence[Suspect]) -> Suspect | None:
    """The one that is said most strongly; of equals the first."""
    return max(suspects, key=lambda each: each.strength, default=None)


@dataclass(frozen=True)
class Version:
    """A file with the function in one of its versions, and the lines of it that count as changed."""

    path: str
    source: SourceText
    function_lines: frozenset[int]
    bug_lines: frozenset[int]

    def changed(self, lines: frozenset[int]) -> ChangedFile:
        """What the reviewer gets."""
        return ChangedFile(self.path, self.source, lines, language="python")

    @property
    def task(self) -> Task:
        """The whole function."""
        return next(task for task in tasks_of(self.changed(self.function_lines)) if isinstance(task, Task))


@dataclass(frozen=True)
class Case:
    """A function, a bug for it, and both versions; in the unchanged one the bug's lines count as changed alone."""

    young: YoungFunction
    bug: Bug
    buggy: Version
    unchanged: Version


@dataclass
class Result:
    """What was found in a case: for each arm the suspects in the version with the bug and in the unchanged one.

    `prefers_original` is None where the engine sees no difference; `has_repair` tells whether what was written is among
    the alternatives to the bug; `ruff_lines` are those of new messages, None where ruff was not asked. `reached` is
    what a calibration learns from the unchanged function, None where it does not count it.
    """

    case: Case
    buggy: dict[str, list[Suspect]] = field(default_factory=dict)
    unchanged: dict[str, list[Suspect]] = field(default_factory=dict)
    prefers_original: bool | None = None
    has_repair: bool = False
    ruff_lines: list[int] | None = None
    reached: Reached | None = None
    error: str = ""


Arm = Callable[[Version], list[Suspect]]


def cases_of(
    veins: Sequence[Iterator[YoungFunction]], n_cases: int, seed: int, alternatives: Alternatives = measured
) -> list[Case]:
    """Cases from each repository in turn, no text twice; the bugs are of the families of these alternatives."""
    found: list[Case] = []
    texts: set[str] = set()
    pending = [_cases(vein, texts, seed, alternatives) for vein in veins]
    while pending and len(found) < n_cases:
        for vein in list(pending):
            case = next(vein, None)
            if case is None:
                pending.remove(vein)
            elif len(found) < n_cases:
                found.append(case)
    order = {id(case): number for number, case in enumerate(found)}
    # Functions of one file behind each other: the engine then has what stands before them.
    return sorted(found, key=lambda case: (case.young.repository, case.young.path, order[id(case)]))


def _cases(vein: Iterator[YoungFunction], texts: set[str], seed: int, alternatives: Alternatives) -> Iterator[Case]:
    for young in vein:
        text = young.function.text.strip()
        draw = Random(f"{seed}:{young.repository}:{young.path}:{young.function.name}")  # noqa: S311  (a sample, not a secret)
        if text not in texts and (bug := draw_bug(young, draw, alternatives)) is not None:
            texts.add(text)
            yield _case(young, bug)


def _case(young: YoungFunction, bug: Bug) -> Case:
    function = young.function

    def version(source: SourceText, n_more: int, bug_lines: frozenset[int]) -> Version:
        end = function.line + function.text.count("\n") + n_more
        return Version(young.path, source, frozenset(range(function.line, end + 1)), bug_lines)

    removed, added = (edit.replacement.count("\n") for edit in (bug.repair, bug.edit))
    first = min(bug.lines)
    lines_before = frozenset(range(first, first + removed + 1))
    return Case(
        young,
        bug,
        version(SourceText(bug.source_text), added - removed, bug.lines),
        version(function.source, 0, lines_before),
    )


def groups_of(results: Sequence[Result]) -> list[str]:
    """What a threshold must not be used on if it was fitted there: the project, or of a single one half the files."""
    repositories = [result.case.young.repository for result in results]
    if len(set(repositories)) > 1:
        return repositories
    return [str(crc32(result.case.young.path.encode("utf-8", "surrogateescape")) % 2) for result in results]


def arms_of(engine: Scorer, source: Source, *, line_alone: bool, baselines: bool, chats: bool) -> dict[str, Arm]:
    """Who looks for suspects, by name."""

    def look(version: Version, lines: frozenset[int]) -> list[Suspect]:
        found = source(version.changed(lines))
        return [Suspect(each.finding.line, each.finding.end_line, each.strength) for each in found]

    arms: dict[str, Arm] = {WHOLE: lambda version: look(version, version.function_lines)}
    if line_alone:
        arms[ALONE] = lambda version: look(version, version.bug_lines)
    if baselines:
        arms[SURPRISE] = lambda version: [
            Suspect(line, line, nats) for line, nats in surprise_by_line(engine, version.task).items()
        ]
    if baselines and chats and isinstance(engine, Chatter):
        arms[PROSE] = lambda version: _asked(engine, version.task)
    return arms


def _asked(engine: Chatter, task: Task) -> list[Suspect]:
    opinion = ask_in_prose(engine, task)
    line = 0 if opinion.line is None else opinion.line  # no line is right then, but the function is suspected
    return [Suspect(line, line, opinion.nats)]


def prefers_original(engine: Scorer, case: Case, alternatives: Alternatives = measured) -> bool | None:
    """Whether the bug is found less likely than what was written, where the model is told the place and both texts.

    Where the reviewer's own question has that in its answer, no other is put: scores do not depend on what else is
    asked about.
    """
    task, wanted = case.buggy.task, case.unchanged.task.function.text
    for candidate, score in scores_of(task, alternatives(task), engine.score):
        if _applied(task.function.text, candidate.edit) == wanted:
            return evidence_nats(score) > 0
    scores = engine.score(ScoreRequest(task.context, task.function.text, (case.bug.repair,)))
    return evidence_nats(scores[0]) > 0 if scores else None


def has_repair(case: Case, alternatives: Alternatives = measured) -> bool:
    """Whether the reviewer, the whole function being changed, asks about what was written in the bug's place."""
    task, wanted = case.buggy.task, case.unchanged.task.function.text
    return any(_applied(task.function.text, candidate.edit) == wanted for candidate in alternatives(task))


def _applied(text: str, edit: Edit) -> str:
    return text[: edit.start] + edit.replacement + text[edit.end :]


def ruff_lines(program: Path, case: Case) -> list[int]:
    """The lines of what ruff says of the file with the bug and not of the file without."""
    before = ruff.messages(program, case.unchanged.source.text)
    return ruff.new_lines(before, ruff.messages(program, case.buggy.source.text))
