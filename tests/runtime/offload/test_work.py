"""The figures of the expert store add up, each kind of work by itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dsassist_runtime.api import ExpectedSpeed, SeenSpeed, StreamedWork
from dsassist_runtime.errors import ModelMissing
from dsassist_runtime.llama.context import AbortFlag, BatchToken
from dsassist_runtime.offload import least_budget_bytes, open_streamed, streaming_status
from dsassist_runtime.offload.work import Work

SIZES: dict[str, Any] = {"n_ctx": 256, "n_batch": 64, "n_threads": 1}
TOKENS = list(range(5, 69))


def test_every_read_and_every_wish_is_counted_once(mixture: Path, evaluate: Callable[..., Any]) -> None:
    with closing(open_streamed(mixture, least_budget_bytes(mixture))) as model:
        with closing(model.new_context(**SIZES, abort=AbortFlag())) as context:
            asked: list[tuple[Work, int, int]] = [("prompt", 64, 0), ("text", 1, 10), ("other", 30, 0), ("text", 1, 5)]
            for context.work, tokens, n_written in asked:
                context.forget(0)
                evaluate(context, TOKENS[:tokens], batch=tokens, n_written=n_written)
        model.preload(model.heat)
        figures = model.figures()
        done = {work: model.work.done(work) for work, _tokens, _n_written in asked}
    assert {work: (found.batches, found.tokens) for work, found in done.items()} == {
        "text": (17, 17),
        "prompt": (1, 64),
        "other": (1, 30),
    }
    assert sum(found.hits for found in done.values()) == figures.cache.hits
    assert sum(found.misses for found in done.values()) == figures.cache.misses
    assert all(found.read_bytes > 0 and found.elapsed_s > 0 for found in done.values())
    read = sum(found.read_bytes for found in done.values())
    assert read <= figures.read.n_bytes <= read + figures.preloaded_bytes


def test_a_token_of_text_wants_the_experts_that_the_model_uses(mixture: Path, evaluate: Callable[..., Any]) -> None:
    with closing(open_streamed(mixture, least_budget_bytes(mixture))) as model:
        with closing(model.new_context(**SIZES, abort=AbortFlag())) as context:
            evaluate(context, TOKENS[:1], batch=1, n_written=19)
        text, per_token = model.work.done("text"), len(model.experts.by_layer) * model.experts.n_used
        assert text.hits + text.misses == 20 * per_token


def test_what_was_seen_lately_is_what_text_did(mixture: Path, evaluate: Callable[..., Any]) -> None:
    with closing(open_streamed(mixture, least_budget_bytes(mixture))) as model:
        assert model.work.seen() == SeenSpeed()
        with closing(model.new_context(**SIZES, abort=AbortFlag())) as context:
            context.work = "prompt"
            evaluate(context, TOKENS, batch=64)
            assert model.work.seen() == SeenSpeed(), "prompts are another matter"
            context.work = "text"
            context.forget(0)
            evaluate(context, TOKENS[:8], batch=1)
        text, seen = model.work.done("text"), model.work.seen()
        assert seen.tokens_per_s == pytest.approx(text.tokens / text.elapsed_s, rel=0.05)
        assert seen.hit_rate == pytest.approx(text.hits / (text.hits + text.misses), rel=0.05)
        assert seen.bytes_per_token == pytest.approx(text.read_bytes / text.tokens, rel=0.05)
        assert 0 < seen.lanes_busy <= model.figures().n_lanes
        model.work.clear()
        assert (model.work.seen(), model.work.done("text")) == (SeenSpeed(), StreamedWork())


def test_what_was_long_ago_is_not_seen_any_more(mixture: Path, evaluate: Callable[..., Any]) -> None:
    """A cold start is over after some hundred tokens."""
    with closing(open_streamed(mixture, 10**9)) as model:
        with closing(model.new_context(**SIZES, abort=AbortFlag())) as context:
            evaluate(context, TOKENS[:4], batch=1)
            assert model.work.seen().hit_rate < 0.9
            for _ in range(20):
                context.forget(0)
                evaluate(context, TOKENS[:4], batch=1, n_written=60)
        assert model.work.seen().hit_rate > 0.98
        assert model.work.seen().bytes_per_token < model.work.done("text").read_bytes / 1284


def test_batch_that_fails_counts_for_its_bytes_alone(synthetic: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(synthetic, tmp_path / "model.gguf"))
    with closing(open_streamed(copy, least_budget_bytes(copy))) as model:
        with closing(model.new_context(**SIZES, abort=AbortFlag())) as context:
            copy.unlink()
            with pytest.raises(ModelMissing):
                context.decode([BatchToken(token, i, 0, True) for i, token in enumerate(TOKENS)])
        text = model.work.done("text")
        assert (text.batches, text.tokens, text.hits, text.misses) == (0, 0, 0, 0)
        assert text.read_bytes == model.figures().read.n_bytes
        assert model.work.seen() == SeenSpeed()


def test_the_status_has_all_of_it(mixture: Path, evaluate: Callable[..., Any]) -> None:
    expected = (ExpectedSpeed("even", 2.0, 0.3), ExpectedSpeed("local", 8.0, 0.9))
    with closing(open_streamed(mixture, least_budget_bytes(mixture))) as model:
        with closing(model.new_context(**SIZES, abort=AbortFlag())) as context:
            evaluate(context, TOKENS, batch=64, n_written=4)
        status, figures = streaming_status(model, 10**9, expected, ["", "memory is short"]), model.figures()
        assert status.budget_bytes == least_budget_bytes(mixture)
        assert (status.budget_limit_bytes, status.expected) == (10**9, expected)
        assert 0 < status.held_bytes <= status.budget_bytes < status.expert_bytes
        assert status.remarks == (*model.remarks(), "memory is short")
        assert status.text == model.work.done("text")
        assert status.read_bytes_total == figures.read.n_bytes > 0
        assert status.evictions_total == figures.cache.evictions > 0
        assert status.lanes_busy_s_total == figures.read.busy_s > 0
