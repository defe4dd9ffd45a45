"""Ways to stage and to commit: what is reviewed is what the commit will hold, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsassist import git
from review_repositories import Repository, numbered, reviewed

Recording = Callable[..., Path]


def recorded(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_before_the_first_commit_all_lines_are_new(empty: Repository) -> None:
    empty.stage("a.py", "one = 1\ntwo = 2\n")
    seen = reviewed(empty)
    assert seen.lines == {"a.py": [1, 2]}
    assert seen.files["a.py"].old is None
    assert seen.changes.base is None


def test_on_an_orphan_branch_all_lines_are_new(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "--orphan", "fresh")
    assert sorted(reviewed(repository).lines) == ["a.py", "b.py"]


def test_the_index_counts_and_not_the_working_tree(repository: Repository) -> None:
    repository.stage("a.py", numbered(30, line_3="line_3 = 'staged'"))
    repository.write("a.py", "not_staged = 0\n" + numbered(30, line_3="line_3 = 'later'", line_9="line_9 = 'later'"))
    repository.write("b.py", "not_staged = 0\n")
    seen = reviewed(repository)
    assert seen.lines == {"a.py": [3]}
    assert seen.text("a.py") == numbered(30, line_3="line_3 = 'staged'")
    assert seen.files["a.py"].old == numbered(30)
    assert seen.changes.tree == git.INDEX
    assert seen.changes.base == repository.git("rev-parse", "HEAD")


def test_a_hunk_staged_alone_is_reviewed_alone(repository: Repository) -> None:
    """As `git add -p` stages: the index holds one of two changes."""
    repository.write("a.py", numbered(30, line_2="line_2 = 'first'", line_28="line_28 = 'second'"))
    patch = repository.git("diff", "-U0").split("@@ -28")[0] + "\n"
    patch_file = repository.root.parent / "patch"
    patch_file.write_text(patch)
    repository.git("apply", "--cached", "--unidiff-zero", str(patch_file))
    assert reviewed(repository).lines == {"a.py": [2]}


def test_what_was_staged_and_is_gone_from_disk_is_reviewed(repository: Repository) -> None:
    repository.stage("new.py", "x = 1\n")
    (repository.root / "new.py").unlink()
    assert reviewed(repository).lines == {"new.py": [1]}


def test_an_announced_file_is_not_staged(repository: Repository) -> None:
    repository.write("later.py", "x = 1\n")
    repository.git("add", "--intent-to-add", "later.py")
    seen = reviewed(repository)
    assert (seen.files, seen.reasons) == ({}, {})


def test_an_announced_file_does_not_hide_the_others(repository: Repository) -> None:
    repository.write("later.py", "x = 1\n")
    repository.git("add", "--intent-to-add", "later.py")
    repository.stage("a.py", numbered(31))
    assert reviewed(repository).lines == {"a.py": [31]}


def test_an_emptied_file_has_no_line(repository: Repository) -> None:
    repository.stage("a.py", "")
    seen = reviewed(repository)
    assert seen.lines == {"a.py": []}
    assert seen.files["a.py"].old == numbered(30)


def test_nothing_staged_is_nothing(repository: Repository) -> None:
    repository.write("a.py", "changed\n")
    repository.write("untracked.py", "x = 1\n")
    seen = reviewed(repository)
    assert (seen.files, seen.reasons, seen.deleted) == ({}, {}, {})


def test_commit_all_is_reviewed_as_it_will_be_committed(repository: Repository, recording: Recording) -> None:
    """`git commit -a` stages into an index of its own, which only the hook's environment names."""
    log = recording(repository)
    repository.stage("b.py", numbered(30, line_5="line_5 = 'staged'"))
    repository.write("a.py", numbered(30, line_7="line_7 = 'not added'"))
    repository.git("commit", "--quiet", "-am", "all")
    (run,) = recorded(log)
    assert run["lines"] == {"a.py": [7], "b.py": [5]}


