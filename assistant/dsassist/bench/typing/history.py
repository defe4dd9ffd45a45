"""Changes of single files, out of a repository's history: what somebody once typed, and the files around it."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from dsassist.git import blob_sizes, read_blobs, run_git
from dsassist.syntax.languages import language_of
from dsassist_runtime.errors import DsassistError

__all__ = ["Change", "changes_in", "check_out", "choose_changes"]

_COMMITS = 600  # the newest are looked at; an old repository has tens of thousands
_LEAST_LINES, _MOST_LINES = 60, 3000
_MOST_BYTES = 200_000
_DATA = frozenset(("html", "css", "json", "yaml", "toml", "hcl"))


@dataclass(frozen=True)
class Change:
    """A file before and after a commit; both texts have line feeds alone."""

    repository: Path
    commit: str
    path: str
    before: str
    after: str

    @property
    def name(self) -> str:
        """How reports call it."""
        return f"{self.repository.name} {self.commit[:9]} {self.path}"

    @property
    def n_new(self) -> int:
        """Characters in lines that the commit added or changed."""
        old, new = self.before.splitlines(keepends=True), self.after.splitlines(keepends=True)
        opcodes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        return sum(len("".join(new[start:end])) for tag, _, _, start, end in opcodes if tag != "equal")


def choose_changes(repositories: Sequence[Path], count: int, typed: range, seed: int) -> list[Change]:
    """`count` changes with so many new characters, from the repositories in turn; the same ones for a seed.

    `DsassistError` when there are not so many.
    """
    picked: list[Change] = []
    sources = [_fitting(repository, typed, seed) for repository in repositories]
    while sources and len(picked) < count:
        source = sources.pop(0)
        if (change := next(source, None)) is not None:
            picked.append(change)
            sources.append(source)
    if len(picked) < count:
        names = ", ".join(map(str, repositories))
        raise DsassistError(
            f"the history of {names} has {len(picked)} changes of one file with {typed.start} to {typed.stop - 1} new "
            f"characters, and {count} are wanted; name another repository with --repo, or ask for fewer with --traces"
        )
    return picked


def changes_in(repository: Path) -> list[tuple[str, str, str, str]]:
    """Commit, path, and blobs before and after, of every file of code that one of the newest commits changed."""
    options = ("--no-merges", "--no-renames", "--diff-filter=M", "--raw", "--no-abbrev", "--no-relative")
    printed = run_git(["log", f"--max-count={_COMMITS}", *options, "--format=%H"], repository)
    found, commit = [], ""
    for line in printed.decode("utf-8", "surrogateescape").splitlines():
        if not line.startswith(":"):
            commit = line or commit
            continue
        fields, _, path = line.partition("\t")
        _old_mode, mode, old, new, _status = fields.split(" ")
        # Git quotes a path of unusual characters; nothing is lost without it.
        if mode.startswith("100") and not path.startswith('"') and (language_of(path) or "json") not in _DATA:
            found.append((commit, path, old, new))
    return found


def _fitting(repository: Path, typed: range, seed: int) -> Iterator[Change]:
    changes = changes_in(repository)
    random.Random(f"{seed}:{repository.name}").shuffle(changes)  # noqa: S311  (a sample, no secret)
    sizes = blob_sizes([blob for *_, old, new in changes for blob in (old, new)], repository)
    for commit, path, old, new in changes:
        if max(sizes.get(old, _MOST_BYTES), sizes.get(new, _MOST_BYTES)) >= _MOST_BYTES:
            continue
        blobs = read_blobs([old, new], repository)
        try:
            change = Change(repository, commit, path, blobs[old].decode(), blobs[new].decode())
        except UnicodeDecodeError:
            continue
        if "\r" in change.before + change.after or "\0" in change.before:
            continue
        if _LEAST_LINES <= change.before.count("\n") <= _MOST_LINES and change.n_new in typed:
            yield change


def check_out(change: Change, folder: Path) -> Path:
    """Write the repository as it was before the commit into `folder`; returns the changed file's path there."""
    archive = run_git(["archive", "--format=tar", f"{change.commit}^"], change.repository)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    run_git(["init", "--quiet"], folder)
    return folder / change.path
