"""A completion from a document to an offer, on a scripted engine."""

from __future__ import annotations

import random
import string
from dataclasses import replace
from pathlib import Path

import pytest

from dsassist.completion import completer
from dsassist.completion.completer import PromptName, as_asked, infill_request, whole_prompt, write
from dsassist.completion.place import Place
from dsassist.completion.plan import Budget, Prompts, prompt_at
from dsassist.options import CompletionConfig
from dsassist_runtime.api import ContextFile, InfillRequest
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


KEY = "ghp_" + "0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R"


def read(request: InfillRequest) -> str:
    """All that the model reads of a request."""
    files = [part for file in request.extra for part in (file.path, file.text)]
    return "\n".join([request.prefix, request.begun, request.suffix, request.path, request.repository, *files])


def test_nothing_of_a_key_is_read_that_is_longer_than_the_prompt() -> None:
    random_ = random.Random(5)
    token = "eyJ" + "".join(random_.choices(string.ascii_letters + string.digits + "-_", k=847))
    for before, tokens in ((f'TOKEN = "{token}"; x = ', 225), (f'TOKEN = "{token[:380]}"\nx = ', 96)):
        asked = as_asked(prompt_at(before, f'\nOTHER = "{token}"\n', tokens))
        read_of_it = asked.prefix + asked.begun + asked.suffix
        assert not any(token[at : at + 8] in read_of_it for at in range(len(token) - 8))


def test_secrets_are_replaced_above_below_and_in_the_line_that_is_typed() -> None:
    request = request_at(place(f'a = "{KEY}"\nb = 1\nx = f("{KEY}", |\nc = "{KEY}"\n'))
    assert read(request).count("...") == 3
    assert KEY not in read(request)
    assert request.begun == '\nx = f("...", '


@pytest.mark.parametrize("typed", ["im", "", "import os\n", "x" * 700])
def test_a_secret_typed_behind_an_old_prompt_is_replaced_wherever_that_begins(typed: str) -> None:
    """A prompt that was asked on the first line has no prefix: all that was typed since is begun, so the key was."""
    prompts, budget = Prompts(), Budget(256, 1024, 1000)
    prompts.evaluated(prompts.at(typed, "", budget))
    typed += f'\ntoken = "{KEY}"\n'
    for line in ("", "value = 1\n", "y = "):
        typed += line
        prompt = prompts.at(typed, "", budget)
        assert KEY in prompt.begun
        request = infill_request(prompt, OPTIONS, PromptName())
        assert KEY not in read(request)
        assert '\ntoken = "..."\n' in request.begun


@pytest.mark.parametrize("at", range(0, 400, 7))
def test_a_secret_in_a_line_of_excessive_length_is_replaced_wherever_the_anchor_stands(at: int) -> None:
    line = "x = [" + "1, " * 200 + " " * at + f'"{KEY}", 2, 3, '
    assert KEY not in read(request_at(place("a = 1\n" + line + "|\n")))
    assert KEY not in read(request_at(place("a = 1\n" + line + f"4]\nb = 2{KEY[:9]}|{KEY[9:]}\n")))


@pytest.mark.parametrize("at", range(0, 60, 3))
def test_no_part_of_a_secret_is_left_where_the_window_ends_within_its_line(at: int) -> None:
    def near(n_characters: int) -> str:
        return "1, " * (n_characters // 3)

    far = KEY[4:]
    limit = 3 * 96
    document = f'x = ["{KEY}", ' + near(limit - at) + "|" + near(72 - at) + f'"{KEY}", 3' + ", 4" * 200
    before, after = document.split("|")
    shown = read(infill_request(prompt_at(before, after, 96), OPTIONS, PromptName()))
    assert not any(far[n : n + 6] in shown for n in range(len(far) - 6))


def test_a_secret_in_a_name_or_in_another_file_is_replaced() -> None:
    files = (ContextFile(f"{KEY}.py", f'B = 1\nTOKEN = "{KEY}"\n'),)
    prompt = Prompts().wide("x = ", "\n", Budget(100, 100, 32), files)
    request = infill_request(prompt, OPTIONS, PromptName(f"src/{KEY}/a.py", KEY))
    assert KEY not in read(request)
    assert (request.path, request.repository) == ("src/.../a.py", "...")
    assert request.extra == (ContextFile("....py", 'B = 1\nTOKEN = "..."\n'),)


def test_what_holds_no_secret_is_asked_as_it_is() -> None:
    text = Path(completer.__file__).read_text(encoding="utf-8")
    for offset in range(0, len(text), 97):
        prompt = prompt_at(text[:offset], text[offset:], 500)
        assert as_asked(prompt) == prompt


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
