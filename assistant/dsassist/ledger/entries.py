"""What the ledger is told of: an offer that was shown, and a request with its cost. No code in either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["KEPT_CHECKS", "OUTCOMES", "KeptCheck", "Outcome", "Purpose", "RequestCost", "ShownOffer", "Source"]

Source = Literal["engine", "typed through", "prepared"]
# "offered" is an answer of which a client that says what it shows has not said so (yet); it is not counted.
Outcome = Literal["offered", "shown", "dismissed", "typed through", "partly", "accepted"]
# "further": beside the first text when somebody asks by hand; "ahead": a prompt that is read in idle time.
Purpose = Literal["completion", "further", "ahead"]
KeptCheck = Literal["30s", "5min", "commit"]

OUTCOMES: tuple[Outcome, ...] = ("accepted", "partly", "typed through", "dismissed", "shown")  # those that count
KEPT_CHECKS: tuple[KeptCheck, ...] = ("30s", "5min", "commit")


@dataclass(frozen=True)
class ShownOffer:
    """An offer as it was answered to the editor.

    `repository` is the root of the repository, or "" outside of one; only a salted hash of it is stored. `characters`
    and `lines` measure the text that is offered; `probability` is that of its first line, from 0 to 1.
    `seen` is False where the client says later, by `didShowCompletion`, whether it has shown it.
    """

    language: str
    model: str
    repository: str
    characters: int
    lines: int
    probability: float | None
    latency_ms: float
    source: Source = "engine"
    seen: bool = True


@dataclass(frozen=True)
class RequestCost:
    """What one request to the engine cost; `reason` says why nothing was shown and is empty when something was.

    `wasted_tokens` are those of the decoded ones that nobody has seen so far.
    """

    language: str
    model: str
    repository: str
    latency_ms: float
    prompt_tokens: int = 0
    evaluated_tokens: int = 0
    decoded_tokens: int = 0
    wasted_tokens: int = 0
    reason: str = ""
    purpose: Purpose = "completion"
