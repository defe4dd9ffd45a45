"""Parts of other files for the prompts: from the workspaces' indexes (`indexing` builds them) and from recent edits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.completion.plan import OTHER_FILES_SHARE
from dsassist.config import LoadedConfig
from dsassist.context.open_documents import OpenDocuments
from dsassist.context.recent import RecentEdits
from dsassist.index.files import may_be_indexed
from dsassist_lsp.completions import Asked
from dsassist_runtime.api import ContextFile
from dsassist_runtime.errors import NotDone

if TYPE_CHECKING:
    from dsassist.context.sources import ContextSources
    from dsassist.index.workspace import WorkspaceIndex

__all__ = ["WorkspaceContext"]


class WorkspaceContext:
    """What is known of the workspaces of one client. `files` may be called in any thread, the rest in the loop's."""

    def __init__(self, complain: Callable[[str], None], emptied: Callable[[Path], None]) -> None:
        """`complain` gets a sentence when an index cannot be had, `emptied` the root of one that is to be built again.

        Both are called in any thread.
        """
        self._recent = RecentEdits()
        self._documents = OpenDocuments()
        self._complain = complain
        self._emptied = emptied
        self._lock = threading.Lock()
        self._sources: dict[Path | None, ContextSources] = {}
        self._indexes: dict[Path, WorkspaceIndex] = {}
        self._closed = threading.Event()

    def files(self, asked: Asked, view: str, budget_tokens: int, last: Sequence[ContextFile]) -> Sequence[ContextFile]:
        """Snippets for a place, those of the last prompt first and as they were, so that they stay evaluated."""
        if not asked.loaded.config.completion.context:
            return ()
        from dsassist.context.snippets import PromptSnippet

        room = int(OTHER_FILES_SHARE * budget_tokens)
        found = self._sources_of(asked.loaded.root).gather(asked.place, view=view, budget_tokens=room)
        wanted = [PromptSnippet(each.path, each.text, each.source, each.line) for each in found]
        kept = [file for file in last if file in wanted]
        # The order is what is evaluated: where the first ones are of no use any more, all is read anew.
        if kept != list(last[: len(kept)]):
            return wanted[::-1]
        return [*kept, *(file for file in reversed(wanted) if file not in kept)]

    def opened(self, uri: str, path: str, text: str) -> None:
        """A document was opened."""
        self._recent.opened(uri, path, text)
        self._documents.changed(path, text)

    def changed(self, uri: str, path: str, text: str, lines: tuple[int, int]) -> None:
        """These lines of a document, the first and the last, were written; it is `text` now."""
        self._recent.changed(uri, text, *lines)
        self._documents.changed(path, text)

    def closed(self, uri: str, path: str) -> None:
        """A document was closed: its file counts again."""
        self._recent.closed(uri)
        self._documents.closed(path)

    def saved(self, path: Path, loaded: LoadedConfig) -> None:
        """A file was saved: have its index take it over."""
        if loaded.config.completion.enabled and loaded.config.completion.context:
            threading.Thread(target=self._take_over, args=(path, loaded.root), name="index", daemon=True).start()

    def close(self) -> None:
        """Let go of the indexes."""
        self._closed.set()
        with self._lock:
            for index in self._indexes.values():
                index.close()

    def _take_over(self, path: Path, root: Path | None) -> None:
        if root is None or not may_be_indexed(root):
            return
        self._sources_of(root)  # opens the index, if that was not done before
        if (index := self._indexes.get(root)) is not None:
            index.update_file(path)

    def _sources_of(self, root: Path | None) -> ContextSources:
        from dsassist.context.sources import ContextSources

        with self._lock:
            if root not in self._sources:
                self._sources[root] = ContextSources(self._index_of(root), self._recent, self._documents)
            elif root is not None and root in self._indexes:
                self._indexes[root].follow()
            return self._sources[root]

    def _index_of(self, root: Path | None) -> WorkspaceIndex | None:
        if root is None or self._closed.is_set() or not may_be_indexed(root):
            return None
        from dsassist.index.workspace import WorkspaceIndex

        if root not in self._indexes:
            try:
                self._indexes[root] = WorkspaceIndex(root, self._complain, lambda: self._emptied(root))
            except NotDone as error:
                self._complain(str(error))
                return None
        return self._indexes[root]
