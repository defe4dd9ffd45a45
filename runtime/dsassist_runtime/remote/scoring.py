"""Scores of edits by a server elsewhere: log-probabilities of a text that it did not write.

Two ways are known. `echo` with `logprobs` is OpenAI's legacy completion, as vLLM, SGLang and llama-cpp-python have it:
the tokens of a whole text, each with its log-probability. `/v1/score` is dsassist's own: continuations of a prefix.
What an `EditScore` is, and how edits are ranked, is told in `api.ScoreRequest` and `engine.score`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from dsassist_runtime.api import Edit, EditScore, ScoreRequest
from dsassist_runtime.errors import DeadlineExceeded, RemoteFailed, RequestRefused
from dsassist_runtime.remote.connection import Server
from dsassist_runtime.remote.echo import EchoedToken, aligned, echo_body

__all__ = ["Scorer", "find_scorer", "score_edits"]

_AT_ONCE = 8
_SUFFIX_CHARACTERS_PER_TOKEN = 6  # more than code has, so that the tokens behind an edit are among what is sent

RemainingS = Callable[[], float]


@dataclass(frozen=True)
class _Scored:
    """The tokens of a text, by which it is compared with another, and the log-probability of each."""

    tokens: tuple[int | str, ...]
    logprobs: tuple[float, ...]


class Scorer(Protocol):
    """One way to get the log-probabilities."""

    @property
    def name(self) -> str:
        """What is told of it."""

    def score(self, request: ScoreRequest, remaining_s: RemainingS) -> tuple[EditScore, ...]:
        """As `api.Engine.score`; `remaining_s` is asked before each question."""


def find_scorer(server: Server, model: str, timeout_s: float | None) -> Scorer:
    """Ask a tiny question each way; `RemoteFailed` with the server's own words when it understands neither."""
    limit_s = server.timeout_s if timeout_s is None else timeout_s
    reasons = []
    for scorer in (ContinuationScorer(server, model), EchoScorer(server, model)):
        try:
            scorer.probe(limit_s)
        except (RemoteFailed, RequestRefused) as error:
            reasons.append(str(error))
        else:
            return scorer
    raise RemoteFailed(
        f"{model} at {server.address.origin} gives no log-probabilities of a prompt, "
        f"so the review by likelihood cannot run there: {reasons[-1]}"
    )


def score_edits(scorer: Scorer, request: ScoreRequest, timeout_s: float | None) -> tuple[EditScore, ...]:
    """Rank and rescore as `ScoreRequest` says; `DeadlineExceeded` when `timeout_s` is over, `RequestRefused` when too
    long.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s

    def remaining_s() -> float:
        if deadline is None:
            return float("inf")
        if (left := deadline - time.monotonic()) <= 0:
            raise DeadlineExceeded(f"no answer from the model within {timeout_s:g} s")
        return left

    for edit in request.edits:
        if not 0 <= edit.start <= edit.end <= len(request.text):
            raise RequestRefused(
                f"an edit of {edit.start}:{edit.end} lies outside a text of {len(request.text)} characters"
            )
    return scorer.score(request, remaining_s) if request.text and request.edits else ()


@dataclass(frozen=True)
class EchoScorer:
    """OpenAI's legacy completion with `echo`: the text is read once, then once more with each of the best edits."""

    server: Server
    model: str
    name: str = "an echoed prompt with logprobs"

    def probe(self, timeout_s: float) -> None:
        """Raise unless the tokens of a prompt come back with log-probabilities."""
        self._read("a = 1\nb = 2\n", lambda: timeout_s)

    def score(self, request: ScoreRequest, remaining_s: RemainingS) -> tuple[EditScore, ...]:
        """As `api.Engine.score`; all rescored alternatives are asked for at once, so that a server can batch them."""
        context = request.context or "\n"  # the first token has no log-probability
        text = self._read(context + request.text, remaining_s)
        written = [token for token in text if token.end > len(context)]
        gains = {edit: _most_gain(edit, request.text, written, len(context)) for edit in request.edits}
        chosen = _best(request, sorted(request.edits, key=gains.__getitem__, reverse=True)) if written else []

        def rescore(edit: Edit) -> _Compared | None:
            cut = _cut_behind(request.text, edit.end, request.suffix_tokens)
            shift = len(edit.replacement) - (edit.end - edit.start)
            if len(context) + cut not in {token.end for token in written}:
                cut = len(request.text)
            other = self._read(context + _edited(request.text, edit)[: cut + shift], remaining_s)
            return _compare(
                edit,
                _scored(token for token in written if token.end <= len(context) + cut),
                _scored(token for token in other if token.end > len(context)),
                request.suffix_tokens,
            )

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            found = [compared for compared in threads.map(rescore, chosen) if compared is not None]
        return tuple(compared.score for compared in sorted(found, key=lambda each: -each.gain))

    def _read(self, text: str, remaining_s: RemainingS) -> list[EchoedToken]:
        url = self.server.address.completions
        timeout_s = min(remaining_s(), self.server.timeout_s)
        return aligned(text, self.server.json("POST", url, echo_body(self.model, text), timeout_s), url)


