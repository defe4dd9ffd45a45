"""Lines of the reviewed files for a report, read again only where a finding needs more than the line it brings."""

from __future__ import annotations

from dsassist.review.changes import Changes, Skipped
from dsassist.review.masking import masked_file
from dsassist_runtime.errors import DsassistError

__all__ = ["SourceLines"]


class SourceLines:
    """Gives a line, counted from 1, of a reviewed file without its end and without secrets; None where it has none."""

    def __init__(self, changes: Changes) -> None:
        self._files = {file.path: file for file in changes.pending}
        self._lines: dict[str, list[str]] = {}

    def __call__(self, path: str, line: int) -> str | None:  # noqa: D102
        if path not in self._lines:
            self._lines[path] = self._read(path)
        lines = self._lines[path]
        return lines[line - 1] if 1 <= line <= len(lines) else None

    def _read(self, path: str) -> list[str]:
        try:
            read = self._files[path].read() if path in self._files else None
        except DsassistError:  # the review is done: a report with less in it is better than none
            return []
        if read is None or isinstance(read, Skipped):
            return []
        file, _ = masked_file(read)
        return [line.removesuffix("\r") for line in file.source.text.split("\n")]
