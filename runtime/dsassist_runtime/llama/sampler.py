"""From logits to the next token: llama.cpp's chain in llama-server's order, under a grammar if there is one."""

from __future__ import annotations

import ctypes
import math
import secrets
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dsassist_runtime.api import Sampling, TokenLogprob, TopLogprob
from dsassist_runtime.errors import RequestRefused
from dsassist_runtime.llama.context import Context
from dsassist_runtime.llama.grammar import Grammar, compile_grammar
from dsassist_runtime.llama.library import load_library
from dsassist_runtime.llama.model import Vocabulary

__all__ = ["Sampler", "logprobs"]

# Below it the best token has all of the probability, and dividing by it overflows before long.
_LEAST_TEMPERATURE = 1e-5
# Logits are a hundred at most: this decides as well as an infinity, and dividing it by a temperature stays finite.
_LARGEST_BIAS = 1e4

_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])  # llama_token_data


class Sampler:
    """Chooses the tokens of one text, and remembers them where penalties or a grammar need it.

    Logit bias, penalties, top-k, top-p, min-p, temperature and a draw, as llama-server has them by default; at
    temperature 0 bias, penalties and the best token. As there, a grammar is asked about the token that was chosen, and
    only when it refuses that one a second choice is made among those that it allows.
    """

    def __init__(self, sampling: Sampling, vocabulary: Vocabulary, n_ctx: int) -> None:
        """`n_ctx`, in tokens, is the longest window of the penalties; `RequestRefused` for a value out of range."""
        _check(sampling, vocabulary.n_tokens)
        seed = secrets.randbits(32) if sampling.seed is None else sampling.seed & 0xFFFFFFFF
        self._sampling = replace(sampling, seed=seed)
        self._vocabulary = vocabulary
        self._library = load_library()
        self._window = n_ctx if sampling.repeat_last_n < 0 else min(sampling.repeat_last_n, n_ctx)
        self._grammar = compile_grammar(sampling, vocabulary)
        self._chain: Any = None  # None is the plain greedy choice
        if not (self._greedy and not sampling.logit_bias and not self._penalizes):
            self._chain = self._new_chain([*self._filters(), self._choice(seed)])

    def accept(self, token: int) -> None:
        """Let the penalties count a token of the prompt."""
        if self._penalizes:
            self._library.llama_sampler_accept(self._chain, token)

    def sample(self, context: Context, index: int = -1) -> int:
        """Choose the next token by the logits at `index` of the last batch (-1: the last), and remember it.

        `RequestRefused` when bias or complexity leave nothing that the grammar allows.
        """
        if self._grammar is None and self._chain is not None:
            return int(self._library.llama_sampler_sample(self._chain, context.pointer, index))
        logits = context.logits(index)
        if self._chain is None:
            token = int(logits.argmax())
        else:
            token = self._drawn(np.arange(len(logits), dtype=np.int32), logits)
        if self._grammar is not None:
            if not self._grammar.allows(token):
                token = self._allowed(self._grammar, logits)
            self._grammar.accept(token)
        self.accept(token)
        return token

    def sample_among(self, tokens: npt.NDArray[np.intp], context: Context, index: int) -> int:
        """Choose the next token among `tokens` alone, and remember it; there is no grammar.

        `RequestRefused` when the bias forbids them all.
        """
        assert self._grammar is None, "a grammar would have to be asked"
        token = self._chosen(tokens, context.logits(index))
        if token is None:
            raise RequestRefused("logit_bias forbids every token that goes on with what is begun; loosen it")
        self.accept(token)
        return token

    def clone(self, seed_offset: int = 0) -> Sampler:
        """A sampler for another text behind the same prompt, whose draws begin anew with `seed + seed_offset`."""
        other = object.__new__(Sampler)
        other.__dict__.update(self.__dict__)
        seed = (self._sampling.seed or 0) + seed_offset & 0xFFFFFFFF
        other._sampling = replace(self._sampling, seed=seed)
        other._grammar = self._grammar.clone() if self._grammar is not None else None
        if self._chain is not None:
            library = self._library
            filters = [
                library.llama_sampler_clone(library.llama_sampler_chain_get(self._chain, i))
                for i in range(library.llama_sampler_chain_n(self._chain) - 1)
            ]
            other._chain = self._new_chain([*filters, self._choice(seed)])
        return other

    def close(self) -> None:
        """Free the chain and its links."""
        if self._chain is not None:
            self._library.llama_sampler_free(self._chain)
            self._chain = None

    @property
    def _greedy(self) -> bool:
        return self._sampling.temperature < _LEAST_TEMPERATURE

    @property
    def _penalizes(self) -> bool:
        sampling = self._sampling
        neutral = (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty) == (1, 0, 0)
        return self._window > 0 and not neutral

    def _filters(self) -> list[Any]:
        library, sampling, links = self._library, self._sampling, []
        if sampling.logit_bias:
            biases = (library.llama_logit_bias * len(sampling.logit_bias))(
                *((each.token, -math.inf if each.bias is None else _clamped(each.bias)) for each in sampling.logit_bias)
            )
            links.append(library.llama_sampler_init_logit_bias(self._vocabulary.n_tokens, len(biases), biases))
        if self._penalizes:
            links.append(
                library.llama_sampler_init_penalties(
                    self._vocabulary.n_tokens,
                    self._window,
                    sampling.repeat_penalty,
                    sampling.frequency_penalty,
                    sampling.presence_penalty,
                )
            )
        if not self._greedy:
            links += [
                library.llama_sampler_init_top_k(max(0, min(sampling.top_k, self._vocabulary.n_tokens))),
                library.llama_sampler_init_top_p(sampling.top_p, 1),
                library.llama_sampler_init_min_p(sampling.min_p, 1),
                library.llama_sampler_init_temp(sampling.temperature),
            ]
        return links

    def _choice(self, seed: int) -> Any:
        return (
            self._library.llama_sampler_init_greedy() if self._greedy else self._library.llama_sampler_init_dist(seed)
        )

    def _new_chain(self, links: list[Any]) -> Any:
        chain = self._library.llama_sampler_chain_init(self._library.llama_sampler_chain_default_params())
        for link in links:
            self._library.llama_sampler_chain_add(chain, link)  # the chain owns it
        return chain

    def _allowed(self, grammar: Grammar, logits: npt.NDArray[np.float32]) -> int:
        """The choice among what the grammar allows; an end that it demands is taken against any bias."""
        tokens = grammar.allowed()
        token = self._chosen(tokens, logits)
        if token is None:
            token = next((int(token) for token in tokens if self._vocabulary.is_end(int(token))), None)
        if token is None:
            raise RequestRefused("logit_bias forbids every token that the grammar allows; loosen one of them")
        return token

    def _chosen(self, tokens: npt.NDArray[np.intp], logits: npt.NDArray[np.float32]) -> int | None:
        """The choice among `tokens`, without remembering it; None where the bias forbids them all."""
        forbidden = {each.token for each in self._sampling.logit_bias if each.bias is None or each.bias == -math.inf}
        likes = tokens if not forbidden else tokens[~np.isin(tokens, list(forbidden))]
        if len(likes) == 0:
            return None
        if self._chain is None:
            return int(likes[logits[likes].argmax()])
        return self._drawn(likes.astype(np.int32), logits[likes])

    def _drawn(self, tokens: npt.NDArray[np.int32], logits: npt.NDArray[np.float32]) -> int:
        """The chain's choice among `tokens`, without remembering it."""
        candidates = np.zeros(len(tokens), dtype=_CANDIDATE)
        candidates["id"], candidates["logit"] = tokens, logits
        data = candidates.ctypes.data_as(self._library.llama_token_data_p)
        array = self._library.llama_token_data_array(data, len(candidates), -1, False)
        self._library.llama_sampler_apply(self._chain, ctypes.byref(array))
        return int(candidates["id"][array.selected])


