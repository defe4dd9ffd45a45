"""How a model is trained, as values, and what follows from the tokens seen: learning rate and length. Pure.

rate  |  ________________________            warm-up, stable, decay (arXiv 2404.06395): until the decay begins, the
      | /                        \\           total may still be raised, so a run can go on over many sittings
      |/__________________________\\__ tokens
length   lengths ...              final_length
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from dsassist_runtime.errors import DsassistError

__all__ = ["Precision", "TrainingSettings"]

Precision = Literal["bf16", "f32"]

_MAY_CHANGE = {"total_tokens", "micro_tokens"}  # neither has an influence on what was computed so far


@dataclass(frozen=True)
class TrainingSettings:
    """All that decides about a run beside model, corpus and machine."""

    total_tokens: int = 10_000_000
    batch_tokens: int = 8192
    micro_tokens: int = 8192  # how many are in memory at once; a batch is as many passes as it takes
    lengths: tuple[tuple[int, int], ...] = ((0, 512),)  # (from so many tokens on, sequences of this length)
    final_length: int = 1024  # while the rate decays
    warmup_tokens: int = 200_000
    decay_share: float = 0.2
    muon_lr: float = 0.01
    adamw_lr: float = 0.002
    weight_decay: float = 0.02
    bias_rate: float = 0.001  # how far a step moves the choice's bias of "noaux_tc" (arXiv 2408.15664)
    precision: Precision = "bf16"
    seed: int = 0
    start: str = ""  # what names the model whose weights were the first ones; empty: drawn by the seed
    lora_rank: int = 0  # of an adapter, which alone is learnt; 0: all weights are
    bug_share: float = 0.0  # of the sequences, those of functions with bugs to be found the less likely

    def __post_init__(self) -> None:
        longest = self.longest
        if self.precision not in get_args(Precision):
            raise DsassistError(f"precision is {self.precision!r}; choose bf16 or f32")
        for name in ("total_tokens", "batch_tokens", "micro_tokens", "final_length", "muon_lr", "adamw_lr"):
            if not 0 < getattr(self, name) < math.inf:
                raise DsassistError(f"{name} is {getattr(self, name)}, and must be a number more than 0")
        if not 0 <= self.weight_decay < math.inf:
            raise DsassistError(f"weight_decay is {self.weight_decay}, and must be a number of at least 0")
        if not 0 <= self.seed < 1 << 63:
            raise DsassistError(f"seed is {self.seed}, and must be a whole number from 0 to 2**63 - 1")
        if self.lora_rank < 0:
            raise DsassistError(f"lora_rank is {self.lora_rank}, and must be 1 or more (0: no adapter)")
        if not 0.0 <= self.decay_share <= 1.0:
            raise DsassistError(f"decay_share is {self.decay_share}, and must be between 0 and 1")
        if not 0.0 <= self.bug_share < 1.0:
            raise DsassistError(f"bug_share is {self.bug_share}, and must be at least 0 and less than 1 (--bugs)")
        if self.bug_share and self.batch_tokens < 2 * longest:
            raise DsassistError(
                f"a batch of {self.batch_tokens} tokens has no room for a sequence of {longest} and one of bugs beside "
                "it; raise --batch-tokens, or leave --bugs out"
            )
        if [start for start, _ in self.lengths] != sorted({start for start, _ in self.lengths}) or self.lengths[0][0]:
            raise DsassistError("lengths must begin at 0 tokens and go on upwards, such as 0:256,1000000:512")
        if longest > self.batch_tokens:
            raise DsassistError(
                f"a batch of {self.batch_tokens} tokens has no room for a sequence of {longest}; raise --batch-tokens"
            )

    @property
    def decay_start(self) -> int:
        """After how many tokens the learning rate begins to fall."""
        return round(self.total_tokens * (1 - self.decay_share))

    def rate_at(self, tokens: int) -> float:
        """The factor of the learning rates of the step that begins behind so many tokens."""
        warm = min(1.0, (tokens + self.batch_tokens) / max(self.warmup_tokens, 1))
        if tokens < self.decay_start:
            return warm
        return warm * max(self.total_tokens - tokens, 0) / max(self.total_tokens - self.decay_start, 1)

    def has_fallen(self, tokens: int, length: int) -> bool:
        """Was the rate falling in the step that ended at so many tokens, with sequences of this length?"""
        return tokens > 0 and tokens - self.step_tokens(length) >= self.decay_start

    def step_tokens(self, length: int) -> int:
        """How many tokens a step takes, in sequences of this length."""
        return self.batch_tokens // length * length

    def n_bug_rows(self, length: int) -> int:
        """How many of a step's sequences of this length are of bugs; there is at least one of either kind."""
        n_rows = self.batch_tokens // length
        return min(max(round(self.bug_share * n_rows), 1), n_rows - 1) if self.bug_share else 0

    def length_at(self, tokens: int) -> int:
        """The length of the sequences of that step."""
        if tokens >= self.decay_start:
            return self.final_length
        return next(length for start, length in reversed(self.lengths) if start <= tokens)

    @property
    def longest(self) -> int:
        """Tokens of the longest sequences."""
        return max(self.final_length, *(length for _, length in self.lengths))

    def differing_from(self, other: TrainingSettings) -> list[str]:
        """The names of the settings that make another run of it."""
        names = [field.name for field in dataclasses.fields(self) if field.name not in _MAY_CHANGE]
        return [name for name in names if getattr(self, name) != getattr(other, name)]

    def as_json(self) -> dict[str, Any]:
        """The values as a checkpoint has them."""
        return {**dataclasses.asdict(self), "lengths": [list(each) for each in self.lengths]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainingSettings:
        """What `as_json` gave."""
        return cls(**{**values, "lengths": tuple((start, length) for start, length in values["lengths"])})
