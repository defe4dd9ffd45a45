"""The sampler on logits of the builtin model, against llama.cpp's chain and against arithmetic."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from dsassist_runtime.api import Sampling, TokenBias
from dsassist_runtime.errors import RequestRefused
from dsassist_runtime.llama.context import AbortFlag, BatchToken, Context
from dsassist_runtime.llama.model import Model, Vocabulary
from dsassist_runtime.llama.sampler import Sampler, logprobs

N_CTX = 512
GREEDY = Sampling(temperature=0.0)
PROMPT = "import os\n\n\ndef names(path):\n    for name in os.listdir(path):\n        if name"


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    from dsassist_runtime.models.store import BUILTIN_PATH

    with closing(Model(BUILTIN_PATH)) as model:
        yield model


@pytest.fixture(scope="module")
def vocabulary(model: Model) -> Vocabulary:
    return model.vocabulary


@pytest.fixture(scope="module")
def context(model: Model) -> Iterator[Context]:
    with closing(Context(model, n_ctx=N_CTX, n_batch=N_CTX, n_threads=1, abort=AbortFlag())) as context:
        yield context


def read(context: Context, tokens: list[int], start: int = 0) -> None:
    """Evaluate `tokens` from position `start`, with the logits of each."""
    context.forget(0, start)
    context.decode([BatchToken(token, start + i, 0, True) for i, token in enumerate(tokens)])


def prompt(vocabulary: Vocabulary) -> list[int]:
    """A place in code, in the form that the builtin model was trained on."""
    marks = vocabulary.fim
    assert vocabulary.bos is not None
    assert marks is not None
    suffix, prefix = vocabulary.tokenize("\n\n\nprint(names('.'))\n"), vocabulary.tokenize(PROMPT)
    return [vocabulary.bos, marks.prefix, marks.suffix, *suffix, marks.middle, *prefix]


def sampled(context: Context, vocabulary: Vocabulary, sampling: Sampling, n: int = 1) -> list[int]:
    """`n` choices from the same logits, with a sampler that remembers them."""
    with closing(Sampler(sampling, vocabulary, N_CTX)) as sampler:
        return [sampler.sample(context) for _ in range(n)]


def written(context: Context, vocabulary: Vocabulary, sampling: Sampling, limit: int = 40) -> list[int]:
    """A text of at most `limit` tokens behind the prompt, its end token included."""
    tokens = prompt(vocabulary)
    read(context, tokens)
    out: list[int] = []
    with closing(Sampler(sampling, vocabulary, N_CTX)) as sampler:
        while len(out) < limit:
            out.append(sampler.sample(context))
            if vocabulary.is_end(out[-1]):
                break
            read(context, out[-1:], len(tokens) + len(out) - 1)
    return out


@pytest.fixture
def logits(context: Context, vocabulary: Vocabulary) -> Any:
    read(context, prompt(vocabulary))
    return context.logits(-1).copy()


def test_plain_greedy_is_llama_cpps_greedy(context: Context, vocabulary: Vocabulary) -> None:
    """A bias of nothing takes the way through llama.cpp's chain, which plain greedy avoids."""
    chain = Sampling(temperature=0.0, logit_bias=(TokenBias(0, 0.0),))
    assert written(context, vocabulary, GREEDY) == written(context, vocabulary, chain)


def test_draws_follow_the_probabilities(context: Context, vocabulary: Vocabulary, logits: Any) -> None:
    filters_off = Sampling(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, seed=7)
    drawn = Counter(sampled(context, vocabulary, filters_off, 4000))
    probabilities = np.exp(logits - logits.max())
    probabilities /= probabilities.sum()
    for token in np.argsort(probabilities)[-5:]:
        share = drawn[int(token)] / 4000
        assert share == pytest.approx(probabilities[token], abs=4 * math.sqrt(0.25 / 4000))


