"""What the rules for unfinished changes say at the line of a real fix.

They need a change of several places, not a line: so the commits are reviewed that may have left the line as it was,
once as they were and once with the fixed line in its place. What they say elsewhere is no matter here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from dsassist.bench.review.fix_mining import Fix
from dsassist.bench.review.held_back_history import Repository, Sides, changed_file
from dsassist.bench.review.sources import Scored
from dsassist.git import run_git
from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Finding, Replacement
from dsassist.review.source import Source
from dsassist.review.unfinished import find_unfinished
from dsassist.review.unfinished.edits import hunks, line_after, tokens_of
from dsassist.syntax.languages import language_of

__all__ = ["UnfinishedAtFix"]

_LATER_COMMITS = 3
_LEAST_WORD = 3  # characters; what is shorter comes and goes in every commit
_STRENGTH = {"error": 1e6, "warning": 1e6, "info": 1e5}
"""Above every threshold, for no threshold hides these findings; the rules that are less sure stay below."""


class UnfinishedAtFix:
    """A source of findings. Raises `GitError` where the history of the line is not there."""

    def __init__(self, repositories: Mapping[str, Repository]) -> None:
        self._repositories = repositories
        self._commits: tuple[Fix, list[str]] | None = None

    def __call__(self, fix: Fix, version: Source) -> list[Scored]:
        """What is said of the fix's line when it reads as in `version`, which is `fix.before` or `fix.after`."""
        found: dict[str, Finding] = {}
        for commit in self._commits_of(fix):
            for finding in self._findings(fix, version, commit):
                found.setdefault(finding.code, finding)
        return [Scored(finding, _STRENGTH[finding.severity]) for finding in found.values()]

    def _commits_of(self, fix: Fix) -> list[str]:
        if self._commits is None or self._commits[0] is not fix:
            commits = list(dict.fromkeys(_commits(self._repositories[fix.repository], fix)))
            self._commits = fix, commits
        return self._commits[1]

    def _findings(self, fix: Fix, version: Source, commit: str) -> Iterator[Finding]:
        repository = self._repositories[fix.repository]
        if not (sides := repository.sides(commit)):
            return
        tree = repository.tree(commit)
        text = next((each.new for each in sides if each.path == fix.path), tree.texts([fix.path]).get(fix.path))
        if text is None:
            return
        line = line_after(hunks(fix.before.text, text), fix.line)
        lines = text.split("\n")
        if not line <= len(lines) or lines[line - 1] != fix.texts[0]:
            return
        lines[line - 1] = version.line_text(fix.line)
        files = [changed_file(each) for each in _with_text(sides, fix.path, "\n".join(lines))]
        if all(each.path != fix.path for each in sides):
            files.append(_unchanged(fix.path, "\n".join(lines)))
        for finding in find_unfinished(files, tree):
            if (moved := _at_fix(finding, fix, line)) is not None:
                yield moved


def _commits(repository: Repository, fix: Fix) -> Iterator[str]:
    """The commit that wrote the line, and the last ones since that brought or took a word that the fix takes out."""
    parent, where = f"{fix.commit}^", f"{fix.line},{fix.line}"
    blame = ["blame", "--porcelain", "--ignore-revs-file", "", "-L", where, parent, "--", fix.path]
    root = repository.history.root
    written = run_git(blame, root).split(b" ", 1)[0].decode("ascii")
    yield written
    words = set(tokens_of(fix.texts[0])) - set(tokens_of(fix.texts[1]))
    for word in sorted(word for word in words if word.isidentifier() and len(word) >= _LEAST_WORD):
        pickaxe = ["log", f"--max-count={_LATER_COMMITS}", "--no-merges", "--format=%H", f"-S{word}"]
        yield from run_git([*pickaxe, f"{written}..{parent}", "--", "*.py"], root).decode("ascii").split()


def _with_text(sides: list[Sides], path: str, text: str) -> list[Sides]:
    return [replace(each, new=text) if each.path == path else each for each in sides]


def _unchanged(path: str, text: str) -> ChangedFile:
    """A file beside the change, with another text than the tree has."""
    language = language_of(path)
    return ChangedFile(path, Source(text, language or "python"), frozenset(), text, language)


def _at_fix(finding: Finding, fix: Fix, line: int) -> Finding | None:
    """A finding that names the fix's line, with the numbers that the lines have there; None for any other."""
    if finding.path == fix.path and finding.line <= line <= finding.end_line:
        by = fix.line - line
        return replace(
            finding,
            line=finding.line + by,
            end_line=finding.end_line + by,
            fix=tuple(_moved(each, by) for each in finding.fix),
        )
    if any(each.path == fix.path and each.line == line for each in finding.related):
        return replace(finding, path=fix.path, line=fix.line, end_line=fix.line, fix=())
    return None


def _moved(each: Replacement, by: int) -> Replacement:
    return replace(each, line=each.line + by, end_line=each.end_line + by)
