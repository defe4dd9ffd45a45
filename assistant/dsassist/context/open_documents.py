"""The texts of the open documents as they stand in the editor: what is not saved yet goes before the file's.

They are held in memory, over the index (`context.workspace`), and never written into it: the index is shared on disk,
and a text that nobody saved must not stay there. They are parsed when somebody asks, so a key costs nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsassist.syntax.symbols import Symbol

__all__ = ["OpenDocument", "OpenDocuments"]


@dataclass
class OpenDocument:
    """A text, and what it defines once somebody asked."""

    text: str
    symbols: Sequence[Symbol] | None = None


class OpenDocuments:
    """The documents that are open, by their paths. For any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._documents: dict[str, OpenDocument] = {}

    def changed(self, path: str, text: str) -> None:
        """A document was opened or edited."""
        with self._lock:
            self._documents[path] = OpenDocument(text)

    def closed(self, path: str) -> None:
        """The file counts again, as it is on disk."""
        with self._lock:
            self._documents.pop(path, None)

    def all(self) -> list[tuple[str, OpenDocument]]:
        """Paths and documents."""
        with self._lock:
            return list(self._documents.items())
