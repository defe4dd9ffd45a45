"""The same text in the two forms that clients ask for: ghost text, and an entry of the completion menu."""

from __future__ import annotations

import re
from textwrap import dedent

from lsprotocol import types

from dsassist.completion.writer import Offer
from dsassist_lsp.documents import Cursor, SourceDocument, cursor_in, position_of

__all__ = ["inline_item", "menu_item"]

_LABEL_LENGTH = 60
_BACKTICKS = re.compile("`+")


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
    replaced = offer.end - offer.start
    if selected is None:
        span = types.Range(cursor.position, position_of(document, cursor.offset + replaced))
        return types.InlineCompletionItem(offer.text, range=span, command=command)
    # The text goes on behind the entry, as if that had been taken.
    behind = cursor_in(document, selected.range.end).offset
    span = types.Range(selected.range.start, position_of(document, behind + replaced))
    return types.InlineCompletionItem(selected.text + offer.text, range=span, command=command)


def menu_item(
    offer: Offer,
    cursor: Cursor,
    document: SourceDocument,
    command: types.Command | None = None,
    *,
    with_markdown: bool = False,
) -> types.CompletionItem:
    """An entry that sorts behind those of other servers.

    It replaces the word before the cursor by itself and the text: clients filter by that word, and Neovim gives all
    servers' entries one start, which is the word's. What its label has no room for stands beside it.
    """
    whole = cursor.word + offer.text
    shown = whole.strip().splitlines()[0]
    label = shown if len(shown) <= _LABEL_LENGTH else shown[: _LABEL_LENGTH - 1] + "…"
    return types.CompletionItem(
        label=label,
        # Text is what editors take for words of the buffer: VS Code can hide it, blink.cmp always does. Of a Snippet
        # Helix reads `$` and `\\` as a snippet's, whatever the format says, and indents each line once more.
        kind=types.CompletionItemKind.Value,
        detail="dsassist",
        documentation=None if label == whole.strip() else _documentation(whole, cursor, document, with_markdown),
        sort_text="~dsassist",
        filter_text=shown,
        text_edit=types.TextEdit(types.Range(cursor.word_start, position_of(document, offer.end)), whole),
        insert_text_format=types.InsertTextFormat.PlainText,
        # The text has its indentation; by default VS Code would add that of the cursor's line to each further line.
        insert_text_mode=types.InsertTextMode.AsIs,
        command=command,
    )


def _documentation(
    whole: str, cursor: Cursor, document: SourceDocument, with_markdown: bool
) -> types.MarkupContent | str:
    line = document.lines[cursor.position.line]
    text = dedent(line[: len(line) - len(line.lstrip())] + whole).strip("\n")
    if not with_markdown:
        return text
    fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(text)), default=0))
    return types.MarkupContent(types.MarkupKind.Markdown, f"{fence}{document.language_id}\n{text}\n{fence}")
