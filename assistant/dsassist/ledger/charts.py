"""Bars and sparklines of characters; block elements, or ASCII where the terminal's encoding has none."""

from __future__ import annotations

import locale
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Charts", "charts_for"]


@dataclass(frozen=True)
class Charts:
    """Draws with these characters: `steps` from the lowest to the highest, `eighths` of a full cell, empty last."""

    steps: str
    eighths: str
    none: str

    def bar(self, share: float, width: int) -> str:
        """A bar that is full at 1; never empty for more than nothing, never longer than `width`."""
        parts = len(self.eighths)
        filled = round(min(max(share, 0.0), 1.0) * width * parts)
        if share > 0:
            filled = max(filled, 1)
        whole, rest = divmod(filled, parts)
        return (self.eighths[-1] * whole + (self.eighths[rest - 1] if rest else "")).ljust(width)

    def sparkline(self, values: Sequence[float | None], width: int) -> str:
        """A character for each value, the newest `width` of them, scaled to the highest; a mark where there is none."""
        newest = values[-width:] if width > 0 else []
        highest = max((value for value in newest if value is not None), default=0.0)
        return "".join(self._step(value, highest) for value in newest)

    def _step(self, value: float | None, highest: float) -> str:
        if value is None:
            return self.none
        return self.steps[round(value / highest * (len(self.steps) - 1))] if highest > 0 else self.steps[0]


_BLOCKS = Charts(steps="▁▂▃▄▅▆▇█", eighths="▏▎▍▌▋▊▉█", none="·")
_ASCII = Charts(steps="_.-=+*#", eighths="#", none=" ")


def charts_for(encoding: str | None = None) -> Charts:
    """The charts for an encoding; the one of the user's locale when left out.

    What is written is UTF-8 in any case (`output.prepare_streams`): the locale says what the terminal can show.
    """
    name = locale.nl_langinfo(locale.CODESET) if encoding is None else encoding
    try:
        (_BLOCKS.steps + _BLOCKS.eighths + _BLOCKS.none).encode(name)
    except (UnicodeEncodeError, LookupError):
        return _ASCII
    return _BLOCKS
