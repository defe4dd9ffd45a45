"""Changes between commits: a range, one commit, a branch since it left another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsassist.git import Treeish
from dsassist.review import selection
from dsassist_runtime.errors import DsassistError
from review_repositories import Repository, numbered, reviewed


@pytest.fixture
def history(repository: Repository) -> Repository:
    """On `side`, two commits after main's first; main has gone on by one. The index and the tree hold other things."""
    repository.git("tag", "-a", "-m", "first", "v1")
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit(a=numbered(30, line_2="line_2 = 'two'"))
    repository.commit(a=numbered(30, line_2="line_2 = 'two'", line_9="line_9 = 'nine'"), new="x = 1\n")
    repository.git("checkout", "--quiet", "main")
    repository.commit(b=numbered(30, line_5="line_5 = 'main'"))
    repository.git("checkout", "--quiet", "side")
    repository.stage("staged.py", "x = 1\n")
    repository.write("a.py", "not committed\n")
    return repository


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("v1..side", {"a.py": [2, 9], "new.py": [1]}),
        ("side~1..side", {"a.py": [9], "new.py": [1]}),
        ("side~1..", {"a.py": [9], "new.py": [1]}),
        ("..main", {"a.py": [2, 9], "b.py": [5]}),
        ("main..side", {"a.py": [2, 9], "b.py": [5], "new.py": [1]}),
        ("main...side", {"a.py": [2, 9], "new.py": [1]}),
        ("main...", {"a.py": [2, 9], "new.py": [1]}),
        ("side..side", {}),
    ],
)
def test_a_range_is_compared_as_git_compares_it(history: Repository, text: str, lines: dict[str, list[int]]) -> None:
    seen = reviewed(history, selection.revision_range(history.root, text))
    assert seen.lines == lines
    assert list(seen.deleted) == (["new.py"] if text == "..main" else [])


def test_a_commit_is_compared_with_its_parent(history: Repository) -> None:
    head = history.git("rev-parse", "HEAD")
    for name in ("HEAD", head, head[:10], "side", "@"):
        seen = reviewed(history, selection.commit(history.root, name))
        assert seen.lines == {"a.py": [9], "new.py": [1]}
        assert seen.changes.tree == Treeish("object", head)
        assert seen.changes.base == history.git("rev-parse", "HEAD~1")


def test_all_of_the_first_commit_is_new(history: Repository) -> None:
    for name in ("v1", "v1^{}", "HEAD~2"):
        seen = reviewed(history, selection.commit(history.root, name))
        assert sorted(seen.lines) == ["a.py", "b.py"]
        assert seen.changes.base is None


def test_a_commit_is_found_by_its_message(history: Repository) -> None:
    history.git("commit", "--quiet", "--allow-empty", "-m", "an odd one")
    assert selection.commit(history.root, ":/odd one").tree.id == history.git("rev-parse", "HEAD")


def test_since_a_base_only_what_the_branch_did_is_reviewed(history: Repository) -> None:
    seen = reviewed(history, selection.since_base(history.root, "main"))
    assert seen.lines == {"a.py": [2, 9], "new.py": [1]}


@pytest.mark.parametrize("paths", [["new.py"], ["./new.py"], ["../repository/new.py"], ["gone.py", "new.py"]])
def test_paths_narrow_a_change(history: Repository, monkeypatch: pytest.MonkeyPatch, paths: list[str]) -> None:
    monkeypatch.chdir(history.root)
    chosen = selection.narrowed(selection.commit(history.root, "HEAD"), paths)
    assert list(reviewed(history, chosen).files) == ["new.py"]


def test_paths_count_from_where_one_stands(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.stage("src/[id].py", "x = 1\n")
    repository.stage("src/i.py", "x = 1\n")
    repository.stage("srcs/i.py", "x = 1\n")
    monkeypatch.chdir(repository.root / "src")
    here = Path.cwd()
    for paths, found in {
        "[id].py": ["src/[id].py"],
        ".": ["src/[id].py", "src/i.py"],
        "..": ["src/[id].py", "src/i.py", "srcs/i.py"],
        "../srcs": ["srcs/i.py"],
        str(repository.root / "src"): ["src/[id].py", "src/i.py"],
        "/": [],
    }.items():
        chosen = selection.narrowed(selection.staged(here), [paths])
        assert sorted(os.fsdecode(entry.path) for entry in chosen.entries) == found, paths


def test_a_rename_is_one_though_only_its_new_name_is_asked_for(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.git("mv", "a.py", "c.py")
    repository.stage("c.py", numbered(30, line_8="line_8 = 'eight'"))
    monkeypatch.chdir(repository.root)
    chosen = selection.narrowed(selection.staged(repository.root), ["c.py"])
    assert reviewed(repository, chosen).lines == {"c.py": [8]}


@pytest.mark.parametrize("name", ["no-such", "--all", "", "a\nb", "HEAD~99", "deadbeef", "HEAD:nothing", "-"])
def test_an_unknown_revision_is_one_clear_sentence(history: Repository, name: str) -> None:
    with pytest.raises(DsassistError, match=r"^there is no commit .* in .*; `git log") as caught:
        selection.commit(history.root, name)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    with pytest.raises(DsassistError, match="there is no commit"):
        selection.since_base(history.root, name)


def test_either_side_of_a_range_may_be_unknown(history: Repository) -> None:
    for text in ("no-such..HEAD", "HEAD..no-such", "no-such...HEAD"):
        with pytest.raises(DsassistError, match="there is no commit 'no-such'"):
            selection.revision_range(history.root, text)


def test_what_is_no_commit_is_said(history: Repository) -> None:
    with pytest.raises(DsassistError, match=r"'HEAD:a.py' is a blob, not a commit"):
        selection.commit(history.root, "HEAD:a.py")
    with pytest.raises(DsassistError, match=r"'main' is no range of commits: write A\.\.B, or --commit main"):
        selection.revision_range(history.root, "main")


def test_branches_without_a_common_commit_are_said(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "--orphan", "other")
    repository.commit()
    with pytest.raises(DsassistError, match="'main' and 'HEAD' have no commit in common"):
        selection.since_base(repository.root, "main")


def test_before_the_first_commit_there_is_no_head_to_compare(empty: Repository) -> None:
    with pytest.raises(DsassistError, match="there is no commit 'HEAD'"):
        selection.commit(empty.root, "HEAD")


def test_a_shallow_clone_says_that_the_parent_is_missing(history: Repository, tmp_path: Path) -> None:
    shallow = Repository(tmp_path / "shallow")
    history.git("clone", "--quiet", "--depth=1", f"file://{history.root}", str(shallow.root))
    with pytest.raises(DsassistError, match=r"the parent of 'HEAD' is not in this shallow clone; `git fetch"):
        selection.commit(shallow.root, "HEAD")
