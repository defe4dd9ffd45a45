"""What a person does about findings: fix, ignore, dismiss or leave each of them, asked for one after another.

The answers are collected first and written down file by file at the end: an edit would move the places of the others.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dsassist import git, output
from dsassist.review.applying import Edits, all_parts, apply_to_index, apply_to_working_tree
from dsassist.review.baseline import BASELINE, entries_of, read_baseline, write_baseline
from dsassist.review.changes import ChangedFile, Changes
from dsassist.review.findings import Finding, Replacement, Review
from dsassist.review.fixes import apply_fix, overlaps
from dsassist.review.selection import path_in
from dsassist.review.statement import Statements
from dsassist.review.suppression import ignore_comment
from dsassist_runtime.errors import DsassistError, NotDone

__all__ = ["Asker", "handle", "handle_fixes", "ignore_edit"]

Asker = Callable[[str], str]
"""Puts a question and returns the line that is answered; "" at the end of the input."""


@dataclass
class _Plan:
    """What is to be written: fixes by path, with the findings that they settle, and dismissals."""

    fixes: dict[str, list[tuple[Finding, tuple[Replacement, ...]]]] = field(default_factory=dict)
    dismissed: list[Finding] = field(default_factory=list)


def handle_fixes(review: Review, changes: Changes, start: Path, ask: Asker | None) -> list[Finding]:
    """Apply the findings' fixes, each after asking where `ask` is given; returns the findings that are settled.

    Paths of findings count from `start`.
    """
    desk = _Desk(changes, start)
    for finding in review.findings:
        file = desk.file(finding.path)
        if finding.fix and file is None:
            output.notice(f"{finding.path}:{finding.line}: not fixed, as the change has no part in that file")
        if finding.fix and file is not None and not desk.is_taken(finding.path, finding.fix):
            answer = "y" if ask is None else _answer(ask, f"{_diff(file, finding.fix)}apply this fix? [y/n/q] ", "ynq")
            if answer == "q":
                break
            if answer == "y":
                desk.plan.fixes.setdefault(finding.path, []).append((finding, finding.fix))
    return desk.carry_out()


def handle(
    review: Review,
    changes: Changes,
    start: Path,
    ask: Asker,
    shown: Callable[[Finding], str],
    baseline: Path | None = None,
) -> list[Finding]:
    """Ask what to do about each finding; returns those that are settled: fixed, ignored or dismissed.

    Paths of findings count from `start`; `shown` is a finding's text. Dismissals go into `baseline` or the default one.
    """
    desk = _Desk(changes, start, baseline)
    for finding in review.findings:
        output.write_line(shown(finding))
        file = desk.file(finding.path)
        comment = None if file is None else ignore_edit(finding, file)
        can_fix = bool(finding.fix) and file is not None and not desk.is_taken(finding.path, finding.fix)
        if comment is not None and desk.is_taken(finding.path, comment):
            comment = None
        if file is None:
            output.notice("the change has no part in that file, so it is neither fixed nor ignored from here")
        if can_fix and file is not None:
            output.write_line(_diff(file, finding.fix).removesuffix("\n"))
        choices = "f" * can_fix + "i" * (comment is not None) + "dsq"
        answer = _answer(ask, f"{', '.join(_CHOICES[each] for each in choices)}? ", choices)
        if answer == "q":
            break
        if answer == "f":
            desk.plan.fixes.setdefault(finding.path, []).append((finding, finding.fix))
        elif answer == "i" and comment is not None:
            desk.plan.fixes.setdefault(finding.path, []).append((finding, comment))
        elif answer == "d":
            desk.plan.dismissed.append(finding)
    return desk.carry_out()


_CHOICES = {
    "f": "[f]ix it",
    "i": "[i]gnore it by a comment",
    "d": "[d]ismiss it into the baseline",
    "s": "[s]kip it",
    "q": "[q]uit",
}


def _answer(ask: Asker, question: str, choices: str) -> str:
    """One of the letters; the end of the input quits, and what is none of them is asked again."""
    while True:
        answer = ask(question)
        if not answer:
            return "q"
        if (letter := answer.strip().lower()[:1]) and letter in choices:
            return letter


class _Desk:
    """The files that a review was about, and what is to be done to them."""

    def __init__(self, changes: Changes, start: Path, baseline: Path | None = None) -> None:
        if changes.tree.kind == "object":
            raise DsassistError("only what is staged and whole files can be fixed, not what is committed already")
        self._changes = changes
        self._start = start
        self._baseline = baseline
        self._pending = {file.path: file for file in changes.pending}
        self._files: dict[str, ChangedFile | None] = {}
        self.plan = _Plan()

    def file(self, path: str) -> ChangedFile | None:
        """A file as it was reviewed, with its secrets; None for one that was not."""
        if path not in self._files:
            read = self._pending[path].read() if path in self._pending else None
            self._files[path] = read if isinstance(read, ChangedFile) else None
        return self._files[path]

    def is_taken(self, path: str, fix: Sequence[Replacement]) -> bool:
        """Whether something that is planned already wants the same place."""
        file = self.file(path)
        planned = self.plan.fixes.get(path, [])
        return file is not None and any(overlaps(file.source, fix, other) for _, other in planned)

    def carry_out(self) -> list[Finding]:
        """Write everything down; returns the findings that are settled."""
        settled: list[Finding] = []
        for path, fixes in self.plan.fixes.items():
            file = self.file(path)
            assert file is not None, "it was read before anything was planned for it"
            try:
                self._write(Edits(file, all_parts([fix for _, fix in fixes])))
            except NotDone as error:
                output.warn(str(error))
            else:
                settled += [finding for finding, _ in fixes]
        if self.plan.dismissed:
            self._dismiss()
        return settled + self.plan.dismissed

    def _write(self, edits: Edits) -> None:
        if self._changes.tree.kind == "working-tree":
            if not apply_to_working_tree(edits, self._start / edits.file.path):
                raise NotDone(f"{edits.file.path} was changed during the review; nothing was fixed in it")
            return
        root = self._root()
        apply_to_index(edits, root)
        if not apply_to_working_tree(edits, root / edits.file.path):
            output.notice(f"{edits.file.path}: fixed in the index only, as the working tree has other lines there")

    def _dismiss(self) -> None:
        root = self._root()
        path = self._baseline or root / BASELINE
        dismissed = [replace(each, path=path_in(root, self._start / each.path)) for each in self.plan.dismissed]
        write_baseline(path, [*read_baseline(path, missing_ok=True), *entries_of(dismissed)])
        if self._changes.tree.kind == "index" and self._baseline is None:
            # The dismissal belongs to the commit that it is for.
            git.run_git(["add", "--", BASELINE], root)
        output.notice(f"{len(self.plan.dismissed)} dismissed into {path}")

    def _root(self) -> Path:
        return self._changes.root or git.repository_root(self._start)


def ignore_edit(finding: Finding, file: ChangedFile) -> tuple[Replacement, ...] | None:
    """The comment that ignores the finding, on a line of its own above the statement; None where there is none."""
    comment = ignore_comment(finding.code, file.language)
    if comment is None:
        return None
    statement = Statements(file.language, file.source.text).at(finding.line, finding.column)
    line = finding.line if statement is None else statement.first_line
    content = file.source.line_text(line)
    indentation = content[: len(content) - len(content.lstrip())]
    ending = "\r\n" if "\r\n" in file.source.text else "\n"
    return (Replacement(line, 1, line, 1, f"{indentation}{comment}{ending}"),)


def _diff(file: ChangedFile, fix: Sequence[Replacement]) -> str:
    """The lines that a fix changes."""
    old, new = file.source.text.split("\n"), apply_fix(file.source, fix).split("\n")
    lines = difflib.unified_diff(old, new, lineterm="", n=0)
    kept = [line for line in lines if not line.startswith(("---", "+++"))]
    return "".join(f"{output.visible(line)}\n" for line in kept)
