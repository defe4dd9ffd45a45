"""What a changed path may be besides a plain UTF-8 file with a plain name."""

from __future__ import annotations

import os

import pytest

from dsassist.review.changes import LIMIT_BYTES
from review_repositories import Repository, numbered, reviewed


def test_a_rename_with_an_edit_has_only_the_edited_lines(repository: Repository) -> None:
    repository.git("mv", "a.py", "c.py")
    repository.stage("c.py", numbered(30, line_8="line_8 = 'eight'"))
    seen = reviewed(repository)
    assert (seen.lines, seen.changes.moved) == ({"c.py": [8]}, {})
    assert (seen.files["c.py"].old_path, seen.files["c.py"].old) == ("a.py", numbered(30))


def test_a_pure_rename_has_nothing_to_review(repository: Repository) -> None:
    repository.git("mv", "a.py", "c.py")
    seen = reviewed(repository)
    assert (seen.lines, seen.reasons, seen.deleted) == ({}, {}, {})
    assert seen.changes.moved == {"a.py": "c.py"}
    assert reviewed(repository, exclude=("c.py",)).changes.moved == {}


def test_all_lines_of_a_copy_are_new(repository: Repository) -> None:
    repository.stage("copy.py", numbered(30, line_8="line_8 = 'eight'"))
    repository.git("config", "diff.renames", "copies")
    seen = reviewed(repository)
    assert seen.lines == {"copy.py": list(range(1, 31))}
    assert seen.files["copy.py"].old_path is None


def test_a_change_of_mode_alone_has_nothing_to_review(repository: Repository) -> None:
    repository.git("update-index", "--chmod=+x", "a.py")
    seen = reviewed(repository)
    assert (seen.lines, seen.reasons) == ({}, {})


def test_a_deleted_file_has_no_line_and_keeps_its_text(repository: Repository) -> None:
    repository.git("rm", "--quiet", "a.py")
    seen = reviewed(repository)
    assert (seen.lines, seen.reasons) == ({}, {})
    (gone,) = seen.deleted.values()
    assert (gone.path, gone.old, gone.language, gone.lines) == ("a.py", numbered(30), "python", frozenset())  # type: ignore[union-attr]


