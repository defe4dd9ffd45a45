"""A completion from a document to the text, on a scripted engine."""

from __future__ import annotations

from dsassist.completion.completer import start_completion
from dsassist.options import CompletionConfig
from dsassist_runtime.api import InfillRequest
from dsassist_runtime.testing import ScriptedEngine


def complete(engine: ScriptedEngine, document: str) -> str:
    before, after = document.split("|")
    stream = start_completion(engine, before + after, len(before), CompletionConfig())
    text = "".join(stream)
    assert stream.result is not None
    assert stream.result.text == text
    assert all(opened.closed.is_set() for opened in engine.streams)
    return text


def prefixes(engine: ScriptedEngine) -> list[str]:
    return [request.prefix for request in engine.requests if isinstance(request, InfillRequest)]


def test_the_model_writes_the_indentation_and_the_person_does_not_get_it_twice() -> None:
    engine = ScriptedEngine(["    return 1\n\n\nx = 2"])
    assert complete(engine, "def f():\n    |\n") == "return 1"
    assert prefixes(engine) == ["def f():\n"]


def test_a_model_that_leaves_the_block_at_once_is_asked_again_with_the_indentation() -> None:
    """With a function below, Qwen2.5-Coder-0.5B took the empty line for the end of this one, and nothing was shown."""
    engine = ScriptedEngine(["\ndef g():\n", "return 1\n"])
    assert complete(engine, "def f():\n    |\n\ndef h():\n    pass\n") == "return 1"
    assert prefixes(engine) == ["def f():\n", "def f():\n    "]


def test_it_is_asked_again_only_once() -> None:
    engine = ScriptedEngine(["def g():\n", ""])
    assert complete(engine, "def f():\n    |\n") == ""
    assert len(engine.requests) == 2


def test_a_closed_stream_is_not_asked_again() -> None:
    engine = ScriptedEngine(["def g():\n", "return 1"])
    stream = start_completion(engine, "def f():\n    \n", 13, CompletionConfig())
    stream.close()
    assert list(stream) == []
    assert len(engine.requests) == 1


def test_blanks_in_the_middle_of_a_line_are_not_doubled() -> None:
    assert complete(ScriptedEngine([" 1 + 2"]), "x = |\n") == "1 + 2"
    assert complete(ScriptedEngine(["1 + 2"]), "x = |\n") == "1 + 2"


def test_crlf_comes_back_as_the_document_has_it() -> None:
    engine = ScriptedEngine(["    a = 1\n    return a\n"])
    assert complete(engine, "def f():\r\n    |\r\n") == "a = 1\r\n    return a"
    assert "\r" not in prefixes(engine)[0]
