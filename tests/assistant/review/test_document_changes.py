"""A document against HEAD: chosen and counted as what is staged, without a file being read or written."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsassist import git
from dsassist.review import selection
from dsassist.review.changes import ChangedFile, Changes, Skipped, changes_of, changes_of_document, whole_document
from review_repositories import Repository, numbered, untouched

BEFORE = numbered(6)
AFTER = numbered(6, line_3="line_3 = 'three'")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    found = Repository(tmp_path)
    found.git("init", "--quiet")
    return found


def read(changes: Changes) -> ChangedFile:
    (pending,) = changes.pending
    file = pending.read()
    assert isinstance(file, ChangedFile)
    return file


def skipped(changes: Changes) -> Skipped:
    assert changes.pending == ()
    (found,) = changes.skipped
    return found


def of(repository: Repository, text: str, name: str = "a.py") -> Changes:
    with untouched(repository.root):
        return changes_of_document(repository.root / name, text)


def assert_as_staged(repository: Repository, text: str, name: str = "a.py") -> ChangedFile:
    """The file as a review of the index has it, once just this text is staged."""
    found = read(of(repository, text, name))
    repository.stage(name, text)
    (staged,) = (pending for pending in changes_of(selection.staged(repository.root)).pending if pending.path == name)
    expected = staged.read()
    assert isinstance(expected, ChangedFile)
    assert (found.path, found.lines, found.old, found.language) == (
        expected.path,
        expected.lines,
        expected.old,
        expected.language,
    )
    assert found.source.text == expected.source.text
    assert found.old_path == expected.old_path
    return found


def test_the_lines_that_differ_from_head_have_changed(repository: Repository) -> None:
    repository.commit(a=BEFORE)
    assert assert_as_staged(repository, AFTER).lines == {3}


def test_what_is_staged_or_on_disk_does_not_count(repository: Repository) -> None:
    repository.commit(a=BEFORE)
    repository.stage("a.py", "staged = 1\n")
    repository.write("a.py", "on_disk = 1\n")
    assert read(of(repository, AFTER)).lines == {3}
    assert read(of(repository, BEFORE)).lines == frozenset()


def test_before_the_first_commit_and_in_a_new_file_all_is_new(repository: Repository) -> None:
    assert assert_as_staged(repository, AFTER).lines == set(range(1, 7))
    repository.commit()
    (repository.root / "folder").mkdir()
    assert assert_as_staged(repository, AFTER, "folder/ü new.py").lines == set(range(1, 7))


def test_a_renamed_file_is_compared_with_what_it_was(repository: Repository) -> None:
    repository.commit(a=BEFORE)
    repository.git("mv", "a.py", "b.py")
    found = read(of(repository, AFTER, "b.py"))
    assert (found.lines, found.old_path, found.old) == ({3}, "a.py", BEFORE)


def test_line_ends_of_the_editor_are_no_change_and_are_read_as_git_stores_them(repository: Repository) -> None:
    repository.commit(a=BEFORE)
    found = read(of(repository, AFTER.replace("\n", "\r\n")))
    assert (found.lines, found.source.text) == ({3}, AFTER)


def test_line_ends_that_git_stores_are_kept(repository: Repository) -> None:
    repository.commit(a=BEFORE.replace("\n", "\r\n"))
    assert "\r\n" in assert_as_staged(repository, AFTER.replace("\n", "\r\n")).source.text


def test_a_byte_order_mark_counts_nowhere(repository: Repository) -> None:
    repository.commit(a="\ufeff" + BEFORE)
    assert read(of(repository, AFTER)).lines == {3}
    assert read(of(repository, "\ufeff" + AFTER)).source.text == AFTER


def test_an_encoding_that_a_python_file_names_is_read(repository: Repository) -> None:
    head = "# coding: latin-1\nname = 'ü'\n"
    repository.stage("a.py", head.encode("latin-1"))
    repository.commit()
    assert read(of(repository, head + "more = 'ß'\n")).lines == {3}


def test_in_a_merge_only_what_no_side_has_is_new(repository: Repository) -> None:
    repository.commit(a=BEFORE)
    repository.git("checkout", "--quiet", "-b", "theirs")
    repository.commit(a=numbered(6, line_6="line_6 = 'theirs'"))
    repository.git("checkout", "--quiet", "main")
    repository.commit(a=numbered(6, line_6="line_6 = 'ours'"))
    repository.git("merge", "theirs", check=False)
    assert read(of(repository, numbered(6, line_6="line_6 = 'theirs'"))).lines == frozenset()
    assert read(of(repository, numbered(6, line_3="line_3 = 'both'", line_6="line_6 = 'theirs'"))).lines == {3}


def test_what_a_review_leaves_out_is_left_out(repository: Repository) -> None:
    repository.commit(a=BEFORE)
    repository.stage(".gitattributes", "made.py linguist-generated\n")
    repository.write(".gitignore", "ignored.py\n")
    (repository.root / "link.py").symlink_to("a.py")
    reasons = {name: skipped(of(repository, AFTER, name)).reason for name in ("made.py", "ignored.py", "link.py")}
    assert reasons == {"made.py": "generated", "ignored.py": "ignored by git", "link.py": "symbolic link"}
    assert skipped(changes_of_document(repository.root / "a.py", AFTER, ["*.py"])).reason == "excluded"
    assert skipped(of(repository, "a\0b")).reason == "binary"
    assert skipped(of(repository, "a = '\ud800'\n")).reason == "no text"
    assert skipped(of(repository, "x" * (1 << 21) + "\n", "b.md")).reason == "above 1 MB"


def test_a_tracked_file_is_reviewed_though_a_rule_would_ignore_it(repository: Repository) -> None:
    repository.commit(a=BEFORE)
    repository.write(".gitignore", "*.py\n")
    assert read(of(repository, AFTER)).lines == {3}


def test_a_change_cannot_call_its_own_file_generated(repository: Repository) -> None:
    repository.commit(a=BEFORE)
    assert 1 in read(of(repository, "# @generated\n" + AFTER)).lines


def test_outside_of_a_repository_only_the_whole_text_can_be_reviewed(tmp_path: Path) -> None:
    with pytest.raises(git.NotARepository):
        changes_of_document(tmp_path / "a.py", AFTER)
    changes = whole_document(tmp_path / "a.py", AFTER)
    assert (read(changes).lines, read(changes).path) == (set(range(1, 8)), str(tmp_path / "a.py"))


def test_a_whole_text_in_a_repository_goes_by_its_path_there(repository: Repository) -> None:
    changes = whole_document(repository.root / "folder.py", AFTER)
    assert (read(changes).path, changes.root, read(changes).old) == ("folder.py", repository.root, None)
    assert skipped(whole_document(repository.root / "folder.py", AFTER, ["folder.py"])).reason == "excluded"
