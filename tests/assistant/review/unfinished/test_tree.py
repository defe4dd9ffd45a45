"""The files around a change, in real repositories."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsassist.git import INDEX, WORKING_TREE, Treeish
from dsassist.review.changes import ChangedFile
from dsassist.review.source import Source
from dsassist.review.unfinished.tree import GitTree, Overlay
from hook_repositories import git


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One commit, and in the index one word more."""
    git("init", "-q", cwd=tmp_path)
    (tmp_path / "a b.py").write_text("price = 1\n")
    (tmp_path / "data.bin").write_bytes(b"price\0")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.py").write_text("prices = 2\n")
    git("add", ".", cwd=tmp_path)
    git("commit", "-q", "-m", "first", cwd=tmp_path)
    (tmp_path / "sub" / "c.py").write_text("price = 2\n")
    git("add", ".", cwd=tmp_path)
    (tmp_path / "a b.py").write_text("only on disk\n")
    return tmp_path


def test_the_index_and_a_commit_are_told_apart(root: Path) -> None:
    head = Treeish("object", git("rev-parse", "HEAD", cwd=root).stdout.strip())
    for tree, paths in ((INDEX, ["a b.py", "sub/c.py"]), (head, ["a b.py"])):
        found = GitTree(root, tree)
        assert sorted(found.paths()) == ["a b.py", "data.bin", "sub/c.py"]
        assert list(found.paths_with({"price"})) == paths
        assert dict(found.texts(["a b.py", "data.bin", "gone.py"])) == {"a b.py": "price = 1\n"}


def test_of_the_working_tree_there_is_none(root: Path) -> None:
    with pytest.raises(ValueError, match="working tree"):
        GitTree(root, WORKING_TREE)


def test_changed_files_lie_over_the_tree_and_deleted_ones_are_not_in_it(root: Path) -> None:
    new = ChangedFile("a b.py", Source("cost = 1\n"), frozenset({1}), "price = 1\n", "python")
    gone = ChangedFile("sub/c.py", Source(""), frozenset(), "price = 2\n", "python")
    overlay = Overlay([new, gone], GitTree(root))
    assert overlay.paths == {"a b.py", "data.bin"}
    assert overlay.texts_with({"price"}) == {}
    assert overlay.texts_with({"cost"}) == {"a b.py": "cost = 1\n"}
