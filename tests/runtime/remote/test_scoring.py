"""Scores of edits from a server's log-probabilities: what they are, and what is said where there are none."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from dsassist_runtime.api import Edit, EditScore, ScoreRequest
from dsassist_runtime.errors import DeadlineExceeded, RemoteFailed, RequestRefused
from dsassist_runtime.remote.address import parse_address
from dsassist_runtime.remote.echo import aligned
from dsassist_runtime.remote.engine import RemoteEngine
from remote_server import (
    Call,
    Json,
    Route,
    Stream,
    dsassist,
    echoed,
    error,
    llama_server,
    logprob,
    models,
    reading_suffix,
    running,
    tokens_of,
    vllm,
)

CONTEXT = "import math\n\n\n"
TEXT = """\
def area(width, height):
    return width * width


def last(items):
    if not items:
        return None
    return items[len(items)]
"""


def edit(old: str, new: str, text: str = TEXT, nth: int = 0) -> Edit:
    start = -1
    for _ in range(nth + 1):
        start = text.index(old, start + 1)
    return Edit(start, start + len(old), new)


EDITS = (
    edit("width", "height", nth=2),
    edit(" *", " +"),
    edit(" not", ""),
    Edit(TEXT.index(")]") + 1, TEXT.index(")]") + 1, " - 1"),
    edit("len", "max"),
)


@contextmanager
def engine_at(routes: dict[str, Route]) -> Iterator[RemoteEngine]:
    with running(routes) as server, closing(RemoteEngine(parse_address(server.address), timeout_s=10)) as engine:
        yield engine


def expected(request: ScoreRequest, change: Edit) -> EditScore:
    """The score by the toy's own formula, over the whole texts."""

    def values(text: str) -> list[float]:
        tokens = tokens_of(request.context + text)
        pairs = [logprob(a, b) for a, b in itertools.pairwise(tokens)]
        return pairs[len(tokens_of(request.context)) - 1 :]

    other_text = request.text[: change.start] + change.replacement + request.text[change.end :]
    written, other = tokens_of(request.text), tokens_of(other_text)
    start = next(i for i, (a, b) in enumerate(zip(written, other, strict=False)) if a != b)
    shared = 0
    while shared < min(len(written), len(other)) - start and written[-1 - shared] == other[-1 - shared]:
        shared += 1
    end, other_end = len(written) - shared, len(other) - shared
    if other_end == start:
        end, other_end = end + 1, other_end + 1
    n = min(request.suffix_tokens, len(written) - end)
    before, after = values(request.text), values(other_text)
    return EditScore(
        change,
        tuple(before[start:end]),
        tuple(after[start:other_end]),
        tuple(before[end : end + n]),
        tuple(after[other_end : other_end + n]),
    )


@pytest.mark.parametrize("routes", [vllm("m", ""), vllm("m", "", bos="<s>"), dsassist("m")], ids=["echo", "bos", "own"])
@pytest.mark.parametrize("suffix_tokens", [0, 3, 20])
def test_scores_are_the_models_own_log_probabilities(routes: dict[str, Route], suffix_tokens: int) -> None:
    request = ScoreRequest(CONTEXT, TEXT, EDITS, suffix_tokens=suffix_tokens)
    with engine_at(routes) as engine:
        scores = engine.score(request, 10)
    assert {score.edit for score in scores} == set(EDITS)
    gains = [expected(request, score.edit) for score in scores]
    firsts = [score.site_alternative[0] - (*score.site_original, *score.suffix_original, 0.0)[0] for score in gains]
    assert suffix_tokens == 0 or firsts == sorted(firsts, reverse=True)
    for score in scores:
        wanted = expected(request, score.edit)
        for name in ("site_original", "site_alternative", "suffix_original", "suffix_alternative"):
            assert getattr(score, name) == pytest.approx(getattr(wanted, name)), (score.edit, name)


@pytest.mark.parametrize("routes", [vllm("m", ""), dsassist("m")], ids=["echo", "own"])
def test_at_most_as_many_are_evaluated_as_asked_for(routes: dict[str, Route]) -> None:
    site = edit("len", "max")
    several = tuple(Edit(site.start, site.end, name) for name in ("max", "min", "sum", "any"))
    with engine_at(routes) as engine:
        assert len(engine.score(ScoreRequest(CONTEXT, TEXT, several, max_per_site=2), 10)) == 2
        assert len(engine.score(ScoreRequest(CONTEXT, TEXT, (*EDITS, *several), max_rescored=3), 10)) == 3


