"""A report in a file."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from dsassist.review.reports import check_output, save
from dsassist_runtime.errors import DsassistError, NotDone


def test_a_report_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("longer than what follows")
    target.chmod(0o640)
    save("new", str(target))
    assert target.read_text() == "new\n"
    assert target.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [target]


def test_others_may_read_a_new_report_as_far_as_the_umask_lets_them(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        save("x", str(tmp_path / "report"))
    finally:
        os.umask(before)
    assert (tmp_path / "report").stat().st_mode & 0o777 == 0o644


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    save("x", str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "x\n"


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    save("x", str(pipe))
    reader.join(10)
    assert read == ["x\n"]
    assert pipe.is_fifo()


def test_a_report_that_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "report"
    target.write_text("old")

    def fail(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(NotDone, match=r"cannot write the report to .*report: no space left on device"):
        save("new", str(target))
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_or_a_place_without_one_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(DsassistError, match="is a folder: name a file in it") as caught:
        check_output(str(tmp_path))
    assert caught.value.exit_code == 2
    with pytest.raises(DsassistError, match=r"there is no folder .*missing; make it first"):
        check_output(str(tmp_path / "missing" / "report.json"))
    check_output(str(tmp_path / "report.json"))


def test_an_empty_report_is_an_empty_file(tmp_path: Path) -> None:
    save("", str(tmp_path / "report"))
    assert (tmp_path / "report").read_bytes() == b""


def test_bytes_of_a_name_that_are_no_utf_8_are_spelled_out(tmp_path: Path) -> None:
    save("\udcff.py", str(tmp_path / "report"))
    assert (tmp_path / "report").read_text() == "\\udcff.py\n"
