"""What a person sees and does in a real Neovim: ghost text comes, is taken, and goes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from e2e.editors.nvim.conftest import OpenEditor
from e2e.editors.nvim.editor import DRAWN_BY_THE_PLUGIN, NEOVIMS, Editor
from e2e.editors.nvim.samples import ADD, SUM, TWO_LINES
from e2e.editors.nvim.traffic import received, sent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),  # whole editors, on a machine that may do much else
    pytest.mark.parametrize("neovim", [*NEOVIMS, DRAWN_BY_THE_PLUGIN], indirect=True, ids=str),
]

METHOD = "textDocument/inlineCompletion"


def test_ghost_text_appears_as_one_types_and_tab_takes_it(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM]).go_to(2)
    editor.insert("re")
    editor.until_ghost("turn first + second")
    assert editor.line() == "    re"
    editor.until("it is on the screen", lambda: SUM in editor.screen())
    editor.press("Tab")
    editor.until_line(SUM)
    editor.leave_insert_mode()
    editor.command("w")
    editor.until("it is on disk", lambda: editor.file.read_text() == f"def add(first, second):\n{SUM}\n")


@pytest.mark.parametrize("key", ["Tab", "M-Right", "C-M-Right", "C-]"])
def test_where_the_server_has_no_text_nothing_is_shown_and_no_key_takes_anything(
    open_editor: OpenEditor, key: str
) -> None:
    editor = open_editor(ADD, [SUM]).go_to(2)
    editor.insert("raise")
    editor.until_line("    raise")
    editor.until_refused()
    editor.until_answered()
    assert editor.ghost() == ""
    editor.press(key)
    editor.type("x")
    editor.until("the next key was typed", lambda: "x" in editor.line())
    assert editor.ghost() == ""
    assert re.sub(r"\s", "", editor.line()) == "raisex"


@pytest.mark.parametrize("command", ["", "colorscheme default"], ids=["at first", "another scheme"])
def test_ghost_text_is_grey_on_a_terminal_of_few_colours_and_what_was_taken_is_not(
    open_editor: OpenEditor, command: str
) -> None:
    """By Neovim's own colours it looks like code there, and a colour scheme sets all anew."""
    editor = open_editor(ADD, [SUM], init="vim.cmd.syntax('off')").go_to(2)
    editor.command(command)
    editor.insert("ret")
    editor.until_ghost("urn first + second")
    grey = re.compile(r"\x1b\[([0-9;]*;)?(90|38;5;\d+)murn first \+ second")
    editor.until("it is grey", lambda: grey.search(editor.colored_screen()))
    editor.press("Tab")
    editor.until("it is as other text", lambda: "return first + second" in editor.colored_screen())


def test_undo_takes_away_what_was_accepted_and_then_what_was_typed(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM]).go_to(2)
    editor.insert("return ")
    editor.until_ghost("first + second")
    editor.press("Tab")
    editor.until_line(SUM)
    editor.leave_insert_mode()
    editor.type("u")
    editor.until_line("    return ")
    editor.type("u")
    editor.until("the buffer is as it was", lambda: editor.lines() == ADD.splitlines())
    assert not editor.lua("return vim.bo.modified")


def test_what_is_typed_by_hand_is_undone_at_once(open_editor: OpenEditor) -> None:
    """So it is the key that takes ghost text that makes an undo step, and no other."""
    editor = open_editor(ADD, [SUM]).go_to(2)
    editor.insert(SUM.strip())
    editor.until_line(SUM)
    editor.leave_insert_mode()
    editor.type("u")
    editor.until("the buffer is as it was", lambda: editor.lines() == ADD.splitlines())


def test_a_word_and_the_rest_of_the_line_can_be_taken(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM]).go_to(2)
    editor.insert("ret")
    editor.until_ghost("urn first + second")
    editor.press("M-Right")
    editor.until_line("    return ")
    editor.until_ghost("first + second")
    editor.press("M-Right")
    editor.until_line("    return first ")
    editor.until_ghost("+ second")
    editor.press("C-M-Right")
    editor.until_line(SUM)
    editor.until_ghost("")


