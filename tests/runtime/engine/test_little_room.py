"""A KV cache that is too small for all, and requests that fail half-way: nobody waits for ever, nothing is left."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from asked import Asked, finish
from dsassist_runtime.api import (
    CompletionRequest,
    Edit,
    EngineSettings,
    GenerationEnd,
    InfillRequest,
    PromptRead,
    Sampling,
    ScoreRequest,
    TokenBias,
)
from dsassist_runtime.engine.local import LocalEngine, Request
from dsassist_runtime.errors import RequestRefused

pytestmark = pytest.mark.slow  # many long runs

GREEDY = Sampling(temperature=0.0)


@contextmanager
def engine_of(n_ctx: int) -> Iterator[LocalEngine]:
    """With half as many cells again, and the law that nothing is left over behind it."""
    from dsassist_runtime.models.store import BUILTIN_PATH

    with closing(LocalEngine(EngineSettings(BUILTIN_PATH, n_ctx=n_ctx, n_threads=1))) as engine:
        yield engine
        assert engine.status().requests == ()
        engine.forget_everything()
        assert (engine.status().kv_tokens, engine.status().cached_sequences) == (0, 0)


def completion(first: int, prompt: int, text: int) -> CompletionRequest:
    """Of so many tokens; never ends by itself."""
    tokens = tuple(first + i % 700 for i in range(prompt))
    return CompletionRequest(tokens=tokens, max_tokens=text, sampling=GREEDY, ignore_eos=True, speculate=False)


def test_a_cached_prompt_does_not_push_in_and_out_for_ever() -> None:
    """What is cached was counted twice, as shared and as room: it was admitted, suspended and admitted again."""
    with engine_of(170) as engine:
        Asked(engine, completion(5, 80, 1))
        finish(engine)
        first = Asked(engine, completion(800, 2, 158))
        engine.step()
        second = Asked(engine, completion(5, 80, 89))
        finish(engine)
        assert [asked.last.finish_reason for asked in (first, second)] == ["length", "length"]  # type: ignore[union-attr]


def test_two_texts_that_outgrow_the_cache_together_are_both_finished() -> None:
    with engine_of(1024) as engine:
        asked = [Asked(engine, completion(5 + 300 * i, 3, 900)) for i in range(2)]
        finish(engine)
        assert [one.last.completion_tokens for one in asked] == [900, 900]  # type: ignore[union-attr]


def test_a_prompt_that_ends_evicts_no_more_than_it_needs() -> None:
    with engine_of(512) as engine:
        for i in range(4):
            Asked(engine, completion(5 + 100 * i, 100, 1))
            finish(engine)
        assert engine.status().cached_tokens >= 390


def test_what_has_nothing_to_evaluate_stops_nobody() -> None:
    with engine_of(256) as engine:
        nothing = Asked(engine, ScoreRequest("", "x = 1", ()))
        behind = Asked(engine, CompletionRequest(prompt="x", max_tokens=2, priority="review"))
        finish(engine)
        assert nothing.last == ()
        assert isinstance(behind.last, GenerationEnd)


def test_a_text_that_cannot_go_on_ends_alone() -> None:
    """Between two tokens of a burst the grammar and the bias leave nothing to choose."""
    with engine_of(256) as engine:
        vocabulary = engine._model.vocabulary
        bias = tuple(TokenBias(token, None) for token in range(vocabulary.n_tokens) if b"7" in vocabulary.piece(token))
        grammar = 'root ::= "1" "2" "3" "4" "5" "6" "1" "2" "3" "4" "5" "6" "7"'
        stuck = Sampling(temperature=0.0, grammar=grammar, logit_bias=bias)
        first = Asked(engine, CompletionRequest(prompt="x = ", max_tokens=50, sampling=stuck))
        second = Asked(engine, CompletionRequest(prompt="y = ", max_tokens=30, sampling=GREEDY, ignore_eos=True))
        finish(engine)
        assert isinstance(first.last, RequestRefused)
        assert isinstance(second.last, GenerationEnd)


@pytest.mark.parametrize("wrong", ["X", "#", "qq"])
def test_nothing_of_a_text_that_was_not_typed_is_shown(wrong: str) -> None:
    prefix = "import os\n\n\ndef names(path):\n    for name in os.listdir(path):\n        "

    def infill(typed: str, max_tokens: int) -> InfillRequest:
        return InfillRequest(
            prefix + typed, "\n", document="d", max_tokens=max_tokens, sampling=GREEDY, ignore_eos=True, speculate=False
        )

    with engine_of(512) as engine:
        first = Asked(engine, infill("", 60))
        while len(first.text) < 6:
            engine.step()
        second = Asked(engine, infill(first.text + wrong, 20))
        finish(engine)
        engine.forget_everything()
        alone = Asked(engine, infill(first.text + wrong, 20))
        finish(engine)
        assert second.text == alone.text
        assert sum(isinstance(event, PromptRead) for event in second.events) == 1
        assert isinstance(second.last, GenerationEnd)
        assert second.last.cached_tokens < second.last.prompt_tokens


def test_many_documents_with_a_gap_find_sequences() -> None:
    with engine_of(1024) as engine:
        asked = [
            Asked(
                engine, InfillRequest(f"x{i} = ", "\ny = 1\n", max_tokens=2, gap_tokens=4, order="psm", document=str(i))
            )
            for i in range(60)
        ]
        finish(engine)
        assert {type(one.last) for one in asked} == {GenerationEnd}


def test_texts_that_share_an_uncached_prompt_are_counted_once() -> None:
    with engine_of(512) as engine:
        tokens = tuple(5 + i for i in range(300))
        asked = Asked(engine, CompletionRequest(tokens=tokens, max_tokens=10, n=8, cache_prompt=False, ignore_eos=True))
        finish(engine)
        assert isinstance(asked.last, GenerationEnd)
        assert asked.last.completion_tokens == 80


def suspended_by_completions(engine: LocalEngine, review: CompletionRequest) -> Asked:
    """A review that two completions took the cells of, after two of its batches."""
    asked = Asked(engine, review)
    engine.step()
    engine.step()
    for i in range(2):
        Asked(engine, InfillRequest(f"x = {i}", "\n", max_tokens=200, sampling=GREEDY, ignore_eos=True))
    engine.step()
    (status,) = [status for status in engine.status().requests if status.request == asked.id]
    assert status.state == "waiting"
    return asked


def test_an_echo_that_was_suspended_reports_each_token_once() -> None:
    tokens = tuple(5 + i for i in range(200))
    with engine_of(256) as engine:
        asked = suspended_by_completions(
            engine, CompletionRequest(tokens=tokens, max_tokens=4, priority="review", echo_logprobs=True)
        )
        finish(engine)
        (read,) = [event for event in asked.events if isinstance(event, PromptRead)]
        assert [each.token for each in read.logprobs] == list(tokens[1:])


def test_time_that_is_up_while_suspended_ends_the_text_as_it_is() -> None:
    with engine_of(256) as engine:
        asked = suspended_by_completions(
            engine,
            CompletionRequest(
                prompt="def f(x):\n",
                max_tokens=200,
                sampling=GREEDY,
                ignore_eos=True,
                priority="review",
                deadline_ms=700,
            ),
        )
        time.sleep(0.7)
        finish(engine)
        assert isinstance(asked.last, GenerationEnd)
        assert asked.last.finish_reason == "deadline"
        assert asked.text


@pytest.mark.parametrize(("n_ctx", "seed"), [(128, 1), (192, 2), (256, 3)])
def test_everybody_comes_to_an_end_in_hardly_any_room(n_ctx: int, seed: int) -> None:
    draw = random.Random(seed)
    asked: list[Asked] = []
    with engine_of(n_ctx) as engine:
        for _ in range(80):
            prompt = tuple(draw.choice([5, 300]) + i for i in range(draw.randrange(1, 60)))
            priority = draw.choice(["interactive", "chat", "review", "idle"])
            request: Request = draw.choice(
                [
                    CompletionRequest(tokens=prompt, max_tokens=draw.randrange(40), priority=priority),
                    CompletionRequest(tokens=prompt, max_tokens=20, n=3, priority=priority),
                    CompletionRequest(tokens=prompt, max_tokens=2, echo_logprobs=True, cache_prompt=False),
                    InfillRequest("x = ", "\ny", max_tokens=9, document=draw.choice("ab"), gap_tokens=8, order="psm"),
                    InfillRequest("x = " + "1, " * draw.randrange(9), "\n", max_tokens=9, document=draw.choice("ab")),
                    ScoreRequest("", "a = b + c\n", (Edit(4, 5, "c"),)),
                ]
            )
            asked.append(Asked(engine, request))
            for _step in range(draw.randrange(5)):
                engine.step()
            if draw.random() < 0.2:
                engine.cancel(draw.choice(asked).id)
        finish(engine)
        assert all(one.last is not None for one in asked)
