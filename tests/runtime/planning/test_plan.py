"""The plan by its laws, and by the arithmetic of a few cases."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dsassist_runtime.models.catalogue import in_words
from dsassist_runtime.offload import least_budget_bytes
from dsassist_runtime.planning.computing import Computing, Pace
from dsassist_runtime.planning.contents import Contents, Layer, read_contents
from dsassist_runtime.planning.hit_rate import hit_rate
from dsassist_runtime.planning.plan import Limits, PlanImpossible, Speeds, make_plan
from planned_models import Q5_0, deepseek_v2_lite, size_of, write_holes

SPEEDS = Speeds(memory_bytes_s=30e9, disk_bytes_s=1e9)
GB = 1_000_000_000

unhurried = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # on a machine that has other work


@st.composite
def models(draw: st.DrawFn) -> Contents:
    """Dense models, and mixtures of experts with dense layers among them."""
    n_experts = draw(st.sampled_from([0, 2, 8, 64]))
    sizes = st.integers(1, 1_000_000)
    layers = []
    for index in range(draw(st.integers(1, 6))):
        has_experts = n_experts and draw(st.booleans())
        one = draw(sizes) if has_experts else 0
        kv, state = draw(st.integers(0, 100)), draw(st.integers(0, 10_000))
        pages = draw(st.integers(0, 10_000)) * n_experts if has_experts else 0
        layers.append(Layer(index, draw(sizes), 0, one * n_experts, n_experts if has_experts else 0, kv, state, pages))
    return Contents(
        path=Path("m.gguf"),
        name="M",
        n_files=1,
        architecture="any",
        n_ctx_train=4096,
        n_used=draw(st.integers(1, n_experts)) if any(layer.n_experts for layer in layers) else 0,
        n_shared=0,
        input_bytes=draw(sizes),
        output_bytes=draw(sizes),
        is_tied=draw(st.booleans()),
        unused_bytes=draw(st.integers(0, 1_000_000)),
        layers=tuple(layers),
        buffer_bytes=draw(st.integers(0, 100_000)),
        buffer_bytes_per_cell=draw(st.integers(0, 10)),
    )


def most_bytes(contents: Contents) -> int:
    """More than any plan takes."""
    return 2 * contents.weight_bytes + contents.kv_bytes(4096) + contents.compute_bytes(4096)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Contents, Limits]:
    """A model with limits that it can be held within."""
    contents, n_ctx = draw(models()), draw(st.integers(1, 4096))
    most = most_bytes(contents)
    vram = draw(st.just(0) | st.integers(0, most))
    least = make_plan(contents, Limits(most, vram, n_ctx), SPEEDS).least_ram_bytes
    return contents, Limits(draw(st.integers(least, most)), vram, n_ctx)


@unhurried
@given(cases())
def test_no_memory_takes_more_than_its_limit(case: tuple[Contents, Limits]) -> None:
    contents, limits = case
    plan = make_plan(contents, limits, SPEEDS)
    assert plan.ram.n_bytes <= limits.ram_bytes
    assert plan.vram.n_bytes <= limits.vram_bytes


@unhurried
@given(cases())
def test_every_byte_is_somewhere_and_none_is_counted_twice(case: tuple[Contents, Limits]) -> None:
    contents, limits = case
    plan = make_plan(contents, limits, SPEEDS)
    in_memory = [plan.vram.dense_bytes, plan.vram.expert_bytes, plan.ram.dense_bytes, plan.ram.expert_bytes]
    assert min(in_memory) >= 0
    assert sum(in_memory) + plan.disk_bytes == contents.weight_bytes + plan.copied_bytes
    assert plan.vram.kv_bytes + plan.ram.kv_bytes == contents.kv_bytes(limits.n_ctx)
    assert plan.copied_bytes in (0, contents.input_bytes)


@unhurried
@given(cases(), st.integers(0, 10_000_000))
def test_more_ram_is_never_slower(case: tuple[Contents, Limits], more: int) -> None:
    contents, limits = case
    plan = make_plan(contents, limits, SPEEDS)
    larger = make_plan(contents, Limits(limits.ram_bytes + more, limits.vram_bytes, limits.n_ctx), SPEEDS)
    for before, after in zip(plan.expected, larger.expected, strict=False):
        assert after.tokens_s >= before.tokens_s * (1 - 1e-9)
    assert larger.disk_bytes <= plan.disk_bytes


@unhurried
@given(cases(), st.integers(0, 10_000_000))
def test_more_vram_makes_no_model_impossible_and_holds_no_less(case: tuple[Contents, Limits], more: int) -> None:
    contents, limits = case
    plan = make_plan(contents, limits, SPEEDS)
    larger = make_plan(contents, Limits(limits.ram_bytes, limits.vram_bytes + more, limits.n_ctx), SPEEDS)
    assert larger.n_gpu_layers >= plan.n_gpu_layers
    assert set(larger.expert_layers_in_vram) >= set(plan.expert_layers_in_vram)
    assert larger.disk_bytes <= plan.disk_bytes


@unhurried
@given(cases())
def test_what_is_called_the_least_is_the_least(case: tuple[Contents, Limits]) -> None:
    contents, limits = case
    least = make_plan(contents, limits, SPEEDS).least_ram_bytes
    assert make_plan(contents, Limits(least, limits.vram_bytes, limits.n_ctx), SPEEDS).ram.n_bytes <= least
    with pytest.raises(PlanImpossible):
        make_plan(contents, Limits(least - 1, limits.vram_bytes, limits.n_ctx), SPEEDS)


@unhurried
@given(cases())
def test_at_the_least_size_something_is_found_in_the_cache(case: tuple[Contents, Limits]) -> None:
    contents, limits = case
    least = make_plan(contents, limits, SPEEDS).least_ram_bytes
    plan = make_plan(contents, Limits(least, limits.vram_bytes, limits.n_ctx), SPEEDS)
    assert all(expected.hit_rate > 0 for expected in plan.expected)


@unhurried
@given(cases())
def test_where_things_lie_needs_no_speed(case: tuple[Contents, Limits]) -> None:
    contents, limits = case
    plan = make_plan(contents, limits, SPEEDS)
    assert make_plan(contents, limits, None) == dataclasses.replace(plan, expected=())
    assert plan.is_streamed == (plan.disk_bytes > contents.unused_bytes)
    assert plan.is_streamed == any(expected.hit_rate < 1 for expected in plan.expected)


@unhurried
@given(st.integers(0, 1000), st.integers(1, 1000), st.integers(1, 1000))
def test_a_hit_rate_is_a_share_and_grows_with_the_cache(cached: int, token: int, whole: int) -> None:
    assume(token <= whole)
    for routing in ("even", "local"):
        rate = hit_rate(cached, token, whole, routing)
        assert 0.0 <= rate <= hit_rate(cached + 1, token, whole, routing) <= 1.0
    assert hit_rate(cached, token, whole, "local") >= hit_rate(cached, token, whole, "even")


def test_a_cache_for_less_than_a_token_uses_is_hit_by_nothing() -> None:
    assert hit_rate(99, 100, 1000, "even") == hit_rate(99, 100, 1000, "local") == 0.0
    assert hit_rate(100, 100, 1000, "even") == 0.1
    assert hit_rate(500, 100, 1000, "local") == pytest.approx(0.963)
    assert hit_rate(1000, 100, 1000, "even") == 1.0


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    return read_contents(write_holes(tmp_path_factory.mktemp("lite") / "lite.gguf", *deepseek_v2_lite()))


def test_a_model_that_fits_reads_nothing_from_disk(lite: Contents) -> None:
    plan = make_plan(lite, Limits(12 * GB, 0, 8192), SPEEDS)
    assert not plan.is_streamed
    assert plan.disk_bytes == 0
    (expected,) = plan.expected
    assert (expected.bound, expected.hit_rate, expected.missed_bytes_per_token) == ("memory bandwidth", 1.0, 0)
    table = lite.input_bytes
    used = lite.dense_bytes - table + lite.expert_bytes * 6 // 64 + 4096 * 31_104
    assert plan.read_bytes_per_token == used
    assert expected.tokens_s == pytest.approx(30e9 / used)


def test_weights_that_take_longer_to_compute_with_than_to_read_are_the_bound(lite: Contents) -> None:
    """Q5_0 on the benches' machine: half of what memory gives."""
    assert sum(lite.token_bytes.values()) == make_plan(lite, Limits(12 * GB, 0, 0), SPEEDS).read_bytes_per_token
    paces = Pace(1, 0.0, {"Q4_K": 25e9}), Pace(2, 1e-6, {"Q4_K": 30e9, "Q5_0": 10e9}), Pace(3, 1.0, {})
    speeds = dataclasses.replace(SPEEDS, computing=Computing(paces[1:]))
    (expected,) = make_plan(lite, Limits(12 * GB, 0, 8192), speeds).expected
    down = 26 * 6 * size_of(Q5_0, (1408, 2048)) + size_of(Q5_0, (10944, 2048)) + 27 * size_of(Q5_0, (128, 512, 16))
    others = sum(lite.token_bytes.values()) - down + 4096 * 31_104
    assert lite.token_bytes[Q5_0] == down
    assert expected.bound == "computing"
    assert expected.tokens_s == pytest.approx(1 / (down / 10e9 + others / 30e9 + lite.n_operations * 1e-6))
    quicker = dataclasses.replace(SPEEDS, computing=Computing(paces))
    assert make_plan(lite, Limits(12 * GB, 0, 8192), quicker).expected[0].tokens_s > expected.tokens_s
    streamed = make_plan(lite, Limits(4 * GB, 0, 8192), speeds).expected[0]
    assert streamed.bound == "disk"
    assert 1 / streamed.tokens_s == pytest.approx(1 / expected.tokens_s + streamed.missed_bytes_per_token / 1e9)


