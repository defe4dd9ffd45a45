"""The experts of the project at work, in memory before they are asked for.

They are read while the engine has nothing else to do: between the loading of the model, which an editor asks for when
it starts, and the first keystroke, and in the pauses behind it. So nobody waits for it. A request that comes meanwhile
ends the part that is being read, and shares the disk with nothing.

Whose project it is, the first completion tells. Until then it is the one that was at work last; where that was wrong,
what was read for it and not used gives way.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dsassist_runtime.errors import ModelError
from dsassist_runtime.offload.heat import HeatFiles
from dsassist_runtime.offload.streamed_model import StreamedModel

__all__ = ["WarmStart"]

_PART_BYTES = 64_000_000
_SAVE_INTERVAL_S = 300.0
_IDLE_SAVE_INTERVAL_S = 3.0  # saving takes some milliseconds, which nobody waits for then


class WarmStart:
    """Counts what completions use, project by project, and preloads it. Belongs to the thread that decodes.

    No method raises for what a disk does: a preload that fails is left out, and the request that needs what it was to
    bring says why.
    """

    def __init__(self, streamed: StreamedModel, folder: Path) -> None:
        """Read the heat of the project that was at work last, in `folder`; nothing is preloaded yet."""
        self._streamed = streamed
        self._files = HeatFiles(folder, streamed.file)
        self._project = ""  # of who does not say
        self._full_at: int | None = None  # the budget that is filled with what is wanted
        self._saved_at: float | None = None
        self._saved_batches = 0
        self._files.read("", streamed.heat)
        self._wanted = streamed.new_heat()
        self._files.read_latest(self._wanted)

    def turn_to(self, project: str) -> None:
        """Completions of this project come now; a name, of which only a hash is kept."""
        if project == self._project:
            return
        self.save()
        self._project = project
        heat = self._streamed.heat = self._streamed.new_heat()
        self._saved_batches = heat.n_batches
        if self._files.read(project, heat):  # else what was used last is the best that is known
            self._wanted = heat
            self._full_at = None

    def advance(self, stop: Callable[[], bool]) -> bool:
        """Read a part of what is hot and not in memory; False when nothing is left of it.

        Ends soon when `stop` says that there is something else to do.
        """
        budget = self._streamed.budget_bytes
        if self._full_at is not None and budget <= self._full_at:
            self._full_at = budget  # memory is short; when it grows again, there is something to do
            return False
        self._full_at = None
        try:
            read = self._streamed.preload(self._wanted, _PART_BYTES, stop)
        except (ModelError, OSError):
            read = 0
        if not read and not stop():
            self._full_at = budget
        return self._full_at is None

    def step(self, now: float, *, is_idle: bool = False) -> None:
        """Save now and then: an engine is killed when another model is asked for. `now` is `time.perf_counter()`."""
        if self._saved_at is None:
            self._saved_at = now
        elif now - self._saved_at >= (_IDLE_SAVE_INTERVAL_S if is_idle else _SAVE_INTERVAL_S):
            self._saved_at = now
            self.save()

    def save(self) -> None:
        """Write what is known of this project, if that is more than before."""
        heat = self._streamed.heat
        if heat.n_batches != self._saved_batches:
            self._files.write(self._project, heat)
            self._saved_batches = heat.n_batches
