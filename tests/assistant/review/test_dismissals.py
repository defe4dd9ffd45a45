"""What a person dismissed, and what it takes to speak again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dsassist.records import write_record
from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.dismissals import (
    MOST_NATS,
    STEP_NATS,
    Dismissals,
    dismiss,
    raised,
    read_dismissals,
    undo_last,
)
from dsassist.review.findings import Finding
from dsassist_runtime.errors import NotDone

HERE, ELSEWHERE = Path("/here"), Path("/elsewhere")


def finding(fingerprint: str, family: str = "name", nats: float | None = 7.0) -> Finding:
    place = (1, 1, 1, 4)
    return Finding("a.py", *place, "warning", family, "f", "odd", "x", evidence_nats=nats, fingerprint=fingerprint)


def test_a_dismissed_finding_is_known_by_its_fingerprint_in_its_repository_alone() -> None:
    dismiss(finding("1"), HERE)
    dismiss(finding("2"), ELSEWHERE)
    assert read_dismissals().fingerprints(HERE) == {"1"}
    assert read_dismissals().fingerprints(ELSEWHERE) == {"2"}


def test_each_dismissal_raises_its_own_family_by_a_step_up_to_a_bound() -> None:
    dismiss(finding("1"), HERE)
    dismiss(finding("1"), HERE)  # the same one again
    assert read_dismissals().raised_nats == {"name": STEP_NATS}
    for number in range(20):
        dismiss(finding(f"more {number}", "comparison"), HERE)
    assert read_dismissals().raised_nats == {"name": STEP_NATS, "comparison": MOST_NATS}


def test_what_is_true_without_a_model_has_no_threshold_to_raise() -> None:
    found = dismiss(finding("1", "debugger", None), HERE)
    assert (found.count("debugger"), found.raised_nats) == (1, {})
    assert raised(Thresholds(5.5), found) == Thresholds(5.5)


@pytest.mark.parametrize("lines", [1, 20])
@pytest.mark.parametrize("factors", [{}, {"missing-not": 2.0}])
def test_a_raised_family_needs_so_many_nats_more_and_the_others_as_before(
    lines: int, factors: dict[str, float]
) -> None:
    before = Thresholds(5.5, factors)  # type: ignore[arg-type]
    after = raised(before, dismiss(finding("1", "missing-not"), HERE))
    assert after.needed_nats("missing-not", lines) == pytest.approx(
        before.needed_nats("missing-not", lines) + STEP_NATS
    )
    assert after.needed_nats("name", lines) == before.needed_nats("name", lines)
    assert "dismissed" in after.source


def test_the_latest_dismissal_is_undone_first() -> None:
    for number in "12":
        dismiss(finding(number), HERE)
    undone = [undo_last(), undo_last()]
    assert [each.fingerprint if each else "" for each in undone] == ["2", "1"]
    assert undo_last() is None
    assert read_dismissals() == Dismissals()


@pytest.mark.parametrize("recorded", [{}, {"dismissed": 1}, {"dismissed": [1, {"root": "x"}, None]}])
def test_a_damaged_record_dismisses_nothing(recorded: dict[str, object]) -> None:
    write_record("dismissals", recorded)
    assert read_dismissals() == Dismissals()


def test_the_oldest_go_where_there_are_too_many(isolated: Path) -> None:
    entry = {"root": "/here", "family": "name", "message": "odd", "is_likelihood": True}
    write_record("dismissals", {"dismissed": [entry | {"fingerprint": str(number)} for number in range(1000)]})
    dismiss(finding("new"), HERE)
    kept = json.loads(next(isolated.rglob("dismissals.json")).read_text())["dismissed"]
    assert [kept[0]["fingerprint"], kept[-1]["fingerprint"], len(kept)] == ["1", "new", 1000]


def test_a_dismissal_that_cannot_be_kept_is_told(isolated: Path) -> None:
    (isolated / "d").write_text("no folder")
    with pytest.raises(NotDone, match="cannot write"):
        dismiss(finding("1"), HERE)
