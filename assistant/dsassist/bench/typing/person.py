"""The person: types a trace in real time, and takes what is on the screen when it is what they were about to type.

The rule is one for all arms. A text is taken whole, or its first line, if the document then is one that the trace
passes through anyway and that saves a few keys; it must have stood there for as long as reading takes. Some texts the
person does not look at. Pauses that a taken text spans are not made.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import NamedTuple, Protocol

from dsassist.bench.typing.timeline import Ghost, Keystroke, Timeline, expected
from dsassist.bench.typing.trace import Document, Edit, Kind, Trace

__all__ = ["Arm", "Screen", "replay"]

_READING_S = 0.3
_LEAST_SAVED = 3  # characters
_OVERLOOKED = 0.25  # share of the texts
_LAST_LOOK_S = 2.0  # behind the last key


class Screen:
    """What an editor shows of a completion, since when, and who waits for another one."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.ghost: Ghost | None = None
        self.since = 0.0  # also through what was typed of it
        self._changed = asyncio.Event()

    def show(self, ghost: Ghost | None, document: Document, *, goes_on: bool = False) -> None:
        """Put a text there, or nothing. `goes_on`: it is the rest of the one that stood there."""
        if ghost is None or not goes_on:
            same = ghost is not None and self.ghost is not None and ghost.text.startswith(self.ghost.text)
            self.since = self.since if same else time.perf_counter()
        self.ghost = ghost
        self.timeline.show(ghost, document.before)
        self._changed.set()

    async def change(self, limit_s: float) -> None:
        """Wait until something else is shown, or for `limit_s`."""
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), max(0.0, limit_s))
        except asyncio.TimeoutError:
            return


class Arm(Protocol):
    """An editor with a completion plugin, as it is when a file was just opened. It shows texts on `screen`."""

    @property
    def screen(self) -> Screen:
        """Where it shows them."""

    async def open(self, document: Document) -> None:
        """Open the file."""

    async def edited(self, kind: Kind, edit: Edit, document: Document, left: Ghost | None) -> None:
        """The document was edited; `left` is the rest of the text on the screen if what was typed agreed with it."""

    async def moved(self, document: Document) -> None:
        """The cursor went elsewhere."""

    async def accepted(self, edit: Edit, document: Document, ghost: Ghost) -> None:
        """The person took the text on the screen, or (as `edit` says) its first line."""

    @property
    def is_busy(self) -> bool:
        """Does it wait for an answer?"""

    def check(self) -> None:
        """Raise `NotDone` when what answers has died."""


class _Taken(NamedTuple):
    edit: Edit
    last: int  # the trace goes on behind this edit


async def replay(trace: Trace, arm: Arm, *, seed: int, last_look_s: float = _LAST_LOOK_S) -> Document:
    """Open the trace's file, type the trace, and look at the screen for a while; returns the document at the end."""
    document = Document(trace.before)
    await arm.open(document)
    attention = _Attention(seed, trace.name)
    index = 0
    while index < len(trace.edits):
        taken = await _wait(trace, index, arm, document, attention)
        arm.check()
        ghost = arm.screen.ghost
        if taken is not None and ghost is not None:
            document.apply(taken.edit)
            _note(arm, "accept", taken.edit, document)
            arm.screen.timeline.n_accepted += len(taken.edit.text)
            await arm.accepted(taken.edit, document, ghost)
            index = taken.last + 1
            continue
        edit = trace.edits[index]
        document.apply(edit)
        key = _note(arm, edit.kind, edit, document)
        if edit.kind == "move":
            await arm.moved(document)
        else:
            await arm.edited(edit.kind, edit, document, expected(ghost, key))
        index += 1
    await asyncio.sleep(last_look_s)
    return document


class _Attention:
    """Does the person look at a text? Decided once for each, from its coming up to its end."""

    def __init__(self, seed: int, name: str) -> None:
        self._seed = f"{seed}:{name}"
        self._since = 0.0
        self._looks = False

    def looks(self, since: float, index: int) -> bool:
        """`since` names the text, `index` the edit that was due when it came."""
        if since != self._since:
            self._since = since
            self._looks = random.Random(f"{self._seed}:{index}").random() >= _OVERLOOKED  # noqa: S311  (no secret)
        return self._looks


async def _wait(trace: Trace, index: int, arm: Arm, document: Document, attention: _Attention) -> _Taken | None:
    """Until the next key is due; what is taken in its place, if anything is."""
    screen = arm.screen
    due = time.perf_counter() + trace.gap_s(index)
    may_look = trace.edits[index].kind != "move"
    while True:
        taken = None
        if may_look and screen.ghost is not None and attention.looks(screen.since, index):
            taken = _acceptable(trace, index, document, screen.ghost)
        read_at = screen.since + _READING_S
        now = time.perf_counter()
        if taken is not None and read_at <= now:
            return taken
        if now >= due:
            return None
        await screen.change((min(due, read_at) if taken is not None else due) - now)


def _acceptable(trace: Trace, index: int, document: Document, ghost: Ghost) -> _Taken | None:
    first_line = ghost.text.partition("\n")[0]
    # The rest of the line gives way to a text's last line, so the first one of several replaces nothing.
    for text, replaced in (
        (ghost.text, ghost.replaced),
        (first_line, ghost.replaced if first_line == ghost.text else 0),
    ):
        if len(text) - replaced < _LEAST_SAVED:
            continue
        after = Document(document.text, document.cursor)
        after.replace(after.cursor, replaced, text)
        last = trace.passes.get((after.text, after.cursor))
        if last is not None and last >= index:
            return _Taken(Edit(0.0, "type", document.cursor, replaced, text, after.cursor), last)
    return None


def _note(arm: Arm, kind: str, edit: Edit, document: Document) -> Keystroke:
    key = Keystroke(time.perf_counter(), kind, edit.removed, edit.text, document.before, edit.offset)
    arm.screen.timeline.keystrokes.append(key)
    return key
