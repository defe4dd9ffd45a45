"""What a running server counts in the ledger, and what it takes from there."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dsassist.ledger.database import ledger_dir, opened
from dsassist.ledger.entries import ShownOffer
from dsassist.ledger.ledger import Ledger
from dsassist_runtime.api import InfillRequest, TextPiece, TextStream
from dsassist_runtime.testing import ScriptedEngine, ScriptedStream
from lsp.client import URI, LanguageClient, Serve, wait_for


def rows(columns: str, table: str = "requests", condition: str = "1") -> list[tuple[Any, ...]]:
    with opened(ledger_dir(), create=False) as connection:
        if connection is None:
            return []
        return connection.execute(f"SELECT {columns} FROM {table} WHERE {condition} ORDER BY at").fetchall()


def type_in(client: LanguageClient, text: str, character: int, version: int) -> None:
    at = {"line": 0, "character": character}
    client.change([{"range": {"start": at, "end": at}, "text": text}], version)


def test_a_text_is_counted_when_it_is_written_while_the_session_goes_on(serve: Serve) -> None:
    """It was once counted when eleven others had followed, or at the end, and lost by a kill."""
    client = serve(ScriptedEngine(["12\n"]))
    client.open("x = ")
    assert client.inline(0, 4)
    wait_for(lambda: rows("language", condition="purpose = 'completion'"), 30)
    [row] = rows("language, model, prompt_tokens, evaluated_tokens, reason", condition="purpose = 'completion'")
    assert row == ("python", "scripted", 10, 10, "")


def test_what_is_seen_later_is_not_wasted(serve: Serve) -> None:
    client = serve(
        ScriptedEngine(["1234567\ny = 12345678\n"], logprob=-0.001), options={"completion": {"max_lines": 1}}
    )
    client.open("x = ")
    assert client.inline(0, 4)[0]["insertText"] == "1234567"
    wait_for(lambda: rows("wasted_tokens", condition="purpose = 'completion'"), 30)
    [(before,)] = rows("wasted_tokens", condition="purpose = 'completion'")
    type_in(client, "1234567\n", 4, 2)
    [item] = client.inline(1, 0)
    assert item["insertText"] == "y = 12345678"
    wait_for(lambda: rows("wasted_tokens", condition="purpose = 'completion'") < [(before,)], 30)


def test_a_further_answer_from_a_text_of_which_no_more_is_shown_changes_nothing(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1\n"]))
    client.open("x = ")
    assert client.inline(0, 4)
    wait_for(lambda: rows("wasted_tokens", condition="purpose = 'completion'"), 30)
    with opened(ledger_dir(), create=False) as connection:
        assert connection is not None
        connection.execute("UPDATE requests SET wasted_tokens = 77")
    assert client.inline(0, 4), "answered from what is written"
    type_in(client, "y", 0, 2)
    assert client.inline(0, 5), "asked anew, and counted after what came before"
    wait_for(lambda: len(rows("at", condition="purpose = 'completion'")) == 2, 30)
    assert rows("wasted_tokens", condition="purpose = 'completion'")[0] == (77,)


def test_prompts_that_are_read_in_idle_time_are_counted_as_evaluated(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1\n"]))
    client.open("x = ")
    client.inline(0, 4)
    wait_for(lambda: rows("evaluated_tokens", condition="purpose = 'ahead'"), 30)
    assert rows("evaluated_tokens, wasted_tokens, reason", condition="purpose = 'ahead'") == [(10, 0, "")]


def test_the_further_texts_that_are_asked_for_by_hand_are_counted(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1111\n", "2222\n", "1111\n"]))
    client.open("x = ")
    params = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 4}}
    items = client.ask("textDocument/inlineCompletion", params | {"context": {"triggerKind": 1}})
    assert [item["insertText"] for item in items] == ["1111", "2222"]
    wait_for(lambda: len(rows("at", condition="purpose = 'further'")) == 2, 30)
    found = rows("decoded_tokens, wasted_tokens", condition="purpose = 'further'")
    # The one that is offered, and the one that says the same as the first.
    assert sorted(wasted == decoded for decoded, wasted in found) == [False, True]


class Gated(ScriptedEngine):
    """Writes nothing before the gate is opened."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__(texts)
        self.gate = threading.Event()

    def infill(self, request: InfillRequest) -> TextStream:
        text, gate = super().infill(request), self.gate

        class Stream(ScriptedStream):
            def pieces(self) -> Iterator[TextPiece]:
                assert gate.wait(30)
                yield from super().pieces()

        assert isinstance(text, ScriptedStream)
        stream = Stream("".join(text._pieces), 0.0, text._logprob)
        self.streams[-1] = stream
        return stream


