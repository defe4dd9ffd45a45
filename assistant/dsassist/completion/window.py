"""The text around the cursor that the model gets to see."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Window", "window"]

# Fewer than code has (3.3 to 4), so that the engine's own clipping, which would move the start with every key, stays
# idle.
_CHARACTERS_PER_TOKEN = 3
_STEP_LINES = 16


class Window(NamedTuple):
    """What stands before and after the cursor, as far as it is shown to the model."""

    prefix: str
    suffix: str


def window(before: str, after: str, max_prompt_tokens: int) -> Window:
    """Lines around a cursor between `before` and `after` for a prompt of that many tokens, a quarter of them behind it.

    The first line moves in steps of 16 lines while a person types: only then does the cached start of a prompt stay
    valid from one key to the next.
    """
    n_suffix = max_prompt_tokens // 4 * _CHARACTERS_PER_TOKEN
    n_prefix = max_prompt_tokens * _CHARACTERS_PER_TOKEN - min(n_suffix, len(after))
    return Window(_end_of(before, n_prefix), _start_of(after, n_suffix))


def _end_of(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    start = text.find("\n", len(text) - limit) + 1
    if start == 0:  # one line longer than the limit
        return text[-limit:]
    for _ in range(-text.count("\n", 0, start) % _STEP_LINES):
        following = text.find("\n", start) + 1
        if following == 0:
            break
        start = following
    return text[start:]


def _start_of(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return text[: text.rfind("\n", 0, limit) + 1 or limit]
