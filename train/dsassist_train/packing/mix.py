"""Of what the sequences consist, as shares."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["Mix"]


@dataclass(frozen=True)
class Mix:
    """Shares of the pieces of text, all between 0 and 1.

    `fim` of the pieces have a hole, and of those `spm` have the suffix first; `begun` of the holes are asked as the
    language server does, with what is typed of the line behind the middle mark, and the others are cut where the cursor
    is; `context` of them have parts of other files before them, where there are any. The kinds of holes are weights:
    only their proportions count.
    """

    fim: float = 0.6
    spm: float = 0.5
    begun: float = 0.8
    context: float = 0.3
    line: float = 0.4
    block: float = 0.25
    call: float = 0.1
    argument: float = 0.1
    span: float = 0.15

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0.0 <= getattr(self, field.name) <= 1.0:
                raise ValueError(f"{field.name} is a share, and {getattr(self, field.name)} is none")
        if not any(self.kinds.values()):
            raise ValueError("all kinds of holes have the weight 0")

    @property
    def kinds(self) -> dict[str, float]:
        """The weights of the kinds of holes."""
        return {name: getattr(self, name) for name in ("line", "block", "call", "argument", "span")}
