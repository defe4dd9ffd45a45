"""A baseline: the line with the least likely token is the suspect.

The engine gives no log-probabilities of a text by themselves, but those of what an edit would replace: so each line is
offered to be replaced, by the cheapest text there is, and nothing behind it is asked about.
"""

from __future__ import annotations

from dsassist.bench.review.sources import Scorer
from dsassist.review.likelihood.tasks import Task
from dsassist_runtime.api import Edit, ScoreRequest

__all__ = ["surprise_by_line"]

_OTHER = "?"


def surprise_by_line(engine: Scorer, task: Task) -> dict[int, float]:
    """Of each line of the function that holds code, the highest -log p of its tokens; lines as of the file."""
    lines: dict[Edit, int] = {}
    start = 0
    for number, line in enumerate(task.function.text.split("\n"), task.function.line):
        code = line.strip()
        if code and not code.startswith("#"):
            begin = start + line.index(code)
            lines[Edit(begin, begin + len(code), _OTHER)] = number
        start += len(line) + 1
    request = ScoreRequest(
        task.context, task.function.text, tuple(lines), max_rescored=len(lines), max_per_site=1, suffix_tokens=0
    )
    return {lines[score.edit]: -min(score.site_original) for score in engine.score(request) if score.site_original}
