"""The same text in the two forms that clients ask for: ghost text, and an entry of the completion menu."""

from __future__ import annotations

from lsprotocol import types

from dsassist.completion.writer import Offer
from dsassist_lsp.documents import Cursor, SourceDocument, position_of

__all__ = ["inline_item", "menu_item"]

_LABEL_LENGTH = 60


def inline_item(
    offer: Offer,
    cursor: Cursor,
    document: SourceDocument,
    command: types.Command | None = None,
    selected: types.SelectedCompletionInfo | None = None,
) -> types.InlineCompletionItem:
    """Ghost text from the cursor on; what it replaces stands right of the cursor in the same line.

    Beside a chosen entry of the menu the item must begin with that entry, and take its place.
    """
    end = position_of(document, offer.end - offer.start + cursor.offset)
    if selected is None:
        return types.InlineCompletionItem(offer.text, range=types.Range(cursor.position, end), command=command)
    span = types.Range(selected.range.start, max(end, selected.range.end))
    return types.InlineCompletionItem(selected.text + offer.text, range=span, command=command)


def menu_item(
    offer: Offer, cursor: Cursor, document: SourceDocument, command: types.Command | None = None
) -> types.CompletionItem:
    """An entry that sorts behind those of other servers.

    It replaces the word before the cursor by itself and the text: clients filter by that word, and Neovim gives all
    servers' entries one start, which is the word's.
    """
    whole = cursor.word + offer.text
    shown = whole.strip().splitlines()[0]
    return types.CompletionItem(
        label=shown if len(shown) <= _LABEL_LENGTH else shown[: _LABEL_LENGTH - 1] + "…",
        # Text is what editors take for words of the buffer: VS Code can hide it, blink.cmp always does.
        kind=types.CompletionItemKind.Snippet,
        detail="dsassist",
        sort_text="~dsassist",
        filter_text=shown,
        text_edit=types.TextEdit(types.Range(cursor.word_start, position_of(document, offer.end)), whole),
        insert_text_format=types.InsertTextFormat.PlainText,
        # The text has its indentation; by default VS Code would add that of the cursor's line to each further line.
        insert_text_mode=types.InsertTextMode.AsIs,
        command=command,
    )
