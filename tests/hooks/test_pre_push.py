"""What is reviewed before a push, and what stops one: real pushes to a real remote."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from dsassist.cli import main
from dsassist_hooks.pushed import Range, pushed_refs, range_of_pre_commit, ranges
from dsassist_runtime.errors import NotDone
from hook_repositories import git, write_program

REVIEW = """
import json
import os
from dsassist.command import Command
from dsassist.commands.review import COMMAND as OURS
from dsassist.options import flags_from
from dsassist_runtime.errors import NotDone


def run(args):
    level = flags_from(args).get("review.fail_level")
    with open(os.environ["REVIEWS"], "a") as file:
        file.write(json.dumps([args.range, f"{args.deadline:g}", level, args.instruct]) + "\\n")
    if os.environ["ENDS"] == "model":
        raise NotDone("the model is not here")
    return int(os.environ["ENDS"])


COMMAND = Command("review", OURS.add_arguments, run)
"""


class Shop:
    """A repository with a remote `origin` that has its first commit; `seen` keeps what git told the hook."""

    def __init__(self, folder: Path) -> None:
        self.root, self.remote, self.seen = folder / "shop", folder / "remote.git", folder / "seen"
        git("init", "-q", "--bare", str(self.remote), cwd=folder)
        git("init", "-q", str(self.root), cwd=folder)
        self.commit("first")
        self("remote", "add", "origin", str(self.remote))
        self("push", "-q", "origin", "main")
        write_program(self.root / ".git" / "hooks" / "pre-push", f'echo "$1" > {self.seen}; cat >> {self.seen}')

    def __call__(self, *arguments: str) -> str:
        return git(*arguments, cwd=self.root).stdout.strip()

    def commit(self, name: str) -> str:
        (self.root / name).write_text(f"{name}\n")
        self("add", ".")
        self("commit", "-q", "-m", name)
        return self("rev-parse", "HEAD")

    def pushed(self, *arguments: str, remote: str = "origin") -> tuple[list[Range], list[str]]:
        """What is to be reviewed of this push, which is then made."""
        self.seen.unlink(missing_ok=True)
        git("push", "-q", "--dry-run", remote, *arguments, cwd=self.root)
        name, _, stdin = self.seen.read_bytes().partition(b"\n")
        found = ranges(pushed_refs(stdin), name.decode(), self.root)
        git("push", "-q", "--no-verify", remote, *arguments, cwd=self.root)
        return found


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop(tmp_path)
    monkeypatch.chdir(shop.root)
    return shop


# -- the range


def test_a_branch_is_reviewed_from_its_old_end(shop: Shop) -> None:
    base = shop("rev-parse", "HEAD")
    shop.commit("second")
    end = shop.commit("third")
    assert shop.pushed("main") == ([Range(base, end)], [])
    assert shop.pushed("main", "--force", "main:other")[0] == [], "the remote has it all"


def test_a_new_branch_is_reviewed_from_where_it_leaves_the_remote(shop: Shop) -> None:
    base = shop.commit("second")
    shop("push", "-q", "--no-verify", "origin", "main")
    shop("checkout", "-q", "-b", "feature")
    shop.commit("third")
    end = shop.commit("fourth")
    assert shop.pushed("feature") == ([Range(base, end)], [])


def test_what_was_merged_from_the_remote_is_not_reviewed_again(shop: Shop) -> None:
    shop("checkout", "-q", "-b", "feature")
    shop.commit("mine")
    shop("checkout", "-q", "main")
    theirs = shop.commit("theirs")
    shop("push", "-q", "--no-verify", "origin", "main")
    shop("checkout", "-q", "feature")
    shop("merge", "-q", "--no-edit", "main")
    end = shop.commit("more of mine")
    assert shop.pushed("feature") == ([Range(theirs, end)], [])


def test_a_rebased_branch_is_reviewed_from_its_new_base(shop: Shop) -> None:
    shop("checkout", "-q", "-b", "feature")
    shop.commit("mine")
    shop("push", "-q", "--no-verify", "origin", "feature")
    shop("checkout", "-q", "main")
    base = shop.commit("theirs")
    shop("push", "-q", "--no-verify", "origin", "main")
    shop("checkout", "-q", "feature")
    shop("rebase", "-q", "main")
    end = shop("rev-parse", "HEAD")
    assert shop.pushed("--force", "feature") == ([Range(base, end)], [])


def test_deleted_refs_and_tags_of_known_commits_are_nothing_to_review(shop: Shop) -> None:
    shop("push", "-q", "--no-verify", "origin", "main:other")
    shop("tag", "-a", "-m", "one", "v1")
    shop("tag", "blob", shop("rev-parse", "HEAD:first"))
    assert shop.pushed("v1", "blob", ":other") == ([], [])


def test_a_tag_of_a_new_commit_is_reviewed_once(shop: Shop) -> None:
    base = shop("rev-parse", "HEAD")
    end = shop.commit("second")
    shop("tag", "-a", "-m", "one", "v1")
    assert shop.pushed("main", "v1") == ([Range(base, end)], [])


def test_a_first_push_has_nothing_to_compare_with(tmp_path: Path, shop: Shop) -> None:
    shop("checkout", "-q", "--orphan", "alone")
    shop.commit("second")
    assert shop.pushed("alone") == ([], ["refs/heads/alone"])


def test_a_remote_that_is_given_by_its_address_is_compared_with_those_that_are_known(shop: Shop) -> None:
    base = shop("rev-parse", "HEAD")
    end = shop.commit("second")
    assert shop.pushed("main:new", remote=str(shop.remote)) == ([Range(base, end)], [])


def test_an_old_end_that_is_not_here_does_no_harm(shop: Shop) -> None:
    base = shop("rev-parse", "HEAD")
    end = shop.commit("second")
    line = f"refs/heads/main {end} refs/heads/main {'12' * 20}\n"
    assert ranges(pushed_refs(line.encode()), "origin", shop.root) == ([Range(base, end)], [])


def test_what_git_does_not_write_is_told() -> None:
    with pytest.raises(NotDone, match="does not read"):
        pushed_refs(b"nonsense\n")
    assert [ref.local_ref for ref in pushed_refs(b"HEAD@{1 day ago} 12 refs/heads/a 00\n")] == ["HEAD@{1 day ago}"]


def test_precommit_s_variables_are_a_range() -> None:
    assert range_of_pre_commit({"PRE_COMMIT_FROM_REF": "a", "PRE_COMMIT_TO_REF": "b"}) == Range("a", "b")
    assert range_of_pre_commit({"PRE_COMMIT_FROM_REF": "a"}) is None


# -- the hook, with a reviewer that ends as it is told to


@pytest.fixture
def reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the reviewer writes what it was asked; a distribution of its own that is found before ours."""
    metadata = tmp_path / "site" / "a_reviewer-1.0.dist-info"
    metadata.mkdir(parents=True)
    (tmp_path / "site" / "dsassist_push_plugin.py").write_text(REVIEW)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: a-reviewer\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[dsassist.commands]\nreview = dsassist_push_plugin:COMMAND\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("REVIEWS", str(tmp_path / "reviews"))
    monkeypatch.setenv("ENDS", "0")
    return tmp_path / "reviews"


