"""What it costs that llama.cpp's graph is watched from Python: of a token whose experts are all in memory."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from dsassist_runtime.llama.context import AbortFlag, BatchToken, Context
from dsassist_runtime.offload.streamed_model import StreamedModel
from dsassist_runtime.offload.streaming import StreamedContext

__all__ = ["watching_s"]

_PAIRS = 9


def watching_s(model: StreamedModel, context: StreamedContext, token: int, position: int) -> float:
    """How many seconds longer `token` takes with the stream's callback than without any.

    It is evaluated again and again at `position`, which is the first one that is free in sequence 0, in turns by
    `context` and by one like it that nobody watches, on the same experts in memory. The medians' difference; `context`
    has forgotten the token then.
    """
    sizes = {"n_ctx": context.n_ctx, "n_batch": context.n_batch, "n_threads": context.n_threads}
    batch = [BatchToken(token, position, 0, True)]
    with closing(Context(model.model, **sizes, n_outputs_max=1, abort=AbortFlag(), op_offload=False)) as plain:
        with tempfile.TemporaryDirectory() as folder:
            saved, tokens = Path(folder) / "sequence", [0] * position
            if not context.save_sequence(0, tokens, saved) or plain.load_sequence(0, position, saved) != tokens:
                raise OSError(f"no room for {saved}")

        def unwatched() -> None:
            with model.in_memory():
                plain.decode(batch)

        def took(one: Context, evaluate: Callable[[], None]) -> float:
            began = time.perf_counter()
            evaluate()
            ended = time.perf_counter()
            one.forget(0, position)
            return ended - began

        context.decode(batch)  # brings the experts
        watched = context.logits(0).copy()
        context.forget(0, position)
        unwatched()
        assert np.array_equal(plain.logits(0), watched), "the experts in memory are not those of this token"
        plain.forget(0, position)
        pairs = [(took(context, lambda: context.decode(batch)), took(plain, unwatched)) for _ in range(_PAIRS)]
    return statistics.median(one for one, _other in pairs) - statistics.median(other for _one, other in pairs)
