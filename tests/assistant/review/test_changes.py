"""What is to be reviewed where git's history does not matter: changed lines, globs, whole files on disk.

`git_cases` has what is read from git.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsassist.review import selection
from dsassist.review.changes import (
    LIMIT_BYTES,
    ChangedFile,
    Changes,
    Skipped,
    changed_lines,
    changes_of,
    whole_files,
)
from dsassist_runtime.errors import DsassistError
from review_repositories import Repository


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


def test_every_other_line_of_a_long_file_is_just_that() -> None:
    """Compared line by line, by `SequenceMatcher`, this took as many steps as there are pairs of lines."""
    old = [b"line = %d\n" % i for i in range(20_000)]
    new = [line if i % 2 else b"other = %d\n" % i for i, line in enumerate(old)]
    assert changed_lines(b"".join(old), b"".join(new)) == set(range(1, 20_001, 2))


def test_a_long_file_has_the_lines_that_were_put_between_others() -> None:
    old = [b"line = %d\n" % (i // 2 if i % 100 else i) for i in range(5_000)]
    places = list(range(0, 5_000, 7))
    new = [line for i, line in enumerate(old) for line in ([b"new = %d\n" % i, line] if i in places else [line])]
    expected = {place + number + 1 for number, place in enumerate(places)}
    assert changed_lines(b"".join(old), b"".join(new)) == expected


def test_a_long_block_that_moved_is_new_in_its_new_place() -> None:
    old = [b"line = %d\n" % i for i in range(2_000)]
    new = [*old[500:], *old[:500]]
    assert changed_lines(b"".join(old), b"".join(new)) == set(range(1_501, 2_001))


def test_long_texts_of_repeated_lines_have_the_lines_that_are_not_among_them() -> None:
    old = [b"a\n", b"b\n"] * 1_000
    new = [b"b\n", b"b\n", b"a\n", b"c\n"] * 500
    assert changed_lines(b"".join(old), b"".join(new)) == set(range(4, 2_001, 4))


def test_one_line_in_a_long_file_is_one_line() -> None:
    old = [b"line = %d" % i for i in range(20_000)]
    new = [*old[:11_111], b"changed", *old[11_112:]]
    assert changed_lines(b"\n".join(old), b"\n".join(new)) == {11_112}


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
    repository = Repository(tmp_path)
    repository.git("init", "--quiet")
    repository.stage("src/a.py", "x = 1\n")
    assert (files(changes_of(selection.staged(tmp_path), (glob,))) == []) is excluded


def test_whole_files_have_all_their_lines(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes("\ufeffx = 'é'\ny = 2".encode())
    file = only(whole_files([str(tmp_path / "a.py")]))
    assert (file.source.text, file.lines) == ("x = 'é'\ny = 2", {1, 2})


def test_a_folder_stands_for_the_source_files_below_it(tmp_path: Path) -> None:
    for name in (
        *("b.py", "a.js", "note.txt", ".hidden/c.py", "env/pyvenv.cfg", "env/d.py", "sub/e.pyi"),
        *("node_modules/x.js", "sub/vendor/y.go", "uv.lock", "z_pb2.py", "m.min.js"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("x = 1\n")
    changes = whole_files([str(tmp_path), str(tmp_path / "a.js")])
    found = [Path(file.path).relative_to(tmp_path) for file in files(changes)]
    assert found == [Path("a.js"), Path("b.py"), Path("sub/e.pyi")]
    left_out = {str(Path(path).relative_to(tmp_path)): reason for path, reason in reasons(changes).items()}
    assert left_out == {
        "m.min.js": "minified", "z_pb2.py": "generated", "node_modules": "vendored", "sub/vendor": "vendored",
        "uv.lock": "lock file",
    }  # fmt: skip


def test_in_a_folder_marks_and_attributes_hold_as_in_a_change(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.git("init", "--quiet")
    repository.write("src/made.py", "# @generated\nx = 1\n")
    repository.write("src/said.py", "x = 1\n")
    repository.write("src/vendor/ours.py", "x = 1\n")
    repository.write(".gitattributes", "said.py linguist-generated\nsrc/vendor/** linguist-vendored=false\n")
    root = repository.root
    changes = whole_files([str(root / "src")], root=root)
    assert [Path(file.path).name for file in files(changes)] == ["ours.py"]
    named = whole_files([str(root / "src/said.py"), str(root / "src/made.py")], root=root)
    assert len(files(named)) == 2


def test_a_file_that_is_named_is_reviewed_wherever_it_lies(tmp_path: Path) -> None:
    for name in ("vendor/x.js", "uv.lock", "note.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
        assert only(whole_files([str(tmp_path / name)])).lines == {1, 2}


def test_a_folder_below_one_called_vendor_is_reviewed_when_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "vendor" / "ours").mkdir(parents=True)
    (tmp_path / "vendor" / "ours" / "a.py").write_text("x = 1\n")
    assert len(files(whole_files([str(tmp_path / "vendor" / "ours")]))) == 1


def test_a_file_on_disk_is_read_in_the_encoding_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"# coding: latin-1\nx = '\xe9'\n")
    file = only(whole_files([str(tmp_path / "a.py")]))
    assert (file.source.text, file.encoding) == ("# coding: latin-1\nx = 'é'\n", "iso-8859-1")


def test_a_path_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DsassistError, match=r"there is no file .*gone\.py") as caught:
        whole_files([str(tmp_path / "gone.py")])
    assert caught.value.exit_code == 2


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"\xff\xff")
    (tmp_path / "b.md").write_bytes(b"x\0")
    changes = whole_files([str(tmp_path / "a.py"), str(tmp_path / "b.md")])
    assert sorted(reasons(changes).values()) == ["binary", "not UTF-8 at byte 0"]


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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, path: str
) -> None:
    Repository(tmp_path).git("init", "--quiet")
    for name in ("src", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "src" / "a.py").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path / where)
    for typed in (path, str(Path(path).absolute())):
        assert files(whole_files([typed], ("src/*.py",), tmp_path)) == []
        assert len(files(whole_files([typed], ("other/*.py",), tmp_path))) == 1


def test_a_glob_counts_from_the_working_directory_where_there_is_no_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    assert files(whole_files([str(tmp_path / "src")], ("src/",))) == []
