"""Which names a function binds, where each of them can be read, and how often each is written.

An approximation that errs on the side of "cannot be read here": an alternative that is not bound yet would be a false
alarm. `python_scopes` and `plain_scopes` find the bindings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Binding", "Kind", "Names"]

Kind = Literal["variable", "definition", "import"]


@dataclass(frozen=True)
class Binding:
    """A name bound at `node`, readable in [`start`, `end`) but not in `hidden`; all in bytes of the source."""

    name: str
    node: Node
    kind: Kind
    start: int
    end: int
    hidden: tuple[int, int] = (0, 0)

    def is_visible(self, byte: int) -> bool:
        """Whether the name can be read at `byte`."""
        return self.start <= byte < self.end and not self.hidden[0] <= byte < self.hidden[1]


class Names:
    """The names of one function: what binds them (`bindings`, `binding_ids`), how often each is `written`."""

    def __init__(self, bindings: Iterable[Binding], written: Counter[str]) -> None:
        self.bindings = list(bindings)
        self.binding_ids = frozenset(binding.node.id for binding in self.bindings)
        self.written = written
        self._bound_names = frozenset(binding.name for binding in self.bindings)

    def is_bound(self, name: str) -> bool:
        """Whether the function binds the name anywhere."""
        return name in self._bound_names

    def visible(self, byte: int) -> list[Binding]:
        """What can be read at a place, each name once."""
        return list({found.name: found for found in self.bindings if found.is_visible(byte)}.values())
