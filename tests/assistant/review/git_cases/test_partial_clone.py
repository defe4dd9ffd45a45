"""In a partial clone most files are with the remote: nothing is fetched for a review of what is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsassist.git import INDEX, Treeish, absent_objects
from dsassist.review.calibration.drawing import drawn_tasks
from dsassist.review.changes import ChangedFile
from dsassist.review.unfinished import GitTree, find_unfinished
from hook_repositories import write_program
from review_repositories import Repository, reviewed

_USED = "from near.one import price\n\n\ndef {name}(n: int) -> int:\n    return price(n) * n\n"
_BOX = """\
class Box:
    def total_price(self):
        return 1

    def twice(self):
        return 2 * self.total_price()
"""
_PRICE = "def price(n: int) -> int:\n    if n < 3:\n        n = 3 * n\n    return n\n"


@pytest.fixture
def clone(empty: Repository, tmp_path: Path) -> Repository:
    """Without the blobs of the folder `far`, which is outside of its sparse checkout."""
    empty.git("config", "uploadpack.allowFilter", "true")
    for path, text in (
        ("near/one.py", _PRICE),
        ("near/two.py", _USED.format(name="two")),
        ("far/three.py", _USED.format(name="three")),
        ("far/four.py", _USED.format(name="four")),
    ):
        empty.stage(path, text)
    empty.commit()
    made = Repository(tmp_path / "clone")
    empty.git("clone", "--quiet", "--filter=blob:none", "--sparse", empty.root.as_uri(), str(made.root))
    made.git("sparse-checkout", "set", "near")
    assert n_absent(made) == 2, "this git made no partial clone"
    return made


def n_absent(repository: Repository) -> int:
    printed = repository.git("rev-list", "--objects", "--all", "--missing=print")
    return sum(line.startswith("?") for line in printed.splitlines())


@pytest.mark.parametrize("is_index", [True, False])
def test_what_is_not_here_is_known_by_its_path_alone(clone: Repository, *, is_index: bool) -> None:
    tree = GitTree(clone.root, INDEX if is_index else Treeish("object", clone.git("rev-parse", "HEAD^{tree}").strip()))
    assert sorted(tree.paths()) == ["far/four.py", "far/three.py", "near/one.py", "near/two.py"]
    assert list(tree.paths_with({"price"})) == ["near/one.py", "near/two.py"]
    assert tree.texts(["far/four.py", "near/one.py"]) == {"near/one.py": _PRICE}
    assert n_absent(clone) == 2


def test_in_another_clone_nothing_is_absent(clone: Repository, empty: Repository) -> None:
    assert absent_objects(INDEX, empty.root) == frozenset()
    assert len(absent_objects(INDEX, clone.root)) == 2


def test_a_commit_is_reviewed_without_the_remote(clone: Repository, empty: Repository) -> None:
    empty.root.rename(empty.root.with_name("gone"))
    clone.stage("near/one.py", _PRICE.replace("price", "cost"))
    files = list(reviewed(clone).files.values())
    found = [(each.path, each.line, each.family) for each in find_unfinished(files, GitTree(clone.root))]
    assert found == [("near/two.py", 1, "stale-name")]


def staged_findings(clone: Repository) -> list[tuple[str, str]]:
    seen = reviewed(clone)
    read = [pending.read() for pending in seen.changes.deleted]
    files = [*seen.files.values(), *(file for file in read if isinstance(file, ChangedFile))]
    return [(each.path, each.family) for each in find_unfinished(files, GitTree(clone.root))]


@pytest.mark.parametrize("is_whole", [True, False])
def test_what_may_be_defined_in_an_absent_file_is_not_told(clone: Repository, *, is_whole: bool) -> None:
    if is_whole:
        clone.git("sparse-checkout", "disable")
    clone.stage("near/box.py", _BOX)
    clone.stage("near/box.go", "package near\n\nfunc totalPriceOf(n int) int {\n\treturn n\n}\n")
    clone.stage("near/use.go", "package near\n\nfunc show() int {\n\treturn totalPriceOf(1)\n}\n")
    clone.commit()
    clone.stage("near/box.py", _BOX.replace("def total", "def whole"))
    clone.stage("near/box.go", "package near\n\nfunc wholePriceOf(n int) int {\n\treturn n\n}\n")
    told = [("near/box.py", "stale-name"), ("near/use.go", "stale-name")]
    assert staged_findings(clone) == (told if is_whole else [])


def test_what_a_squashed_merge_brings_may_be_absent_too(clone: Repository, empty: Repository) -> None:
    empty.git("checkout", "--quiet", "-b", "other")
    empty.commit(more="price = 1\n")
    empty.stage("far/five.py", _USED.format(name="five"))
    empty.commit()
    clone.git("fetch", "--quiet")
    clone.git("merge", "--squash", "--quiet", "origin/other")
    empty.root.rename(empty.root.with_name("gone"))
    assert n_absent(clone) == 3
    tree = GitTree(clone.root)
    assert not tree.is_whole
    assert list(tree.paths_with({"price"})) == ["more.py", "near/one.py", "near/two.py"]


def test_nobody_hears_of_the_index_that_is_searched(clone: Repository, tmp_path: Path) -> None:
    hook = clone.root / ".git" / "hooks" / "post-index-change"
    write_program(hook, f"touch {tmp_path}/heard")
    assert list(GitTree(clone.root).paths_with({"price"})) == ["near/one.py", "near/two.py"]
    assert not (tmp_path / "heard").exists()


@pytest.mark.parametrize(
    ("key", "value", "n_absent"),
    [("remote.origin.promisor", "false", 0), ("extensions.partialClone", "origin", 2)],
)
def test_a_partial_clone_is_one_that_a_remote_promises_the_rest_of(
    clone: Repository, key: str, value: str, n_absent: int
) -> None:
    clone.git("config", "--unset", "remote.origin.promisor")
    clone.git("config", key, value)
    assert len(absent_objects(INDEX, clone.root)) == n_absent


def test_a_calibration_takes_functions_that_are_here(clone: Repository) -> None:
    assert {task.name for task in drawn_tasks(clone.root)} == {"near/one.py: price", "near/two.py: two"}
    assert n_absent(clone) == 2
