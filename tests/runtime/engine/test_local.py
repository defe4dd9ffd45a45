"""The engine on the builtin model, in this process: laws of the cache, of cancelling and of scoring."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dsassist_runtime.api import (
    CompletionRequest,
    Edit,
    EditScore,
    EngineSettings,
    GenerationEnd,
    InfillRequest,
    PromptRead,
    Sampling,
    ScoreRequest,
    TextPiece,
)
from dsassist_runtime.engine.fim import InfillPrompt, clip_prefix, clip_suffix
from dsassist_runtime.engine.job import Event
from dsassist_runtime.engine.local import LocalEngine, Request
from dsassist_runtime.errors import RequestRefused
from streamed_engine import KINDS, kind_of_engine

GREEDY = Sampling(temperature=0.0)
PREFIX = "import os\n\n\ndef names(path):\n    for name in os.listdir(path):\n        "
SUFFIX = "\n\n\nprint(names('.'))\n"


@pytest.fixture(scope="module", params=KINDS)
def engine(request: pytest.FixtureRequest) -> Iterator[LocalEngine]:
    with kind_of_engine(request.param) as engine:
        yield engine


def write(engine: LocalEngine, request: Request) -> tuple[str, GenerationEnd]:
    events = list(engine.events(request))
    assert isinstance(events[0], PromptRead)
    assert isinstance(events[-1], GenerationEnd)
    return "".join(event.text for event in events if isinstance(event, TextPiece)), events[-1]


def scored(engine: LocalEngine, request: ScoreRequest) -> tuple[EditScore, ...]:
    (scores,) = engine.events(request)
    assert isinstance(scores, tuple)
    return scores


def test_greedy_text_is_the_same_with_and_without_a_cache(engine: LocalEngine) -> None:
    request = InfillRequest(PREFIX, SUFFIX, max_tokens=24, sampling=GREEDY)
    first, cold = write(engine, request)
    write(engine, InfillRequest("x = ", "\n", max_tokens=4, sampling=GREEDY))
    again, _ = write(engine, request)
    warm_text, warm = write(engine, request)
    assert first == again == warm_text
    assert cold.cached_tokens < 5
    assert warm.cached_tokens == warm.prompt_tokens - 1, "the last token is always evaluated for its logits"


def test_typing_on_evaluates_only_what_was_typed(engine: LocalEngine) -> None:
    """SPM, the builtin model's order, puts the prefix last: one more word is one more token or two."""
    write(engine, InfillRequest(PREFIX, SUFFIX, max_tokens=1, sampling=GREEDY))
    _, end = write(engine, InfillRequest(PREFIX + "yield name", SUFFIX, max_tokens=1, sampling=GREEDY))
    assert end.prompt_tokens - end.cached_tokens <= 6


def test_a_seed_makes_the_draw_repeatable(engine: LocalEngine) -> None:
    texts = {
        write(engine, InfillRequest(PREFIX, SUFFIX, max_tokens=24, sampling=Sampling(temperature=1.0, seed=seed)))[0]
        for seed in (1, 1, 1, 2, 3)
    }
    assert 2 <= len(texts) <= 3


def test_max_tokens_is_kept_and_reported(engine: LocalEngine) -> None:
    _, end = write(engine, InfillRequest("x = [", "", max_tokens=7, sampling=GREEDY))
    assert end.completion_tokens <= 7
    assert end.finish_reason == ("length" if end.completion_tokens == 7 else "stop")


