"""From a request at a cursor to what is shown there: the one way, for ghost text and for the menu alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lsprotocol import types
from pygls.uris import to_fs_path

from dsassist.completion.completer import PromptName
from dsassist.completion.place import Place
from dsassist.completion.writer import Offer
from dsassist.config import LoadedConfig
from dsassist.git import below_root
from dsassist_lsp.alternatives import alternatives
from dsassist_lsp.completions import Asked
from dsassist_lsp.documents import Cursor, SourceDocument, cursor_in

if TYPE_CHECKING:
    from dsassist_lsp.server import Server

__all__ = ["Suggestion", "expect", "suggest"]


@dataclass(frozen=True)
class Suggestion:
    """Offers for a cursor, the best first, with the ids by which the ledger knows them.

    They begin with `selected`, the entry of the menu that is chosen there.
    """

    cursor: Cursor
    document: SourceDocument
    offers: tuple[Offer, ...]
    ids: tuple[int, ...]
    loaded: LoadedConfig
    selected: types.SelectedCompletionInfo | None = None


async def suggest(
    server: Server,
    uri: str,
    position: types.Position,
    *,
    by_hand: bool = False,
    has_one: bool = False,
    selected: types.SelectedCompletionInfo | None = None,
) -> Suggestion | None:
    """What belongs at a position; None when there is nothing, for whatever reason. Raises what the engine raises.

    `by_hand`, the person asks: nothing is hidden as unlikely, and there may be several texts unless it `has_one`.
    """
    path = to_fs_path(uri)
    loaded = server.configuration(server.folder_of(uri))
    document = server.workspace.text_documents.get(unquote(uri))
    if not isinstance(document, SourceDocument):
        return None
    source, language_id = document.source, document.language_id or ""
    refusal = server.control.refusal(loaded, Path(path) if path else None, language_id, source, by_hand=by_hand)
    if refusal is not None:
        server.show_refusal(refusal)
        return None
    cursor = cursor_in(document, position)
    place = Place(source, cursor.offset, path or "", language_id)
    if selected is not None:
        place = _with_selected(place, document, selected)
    server.hint_missing_grammar(place)
    opened = server.engines.opened(loaded)
    model = opened.name if opened is not None else ""
    least = 0.0 if by_hand else server.counting.threshold(uri, place, loaded, model)
    asked = Asked(uri, place, loaded, _name(path, loaded), least, by_hand)
    answer = await server.completions.complete(asked)
    server.answered(asked, answer)
    if answer.offer is None:
        if answer.draft is not None:
            server.counting.answered(asked, answer, (), model)
        return None
    offers: tuple[Offer, ...] = (answer.offer,)
    if by_hand and not has_one and answer.draft is not None:
        count = partial(server.counting.further, asked, model)
        offers += tuple(await alternatives(server.engines, asked, answer.draft, answer.offer, count))
    lead = selected.text if selected is not None else ""
    ids = server.counting.answered(asked, answer, offers, model, lead)
    return Suggestion(cursor, document, offers, tuple(ids), loaded, selected)


def expect(server: Server, uri: str, place: Place) -> None:
    """Somebody types at a place: where completions are asked for by hand, nothing else tells which one is next."""
    loaded = server.configuration(server.folder_of(uri))
    if loaded.config.completion.trigger != "manual" or server.control.snoozed_minutes:
        return
    path = to_fs_path(uri)
    file = Path(path) if path else None
    if server.control.refusal(loaded, file, place.language_id, place.text, by_hand=True) is None:
        server.completions.expect(Asked(uri, place, loaded, _name(path, loaded), by_hand=True))


def _with_selected(place: Place, document: SourceDocument, selected: types.SelectedCompletionInfo) -> Place:
    """The place as if the menu's entry had been taken: a text that goes on from there can be shown beside it."""
    start, end = (cursor_in(document, at).offset for at in (selected.range.start, selected.range.end))
    text = place.text[:start] + selected.text + place.text[end:]
    return replace(place, text=text, offset=start + len(selected.text))


def _name(path: str | None, loaded: LoadedConfig) -> PromptName:
    if path is None:
        return PromptName()
    file, root = Path(path), loaded.root
    if root is not None and (below := below_root(root, file)) is not None:
        return PromptName(below, root.name)
    return PromptName(file.name, file.parent.name)
