"""How likely the line is that a person wrote: against the same text scored in another way, and what counts of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dsassist.bench.fim.hole import Hole
from dsassist.bench.fim.true_lines import weigh_true_lines, widened
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
    return InfillRequest(prefix, AFTER, begun=line_break + line, max_prompt_tokens=900)


@pytest.fixture(scope="module")
def builtin_engine(builtin_model: Path) -> Iterator[Engine]:
    with private_engine(builtin_model) as engine:
        yield engine


def test_the_likelier_line_has_more_probability(builtin_engine: Engine) -> None:
    plain = weigh_true_lines(builtin_engine, hole("found += price"), request())
    odd = weigh_true_lines(builtin_engine, hole("quux ^= 77"), request())
    assert odd.nats < plain.nats < 0
    assert not odd.is_likeliest


def test_what_is_typed_of_the_line_does_not_count(builtin_engine: Engine) -> None:
    """The parts of a line have the probability of the whole, when the tokens do not straddle the cursor."""
    line = "found += price"
    whole = weigh_true_lines(builtin_engine, hole(line), request())
    rest = weigh_true_lines(builtin_engine, hole(" += price", "found"), request("found"))
    assert whole.nats < rest.nats < 0


def test_a_hole_is_widened_to_the_end_of_five_lines_and_the_file_stays() -> None:
    lines = "".join(f"        line_{n}()\n" for n in range(9))
    text = BEFORE + "first" + ")\n" + lines
    narrow = Hole(Path(), "r", "c", "a.py", "python", "mid-line", "rest", text, len(BEFORE + "first"), "(1")
    wide = widened(narrow)
    assert wide.expected == "(1)\n" + lines[: len(lines) * 4 // 9]
    assert wide.whole == narrow.whole
    assert wide.offset == narrow.offset


def test_a_file_may_end_before_five_lines() -> None:
    wide = widened(hole("found += price"))
    assert wide.expected == "found += price\n    return found\n"
    assert wide.text == BEFORE


def test_only_tokens_behind_the_cursor_count() -> None:
    """The scripted engine's tokens have four characters and -0.1 each."""
    text = "\n        found += price\n"
    whole = weigh_true_lines(ScriptedEngine([text]), hole("found += price\n"), request())
    assert whole.nats == pytest.approx(-0.4)
    engine = ScriptedEngine([text])
    typed = weigh_true_lines(engine, hole("price\n", "found += "), request("found += "))
    assert typed.nats == pytest.approx(-0.2)
    asked = engine.requests[0]
    assert isinstance(asked, InfillRequest)
    assert asked.sampling.grammar == grammar_of(text)
    assert (asked.prefix, asked.begun, asked.suffix) == (BEFORE.rpartition("\n")[0], "", AFTER)
    assert asked.max_prompt_tokens == 900, "the prompt is cut as the completion's is"
