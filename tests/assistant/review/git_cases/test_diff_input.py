"""A diff on standard input: whole texts from git's objects, else by applying it; a clear sentence where it fails."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dsassist.git import INDEX, WORKING_TREE
from dsassist.review.changes import changes_of_diff, contents_of_diff
from dsassist.review.changes.patch import PatchError
from dsassist_runtime.errors import DsassistError
from review_repositories import Repository, Seen, numbered, untouched

EDITED = numbered(30, line_8="line_8 = 'eight'", line_20="line_20 = 'twenty'")


def diff(repository: Repository, *arguments: str) -> bytes:
    return subprocess.run(
        ["git", *arguments], cwd=repository.root, check=False, capture_output=True, env=os.environ
    ).stdout


def reviewed(repository: Repository, data: bytes, exclude: tuple[str, ...] = ()) -> Seen:
    with untouched(repository.root):
        return Seen(changes_of_diff(contents_of_diff(data, repository.root), repository.root, exclude))


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-U0",),
        ("-U99",),
        ("--no-prefix",),
        ("--src-prefix=i/", "--dst-prefix=w/"),
        ("--full-index",),
        ("--patience", "--function-context"),
        ("-R",),
        ("--color=always",),
    ],
)
@pytest.mark.parametrize("is_staged", [True, False])
def test_a_diff_of_git_gives_the_lines_and_the_whole_text(
    repository: Repository, options: tuple[str, ...], is_staged: bool
) -> None:
    repository.write("a.py", EDITED)
    if is_staged:
        repository.git("add", "a.py")
    data = diff(repository, "diff", *(("--cached",) if is_staged else ()), *options)
    seen = reviewed(repository, data)
    assert seen.lines == {"a.py": [8, 20]}
    old, new = (EDITED, numbered(30)) if "-R" in options else (numbered(30), EDITED)
    assert (seen.text("a.py"), seen.files["a.py"].old) == (new, old)
    assert (seen.changes.tree, seen.changes.root) == (WORKING_TREE, repository.root.resolve())


def test_the_files_around_are_known_where_the_index_has_a_side_of_each_file(repository: Repository) -> None:
    repository.write("a.py", EDITED)
    data = diff(repository, "diff")
    assert reviewed(repository, data).changes.around == INDEX
    repository.git("add", "a.py")
    assert reviewed(repository, data).changes.around == INDEX
    repository.write("a.py", numbered(30, line_8="line_8 = 'another'", line_20="line_20 = 'twenty'"))
    repository.git("add", "a.py")
    assert reviewed(repository, data).changes.around is None


def test_the_blob_counts_though_the_file_has_gone_on(repository: Repository) -> None:
    repository.stage("a.py", EDITED)
    data = diff(repository, "diff", "--cached")
    repository.write("a.py", "quite another\n")
    assert reviewed(repository, data).text("a.py") == EDITED


def test_a_commit_as_git_shows_it_is_a_diff(repository: Repository) -> None:
    repository.commit(a=EDITED, new="x = 1\n")
    for data in (
        diff(repository, "show"),
        diff(repository, "format-patch", "--stdout", "-1"),
        diff(repository, "log", "-p", "-1"),
    ):
        assert reviewed(repository, data).lines == {"a.py": [8, 20], "new.py": [1]}


def test_files_that_come_go_and_are_renamed(repository: Repository) -> None:
    repository.commit(gone="gone = [1, 2, 3]\n")
    repository.git("mv", "b.py", "c.py")
    repository.stage("c.py", numbered(30, line_3="line_3 = 'three'"))
    repository.stage("new.py", "x = 1\n")
    repository.git("rm", "--quiet", "gone.py")
    seen = reviewed(repository, diff(repository, "diff", "--cached", "-M"))
    assert seen.lines == {"c.py": [3], "new.py": [1]}
    assert (seen.files["c.py"].old_path, seen.files["new.py"].old) == ("b.py", None)
    assert seen.deleted["gone.py"].old == "gone = [1, 2, 3]\n"  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["c.py", "a name.py", "pkg/ü.py"])
def test_a_file_that_was_only_renamed_is_known_by_both_names(repository: Repository, name: str) -> None:
    (repository.root / "pkg").mkdir()
    repository.git("mv", "b.py", name)
    for options in ((), ("--no-prefix",)):
        seen = reviewed(repository, diff(repository, "diff", "--cached", "-M", *options))
        assert (seen.changes.moved, seen.lines) == ({"b.py": name}, {})
        assert seen.changes.around == INDEX
    assert reviewed(repository, diff(repository, "diff", "--cached", "-M"), exclude=(name,)).changes.moved == {}


def test_a_file_that_became_a_link_is_one_change(repository: Repository) -> None:
    (repository.root / "a.py").unlink()
    (repository.root / "a.py").symlink_to("b.py")
    repository.git("add", "a.py")
    seen = reviewed(repository, diff(repository, "diff", "--cached"))
    assert [each.reason for each in seen.changes.skipped] == ["symbolic link"]


def test_two_changes_of_one_file_are_refused(repository: Repository) -> None:
    repository.commit(a=EDITED)
    repository.commit(a=numbered(30))
    with pytest.raises(DsassistError, match=r"the diff changes a\.py more than once; give one diff of it all"):
        reviewed(repository, diff(repository, "log", "-p", "-2"))


def test_what_has_no_lines_is_nothing_or_named(repository: Repository) -> None:
    repository.git("update-index", "--chmod=+x", "a.py")
    repository.stage("empty.py", "")
    assert contents_of_diff(diff(repository, "diff", "--cached", "-M"), repository.root) == []
    repository.stage("image.png", b"\0\1")
    (repository.root / "link.py").symlink_to("a.py")
    repository.git("add", "link.py")
    repository.stage("uv.lock", "x\n")
    repository.stage("out.py", "x = 1\n")
    seen = reviewed(repository, diff(repository, "diff", "--cached", "-M"), exclude=("out.py",))
    assert seen.reasons == {
        "image.png": "binary",
        "link.py": "symbolic link",
        "uv.lock": "lock file",
        "out.py": "excluded",
    }


@pytest.mark.parametrize("is_applied", [True, False])
@pytest.mark.parametrize("header", ["--- a.py\n+++ a.py\n", "--- a/a.py\t2026-01-01 10:00\n+++ b/a.py\t2026-01-02\n"])
def test_a_plain_diff_is_applied_to_the_file_or_is_already(
    repository: Repository, header: str, is_applied: bool
) -> None:
    before, after = "def f():\n    return 1\n", "def f():\n    return 2\n"
    repository.write("a.py", after if is_applied else before)
    data = (header + "@@ -1,2 +1,2 @@\n def f():\n-    return 1\n+    return 2\n").encode()
    seen = reviewed(repository, data)
    assert (seen.text("a.py"), seen.files["a.py"].old, seen.lines) == (after, before, {"a.py": [2]})


def test_a_file_that_has_moved_down_is_found(repository: Repository) -> None:
    repository.write("a.py", EDITED)
    data = diff(repository, "diff").replace(b"index ", b"xedni ")
    repository.write("a.py", "import os\n\n\n" + numbered(30))
    assert reviewed(repository, data).lines == {"a.py": [11, 23]}


def test_the_end_of_a_file_may_lack_its_line_feed(repository: Repository) -> None:
    repository.stage("a.py", "x = 1")
    repository.commit()
    for content in ("x = 1\n", "x = 2", "x = 2\ny = 3", ""):
        repository.write("a.py", content)
        data = diff(repository, "diff").replace(b"index ", b"xedni ")
        repository.git("checkout", "--quiet", "a.py")
        assert reviewed(repository, data).text("a.py") == content


@pytest.mark.parametrize("name", [b"with blank.py", b'q"uote.py', "ünïcode.py".encode(), b"line\nbreak.py", b"\xff.py"])
def test_odd_names_are_understood_as_git_quotes_them(repository: Repository, name: bytes) -> None:
    try:
        repository.stage(name, "x = 1\n")
    except OSError:
        pytest.skip("this file system does not take such a name")
    (path,) = reviewed(repository, diff(repository, "diff", "--cached")).files
    assert os.fsencode(path) == name


def test_a_diff_that_does_not_apply_is_one_clear_sentence(repository: Repository) -> None:
    data = b"--- a/a.py\n+++ b/a.py\n@@ -3,2 +3,2 @@\n line_3 = 3\n-line_4 = 'another'\n+line_4 = 'other'\n"
    with pytest.raises(PatchError) as caught:
        contents_of_diff(data, repository.root)
    assert str(caught.value) == (
        "the diff does not apply to a.py: what it wants to change at line 3 does not stand there; "
        "make the diff anew, or check out what it was made from"
    )
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"--- a/no.py\n+++ b/no.py\n@@ -1 +1 @@\n-x\n+y\n", "there is no file no.py in "),
        (b"--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,3 @@\n line_1 = 1\n", "ends early or is damaged at line 5"),
        (b"--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n line_1 = 1\n*x\n", "damaged at line 5"),
        (b"diff --cc a.py\nindex 1,2..3\n", "line 1 of the diff is of a merge"),
        (b"--- a/../../x.py\n+++ b/../../x.py\n@@ -1 +1 @@\n-x\n+y\n", "lies outside of"),
        (b"--- /dev/null\n+++ /dev/null\n@@ -1 +1 @@\n-x\n+y\n", "/dev/null on both sides"),
        (b"--- /etc/passwd\n+++ /etc/passwd\n@@ -1 +1 @@\n-x\n+y\n", "lies outside of"),
    ],
)
def test_what_cannot_be_applied_says_why(repository: Repository, data: bytes, message: str) -> None:
    with pytest.raises(DsassistError, match=message):
        contents_of_diff(data, repository.root)


def test_a_link_that_leads_out_of_the_repository_is_not_followed(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("x\n")
    (repository.root / "link.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(PatchError, match="lies outside of"):
        contents_of_diff(b"--- a/link.py\n+++ b/link.py\n@@ -1 +1 @@\n-x\n+y\n", repository.root)


def test_blanks_that_a_program_took_off_the_ends_of_lines_are_no_damage(repository: Repository) -> None:
    repository.write("a.py", "x = 1\n\ny = 2\n")
    data = b"--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,3 @@\n x = 1\n\n-y = 2\n+y = 3\n"
    assert reviewed(repository, data).lines == {"a.py": [3]}


def test_a_line_number_beyond_all_bounds_is_looked_for_within_the_file(repository: Repository) -> None:
    data = b"--- a/a.py\n+++ b/a.py\n@@ -999999999 +999999999 @@\n-line_4 = 4\n+line_4 = 'four'\n"
    assert reviewed(repository, data).lines == {"a.py": [4]}


def test_a_large_file_is_named(repository: Repository) -> None:
    repository.commit(a="x = 1\n" * 200_000)
    repository.write("a.py", "y = 2\n" + "x = 1\n" * 200_000)
    assert reviewed(repository, diff(repository, "diff")).reasons == {"a.py": "above 1 MB"}
    data = diff(repository, "diff").replace(b"index ", b"xedni ")
    assert reviewed(repository, data).reasons == {"a.py": "above 1 MB"}
