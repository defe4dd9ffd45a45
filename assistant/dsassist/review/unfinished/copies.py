"""A copied block whose names were changed throughout but in one place (DSA203).

    x0, x1 = min(a.x, b.x), max(a.x, b.x)
    y0, y1 = min(a.y, b.y), max(a.y, b.x)        <- `b.x` was meant to be `b.y`

or a line of a list in which the others have one name in two places:

    image_lib = join(image_dir, "lib")
    mixer_lib = join(image_dir, "lib")           <- `image_dir` was meant to be `mixer_dir`
    fonts_lib = join(fonts_dir, "lib")

Only lines that the change wrote are looked at. Names are compared by their parts (`max_width` is `max` and `width`);
what stands in strings and numbers may differ as it likes.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Finding, Related, finding_at
from dsassist.review.passes.paths import is_test_path
from dsassist.review.unfinished.tree import words_of

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["RenamedPlace", "find_uneven_copies", "renamed_places"]

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|_+|[^\W_]")
_WORD = re.compile(r"[^\W\d]\w*")
_MOST_LINES = 12  # of a block
_MOST_GAP = 2  # lines between a block and its copy
_LEAST_RENAMED, _LEAST_RENAMED_IN_TESTS = 1, 2  # places in which the copy has the new name
_CERTAIN = 2  # such places; with fewer it may well be meant so
_LEAST_TOKENS = 8
_LEAST_LIST, _MOST_LIST = 3, 200  # lines; more are a table, which nobody wrote line by line
_MOST_VARYING = 30  # places in a line of a list
_MOST_NAMES = 2  # that a copy puts in the place of others
_NO_NAMES = frozenset(
    (
        *("int", "float", "str", "bool", "bytes", "dict", "list", "set", "tuple", "Mapping", "Sequence", "double"),
        *("None", "True", "False", "none", "true", "false", "null"),
    )
)
"""Types and values: where lines differ in them, they are a list of things and no copies."""
_SIZE = re.compile(r"\d\d+")  # `uint16` and `uint32` are two types, `x1` and `x2` two names
_OPAQUE = ("string", "number", "integer", "float", "char", "comment", "template_string", "regex", "raw_string")


class _Token(NamedTuple):
    """A name, by its parts, or a mark; `text` is empty for what may differ: a literal."""

    text: str
    parts: tuple[str, ...]
    row: int
    column: int


@dataclass(frozen=True)
class _Exception:
    """The place where a copy kept the old name."""

    token: _Token
    expected: str
    first_row: int
    renamed: tuple[str, str]
    n_renamed: int  # places that show how the name is replaced


def find_uneven_copies(files: Sequence[ChangedFile]) -> Iterator[Finding]:
    """The one place in which a block that the change wrote kept a name of the block that it was copied from."""
    for file in files:
        if file.old is not None and file.language is not None:
            lines = _tokens(file)
            found = {
                (each.token.row, each.token.column): each
                for each in (
                    *_exceptions(lines, _LEAST_RENAMED_IN_TESTS if is_test_path(file.path) else _LEAST_RENAMED),
                    *_odd_ones(lines),  # of both the one with more evidence, which is a list's
                )
            }
            yield from (_finding(file, each) for each in found.values() if _is_known(file, each))


def _is_known(file: ChangedFile, each: _Exception) -> bool:
    """Does the file have the expected name; where little else speaks for it, also outside of the line?"""
    lines = file.source.text.split("\n")
    if each.n_renamed < _CERTAIN:
        lines[each.token.row] = ""
    return each.expected in words_of("\n".join(lines))


class RenamedPlace(NamedTuple):
    """A name in a copy that was `kept` in the block that it repeats; `column` counts bytes from 0, `row` from 0."""

    row: int
    column: int
    written: str
    kept: str


def renamed_places(file: ChangedFile) -> Iterator[RenamedPlace]:
    """The places of blocks that the change repeats with one or two names in the place of others, and evenly so."""
    if file.language is None:
        return
    lines = _tokens(file)
    after = -1
    for first, copy, end in _blocks(lines):
        if first[0].row <= after:
            continue
        renaming = _renaming(first, copy)
        if renaming is None or renaming.kept or max(renaming.counted.values()) < 2:
            continue
        after = end
        for one, other in zip(first, copy, strict=True):
            changed = [place for place, part in enumerate(one.parts) if part != other.parts[place]]
            if len(changed) == 1:
                yield RenamedPlace(other.row, other.column, other.text, one.text)


def _tokens(file: ChangedFile) -> dict[int, list[_Token]]:
    """The tokens of each changed line, by its row; comments are left out."""
    tree = file.source.tree_as(file.language)
    rows = sorted(line - 1 for line in file.lines)
    found: dict[int, list[_Token]] = {}
    if tree is None or tree.root_node.has_error or not rows:
        return found
    pending = [tree.root_node]
    while pending:
        node = pending.pop()
        start = node.start_point.row
        at = bisect_left(rows, start)
        if at == len(rows) or rows[at] > node.end_point.row:
            continue
        if node.type in _OPAQUE or not node.child_count:
            if rows[at] == start and "comment" not in node.type:
                found.setdefault(start, []).append(_token(node))
        else:
            pending.extend(reversed(node.children))
    return found


def _token(node: Node) -> _Token:
    text = "" if node.type in _OPAQUE else (node.text or b"").decode("utf-8", "replace")
    parts = tuple(_PART.findall(text)) if node.is_named and _WORD.fullmatch(text) else ()
    return _Token(text, parts, node.start_point.row, node.start_point.column)


def _exceptions(lines: Mapping[int, list[_Token]], least: int) -> Iterator[_Exception]:
    after = -1
    for first, copy, end in _blocks(lines):
        found = _compare(first, copy, least) if first[0].row > after else None
        if found is not None:
            yield found
            after = end


def _odd_ones(lines: Mapping[int, list[_Token]]) -> Iterator[_Exception]:
    """Of lists of lines those with one line in which two places differ that have the same name in all others."""
    for rows in _lists(lines):
        varying = _varying(lines, rows)
        if len(varying) > _MOST_VARYING or len(lines[rows[0]]) < _LEAST_TOKENS:
            continue
        found = {
            (odd.token.row, odd.token.column): odd
            for one, other in combinations(varying, 2)
            if (odd := _odd_one(lines, rows, one, other)) is not None
        }
        if len(found) == 1:
            yield from found.values()


def _lists(lines: Mapping[int, list[_Token]]) -> Iterator[list[int]]:
    """Lines below each other that have one shape, by their rows."""
    lists: list[list[int]] = []
    shape: tuple[object, ...] = ()
    for row in sorted(lines):
        before, shape = shape, _shape(lines[row])
        if lists and row == lists[-1][-1] + 1 and shape == before:
            lists[-1].append(row)
        else:
            lists.append([row])
    yield from (rows for rows in lists if _LEAST_LIST <= len(rows) <= _MOST_LIST)


def _varying(lines: Mapping[int, list[_Token]], rows: Sequence[int]) -> list[tuple[int, int]]:
    """The places, by token and part, at which not all lines of a list have the same."""
    first = lines[rows[0]]
    places = [(token, part) for token, each in enumerate(first) for part in range(len(each.parts))]
    return [place for place in places if len({_part(lines[row], place) for row in rows}) > 1]


def _part(tokens: Sequence[_Token], place: tuple[int, int]) -> str:
    return tokens[place[0]].parts[place[1]].lower()


def _odd_one(
    lines: Mapping[int, list[_Token]], rows: Sequence[int], one: tuple[int, int], other: tuple[int, int]
) -> _Exception | None:
    """The line in which alone two places differ, where one of them has what the line above has there."""
    odd = [number for number, row in enumerate(rows) if _part(lines[row], one) != _part(lines[row], other)]
    same = {_part(lines[row], one) for number, row in enumerate(rows) if number not in odd}
    if len(odd) != 1 or odd[0] == 0 or len(same) < _LEAST_LIST - 1:
        return None
    above, here = lines[rows[odd[0] - 1]], lines[rows[odd[0]]]
    for kept, right in ((other, one), (one, other)):
        if _part(here, kept) == _part(above, kept) and _part(here, right) not in same:
            token, old = here[kept[0]], here[kept[0]].parts[kept[1]]
            new = here[right[0]].parts[right[1]]
            if any(part in _NO_NAMES or part.lower() in _NO_NAMES or _SIZE.fullmatch(part) for part in (old, new)):
                return None
            new = new.lower() if old.islower() else new.upper() if old.isupper() else new[:1].upper() + new[1:]
            parts = (*token.parts[: kept[1]], new, *token.parts[kept[1] + 1 :])
            return _Exception(token, "".join(parts), above[0].row, (old, new), len(rows) - 1)
    return None


def _blocks(lines: Mapping[int, list[_Token]]) -> Iterator[tuple[list[_Token], list[_Token], int]]:
    """Blocks that stand a second time right behind, the largest from each line on, and the last row of the second."""
    shapes = {row: _shape(tokens) for row, tokens in lines.items()}
    for row in sorted(lines):
        block = _largest_block(row, shapes)
        if block is not None:
            size, copy = block
            yield (
                [token for each in range(row, row + size) for token in lines.get(each, ())],
                [token for each in range(copy, copy + size) for token in lines.get(each, ())],
                copy + size - 1,
            )


def _shape(tokens: Sequence[_Token]) -> tuple[object, ...]:
    return tuple(len(token.parts) or token.text for token in tokens)


def _largest_block(row: int, shapes: Mapping[int, tuple[object, ...]]) -> tuple[int, int] | None:
    """The most lines from `row` on that stand a second time right behind, with other names; and where they do."""
    for size in range(_MOST_LINES, 0, -1):
        if row + size - 1 not in shapes:
            continue
        for copy in range(row + size, row + size + _MOST_GAP + 1):
            if copy > row + size and copy - 1 in shapes:
                break  # what lies between must be empty
            if (
                shapes.get(copy) == shapes[row]
                and copy + size - 1 in shapes
                and all(shapes.get(row + i) == shapes.get(copy + i) for i in range(size))
            ):
                return size, copy
    return None


@dataclass(frozen=True)
class _Renaming:
    """Which part of a name gave way to which, how often, and where a part stayed that gave way elsewhere."""

    counted: Counter[tuple[str, str]]
    kept: tuple[tuple[_Token, _Token, int], ...]

    @property
    def new_names(self) -> dict[str, str]:
        return dict(self.counted.keys())


def _renaming(first: Sequence[_Token], copy: Sequence[_Token]) -> _Renaming | None:
    """How one block becomes the other; None where it is not by putting one or two names in the place of others."""
    counted: Counter[tuple[str, str]] = Counter()
    same: list[tuple[_Token, _Token, int]] = []
    for one, other in zip(first, copy, strict=True):
        for place, (a, b) in enumerate(zip(one.parts, other.parts, strict=True)):
            if a == b:
                same.append((one, other, place))
            else:
                counted[a, b] += 1
    if any(part in _NO_NAMES or _SIZE.fullmatch(part) for pair in counted for part in pair):
        return None
    old = {a for a, _ in counted}
    if not 0 < len(counted) <= _MOST_NAMES or len(old) < len(counted) or len(first) < _LEAST_TOKENS:
        return None
    return _Renaming(counted, tuple(each for each in same if each[0].parts[each[2]] in old))


def _compare(first: Sequence[_Token], copy: Sequence[_Token], least: int) -> _Exception | None:
    """The one place that breaks an otherwise even renaming of one block into the other."""
    renaming = _renaming(first, copy)
    if renaming is None or len(renaming.kept) != 1:
        return None
    one, other, place = renaming.kept[0]
    old = one.parts[place]
    new = renaming.new_names[old]
    if renaming.counted[old, new] < least or not old.strip("_"):
        return None
    parts = (*other.parts[:place], new, *other.parts[place + 1 :])
    return _Exception(other, "".join(parts), one.row, (old, new), renaming.counted[old, new])


def _finding(file: ChangedFile, each: _Exception) -> Finding:
    source = file.source
    line = each.token.row + 1
    before = source.line_text(line).encode("utf-8")[: each.token.column].decode("utf-8", "replace")
    start = source.line_start(line) + len(before)
    old, new = each.renamed
    return finding_at(
        file.path,
        source,
        (start, start + len(each.token.text)),
        severity="warning" if each.n_renamed >= _CERTAIN else "info",
        family="uneven-copy",
        message=f"`{each.token.text}` may be meant to be `{each.expected}`",
        evidence=f"these lines repeat those from line {each.first_row + 1} on with `{new}` for `{old}`, but for this",
        related=(Related(file.path, each.first_row + 1, 1, "what they repeat"),),
        original=each.token.text,
        alternative=each.expected,
    )
