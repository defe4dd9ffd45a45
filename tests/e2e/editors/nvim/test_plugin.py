"""The plug-in around the ghost text: commands, health, status, options, help."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from e2e.editors.nvim.conftest import OpenEditor
from e2e.editors.nvim.editor import PLUGIN, Editor, Neovim
from e2e.editors.nvim.samples import ADD, SUM

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # whole editors, on a machine that may do much else

STATUSLINE = "vim.o.laststatus = 2; vim.o.statusline = '%f %{v:lua.require(\"dsassist\").statusline()}'"


def health(editor: Editor) -> str:
    editor.command("checkhealth dsassist")
    editor.until("the report", lambda: "Keys" in "\n".join(editor.lines()))
    return "\n".join(editor.lines())


def run_headless(neovim: Neovim, *commands: str) -> str:
    arguments = [word for command in commands for word in ("-c", command)]
    start = [str(neovim.program), "--clean", "--headless", "--cmd", f"set rtp^={PLUGIN}"]
    done = subprocess.run([*start, *arguments, "-c", "quitall!"], capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr


def test_the_health_check_finds_nothing_wrong(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM])
    report = health(editor)
    assert "ERROR" not in report
    assert "WARNING" not in report
    assert "client 1 serves 1 buffers" in report
    who = "Neovim itself" if editor.neovim.ghost == "native" else "the plug-in"
    assert f"ghost text is drawn by {who}" in report


def test_the_health_check_names_a_key_that_somebody_else_has_taken(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM])
    editor.command("inoremap <Tab> other")
    assert "<Tab> is mapped by somebody else since: other" in health(editor)


def test_a_missing_program_is_told_in_a_sentence(neovim: Neovim, isolated: Path) -> None:
    told = run_headless(neovim, "lua require('dsassist').setup({ cmd = { 'no-such-program', 'lsp' } })")
    assert "no-such-program was not found; install dsassist, or set `cmd`" in told
    report = run_headless(
        neovim,
        "lua require('dsassist').setup({ cmd = { 'no-such-program', 'lsp' } })",
        "checkhealth dsassist",
        "lua io.write(table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), '\\n'))",
    )
    assert "ERROR no-such-program was not found" in report


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("{ keyz = {} }", "there is no option `keyz`"),
        ("{ keys = { acept = '<C-y>' } }", "there is no option `keys.acept`"),
        ("{ ghost = 'pink' }", "ghost must be one of auto, native, own"),
        ("{ keys = { accept = 3 } }", "keys.accept must be a string or false"),
        ("{ cmd = 'dsassist lsp' }", "cmd must be a table"),
    ],
)
def test_a_wrong_option_is_told_and_the_default_used(neovim: Neovim, isolated: Path, options: str, told: str) -> None:
    check = "lua io.write(vim.json.encode(require('dsassist.options').current.keys.accept))"
    said = run_headless(neovim, f"lua require('dsassist').setup({options})", check)
    assert told in said
    assert '"<Tab>"' in said


def test_snoozing_shows_nothing_until_it_is_ended(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM])
    editor.command("Dsassist snooze 5")
    editor.until("snoozed", lambda: editor.status() == "dsassist snoozed")
    editor.type("2G")
    editor.insert("ret")
    editor.until("the reason", lambda: "snoozed" in str(editor.lua("return require('dsassist').status().reason")))
    assert editor.ghost() == ""
    editor.leave_insert_mode()
    editor.command("Dsassist unsnooze")
    editor.until("awake", lambda: editor.status() != "dsassist snoozed")
    editor.insert("u")
    editor.until_ghost("rn first + second")


def test_the_statusline_has_the_model_and_how_busy_it_is(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM], init=STATUSLINE)
    held = editor.file.with_name("held")
    held.touch()
    editor.until("ready", lambda: editor.status() == "dsassist scripted")
    editor.type("2G")
    editor.insert("ret")
    editor.until("busy, on the screen", lambda: "dsassist scripted …" in editor.screen())
    held.unlink()
    editor.until_ghost("urn first + second")
    editor.until("ready, on the screen", lambda: re.search("dsassist scripted *$", editor.screen(), re.MULTILINE))


def test_the_statusline_has_how_much_of_the_model_is_loaded(open_editor: OpenEditor, tmp_path: Path) -> None:
    loading = tmp_path / "loading"
    loading.touch()
    editor = open_editor(ADD, [SUM], init=STATUSLINE)
    editor.until("on the screen", lambda: "dsassist loading 40%" in editor.screen())
    loading.unlink()
    editor.until("its name", lambda: re.search("dsassist scripted *$", editor.screen(), re.MULTILINE))


def test_a_model_that_is_not_there_is_told_with_its_sentence(open_editor: OpenEditor, server: Path) -> None:
    editor = open_editor(ADD, init=STATUSLINE, options="settings = { model = '/no/such/model.gguf' }")
    editor.until("on the screen", lambda: "dsassist error" in editor.screen())
    editor.command("Dsassist status")
    editor.until("the sentence", lambda: re.search("dsassist: error; .*/no/such/model.gguf", editor.messages()))
    assert "ERROR error: " in health(editor).replace("❌ ", "")


def test_restart_gives_another_server(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM])
    client = "local c = vim.lsp.get_clients({ bufnr = 0, name = 'dsassist' })[1] return c and c.id or 0"
    before = editor.lua(client)
    editor.command("Dsassist restart")
    editor.until("another client", lambda: editor.lua(client) not in (0, before))
    editor.type("2G")
    editor.insert("ret")
    editor.until_ghost("urn first + second")


def test_explain_says_what_the_model_cannot_do(open_editor: OpenEditor, server: Path) -> None:
    editor = open_editor("def add(a, b):\n    return a + b\n")
    editor.until("the model is loaded", lambda: editor.status() == "dsassist builtin")
    editor.command("DsaExplain")
    editor.until("a sentence", lambda: "Explain:" in editor.messages())


def test_settings_reach_the_server(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM], options="settings = { completion = { enabled = false } }")
    editor.type("2G")
    editor.insert("ret")
    reason = "return require('dsassist').status().reason"
    editor.until("it is off", lambda: "completion.enabled" in str(editor.lua(reason)))
    assert editor.ghost() == ""


def test_every_option_has_its_place_in_the_help(neovim: Neovim, isolated: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "nvim"
    shutil.copytree(PLUGIN, plugin, ignore=shutil.ignore_patterns("tags"))
    problems = run_headless(neovim, f"helptags {plugin / 'doc'}")
    assert not problems.strip()
    tags = {line.split("\t")[0] for line in (plugin / "doc" / "tags").read_text().splitlines()}
    declared = json.loads(run_headless(neovim, "lua io.write(vim.json.encode(require('dsassist.options').DECLARED))"))
    assert {f"dsassist-option-{each['name']}" for each in declared} <= tags
    assert {":Dsassist", ":DsaExplain", "dsassist"} <= tags
