"""The source of findings as a whole: hides, has written, weighs, and says what is left, within a budget and a time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dsassist.review.findings import Finding, Severity
from dsassist.review.likelihood.familiar import Familiar
from dsassist.review.likelihood.site import Site
from dsassist.review.likelihood.tasks import Task
from dsassist.review.view import View, views_of
from dsassist.review.written.alternatives import Alternative, Alternatives
from dsassist.review.written.asking import Asker
from dsassist.review.written.change import Change
from dsassist.review.written.evidence import NULLS, Null, evidence_nats, needed_nats
from dsassist.review.written.filling import Draws, fillings
from dsassist.review.written.judging import Judged, judge
from dsassist.review.written.spans import Span, spans_of
from dsassist.review.written.surprise import least_probable, surprise_nats
from dsassist.review.written.wording import finding_of
from dsassist_runtime.api import Engine, ModelFacts
from dsassist_runtime.errors import ModelUnsupported, RequestRefused

__all__ = ["Budget", "Weighed", "Written", "scored_of"]

_LIMITS_CHARACTERS = (2400, 1200, 600)
"""What the model sees of a long function, which with its context fits a prompt; less where it holds less."""


@dataclass(frozen=True)
class Budget:
    """What one function may cost: so many spans, each filled so often, and so many alternatives weighed twice."""

    spans: int = 4
    draws: Draws = field(default_factory=Draws)
    judged: int = 4


@dataclass(frozen=True)
class Weighed:
    """The judged alternatives of a function, of which `spans` spans were filled anew."""

    task: Task
    spans: int
    judged: tuple[Judged, ...]


class Written:
    """Alternatives written by one engine's model. Where it cannot, `tell` gets the reason, once.

    `nulls` says what each class gains where nothing is wrong.
    """

    def __init__(
        self,
        engine: Engine,
        budget: Budget | None = None,
        *,
        nulls: Mapping[Change, Null] = NULLS,
        tell: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._engine = engine
        self._budget = budget or Budget()
        self._nulls = nulls
        self._tell = tell
        self._facts: ModelFacts | None = None
        self._has_given_up = False

    def weigh(self, task: Task, remaining_s: Callable[[], float] = lambda: math.inf) -> Weighed:
        """The alternatives of a function that make what follows likelier than their null does.

        `DeadlineExceeded` when the time is up between two questions or within one, and what else the engine raises.
        """
        spans = _unfamiliar_spans(task)
        if not spans or (facts := self._facts_to_write()) is None:
            return Weighed(task, 0, ())
        asker = Asker(self._engine, remaining_s, facts.n_vocab)
        for limit in _LIMITS_CHARACTERS:
            try:
                return self._weighed(asker, task, spans, limit)
            except ModelUnsupported as error:
                self._give_up(str(error))
                break
            except RequestRefused:
                if limit == _LIMITS_CHARACTERS[-1]:
                    raise
        return Weighed(task, 0, ())

    def findings(
        self,
        task: Task,
        threshold_nats: float,
        severity: Severity,
        remaining_s: Callable[[], float] = lambda: math.inf,
    ) -> list[Finding]:
        """What a reader is told: of each line the alternative with the most evidence, where that is enough.

        Errors are those of `weigh`. A class whose null is not measured gives no more than a remark.
        """
        scored = self.scored(task, severity, remaining_s)
        return [finding for finding, strength in scored if strength >= threshold_nats]

    def scored(
        self, task: Task, severity: Severity, remaining_s: Callable[[], float] = lambda: math.inf
    ) -> list[tuple[Finding, float]]:
        """As `scored_of` has it; errors are those of `weigh`."""
        return scored_of(self.weigh(task, remaining_s), self._nulls, severity)

    def _facts_to_write(self) -> ModelFacts | None:
        """The model's facts; None where it is known that it cannot write."""
        if self._facts is None:
            self._facts = self._engine.facts()
            if not self._facts.fim_orders:
                self._give_up(f"{self._facts.name} cannot fill in the middle")
        return None if self._has_given_up else self._facts

    def _give_up(self, reason: str) -> None:
        self._has_given_up = True
        self._tell(reason)

    def _weighed(self, asker: Asker, task: Task, spans: Sequence[Span], limit: int) -> Weighed:
        views = views_of(task, spans, limit)
        surprises: dict[Span, float] = {}
        for view, seen in _by_view(views).items():
            surprises |= surprise_nats(asker, view, seen)
        chosen = least_probable(surprises, self._budget.spans)
        alternatives = Alternatives(task)
        found: dict[View, list[Alternative]] = defaultdict(list)
        for span in chosen:
            view = views[span]
            texts = fillings(asker, view, span, task.function.source.language, self._budget.draws)
            found[view] += alternatives.of(span, texts)
        judged = [
            each for view, some in found.items() for each in judge(asker, view, some, self._nulls, self._budget.judged)
        ]
        return Weighed(task, len(chosen), tuple(judged))


def scored_of(weighed: Weighed, nulls: Mapping[Change, Null], severity: Severity) -> list[tuple[Finding, float]]:
    """Of each line the strongest alternative, as a finding, and the highest threshold that it passes."""
    best: dict[int, tuple[Finding, float]] = {}
    for judged in weighed.judged:
        null = nulls[judged.change]
        nats = round(evidence_nats(judged, null), 1)
        least = needed_nats(null, 0.0, weighed.spans)
        strength = (nats - least) / (needed_nats(null, 1.0, weighed.spans) - least)
        line = judged.alternative.span.line
        if line not in best or strength > best[line][1]:
            finding = finding_of(weighed.task, judged, nats, severity if null.is_measured else "info")
            best[line] = finding, strength
    return [best[line] for line in sorted(best)]


def _unfamiliar_spans(task: Task) -> list[Span]:
    """The spans of a function but for those in statements that stand elsewhere in the file as well."""
    familiar = Familiar(task.function.source, task.lines)
    return [span for span in spans_of(Site(task.function, task.lines)) if not familiar.covers(span)]


def _by_view(views: Mapping[Span, View]) -> dict[View, list[Span]]:
    found: dict[View, list[Span]] = defaultdict(list)
    for span, view in views.items():
        found[view].append(span)
    return dict(found)
