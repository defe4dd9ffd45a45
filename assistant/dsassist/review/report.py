"""A review in words, and as one JSON object."""

from __future__ import annotations

import json
from dataclasses import asdict

from dsassist import output
from dsassist.review.changes import Skipped
from dsassist.review.findings import Finding, Review

__all__ = ["as_json", "empty_json", "finding_text", "skipped_text", "summary"]

_STYLES: dict[str, output.Style] = {"info": "blue", "warning": "yellow", "error": "red"}
_NAMED_SKIPPED = 5
_WIDEST_LINE = 200
_TERMINAL_COLUMNS = 80


def finding_text(finding: Finding) -> str:
    """A finding for a person: the place and what may be wrong, then the line itself, marked, with the evidence.

    shapes.py:3:25: warning: `width` may be meant to be `height` [DSA101]
        3 |     return self.width * width
          |                         ^^^^^
          = `height` is 1,600 times as likely here (+7.4 nats)
    """
    severity = output.style(finding.severity, "bold", _STYLES[finding.severity])
    path = output.visible(finding.path).replace("\n", "\\n")  # the finding stays on its line
    place = output.style(f"{path}:{finding.line}:{finding.column}:", "bold")
    first = f"{place} {severity}: {output.visible(finding.message)} {output.style(f'[{finding.code}]', 'dim')}"
    return f"{first}\n{_excerpt(finding)}"


def summary(review: Review, model: str) -> str:
    """One line: how much was reviewed, with what, how long it took, and what was not reviewed."""
    line = f"reviewed {_count(review.functions, 'function')} in {_count(review.files, 'file')}"
    line += f" with {model}" * bool(model) + f" in {review.seconds:.1f} s"
    if review.found > len(review.findings):
        line += f"; {len(review.findings)} of {review.found} findings shown, the strongest"
    return line + (f"; not reviewed: {skipped_text(review.skipped)}" if review.skipped else "")


def skipped_text(skipped: tuple[Skipped, ...]) -> str:
    """What was left out, by reason, in one line; long lists are cut."""
    by_reason: dict[str, list[str]] = {}
    for each in skipped:
        by_reason.setdefault(each.reason, []).append(each.what)
    return "; ".join(f"{_listed(names)} ({reason})" for reason, names in by_reason.items())


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED_SKIPPED
    return ", ".join(names[:_NAMED_SKIPPED] + ([f"{more} more"] if more > 0 else []))


def as_json(review: Review, model: str) -> str:
    """The review as one JSON object, with all that the text says."""
    return json.dumps(
        {
            "findings": [{"code": finding.code, **asdict(finding)} for finding in review.findings],
            "found": review.found,
            "reviewed": {"functions": review.functions, "files": review.files},
            "not_reviewed": [asdict(each) for each in review.skipped],
            "failure": review.failure or None,
            "model": model or None,
            "seconds": round(review.seconds, 3),
        },
        indent=2,
    )


def empty_json() -> str:
    """The object of a review that had nothing to look at."""
    return as_json(Review((), 0, 0, 0, (), 0.0), "")


def _excerpt(finding: Finding) -> str:
    """The line with a mark below what the finding speaks of."""
    source = finding.source_line.expandtabs(4)
    before = len(finding.source_line[: finding.column - 1].expandtabs(4))
    ends_here = finding.end_line == finding.line
    after = len(finding.source_line[: finding.end_column - 1].expandtabs(4)) if ends_here else len(source)
    number, margin = str(finding.line), " " * len(str(finding.line))
    mark = output.style("^" * max(after - before, 1), "yellow")
    evidence = finding.evidence
    if len(source) > _WIDEST_LINE:  # a mark below a wrapped line points nowhere
        return f"    {output.visible(evidence)}"
    line, below = f"    {number} | {output.visible(source)}", f"    {margin} | {' ' * before}"
    if len(below) + max(after - before, 1) + 1 + len(evidence) <= _TERMINAL_COLUMNS:
        return f"{line}\n{below}{mark} {output.visible(evidence)}"
    return f"{line}\n{below}{mark}\n    {margin} = {output.visible(evidence)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
