"""No secret of the documents reaches the model or the record of the last completion, over the wire."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsassist.completion.explanation import RECORD
from dsassist.records import read_record
from dsassist_runtime.api import InfillRequest
from dsassist_runtime.testing import ScriptedEngine
from lsp.client import URI, LanguageClient, Serve, wait_for

KEY = "ghp_" + "0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R"


class _Typist:
    """Types at the end of a document as an editor sends it, and asks for a completion there."""

    def __init__(self, client: LanguageClient, text: str) -> None:
        self.client = client
        self._text = text
        self._version = 1
        client.open(text)

    def type(self, text: str) -> None:
        line, character = self._cursor()
        here = {"line": line, "character": character}
        self._text += text
        self._version += 1
        self.client.change([{"range": {"start": here, "end": here}, "text": text}], self._version)

    def ask(self) -> None:
        self.client.inline(*self._cursor())

    def _cursor(self) -> tuple[int, int]:
        return self._text.count("\n"), len(self._text) - self._text.rfind("\n") - 1


def is_told(engine: ScriptedEngine) -> bool:
    return any(KEY in repr(request) for request in engine.requests)


def assert_explained_without(client: LanguageClient, shown: str) -> None:
    """The explanation in the editor and the record on disk have what was asked, but for the key."""
    explained = client.ask("workspace/executeCommand", {"command": "dsassist.explainCompletion"})
    assert shown in explained["prompt"]["begun"]
    assert KEY not in repr(explained)
    wait_for(lambda: shown in read_record(RECORD).get("prompt", {}).get("begun", ""))
    assert KEY not in repr(read_record(RECORD))


def test_a_key_typed_below_the_line_on_which_the_first_prompt_was_asked_is_not_told(serve: Serve) -> None:
    """That prompt begins with the document, so all that was typed since went into the next requests as it was."""
    engine = ScriptedEngine(["zz\n"])
    typist = _Typist(serve(engine), "im")
    typist.ask()
    typist.type("port os\n")
    typist.type(f'token = "{KEY}"')
    typist.ask()
    typist.type("\nvalue = ")
    typist.ask()
    assert len(engine.requests) >= 3
    assert not is_told(engine)
    assert_explained_without(typist.client, 'token = "..."\nvalue = ')


def test_a_key_in_a_line_that_is_too_long_for_a_prompt_is_not_told(serve: Serve) -> None:
    engine = ScriptedEngine(["zz\n"])
    typist = _Typist(serve(engine), "x = [" + "1, " * 250)
    typist.ask()
    typist.type(f'"{KEY}", ')
    typist.ask()
    for _ in range(6):
        typist.type("2, " * 40)
        typist.ask()
    typist.type("]\ny = ")
    typist.ask()
    assert len(engine.requests) >= 4
    assert not is_told(engine)


def test_a_key_that_the_cursor_stands_in_is_not_told(serve: Serve) -> None:
    engine = ScriptedEngine(["zz\n"])
    client = serve(engine)
    client.open(f'token = "{KEY}"\n')
    for character in (9, 20, 9 + len(KEY)):
        client.inline(0, character)
    assert engine.requests
    shown = [request.begun + request.suffix for request in engine.requests if isinstance(request, InfillRequest)]
    assert not any(KEY[n : n + 12] in text for text in shown for n in range(len(KEY) - 12))


def test_a_key_of_another_document_that_was_edited_is_not_told(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSASSIST_COMPLETION_CONTEXT", "1")
    engine = ScriptedEngine(["zz\n"])
    client = serve(engine)
    other = (tmp_path / "settings.py").as_uri()
    client.open("import os\n\n\ndef connect(host):\n    return os.open(host)\n", uri=other)
    here = {"line": 5, "character": 0}
    client.change([{"range": {"start": here, "end": here}, "text": f'\n\ntoken = "{KEY}"\nretries = 3\n'}], 2, other)
    client.open("import settings\n" * 30)
    client.inline(20, 0)
    wait_for(lambda: any("retries = 3" in repr(request) for request in engine.requests))
    assert 'token = "..."' in repr(engine.requests)
    assert not is_told(engine)


def test_further_texts_that_are_asked_for_by_hand_are_told_no_key_either(serve: Serve) -> None:
    engine = ScriptedEngine(["a\n", "b\n", "c\n"])
    client = serve(engine)
    client.open(f'token = "{KEY}"\nx = ')
    params = {"textDocument": {"uri": URI}, "position": {"line": 1, "character": 4}, "context": {"triggerKind": 1}}
    assert client.ask("textDocument/inlineCompletion", params)
    assert len(engine.requests) == 3
    assert not is_told(engine)
