"""Into how many equal parts a layer's neurons are split: routed experts, and the shared ones as so many experts.

And on how much text they are watched.
"""

from __future__ import annotations

from typing import NamedTuple

from dsassist_runtime.errors import DsassistError

__all__ = ["LEAST_TOKENS", "LENGTH", "MOST_EXPERTS", "Sizes", "split_sizes"]

MOST_EXPERTS = 1024
"""LLAMA_MAX_EXPERTS of llama-hparams.h."""

LENGTH = 512
"""Tokens of a sequence: as long as a completion's prompt."""

LEAST_TOKENS = 8 * LENGTH
"""With less, what fires is an accident."""

_BLOCK = 32
_UNITS = (256, 128, 64, _BLOCK)  # neurons: K types have blocks of 256, the others of 32
_LEAST_PARTS = 8
_SHARED_SHARE = 1 / 8


class Sizes(NamedTuple):
    """`n_experts` of `expert` neurons, and `n_shared` neurons that every token uses."""

    n_experts: int
    expert: int
    n_shared: int


def split_sizes(n_ff: int, n_experts: int | None = None, n_shared: int | None = None) -> Sizes:
    """As asked for; where nothing is, experts of 256 neurons where that divides, and an eighth of all shared.

    `n_shared` counts experts. `DsassistError` where the parts would not be equal, or no multiple of 32 neurons.
    """
    allowed = [n for n in range(1, MOST_EXPERTS + 1) if n_ff % n == 0 and n_ff // n % _BLOCK == 0]
    if n_experts is None:
        n_parts = next((n_ff // unit for unit in _UNITS if n_ff % unit == 0 and n_ff >= _LEAST_PARTS * unit), 0)
        if n_shared is None:  # experts by fours, so that a half and a quarter of them can be used
            n_shared = n_parts - max(1, int(n_parts * (1 - _SHARED_SHARE)) // 4 * 4)
        n_experts = n_parts - n_shared
    elif n_shared is None:
        larger = [n for n in allowed if n > n_experts]
        n_shared = min(larger, key=lambda n: abs(1 - n_experts / n - _SHARED_SHARE), default=0) - n_experts
    n_parts = n_experts + n_shared
    if n_experts < 1 or n_shared < 0 or n_parts not in allowed:
        raise DsassistError(
            f"layers of {n_ff} neurons cannot be split into {max(n_experts, 0)} experts and "
            f"{max(n_shared, 0)} shared ones of a multiple of {_BLOCK} neurons each; "
            f"--experts and --shared can make together: {', '.join(map(str, allowed)) or 'nothing'}"
        )
    return Sizes(n_experts, n_ff // n_parts, n_shared * (n_ff // n_parts))
