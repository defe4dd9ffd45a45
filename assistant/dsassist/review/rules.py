"""What a review can find: the code, the name and the meaning of each family of findings.

DSA0xx  true without any model     DSA1xx  the model finds an alternative far likelier
DSA2xx  a change is not finished   DSA3xx  an instruct model reports it
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RULES", "Rule", "rule_of"]


@dataclass(frozen=True)
class Rule:
    """A family of findings. `summary` is a sentence for lists of rules."""

    code: str
    family: str
    summary: str


RULES = (
    Rule("DSA101", "name", "Another name that the function uses is far likelier here."),
    Rule("DSA102", "attribute", "Another attribute that the function uses on such an object is far likelier here."),
    Rule("DSA103", "comparison", "Another comparison is far likelier here."),
    Rule("DSA104", "boolean", "`and` and `or` may be mixed up."),
    Rule("DSA105", "swapped-arguments", "Two neighbouring arguments may be swapped."),
    Rule("DSA106", "missing-not", "A condition may be the wrong way round."),
    Rule("DSA107", "missing-await", "`await` may be missing before a call."),
)
"""By code."""

_OF_FAMILY = {rule.family: rule for rule in RULES}


def rule_of(family: str) -> Rule:
    """The rule of a family; `KeyError` for one that is not listed."""
    return _OF_FAMILY[family]