def test_the_latency_runs_from_the_request_also_where_its_text_has_to_be_asked_for_anew(serve: Serve) -> None:
    engine = Gated(["zzzz\n", "12\n"])
    client = serve(engine)
    client.open("x = ")
    client.request_inline(0, 4)
    wait_for(lambda: engine.streams, 30)
    type_in(client, "y", 4, 2)
    waits = client.request_inline(0, 5)  # for the text that is under way: it may begin with y
    client.answer(client.request("who/isThere"))  # refused, and only after the other request was taken
    time.sleep(0.4)
    assert len(engine.streams) == 1
    engine.gate.set()
    assert client.answer(waits)["result"][0]["insertText"] == "12"
    wait_for(lambda: rows("latency_ms", "offers"), 30)
    [(latency_ms,)] = rows("latency_ms", "offers")
    assert latency_ms >= 400


def learn(probability: float, outcome: str, number: int) -> None:
    """Put so many offers on record that stood for a second."""
    now = [time.time() - 10_000]
    ledger = Ledger(lambda sentence: pytest.fail(sentence), clock=lambda: now[0])
    for _ in range(number):
        offer = ledger.shown(ShownOffer("python", "scripted", "", 10, 1, probability, 50.0))
        now[0] += 1
        getattr(ledger, outcome)(offer)
    assert ledger.close(30)


@pytest.mark.parametrize(("outcome", "is_shown"), [("accepted", True), ("dismissed", False)])
def test_the_learnt_threshold_decides_what_is_shown(serve: Serve, outcome: str, is_shown: bool) -> None:
    learn(0.2, outcome, 220)
    client = serve(ScriptedEngine(["1"], logprob=-1.5))  # 0.22: above the option, below three times it
    client.open("x = ")
    version = 2

    def reason() -> str:
        """Ask at a new place: the first answer comes before the ledger is read."""
        nonlocal version
        type_in(client, " ", 3 + version - 2, version)
        version += 1
        client.inline(0, 3 + version - 1)
        return str(client.ask("workspace/executeCommand", {"command": "dsassist.status", "arguments": []})["reason"])

    if is_shown:
        assert [reason() for _ in range(5)] == [""] * 5
    else:
        wait_for(lambda: reason() == "low confidence 0.22", 30)


def test_a_piece_of_an_item_that_begins_with_the_menus_entry_is_counted_without_that(serve: Serve) -> None:
    client = serve(ScriptedEngine(["(value)\n"]))
    client.open("x = pri")
    span = {"start": {"line": 0, "character": 4}, "end": {"line": 0, "character": 7}}
    params = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 7}}
    context = {"triggerKind": 2, "selectedCompletionInfo": {"range": span, "text": "print"}}
    [item] = client.ask("textDocument/inlineCompletion", params | {"context": context})
    assert item["insertText"] == "print(value)"

    def accept(length: int) -> None:
        client.notify("textDocument/didPartiallyAcceptCompletion", {"item": item, "acceptedLength": length})

    accept(len("print"))
    accept(len("print(value"))
    wait_for(lambda: rows("accepted_characters", "offers", "outcome = 'partly'"), 30)
    assert rows("accepted_characters", "offers") == [(len("(value"),)]
