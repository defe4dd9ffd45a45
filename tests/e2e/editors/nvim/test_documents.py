"""Ghost text in documents that are unlike the usual: wide characters, other line ends, many lines, read-only."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.editors.nvim.conftest import OpenEditor
from e2e.editors.nvim.samples import ADD, SUM, TWO_LINES
from e2e.editors.nvim.traffic import accepted_lengths

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # whole editors, on a machine that may do much else


def test_characters_beyond_ascii_are_neither_shifted_nor_cut(open_editor: OpenEditor, isolated: Path) -> None:
    """A smiling face is one code point, two UTF-16 units (the protocol's columns) and four bytes (Neovim's)."""
    line = '    greeting = "😀 grüße" + "日本語" + name'
    editor = open_editor("def greet(name):\n    \n", [line]).go_to(2)
    editor.insert('greeting = "')
    editor.until_ghost('😀 grüße" + "日本語" + name')
    editor.press("M-Right")
    editor.until_line('    greeting = "😀 ')
    editor.until_ghost('grüße" + "日本語" + name')
    editor.type("g")
    editor.until_ghost('rüße" + "日本語" + name')
    editor.press("Tab")
    editor.until_line(line)
    ((text, length),) = editor.until("it was told", lambda: accepted_lengths(isolated))
    assert length == len(text[: text.index("😀") + 2].encode("utf-16-le")) // 2


PRINT = 'def show(first):\n    print("😀😀", fi)\n'
PRINTED = '    print("😀😀", first)'


def speaking(encoding: str, taken_for: str = "") -> str:
    """Lua that has the server count columns in this encoding, and Neovim in another if so said."""
    return f"""
vim.lsp.config('dsassist', {{ capabilities = {{ general = {{ positionEncodings = {{ '{encoding}' }} }} }} }})
vim.api.nvim_create_autocmd('LspAttach', {{ callback = function(event)
  vim.lsp.get_client_by_id(event.data.client_id).offset_encoding = '{taken_for or encoding}'
end }})"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_surrogate_pairs_before_the_cursor_shift_nothing(open_editor: OpenEditor, encoding: str) -> None:
    editor = open_editor(PRINT, [PRINTED], init=speaking(encoding)).go_to(2)
    editor.type("$i")
    editor.type("r")
    editor.until("ghost text", lambda: editor.ghost().startswith("st"))
    editor.press("Tab")
    editor.until_line(PRINTED)


def test_with_columns_in_bytes_for_utf16_the_same_text_finds_no_place(open_editor: OpenEditor) -> None:
    """So the test above would see it, were a smiling face counted wrongly on one side."""
    editor = open_editor(PRINT, [PRINTED], init=speaking("utf-16", taken_for="utf-8")).go_to(2)
    editor.type("$i")
    editor.type("r")
    editor.until_line(PRINT.splitlines()[1].replace("fi", "fir"))
    editor.until_refused()
    editor.until_answered()
    assert editor.ghost() == ""


@pytest.mark.parametrize(("line_end", "fileformat"), [("\r\n", "dos"), ("\n", "unix")], ids=["crlf", "lf"])
def test_a_file_keeps_its_line_ends(open_editor: OpenEditor, line_end: str, fileformat: str) -> None:
    editor = open_editor(ADD.replace("\n", line_end).encode(), [TWO_LINES]).go_to(2)
    assert editor.lua("return vim.bo.fileformat") == fileformat
    editor.insert("")
    editor.until_ghost("total = first + second\n    return total")
    assert "^M" not in editor.screen()
    editor.press("Tab")
    editor.until_line("    return total")
    editor.leave_insert_mode()
    editor.command("w")
    whole = f"def add(first, second):\n{TWO_LINES}\n".replace("\n", line_end).encode()
    editor.until("it is on disk", lambda: editor.file.read_bytes() == whole)


def test_a_file_of_30000_lines_has_its_text_where_the_cursor_is_and_nowhere_else(open_editor: OpenEditor) -> None:
    values = [f"value_{number} = {number}" for number in range(30_000)]
    editor = open_editor("\n".join([*values, ADD]), [SUM]).go_to(30_002)
    editor.insert("ret")
    editor.until_ghost("urn first + second")
    assert editor.ghost_rows() == [30_002]
    editor.press("Tab")
    editor.until_line(SUM)
    assert editor.lines() == [*values, ADD.splitlines()[0], SUM]


def test_a_read_only_file_is_completed_and_written_only_once_it_may_be(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM])
    editor.command("set readonly")
    editor.go_to(2).insert("ret")
    editor.until_ghost("urn first + second")
    editor.press("Tab")
    editor.until_line(SUM)
    editor.leave_insert_mode()
    editor.command("w")
    editor.until("it is refused", lambda: "E45" in editor.messages())
    assert editor.file.read_text() == ADD
    editor.command("set noreadonly")
    editor.command("w")
    editor.until("it is written", lambda: SUM in editor.file.read_text())