def test_a_model_larger_than_memory_is_bound_by_the_disk(lite: Contents) -> None:
    plan = make_plan(lite, Limits(4 * GB, 0, 8192), SPEEDS)
    assert plan.is_streamed
    assert plan.ram.n_bytes == 4 * GB
    even, local = plan.expected
    in_pages = sum(layer.streamed_bytes for layer in lite.layers)
    assert lite.expert_bytes < in_pages < 1.01 * lite.expert_bytes
    share = plan.ram.expert_bytes / in_pages
    missed = (1 - share) * lite.expert_bytes * 6 / 64
    assert even.hit_rate == pytest.approx(share)
    assert even.missed_bytes_per_token == pytest.approx(missed, abs=1)
    assert even.tokens_s == pytest.approx(1 / (plan.read_bytes_per_token / 30e9 + missed / 1e9))
    assert even.bound == "disk"
    assert local.tokens_s > even.tokens_s


def test_vram_takes_the_dense_part_first_and_then_the_last_layers_experts(lite: Contents) -> None:
    dense = make_plan(lite, Limits(12 * GB, 1_200_000_000, 4096), SPEEDS)
    assert dense.n_gpu_layers == 28
    assert dense.expert_layers_in_vram == ()
    assert dense.vram.dense_bytes == lite.dense_bytes - lite.input_bytes
    assert dense.vram.kv_bytes == lite.kv_bytes(4096)
    more = make_plan(lite, Limits(12 * GB, 2 * GB, 4096), SPEEDS)
    count = (2 * GB - dense.vram.n_bytes) // lite.layers[-1].expert_bytes
    assert count >= 2
    assert more.expert_layers_in_vram == tuple(range(27 - count, 27))
    assert more.vram.expert_bytes == count * lite.layers[-1].expert_bytes


