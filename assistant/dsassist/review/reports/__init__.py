"""Reports of a review: the same findings in each of the formats that people, editors and CI systems read.

Every format is a function from a `Report` to a text. None of them decides what is a finding, and none reads a file.
"""

from __future__ import annotations

from dsassist.review.reports.formats import FORMATS, Format
from dsassist.review.reports.paths import Paths
from dsassist.review.reports.report import Report
from dsassist.review.reports.saving import check_output, save
from dsassist.review.reports.sources import SourceLines
from dsassist.review.reports.summary import skipped_text, summary
from dsassist.review.reports.text import findings_text

__all__ = [
    "FORMATS",
    "Format",
    "Paths",
    "Report",
    "SourceLines",
    "check_output",
    "findings_text",
    "save",
    "skipped_text",
    "summary",
]
