"""What is to be reviewed: changed files with the lines that changed, from git's objects, from disk or from a diff.

A file is read only when its turn comes. Whatever is left out is listed with the reason.
"""

from dsassist.review.changes.blobs import changes_of
from dsassist.review.changes.diff_input import changes_of_diff, contents_of_diff, read_diff
from dsassist.review.changes.document import changes_of_document, whole_document
from dsassist.review.changes.files import LIMIT_BYTES, ChangedFile, Changes, PendingFile, Skipped
from dsassist.review.changes.lines import changed_lines
from dsassist.review.changes.whole import whole_files

__all__ = [
    "LIMIT_BYTES",
    "ChangedFile",
    "Changes",
    "PendingFile",
    "Skipped",
    "changed_lines",
    "changes_of",
    "changes_of_diff",
    "changes_of_document",
    "contents_of_diff",
    "read_diff",
    "whole_document",
    "whole_files",
]