def test_binary_files_and_large_ones_are_named(repository: Repository) -> None:
    repository.stage("bytes.py", b"x = 1\0\n")
    repository.stage("image.png", b"\x89PNG\r\n\x1a\n\0\0")
    repository.stage("huge.py", "x = 1\n" * (LIMIT_BYTES // 6 + 1))
    assert reviewed(repository).reasons == {"bytes.py": "binary", "image.png": "binary", "huge.py": "above 1 MB"}


def test_a_file_that_was_huge_is_named(repository: Repository) -> None:
    repository.commit(a="x = 1\n" * (LIMIT_BYTES // 6 + 1))
    repository.stage("a.py", "x = 1\n")
    assert reviewed(repository).reasons == {"a.py": "above 1 MB"}


def test_a_link_is_named_and_not_followed(repository: Repository) -> None:
    (repository.root / "link.py").symlink_to("a.py")
    repository.git("add", "link.py")
    assert reviewed(repository).reasons == {"link.py": "symbolic link"}


def test_a_file_in_the_place_of_a_link_is_new(repository: Repository) -> None:
    (repository.root / "link.py").symlink_to("a.py")
    repository.git("add", "link.py")
    repository.commit()
    (repository.root / "link.py").unlink()
    repository.stage("link.py", "own = 1\ncontent = 2\n")
    seen = reviewed(repository)
    assert seen.lines == {"link.py": [1, 2]}
    assert seen.files["link.py"].old is None


def test_a_submodule_is_named_and_not_opened(repository: Repository) -> None:
    head = repository.git("rev-parse", "HEAD")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{head},sub")
    repository.git("config", "diff.ignoreSubmodules", "all")
    assert reviewed(repository).reasons == {"sub": "submodule"}


def test_line_ends_that_git_converts_are_those_of_the_index(repository: Repository) -> None:
    repository.git("config", "core.autocrlf", "true")
    repository.stage("a.py", numbered(30, line_3="line_3 = 'three'").replace("\n", "\r\n"))
    seen = reviewed(repository)
    assert seen.lines == {"a.py": [3]}
    assert "\r" not in seen.text("a.py")


def test_carriage_returns_in_the_index_stay_and_change_no_line(repository: Repository) -> None:
    repository.stage("a.py", numbered(30, line_3="line_3 = 'three'").replace("\n", "\r\n"))
    seen = reviewed(repository)
    assert seen.lines == {"a.py": [3]}
    assert seen.text("a.py").count("\r\n") == 30
    assert seen.files["a.py"].source.line_text(3) == "line_3 = 'three'"


def test_only_line_feeds_end_lines(repository: Repository) -> None:
    repository.stage("c.py", "a = 1\x0c\nb = '\u2028\x85'\nc = '\r'\n")
    assert reviewed(repository).lines == {"c.py": [1, 2, 3]}


def test_a_python_file_is_read_in_the_encoding_that_it_names(repository: Repository) -> None:
    content = "# -*- coding: latin-1 -*-\nname = 'é'\n".encode("latin-1")
    repository.stage("latin.py", content)
    repository.commit()
    repository.stage("latin.py", content + "other = 'ü'\n".encode("latin-1"))
    seen = reviewed(repository)
    assert seen.lines == {"latin.py": [3]}
    file = seen.files["latin.py"]
    assert file.source.text.endswith("name = 'é'\nother = 'ü'\n")
    assert file.old == "# -*- coding: latin-1 -*-\nname = 'é'\n"
    assert file.source.text.encode(file.encoding) == content + "other = 'ü'\n".encode("latin-1")


def test_a_byte_order_mark_counts_nowhere_and_is_not_lost(repository: Repository) -> None:
    repository.stage("mark.py", "\ufeffname = 'é'\n".encode())
    file = reviewed(repository).files["mark.py"]
    assert (file.source.text, file.lines) == ("name = 'é'\n", {1})
    assert file.source.text.encode(file.encoding) == "\ufeffname = 'é'\n".encode()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.py", b"name = '\xe9'\n", "not UTF-8 at byte 8"),
        ("a.py", b"# coding: no-such-codec\nname = '\xe9'\n", "not UTF-8 at byte 32"),
        ("a.py", b"# coding: ascii\nname = '\xe9'\n", "not ascii"),
        ("a.py", b"# coding: hex\nname = '\xe9'\n", "not hex"),
        ("a.py", b"# coding: utf-16\nname = '\xe9'\n", "encoding utf-16"),
        ("a.py", b"\n\n# coding: latin-1\nname = '\xe9'\n", "not UTF-8 at byte 28"),
        ("a.js", b"// coding: latin-1\nname = '\xe9'\n", "not UTF-8 at byte 27"),
        ("a.txt", b"\xff\xfea\0b\0", "binary"),
    ],
)
def test_what_is_in_no_known_encoding_is_named(repository: Repository, name: str, content: bytes, reason: str) -> None:
    repository.stage(name, content)
    assert reviewed(repository).reasons == {name: reason}


def test_a_text_that_was_none_before_is_reviewed_whole_but_for_equal_lines(repository: Repository) -> None:
    repository.stage("c.py", b"name = '\xe9'\nother = 1\n")
    repository.commit()
    repository.stage("c.py", "name = 'é'\nother = 1\n")
    seen = reviewed(repository)
    assert seen.lines == {"c.py": [1]}
    assert seen.files["c.py"].old is None


def test_files_of_every_language_come_with_its_name(repository: Repository) -> None:
    for name in ("x.js", "x.go", "x.txt", "Makefile", "x.unknown", ".env"):
        repository.stage(name, "x = 1\n")
    seen = reviewed(repository)
    assert {path: file.language for path, file in seen.files.items()} == {
        "x.js": "javascript",
        "x.go": "go",
        "x.txt": None,
        "Makefile": None,
        "x.unknown": None,
        ".env": None,
    }


@pytest.mark.parametrize(
    "name",
    [
        *(b"with blank.py", b"q\"uo'te.py", b"back\\slash.py", "ünïcode.py".encode(), b"line\nbreak.py", b"tab\t.py"),
        *(b"\xff\xfe.py", b"-dash.py", b":(top)a.py", b"*.py", b"a/[b]/{c}.py", b"a/ /b.py", b"#hash.py"),
    ],
)
def test_a_name_is_kept_byte_for_byte(repository: Repository, name: bytes) -> None:
    try:
        repository.stage(name, "x = 1\n")
    except OSError:
        pytest.skip("this file system does not take such a name")
    repository.git("config", "core.quotePath", "true")
    (path,) = reviewed(repository).files
    assert os.fsencode(path) == name
    repository.commit()
    repository.stage(name, "x = 2\n")
    assert [os.fsencode(path) for path in reviewed(repository).files] == [name]


def test_a_thousand_files_cost_few_starts_of_git(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1000):
        repository.write(f"many/f{number}.py", numbered(number % 50) + f"number = {number}\n")
    repository.git("add", ".")
    log = repository.root.parent / "trace"
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(log))
    seen = reviewed(repository)
    assert len(seen.files) == 1000
    assert all(file.source.text.endswith(f"number = {path[6:-3]}\n") for path, file in seen.files.items())
    assert log.read_text().count('"event":"start"') <= 8


def test_contents_are_read_in_groups_and_each_file_gets_its_own(repository: Repository) -> None:
    """More than one group of 16 MB, asked for from both ends."""
    for number in range(24):
        repository.write(f"f{number:02}.py", f"number = {number}\n" + "x = 1  # and much more\n" * 43_000)
    repository.git("add", ".")
    pending = reviewed(repository).changes.pending
    for file in (*pending[::7], *reversed(pending[::5])):
        text = file.read().source.text  # type: ignore[union-attr]
        assert text.startswith(f"number = {int(file.path[1:3])}\n")
