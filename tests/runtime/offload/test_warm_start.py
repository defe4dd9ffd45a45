"""What a project used is in memory before the next engine is asked for it, and nobody waits for that."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsassist_runtime.errors import ModelInvalid, ModelMissing
from dsassist_runtime.llama.context import AbortFlag
from dsassist_runtime.offload import StreamedModel, WarmStart, least_budget_bytes
from dsassist_runtime.offload.experts import find_experts
from dsassist_runtime.offload.reading import Preadv
from dsassist_runtime.offload.region import Layout
from dsassist_runtime.offload.streamed_model import expert_bytes

SIZES: dict[str, Any] = {"n_ctx": 256, "n_batch": 16, "n_threads": 1}
ONE, OTHER = list(range(5, 13)), list(range(205, 213))  # tokens, so different that their experts are


def never() -> bool:
    return False


def whole(path: Path) -> int:
    experts = find_experts(path)
    return sum(expert_bytes(experts, Layout(experts.tensors)).values())


@contextmanager
def opened(path: Path, budget_bytes: int, preadv: Preadv | None = None) -> Iterator[tuple[StreamedModel, Any]]:
    with ExitStack() as stack:
        model = stack.enter_context(closing(StreamedModel(path, budget_bytes, preadv=preadv)))
        yield model, stack.enter_context(closing(model.new_context(**SIZES, abort=AbortFlag())))


def finish(warm: WarmStart) -> None:
    while warm.advance(never):
        pass


@pytest.fixture
def evaluated(evaluate: Callable[..., Any]) -> Callable[..., Any]:
    """The logits of tokens one after the other, and the experts that were missing for them."""

    def run(model: StreamedModel, context: Any, tokens: list[int]) -> tuple[Any, int]:
        before = model.figures().cache.misses
        context.forget(0)
        return evaluate(context, tokens, batch=1), model.figures().cache.misses - before

    return run


def test_the_next_engine_has_what_the_project_used(
    mixture: Path, tmp_path: Path, evaluated: Callable[..., Any]
) -> None:
    with opened(mixture, whole(mixture)) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        warm.turn_to("project")
        finish(warm)
        assert model.held_bytes == 0, "nothing is known yet"
        expected, misses = evaluated(model, context, ONE)
        assert misses > 0
        used = model.held_bytes
        warm.save()
    with opened(mixture, whole(mixture)) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        finish(warm)
        assert model.held_bytes == model.figures().preloaded_bytes == used < whole(mixture)
        warm.turn_to("project")
        logits, misses = evaluated(model, context, ONE)
        assert misses == 0
        assert np.array_equal(logits, expected), "and they are the right ones"


def test_a_small_budget_is_filled_with_the_hottest(
    mixture: Path, tmp_path: Path, evaluated: Callable[..., Any]
) -> None:
    with opened(mixture, whole(mixture)) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        for _ in range(3):
            evaluated(model, context, ONE)
        evaluated(model, context, list(range(300, 360)))
        uses, hottest, sizes = model.heat.uses(), model.heat.hottest(), model._sizes
        warm.save()
    budget = sum(sizes[key] for key in hottest) * 2 // 3
    with opened(mixture, budget) as (model, context):
        finish(WarmStart(model, tmp_path / "heat"))
        assert budget - max(sizes.values()) < model.held_bytes <= budget
        held = set(model._cache.held())
    coldest_held = min(uses[key.layer][key.expert] for key in held)
    hottest_left = max(uses[key.layer][key.expert] for key in hottest if key not in held)
    assert hottest_left < coldest_held + 0.1  # what is written is rounded


def test_project_of_the_first_completion_takes_the_place_of_the_last_one(
    mixture: Path, tmp_path: Path, evaluated: Callable[..., Any]
) -> None:
    with opened(mixture, whole(mixture)) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        hottest = {}
        for project, tokens in (("one", ONE), ("other", OTHER)):
            warm.turn_to(project)
            evaluated(model, context, tokens)
            hottest[project] = model.heat.hottest()
        warm.save()
        sizes = model._sizes
    assert set(hottest["one"]) != set(hottest["other"])
    budget = max(least_budget_bytes(mixture), max(sum(sizes[key] for key in hot) for hot in hottest.values()))
    with opened(mixture, budget) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        finish(warm)
        assert set(hottest["other"]) <= set(model._cache.held()), "it was at work last"
        warm.turn_to("one")
        finish(warm)
        assert set(hottest["one"]) <= set(model._cache.held())
        assert evaluated(model, context, ONE)[1] == 0


def test_what_is_in_use_is_not_pushed_out_by_what_may_be(
    mixture: Path, tmp_path: Path, evaluated: Callable[..., Any]
) -> None:
    with opened(mixture, whole(mixture)) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        evaluated(model, context, OTHER)
        warm.save()
    with opened(mixture, least_budget_bytes(mixture)) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        evaluated(model, context, ONE)
        held = set(model._cache.held())
        finish(warm)
        assert held <= set(model._cache.held())


def test_request_that_arrives_ends_the_preloading(mixture: Path, tmp_path: Path, evaluated: Callable[..., Any]) -> None:
    n_reads = 0

    def counted(fd: int, buffers: Sequence[memoryview], offset: int) -> int:
        nonlocal n_reads
        n_reads += 1
        return os.preadv(fd, list(buffers), offset)

    with opened(mixture, whole(mixture)) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        expected, _misses = evaluated(model, context, ONE)
        n_used = len(model.heat.hottest())
        warm.save()
    with opened(mixture, whole(mixture), counted) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        assert warm.advance(lambda: n_reads > 0), "there is more to be read"
        assert n_reads <= 3 * n_used
        assert model.held_bytes == model.figures().preloaded_bytes
        logits, _misses = evaluated(model, context, ONE)
        assert np.array_equal(logits, expected), "what came in half is not used"
        finish(warm)
        assert evaluated(model, context, ONE)[1] == 0


def test_disk_that_fails_while_nobody_asks_is_told_to_who_asks(
    mixture: Path, tmp_path: Path, evaluated: Callable[..., Any]
) -> None:
    fails = True

    def flaky(fd: int, buffers: Sequence[memoryview], offset: int) -> int:
        if fails:
            raise OSError(errno.EIO, "Input/output error")
        return os.preadv(fd, list(buffers), offset)

    with opened(mixture, whole(mixture)) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        expected, _misses = evaluated(model, context, ONE)
        warm.save()
    with opened(mixture, whole(mixture), flaky) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        assert not warm.advance(never)
        assert model.held_bytes == 0
        with pytest.raises(ModelInvalid, match="input/output error"):
            evaluated(model, context, ONE)
        fails = False
        logits, misses = evaluated(model, context, ONE)
        assert misses > 0
        assert np.array_equal(logits, expected)


def test_file_that_vanishes_preloads_nothing(synthetic: Path, tmp_path: Path, evaluated: Callable[..., Any]) -> None:
    copy = Path(shutil.copy(synthetic, tmp_path / "model.gguf"))
    with opened(copy, whole(copy)) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        evaluated(model, context, ONE)
        warm.save()
    with opened(copy, whole(copy)) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        copy.unlink()
        assert not warm.advance(never)
        assert model.held_bytes == 0
        with pytest.raises(ModelMissing):
            evaluated(model, context, ONE)


def test_memory_that_comes_back_is_filled_again(mixture: Path, tmp_path: Path, evaluated: Callable[..., Any]) -> None:
    with opened(mixture, whole(mixture)) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        evaluated(model, context, ONE)
        evaluated(model, context, OTHER)
        warm.save()
    with opened(mixture, whole(mixture)) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        finish(warm)
        held = model.held_bytes
        model.resize(model.least_bytes)
        assert not warm.advance(never)
        model.resize(whole(mixture))
        assert warm.advance(never) or model.held_bytes > model.least_bytes
        finish(warm)
        assert model.held_bytes == held


def test_heat_is_saved_now_and_then(mixture: Path, tmp_path: Path, evaluated: Callable[..., Any]) -> None:
    """An engine whose server dies ends at once."""
    with opened(mixture, whole(mixture)) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        warm.step(10.0)
        evaluated(model, context, ONE)
        warm.step(309.0)
        assert not (tmp_path / "heat").exists()
        warm.step(310.0)
        (path,) = (tmp_path / "heat").iterdir()
        path.unlink()
        warm.step(700.0)
        assert not path.exists(), "nothing new is known"


def test_heat_is_saved_sooner_while_nobody_asks(mixture: Path, tmp_path: Path, evaluated: Callable[..., Any]) -> None:
    """An engine is killed the moment when another model is asked for, so what it learnt of a project was lost."""
    with opened(mixture, whole(mixture)) as (model, context):
        warm = WarmStart(model, tmp_path / "heat")
        warm.step(10.0, is_idle=True)
        evaluated(model, context, ONE)
        warm.step(12.9, is_idle=True)
        assert not (tmp_path / "heat").exists()
        warm.step(13.0, is_idle=True)
        assert len(list((tmp_path / "heat").iterdir())) == 1


def test_what_nobody_waits_for_is_no_heat(mixture: Path, evaluated: Callable[..., Any]) -> None:
    with opened(mixture, whole(mixture)) as (model, context):
        context.work = "other"
        evaluated(model, context, ONE)
        assert not model.heat.hottest()
        context.work = "prompt"
        evaluated(model, context, ONE)
        assert set(model.heat.hottest()) == set(model._cache.held())
