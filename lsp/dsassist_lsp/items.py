"""The same text in the two forms that clients ask for: ghost text, and an entry of the completion menu."""

from __future__ import annotations

from lsprotocol import types

from dsassist_lsp.documents import Cursor

__all__ = ["inline_item", "menu_item"]

_LABEL_LENGTH = 60


def inline_item(text: str, cursor: Cursor) -> types.InlineCompletionItem:
    """Ghost text, inserted at the cursor; nothing is replaced."""
    return types.InlineCompletionItem(insert_text=text, range=types.Range(cursor.position, cursor.position))


def menu_item(text: str, cursor: Cursor) -> types.CompletionItem:
    """An entry that sorts behind those of other servers.

    It replaces the word before the cursor by itself and the text: clients filter by that word, and Neovim gives all
    servers' entries one start, which is the word's.
    """
    whole = cursor.word + text
    shown = whole.strip().splitlines()[0]
    return types.CompletionItem(
        label=shown if len(shown) <= _LABEL_LENGTH else shown[: _LABEL_LENGTH - 1] + "…",
        # Text is what editors take for words of the buffer: VS Code can hide it, blink.cmp always does.
        kind=types.CompletionItemKind.Snippet,
        detail="dsassist",
        sort_text="~dsassist",
        filter_text=shown,
        text_edit=types.TextEdit(types.Range(cursor.word_start, cursor.position), whole),
        insert_text_format=types.InsertTextFormat.PlainText,
        # The text has its indentation; by default VS Code would add that of the cursor's line to each further line.
        insert_text_mode=types.InsertTextMode.AsIs,
    )
