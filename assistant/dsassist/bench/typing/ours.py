"""The arm of `dsassist lsp`: what VS Code does with inline completions.

After each edit it cancels the request that is out and asks anew. What is typed of a text on the screen is taken off it,
and the text stays until the new answer is there, which takes its place, be it empty or not.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from dsassist.bench.typing.language_client import LanguageClient
from dsassist.bench.typing.person import Screen
from dsassist.bench.typing.timeline import Ghost, Timeline
from dsassist.bench.typing.trace import Document, Edit, Kind
from dsassist_runtime.errors import NotDone

__all__ = ["OurArm"]

_ANSWERS_LIMIT_S = 5.0
_LANGUAGE_IDS = {
    "py": "python",
    "ts": "typescript",
    "js": "javascript",
    "rs": "rust",
    "rb": "ruby",
    "sh": "shellscript",
}


class OurArm:
    """One open document."""

    def __init__(self, client: LanguageClient, path: Path, timeline: Timeline) -> None:
        self.screen = Screen(timeline)
        self._client = client
        self._path = path
        self._version = 1
        self._request: int | None = None
        self._item: dict[str, Any] | None = None
        self._typed = ""  # since the text on the screen was first answered
        self._answered = ""

    async def open(self, document: Document) -> None:
        """Open it."""
        language = _LANGUAGE_IDS.get(self._path.suffix[1:], self._path.suffix[1:])
        item = {"uri": self._path.as_uri(), "languageId": language, "version": 1, "text": document.text}
        self._lines = _Lines(document.text)
        self._client.notify("textDocument/didOpen", {"textDocument": item})

    async def edited(self, kind: Kind, edit: Edit, document: Document, left: Ghost | None) -> None:
        """Tell the server, keep what is left of the text, and ask."""
        del kind
        self._change(edit, document)
        self._typed = self._typed + edit.text if left is not None else ""
        self.screen.show(left, document, goes_on=left is not None)
        self._ask(document)

    async def moved(self, document: Document) -> None:
        """Take the text off; VS Code does not ask because the cursor moved."""
        self._cancel()
        self.screen.show(None, document)

    async def accepted(self, edit: Edit, document: Document, ghost: Ghost) -> None:
        """Insert it, run the item's command or tell how much of it was taken, and ask for more."""
        item = self._item or {}
        self._change(edit, document)
        self.screen.show(None, document)
        if edit.text != ghost.text:
            length = len(self._typed.encode("utf-16-le")) // 2 + len(edit.text.encode("utf-16-le")) // 2
            self._client.notify("textDocument/didPartiallyAcceptCompletion", {"item": item, "acceptedLength": length})
        elif command := item.get("command"):
            params = {"command": command["command"], "arguments": command.get("arguments", [])}
            self._client.request("workspace/executeCommand", params, lambda _result: None)
        self._typed = ""
        self._ask(document)

    @property
    def is_busy(self) -> bool:
        """Is a request out?"""
        return self._request in self._client.waiting

    def check(self) -> None:
        """`NotDone` when the language server has died."""
        if self._client.has_ended:
            raise NotDone("dsassist lsp has ended in the middle of the bench")

    async def close(self) -> None:
        """Close the document; every request should be answered by a while later."""
        self._cancel()
        self._client.notify("textDocument/didClose", {"textDocument": {"uri": self._path.as_uri()}})
        deadline = time.monotonic() + _ANSWERS_LIMIT_S
        while self._client.waiting and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        self.screen.timeline.n_unanswered = len(self._client.waiting)
        self._client.waiting.clear()

    def _change(self, edit: Edit, document: Document) -> None:
        self._version += 1
        lines = self._lines
        span = {"start": lines.position(edit.offset), "end": lines.position(edit.offset + edit.removed)}
        target = {"uri": self._path.as_uri(), "version": self._version}
        changes = [{"range": span, "text": edit.text}]
        self._client.notify("textDocument/didChange", {"textDocument": target, "contentChanges": changes})
        self._lines = _Lines(document.text)

    def _cancel(self) -> None:
        if self._request in self._client.waiting:
            self._client.notify("$/cancelRequest", {"id": self._request})
        self._request = None

    def _ask(self, document: Document) -> None:
        self._cancel()
        asked = Document(document.text, document.cursor)
        params = {
            "textDocument": {"uri": self._path.as_uri()},
            "position": self._lines.position(document.cursor),
            "context": {"triggerKind": 2},
        }
        number: list[int] = []
        request = self._client.request(
            "textDocument/inlineCompletion", params, lambda result: self._answer(number[0], asked, result)
        )
        number.append(request)
        self._request = request

    def _answer(self, request: int, asked: Document, result: Any) -> None:
        if request != self._request:
            return
        items = result.get("items", []) if isinstance(result, dict) else result or []
        if not items:
            self._item = None
            self.screen.show(None, asked)
            return
        ghost = self._ghost(items[0], asked)
        timeline = self.screen.timeline
        if ghost is None:
            timeline.n_stale += 1
            return
        if self._typed and len(ghost.text) > len(self._typed) and ghost.text == self._answered:
            timeline.n_stale += 1  # the same text again, though the person has typed its beginning
        goes_on = self.screen.ghost is not None and ghost.text.startswith(self.screen.ghost.text)
        self._item, self._answered, self._typed = items[0], ghost.text, ""
        self.screen.show(ghost, asked, goes_on=goes_on)
        self._client.notify("textDocument/didShowCompletion", {"item": items[0]})

    def _ghost(self, item: dict[str, Any], asked: Document) -> Ghost | None:
        """What the item puts at the cursor; None when its range does not lie there."""
        span, text = item.get("range"), item["insertText"]
        text = text["value"] if isinstance(text, dict) else text
        if span is None:
            return Ghost(text)
        start, end = self._lines.offset(span["start"]), self._lines.offset(span["end"])
        typed = asked.text[start : asked.cursor] if start <= asked.cursor <= end else None
        if typed is None or not text.startswith(typed) or "\n" in asked.text[start:end]:
            return None
        return Ghost(text[len(typed) :], end - asked.cursor) if len(text) > len(typed) else None


class _Lines:
    """Offsets in a text as positions of the protocol, which counts UTF-16 units, and back."""

    def __init__(self, text: str) -> None:
        self._text = text

    def position(self, offset: int) -> dict[str, int]:
        start = self._text.rfind("\n", 0, offset) + 1
        units = len(self._text[start:offset].encode("utf-16-le")) // 2
        return {"line": self._text.count("\n", 0, offset), "character": units}

    def offset(self, position: dict[str, int]) -> int:
        start = 0
        for _ in range(position["line"]):
            start = self._text.index("\n", start) + 1
        line = self._text[start:].partition("\n")[0].encode("utf-16-le")
        return start + len(line[: 2 * position["character"]].decode("utf-16-le", "ignore"))
