"""In a partial clone most files are with the remote: nothing is fetched for a review of what is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsassist.git import INDEX, Treeish, absent_objects
from dsassist.review.calibration.drawing import drawn_tasks
from dsassist.review.unfinished import GitTree, find_unfinished
from review_repositories import Repository, reviewed

_USED = "from near.one import price\n\n\ndef {name}(n: int) -> int:\n    return price(n) * n\n"
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


def test_a_calibration_takes_functions_that_are_here(clone: Repository) -> None:
    assert {task.name for task in drawn_tasks(clone.root)} == {"near/one.py: price", "near/two.py: two"}
    assert n_absent(clone) == 2
