"""The engine's scores from the store: the same question to the same model is asked once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsassist.answers.model_key import model_key
from dsassist.answers.store import AnswerStore, answers_path
from dsassist_runtime.api import Edit, EditScore, Engine, InfillRequest, ModelFacts, ScoreRequest, TextStream
from dsassist_runtime.errors import ModelUnsupported

if TYPE_CHECKING:
    from dsassist.engine import RemoteModel
    from dsassist_runtime.models.store import ResolvedModel

__all__ = ["RememberingEngine", "remembering"]

_UNSUPPORTED = "unsupported"
_SCORER_VERSION = 2
"""Raise it where the same request is scored otherwise; the old answers are then not found any more."""


def remembering(engine: Engine, model: ResolvedModel | RemoteModel) -> Engine:
    """The engine with the store of this user; one whose model is not a file here as it is, for that may change."""
    key = model_key(model)
    return engine if key is None else RememberingEngine(engine, AnswerStore(answers_path()), key)


@dataclass(frozen=True)
class RememberingEngine:
    """An engine whose scores are kept. `model` names its model and what else its numbers depend on, byte for byte.

    Implements `Engine`. What is in the store costs no model: it need not even be loaded.
    """

    engine: Engine
    store: AnswerStore
    model: str

    @property
    def scorer(self) -> str:
        """Names the model with all else that its scores depend on."""
        return f"{_SCORER_VERSION}:{self.model}"

    def facts(self) -> ModelFacts:
        """The engine's."""
        return self.engine.facts()

    def infill(self, request: InfillRequest) -> TextStream:
        """The engine's."""
        return self.engine.infill(request)

    def score(self, request: ScoreRequest, timeout_s: float | None = None) -> tuple[EditScore, ...]:
        """Out of the store, else the engine's."""
        key = self._key(request)
        if (known := self.store.get(key)) is not None:
            return _scores(known, request)
        try:
            scores = self.engine.score(request, timeout_s)
        except ModelUnsupported as error:  # it stays so, and a model need not be loaded to refuse again
            self.store.put(key, json.dumps({_UNSUPPORTED: str(error)}))
            raise
        numbers = {edit: number for number, edit in enumerate(request.edits)}
        self.store.put(key, json.dumps([_row(numbers[score.edit], score) for score in scores]))
        return scores

    def close(self) -> None:
        """Close the engine; the store is another's."""
        self.engine.close()

    def _key(self, request: ScoreRequest) -> bytes:
        """Of all that decides about the numbers; not of who asks and how long they would wait."""
        # `asdict` copies each number of each edit, which takes longer than all that the store does.
        edits = [vars(edit) for edit in request.edits]
        asked = {**vars(request), "edits": edits, "priority": "review", "deadline_ms": 0.0}
        question = json.dumps([_SCORER_VERSION, self.model, asked], ensure_ascii=True)
        return hashlib.sha256(question.encode()).digest()


def _row(number: int, score: EditScore) -> list[object]:
    return [number, score.site_original, score.site_alternative, score.suffix_original, score.suffix_alternative]


def _scores(known: str, request: ScoreRequest) -> tuple[EditScore, ...]:
    edits: tuple[Edit, ...] = request.edits
    answer = json.loads(known)
    if isinstance(answer, dict):
        raise ModelUnsupported(answer[_UNSUPPORTED])
    return tuple(EditScore(edits[number], *map(tuple, lists)) for number, *lists in answer)
