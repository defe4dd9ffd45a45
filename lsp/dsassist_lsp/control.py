"""Whether a document is completed at all: options, snoozing, and what is no text for a model."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from dsassist.config import LoadedConfig
from dsassist.documents import LIMIT_BYTES
from dsassist.git import below_root
from dsassist.globs import is_excluded
from dsassist.language_ids import is_listed
from dsassist.secrets import is_secret_path

__all__ = ["COMPLETION_IS_OFF", "Control"]

COMPLETION_IS_OFF = "completion is switched off (completion.enabled)"

_MEGABYTE = 1024 * 1024


class Control:
    """What the person switched off. `refusal` gives the reason as it stands in the status."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._snoozed_until = 0.0

    def snooze(self, minutes: float) -> None:
        """Show nothing for so long; 0 ends it."""
        self._snoozed_until = self._clock() + 60 * minutes

    @property
    def snoozed_minutes(self) -> float:
        """How long nothing is shown from now on."""
        return max(0.0, self._snoozed_until - self._clock()) / 60

    def refusal(
        self, loaded: LoadedConfig, path: Path | None, language_id: str, text: str, *, by_hand: bool
    ) -> str | None:
        """Why nothing is to be shown in this document; None when it is to be completed."""
        options = loaded.config.completion
        if not options.enabled:
            return COMPLETION_IS_OFF
        if self.snoozed_minutes > 0 and not by_hand:
            return "snoozed"
        if options.trigger == "manual" and not by_hand:
            return "completion is asked for by hand here (completion.trigger)"
        language, name = language_id or "this language", str(path or "")
        if not is_listed(options.languages, name, language_id):
            return f"{language} is not completed (completion.languages)"
        if is_listed(options.exclude_languages, name, language_id):
            return f"{language} is not completed (completion.exclude_languages)"
        if path is not None:
            if is_excluded(_from_root(path, loaded.root), options.exclude):
                return f"{path.name} is not completed (completion.exclude)"
            if is_secret_path(str(path)):
                return f"{path.name} may hold secrets and is not completed"
        if "\0" in text:
            return "the document is binary, not text"
        if _is_large(text):
            return f"the document is above {LIMIT_BYTES // _MEGABYTE} MB"
        return None


def _from_root(path: Path, root: Path | None) -> str:
    below = None if root is None else below_root(root, path)
    return path.as_posix() if below is None else below


def _is_large(text: str) -> bool:
    # A character has at most 4 bytes, so most documents need not be encoded to know.
    if len(text) * 4 <= LIMIT_BYTES or text.isascii():
        return len(text) > LIMIT_BYTES
    return len(text.encode("utf-8", "surrogatepass")) > LIMIT_BYTES