def test_commit_of_a_path_is_reviewed_without_what_else_is_staged(repository: Repository, recording: Recording) -> None:
    log = recording(repository)
    repository.stage("b.py", numbered(30, line_5="line_5 = 'staged, not committed'"))
    repository.write("a.py", numbered(30, line_7="line_7 = 'committed'"))
    repository.git("commit", "--quiet", "-m", "one", "a.py")
    (run,) = recorded(log)
    assert run["lines"] == {"a.py": [7]}
    assert run["texts"]["a.py"] == repository.git("show", "HEAD:a.py") + "\n"


def test_an_amended_commit_has_what_is_added_to_it(repository: Repository, recording: Recording) -> None:
    repository.commit(a=numbered(30, line_2="line_2 = 'in the commit'"))
    log = recording(repository)
    repository.stage("a.py", numbered(30, line_2="line_2 = 'in the commit'", line_20="line_20 = 'amended'"))
    repository.git("commit", "--quiet", "--amend", "--no-edit")
    (run,) = recorded(log)
    assert run["lines"] == {"a.py": [20]}


@pytest.mark.parametrize("arguments", [("--amend", "--no-edit"), ("--allow-empty", "-m", "nothing")])
def test_a_commit_without_content_has_nothing_to_review(
    repository: Repository, recording: Recording, arguments: tuple[str, ...]
) -> None:
    log = recording(repository)
    repository.git("commit", "--quiet", *arguments)
    (run,) = recorded(log)
    assert (run["lines"], run["reasons"]) == ({}, {})


def test_a_commit_in_a_linked_worktree_is_reviewed_from_its_own_index(
    repository: Repository, recording: Recording, tmp_path: Path
) -> None:
    log = recording(repository)
    linked = Repository(tmp_path / "linked")
    repository.git("worktree", "add", "--quiet", "-b", "side", str(linked.root))
    repository.stage("b.py", numbered(30, line_5="line_5 = 'in the main one'"))
    linked.stage("a.py", numbered(30, line_7="line_7 = 'in the linked one'"))
    assert reviewed(linked).lines == {"a.py": [7]}
    assert reviewed(linked).changes.root == linked.root.resolve()
    linked.git("commit", "--quiet", "-m", "linked")
    (run,) = recorded(log)
    assert run["lines"] == {"a.py": [7]}


def test_an_index_named_by_the_environment_is_the_one_reviewed(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = repository.root / ".git" / "other-index"
    other.write_bytes((repository.root / ".git" / "index").read_bytes())
    repository.write("a.py", numbered(30, line_7="line_7 = 'other index'"))
    repository.git("add", "a.py", GIT_INDEX_FILE=str(other))
    assert reviewed(repository).lines == {}
    for name in (str(other), ".git/other-index"):
        monkeypatch.setenv("GIT_INDEX_FILE", name)
        assert reviewed(repository).lines == {"a.py": [7]}


def test_a_split_index_is_left_as_it_is(repository: Repository) -> None:
    repository.git("config", "core.splitIndex", "true")
    repository.git("update-index", "--split-index")
    repository.write(".gitattributes", "b.py linguist-generated\n")
    repository.git("add", ".gitattributes")
    repository.stage("b.py", numbered(31))
    repository.stage("a.py", numbered(31))
    assert reviewed(repository).lines == {".gitattributes": [1], "a.py": [31], "b.py": [31]}


def test_a_sha256_repository_is_reviewed(tmp_path: Path) -> None:
    made = Repository(tmp_path)
    made.git("init", "--quiet", "--object-format=sha256")
    made.stage("a.py", numbered(3))
    assert reviewed(made).lines == {"a.py": [1, 2, 3]}
    made.commit()
    made.stage("a.py", numbered(4))
    made.stage(".gitattributes", "*.gen linguist-generated\n")
    assert reviewed(made).lines == {".gitattributes": [1], "a.py": [4]}
