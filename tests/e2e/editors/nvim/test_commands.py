"""`:Dsassist`: each subcommand is run, and what it does is seen."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from e2e.editors.nvim.conftest import OpenEditor
from e2e.editors.nvim.editor import PLUGIN, Editor
from e2e.editors.nvim.samples import ADD, SUM
from e2e.editors.repeated import BEFORE, LAST_LINE
from hook_repositories import git

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # whole editors, on a machine that may do much else

CODE = "def add(first, second):\n    return first + second\n"
LEFT_IN = "def add(first, second):\n    breakpoint()\n    return first + second\n"
QUICKFIX = """
  local found = {}
  for _, item in ipairs(vim.fn.getqflist()) do
    table.insert(found, { vim.api.nvim_buf_get_name(item.bufnr), item.lnum, item.type, item.text })
  end
  return found
"""
HAS_QUICKFIX_WINDOW = "return vim.fn.getqflist({ winid = 0 }).winid ~= 0"


def completions(editor: Editor, line: str) -> list[str]:
    found: list[str] = editor.lua(f"return vim.fn.getcompletion([==[{line}]==], 'cmdline')")
    return found


def until_told(editor: Editor, text: str) -> None:
    editor.until(f"it is told: {text}", lambda: text in editor.messages())


def test_subcommands_and_what_follows_them_are_completed(open_editor: OpenEditor, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner.py").touch()
    editor = open_editor(ADD, [SUM])
    everything = ["log", "prompt", "restart", "review", "snooze", "stats", "status", "unsnooze"]
    assert completions(editor, "Dsassist ") == everything
    told = re.findall(r"^:Dsassist \[?(\w+)", (PLUGIN / "doc" / "dsassist.txt").read_text(), re.MULTILINE)
    assert sorted(told) == everything
    assert completions(editor, "Dsassist s") == ["snooze", "stats", "status"]
    assert completions(editor, "Dsassist snooze ") == ["10", "30", "480", "60"]
    assert completions(editor, "Dsassist review fol") == ["folder/"]
    assert completions(editor, "Dsassist review folder/in") == ["folder/inner.py"]
    assert completions(editor, "Dsassist status ") == []


def test_what_is_no_subcommand_is_told(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM])
    editor.command("Dsassist nonsense")
    until_told(editor, "there is no :Dsassist nonsense")
    editor.command("Dsassist snooze long")
    until_told(editor, "snooze takes a number of minutes, not long")


def test_review_lists_what_is_found_in_what_is_staged_and_nothing_once_it_is_not(
    open_editor: OpenEditor, tmp_path: Path, server: Path
) -> None:
    """Neovim runs in a folder of the repository, and the findings' paths begin at its root."""
    folder = tmp_path / "shop"
    git("init", "-q", cwd=tmp_path)
    folder.mkdir()
    file = folder / "sample.py"
    file.write_text(CODE)
    git("add", ".", cwd=tmp_path)
    git("commit", "-q", "-m", "Add", cwd=tmp_path)
    file.write_text(LEFT_IN)
    git("add", ".", cwd=tmp_path)
    editor = open_editor(ADD)
    editor.command("cd shop | edit sample.py")
    editor.command("Dsassist review")
    editor.until("a finding", lambda: editor.lua(QUICKFIX))
    ((path, line, severity, text),) = editor.lua(QUICKFIX)
    assert (Path(path), line, severity) == (file, 2, "W")
    assert "`breakpoint()` was left in [DSA003]" in text
    assert editor.lua(HAS_QUICKFIX_WINDOW)
    editor.until("it is on the screen", lambda: "was left in [DSA003]" in editor.screen())
    editor.command("cclose")
    editor.command("call setqflist([])")
    editor.command("Dsassist review sample.py")
    editor.until("the same in the file", lambda: [found[0] for found in editor.lua(QUICKFIX)] == [str(file)])
    editor.command("cclose")
    git("reset", "-q", cwd=tmp_path)
    editor.command("Dsassist review")
    until_told(editor, "nothing is staged")
    assert editor.lua(QUICKFIX) == []
    assert not editor.lua(HAS_QUICKFIX_WINDOW)


def test_a_review_that_cannot_be_is_an_error_in_a_sentence(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD)
    editor.command("Dsassist review no_such_file.py")
    until_told(editor, "no_such_file.py")
    assert "no_such_file.py" in str(editor.lua("return vim.v.errmsg"))


def test_the_last_completion_and_what_became_of_all_are_shown(open_editor: OpenEditor, server: Path) -> None:
    settings = "completion = { temperature = 0, multiline = 'never', min_probability = 0 }"
    editor = open_editor(f"{BEFORE}\n", options=f"settings = {{ {settings} }}")
    editor.command("Dsassist prompt")
    until_told(editor, "no completion is on record yet")
    editor.until("the model is loaded", lambda: editor.status() == "dsassist builtin")
    editor.go_to(LAST_LINE).insert("is ")
    editor.press("M-s")
    text = str(editor.until("ghost text", editor.ghost))
    editor.leave_insert_mode()  # behind what is taken another text would be asked for, and be the last one
    editor.command("Dsassist prompt")
    editor.until("what it was made of", lambda: {"--- what the model wrote", text} <= set(editor.lines()))
    editor.until("it is on the screen", lambda: "dsassist: the last completion" in editor.screen())
    assert not editor.lua("return vim.bo.modifiable")
    editor.type("q")
    editor.until_line("if z is ")
    editor.insert("")
    editor.press("M-s")
    editor.until_ghost(text)
    editor.press("Tab")
    editor.until_line(f"if z is {text}")
    editor.leave_insert_mode()
    editor.command("Dsassist stats")
    editor.until("what became of it", lambda: "builtin" in "\n".join(editor.lines()))
    editor.type("q")
    editor.until_line(f"if z is {text}")


def test_the_log_is_opened_beside_the_file(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM])
    editor.command("Dsassist log")
    editor.until("the log", lambda: str(editor.lua("return vim.api.nvim_buf_get_name(0)")).endswith("lsp.log"))
    assert editor.lua("return vim.fn.tabpagenr('$')") == 2
    assert "rpc" in json.dumps(editor.lines())
