"""What part of the experts that tokens ask for a cache would hold, before anything is known of the model's routing.

Two assumptions, an ill one and a kind one. *Even* routing asks for all experts of a layer equally often, whatever came
before; then a cache with a share of the experts is hit with that share, whoever is evicted. *Local* routing repeats
itself as that of Qwen3-30B-A3B did in one recorded chat answer. Either way a cache that cannot hold what one token
uses is hit by nothing: the least recently used expert is always the one that is needed next.
"""

from __future__ import annotations

from bisect import bisect
from typing import Literal

__all__ = ["Routing", "hit_rate"]

Routing = Literal["even", "local"]

# Share of the experts in a cache over (layer, expert) that evicts the least recently used -> hits of the 128 generated
# tokens, behind a prompt of the same chat. Replayed from docs/bench-data/2026-07-15-route-trace/qwen.route.csv of
# github.com/Helldez/BigMoeOnEdge: 48 layers, 128 experts, 6 used.
_RECORDED = (
    (0.0, 0.0),
    (0.05, 0.377),
    (0.1, 0.499),
    (0.15, 0.653),
    (0.2, 0.741),
    (0.25, 0.827),
    (0.3, 0.880),
    (0.4, 0.939),
    (0.5, 0.963),
    (0.6, 0.971),
    (1.0, 1.0),
)


def hit_rate(cached_bytes: int, token_bytes: int, all_bytes: int, routing: Routing) -> float:
    """Hits, 0 to 1, of a cache for `all_bytes` of experts, of which a token uses `token_bytes`."""
    if cached_bytes >= all_bytes:
        return 1.0
    if cached_bytes < token_bytes:
        return 0.0
    share = cached_bytes / all_bytes
    return share if routing == "even" else max(share, _recorded(share))


def _recorded(share: float) -> float:
    right = bisect(_RECORDED, (share, 1.0))
    (x0, y0), (x1, y1) = _RECORDED[right - 1], _RECORDED[right]
    return y0 + (y1 - y0) * (share - x0) / (x1 - x0)
