"""A middle that stands in the document already, as far as it was typed: what is written goes on behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from asked import Asked, finish
from dsassist_runtime.api import (
    EngineSettings,
    FimOrder,
    InfillRequest,
    Sampling,
    TextPiece,
    TokenBias,
    TokenLogprob,
)
from dsassist_runtime.engine.local import LocalEngine
from dsassist_runtime.errors import RequestRefused

GREEDY = Sampling(temperature=0.0)
PREFIX = 'import os\nimport sys\n\n\ndef read_lines(path, encoding):\n    """The lines of a file."""'
SUFFIX = "\n\n\ndef main():\n    for line in read_lines(sys.argv[1], 'utf-8'):\n        print(line)\n"
REQUEST = InfillRequest(PREFIX, SUFFIX, max_tokens=16, sampling=GREEDY)


@pytest.fixture(scope="module")
def shared_engine() -> Iterator[LocalEngine]:
    from dsassist_runtime.models.store import BUILTIN_PATH

    with closing(LocalEngine(EngineSettings(BUILTIN_PATH, n_threads=1))) as engine:
        yield engine


@pytest.fixture
def engine(shared_engine: LocalEngine) -> LocalEngine:
    shared_engine.forget_everything()
    return shared_engine


@pytest.fixture(scope="module")
def qwen(real_model: Path) -> Iterator[LocalEngine]:
    with closing(LocalEngine(EngineSettings(real_model, n_ctx=2048))) as engine:
        yield engine


def written(engine: LocalEngine, request: InfillRequest) -> Asked:
    asked = Asked(engine, request)
    finish(engine)
    return asked


def logprobs(asked: Asked) -> list[TokenLogprob]:
    return [each for event in asked.events if isinstance(event, TextPiece) for each in event.logprobs]


def evaluated(asked: Asked) -> int:
    return asked.end.prompt_tokens - asked.end.cached_tokens


def goes_on(whole: str, begun: str, text: str) -> bool:
    rest = whole[len(begun) :]
    return rest.startswith(text) or text.startswith(rest)


# -- the text


@pytest.mark.parametrize("order", ["psm", "spm"])
def test_what_was_cut_anywhere_goes_on_as_it_was(engine: LocalEngine, order: FimOrder) -> None:
    request = replace(REQUEST, order=order, max_tokens=32)
    whole = written(engine, request).text
    assert len(whole) > 20
    for end in range(1, len(whole)):
        engine.forget_everything()
        text = written(engine, replace(request, begun=whole[:end], max_tokens=8)).text
        assert goes_on(whole, whole[:end], text), (whole[:end], text)


@pytest.mark.real_model
@pytest.mark.slow
@pytest.mark.parametrize("order", ["psm", "spm"])
def test_what_a_real_model_writes_goes_on_as_it_was(qwen: LocalEngine, order: FimOrder) -> None:
    request = replace(REQUEST, order=order, max_tokens=24)
    whole = written(qwen, request).text
    assert len(whole) > 40
    for end in range(1, len(whole), 3):
        text = written(qwen, replace(request, begun=whole[:end], max_tokens=3)).text
        assert goes_on(whole, whole[:end], text), (whole[:end], text)


@pytest.mark.parametrize(
    "begun", ["\n    名", "\n    x = '日本", "\n    # 🙂", "\n    é", "\n\t\t", "\n    na\u0301me"]
)
def test_a_word_of_any_script_goes_on(engine: LocalEngine, begun: str) -> None:
    for sampling in (GREEDY, Sampling(temperature=1.5, seed=3, top_k=0, top_p=1.0, min_p=0.0)):
        asked = written(engine, replace(REQUEST, begun=begun, sampling=sampling, logprobs=0))
        assert asked.end.completion_tokens <= 16 + len(begun.encode())
        shown = b"".join(bytes(each.raw) for each in logprobs(asked))
        assert shown.decode("utf-8", "replace").rstrip("\ufffd").endswith(asked.text.rstrip("\ufffd"))


def test_a_lone_surrogate_is_a_question_mark_and_nothing_worse(engine: LocalEngine) -> None:
    assert written(engine, replace(REQUEST, begun="\n    \ud800")).end.finish_reason in ("length", "stop")


def test_several_texts_begin_with_what_is_begun_each_for_itself(engine: LocalEngine) -> None:
    hot = Sampling(temperature=1.3, seed=5)
    asked = written(engine, replace(REQUEST, begun="\n    ret", n=4, sampling=hot, logprobs=0))
    for index in range(4):
        pieces = [event for event in asked.events if isinstance(event, TextPiece) and event.index == index]
        spelled = b"".join(bytes(each.raw) for piece in pieces for each in piece.logprobs)
        assert "".join(piece.text for piece in pieces) in spelled.decode("utf-8", "replace")
    assert len(asked.end.choices) == 4


def test_speculation_changes_nothing(engine: LocalEngine) -> None:
    request = InfillRequest("x = [1, 2, 3, 1, 2, 3, 1, 2, 3,", "", begun=" 1", max_tokens=60, sampling=GREEDY)
    plain = written(engine, replace(request, speculate=False)).text
    assert written(engine, request).text == plain


def test_the_tokens_that_spell_what_is_begun_are_not_taken_from_the_limit(engine: LocalEngine) -> None:
    whole = written(engine, replace(REQUEST, max_tokens=1, ignore_eos=True)).text
    asked = written(engine, replace(REQUEST, begun="\n    zzq", max_tokens=1, ignore_eos=True, logprobs=0))
    assert len(whole) > 0
    assert len(logprobs(asked)) == 1
    assert asked.text == "" or logprobs(asked)[0].text.endswith(asked.text)


def test_a_stop_string_counts_behind_what_is_begun(engine: LocalEngine) -> None:
    whole = written(engine, replace(REQUEST, max_tokens=32)).text
    at = next(at for at in range(8, len(whole) - 3) if whole[at : at + 3] not in whole[4 : at + 2])
    stop = whole[at : at + 3]
    asked = written(engine, replace(REQUEST, begun=whole[:4], max_tokens=32, stop=(stop,)))
    assert (asked.text, asked.end.stop_text) == (whole[4:at], stop)


def test_a_grammar_and_a_begun_middle_exclude_each_other(engine: LocalEngine) -> None:
    request = replace(REQUEST, begun="\n", sampling=replace(GREEDY, grammar='root ::= "a"'))
    (error,) = written(engine, request).ends
    assert isinstance(error, RequestRefused)
    assert "put that at the end of the prefix" in str(error)


def test_a_bias_against_all_that_goes_on_is_told(engine: LocalEngine) -> None:
    owed = engine._infill_prompt(replace(REQUEST, begun="\nzq")).owed
    tokens = engine._model.vocabulary.beginnings.fitting(owed).tolist()
    bias = tuple(TokenBias(token, None) for token in tokens)
    (error,) = written(engine, replace(REQUEST, begun="\nzq", sampling=replace(GREEDY, logit_bias=bias))).ends
    assert isinstance(error, RequestRefused)
    assert "loosen it" in str(error)


def test_a_begun_middle_is_kept_when_the_prompt_is_too_long(engine: LocalEngine) -> None:
    request = InfillRequest("a = 1\n" * 300, "\nb = 2" * 300, begun="\nvalue = ", max_prompt_tokens=60, max_tokens=1)
    prompt = engine._infill_prompt(request)
    spelled = engine.detokenize(prompt.begun).encode() + prompt.owed
    assert spelled == b"\nvalue = "
    assert 50 <= len(prompt.tokens) - len(prompt.begun) <= 64
    longer = engine._infill_prompt(replace(request, begun="\n" + "value = 1; " * 200))
    assert len(longer.begun) <= 60, "more than the budget is cut from its start"
    assert (engine.detokenize(longer.begun).encode() + longer.owed).endswith(b"value = 1; ")


@pytest.mark.parametrize("budget", [0, 60])
def test_what_is_typed_seldom_moves_what_stands_before_it(engine: LocalEngine, budget: int) -> None:
    """It took its tokens from the prefix, of which then a line less was read, and all that follows was read again."""
    request = InfillRequest("名前 = 1\n" * 900, "\nb = 2" * 300, max_prompt_tokens=budget, max_tokens=1)
    line = "\n总数 = 数量 + 数量 * 2 + 3"
    prompts = [engine._infill_prompt(replace(request, begun=line[:n])) for n in range(1, len(line) + 1)]
    assert len({(tuple(prompt.before), tuple(prompt.after)) for prompt in prompts}) <= (1 if budget else 2)
    n_ctx = engine.facts().n_ctx
    assert all(len(prompt.tokens) <= n_ctx for prompt in prompts)


# -- what it costs


@pytest.mark.parametrize("order", ["psm", "spm"])
@pytest.mark.parametrize("n_written", [0, 6])
def test_a_keystroke_evaluates_its_own_tokens(engine: LocalEngine, order: FimOrder, n_written: int) -> None:
    request = replace(REQUEST, order=order, max_tokens=n_written, document="a.py")
    written(engine, replace(request, begun="\n"))
    typed = "\n    with open(path, encoding=encoding) as lines_of_file:\n        return"
    for end in range(2, len(typed) + 1):
        asked = written(engine, replace(request, begun=typed[:end]))
        assert evaluated(asked) <= 3, typed[:end]


@pytest.mark.real_model
@pytest.mark.slow
def test_a_keystroke_of_a_real_model_evaluates_its_own_tokens(qwen: LocalEngine) -> None:
    request = replace(REQUEST, max_tokens=2, document="a.py")
    written(qwen, replace(request, begun="\n"))
    typed = "\n    with open(path) as file_of_lines"
    for end in range(2, len(typed) + 1):
        assert evaluated(written(qwen, replace(request, begun=typed[:end]))) <= 3, typed[:end]


def test_a_keystroke_is_bit_for_bit_what_it_is_without_the_texts_between(tmp_path: Path) -> None:
    """Texts that were written for earlier keystrokes and not taken leave no trace in what comes behind."""
    from dsassist_runtime.models.store import BUILTIN_PATH

    # Of these each token is evaluated in a batch of the same shape either way; others round by 1e-3.
    keys = ["\n", "\n    zq", "\n    zq = b", "\n    zq = b["]
    request = InfillRequest("def f(a):\n    b = a", "\n", order="psm", sampling=GREEDY, logprobs=0, speculate=False)
    found = []
    for n_written in (4, 0):
        # Few cells and one thread, see test_reuse_law.
        with closing(LocalEngine(EngineSettings(BUILTIN_PATH, n_ctx=300, n_threads=1))) as engine:
            for begun in keys[:-1]:
                written(engine, replace(request, begun=begun, max_tokens=n_written))
            last = written(engine, replace(request, begun=keys[-1], max_tokens=4))
            found.append([(each.token, each.logprob) for each in logprobs(last)])
    assert found[0] == found[1]
    assert len(found[0]) >= 3


# -- what was typed meanwhile


@pytest.mark.parametrize("n_logprobs", [None, 0])
def test_what_was_typed_is_taken_from_what_is_being_written(engine: LocalEngine, n_logprobs: int | None) -> None:
    request = InfillRequest("x = [1, ", "", begun="2", max_tokens=60, sampling=GREEDY, logprobs=n_logprobs)
    request = replace(request, speculate=False)  # no token is evaluated twice
    whole = written(engine, request).text
    engine.forget_everything()
    request = replace(request, document="a.py")
    first = Asked(engine, request)
    while len(first.text) < 8:
        engine.step()
    typed = first.text[:4]
    second = Asked(engine, replace(request, begun=request.begun + typed))
    assert first.end.finish_reason == "superseded"
    assert second.text == first.text[4:], "what is there already comes at once"
    finish(engine)
    assert second.end.adopted
    assert evaluated(second) <= 1
    assert (typed + second.text).startswith(whole)
    if n_logprobs is not None:
        told = b"".join(bytes(each.raw) for each in logprobs(second)).decode()
        assert told.endswith(second.text), "of the tokens that bring text, and of no others"
        assert len(told) - len(second.text) < 4


def test_what_begins_the_middle_may_stand_in_the_prefix_a_keystroke_later(engine: LocalEngine) -> None:
    request = InfillRequest("x = [1, ", "", begun="2", max_tokens=60, sampling=GREEDY, document="a.py")
    first = Asked(engine, request)
    while len(first.text) < 8:
        engine.step()
    second = Asked(engine, replace(request, prefix=request.prefix + "2", begun=first.text[:2]))
    assert second.text == first.text[2:]
    finish(engine)
    assert second.end.adopted


def test_text_that_was_read_for_nothing_but_the_cache_is_not_adopted(engine: LocalEngine) -> None:
    """A warm-up that writes nothing was taken for the same text, and ended as empty."""
    request = replace(REQUEST, document="a.py")
    Asked(engine, replace(request, max_tokens=0))
    second = Asked(engine, request)
    finish(engine)
    assert second.text
    assert not second.end.adopted


# -- log-probabilities


def test_log_probabilities_are_those_of_the_tokens_that_bring_text(engine: LocalEngine) -> None:
    request = replace(REQUEST, max_tokens=32, logprobs=0)
    whole = written(engine, request)
    assert "".join(each.text for each in logprobs(whole)) == whole.text
    for end in range(1, len(whole.text)):
        asked = written(engine, replace(request, begun=whole.text[:end], max_tokens=4))
        told = "".join(each.text for each in logprobs(asked))
        assert told.endswith(asked.text)
        assert not asked.text or len(logprobs(asked)[0].text) > len(told) - len(asked.text), "the first spans the seam"


def test_a_token_behind_a_stop_string_is_not_reported(engine: LocalEngine) -> None:
    whole = written(engine, replace(REQUEST, max_tokens=32)).text
    asked = written(engine, replace(REQUEST, max_tokens=32, stop=(whole[6:8],), logprobs=0))
    told = "".join(each.text for each in logprobs(asked))
    assert whole.startswith(told)
    assert len(told) < len(whole), "the text ended, and so did they"


def test_text_comes_as_quickly_with_log_probabilities(engine: LocalEngine) -> None:
    """They kept the decode loop from going on token after token: a batch and a piece of text for each."""
    request = InfillRequest("x = [1, ", "", max_tokens=60, sampling=GREEDY, speculate=False, ignore_eos=True)
    pieces = []
    for n_logprobs in (None, 0):
        asked = written(engine, replace(request, logprobs=n_logprobs))
        pieces.append(sum(isinstance(event, TextPiece) for event in asked.events))
    assert pieces[1] < 40, pieces


def test_the_end_of_a_half_typed_word_is_as_likely_as_it_is_behind_its_beginning(real_model: Path) -> None:
    """Counted over the whole vocabulary, `return` behind `ret` is as unlikely as it was before `ret` was typed."""
    request = InfillRequest(
        "def add(a, b):", "\n", begun="\n    xylop = 1\n    xy", sampling=GREEDY, logprobs=0, max_tokens=4
    )
    with closing(LocalEngine(EngineSettings(real_model))) as engine:
        first = logprobs(written(engine, request))[0]
    assert first.text.endswith("lop")
    assert first.logprob > -0.5