def test_alternatives_among_the_likeliest_tokens_are_those_evaluated() -> None:
    def complete(call: Call) -> Json:
        found = echoed(call.body["prompt"])
        for i, token in enumerate(found["tokens"]):
            if i and token == "len":
                found["top_logprobs"][i] = {"len": -5.0, "max": -0.1, "int": -3.0}
                found["token_logprobs"][i] = -5.0
        return Json({"choices": [{"index": 0, "text": "", "logprobs": found, "finish_reason": "length"}]})

    routes = {**vllm("m", ""), "POST /v1/completions": complete}
    site = edit("len", "max")
    several = tuple(Edit(site.start, site.end, name) for name in ("sum", "int", "max", "any"))
    with engine_at(routes) as engine:
        scores = engine.score(ScoreRequest(CONTEXT, TEXT, several), 10)
    assert {score.edit.replacement for score in scores} == {"max", "int"}


def test_without_context_the_first_token_has_something_before_it() -> None:
    with engine_at(vllm("m", "")) as engine:
        (score,) = engine.score(ScoreRequest("", "width = 1\n", (Edit(0, 5, "height"),)), 10)
    assert score.site_original == pytest.approx((logprob("\n", "width"),))


def test_edit_that_only_adds_at_the_end_has_nothing_to_compare_with() -> None:
    with engine_at(vllm("m", "")) as engine:
        assert engine.score(ScoreRequest(CONTEXT, TEXT, (Edit(len(TEXT), len(TEXT), "pass\n"),)), 10) == ()
        assert engine.score(ScoreRequest(CONTEXT, TEXT, ()), 10) == ()


def test_edit_outside_the_text_is_refused() -> None:
    with engine_at(vllm("m", "")) as engine, pytest.raises(RequestRefused, match="lies outside a text of"):
        engine.score(ScoreRequest(CONTEXT, TEXT, (Edit(0, len(TEXT) + 1, ""),)), 10)


@pytest.mark.parametrize(
    ("routes", "words"),
    [
        (llama_server("m", "x"), "Only no echo is supported"),
        (reading_suffix("m", "x", "library"), "gives no log-probabilities"),
        (
            {**vllm("m", ""), "POST /v1/completions": lambda _call: error(500, "logits_all must be True")},
            "logits_all must be True",
        ),
        ({"GET /v1/models": models("m", "deepseek")}, "is not to be had (404: Not Found)"),
    ],
    ids=["llama-server", "ollama", "llama-cpp-python", "nothing"],
)
def test_server_without_scores_is_told_with_its_own_words(routes: dict[str, Route], words: str) -> None:
    with engine_at(routes) as engine, pytest.raises(RemoteFailed) as raised:
        engine.score(ScoreRequest(CONTEXT, TEXT, EDITS), 10)
    assert "so the review by likelihood cannot run there" in str(raised.value)
    assert words in str(raised.value)


def test_score_endpoint_of_another_kind_is_not_taken_for_ours() -> None:
    """vLLM has a /v1/score too, for models that compare two texts."""
    other = {"POST /v1/score": lambda _call: Json({"data": [{"index": 0, "object": "score", "score": 0.5}]})}
    with engine_at({**vllm("m", ""), **other}) as engine:
        assert engine.score_form() == "an echoed prompt with logprobs"


def test_time_limit_holds_against_a_server_that_trickles() -> None:
    def complete(_call: Call) -> Stream:
        return Stream([b" "] * 1000, pause_s=0.05)

    started = time.monotonic()
    with engine_at({**vllm("m", ""), "POST /v1/completions": complete}) as engine:
        with pytest.raises(DeadlineExceeded, match="within"):
            engine.score(ScoreRequest(CONTEXT, TEXT, EDITS), 0.5)
        assert time.monotonic() - started < 20  # not the 50 s that the whole answer takes


# -- the echo


def answer(tokens: list[str], first: float | None = None) -> dict[str, object]:
    values = [first, *(-1.0 for _ in tokens[1:])]
    return {"choices": [{"logprobs": {"tokens": tokens, "token_logprobs": values, "top_logprobs": None}}]}


@pytest.mark.parametrize(
    "tokens",
    [
        ["x", " = ", "'", "\ufffd", "\ufffd", "'", "\n", "y"],
        ["x", " = ", "'", "", "", "'", "\n", "y"],
        ["x", " = ", "'", "bytes:\\xf0\\x9f", "bytes:\\x98\\x80", "'", "\n", "y"],
        ["<s>", "x", " = ", "'", "\U0001f600", "'", "\n", "y"],
    ],
)
def test_token_that_is_a_part_of_a_character_shifts_nothing(tokens: list[str]) -> None:
    text = "x = '\U0001f600'\n"
    found = aligned(text, answer(tokens), "url")
    assert [(token.text, text[token.start : token.end]) for token in found if token.end > 5][-2:] == [
        ("'", "'"),
        ("\n", "\n"),
    ]


@pytest.mark.parametrize(
    "tokens",
    [[], ["y"], ["x", " = "], ["x", " = ", "'", "other text", " that is none"]],
)
def test_tokens_that_are_not_the_prompt_are_refused(tokens: list[str]) -> None:
    with pytest.raises(RemoteFailed, match=r"url echoes|url does not echo|url gives no"):
        aligned("x = '" + "a" * 100, answer(tokens), "url")
