"""What is read in idle time where completions are asked for by hand alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dsassist_runtime.api import InfillRequest, ModelFacts
from dsassist_runtime.testing import ScriptedEngine
from lsp.client import URI, LanguageClient, Serve, wait_for

MANUAL = {"completion": {"trigger": "manual"}}
TEXT = "x = 1\n" * 400


def type_text(client: LanguageClient, text: str, version: int, line: int, uri: str = URI) -> None:
    here = {"line": line, "character": 0}
    client.change([{"range": {"start": here, "end": here}, "text": text}], version, uri)


def by_hand(client: LanguageClient, line: int, character: int) -> Any:
    params = {"textDocument": {"uri": URI}, "position": {"line": line, "character": character}}
    return client.ask("textDocument/inlineCompletion", params | {"context": {"triggerKind": 1}})


def test_the_place_that_is_typed_at_is_read_before_somebody_asks(serve: Serve) -> None:
    engine = ScriptedEngine(["q\n"])
    client = serve(engine, options=MANUAL)
    client.open(TEXT)
    type_text(client, "y = ", 2, 300)
    wait_for(lambda: engine.streams and engine.streams[0].end is not None)
    [warm] = engine.requests
    assert isinstance(warm, InfillRequest)
    assert (warm.max_tokens, warm.priority) == (0, "idle")
    assert by_hand(client, 300, 4)
    first = engine.requests[1]
    assert isinstance(first, InfillRequest)
    assert (first.prefix, first.suffix, first.begun) == (warm.prefix, warm.suffix, "\ny = ")
    assert len(first.prefix) > 1000


@pytest.mark.parametrize(
    ("options", "uri", "snoozed"),
    [
        ({"completion": {"trigger": "auto"}}, URI, False),
        (MANUAL, "file:///project/.env", False),
        (MANUAL, URI, True),
        ({"completion": {"trigger": "manual", "exclude": ["*.py"]}}, URI, False),
    ],
)
def test_nothing_is_read_where_nothing_is_completed_or_a_request_comes_with_each_key(
    serve: Serve, options: Any, uri: str, snoozed: bool
) -> None:
    engine = ScriptedEngine(["q\n"])
    client = serve(engine, options=options)
    # The place that is read is the latest that may be: that of another document, if the edit below does not count.
    second = "file:///project/second.txt"
    client.open(TEXT, uri=second)
    client.open(TEXT, uri=uri)
    type_text(client, "z = ", 2, 300, second)
    if options["completion"]["trigger"] == "auto":
        client.inline(300, 4, uri=second)
    if snoozed:
        client.ask("workspace/executeCommand", {"command": "dsassist.snooze", "arguments": [5]})
    type_text(client, "y = ", 2, 300, uri)

    def read() -> list[InfillRequest]:
        return [each for each in engine.requests if isinstance(each, InfillRequest) and not each.max_tokens]

    wait_for(read)
    assert [request.begun for request in read()] == ["\nz = "]


def test_the_document_that_is_typed_in_is_not_forgotten_for_a_new_one(serve: Serve) -> None:
    """Where nothing is completed while one types, the first document stayed the oldest, and its prompt went first."""
    engine = ScriptedEngine(["q\n"])
    client = serve(engine, options=MANUAL)
    client.open(TEXT)
    type_text(client, "y = ", 2, 300)
    wait_for(lambda: engine.streams and engine.streams[0].end is not None)
    others = [f"file:///project/other_{n}.py" for n in range(33)]
    for n, uri in enumerate(others):
        client.open(TEXT, uri=uri)
        type_text(client, "z = ", 2, 300, uri)
        type_text(client, "y", 3 + n, 300)
    assert by_hand(client, 300, 4 + len(others))
    warm, *_, first = (each for each in engine.requests if isinstance(each, InfillRequest))
    assert first.max_tokens
    assert (first.prefix, first.suffix) == (warm.prefix, warm.suffix)


class SmallContext(ScriptedEngine):
    """A model that holds 1,024 tokens, as the builtin one."""

    def facts(self) -> ModelFacts:
        return replace(super().facts(), n_ctx=1024)


def test_no_more_is_read_ahead_than_the_model_holds_beside_a_text(serve: Serve) -> None:
    engine = SmallContext(["q\n"])
    client = serve(engine, options=MANUAL)
    wait_for(lambda: client.shown() or any(params.get("kind") == "ready" for _, params in client.notifications), 30)
    client.open(TEXT)
    type_text(client, "y = ", 2, 300)
    wait_for(lambda: engine.streams and engine.streams[0].end is not None)
    [warm] = engine.requests
    assert isinstance(warm, InfillRequest)
    assert 600 < warm.max_prompt_tokens < 1024 - 200
