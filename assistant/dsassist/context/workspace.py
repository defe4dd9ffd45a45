"""The questions that the index answers, with the open documents in the place of their files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import attrgetter

from dsassist.context.open_documents import OpenDocuments
from dsassist.index.entry import language_key, module_key
from dsassist.index.files import content_refusal, is_indexed_path
from dsassist.index.workspace import Definition, FoundChunk, WorkspaceIndex
from dsassist.secrets import without_secrets
from dsassist.syntax.symbols import Symbol, symbols

__all__ = ["Workspace"]


class Workspace:
    """An index and the open documents over it, at one moment: what is edited later is not seen.

    What is similar is found in the files alone.
    """

    def __init__(self, index: WorkspaceIndex, documents: OpenDocuments) -> None:
        self._index = index
        self._open = _open_symbols(index, documents)

    def definitions(self, names: Collection[str], languages: Collection[str]) -> list[Definition]:
        """Where these names are defined in files of these languages, by path and line."""
        found = self._saved(self._index.definitions(names, languages))
        unsaved = [each for each in self._unsaved(names) if each.language in languages]
        common = self._index.common_names({each.symbol.name for each in unsaved})
        return _ordered([*found, *(each for each in unsaved if each.symbol.name not in common)])

    def types_with_members(self, paths: Collection[str], names: Collection[str]) -> list[Definition]:
        """The symbols of these names in these files, and what belongs to them, by path and line."""
        found = self._saved(self._index.types_with_members(paths, names))
        return _ordered([*found, *(each for each in self._unsaved(names, members=True) if each.path in paths)])

    def symbols_in(self, paths: Collection[str]) -> list[Definition]:
        """What these files define, by path and line."""
        found = self._index.symbols_in([path for path in paths if path not in self._open])
        unsaved = [_definition(path, symbol) for path in paths for symbol in self._open.get(path, ())]
        return _ordered([*found, *unsaved])

    def modules(self, keys: Collection[str]) -> dict[str, list[str]]:
        """The paths of the files that an import may mean which ends with one of these keys."""
        found = {key: set(paths) for key, paths in self._index.modules(keys).items()}
        for path in self._open:
            if (key := module_key(path)) in keys:
                found.setdefault(key, set()).add(path)
        return {key: sorted(paths) for key, paths in found.items()}

    def similar(self, words: Sequence[str], languages: Collection[str], limit: int) -> list[FoundChunk]:
        """The chunks of files that share most of these words."""
        return self._index.similar(words, languages, limit)

    def _saved(self, found: Sequence[Definition]) -> list[Definition]:
        return [each for each in found if each.path not in self._open]

    def _unsaved(self, names: Collection[str], *, members: bool = False) -> list[Definition]:
        return [
            _definition(path, symbol)
            for path, found in self._open.items()
            for symbol in found
            if symbol.name in names or (members and symbol.container in names)
        ]


def _open_symbols(index: WorkspaceIndex, documents: OpenDocuments) -> dict[str, Sequence[Symbol]]:
    """What each document defines that belongs into this index, by the paths that the index has."""
    found = {}
    for path, document in documents.all():
        relative = index.relative(path)
        if relative is not None and is_indexed_path(relative):
            if document.symbols is None:
                document.symbols = _symbols(relative, document.text)
            found[relative] = document.symbols
    return found


def _symbols(path: str, text: str) -> Sequence[Symbol]:
    if content_refusal(path, text.encode("utf-8", errors="replace")):
        return ()
    return symbols(language_key(path), without_secrets(text.replace("\r\n", "\n")))


def _definition(path: str, symbol: Symbol) -> Definition:
    return Definition(path, language_key(path), symbol)


def _ordered(found: Sequence[Definition]) -> list[Definition]:
    return sorted(found, key=attrgetter("path", "symbol.start_line", "symbol.name"))
