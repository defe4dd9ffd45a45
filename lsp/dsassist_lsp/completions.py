"""The completions of all open documents: when the engine is asked, with which prompt, and what is read in idle time.

Knows no protocol: documents are a name and a text, cursors are code points.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

from dsassist.completion.completer import PromptName, fitting_prompt_tokens, infill_request
from dsassist.completion.draft import Draft
from dsassist.completion.place import Place
from dsassist.completion.plan import Budget, Prompt, budget_of
from dsassist.completion.rhythm import Rhythm
from dsassist.config import LoadedConfig, is_address
from dsassist_lsp.engines import Engines
from dsassist_lsp.jobs import Job, Workers
from dsassist_lsp.session import Session
from dsassist_lsp.waiting import Answer, Waiting
from dsassist_runtime.api import ContextFile, GenerationEnd, TextPiece, TextStream

__all__ = ["Asked", "Completions", "ContextOf"]

_IDLE_S = 0.8  # without a key, and the time is used
_MOST_SESSIONS = 32


@dataclass(frozen=True)
class Asked:
    """A request: `name` is how file and repository are called in the prompt; `by_hand`, the person pressed a key."""

    document: str
    place: Place
    loaded: LoadedConfig
    name: PromptName = field(default_factory=PromptName)
    min_probability: float = 0.0
    by_hand: bool = False


ContextOf = Callable[[Asked, str, int, Sequence[ContextFile]], Sequence[ContextFile]]
"""Parts of other files for a place: what is in view, the room in tokens, those of the last prompt. In any thread."""


class Completions:
    """Starts and stops completions. All methods are called in the event loop's thread."""

    def __init__(
        self,
        engines: Engines,
        context_of: ContextOf,
        on_draft: Callable[[Asked, Draft], None],
        on_read_ahead: Callable[[Asked, GenerationEnd], None],
    ) -> None:
        """`on_draft` gets each text, with the request that it was begun for, once no more of it is written;
        `on_read_ahead` the cost of each prompt that was read in idle time.
        """
        self._engines = engines
        self._context_of = context_of
        self._on_draft = on_draft
        self._on_read_ahead = on_read_ahead
        self._workers = Workers()
        self._sessions: dict[str, Session] = {}
        self._begun_for: WeakKeyDictionary[Draft, Asked] = WeakKeyDictionary()
        self._rhythm = Rhythm()
        self._idle: asyncio.TimerHandle | None = None
        self._reading_ahead: tuple[Asked, Prompt, Job] | None = None

    @property
    def is_busy(self) -> bool:
        """Is anything being written or waited for?"""
        return any(session.is_busy for session in self._sessions.values())

    async def complete(self, asked: Asked) -> Answer:
        """What to show at a place; nothing, when a newer request or an edit came first.

        Raises what the engine raises. When the task is cancelled the engine stops, unless its text is asked for anew.
        """
        session, asked_at = self._session(asked), time.monotonic()
        options = asked.loaded.config.completion
        waiting = session.ask(asked.place, options, asked.min_probability, asked_at)
        try:
            while True:
                if not session.answer_from_drafts(waiting):
                    if not asked.by_hand:
                        delay_s = self._rhythm.delay_s(_line_of(asked), asked.place.line_before, time.monotonic())
                        await asyncio.wait([waiting.answer], timeout=delay_s)
                    if not waiting.answer.done():
                        self._begin(session, waiting, asked)
                answer = await waiting.answer
                if answer is not None:
                    if answer.draft is not None:  # else it was not waited for
                        self._rhythm.answered(_line_of(asked), shown=answer.offer is not None)
                    return answer
                waiting = session.ask(asked.place, options, asked.min_probability, asked_at)
        finally:
            session.gave_up(waiting)
            self._read_ahead_soon(asked)

    def expect(self, asked: Asked) -> None:
        """A request may come for this place: once nobody types, have a wide prompt for it read."""
        self._session(asked).place = asked.place
        self._read_ahead_soon(asked)

    def changed(self, document: str, place: Place | None) -> None:
        """A document was edited; the cursor is at `place`, if that is known."""
        self._rhythm.typed(time.monotonic())
        if (session := self._sessions.get(document)) is not None:
            session.changed(place)
        self._stop_reading_ahead_unless_it_fits(document, place)

    def forget(self, document: str) -> None:
        """A document was closed."""
        if (session := self._sessions.pop(document, None)) is not None:
            session.close()
        self._stop_reading_ahead_unless_it_fits(document, None)

    def stop_all(self) -> None:
        """Nothing is to be written any more."""
        for document in list(self._sessions):
            self.forget(document)
        if self._idle is not None:
            self._idle.cancel()

    def _session(self, asked: Asked) -> Session:
        document = asked.document
        session = self._sessions.pop(document, None) or Session(self._written)
        self._sessions[document] = session  # the last one is the latest
        while len(self._sessions) > _MOST_SESSIONS:
            self.forget(next(iter(self._sessions)))
        return session

    def _begin(self, session: Session, waiting: Waiting, asked: Asked) -> None:
        prompt = session.prompts.at(*asked.place.around, self._budget(asked.loaded))
        request = infill_request(prompt, asked.loaded.config.completion, asked.name)

        def open_stream() -> TextStream:
            return self._engines.get(asked.loaded).engine.infill(request)

        job = session.begin(waiting, prompt, lambda reader: Job(open_stream, reader))
        assert waiting.draft is not None, "it is begun"
        self._begun_for[waiting.draft] = asked
        self._workers.start(job)

    def _written(self, draft: Draft) -> None:
        assert draft.end is not None, "it is over"
        if (asked := self._begun_for.pop(draft, None)) is not None:
            self._saw(asked.loaded, draft.end)
            self._on_draft(asked, draft)

    def _saw(self, loaded: LoadedConfig, end: GenerationEnd) -> None:
        """A prompt was read: the next one is as long as the machine's speed allows."""
        if (opened := self._engines.opened(loaded)) is not None:
            opened.speed.saw(end)

    def _budget(self, loaded: LoadedConfig) -> Budget:
        opened = self._engines.opened(loaded)
        speed = opened.speed.prefill_tokens_per_s if opened is not None else 0.0
        n_ctx = opened.facts.n_ctx if opened is not None and opened.facts is not None else 0
        return budget_of(speed, fitting_prompt_tokens(loaded.config.completion, n_ctx))

    # Idle time

    def _read_ahead_soon(self, asked: Asked) -> None:
        """Once nobody types, have a wide prompt for this place read."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(_IDLE_S, self._read_ahead, asked)

    def _read_ahead(self, asked: Asked) -> None:
        session = self._sessions.get(asked.document)
        if session is None or session.place is None or is_address(asked.loaded.config.model):
            return  # what is at an address is not asked about what nobody asked for
        if self.is_busy or self._reading_ahead is not None:
            self._read_ahead_soon(asked)
            return
        place, budget = session.place, self._budget(asked.loaded)
        before, after = place.around
        if not session.prompts.wants_wide(before, after):
            return
        asked = replace(asked, place=place)
        prompts = session.prompts
        reading = _ReadingAhead(self, asked, session)

        def open_stream() -> TextStream:
            plain = prompts.wide(before, after, budget)
            files = self._context_of(asked, plain.prefix + plain.suffix, budget.wide, prompts.snippets)
            reading.prompt = prompts.wide(before, after, budget, files)
            request = infill_request(
                reading.prompt, asked.loaded.config.completion, asked.name, max_tokens=0, logprobs=None, priority="idle"
            )
            return self._engines.get(asked.loaded).engine.infill(request)

        job = Job(open_stream, reading)
        self._reading_ahead = asked, prompts.wide(before, after, budget), job
        self._workers.start(job)

    def _stop_reading_ahead_unless_it_fits(self, document: str, place: Place | None) -> None:
        if self._reading_ahead is None or self._reading_ahead[0].document != document:
            return
        asked, prompt, job = self._reading_ahead
        if place is None or prompt.at(*place.around) is None:
            self._reading_ahead = None
            if (end := job.close()) is not None:
                self._on_read_ahead(asked, end)

    def read_ahead(self, asked: Asked, session: Session, prompt: Prompt | None, end: GenerationEnd | None) -> None:
        """A wide prompt was read, or could not be."""
        self._reading_ahead = None
        if end is not None:
            self._on_read_ahead(asked, end)
        if prompt is not None and end is not None and end.finish_reason in ("stop", "length"):
            session.prompts.evaluated(prompt)
            self._saw(asked.loaded, end)


def _line_of(asked: Asked) -> tuple[str, int]:
    """The cursor's line: its document, and where in it the line begins."""
    return asked.document, asked.place.offset - len(asked.place.line_before)


@dataclass
class _ReadingAhead:
    """Implements `jobs.Reader` for a prompt that is read in idle time."""

    completions: Completions
    asked: Asked
    session: Session
    prompt: Prompt | None = None

    def piece(self, piece: TextPiece) -> None:
        """Nothing is written."""

    def ended(self, end: GenerationEnd) -> None:
        """It is read."""
        self.completions.read_ahead(self.asked, self.session, self.prompt, end)

    def failed(self, _error: Exception) -> None:
        """The completion that comes next will meet the same, and tell it."""
        self.completions.read_ahead(self.asked, self.session, None, None)
