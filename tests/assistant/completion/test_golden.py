"""What of a model's text is shown: golden cases as data, each fed whole and character by character.

A case compares the whole document after accepting, and by the marks in it the offer's text and range.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from dsassist.completion.place import Place
from dsassist.completion.writer import Offer, Writer
from dsassist_runtime.api import TextPiece

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CURSOR, FROM, TO = "▮⟦⟧"
SIZES = (1, 10_000)  # of the pieces that a text comes in
FOLDER = Path(__file__).parent / "golden"


def cases(kind: str) -> list[Any]:
    return [
        pytest.param(case, id=f"{path.stem}: {case['name']}")
        for path in sorted(FOLDER.glob(f"{kind}_*.toml"))
        for case in tomllib.loads(path.read_text(encoding="utf-8"))["case"]
    ]


def place_of(case: dict[str, str]) -> Place:
    before, after = case["document"].split(CURSOR)
    return Place(before + after, len(before), case["path"], case.get("language_id", ""))


def written(place: Place, raw: str, size: int) -> Writer:
    writer = Writer(place)
    for start in range(0, len(raw), size):
        if writer.done:
            break
        writer.push(TextPiece(raw[start : start + size], 1))
    writer.finish()
    return writer


def accepted(place: Place, offer: Offer | None) -> str | None:
    if offer is None:
        return None
    assert offer.start == place.offset
    assert "\n" not in place.text[offer.start : offer.end]
    return place.text[: offer.start] + FROM + offer.text + TO + place.text[offer.end :]


@pytest.mark.parametrize("case", cases("changed"))
def test_what_does_not_fit_is_changed(case: dict[str, str]) -> None:
    place = place_of(case)
    for size in SIZES:
        writer = written(place, case["raw"], size)
        offer = writer.offer()
        assert accepted(place, offer) == case.get("accepted"), writer.reason
        assert writer.reason == case.get("nothing", "")


@pytest.mark.parametrize("case", cases("as_is"))
def test_what_fits_is_shown_as_it_is(case: dict[str, str]) -> None:
    place = place_of(case)
    fitting = Offer(case["raw"].removesuffix("\n"), place.offset, place.offset)
    for size in SIZES:
        writer = written(place, case["raw"], size)
        assert writer.offer() == fitting, writer.reason


def test_there_are_cases_enough_of_both_kinds() -> None:
    assert len(cases("changed")) >= 120
    assert len(cases("as_is")) >= 120
