"""What happens while a person types: what is written already is used, what does not fit any more is stopped."""

from __future__ import annotations

import threading
from typing import Any

from dsassist_runtime.api import InfillRequest, TextStream
from dsassist_runtime.testing import ScriptedEngine
from lsp.client import URI, LanguageClient, Serve, at, wait_for

TEXT = "total = sum(prices)\n"
LINE = "def f(prices):\n    "


def type_text(client: LanguageClient, text: str, version: int, line: int, character: int) -> None:
    """One edit, as an editor sends it."""
    here = {"line": line, "character": character}
    client.change([{"range": {"start": here, "end": here}, "text": text}], version)


def asked(engine: ScriptedEngine) -> list[InfillRequest]:
    """The requests but those that read a prompt in idle time, which a busy machine finds earlier."""
    return [each for each in engine.requests if isinstance(each, InfillRequest) and each.max_tokens]


def texts(items: list[dict[str, Any]]) -> list[str]:
    return [item["insertText"] for item in items]


def test_what_was_typed_of_a_text_is_taken_off_and_the_engine_is_not_asked_again(serve: Serve) -> None:
    engine = ScriptedEngine([TEXT])
    client = serve(engine)
    client.open(LINE)
    assert texts(client.inline(1, 4)) == ["total = sum(prices)"]
    for n, key in enumerate("total = s"):
        type_text(client, key, 2 + n, 1, 4 + n)
        assert texts(client.inline(1, 5 + n)) == ["total = sum(prices)"[n + 1 :]]
    assert len(asked(engine)) == 1


def test_going_back_shows_the_text_again_without_the_engine(serve: Serve) -> None:
    engine = ScriptedEngine([TEXT])
    client = serve(engine)
    client.open(LINE)
    client.inline(1, 4)
    type_text(client, "to", 2, 1, 4)
    assert texts(client.inline(1, 6)) == ["tal = sum(prices)"]
    span = {"start": {"line": 1, "character": 4}, "end": {"line": 1, "character": 6}}
    client.change([{"range": span, "text": ""}], 3)
    assert texts(client.inline(1, 4)) == ["total = sum(prices)"]
    assert len(asked(engine)) == 1


def test_other_text_asks_the_engine_for_another(serve: Serve) -> None:
    engine = ScriptedEngine([TEXT, "ax(prices)\n"])
    client = serve(engine)
    client.open(LINE)
    client.inline(1, 4)
    type_text(client, "m", 2, 1, 4)
    assert texts(client.inline(1, 5)) == ["ax(prices)"]
    assert len(asked(engine)) == 2


def test_a_bracket_that_the_editor_closes_does_not_lose_the_text(serve: Serve) -> None:
    engine = ScriptedEngine([TEXT])
    client = serve(engine)
    client.open(LINE)
    client.inline(1, 4)
    type_text(client, "total = sum()", 2, 1, 4)
    [item] = client.inline(1, 16)
    assert item["insertText"] in ("prices", "prices)")
    end = 16 + (item["insertText"] == "prices)")
    assert item["range"] == {"start": {"line": 1, "character": 16}, "end": {"line": 1, "character": end}}
    assert len(asked(engine)) == 1


def test_a_text_under_way_goes_on_for_a_person_who_types_just_that(serve: Serve) -> None:
    engine = ScriptedEngine([TEXT], piece_s=0.1)
    client = serve(engine)
    client.open(LINE)
    first = client.request_inline(1, 4)
    wait_for(lambda: engine.streams)
    type_text(client, "total", 2, 1, 4)
    second = client.request_inline(1, 9)
    assert client.answer(first)["result"] == []
    assert texts(client.answer(second)["result"]) == [" = sum(prices)"]
    assert len(asked(engine)) == 1


def test_a_text_under_way_is_stopped_when_something_else_is_typed(serve: Serve) -> None:
    engine = ScriptedEngine([TEXT, "x(prices)\n"], piece_s=0.1)
    client = serve(engine)
    client.open(LINE)
    first = client.request_inline(1, 4)
    wait_for(lambda: engine.streams)
    type_text(client, "ma", 2, 1, 4)
    assert texts(client.inline(1, 6)) == ["x(prices)"]
    assert client.answer(first)["result"] == []
    assert engine.streams[0].closed.is_set()


