"""What is remembered of the documents that were worked on."""

from __future__ import annotations

from dsassist.context.recent import RecentEdits

TEXT = "\n".join(f"line_{i}" for i in range(200))


def test_the_latest_edit_goes_first_and_edits_before_views() -> None:
    now = [0.0]
    recent = RecentEdits(clock=lambda: now[0])
    for name in ("a.py", "b.py", "c.py"):
        recent.opened(name, name, TEXT)
    now[0] = 5.0
    recent.changed("a.py", TEXT, 100, 100)
    now[0] = 7.0
    recent.changed("b.py", TEXT, 50, 50)
    now[0] = 10.0
    assert [(each.path, each.edited, each.age_s) for each in recent.places()] == [
        ("b.py", True, 3.0),
        ("a.py", True, 5.0),
        ("c.py", False, 10.0),
    ]
    assert [each.path for each in recent.places("b.py")] == ["a.py", "c.py"]


def test_a_place_is_told_with_lines_around_it() -> None:
    recent = RecentEdits()
    recent.opened("a", "a.py", TEXT)
    recent.changed("a", TEXT, 100, 101)
    (place,) = recent.places()
    assert place.line == 95
    assert place.text.split("\n")[0] == "line_94"
    assert place.text.split("\n")[-1] == "line_107"


def test_lines_written_above_move_a_place() -> None:
    recent = RecentEdits()
    recent.opened("a", "a.py", TEXT)
    recent.changed("a", TEXT, 100, 100)
    recent.changed("a", "new\n" * 10 + TEXT, 0, 9)
    assert any("line_100" in place.text.split("\n") for place in recent.places())


def test_edits_near_each_other_are_one_place() -> None:
    recent = RecentEdits()
    recent.opened("a", "a.py", TEXT)
    for line in (100, 103, 101):
        recent.changed("a", TEXT, line, line)
    assert len(recent.places()) == 1


def test_at_most_twenty_documents_are_remembered() -> None:
    recent = RecentEdits()
    for i in range(25):
        recent.opened(f"{i}", f"{i}.py", TEXT)
        recent.changed(f"{i}", TEXT, 3, 3)
    assert "4.py" not in {place.path for place in recent.places()}
    assert "24.py" in {place.path for place in recent.places()}


def test_a_closed_document_is_remembered_only_for_its_edits() -> None:
    recent = RecentEdits()
    recent.opened("a", "a.py", TEXT)
    recent.opened("b", "b.py", TEXT)
    recent.changed("b", TEXT, 3, 3)
    recent.closed("a")
    recent.closed("b")
    recent.closed("never opened")
    assert [place.path for place in recent.places()] == ["b.py"]


def test_a_file_of_secrets_is_never_remembered() -> None:
    recent = RecentEdits()
    recent.opened("e", "/work/.env", TEXT)
    recent.changed("e", TEXT, 3, 3)
    assert recent.places() == []
