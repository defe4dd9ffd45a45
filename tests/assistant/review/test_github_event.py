"""The range of commits of a GitHub Actions job, from its event and a real repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dsassist.git import run_git
from dsassist.review.github_event import event_range
from dsassist_runtime.errors import DsassistError, NotDone
from hook_repositories import git

ZEROS = "0" * 40


class Checkout:
    """What actions/checkout leaves: two commits, and the remote's branches."""

    def __init__(self, root: Path) -> None:
        self.root = root
        git("init", "-q", cwd=root)
        self.base, self.head = self.commit("one"), self.commit("two")
        git("update-ref", "refs/remotes/origin/main", self.base, cwd=root)
        git("update-ref", "refs/remotes/origin/release/1.x", self.base, cwd=root)

    def commit(self, subject: str) -> str:
        git("commit", "-q", "--allow-empty", "-m", subject, cwd=self.root)
        return git("rev-parse", "HEAD", cwd=self.root).stdout.strip()

    def range(self, name: str, event: Any, **variables: str) -> str:
        path = self.root / ".git" / "event.json"
        path.write_text(event if isinstance(event, str) else json.dumps(event))
        environ = {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path), **variables}
        return event_range(self.root, environ).text


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def pull_request(base: str, head: str) -> dict[str, Any]:
    return {"pull_request": {"title": "$(evil)", "base": {"sha": base}, "head": {"sha": head, "ref": "$(evil)"}}}


def test_a_pull_request_goes_from_where_it_left_its_base(checkout: Checkout) -> None:
    event = pull_request(checkout.base, checkout.head)
    assert checkout.range("pull_request", event) == f"{checkout.base}...{checkout.head}"


def test_the_base_branch_stands_in_for_an_id_that_is_missing(checkout: Checkout) -> None:
    found = checkout.range("pull_request", {}, GITHUB_BASE_REF="release/1.x")
    assert found == "refs/remotes/origin/release/1.x...HEAD"
    assert run_git(["rev-list", "--count", found], checkout.root) == b"1\n"


def test_a_push_goes_from_the_old_end_to_the_new_one(checkout: Checkout) -> None:
    event: dict[str, Any] = {"before": checkout.base, "after": checkout.head}
    assert checkout.range("push", event) == f"{checkout.base}..{checkout.head}"
    assert checkout.range("push", {**event, "forced": True}) == f"{checkout.base}...{checkout.head}"


def test_a_new_branch_is_compared_with_the_default_one(checkout: Checkout) -> None:
    event = {"before": ZEROS, "after": checkout.head, "repository": {"default_branch": "main"}}
    assert checkout.range("push", event) == f"refs/remotes/origin/main...{checkout.head}"


def test_a_merge_queue_has_a_range(checkout: Checkout) -> None:
    event = {"merge_group": {"base_sha": checkout.base, "head_sha": checkout.head}}
    assert checkout.range("merge_group", event) == f"{checkout.base}...{checkout.head}"


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("schedule", {}),
        ("", {}),
        ("push", {"before": "1" * 40, "after": ZEROS}),
        ("push", {"before": ZEROS, "after": "HEAD_ID", "repository": {"default_branch": "--output=x"}}),
        ("pull_request", {"pull_request": {"base": {"sha": "--output=x"}}}),
        ("pull_request", {"pull_request": ["no", "object"]}),
    ],
)
def test_an_event_without_commits_is_told(checkout: Checkout, name: str, event: dict[str, Any]) -> None:
    text = json.dumps(event).replace("HEAD_ID", checkout.head)
    with pytest.raises(DsassistError, match=f"the event '{name}' is about no commits"):
        checkout.range(name, text)


def test_commits_that_a_shallow_clone_lacks_are_told_with_the_remedy(checkout: Checkout) -> None:
    with pytest.raises(NotDone, match=r"^1{40} is not in this clone; .*fetch-depth: 0"):
        checkout.range("pull_request", pull_request("1" * 40, checkout.head))


@pytest.mark.parametrize(("text", "said"), [("{", "is no JSON"), ("[]", "holds no event"), ("\xff", "is no JSON")])
def test_a_file_that_is_no_event_is_told(checkout: Checkout, text: str, said: str) -> None:
    with pytest.raises(DsassistError, match=said):
        checkout.range("push", text)


def test_outside_of_a_job_is_told(tmp_path: Path) -> None:
    with pytest.raises(DsassistError, match=r"GITHUB_EVENT_PATH is not set; .*--range A\.\.B"):
        event_range(tmp_path, {"GITHUB_EVENT_NAME": "push"})
    with pytest.raises(DsassistError, match="cannot read /nowhere: no such file"):
        event_range(tmp_path, {"GITHUB_EVENT_PATH": "/nowhere"})
