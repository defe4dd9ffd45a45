"""Save, and what the review finds is marked; take the quick fix, and it is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.editors.nvim.conftest import OpenEditor
from e2e.editors.nvim.editor import Editor
from hook_repositories import git

CODE = "def add(first, second):\n    return first + second\n"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # whole editors, on a machine that may do much else


def codes(editor: Editor) -> list[str]:
    found: list[str] = editor.lua(
        "return vim.tbl_map(function(d) return d.source .. ' ' .. d.code end, vim.diagnostic.get(0))"
    )
    return found


def quick_fix(title: str) -> str:
    """The command line that takes the one with this in its title."""
    chosen = f"function(action) return action.title:find('{title}', 1, true) ~= nil end"
    return f"lua vim.lsp.buf.code_action({{ apply = true, filter = {chosen} }})"


def test_a_finding_comes_with_the_save_and_goes_with_its_quick_fix(open_editor: OpenEditor, tmp_path: Path) -> None:
    (tmp_path / "sample.py").write_text(CODE)
    git("init", "-q", cwd=tmp_path)
    git("add", "sample.py", cwd=tmp_path)
    git("commit", "-q", "-m", "Add", cwd=tmp_path)
    editor = open_editor(CODE, [], init="vim.diagnostic.config({ virtual_text = true })").go_to(2)
    editor.type("Obreakpoint()")
    editor.leave_insert_mode()
    assert codes(editor) == []  # it comes with the save
    editor.command("w")
    editor.until("the finding", lambda: codes(editor) == ["dsassist DSA003"])
    editor.until("it is on the screen", lambda: "breakpoint() " in editor.screen())
    editor.command(quick_fix("Ignore this here"))
    editor.until("the comment", lambda: "dsassist: ignore" in "\n".join(editor.lines()))
    editor.command("w")
    editor.until("it is gone", lambda: codes(editor) == [])
    editor.command("undo")  # it is the fix that took it away: without it the next save finds it again
    editor.command("w")
    editor.until("the finding again", lambda: codes(editor) == ["dsassist DSA003"])
