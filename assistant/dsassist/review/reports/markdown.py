"""The report as a comment on a pull request, in GitHub's and GitLab's Markdown.

Code and names come from the change, which may be anybody's: they stand in code spans and blocks that they cannot
leave, and what stands outside mentions nobody, links nowhere and is no HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dsassist.review.findings import Finding
from dsassist.review.reports.display import one_line, spelled
from dsassist.review.reports.fixes import line_change
from dsassist.review.reports.paths import well_formed
from dsassist.review.reports.report import Report, strongest_first
from dsassist.review.reports.summary import counted, not_reviewed, reviewed

__all__ = ["MARK", "markdown"]

MARK = "<!-- dsassist review -->"
"""The first line, by which a job finds its own comment again."""

_LIMIT_CHARACTERS = 60_000  # GitHub takes 65,536 in a comment
_LONGEST_LINE = 200
_MOST_NAMES = 300  # of what was not reviewed
_LONGEST_DIFF = 12
_SPAN = re.compile(r"`([^`]+)`")
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&$])")
_ACTIVE = re.compile(r"@|#(?=\d)|:(?=//)|(?<=www)\.")
_NOT_ACTIVE = "\u200b"


def markdown(report: Report) -> str:
    """The strongest findings first, then what was reviewed and what was not."""
    ordered = sorted(report.review.findings, key=strongest_first)
    parts = [MARK, f"**dsassist: {counted(len(ordered), 'finding') if ordered else 'no findings'}**"]
    end = list(_end(report))
    room = _LIMIT_CHARACTERS - sum(map(len, parts + end))
    for number, finding in enumerate(ordered):
        part = "\n\n".join(_finding_parts(report, finding))
        if len(part) > room:
            parts.append(f"{counted(len(ordered) - number, 'finding')} more did not fit here.")
            break
        room -= len(part)
        parts.append(part)
    return "\n\n".join(parts + end)


def _finding_parts(report: Report, finding: Finding) -> Iterator[str]:
    place = _code(f"{report.paths.from_root(finding.path)}:{finding.line}")
    yield f"**{finding.severity}** {place}: {_words(finding.message)} ({finding.code})"
    if block := _block(report, finding):
        yield block
    if finding.evidence:
        yield _words(finding.evidence)
    if finding.related:
        yield "\n".join(
            f"- {_code(f'{report.paths.from_root(related.path)}:{related.line}')}: {_words(related.note)}"
            for related in finding.related
        )


def _block(report: Report, finding: Finding) -> str:
    """The fix as a diff, or else the line as it stands."""
    change = line_change(report, finding)
    if change is not None and len(change.before) + len(change.after) <= _LONGEST_DIFF:
        return _fenced("diff", [f"-{line}" for line in change.before] + [f"+{line}" for line in change.after])
    return _fenced("", [finding.source_line]) if finding.source_line else ""


def _end(report: Report) -> Iterator[str]:
    review = report.review
    said = reviewed(review, report.model)
    yield f"{_words(said[0].upper() + said[1:])}."
    if review.failure:
        yield f"The review ended early: {_words(review.failure)}."
    if review.skipped:
        yield "Not reviewed:"
        yield "\n".join(
            f"- {_words(reason)}: {', '.join(_code(name) for name in names[:_MOST_NAMES])}"
            + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")
            for reason, names in not_reviewed(review.skipped).items()
        )


def _words(text: str) -> str:
    """A sentence of ours, which quotes code in single backticks."""
    line = one_line(well_formed(text))
    if line.count("`") % 2:
        return _escaped(line)
    parts = _SPAN.split(line)  # every other part is quoted
    return "".join(_code(part) if number % 2 else _escaped(part) for number, part in enumerate(parts))


def _escaped(text: str) -> str:
    return _ACTIVE.sub(lambda found: found.group() + _NOT_ACTIVE, _PUNCTUATION.sub(r"\\\1", text))


def _code(text: str) -> str:
    """A code span; it is fenced by more backticks than the text has in a row."""
    line = one_line(well_formed(text))
    fence = "`" * (_longest_run(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") or not line.strip() else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _fenced(language: str, lines: list[str]) -> str:
    shown = [spelled(well_formed(line)) for line in lines]
    shown = [line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…" for line in shown]
    fence = "`" * max(3, _longest_run("\n".join(shown)) + 1)
    return "\n".join([f"{fence}{language}", *shown, fence])


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
