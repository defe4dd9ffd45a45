"""Ghost text beside what else is on the screen: closed brackets, windows, buffers, the completion menu."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.editors.nvim.conftest import OpenEditor
from e2e.editors.nvim.samples import ADD, SUM

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # whole editors, on a machine that may do much else


@pytest.mark.parametrize(
    ("init", "typed", "offered"),
    [("vim.keymap.set('i', '(', '()<Left>')", "    print()", "value"), ("", "    print(", "value)")],
    ids=["closed", "open"],
)
def test_a_bracket_that_was_closed_by_itself_is_closed_once(
    open_editor: OpenEditor, init: str, typed: str, offered: str
) -> None:
    editor = open_editor("def show(value):\n    \n", ["    print(value)"], init=init).go_to(2)
    editor.insert("print(")
    editor.until("ghost text", lambda: editor.ghost().startswith(offered))
    assert editor.line() == typed
    editor.press("Tab")
    editor.until_line("    print(value)")


def test_two_windows_on_one_buffer(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM])
    editor.command("split")
    editor.type("1G")
    editor.press("C-w", "w")
    editor.go_to(2).insert("ret")
    editor.until_ghost("urn first + second")
    editor.press("Tab")
    editor.until_line(SUM)
    editor.until("both windows show it", lambda: editor.screen().count(SUM) == 2)
    other = "return vim.api.nvim_win_get_cursor(vim.fn.win_getid(vim.fn.winnr('#')))"
    assert editor.lua(other)[0] == 1


def test_each_of_two_files_in_two_windows_has_its_own_text(open_editor: OpenEditor, tmp_path: Path) -> None:
    """Neovim 0.12 enables a client's ghost text only in the buffers that it serves by then."""
    (tmp_path / "other.py").write_text("def divide(first, second):\n    \n")
    quotient = "    quotient = first / second"
    editor = open_editor(ADD, [SUM, quotient])
    editor.command("split other.py")
    editor.until("the other file is served", editor.is_attached)
    editor.go_to(2).insert("quo")
    editor.until_ghost("tient = first / second")
    editor.leave_insert_mode()
    editor.press("C-w", "w")
    editor.go_to(2).insert("ret")
    editor.until_ghost("urn first + second")
    editor.press("Tab")
    editor.until_line(SUM)
    editor.leave_insert_mode()
    editor.press("C-w", "w")
    editor.until("the other window", lambda: editor.lines() == ["def divide(first, second):", "    quo"])
    editor.insert("t")
    editor.until_ghost("ient = first / second")
    editor.press("Tab")
    editor.until_line(quotient)


def test_in_another_buffer_nothing_is_taken(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM]).go_to(2)
    editor.insert("ret")
    editor.until_ghost("urn first + second")
    editor.leave_insert_mode()
    editor.command("enew")
    editor.insert("ret")
    editor.press("Tab")
    editor.until("a tab was typed", lambda: editor.line() == "ret\t")


def test_while_an_entry_of_the_menu_is_chosen_tab_is_the_menus(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM], init="vim.o.completeopt = 'menuone'").go_to(2)
    editor.insert("return fir")
    editor.until_ghost("st + second")
    editor.press("C-n")
    editor.until("an entry is chosen", lambda: editor.line() == "    return first")
    assert editor.has_menu()
    editor.press("Tab")
    editor.until("white space was typed", lambda: editor.line() != "    return first")
    assert editor.line().rstrip() == "    return first"


def test_while_no_entry_of_the_menu_is_chosen_tab_takes_the_ghost_text(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM], init="vim.o.completeopt = 'menuone,noselect'").go_to(2)
    editor.insert("return fir")
    editor.until_ghost("st + second")
    editor.press("C-n")
    editor.until("the menu", editor.has_menu)
    editor.until_ghost("st + second")
    editor.press("Tab")
    editor.until_line(SUM)
    editor.until("the menu is gone", lambda: not editor.has_menu())
    editor.type(".")
    editor.until_line(f"{SUM}.")
