"""What one connection may cost."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LIMITS", "Limits"]


@dataclass(frozen=True)
class Limits:
    """`request_s` is for head and body together, `unread_s` for output that the client does not take."""

    body_bytes: int = 8 << 20
    request_s: float = 30.0
    unread_s: float = 60.0


LIMITS = Limits()
