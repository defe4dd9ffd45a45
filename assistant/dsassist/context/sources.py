"""What of the workspace belongs into the prompt at a place: snippets from four sources, within a budget.

    recent    places of other documents that were edited or looked at last
    similar   pieces of text that share rare words with the text around the cursor
    imports   signatures of what the document imports from the workspace
    names     signatures of names near the cursor that are defined elsewhere; only where it is asked for, since it
              does not help (`snippets.HELPFUL`)

Nothing is shown that the prompt holds already, or nearly so, and nothing that is secret. The same place, index and
edits give the same snippets in the same order.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import TYPE_CHECKING

from dsassist.context.definitions import family_of, import_snippets, name_snippets
from dsassist.context.modules import imported_files
from dsassist.context.open_documents import OpenDocuments
from dsassist.context.recent import RecentEdits
from dsassist.context.snippets import ALL, HELPFUL, Snippet, SnippetSource, View
from dsassist.context.workspace import Workspace
from dsassist.index.entry import language_key
from dsassist.index.words import identifiers, is_word_of_interest, words_of
from dsassist.index.workspace import WorkspaceIndex
from dsassist.secrets import without_secrets
from dsassist.syntax.imports import Import, imports

if TYPE_CHECKING:
    from dsassist.completion.place import Place

__all__ = ["ALL", "ContextSources"]

# What a source may take before the others have had their part; what is left goes to the first that can use it.
_SHARES = {"recent": 0.4, "similar": 0.4, "imports": 0.2, "names": 0.2}
_NEAR_LINES = 10
_QUERY_LINES_ABOVE, _QUERY_LINES_BELOW = 20, 8
_IMPORT_LINES = 400  # of the document's head: imports stand there
_DOCUMENT_CHARACTERS = 200_000  # around the cursor, in which a name counts as used
_CHUNKS_LIMIT = 12
_RECENT_LIMIT = 8
_LINE_CHARACTERS = 1_000


class ContextSources:
    """The sources of one workspace: its index, where there is one, the open documents over it, and what the user did
    lately. For any thread.
    """

    def __init__(
        self, index: WorkspaceIndex | None, recent: RecentEdits, documents: OpenDocuments | None = None
    ) -> None:
        self._index = index
        self._recent = recent
        self._documents = documents or OpenDocuments()

    def gather(
        self, place: Place, *, view: str, budget_tokens: int, sources: Collection[str] = HELPFUL
    ) -> list[Snippet]:
        """Snippets for a prompt at `place`, the best first; `view` is what of the document the prompt holds already.

        Whole snippets only, `budget_tokens` in all by `Snippet.tokens`. It takes milliseconds: not for an event loop.
        """
        path = (self._index.relative(place.path) if self._index is not None else None) or place.path
        around = _Around(place)
        workspace = Workspace(self._index, self._documents) if self._index is not None else None
        candidates = {
            source: self._candidates(source, workspace, place, path, around) for source in ALL if source in sources
        }
        return _chosen(candidates, path, View(view), budget_tokens)

    def _candidates(
        self, source: SnippetSource, workspace: Workspace | None, place: Place, path: str, around: _Around
    ) -> list[Snippet]:
        if source == "recent":
            named = [each._replace(path=self._shown(each.path)) for each in self._recent.places(place.path)]
            others = [each for each in named if each.path != path][:_RECENT_LIMIT]
            return [Snippet("recent", each.path, each.text, each.line) for each in others]
        if workspace is None:
            return []
        language = place.language or language_key(place.path)
        if source == "imports":
            head = "\n".join(place.text[:_DOCUMENT_CHARACTERS].split("\n", _IMPORT_LINES)[:_IMPORT_LINES])
            files = imported_files(_imports(language, head), language, path, workspace.modules)
            return import_snippets(files, workspace, around.names, around.used)
        if source == "names":
            return name_snippets(workspace, path, language, around.names)
        chunks = workspace.similar(around.words, family_of(language), _CHUNKS_LIMIT)
        return [Snippet("similar", chunk.path, chunk.text, chunk.line) for chunk in chunks]

    def _shown(self, path: str) -> str:
        return (self._index.relative(path) if self._index is not None else None) or path


class _Around:
    """The words of the document that its place is told by."""

    def __init__(self, place: Place) -> None:
        before = place.text[max(0, place.offset - _DOCUMENT_CHARACTERS) : place.offset].split("\n")
        after = place.text[place.offset : place.offset + _DOCUMENT_CHARACTERS].split("\n")
        here = [(before[-1] + after[0])[-_LINE_CHARACTERS:]]
        above = [line[:_LINE_CHARACTERS] for line in reversed(before[-1 - _QUERY_LINES_ABOVE : -1])]
        below = [line[:_LINE_CHARACTERS] for line in after[1 : 1 + _QUERY_LINES_BELOW]]
        near = [*here, *above[:_NEAR_LINES], *below[:_NEAR_LINES]]
        # The last name of a line is the one nearest to what is written next.
        self.names = list(
            dict.fromkeys(name for line in near for name in reversed(identifiers(line)) if is_word_of_interest(name))
        )
        self.words = words_of("\n".join([*here, *above, *below]))
        self.used = frozenset(identifiers("\n".join([*before, *after])))


@lru_cache(maxsize=16)
def _imports(language: str, head: str) -> tuple[Import, ...]:
    return tuple(imports(language, head))


def _chosen(candidates: dict[SnippetSource, list[Snippet]], path: str, view: View, budget_tokens: int) -> list[Snippet]:
    """First each source's share, then what is left of the budget, in the sources' order."""
    chosen: dict[SnippetSource, list[Snippet]] = {source: [] for source in candidates}
    refused: set[Snippet] = set()
    left = budget_tokens
    for is_rest in (False, True):
        for source, snippets in candidates.items():
            share = left if is_rest else min(left, int(budget_tokens * _SHARES[source]))
            for snippet in snippets:
                if snippet in refused or snippet in chosen[source] or snippet.tokens > share:
                    continue
                clean = _clean(snippet, path, view)
                if clean is None:
                    refused.add(snippet)
                    continue
                view.take(clean.text)
                chosen[source].append(snippet)
                share -= snippet.tokens
                left -= snippet.tokens
    kept = {snippet for snippets in chosen.values() for snippet in snippets}
    return [
        Snippet(each.source, each.path, without_secrets(each.text), each.line)
        for snippets in candidates.values()
        for each in snippets
        if each in kept
    ]


def _clean(snippet: Snippet, path: str, view: View) -> Snippet | None:
    """The snippet without secrets, or None if it would add nothing."""
    text = without_secrets(snippet.text)
    if view.shows(text):
        return None
    # Signatures are short and made of the document's own words: they are no repetition of it.
    is_text = snippet.source in ("recent", "similar")
    if (is_text and view.is_near(text)) or (not is_text and snippet.path == path):
        return None
    return Snippet(snippet.source, snippet.path, text, snippet.line)
