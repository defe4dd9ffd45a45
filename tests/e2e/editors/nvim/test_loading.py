"""How the plug-in comes onto Neovim's path: by its own packages, by `vim.pack`, and late, as plug-in managers do it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from e2e.editors.nvim.conftest import OpenEditor
from e2e.editors.nvim.editor import PLUGIN, Neovim
from e2e.editors.nvim.samples import ADD, SUM
from hook_repositories import git

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # whole editors, on a machine that may do much else

SET_UP = "require('dsassist').setup({ cmd = { 'sh', 'lsp' } })"
IS_SET_UP = {
    "0.12": "vim.lsp.is_enabled('dsassist')",
    "0.11": "vim.lsp.config.dsassist ~= nil",  # it cannot be asked there yet
}


def is_there(neovim: Neovim, init: Path) -> str:
    """Start with this init.lua: whether the command is there and the server enabled; and what was said."""
    asked = f"lua io.write(vim.fn.exists(':Dsassist') .. ' ' .. tostring({IS_SET_UP[neovim.version]}))"
    command = [str(neovim.program), "--headless", "-u", str(init), "-c", asked, "-c", "quitall!"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr


@pytest.mark.parametrize(("kind", "before"), [("start", ""), ("opt", "vim.cmd.packadd('dsassist')")])
def test_it_works_from_a_pack_folder(neovim: Neovim, isolated: Path, kind: str, before: str) -> None:
    pack = isolated / ".local" / "share" / "nvim" / "site" / "pack" / "dsassist" / kind
    pack.mkdir(parents=True)
    (pack / "dsassist").symlink_to(PLUGIN)
    init = isolated / "init.lua"
    init.write_text(f"{before}\n{SET_UP}")
    assert is_there(neovim, init) == "2 true"


def test_without_a_folder_there_is_nothing(neovim: Neovim, isolated: Path) -> None:
    """So it is the folder that the test above finds it in."""
    init = isolated / "init.lua"
    init.write_text(SET_UP)
    assert "module 'dsassist' not found" in is_there(neovim, init)


def test_vim_pack_puts_the_repository_there_and_the_folder_in_it_is_loaded(
    neovim: Neovim, isolated: Path, tmp_path: Path
) -> None:
    """As docs/editors/neovim.md has it."""
    if neovim.version == "0.11":
        pytest.skip("vim.pack is new in 0.12")
    repository = tmp_path / "dsassist"
    shutil.copytree(PLUGIN, repository / "editors" / "nvim")
    git("init", "-q", cwd=repository)
    git("add", ".", cwd=repository)
    git("commit", "-q", "-m", "The plug-in", cwd=repository)
    init = isolated / "init.lua"
    init.write_text(f"""
vim.pack.add({{ 'file://{repository}' }}, {{ confirm = false, load = function(plugin)
  vim.opt.runtimepath:prepend(plugin.path .. '/editors/nvim')
end }})
{SET_UP}
""")
    said = is_there(neovim, init)
    assert said.startswith("2 true"), said
    assert (isolated / ".local" / "share" / "nvim" / "site" / "pack" / "core" / "opt" / "dsassist").is_dir()


@pytest.mark.parametrize("event", ["VimEnter", "InsertEnter"])
def test_it_may_come_onto_the_path_while_neovim_runs(open_editor: OpenEditor, event: str) -> None:
    """As plug-in managers load it late: the file is open by then, and at InsertEnter one types."""
    editor = open_editor(ADD, [SUM], event=event)
    if event == "InsertEnter":
        assert editor.lua("return vim.fn.exists(':Dsassist')") == 0
    editor.go_to(2).insert("re")
    editor.until_ready()
    editor.type("t")
    editor.until_ghost("urn first + second")
    editor.press("Tab")
    editor.until_line(SUM)
    editor.leave_insert_mode()
    editor.command("Dsassist snooze 5")
    editor.until("snoozed", lambda: editor.status() == "dsassist snoozed")
