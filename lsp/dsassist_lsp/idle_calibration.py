"""Calibrates the review's evidence while nobody works: begins after a quiet minute, and stops at the next message.

What it learns is kept function by function, so that it may be stopped at any time. It is off where reviews are, and
where no review would use what it learns.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.config import LoadedConfig, is_address
from dsassist.git import object_ids
from dsassist.review.calibration.background import BackgroundCalibration, CalibrationEnd
from dsassist_lsp.power import is_on_battery
from dsassist_runtime.errors import DsassistError

if TYPE_CHECKING:
    from dsassist_lsp.server import Server

__all__ = ["IdleCalibration", "is_wanted", "machine_is_free"]

_IDLE_S = 60.0
_FREE_SHARE = 0.5  # of the cores, that other programs may use


def machine_is_free() -> bool:
    """Is the machine on mains, and nobody at work on it?"""
    return not is_on_battery() and os.getloadavg()[0] < _FREE_SHARE * (os.cpu_count() or 1)


def is_wanted(loaded: LoadedConfig) -> bool:
    """Would a review here use what is learnt?"""
    is_set = loaded.origins["review.threshold_nats"] != "default"
    return loaded.config.review.enabled and not is_set and not is_address(loaded.config.model)


class IdleCalibration:
    """One process at a time. Called in the event loop's thread."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.idle_s = _IDLE_S
        self.is_free: Callable[[], bool] = machine_is_free
        self._timer: asyncio.TimerHandle | None = None
        self._running: BackgroundCalibration | None = None
        self._done: dict[
            tuple[Path, str], str
        ] = {}  # a folder and a model, and the HEAD with which there is no use in going on
        self._stopped = False

    def touched(self) -> None:
        """The client wants something: whoever works goes first."""
        if self._running is not None:
            self._running.cancel()
        self._wait()

    def stop(self) -> None:
        """The client goes; what was learnt stays. Nobody waits for the process, which is told to end."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._running is not None:
            self._running.cancel()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._stopped:
            self._timer = asyncio.get_running_loop().call_later(self.idle_s, self._begin)

    def _begin(self) -> None:
        folder = self._server.main_folder()
        loaded = self._server.configuration(folder)
        what = folder, loaded.config.model
        if not is_wanted(loaded) or (what in self._done and self._done[what] == _head(folder)):
            return  # the next message has it looked at again
        if self._running is not None or self._is_busy(loaded) or not self.is_free():
            self._wait()
            return
        loop, head = asyncio.get_running_loop(), _head(folder)

        def ended(end: CalibrationEnd) -> None:
            with suppress(RuntimeError):  # the event loop has ended meanwhile
                loop.call_soon_threadsafe(self._ended, what, head, end)

        self._running = BackgroundCalibration(folder, loaded, ended)

    def _is_busy(self, loaded: LoadedConfig) -> bool:
        """Is anybody at work, or was the model never loaded? The calibration itself asks whether it still is."""
        server = self._server
        opened = server.engines.opened(loaded)
        is_loaded = opened is not None and opened.model is not None and opened.facts is not None
        return not is_loaded or server.completions.is_busy or server.reviews.is_busy or server.actions.is_busy

    def _ended(self, what: tuple[Path, str], head: str, end: CalibrationEnd) -> None:
        self._running = None
        if self._stopped:
            return  # nobody reads the log any more
        if end.complete or end.error:
            self._done[what] = head
        if end.error:
            self._server.messages.log(f"the evidence of reviews is not calibrated in idle time: {end.error}")
        elif end.complete and end.done:
            self._server.messages.log(f"calibrated in idle time: {end.done} of {end.wanted} functions")
        self._wait()


def _head(folder: Path) -> str:
    """The commit whose functions are learnt from; empty where there is none."""
    try:
        return object_ids(["HEAD^{commit}"], folder).get("HEAD^{commit}", ("", ""))[0]
    except DsassistError:
        return ""
