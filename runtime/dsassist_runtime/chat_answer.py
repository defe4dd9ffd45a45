"""What comes back from a `/chat/completions` endpoint: objects, events, refusals. Knows nothing of connections."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from dsassist_runtime.errors import (
    DeadlineExceeded,
    DsassistError,
    ModelMissing,
    NotDone,
    Overloaded,
    RemoteFailed,
    RequestRefused,
    ServerUnavailable,
    error_named,
)

__all__ = ["ChatObject", "EventReader", "broken_off", "read_object", "refusal", "retry_after_s"]

# A server that sends these has done nothing yet, and may answer when asked again.
_PASSING = frozenset({408, 429, 502, 503, 504})
_LONGEST_WAIT_S = 30.0
_SHOWN_CHARACTERS = 300
_KINDS: dict[int, type[DsassistError]] = {
    HTTPStatus.REQUEST_TIMEOUT: DeadlineExceeded,
    HTTPStatus.TOO_MANY_REQUESTS: Overloaded,
    HTTPStatus.SERVICE_UNAVAILABLE: ServerUnavailable,
    HTTPStatus.GATEWAY_TIMEOUT: DeadlineExceeded,
}
_VERBS: dict[type[DsassistError], str] = {
    RequestRefused: "refused the request",
    ModelMissing: "refused the request",
    Overloaded: "has too many requests",
    DeadlineExceeded: "did not answer in time",
}


class ChatObject(dict[str, Any]):
    """A JSON object of the answer; what it holds can be had as an attribute too: `answer.choices[0].message.content`.

    Names that a dict has already, such as `items`, are the dict's own.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def read_object(data: bytes | str, who: str) -> ChatObject:
    """The JSON object that a server sent; `RemoteFailed` when it is none."""
    try:
        found = json.loads(data, object_hook=ChatObject)
    except (ValueError, RecursionError) as error:
        raise RemoteFailed(f"{who} answered no JSON but {_shown(data)!r}; is it an OpenAI-compatible one?") from error
    if not isinstance(found, ChatObject):
        raise RemoteFailed(f"{who} answered {_shown(data)!r}, which is no JSON object; is it an OpenAI-compatible one?")
    return found


class EventReader:
    """Server-sent events from bytes that are cut anywhere; `done` behind the last one.

    Lines end at a line feed alone: what Python counts as line ends besides, U+2028 for instance, may stand in a text.
    """

    def __init__(self, who: str, *, is_local: bool) -> None:
        self.done = False
        self._who = who
        self._is_local = is_local
        self._rest = b""
        self._open: set[int] = set()
        self._ended: set[int] = set()

    def read(self, data: bytes) -> Iterator[ChatObject]:
        """The chunks that are whole by now; an error that is sent in a chunk's place is raised."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if not self.done and (chunk := self._read_line(line)) is not None:
                yield chunk

    def check_whole(self) -> None:
        """Call it at the end of the bytes; raises when the stream was cut. Some servers end it without `[DONE]`."""
        if not self.done and not (self._ended and self._open <= self._ended):
            raise broken_off(self._who, is_local=self._is_local)

    def _read_line(self, line: bytes) -> ChatObject | None:
        name, _, value = line.partition(b":")
        value = value.strip()
        if name != b"data" or not value:
            return None
        if value == b"[DONE]":
            self.done = True
            return None
        chunk = read_object(value, self._who)
        if "error" in chunk:
            status = chunk["error"].get("code") if isinstance(chunk["error"], dict) else None  # llama.cpp's is a status
            raise _error(chunk, status if isinstance(status, int) else 500, self._who, is_local=self._is_local)
        choices = chunk.get("choices") or []
        if not isinstance(choices, list):
            raise self._odd(value)
        for choice in choices:
            if not isinstance(choice, dict) or not isinstance(index := choice.get("index", 0), int):
                raise self._odd(value)
            (self._ended if choice.get("finish_reason") else self._open).add(index)
        return chunk

    def _odd(self, value: bytes) -> RemoteFailed:
        return RemoteFailed(
            f"{self._who} sent {_shown(value)!r}, whose choices are none; is it an OpenAI-compatible one?"
        )


def broken_off(who: str, *, is_local: bool) -> NotDone:
    """What is raised when the connection ended before the answer did."""
    kind = ServerUnavailable if is_local else RemoteFailed
    return kind(f"{who} went away in the middle of its answer")


def retry_after_s(status: int, headers: Mapping[str, str], attempt: int) -> float | None:
    """How long to wait before the request is sent again, behind its `attempt`-th failure; None when it must not be."""
    if status not in _PASSING:
        return None
    asked = headers.get("retry-after", "")
    waited = float(asked) if asked.isascii() and asked.isdecimal() else 0.5 * 2**attempt
    return waited if waited <= _LONGEST_WAIT_S else None


def refusal(status: int, headers: Mapping[str, str], body: bytes, who: str, *, is_local: bool) -> DsassistError:
    """The error that a status other than 200 stands for, with the server's own message."""
    if 300 <= status < 400:
        return RemoteFailed(
            f"{who} sends us on to {headers.get('location', 'nowhere')}; use that address if you trust it"
        )
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    return _error(found, status, who, is_local=is_local)


def _error(found: Any, status: int, who: str, *, is_local: bool) -> DsassistError:
    message, names = _message(found)
    if not message:
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "an unknown status"
        message = f"HTTP {status} ({phrase})"
    if status in (401, 403):
        return RemoteFailed(f"{who} does not accept the key: {message}; give api_key, or set DSASSIST_API_KEY")
    kind = _kind(status, names)
    if is_local:  # its messages are sentences of ours, its codes the names of our errors
        return next(filter(None, map(error_named, names)), kind or NotDone)(message)
    if kind is None or kind is ServerUnavailable:
        return RemoteFailed(f"{who} failed: {message}")
    return kind(f"{who} {_VERBS[kind]}: {message}")


def _kind(status: int, names: list[str]) -> type[DsassistError] | None:
    if "model_not_found" in names:
        return ModelMissing
    if status in _KINDS:
        return _KINDS[status]
    return RequestRefused if 400 <= status < 500 or "invalid_request_error" in names else None


def _message(found: Any) -> tuple[str, list[str]]:
    """The message of an error's body, and the names of its kind; OpenAI's form, ours, Ollama's, FastAPI's."""
    if not isinstance(found, dict):
        return "", []
    error = found.get("error", found)
    if not isinstance(error, dict):
        return _shown(str(error)), []
    said = error.get("message") or error.get("detail") or ""
    message = said if isinstance(said, str) else json.dumps(said)
    return _shown(message), [name for name in (error.get("code"), error.get("type")) if isinstance(name, str)]


def _shown(data: bytes | str) -> str:
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
