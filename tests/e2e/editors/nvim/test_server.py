"""The server behind the ghost text: what it is told, what happens when it dies, and the whole of it with a model."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from dsassist_runtime.client import server_health
from e2e.editors.nvim.conftest import OpenEditor
from e2e.editors.nvim.editor import Editor
from e2e.editors.nvim.samples import ADD, SUM
from e2e.editors.nvim.traffic import accepted_lengths, sent
from e2e.editors.repeated import BEFORE, LAST_LINE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # whole editors, on a machine that may do much else


def test_the_server_is_told_what_is_shown_and_taken(open_editor: OpenEditor, isolated: Path) -> None:
    editor = open_editor(ADD, [SUM]).go_to(2)
    editor.insert("return ")
    editor.until_ghost("first + second")
    editor.press("M-Right")
    editor.until_ghost("+ second")
    editor.press("Tab")
    editor.until_line(SUM)
    editor.until("told", lambda: sent(isolated, "workspace/executeCommand"))
    assert sent(isolated, "textDocument/didShowCompletion")
    ((text, length),) = accepted_lengths(isolated)
    assert text[:length].endswith("first ")
    assert "dsassist.acceptCompletion" in sent(isolated, "workspace/executeCommand")[0]


def test_the_server_is_told_of_nothing_taken_when_the_text_is_typed_by_hand(
    open_editor: OpenEditor, isolated: Path
) -> None:
    editor = open_editor(ADD, [SUM]).go_to(2)
    editor.insert("return ")
    editor.until_ghost("first + second")
    editor.type("first + second")
    editor.until_line(SUM)
    editor.leave_insert_mode()
    editor.command("Dsassist status")
    editor.until("told", lambda: sent(isolated, "workspace/executeCommand"))
    assert "dsassist.status" in sent(isolated, "workspace/executeCommand")[0]
    assert len(sent(isolated, "workspace/executeCommand")) == 1
    assert not accepted_lengths(isolated)


def kill_server(editor: Editor) -> None:
    """Kill it as the system would, and wait until Neovim has noticed."""
    client = editor.until("a server", editor.client)
    os.kill(editor.until("its process", editor.server), signal.SIGKILL)
    editor.until("it is gone", lambda: editor.client() != client)


def test_a_server_that_is_killed_under_the_ghost_text_comes_back(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM]).go_to(2)
    editor.insert("ret")
    editor.until_ghost("urn first + second")
    kill_server(editor)
    editor.until_ghost("")
    editor.press("M-Right")  # there is nothing to take
    editor.until_ready()
    assert editor.line() == "    ret"
    editor.press("BSpace")
    editor.type("t")
    editor.until_ghost("urn first + second")
    editor.press("Tab")
    editor.until_line(SUM)
    assert "ended" not in editor.messages()


def test_a_server_that_dies_again_and_again_is_given_up_with_one_sentence(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, [SUM])
    for _ in range(4):
        editor.until("it is attached", editor.is_attached)
        kill_server(editor)
    editor.until("a sentence", lambda: "the server ended 4 times (signal 9)" in editor.messages())
    assert editor.messages().count("the server ended") == 1
    assert editor.status() == "dsassist stopped"
    editor.command("Dsassist restart")
    editor.until_ready()
    editor.go_to(2).insert("ret")
    editor.until_ghost("urn first + second")


def test_a_program_that_ends_at_once_is_given_up_with_one_sentence(open_editor: OpenEditor) -> None:
    editor = open_editor(ADD, cmd=["false"])
    editor.until("a sentence", lambda: "the server ended 4 times (exit code 1)" in editor.messages())
    assert editor.messages().count("the server ended") == 1
    assert editor.status() == "dsassist stopped"


def test_the_builtin_model_offers_what_it_has_by_hand(open_editor: OpenEditor, server: Path) -> None:
    """The whole way: `dsassist lsp` as it is, the model server that it starts, the model that comes with it."""
    editor = open_editor(f"{BEFORE}\n", options="settings = { completion = { temperature = 0, multiline = 'never' } }")
    editor.until("the model is loaded", lambda: editor.status() == "dsassist builtin")
    editor.go_to(LAST_LINE).insert("is ")
    editor.press("M-s")
    text = editor.until("ghost text", editor.ghost)
    editor.until("it is on the screen", lambda: f"if z is {text}" in editor.screen())
    editor.press("C-M-Right")
    editor.until_line(f"if z is {text}")


@pytest.mark.parametrize("process", ["pid", "engine_pid"], ids=["server", "engine"])
def test_a_model_server_that_is_killed_is_there_again_for_the_next_text(
    open_editor: OpenEditor, server: Path, process: str
) -> None:
    editor = open_editor(f"{BEFORE}\n", options="settings = { completion = { temperature = 0, multiline = 'never' } }")
    editor.until("the model is loaded", lambda: editor.status() == "dsassist builtin")
    editor.go_to(LAST_LINE).insert("is ")
    editor.press("M-s")
    editor.until("ghost text", editor.ghost)
    killed = (server_health() or {})[process]
    os.kill(int(str(killed)), signal.SIGKILL)
    editor.type("not ")  # about which the model has not been asked yet
    editor.until_line("if z is not ")
    editor.press("M-s")
    editor.until("another process", lambda: (server_health() or {}).get(process) not in (None, killed))
    text = editor.until("ghost text", editor.ghost)
    editor.press("C-M-Right")
    editor.until_line(f"if z is not {text}")


ORDERS = """\
class Order:
    def __init__(self, items):
        self.items = items

    def total(self):
        \"\"\"The price of all items together.\"\"\"

"""


@pytest.mark.real_model
def test_a_real_model_completes_a_line_as_a_person_would(
    open_editor: OpenEditor, real_model: Path, server: Path
) -> None:
    """With the settings that everybody has: nothing is asked for by hand, nor shown that the model thinks unlikely."""
    look = "vim.o.termguicolors = true; vim.o.statusline = '%f %m%=%{v:lua.require(\"dsassist\").statusline()} '"
    editor = open_editor(ORDERS, init=look, options=f"settings = {{ model = [==[{real_model}]==] }}")
    editor.until("the model is loaded", lambda: editor.status() == f"dsassist {real_model.name}")
    editor.go_to(7).insert("        return sum(")
    text = editor.until("ghost text", editor.ghost)
    first = str(text).split("\n")[0]
    assert re.search(r"item.*price.*self\.items", first)
    editor.until("it is on the screen", lambda: f"return sum({first}" in editor.screen())
    if editor.neovim.version == "0.12":
        editor.shot("ghost-text", columns=80, rows=11)
    editor.press("Tab")
    editor.until_line(f"        return sum({first}")
