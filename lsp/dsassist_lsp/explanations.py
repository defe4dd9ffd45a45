"""Keeps what the last completion was made of, for `dsassist explain-completion` and for the editor."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

from dsassist.completion.completer import as_asked
from dsassist.completion.explanation import RECORD, Explanation
from dsassist.records import write_record
from dsassist_lsp.completions import Asked
from dsassist_lsp.waiting import Answer
from dsassist_runtime.errors import NotDone

__all__ = ["Explanations"]

_DELAY_S = 1.0  # the file is for looking at afterwards: not one for each key


class Explanations:
    """Called in the event loop's thread."""

    def __init__(self) -> None:
        self.last: Explanation | None = None
        self._timer: asyncio.TimerHandle | None = None

    def keep(self, asked: Asked, answer: Answer, model: str) -> None:
        """A completion was answered."""
        draft, place = answer.draft, asked.place
        if draft is None:
            return
        line = place.text.count("\n", 0, place.offset) + 1
        self.last = Explanation(
            path=place.path or asked.document,
            line=line,
            column=place.offset - place.line_start + 1,
            model=model,
            prompt=as_asked(draft.prompt),
            raw=draft.text,
            offer=answer.offer,
            reason=answer.reason,
            source=answer.source,
            latency_ms=answer.latency_ms,
            end=draft.end,
        )
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_DELAY_S, self._write)

    def _write(self) -> None:
        explanation = self.last
        assert explanation is not None, "the timer was set behind it"

        def write() -> None:
            with suppress(NotDone):  # a full disk must not disturb anybody who types
                write_record(RECORD, explanation.as_json())

        threading.Thread(target=write, name="explanation", daemon=True).start()
