"""How evenly a mixture of experts used its experts, as lines for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dsassist_runtime.api import LayerRouting

__all__ = ["evenness", "routing_lines"]

_SHADES = " ▁▂▃▄▅▆▇█"


def evenness(counts: Sequence[int]) -> float:
    """The entropy of the choices as a share of its maximum: 1 when every expert was chosen equally often."""
    total = sum(counts)
    if total == 0 or len(counts) < 2:
        return 0.0
    entropy = -sum(n / total * math.log(n / total) for n in counts if n)
    return entropy / math.log(len(counts))


def routing_lines(routing: Sequence[LayerRouting]) -> list[str]:
    """A line per layer: a bar per expert, as high as its share, and how even the layer is."""
    lines = [f"experts chosen, a column each ({len(routing[0].counts)} a layer):"] if routing else []
    for layer in routing:
        highest = max(layer.counts) or 1
        bars = "".join(_SHADES[math.ceil(n / highest * (len(_SHADES) - 1))] for n in layer.counts)
        used = sum(n > 0 for n in layer.counts)
        lines.append(
            f"  layer {layer.layer:>2} |{bars}| {used} of {len(layer.counts)} used, "
            f"busiest {highest / max(1, sum(layer.counts)):.0%}, evenness {evenness(layer.counts):.2f}"
        )
    return lines
