"""What an engine does around its batches where the experts of its model wait on disk.

Before a batch: are the files still those that were loaded, and whose work is it? Between two: does the budget fit what
memory there is? While nobody asks: the experts of the project at work are read ahead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from dsassist_runtime.api import ExpectedSpeed, Priority, StreamingStatus
from dsassist_runtime.errors import ModelError
from dsassist_runtime.llama.context import Context
from dsassist_runtime.offload import BudgetKeeper, StreamedModel, WarmStart, streaming_status
from dsassist_runtime.offload.streaming import StreamedContext
from dsassist_runtime.planning.memory import free_memory

__all__ = ["Streaming"]

# A longer batch asks for most experts of every layer once: kept like those of a text, they would push these out.
_MOST_PROTECTED = 16


class Streaming:
    """Belongs to the thread that decodes, as the model does; whoever opened that closes it."""

    def __init__(self, model: StreamedModel, expected: tuple[ExpectedSpeed, ...]) -> None:
        self._model = model
        self._expected = expected
        self._keeper = BudgetKeeper(model, lambda: free_memory().n_bytes)
        self._warm: WarmStart | None = None
        self._failure = ""
        self.lost: ModelError | None = None  # the file is not what was loaded: this engine can answer nothing any more

    @property
    def waited_s(self) -> float:
        """How long decoding has waited for experts."""
        return self._model.waited_s

    def before(self, context: Context, priority: Priority, n_tokens: int, *, is_text: bool) -> None:
        """A batch of this class is evaluated next; `ModelError` where the model's file is no more what it was.

        A page of a file that was cut short is gone: to touch it would kill the process.
        """
        try:
            self._model.check_unchanged()
        except ModelError as error:
            self.lost = error
            raise
        if isinstance(context, StreamedContext):
            is_awaited = priority in ("interactive", "chat")
            context.protect = is_awaited and n_tokens <= _MOST_PROTECTED
            context.work = "other" if not is_awaited else "text" if is_text else "prompt"

    def failed(self, error: Exception) -> None:
        """A batch failed: for good, where the file has changed; else the next one tries to read anew."""
        if isinstance(error, ModelError):
            try:
                self._model.check_unchanged()
            except ModelError as changed:
                self.lost = changed
            else:
                self._failure = f"a request failed: {error}"

    def between(self, now: float) -> None:
        """No batch runs (`time.perf_counter()` seconds)."""
        self._keeper.step(now)
        if self._warm is not None:
            self._warm.step(now)

    @property
    def next_step(self) -> float | None:
        """When `between` wants to be called although nobody asks for anything."""
        return self._keeper.next_step

    def keep_heat_in(self, folder: Path) -> None:
        """Remember there what each project uses, and read it ahead the next time."""
        self._warm = WarmStart(self._model, folder)

    def turn_to(self, repository: str) -> None:
        """Completions of this project come now."""
        if self._warm is not None and repository:
            self._warm.turn_to(repository)

    def read_ahead(self, stop: Callable[[], bool]) -> bool:
        """A part of what the project at work will ask for; False when nothing is left of it."""
        if self._warm is None:
            return False
        if self._warm.advance(stop):
            return True
        self._warm.step(time.perf_counter(), is_idle=True)
        return False

    def save(self) -> None:
        """Keep what is known of the project at work."""
        if self._warm is not None:
            self._warm.save()

    def status(self) -> StreamingStatus:
        """How experts are brought."""
        remarks = (self._keeper.remark, self._failure)
        return streaming_status(self._model, self._keeper.whole_bytes, self._expected, remarks)
