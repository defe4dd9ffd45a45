"""Reads experts that nobody has asked for yet, the hottest first, between two batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from dsassist_runtime.offload.cache import ExpertCache, Key
from dsassist_runtime.offload.experts import ExpertTensor
from dsassist_runtime.offload.reading import Lanes, Piece, Reading
from dsassist_runtime.offload.region import Region

__all__ = ["Preloader"]


class Preloader:
    """Brings experts into a cache and its region. Belongs to the thread that decodes."""

    def __init__(
        self, by_layer: Mapping[int, tuple[ExpertTensor, ...]], region: Region, cache: ExpertCache, lanes: Lanes
    ) -> None:
        self._by_layer = by_layer
        self._region = region
        self._cache = cache
        self._lanes = lanes

    def preload(self, hottest: Iterable[Key], limit_bytes: int, stop: Callable[[], bool]) -> list[Key]:
        """Bring the first of `hottest` that are missing, about `limit_bytes` of them; those that arrived.

        Ends soon after `stop` says so, with what has arrived by then. `ModelError` where a read fails; nothing is held
        that did not arrive whole.
        """
        change = self._cache.preload(hottest, limit_bytes)
        self._evict(change.evicted)
        readings = {key: self._lanes.read(self._pieces(key)) for key in change.missing}
        try:
            for reading in readings.values():
                if not reading.wait(stop):
                    break
        finally:
            lost = _lost(readings)
            self._cache.drop(lost)
            self._evict(lost)
        return [key for key in readings if key not in lost]

    def _pieces(self, key: Key) -> list[Piece]:
        at = self._region.layout.at
        return [Piece(tensor.slice(key.expert), at(tensor, key.expert)) for tensor in self._by_layer[key.layer]]

    def _evict(self, keys: Iterable[Key]) -> None:
        for layer, expert in keys:
            for tensor in self._by_layer[layer]:
                self._region.evict(tensor, expert)


def _lost(readings: Mapping[Key, Reading]) -> set[Key]:
    """Begin with nothing more, and say what is not there; nothing is written to their memory any more."""
    for reading in readings.values():
        if not reading.complete:
            reading.cancelled = True  # all of them before the first is waited for: it would let the others begin
    for reading in readings.values():
        reading.cancel()
    return {key for key, reading in readings.items() if not reading.complete}
