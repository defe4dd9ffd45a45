"""Commits that change one thing in several places, with one of the places put back as it was.

What is held back is taken from the commit itself, so that the mistake is one that could have been made: all places were
changed but one. Whether a place is a mistake is told by the commit's own files; for signatures and copies by what the
review itself reads such with, so that what it cannot read is no case either:

    name       a hunk whose old lines use a name that no changed file defines any more
    signature  a hunk whose old lines call a function in a way that its altered signature does not take
    twin       a line that the commit rewrote in the same way at several places
    copy       in a block that the commit repeats with another name, one place of that name
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal, get_args

from dsassist.bench.review.held_back_history import Sides, changed_file
from dsassist.review.source import Source
from dsassist.review.unfinished.change import PythonChange
from dsassist.review.unfinished.copies import renamed_places
from dsassist.review.unfinished.edits import Hunk, hunks
from dsassist.review.unfinished.python_file import Occurrence, PythonFile
from dsassist.review.unfinished.signature import Signature, call_at, call_of, callables, misfit
from dsassist.syntax.languages import language_of

__all__ = ["KINDS", "HeldBack", "HeldBackKind", "held_back"]

HeldBackKind = Literal["name", "signature", "twin", "copy"]
KINDS: tuple[HeldBackKind, ...] = get_args(HeldBackKind)

_MOST_LINES = 6  # of a hunk that is one place
_LEAST_CHARACTERS = 15  # of a twin
_NO_CODE = ("#", "//", "*", "/*", '"""', "import ", "from ", "use ")
_DATA = ("json", "yaml", "toml", "html", "css", "hcl")  # their lines are alike as a rule
_USES = ("load", "attribute", "import", "keyword")


@dataclass(frozen=True)
class HeldBack:
    """One place of a commit put back: what the commit's files are then, and the lines in which the mistake stands."""

    kind: HeldBackKind
    sides: tuple[Sides, ...]
    path: str
    lines: frozenset[int]
    what: str


def held_back(sides: Sequence[Sides], draw: Random) -> list[HeldBack]:
    """At most one case of each kind that a commit offers."""
    changes = [
        PythonChange(each.path, each.old, Source(each.new))
        for each in sides
        if each.old is not None and each.path.endswith(".py")
    ]
    changes = [each for each in changes if not each.old.has_errors and not each.new.has_errors]
    code = [each for each in sides if language_of(each.path) not in _DATA]
    miners: tuple[Callable[[], Iterator[HeldBack]], ...] = (
        lambda: _names(sides, changes),
        lambda: _signatures(sides, changes),
        lambda: _twins(code, sides),
        lambda: _copies(code, sides),
    )
    chosen: list[HeldBack] = []
    for mine in miners:
        taken = {(each.path, line) for each in chosen for line in each.lines}
        offered = [each for each in mine() if taken.isdisjoint((each.path, line) for line in each.lines)]
        if offered:
            chosen.append(draw.choice(offered))
    return chosen


def _names(sides: Sequence[Sides], changes: Sequence[PythonChange]) -> Iterator[HeldBack]:
    before = [each.name for change in changes for each in change.old.definitions]
    after = {name for change in changes for name in (*change.new.module_names, *change.new.members)}
    gone = {name for name in before if name not in after and len(name) > 2 and not name.startswith("__")}
    for change in changes:
        defined = {each.line for each in change.old.definitions if each.name in gone}
        for hunk in change.hunks:
            names = gone & _words(hunk.old) - _words(hunk.new)
            if names and defined.isdisjoint(range(hunk.old_line, hunk.old_line + len(hunk.old))):
                back = _put_back(change.new.source.text, hunk)
                lines = _lines_of_uses(back, names, hunk)
                if lines:
                    yield _case("name", sides, change.new.path, back.source.text, lines, min(names))


def _lines_of_uses(back: PythonFile, names: set[str], hunk: Hunk) -> frozenset[int]:
    """The lines of what was put back that use one of the names; none where it gives one of them a meaning."""
    if back.has_errors or len(hunk.old) > _MOST_LINES:
        return frozenset()
    put_back = range(hunk.new_line, hunk.new_line + len(hunk.old))
    lines: set[int] = set()
    for name in sorted(names):
        occurrences = back.occurrences(name)
        if any(each.role in ("definition", "binding", "store") for each in occurrences):
            return frozenset()
        lines |= {each.line for each in occurrences if each.role in _USES and each.line in put_back}
    return frozenset(lines)


