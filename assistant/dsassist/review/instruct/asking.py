"""One question and its proof: the model's reports about a function that survive, within the time that is left."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from dsassist.answers.store import AnswerStore
from dsassist.chat_actions.instruct import ChatEngine
from dsassist.review.instruct.answer import reports_in
from dsassist.review.instruct.proof import Proof, proofs
from dsassist.review.instruct.question import MOST_CHARACTERS, question_of
from dsassist.review.instruct.related import Signatures
from dsassist.review.instruct.trial import Trial
from dsassist.review.likelihood.tasks import Task
from dsassist_runtime.api import ChatRequest, Engine
from dsassist_runtime.errors import DeadlineExceeded, RequestRefused

__all__ = ["Model", "proven_reports"]

_ENDINGS = ("stop", "length")


@dataclass(frozen=True)
class Model:
    """The model that is asked: `chat` answers, `engine` gives the scores, and its fixes need `threshold_nats`.

    `store` keeps its answers, by the name of its trial's file, which is its own.
    """

    name: str
    chat: ChatEngine
    engine: Engine
    threshold_nats: float
    trial: Trial
    store: AnswerStore | None = None

    def answer(self, request: ChatRequest, remaining_s: Callable[[], float]) -> str:
        """The whole answer, out of the store where it is known; `DeadlineExceeded` where it is not ready in time."""
        digest = self._digest(request)
        if self.store is not None and (known := self.store.get(digest)) is not None:
            return known
        if (left_s := remaining_s()) <= 0:
            raise DeadlineExceeded("the time is up")
        with self.chat.chat(replace(request, deadline_ms=1000 * left_s)) as stream:
            # The engine's own deadline does not count the loading of the model.
            watch = threading.Timer(left_s, stream.close)
            watch.daemon = True
            watch.start()
            try:
                text = "".join(stream)
            finally:
                watch.cancel()
            if stream.end is None or stream.end.finish_reason not in _ENDINGS:
                raise DeadlineExceeded("the model's answer was not ready in time")
        if self.store is not None:
            self.store.put(digest, text)
        return text

    def _digest(self, request: ChatRequest) -> bytes:
        model, form = self.trial.path.name, request.sampling.json_schema
        asked = json.dumps(["instruct review", model, request.messages, form, request.max_tokens], ensure_ascii=True)
        return hashlib.sha256(asked.encode()).digest()


def proven_reports(model: Model, task: Task, signatures: Signatures, remaining_s: Callable[[], float]) -> list[Proof]:
    """What the model reports about a function's changed lines, each with its second evidence.

    `RequestRefused` for a function that is too long, `DeadlineExceeded` where the time was up before.
    """
    if len(task.function.text) > MOST_CHARACTERS:
        raise RequestRefused(f"above {MOST_CHARACTERS:,} characters")
    question = question_of(task, signatures.callees(task), signatures.callers(task))
    if question is None:
        return []
    reports = reports_in(model.answer(question.request, remaining_s), question)
    return proofs(model.engine, task, reports, len(question.anchors), remaining_s)
