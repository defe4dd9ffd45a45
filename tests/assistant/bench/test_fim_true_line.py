"""How likely the line is that a person wrote: against the same text scored in another way, and what counts of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dsassist.bench.fim.hole import Hole
from dsassist.bench.fim.true_line import weigh_true_line
from dsassist.bench.private_engine import private_engine
from dsassist.given_text import grammar_of
from dsassist_runtime.api import Engine, InfillRequest
from dsassist_runtime.testing import ScriptedEngine

BEFORE = "def total(prices):\n    found = 0\n    for price in prices:\n        "
AFTER = "\n    return found\n"


def hole(expected: str, typed: str = "", right: str = "") -> Hole:
    text = BEFORE + typed + right + AFTER
    return Hole(Path(), "r", "c", "a.py", "python", "line", "line", text, len(BEFORE + typed), expected)


def request(typed: str = "") -> InfillRequest:
    prefix, line_break, line = (BEFORE + typed).rpartition("\n")
    return InfillRequest(prefix, AFTER, begun=line_break + line)


@pytest.fixture(scope="module")
def builtin_engine(builtin_model: Path) -> Iterator[Engine]:
    with private_engine(builtin_model) as engine:
        yield engine


def test_the_likelier_line_has_more_probability(builtin_engine: Engine) -> None:
    plain = weigh_true_line(builtin_engine, hole("found += price"), request())
    odd = weigh_true_line(builtin_engine, hole("quux ^= 77"), request())
    assert odd.nats < plain.nats < 0
    assert not odd.is_likeliest


def test_what_is_typed_of_the_line_does_not_count(builtin_engine: Engine) -> None:
    """The parts of a line have the probability of the whole, when the tokens do not straddle the cursor."""
    line = "found += price"
    whole = weigh_true_line(builtin_engine, hole(line), request())
    rest = weigh_true_line(builtin_engine, hole(" += price", "found"), request("found"))
    assert whole.nats < rest.nats < 0


@pytest.mark.parametrize(
    ("hole", "text"),
    [
        (hole("found += price"), "\n        found += price\n"),
        (hole("found += price\n        count += 1"), "\n        found += price\n"),
        (hole("price", "found += ", right=")"), "\n        found += price"),
    ],
)
def test_a_line_ends_where_nothing_stands_right_of_it(hole: Hole, text: str) -> None:
    engine = ScriptedEngine([text])
    found = weigh_true_line(engine, hole, request("found += " if hole.text[hole.offset] == ")" else ""))
    assert engine.requests[0].sampling.grammar == grammar_of(text)
    assert found.nats < 0


def test_only_tokens_behind_the_cursor_count() -> None:
    """The scripted engine's tokens have four characters and -0.1 each."""
    whole, rest = "\n        found += price\n", "\n        found += price\n"
    assert weigh_true_line(ScriptedEngine([whole]), hole("found += price"), request()).nats == pytest.approx(-0.4)
    typed = weigh_true_line(ScriptedEngine([rest]), hole("price", "found += "), request("found += "))
    assert typed.nats == pytest.approx(-0.2)
