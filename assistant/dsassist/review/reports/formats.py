"""The formats by the names that `--format` takes."""

from __future__ import annotations

from collections.abc import Callable

from dsassist.review.reports.as_json import as_json
from dsassist.review.reports.github import github
from dsassist.review.reports.gitlab import gitlab
from dsassist.review.reports.markdown import markdown
from dsassist.review.reports.rdjsonl import rdjsonl
from dsassist.review.reports.report import Report
from dsassist.review.reports.sarif import sarif
from dsassist.review.reports.text import text

__all__ = ["FORMATS", "Format"]

Format = Callable[[Report], str]

FORMATS: dict[str, Format] = {
    "text": text,
    "json": as_json,
    "sarif": sarif,
    "rdjsonl": rdjsonl,
    "github": github,
    "gitlab": gitlab,
    "markdown": markdown,
}
"""Each gives the whole report without a line end; the command has a list of the names, which a test holds equal."""
