"""The groups of `dsassist bench engine`, on two servers of our own: the shape and the honesty of what they report.

What the figures come to is not asserted: that is the bench's own work, on a quiet machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import pytest

from dsassist.bench.engine import busy, cancel, decode, preemption, reuse, storm, streams
from dsassist.bench.engine.client import Request, call, exchange
from dsassist.bench.engine.requests import completion
from dsassist.bench.engine.servers import Server, our_server
from dsassist.bench.engine.texts import Texts
from dsassist.bench.engine.trial import QUICK, BenchModel, Measured, Trial, take_turns
from dsassist.bench.report import Figure
from dsassist_runtime.errors import NotDone
from dsassist_runtime.models.store import BUILTIN_PATH

T = TypeVar("T")
Measure = Callable[[Trial], Awaitable[Measured]]
Run = Callable[[Awaitable[T]], T]

BUILTIN = BenchModel("builtin", BUILTIN_PATH, n_ctx=1024, can_infill=True, has_chat_template=False)
COMPARED = [
    pytest.param(decode.measure, id="decode", marks=pytest.mark.slow),
    pytest.param(preemption.measure, id="preemption"),
    pytest.param(busy.measure, id="busy", marks=pytest.mark.slow),
    pytest.param(reuse.measure, id="reuse"),
    pytest.param(streams.measure, id="streams"),
]
ALONE = [
    pytest.param(cancel.measure, id="cancel", marks=pytest.mark.slow),
    pytest.param(storm.measure, id="storm", marks=pytest.mark.slow),
]


@asynccontextmanager
async def two_servers() -> AsyncIterator[tuple[Server, Server]]:
    async with our_server(BUILTIN_PATH) as ours, our_server(BUILTIN_PATH, name="other") as other:
        yield ours, other


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.fixture(scope="module")
def servers(loop: asyncio.AbstractEventLoop) -> Iterator[tuple[Server, Server]]:
    """The same two for all tests of this module: a server's start is what takes longest here."""
    opened = two_servers()
    yield loop.run_until_complete(opened.__aenter__())
    loop.run_until_complete(opened.__aexit__(None, None, None))


@pytest.fixture
def trial(servers: tuple[Server, Server]) -> Trial:
    ours, other = servers
    return Trial(BUILTIN, ours, other, Texts(ours), QUICK, repeats=2)


def names(figures: Sequence[Figure]) -> list[str]:
    return [figure.name for figure in figures]


@pytest.mark.parametrize("measure", COMPARED)
def test_every_server_and_their_ratio_have_a_figure_of_each_round(
    measure: Measure, trial: Trial, loop: asyncio.AbstractEventLoop
) -> None:
    figures = loop.run_until_complete(measure(trial)).figures
    found = {figure.name: figure for figure in figures}
    assert len(found) == len(figures), "two figures have one name"
    ratios = [name for name in found if name.endswith(", dsassist / other")]
    assert ratios
    for name in ratios:
        what = name.removesuffix(", dsassist / other")
        ours, other = found[f"{what}, dsassist"], found[f"{what}, other"]
        assert len(ours.samples) == len(other.samples) == trial.repeats
        assert all(sample > 0 for sample in (*ours.samples, *other.samples))
        assert found[name].samples == tuple(a / b for a, b in zip(ours.samples, other.samples, strict=True))
        assert found[name].better == ours.better


@pytest.mark.parametrize("measure", COMPARED)
def test_without_a_peer_no_figure_compares_with_one(
    measure: Measure, trial: Trial, loop: asyncio.AbstractEventLoop
) -> None:
    figures = loop.run_until_complete(measure(replace(trial, peer=None))).figures
    assert figures
    assert not [name for name in names(figures) if "other" in name or "llama-server" in name]


@pytest.mark.parametrize("measure", ALONE)
def test_what_concerns_our_server_alone_names_no_other(
    measure: Measure, trial: Trial, loop: asyncio.AbstractEventLoop
) -> None:
    figures = loop.run_until_complete(measure(trial)).figures
    assert [figure for figure in figures if figure.bar is not None]
    assert not [name for name in names(figures) if "other" in name]