def test_a_stop_string_ends_the_text_before_it(engine: LocalEngine) -> None:
    whole, _ = write(engine, InfillRequest(PREFIX, SUFFIX, max_tokens=24, sampling=GREEDY))
    stop = whole[len(whole) // 2 :][:3]
    cut, end = write(engine, InfillRequest(PREFIX, SUFFIX, max_tokens=24, sampling=GREEDY, stop=(stop,)))
    assert cut == whole[: whole.index(stop)]
    assert end.finish_reason == "stop"


def test_a_cancel_ends_the_text_where_it_is(engine: LocalEngine) -> None:
    events: list[Event] = []
    engine.submit(1, InfillRequest("x = [1, ", "", max_tokens=900, ignore_eos=True), events.append)
    while not any(isinstance(event, TextPiece) for event in events):
        engine.step()
    engine.cancel(1)
    assert not engine.step(), "nothing is left to do"
    end = events[-1]
    assert isinstance(end, GenerationEnd)
    assert (end.finish_reason, sum(isinstance(event, GenerationEnd) for event in events)) == ("cancelled", 1)
    assert engine.status().requests == ()


def test_a_batch_that_is_broken_off_leaves_a_sound_cache(engine: LocalEngine) -> None:
    """The flag is raised while llama.cpp computes, as the inbox does it when nobody waits for the request any more."""
    request = InfillRequest("def f():\n    return 1\n" * 90, SUFFIX, max_tokens=8, sampling=GREEDY)
    expected, _ = write(engine, request)
    engine.forget_everything()
    events: list[Event] = []
    engine.submit(1, request, events.append)
    for delay_s in (0.001, 0.002, 0.003, 0.005, 0.008):
        timer = threading.Timer(delay_s, engine.interruption.cancelled, [1])
        timer.start()
        engine.step()
        timer.join()
    while engine.step():
        pass
    assert "".join(event.text for event in events if isinstance(event, TextPiece)) == expected


def test_the_prompt_is_clipped_to_its_budget_at_line_ends(engine: LocalEngine) -> None:
    request = InfillRequest("a = 1\n" * 400 + "b = ", "\nc = 3" * 400, max_tokens=1, max_prompt_tokens=120)
    _, end = write(engine, request)
    assert 100 <= end.prompt_tokens <= 124


def test_a_long_document_fits_by_itself(engine: LocalEngine) -> None:
    _, end = write(engine, InfillRequest("value = compute(1)\n" * 5000, "", max_tokens=16))
    assert end.prompt_tokens + 16 <= engine.facts().n_ctx


def test_more_tokens_than_the_context_holds_are_refused(engine: LocalEngine) -> None:
    with pytest.raises(RequestRefused, match="max_tokens 5000 leaves no room for a prompt in 1024 tokens"):
        write(engine, InfillRequest("x", "", max_tokens=5000))


def test_routing_counts_every_choice(engine: LocalEngine) -> None:
    request = InfillRequest(PREFIX, SUFFIX, max_tokens=6, sampling=GREEDY, trace_experts=True)
    text, end = write(engine, request)
    facts = engine.facts()
    evaluated = end.prompt_tokens + end.completion_tokens - (end.finish_reason == "length")
    assert len(end.routing) == 5, "six layers, of which the first is dense"
    *inner, last = [sum(layer.counts) for layer in end.routing]
    assert inner == [facts.n_experts_used * evaluated] * 4
    outputs = evaluated - (end.prompt_tokens - 1)
    assert last == facts.n_experts_used * outputs, "in the last layer only tokens whose logits are wanted are computed"
    assert text == write(engine, InfillRequest(PREFIX, SUFFIX, max_tokens=6, sampling=GREEDY))[0]


TEXT = (
    "def area(width, height):\n    if width < 0 or height < 0:\n        raise ValueError\n    return width * height\n"
)
CONTEXT = "import math\n\n"


def edits(*pairs: tuple[str, str]) -> tuple[Edit, ...]:
    return tuple(Edit(TEXT.index(old), TEXT.index(old) + len(old), new) for old, new in pairs)


SOME = edits(("width * height", "width * width"), ("< 0 or", "> 0 or"), ("or height", "and height"), ("if ", "if not "))


def test_scores_do_not_depend_on_what_was_asked_before_or_beside(engine: LocalEngine) -> None:
    together = {score.edit: score for score in scored(engine, ScoreRequest(CONTEXT, TEXT, SOME))}
    assert set(together) == set(SOME)
    write(engine, InfillRequest(PREFIX, SUFFIX, max_tokens=3))
    for edit in SOME:
        assert scored(engine, ScoreRequest(CONTEXT, TEXT, (edit,))) == (together[edit],)


@pytest.mark.slow
def test_scores_are_the_same_on_any_number_of_threads(builtin_model: Path) -> None:
    """llama.cpp divides the attention of a token that comes alone among its threads, and adds up what they found."""
    head = "".join(f"{name}_{number} = {number * 37}\n" for number, name in enumerate(["left", "right", "wide"] * 25))
    last = Edit(len(TEXT) - 2, len(TEXT) - 1, "h")  # one token is left to evaluate
    told = []
    for n_threads in (1, 2):
        with closing(LocalEngine(EngineSettings(builtin_model, n_threads=n_threads))) as engine:
            told.append(
                [
                    scored(engine, ScoreRequest(head[:n_characters], TEXT, (*SOME, last)))
                    for n_characters in range(300, len(head), 50)
                ]
            )
    assert told[0] == told[1]


@pytest.mark.parametrize("n_tokens", [1, 2, 63, 64, 65, 66, 128, 129, 130])
def test_texts_of_any_length_are_scored_alike_on_any_number_of_threads(builtin_model: Path, n_tokens: int) -> None:
    """Where batches of 64 would leave one token over."""
    told = []
    for n_threads in (1, 2):
        with closing(LocalEngine(EngineSettings(builtin_model, n_threads=n_threads))) as engine:
            text = text_of(engine, n_tokens)
            last = Edit(len(text) - 1, len(text), "y")
            heads = (n_tokens, n_tokens + 1, n_tokens, 250, n_tokens)  # a head within one that was longer
            scores = [
                scored(engine, ScoreRequest(text_of(engine, 200), text, (last,))),
                *(scored(engine, ScoreRequest(text_of(engine, n_head), TEXT, SOME)) for n_head in heads),
            ]
        assert scores[1] == scores[3] == scores[5]
        assert all(scores)
        told.append(scores)
    assert told[0] == told[1]


def text_of(engine: LocalEngine, n_tokens: int) -> str:
    """A text of so many tokens, which begins like a longer one."""
    tokenize = engine._model.vocabulary.tokenize
    text = "x"
    while len(tokenize(text)) < n_tokens:
        text += "+x" if len(tokenize(text + "+x")) <= n_tokens else ";"
    assert len(tokenize(text)) == n_tokens
    return text


def test_only_what_is_looked_at_is_evaluated_and_scores_stay_the_same(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a long text the beginning is enough for an edit there, and its end needs no logits of the beginning."""
    head = "".join(f"{name} = {number}\n" for number, name in enumerate(["left", "right", "width"] * 20))
    text = TEXT + "    ratio = width / height\n" * 30 + "    return ratio\n"
    early = Edit(text.index("height"), text.index("height") + 6, "width")
    late = Edit(text.rindex("ratio"), text.rindex("ratio") + 5, "width")
    together = {score.edit: score for score in scored(engine, ScoreRequest(head, text, (early, late)))}
    context, batches = engine._scoring_memory[0], []
    monkeypatch.setattr(context, "decode", lambda batch, decode=context.decode: (batches.append(batch), decode(batch)))

    def evaluated(request: ScoreRequest) -> tuple[EditScore, int, int]:
        batches.clear()
        (score,) = scored(engine, request)
        return score, sum(map(len, batches)), sum(token.wants_logits for batch in batches for token in batch)

    n_text = len(engine._model.vocabulary.tokenize(text))
    score, n_early, _ = evaluated(ScoreRequest(head, text, (early,)))
    assert score == together[early]
    assert n_early < n_text
    score, n_late, n_logits = evaluated(ScoreRequest(head, text, (late,)))
    assert score == together[late]
    assert n_logits < n_text < n_late
    other = f"{head}class Shape:\n"  # begins in the same way
    score, n_other, _ = evaluated(ScoreRequest(other, text, (late,)))
    assert n_other < n_text + len(engine._model.vocabulary.tokenize(other))
    write(engine, InfillRequest(PREFIX, SUFFIX, max_tokens=3))
    scored(engine, ScoreRequest("x = 1\n", TEXT, SOME))  # nothing of it is left
    assert evaluated(ScoreRequest(other, text, (late,)))[0] == score


def test_a_score_is_the_probability_of_the_tokens(engine: LocalEngine) -> None:
    """The original's values for an edit and the alternative's for the reverse edit of the edited text must agree."""
    (forward,) = scored(engine, ScoreRequest(CONTEXT, TEXT, SOME[:1]))
    edit = SOME[0]
    edited = TEXT[: edit.start] + edit.replacement + TEXT[edit.end :]
    back = Edit(edit.start, edit.start + len(edit.replacement), TEXT[edit.start : edit.end])
    (backward,) = scored(engine, ScoreRequest(CONTEXT, edited, (back,)))
    for ours, theirs in (
        (forward.site_original, backward.site_alternative),
        (forward.site_alternative, backward.site_original),
        (forward.suffix_original, backward.suffix_alternative),
        (forward.suffix_alternative, backward.suffix_original),
    ):
        assert ours == pytest.approx(theirs, abs=0.05), "batches of other shapes round a little differently"


def test_probabilities_are_below_one_and_suffixes_equally_long(engine: LocalEngine) -> None:
    for score in scored(engine, ScoreRequest(CONTEXT, TEXT, SOME, suffix_tokens=5)):
        values = score.site_original + score.site_alternative + score.suffix_original + score.suffix_alternative
        assert all(value < 0 and math.isfinite(value) for value in values)
        assert len(score.suffix_original) == len(score.suffix_alternative) <= 5


def test_the_best_ranked_are_rescored_at_most_so_many_a_site(engine: LocalEngine) -> None:
    at = TEXT.index("height\n")
    many = tuple(Edit(at, at + 6, name) for name in ("width", "area", "math", "x", "result"))
    scores = scored(engine, ScoreRequest(CONTEXT, TEXT, (*many, *SOME), max_rescored=4, max_per_site=1))
    assert len(scores) == 4
    assert sum(score.edit in many for score in scores) <= 1


def test_removing_and_adding_tokens_can_be_scored(engine: LocalEngine) -> None:
    start = TEXT.index(" or height < 0")
    scores: dict[str, EditScore] = {
        score.edit.replacement: score
        for score in scored(
            engine, ScoreRequest(CONTEXT, TEXT, (Edit(start, start + 14, ""), Edit(start, start, " and True")))
        )
    }
    assert len(scores[""].site_original) > len(scores[""].site_alternative)
    assert len(scores[" and True"].site_original) < len(scores[" and True"].site_alternative)


def test_what_stands_behind_a_text_changes_its_score_and_is_clipped_to_what_fits(engine: LocalEngine) -> None:
    edit = SOME[0]
    (plain,) = scored(engine, ScoreRequest(CONTEXT, TEXT, (edit,)))
    for suffix in ("\n\nprint(area(2, 3))\n", "", "x = 1\n" * 600):
        (score,) = scored(engine, ScoreRequest(CONTEXT, TEXT, (edit,), suffix=suffix))
        written, alone = (each.site_original + each.suffix_original for each in (score, plain))
        assert written != pytest.approx(alone, abs=0.05)
        assert len(score.site_alternative) == len(plain.site_alternative)


def test_a_middle_has_the_probability_of_the_prompt_with_its_marks(engine: LocalEngine) -> None:
    suffix, edit = "\n\nprint(area(2, 3))\n", SOME[1]
    (score,) = scored(engine, ScoreRequest(CONTEXT, TEXT, (edit,), suffix=suffix))
    prompt = f"<|fim_suffix|>{suffix}<|fim_prefix|>{CONTEXT}<|fim_middle|>{TEXT}"
    (read, *_) = engine.events(CompletionRequest(prompt=prompt, max_tokens=0, echo_logprobs=True))
    assert isinstance(read, PromptRead)
    echoed = [each.logprob for each in read.logprobs]
    ours = [*score.site_original, *score.suffix_original]
    starts = range(len(echoed) - len(ours) + 1)
    assert any(echoed[start : start + len(ours)] == pytest.approx(ours, abs=0.05) for start in starts)


def test_nothing_to_score_is_an_empty_answer(engine: LocalEngine) -> None:
    assert scored(engine, ScoreRequest(CONTEXT, TEXT, ())) == ()
    assert scored(engine, ScoreRequest(CONTEXT, "", (Edit(0, 0, "x"),))) == ()
    assert scored(engine, ScoreRequest(CONTEXT, TEXT, (Edit(len(TEXT), len(TEXT), "x"),))) == ()


def test_a_text_longer_than_the_context_is_refused_with_both_numbers(engine: LocalEngine) -> None:
    with pytest.raises(RequestRefused, match=r"needs \d+ tokens of context and the model has 1024"):
        scored(engine, ScoreRequest("", "a = 1\n" * 500, (Edit(0, 1, "b"),)))


def test_an_edit_outside_the_text_is_refused(engine: LocalEngine) -> None:
    with pytest.raises(RequestRefused, match="lies outside a text of"):
        scored(engine, ScoreRequest("", TEXT, (Edit(5, 10_000, "b"),)))


def test_fim_marks_in_a_document_are_text(engine: LocalEngine) -> None:
    vocabulary = engine._model.vocabulary
    assert vocabulary.fim is not None
    assert vocabulary.fim.middle not in vocabulary.tokenize("a <|fim_middle|> b")


def test_orders_put_the_marks_as_published() -> None:
    assert InfillPrompt("psm", [], [1, 10, 11], [2, 20], 3).tokens == [1, 10, 11, 2, 20, 3]
    assert InfillPrompt("spm", [0], [1, 10, 11], [2, 20], 3).tokens == [0, 2, 20, 1, 10, 11, 3]


def test_clipping_keeps_whole_lines_next_to_the_cursor(engine: LocalEngine) -> None:
    vocabulary = engine._model.vocabulary
    lines = "".join(f"value_{i} = compute({i})\n" for i in range(300))
    before = vocabulary.detokenize(clip_prefix(vocabulary, lines, 100))
    after = vocabulary.detokenize(clip_suffix(vocabulary, lines, 100))
    assert lines.endswith(before)
    assert before.startswith("value_")
    assert lines.startswith(after)
    assert after.endswith("\n")
    emoji = "🙂" * 500
    assert len(clip_prefix(vocabulary, emoji, 64)) <= 64
    assert len(clip_suffix(vocabulary, emoji, 64)) <= 64


def test_the_model_file_says_what_it_is(engine: LocalEngine, builtin_model: Path) -> None:
    facts = engine.facts()
    assert facts.path == builtin_model
    assert facts.architecture == "deepseek2"
    assert facts.fim_orders == ("spm", "psm")
    assert facts.n_experts > facts.n_experts_used > 0
