"""A small model of the same vocabulary that guesses what the large one will write."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from dsassist_runtime.engine.prefix_cache import common_prefix
from dsassist_runtime.errors import ModelUnsupported
from dsassist_runtime.gguf import read_header
from dsassist_runtime.llama.context import Aborted, AbortFlag, BatchToken, Context
from dsassist_runtime.llama.model import Model, Vocabulary

__all__ = ["DraftModel"]

# Reading a whole prompt a second time would cost more than the guesses bring: the draft model sees its end.
_WINDOW = 192
_LONGEST = 1024
_N_BATCH = 64
_LEAST_SURE = 0.5  # the probability below which a guess is not worth a place in the batch


class DraftModel:
    """Implements `speculation.Drafter`; owns a model and a context of its own."""

    def __init__(self, path: Path, vocabulary: Vocabulary, n_threads: int, abort: AbortFlag) -> None:
        """`ModelUnsupported` when its vocabulary is another than that of the model which it is to help."""
        read_header(path)
        with ExitStack() as stack:
            self._model = stack.enter_context(closing(Model(path)))
            _check_same(vocabulary, self._model.vocabulary, path)
            self._context = stack.enter_context(
                closing(
                    Context(
                        self._model,
                        n_ctx=_LONGEST + _N_BATCH,
                        n_batch=_N_BATCH,
                        n_threads=n_threads,
                        n_outputs_max=1,
                        abort=abort,
                    )
                )
            )
            self.close = stack.pop_all().close
        self._start = 0  # of what is evaluated, in the text
        self._tokens: list[int] = []

    def guess(self, known: Sequence[int], limit: int) -> list[int]:
        """The most likely tokens, as long as it is fairly sure of them."""
        try:
            self._catch_up(known)
            draft: list[int] = []
            while len(draft) < limit:
                logits = self._context.logits(-1)
                token = int(logits.argmax())
                if 1 / float(np.exp(logits - logits[token]).sum()) < _LEAST_SURE:
                    break
                draft.append(token)
                if len(draft) < limit:
                    self._evaluate([token])
        except Aborted:  # somebody waits for this request no more, or waits instead of it
            self._tokens = []
            self._context.forget(0)
            return []
        return draft

    def set_threads(self, n_threads: int) -> None:
        """As the model that it helps."""
        if n_threads != self._context.n_threads:
            self._context.set_threads(n_threads)

    def _catch_up(self, known: Sequence[int]) -> None:
        """Evaluate what is new since the last guess, or the end of another text."""
        seen = known[self._start : self._start + len(self._tokens)]
        fitting = min(common_prefix(self._tokens, list(seen)), len(known) - self._start - 1)
        behind = len(known) - self._start - fitting
        if fitting <= 0 or behind > _WINDOW or len(known) - self._start > _LONGEST:
            self._start, fitting = max(0, len(known) - _WINDOW), 0
        self._context.forget(0, fitting)
        del self._tokens[fitting:]
        for start in range(self._start + fitting, len(known), _N_BATCH):
            self._evaluate(list(known[start : start + _N_BATCH]))

    def _evaluate(self, tokens: list[int]) -> None:
        at, last = len(self._tokens), len(tokens) - 1
        self._context.decode([BatchToken(token, at + i, 0, i == last) for i, token in enumerate(tokens)])
        self._tokens += tokens


def _check_same(vocabulary: Vocabulary, drafts: Vocabulary, path: Path) -> None:
    sample = range(0, vocabulary.n_tokens, 97)
    same = vocabulary.n_tokens == drafts.n_tokens and all(
        vocabulary.piece(token) == drafts.piece(token) for token in sample
    )
    if not same:
        raise ModelUnsupported(
            f"{path}: the draft model has another vocabulary than the model; choose a smaller one of the same family"
        )
