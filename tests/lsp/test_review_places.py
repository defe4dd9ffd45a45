"""Where lines are after edits, whatever edits they were; and findings with them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from dsassist.review.findings import Finding, Related, Replacement
from dsassist_lsp.line_map import LineMap
from dsassist_lsp.placed import Placed, Placer

LINES = st.lists(st.sampled_from(["a", "b", "c", "d", ""]), max_size=12)


def lines(text: str) -> list[str]:
    return text.split("\n")


@given(LINES, LINES)
def test_a_line_is_only_ever_where_the_same_text_stands(before: list[str], after: list[str]) -> None:
    found = LineMap(before, after)
    places = [found.moved(line, line) for line in range(len(before))]
    assert all(by is None or after[line + by] == before[line] for line, by in enumerate(places))
    there = [line + by for line, by in enumerate(places) if by is not None]
    assert there == sorted(set(there))


@given(LINES, LINES, LINES)
def test_lines_around_an_edit_are_all_found(head: list[str], old: list[str], tail: list[str]) -> None:
    found = LineMap([*head, *old, *tail], [*head, "new", "newer", *tail])
    assert all(found.moved(line, line) == 0 for line in range(len(head)))
    behind = range(len(head) + len(old), len(head) + len(old) + len(tail))
    assert all(found.moved(line, line) == 2 - len(old) for line in behind)


def test_lines_between_two_edits_are_found() -> None:
    found = LineMap(lines("a\nb\nc\nd\ne"), lines("x\ny\nb\nc\nd\nz"))
    assert [found.moved(line, line) for line in range(5)] == [None, 1, 1, 1, None]


def test_lines_that_are_torn_apart_have_not_moved_together() -> None:
    found = LineMap(lines("a\nb"), lines("a\nx\nb"))
    assert (found.moved(0, 0), found.moved(1, 1), found.moved(0, 1)) == (0, 1, None)


def test_other_line_ends_are_no_change() -> None:
    assert LineMap(["a\r\n", "b"], ["new\n", "a\n", "b\n", ""]).moved(0, 1) == 1


def test_a_text_that_is_another_altogether_takes_no_time_to_see_through() -> None:
    before, after = [f"{n}a" for n in range(30_000)], [f"{n}b" for n in range(30_000)]
    assert LineMap(before, after).moved(7, 7) is None


def finding(line: int, column: int, end_line: int, end_column: int, **more: object) -> Finding:
    place = (line, column, end_line, end_column)
    return Finding("a.py", *place, "warning", "name", "f", "odd", "", **more)  # type: ignore[arg-type]


def placed(text: str, found: Finding, *ignore: Replacement) -> Placed:
    return Placer("file:///a.py", text, types.PositionEncodingKind.Utf16).placed(found, ignore, None)


def test_lines_of_findings_end_at_line_feeds_and_those_of_the_protocol_at_carriage_returns_too() -> None:
    found = placed("a\rb\ncd\n", finding(2, 1, 2, 3))
    assert found.range == types.Range(types.Position(2, 0), types.Position(2, 2))


def test_a_fix_elsewhere_goes_when_its_line_changes_and_the_finding_stays() -> None:
    text = "one\ntwo\nthree\n"
    found = placed(text, finding(1, 1, 1, 4, fix=(Replacement(3, 1, 3, 6, "3"),)))
    after = LineMap(text.split("\n"), ["one", "two", "four", ""])
    moved = found.moved(after, "file:///a.py")
    assert moved is not None
    assert (moved.fix, moved.range) == ((), found.range)


def test_related_places_of_the_document_move_and_those_of_others_stay() -> None:
    text = "one\ntwo\n"
    related = (Related("a.py", 2, 2, "here"), Related("b.py", 2, 2, "there"))
    moved = placed(text, finding(1, 1, 1, 4, related=related)).moved(
        LineMap(text.split("\n"), ["new", "one", "two", ""]), "file:///a.py"
    )
    assert moved is not None
    here, there = moved.related
    assert (here.location.range.start.line, here.location.uri) == (2, "file:///a.py")
    assert (there.location.range.start.line, there.location.uri.rpartition("/")[2]) == (1, "b.py")


def test_only_the_comment_that_would_be_put_there_keeps_a_finding_quiet() -> None:
    comment = Replacement(2, 1, 2, 1, "  # dsassist: ignore[DSA101]\n")
    found = placed("one\ntwo\n", finding(2, 1, 2, 4), comment)
    for line, expected in (
        ("  # dsassist: ignore[DSA101]", True),
        ("# dsassist: ignore[DSA001]", False),
        ("one  # dsassist: ignore[DSA101]", False),
    ):
        assert found.is_ignored([line, "two"]) is expected


def test_a_finding_up_to_a_lines_start_does_not_hang_on_that_line() -> None:
    text = "one\ntwo\n"
    found = placed(text, finding(1, 1, 2, 1))
    assert found.moved(LineMap(text.split("\n"), ["one", "2", ""]), "file:///a.py") == found
