"""A teacher reads sequences, and what it thinks of each token is kept: any GGUF that the runtime serves will do.

Teacher and student must have the same vocabulary. The teacher reads what the student will: a sequence as it is packed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np

from dsassist_runtime.api import CompletionRequest, EngineSettings, PromptRead, Sampling
from dsassist_runtime.engine.local import LocalEngine
from dsassist_runtime.errors import DsassistError, ModelUnsupported
from dsassist_train.importing import vocabulary_of
from dsassist_train.lessons import Lesson, LessonPlan, Lessons, add_lesson
from dsassist_train.packing import Packed, sequences
from dsassist_train.packing.folder import CorpusFolder

__all__ = ["K", "check_same_vocabulary", "teach", "teacher_digest"]

K = 16
"""How many tokens are told at each place; a good teacher of code has nearly all of its probability there."""

_END_BYTES = 1 << 20
_UNTOLD = -1e4  # log-probabilities where nothing is asked


def check_same_vocabulary(teacher: Path, corpus: CorpusFolder) -> None:
    """`DsassistError` unless the corpus has the teacher's vocabulary; it names what does without."""
    try:
        same = vocabulary_of(teacher) == corpus.vocabulary
    except ModelUnsupported:
        same = False
    if not same:
        raise DsassistError(
            f"the corpus {corpus.path} has another vocabulary than {teacher.name}, so its probabilities cannot be "
            "compared; make the corpus by `dsassist train corpus DIR --vocab MODEL`, or let the teacher write middles "
            "to learn from: --written 2000"
        )


def teacher_digest(path: Path) -> str:
    """What a model file is known by: its size, and the SHA-256 of its first and last bytes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(_END_BYTES))
        file.seek(max(size - _END_BYTES, 0))
        digest.update(file.read(_END_BYTES))
    return f"{size}-{digest.hexdigest()[:32]}"


def teach(
    lessons: Lessons,
    corpus: Path,
    teacher: Path,
    *,
    on_lesson: Callable[[int], None],
    should_stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Write the lessons that are missing; are all there? `NotDone` where there is no room, `ModelError` of a teacher.

    `on_lesson` is told how many there are.
    """
    plan, n_done = lessons.plan, lessons.n_written
    on_lesson(n_done)
    if n_done >= plan.n_lessons:
        return True
    packed = islice(sequences(corpus, plan.length + 1, plan.seed), n_done, plan.n_lessons)
    with closing(LocalEngine(EngineSettings(teacher, n_ctx=plan.length + 2))) as engine:
        for number, each in enumerate(packed, n_done + 1):
            if should_stop():
                return False
            add_lesson(lessons, _lesson(engine, each, plan))
            on_lesson(number)
    return True


def _lesson(engine: LocalEngine, packed: Packed, plan: LessonPlan) -> Lesson:
    ids = np.tile(np.arange(plan.k, dtype=np.int32), (plan.length, 1))
    logprobs = np.full((plan.length, plan.k), _UNTOLD, np.float16)
    request = CompletionRequest(
        tokens=tuple(packed.tokens.tolist()),
        max_tokens=0,
        echo_logprobs=True,
        logprobs=plan.k,
        sampling=Sampling(temperature=0.0),
        cache_prompt=False,
    )
    (read,) = (event for event in engine.events(request) if isinstance(event, PromptRead))
    assert len(read.logprobs) == plan.length, (len(read.logprobs), plan.length)
    for at, told in enumerate(read.logprobs):
        if packed.mask[at + 1]:
            ids[at] = [each.token for each in told.top]
            logprobs[at] = [each.logprob for each in told.top]
    return Lesson(packed.tokens, packed.mask, packed.position, ids, logprobs)
