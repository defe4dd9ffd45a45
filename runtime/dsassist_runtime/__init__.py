"""How tokens are made: model files, the engine, the server, the client; and `ChatCompletion` for other programs."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` has the same, and takes ten times as long to import as all that stands here
if TYPE_CHECKING:
    from dsassist_runtime.chat import ChatCompletion

__all__ = ["ChatCompletion"]


def __getattr__(name: str) -> object:
    # Every part of dsassist imports this package; an HTTP client is for those who ask for one.
    if name == "ChatCompletion":
        from dsassist_runtime.chat import ChatCompletion

        return ChatCompletion
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
