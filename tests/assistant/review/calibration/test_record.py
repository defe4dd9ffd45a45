"""What was measured is kept for a model file, whatever its path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dsassist.review.calibration.record import read_record, record_path
from dsassist_runtime.errors import NotDone


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + bytes(200_000) + b"end")
    return path


def test_what_was_added_is_read_again(model: Path) -> None:
    read_record(model).add("one", {"name": 1.25, "comparison": None})
    read_record(model).add("two", {})
    assert read_record(model).functions == {"one": {"name": 1.25, "comparison": None}, "two": {}}
    assert record_path(model).parent.stat().st_mode & 0o077 == 0


def test_a_copy_of_the_model_is_the_same_model_and_another_file_at_its_path_is_not(model: Path, tmp_path: Path) -> None:
    read_record(model).add("one", {})
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(model.read_bytes())
    assert list(read_record(copy).functions) == ["one"]
    for content in (b"GGUF" + bytes(200_001) + b"end", b"GGUF" + bytes(200_000) + b"END", b"gguf" + bytes(200_003)):
        model.write_bytes(content)
        assert read_record(model).functions == {}


def test_a_model_with_an_adapter_is_another_one(model: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one.gguf", tmp_path / "other.gguf"
    one.write_bytes(b"GGUF" + bytes(1000))
    other.write_bytes(b"GGUF" + bytes(1001))
    read_record(model).add("plain", {})
    read_record(model, one).add("adapted", {})
    assert [list(read_record(model, lora).functions) for lora in (None, one, other)] == [["plain"], ["adapted"], []]


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "[]",
        "{}",
        '{"version": 0, "functions": {"one": {}}}',
        '{"version": 4, "functions": []}',
        '{"version": 4, "functions": {"one": {}, "two": []}}',
        '{"version": 4, "functions": {"one": {"name": "high"}}}',
    ],
)
def test_a_damaged_record_is_begun_anew(model: Path, damage: str) -> None:
    read_record(model).add("one", {})
    record_path(model).write_text(damage)
    record = read_record(model)
    assert record.functions == {}
    record.add("two", {"name": 2.0})
    assert list(read_record(model).functions) == ["two"]


@pytest.mark.parametrize("version", [1, 2, 3, 5])
def test_what_another_version_measured_is_measured_anew(model: Path, version: int) -> None:
    """Those numbers are others than what the same functions reach today, and so would be the threshold."""
    read_record(model).add("one", {})
    functions = {"one": {"name": 3.0}, "two": {"name": None}}
    record_path(model).write_text(json.dumps({"version": version, "functions": functions}))
    assert read_record(model).functions == {}


def test_a_family_that_is_not_known_any_more_is_left_out(model: Path) -> None:
    read_record(model).add("one", {"name": 1.0})
    record_path(model).write_text('{"version": 4, "functions": {"one": {"name": 1.0, "spelling": 3.0}}}')
    assert read_record(model).functions == {"one": {"name": 1.0}}


def test_the_oldest_functions_go_when_there_are_too_many(model: Path) -> None:
    record = read_record(model)
    record.functions.update({str(number): {} for number in range(2000)})
    record.add("new", {})
    kept = list(read_record(model).functions)
    assert (len(kept), kept[0], kept[-1]) == (2000, "1", "new")


def test_a_record_that_cannot_be_written_is_not_done(model: Path) -> None:
    record = read_record(model)
    record.path.parent.mkdir(parents=True, mode=0o700)
    record.path.mkdir()
    with pytest.raises(NotDone, match=r"cannot write .*json"):
        record.add("one", {})
    assert [each.name for each in record.path.parent.iterdir()] == [record.path.name]


def test_a_model_that_cannot_be_read_is_not_done(tmp_path: Path) -> None:
    with pytest.raises(NotDone, match=r"cannot read .*gone\.gguf"):
        read_record(tmp_path / "gone.gguf")