def test_vram_for_a_part_of_the_dense_layers_takes_the_last_ones(lite: Contents) -> None:
    plan = make_plan(lite, Limits(12 * GB, 600_000_000, 4096), SPEEDS)
    assert 1 < plan.n_gpu_layers < 28
    last = lite.layers[-(plan.n_gpu_layers - 1) :]
    assert plan.vram.dense_bytes == lite.output_bytes + sum(layer.dense_bytes for layer in last)
    assert plan.vram.kv_bytes == sum(layer.kv_bytes(4096) for layer in last)


def test_vram_too_small_for_anything_is_left_alone(lite: Contents) -> None:
    plan = make_plan(lite, Limits(12 * GB, 10_000_000, 4096), SPEEDS)
    assert (plan.n_gpu_layers, plan.vram.n_bytes) == (0, 0)


def test_an_impossible_plan_says_what_is_needed_and_what_there_is(lite: Contents) -> None:
    with pytest.raises(PlanImpossible) as refused:
        make_plan(lite, Limits(GB, 0, 8192), SPEEDS)
    said = str(refused.value)
    least = make_plan(lite, Limits(12 * GB, 0, 8192), SPEEDS).least_ram_bytes
    assert f"needs {least / GB:.1f} GB of RAM at least" in said
    layers = [layer for layer in lite.layers if layer.n_experts]
    cache = sum(layer.streamed_bytes * 6 // 64 for layer in layers) + layers[0].streamed_bytes
    assert f"{in_words(cache)} for the experts of one token and of one layer" in said
    assert "KV cache for 8192 tokens" in said
    assert "and there are 1.0 GB;" in said
    assert refused.value.exit_code == 3


def test_a_cache_that_would_be_hit_by_nothing_is_refused(lite: Contents) -> None:
    least = make_plan(lite, Limits(12 * GB, 0, 4096), SPEEDS).least_ram_bytes
    at_least = make_plan(lite, Limits(least, 0, 4096), SPEEDS)
    assert at_least.ram.expert_bytes > at_least.token_expert_bytes
    with pytest.raises(PlanImpossible, match=f"needs {in_words(least)} of RAM at least"):
        make_plan(lite, Limits(least - 1, 0, 4096), SPEEDS)


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_least_room_for_experts_is_enough_to_stream_them(synthetic: Path, share: float) -> None:
    """The plan and who streams must not disagree on the least budget: one would promise what the other refuses."""
    contents = read_contents(synthetic)
    least = make_plan(contents, Limits(GB, 0, 512), SPEEDS).least_ram_bytes
    whole = least + int(share * contents.expert_bytes)
    plan = make_plan(contents, Limits(whole, 0, 512), SPEEDS)
    assert plan.is_streamed
    assert least_budget_bytes(synthetic) <= plan.ram.expert_bytes
