"""What could stand in a function's changed lines instead: minimal alternatives, each of one family.

A candidate is a question, not a suspicion; the model ranks them. Another family is a function from a `Site` to
candidates, a line here, and one in `evidence.LEAST_EVIDENCE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dsassist.review import arguments, names, operators
from dsassist.review.functions import Function
from dsassist.review.site import Candidate, Family, Site

__all__ = ["CODES", "find_candidates"]

CODES: dict[Family, str] = {
    "name": "DSA101",
    "attribute": "DSA102",
    "comparison": "DSA103",
    "boolean": "DSA104",
    "swapped-arguments": "DSA105",
    "missing-not": "DSA106",
    "missing-await": "DSA107",
}

_FAMILIES: tuple[Callable[[Site], Iterator[Candidate]], ...] = (
    names.wrong_names,
    names.wrong_attributes,
    operators.comparisons,
    operators.booleans,
    operators.missing_not,
    operators.missing_await,
    arguments.swapped,
)


def find_candidates(function: Function, lines: frozenset[int]) -> list[Candidate]:
    """All alternatives on the changed lines of a function, in the order of the text, each resulting text once."""
    site = Site(function, lines)
    results: dict[str, Candidate] = {}
    for family in _FAMILIES:
        for candidate in family(site):
            edit = candidate.edit
            result = function.text[: edit.start] + edit.replacement + function.text[edit.end :]
            if result != function.text:
                results.setdefault(result, candidate)
    return sorted(results.values(), key=lambda found: (found.edit.start, found.edit.end, found.edit.replacement))
