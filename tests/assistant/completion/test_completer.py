"""A completion from a document to an offer, on a scripted engine."""

from __future__ import annotations

import random
import string
from dataclasses import replace

import pytest

from dsassist.completion.completer import PromptName, infill_request, whole_prompt, write
from dsassist.completion.place import Place
from dsassist.completion.plan import prompt_at
from dsassist.options import CompletionConfig
from dsassist_runtime.api import InfillRequest
from dsassist_runtime.testing import ScriptedEngine

OPTIONS = CompletionConfig()


def place(document: str, path: str = "sample.py") -> Place:
    before, after = document.split("|")
    return Place(before + after, len(before), path)


def request_at(at: Place) -> InfillRequest:
    return infill_request(whole_prompt(at, OPTIONS), OPTIONS, PromptName("src/sample.py", "shop"))


def complete(engine: ScriptedEngine, document: str) -> str:
    """The document with the offer in it."""
    at = place(document)
    writer, end = write(engine, at, request_at(at), OPTIONS)
    assert end.completion_tokens > 0
    assert all(stream.closed.is_set() for stream in engine.streams)
    offer = writer.offer()
    return at.text if offer is None else at.text[: offer.start] + offer.text + at.text[offer.end :]


def test_the_line_is_begun_and_the_text_goes_on_behind_it() -> None:
    engine = ScriptedEngine(["return 1\n\n\nx = 2"])
    assert complete(engine, "def f():\n    |\n") == "def f():\n    return 1\n"
    [request] = engine.requests
    assert isinstance(request, InfillRequest)
    assert (request.prefix, request.begun, request.suffix) == ("def f():", "\n    ", "\n")
    assert (request.path, request.repository, request.logprobs) == ("src/sample.py", "shop", 0)


def test_the_engine_is_stopped_as_soon_as_nothing_more_can_be_shown() -> None:
    engine = ScriptedEngine(["1 + 2\n" + "y = 3\n" * 1000])
    assert complete(engine, "x = |\n") == "x = 1 + 2\n"
    at = place("x = |\n")
    _, end = write(ScriptedEngine(["1 + 2\n" + "y = 3\n" * 1000]), at, request_at(at), OPTIONS)
    assert end.finish_reason == "stop"
    assert end.completion_tokens < 5


def test_crlf_comes_back_as_the_document_has_it() -> None:
    engine = ScriptedEngine(["a = 1\n    return a\n"])
    assert complete(engine, "def f():\r\n    |\r\n") == "def f():\r\n    a = 1\r\n    return a\r\n"
    assert all(
        "\r" not in request.prefix + request.suffix for request in engine.requests if isinstance(request, InfillRequest)
    )


def test_secrets_are_replaced_but_in_the_line_that_is_typed() -> None:
    key = "AKIA" + "QZ7RTB4LMNXD2WFC"
    request = request_at(place(f'a = "{key}"\nb = 1\nx = |\nc = "{key}"\n'))
    assert key not in request.prefix + request.suffix
    assert request.begun == "\nx = "


def test_a_key_of_several_lines_is_left_out_wherever_the_window_and_the_cursor_are() -> None:
    draw = random.Random(4)
    body = ["".join(draw.choices(string.ascii_letters + string.digits, k=64)) for _ in range(12)]
    lines = ['KEY = """', "-----BEGIN PRIVATE KEY-----", *body, "-----END PRIVATE KEY-----", '"""', "x = 1"]
    text = "import os\n" * 3 + "\n".join(lines) + "\n"
    for cut in range(4, 16):
        offset = len("\n".join(text.split("\n")[:cut])) + 1
        for tokens in (96, 200, 1000):
            at = Place(text, offset, "a.py")
            prompt = prompt_at(*at.around, tokens)
            request = infill_request(prompt, OPTIONS, PromptName())
            shown = [line for line in body if line in request.prefix + request.suffix + request.begun]
            assert shown == [], (cut, tokens)


@pytest.mark.parametrize("text", ["", "   \n", "\n\n\n"])
def test_nothing_is_offered_with_a_reason(text: str) -> None:
    at = place("x = 1\n|\n")
    writer, _ = write(ScriptedEngine([text or "\n"]), at, request_at(at), OPTIONS)
    assert writer.offer() is None
    assert writer.reason


def test_without_multiline_an_offer_has_one_line() -> None:
    at, options = place("def f():\n    |\n"), replace(OPTIONS, multiline="never")
    writer, _ = write(ScriptedEngine(["a = 1\n    return a\n"]), at, request_at(at), options)
    offer = writer.offer()
    assert offer is not None
    assert offer.text == "a = 1"


def test_a_traced_text_is_read_to_its_end_since_the_routing_comes_there() -> None:
    at = place("x = |\n")
    request = replace(request_at(at), trace_experts=True)
    engine = ScriptedEngine(["1 + 2\n" + "y = 3\n" * 20])
    _, end = write(engine, at, request, OPTIONS)
    assert end.completion_tokens > 20
