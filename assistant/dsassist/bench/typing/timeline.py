"""What happened while a trace was typed: keystrokes, what stood on the screen, what the engine did; and its figures.

Knows neither arm. Times are `time.perf_counter`'s.
"""

from __future__ import annotations

import json
import math
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from dsassist.bench.typing.trace import shared_length

__all__ = ["Ghost", "Keystroke", "Shown", "Sight", "Timeline", "Work", "expected"]

_PAUSE_S = 1.0
_SEEN_BEFORE = 80  # texts looked back at, to tell whether a text was on the screen already


@dataclass(frozen=True)
class Ghost:
    """A text on the screen: taken, it stands in place of `replaced` code points right of the cursor."""

    text: str
    replaced: int = 0


@dataclass(frozen=True)
class Keystroke:
    """An edit or, for `accept`, a text that was taken; a `move` edits nothing. `before` is what then stands left of the
    cursor.
    """

    at: float
    kind: str
    removed: int
    text: str
    before: str = field(repr=False)
    offset: int


@dataclass(frozen=True)
class Shown:
    """The screen changed; no ghost means that nothing stands there any more."""

    at: float
    ghost: Ghost | None
    before: str = field(repr=False, default="")


@dataclass(frozen=True)
class Work:
    """What the engine did for one request: tokens of its prompt that it evaluated, tokens that it wrote.

    `at` is when it was asked. Work is `idle` when it was done ahead, for no keystroke.
    """

    at: float
    evaluated: int
    decoded: int
    idle: bool = False
    what: str = ""


@dataclass(frozen=True)
class Sight:
    """A keystroke and the first text on the screen before the next one; `standing` if it, or more, had been there."""

    waited_ms: float
    standing: bool


def expected(ghost: Ghost | None, keystroke: Keystroke) -> Ghost | None:
    """What should be left of a text on the screen behind a keystroke that agrees with it; None when nothing should."""
    if ghost is None or keystroke.kind not in ("type", "newline") or not ghost.text.startswith(keystroke.text):
        return None
    rest = ghost.text[len(keystroke.text) :]
    if not rest or not keystroke.before.endswith(keystroke.text):  # the editor closed a bracket as well
        return None
    # A bracket that was typed over one which stands there moves the end of what is replaced as well.
    return Ghost(rest, max(0, ghost.replaced - keystroke.removed))


@dataclass
class Timeline:
    """One run of a trace on one arm."""

    keystrokes: list[Keystroke] = field(default_factory=list)
    screen: list[Shown] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)
    n_stale: int = 0
    n_unanswered: int = 0
    n_refused: int = 0  # requests that the server answered with an error
    n_accepted: int = 0  # characters that were taken instead of typed
    began: float = field(default_factory=time.perf_counter)

    @property
    def edits(self) -> list[Keystroke]:
        """The keystrokes that changed the text."""
        return [keystroke for keystroke in self.keystrokes if keystroke.kind != "move"]

    @property
    def n_typed(self) -> int:
        """Characters that were put in by hand."""
        return sum(len(key.text) for key in self.keystrokes if key.kind in ("type", "newline"))

    @property
    def n_decoded(self) -> int:
        """Tokens that the engine wrote."""
        return sum(work.decoded for work in self.work)

    def evaluated(self, *, with_idle: bool = False) -> list[int]:
        """For each edit, the prompt tokens that were evaluated from it on until the next one.

        What is done before the first one, on opening the file, counts for the first.
        """
        edits = self.edits
        counts = [0] * len(edits)
        for work in self.work:
            if with_idle or not work.idle:
                counts[max(0, bisect_right(edits, work.at, key=lambda key: key.at) - 1)] += work.evaluated
        return counts

    def sights(self) -> Iterator[Sight]:
        """Of each edit behind which something was shown."""
        for key, end in self._until_next():
            standing = expected(self._ghost_at(key.at), key)
            for shown in self.screen:
                if key.at <= shown.at < end and shown.ghost is not None:
                    yield Sight(1000 * (shown.at - key.at), standing is not None)
                    break

    def pauses(self) -> Iterator[float]:
        """Of each pause of a second or more, the milliseconds of it until a text stood there; all of it if none did."""
        for key, end in self._until_next():
            if math.isfinite(end) and end - key.at >= _PAUSE_S:
                times = [shown.at for shown in self.screen if key.at <= shown.at < end and shown.ghost is not None]
                yield 1000 * ((times[0] if times else end) - key.at)

    @property
    def n_flickers(self) -> int:
        """How often a text was withdrawn, or became another, although all that was typed agreed with it."""
        count = 0
        for key, end in self._until_next():
            wanted: Ghost | None = expected(self._ghost_at(key.at), key)
            for shown in self.screen:
                if key.at <= shown.at < end:
                    if wanted is not None and not (shown.ghost and shown.ghost.text.startswith(wanted.text)):
                        count += 1
                    wanted = shown.ghost
        return count

    def new_texts(self) -> Iterator[str]:
        """What was shown, each part of it once: behind a text that had been there, only what is more."""
        seen: list[str] = []
        for shown in self.screen:
            if shown.ghost is None:
                continue
            whole = shown.before + shown.ghost.text
            known = max((_shared(whole, other, len(shown.before)) for other in seen), default=0)
            if known < len(whole):
                yield whole[max(known, len(shown.before)) :]
                seen = [*seen[-_SEEN_BEFORE:], whole]

    def show(self, ghost: Ghost | None, before: str) -> None:
        """Note that the screen changed, if it did."""
        if ghost != (self.screen[-1].ghost if self.screen else None):
            self.screen.append(Shown(time.perf_counter(), ghost, before))

    def as_jsonl(self, **labels: object) -> Iterator[str]:
        """All of it in the order of time, a line each, for a person to read."""
        parts = [("key", key) for key in self.keystrokes], [("screen", shown) for shown in self.screen]
        rows = [*parts[0], *parts[1], *[("work", work) for work in self.work]]
        for what, row in sorted(rows, key=lambda pair: pair[1].at):  # type: ignore[attr-defined]
            values = asdict(row)  # type: ignore[call-overload]
            values |= {"at": round(values["at"] - self.began, 4)}
            if "before" in values:
                values["before"] = values["before"][-60:]
            yield json.dumps({**labels, "event": what, **values})

    def _until_next(self) -> Iterator[tuple[Keystroke, float]]:
        ends = [key.at for key in self.keystrokes[1:]] + [math.inf]
        for key, end in zip(self.keystrokes, ends, strict=True):
            if key.kind != "move":
                yield key, end

    def _ghost_at(self, at: float) -> Ghost | None:
        """What stood on the screen just before a moment."""
        return next((shown.ghost for shown in reversed(self.screen) if shown.at < at), None)


def _shared(whole: str, other: str, least: int) -> int:
    """How long a beginning two texts share, 0 when it is not `least` characters."""
    if other[:least] != whole[:least]:
        return 0
    return least + shared_length(whole[least:], other[least:])
