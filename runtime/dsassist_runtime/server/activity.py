"""Whether anybody uses the model: the server leaves when nobody did for a while."""

from __future__ import annotations

import time

__all__ = ["Activity"]


class Activity:
    """Counts the requests in flight and the time since the last one, for the idle time-out."""

    def __init__(self) -> None:
        self._in_flight = 0
        self._last = time.monotonic()

    def __enter__(self) -> None:
        self._in_flight += 1

    def __exit__(self, *_exception: object) -> None:
        self._in_flight -= 1
        self._last = time.monotonic()

    @property
    def in_flight(self) -> int:
        """Requests to the model that have not ended."""
        return self._in_flight

    @property
    def idle_s(self) -> float:
        """Seconds without any request."""
        return 0.0 if self._in_flight else time.monotonic() - self._last
