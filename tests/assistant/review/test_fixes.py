"""Fixes: checked before they are offered, and written where the reviewed lines stand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsassist.review import handling, selection
from dsassist.review.changes import ChangedFile, Changes, changes_of, whole_files
from dsassist.review.findings import Finding, Replacement, Review
from dsassist.review.fixes import FixCheck, apply_fix, overlaps
from dsassist.review.source import Source
from dsassist_runtime.errors import DsassistError
from hook_repositories import git, write_program

TEXT = (
    "def clamp(value, low, high):\n    if value < low:\n        return low\n    return high if value > low else value\n"
)
FIXED = TEXT.replace("value > low", "value > high")
FIX = (Replacement(4, 28, 4, 31, "high"),)


def finding(fix: tuple[Replacement, ...] = FIX, line: int = 4, path: str = "a.py") -> Finding:
    return Finding(
        path=path, line=line, column=28, end_line=line, end_column=31, severity="warning", family="name",
        function="clamp", message="m", source_line="", fix=fix, fingerprint=f"f{line}",
    )  # fmt: skip


def checked(text: str, fix: tuple[Replacement, ...], path: str = "a.py", language: str | None = "python") -> bool:
    file = ChangedFile(path, Source(text), frozenset(), language=language)
    return FixCheck(file).checked(finding(fix)).fix == fix


# -- the check


def test_replacements_are_made_together_and_count_in_code_points() -> None:
    source = Source("ä = f(a, b)\ng()\n")
    assert apply_fix(source, (Replacement(1, 7, 1, 8, "b"), Replacement(1, 10, 1, 11, "a"))) == "ä = f(b, a)\ng()\n"
    assert apply_fix(source, (Replacement(1, 12, 2, 4, ""),)) == "ä = f(a, b)\n"


def test_fixes_that_want_the_same_characters_overlap() -> None:
    source = Source(TEXT)
    assert overlaps(source, FIX, (Replacement(4, 30, 4, 33, "x"),))
    assert not overlaps(source, FIX, (Replacement(4, 31, 4, 33, "x"),))
    assert overlaps(source, (Replacement(2, 1, 2, 1, "a"),), (Replacement(2, 1, 2, 1, "b"),))


def test_a_fix_that_breaks_the_syntax_or_does_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert checked(TEXT, FIX)
    assert not checked(TEXT, (Replacement(4, 28, 4, 31, "high if"),))
    assert not checked(TEXT, (Replacement(4, 28, 4, 31, "low"),))
    assert checked("f(a)\n", (Replacement(1, 3, 1, 4, "b"),), "a.js", "javascript")
    assert not checked("f(a)\n", (Replacement(1, 3, 1, 4, "b c"),), "a.js", "javascript")
    assert checked("some text\n", (Replacement(1, 1, 1, 5, "no"),), "a.txt", None)


def test_errors_that_were_there_before_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert checked(f"x = = 1\n{TEXT}", (Replacement(5, 28, 5, 31, "high"),))


def test_a_fix_of_which_ruff_has_something_new_to_say_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A linter of a line: it calls the word `nowhere` undefined, as ruff does."""
    write_program(
        tmp_path / "ruff",
        "n=$(/usr/bin/env grep -c nowhere)",
        'if [ "$n" = 0 ]; then echo "[]"; else echo \'[{"code": "F821", "message": "nowhere"}]\'; fi',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert checked(TEXT, FIX)
    assert not checked(TEXT, (Replacement(4, 28, 4, 31, "nowhere"),))
    assert checked(f"nowhere = 1\n{TEXT}", (Replacement(5, 28, 5, 31, "high"),)), "it said so before"


def test_a_ruff_that_fails_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_program(tmp_path / "ruff", "echo broken; exit 2")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert checked(TEXT, FIX)


# -- what is written


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    git("init", "-q", cwd=tmp_path)
    return tmp_path


def stage(root: Path, text: str = TEXT, name: str = "a.py") -> None:
    (root / name).write_bytes(text.encode())
    git("add", "--", name, cwd=root)


def staged(root: Path, name: str = "a.py") -> str:
    return git("show", f":{name}", cwd=root).stdout


def changes_in(root: Path) -> Changes:
    return changes_of(selection.staged(root))


def review_of(*findings: Finding) -> Review:
    return Review(findings, len(findings), 1, 1, (), 0.0)


def answers(*given: str) -> Callable[[str], str]:
    pending: Iterator[str] = iter(given)
    return lambda _question: next(pending, "")


def test_a_fix_goes_to_the_index_and_to_the_working_tree(repository: Path) -> None:
    stage(repository)
    (repository / "a.py").chmod(0o755)
    git("add", "a.py", cwd=repository)
    assert handling.handle_fixes(review_of(finding()), changes_in(repository), repository, None) == [finding()]
    assert staged(repository) == (repository / "a.py").read_text() == FIXED
    assert git("ls-files", "--stage", cwd=repository).stdout.startswith("100755 ")
    assert git("status", "--porcelain", cwd=repository).stdout == "A  a.py\n"


def test_what_is_not_staged_stays_as_it_is(repository: Path) -> None:
    stage(repository)
    (repository / "a.py").write_text(f"import os\n\n\n{TEXT}\n\nprint(os)\n")
    handling.handle_fixes(review_of(finding()), changes_in(repository), repository, None)
    assert staged(repository) == FIXED
    assert (repository / "a.py").read_text() == f"import os\n\n\n{FIXED}\n\nprint(os)\n"


def test_a_line_that_differs_on_disk_is_left_alone_and_told(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage(repository)
    edited = TEXT.replace("value > low", "value >= low")
    (repository / "a.py").write_text(edited)
    assert len(handling.handle_fixes(review_of(finding()), changes_in(repository), repository, None)) == 1
    assert staged(repository) == FIXED
    assert (repository / "a.py").read_text() == edited
    assert "a.py: fixed in the index only" in capsys.readouterr().err


def test_a_file_that_was_deleted_on_disk_is_fixed_in_the_index_only(repository: Path) -> None:
    stage(repository)
    (repository / "a.py").unlink()
    handling.handle_fixes(review_of(finding()), changes_in(repository), repository, None)
    assert staged(repository) == FIXED
    assert not (repository / "a.py").exists()


def test_line_ends_of_the_disk_stay(repository: Path) -> None:
    git("config", "core.autocrlf", "true", cwd=repository)
    stage(repository, TEXT.replace("\n", "\r\n"))
    handling.handle_fixes(review_of(finding()), changes_in(repository), repository, None)
    assert git("cat-file", "-p", ":a.py", cwd=repository).stdout == FIXED
    assert (repository / "a.py").read_bytes() == FIXED.replace("\n", "\r\n").encode()


def test_an_index_that_changed_meanwhile_is_not_written(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage(repository)
    changes = changes_in(repository)
    [file.read() for file in changes.pending]
    stage(repository, f"# new\n{TEXT}")
    assert handling.handle_fixes(review_of(finding()), changes, repository, None) == []
    assert staged(repository) == f"# new\n{TEXT}"
    assert "was staged anew during the review" in capsys.readouterr().err


def test_an_odd_name_and_a_byte_order_mark_are_kept(repository: Path) -> None:
    name = 'a "b"\n*é.py'
    stage(repository, f"\ufeff{TEXT}", name)
    stage(repository, TEXT, "other.py")
    handling.handle_fixes(review_of(finding(path=name)), changes_in(repository), repository, None)
    assert (repository / name).read_text() == f"\ufeff{FIXED}"
    assert git("diff", "--name-only", cwd=repository).stdout == ""
    assert staged(repository, "other.py") == TEXT


def test_each_fix_is_asked_for_and_the_end_of_the_input_quits(repository: Path) -> None:
    stage(repository)
    changes = changes_in(repository)
    other = finding((Replacement(2, 16, 2, 19, "high"),), 2)
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return ("what\n", "n\n", "y\n")[len(asked) - 1]

    assert handling.handle_fixes(review_of(other, finding()), changes, repository, ask) == [finding()]
    assert staged(repository) == FIXED
    assert (
        asked[0] == asked[1] == ("@@ -2 +2 @@\n-    if value < low:\n+    if value < high:\napply this fix? [y/n/q] ")
    )
    assert handling.handle_fixes(review_of(finding()), changes_in(repository), repository, answers()) == []


def test_of_two_fixes_of_one_place_the_first_is_made(repository: Path) -> None:
    stage(repository)
    second = finding((Replacement(4, 20, 4, 31, "True"),))
    assert handling.handle_fixes(review_of(finding(), second), changes_in(repository), repository, None) == [finding()]
    assert staged(repository) == FIXED


def test_whole_files_are_fixed_on_disk_alone(repository: Path) -> None:
    stage(repository)
    handling.handle_fixes(review_of(finding()), whole_files(["a.py"]), repository, None)
    assert (repository / "a.py").read_text() == FIXED
    assert staged(repository) == TEXT


def test_what_is_committed_cannot_be_fixed(repository: Path) -> None:
    stage(repository)
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one", cwd=repository)
    with pytest.raises(DsassistError, match="only what is staged and whole files can be fixed"):
        handling.handle_fixes(review_of(finding()), changes_of(selection.commit(repository, "HEAD")), repository, None)


# -- one after another


def test_a_person_fixes_ignores_dismisses_and_skips(repository: Path) -> None:
    stage(repository)
    findings = [finding((), 2), finding(), finding((), 3), finding((), 1)]
    settled = handling.handle(
        review_of(*findings),
        changes_in(repository),
        repository,
        answers("i\n", "f\n", "d\n", "s\n"),
        lambda each: str(each.line),
    )
    assert settled == [findings[0], findings[1], findings[2]]
    assert staged(repository) == FIXED.replace("    if value", "    # dsassist: ignore[DSA101]\n    if value")
    assert (repository / "a.py").read_text() == staged(repository)
    assert staged(repository, ".dsassist-baseline.json") == '{"code": "DSA101", "path": "a.py", "fingerprint": "f3"}\n'


def test_a_comment_goes_above_the_statement_and_not_into_it(repository: Path) -> None:
    text = "def f(a):\n    return g(\n        '''\n        text\n        ''',\n        a,\n    )\n"
    stage(repository, text)
    handling.handle(review_of(finding((), 6)), changes_in(repository), repository, answers("i\n"), lambda _: "")
    assert staged(repository) == text.replace("    return", "    # dsassist: ignore[DSA101]\n    return")


def test_quitting_leaves_the_rest_and_keeps_what_was_answered(repository: Path) -> None:
    stage(repository)
    both = review_of(finding(), finding((), 2))
    assert handling.handle(both, changes_in(repository), repository, answers("f\n", "q\n"), lambda _: "") == [finding()]
    assert staged(repository) == FIXED
