"""The budget gives way when memory is short, comes back when it is not, and does not go to and fro."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsassist_runtime.errors import NotDone
from dsassist_runtime.llama.context import AbortFlag
from dsassist_runtime.offload import BudgetKeeper, least_budget_bytes, open_streamed
from dsassist_runtime.offload.memory_signs import Level, Memory, MemorySigns
from dsassist_runtime.offload.pressure import BudgetPolicy
from dsassist_runtime.planning.memory import free_memory

MB = 1_000_000
WHOLE, LEAST = 3200 * MB, 400 * MB
MARGIN = 200 * MB  # a sixteenth of the whole

unhurried = settings(deadline=None, max_examples=50)
levels: st.SearchStrategy[Level] = st.sampled_from(("normal", "warning", "critical"))
memories = st.builds(Memory, st.none() | st.integers(0, 2 * WHOLE), st.floats(0, 1), st.floats(0, 1), levels)


class World:
    """A machine on which others take `others` bytes, and experts what their budget allows."""

    def __init__(self, n_bytes: int, others: int, wanted: int = WHOLE) -> None:
        self.policy = BudgetPolicy(WHOLE, LEAST)
        self.n_bytes, self.others, self.wanted = n_bytes, others, wanted
        self.now = 0.0

    @property
    def held(self) -> int:
        return min(self.policy.budget_bytes, self.wanted)

    @property
    def free(self) -> int:
        return max(0, self.n_bytes - self.others - self.held)

    def step(self, **more: Any) -> int:
        self.now += 1.0
        return self.policy.step(self.now, self.held, Memory(self.free, **more))


@unhurried
@given(st.integers(1, WHOLE), st.integers(1, WHOLE), st.lists(st.tuples(st.floats(0, 100), memories), max_size=50))
def test_budget_is_between_the_least_and_the_whole(whole: int, least: int, seen: list[tuple[float, Memory]]) -> None:
    policy, now = BudgetPolicy(whole, least), 0.0
    for elapsed_s, memory in seen:
        now += elapsed_s
        budget = policy.step(now, policy.budget_bytes, memory)
        assert min(least, whole) <= budget == policy.budget_bytes <= whole


@unhurried
@given(st.integers(0, 2 * WHOLE), st.integers(0, WHOLE))
def test_what_others_need_is_given_at_once_or_all_that_can_be(spare: int, wanted: int) -> None:
    """Also what the budget promises and nobody has used yet: it would be missing soon."""
    others, n_bytes = 100 * MB, 100 * MB + wanted + spare
    world = World(n_bytes, others, wanted)
    world.step()
    left = n_bytes - others - world.policy.budget_bytes
    assert left >= MARGIN or world.policy.budget_bytes == LEAST


@unhurried
@given(st.integers(4000 * MB, 9000 * MB), st.lists(st.integers(0, 8000 * MB), min_size=1, max_size=5))
def test_budget_comes_to_rest_when_others_do(n_bytes: int, phases: list[int]) -> None:
    world = World(n_bytes, 0)
    for others in phases:
        world.others = others
        budgets = [world.step() for _ in range(300)]
        assert len(set(budgets[-60:])) == 1, budgets
        falls = [i for i in range(1, 300) if budgets[i] < budgets[i - 1]]
        rises = [i for i in range(1, 300) if budgets[i] > budgets[i - 1]]
        assert not falls or not rises or max(falls) < min(rises), "it went to and fro"


def test_budget_returns_step_by_step_a_minute_after_the_shortage() -> None:
    world = World(6500 * MB, 3200 * MB)
    short = world.step()
    assert short == 6500 * MB - 3200 * MB - 2 * MARGIN
    world.others = 0
    budgets = [world.step() for _ in range(200)]
    assert budgets[:59] == [short] * 59
    assert budgets[-1] == WHOLE
    rises = [second for second in range(1, 200) if budgets[second] > budgets[second - 1]]
    assert all(budgets[second] - budgets[second - 1] <= WHOLE // 16 for second in rises)
    assert all(later - earlier >= 5 for earlier, later in itertools.pairwise(rises))


def test_waiting_for_memory_takes_a_part_every_few_seconds() -> None:
    world = World(20_000 * MB, 0)
    budgets = [world.step(own_stall=0.3) for _ in range(60)]
    assert budgets[0] == WHOLE - WHOLE // 8
    assert budgets[4] == budgets[0], "what is given back needs time to show"
    assert budgets[5] == WHOLE - WHOLE // 4
    assert budgets[-1] == LEAST
    assert world.step(own_stall=0.05) == LEAST, "it is not given back in the same breath"


def test_stalls_of_the_system_count_only_where_little_is_left() -> None:
    """A program in a control group of its own may be short of memory beside a machine that has plenty."""
    assert World(20_000 * MB, 0).step(system_stall=0.9) == WHOLE
    assert World(WHOLE + 4 * MARGIN, 0).step(system_stall=0.9) == WHOLE - WHOLE // 8
    assert World(WHOLE + 4 * MARGIN, 0).step(system_stall=0.05) == WHOLE


@pytest.mark.parametrize(
    ("level", "left"), [("normal", WHOLE), ("warning", WHOLE * 7 // 8), ("critical", WHOLE * 3 // 4)]
)
def test_a_system_that_only_has_levels_is_followed(level: Level, left: int) -> None:
    assert BudgetPolicy(WHOLE, LEAST).step(0.0, WHOLE, Memory(level=level)) == left


def test_a_small_shortage_is_looked_at_often_and_plenty_is_not() -> None:
    policy = BudgetPolicy(WHOLE, LEAST)
    assert not policy.is_near(WHOLE, Memory(20_000 * MB))
    assert policy.is_near(WHOLE, Memory(3 * MARGIN))
    assert policy.is_near(0, Memory(WHOLE + 3 * MARGIN)), "what is promised counts as taken"
    policy.step(0.0, WHOLE, Memory(0))
    assert policy.is_near(WHOLE, Memory(20_000 * MB)), "so that it grows again"


# What is read. macOS has neither of these files.


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("DOT", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def stall(total_us: int) -> str:
    return f"some avg10=0.00 avg60=0.00 avg300=0.00 total={total_us}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"


def nothing() -> int:
    raise NotDone("this system does not tell")


linux = pytest.mark.skipif(sys.platform != "linux", reason="pressure stall information is Linux'")


@linux
def test_stalls_are_those_since_the_last_look(tmp_path: Path) -> None:
    own = {"proc__self__cgroup": "0::/user/app\n", "sys__fs__cgroup__user__app__memoryDOTpressure": stall(5_000_000)}
    write(tmp_path, proc__pressure__memory=stall(9_000_000), **own)
    signs = MemorySigns(lambda: 7, tmp_path)
    assert signs.tells
    assert signs.look(10.0) == Memory(7, 0.0, 0.0)
    write(tmp_path, sys__fs__cgroup__user__app__memoryDOTpressure=stall(5_500_000))
    assert signs.look(12.0) == Memory(7, 0.25, 0.0)
    write(tmp_path, proc__pressure__memory=stall(19_000_000))
    assert signs.look(13.0) == Memory(7, 0.0, 1.0)
    (tmp_path / "proc/pressure/memory").unlink()
    assert signs.look(14.0) == Memory(7, 0.0, 0.0)


@linux
def test_version_1_and_the_root_have_no_stalls_of_their_own(tmp_path: Path) -> None:
    write(tmp_path, proc__self__cgroup="4:memory:/some\n0::/\n", proc__pressure__memory=stall(0))
    signs = MemorySigns(nothing, tmp_path)
    signs.look(0.0)
    write(tmp_path, proc__pressure__memory=stall(500_000), sys__fs__cgroup__memoryDOTpressure=stall(900_000))
    assert signs.look(1.0) == Memory(None, 0.0, 0.5)


class Streamed:
    """A budget and what is held of it."""

    def __init__(self) -> None:
        self.budget_bytes, self.held_bytes, self.least_bytes = WHOLE, WHOLE, LEAST
        self.resized: list[int] = []

    def resize(self, budget_bytes: int) -> None:
        self.budget_bytes, self.held_bytes = budget_bytes, min(budget_bytes, self.held_bytes)
        self.resized.append(budget_bytes)


@linux
def test_nothing_happens_where_the_system_tells_nothing(tmp_path: Path) -> None:
    streamed = Streamed()
    keeper = BudgetKeeper(streamed, nothing, tmp_path)
    assert keeper.next_step is None
    for now in range(100):
        keeper.step(float(now))
    assert not streamed.resized
    assert keeper.remark == ""


@linux
@pytest.mark.parametrize("version", [1, 2])
def test_limit_of_a_control_group_is_obeyed(tmp_path: Path, version: int) -> None:
    def use(n_bytes: int) -> None:
        if version == 1:
            write(tmp_path, sys__fs__cgroup__memory__own__memoryDOTusage_in_bytes=str(n_bytes))
        else:
            write(tmp_path, sys__fs__cgroup__own__memoryDOTcurrent=str(n_bytes))

    write(tmp_path, proc__meminfo="MemAvailable: 99000000 kB\n")
    if version == 1:
        write(tmp_path, proc__self__cgroup="4:memory:/own\n0::/\n")
        write(tmp_path, sys__fs__cgroup__memory__own__memoryDOTlimit_in_bytes=str(5000 * MB))
    else:
        write(tmp_path, proc__self__cgroup="0::/own\n", sys__fs__cgroup__own__memoryDOTmax=str(5000 * MB))
    use(WHOLE + 500 * MB)
    streamed = Streamed()
    keeper = BudgetKeeper(streamed, lambda: free_memory(tmp_path).n_bytes, tmp_path)
    keeper.step(0.0)
    assert not streamed.resized
    use(WHOLE + 1750 * MB)
    keeper.step(0.5)
    assert not streamed.resized, "it looks once a second at most"
    keeper.step(1.0)
    use(streamed.held_bytes + 1750 * MB)
    keeper.step(2.0)
    assert streamed.resized == [WHOLE - 2 * MARGIN + 50 * MB]
    assert keeper.remark.startswith("memory is short, so experts may take 89% of what was planned;")


def test_memory_that_others_need_is_given_back_while_text_goes_on(
    synthetic: Path, evaluate: Callable[..., Any]
) -> None:
    free, whole = 10**12, 2 * least_budget_bytes(synthetic)
    with closing(open_streamed(synthetic, whole)) as model:
        sizes: dict[str, Any] = {"n_ctx": 256, "n_batch": 64, "n_threads": 1}
        with closing(model.new_context(**sizes, abort=AbortFlag())) as context:
            keeper = BudgetKeeper(model, lambda: free)
            tokens = list(range(5, 69))
            expected = evaluate(context, tokens, batch=64, n_written=4)
            assert model.held_bytes > model.least_bytes
            free = 0
            keeper.step(100.0)
            assert model.held_bytes <= model.budget_bytes < whole
            for second in range(101, 140):
                keeper.step(float(second))
            assert model.budget_bytes == model.least_bytes, "never below what one token needs"
            context.forget(0)
            assert (evaluate(context, tokens, batch=64, n_written=4) == expected).all()
            free = 10**12
            for second in range(140, 300):
                keeper.step(float(second))
            assert model.budget_bytes == keeper.whole_bytes == whole
