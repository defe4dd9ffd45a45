"""Merges, and what replays commits: what a branch brings was reviewed there, what is written anew is reviewed here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsassist.review import selection
from review_repositories import Repository, numbered, reviewed

Recording = Callable[..., Path]

OURS = numbered(30, line_5="line_5 = 'ours'")
THEIRS = numbered(30, line_5="line_5 = 'theirs'", line_25="line_25 = 'theirs'")
RESOLVED = numbered(30, line_5="line_5 = 'ours and theirs'", line_25="line_25 = 'theirs'")


def recorded(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.fixture
def parted(repository: Repository) -> Repository:
    """On main, with a branch `side`: both changed line 5 of `a.py`, and each a file of its own."""
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit(a=THEIRS, theirs="theirs = 1\n")
    repository.git("checkout", "--quiet", "main")
    repository.commit(a=OURS, ours="ours = 1\n")
    return repository


def conflict(repository: Repository, *command: str) -> None:
    repository.git(*command, check=False)
    assert "U" in repository.git("diff", "--name-status")


def test_an_unmerged_file_is_named_and_what_the_branch_brings_is_not_reviewed(parted: Repository) -> None:
    conflict(parted, "merge", "side")
    seen = reviewed(parted)
    assert (seen.lines, seen.reasons) == ({}, {"a.py": "unmerged: resolve the conflict and stage it"})


def test_of_a_resolved_merge_only_what_neither_branch_has_is_reviewed(parted: Repository, recording: Recording) -> None:
    log = recording(parted)
    conflict(parted, "merge", "side")
    parted.stage("a.py", RESOLVED)
    assert reviewed(parted).lines == {"a.py": [5]}
    assert selection.staged(parted.root).within == "a merge"
    parted.git("commit", "--quiet", "--no-edit")
    assert selection.staged(parted.root).within == ""
    (run,) = recorded(log)
    assert (run["lines"], run["reasons"]) == ({"a.py": [5]}, {})


def test_a_conflict_resolved_to_one_side_has_nothing_to_review(parted: Repository) -> None:
    conflict(parted, "merge", "side")
    parted.stage("a.py", THEIRS)
    assert reviewed(parted).lines == {}


def test_what_is_smuggled_into_a_merge_is_reviewed(parted: Repository) -> None:
    conflict(parted, "merge", "side")
    parted.stage("a.py", RESOLVED)
    parted.stage("smuggled.py", "x = 1\n")
    parted.stage("theirs.py", "theirs = 2\n")
    assert reviewed(parted).lines == {"a.py": [5], "smuggled.py": [1], "theirs.py": [1]}


def test_a_clean_merge_has_nothing_to_review(repository: Repository, recording: Recording) -> None:
    """Its hook is `pre-merge-commit`, and there is no MERGE_HEAD yet."""
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit(a=numbered(30, line_25="line_25 = 'theirs'"), theirs="theirs = 1\n")
    repository.git("checkout", "--quiet", "main")
    repository.commit(a=numbered(30, line_5="line_5 = 'ours'"))
    log = recording(repository, "pre-merge-commit")
    repository.git("merge", "--quiet", "--no-edit", "side")
    (run,) = recorded(log)
    assert {path: lines for path, lines in run["lines"].items() if lines} == {}


def test_a_clean_merge_that_is_committed_later_has_nothing_to_review(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit(theirs="theirs = 1\n")
    repository.git("checkout", "--quiet", "main")
    repository.commit(ours="ours = 1\n")
    repository.git("merge", "--quiet", "--no-commit", "side")
    assert reviewed(repository).lines == {}


def test_a_merge_of_three_branches_is_compared_with_each(repository: Repository) -> None:
    for name in ("one", "two"):
        repository.git("checkout", "--quiet", "-b", name, "main")
        repository.commit(**{name: f"{name} = 1\n"})
    repository.git("checkout", "--quiet", "main")
    repository.commit(ours="ours = 1\n")
    repository.git("merge", "--quiet", "--no-commit", "one", "two")
    repository.stage("new.py", "x = 1\n")
    assert reviewed(repository).lines == {"new.py": [1]}


def test_of_a_merge_commit_only_what_no_parent_has_is_reviewed(parted: Repository) -> None:
    conflict(parted, "merge", "side")
    parted.stage("a.py", RESOLVED)
    parted.git("commit", "--quiet", "--no-edit")
    seen = reviewed(parted, selection.commit(parted.root, "HEAD"))
    assert seen.lines == {"a.py": [5]}
    assert seen.changes.base == parted.git("rev-parse", "HEAD^1")


def test_a_squashed_branch_is_reviewed_whole(repository: Repository, recording: Recording) -> None:
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit(a=numbered(30, line_25="line_25 = 'theirs'"))
    repository.commit(theirs="theirs = 1\n")
    repository.git("checkout", "--quiet", "main")
    log = recording(repository)
    repository.git("merge", "--quiet", "--squash", "side")
    repository.git("commit", "--quiet", "-m", "squashed")
    (run,) = recorded(log)
    assert run["lines"] == {"a.py": [25], "theirs.py": [1]}


@pytest.mark.parametrize("command", ["cherry-pick", "revert"])
def test_a_replayed_commit_is_reviewed_when_it_goes_on_after_a_conflict(
    parted: Repository, recording: Recording, command: str
) -> None:
    log = recording(parted)
    if command == "revert":
        parted.commit(a=RESOLVED)
        conflict(parted, "revert", "--no-edit", "HEAD^")
    else:
        conflict(parted, "cherry-pick", "side")
    parted.stage("a.py", numbered(30, line_5="line_5 = 'resolved'"))
    replayed = parted.git("rev-parse", "HEAD^" if command == "revert" else "side").strip()
    assert selection.staged(parted.root).within == f"a {command} of {replayed[:7]}"
    log.write_text("")
    parted.git("-c", "core.editor=true", command, "--continue")
    (run,) = recorded(log)
    assert 5 in run["lines"]["a.py"]


def test_a_commit_in_a_stopped_rebase_is_reviewed(parted: Repository, recording: Recording) -> None:
    parted.git("checkout", "--quiet", "side")
    replayed = parted.git("rev-parse", "HEAD").strip()
    conflict(parted, "rebase", "main")
    log = recording(parted)
    parted.stage("a.py", RESOLVED)
    assert selection.staged(parted.root).within == f"a rebase of {replayed[:7]}"
    parted.git("commit", "--quiet", "-m", "replayed")
    (run,) = recorded(log)
    assert run["lines"] == {"a.py": [5, 25], "theirs.py": [1]}
    parted.git("-c", "core.editor=true", "rebase", "--continue")
    assert selection.staged(parted.root).within == ""
