"""One request for text: its prompt is evaluated, then one or more texts are written behind it.

There is one rule for prompt, decode and the return after a suspension alike: what is known of a text (`choice`) and not
evaluated goes into the next batch, and where that reaches the end, the next token is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from dsassist_runtime.api import (
    ChoiceEnd,
    CompletionRequest,
    FinishReason,
    Generation,
    GenerationEnd,
    InfillRequest,
    PromptRead,
    SequenceStatus,
    TextPiece,
    TokenLogprob,
)
from dsassist_runtime.engine.choice import Choice, Parts
from dsassist_runtime.engine.gap import GapLease, GapPrompt
from dsassist_runtime.engine.job import Event, Ticket
from dsassist_runtime.engine.prefix_cache import Lease
from dsassist_runtime.engine.text import TextAssembler
from dsassist_runtime.llama.context import BatchToken, Context
from dsassist_runtime.llama.sampler import Sampler, logprobs

__all__ = ["Writing"]

_CELLS_AHEAD = 256  # kept free for what a request writes; a longer text finds its room as it goes


class Writing:
    """Implements `job.Job` for `InfillRequest`, `CompletionRequest` and `ChatRequest`."""

    def __init__(
        self,
        parts: Parts,
        ticket: Ticket,
        kind: Literal["infill", "complete", "chat"],
        request: Generation,
        prompt: Sequence[int],
        sampler: Sampler,
        gap: GapPrompt | None = None,
        owed: bytes = b"",
    ) -> None:
        """`prompt` has one token at least, and leaves room in the context. The sampler is owned from here on.

        `gap` is the same prompt in its parts, where the suffix is to stay evaluated. `owed` is the end of what is begun
        of the text: the first tokens must spell it, and it is not shown.
        """
        self.ticket = ticket
        self.request = request
        self._kind = kind
        self._parts = parts
        self._prompt = list(prompt)
        self._gap = gap
        self._owed = owed
        room = min(parts.n_ctx - len(prompt), (parts.cache.n_cells - len(prompt)) // request.n)
        self._max_tokens = min(request.max_tokens, max(1, room))
        self._echo = isinstance(request, CompletionRequest) and request.echo_logprobs
        # Logits at every position fill a batch; a traced request has a context of its own.
        self.exclusive = self._echo or (isinstance(request, InfillRequest) and request.trace_experts)
        self._choices = [self._new_choice(0, sampler)]
        self._forked = False
        self._typed = ""  # the beginning of the text that stands in the document already: it was typed meanwhile
        self.newer: InfillRequest | None = None
        self.orphaned = False
        self._cached: int | None = None
        self._echoed: list[TokenLogprob] = []
        self._n_asked = len(self._prompt)  # what counts as the prompt of the present request
        self._is_told = False  # whether its client knows that the prompt is read
        self._started_at: float | None = None
        self._read_at: float | None = None
        self._first_at: float | None = None
        self._drafted = self._accepted = 0
        self._running = self._finished = False
        window = request.sampling.repeat_last_n
        for token in self._prompt if window < 0 else self._prompt[max(0, len(self._prompt) - window) :]:
            sampler.accept(token)

    @property
    def context(self) -> Context:
        """Where its tokens are evaluated."""
        return self._parts.context

    @property
    def written_tokens(self) -> list[int]:
        """Prompt and text, for guesses at other texts."""
        return self._choices[0].known

    @property
    def finished(self) -> bool:
        """Was the last event sent?"""
        return self._finished

    @property
    def running(self) -> bool:
        """Does it hold sequences?"""
        return self._running

    @property
    def decoding(self) -> bool:
        """Is the prompt evaluated?"""
        return self._forked and all(choice.pending <= 1 or choice.replaying for choice in self._live)

    @property
    def begun(self) -> bool:
        """Was some of a text chosen?"""
        return self._forked

    @property
    def replaying(self) -> bool:
        """Are tokens being evaluated a second time, see `Choice.must_replay`?"""
        return self._choices[0].replaying

    @property
    def _live(self) -> list[Choice]:
        return [choice for choice in self._choices if choice.reason is None]

    def cells_wanted(self) -> int:
        """The prompt behind what is cached, and something for each text; none where the cache is its own."""
        if isinstance(self.request, InfillRequest) and self.request.trace_experts:
            return 0
        live = self._live
        n_to_come = self.request.n - len(self._choices)
        ahead = sum(min(_CELLS_AHEAD, choice.left) for choice in live)
        ahead += n_to_come * min(_CELLS_AHEAD, self._max_tokens)
        if self._running:
            return sum(choice.pending for choice in live) + ahead
        if not live:
            return 0
        known = live[0].known
        return len(known) - self._parts.cache.match_leased(known) + sum(c.written for c in live[1:]) + ahead

    def sequences_wanted(self) -> int:
        """One a text; prefix and whole where the suffix is kept behind a gap."""
        return self.request.n if self._gap is None else 2

    def start(self) -> None:
        """Take sequences that share what is cached."""
        self._started_at = self._started_at or self._parts.now()
        self._running = True
        for choice in self._live:
            choice.lease = self._acquire(choice)
        if not self._forked:
            self._echoed.clear()
            lease = self._choices[0].lease
            found = lease.cached if lease is not None else 0
            # After a suspension it finds what it evaluated itself.
            self._cached = found if self._cached is None else min(self._cached, found)

    def _acquire(self, choice: Choice) -> Lease | GapLease:
        if self._gap is not None:
            return self._parts.gaps.acquire(self._gap)
        if self._echo or not self.request.cache_prompt:
            return self._parts.cache.lease_empty()
        return self._parts.cache.acquire(choice.known)

    def suspend(self) -> None:
        """Give the sequences back; what is evaluated stays in the cache as long as nobody needs the room."""
        for choice in self._live:
            choice.release(keep=True)
        self._running = False

    def propose(self, room: int, *, alone: bool) -> list[BatchToken]:
        """What is known and not evaluated, and a guess at what follows if that pays."""
        if self._echo:
            room = min(room, self._parts.n_outputs)
        may_guess = alone and self._may_guess
        batch: list[BatchToken] = []
        for choice in self._live:
            if choice.lease is None or room <= len(batch):
                continue
            if not self._forked and isinstance(choice.lease, Lease) and self.request.cache_prompt and not self._echo:
                # Somebody else may have read the same meanwhile, a warm-up above all.
                self._cached = (self._cached or 0) + choice.lease.catch_up(choice.known)
            batch += choice.propose(room - len(batch), may_guess=may_guess, all_logits=self._echo)
        return batch

    @property
    def _may_guess(self) -> bool:
        return self.request.speculate and self._forked and len(self._choices) == 1

    def advance(self, first: int) -> None:
        """Take over what was evaluated; where that is all that is known, choose the next token of each text."""
        index = first
        for choice in self._live:
            if choice.lease is None or not choice.proposed:
                continue
            n_known, n_draft = choice.proposed, len(choice.draft)
            start = len(choice.lease)
            choice.lease.extend(choice.known[start : start + n_known])
            choice.proposed = 0
            if self._echo and not self._forked:
                self._echo_logprobs(choice, start, n_known, index)
            elif not self._forked and self.request.cache_prompt:
                choice.lease.publish()
            if choice.pending == 0:
                if not self._forked:
                    self._prompt_is_read()
                    self._fork(index + n_known - 1)
                else:
                    self._choose(choice, index + n_known - 1)
            index += n_known + n_draft
        if all(choice.reason for choice in self._choices):
            self._finish()

    def more(self, *, alone: bool) -> list[BatchToken]:
        """The next token of each text, as long as nothing but that is to be decided; else nothing."""
        batch: list[BatchToken] = []
        for choice in self._live:
            token = choice.next_token()
            if token is None:
                return []
            if alone and self._may_guess:
                choice.draft = choice.guess(self._parts.n_outputs - 1)
                if choice.draft:
                    return []
            batch.append(token)
        return batch

    def took(self, first: int) -> None:
        """What `more` gave was evaluated: choose each text's next token. Its text is read by `settle`."""
        for index, choice in enumerate(self._live, first):
            assert choice.lease is not None
            choice.lease.extend(choice.known[-1:])
            choice.choose(index)

    def forget_unknown(self) -> None:
        """What `more` gave was not evaluated."""
        for choice in self._live:
            if choice.lease is not None:
                choice.lease.undo()

    def settle(self) -> None:
        """Read what `took` chose, show it, and end what ends."""
        if self._finished:
            return
        for choice in self._live:
            self._read(choice)
        if all(choice.reason for choice in self._choices):
            self._finish()

    def undo(self) -> None:
        """Forget the cells of a batch that was broken off."""
        for choice in self._live:
            if choice.lease is not None and choice.proposed:
                choice.lease.undo()
                choice.proposed, choice.draft = 0, []

    def end(self, reason: FinishReason) -> None:
        """End before it is done."""
        if self._finished:
            return
        for choice in self._live:
            self._end_choice(choice, reason)
        self._finish()

    def fail(self, error: Exception) -> None:
        """End with an error."""
        if self._finished:
            return
        self._close(keep=False)
        self.ticket.emit(error)

    def status(self, now: float) -> SequenceStatus:
        """How it stands."""
        lease = self._choices[0].lease
        return SequenceStatus(
            request=self.ticket.request,
            kind=self._kind,
            priority=self.ticket.priority,
            state="waiting" if not self._running else "decode" if self._forked else "prefill",
            document=self.ticket.document,
            prompt_tokens=len(self._prompt),
            evaluated_tokens=min(len(self._prompt), len(lease) if lease else 0),
            completion_tokens=sum(choice.written for choice in self._choices),
            age_ms=1000 * (now - self.ticket.arrived),
        )

    # What was typed meanwhile

    def fits(self, request: Generation) -> bool:
        """Is `request` the one that this text answers, some characters further on?"""
        mine = self.request
        if not (isinstance(mine, InfillRequest) and isinstance(request, InfillRequest)):
            return False
        if self._finished or request.n > 1 or request.trace_experts:
            return False
        if not request.max_tokens or not mine.max_tokens:
            return False
        if _elsewise(request) != _elsewise(mine) or not _before(request).startswith(_before(mine)):
            return False
        typed, text = _before(request)[len(_before(mine)) :], self._choices[0].text
        # Behind the end of the text there is nothing to compare with yet; while it is being written that is a matter
        # of a moment, while its prompt is still being read it is not.
        return text.startswith(typed) or (text != "" and typed.startswith(text))

    def hand_over(self, ticket: Ticket, request: InfillRequest) -> None:
        """Go on for a newer request that `fits`; the older one ends as superseded."""
        mine, choice = self.request, self._choices[0]
        assert isinstance(mine, InfillRequest)
        self.ticket.emit(self._figures("superseded"))
        self.ticket = ticket
        self.orphaned = False
        self._typed = _before(request)[len(_before(mine)) :]
        choice.shown, choice.n_told = len(self._typed), 0
        self.newer = request
        n_typed = len(self._parts.vocabulary.tokenize(self._typed))
        choice.max_tokens = min(n_typed + request.max_tokens, self._parts.n_ctx - len(self._prompt))
        self._n_asked = len(choice.known)
        self._cached = len(choice.known) - choice.pending
        self._first_at = None
        self._is_told = not self._forked
        self._show(choice, "")

    def orphan(self, until: float) -> None:
        """Its request was cancelled; go on in silence for a moment, since the next keystroke may ask for just this."""
        self.ticket.emit(self._figures("cancelled"))
        self.ticket = replace(self.ticket, emit=_to_nobody, deadline=until)
        self.orphaned = True

    @property
    def adoption_failed(self) -> bool:
        """Is the text not what was typed meanwhile? Then `newer` must be answered by another job."""
        choice = self._choices[0]
        if self.newer is None or choice.reason in ("cancelled", "superseded", "deadline"):
            return False
        text, typed = choice.text, self._typed
        if len(text) >= len(typed):
            return not text.startswith(typed)
        return choice.reason is not None or not typed.startswith(text)

    def leave(self) -> None:
        """Give everything back without a word: another job answers the request."""
        self._close(keep=True)

    # Steps of the work

    def _new_choice(self, index: int, sampler: Sampler) -> Choice:
        assembler = TextAssembler(self.request.stop, self.request.min_indent)
        known, limit = list(self._prompt), self._max_tokens
        return Choice(self._parts, self.request, index, known, sampler, assembler, limit, owed=self._owed)

    def _prompt_is_read(self) -> None:
        self._read_at = self._parts.now()
        if self.request.cache_prompt:
            lease = self._choices[0].lease
            assert lease is not None
            lease.publish()
        self._tell_prompt()

    def _tell_prompt(self) -> None:
        if not self._is_told:
            self._is_told = True
            prompt_ms = self._prompt_ms(self._parts.now())
            self.ticket.emit(PromptRead(self._n_asked, self._cached or 0, tuple(self._echoed), prompt_ms))

    def _fork(self, index: int) -> None:
        """The first token of every text, all from the same logits."""
        self._forked = True
        first = self._choices[0]
        for n in range(1, self.request.n):
            assert isinstance(first.lease, Lease), "several texts do without a gap"
            choice = self._new_choice(n, first.sampler.clone(n))
            choice.lease = first.lease.fork()
            self._choices.append(choice)
        for choice in list(self._choices):
            self._choose(choice, index)

    def _choose(self, choice: Choice, index: int) -> None:
        """Choose the next token by the logits at `index`, and those behind it as long as the guess was right."""
        if self._max_tokens <= 0:  # only the prompt was to be read
            self._end_choice(choice, "length")
            return
        draft, right = choice.draft, 0
        choice.begin_choosing()
        while not choice.must_replay(index + right):
            choice.choose(index + right)
            self._read(choice)
            ended = choice.reason is not None or self.adoption_failed
            if ended or choice.lease is None or choice.known[-1:] != draft[right : right + 1]:
                break
            choice.lease.extend(draft[right : right + 1])
            right += 1
        if guessed := len(draft):
            choice.forget_draft()
            self._drafted += guessed
            self._accepted += right
            self._parts.speculation.verified(guessed, right)

    def _read(self, choice: Choice) -> None:
        """Make text of the new tokens, and see whether it ends there."""
        self._show(choice, choice.read())
        if choice.assembler.stopped or choice.at_end:
            self._end_choice(choice, "stop")
        elif choice.left <= 0 or self._out_of_time(choice):
            self._end_choice(choice, "length")

    def _out_of_time(self, choice: Choice) -> bool:
        limit_ms = self.request.predict_ms
        if not limit_ms or self._first_at is None or "\n" not in choice.text:
            return False
        return 1000 * (self._parts.now() - self._first_at) > limit_ms

    def _show(self, choice: Choice, text: str) -> None:
        if choice.written:
            self._first_at = self._first_at or self._parts.now()
        choice.text += text
        if self.newer is not None:
            if self.adoption_failed or len(choice.text) < len(self._typed):
                return  # not what was typed, or nobody knows yet
            self._tell_prompt()
        visible, choice.shown = choice.text[choice.shown :], len(choice.text)
        found = choice.untold(self._seam)
        if visible or found:
            self.ticket.emit(TextPiece(visible, choice.written, choice.index, found))

    @property
    def _seam(self) -> int:
        """The byte of the text up to which the document has it; -1 where nothing of it stands there."""
        return len(self._typed.encode()) if self._typed or self._owed else -1

    def _end_choice(self, choice: Choice, reason: FinishReason) -> None:
        whole = reason in ("stop", "length", "deadline") and not choice.assembler.stopped
        if whole and (rest := choice.assembler.finish()):
            self._show(choice, rest)
        choice.reason = reason
        choice.release(keep=True)

    def _finish(self) -> None:
        if self.adoption_failed:
            return  # the engine answers the request by another job
        reason = self._choices[0].reason
        assert reason is not None
        self._close(keep=True)
        self.ticket.emit(self._figures(reason))

    def _close(self, *, keep: bool) -> None:
        self._finished = True
        self._running = False
        for choice in self._choices:
            choice.release(keep=keep)
            choice.sampler.close()

    def _prompt_ms(self, now: float) -> float:
        """What reading the prompt took, or has taken so far, from when it began."""
        started = max(self.ticket.arrived, self._started_at or now)
        return 1000 * max(0.0, (self._read_at or now) - started)

    def _figures(self, reason: FinishReason) -> GenerationEnd:
        now = self._parts.now()
        arrived = self.ticket.arrived
        started = max(arrived, self._started_at or now)
        prompt_ms = self._prompt_ms(now)
        first = self._choices[0]
        return GenerationEnd(
            finish_reason=reason,
            prompt_tokens=self._n_asked,
            cached_tokens=self._cached or 0,
            completion_tokens=sum(choice.written for choice in self._choices),
            ttft_ms=1000 * ((self._first_at or now) - arrived),
            total_ms=1000 * (now - arrived),
            stop_text=first.assembler.stop_text,
            queue_ms=1000 * (started - arrived),
            prompt_ms=prompt_ms,
            predict_ms=1000 * (now - started) - prompt_ms,
            drafted_tokens=self._drafted,
            accepted_tokens=self._accepted,
            adopted=self.newer is not None,
            choices=tuple(ChoiceEnd(c.index, c.reason or reason, c.written) for c in self._choices)
            if len(self._choices) > 1
            else (),
        )

    def _echo_logprobs(self, choice: Choice, start: int, count: int, index: int) -> None:
        for i in range(count):
            following = start + i + 1
            if following < len(self._prompt):
                logits = self._parts.context.logits(index + i)
                top = self.request.logprobs or 0
                self._echoed.append(logprobs(logits, choice.known[following], top, self._parts.vocabulary))


def _before(request: InfillRequest) -> str:
    """What stands before the cursor."""
    return request.prefix + request.prompt + request.begun


def _elsewise(request: InfillRequest) -> InfillRequest:
    """The request without what a keystroke changes of it."""
    return replace(request, prefix="", prompt="", begun="", max_tokens=0, deadline_ms=0.0)


def _to_nobody(_event: Event) -> None:
    """Nobody waits for it."""
