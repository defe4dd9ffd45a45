"""Source files as text, and places in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsassist.documents import LIMIT_BYTES, DocumentError, Place, decode_text, offset_of, parse_place, read_text


def test_text_is_read_with_its_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes("é = 1\r\nb\rc\n".encode())
    assert read_text(path) == "é = 1\r\nb\rc\n"


def test_byte_order_mark_is_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"\xef\xbb\xbfx = 1\n")
    assert read_text(path) == "x = 1\n"


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"gone\.py does not exist"):
        read_text(tmp_path / "gone.py")


def test_directory_is_no_source_file(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="is a directory, not a file"):
        read_text(tmp_path)


def test_pipe_without_a_writer_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DocumentError, match="is a pipe, not a file"):
        read_text(tmp_path / "pipe")


def test_path_through_a_file_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(DocumentError, match=r"cannot read .*: not a directory"):
        read_text(tmp_path / "a" / "b.py")


@pytest.fixture
def unreadable(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_text("x")
    path.chmod(0)
    return path


@pytest.fixture
def not_root() -> Iterator[None]:
    """Root may read every file; so a test as root reads as somebody else."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


def test_unreadable_file_is_told_in_words(unreadable: Path, not_root: None) -> None:
    with pytest.raises(DocumentError, match=r"cannot read .*: permission denied"):
        read_text(unreadable)


def test_text_in_another_encoding_names_byte_and_offset(tmp_path: Path) -> None:
    path = tmp_path / "latin.py"
    path.write_bytes(b'name = "Caf\xe9"\n')
    with pytest.raises(DocumentError, match=r"latin\.py is not UTF-8: byte 0xe9 at offset 11"):
        read_text(path)


def test_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"ab\0c")
    with pytest.raises(DocumentError, match=r"a\.bin is binary \(a NUL byte at offset 2\)"):
        read_text(path)


def test_five_megabytes_are_too_many(tmp_path: Path) -> None:
    path = tmp_path / "big.py"
    path.write_bytes(b"x" * (5 * 1024 * 1024))
    with pytest.raises(DocumentError, match=r"big\.py has 5\.0 MB; files above 4 MB are not completed"):
        read_text(path)


def test_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "big.py"
    path.write_bytes(b"x" * LIMIT_BYTES)
    assert len(read_text(path)) == LIMIT_BYTES


def test_another_limit_may_be_set_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "big.py"
    path.write_bytes(b"x" * (2 * 1024 * 1024))
    with pytest.raises(DocumentError, match="above 1 MB") as caught:
        read_text(path, 1024 * 1024)
    assert caught.value.reason == "above 1 MB"


def test_standard_input_obeys_the_same_rules() -> None:
    assert decode_text(b"\xef\xbb\xbfx", "standard input") == "x"
    with pytest.raises(DocumentError, match="standard input is not UTF-8"):
        decode_text(b"\xff", "standard input")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("src/a.py:12:5", Place(Path("src/a.py"), 12, 5)),
        ("C:/odd:name.py:1:1", Place(Path("C:/odd:name.py"), 1, 1)),
        ("a.py:3:4:5", Place(Path("a.py:3"), 4, 5)),
        ("-:3:5", Place(Path("-"), 3, 5, is_stdin=True)),
        ("./-:3:5", Place(Path("-"), 3, 5)),
    ],
)
def test_place_is_read_from_the_right(text: str, place: Place) -> None:
    assert parse_place(text) == place


@pytest.mark.parametrize(
    "text", ["", "a.py", "a.py:3", ":1:1", "a.py:0:1", "a.py:1:0", "a.py:-1:2", "a.py:x:2", "a.py:٣:1"]
)
def test_malformed_place_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(DocumentError, match=r"is no place: write FILE:LINE:COL.*src/app\.py:12:5"):
        parse_place(text)


def test_empty_file_has_one_empty_line() -> None:
    assert offset_of("", 1, 1, "a.py") == 0
    with pytest.raises(DocumentError, match=r"a\.py has 1 line; line 2 is outside"):
        offset_of("", 2, 1, "a.py")


def test_column_behind_the_last_character_is_the_lines_end() -> None:
    assert offset_of("ab\r\ncd", 1, 3, "a.py") == 2
    assert offset_of("ab\r\ncd", 2, 3, "a.py") == 6


def test_column_outside_names_what_the_line_has() -> None:
    with pytest.raises(DocumentError, match=r"line 2 of a\.py has 1 character; column 40 is outside"):
        offset_of("abc\nd\n", 2, 40, "a.py")


def test_columns_are_code_points() -> None:
    assert offset_of("😀é = 1", 1, 3, "a.py") == 2


def test_only_line_feed_and_carriage_return_end_a_line() -> None:
    text = "a\x0cb\u2028c\x85d\x0be"
    assert offset_of(text, 1, len(text) + 1, "a.py") == len(text)
    assert offset_of("a\rb\nc\r\nd", 4, 1, "a.py") == 7


@given(st.text(alphabet="ab\r\né\u2028", max_size=30))
def test_each_place_between_line_ends_has_one_offset(text: str) -> None:
    line, column, index, seen = 1, 1, 0, []
    while True:
        seen.append(offset_of(text, line, column, "a.py"))
        assert seen[-1] == index
        if index == len(text):
            break
        if text[index] in "\r\n":
            index += 2 if text.startswith("\r\n", index) else 1
            line, column = line + 1, 1
        else:
            index, column = index + 1, column + 1
    with pytest.raises(DocumentError, match=f"line {line + 1} is outside"):
        offset_of(text, line + 1, 1, "a.py")
