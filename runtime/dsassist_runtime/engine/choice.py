"""One text behind a prompt: which of its tokens are known, evaluated and read, and which are only guessed.

`known` are the prompt's tokens, the written ones, and the one that was just chosen; the lease holds those that are
evaluated. It knows nothing of requests, of other texts, or of who is told what: that is `writing`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dsassist_runtime.api import FinishReason, Generation, TokenLogprob
from dsassist_runtime.engine.gap import GapLease, Gaps
from dsassist_runtime.engine.prefix_cache import Lease, PrefixCache
from dsassist_runtime.engine.speculation import Speculation
from dsassist_runtime.engine.text import TextAssembler
from dsassist_runtime.llama.context import BatchToken, Context
from dsassist_runtime.llama.model import Vocabulary
from dsassist_runtime.llama.sampler import Sampler, logprobs

__all__ = ["Choice", "Parts"]


@dataclass(frozen=True)
class Parts:
    """What the jobs work with; one of each in an engine."""

    context: Context
    vocabulary: Vocabulary
    cache: PrefixCache
    gaps: Gaps
    speculation: Speculation
    n_ctx: int  # the most tokens of one request
    n_outputs: int  # the most logits of a batch
    end_tokens: Callable[[], Sequence[int]]  # those that `ignore_eos` forbids
    now: Callable[[], float]


@dataclass
class Choice:
    """One text. `max_tokens` are those that may be written; a request that is taken over may change it."""

    parts: Parts
    request: Generation
    index: int
    known: list[int]
    sampler: Sampler
    assembler: TextAssembler
    max_tokens: int
    lease: Lease | GapLease | None = None
    written: int = 0
    text: str = ""  # what is certain of it
    shown: int = 0  # characters of it
    draft: list[int] = field(default_factory=list)
    proposed: int = 0  # of `known`, in the batch that runs
    reason: FinishReason | None = None
    inexact_from: int | None = None  # from this token on, what is evaluated came from larger batches
    replaying: bool = False  # what is pending was evaluated before, and goes through batches of one
    unread: int = 0  # tokens at the end of `known` that are not in `text` yet
    at_end: bool = False  # the model chose to end the text behind them
    owed: bytes = b""  # the rest of what is begun, which the next tokens must spell
    healed: int = 0  # tokens that spelled only that
    n_bytes: int = field(init=False)  # of the text behind what is begun, as far as tokens are chosen
    hidden: int = field(init=False)  # bytes to read that are what is begun
    # With log-probabilities: each written token's, and where in the text's bytes it ends.
    reported: list[tuple[int, TokenLogprob]] = field(default_factory=list)
    n_told: int = 0  # of them

    def __post_init__(self) -> None:
        self.hidden = len(self.owed)
        self.n_bytes = -self.hidden

    @property
    def left(self) -> int:
        """How many more tokens may be written."""
        return self.max_tokens - (self.written - self.healed)

    @property
    def pending(self) -> int:
        """Tokens that are known and not evaluated."""
        return len(self.known) - (len(self.lease) if self.lease else 0)

    def propose(self, room: int, *, may_guess: bool, all_logits: bool) -> list[BatchToken]:
        """Up to `room` tokens to evaluate: what is known and is not, and behind its end a guess if that pays."""
        assert self.lease is not None
        start = len(self.lease)
        tokens = self.known[start : start + (1 if self.replaying else min(room, self.lease.limit(start)))]
        self.proposed = len(tokens)
        reaches_end = start + len(tokens) == len(self.known)
        may_guess = may_guess and reaches_end and len(tokens) == 1 and not self.replaying and not self.owed
        self.draft = (self.draft or self.guess(room - 1)) if may_guess else []
        last = len(tokens) - 1
        sequence, position = self.lease.place(start)
        return [
            BatchToken(token, position + i, sequence, all_logits or (reaches_end and i >= last))
            for i, token in enumerate(tokens + self.draft)
        ]

    def guess(self, room: int) -> list[int]:
        """What may follow, at most `room` tokens; nothing where it would not pay."""
        room = min(room, self.left - 1)
        return self.parts.speculation.guess(self.known, room) if room > 0 and not self.owed else []

    def next_token(self) -> BatchToken | None:
        """The one token to evaluate next; None where something else is to be decided first."""
        if self.lease is None or self.pending != 1 or self.at_end or self.left <= 0:
            return None
        if self.inexact_from is not None or self.replaying:
            return None
        sequence, position = self.lease.place(len(self.lease))
        return BatchToken(self.known[-1], position, sequence, True)

    def choose(self, index: int) -> None:
        """Choose the next token by the logits at `index` of the last batch, and take it."""
        if self.request.ignore_eos:
            self.parts.context.forbid(index, self.parts.end_tokens())
        vocabulary, context = self.parts.vocabulary, self.parts.context
        fitting = vocabulary.beginnings.fitting(self.owed) if self.owed else None
        if fitting is not None:
            half = vocabulary.beginnings.likelier_half(fitting, self.owed, context.logits(index))
            token = self.sampler.sample_among(half, context, index)
        else:
            token = self.sampler.sample(context, index)
        if vocabulary.is_end(token) and not self.request.ignore_eos:
            self.at_end = True
            return
        self.known.append(token)
        self.written += 1
        self.unread += 1
        if self.owed:
            piece = vocabulary.piece(token)
            self.healed += len(piece) <= len(self.owed)
            self.owed = self.owed[len(piece) :]
        if self.request.logprobs is not None:
            self.n_bytes += len(vocabulary.piece(token))
            # Behind a half-typed word it counts how likely its end is, not the word: that part is known.
            found = logprobs(context.logits(index), token, self.request.logprobs, vocabulary, fitting)
            self.reported.append((self.n_bytes, found))

    def untold(self, seam: int) -> tuple[TokenLogprob, ...]:
        """The log-probabilities that were not told yet, of the tokens that end behind byte `seam` of the text."""
        untold, self.n_told = self.reported[self.n_told :], len(self.reported)
        return tuple(found for end, found in untold if end > seam)

    def begin_choosing(self) -> None:
        """All that is known is evaluated now; a guess behind it came in a larger batch."""
        self.replaying = False
        if self.draft and self.inexact_from is None:
            assert self.lease is not None
            self.inexact_from = len(self.lease) - 1

    def must_replay(self, index: int) -> bool:
        """Is this choice a near tie that batches of one might decide otherwise?

        Then what was evaluated in larger ones, since the last such place, is evaluated again in batches of one: at
        temperature 0 the text is the one that is written without guesses.
        """
        if self.inexact_from is None or self.request.sampling.temperature > 0:
            return False
        if not self.parts.speculation.is_tie(self.parts.context.logits(index)):
            return False
        assert self.lease is not None
        self.lease.truncate(self.inexact_from)
        self.inexact_from, self.replaying = None, True
        return True

    def read(self) -> str:
        """The text of the new tokens that is certain; what was written behind a stop is taken back."""
        text = ""
        while self.unread and not self.assembler.stopped:
            piece = self.parts.vocabulary.piece(self.known[-self.unread])
            text += self.assembler.push(piece[self.hidden :])
            self.hidden = max(0, self.hidden - len(piece))
            self.unread -= 1
        if self.unread:
            del self.known[-self.unread :]
            self.written -= self.unread
            del self.reported[self.written :]
            self.unread = 0
            if self.lease is not None:
                self.lease.truncate(len(self.known))
        return text

    def forget_draft(self) -> None:
        """What was guessed and is not known was evaluated in vain."""
        if self.draft and self.lease is not None:
            self.lease.undo()
        self.draft = []

    def release(self, *, keep: bool) -> None:
        """Give the sequence back."""
        self.forget_draft()
        self.inexact_from, self.replaying = None, False
        if self.lease is not None:
            self.lease.release(keep=keep and self.request.cache_prompt)
            self.lease = None
