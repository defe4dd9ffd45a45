"""Whether a menu was opened by hand, which no message says."""

from __future__ import annotations

from lsprotocol import types

from dsassist_lsp.invocation import Invocations
from dsassist_runtime.testing import ScriptedEngine
from lsp.client import URI, Serve

INVOKED = types.CompletionContext(types.CompletionTriggerKind.Invoked)
BY_CHARACTER = types.CompletionContext(types.CompletionTriggerKind.TriggerCharacter, ".")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_first_request_behind_an_edit_is_the_editors_own_and_the_next_one_a_persons() -> None:
    invocations = Invocations(Clock())
    invocations.edited(URI)
    assert not invocations.is_by_hand(URI, INVOKED)
    assert invocations.is_by_hand(URI, INVOKED)
    invocations.edited(URI)
    assert not invocations.is_by_hand(URI, INVOKED)


def test_a_request_long_after_the_last_edit_is_a_persons() -> None:
    clock = Clock()
    invocations = Invocations(clock)
    invocations.edited(URI)
    clock.now = 1.5
    assert invocations.is_by_hand(URI, INVOKED)


def test_an_edit_of_another_document_says_nothing() -> None:
    invocations = Invocations(Clock())
    invocations.edited("file:///other.py")
    assert invocations.is_by_hand(URI, INVOKED)


def test_only_what_is_invoked_can_be_by_hand() -> None:
    invocations = Invocations(Clock())
    assert not invocations.is_by_hand(URI, BY_CHARACTER)
    assert not invocations.is_by_hand(URI, None)


def test_a_menu_that_is_opened_by_hand_has_what_is_else_hidden_as_unlikely(serve: Serve) -> None:
    engine = ScriptedEngine(["unlikely\n"], logprob=-4.0)
    client = serve(engine)
    client.open("x = ")
    client.change(
        [{"range": {"start": {"line": 0, "character": 3}, "end": {"line": 0, "character": 4}}, "text": ""}], 2
    )
    assert client.menu(0, 3) == []
    assert [item["label"] for item in client.menu(0, 3)] == ["unlikely"]


def test_with_a_manual_trigger_the_menu_is_filled_when_it_is_opened_by_hand(serve: Serve) -> None:
    engine = ScriptedEngine(["1\n"])
    client = serve(engine, options={"completion": {"trigger": "manual"}})
    client.open("x =")
    client.change(
        [{"range": {"start": {"line": 0, "character": 3}, "end": {"line": 0, "character": 3}}, "text": " "}], 2
    )
    assert client.menu(0, 4) == []
    assert engine.requests == []
    assert [item["label"] for item in client.menu(0, 4)] == ["1"]