def test_each_filter_keeps_the_best(context: Context, vocabulary: Vocabulary, logits: Any) -> None:
    flat = {"temperature": 5.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": 1}
    order = np.argsort(-logits, kind="stable").tolist()
    probabilities = np.sort(np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum())[::-1]
    assert set(sampled(context, vocabulary, Sampling(**{**flat, "top_k": 3}), 400)) == set(order[:3])
    for name, value, kept in (
        ("top_p", 0.5, int((np.cumsum(probabilities) < 0.5).sum()) + 1),
        ("min_p", 0.2, int((probabilities >= 0.2 * probabilities[0]).sum())),
    ):
        drawn = set(sampled(context, vocabulary, Sampling(**{**flat, name: value}), 400))
        assert drawn <= set(order[:kept])
        assert order[kept] not in drawn
    assert len(set(sampled(context, vocabulary, Sampling(**flat), 400))) > 50


def test_a_seed_makes_draws_repeatable_and_none_does_not(context: Context, vocabulary: Vocabulary, logits: Any) -> None:
    def draws(seed: int | None) -> list[int]:
        return sampled(context, vocabulary, Sampling(temperature=5.0, top_k=0, top_p=1.0, min_p=0.0, seed=seed), 30)

    assert draws(5) == draws(5)
    assert draws(5) != draws(6)
    assert draws(None) != draws(None)


def test_a_bias_lifts_and_forbids(context: Context, vocabulary: Vocabulary, logits: Any) -> None:
    best = int(logits.argmax())
    for sampling in (GREEDY, Sampling(temperature=0.5, seed=1)):
        forbid = Sampling(**{**vars(sampling), "logit_bias": (TokenBias(best, None),)})
        assert best not in sampled(context, vocabulary, forbid, 50)
        lift = Sampling(**{**vars(sampling), "logit_bias": (TokenBias(77, 1e30), TokenBias(best, -math.inf))})
        assert sampled(context, vocabulary, lift, 5) == [77] * 5


def test_penalties_count_prompt_and_text_in_their_window(context: Context, vocabulary: Vocabulary, logits: Any) -> None:
    best, second = np.argsort(-logits)[:2].tolist()
    gap = float(logits[best] - logits[second])
    punish = {"temperature": 0.0, "presence_penalty": gap + 1}
    assert sampled(context, vocabulary, Sampling(**punish), 2) == [best, second]
    assert sampled(context, vocabulary, Sampling(**punish, repeat_last_n=1), 3) == [best, second, best]
    assert sampled(context, vocabulary, Sampling(**punish, repeat_last_n=0), 2) == [best, best]
    with closing(Sampler(Sampling(**punish, repeat_last_n=-1), vocabulary, N_CTX)) as sampler:
        sampler.accept(best)
        for _ in range(N_CTX - 2):
            sampler.accept(77)
        assert sampler.sample(context) == second
        assert sampler.sample(context) not in (best, second), "the first one is in the window still"
    assert logits[best] > 0
    assert sampled(context, vocabulary, Sampling(temperature=0.0, repeat_penalty=100), 2)[1] != best


def test_samples_of_a_verified_batch_are_those_of_single_tokens(context: Context, vocabulary: Vocabulary) -> None:
    """Speculation: a batch of guessed tokens is sampled position by position."""
    tokens = prompt(vocabulary)
    for sampling in (GREEDY, Sampling(temperature=0.0, repeat_penalty=1.3), Sampling(temperature=0.8, seed=3)):
        expected = written(context, vocabulary, sampling, 6)
        read(context, tokens[:-1])
        read(context, [tokens[-1], *expected[:-1]], len(tokens) - 1)
        with closing(Sampler(sampling, vocabulary, N_CTX)) as sampler:
            assert [sampler.sample(context, i) for i in range(len(expected))] == expected


def test_clones_share_the_prompt_and_draw_by_their_own_seed(
    context: Context, vocabulary: Vocabulary, logits: Any
) -> None:
    best, second = np.argsort(-logits)[:2].tolist()
    wild = {"temperature": 5.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
    with closing(Sampler(Sampling(**wild, seed=11), vocabulary, N_CTX)) as first:
        clones = [first.clone(i) for i in (0, 1, 2)]
        texts = [[clone.sample(context) for _ in range(20)] for clone in clones]
        assert texts[0] == [first.sample(context) for _ in range(20)]
        assert texts[1] == sampled(context, vocabulary, Sampling(**wild, seed=12), 20)
        assert len({*map(tuple, texts)}) == 3
        for clone in clones:
            clone.close()
    gap = float(logits[best] - logits[second])
    with closing(Sampler(Sampling(temperature=0.0, presence_penalty=gap + 1), vocabulary, N_CTX)) as first:
        first.accept(best)
        with closing(first.clone(1)) as clone:
            assert clone.sample(context) == second
        assert first.sample(context) == second


@pytest.mark.parametrize("temperature", [0.0, 0.8, 5.0])
@pytest.mark.parametrize("penalty", [1.0, 1.1])
def test_a_text_under_a_grammar_is_of_the_grammar(
    context: Context, vocabulary: Vocabulary, temperature: float, penalty: float
) -> None:
    for seed in range(3):
        filters: dict[str, Any] = {"temperature": temperature, "repeat_penalty": penalty, "seed": seed}
        *tokens, end = written(context, vocabulary, Sampling(**filters, grammar='root ::= ("ab" | "cd"){3} "."'))
        assert vocabulary.is_end(end)
        text = vocabulary.detokenize(tokens)
        assert text.replace("ab", "").replace("cd", "") == "."
        assert len(text) == 7
        schema = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
        *tokens, end = written(context, vocabulary, Sampling(**filters, json_schema=schema), 80)
        if vocabulary.is_end(end):
            assert [type(item) for item in json.loads(vocabulary.detokenize(tokens))] == [int, int]


def test_a_grammar_changes_nothing_where_it_allows_the_choice(context: Context, vocabulary: Vocabulary) -> None:
    for sampling in (GREEDY, Sampling(temperature=0.7, seed=2)):
        free = written(context, vocabulary, sampling, 20)
        assert written(context, vocabulary, Sampling(**{**vars(sampling), "grammar": "root ::= .*"}), 20) == free


def test_clones_go_their_own_way_through_a_grammar(context: Context, vocabulary: Vocabulary, logits: Any) -> None:
    with closing(Sampler(Sampling(temperature=0.0, grammar='root ::= "ab"'), vocabulary, N_CTX)) as first:
        clone = first.clone(1)
        assert vocabulary.detokenize([first.sample(context)]) == "ab"
        assert vocabulary.is_end(first.sample(context))
        assert vocabulary.detokenize([clone.sample(context)]) == "ab"


def test_an_end_that_the_grammar_demands_is_taken_against_a_bias(
    context: Context, vocabulary: Vocabulary, logits: Any
) -> None:
    """`ignore_eos` is such a bias."""
    ends = tuple(TokenBias(token, None) for token in range(vocabulary.n_tokens) if vocabulary.is_end(token))
    for sampling in (GREEDY, Sampling(temperature=0.8, seed=1)):
        bound = Sampling(**{**vars(sampling), "logit_bias": ends, "grammar": 'root ::= "ab"'})
        ab, end = sampled(context, vocabulary, bound, 2)
        assert vocabulary.detokenize([ab]) == "ab"
        assert vocabulary.is_end(end)


def test_a_bias_against_all_that_the_grammar_allows_is_refused(
    context: Context, vocabulary: Vocabulary, logits: Any
) -> None:
    bias = tuple(TokenBias(token, None) for token in range(vocabulary.n_tokens) if b"7" in vocabulary.piece(token))
    with pytest.raises(RequestRefused, match="logit_bias forbids every token that the grammar allows"):
        sampled(context, vocabulary, Sampling(temperature=0.0, logit_bias=bias, grammar='root ::= "7"'))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"temperature": -0.1}, "temperature is -0.1; it must be between 0 and 100"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"top_p": 1.1}, "top_p is 1.1; it must be between 0 and 1"),
        ({"min_p": -1}, "min_p is -1"),
        ({"repeat_penalty": 0}, "repeat_penalty is 0; it must be between 0.01 and 100"),
        ({"frequency_penalty": math.inf}, "frequency_penalty is inf"),
        ({"presence_penalty": -1e9}, "presence_penalty is"),
        ({"logit_bias": (TokenBias(8192, 1.0),)}, "logit_bias names the token 8192; the model has 0 to 8191"),
        ({"logit_bias": (TokenBias(-1, 1.0),)}, "logit_bias names the token -1"),
        ({"logit_bias": (TokenBias(1, math.nan),)}, "logit_bias of token 1 is nan"),
        ({"logit_bias": (TokenBias(1, math.inf),)}, "logit_bias of token 1 is inf"),
        ({"logit_bias": tuple(TokenBias(i, None) for i in range(8192))}, "logit_bias forbids every token"),
        ({"grammar": "root ::="[:-1]}, "invalid grammar: "),
        ({"json_schema": {"type": "foo"}}, "invalid JSON schema: "),
    ],
)
def test_values_out_of_range_are_refused(vocabulary: Vocabulary, values: dict[str, Any], reason: str) -> None:
    with pytest.raises(RequestRefused, match=reason):
        Sampler(Sampling(**values), vocabulary, N_CTX)


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": 1e-30},
        {"temperature": 1.1e-5},
        {"temperature": 100.0},
        {"temperature": 1.0, "top_k": 2**40},
        {"temperature": 1.0, "top_k": -5, "top_p": 0.0},
        {"temperature": 1.0, "seed": -1},
        {"temperature": 1.0, "seed": 2**70},
        {"temperature": 0.0, "repeat_penalty": 0.01, "repeat_last_n": 2**40},
        {"temperature": 1e-4, "logit_bias": tuple(TokenBias(i, -1e38) for i in range(8192))},
        {"temperature": 1.0, "logit_bias": tuple(TokenBias(i, None) for i in range(8191))},
    ],
    ids=range(10),
)
def test_values_at_the_edge_choose_a_token(
    context: Context, vocabulary: Vocabulary, logits: Any, values: dict[str, Any]
) -> None:
    tokens = sampled(context, vocabulary, Sampling(**values), 3)
    assert all(0 <= token < vocabulary.n_tokens for token in tokens)
    if values["temperature"] < 2e-5:
        assert tokens == [int(logits.argmax())] * 3
    if values.get("logit_bias", (TokenBias(0, 0.0),))[-1] == TokenBias(8190, None):
        assert tokens == [8191] * 3