def _signatures(sides: Sequence[Sides], changes: Sequence[PythonChange]) -> Iterator[HeldBack]:
    defined = [each.name for change in changes for each in change.new.definitions if each.kind == "function"]
    for altered in changes:
        before, after = callables(altered.old), callables(altered.new)
        for key, (definition, new) in after.items():
            if key in before and before[key][1] != new and defined.count(definition.name) <= 1:
                yield from _calls(sides, changes, definition.name, before[key][1], new)


def _calls(
    sides: Sequence[Sides], changes: Sequence[PythonChange], name: str, old: Signature, new: Signature
) -> Iterator[HeldBack]:
    for change in changes:
        for hunk in change.hunks:
            back = _with_call(change, hunk, name)
            if back is not None:
                put_back = range(hunk.new_line, hunk.new_line + len(hunk.old))
                uses = [use for use in back.occurrences(name) if use.line in put_back]
                lines = frozenset(use.line for use in uses if _fits_no_more(back, use, old, new))
                if lines:
                    yield _case("signature", sides, change.new.path, back.source.text, lines, name)


def _fits_no_more(file: PythonFile, use: Occurrence, old: Signature, new: Signature) -> bool:
    node = call_of(use)
    call = None if node is None else call_at(node, file)
    return call is not None and not misfit(call, old) and bool(misfit(call, new))


def _with_call(change: PythonChange, hunk: Hunk, name: str) -> PythonFile | None:
    """The file with a hunk put back in which a function of that name is called before and after."""
    is_short = len(hunk.old) <= _MOST_LINES
    if not is_short or not all(re.search(rf"\b{name}\b", "\n".join(lines)) for lines in (hunk.old, hunk.new)):
        return None
    if re.search(rf"\b(?:def|class) {name}\b", "\n".join(hunk.old)):
        return None
    back = _put_back(change.new.source.text, hunk)
    return None if back.has_errors else back


def _twins(code: Sequence[Sides], sides: Sequence[Sides]) -> Iterator[HeldBack]:
    rewritten: dict[tuple[str, str], list[tuple[Sides, Hunk, int]]] = {}
    for each in code:
        for hunk in hunks(each.old, each.new) if each.old is not None else ():
            for number, old, new in hunk.pairs():
                line = old.strip()
                if line != new.strip() and len(line) >= _LEAST_CHARACTERS and not line.startswith(_NO_CODE):
                    rewritten.setdefault((line, new.strip()), []).append((each, hunk, number))
    for (old, _), places in rewritten.items():
        if len(places) > 1 and not any(old == line.strip() for each in sides for line in each.new.split("\n")):
            for each, hunk, number in places:
                lines = each.new.split("\n")
                lines[number - 1] = hunk.old[number - hunk.new_line]
                yield _case("twin", sides, each.path, "\n".join(lines), frozenset({number}), old)


def _copies(code: Sequence[Sides], sides: Sequence[Sides]) -> Iterator[HeldBack]:
    for each in code:
        if each.old is None:
            continue
        for place in renamed_places(changed_file(each)):
            lines = each.new.split("\n")
            data = lines[place.row].encode()
            end = place.column + len(place.written.encode())
            lines[place.row] = (data[: place.column] + place.kept.encode() + data[end:]).decode()
            yield _case("copy", sides, each.path, "\n".join(lines), frozenset({place.row + 1}), place.kept)


def _case(
    kind: HeldBackKind, sides: Sequence[Sides], path: str, text: str, lines: frozenset[int], what: str
) -> HeldBack:
    changed = tuple(replace(each, new=text) if each.path == path else each for each in sides)
    return HeldBack(kind, changed, path, lines, what)


def _put_back(text: str, hunk: Hunk) -> PythonFile:
    lines = text.split("\n")
    lines[hunk.new_line - 1 : hunk.new_line - 1 + len(hunk.new)] = hunk.old
    return PythonFile("", Source("\n".join(lines)))


def _words(lines: Sequence[str]) -> set[str]:
    return set(re.findall(r"\w+", "\n".join(lines)))
