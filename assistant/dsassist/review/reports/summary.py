"""What was reviewed, with what, how long it took, and what was not: the end of every report, and the line on stderr."""

from __future__ import annotations

from dsassist.review.changes import Skipped
from dsassist.review.findings import Review
from dsassist.review.reports.display import one_line

__all__ = ["counted", "not_reviewed", "reviewed", "skipped_text", "summary", "unnamed"]

_NAMED_SKIPPED = 5


def summary(review: Review, model: str) -> str:
    """One line: how much was reviewed, with what, how long it took, and what was not reviewed."""
    line = reviewed(review, model)
    return line + (f"; not reviewed: {skipped_text(review.skipped)}" if review.skipped else "")


def reviewed(review: Review, model: str) -> str:
    """How much was reviewed, with what and how long it took."""
    line = f"reviewed {counted(review.functions, 'function')} in {counted(review.files, 'file')}"
    line += f" of {review.within}" * bool(review.within)
    line += f" with {one_line(model)}" * bool(model) + f" in {review.seconds:.1f} s"
    if review.found > len(review.findings):
        line += f"; {len(review.findings)} of {review.found} findings shown, the strongest"
    line += f"; {review.suppressed} ignored by comments" * bool(review.suppressed)
    line += f"; {review.baselined} in the baseline" * bool(review.baselined)
    return line


def skipped_text(skipped: tuple[Skipped, ...]) -> str:
    """What was left out, by reason, in one line; long lists are cut."""
    return "; ".join(f"{_listed(names)} ({reason})" for reason, names in not_reviewed(skipped).items())


def unnamed(skipped: tuple[Skipped, ...]) -> list[str]:
    """What the summary only counts, a line each."""
    return [
        f"not reviewed: {name} ({reason})"
        for reason, names in not_reviewed(skipped).items()
        for name in names[_NAMED_SKIPPED:]
    ]


def not_reviewed(skipped: tuple[Skipped, ...]) -> dict[str, list[str]]:
    """What was left out, by reason, each on one line."""
    by_reason: dict[str, list[str]] = {}
    for each in skipped:
        by_reason.setdefault(one_line(each.reason), []).append(one_line(each.what))
    return by_reason


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 file, 2 files."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED_SKIPPED
    return ", ".join(names[:_NAMED_SKIPPED] + ([f"{more} more"] if more > 0 else []))
