"""`python tampering.py MODE_FILE PROGRAM ARGUMENT...`: a language server that spoils what PROGRAM answers.

The negative controls play scenarios against it: each must fail by what it claims. The file holds the name of what is
done, and behind it the column in which the scenario's text ends. What is done to the answers is a function below, or
"sticky": findings stay, or "without_percent": a status never has one. In "slow_motion" nothing is spoilt, and each
change of the status lasts until an eye has seen it. Each answer that was spoilt adds a line to the file of the same
name that ends in ".spoilt".
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

_SEEN_S = 0.5

Items = list[dict[str, Any]]
Position = dict[str, int]


class Spoiler:
    """What was asked and answered, and what is made of it."""

    def __init__(self, mode: Path) -> None:
        self._mode = mode
        self._asked: dict[int | str, dict[str, Any]] = {}  # requests, by their ids
        self._in_use = ""
        self._said: Items = []  # the last completion that was passed on as it is since the mode was set
        self._findings: dict[str, Any] = {}

    def asked(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message of the editor passes."""
        if "id" in message and "method" in message:
            self._asked[message["id"]] = message
        return message

    def answered(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message of the server passes."""
        request = self._asked.pop(message["id"], {}) if "result" in message else {}
        method = request.get("method")
        mode, column = self._mode.read_text().split()
        if message.get("method") == "dsassist/status":
            return self._status(mode, message)
        if mode != self._in_use:
            self._in_use, self._said = mode, []
        result: Any = message.get("result")
        if method == "textDocument/inlineCompletion":
            result = self._spoilt(mode, result, request["params"]["position"], int(column))
        elif method == "textDocument/diagnostic" and mode == "sticky":
            result = self._sticking(message["result"])
        return message if result == message.get("result") else self._spoil(mode, message, result=result)

    def _spoil(self, mode: str, message: dict[str, Any], **changed: Any) -> dict[str, Any]:
        with self._mode.with_suffix(".spoilt").open("a") as file:
            file.write(f"{mode}\n")
        return message | changed

    def _status(self, mode: str, message: dict[str, Any]) -> dict[str, Any]:
        """What a mode makes of a status."""
        if mode == "slow_motion":
            time.sleep(_SEEN_S)
        if mode == "without_percent":  # of each status: a model that is loaded at once has none to take away
            return self._spoil(mode, message, params=message["params"] | {"percent": None})
        return message

    def _spoilt(self, mode: str, items: Items, cursor: Position, column: int) -> Items:
        """What a mode makes of a completion."""
        if mode in ANYWHERE:
            return ANYWHERE[mode](items, cursor)
        if mode in BEHIND and cursor["character"] > column:
            return BEHIND[mode](self._said, cursor)
        self._said = items or self._said
        return items

    def _sticking(self, report: dict[str, Any]) -> dict[str, Any]:
        """The latest findings that there were."""
        if report.get("items"):
            self._findings = report
        return self._findings or report


def silent(_items: Items, _cursor: Position) -> Items:
    """Has nothing to say."""
    return []


def stubborn(said: Items, cursor: Position) -> Items:
    """Says the same, whatever was typed meanwhile."""
    return [item | {"range": {"start": cursor, "end": cursor}} for item in said]


def forgetful(_said: Items, _cursor: Position) -> Items:
    """Has forgotten what it said."""
    return []


def unanimous(items: Items, _cursor: Position) -> Items:
    """Never has a second text."""
    return items[:1]


def blind(items: Items, cursor: Position) -> Items:
    """Does not see the bracket behind the cursor, and so leaves it where it is."""
    return [item | {"range": {"start": cursor, "end": cursor}} for item in items]


def counting_code_points(items: Items, _cursor: Position) -> Items:
    """Counts a character of two UTF-16 units as one: with one before the cursor, all is a column too far left."""

    def left(position: Position) -> Position:
        return position | {"character": position["character"] - 1}

    return [item | {"range": {end: left(at) for end, at in item["range"].items()}} for item in items]


Spoil = Callable[[Items, Position], Items]
ANYWHERE: dict[str, Spoil] = {each.__name__: each for each in (silent, unanimous, blind, counting_code_points)}
# Only behind the scenario's text: while that is typed, it takes a quick machine to ask but once.
BEHIND: dict[str, Spoil] = {each.__name__: each for each in (stubborn, forgetful)}


def read(stream: IO[bytes]) -> dict[str, Any] | None:
    """The next message; None at the end."""
    length = 0
    while (line := stream.readline().strip()) or not length:
        if not line:
            return None
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    message: dict[str, Any] = json.loads(stream.read(length))
    return message


def write(stream: IO[bytes], message: dict[str, Any]) -> None:
    """Send a message."""
    body = json.dumps(message).encode()
    stream.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    stream.flush()


def main() -> int:
    """Pass on what editor and server say to each other, until one of them ends."""
    spoiler = Spoiler(Path(sys.argv[1]))
    server = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    to_server, from_server = server.stdin, server.stdout
    assert to_server is not None
    assert from_server is not None

    def pass_on() -> None:
        while (message := read(sys.stdin.buffer)) is not None:
            write(to_server, spoiler.asked(message))
        to_server.close()

    threading.Thread(target=pass_on, daemon=True).start()
    while (message := read(from_server)) is not None:
        write(sys.stdout.buffer, spoiler.answered(message))
    return server.wait()


if __name__ == "__main__":
    sys.exit(main())
