"""Messages of a language client that makes no sense: drawn from a seed, so that the same ones come again."""

from __future__ import annotations

import json
import random
import string
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lsprotocol.types import METHOD_TO_TYPES

from dsassist_lsp.acceptance import ACCEPT_COMMAND

COMMANDS = [
    "dsassist.snooze",
    "dsassist.unsnooze",
    "dsassist.status",
    "dsassist.explainCompletion",
    ACCEPT_COMMAND,
    "dsassist.explain",
    "dsassist.writeDocstring",
    "dsassist.writeTest",
    "dsassist.fixDiagnostic",
    "dsassist.reviewFile",
    "dsassist.whyFinding",
    "dsassist.dismissFinding",
    "dsassist.undoDismissal",
    "no.such.command",
]
KEYS = [
    "a",
    "x = ",
    "(",
    ")",
    "[",
    '"',
    "\n",
    "\r\n",
    "    ",
    "def f(a):\n    ",
    "ä",
    "😀",
    "\u2028",
    "\f",
    "\0",
    "\ud800",
]
TEXT = "def scale(a):\n    return a * 2\n\n\nclass Shop:\n    def sell(self, what):\n        "
JUNK = [None, True, 0, -1, 1.5, 2**40, "", "x", [], [1], {}, {"uri": 5}, {"item": {"command": []}}, "😀" * 50]
SETTINGS = [
    None,
    [],
    "text",
    5,
    {"dsassist": "text"},
    {"dsassist": {"completion": 5}},
    {"dsassist": {"completion": {"max_lines": -3, "no_such": 1}}},
    {"dsassist": {"completion": {"enabled": False}}},
    {"dsassist": {"completion": {"multiline": "never", "exclude": ["["]}}},
    {"dsassist": {}},
]
_ENDS = frozenset(("exit", "shutdown"))
METHODS = [*sorted(set(METHOD_TO_TYPES) - _ENDS), "no/such", "$/noSuch", "textDocument/"]


