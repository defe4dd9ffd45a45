"""Parts of other files for the prompt at a hole, as the workspace stood at its commit.

The person has been in the other files that the commit changed, which is what "recent" knows; the peer's ring has the
same places. The other sources ask an index of the workspace.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from dsassist.bench.fim.hole import Hole, Visit
from dsassist.bench.fim.workspace import Workspace
from dsassist.bench.history import History
from dsassist.context.recent import RecentEdits
from dsassist.context.snippets import SnippetSource
from dsassist.context.sources import ContextSources
from dsassist.index.workspace import WorkspaceIndex
from dsassist_runtime.api import ContextFile

__all__ = ["Repositories"]


class Repositories:
    """Each repository in turn as a workspace with an index; only the latest one stays."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._root: Path | None = None
        self._at: Hole | None = None

    def __enter__(self) -> Repositories:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def snippets(
        self,
        hole: Hole,
        seen: Sequence[Visit],
        sources: Sequence[SnippetSource],
        *,
        budget_tokens: int,
        view_characters: int,
    ) -> tuple[ContextFile, ...]:
        """What these sources give, the best one last: nearest to the file itself.

        At most `budget_tokens` of them, none like the `view_characters` around the cursor.
        """
        if not sources:
            return ()
        self._enter(hole)
        recent = RecentEdits()
        for visit in seen:
            uri = (self._workspace.folder / visit.path).as_uri()
            recent.opened(uri, visit.path, visit.text)
            recent.changed(uri, visit.text, visit.row, visit.row)
        view = hole.text[max(0, hole.offset - view_characters) : hole.offset + view_characters]
        found = ContextSources(self._index, recent).gather(
            hole.place, view=view, budget_tokens=budget_tokens, sources=sources
        )
        return tuple(ContextFile(snippet.path, snippet.text) for snippet in reversed(found))

    def _enter(self, hole: Hole) -> None:
        if hole is self._at:
            return
        if hole.root != self._root:
            self._stack.close()
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="dsa-")))
            self._workspace = Workspace(History(hole.root), folder)
            self._index = self._stack.enter_context(WorkspaceIndex(folder))
            self._root = hole.root
        self._workspace.enter(hole)
        self._index.refresh()
        self._at = hole
