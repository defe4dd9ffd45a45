"""What a push brings to the remote: from what git tells the hook, ranges of commits to review.

    localref sha remoteref sha        a line of stdin for each ref; a sha of zeros: deleted here, or new there

The base of a range is the latest commit below the pushed one that the remote is known to have: the old end of the
branch, or where a new or rebased one leaves the remote-tracking branches.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dsassist.git import run_git
from dsassist_runtime.errors import NotDone

__all__ = ["PushedRef", "Range", "base_of", "pushed_refs", "range_of_pre_commit", "ranges"]


@dataclass(frozen=True)
class PushedRef:
    """A line of the hook's stdin; an id is None where git has zeros: `local_id` for a deletion, `remote_id` if new."""

    local_ref: str
    local_id: str | None
    remote_ref: str
    remote_id: str | None


@dataclass(frozen=True)
class Range:
    """The commits of `end` that are not in `base`."""

    base: str
    end: str

    @property
    def text(self) -> str:
        """As `dsassist review --range` takes it."""
        return f"{self.base}..{self.end}"


def pushed_refs(stdin: bytes) -> list[PushedRef]:
    """The refs in what git writes to the hook; `NotDone` for anything else."""
    refs = []
    for line in stdin.splitlines():
        # A local ref may be any expression (`git push origin 'HEAD@{1 day ago}:main'`), so blanks count from the right.
        parts = os.fsdecode(line).rsplit(" ", 3)
        if len(parts) != 4:
            raise NotDone(f"a line of git's does not read `localref sha remoteref sha`: {os.fsdecode(line)!r}")
        local_ref, local_id, remote_ref, remote_id = parts
        refs.append(PushedRef(local_ref, _present(local_id), remote_ref, _present(remote_id)))
    return refs


def range_of_pre_commit(environ: Mapping[str, str]) -> Range | None:
    """What pre-commit says is pushed: it has read git's stdin itself."""
    base, end = environ.get("PRE_COMMIT_FROM_REF", ""), environ.get("PRE_COMMIT_TO_REF", "")
    return Range(base, end) if base and end else None


def ranges(refs: list[PushedRef], remote: str, cwd: Path) -> tuple[list[Range], list[str]]:
    """The ranges to review, each once, and the refs for which there is nothing to compare with: a first push."""
    found: dict[Range, None] = {}
    without_base = []
    for ref in refs:
        end = _commit(ref.local_id, cwd) if ref.local_id is not None else None
        if end is None:  # a deletion, or a tag of something else than a commit
            continue
        known = _known(ref, remote, cwd)
        if not run_git(["rev-list", "--max-count=1", end, "--not", *known], cwd).strip():
            continue
        base = base_of(end, known, cwd)
        if base is None:
            without_base.append(ref.local_ref)
        else:
            found[Range(base, end)] = None
    return list(found), without_base


def base_of(end: str, known: list[str], cwd: Path) -> str | None:
    """The commit below `end` in `known` (revisions, or `--remotes`) that leaves the fewest commits; None without one.

        o---o---M1---M2          known
                 \\     \\
                  a--b--c--end    the base is M2: from M1 on the range would hold what came with M2, too
    """
    printed = run_git(["rev-list", "--boundary", end, "--not", *known], cwd).decode("ascii")
    boundary = [line[1:] for line in printed.split() if line.startswith("-")]
    return min(boundary, key=lambda base: _count(base, end, cwd), default=None)


def _present(object_id: str) -> str | None:
    return None if set(object_id) == {"0"} else object_id


def _known(ref: PushedRef, remote: str, cwd: Path) -> list[str]:
    """Revisions that the remote has, as far as it is known here."""
    tracking = run_git(["for-each-ref", "--count=1", "--format=x", f"refs/remotes/{remote}/"], cwd)
    # A remote that is given by its address has no tracking branches; another one's are the next best guess.
    known = [f"--remotes={remote}" if tracking and remote else "--remotes"]
    # After somebody else's forced push the old end may not be here.
    if ref.remote_id is not None and (old := _commit(ref.remote_id, cwd)) is not None:
        known.append(old)
    return known


def _commit(object_id: str, cwd: Path) -> str | None:
    """The commit that an object is, or that a tag leads to."""
    question = ["rev-parse", "--quiet", "--verify", f"{object_id}^{{commit}}"]
    return run_git(question, cwd, accept=(0, 1, 128)).decode("ascii").strip() or None


def _count(base: str, end: str, cwd: Path) -> int:
    return int(run_git(["rev-list", "--count", f"{base}..{end}"], cwd))
