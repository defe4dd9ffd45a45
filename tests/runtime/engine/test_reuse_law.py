"""Law: a text behind a reused prefix is, bit for bit, the text behind the same prefix evaluated in the same batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsassist_runtime.engine.prefix_cache import PrefixCache
from dsassist_runtime.llama.context import AbortFlag, BatchToken, Context
from dsassist_runtime.llama.model import Model

# Below 512 cells llama.cpp does not split a token's attention among threads, and below 64 tokens a batch's attention is
# not tiled: then sums depend on the order of the cells alone, which is the tokens' own while only the last are freed.
N_CELLS = 480


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    from dsassist_runtime.models.store import BUILTIN_PATH

    with closing(Model(BUILTIN_PATH)) as model:
        yield model


def new_context(model: Model) -> Context:
    return Context(model, n_ctx=N_CELLS, n_batch=64, n_threads=2, n_seq_max=16, n_outputs_max=64, abort=AbortFlag())


def run(context: Context, cache: PrefixCache, path: list[list[int]]) -> tuple[list[npt.NDArray[np.float32]], int]:
    """Evaluate the segments of `path` that are not there, each in a batch of its own, and write three tokens."""
    whole = [token for segment in path for token in segment]
    lease = cache.acquire([*whole, -1])  # all of it may be reused: behind it the segment that asks comes anew
    reused = len(lease)
    start = 0
    for segment in path:
        end = start + len(segment)
        if end > reused:
            assert start >= reused, "a prefix is reused by whole segments here"
            context.decode(
                [BatchToken(t, start + i, lease.sequence, i == len(segment) - 1) for i, t in enumerate(segment)]
            )
            lease.extend(segment)
        start = end
    seen = []
    token = 1
    for _ in range(3):
        context.decode([BatchToken(token, len(lease), lease.sequence, True)])
        lease.extend([token])
        seen.append(context.logits(0).copy())
        token = int(seen[-1].argmax())
    lease.truncate(len(whole))
    lease.publish()
    lease.release()
    return seen, reused


# Segments that begin differently, so that two paths part at a segment's end.
SEGMENTS = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(
    lambda choices: [
        [2000 + 40 * depth + choice, *range(300, 300 + 7 * choice + 5)] for depth, choice in enumerate(choices)
    ]
)


@given(st.lists(SEGMENTS, min_size=2, max_size=6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reuse_changes_no_bit(model: Model, paths: list[list[list[int]]]) -> None:
    with ExitStack() as stack:
        context = stack.enter_context(closing(new_context(model)))
        cache = PrefixCache(context, N_CELLS, 16)
        known: set[tuple[int, ...]] = set()
        for path in paths:
            logits, reused = run(context, cache, path)
            firsts = [tuple(path[i][0] for i in range(n + 1)) for n in range(len(path))]
            assert reused == sum(len(path[n]) for n, key in enumerate(firsts) if key in known), "all that was known"
            known |= set(firsts)
            fresh = stack.enter_context(closing(new_context(model)))
            alone, _ = run(fresh, PrefixCache(fresh, N_CELLS, 16), path)
            for ours, theirs in zip(logits, alone, strict=True):
                assert np.array_equal(ours, theirs), float(np.abs(ours - theirs).max())
