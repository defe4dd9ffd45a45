"""One-line fixes out of git histories: commits that speak of a fix and change one line of one function.

Tests, documents and data may change beside it; other code may not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from dsassist.bench.handwritten import is_generated, parses
from dsassist.bench.history import History, Modification
from dsassist.bench.review.fix_class import FixClass, fix_class
from dsassist.review.changes import ChangedFile
from dsassist.review.functions import Function, changed_functions
from dsassist.review.passes.paths import is_test_path
from dsassist.review.source import Source
from dsassist.syntax.languages import language_of

__all__ = ["Fix", "fixes_in"]

_SPEAKS_OF_A_FIX = re.compile(r"\b(bug|hot)?fix(e[sd]|ing|up)?\b|\bbugs?\b|\bregressions?\b", re.IGNORECASE)
_SPEAKS_OF_OTHER_THINGS = re.compile(
    r"\b(typos?|spelling|lint|linter|mypy|flake8|ruff|docs?|docstring|typing|annotations?|type hints?)\b", re.IGNORECASE
)
_NO_CODE = ("json", "yaml", "toml", "html", "css", "hcl")
_READ_AT_ONCE = 200  # commits for each start of git


@dataclass(frozen=True)
class Fix:
    """A line as it was and as it was fixed, in the files of both commits; the line has the same number in both."""

    repository: str
    commit: str
    subject: str
    path: str
    function: str
    line: int
    kind: FixClass
    before: Source
    after: Source

    def version(self, source: Source) -> ChangedFile:
        """A version to be reviewed as if its line had just been written."""
        return ChangedFile(self.path, source, frozenset({self.line}), language="python")

    @property
    def texts(self) -> tuple[str, str]:
        """The line before and after."""
        return self.before.line_text(self.line), self.after.line_text(self.line)


def fixes_in(history: History, repository: str, since: date) -> Iterator[Fix]:
    """The fixes since a day, the newest first; of fixes that are the same (picked to a branch) the newest."""
    subjects = {
        commit: subject
        for commit, subject in history.subjects_since(since).items()
        if _SPEAKS_OF_A_FIX.search(subject) and not _SPEAKS_OF_OTHER_THINGS.search(subject)
    }
    known: set[tuple[str, str]] = set()
    commits = list(subjects)
    for start in range(0, len(commits), _READ_AT_ONCE):
        some = commits[start : start + _READ_AT_ONCE]
        for commit, modified in _one_file_each(history, some).items():
            fix = _fix(history, repository, commit, subjects[commit], modified)
            if fix is not None and fix.texts not in known:
                known.add(fix.texts)
                yield fix


def _one_file_each(history: History, commits: list[str]) -> dict[str, Modification]:
    """The one file with code outside of tests that a commit changed, where it is one in Python."""
    found = {}
    for commit, modifications in history.modifications(commits).items():
        code = [each for each in modifications if _is_code(each.path) and not is_test_path(each.path)]
        if len(code) == 1 and code[0].status == "M" and language_of(code[0].path) == "python":
            found[commit] = code[0]
    return found


def _is_code(path: str) -> bool:
    language = language_of(path)
    return language is not None and language not in _NO_CODE


def _fix(history: History, repository: str, commit: str, subject: str, modified: Modification) -> Fix | None:
    texts = [history.text(blob) for blob in (modified.old_blob, modified.new_blob)]
    if texts[0] is None or texts[1] is None or (line := _only_line(texts[0], texts[1])) is None:
        return None
    if is_generated(texts[1]) or not (parses("python", texts[0]) and parses("python", texts[1])):
        return None
    before, after = Source(texts[0]), Source(texts[1])
    functions = _function_at(before, line), _function_at(after, line)
    if functions[0] is None or functions[1] is None or functions[0].name != functions[1].name:
        return None
    kind = fix_class(before, after, line, functions[0].text)
    if kind is None or _is_docstring(before, line):
        return None
    texts_alone = Source(texts[0]), Source(texts[1])  # a thousand fixes would hold gigabytes of trees
    return Fix(repository, commit, subject, modified.path, functions[0].name, line, kind, *texts_alone)


def _only_line(before: str, after: str) -> int | None:
    """The one line, from 1, in which two texts differ."""
    old, new = before.split("\n"), after.split("\n")
    if len(old) != len(new):
        return None
    differing = [number for number, (one, other) in enumerate(zip(old, new, strict=True), 1) if one != other]
    return differing[0] if len(differing) == 1 else None


def _function_at(source: Source, line: int) -> Function | None:
    found = changed_functions(source, frozenset({line}))
    return found[0] if len(found) == 1 else None


def _is_docstring(source: Source, line: int) -> bool:
    """Whether the line belongs to a text that is a statement by itself."""
    offset = source.line_start(line) + len(source.line_text(line)) - len(source.line_text(line).lstrip())
    byte = len(source.text[:offset].encode("utf-8"))
    node = source.tree.root_node.descendant_for_byte_range(byte, byte)
    while node is not None and node.type != "expression_statement":
        node = node.parent
    return node is not None and node.named_child_count == 1 and node.named_children[0].type == "string"
