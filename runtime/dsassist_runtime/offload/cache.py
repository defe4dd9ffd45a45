"""Which experts are in memory: least recently used ones go first, within a budget of bytes.

What a completion used is protected, up to a share of the budget: what a review reads takes only the rest, so that the
next keystroke finds its experts in memory. With one kind of use alone this is a plain LRU of the whole budget.

    cold        oldest .. newest | protected   oldest .. newest
    evicted  <-                    demoted <-  used by a completion

What is preloaded counts as used before everything else, and makes nothing give way that was used.

Pure: it knows numbers and sizes; who asks it reads and evicts. Segmented LRU: Karedla, Love and Wherry, "Caching
Strategies to Improve Disk System Performance", IEEE Computer 27(3), 1994.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Change", "ExpertCache", "Figures", "Key", "layer_bytes"]

_PROTECTED_SHARE = 0.75  # not measured: a review that runs alone still has a quarter at the least


class Key(NamedTuple):
    """One expert of one layer."""

    layer: int
    expert: int


class Change(NamedTuple):
    """What must be done for a layer: `missing` is to be read, into room that `evicted` leaves."""

    missing: tuple[Key, ...]
    evicted: tuple[Key, ...]


_NOTHING = Change((), ())


@dataclass(frozen=True)
class Figures:
    """What has happened so far, and what is held now."""

    hits: int
    misses: int
    evictions: int
    missed_bytes: int
    held_bytes: int
    protected_bytes: int
    budget_bytes: int

    @property
    def hit_rate(self) -> float:
        """The share of wanted experts that were there; 1 when none was wanted."""
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else 1.0


def layer_bytes(sizes: Mapping[Key, int]) -> dict[int, int]:
    """What all experts of each layer take."""
    layers: dict[int, int] = {}
    for key, n_bytes in sizes.items():
        layers[key.layer] = layers.get(key.layer, 0) + n_bytes
    return layers


class ExpertCache:
    """Decides; `sizes` has every expert that there is. A layer's experts always fit, all of them, side by side."""

    def __init__(self, sizes: Mapping[Key, int], budget_bytes: int) -> None:
        self._sizes = dict(sizes)
        self._keys: dict[int, dict[int, Key]] = {}  # by layer and expert: looked up, they cost less than made anew
        for key in self._sizes:
            self._keys.setdefault(key.layer, {})[key.expert] = key
        self._largest_layer = max(layer_bytes(self._sizes).values(), default=0)
        self._cold: OrderedDict[Key, None] = OrderedDict()  # the least recently used one first
        self._protected: OrderedDict[Key, None] = OrderedDict()
        self._unused: set[Key] = set()  # of what is held, what was preloaded and not wanted since
        self._cold_bytes = self._protected_bytes = 0
        self._hits = self._misses = self._evictions = self._missed_bytes = 0
        self._budget = 0
        self.resize(budget_bytes)

    def acquire(self, layer: int, experts: Iterable[int], *, protect: bool) -> Change:
        """Hold these experts of a layer, until the next call at least; `protect` says that a completion uses them."""
        keys = self._keys[layer]
        wanted = [keys[expert] for expert in dict.fromkeys(experts)]
        if self._unused:
            self._unused.difference_update(wanted)
        missing, is_moved = [], False
        for key in wanted:
            if key in self._protected:
                if protect:
                    self._protected.move_to_end(key)
            elif key not in self._cold:
                missing.append(key)
            elif protect:
                self._remove(key)
                self._add(key, protect)
                is_moved = True
            else:
                self._cold.move_to_end(key)
        self._hits += len(wanted) - len(missing)
        if not missing:  # as it mostly is, for each layer of each token
            if is_moved:
                self._demote()
            return _NOTHING
        missed_bytes = sum(self._sizes[key] for key in missing)
        evicted = self._make_room(missed_bytes, wanted)
        for key in missing:
            self._add(key, protect)
        self._demote()
        self._misses += len(missing)
        self._missed_bytes += missed_bytes
        return Change(tuple(missing), evicted)

    def preload(self, hottest: Iterable[Key], limit_bytes: int) -> Change:
        """Hold the first of `hottest` that are not there, up to `limit_bytes` of them, for who will want them.

        Only what was preloaded for somebody else and not used since gives way. Between two batches only.
        """
        room = self._budget - self._held_bytes + sum(self._sizes[key] for key in self._unused)
        spared = set(self.held()) - self._unused
        missing: list[Key] = []
        missing_bytes = 0
        for key in hottest:
            if key in spared:
                continue
            if self._sizes[key] > room:
                break
            room -= self._sizes[key]
            if key in self._unused:
                spared.add(key)
            elif missing_bytes < limit_bytes:
                missing.append(key)
                missing_bytes += self._sizes[key]
        evicted = self._make_room(missing_bytes, spared)
        for key in missing:
            self._add_oldest(key)
        self._unused.update(missing)
        return Change(tuple(missing), evicted)

    def drop(self, keys: Iterable[Key]) -> None:
        """Forget what could not be read after all."""
        for key in keys:
            if key in self:
                self._remove(key)

    def resize(self, budget_bytes: int) -> tuple[Key, ...]:
        """Have another budget from now on; what had to go for it. `ValueError` when it cannot hold a whole layer.

        Between two batches only: nothing is spared.
        """
        if budget_bytes < self._largest_layer:
            raise ValueError(f"a budget of {budget_bytes} bytes cannot hold a layer of {self._largest_layer}")
        self._budget = budget_bytes
        evicted = self._make_room(0, ())
        self._demote()
        return evicted

    def held(self) -> tuple[Key, ...]:
        """What is in memory, what would go next first."""
        return (*self._cold, *self._protected)

    def figures(self) -> Figures:
        """The counters."""
        return Figures(
            hits=self._hits,
            misses=self._misses,
            evictions=self._evictions,
            missed_bytes=self._missed_bytes,
            held_bytes=self._held_bytes,
            protected_bytes=self._protected_bytes,
            budget_bytes=self._budget,
        )

    def __contains__(self, key: object) -> bool:
        return key in self._protected or key in self._cold

    @property
    def _held_bytes(self) -> int:
        return self._cold_bytes + self._protected_bytes

    @property
    def _protected_limit(self) -> int:
        # A whole layer fits beside it: a review's prompt uses all experts of a layer at once.
        return min(int(self._budget * _PROTECTED_SHARE), self._budget - self._largest_layer)

    def _make_room(self, n_bytes: int, spared: Collection[Key]) -> tuple[Key, ...]:
        excess = self._held_bytes + n_bytes - self._budget
        evicted = []
        for segment in (self._cold, self._protected):
            for key in segment:
                if excess <= 0:
                    break
                if key not in spared:
                    evicted.append(key)
                    excess -= self._sizes[key]
        assert excess <= 0, f"{excess} bytes too many for a layer in a budget of {self._budget}"
        for key in evicted:
            self._remove(key)
        self._evictions += len(evicted)
        return tuple(evicted)

    def _demote(self) -> None:
        while self._protected_bytes > self._protected_limit:
            key = next(iter(self._protected))
            self._remove(key)
            self._add(key, False)

    def _add(self, key: Key, protect: bool) -> None:
        if protect:
            self._protected[key] = None
            self._protected_bytes += self._sizes[key]
        else:
            self._cold[key] = None
            self._cold_bytes += self._sizes[key]

    def _add_oldest(self, key: Key) -> None:
        protect = self._protected_bytes + self._sizes[key] <= self._protected_limit
        self._add(key, protect)
        (self._protected if protect else self._cold).move_to_end(key, last=False)

    def _remove(self, key: Key) -> None:
        self._unused.discard(key)
        if key in self._protected:
            del self._protected[key]
            self._protected_bytes -= self._sizes[key]
        else:
            del self._cold[key]
            self._cold_bytes -= self._sizes[key]
