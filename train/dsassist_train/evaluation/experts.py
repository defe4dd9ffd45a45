"""Which experts a mixture chooses on code that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence

from dsassist.bench.fim.hole import Hole
from dsassist.bench.report import Figure
from dsassist.routing_report import evenness
from dsassist_runtime.api import Engine
from dsassist_train.evaluation.infill import hole_request

__all__ = ["expert_figures"]

_HOLES = 8  # prompts of some hundred tokens each; observing is slow


def expert_figures(engine: Engine, holes: Sequence[Hole]) -> list[Figure]:
    """Over all prompts, a sample a layer: how even the choices are, and the share of the busiest and the idlest."""
    orders = engine.facts().fim_orders
    counts: dict[int, list[int]] = {}
    for hole in holes[:_HOLES]:
        with engine.infill(hole_request(hole, orders[0], trace_experts=True)) as stream:
            for _ in stream:
                pass
        assert stream.end is not None, "a stream that was read to its end has its figures"
        for layer in stream.end.routing:
            before = counts.setdefault(layer.layer, [0] * len(layer.counts))
            counts[layer.layer] = [a + b for a, b in zip(before, layer.counts, strict=True)]
    if not counts:
        return []
    layers = [counts[layer] for layer in sorted(counts)]
    shares = [[100.0 * n / max(1, sum(layer)) for n in layer] for layer in layers]
    return [
        Figure("experts, evenness of the choices", tuple(map(evenness, layers)), "", "higher"),
        Figure("experts, share of the busiest of a layer", tuple(map(max, shares)), "%"),
        Figure("experts, share of the idlest of a layer", tuple(map(min, shares)), "%", "higher"),
    ]