def test_a_text_of_several_lines_is_drawn_below_and_can_be_taken_by_the_line(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [TWO_LINES]).go_to(2)
    editor.insert("")
    editor.until_ghost("total = first + second\n    return total")
    drawn = re.compile(r"total = first \+ second *\n.*return total")
    editor.until("both lines are on the screen", lambda: drawn.search(editor.screen()))
    editor.press("C-M-Right")
    editor.until_line("    total = first + second")
    editor.until_ghost("\n    return total")
    editor.press("C-M-Right")
    editor.until("both lines are there", lambda: editor.lines() == ["def add(first, second):", *TWO_LINES.split("\n")])
    assert editor.lua("return vim.api.nvim_win_get_cursor(0)") == [3, len("    return total")]


def test_ghost_text_stays_while_typing_agrees_and_goes_when_it_differs(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM]).go_to(2)
    editor.insert("ret")
    editor.until_ghost("urn first + second")
    for typed, left in (("u", "rn first + second"), ("r", "n first + second"), ("n", " first + second")):
        editor.type(typed)
        editor.until_ghost(left)
    editor.type("x")
    editor.until_ghost("")
    editor.press("Tab")  # what was shown before must not come back by the key that would have taken it
    editor.until("a tab was typed", lambda: editor.line().expandtabs(1) != "    returnx")
    assert editor.line().strip() == "returnx"


def test_accepting_at_once_after_typing_along_gives_the_text_once(open_editor: OpenEditor) -> None:
    """Neovim 0.12's own function puts the whole text in where it began until the next answer has come."""
    editor = open_editor(ADD, [SUM]).go_to(2)
    editor.insert("ret")
    editor.until_ghost("urn first + second")
    editor.press("u", "r", "Tab")
    editor.until_line(SUM)


def test_deleting_what_stands_left_of_it_never_leaves_a_text_that_does_not_fit(open_editor: OpenEditor) -> None:
    """An extmark moves with what is deleted before it; `urn` behind `re` would read as `reurn`."""
    editor = open_editor(ADD, [SUM]).go_to(2)
    editor.insert("ret")
    editor.until_ghost("urn first + second")
    editor.press("BSpace", "BSpace")
    editor.until_ghost("eturn first + second")
    editor.press("Tab")
    editor.until_line(SUM)


@pytest.mark.parametrize("key", ["Escape", "C-c", "C-]"])
def test_a_key_takes_it_off_the_screen(open_editor: OpenEditor, key: str) -> None:
    editor = open_editor(ADD, [SUM]).go_to(2)
    editor.insert("return")
    editor.until_ghost(" first + second")
    editor.press(key)
    editor.until_ghost("")
    assert editor.mode() == ("i" if key == "C-]" else "n")
    assert editor.line() == "    return"


def test_what_was_dismissed_does_not_come_back_by_an_answer_under_way(open_editor: OpenEditor, isolated: Path) -> None:
    """Neovim 0.12 asks 200 ms after the last key, also when the text was dismissed meanwhile."""
    editor = open_editor(ADD, [SUM]).go_to(2)
    editor.insert("return")
    editor.until_ghost(" first + second")
    asked = len(sent(isolated, METHOD))
    editor.press("Space", "C-]")
    editor.until_line("    return ")
    if editor.neovim.ghost == "native":  # the plug-in itself does not even ask
        editor.until("it was asked again", lambda: len(sent(isolated, METHOD)) > asked)
    editor.until_ghost("")
    editor.until_answered()
    assert editor.ghost() == ""
    editor.type("f")  # and something else was typed: now it may
    editor.until_ghost("irst + second")


def test_without_ghost_text_tab_does_what_it_was_mapped_to(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM], init="vim.keymap.set('i', '<Tab>', 'mine')")
    editor.go_to(1).insert("")
    editor.press("Tab")
    editor.until_line("def add(first, second):mine")
    editor.leave_insert_mode()
    editor.go_to(2).insert("ret")
    editor.until_ghost("urn first + second")
    editor.press("Tab")
    editor.until_line(SUM)