@dataclass(frozen=True)
class ContinuationScorer:
    """dsassist's own `/v1/score`: what stands before a line is the prefix, each form of the line a continuation."""

    server: Server
    model: str
    name: str = "/v1/score"

    def probe(self, timeout_s: float) -> None:
        """Raise unless the server answers as dsassist does (vLLM has another thing by this name)."""
        self._read("a = 1\n", ["b = 2\n"], lambda: timeout_s)

    def score(self, request: ScoreRequest, remaining_s: RemainingS) -> tuple[EditScore, ...]:
        """As `api.Engine.score`: all edits to the end of their lines, then the best with what follows them."""
        ranked = self._compared(request, request.edits, 0, remaining_s)
        chosen = _best(request, sorted(ranked, key=lambda edit: -ranked[edit].gain))
        found = self._compared(request, chosen, request.suffix_tokens, remaining_s)
        return tuple(found[edit].score for edit in chosen if edit in found)

    def _compared(
        self, request: ScoreRequest, edits: Iterable[Edit], n_suffix: int, remaining_s: RemainingS
    ) -> dict[Edit, _Compared]:
        """Those that can be compared; the edits of one line, with the same end, are asked for in one question."""
        text = request.text
        groups: dict[tuple[int, int], list[Edit]] = {}
        for edit in edits:
            start = text.rfind("\n", 0, edit.start) + 1
            groups.setdefault((start, _cut_behind(text, edit.end, n_suffix)), []).append(edit)
        found: dict[Edit, _Compared] = {}
        for (start, cut), together in groups.items():
            others = [text[start : edit.start] + edit.replacement + text[edit.end : cut] for edit in together]
            original, *scored = self._read(request.context + text[:start], [text[start:cut], *others], remaining_s)
            for edit, alternative in zip(together, scored, strict=True):
                if compared := _compare(edit, original, alternative, n_suffix):
                    found[edit] = compared
        return found

    def _read(self, prefix: str, continuations: list[str], remaining_s: RemainingS) -> list[_Scored]:
        url = f"{self.server.address.base}/score"
        body = {"model": self.model, "prefix": prefix or "\n", "continuations": continuations}
        answer = self.server.json("POST", url, body, min(remaining_s(), self.server.timeout_s))
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, list) or len(data) != len(continuations):
            raise RemoteFailed(f"{url} answered with something else than scores")
        return [_continuation(entry, url) for entry in data]


def _continuation(entry: Any, url: str) -> _Scored:
    tokens, logprobs = (entry.get(key) if isinstance(entry, dict) else None for key in ("tokens", "logprobs"))
    is_whole = isinstance(tokens, list) and isinstance(logprobs, list) and len(tokens) == len(logprobs)
    if not is_whole or not all(isinstance(value, (int, float)) for value in logprobs or ()):
        raise RemoteFailed(f"{url} answered with something else than scores")
    assert isinstance(tokens, list)
    assert isinstance(logprobs, list)
    return _Scored(tuple(tokens), tuple(map(float, logprobs)))


def _most_gain(edit: Edit, text: str, written: Sequence[EchoedToken], n_context: int) -> float:
    """What an edit gains at its first differing token, or can gain at most: only the likeliest tokens are told of."""
    other = _edited(text, edit)
    index = next((i for i, token in enumerate(written) if token.end > n_context + edit.start), len(written) - 1)
    while index + 1 < len(written) and other.startswith(written[index].text, written[index].start - n_context):
        index += 1  # up to the first token that differs
    token = written[index]
    at = max(token.start - n_context, 0)
    fitting = [top for top in token.top if top and top != token.text and other.startswith(top, at)]
    offered = token.top[max(fitting, key=len)] if fitting else min(token.top.values(), default=token.logprob)
    return offered - token.logprob


def _scored(tokens: Iterable[EchoedToken]) -> _Scored:
    kept = list(tokens)
    return _Scored(tuple(token.text for token in kept), tuple(token.logprob for token in kept))


@dataclass(frozen=True)
class _Compared:
    """A score, and by how much the alternative's first differing token is likelier than what is written there."""

    gain: float
    score: EditScore


def _compare(edit: Edit, original: _Scored, alternative: _Scored, n_suffix: int) -> _Compared | None:
    """The differing span of tokens and what both share behind it, as `engine.score` has it; None for no difference."""
    written, offered = original.tokens, alternative.tokens
    start = _common_prefix(written, offered)
    if start == len(written):
        return None  # it only adds something at the very end, where nothing is written to compare with
    n_shared = _common_prefix(written[start:][::-1], offered[start:][::-1])
    end, other_end = len(written) - n_shared, len(offered) - n_shared
    if other_end == start:  # it only leaves tokens out: what follows them is its first differing token
        if not n_shared:
            return None
        end, other_end = end + 1, other_end + 1
    n_suffix = min(n_suffix, len(written) - end)
    score = EditScore(
        edit,
        site_original=original.logprobs[start:end],
        site_alternative=alternative.logprobs[start:other_end],
        suffix_original=original.logprobs[end : end + n_suffix],
        suffix_alternative=alternative.logprobs[other_end : other_end + n_suffix],
    )
    return _Compared(alternative.logprobs[start] - original.logprobs[start], score)


def _best(request: ScoreRequest, ranked: Iterable[Edit]) -> list[Edit]:
    chosen: list[Edit] = []
    per_site: Counter[tuple[int, int]] = Counter()
    for edit in ranked:
        site = (edit.start, edit.end)
        if per_site[site] < request.max_per_site and len(chosen) < request.max_rescored:
            per_site[site] += 1
            chosen.append(edit)
    return chosen


def _edited(text: str, edit: Edit) -> str:
    return text[: edit.start] + edit.replacement + text[edit.end :]


def _cut_behind(text: str, end: int, n_suffix: int) -> int:
    """The end of a line far enough behind an edit; the next line has text, as blank ones join the line end's token."""
    cut = text.find("\n", end + n_suffix * _SUFFIX_CHARACTERS_PER_TOKEN)
    while 0 <= cut < len(text) - 1 and not text[cut + 1 :].split("\n", 1)[0].strip():
        cut = text.find("\n", cut + 1)
    return len(text) if cut < 0 else cut + 1


def _common_prefix(first: Sequence[object], second: Sequence[object]) -> int:
    return next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
