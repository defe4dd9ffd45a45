"""`PYTHONPATH=tests python -m e2e.editors.nvim.latency`: how long ghost text takes from the key to Neovim's screen.

Lines are typed in each Neovim as a person does, and for the last key of each it is measured inside of Neovim: from the
moment at which it reads that key to the end of the redraw in which the ghost text is. Beside it stands what the server
says of the same text in its status: from the request to its answer. What lies between the two is the editor's: waiting
until nobody types (200 ms on 0.12), the protocol, and drawing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from e2e.editors.nvim.editor import DRAWN_BY_THE_PLUGIN, NEOVIMS, Editor, Neovim, init_lua

__all__ = ["Shown", "main", "measure"]

DSASSIST = str(Path(sys.executable).with_name("dsassist"))
PAUSE_S = 0.12  # between two keys
BEFORE_LAST_S = 0.3  # so that Neovim has asked about what was typed before
LINES = (
    "if x is ",
    "if not ",
    "return ",
    "for line in ",
    "self.name = ",
    "import ",
    "def main(",
    "raise ",
    "print(",
    "x = ",
)

_CLOCK = """
_G.dsassist_clock = { shown = {}, is_answered = false }
local clock, key_at, asked = _G.dsassist_clock, nil, {}
local function has_ghost()
  for _, name in ipairs({ 'nvim.lsp.inline_completion', 'dsassist.ghost' }) do
    local namespace = vim.api.nvim_get_namespaces()[name]
    if namespace and #vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { limit = 1 }) > 0 then
      return true
    end
  end
  return false
end
vim.on_key(function(_, typed)
  if typed and typed ~= '' then
    key_at, asked, clock.is_answered = not has_ghost() and vim.uv.hrtime() or nil, {}, false
  end
end)
vim.api.nvim_create_autocmd('LspRequest', { callback = function(event)
  local request, id = event.data.request, event.data.request_id
  if request.method == 'textDocument/inlineCompletion' and request.type == 'pending' then
    asked[id] = true
  elseif asked[id] and request.type == 'complete' then -- not one from before the key
    clock.is_answered = true
  end
end })
vim.api.nvim_set_decoration_provider(vim.api.nvim_create_namespace('clock'), { on_end = function()
  if key_at and has_ghost() then
    local status = require('dsassist').status() or {}
    table.insert(clock.shown, { screen_ms = (vim.uv.hrtime() - key_at) / 1e6, server_ms = status.latencyMs or 0 })
    key_at = nil
  end
end })
"""
_SEEN = """
  local clock = _G.dsassist_clock
  return { shown = clock.shown[#clock.shown] or vim.NIL, n = #clock.shown, is_answered = clock.is_answered }
"""


@dataclass(frozen=True)
class Shown:
    """A text: how long it took to the screen, and to the server's answer."""

    screen_ms: float
    server_ms: float


def measure(editor: Editor, rounds: int) -> Iterator[Shown | None]:
    """Type each line so many times, further down each time; None where nothing was shown."""
    for number in range(rounds * len(LINES)):
        line = LINES[number % len(LINES)]
        editor.press("o")
        editor.until("insert mode", lambda: editor.mode() == "i")
        for key in line[:-1]:
            editor.type(key)
            time.sleep(PAUSE_S)
        time.sleep(BEFORE_LAST_S)
        editor.until_answered()
        editor.press("C-]")  # what is shown by now is not what the last key brings
        editor.until_ghost("")
        before = editor.lua(_SEEN)["n"]
        editor.type(line[-1])
        yield _next_shown(editor, before)
        editor.leave_insert_mode()
        editor.command("normal! cc")


def _next_shown(editor: Editor, before: int) -> Shown | None:
    def seen() -> Any:
        now = editor.lua(_SEEN)
        # An answer is there before it is drawn, and is drawn before that is noticed.
        return now if now["n"] != before or (now["is_answered"] and not editor.ghost()) else None

    found = editor.until("an answer", seen)
    return Shown(**found["shown"]) if found["n"] != before else None


@contextmanager
def _home() -> Iterator[Path]:
    """A home for one run; its server ends with it. The path is short: a Unix socket's has 108 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="dsa-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        os.environ |= {"HOME": folder, "DSASSIST_HOME": f"{folder}/d", "DSASSIST_ENGINE_IDLE_TIMEOUT_S": "120"}
        try:
            yield Path(folder)
        finally:
            subprocess.run([DSASSIST, "serve", "--stop"], capture_output=True, timeout=60)


def _run(neovim: Neovim, home: Path, model: str, rounds: int) -> str:
    folder = home / str(neovim)
    folder.mkdir()
    file, init = folder / "sample.py", folder / "init.lua"
    file.write_text("import sys\n\n\ndef read(path):\n    with open(path) as file:\n        return file.read()\n")
    settings = "min_probability = 0, learn_threshold = false"  # as much as can be is to be seen
    options = f"settings = {{ model = [==[{model}]==], completion = {{ {settings} }} }}"
    init.write_text(init_lua(neovim, [DSASSIST, "lsp"], "", options) + _CLOCK)
    editor = Editor(neovim, folder, init, file)
    try:
        editor.until(
            "the model is loaded", lambda: (editor.lua("return require('dsassist').status()") or {}).get("model")
        )
        typed = list(measure(editor.go_to(6), rounds))
    finally:
        editor.close()
    return _report(neovim, model, typed)


def _report(neovim: Neovim, model: str, typed: list[Shown | None]) -> str:
    shown = [each for each in typed if each is not None]
    head = (
        f"Neovim {neovim.version} ({neovim.ghost}), {Path(model).stem}: ghost text at {len(shown)} of {len(typed)} keys"
    )
    if not shown:
        return head
    screen = median(each.screen_ms for each in shown)
    server = median(each.server_ms for each in shown)
    editor = median(each.screen_ms - each.server_ms for each in shown)
    lines = [
        f"  from the key to the screen  median {screen:5.0f} ms",
        f"  of these the server's       median {server:5.0f} ms",
        f"  and the editor's            median {editor:5.0f} ms",
        f"  ratio of the first two      {screen / max(server, 1):12.1f}",  # the server counts whole milliseconds
    ]
    return "\n".join([head, *lines])


def main() -> int:
    """Measure in each Neovim that is there, and print the medians and their ratio."""
    parser = argparse.ArgumentParser(
        description="From the key to ghost text on the screen, beside the server's own figure."
    )
    parser.add_argument("--model", default="builtin", help="the model: builtin, or the path of a GGUF file")
    parser.add_argument("--rounds", type=int, default=3, help=f"how often each of {len(LINES)} lines is typed")
    given = parser.parse_args()
    there = [neovim for neovim in (*NEOVIMS, DRAWN_BY_THE_PLUGIN) if neovim.program.exists()]
    if not there:
        sys.stderr.write("no Neovim is there: scripts/editors/nvim.sh puts it there\n")
        return 1
    with _home() as home:
        for neovim in there:
            sys.stdout.write(_run(neovim, home, given.model, given.rounds) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
