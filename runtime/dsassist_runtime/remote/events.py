"""Server-sent events, as far as OpenAI's protocol uses them: a JSON object a `data:` line, `[DONE]` at the end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from dsassist_runtime.errors import RemoteFailed
from dsassist_runtime.remote.failures import message_in

__all__ = ["events"]

_LINE_LIMIT_BYTES = 16 * 1024 * 1024


def events(chunks: Iterable[bytes], origin: str) -> Iterator[dict[str, Any]]:
    """The objects of a stream up to `[DONE]`; `RemoteFailed` when one is an error, or no JSON, or none comes at all.

    Lines end with a line feed only: httpx's `iter_lines` also ends one at U+2028, which code may contain.
    """
    n_events = 0
    for line in _lines(chunks, origin):
        field, _, value = line.partition(b":")
        data = value.strip()
        if field not in (b"data", b"error") or not data:
            continue
        n_events += 1
        if data == b"[DONE]":
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            raise RemoteFailed(f"{origin} sent an event that is no JSON; is the address right?") from None
        if not isinstance(event, dict):
            raise RemoteFailed(f"{origin} sent an event that is no object; is the address right?")
        if field == b"error" or event.get("error") or event.get("object") == "error":
            raise RemoteFailed(
                f"{origin} failed in the middle of its answer ({message_in(data.decode('utf-8', 'replace'))})"
            )
        yield event
    if not n_events:
        raise RemoteFailed(f"{origin} answered with something that is no stream of events; is the address right?")


def _lines(chunks: Iterable[bytes], origin: str) -> Iterator[bytes]:
    held = b""
    for chunk in chunks:
        *lines, held = (held + chunk).split(b"\n")
        yield from lines
        if len(held) > _LINE_LIMIT_BYTES:
            raise RemoteFailed(f"{origin} sent a line of more than {_LINE_LIMIT_BYTES} bytes; is the address right?")
    yield held
