"""The commands that an editor may run (`workspace/executeCommand`), by their names."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from dsassist.completion.explanation import explanation_lines
from dsassist_lsp.acceptance import ACCEPT_COMMAND

if TYPE_CHECKING:
    from dsassist_lsp.server import Server

__all__ = ["Commands", "register"]

_DEFAULT_MINUTES = 30.0
_MOST_MINUTES = 7 * 24 * 60.0


def register(server: Server) -> Commands:
    """Have the server answer them, and say so at `initialize`."""
    commands = Commands(server)
    server.command("dsassist.snooze")(lambda *arguments: commands.snooze(*arguments))
    server.command("dsassist.unsnooze")(lambda *_: commands.unsnooze())
    server.command("dsassist.status")(lambda *_: commands.status())
    server.command("dsassist.explainCompletion")(lambda *_: commands.explain_completion())
    server.command(ACCEPT_COMMAND)(lambda *arguments: commands.accept_completion(*arguments))
    return commands


class Commands:
    """What they do. Arguments come from an editor's configuration, so any value may come."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._snooze_end: asyncio.TimerHandle | None = None

    def snooze(self, minutes: object = _DEFAULT_MINUTES, *_: object) -> dict[str, Any]:
        """Show nothing for some minutes, half an hour if no number is given."""
        wanted = _DEFAULT_MINUTES
        if isinstance(minutes, (int, float)) and not isinstance(minutes, bool):
            wanted = min(max(0.0, float(minutes)), _MOST_MINUTES)
        if not wanted:
            return self.unsnooze()
        self._end_timer()
        self._server.control.snooze(wanted)
        self._snooze_end = asyncio.get_running_loop().call_later(60 * wanted, self.unsnooze)
        self._server.status.set(kind="snoozed", message=f"nothing is shown for {wanted:.0f} minutes")
        self._server.reviews.quiet()
        return self.status()

    def unsnooze(self) -> dict[str, Any]:
        """Show completions and findings again."""
        self._end_timer()
        self._server.control.snooze(0)
        self._server.show_rest()
        self._server.reviews.review_again()
        return self.status()

    def status(self) -> dict[str, Any]:
        """What the last `dsassist/status` said."""
        return self._server.status.now.as_params()

    def explain_completion(self) -> dict[str, Any] | None:
        """What the last completion was made of; `lines` tell it to a person."""
        last = self._server.explanations.last
        if last is None:
            return None
        told = last.as_json()
        return told | {"lines": list(explanation_lines(told))}

    def accept_completion(self, offer: object = None, *_: object) -> None:
        """An item was inserted as a whole."""
        self._server.counting.acceptance.did_accept(offer)

    def stop(self) -> None:
        """The end of the snoozing is not to be told any more."""
        self._end_timer()

    def _end_timer(self) -> None:
        if self._snooze_end is not None:
            self._snooze_end.cancel()
            self._snooze_end = None
