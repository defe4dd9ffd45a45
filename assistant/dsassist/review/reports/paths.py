"""A finding's path as each format wants it: from the repository's root, from the working directory, or as a URI.

Names are bytes to git. What is not UTF-8 in them is kept in a URI, and is U+FFFD where a format takes Unicode only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from dsassist.review.selection import path_in

__all__ = ["Paths", "well_formed"]


@dataclass(frozen=True)
class Paths:
    """Where paths count from.

    `start` is the folder that the paths of the findings count from: the root where content came from git, the working
    directory where files were named. `root` is the repository's, None outside of one.
    """

    start: Path = field(default_factory=Path.cwd)
    root: Path | None = None

    def from_root(self, path: str) -> str:
        """The path in its repository, with `/`; absolute where the file lies elsewhere."""
        return well_formed(self._from_root(path))

    def from_here(self, path: str) -> str:
        """The path from the working directory."""
        return well_formed(os.path.relpath(self.start / path))

    def uri(self, path: str) -> tuple[str, bool]:
        """The path as a URI, and whether it is relative to the root."""
        found = self._from_root(path)
        encoded = quote(os.fsencode(found), safe="/")
        if os.path.isabs(found):  # noqa: PTH117  (a string: `Path` would take `//` and `.` away)
            return f"file://{encoded}", False
        return encoded, True

    def _from_root(self, path: str) -> str:
        return path_in(self.start if self.root is None else self.root, self.start / path)


def well_formed(text: str) -> str:
    """The text with U+FFFD for what is no Unicode: other programs' JSON parsers refuse a lone surrogate."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
