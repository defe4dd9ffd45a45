"""A terminal taken over whole for a live view, and given back however the command ends.

Standard library only: the sequences are those that every terminal since the VT220 and all emulators obey.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

from dsassist.output import write

__all__ = ["Screen", "is_live_terminal"]

_TAKE = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"  # the alternate screen, no cursor, no wrapping of long lines
_GIVE_BACK = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_LINE_END = "\x1b[K\r\n"
_REST = "\x1b[K\x1b[J"


def is_live_terminal() -> bool:
    """Whether standard output is a terminal that can be redrawn."""
    return sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


class Screen:
    """The whole terminal, between `taken` and its end. One at a time, in the main thread."""

    def __init__(self) -> None:
        self._keyboard: int | None = None
        self._saved: list[Any] = []
        self._woken = self._waker = -1  # the ends of a pipe, while the terminal is taken

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines as they are now."""
        found = shutil.get_terminal_size()
        return found.columns, found.lines

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Take the terminal; it is given back at the end, before a Ctrl-Z, and when a signal ends the process."""
        handlers: dict[signal.Signals, Any] = {
            signal.SIGWINCH: self._wake,
            signal.SIGTSTP: self._suspend,
            signal.SIGTERM: _leave,
            signal.SIGHUP: _leave,
        }
        self._woken, self._waker = os.pipe()
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            self._take()
            yield
        finally:
            self._give_back()
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._woken)
            os.close(self._waker)

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines, which fit, in place of what is there; without a moment of emptiness between."""
        write("\x1b[H" + _LINE_END.join(lines) + _REST)

    def wait(self, limit_s: float) -> str:
        """The keys that are pressed within the time; "" at its end, or at once when the terminal's size changes."""
        watched = [self._woken] if self._keyboard is None else [self._woken, self._keyboard]
        ready, _, _ = select.select(watched, [], [], limit_s)
        if self._woken in ready:
            os.read(self._woken, 4096)
        if self._keyboard is None or self._keyboard not in ready:
            return ""
        try:
            return os.read(self._keyboard, 4096).decode("utf-8", "replace") or "q"  # its other end is gone
        except OSError:
            return "q"

    def _take(self) -> None:
        if sys.stdin is not None and sys.stdin.isatty():
            self._keyboard = sys.stdin.fileno()
            self._saved = termios.tcgetattr(self._keyboard)
            tty.setcbreak(self._keyboard)
        write(_TAKE)

    def _give_back(self) -> None:
        if self._keyboard is not None:
            with contextlib.suppress(termios.error):  # the terminal is gone
                termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._saved)
        with contextlib.suppress(OSError):
            write(_GIVE_BACK)

    def _wake(self, _number: int, _frame: FrameType | None) -> None:
        os.write(self._waker, b".")

    def _suspend(self, _number: int, _frame: FrameType | None) -> None:
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()  # continued
        self._wake(0, None)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
