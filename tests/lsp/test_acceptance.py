"""What becomes of offers: from an editor's messages and edits to the rows on disk."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dsassist.ledger.database import ledger_dir, opened
from dsassist.ledger.entries import RequestCost, ShownOffer
from dsassist.ledger.ledger import Ledger
from dsassist_lsp.acceptance import ACCEPT_COMMAND, Acceptance, AnsweredOffer, accept_command, item_offer

BEFORE, TEXT = "def f(a, b):\n    ", "total = a + b"
START = len(BEFORE)
EPOCH_S = 1_790_000_000.0


class Editor:
    """An editor with one document, on a clock that the test moves; timers run when their time comes."""

    def __init__(self, root: Path) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.complaints: list[str] = []
        self.root = root
        self.file = root / "a.py"
        self.uri = self.file.as_uri()
        self.text = BEFORE
        self.start()

    def start(self) -> None:
        """A session begins."""
        self.ledger = Ledger(self.complaints.append, clock=lambda: EPOCH_S + self.now)
        self.acceptance = Acceptance(self.ledger, clock=lambda: self.now, call_later=self.call_later)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.timers.append((self.now + delay_s, callback))

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while due := [timer for timer in self.timers if timer[0] <= until]:
            timer = min(due, key=lambda each: each[0])
            self.timers.remove(timer)
            self.now = max(self.now, timer[0])
            timer[1]()
        self.now = until

    def is_answered(self, *texts: str, start: int | None = None, end: int | None = None) -> list[int]:
        start = len(self.text.rstrip("\n")) if start is None else start
        offers = [AnsweredOffer(start, end or start, text, shown(text)) for text in texts]
        return self.acceptance.answered(self.uri, self.text, offers, self.root)

    def edits(self, text: str) -> None:
        self.text = text
        self.acceptance.did_change(self.uri, text)

    def rows(self, columns: str = "outcome, accepted_characters") -> list[tuple[Any, ...]]:
        assert self.ledger.flush()
        assert self.complaints == []
        with opened(ledger_dir(), create=False) as connection:
            assert connection is not None
            return connection.execute(f"SELECT {columns} FROM offers ORDER BY rowid").fetchall()


def shown(text: str) -> ShownOffer:
    return ShownOffer("python", "m", "/r", len(text), 1, 0.5, 120.0)


def item(offer: int, text: str = TEXT) -> dict[str, Any]:
    return {"insertText": text, "command": {"title": "", "command": ACCEPT_COMMAND, "arguments": [offer]}}


def git(root: Path, *arguments: str, at: float | None = None) -> None:
    date = {} if at is None else {"GIT_COMMITTER_DATE": f"@{int(at)} +0000"}
    subprocess.run(["git", *arguments], cwd=root, env=os.environ | date, check=True, capture_output=True)


@pytest.fixture
def editor(tmp_path: Path) -> Iterator[Editor]:
    root = tmp_path / "r"
    root.mkdir()
    git(root, "init", "--quiet")
    (root / "a.py").write_text(BEFORE)
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "-m", "first", at=EPOCH_S - 1000)
    editor = Editor(root)
    yield editor
    editor.ledger.close()


def test_the_item_s_command_is_an_acceptance(editor: Editor) -> None:
    [offer] = editor.is_answered(TEXT)
    editor.edits(BEFORE + TEXT)
    editor.acceptance.did_accept(offer)
    assert editor.rows() == [("accepted", len(TEXT))]


def test_a_client_that_sends_nothing_is_understood_by_its_edit(editor: Editor) -> None:
    editor.is_answered(TEXT)
    editor.edits(BEFORE + TEXT)
    editor.edits(BEFORE + TEXT + "\n")
    assert editor.rows() == [("accepted", len(TEXT))]


def test_a_short_text_that_could_have_been_typed_is_accepted_by_the_command_alone(editor: Editor) -> None:
    offers = []
    for number in range(2):
        offers += editor.is_answered("):")
        editor.edits(editor.text + "):")
        if number:
            editor.acceptance.did_accept(offers[-1])
    assert sorted(editor.rows()) == [("accepted", 2), ("typed through", 0)]


def test_partial_acceptance_is_cumulative_from_the_start_of_the_item(editor: Editor) -> None:
    [offer] = editor.is_answered(TEXT)
    editor.edits(BEFORE + "total")
    editor.acceptance.did_accept_partly(item(offer), 5)
    editor.edits(BEFORE + "total =")
    editor.acceptance.did_accept_partly(item(offer), 7)
    assert editor.rows() == [("partly", 7)]
    editor.edits(BEFORE + TEXT)
    editor.acceptance.did_accept_partly(item(offer), len(TEXT))
    assert editor.rows() == [("accepted", len(TEXT))]


def test_a_partial_acceptance_that_is_told_before_its_edit_counts_once(editor: Editor) -> None:
    [offer] = editor.is_answered(TEXT)
    editor.acceptance.did_accept_partly(item(offer), 7)
    editor.edits(BEFORE + "total =")
    editor.edits(BEFORE + "total = x")
    assert editor.rows() == [("partly", 7)]


def test_accepted_length_counts_utf_16_units(editor: Editor) -> None:
    text = "'😀😀' + x"
    [offer] = editor.is_answered(text)
    editor.acceptance.did_accept_partly(item(offer, text), 4)  # ' and one and a half of the surrogate pairs
    assert editor.rows() == [("partly", 2)]
    editor.acceptance.did_accept_partly(item(offer, text), 6)
    assert editor.rows() == [("partly", 4)]


def test_what_is_left_after_a_part_was_taken_keeps_its_id_and_counts_on(editor: Editor) -> None:
    [offer] = editor.is_answered(TEXT)
    editor.edits(BEFORE + "total")
    assert editor.is_answered(" = a + b") == [offer]
    editor.acceptance.did_accept_partly(item(offer, " = a + b"), 2)
    assert editor.rows() == [("partly", 7)]
    editor.edits(BEFORE + TEXT)
    editor.acceptance.did_accept(offer)
    assert editor.rows() == [("accepted", len(TEXT))]


def test_a_text_typed_through_is_one_offer_however_often_it_is_answered(editor: Editor) -> None:
    [offer] = editor.is_answered(TEXT)
    for length in range(1, len(TEXT)):
        editor.edits(BEFORE + TEXT[:length])
        assert editor.is_answered(TEXT[length:], start=START + length) == [offer]
    editor.edits(BEFORE + TEXT)
    assert editor.rows() == [("typed through", 0)]


def test_typed_first_and_accepted_then_counts_what_was_accepted(editor: Editor) -> None:
    editor.is_answered(TEXT)
    editor.edits(BEFORE + "t")
    editor.edits(BEFORE + "to")
    editor.edits(BEFORE + TEXT)
    assert editor.rows() == [("accepted", len(TEXT) - 2)]


def test_other_text_another_answer_and_closing_dismiss(editor: Editor) -> None:
    editor.is_answered(TEXT)
    editor.edits(BEFORE + "x")
    editor.is_answered(TEXT)
    editor.is_answered("another text")
    editor.acceptance.did_close(editor.uri)
    assert editor.rows() == [("dismissed", 0)] * 3


def test_an_answer_without_offers_takes_the_old_one_from_the_screen(editor: Editor) -> None:
    editor.is_answered(TEXT)
    assert editor.is_answered() == []
    assert editor.rows() == [("dismissed", 0)]


def test_a_client_that_says_what_it_shows_is_believed_from_then_on(editor: Editor) -> None:
    [first] = editor.is_answered("first text")
    editor.acceptance.did_show(item(first))
    editor.edits(BEFORE + "1")
    [second] = editor.is_answered("second text")
    editor.edits(BEFORE + "2")
    [third] = editor.is_answered("third text")
    editor.acceptance.did_show(SimpleNamespace(command=SimpleNamespace(command=ACCEPT_COMMAND, arguments=[third])))
    editor.edits(BEFORE + "3")
    assert len({first, second, third}) == 3
    assert sorted(editor.rows("characters, outcome")) == [(10, "dismissed"), (10, "dismissed"), (11, "offered")]


def test_of_several_candidates_one_is_on_the_screen_until_another_is_taken(editor: Editor) -> None:
    editor.is_answered("alpha", "beta_1", "gamma_2")
    assert sorted(editor.rows("characters, outcome")) == [(5, "shown"), (6, "offered"), (7, "offered")]
    editor.edits(BEFORE + "beta_1")
    assert sorted(editor.rows("characters, outcome")) == [(5, "dismissed"), (6, "accepted"), (7, "offered")]


def test_what_is_kept_is_looked_at_after_30_seconds_and_5_minutes(editor: Editor) -> None:
    editor.is_answered(TEXT)
    editor.edits(BEFORE + TEXT)
    editor.wait(29)
    assert editor.rows("kept_30s, kept_5min") == [(None, None)]
    editor.wait(2)
    editor.edits(BEFORE + "total = b\n")
    editor.acceptance.did_close(editor.uri)
    editor.wait(300)
    assert editor.rows("kept_30s, kept_5min") == [(1.0, 7 / 9)]
    assert editor.timers == []


def test_what_is_kept_is_counted_in_the_commit_that_holds_the_file(editor: Editor) -> None:
    editor.is_answered(TEXT)
    editor.edits(BEFORE + TEXT)
    editor.edits(BEFORE + TEXT + "\n")
    editor.file.write_text(editor.text)
    editor.acceptance.did_save(editor.uri)
    editor.wait(10)
    git(editor.root, "commit", "--quiet", "-am", "second", at=EPOCH_S + 10)
    editor.edits(editor.text + "\n")
    assert editor.rows("kept_commit") == [(1.0,)]
    editor.wait(300)
    editor.edits(editor.text + "\n")
    assert editor.rows("kept_30s, kept_5min, kept_commit") == [(1.0, 1.0, 1.0)]


def test_a_commit_after_the_editor_was_closed_is_found_at_the_next_start(editor: Editor) -> None:
    editor.is_answered(TEXT)
    editor.edits(BEFORE + TEXT)
    editor.edits(BEFORE + TEXT + " + 1\n")
    editor.acceptance.close()
    editor.file.write_text(editor.text)
    git(editor.root, "commit", "--quiet", "-am", "second", at=EPOCH_S + 60)
    editor.now += 3600
    editor.start()
    editor.is_answered("pass_on()")
    assert sorted(editor.rows("characters, kept_commit")) == [(9, None), (13, 1.0)]


def test_a_document_outside_of_a_repository_is_followed_without_commits(editor: Editor) -> None:
    editor.acceptance.answered("untitled:1", BEFORE, [AnsweredOffer(START, START, TEXT, shown(TEXT))], None)
    editor.acceptance.did_change("untitled:1", BEFORE + TEXT)
    editor.wait(301)
    assert editor.rows("outcome, kept_5min, kept_commit") == [("accepted", 1.0, None)]


@pytest.mark.parametrize("argument", [None, "7", 7, -1, True, 1.5, [], {}])
def test_ids_that_nobody_gave_out_are_let_pass(editor: Editor, argument: Any) -> None:
    editor.is_answered(TEXT)
    acceptance = editor.acceptance
    acceptance.did_accept(argument)
    for sent in (argument, {"command": argument}, {"command": {"command": ACCEPT_COMMAND, "arguments": argument}}):
        acceptance.did_show(sent)
        acceptance.did_accept_partly(sent, 5)
    [offer] = editor.is_answered(TEXT)
    acceptance.did_accept_partly(item(offer), argument if argument != 7 else None)
    acceptance.did_change("file:///nobody/knows.py", "x")
    acceptance.did_save("file:///nobody/knows.py")
    acceptance.did_close("file:///nobody/knows.py")
    assert [outcome for outcome, _ in editor.rows()] == ["shown"]


def test_the_command_of_an_item_carries_its_id() -> None:
    command = accept_command(2**53 - 1)
    assert command.command == ACCEPT_COMMAND
    assert item_offer(SimpleNamespace(command=command)) == 2**53 - 1
    assert item_offer({"command": {"command": "editor.other", "arguments": [1]}}) is None


def test_the_event_loop_s_own_timer_is_used_when_none_is_given(tmp_path: Path) -> None:
    async def session() -> None:
        ledger = Ledger(pytest.fail)
        clock = iter([0.0, 0.0, 0.0])
        acceptance = Acceptance(ledger, clock=lambda: next(clock, 1000.0))
        acceptance.answered("untitled:1", BEFORE, [AnsweredOffer(START, START, TEXT, shown(TEXT))], None)
        acceptance.did_change("untitled:1", BEFORE + TEXT)
        await asyncio.sleep(0.05)
        acceptance.close()

    asyncio.run(session())
    with opened(ledger_dir(), create=False) as connection:
        assert connection is not None
        assert connection.execute("SELECT kept_30s, kept_5min FROM offers").fetchall() == [(1.0, 1.0)]


def test_what_a_request_cost_is_counted(editor: Editor) -> None:
    editor.acceptance.request(RequestCost("go", "m", str(editor.root), 80.0, reason="below the threshold"))
    assert editor.ledger.flush()
    with opened(ledger_dir(), create=False) as connection:
        assert connection is not None
        assert connection.execute("SELECT reason FROM requests").fetchall() == [("below the threshold",)]