def test_typing_faster_than_the_model_waits_for_it_and_asks_anew_where_it_writes_something_else(serve: Serve) -> None:
    engine = ScriptedEngine(["total = max(prices)\n", "m(prices)\n"], piece_s=0.1)
    client = serve(engine)
    client.open(LINE)
    client.request_inline(1, 4)
    wait_for(lambda: engine.streams)
    type_text(client, "total = su", 2, 1, 4)
    assert texts(client.inline(1, 14)) == ["m(prices)"]
    assert len(asked(engine)) == 2


def test_the_next_line_is_written_ahead_of_a_likely_text(serve: Serve) -> None:
    engine = ScriptedEngine(["n = 1\nm = n + 2\n"])
    client = serve(engine)
    client.open("x = 1\n")
    assert texts(client.inline(1, 0)) == ["n = 1"]
    wait_for(lambda: engine.streams[0].end is not None)
    type_text(client, "n = 1\n", 2, 1, 0)
    assert texts(client.inline(2, 0)) == ["m = n + 2"]
    assert len(asked(engine)) == 1


def test_a_keystroke_asks_with_the_same_prompt_and_a_longer_beginning(serve: Serve) -> None:
    engine = ScriptedEngine(["q\n"])
    client = serve(engine)
    client.open("import os\n\n" + LINE + "\n")
    client.inline(3, 4)
    type_text(client, "z", 2, 3, 4)
    client.inline(3, 5)
    first, second = asked(engine)
    assert (first.prefix, first.suffix) == (second.prefix, second.suffix)
    assert (first.begun, second.begun) == ("\n    ", "\n    z")


def test_a_wide_prompt_is_read_once_nobody_types(serve: Serve) -> None:
    engine = ScriptedEngine(["q\n"])
    client = serve(engine)
    client.open("x = 1\n" * 400)
    client.inline(300, 0)
    wait_for(lambda: len(engine.requests) == 2)
    short, wide = (request for request in engine.requests if isinstance(request, InfillRequest))
    assert (wide.max_tokens, wide.priority) == (0, "idle")
    assert len(wide.prefix) > 2 * len(short.prefix)
    wait_for(lambda: engine.streams[1].end is not None)
    type_text(client, "z", 2, 300, 0)
    client.inline(300, 1)
    assert isinstance(engine.requests[2], InfillRequest)
    assert engine.requests[2].prefix == wide.prefix


class _Choosy(ScriptedEngine):
    """Writes another text for each seed."""

    def infill(self, request: InfillRequest) -> TextStream:
        with threading.Lock():
            self._texts = [{None: "a\n", 0: "b\n", 1: "a\n"}[request.sampling.seed]]
            return super().infill(request)


def test_several_texts_are_offered_only_when_they_are_asked_for_by_hand(serve: Serve) -> None:
    client = serve(_Choosy())
    client.open("x = ")
    assert texts(client.inline(0, 4)) == ["a"]
    params = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 4}, "context": {"triggerKind": 1}}
    assert texts(client.ask("textDocument/inlineCompletion", params)) == ["a", "b"]


def test_of_a_text_that_was_stopped_no_half_line_is_shown(serve: Serve) -> None:
    """The line behind the shown one was written ahead, and the engine was stopped within it."""
    endless = "".join(f"name{n * n} + " for n in range(200))
    engine = ScriptedEngine([f"n = 1\nm = {endless}", "m = n + 4\n"], piece_s=0.002, logprob=-0.01)
    client = serve(engine)
    client.open("x = 1\n")
    assert texts(client.inline(1, 0)) == ["n = 1"]
    wait_for(lambda: engine.streams[0].closed.is_set())
    type_text(client, "n = 1\n", 2, 1, 0)
    assert texts(client.inline(2, 0)) == ["m = n + 4"]


def test_the_first_letter_of_a_body_does_not_take_its_other_lines_away(serve: Serve) -> None:
    """A line that is no longer empty is no place for a block, so of four lines one was left."""
    engine = ScriptedEngine(["data = []\n    for item in x:\n        data.append(item)\n    return data\n"])
    client = serve(engine)
    client.open("def save(x):\n    \n")
    [whole] = texts(client.inline(1, 4))
    assert whole.count("\n") == 3
    type_text(client, "d", 2, 1, 4)
    assert texts(client.inline(1, 5)) == [whole[1:]]
    assert len(asked(engine)) == 1


