"""A line that the change rewrote, and that stands elsewhere as it was (DSA204).

Lines are compared without their indentation. Two things make a twin: the change rewrote several of them in the same way
and left one or a few out; or there were two in like surroundings, in files of the change, and only one was rewritten.
The file of the one that was left must know each name that the new form has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Finding, Related, Replacement
from dsassist.review.passes.paths import is_test_path
from dsassist.review.source import Source
from dsassist.review.unfinished.edits import hunks, tokens_of
from dsassist.review.unfinished.tree import Overlay, words_of
from dsassist.syntax.languages import language_of

__all__ = ["find_left_twins"]

_LEAST, _TELLING = (15, 2), (24, 4)
"""Characters and words of a line that is looked at, and of one that few others are like."""
_MANY = 3  # places rewritten in the same way: the only one left is then one that was forgotten
_LEFT_FOR_EACH = 2  # one may be forgotten where so many were rewritten; more are meant to stay
_SURROUNDINGS = 3  # lines on either side
_LEAST_ALIKE = 5  # of them, where only one of two was rewritten
_LEAST_ALIKE_IN_TESTS = 2  # where a few of several are left: tests are written alike and meant to differ
_MOST_LINES = 60
_NO_CODE = (
    *("def ", "async def ", "class ", "@", "import ", "from ", "use ", "require"),
    *("#", "//", "*", "/*", "--", "'", '"', "`"),
)

_ENTRY = re.compile(r"[\"'*]*\w+[\"']?\??\s*:\s.*,$")
"""A parameter, or an entry of a mapping: alike in many places that have nothing to do with each other."""


@dataclass
class _Rewritten:
    """A line that the change rewrote: its new forms, and where it did, with the surroundings as they were."""

    line: str
    language: str
    new: set[str] = field(default_factory=set)
    places: list[tuple[ChangedFile, int, tuple[str, ...]]] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    path: str
    lines: Sequence[str]
    row: int


def find_left_twins(files: Sequence[ChangedFile], tree: Overlay) -> Iterator[Finding]:
    """The twins of rewritten lines that kept the old form."""
    rewritten = _rewritten(files)
    if not rewritten or len(rewritten) > _MOST_LINES:
        return
    # Only of what was rewritten more than once is a twin looked for in the files that the change did not touch.
    anchors = {max(tokens_of(each.line), key=len) for each in rewritten if len(each.places) > 1}
    changed = {file.path: file for file in files}
    texts = {path: text.split("\n") for path, text in tree.texts_with(anchors).items()}
    texts.update({path: file.source.text.split("\n") for path, file in changed.items()})
    for each in rewritten:
        left = _left(each, texts, changed)
        if len(each.new) == 1 and left and _is_twin(each, left, changed):
            yield from (_finding(each, place) for place in left)


def _rewritten(files: Sequence[ChangedFile]) -> list[_Rewritten]:
    found: dict[tuple[str, str], _Rewritten] = {}
    for file in files:
        if file.old is None or file.language is None:
            continue
        before = file.old.split("\n")
        for hunk in hunks(file.old, file.source.text):
            for row, (number, old, new) in enumerate(hunk.pairs()):
                line = old.strip()
                if (
                    _without_comment(line) != _without_comment(new.strip())
                    and _is_telling(line, _LEAST)
                    and _is_same_statement(line, new.strip())
                ):
                    each = found.setdefault((file.language, line), _Rewritten(line, file.language))
                    each.new.add(new.strip())
                    each.places.append((file, number, _around(before, hunk.old_line - 1 + row)))
    return list(found.values())


def _is_telling(line: str, least: tuple[int, int]) -> bool:
    words = [token for token in tokens_of(line) if token.isidentifier()]
    if _ENTRY.match(line):
        return False
    return len(line) >= least[0] and len(words) >= least[1] and not line.startswith(_NO_CODE)


def _without_comment(line: str) -> str:
    return re.split(r"\s+(?:#|//)", line, maxsplit=1)[0].strip()


def _is_same_statement(old: str, new: str) -> bool:
    """Was the line altered, rather than another one put in its place?"""
    before, after = tokens_of(old), tokens_of(new)
    common = len(set(before) & set(after))
    return 2 * common >= len(set(before))


def _around(lines: Sequence[str], row: int) -> tuple[str, ...]:
    """The line and as many on either side, empty ones where the file has no more."""
    rows = range(row - _SURROUNDINGS, row + _SURROUNDINGS + 1)
    return tuple(lines[each].strip() if 0 <= each < len(lines) else "" for each in rows)


def _left(each: _Rewritten, texts: Mapping[str, Sequence[str]], changed: Mapping[str, ChangedFile]) -> list[_Place]:
    """Where the line stands as it was; a place that the change wrote is none of them."""
    found = []
    for path, lines in texts.items():
        written = changed[path].lines if path in changed else frozenset()
        if language_of(path) == each.language:
            found += [
                _Place(path, lines, row)
                for row, line in enumerate(lines)
                if line.strip() == each.line and row + 1 not in written
            ]
    return found


def _is_twin(each: _Rewritten, left: Sequence[_Place], changed: Mapping[str, ChangedFile]) -> bool:
    if any(_is_text(place, each.language) or not _knows(place, each) for place in left):
        return False
    if len(left) * _LEFT_FOR_EACH <= len(each.places):
        is_certain = len(left) == 1 and len(each.places) >= _MANY
        return (is_certain or _is_telling(each.line, _TELLING)) and all(_is_beside(each, place) for place in left)
    if not _is_telling(each.line, _TELLING):
        return False
    is_one_of_two = len(left) == len(each.places) == 1 and left[0].path in changed and changed[left[0].path].lines
    return bool(is_one_of_two) and _is_alike(each, left[0], _LEAST_ALIKE)


def _is_beside(each: _Rewritten, place: _Place) -> bool:
    return _is_alike(each, place, _LEAST_ALIKE_IN_TESTS if is_test_path(place.path) else 1)


def _knows(place: _Place, each: _Rewritten) -> bool:
    """Has the file of what was left each name that the new form brings?"""
    names = {token for new in each.new for token in tokens_of(new) if token.isidentifier()}
    return names - set(tokens_of(each.line)) <= words_of("\n".join(place.lines))


def _is_text(place: _Place, language: str) -> bool:
    """Does the line stand in a longer string or comment?"""
    source = Source("\n".join(place.lines), language)
    line = place.lines[place.row]
    column = len(line.encode("utf-8")) - len(line.lstrip().encode("utf-8"))
    node = source.tree.root_node.descendant_for_point_range((place.row, column), (place.row, column + 1))
    return node is not None and node.start_point.row < place.row and ("string" in node.type or "comment" in node.type)


def _is_alike(each: _Rewritten, place: _Place, least: int) -> bool:
    """Do so many of the lines around it stand around one of the rewritten ones too?"""
    around = _around(place.lines, place.row)
    return any(
        sum(one == other and bool(one) for one, other in zip(around, other_around, strict=True)) - 1 >= least
        for _, _, other_around in each.places
    )


def _finding(each: _Rewritten, place: _Place) -> Finding:
    line = place.lines[place.row]
    column = len(line) - len(line.lstrip()) + 1
    new = min(each.new)
    end_column = column + len(each.line)
    counted = f"{len(each.places)} times" if len(each.places) > 1 else "once"
    return Finding(
        path=place.path,
        line=place.row + 1,
        column=column,
        end_line=place.row + 1,
        end_column=end_column,
        severity="info",
        family="left-twin",
        function="",
        message="the same line was rewritten elsewhere, and not here",
        source_line=line,
        evidence=f"this change rewrote it {counted}, to: {new}",
        fix=(Replacement(place.row + 1, column, place.row + 1, end_column, new),),
        related=tuple(Related(file.path, number, 1, "rewritten here") for file, number, _ in each.places[:3]),
        original=each.line,
        alternative=new,
    )
