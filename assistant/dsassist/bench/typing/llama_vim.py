"""The arm of llama.vim: what its autoload/llama.vim (a1c8e6e) does, spoken to llama-server's `/infill`.

Function by function: `_fim` is `llama#fim`, `_ring_update` is `s:ring_update`, and so on; constants are its defaults. A
request is never cancelled and one is out at a time; one that comes meanwhile is tried again after 100 ms. Answers are
kept by hashes of what they were asked for, and shown where what was typed since agrees. After a text is shown, the one
behind it is asked for. Departs from it in four points: requests go over a connection instead of a curl process, which
saves it some milliseconds each; a file is not saved and nothing is yanked while a trace is typed, so these give no
chunks; columns are characters where Vim has bytes; and a text that would take indentation off a blank line is shown but
not taken.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dsassist.bench.engine.client import Refused, Request, call
from dsassist.bench.engine.servers import Server
from dsassist.bench.typing.person import Screen
from dsassist.bench.typing.ring import CHUNK_LINES, Ring
from dsassist.bench.typing.timeline import Ghost, Timeline, Work
from dsassist.bench.typing.trace import Document, Edit, Kind
from dsassist_runtime.errors import DsassistError

__all__ = ["SERVER_OPTIONS", "LlamaVimArm"]

# What its documents start the server with, on a small machine (`--fim-qwen-1.5b-default` sets these).
SERVER_OPTIONS = ("-b", "1024", "-ub", "1024", "-c", "0", "-np", "1", "--cache-reuse", "256")

_N_PREFIX, _N_SUFFIX, _N_PREDICT = 256, 64, 128
_MAX_LINE_SUFFIX = 8
_MAX_CACHE_KEYS = 250
_RING_SCOPE = 1024  # lines above the cursor that a chunk is taken from
_RING_UPDATE_S, _STILL_S = 1.0, 3.0
_RETRY_S = 0.1
_BUFFER_ENTER_S = 0.1
_T_MAX_PROMPT_MS, _T_MAX_PREDICT_MS, _T_FIRST_PREDICT_MS = 500, 1000, 250
_LOOK_BACK = 128
_MOVED_LINES = 32  # between two places that chunks are taken from


@dataclass(frozen=True)
class _Local:
    prefix: str
    middle: str
    suffix: str
    indent: int
    line_suffix: str


class LlamaVimArm:
    """One buffer in Vim's insert mode."""

    def __init__(self, server: Server, path: str, timeline: Timeline, seed: int) -> None:
        self.screen = Screen(timeline)
        self._server = server
        self._path = path
        self._document = Document("")
        self._cache: OrderedDict[str, str] = OrderedDict()
        self._ring = Ring(random.Random(f"{seed}:{path}"))  # noqa: S311  (it picks chunks)
        self._job: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._updates: asyncio.Task[None] | None = None
        self._warm_ups: set[asyncio.Task[None]] = set()
        self._modified = False
        self._in_insert_mode = False
        self._last_move = 0.0
        self._picked_at = -9999
        self._indent_last = -1
        self._can_accept = False
        self._failure: DsassistError | None = None

    async def open(self, document: Document) -> None:
        """Enter the buffer."""
        self._document = document
        self._updates = asyncio.get_running_loop().create_task(self._ring_updates())
        asyncio.get_running_loop().call_later(_BUFFER_ENTER_S, self._entered_buffer)

    async def edited(self, kind: Kind, edit: Edit, document: Document, left: Ghost | None) -> None:
        """CursorMovedI: look into the cache, then ask; CursorMoved alone where a piece is deleted in normal mode."""
        del edit
        self._document, self._modified = document, True
        self._in_insert_mode = kind != "delete"
        self._on_move(left)
        if self._in_insert_mode:
            self._fim(None, None)

    async def moved(self, document: Document) -> None:
        """The person leaves insert mode, goes there, and comes back to it."""
        self._document, self._in_insert_mode = document, False
        self._on_move()

    async def accepted(self, edit: Edit, document: Document, ghost: Ghost) -> None:
        """`llama#fim_accept` puts the text in and hides the hint; then the cursor has moved."""
        del ghost
        await self.edited("type", edit, document, None)

    @property
    def is_busy(self) -> bool:
        """Is a request out, or about to be?"""
        return self._job is not None

    def check(self) -> None:
        """`NotDone` when the server has died."""
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Leave the buffer; what is out is waited for, as it would be answered."""
        if self._timer is not None:
            self._timer.cancel()
        if self._job is not None:
            await asyncio.wait([self._job])
        if self._updates is not None:
            self._updates.cancel()
        if self._warm_ups:
            await asyncio.wait(self._warm_ups)

    # ---- s:on_move, s:fim_try_hint, s:fim_render

    def _on_move(self, left: Ghost | None = None) -> None:
        self._last_move = time.perf_counter()
        self._can_accept = False
        hint = self._hint()
        if hint is None:
            self.screen.show(None, self._document)
        else:
            self._render(hint, left)

    def _hint(self) -> str | None:
        """What the cache has for the cursor: an answer for this very place, else the longest rest of one nearby."""
        if not self._in_insert_mode:
            return None
        local = self._local([])
        if (content := self._cached(_key(local.prefix + local.middle, local.suffix))) is not None:
            return content
        before, best = local.prefix + local.middle, None
        for count in range(1, min(_LOOK_BACK, len(before)) + 1):
            typed, place = before[-count:], before[:-count]
            content = self._cached(_key(place, local.suffix))
            if content and content.startswith(typed) and len(content) > count + len(best or ""):
                best = content[count:]
        return best

    def _render(self, content: str, left: Ghost | None = None) -> None:
        line, column = self._line(), self._column()
        parts = content.split("\n")
        while parts and not parts[-1]:
            parts.pop()
        self._can_accept = bool(parts)
        parts = parts or [""]
        if not line.strip():
            lead = min(len(parts[0]) - len(parts[0].lstrip()), len(line))
            line, parts[0] = parts[0][:lead], parts[0][lead:]
        before, after = line[:column], line[column:]
        parts = self._without_repeats(parts, before, after)
        parts[-1] += after
        text = "\n".join(parts)
        self._can_accept = self._can_accept and bool(text.strip())
        # What it shows to the end of the line takes the place of what stands there.
        shown = Ghost(text, len(after)) if self._can_accept else None
        if shown is not None and len(parts) == 1 and after and text.endswith(after):
            shown = Ghost(text[: len(text) - len(after)])
        goes_on = shown is not None and left is not None and shown.text.startswith(left.text)
        self.screen.show(shown, self._document, goes_on=goes_on)
        self._fim(self._document.cursor, parts)  # ahead: what comes behind this text

    def _without_repeats(self, parts: list[str], before: str, after: str) -> list[str]:
        lines, row = self._lines(), self._row()
        nothing = [""]
        if len(parts) > 1 and not parts[0] and parts[1:] == lines[row + 1 : row + len(parts)]:
            parts = nothing
        if len(parts) == 1 and parts[0] == after:
            parts = nothing
        below = row + 1
        while below < len(lines) - 1 and not lines[below].strip():
            below += 1
        if below < len(lines) and before + parts[0] == lines[below]:
            following = lines[below + 1] if below + 1 < len(lines) else ""
            repeats = (
                len(parts) == 1
                or (len(parts) == 2 and parts[-1] == following[: len(parts[-1])])
                or (len(parts) > 2 and parts[1:] == lines[below + 1 : below + len(parts)])
            )
            parts = nothing if repeats else parts
        return list(parts)

    # ---- llama#fim and what belongs to it

    def _fim(self, cursor: int | None, ahead: Sequence[str] | None) -> None:
        if self._job is not None:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(_RETRY_S, self._fim, cursor, ahead)
            return
        local = self._local(ahead or [], cursor)
        if len(local.line_suffix) > _MAX_LINE_SUFFIX:
            return
        keys = [_key(prefix + local.middle, local.suffix) for prefix in _scrolled(local.prefix)]
        if any(self._cached(key) is not None for key in keys):
            return
        self._indent_last = local.indent
        self._ring.evict_like(self._view())
        request = {
            **self._common(local.prefix, local.suffix, local.middle),
            "n_predict": _N_PREDICT,
            "stop": [],
            "n_indent": local.indent,
            "top_k": 40,
            "top_p": 0.9,
            "samplers": ["top_k", "top_p", "infill"],
            "t_max_prompt_ms": _T_MAX_PROMPT_MS,
            "t_max_predict_ms": _T_MAX_PREDICT_MS if ahead else _T_FIRST_PREDICT_MS,
        }
        self._job = asyncio.get_running_loop().create_task(self._ask(request, keys, "ahead" if ahead else "key"))
        self._pick_around(cursor)

    async def _ask(self, request: dict[str, Any], keys: list[str], what: str) -> None:
        body = await self._call(request, idle=False, what=what)
        if body is None:
            self._job = None
            return
        for key in keys:
            self._remember(key, body["content"])
        if not self._can_accept and (hint := self._hint()) is not None:
            self._render(hint)  # its own request ahead finds this one still out, and is tried again later
        self._job = None

    async def _call(self, request: dict[str, Any], *, idle: bool, what: str) -> dict[str, Any] | None:
        asked_at, timeline = time.perf_counter(), self.screen.timeline
        timeline.n_unanswered += 1
        try:
            body: dict[str, Any] = await call(self._server.address, Request("/infill", request))
        except Refused:  # its ring may hold more than a small model's context
            timeline.n_unanswered -= 1
            timeline.n_refused += 1
            return {"content": ""}
        except DsassistError as error:
            self._failure = error
            return None
        timeline.n_unanswered -= 1
        timings = body.get("timings") or {}
        # llama-server counts a token as written where none was asked for.
        decoded = timings.get("predicted_n", 0) if request["n_predict"] else 0
        timeline.work.append(Work(asked_at, timings.get("prompt_n", 0), decoded, idle=idle, what=what))
        return body

    def _common(self, prefix: str, suffix: str, middle: str) -> dict[str, Any]:
        extra = [{"text": "\n".join(chunk) + "\n", "filename": self._path} for chunk in self._ring.live]
        return {
            "id_slot": 0,
            "input_prefix": prefix,
            "input_suffix": suffix,
            "input_extra": extra,
            "prompt": middle,
            "stream": False,
            "cache_prompt": True,
        }

    def _local(self, ahead: Sequence[str], cursor: int | None = None) -> _Local:
        """`s:fim_ctx_local`: the text around the cursor, as if `ahead` had been put in."""
        lines, row = self._lines(), self._row(cursor)
        line, column = lines[row], self._column(cursor)
        below = lines[row + 1 : row + 1 + _N_SUFFIX]
        if ahead:
            above = lines[max(0, row - _N_PREFIX + len(ahead) - 1) : row]
            if len(ahead) > 1:
                above = [*above, line + ahead[0], *ahead[1:-1]]
            before, after, indent = (line + ahead[0] if len(ahead) == 1 else ahead[-1]), "", self._indent_last
        else:
            above = lines[max(0, row - _N_PREFIX) : row]
            blank = not line.strip()
            before, after = ("", "") if blank else (line[:column], line[column:])
            indent = 0 if blank else len(line) - len(line.lstrip())
        return _Local("\n".join(above) + "\n", before, f"{after}\n" + "\n".join(below) + "\n", indent, after)

    # ---- s:cache_insert, s:cache_get

    def _cached(self, key: str) -> str | None:
        if key in self._cache:
            self._cache.move_to_end(key)
        return self._cache.get(key)

    def _remember(self, key: str, content: str) -> None:
        if len(self._cache) > _MAX_CACHE_KEYS - 1:
            self._cache.popitem(last=False)
        self._cache[key] = content
        self._cache.move_to_end(key)

    # ---- s:pick_chunk, s:ring_update

    def _entered_buffer(self) -> None:
        if not self._modified:
            self._ring.pick(self._view(), evicts=True)

    def _pick_around(self, cursor: int | None) -> None:
        row, lines = self._row(cursor), self._lines()
        if abs(row - self._picked_at) > _MOVED_LINES:
            self._ring.pick(lines[max(0, row - _RING_SCOPE) : max(1, row - _N_PREFIX + 1)], evicts=False)
            start = min(len(lines) - 1, row + _N_SUFFIX)
            self._ring.pick(lines[start : start + CHUNK_LINES + 1], evicts=False)
            self._picked_at = row

    async def _ring_updates(self) -> None:
        while True:
            await asyncio.sleep(_RING_UPDATE_S)
            is_still = time.perf_counter() - self._last_move >= _STILL_S
            if (not self._in_insert_mode or is_still) and self._ring.advance():
                request = {**self._common("", "", ""), "n_predict": 0, "temperature": 0.0, "samplers": []}
                task = asyncio.get_running_loop().create_task(
                    self._warm_up({**request, "t_max_prompt_ms": 1, "t_max_predict_ms": 1})
                )
                self._warm_ups.add(task)
                task.add_done_callback(self._warm_ups.discard)

    async def _warm_up(self, request: dict[str, Any]) -> None:
        await self._call(request, idle=True, what="ring")

    # ---- the buffer

    def _lines(self) -> list[str]:
        lines = self._document.text.split("\n")
        return lines[:-1] if len(lines) > 1 and not lines[-1] and self._row() < len(lines) - 1 else lines

    def _row(self, cursor: int | None = None) -> int:
        return self._document.text.count("\n", 0, self._at(cursor))

    def _column(self, cursor: int | None = None) -> int:
        at = self._at(cursor)
        return at - self._document.text.rfind("\n", 0, at) - 1

    def _at(self, cursor: int | None) -> int:
        return min(self._document.cursor if cursor is None else cursor, len(self._document.text))

    def _line(self) -> str:
        return self._lines()[self._row()]

    def _view(self) -> list[str]:
        row, half = self._row(), CHUNK_LINES // 2
        return self._lines()[max(0, row - half) : row + half + 1]


def _key(before: str, suffix: str) -> str:
    return f"{before}Î{suffix}"


def _scrolled(prefix: str) -> list[str]:
    """A prefix, and the same without its first one, two, three lines."""
    found = [prefix]
    for _ in range(3):
        prefix = prefix.partition("\n")[2]
        if not prefix:
            break
        found.append(prefix)
    return found
