"""What the person at this machine has dismissed in an editor, and how much more evidence a family needs since.

A dismissal takes away one finding, by its fingerprint, where it was dismissed. Of a finding by likelihood it also says
that this family speaks too soon for this person: each raises what the family needs by half a nat, up to three. It is
kept in the state directory and undone one by one, the latest first. A team's decisions belong into a comment or the
baseline, which are part of the repository.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dsassist.records import read_record, write_record
from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.findings import Finding
from dsassist.review.likelihood.evidence import LEAST_EVIDENCE

__all__ = ["MOST_NATS", "STEP_NATS", "Dismissal", "Dismissals", "dismiss", "raised", "read_dismissals", "undo_last"]

STEP_NATS = 0.5
MOST_NATS = 3.0
_RECORD = "dismissals"
_MOST_KEPT = 1000  # entries; the oldest go first


@dataclass(frozen=True)
class Dismissal:
    """A finding that is not shown any more in the repository (or folder) at `root`."""

    root: str
    fingerprint: str
    family: str
    message: str
    is_likelihood: bool


@dataclass(frozen=True)
class Dismissals:
    """All of them, the oldest first."""

    entries: tuple[Dismissal, ...] = ()

    def count(self, family: str) -> int:
        """How many findings of a family were dismissed."""
        return sum(each.family == family for each in self.entries)

    @property
    def raised_nats(self) -> dict[str, float]:
        """How much more evidence than by itself each family needs; families that need no more are left out."""
        counted = Counter(each.family for each in self.entries if each.is_likelihood)
        return {family: min(MOST_NATS, STEP_NATS * count) for family, count in counted.items()}

    def fingerprints(self, root: Path) -> frozenset[str]:
        """The findings that are not shown in a repository."""
        return frozenset(each.fingerprint for each in self.entries if each.root == str(root))


def read_dismissals() -> Dismissals:
    """What was dismissed; nothing, if the record is missing or damaged."""
    recorded = read_record(_RECORD).get("dismissed")
    return Dismissals(tuple(_read(recorded)) if isinstance(recorded, list) else ())


def dismiss(finding: Finding, root: Path) -> Dismissals:
    """Add a finding, once; all of them then. `NotDone` when it cannot be written."""
    entries = read_dismissals().entries
    is_likelihood = finding.evidence_nats is not None
    new = Dismissal(str(root), finding.fingerprint, finding.family, finding.message, is_likelihood)
    if any(each.root == new.root and each.fingerprint == new.fingerprint for each in entries):
        return Dismissals(entries)
    return _write((*entries, new))


def undo_last() -> Dismissal | None:
    """Take the latest dismissal back and return it; None where there is none."""
    entries = read_dismissals().entries
    if not entries:
        return None
    _write(entries[:-1])
    return entries[-1]


def raised(thresholds: Thresholds, dismissals: Dismissals) -> Thresholds:
    """The thresholds, higher for the families of which findings were dismissed."""
    by_nats = dismissals.raised_nats
    if not by_nats or thresholds.threshold_nats <= 0:
        return thresholds
    factors = dict(thresholds.factors)
    for family, least in LEAST_EVIDENCE.items():
        if family in by_nats:
            one_nat = 1 / (thresholds.threshold_nats * least)
            factors[family] = factors.get(family, 1.0) + by_nats[family] * one_nat
    return replace(thresholds, factors=factors, source=f"{thresholds.source}, raised by what was dismissed")


def _write(entries: tuple[Dismissal, ...]) -> Dismissals:
    kept = entries[-_MOST_KEPT:]
    write_record(_RECORD, {"dismissed": [asdict(each) for each in kept]})
    return Dismissals(kept)


def _read(recorded: list[Any]) -> Iterable[Dismissal]:
    for each in recorded:
        try:
            yield Dismissal(
                str(each["root"]),
                str(each["fingerprint"]),
                str(each["family"]),
                str(each["message"]),
                each["is_likelihood"] is True,
            )
        except (TypeError, KeyError):  # an entry that another version wrote
            continue
