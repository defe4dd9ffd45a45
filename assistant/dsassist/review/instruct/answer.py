"""The model's answer as reports. Whatever does not have the form that was asked for is dropped, never mended.

The engine's grammar allows nothing else, but another engine may not keep to it, and an answer may break off.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from dsassist.chat_actions.answer import prose_in
from dsassist.review.instruct.kinds import KINDS
from dsassist.review.instruct.question import MOST_REPORTS, Question

__all__ = ["Report", "reports_in"]

_FIELDS = ("reasoning", "anchor", "code", "message", "fix")
_MOST_MESSAGE = 120
_MOST_FIX = 240


@dataclass(frozen=True)
class Report:
    """What the model says of a line of the file: one sentence, and the line as it should be, without indentation."""

    line: int
    family: str
    message: str
    fix: str


def reports_in(answer: str, question: Question) -> list[Report]:
    """The reports of an answer, at most one of a line; none where it is malformed."""
    try:
        parsed = json.loads(prose_in(answer))
    except (ValueError, RecursionError):
        return []
    listed = parsed.get("findings") if isinstance(parsed, dict) else None
    found: dict[int, Report] = {}
    for each in listed[:MOST_REPORTS] if isinstance(listed, list) else ():
        report = _report(each, question)
        if report is not None:
            found.setdefault(report.line, report)
    return list(found.values())


def _report(entry: Any, question: Question) -> Report | None:
    if not isinstance(entry, dict) or sorted(entry) != sorted(_FIELDS):
        return None
    if not all(isinstance(entry[field], str) for field in _FIELDS):
        return None
    line, kind = question.anchors.get(entry["anchor"]), KINDS.get(entry["code"])
    message, fix = " ".join(entry["message"].split()), entry["fix"].strip()
    if line is None or kind is None or not message or not fix:
        return None
    # One line for one line, all of which can be seen: more could bring anything along.
    if len(fix) > _MOST_FIX or not fix.replace("\t", " ").isprintable():
        return None
    return Report(line, kind.family, message[:_MOST_MESSAGE], fix)