def test_logprobs_are_the_logarithms_of_the_softmax(vocabulary: Vocabulary, logits: Any) -> None:
    exact = logits.astype(np.float64)
    exact -= np.log(np.exp(exact - exact.max()).sum()) + exact.max()
    order = np.argsort(-logits, kind="stable").tolist()
    found = logprobs(logits, order[3], 5, vocabulary)
    assert found.logprob == pytest.approx(exact[order[3]], abs=1e-4)
    assert [top.token for top in found.top] == order[:5]
    assert [top.logprob for top in found.top] == pytest.approx(exact[order[:5]].tolist(), abs=1e-4)
    assert found.text == vocabulary.detokenize([order[3]])
    assert bytes(found.raw) == vocabulary.piece(order[3])
    assert logprobs(logits, 5, 0, vocabulary).top == ()
    assert len(logprobs(logits, 5, 10**9, vocabulary).top) == vocabulary.n_tokens


def test_logprobs_show_marks_and_parts_of_characters(vocabulary: Vocabulary, logits: Any) -> None:
    assert vocabulary.eos is not None
    assert logprobs(logits, vocabulary.eos, 0, vocabulary).text == "<|endoftext|>"
    part = next(token for token in range(vocabulary.n_tokens) if vocabulary.piece(token) == b"\xc3")
    found = logprobs(logits, part, 0, vocabulary)
    assert (found.text, found.raw) == ("\ufffd", (0xC3,))