def backspace(client: LanguageClient, version: int, line: int, start: int, end: int) -> None:
    """Blanks taken back from a line, as an editor sends it."""
    span = {"start": {"line": line, "character": start}, "end": {"line": line, "character": end}}
    client.change([{"range": span, "text": ""}], version)


def test_who_takes_indentation_back_is_not_offered_it_again(serve: Serve) -> None:
    """The rest of a text that had begun above was offered at the column that the person had chosen, blanks and all."""
    engine = ScriptedEngine(["x = 1\n    return x\n", "print(f())\n"])
    client = serve(engine)
    client.open("def f():\n    \n")
    assert texts(client.inline(1, 4)) == ["x = 1\n    return x"]
    type_text(client, "x = 1\n    ", 2, 1, 4)
    assert texts(client.inline(2, 4)) == ["return x"]
    backspace(client, 3, 2, 0, 4)
    assert texts(client.inline(2, 0)) == ["print(f())"]
    assert len(asked(engine)) == 2


def test_a_model_that_goes_on_in_the_block_that_the_person_left_is_stopped_and_not_shown(serve: Serve) -> None:
    engine = ScriptedEngine(["y = 2\n", "    return x\n    y = 2\n" * 50], piece_s=0.002)
    client = serve(engine)
    client.open("def f():\n    x = 1\n    \n")
    assert texts(client.inline(2, 4)) == ["y = 2"]
    backspace(client, 2, 2, 0, 4)
    assert client.inline(2, 0) == []
    explained = client.ask("workspace/executeCommand", {"command": "dsassist.explainCompletion"})
    assert explained["reason"] == "it is indented deeper than the cursor"
    wait_for(lambda: engine.streams[1].closed.is_set())


def test_an_empty_line_between_does_not_bring_the_left_block_back(serve: Serve) -> None:
    client = serve(ScriptedEngine(["y = 2\n", "\n    return x\n"]))
    client.open("def f():\n    x = 1\n    \n")
    assert texts(client.inline(2, 4)) == ["y = 2"]
    backspace(client, 2, 2, 0, 4)
    assert client.inline(2, 0) == []
    type_text(client, "\n", 3, 2, 0)
    assert client.inline(3, 0) == []


def test_who_indents_again_is_offered_what_was_there_before(serve: Serve) -> None:
    engine = ScriptedEngine(["return x\n", "    return x\n"])
    client = serve(engine)
    client.open("def f():\n    x = 1\n    \n")
    assert texts(client.inline(2, 4)) == ["return x"]
    backspace(client, 2, 2, 0, 4)
    assert client.inline(2, 0) == []
    type_text(client, "    ", 3, 2, 0)
    assert texts(client.inline(2, 4)) == ["return x"]
    assert len(asked(engine)) == 2


def test_a_line_that_nobody_took_indentation_from_is_offered_a_deeper_text(serve: Serve) -> None:
    client = serve(ScriptedEngine(["    return x\n"]))
    client.open("def f():\n    x = 1\n\n")
    assert texts(client.inline(2, 0)) == ["    return x"]


def test_a_text_under_way_that_turns_out_to_stay_in_the_left_block_is_asked_for_anew(serve: Serve) -> None:
    engine = ScriptedEngine(["\n        return x\n", "return y\n"], piece_s=0.1)
    client = serve(engine)
    client.open("def f():\n    if x:\n        x = 1\n")
    client.request_inline(2, 13)
    wait_for(lambda: engine.streams)
    type_text(client, "\n        ", 2, 2, 13)
    backspace(client, 3, 3, 4, 8)
    assert texts(client.inline(3, 4)) == ["return y"]
    assert len(asked(engine)) == 2


def test_other_texts_asked_by_hand_go_on_from_what_was_typed_or_are_none(serve: Serve) -> None:
    """They are written behind the prompt of the first, which ends before what was typed."""
    engine = ScriptedEngine([TEXT, "total = max(prices)\n", "max(prices)\n"])
    client = serve(engine)
    client.open(LINE)
    client.inline(1, 4)
    type_text(client, "total", 2, 1, 4)
    params = at(1, 9) | {"context": {"triggerKind": 1}}
    assert texts(client.ask("textDocument/inlineCompletion", params)) == [" = sum(prices)", " = max(prices)"]
    assert len(asked(engine)) == 3
