"""Several requests in one engine, on the builtin model: sharing, adoption, preemption, deadlines, one end each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from asked import Asked, finish
from dsassist_runtime.api import (
    CompletionRequest,
    ContinuationsRequest,
    InfillRequest,
    PromptRead,
    Sampling,
    TextPiece,
)
from dsassist_runtime.engine.local import LocalEngine, Request
from dsassist_runtime.errors import DeadlineExceeded, Overloaded, RequestRefused
from streamed_engine import KINDS, kind_of_engine

GREEDY = Sampling(temperature=0.0)
CODE = "import os\n\n\ndef names(path):\n    for name in os.listdir(path):\n        yield name\n\n\n"


@pytest.fixture(scope="module", params=KINDS)
def shared_engine(request: pytest.FixtureRequest) -> Iterator[LocalEngine]:
    with kind_of_engine(request.param) as engine:
        yield engine


@pytest.fixture
def engine(shared_engine: LocalEngine) -> LocalEngine:
    shared_engine.forget_everything()
    shared_engine.watch(lambda: False)  # a step is a token, however many the machine writes in a burst
    return shared_engine


def written(engine: LocalEngine, request: Request) -> Asked:
    asked = Asked(engine, request)
    finish(engine)
    return asked


def until_text(engine: LocalEngine, asked: Asked, at_least: int) -> None:
    while len(asked.text) < at_least and not asked.ends:
        engine.step()


def test_texts_written_side_by_side_are_those_written_alone(engine: LocalEngine) -> None:
    requests = [CompletionRequest(prompt=CODE[: 20 + 9 * i], max_tokens=12, sampling=GREEDY) for i in range(6)]
    alone = [written(engine, request).text for request in requests]
    engine.forget_everything()
    together = [Asked(engine, request) for request in requests]
    finish(engine)
    # A batch of another size rounds differently, so a near tie may fall the other way.
    assert sum(asked.text == text for asked, text in zip(together, alone, strict=True)) >= 4
    assert all(asked.end.finish_reason in ("length", "stop") for asked in together)


def test_several_texts_share_one_prompt_and_differ_by_their_seed(engine: LocalEngine) -> None:
    hot = Sampling(temperature=1.2, seed=7)
    asked = written(engine, CompletionRequest(prompt=CODE, max_tokens=10, sampling=hot, n=4))
    texts = [
        "".join(event.text for event in asked.events if isinstance(event, TextPiece) and event.index == i)
        for i in range(4)
    ]
    assert len(set(texts)) > 1
    assert [choice.index for choice in asked.end.choices] == [0, 1, 2, 3]
    assert sum(isinstance(event, PromptRead) for event in asked.events) == 1
    again = written(engine, CompletionRequest(prompt=CODE, max_tokens=10, sampling=hot, n=4))
    assert again.end.cached_tokens == again.end.prompt_tokens - 1


def test_what_was_typed_is_taken_from_what_is_being_written(engine: LocalEngine) -> None:
    request = InfillRequest("x = [1, ", "", max_tokens=60, sampling=GREEDY, document="a.py")
    whole = written(engine, replace(request, document="")).text
    engine.forget_everything()
    first = Asked(engine, request)
    until_text(engine, first, 8)
    typed = first.text[:4]
    second = Asked(engine, replace(request, prefix=request.prefix + typed))
    assert first.end.finish_reason == "superseded"
    assert second.text == first.text[4:], "what is there already comes at once"
    batches = engine.status().batches_total
    finish(engine)
    assert second.end.adopted
    assert (typed + second.text).startswith(whole)
    assert engine.status().batches_total - batches <= second.end.completion_tokens, "no prompt was evaluated again"


def test_typing_ahead_of_what_is_written_is_adopted_too(engine: LocalEngine) -> None:
    request = InfillRequest("x = [1, ", "", max_tokens=40, sampling=GREEDY, document="a.py")
    whole = written(engine, replace(request, document="")).text
    first = Asked(engine, request)
    until_text(engine, first, 1)
    typed = whole[: len(first.text) + 6]
    second = Asked(engine, replace(request, prefix=request.prefix + typed))
    assert second.text == ""
    finish(engine)
    assert second.end.adopted
    assert (typed + second.text).startswith(whole)


def test_what_turns_out_not_to_be_what_was_typed_is_begun_anew(engine: LocalEngine) -> None:
    request = InfillRequest("x = [1, ", "", max_tokens=20, sampling=GREEDY, document="a.py")
    first = Asked(engine, request)
    until_text(engine, first, 1)
    typed = first.text + "@@@"
    newer = replace(request, prefix=request.prefix + typed)
    second = Asked(engine, newer)
    finish(engine)
    assert first.end.finish_reason == "superseded"
    assert not second.end.adopted
    assert second.text == written(engine, replace(newer, document="")).text


def test_a_keystroke_that_cancels_first_is_adopted_too(engine: LocalEngine) -> None:
    """Editors cancel a completion at each keystroke, and ask for the next one a moment later."""
    request = InfillRequest("x = [1, ", "", max_tokens=60, sampling=GREEDY, document="a.py")
    first = Asked(engine, request)
    until_text(engine, first, 4)
    engine.cancel(first.id)
    assert first.end.finish_reason == "cancelled"
    n_events = len(first.events)
    engine.step()
    second = Asked(engine, replace(request, prefix=request.prefix + first.text[:2]))
    finish(engine)
    assert second.end.adopted
    assert len(first.events) == n_events, "its client hears no more"


def test_what_nobody_asks_for_any_more_ends_by_itself_and_makes_way(engine: LocalEngine) -> None:
    request = InfillRequest("x = [1, ", "", max_tokens=900, sampling=GREEDY, document="a.py")
    for others in (False, True):
        first = Asked(engine, request)
        until_text(engine, first, 4)
        engine.cancel(first.id)
        if others:
            written(engine, CompletionRequest(prompt="x", max_tokens=1))
        else:
            finish(engine)
        assert engine.status().requests == ()


def test_another_keystroke_supersedes(engine: LocalEngine) -> None:
    first = Asked(engine, InfillRequest(CODE, "", max_tokens=60, sampling=GREEDY, document="a.py"))
    until_text(engine, first, 1)
    other = Asked(engine, InfillRequest(CODE, "", max_tokens=8, sampling=GREEDY, document="b.py"))
    second = Asked(engine, InfillRequest(CODE + "@", "", max_tokens=8, sampling=GREEDY, document="a.py"))
    assert first.end.finish_reason == "superseded"
    finish(engine)
    assert {other.end.finish_reason, second.end.finish_reason} <= {"length", "stop"}


def test_a_completion_goes_before_a_review_which_goes_on_where_it_was(engine: LocalEngine) -> None:
    long = "def f():\n    return 1\n" * 90
    review = Asked(engine, CompletionRequest(prompt=long, max_tokens=4, sampling=GREEDY, priority="review"))
    engine.step()
    engine.step()
    chunk = 64 if engine.status().streaming is None else 128
    (status,) = engine.status().requests
    assert status.evaluated_tokens == 2 * chunk, "two batches"
    completion = Asked(engine, InfillRequest("x = [1, ", "", max_tokens=6, sampling=GREEDY))
    while not completion.ends:
        engine.step()
    (status,) = engine.status().requests
    assert status.evaluated_tokens == 2 * chunk
    assert status.state == "prefill", "it keeps its sequence"
    finish(engine)
    assert review.end.finish_reason in ("length", "stop")
    assert engine.status().preemptions_total >= 1


def test_a_short_prompt_does_not_wait_for_a_long_one_of_its_class(engine: LocalEngine) -> None:
    long = Asked(engine, CompletionRequest(prompt="def g():\n    return 1\n" * 110, max_tokens=1, sampling=GREEDY))
    short = Asked(engine, CompletionRequest(prompt="x = 1", max_tokens=1, sampling=GREEDY))
    while not short.ends:
        engine.step()
    assert not long.ends
    finish(engine)


def test_time_that_is_up_ends_a_text_or_refuses_it(engine: LocalEngine) -> None:
    endless = InfillRequest("x = [1, ", "", max_tokens=900, sampling=GREEDY, deadline_ms=150, ignore_eos=True)
    writing = Asked(engine, endless)
    waiting = Asked(engine, CompletionRequest(prompt=CODE, max_tokens=5, priority="idle", deadline_ms=100))
    finish(engine)
    assert writing.end.finish_reason == "deadline"
    assert writing.text
    assert isinstance(waiting.ends[0], DeadlineExceeded)


def test_too_many_waiting_requests_are_refused(engine: LocalEngine) -> None:
    asked = [Asked(engine, CompletionRequest(prompt="x", max_tokens=1, priority="chat")) for _ in range(140)]
    refused = [one for one in asked if one.ends]
    assert refused
    assert all(isinstance(one.ends[0], Overloaded) for one in refused)
    finish(engine)
    assert all(len(one.ends) == 1 for one in asked)


def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers(engine: LocalEngine) -> None:
    asked = written(engine, CompletionRequest(prompt="a = 1\n" * 600))
    assert isinstance(asked.ends[0], RequestRefused)
    assert "tokens and the context 1024" in str(asked.ends[0])


def test_a_prompt_alone_can_be_read(engine: LocalEngine) -> None:
    warm = written(engine, InfillRequest(CODE, "", max_tokens=0))
    assert (warm.text, warm.end.completion_tokens, warm.end.finish_reason) == ("", 0, "length")
    assert written(engine, InfillRequest(CODE, "", max_tokens=1)).end.cached_tokens == warm.end.prompt_tokens - 1


def test_continuations_are_scored_as_an_echo_has_them(engine: LocalEngine) -> None:
    """Two ways to the same number: `/v1/score`, and the log-probabilities of a prompt."""
    prefix, continuations = "x = [1, 2, 3]\nfor i in", (" x:\n", " range(3):\n", " y")
    (scores,) = written(engine, ContinuationsRequest(prefix, continuations)).ends
    assert isinstance(scores, tuple)
    for continuation, score in zip(continuations, scores, strict=True):
        whole = written(engine, CompletionRequest(prompt=prefix + continuation, max_tokens=0, echo_logprobs=True))
        (read,) = [event for event in whole.events if isinstance(event, PromptRead)]
        echoed = [each.logprob for each in read.logprobs][-len(score.logprobs) :]
        assert list(score.logprobs) == pytest.approx(echoed, abs=0.2), "batches of other shapes round differently"


def test_a_text_ends_before_a_line_that_is_indented_less(engine: LocalEngine) -> None:
    request = InfillRequest("def f(x):\n    for i in x:\n        ", "", max_tokens=120, sampling=GREEDY, min_indent=8)
    text = written(engine, request).text
    assert all(line.startswith(" " * 8) or not line.strip() for line in text.split("\n")[1:])


def test_a_request_takes_over_what_a_warm_up_has_read_so_far(engine: LocalEngine) -> None:
    long = "def f():\n    return 1\n" * 60
    warm = Asked(engine, CompletionRequest(prompt=long, max_tokens=0, priority="idle"))
    engine.step()
    engine.step()
    real = Asked(engine, CompletionRequest(prompt=long + "x = ", max_tokens=1))
    finish(engine)
    assert real.end.cached_tokens >= 64
    assert warm.end.cached_tokens >= 300, "and the warm-up what the request has read meanwhile"


def test_equal_prompts_side_by_side_are_read_once(engine: LocalEngine) -> None:
    asked = [Asked(engine, CompletionRequest(prompt=CODE * 20, max_tokens=2, sampling=GREEDY)) for _ in range(4)]
    finish(engine)
    evaluated = sum(one.end.prompt_tokens - one.end.cached_tokens for one in asked)
    assert evaluated < 2 * asked[0].end.prompt_tokens, "not four times"


@pytest.mark.parametrize("seed", range(4))
def test_every_request_ends_once_and_nothing_is_left_over(engine: LocalEngine, seed: int) -> None:
    draw = random.Random(seed)
    asked: list[Asked] = []
    for _ in range(60):
        document = draw.choice(["", "a.py", "b.py"])
        prompt = CODE[: draw.randrange(4, len(CODE))] * draw.randrange(1, 9)
        sampling = replace(GREEDY, temperature=draw.choice([0.0, 0.8]))
        request: Request = draw.choice(
            [
                InfillRequest(prompt, CODE[:20], max_tokens=20, sampling=sampling, document=document),
                InfillRequest(prompt, CODE[:20], max_tokens=20, document=document, gap_tokens=16, order="psm"),
                CompletionRequest(prompt=prompt, max_tokens=20, n=draw.choice([1, 3]), sampling=sampling),
                CompletionRequest(prompt=prompt, max_tokens=9, priority="review", deadline_ms=draw.choice([0, 40])),
                CompletionRequest(prompt=prompt, max_tokens=2, priority="idle", echo_logprobs=True),
                ContinuationsRequest(prompt[:200], (CODE[:30], CODE[9:40], "x")),
            ]
        )
        asked.append(Asked(engine, request))
        for _step in range(draw.randrange(8)):
            engine.step()
        if draw.random() < 0.3:
            engine.cancel(draw.choice(asked).id)
    finish(engine)
    assert [len(one.ends) for one in asked] == [1] * len(asked)
    status = engine.status()
    assert status.requests == ()
    engine.forget_everything()
    assert engine.status().kv_tokens == 0
