"""What was read once is not read again: a conversation's second turn, and the next completion in the same file.

"Again" is counted in tokens: those of the prompt that the server evaluated, over those that the new characters have.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from dsassist.bench.engine.client import Reply, Request, ask, call
from dsassist.bench.engine.requests import chat, infill
from dsassist.bench.engine.servers import Server
from dsassist.bench.engine.trial import Measured, Trial, beside, take_turns
from dsassist.bench.report import Figure

__all__ = ["measure"]

_AGAIN_BAR = 1.1
_OF_PEER_BAR = 0.5  # where the peer evaluates more
_ANSWER_TOKENS = 32
_COMPLETION_TOKENS = 8
_TYPED_CHARACTERS = 20
_GAP_TOKENS = 64
# Behind the characters stands a mark (or the answer's last token, which was chosen but not read) that must be evaluated
# for its logits, whatever is cached; in the order prefix, suffix, middle there are two: the suffix's tells where the
# prefix ends.
_UNAVOIDABLE = {"chat": 1, "spm": 1, "psm": 2}

Message = dict[str, str]


class _Second(NamedTuple):
    """The second request of a pair: its time to first text, what it evaluated, and what the characters have."""

    first_text_ms: float
    evaluated: int
    own: int


async def measure(trial: Trial) -> Measured:
    """Both pairs; a model that lacks what a pair needs leaves it out."""
    figures: list[Figure] = []
    left_out: list[str] = []
    if trial.model.has_chat_template:
        codes = await _codes(trial)
        turns = await take_turns(trial.servers, trial.repeats, lambda server, turn: _second_turn(server, codes[turn]))
        figures += _figures("second turn", turns, _UNAVOIDABLE["chat"])
    else:
        left_out.append("the second turn of a chat: its file has no chat template")
    if trial.model.can_infill:
        files = await _codes(trial)
        typed = await take_turns(trial.servers, trial.repeats, lambda server, turn: _typed_on(server, files[turn]))
        order = (await call(trial.ours.address, Request("/status")))["model"]["fim_orders"][0]
        figures += _figures(f"{_TYPED_CHARACTERS} characters on", typed, _UNAVOIDABLE[order])
    else:
        left_out.append("the second completion in a file: it cannot fill in the middle")
    return Measured(figures, left_out)


def _figures(name: str, seconds: dict[Server, list[_Second]], unavoidable: int) -> list[Figure]:
    found: list[Figure] = []
    ours = next(iter(seconds))
    for server, values in seconds.items():
        again = tuple((value.evaluated - unavoidable) / value.own for value in values)
        bar = _AGAIN_BAR if server is ours else None
        found.append(
            Figure(f"{name}, own tokens, {server.name}", tuple(float(value.own) for value in values), "tokens")
        )
        found.append(Figure(f"{name}, evaluated / own tokens, {server.name}", again, "x", "lower", bar))
    evaluated = [median(value.evaluated for value in values) for values in seconds.values()]
    bar = _OF_PEER_BAR if evaluated[-1] > evaluated[0] else None
    times = {server: [value.first_text_ms for value in values] for server, values in seconds.items()}
    return [*found, *beside(f"{name}, first text", "ms", times, "lower", bar)]


def _second(reply: Reply, own: int) -> _Second:
    return _Second(1e3 * reply.first_text_s, reply.prompt_tokens - reply.cached_tokens, own)


async def _codes(trial: Trial) -> list[str]:
    return [await trial.texts.code(trial.sizes.file_tokens) for _ in range(trial.repeats)]


async def _second_turn(server: Server, code: str) -> _Second:
    first: list[Message] = [{"role": "user", "content": f"What does this code do?\n\n{code}"}]
    answer = (await ask(server.address, chat(first, _ANSWER_TOKENS))).text
    question = "Which of its lines would you test first, and with what input? Name one of each."
    second = [*first, {"role": "assistant", "content": answer}, {"role": "user", "content": question}]
    seen, rendered = await _render(server, first) + answer, await _render(server, second)
    own = len(await server.tokenize(rendered[_shared_length(seen, rendered) :]))
    return _second(await ask(server.address, chat(second, _COMPLETION_TOKENS)), own)


def _shared_length(a: Sequence[object], b: Sequence[object]) -> int:
    return next((i for i, (left, right) in enumerate(zip(a, b, strict=False)) if left != right), min(len(a), len(b)))


async def _render(server: Server, messages: list[Message]) -> str:
    return str((await call(server.address, Request("/apply-template", {"messages": messages})))["prompt"])


async def _typed_on(server: Server, code: str) -> _Second:
    place = _place_to_type(code)
    prefix, more = code[: place.start()], code[: place.end()]
    suffix = code[code.index("\n", place.end()) :]
    for text in (prefix, more):
        request = infill(text, suffix, _COMPLETION_TOKENS, document="file:///bench.py", gap_tokens=_GAP_TOKENS)
        reply = await ask(server.address, request)
    before, after = await server.tokenize(prefix), await server.tokenize(more)
    return _second(reply, len(after) - _shared_length(before, after))


def _place_to_type(code: str) -> re.Match[str]:
    """The first characters of a line that is long enough, in the last quarter of the code."""
    lines = re.compile(rf"(?<=[\n ])\S.{{{_TYPED_CHARACTERS - 1}}}(?=.*\n)")
    found = lines.search(code, len(code) * 3 // 4) or lines.search(code)
    assert found is not None, f"no line of {len(code)} characters of code has {_TYPED_CHARACTERS}"
    return found