def test_without_ghost_text_tab_calls_the_function_it_was_mapped_to(open_editor: OpenEditor) -> None:
    init = "vim.keymap.set('i', '<Tab>', function() return vim.v.count == 0 and 'one' or '<Esc>' end, { expr = true })"
    editor = open_editor(ADD, [SUM], init=init).go_to(1)
    editor.insert("")
    editor.press("Tab")
    editor.until_line("def add(first, second):one")


def test_another_text_is_shown_on_request(open_editor: OpenEditor) -> None:
    other = "    return second + first"
    editor = open_editor(ADD, [SUM, other]).go_to(2)
    editor.insert("return ")
    editor.until("ghost text", lambda: editor.ghost() in ("first + second", "second + first"))
    editor.until_answered()
    first = editor.ghost()
    editor.press("M-n")
    shown = editor.until("another", lambda: (found := editor.ghost().split(" (")[0]) != first and found)
    editor.press("M-p")
    editor.until("the first again", lambda: editor.ghost().split(" (")[0] == first)
    editor.press("M-n")
    editor.until("the other again", lambda: editor.ghost().split(" (")[0] == shown)
    editor.press("Tab")
    editor.until_line(f"    return {shown}")


def type_with_a_key_and_wait_until_it_was_asked(editor: Editor, isolated: Path, *keys: str) -> None:
    """The server answers late; Neovim 0.12 asks once more by itself, 200 ms after the last key."""
    editor.until_answered()
    held = editor.file.with_name("held")
    held.touch()
    asked = len(sent(isolated, METHOD))
    editor.press(*keys)
    least = 2 if editor.neovim.ghost == "native" else 1
    editor.until("it was asked", lambda: len(sent(isolated, METHOD)) >= asked + least)
    held.unlink()


def test_what_is_asked_by_hand_comes_late_also_when_the_editor_asks_by_itself_meanwhile(
    open_editor: OpenEditor, isolated: Path
) -> None:
    editor = open_editor(ADD, [SUM], logprob=-5.0).go_to(2)
    editor.insert("re")
    editor.until_line("    re")
    editor.until_refused()
    editor.until_answered()
    assert editor.ghost() == ""  # unlikely
    type_with_a_key_and_wait_until_it_was_asked(editor, isolated, "t", "M-s")
    editor.until_ghost("urn first + second")
    editor.until_answered()
    assert editor.ghost() == "urn first + second"


def test_another_text_comes_late_also_when_the_editor_asks_by_itself_meanwhile(
    open_editor: OpenEditor, isolated: Path
) -> None:
    texts = ["    return first + second", "    return first - second"]
    editor = open_editor(ADD, texts).go_to(2)
    editor.insert("return ")
    first = str(editor.until("ghost text", editor.ghost))
    type_with_a_key_and_wait_until_it_was_asked(editor, isolated, "f", "M-n")
    editor.until("another", lambda: (found := editor.ghost().split(" (")[0]) and found != first[1:])
    editor.until_answered()
    editor.press("Tab")
    editor.until("it was taken", lambda: editor.line() in texts)
    assert editor.line() != f"    return {first}"


def test_an_answer_that_comes_while_a_message_stands_in_the_way_is_shown_behind_it(
    open_editor: OpenEditor, isolated: Path
) -> None:
    say = "function() vim.notify(('what a server says of itself '):rep(20)) end"
    init = f"vim.o.messagesopt = 'wait:3000,history:500'; vim.keymap.set('i', '<F5>', {say})"
    editor = open_editor(ADD, [SUM], init=init).go_to(2)
    held = editor.file.with_name("held")
    held.touch()
    asked = len(sent(isolated, METHOD))
    editor.insert("return ")
    editor.until("it was asked", lambda: len(sent(isolated, METHOD)) > asked)
    editor.until_line("    return ")
    editor.press("F5")
    editor.until("the message", lambda: "says of itself" in editor.screen())
    held.unlink()
    editor.until("the answer", lambda: received(isolated, "first + second"))
    editor.until_ghost("first + second")
    assert editor.line() == "    return "