def push(monkeypatch: pytest.MonkeyPatch, stdin: str, *arguments: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
    return main(["hook", "pre-push", "origin", "an-address", *arguments])


@pytest.fixture
def line(shop: Shop) -> str:
    """Git's line for a push of one more commit."""
    base = shop("rev-parse", "HEAD")
    return f"refs/heads/main {shop.commit('second')} refs/heads/main {base}\n"


@pytest.mark.parametrize(
    ("ends", "code", "strict_code", "said"),
    [
        ("0", 0, 0, ""),
        ("1", 1, 1, ""),
        ("130", 130, 130, ""),
        ("model", 0, 3, "dsassist: not reviewed: the model is not here; the push"),
    ],
)
def test_the_review_decides_and_without_one_the_push_goes_on(
    reviews: Path, line: str, ends: str, code: int, strict_code: int, said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("ENDS", ends)
    assert push(monkeypatch, line) == code
    assert push(monkeypatch, line, "--strict") == strict_code
    printed = capsys.readouterr().err.splitlines()
    assert printed == ([f"{said} goes on (--strict stops it)", f"{said} is stopped (strict)"] if said else [])


def test_the_review_gets_the_range_more_time_and_what_was_given(
    reviews: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, end, _, base = line.split()
    assert push(monkeypatch, line, "--fail-level", "never") == 0
    assert push(monkeypatch, line, "--deadline", "7") == 0
    assert reviews.read_text() == (
        f'["{base}..{end}", "120", "never", false]\n["{base}..{end}", "7", null, false]\n'
    )  # fmt: skip


@pytest.mark.parametrize(("where", "asked"), [("[hook]\npush_instruct = true\n", "true"), ("", "false")])
def test_the_instruct_model_is_asked_where_the_configuration_says_so(
    reviews: Path, shop: Shop, line: str, where: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop.root / "dsassist.toml").write_text(where)
    assert push(monkeypatch, line) == 0
    assert reviews.read_text().endswith(f'"120", null, {asked}]\n')
    monkeypatch.setenv("DSASSIST_HOOK_PUSH_INSTRUCT", "true")
    assert push(monkeypatch, line) == 0
    assert reviews.read_text().endswith('"120", null, true]\n')


def test_what_is_given_by_hand_of_the_instruct_model_wins(
    reviews: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSASSIST_HOOK_PUSH_INSTRUCT", "true")
    assert push(monkeypatch, line, "--no-instruct") == 0
    assert reviews.read_text().endswith('"120", null, false]\n')
    monkeypatch.setenv("DSASSIST_HOOK_PUSH_INSTRUCT", "false")
    assert push(monkeypatch, line, "--instruct") == 0
    assert reviews.read_text().endswith('"120", null, true]\n')


def test_one_range_with_findings_stops_the_whole_push(
    reviews: Path, shop: Shop, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENDS", "1")
    other = shop.commit("third")
    assert push(monkeypatch, f"{line}refs/heads/b {other} refs/heads/b {'0' * 40}\n") == 1
    assert len(reviews.read_text().splitlines()) == 2


def test_what_cannot_be_read_lets_the_push_go_on(
    reviews: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(monkeypatch, "nonsense\n") == 0
    assert capsys.readouterr().err.startswith("dsassist: not reviewed: a line of git's does not read")
    assert push(monkeypatch, "nonsense\n", "--strict") == 3
    assert push(monkeypatch, "", "--strict=x") == 0
    assert not reviews.exists()


@pytest.mark.parametrize(("name", "value"), [("SKIP", "dsassist-review-push"), ("DSASSIST_SKIP", "1")])
def test_a_push_may_skip_the_review(
    reviews: Path, line: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert push(monkeypatch, line) == 0
    assert not reviews.exists()


def test_the_skip_of_another_hook_is_not_this_ones(reviews: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKIP", "dsassist-review")
    assert push(monkeypatch, line) == 0
    assert reviews.exists()


def test_a_first_push_is_told_and_goes_on(
    reviews: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop("checkout", "-q", "--orphan", "alone")
    end = shop.commit("second")
    assert push(monkeypatch, f"refs/heads/alone {end} refs/heads/alone {'0' * 40}\n", "--strict") == 0
    said = "refs/heads/alone not reviewed: the remote has nothing yet to compare with"
    assert capsys.readouterr().err == f"dsassist: {said}\n"
    Path("dsassist.toml").write_text("[review]\nenabled = false\n")
    assert push(monkeypatch, f"refs/heads/alone {end} refs/heads/alone {'0' * 40}\n", "--strict") == 0
    assert capsys.readouterr().err == "", "where there is no review, nothing is left out of one"


# -- through git


def test_an_installed_hook_stops_a_push_with_findings_and_calls_the_one_before(
    reviews: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["hook", "install", "--pre-push"]) == 0
    base, end = shop("rev-parse", "HEAD"), ""
    monkeypatch.setenv("DSASSIST_SKIP", "1")
    end = shop.commit("second")
    monkeypatch.delenv("DSASSIST_SKIP")
    monkeypatch.setenv("ENDS", "1")
    stopped = git("push", "-q", "origin", "main", cwd=shop.root, check=False)
    assert stopped.returncode != 0
    assert git("rev-parse", "main", cwd=shop.remote).stdout.strip() == base
    told = f"origin\nrefs/heads/main {end} refs/heads/main {base}\n"
    assert shop.seen.read_text() == told, "the hook that was there before reads, too"
    monkeypatch.setenv("ENDS", "model")
    passed = git("push", "-q", "origin", "main", cwd=shop.root, check=False)
    assert passed.returncode == 0
    assert "the model is not here; the push goes on" in passed.stderr
    assert reviews.read_text().splitlines() == [f'["{base}..{end}", "120", null, false]'] * 2


@pytest.mark.slow
def test_the_review_of_a_range_stops_a_push(shop: Shop, server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git("rm", "-q", "first", cwd=shop.root)
    (shop.root / "a.py").write_text(
        "def resize(self, width, height):\n    breakpoint()\n    self.width = width\n    return width * height\n"
    )
    shop.commit("a function")
    assert main(["hook", "install", "--pre-push", "--strict"]) == 0
    monkeypatch.setenv("DSASSIST_HOOK_PUSH_DEADLINE_S", "170")
    stopped = git("push", "-q", "origin", "main", cwd=shop.root, check=False)
    assert stopped.returncode != 0
    assert stopped.stdout.startswith("a.py:2:")
    monkeypatch.setenv("DSASSIST_REVIEW_FAIL_LEVEL", "never")
    passed = git("push", "-q", "origin", "main", cwd=shop.root, check=False)
    assert passed.returncode == 0, passed.stderr
    assert passed.stdout == stopped.stdout
