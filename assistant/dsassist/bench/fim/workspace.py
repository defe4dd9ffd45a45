"""The code files of a repository as they stood at a commit, in a folder of their own.

From one commit to the next only what differs is written, so that an index of the folder has little to read again. The
file with the hole stands there without it: what is to be written is nowhere in the folder, unless other files have
copies of it, as they then had for the person too.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from dsassist.bench.fim.hole import Hole
from dsassist.bench.history import History, Tree
from dsassist.syntax.languages import language_of

__all__ = ["Workspace"]

_KEPT_AS_WELL = (".gitignore", ".gitattributes")


class Workspace:
    """Owns `folder`, which exists and is empty at first."""

    def __init__(self, history: History, folder: Path) -> None:
        self.folder = folder
        self._history = history
        self._tree: Tree = {}
        self._with_hole: str | None = None

    def enter(self, hole: Hole) -> None:
        """The state at the hole's commit, without what belongs into the hole."""
        wanted = {path: blob for path, blob in self._history.tree(hole.commit).items() if _is_kept(path)}
        if self._with_hole is not None:
            self._tree.pop(self._with_hole, None)
        for path in self._tree.keys() - wanted.keys():
            (self.folder / path).unlink(missing_ok=True)
        changed = {path: blob for path, blob in wanted.items() if self._tree.get(path) != blob}
        contents = self._history.contents(set(changed.values()))
        for path, blob in changed.items():
            if blob in contents:
                self._write(path, contents[blob])
        self._tree = wanted
        self._write(hole.path, hole.text.encode("utf-8"))
        self._with_hole = hole.path

    def _write(self, path: str, content: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _is_kept(path: str) -> bool:
    parts = PurePosixPath(path).parts
    # A tree that was made by hand may name a file outside of itself.
    return not {"..", ".git"} & set(parts) and (language_of(path) is not None or parts[-1] in _KEPT_AS_WELL)
