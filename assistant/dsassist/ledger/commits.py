"""Which accepted texts are in a commit: HEAD is watched by its files' times, and git is asked when they change.

The ledger stores no text. An accepted text is known again in a commit by marks: salted hashes of the lines that it
stood in, with the characters of it that each line held. So the check works after the editor was closed too.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsassist.git import run_git
from dsassist.ledger.database import Hasher
from dsassist.ledger.kept import LineMark

__all__ = ["Awaiting", "HeadWatch", "committed_shares", "packed_marks", "path_name"]

_GIT_DIR_LIMIT_BYTES = 4096


class HeadWatch:
    """Tells when the HEAD of a repository may have moved; costs a few `stat` calls and starts no process."""

    def __init__(self, root: Path) -> None:
        self._directory = _git_dir(root)
        self._last = self._stamps()

    def may_have_moved(self) -> bool:
        """Whether something changed since the last call."""
        before, self._last = self._last, self._stamps()
        return self._last != before

    def _stamps(self) -> tuple[tuple[int, int] | None, ...]:
        # Every movement of HEAD is in its log; where the user keeps none, a commit rewrites the index.
        logged = _stamp(self._directory / "logs" / "HEAD")
        return _stamp(self._directory / "HEAD"), logged or _stamp(self._directory / "index")


@dataclass(frozen=True)
class Awaiting:
    """An accepted offer of which no commit was seen: when, in which file (a hash), and `packed_marks`."""

    offer: int
    at: float
    path: str
    marks: str


def packed_marks(marks: Iterable[LineMark], inserted_characters: int, hasher: Hasher) -> str:
    """What the ledger stores to know a text again."""
    lines = [[hasher.line(mark.line), mark.characters] for mark in marks]
    return json.dumps({"inserted": inserted_characters, "lines": lines}, separators=(",", ":"))


def path_name(root: Path, path: str, hasher: Hasher) -> str:
    """The hash that stands for a file; `path` is relative to the repository's root, with slashes."""
    return hasher.name(f"{root}\0{path}")


def committed_shares(root: Path, awaiting: Sequence[Awaiting], hasher: Hasher) -> dict[int, float]:
    """The share kept of each offer whose file was committed after it was accepted; a deleted file kept nothing.

    Raises what `run_git` raises.
    """
    if not awaiting:
        return {}
    committed = _committed_at(root, min(each.at for each in awaiting))
    files = {path_name(root, path, hasher): path for path in committed}
    shares: dict[int, float] = {}
    lines: dict[str, Counter[str]] = {}
    for each in awaiting:
        path = files.get(each.path)
        # git keeps whole seconds: a commit within the second of the acceptance counts.
        if path is None or committed[path] < int(each.at):
            continue
        if path not in lines:
            lines[path] = Counter(hasher.line(line.strip()) for line in _committed_text(root, path).splitlines())
        shares[each.offer] = _share(each.marks, lines[path])
    return shares


def _share(packed: str, lines: Counter[str]) -> float:
    found = json.loads(packed)
    left, kept = Counter(lines), 0
    for line, characters in found["lines"]:
        if left[line] > 0:
            left[line] -= 1
            kept += characters
    return min(1.0, kept / found["inserted"]) if found["inserted"] else 1.0


def _committed_at(root: Path, since: float) -> dict[str, int]:
    """The files of the commits below HEAD since a time, each with the time of its newest."""
    head = run_git(["rev-parse", "--quiet", "--verify", "HEAD^{commit}"], root, accept=(0, 1))
    if not head:
        return {}
    # --since leaves out what was committed in that very second.
    options = [f"--since=@{int(since) - 1}", "--format=%x01%ct", "--name-only", "-z", "--no-renames", "--no-relative"]
    printed = run_git(["log", "--no-show-signature", *options, head.decode("ascii").strip(), "--"], root)
    found: dict[str, int] = {}
    time_s = 0
    for part in printed.split(b"\0"):
        name = part.lstrip(b"\n")
        if name.startswith(b"\x01"):
            time_s = int(name[1:].split(b"\n")[0])
        elif name:
            path = os.fsdecode(name)
            found[path] = max(time_s, found.get(path, 0))
    return found


def _committed_text(root: Path, path: str) -> str:
    found = run_git(["rev-parse", "--quiet", "--verify", f"HEAD:{path}"], root, accept=(0, 1))
    if not (blob := found.decode("ascii").strip()):
        return ""
    return run_git(["cat-file", "blob", blob], root).decode("utf-8", "replace")


def _git_dir(root: Path) -> Path:
    """The directory with HEAD; in a linked working tree or a submodule, `.git` is a file that names it."""
    dot_git = root / ".git"
    try:
        if dot_git.is_file():
            with dot_git.open("rb") as file:
                named = file.read(_GIT_DIR_LIMIT_BYTES).removeprefix(b"gitdir:").strip()
            return root / os.fsdecode(named)
    except OSError:
        return dot_git
    return dot_git


def _stamp(file: Path) -> tuple[int, int] | None:
    """The file's time and size."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
