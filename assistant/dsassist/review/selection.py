"""Which change is reviewed: an old and a new state of a repository's files, and the entries in which they differ.

Only git's lists are read here, no content, so that a hook that has nothing to look at takes no time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from dsassist import git
from dsassist_runtime.errors import DsassistError

__all__ = ["Selection", "commit", "narrowed", "path_in", "revision_range", "since_base", "staged"]

# What git has stopped at, by what it leaves there; a rebase may leave a second one, of the commit that it picks.
_UNDER_WAY = {"REBASE_HEAD": "rebase", "CHERRY_PICK_HEAD": "cherry-pick", "REVERT_HEAD": "revert"}
_SHORT_ID = 7


@dataclass(frozen=True)
class Selection:
    """The entries in which the files of `tree` differ from those of `base`, a commit's id, or None before the first.

    A merge has only the entries that differ from each of its parents: what one of them brings was reviewed with it.
    `entries` compares with the first parent; `other_entries` has the same paths compared with each other parent.
    `state` names the content of `tree`. `within` says what git is doing where that is no plain commit: "a merge",
    "a cherry-pick of 1a2b3c4".
    """

    cwd: Path
    tree: git.Treeish
    base: str | None
    entries: tuple[git.ChangedEntry, ...]
    other_entries: tuple[dict[bytes, git.ChangedEntry], ...] = ()
    state: str = ""
    within: str = ""

    @property
    def is_staged(self) -> bool:
        """Whether this is what the next commit would change."""
        return self.tree == git.INDEX

    @cached_property
    def root(self) -> Path:
        """The top of the working tree; paths of entries count from there."""
        return git.repository_root(self.cwd)


def staged(cwd: Path) -> Selection:
    """What the next commit would change: the index against HEAD, or against no files before the first commit."""
    found = git.object_ids([f"{name}^{{commit}}" for name in ("HEAD", "MERGE_HEAD", *_UNDER_WAY)], cwd)
    head = found["HEAD^{commit}"][0] if "HEAD^{commit}" in found else None
    is_merge = "MERGE_HEAD^{commit}" in found or any(name.startswith("GITHEAD_") for name in os.environ)
    parents = [head or git.empty_tree(cwd), *(git.merge_heads(cwd) if is_merge else ())]
    first, *others = ([*git.entries_of_index(parent, cwd)] for parent in parents)
    within = "a merge" if is_merge else _under_way(found, cwd)
    return replace(_selection(cwd, git.INDEX, head, first, others), within=within)


def commit(cwd: Path, name: str) -> Selection:
    """What a commit changed against its parent, and a merge against each of its parents."""
    new = _commit_id(name, cwd)
    parents = git.parents_of(new, cwd)
    if len(git.object_ids(parents, cwd)) < len(parents):
        raise DsassistError(f"the parent of {name!r} is not in this shallow clone; `git fetch --deepen=1` gets it")
    olds = parents or [git.empty_tree(cwd)]
    first, *others = (git.entries_between(old, new, cwd) for old in olds)
    return _selection(cwd, git.Treeish("object", new), parents[0] if parents else None, first, others)


def revision_range(cwd: Path, text: str) -> Selection:
    """What changed from A to B of `A..B`, or to B since it and A parted of `A...B`; a side left out is HEAD."""
    for dots in ("...", ".."):
        if dots in text:
            old, _, new = text.partition(dots)
            break
    else:
        raise DsassistError(f"{text!r} is no range of commits: write A..B, or --commit {text}")
    old_id, new_id = _commit_id(old or "HEAD", cwd), _commit_id(new or "HEAD", cwd)
    if dots == "...":
        old_id = _merge_base(old or "HEAD", old_id, new or "HEAD", new_id, cwd)
    return _between(cwd, old_id, new_id)


def since_base(cwd: Path, branch: str) -> Selection:
    """What the commits up to HEAD changed since they left another branch."""
    old, new = _commit_id(branch, cwd), _commit_id("HEAD", cwd)
    return _between(cwd, _merge_base(branch, old, "HEAD", new, cwd), new)


def narrowed(selection: Selection, paths: Sequence[str]) -> Selection:
    """The part of a selection that lies at or below some paths, which count from the working directory."""
    wanted = [os.fsencode(path_in(selection.root, Path(path))) for path in paths]
    return replace(selection, entries=tuple(entry for entry in selection.entries if _is_within(entry.path, wanted)))


def path_in(root: Path, path: Path) -> str:
    """A path as it stands in its repository; one that lies elsewhere whole. The file itself may be a link."""
    real = Path(os.path.realpath(path.parent)) / path.name if path.name not in ("", "..") else path.resolve()
    below = git.below_root(Path(os.path.realpath(root)), real)
    return str(real) if below is None else below


def _under_way(found: Mapping[str, tuple[str, str]], cwd: Path) -> str:
    for name, what in _UNDER_WAY.items():
        named = found.get(f"{name}^{{commit}}")
        if named is not None and (what != "rebase" or git.is_rebasing(cwd)):
            return f"a {what} of {named[0][:_SHORT_ID]}"
    return ""


def _is_within(path: bytes, folders: Iterable[bytes]) -> bool:
    return any(folder == b"." or path == folder or path.startswith(folder + b"/") for folder in folders)


def _between(cwd: Path, old: str, new: str) -> Selection:
    return _selection(cwd, git.Treeish("object", new), old, git.entries_between(old, new, cwd), [])


def _selection(
    cwd: Path,
    tree: git.Treeish,
    base: str | None,
    entries: Sequence[git.ChangedEntry],
    others: Iterable[Iterable[git.ChangedEntry]],
) -> Selection:
    by_path = tuple({entry.path: entry for entry in each} for each in others)
    own = tuple(entry for entry in entries if all(entry.path in each for each in by_path))
    return Selection(cwd, tree, base, own, by_path, tree.id or _state_of_index(base, entries))


def _state_of_index(base: str | None, entries: Iterable[git.ChangedEntry]) -> str:
    """The index has no id without being written as a tree; what it was made of stands for it.

    What was only announced (`git add -N`) is not told by it.
    """
    told = (f"{entry.status} {entry.new_mode} {entry.new_id} {entry.path!r} {entry.old_path!r}" for entry in entries)
    return hashlib.sha256("\n".join([base or "", *told]).encode("ascii")).hexdigest()


def _commit_id(name: str, cwd: Path) -> str:
    found = git.object_ids([name], cwd).get(name)
    if found is not None and found[1] == "tag":
        found = git.object_ids([f"{found[0]}^{{commit}}"], cwd).get(f"{found[0]}^{{commit}}")
    if found is None:
        raise DsassistError(f"there is no commit {name!r} in {cwd}; `git log --oneline --all` lists what there is")
    if found[1] != "commit":
        raise DsassistError(f"{name!r} is a {found[1]}, not a commit")
    return found[0]


def _merge_base(one: str, one_id: str, other: str, other_id: str, cwd: Path) -> str:
    if (base := git.merge_base(one_id, other_id, cwd)) is None:
        raise DsassistError(
            f"{one!r} and {other!r} have no commit in common; in a shallow clone `git fetch --unshallow` gets the rest"
        )
    return base
