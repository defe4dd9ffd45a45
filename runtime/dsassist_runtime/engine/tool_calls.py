"""Tool calls in what a model wrote, whole or while it is streamed.

Three forms are read:

    <tool_call>                                        Hermes, Qwen: NousResearch/Hermes-Function-Calling
    {"name": "weather", "arguments": {"city": "Oslo"}}
    </tool_call>

    <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather      DeepSeek-V3 and R1, by their
    ```json                                                                templates; V3.1 writes the name in
    {"city": "Oslo"}                                                       `function`'s place and no fence
    ```<｜tool▁call▁end｜><｜tool▁calls▁end｜>

    {"name": "weather", "arguments": {"city": "Oslo"}}   at a line's start, in a ```json fence or not: what small models
                                                         write; taken for a call only if that tool was offered

Whatever is none of these stays text. Calls are given out as the `tool_calls` of OpenAI's API have them.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Piece", "ToolCallStream", "parse"]

# Text that is no call, or a call.
Piece = tuple[Literal["content"], str] | tuple[Literal["call"], dict[str, Any]]

_HERMES = ("<tool_call>", "</tool_call>")
_DEEPSEEK = ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>")
_MARKS = {_HERMES[0], _DEEPSEEK[0]}
_DEEPSEEK_CALL = re.compile(
    r"<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>(?P<name>[^\n<]+)\n```json\n(?P<fenced>.*?)\n```"
    r"|(?P<first>[^\n<]+)<｜tool▁sep｜>(?P<plain>.*?))<｜tool▁call▁end｜>",
    re.DOTALL,
)
_BARE = re.compile(r"(?:```(?:json)?\s*)?(?=\{)")
_BARE_BEGINNINGS = ("```json{", "```{", "{")
# A line break within a string is no JSON, but what models write.
_JSON = json.JSONDecoder(strict=False)


@dataclass(frozen=True)
class _Call:
    """The name of a tool, and an object of arguments as JSON text."""

    name: str
    arguments: str

    def piece(self) -> Piece:
        function = {"name": self.name, "arguments": self.arguments}
        return "call", {"id": f"call_{secrets.token_hex(12)}", "type": "function", "function": function}


@dataclass(frozen=True)
class _Found:
    """Calls that end at `end` of the text; none when it can be no call, and `end` None while it may become one."""

    calls: tuple[_Call, ...] = ()
    end: int | None = None


_NOT_YET = _Found()
_NO_CALL = _Found(end=0)


class ToolCallStream:
    """Text goes in as it comes; text and calls come out as soon as it is certain what they are."""

    def __init__(self, names: Iterable[str]) -> None:
        """`names` are those of the tools that were offered."""
        self._names = frozenset(names)
        self._held = ""
        self._line_starts = True  # at the start of what is held
        self._fenced = False  # a call was read behind ```json, whose end is still to come
        self._after_call = False

    def push(self, text: str) -> list[Piece]:
        """What is certain now: pieces of text that are no call, and calls that are complete."""
        self._held += text
        return _pieces(self._read(final=False))

    def finish(self) -> list[Piece]:
        """The rest: a call whose closing mark is missing is one, half a call is text."""
        return _pieces(self._read(final=True))

    def _read(self, *, final: bool) -> list[str | _Call]:
        out: list[str | _Call] = []
        while self._skip_behind_call(final=final):
            start = self._opening()
            if start is None:
                self._give(out, len(self._held) if final else self._certain())
                break
            found = self._found(self._held[start:], final=final)
            blanks = start - len(self._held[:start].rstrip())
            if found.calls and found.end is not None:
                self._give(out, start - blanks)
                out += found.calls
                self._fenced = self._fenced or self._held[blanks:].startswith("```")
                self._held = self._held[blanks + found.end :]
                self._after_call = True
            elif found.end is None and not final:
                self._give(out, start - blanks)
                break
            else:
                self._give(out, start + 1)
        return out

    def _give(self, out: list[str | _Call], length: int) -> None:
        if length:
            text, self._held = self._held[:length], self._held[length:]
            self._line_starts = text.rstrip(" \t").endswith("\n")
            self._fenced = False
            if out and isinstance(out[-1], str):
                text = f"{out.pop()}{text}"
            out.append(text)

    def _skip_behind_call(self, *, final: bool) -> bool:
        """Drop the blanks behind a call, and the end of its fence; is there text left to look at?"""
        if self._after_call:
            self._held = self._held.lstrip()
            if self._fenced and self._held.startswith("```"):
                self._fenced = False
                self._held = self._held[3:].lstrip()
            if not self._held or (self._fenced and not final and "```".startswith(self._held)):
                return False
            self._after_call = False
            self._line_starts = True
        return bool(self._held)

    def _opening(self) -> int | None:
        """Where a call may begin, its mark or brace being there; None if nowhere."""
        starts = [at for at in (self._held.find(mark) for mark in _MARKS) if at >= 0]
        for found in re.finditer(r"^[ \t]*(?=\{|```)", self._held, re.MULTILINE):
            if self._names and (found.start() > 0 or self._line_starts):
                starts.append(found.end())
                break
        return min(starts, default=None)

    def _certain(self) -> int:
        """How much of the held text can be given out: not its last blanks, nor what may become an opening."""
        held = self._held
        cut = max((n for mark in _MARKS for n in range(1, len(mark)) if held.endswith(mark[:n])), default=0)
        if self._names and (found := re.search(r"(?:^|\n)[ \t]*(`{1,2})$", held)):
            cut = max(cut, len(found.group(1)))
        return len(held[: len(held) - cut].rstrip())

    def _found(self, text: str, *, final: bool) -> _Found:
        for opening, closing in (_HERMES, _DEEPSEEK):
            if text.startswith(opening):
                end = text.find(closing)
                if end < 0 and not final:
                    return _NOT_YET
                body = text[len(opening) : end if end >= 0 else None]
                calls = _hermes_calls(body) if opening == _HERMES[0] else _deepseek_calls(body)
                return _Found(calls, end + len(closing) if end >= 0 else len(text))
        return self._found_bare(text)

    def _found_bare(self, text: str) -> _Found:
        if not self._may_become_bare(text):
            return _NO_CALL
        head = _BARE.match(text)
        if head is None or "}" not in text:
            return _NOT_YET
        try:
            value, end = _JSON.raw_decode(text, head.end())
        except (ValueError, RecursionError):
            return _NOT_YET
        call = _call(value)
        return _Found((call,), end) if call and call.name in self._names else _NO_CALL

    def _may_become_bare(self, text: str) -> bool:
        """Is `text` the beginning of `{"name": "weather"`, or longer, for one of the tools?"""
        compact = "".join(text[:400].split())
        openings = [f'{start}"name":"{name}"' for start in _BARE_BEGINNINGS for name in map(_compact, self._names)]
        return any(compact.startswith(opening) or opening.startswith(compact) for opening in openings)


def parse(text: str, names: Iterable[str]) -> tuple[str, list[dict[str, Any]]]:
    """The text without its calls, and the calls; the text as it is when there are none."""
    stream = ToolCallStream(names)
    pieces = [*stream.push(text), *stream.finish()]
    calls = [piece[1] for piece in pieces if piece[0] == "call"]
    content = [piece[1] for piece in pieces if piece[0] == "content"]
    return ("".join(content).strip() if calls else text), calls


def _pieces(parts: list[str | _Call]) -> list[Piece]:
    return [("content", part) if isinstance(part, str) else part.piece() for part in parts]


def _compact(name: str) -> str:
    return "".join(name.split())


def _hermes_calls(body: str) -> tuple[_Call, ...]:
    try:
        call = _call(_JSON.decode(body))
    except (ValueError, RecursionError):
        return ()
    return (call,) if call else ()


def _deepseek_calls(body: str) -> tuple[_Call, ...]:
    calls = []
    for found in _DEEPSEEK_CALL.finditer(body):
        name, text = found["name"] or found["first"], found["fenced"] or found["plain"]
        try:
            call = _call({"name": name.strip(), "arguments": _JSON.decode(text)})
        except (ValueError, RecursionError):
            return ()
        if call is None:
            return ()
        calls.append(call)
    return tuple(calls)


def _call(value: Any) -> _Call | None:
    """The call that a JSON value describes, if it does; `parameters` is Llama's word for the arguments."""
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        arguments = _JSON.decode(arguments or "{}")
    if not isinstance(arguments, dict):
        return None
    return _Call(value["name"], json.dumps(arguments, ensure_ascii=False))
