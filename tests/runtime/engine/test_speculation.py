"""Guesses: where they come from, and when they are not made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsassist_runtime.api import CompletionRequest, EngineSettings, GenerationEnd, Sampling, TextPiece
from dsassist_runtime.engine.local import LocalEngine
from dsassist_runtime.engine.speculation import Lookup, Speculation
from dsassist_runtime.errors import ModelUnsupported

GREEDY = Sampling(temperature=0.0)


def test_what_was_copied_once_is_copied_on() -> None:
    assert Lookup().guess([1, 2, 3, 4, 5, 6, 7, 9, 1, 2, 3], 3) == [4, 5, 6]


def test_the_longer_of_two_matches_wins() -> None:
    lookup = Lookup()
    lookup.remember([8, 7, 1, 2, 3, 50, 51])
    own = [1, 2, 3, 60, 61, 8, 7, 1, 2, 3]
    assert lookup.guess(own, 2) == [50, 51]
    assert lookup.guess([9, *own[:4], 9, 9, 1, 2, 3], 2) == [60, 9]


def test_nothing_known_is_no_guess() -> None:
    assert Lookup().guess([1, 2, 3, 4, 5], 4) == []
    assert Lookup().guess([1, 2], 4) == []


def test_what_was_seen_long_ago_is_forgotten() -> None:
    lookup = Lookup()
    lookup.remember([7, 8, 9, 10])
    lookup.remember(range(100, 33_000))
    assert lookup.guess([1, 7, 8, 9], 1) == []


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 8))
def test_a_guess_followed_the_same_three_tokens_somewhere(tokens: list[int], limit: int) -> None:
    lookup = Lookup()
    for length in range(len(tokens) + 1):
        known = tokens[:length]
        guess = lookup.guess(known, limit)
        places = [i for i in range(3, length) if known[i - 3 : i] == known[-3:]]
        assert len(guess) <= limit
        assert bool(guess) == bool(places)
        assert not guess or any(known[i : i + len(guess)] == guess for i in places)


class Always:
    """Guesses ones."""

    def guess(self, known: Sequence[int], limit: int) -> list[int]:
        return [1] * limit


def share_of_guesses(right: int, more: float) -> float:
    """How often a guess is made when so many tokens of each are right and each costs `more` of a single token."""
    speculation = Speculation([Always()], now=lambda: 0.0)
    speculation.observe(1, 10.0)
    made = 0
    for _ in range(400):
        draft = speculation.guess([0], 15)
        if draft:
            made += 1
            speculation.verified(len(draft), min(right, len(draft)))
        speculation.observe(1 + len(draft), 10.0 * (1 + more * len(draft)))
    return made / 400


def test_guesses_are_made_while_they_pay() -> None:
    assert share_of_guesses(right=3, more=0.2) > 0.9
    assert share_of_guesses(right=15, more=0.5) > 0.9


def test_guesses_stop_when_they_do_not_pay() -> None:
    """A mixture of experts reads more experts for more tokens: one right one does not make up for three."""
    assert share_of_guesses(right=0, more=0.2) < 0.1
    assert share_of_guesses(right=1, more=0.7) < 0.1


def test_a_near_tie_is_seen_and_the_logits_are_left_as_they_were() -> None:
    logits = np.array([1.0, 4.0, 3.9, -2.0], dtype=np.float32)
    before = logits.copy()
    assert Speculation.is_tie(logits)
    assert np.array_equal(logits, before)
    assert not Speculation.is_tie(np.array([1.0, 4.0, 3.0], dtype=np.float32))


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    from dsassist_runtime.models.store import BUILTIN_PATH

    with closing(LocalEngine(EngineSettings(BUILTIN_PATH, n_threads=1, draft_model_path=BUILTIN_PATH))) as engine:
        yield engine


PROMPTS = (
    "x = [1, 2, 3]\ny = [1, 2, 3]\nz = [",
    "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    return a - b\n\n\ndef mul(a, b):\n",
    "import os\nimport sys\n\nfor name in os.listdir('.'):\n    print(name)\n\nfor name in os",
    "class A:\n    def __init__(self, x):\n        self.x = x\n\n\nclass B:\n    def __init__",
)


def written(engine: LocalEngine, request: CompletionRequest) -> tuple[str, GenerationEnd]:
    *events, end = engine.events(request)
    assert isinstance(end, GenerationEnd)
    return "".join(event.text for event in events if isinstance(event, TextPiece)), end


def test_a_guessed_text_is_the_text_without_guesses(engine: LocalEngine) -> None:
    """With a draft model that is the model itself, nearly every guess is right."""
    drafted = 0
    for prompt in PROMPTS:
        request = CompletionRequest(prompt=prompt, max_tokens=48, sampling=GREEDY)
        engine.forget_everything()
        text, end = written(engine, request)
        engine.forget_everything()
        plain, plain_end = written(engine, CompletionRequest(**{**vars(request), "speculate": False}))
        assert text == plain
        assert plain_end.drafted_tokens == 0
        assert end.completion_tokens == plain_end.completion_tokens
        drafted += end.drafted_tokens
    assert drafted > 0  # how many depends on what the guesses gain, which a busy machine changes


def test_guesses_do_not_change_what_a_seed_draws_from(engine: LocalEngine) -> None:
    """At a temperature guesses cost draws nothing: each token is drawn by the model's own logits."""
    request = CompletionRequest(prompt=PROMPTS[0], max_tokens=24, sampling=Sampling(temperature=0.2, seed=3))
    text, end = written(engine, request)
    assert end.completion_tokens <= 24
    assert text


def test_a_draft_model_of_another_vocabulary_is_refused(real_model: object) -> None:
    from pathlib import Path

    from dsassist_runtime.models.store import BUILTIN_PATH

    with pytest.raises(ModelUnsupported, match="another vocabulary"):
        LocalEngine(EngineSettings(BUILTIN_PATH, draft_model_path=Path(str(real_model))))
