"""A place where every model of code has the same to say: a form that stands there twice is begun once more."""

from __future__ import annotations

__all__ = ["BEFORE", "LAST_LINE"]

# In several words, "not None:". Also a model that read no more than 0.6 million tokens writes it.
BEFORE = "if x is not None:\n    pass\nif y is not None:\n    pass\nif z "
LAST_LINE = 5