class FuzzedEditor:
    """An editor that has some documents open, and forgets which. Keeps how often each id was asked for, by its JSON."""

    def __init__(self, seed: int, root: Path, offered: Callable[[], list[Any]]) -> None:
        """`offered` gives the items that the server has sent so far."""
        self.draw = random.Random(seed)
        self.asked: Counter[str] = Counter()
        self._offered = offered
        self._ids: list[Any] = []
        self._version = 0
        self._uris = [(root / name).as_uri() for name in ("a.py", "b.py", "sub/c.ts", "d.go", "plain.txt", "gone/e.rs")]
        self._uris += [
            "untitled:Untitled-1",
            "vscode-notebook-cell:/n.ipynb#c1",
            "file:///",
            "no uri",
            "",
            "file://%zz",
        ]
        kinds: dict[Callable[[], dict[str, Any]], int] = {
            self._did_open: 10,
            self._did_change: 30,
            self._did_close: 2,
            self._did_save: 3,
            self._inline_completion: 22,
            self._completion: 5,
            self._code_action: 4,
            self._command: 5,
            self._shown: 4,
            self._cancel: 8,
            self._configuration: 1,
            self._any_method: 4,
            self._broken: 3,
            self._stray_answer: 1,
        }
        self._kinds, self._weights = list(kinds), list(kinds.values())

    def message(self) -> dict[str, Any]:
        """The next message, without the version of JSON-RPC."""
        (kind,) = self.draw.choices(self._kinds, self._weights)
        message = kind()
        if "method" in message and "id" in message:
            self.asked[json.dumps(message["id"])] += 1
        return message

    def _did_open(self) -> dict[str, Any]:
        self._version += 1
        language = self.draw.choice(["python", "typescript", "go", "plaintext", "", "no-such"])
        text = TEXT + "".join(self.draw.choices(KEYS, k=self.draw.randrange(30)))
        item = {"uri": self._uri(), "languageId": language, "version": self._version, "text": text}
        return {"method": "textDocument/didOpen", "params": {"textDocument": item}}

    def _did_change(self) -> dict[str, Any]:
        self._version += self.draw.choice([1, 1, 1, 1, 5, 0, -2])
        changes = [self._change() for _ in range(self.draw.choice([1, 1, 1, 1, 2, 5, 0]))]
        document = {"uri": self._uri(), "version": self._version}
        return {
            "method": "textDocument/didChange",
            "params": {"textDocument": document, "contentChanges": changes},
        }

    def _change(self) -> dict[str, Any]:
        if self.draw.random() < 0.05:
            return {"text": TEXT * self.draw.choice([0, 1, 1, 20])}
        start = self._position()
        end = start if self.draw.random() < 0.8 else self._position()
        return {"range": {"start": start, "end": end}, "text": self.draw.choice(KEYS)}

    def _did_close(self) -> dict[str, Any]:
        return {"method": "textDocument/didClose", "params": {"textDocument": {"uri": self._uri()}}}

    def _did_save(self) -> dict[str, Any]:
        return {"method": "textDocument/didSave", "params": {"textDocument": {"uri": self._uri()}}}

    def _inline_completion(self) -> dict[str, Any]:
        context: dict[str, Any] = {"triggerKind": self.draw.choice([1, 2, 2, 2])}
        if self.draw.random() < 0.1:
            span = {"start": self._position(), "end": self._position()}
            context["selectedCompletionInfo"] = {"range": span, "text": self.draw.choice(KEYS)}
        return self._request("textDocument/inlineCompletion", self._place() | {"context": context})

    def _completion(self) -> dict[str, Any]:
        return self._request("textDocument/completion", self._place() | {"context": {"triggerKind": 1}})

    def _code_action(self) -> dict[str, Any]:
        span = {"start": self._position(), "end": self._position()}
        problem = {"range": span, "message": "undefined name 'a'"}
        context = {"diagnostics": [problem] * self.draw.randrange(3)}
        params = {"textDocument": {"uri": self._uri()}, "range": span, "context": context}
        return self._request("textDocument/codeAction", params)

    def _command(self) -> dict[str, Any]:
        span = {"start": self._position(), "end": self._position()}
        sensible = [{"uri": self._uri(), "version": None, "range": span, "message": "undefined name 'a'"}]
        arguments = self.draw.choice(
            [None, [], sensible, sensible, self.draw.sample(JUNK, 3), [self.draw.choice(JUNK)]]
        )
        command: Any = {"command": self.draw.choice(COMMANDS), "arguments": arguments}
        if (offered := self._offered()) and self.draw.random() < 0.3:
            command = self.draw.choice(offered[-20:])["command"]
        if command["command"] == "dsassist.snooze":
            command = {"command": "dsassist.unsnooze"} if self.draw.random() < 0.9 else command
        return self._request("workspace/executeCommand", command)

    def _shown(self) -> dict[str, Any]:
        offered = self._offered()
        item = self.draw.choice(offered[-20:]) if offered and self.draw.random() < 0.7 else self.draw.choice(JUNK)
        if self.draw.random() < 0.5:
            return {"method": "textDocument/didShowCompletion", "params": {"item": item}}
        length = self.draw.choice([*JUNK, 3, 8])
        params = {"item": item, "acceptedLength": length}
        return {"method": "textDocument/didPartiallyAcceptCompletion", "params": params}

    def _cancel(self) -> dict[str, Any]:
        known = bool(self._ids) and self.draw.random() < 0.7
        id_ = self.draw.choice(self._ids[-2:]) if known else self.draw.choice([4_711_000, -1, "no such", ""])
        return {"method": "$/cancelRequest", "params": {"id": id_}}

    def _configuration(self) -> dict[str, Any]:
        return {"method": "workspace/didChangeConfiguration", "params": {"settings": self.draw.choice(SETTINGS)}}

    def _any_method(self) -> dict[str, Any]:
        method, params = self.draw.choice(METHODS), self._junk()
        if self.draw.random() < 0.5:
            return self._request(method, params)
        return {"method": method, "params": params}

    def _broken(self) -> dict[str, Any]:
        """A message that was right, less a part of it."""
        message = self.draw.choice([self._did_change, self._did_open, self._inline_completion, self._code_action])()
        place: Any = message
        while isinstance(place, dict) and self.draw.random() < 0.7:
            name = self.draw.choice(sorted(set(place) - {"id", "method"}) or sorted(place))
            if not isinstance(place[name], dict) or self.draw.random() < 0.4:
                if name not in ("id", "method"):
                    place[name] = self.draw.choice(JUNK)
                break
            place = place[name]
        else:
            message.pop("params", None)
        return message

    def _stray_answer(self) -> dict[str, Any]:
        ids = [*self._ids[-3:], "no such", 4_711_000]
        return {"id": self.draw.choice(ids)} | self.draw.choice(
            [{"result": None}, {"error": {"code": 1, "message": "no"}}]
        )

    def _request(self, method: str, params: Any) -> dict[str, Any]:
        id_: int | str = len(self._ids) + 1_000  # the others are the client's own
        if self.draw.random() < 0.3:
            id_ = "".join(self.draw.choices(string.ascii_letters, k=6)) + str(id_)
        elif self._ids and self.draw.random() < 0.05:
            id_ = self.draw.choice(self._ids[-5:])  # of one that may be under way
        self._ids.append(id_)
        return {"id": id_, "method": method, "params": params}

    def _place(self) -> dict[str, Any]:
        return {"textDocument": {"uri": self._uri()}, "position": self._position()}

    def _position(self) -> dict[str, Any]:
        if self.draw.random() < 0.05:
            return {"line": self.draw.choice([-1, 10**6, 2**40]), "character": self.draw.choice([-5, 0, 10**6])}
        return {"line": self.draw.randrange(9), "character": self.draw.randrange(25)}

    def _uri(self) -> str:
        return self.draw.choice(self._uris[:2] if self.draw.random() < 0.7 else self._uris)

    def _junk(self) -> Any:
        if self.draw.random() < 0.5:
            return self.draw.choice(JUNK)
        names = ("textDocument", "position", "range", "uri", "token", "value", "item", "command", "id", "settings")
        return {name: self.draw.choice(JUNK) for name in self.draw.sample(names, 3)}
