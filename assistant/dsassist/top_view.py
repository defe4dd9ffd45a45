"""The view of `dsassist top`: what the server is doing, as lines that fit a terminal. Knows no terminal."""

from __future__ import annotations

from dsassist.output import style, visible
from dsassist.status_report import ServerReport, age, status_lines
from dsassist_runtime.api import SequenceStatus

__all__ = ["view"]

_LABEL = 10
_BAR = 16
_HEAD = f"{'ID':>6} {'CLASS':<11} {'STATE':<8} {'PROMPT':>13} {'TEXT':>6} {'AGE':>10}  DOCUMENT"
_MORE = "{n} more: make the window higher to see them"


def view(report: ServerReport, width: int, height: int | None = None) -> list[str]:
    """The lines, at most `height`; longer ones are cut at `width`, of a path the start is."""
    lines = [_labelled(label, _bar(report, label) + text, width) for label, text in status_lines(report)]
    if report.engine is not None:
        left = None if height is None else height - len(lines) - 1
        lines += ["", *_table(report.engine.requests, width, left)]
    return lines if height is None else lines[:height]


def _labelled(label: str, text: str, width: int) -> str:
    return f"{style(label.ljust(_LABEL), 'bold')}{_cut(text, width - _LABEL)}"


def _bar(report: ServerReport, label: str) -> str:
    """How full the cache is, as a picture before its figures."""
    if label != "cache" or report.engine is None:
        return ""
    share = report.engine.kv_tokens / max(1, report.engine.kv_tokens_limit)
    full = min(_BAR, round(share * _BAR))
    return f"[{'#' * full}{'.' * (_BAR - full)}] "


def _table(requests: tuple[SequenceStatus, ...], width: int, height: int | None) -> list[str]:
    if not requests:
        return [style("no requests", "dim")]
    rows = [_row(request, width) for request in requests]
    if height is not None and len(rows) + 1 > height:
        shown = max(0, height - 2)
        rows = [*rows[:shown], style(_cut(_MORE.format(n=len(rows) - shown), width), "dim")]
    return [style(_cut(_HEAD, width), "bold"), *rows]


def _row(request: SequenceStatus, width: int) -> str:
    prompt = f"{request.evaluated_tokens}/{request.prompt_tokens}"
    line = (
        f"{request.request:>6} {request.priority:<11} {request.state:<8} {prompt:>13} "
        f"{request.completion_tokens:>6} {age(request.age_ms / 1000):>10}  "
    )
    left = width - len(line)
    document = visible(request.document or request.kind)
    if len(document) > left > 1:
        document = "…" + document[-(left - 1) :]
    line = _cut(line + document, width)
    return style(line, "dim") if request.state == "waiting" else line


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
