"""The completions of one open document: what was written for it, what is being written, and who waits for what.

One text is written at a time. A request whose text is written already, be it that the person typed some of it or took
it, is answered from there; one whose place the text under way is about waits for that; any other stops it.
Knows no protocol: places are code points. All in the event loop's thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from dsassist.completion.dedent import Dedent
from dsassist.completion.draft import Draft, Drafts
from dsassist.completion.place import Place
from dsassist.completion.plan import Prompt, Prompts
from dsassist.completion.writer import Offer
from dsassist.options import CompletionConfig
from dsassist_lsp.jobs import Job
from dsassist_lsp.waiting import Answer, Waiting
from dsassist_runtime.api import GenerationEnd, TextPiece

T = TypeVar("T")

__all__ = ["Reading", "Session"]

_PATIENCE_S = 1.0  # once its first line is there, a text is shown after this long, and the rest when it is asked for
_LIKELY = 0.8  # a text of this probability is gone on with, for the time when it is accepted
_AHEAD_LINES, _AHEAD_TOKENS = 1, 24
_GRACE_S = 0.25  # a text goes on that long when its request is cancelled: editors cancel first and ask a moment later


NOTHING = Answer(None, "superseded")


@dataclass(frozen=True)
class _Shown:
    """The last offer that was answered, and where."""

    place: Place
    draft: Draft
    offer: Offer

    def left(self, place: Place, draft: Draft) -> Offer | None:
        """What is left of the offer when only its beginning was typed; None if nothing is, or other text was edited."""
        typed = place.text[self.place.offset : place.offset]
        if (
            draft is not self.draft
            or not typed
            or typed == self.offer.text
            or not self.offer.text.startswith(typed)
            or place.text[: self.place.offset] != self.place.text[: self.place.offset]
            or place.text[place.offset :] != self.place.text[self.place.offset :]
        ):
            return None
        end, rest = self.offer.end + len(typed), self.offer.text[len(typed) :]
        return replace(self.offer, text=rest, start=place.offset, end=end) if rest.strip() else None


class Session:
    """What `Completions` holds for a document."""

    def __init__(self, finished: Callable[[Draft], None]) -> None:
        """`finished` is called with each text that is not written any more."""
        self.prompts = Prompts()
        self.place: Place | None = None  # where the cursor was last seen
        self._drafts = Drafts()
        self._finished = finished
        self._running: tuple[Draft, Job] | None = None
        self._waiting: Waiting | None = None
        self._stop: asyncio.TimerHandle | None = None
        self._shown: _Shown | None = None
        self._dedent: Dedent | None = None

    @property
    def is_busy(self) -> bool:
        """Is a text being written, or waited for?"""
        return self._running is not None or self._waiting is not None

    def ask(self, place: Place, options: CompletionConfig, min_probability: float, asked_at: float) -> Waiting:
        """A request of the time `asked_at`; the one before it is answered now, with nothing."""
        self.drop_request()
        self.place = place
        self._keep_running()
        answer: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        has_left_block = self._dedent is not None and self._dedent.holds(place)
        self._waiting = Waiting(place, options, min_probability, has_left_block, answer, asked_at)
        return self._waiting

    def answer_from_drafts(self, waiting: Waiting) -> bool:
        """Answer with what is written already, or wait for what is being written; False when neither will do."""
        before, after = waiting.place.around
        if (found := self._drafts.at(before, after, waiting.fits)) is not None:
            draft, typed = found
            waiting.left = self._shown.left(waiting.place, draft) if self._shown is not None else None
            waiting.source = "prepared" if 0 < draft.shown_characters <= typed else "typed"
            if draft.is_running or len(draft.text) > typed:
                return self._read(waiting, draft, typed)
        if self._running and self._running[0].may_become(before, after):
            waiting.draft = self._running[0]
            waiting.source = "typed"
            return True
        return False

    def begin(self, waiting: Waiting, prompt: Prompt, job_of: Callable[[Reading], Job]) -> Job:
        """Have a new text written for a request."""
        self.stop()
        before, after = waiting.place.around
        draft = Draft(before, after, prompt)
        self._drafts.add(draft)
        waiting.draft, waiting.source = draft, "engine"
        job = job_of(Reading(self, draft))
        self._running = draft, job
        return job

    def changed(self, place: Place | None) -> None:
        """The document was edited, and the cursor is at `place` if that is known: a text that does not fit it ends."""
        self._dedent = Dedent.after(self._dedent, self.place, place)
        self.place = place
        self.drop_request()
        if self._running is None:
            return
        draft = self._running[0]
        if place is not None:
            before, after = place.around
            if draft.typed(before, after) is not None or draft.may_become(before, after):
                self._stop_soon()
                return
        self.stop()

    def drop_request(self) -> None:
        """Answer who waits, with nothing."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            _answer(waiting, NOTHING)

    def gave_up(self, waiting: Waiting) -> None:
        """Nobody waits for this request any more."""
        if self._waiting is waiting:
            self._waiting = None
            if not waiting.answer.done() or waiting.answer.cancelled():
                self._stop_soon()

    def stop(self) -> None:
        """Nothing is written any more."""
        self._keep_running()
        if self._running is not None:
            draft, job = self._running
            end = job.close()
            # It may have come to its end meanwhile; the draft has not.
            self._over(draft, replace(end, finish_reason="cancelled") if end else _nothing_written(len(draft.pieces)))

    def close(self) -> None:
        """Nobody sees the document any more."""
        self.drop_request()
        self.stop()

    # What the engine writes

    def piece(self, draft: Draft, piece: TextPiece) -> None:
        """Some more text."""
        if not draft.pieces:
            self.prompts.evaluated(draft.prompt)
        draft.push(piece)
        waiting = self._waiting
        if waiting is None or waiting.draft is not draft:
            self._stop_when_far_enough(draft)
        elif waiting.read:
            self._push(waiting, piece)
        else:
            self._catch_up(waiting, draft)

    def ended(self, draft: Draft, end: GenerationEnd) -> None:
        """The model ended the text."""
        self._over(draft, end)
        waiting = self._waiting
        if waiting is None or waiting.draft is not draft:
            return
        before, after = waiting.place.around
        typed = draft.typed(before, after)
        if typed is None or (typed == len(draft.text) and end.finish_reason != "stop"):  # all of it was typed
            _answer(waiting, None)
        else:
            waiting.finish(cut_short=end.finish_reason != "stop")
            self._resolve(waiting)

    def failed(self, draft: Draft, error: Exception) -> None:
        """There is no text."""
        self._over(draft, _nothing_written(len(draft.pieces)))
        waiting = self._waiting
        if waiting is not None and waiting.draft is draft and not waiting.answer.done():
            waiting.answer.set_exception(error)

    def _read(self, waiting: Waiting, draft: Draft, typed: int) -> bool:
        """Read what is left of a draft; False when that is too little to answer with and nothing follows."""
        waiting.draft = draft
        for piece in draft.pieces_from(typed):
            waiting.push(piece)
            if waiting.done:
                self._resolve(waiting)
                return True
        if draft.is_running:
            return True
        if draft.end is not None and draft.end.finish_reason == "stop":
            waiting.finish()
            self._resolve(waiting)
            return True
        # Of a text that was stopped the last line is unfinished.
        if waiting.n_lines and waiting.offer() is not None:
            self._resolve(waiting)
            return True
        waiting.draft, waiting.source = None, "engine"
        waiting.start_over()
        return False

    def _catch_up(self, waiting: Waiting, draft: Draft) -> None:
        """The text has come as far as what was typed, or turns out to be another."""
        before, after = waiting.place.around
        typed = draft.typed(before, after)
        if typed is not None:
            if len(draft.text) > typed or not draft.is_running:
                self._read(waiting, draft, typed)
        elif not draft.may_become(before, after):
            self._ask_anew(waiting)

    def _ask_anew(self, waiting: Waiting) -> None:
        """The text that a request waited for is none for its place."""
        waiting.draft = None
        self.stop()
        _answer(waiting, None)

    def _push(self, waiting: Waiting, piece: TextPiece) -> None:
        waiting.push(piece)
        if waiting.done or (
            # Several lines take their time: those that are there are shown, the others when they are asked for.
            "\n" in piece.text and time.monotonic() - waiting.asked_at > _PATIENCE_S and waiting.offer() is not None
        ):
            self._resolve(waiting)

    def _resolve(self, waiting: Waiting) -> None:
        """Answer with what may be shown, and decide whether the text goes on."""
        if waiting.answer.done():
            return
        if waiting.source != "engine" and not waiting.fits(waiting.read):
            self._ask_anew(waiting)
            return
        offer, left = waiting.offer(), waiting.left
        draft = waiting.draft
        assert draft is not None
        if left is not None and (offer is None or left.text.startswith(offer.text)):
            offer = left  # what was shown and is being typed is not taken away
        self._shown = _Shown(waiting.place, draft, offer) if offer is not None else None
        latency_ms = 1000 * (time.monotonic() - waiting.asked_at)
        draft.reason = draft.reason or waiting.reason
        shown = offer.text.replace("\r\n", "\n") if offer is not None else ""
        is_raw = waiting.read.startswith(shown)
        if shown:
            typed = len(draft.text) - len(waiting.read)
            draft.shown_characters = max(draft.shown_characters, typed + len(shown))
        _answer(waiting, Answer(offer, waiting.reason, waiting.source, draft, latency_ms))
        if draft.is_running:
            # A text that will probably be taken is gone on with for the time behind that.
            is_likely = offer is not None and is_raw and offer.probability >= _LIKELY
            if waiting.done and not is_likely:
                self.stop()
            else:
                self._stop_when_far_enough(draft)

    def _stop_when_far_enough(self, draft: Draft) -> None:
        """A text that nobody waits for is written a line further than what is shown of it."""
        ahead = draft.text[draft.shown_characters :]
        n_tokens = len(ahead) // 3
        if ahead.lstrip("\n").count("\n") >= _AHEAD_LINES or n_tokens > _AHEAD_TOKENS:
            self.stop()

    # Ends

    def _over(self, draft: Draft, end: GenerationEnd) -> None:
        draft.end = end
        if self._running is not None and self._running[0] is draft:
            self._running = None
        self._finished(draft)

    def _stop_soon(self) -> None:
        """Stop the text unless somebody asks for it in a moment."""
        if self._stop is None and self._running is not None:
            self._stop = asyncio.get_running_loop().call_later(_GRACE_S, self._stop_unless_asked)

    def _stop_unless_asked(self) -> None:
        self._stop = None
        if self._waiting is None:
            self.stop()

    def _keep_running(self) -> None:
        if self._stop is not None:
            self._stop.cancel()
            self._stop = None


@dataclass(frozen=True)
class Reading:
    """Implements `jobs.Reader` for one draft of a session."""

    session: Session
    draft: Draft

    def piece(self, piece: TextPiece) -> None:
        """Some more text."""
        self._have(self.session.piece, piece)

    def ended(self, end: GenerationEnd) -> None:
        """The model ended the text."""
        self._have(self.session.ended, end)

    def failed(self, error: Exception) -> None:
        """There is no text."""
        self.session.failed(self.draft, error)

    def _have(self, read: Callable[[Draft, T], None], what: T) -> None:
        try:
            read(self.draft, what)
        except Exception as error:  # an error of ours: who waits must not wait for ever
            self.session.failed(self.draft, error)


def _answer(waiting: Waiting, answer: Answer | None) -> None:
    if not waiting.answer.done():  # a cancelled request is done
        waiting.answer.set_result(answer)


def _nothing_written(n_tokens: int) -> GenerationEnd:
    return GenerationEnd("cancelled", 0, 0, n_tokens, 0.0, 0.0)
