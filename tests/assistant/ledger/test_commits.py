"""Accepted texts in commits, on real repositories; also after the editor was closed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.ledger.conftest import Bench
from dsassist.ledger.commits import HeadWatch
from dsassist.ledger.database import ledger_dir, opened
from dsassist.ledger.entries import ShownOffer
from dsassist.ledger.kept import LineMark
from dsassist.ledger.ledger import AcceptedText

MakeOffer = Callable[..., ShownOffer]
MARKS = (LineMark("total = a + b", 9), LineMark("return total", 11))


def sh(root: Path, *arguments: str, **environment: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, env=os.environ | environment, check=True, capture_output=True)


def commit(root: Path, at: float, message: str = "x") -> None:
    sh(root, "add", "-A")
    date = f"@{int(at)} +0000"
    sh(root, "commit", "--quiet", "--allow-empty", "-m", message, GIT_COMMITTER_DATE=date, GIT_AUTHOR_DATE=date)


@pytest.fixture
def root(tmp_path: Path, bench: Bench) -> Path:
    root = tmp_path / "r"
    root.mkdir()
    sh(root, "init", "--quiet")
    (root / "a.py").write_text("def f(a, b):\n")
    commit(root, bench.now - 1000)
    return root


def accept(bench: Bench, an_offer: MakeOffer, root: Path, path: str = "a.py") -> int:
    offer = bench.ledger.shown(an_offer(characters=20))
    bench.ledger.accepted(offer)
    bench.ledger.await_commit(root, [AcceptedText(offer, path, 20, MARKS)])
    return offer


def check(bench: Bench, root: Path) -> tuple[list[int], list[float | None]]:
    """Which offers were found in a commit, and the shares on disk."""
    found: list[int] = []
    bench.ledger.check_commits(root, found.extend)
    return found, [share for (share,) in bench.rows("kept_commit")]


def test_what_was_erased_meanwhile_is_not_awaited_again(bench: Bench, an_offer: MakeOffer, root: Path) -> None:
    offer = accept(bench, an_offer, root)
    assert len(bench.rows("*", "awaiting_commit")) == 1
    with opened(ledger_dir(), create=False) as connection:
        assert connection is not None
        for table in ("offers", "awaiting_commit"):
            connection.execute(f"DELETE FROM {table}")
    bench.ledger.await_commit(root, [AcceptedText(offer, "a.py", 20, MARKS)])
    assert bench.rows("*", "awaiting_commit") == []


def test_nothing_is_said_before_the_file_is_committed(bench: Bench, an_offer: MakeOffer, root: Path) -> None:
    accept(bench, an_offer, root)
    (root / "b.py").write_text("another file\n")
    commit(root, bench.now + 50)
    assert check(bench, root) == ([], [None])


@pytest.mark.parametrize(
    ("content", "share"),
    [
        ("def f(a, b):\n    total = a + b\n    return total\n", 1.0),
        ("def f(a, b):\r\n\ttotal = a + b\r\n\treturn total\r\n", 1.0),
        ("def f(a, b):\n    return total\n", 11 / 20),
        ("def f(a, b):\n    pass\n", 0.0),
    ],
)
def test_the_share_is_that_of_the_lines_in_the_commit(
    bench: Bench, an_offer: MakeOffer, root: Path, content: str, share: float
) -> None:
    offer = accept(bench, an_offer, root)
    (root / "a.py").write_bytes(content.encode())
    commit(root, bench.now + 50)
    assert check(bench, root) == ([offer], [pytest.approx(share)])
    assert bench.rows(table="awaiting_commit") == []
    assert check(bench, root) == ([], [pytest.approx(share)])


def test_a_file_that_is_deleted_kept_nothing(bench: Bench, an_offer: MakeOffer, root: Path) -> None:
    offer = accept(bench, an_offer, root)
    (root / "a.py").unlink()
    commit(root, bench.now + 50)
    assert check(bench, root) == ([offer], [0.0])


def test_the_next_session_finds_what_the_last_one_left(bench: Bench, an_offer: MakeOffer, root: Path) -> None:
    offer = accept(bench, an_offer, root, "sub dir/ä.py")
    assert bench.ledger.close()
    (root / "sub dir").mkdir()
    (root / "sub dir" / "ä.py").write_text("    total = a + b\n    return total\n")
    commit(root, bench.now + 50)
    later = Bench(bench.now + 86_400)
    assert check(later, root) == ([offer], [1.0])
    later.ledger.close()


def test_another_branch_with_older_commits_is_no_commit(bench: Bench, an_offer: MakeOffer, root: Path) -> None:
    sh(root, "checkout", "--quiet", "-b", "other")
    (root / "a.py").write_text("something else\n")
    commit(root, bench.now - 500)
    sh(root, "checkout", "--quiet", "main")
    accept(bench, an_offer, root)
    sh(root, "checkout", "--quiet", "other")
    assert check(bench, root) == ([], [None])


def test_the_newest_marks_of_an_offer_count(bench: Bench, an_offer: MakeOffer, root: Path) -> None:
    offer = accept(bench, an_offer, root)
    bench.ledger.await_commit(root, [AcceptedText(offer, "a.py", 20, (LineMark("return total  # sum", 11),))])
    (root / "a.py").write_text("    return total  # sum\n")
    commit(root, bench.now + 50)
    assert check(bench, root) == ([offer], [pytest.approx(11 / 20)])


def test_a_repository_without_a_commit_or_without_git_is_let_pass(
    bench: Bench, an_offer: MakeOffer, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    sh(empty, "init", "--quiet")
    accept(bench, an_offer, empty)
    assert check(bench, empty) == ([], [None])
    assert bench.complaints == []
    gone = tmp_path / "gone"
    accept(bench, an_offer, gone)
    assert check(bench, gone) == ([], [None, None])
    [complaint] = bench.complaints
    assert "there is no directory" in complaint


def test_a_commit_moves_head_and_an_edit_does_not(root: Path, bench: Bench) -> None:
    head = HeadWatch(root)
    (root / "a.py").write_text("changed\n")
    sh(root, "add", "-A")
    assert not head.may_have_moved()
    commit(root, bench.now + 5)
    assert head.may_have_moved()
    assert not head.may_have_moved()


def test_head_is_watched_in_a_linked_working_tree_and_without_a_log(root: Path, bench: Bench, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    sh(root, "worktree", "add", "--quiet", str(linked))
    head = HeadWatch(linked)
    commit(root, bench.now + 5)
    assert not head.may_have_moved()
    commit(linked, bench.now + 5)
    assert head.may_have_moved()
    sh(linked, "config", "core.logAllRefUpdates", "false")
    for log in (root / ".git").rglob("logs/HEAD"):
        log.unlink()
    head = HeadWatch(linked)
    (linked / "a.py").write_text("again\n")
    commit(linked, bench.now + 6)
    assert head.may_have_moved()


def test_a_folder_that_is_no_repository_has_a_head_that_never_moves(tmp_path: Path) -> None:
    assert not HeadWatch(tmp_path).may_have_moved()
