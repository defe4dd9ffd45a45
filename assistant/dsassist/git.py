"""The one door to git: plumbing commands in a fixed environment, bytes in and bytes out.

Only the index and the object store are read; the working tree is never looked at, let alone touched. What git hands
to a hook (`GIT_DIR`, `GIT_INDEX_FILE`: `commit -a` and `commit PATH` use an index of their own) is inherited on
purpose, and every command runs in the directory that the caller names, because those variables may be relative to it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsassist_runtime.errors import DsassistError, NotDone

__all__ = [
    "GitError",
    "NotARepository",
    "StagedEntry",
    "blob_sizes",
    "read_blobs",
    "repository_root",
    "run_git",
    "staged_entries",
]

# Variables by which a user's shell would change what plumbing prints, or make it ask.
_UNWANTED = ("GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_PREFIX")
_FIXED = {
    "LC_ALL": "C",  # messages are read below
    "GIT_OPTIONAL_LOCKS": "0",  # never take index.lock: the editor and the user work in the same repository
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
}


class GitError(NotDone):
    """Git could not do what was asked."""


class NotARepository(DsassistError):
    """The directory lies in no git repository."""


@dataclass(frozen=True)
class StagedEntry:
    """One line of `git diff-index --cached --raw`: how the index differs from HEAD at a path.

    `status` is git's letter (A, M, D, R, T, U ...) without the score; modes are octal strings such as "100644"; paths
    are relative to the repository's root, in the bytes that git keeps.
    """

    status: str
    old_mode: str
    new_mode: str
    old_id: str
    new_id: str
    path: bytes
    old_path: bytes


def run_git(arguments: Sequence[str], cwd: Path, *, stdin: bytes = b"", accept: Sequence[int] = (0,)) -> bytes:
    """What git prints; `NotARepository` or `GitError` when its exit status is not among `accept`."""
    done = _start(arguments, cwd, stdin)
    if done.returncode in accept:
        return done.stdout
    message = done.stderr.decode("utf-8", "replace").strip()
    if "not a git repository" in message:
        raise NotARepository(f"{cwd} is not inside a git repository; name the files to review, or run `git init`")
    raise GitError(f"git {arguments[0]} failed in {cwd}: {_reason(message) or f'exit status {done.returncode}'}")


def _reason(message: str) -> str:
    """Git's own reason without what it adds for colour: the line after `fatal:`, else the last one."""
    lines = message.splitlines()
    fatal = [line.removeprefix("fatal: ") for line in lines if line.startswith("fatal: ")]
    return (fatal or lines[-1:] or [""])[0]


def _start(arguments: Sequence[str], cwd: Path, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in _UNWANTED} | _FIXED
    if not cwd.is_dir():  # else Popen's FileNotFoundError could mean either
        raise GitError(f"there is no directory {cwd}")
    try:
        return subprocess.run(
            ["git", "--no-pager", *arguments], cwd=cwd, env=environment, input=stdin, capture_output=True, check=False
        )
    except FileNotFoundError as error:
        raise GitError("git is not on the PATH; install git, or name the files to review") from error
    except OSError as error:
        raise GitError(f"git cannot be started: {error.strerror or error}") from error


def repository_root(cwd: Path) -> Path:
    """The top of the working tree that `cwd` lies in."""
    printed = run_git(["rev-parse", "--show-toplevel"], cwd)
    # Only the line end is git's: a directory's name may end in a blank.
    return Path(os.fsdecode(printed.removesuffix(b"\n")))


def staged_entries(cwd: Path) -> list[StagedEntry]:
    """The entries in which the index differs from HEAD, or from the empty tree before the first commit.

    Renames are found (-M). A path that was only announced (`git add -N`) is not staged and not listed.
    """
    head = run_git(["rev-parse", "--quiet", "--verify", "HEAD^{commit}"], cwd, accept=(0, 1))
    # The empty tree's name is asked for, as it depends on the repository's hash (SHA-1 or SHA-256).
    tree = head or run_git(["hash-object", "-t", "tree", "--stdin"], cwd)
    options = ["--cached", "--raw", "-z", "-M", "--no-abbrev", "--no-relative", "--ita-invisible-in-index"]
    return _parse_raw(run_git(["diff-index", *options, tree.decode().strip(), "--"], cwd))


def _parse_raw(printed: bytes) -> list[StagedEntry]:
    """Read `:100644 100644 old new M NUL path NUL`, where renames and copies have two paths."""
    entries = []
    fields = iter(printed.split(b"\0")[:-1])
    for field in fields:
        old_mode, new_mode, old_id, new_id, status = field[1:].decode("ascii").split(" ")
        old_path = path = next(fields)
        if status[0] in "RC":
            path = next(fields)
        entries.append(StagedEntry(status[0], old_mode, new_mode, old_id, new_id, path, old_path))
    return entries


def blob_sizes(ids: Iterable[str], cwd: Path) -> dict[str, int]:
    """Bytes of each blob, so that a huge one need not be read to be left out."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    sizes = {}
    for line in run_git(["cat-file", "--batch-check"], cwd, stdin=_lines(wanted)).decode("ascii").splitlines():
        name, kind, *rest = line.split(" ")
        if not rest:
            raise GitError(f"object {name} is {kind} in {cwd}; run `git fsck`")
        sizes[name] = int(rest[0])
    return sizes


def read_blobs(ids: Iterable[str], cwd: Path) -> dict[str, bytes]:
    """The content of each blob, all by one `git cat-file --batch`."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    printed = run_git(["cat-file", "--batch"], cwd, stdin=_lines(wanted))
    blobs, place = {}, 0
    for name in wanted:
        line_end = printed.index(b"\n", place)
        header = printed[place:line_end].decode("ascii").split(" ")
        if len(header) != 3:
            raise GitError(f"object {name} is missing in {cwd}; run `git fsck`")
        start = line_end + 1
        place = start + int(header[2]) + 1  # git ends each content with a line feed of its own
        blobs[name] = printed[start : place - 1]
    return blobs


def _lines(ids: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in ids).encode("ascii")
