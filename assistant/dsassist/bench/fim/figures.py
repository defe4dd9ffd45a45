"""From verdicts to figures: shares and means over the holes, with their 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsassist.bench.fim.answer import Answer, Verdict
from dsassist.bench.fim.true_lines import TrueLines
from dsassist.bench.intervals import difference, mean, ratio, share
from dsassist.bench.report import Better, Figure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

__all__ = ["Arm", "arm_figures", "filter_figures", "line_figures", "ratios"]

_OF_ALL = (
    ("first shown line exact", "first_line"),
    ("whole hole exact", "whole"),
    ("next line, blanks aside", "next_line"),
    ("edit similarity, 0 where nothing is shown", "similarity"),
    ("shown", "shown"),
)
_OF_SHOWN: tuple[tuple[str, str, Better, float | None], ...] = (
    ("first line right", "first_line", "higher", None),
    ("adds no syntax error", "adds_no_error", "higher", 100.0),
    ("file parses", "parses", "higher", None),
    ("repeats what follows", "repeats_suffix", "lower", 0.0),
)


@dataclass(frozen=True)
class Arm:
    """The answers of one arm to the holes, in their order, and the verdicts on them."""

    name: str
    answers: Sequence[Answer]
    verdicts: Sequence[Verdict]

    def column(self, name: str) -> Numbers:
        """A field of the verdicts as numbers; truth is 100, for a share in percent."""
        import numpy as np

        scale = 1.0 if name == "similarity" else 100.0
        return np.array([scale * getattr(verdict, name) for verdict in self.verdicts])


def arm_figures(arm: Arm, *, is_ours: bool) -> list[Figure]:
    """How good an arm is. Of the bars that an arm has for itself, only ours is held to."""
    found = [mean(f"{what}, {arm.name}", arm.column(name)) for what, name in _OF_ALL]
    shown = arm.column("shown")
    if shown.any():
        found += [
            share(f"{what}, of what is shown, {arm.name}", arm.column(name), shown, better, bar if is_ours else None)
            for what, name, better, bar in _OF_SHOWN
        ]
    done = [answer for answer in arm.answers if not answer.error]
    if done:
        found += [
            Figure(f"prompt, {arm.name}", tuple(float(answer.prompt_tokens) for answer in done), "tokens"),
            Figure(f"time to the first line, {arm.name}", tuple(answer.first_line_ms for answer in done), "ms"),
            Figure(
                f"time to the first line, p95, {arm.name}",
                tuple(answer.first_line_ms for answer in done),
                "ms",
                statistic="p95",
            ),
        ]
    if len(done) < len(arm.answers):
        found.append(Figure(f"errors, {arm.name}", (float(len(arm.answers) - len(done)),), "holes"))
    return found


def filter_figures(filtered: Arm, unfiltered: Arm) -> list[Figure]:
    """What the confidence filter brings: both arms are the same texts."""
    shown, all_shown = filtered.column("shown"), unfiltered.column("shown")
    right, all_right = filtered.column("first_line"), unfiltered.column("first_line")
    found = [
        mean(f"first shown line exact, {unfiltered.name}", all_right),
        mean(f"whole hole exact, {unfiltered.name}", unfiltered.column("whole")),
        mean(f"shown, {unfiltered.name}", all_shown),
    ]
    if all_shown.any():
        found.append(share(f"first line right, of what is shown, {unfiltered.name}", all_right, all_shown, "higher"))
    if shown.any() and all_right.any():
        name = "first line right, of what is shown, with / without the confidence filter"
        found.append(ratio(name, (right, shown), (all_right, all_shown), 1.3))
    return found


def line_figures(lines: Mapping[str, Sequence[TrueLines]], base: str) -> list[Figure]:
    """How likely the true lines are by the layout `base`, and what the others change, hole by hole.

    In nats: 0.7 more is twice as likely. And the share of holes at which each token of it is the likeliest one.
    """
    import numpy as np

    nats = {name: np.array([line.nats for line in of]) for name, of in lines.items()}
    likeliest = {name: np.array([100.0 * line.is_likeliest for line in of]) for name, of in lines.items()}
    found = [
        mean(f"log-probability of the true lines, {base}", nats[base], unit="nats"),
        mean(f"first true line the likeliest, {base}", likeliest[base]),
    ]
    for name in lines:
        if name != base:
            less = f"{name}, less {base}"
            found.append(difference(f"log-probability of the true lines, {less}", nats[name], nats[base], unit="nats"))
            found.append(difference(f"first true line the likeliest, {less}", likeliest[name], likeliest[base]))
    return found


def ratios(ours: Arm, peer: Arm) -> tuple[list[Figure], list[str]]:
    """Ours over the peer with the bars, and what cannot be divided."""
    import numpy as np

    found, left_out = [], []
    for what, name, bar in (("first shown line exact", "first_line", 1.1), ("whole hole exact", "whole", 2.0)):
        mine, theirs = ours.column(name), peer.column(name)
        if theirs.any():
            every = np.ones(len(mine))
            found.append(ratio(f"{what}, {ours.name} / {peer.name}", (mine, every), (theirs, every), bar))
        else:
            left_out.append(f"{what}, {ours.name} / {peer.name}: {peer.name} has none right")
    for what, answers in (("prompt", "prompt_tokens"), ("time to the first line", "first_line_ms")):
        pairs = [
            (getattr(mine, answers), getattr(theirs, answers))
            for mine, theirs in zip(ours.answers, peer.answers, strict=True)
            if not mine.error and not theirs.error and getattr(theirs, answers)
        ]
        if pairs:
            samples = tuple(mine / theirs for mine, theirs in pairs)
            found.append(Figure(f"{what}, {ours.name} / {peer.name}", samples, "x"))
    return found, left_out
