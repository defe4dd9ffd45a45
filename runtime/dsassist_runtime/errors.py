"""What can go wrong, as a tree; each message tells what happened and what to do.

    DsassistError                 the user can mend it; `exit_code` 2 (usage or configuration)
    ├── NotDone                   the work could not be done; `exit_code` 3
    │   ├── ModelError            the model file cannot serve
    │   │   ├── ModelMissing      not on disk: pull it
    │   │   ├── ModelInvalid      no GGUF, truncated, a directory, damaged
    │   │   └── ModelUnsupported  llama.cpp cannot run it, or it lacks what the request needs
    │   ├── PullError             a download ended without a verified file
    │   ├── DeadlineExceeded      the caller's time was up before the answer was there
    │   ├── EngineDied            the engine process ended in the middle of the request
    │   ├── Overloaded            too many requests wait already: ask again later
    │   ├── RemoteFailed          an engine on another machine refused or did not answer
    │   └── ServerUnavailable     no server could be reached or started
    └── RequestRefused            the request does not fit the model (too long, bad value)

Packages above derive their own from `DsassistError` and `NotDone`. Only the outermost layer (`dsassist.cli`, one
wrapper per HTTP request, the language server's log) turns an error into words.
"""

from __future__ import annotations

__all__ = [
    "DeadlineExceeded",
    "DsassistError",
    "EngineDied",
    "ModelError",
    "ModelInvalid",
    "ModelMissing",
    "ModelUnsupported",
    "NotDone",
    "Overloaded",
    "PullError",
    "RemoteFailed",
    "RequestRefused",
    "ServerUnavailable",
    "error_from_wire",
    "error_named",
    "error_to_wire",
]


class DsassistError(Exception):
    """Something that the user can mend; the message is one clear sentence."""

    exit_code = 2


class NotDone(DsassistError):
    """The work could not be done, through no fault of the command line."""

    exit_code = 3


class ModelError(NotDone):
    """The model file cannot serve."""


class ModelMissing(ModelError):
    """The model is not on this disk."""


class ModelInvalid(ModelError):
    """The file is no GGUF, or not a whole one."""


class ModelUnsupported(ModelError):
    """The file is a good GGUF that this llama.cpp or this request cannot use."""


class PullError(NotDone):
    """A download ended without a verified file on disk."""


class DeadlineExceeded(NotDone):
    """The time that the caller gave was up before the answer was there; the work was cancelled."""


class EngineDied(NotDone):
    """The engine process ended while it worked on a request."""


class Overloaded(NotDone):
    """The queue is full; nothing was begun, and the same request may be sent again later."""


class RemoteFailed(NotDone):
    """The address that stands in the engine's place refused the request, or did not answer."""


class ServerUnavailable(NotDone):
    """No server answers, and none could be started."""


class RequestRefused(DsassistError):
    """The request does not fit the model: too long, or a value out of range."""


_ON_THE_WIRE: dict[str, type[DsassistError]] = {
    kind.__name__: kind
    for kind in (
        DsassistError,
        NotDone,
        ModelError,
        ModelMissing,
        ModelInvalid,
        ModelUnsupported,
        PullError,
        DeadlineExceeded,
        EngineDied,
        Overloaded,
        RemoteFailed,
        ServerUnavailable,
        RequestRefused,
    )
}


def error_to_wire(error: Exception) -> dict[str, str]:
    """The JSON form of an error, which `error_from_wire` turns back into the same class."""
    kind = type(error).__name__ if type(error).__name__ in _ON_THE_WIRE else "NotDone"
    return {"type": kind, "message": str(error) or type(error).__name__}


def error_named(name: str) -> type[DsassistError] | None:
    """The class of that name; None when there is none."""
    return _ON_THE_WIRE.get(name)


def error_from_wire(error: dict[str, str]) -> DsassistError:
    """The exception that `error_to_wire` described; an unknown kind becomes `NotDone`."""
    return _ON_THE_WIRE.get(error.get("type", ""), NotDone)(error.get("message", "unknown error"))
