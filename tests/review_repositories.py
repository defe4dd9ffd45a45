"""Real repositories for the tests of what is reviewed, and the proof that a review leaves them as they were."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from dsassist.review import selection
from dsassist.review.changes import ChangedFile, Changes, Skipped, changes_of
from dsassist.review.selection import Selection

__all__ = ["Repository", "Seen", "numbered", "reviewed", "untouched"]


class Repository:
    """A git repository in a folder, driven as a user does."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str, check: bool = True, **environ: str) -> str:
        """Run git and give what it prints."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, check=False, capture_output=True, env=os.environ | environ
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout.decode("utf-8", "replace").strip()

    def write(self, name: str | bytes, content: str | bytes) -> Path:
        """Put a file into the working tree."""
        path = self.root / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def stage(self, name: str | bytes, content: str | bytes) -> None:
        """Write a file and add it to the index."""
        self.write(name, content)
        self.git("--literal-pathspecs", "add", "--", os.fsdecode(name))

    def commit(self, **files: str) -> str:
        """Commit what is staged and `name=content` of Python files; gives the commit's id."""
        for name, content in files.items():
            self.stage(f"{name}.py", content)
        self.git("commit", "--quiet", "--no-verify", "--allow-empty", "-m", "more")
        return self.git("rev-parse", "HEAD")


class Seen:
    """What a review would look at: files by path, and the reasons of what it would leave out."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        read = [file.read() for file in changes.pending]
        self.files = {file.path: file for file in read if isinstance(file, ChangedFile)}
        skipped = [*changes.skipped, *(each for each in read if isinstance(each, Skipped))]
        self.reasons = {each.what: each.reason for each in skipped}
        self.deleted = {each.path: each.read() for each in changes.deleted}

    @property
    def lines(self) -> dict[str, list[int]]:
        """The changed lines of each file."""
        return {path: sorted(file.lines) for path, file in self.files.items()}

    def text(self, path: str) -> str:
        """The new text of a file."""
        return self.files[path].source.text


def reviewed(repository: Repository | Path, chosen: Selection | None = None, exclude: tuple[str, ...] = ()) -> Seen:
    """What is reviewed of a selection (what is staged when not given), proving that nothing is touched by it."""
    root = repository.root if isinstance(repository, Repository) else repository
    with untouched(root):
        return Seen(changes_of(chosen or selection.staged(root), exclude))


@contextlib.contextmanager
def untouched(root: Path) -> Iterator[None]:
    """Fail if a file of the working tree or of `.git` is written, made or removed meanwhile."""
    before = _snapshot(root)
    yield
    assert _snapshot(root) == before


def _snapshot(root: Path) -> dict[bytes, tuple[int, int, bytes]]:
    found = {}
    for folder, folders, names in os.walk(os.fsencode(root)):
        for path in (os.path.join(folder, name) for name in (*folders, *names)):  # noqa: PTH118 (bytes)
            status = os.lstat(path)
            is_plain = os.path.isfile(path) and not os.path.islink(path)  # noqa: PTH113, PTH114 (bytes)
            content = Path(os.fsdecode(path)).read_bytes() if is_plain else b""
            # Git marks a shared index as used, by its time, whenever it reads it.
            is_marked = os.path.basename(path).startswith(b"sharedindex.")  # noqa: PTH119 (bytes)
            found[path] = (0 if is_marked else status.st_mtime_ns, status.st_mode, content)
    return found


def numbered(count: int, **changed: str) -> str:
    """So many lines `line_7 = 7`; those in `changed` read as given: `line_7="line_7 = 'seven'"`."""
    return "".join(changed.get(f"line_{number}", f"line_{number} = {number}") + "\n" for number in range(1, count + 1))
