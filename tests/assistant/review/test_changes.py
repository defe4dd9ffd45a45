"""What is to be reviewed, read from real indexes and real files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dsassist import git
from dsassist.review.changes import (
    LIMIT_BYTES,
    ChangedFile,
    Changes,
    Skipped,
    changed_lines,
    staged_changes,
    whole_files,
)
from dsassist_runtime.errors import DsassistError


def sh(cwd: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose HEAD has `a.py` with three lines."""
    root = tmp_path / "r"
    root.mkdir()
    sh(root, "init", "--quiet")
    sh(root, "config", "core.autocrlf", "false")
    (root / "a.py").write_text("one = 1\ntwo = 2\nthree = 3\n")
    sh(root, "add", ".")
    sh(root, "commit", "--quiet", "-m", "first")
    return root


def staged(root: Path, exclude: tuple[str, ...] = ()) -> Changes:
    return staged_changes(git.staged_entries(root), root, exclude)


def read(changes: Changes) -> list[ChangedFile | Skipped]:
    return [file.read() for file in changes.pending]


def files(changes: Changes) -> list[ChangedFile]:
    return [file for file in read(changes) if isinstance(file, ChangedFile)]


def only(changes: Changes) -> ChangedFile:
    (file,) = files(changes)
    return file


def reasons(changes: Changes) -> dict[str, str]:
    skipped = [*changes.skipped, *(each for each in read(changes) if isinstance(each, Skipped))]
    return {each.what: each.reason for each in skipped}


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        (b"", b"a\nb\n", {1, 2}),
        (b"a\nb\nc\n", b"a\nB\nc\n", {2}),
        (b"a\nc\n", b"a\nb\nc\n", {2}),
        (b"a\nb\nc\n", b"a\nc\n", set()),
        (b"a\nb", b"a\nb\n", set()),
        (b"a\r\nb\r\n", b"a\nb\n", set()),
        (b"a\nb\n", b"a\r\nB\r\n", {2}),
        (b"a\n", b"a\n\x0cb\n\xe2\x80\xa8c\n", {2, 3}),
        (b"x\nx\nx\n", b"x\nx\nx\nx\n", {4}),
        (b"", b"", set()),
    ],
)
def test_changed_lines_are_those_that_the_old_text_lacks(old: bytes, new: bytes, lines: set[int]) -> None:
    assert changed_lines(old, new) == lines


def test_one_line_in_a_long_file_is_one_line() -> None:
    old = [b"line = %d" % i for i in range(20_000)]
    new = [*old[:11_111], b"changed", *old[11_112:]]
    assert changed_lines(b"\n".join(old), b"\n".join(new)) == {11_112}


def test_the_index_counts_and_not_the_working_tree(repository: Path) -> None:
    """Partial staging: what is reviewed is what would be committed."""
    (repository / "a.py").write_text("one = 1\ntwo = 'staged'\nthree = 3\n")
    sh(repository, "add", "a.py")
    (repository / "a.py").write_text("zero = 0\none = 1\ntwo = 'not staged'\nthree = 3\n")
    file = only(staged(repository))
    assert file.source.text == "one = 1\ntwo = 'staged'\nthree = 3\n"
    assert file.lines == {2}


def test_the_working_tree_is_not_touched(repository: Path) -> None:
    (repository / "a.py").write_text("one = 'staged'\n")
    sh(repository, "add", "a.py")
    (repository / "a.py").write_text("one = 'later'\n")
    before = {path: path.stat().st_mtime_ns for path in repository.rglob("*") if ".git" not in path.parts}
    index = (repository / ".git" / "index").read_bytes()
    staged(repository)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (repository / ".git" / "index").read_bytes() == index


def test_a_rename_with_an_edit_has_only_the_edited_lines(repository: Path) -> None:
    (repository / "a.py").write_text("".join(f"line_{i} = {i}\n" for i in range(30)))
    sh(repository, "commit", "--quiet", "-am", "longer")
    sh(repository, "mv", "a.py", "b.py")
    (repository / "b.py").write_text((repository / "b.py").read_text().replace("line_7 = 7", "line_7 = 'seven'"))
    sh(repository, "add", "b.py")
    file = only(staged(repository))
    assert (file.path, file.lines) == ("b.py", {8})


