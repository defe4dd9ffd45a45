"""The formats by the names that `--format` takes; each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from dsassist.review.reports.report import Report

__all__ = ["FORMATS", "Format"]

Format = Callable[[Report], str]


def _format(module: str) -> Format:
    """The function of a module of this package that bears its name."""

    def report_as(report: Report) -> str:
        written = import_module(f"dsassist.review.reports.{module}")
        return cast(Format, getattr(written, module))(report)

    return report_as


FORMATS: dict[str, Format] = {
    "text": _format("text"),
    "json": _format("as_json"),
    "sarif": _format("sarif"),
    "rdjsonl": _format("rdjsonl"),
    "github": _format("github"),
    "gitlab": _format("gitlab"),
    "markdown": _format("markdown"),
}
"""Each gives the whole report without a line end; the command has a list of the names, which a test holds equal."""
