"""What could stand in a function's changed lines instead: minimal alternatives, each of one family.

A candidate is a question, not a suspicion; the model ranks them. Another family is a function from a `Site` to
candidates, a line here, one in `evidence.LEAST_EVIDENCE` and one in `review.rules`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from dsassist.review.functions import Function
from dsassist.review.likelihood import arguments, names, operators
from dsassist.review.likelihood.site import Candidate, Family, Site
from dsassist_runtime.api import Edit

__all__ = ["MOST_CANDIDATES", "find_candidates"]

MOST_CANDIDATES = 600
"""Of one function: the engine tokenizes the text anew for each."""

# In the order of how often such a bug is a real one, which decides where there are too many alternatives.
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
    """Alternatives on the changed lines of a function, in the order of the text, each resulting text once.

    Where there are more than `MOST_CANDIDATES`, they are taken in rounds: one from each place, then a second from each.
    """
    site = Site(function, lines)
    found: dict[Edit, Candidate] = {}
    for family in _FAMILIES:
        for candidate in islice(family(site), MOST_CANDIDATES):
            smallest = _smallest(candidate.edit, function.text)
            if smallest.replacement or smallest.start < smallest.end:
                found.setdefault(smallest, candidate)
    kept = _first_of_each_place(found.values())
    return sorted(kept, key=lambda each: (each.edit.start, each.edit.end, each.edit.replacement))


def _first_of_each_place(found: Iterable[Candidate]) -> list[Candidate]:
    """At most `MOST_CANDIDATES`; in each round the families stay in their order, and are in that of the text."""
    rounds: Counter[tuple[int, Family]] = Counter()
    in_rounds = []
    for candidate in found:
        place = candidate.edit.start, candidate.family
        in_rounds.append((rounds[place], candidate))
        rounds[place] += 1
    in_rounds.sort(key=lambda each: each[0])  # stable
    return [candidate for _, candidate in in_rounds[:MOST_CANDIDATES]]


def _smallest(edit: Edit, text: str) -> Edit:
    """The one edit that stands for all with the same result: the least text, as far behind as it can be.

    The results themselves would be a copy of the function for each alternative.
    """
    start, end, new = edit.start, edit.end, edit.replacement
    while start < end and new and text[start] == new[0]:
        start, new = start + 1, new[1:]
    while start < end and new and text[end - 1] == new[-1]:
        end, new = end - 1, new[:-1]
    if new and start == end:
        while end < len(text) and text[end] == new[0]:
            start, end, new = start + 1, end + 1, new[1:] + new[0]
    elif not new and start < end:
        while end < len(text) and text[start] == text[end]:
            start, end = start + 1, end + 1
    return Edit(start, end, new)
