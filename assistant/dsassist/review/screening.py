"""What becomes of findings before they are reported: fixes are checked, each gets its fingerprint, and what a comment
or the baseline keeps quiet is counted and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.findings import Finding
from dsassist.review.fingerprint import with_fingerprints
from dsassist.review.fixes import FixCheck
from dsassist.review.masking import mask, without_secret_fix
from dsassist.review.source import Source
from dsassist.review.statement import Statements
from dsassist.review.suppression import Suppressions
from dsassist.secrets import SecretSpan, secret_spans
from dsassist.syntax.languages import language_of

__all__ = ["Screening", "Text"]


class Text(NamedTuple):
    """A file without its secrets, and where these stood."""

    file: ChangedFile
    secrets: tuple[SecretSpan, ...] = ()


@dataclass
class Screening:
    """The screening of one review's findings. `texts` are the reviewed files; `text_of` gives those of others."""

    texts: Mapping[str, Text]
    text_of: Callable[[str], str | None]
    path_from_root: Callable[[str], str]
    baseline: frozenset[str]
    suppressed: int = 0
    baselined: int = 0
    unknown_codes: list[Skipped] = field(default_factory=list)

    def kept(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings to report."""
        by_path: dict[str, list[Finding]] = {path: [] for path in self.texts}
        for finding in findings:
            by_path.setdefault(finding.path, []).append(finding)
        return [finding for path, found in by_path.items() for finding in self._kept_of_file(path, found)]

    def _kept_of_file(self, path: str, findings: list[Finding]) -> list[Finding]:
        text = self.texts.get(path) or self._other(path)
        source = text.file.source
        if not findings and "dsassist:" not in source.text:
            return []
        statements = Statements(text.file.language, source.text, source.tree_as(text.file.language))
        suppressions = Suppressions(source.text, statements)
        self.unknown_codes += [Skipped(path, code) for code in suppressions.unknown_codes]
        check = FixCheck(text.file)
        kept = []
        for finding in self._named(findings, statements):
            if suppressions.covers(finding):
                self.suppressed += 1
            elif finding.fingerprint in self.baseline:
                self.baselined += 1
            else:
                safe = without_secret_fix(_masked(finding), source, text.secrets)
                kept.append(check.checked(safe) if source.text else replace(safe, fix=()))
        return kept

    def _named(self, findings: list[Finding], statements: Statements) -> list[Finding]:
        """With fingerprints, which are made of the path from the root."""
        paths = {self.path_from_root(finding.path): finding.path for finding in findings}
        at_root = [replace(finding, path=self.path_from_root(finding.path)) for finding in findings]
        return [replace(finding, path=paths[finding.path]) for finding in with_fingerprints(at_root, statements)]

    def _other(self, path: str) -> Text:
        """A file that is not reviewed, and yet something was found in it."""
        text = self.text_of(path) or ""
        spans = secret_spans(text)
        file = ChangedFile(path, Source(mask(text, spans)), frozenset(), language=language_of(path))
        return Text(file, tuple(spans))


def _masked(finding: Finding) -> Finding:
    """A finding may quote lines of other files, whose secrets nobody has taken out yet."""
    related = tuple(replace(each, note=mask(each.note)) for each in finding.related)
    return replace(finding, source_line=mask(finding.source_line), message=mask(finding.message), related=related)
