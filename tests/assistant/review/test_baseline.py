"""The file of findings that are kept, on disk and in git."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsassist.git import INDEX, WORKING_TREE, Treeish
from dsassist.review.baseline import BASELINE, Entry, baseline_of_tree, read_baseline, updated, write_baseline
from dsassist.review.findings import Finding
from dsassist_runtime.errors import DsassistError
from hook_repositories import git

ONE, TWO = Entry("DSA101", "a.py", "0123"), Entry("DSA001", "é\udce9.py", "4567")


def finding(entry: Entry) -> Finding:
    return Finding(
        path=entry.path, line=1, column=1, end_line=1, end_column=2, severity="warning",
        family={"DSA101": "name", "DSA001": "secret"}[entry.code], function="", message="", source_line="",
        fingerprint=entry.fingerprint,
    )  # fmt: skip


def test_what_is_written_is_read_back_in_order_and_a_line_each(tmp_path: Path) -> None:
    write_baseline(tmp_path / "b.json", [ONE, TWO, ONE])
    assert read_baseline(tmp_path / "b.json") == [TWO, ONE]
    lines = (tmp_path / "b.json").read_text(encoding="ascii").splitlines()
    assert lines[1] == '{"code": "DSA101", "path": "a.py", "fingerprint": "0123"}'


def test_branches_that_add_entries_merge_as_text(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(
        '{"code": "DSA101", "path": "a.py", "fingerprint": "0123"}\n\n{"fingerprint": "9", "code": "X", "path": "p"}\n'
    )
    assert read_baseline(tmp_path / "b.json") == [ONE, Entry("X", "p", "9")]


@pytest.mark.parametrize("content", ["no json\n", '{"code": "DSA101"}\n', "[1]\n", "<<<<<<< HEAD\n"])
def test_what_is_no_baseline_is_told_with_its_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "b.json").write_text(f"\n{content}")
    with pytest.raises(DsassistError, match=r"b\.json, line 2, is no entry of a baseline"):
        read_baseline(tmp_path / "b.json")


def test_a_baseline_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(DsassistError, match="there is no baseline"):
        read_baseline(tmp_path / "b.json")
    assert read_baseline(tmp_path / "b.json", missing_ok=True) == []


def test_an_update_keeps_what_it_did_not_look_at_whole() -> None:
    new = Entry("DSA101", "a.py", "89ab")
    assert updated([ONE, TWO], [finding(new)], {"a.py"}) == [TWO, new]
    assert updated([ONE, TWO], [finding(new)], set()) == [TWO, ONE, new]


def test_each_state_of_the_files_has_its_own_baseline(tmp_path: Path) -> None:
    git("init", "-q", cwd=tmp_path)
    assert baseline_of_tree(tmp_path, INDEX) == baseline_of_tree(tmp_path, WORKING_TREE) == []
    write_baseline(tmp_path / BASELINE, [ONE])
    git("add", ".", cwd=tmp_path)
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one", cwd=tmp_path)
    head = git("rev-parse", "HEAD", cwd=tmp_path).stdout.strip()
    write_baseline(tmp_path / BASELINE, [TWO])
    git("add", ".", cwd=tmp_path)
    write_baseline(tmp_path / BASELINE, [])
    assert baseline_of_tree(tmp_path, Treeish("object", head)) == [ONE]
    assert baseline_of_tree(tmp_path, INDEX) == [TWO]
    assert baseline_of_tree(tmp_path, WORKING_TREE) == []