def test_deletion_pure_rename_and_mode_change_need_no_review_and_no_note(repository: Path) -> None:
    (repository / "mode.py").write_text("mode = 1\nof = 2\nfile = 3\n")
    (repository / "gone.py").write_text("x = [1, 2, 3]\n")
    sh(repository, "add", ".")
    sh(repository, "commit", "--quiet", "-m", "more")
    sh(repository, "mv", "a.py", "renamed.py")
    sh(repository, "rm", "--quiet", "gone.py")
    sh(repository, "update-index", "--chmod=+x", "mode.py")
    assert staged(repository) == Changes((), ())


def test_what_cannot_be_reviewed_is_named_with_its_reason(repository: Path) -> None:
    (repository / "page.js").write_text("x\n")
    (repository / "bytes.py").write_bytes(b"x = 1\0\n")
    (repository / "latin.py").write_bytes(b"# -*- coding: latin-1 -*-\nx = '\xe9'\n")
    (repository / "huge.py").write_text("x = 1\n" * (LIMIT_BYTES // 6 + 1))
    (repository / "vendor").mkdir()
    (repository / "vendor" / "lib.py").write_text("x = 1\n")
    (repository / "link.py").symlink_to("a.py")
    sh(repository, "add", ".")
    changes = staged(repository, ("vendor/",))
    assert files(changes) == []
    assert reasons(changes) == {
        "page.js": "not Python",
        "bytes.py": "binary",
        "latin.py": "not UTF-8 at byte 31",
        "huge.py": "above 1 MB",
        "vendor/lib.py": "excluded",
        "link.py": "symbolic link",
    }


def test_a_submodule_is_named_and_not_opened(repository: Path) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True)
    sh(repository, "update-index", "--add", "--cacheinfo", f"160000,{head.stdout.strip()},sub.py")
    assert reasons(staged(repository)) == {"sub.py": "submodule"}


def test_a_file_that_takes_the_place_of_a_link_is_new(repository: Path) -> None:
    (repository / "link.py").symlink_to("a.py")
    sh(repository, "add", ".")
    sh(repository, "commit", "--quiet", "-m", "link")
    (repository / "link.py").unlink()
    (repository / "link.py").write_text("own = 1\ncontent = 2\n")
    sh(repository, "add", ".")
    assert only(staged(repository)).lines == {1, 2}


def test_an_unmerged_file_is_named_and_the_others_are_reviewed(repository: Path) -> None:
    sh(repository, "checkout", "--quiet", "-b", "side")
    (repository / "a.py").write_text("one = 'side'\n")
    (repository / "b.py").write_text("b = 1\n")
    sh(repository, "add", ".")
    sh(repository, "commit", "--quiet", "-m", "side")
    sh(repository, "checkout", "--quiet", "main")
    (repository / "a.py").write_text("one = 'main'\n")
    sh(repository, "commit", "--quiet", "-am", "main")
    subprocess.run(["git", "merge", "side"], cwd=repository, capture_output=True, check=False)
    changes = staged(repository)
    assert only(changes).path == "b.py"
    assert reasons(changes) == {"a.py": "unmerged: resolve the conflict and stage it"}


def test_carriage_returns_stay_in_the_text_and_count_no_lines(repository: Path) -> None:
    (repository / "crlf.py").write_bytes(b"def f():\r\n    return 1\r\n")
    sh(repository, "add", ".")
    file = only(staged(repository))
    assert file.source.text == "def f():\r\n    return 1\r\n"
    assert file.lines == {1, 2}
    assert file.source.line_text(2) == "    return 1"


def test_a_name_that_is_no_text_is_kept_byte_for_byte(repository: Path) -> None:
    name = os.fsdecode(b"\xff odd.py")
    try:
        (repository / name).write_text("x = 1\n")
    except OSError:
        pytest.skip("this file system does not take such a name")
    sh(repository, "add", ".")
    assert os.fsencode(only(staged(repository)).path) == b"\xff odd.py"


@pytest.mark.parametrize(
    ("glob", "excluded"),
    [
        ("a.py", True),
        ("src/a.py", True),
        ("src", True),
        ("src/", True),
        ("*.py", True),
        ("s*/", True),
        ("b.py", False),
        ("sr", False),
        ("lib/src", False),
    ],
)
def test_a_glob_excludes_paths_names_and_folders(tmp_path: Path, glob: str, excluded: bool) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("x = 1\n")
    sh(tmp_path, "init", "--quiet")
    sh(tmp_path, "add", ".")
    assert (files(staged(tmp_path, (glob,))) == []) is excluded


def test_whole_files_have_all_their_lines(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes("\ufeffx = 'é'\ny = 2".encode())
    file = only(whole_files([str(tmp_path / "a.py")]))
    assert (file.source.text, file.lines) == ("x = 'é'\ny = 2", {1, 2})


def test_a_folder_stands_for_the_python_files_below_it(tmp_path: Path) -> None:
    for name in ("b.py", "a.py", "note.txt", ".hidden/c.py", "env/pyvenv.cfg", "env/d.py", "sub/e.pyi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    changes = whole_files([str(tmp_path), str(tmp_path / "a.py")])
    found = [Path(file.path).relative_to(tmp_path) for file in files(changes)]
    assert found == [Path("a.py"), Path("b.py"), Path("sub/e.pyi")]


def test_a_path_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DsassistError, match=r"there is no file .*gone\.py") as caught:
        whole_files([str(tmp_path / "gone.py")])
    assert caught.value.exit_code == 2


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"\xff\xff")
    (tmp_path / "b.md").write_text("x")
    changes = whole_files([str(tmp_path / "a.py"), str(tmp_path / "b.md")])
    assert sorted(reasons(changes).values()) == ["not Python", "not UTF-8 at byte 0"]


@pytest.mark.parametrize("name", ["gone.py", "gone.md"])
def test_a_path_is_looked_for_before_its_language_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(DsassistError, match=r"there is no file .*gone") as caught:
        whole_files([str(tmp_path), str(tmp_path / name)])
    assert caught.value.exit_code == 2


def test_a_pipe_that_nobody_writes_to_is_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    assert list(reasons(whole_files([str(tmp_path / "pipe.py")])).values()) == ["a pipe, not a file"]


def test_a_large_file_on_disk_is_named(tmp_path: Path) -> None:
    (tmp_path / "huge.py").write_text("x = 1\n" * (LIMIT_BYTES // 6 + 1))
    assert list(reasons(whole_files([str(tmp_path / "huge.py")])).values()) == ["above 1 MB"]


@pytest.mark.parametrize(
    ("where", "path"), [(".", "src/a.py"), (".", "src"), ("src", "a.py"), ("src", "../src/a.py"), ("other", "../src")]
)
def test_a_glob_counts_from_the_root_however_the_path_is_typed(
    repository: Path, monkeypatch: pytest.MonkeyPatch, where: str, path: str
) -> None:
    for name in ("src", "other"):
        (repository / name).mkdir()
    (repository / "src" / "a.py").write_text("x = 1\n")
    monkeypatch.chdir(repository / where)
    for typed in (path, str(Path(path).absolute())):
        assert files(whole_files([typed], ("src/*.py",), repository)) == []
        assert len(files(whole_files([typed], ("other/*.py",), repository))) == 1


def test_a_glob_counts_from_the_working_directory_where_there_is_no_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    assert files(whole_files([str(tmp_path / "src")], ("src/",))) == []


def test_staged_files_are_read_some_ahead_and_each_gets_its_own_content(repository: Path) -> None:
    for number in range(40):
        (repository / f"f{number:02}.py").write_text(f"number = {number}\n")
    sh(repository, "add", ".")
    changes = staged(repository)
    for file in (*changes.pending, *reversed(changes.pending)):
        read = file.read()
        assert isinstance(read, ChangedFile)
        assert read.source.text == f"number = {int(file.path[1:3])}\n"