def logprobs(
    logits: npt.NDArray[np.float32],
    token: int,
    n_top: int,
    vocabulary: Vocabulary,
    among: npt.NDArray[np.intp] | None = None,
) -> TokenLogprob:
    """The log-probability of `token` by the raw `logits`, `(n_vocab,)`, beside those of the `n_top` best.

    It is that under the condition that one of the tokens `among` is chosen, where those are given.
    """
    possible = logits if among is None else logits[among]
    best = float(possible.max())
    total = best + math.log(np.exp(possible - best).sum())  # numpy adds up in pairs: float32 is exact to six digits
    n_top = min(n_top, len(possible))
    top = np.argpartition(possible, -n_top)[-n_top:] if n_top else np.empty(0, dtype=np.intp)
    top = top if among is None else among[top]
    top = top[np.lexsort((top, -logits[top]))]  # ties by the lower id, as the greedy choice has them
    raw = _bytes(token, vocabulary)
    return TokenLogprob(
        token=token,
        text=raw.decode("utf-8", "replace"),
        logprob=float(logits[token]) - total,
        raw=tuple(raw),
        top=tuple(
            TopLogprob(int(each), _bytes(int(each), vocabulary).decode("utf-8", "replace"), float(logits[each]) - total)
            for each in top
        ),
    )


def _bytes(token: int, vocabulary: Vocabulary) -> bytes:
    return vocabulary.piece(token) or vocabulary.mark(token).encode()


def _clamped(bias: float) -> float:
    return bias if bias == -math.inf else max(-_LARGEST_BIAS, min(bias, _LARGEST_BIAS))


def _check(sampling: Sampling, n_tokens: int) -> None:
    """Refuse what llama.cpp would answer with an abort or with nonsense."""
    for name, least, most in (
        ("temperature", 0, 100),
        ("top_p", 0, 1),
        ("min_p", 0, 1),
        ("repeat_penalty", 0.01, 100),
        ("frequency_penalty", -100, 100),
        ("presence_penalty", -100, 100),
    ):
        value = getattr(sampling, name)
        if not least <= value <= most:  # neither is a NaN
            raise RequestRefused(f"{name} is {value}; it must be between {least} and {most}")
    forbidden = set()
    for each in sampling.logit_bias:
        if not 0 <= each.token < n_tokens:
            raise RequestRefused(f"logit_bias names the token {each.token}; the model has 0 to {n_tokens - 1}")
        if each.bias is not None and (math.isnan(each.bias) or each.bias == math.inf):
            raise RequestRefused(f"logit_bias of token {each.token} is {each.bias}; it must be a number, null or -inf")
        if each.bias is None or each.bias == -math.inf:
            forbidden.add(each.token)
    if len(forbidden) == n_tokens:
        raise RequestRefused("logit_bias forbids every token; allow one at least")