def test_storm_accounts_for_every_request_and_leaves_nothing(trial: Trial, loop: asyncio.AbstractEventLoop) -> None:
    found = {
        figure.name.rpartition(", ")[2]: figure for figure in loop.run_until_complete(storm.measure(trial)).figures
    }
    assert found["not ended once"].value == 0
    assert found["still worked on afterwards"].value == 0
    assert found["cells of the KV cache in use afterwards"].value == 0
    assert 0 < found["left by their clients"].value < trial.sizes.storm_requests


def test_a_model_without_a_chat_template_or_infill_leaves_the_pairs_out(
    trial: Trial, loop: asyncio.AbstractEventLoop
) -> None:
    model = replace(trial.model, can_infill=False)
    measured = loop.run_until_complete(reuse.measure(replace(trial, model=model)))
    assert not measured.figures
    assert len(measured.left_out) == 2


def test_typed_on_counts_the_tokens_of_the_typed_characters(trial: Trial, loop: asyncio.AbstractEventLoop) -> None:
    figures = loop.run_until_complete(reuse.measure(trial)).figures
    (own,) = (figure for figure in figures if figure.name == "20 characters on, own tokens, dsassist")
    assert all(1 <= sample <= 21 for sample in own.samples)


def test_a_server_is_busy_while_it_writes_and_idle_when_its_client_has_left(
    trial: Trial, loop: asyncio.AbstractEventLoop
) -> None:
    async def main() -> None:
        async with exchange(trial.ours.address, completion("x = {", 900)) as opened:
            await opened.read_head()
            await anext(opened.events())
            assert not await trial.ours.is_idle()
        await trial.ours.wait_until_idle()
        assert await trial.ours.is_idle()

    loop.run_until_complete(main())


def test_waiting_for_a_server_that_goes_on_ends_with_an_error(trial: Trial, loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> None:
        async with exchange(trial.ours.address, completion("x = {", 900)) as opened:
            await opened.read_head()
            await anext(opened.events())
            with pytest.raises(NotDone, match="dsassist still works"):
                await trial.ours.wait_until_idle(0.0)
        await trial.ours.wait_until_idle()

    loop.run_until_complete(main())


def test_texts_are_as_long_as_asked_and_share_no_beginning(trial: Trial, loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> None:
        texts = Texts(trial.ours)
        first, second = await texts.code(300), await texts.code(300)
        assert first.splitlines()[0] != second.splitlines()[0]
        for text in (first, second):
            assert 200 < len(await trial.ours.tokenize(text)) <= 300

    loop.run_until_complete(main())


def test_rounds_go_through_the_arms_in_turns(loop: asyncio.AbstractEventLoop) -> None:
    asked: list[tuple[str, int]] = []

    async def measure(arm: str, turn: int) -> int:
        asked.append((arm, turn))
        return turn

    results = loop.run_until_complete(take_turns(["a", "b"], 3, measure))
    assert asked == [("a", 0), ("b", 0), ("b", 1), ("a", 1), ("a", 2), ("b", 2)]
    assert results == {"a": [0, 1, 2], "b": [0, 1, 2]}


def test_a_server_that_cannot_start_says_why(loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> None:
        async with our_server(BUILTIN_PATH.with_name("nothing.gguf")):
            raise AssertionError("it started")

    with pytest.raises(NotDone, match=r"dsassist ended with code 3: .*nothing\.gguf"):
        loop.run_until_complete(main())


def test_both_servers_are_gone_at_the_end(loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> tuple[Server, Server]:
        async with two_servers() as (ours, other):
            assert await call(ours.address, Request("/health"))
        return ours, other

    for server in loop.run_until_complete(main()):
        with pytest.raises(NotDone, match="no server answers"):
            loop.run_until_complete(call(server.address, Request("/health")))
