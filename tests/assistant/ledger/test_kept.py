"""What still stands of an accepted text, however the document changes around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsassist.ledger.edits import smallest_edit
from dsassist.ledger.kept import Kept, KeptWatch, LineMark, WatchedText, kept_share

HEAD, ACCEPTED, TAIL = "import os\n\n\ndef f(a, b):\n", "    total = a + b\n    return total\n", "\n\nprint(f(1, 2))\n"
TEXT = HEAD + ACCEPTED + TAIL


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """One accepted text, on a clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.watch = KeptWatch(self.clock)
        self.watch.watch(7, "d", TEXT, len(HEAD), len(ACCEPTED))

    def share_after(self, *texts: str) -> float:
        for text in texts:
            self.watch.changed("d", text)
        self.clock.now += 30
        [kept] = self.watch.due()
        assert kept == Kept(7, "30s", kept.share)
        return kept.share


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_each_check_comes_at_its_time_and_once(watched: Watched) -> None:
    assert watched.watch.next_due_s() == 1030
    watched.clock.now = 1029.9
    assert watched.watch.due() == []
    watched.clock.now = 1030
    assert watched.watch.due() == [Kept(7, "30s", 1.0)]
    assert watched.watch.due() == []
    assert watched.watch.next_due_s() == 1300
    watched.clock.now = 1400
    assert watched.watch.due() == [Kept(7, "5min", 1.0)]
    assert watched.watch.next_due_s() is None


def test_a_late_look_sees_both_checks(watched: Watched) -> None:
    watched.clock.now = 5000
    assert watched.watch.due() == [Kept(7, "30s", 1.0), Kept(7, "5min", 1.0)]


@pytest.mark.parametrize(
    "text",
    [
        "# a comment on top\n" + TEXT,
        TEXT + "more()\n",
        HEAD + ACCEPTED + "    # typed right behind it\n" + TAIL,
        HEAD + "    # typed right before it\n" + ACCEPTED + TAIL,
        ACCEPTED,
        TEXT.replace("    ", "\t"),
        TEXT.replace("\n", "\r\n"),
        HEAD + "    total = a + b\n    log(total)\n    return total\n" + TAIL,
    ],
)
def test_what_is_done_around_it_takes_nothing(watched: Watched, text: str) -> None:
    assert watched.share_after(text) == 1.0


@pytest.mark.parametrize(
    ("text", "share"),
    [
        (HEAD + TAIL, 0.0),
        ("", 0.0),
        (HEAD + "    return a + b\n" + TAIL, 3 / 20),  # a, +, b of 20 characters that count
        (HEAD + "    total = a + b\n" + TAIL, 9 / 20),
        (HEAD + "    raise NotImplementedError\n" + TAIL, 0.0),
        (TEXT.replace("total", "result"), 10 / 20),
    ],
)
def test_what_is_deleted_or_rewritten_is_not_kept(watched: Watched, text: str, share: float) -> None:
    assert watched.share_after(text) == pytest.approx(share)


def test_a_formatter_that_changes_lines_all_over_does_not_lose_the_place(watched: Watched) -> None:
    formatted = TEXT.replace("import os", "import os  # noqa").replace("f(1, 2)", "f(\n    1,\n    2,\n)")
    assert watched.share_after(formatted) == 1.0
    assert watched.watch.text_of(7) == WatchedText(
        "d", 20, (LineMark("total = a + b", 9), LineMark("return total", 11))
    )


def test_a_formatter_that_changes_each_of_30_000_lines_does_not_lose_the_place() -> None:
    lines = [f"    value_{number} = compute({number})\n" for number in range(30_000)]
    text, clock = "".join(lines), Clock()
    watch = KeptWatch(clock)
    watch.watch(1, "d", text, text.index(lines[15_000]), len(lines[15_000]))
    watch.changed("d", text.replace("    ", "\t").replace("(", "( "))
    clock.now += 30
    assert watch.due() == [Kept(1, "30s", 1.0)]


def test_lines_that_are_all_alike_are_no_trouble() -> None:
    watch = KeptWatch(Clock())
    watch.watch(1, "d", "}\n" * 3000, 10, 20)
    watch.changed("d", "}\n\n" * 1700)
    assert watch.awaiting_commit() == [1]


def test_the_same_text_elsewhere_is_not_the_accepted_one(watched: Watched) -> None:
    assert watched.share_after(TEXT + ACCEPTED, HEAD + TAIL + ACCEPTED) == 0.0


def test_several_accepted_texts_in_one_document_are_followed_apart() -> None:
    clock = Clock()
    watch = KeptWatch(clock)
    watch.watch(1, "d", "one\n", 0, 3)
    watch.watch(2, "d", "zero\none\ntwo\n", 9, 3)
    watch.changed("d", "zero\ntwo\n")
    clock.now += 30
    assert watch.due() == [Kept(1, "30s", 0.0), Kept(2, "30s", 1.0)]


def test_an_offer_taken_word_by_word_is_followed_as_a_whole() -> None:
    clock = Clock()
    watch = KeptWatch(clock)
    watch.watch(1, "d", "x = alpha", 4, 5)
    watch.watch(1, "d", "x = alpha + beta", 4, 12)
    watch.changed("d", "x = alpha + gamma")
    clock.now += 30
    assert watch.due() == [Kept(1, "30s", 6 / 10)]


def test_documents_are_forgotten_when_nothing_in_them_is_followed(watched: Watched) -> None:
    assert watched.watch.awaiting_commit() == [7]
    watched.clock.now += 300
    watched.watch.due()
    assert watched.watch.text_of(7) is not None
    watched.watch.committed([7])
    assert watched.watch.text_of(7) is None
    assert watched.watch.awaiting_commit() == []


def test_only_the_newest_are_followed() -> None:
    clock = Clock()
    watch = KeptWatch(clock)
    for number in range(600):
        clock.now += 1
        watch.watch(number, "d", "text", 0, 4)
    assert watch.awaiting_commit() == list(range(100, 600))


def test_words_count_and_letters_found_by_chance_do_not() -> None:
    assert kept_share("return value", "raise ValueError") == 0.0
    assert kept_share("foo(a, b)", "foo(a, c)") == pytest.approx(7 / 8)
    assert kept_share("   \n", "") == 1.0


@given(st.text("ab\n", max_size=30), st.text("ab\n", max_size=30))
def test_the_smallest_edit_makes_one_text_of_the_other(before: str, after: str) -> None:
    start, end, text = smallest_edit(before, after)
    assert before[:start] + text + before[end:] == after
    assert start <= end
    assert not (text and end > start and text[0] == before[start])


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 20), st.text("xy\n 1", max_size=12)), max_size=12),
)
def test_edits_outside_of_the_range_never_take_from_it(edits: list[tuple[int, int, str]]) -> None:
    """Random edits, each moved out of the accepted text, whose letters appear nowhere else."""
    clock, accepted = Clock(), "alpha(beta)\ngamma = delta\n"
    watch = KeptWatch(clock)
    text = "x y\n" * 5 + accepted + "1 1\n" * 5
    watch.watch(1, "d", text, 20, len(accepted))
    for place, length, new in edits:
        start = text.index(accepted)
        head, tail = text[:start], text[start + len(accepted) :]
        if place % 2:
            at = place % (len(head) + 1)
            head = head[:at] + new + "\n" + head[at + length :]
        else:
            at = place % (len(tail) + 1)
            tail = tail[:at] + "\n" + new + tail[at + length :]
        text = head + accepted + tail
        watch.changed("d", text)
    clock.now += 30
    assert watch.due() == [Kept(1, "30s", 1.0)]
