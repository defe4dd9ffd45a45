"""What could stand in a function's changed lines instead: minimal alternatives, each of one family.

A candidate is a question, not a suspicion; the model ranks them. Another family is a function from a `Site` to
candidates, a line here, one in `evidence.LEAST_EVIDENCE` and one in `review.rules`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice

from dsassist.review.functions import Function
from dsassist.review.likelihood import arguments, elsewhere, names, numbers, operands, operators, words
from dsassist.review.likelihood.familiar import Familiar
from dsassist.review.likelihood.meaning import Meanings
from dsassist.review.likelihood.senseless import is_with_itself
from dsassist.review.likelihood.site import Candidate, Family, Site
from dsassist_runtime.api import Edit

__all__ = ["MOST_CANDIDATES", "find_candidates"]

MOST_CANDIDATES = 600
"""Of one function: the engine tokenizes the text anew for each."""

_Generator = Callable[[Site], Iterator[Candidate]]

# In the order of how often such a bug is a real one, which decides where there are too many alternatives, and which
# family an alternative belongs to that two of them propose.
_FAMILIES: tuple[tuple[_Generator, tuple[Family, ...]], ...] = (
    (names.wrong_names, ("name",)),
    (names.wrong_attributes, ("attribute",)),
    (operators.comparisons, ("comparison",)),
    (operators.booleans, ("boolean",)),
    (operators.missing_not, ("missing-not",)),
    (operators.missing_await, ("missing-await",)),
    (arguments.swapped, ("swapped-arguments",)),
    (operators.identity, ("identity",)),
    (operators.arithmetic, ("arithmetic",)),
    (operators.bitwise, ("bitwise",)),
    (numbers.off_by_one, ("off-by-one", "bound")),
    (operands.swapped_operands, ("swapped-operands",)),
    (words.paired_calls, ("any-all", "min-max")),
    (words.missing_self, ("missing-self",)),
    (words.missing_return, ("missing-return",)),
    (words.exceptions, ("exception",)),
    (numbers.flags, ("flag",)),
    (numbers.defaults, ("default-argument",)),
    (operands.dropped_operands, ("dropped-operand",)),
    (elsewhere.attributes_of_file, ("file-attribute",)),
    (elsewhere.names_of_file, ("file-name",)),
)
# One name for another always means something else. In Python it always parses, too; in Go `make` takes a type.
_ONE_NAME = frozenset({"name", "attribute", "file-attribute", "file-name", "exception"})


def find_candidates(
    function: Function,
    lines: frozenset[int],
    families: Collection[Family] | None = None,
) -> list[Candidate]:
    """Alternatives on the changed lines of a function, in the order of the text, each resulting text once.

    Every one parses, and as far as can be told none means the same as what is written or as another. Only `families`
    are sought, or all. Nothing is proposed in a statement that stands elsewhere in the file as well, on a line that is
    not among `lines`.

    Where there are more than `MOST_CANDIDATES`, they are taken in rounds: one from each place, then a second from each.
    """
    site = Site(function, lines)
    found: dict[Edit, Candidate] = {}
    for generator, yielded in _FAMILIES:
        if families is not None and not any(family in families for family in yielded):
            continue
        for candidate in islice(generator(site), MOST_CANDIDATES):
            smallest = _smallest(candidate.edit, function.text)
            if smallest.replacement or smallest.start < smallest.end:
                found.setdefault(smallest, candidate)
    asked = [each for each in found.values() if families is None or each.family in families]
    familiar = Familiar(function.source, lines)
    unfamiliar = (candidate for candidate in asked if not familiar.covers(candidate))
    kept = islice(_with_a_meaning(function, _first_of_each_place(unfamiliar)), MOST_CANDIDATES)
    return sorted(kept, key=lambda each: (each.edit.start, each.edit.end, each.edit.replacement))


def _with_a_meaning(function: Function, found: Iterable[Candidate]) -> Iterator[Candidate]:
    """Those that parse, make sense, and mean something of their own."""
    meanings = Meanings(function.source)
    for candidate in found:
        edit = candidate.edit
        moved = Edit(edit.start + function.start, edit.end + function.start, edit.replacement)
        if is_with_itself(function.source, moved):
            continue
        if candidate.family in _ONE_NAME:
            is_new = function.source.language == "python" or meanings.parses(moved)
        else:
            is_new = meanings.is_new(moved)
        if is_new:
            yield candidate


def _first_of_each_place(found: Iterable[Candidate]) -> list[Candidate]:
    """In rounds; in each the families stay in their order, and are in that of the text."""
    rounds: Counter[tuple[int, Family]] = Counter()
    in_rounds = []
    for candidate in found:
        place = candidate.edit.start, candidate.family
        in_rounds.append((rounds[place], candidate))
        rounds[place] += 1
    in_rounds.sort(key=lambda each: each[0])  # stable
    return [candidate for _, candidate in in_rounds]


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
