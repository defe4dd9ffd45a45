"""What the arms have answered so far, and the file with all of it: a JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, TextIO

from dsassist.bench.fim.answer import Answer, Verdict, judge
from dsassist.bench.fim.figures import Arm
from dsassist.bench.fim.hole import Hole
from dsassist.bench.fim.true_lines import TrueLines

__all__ = ["OURS", "UNFILTERED", "Results"]

OURS, UNFILTERED = "dsassist", "dsassist without the confidence filter"


class Results:
    """The answers and verdicts so far, by arm; each hole is written to the details when it is done."""

    def __init__(self, holes: Sequence[Hole], details: TextIO | None) -> None:
        self._holes = holes
        self._details = details
        self._answers: dict[str, list[Answer]] = {}
        self._verdicts: dict[str, list[Verdict]] = {}
        self.lines: dict[str, list[TrueLines]] = {}  # by layout, of the same holes in each
        self.n_holes = 0

    def add(self, answers: dict[str, Answer], lines: dict[str, TrueLines]) -> None:
        """The answers at the next hole, and how likely the true lines are, by layout."""
        hole = self._holes[self.n_holes]
        verdicts = {name: judge(hole, answer.shown) for name, answer in answers.items()}
        verdicts[UNFILTERED] = judge(hole, answers[OURS].unfiltered)
        for name, verdict in verdicts.items():
            self._answers.setdefault(name, []).append(answers[OURS if name == UNFILTERED else name])
            self._verdicts.setdefault(name, []).append(verdict)
        for name, line in lines.items():
            self.lines.setdefault(name, []).append(line)
        self.n_holes += 1
        arms = {name: {"answer": asdict(answer), "verdict": asdict(verdicts[name])} for name, answer in answers.items()}
        about = {key: value for key, value in asdict(hole).items() if key not in ("root", "text")}
        weighed = {name: asdict(line) for name, line in lines.items()}
        about |= {"line": hole.row + 1, "before": hole.place.line_before}
        self._write({"hole": about, "arms": arms, "true_lines": weighed})

    def arm(self, name: str) -> Arm:
        """All of one arm; that without the filter is our arm's own texts, shown without it."""
        return Arm(name, self._answers[name], self._verdicts[name])

    def errors(self) -> Iterator[str]:
        """What went wrong, an arm a line."""
        for name, answers in self._answers.items():
            errors = [answer.error for answer in answers if answer.error]
            if errors and name != UNFILTERED:
                yield f"{name}: no answer at {len(errors)} of {len(answers)} holes, taken as nothing shown: {errors[0]}"

    def write_groups(self) -> None:
        """The means of each kind, variety and language, at the end of the details."""
        done = self._holes[: self.n_holes]
        for key in ("kind", "variety", "language", "repository"):
            for value in sorted({getattr(hole, key) for hole in done}):
                rows = [i for i, hole in enumerate(done) if getattr(hole, key) == value]
                arms = {name: _means([verdicts[i] for i in rows]) for name, verdicts in self._verdicts.items()}
                self._write({"group": {key: value}, "holes": len(rows), "arms": arms})

    def _write(self, line: dict[str, Any]) -> None:
        if self._details is not None:
            print(json.dumps(line), file=self._details, flush=True)


def _means(verdicts: Sequence[Verdict]) -> dict[str, float]:
    sums = [asdict(verdict) for verdict in verdicts]
    return {name: round(sum(found[name] for found in sums) / len(sums), 3) for name in sums[0]}
