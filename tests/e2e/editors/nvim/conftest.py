"""The Neovims that scripts/editors/nvim.sh has put there, and a way to open a file in one of them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.editors.nvim.editor import PLUGIN, Editor, Neovim

_INSTALLED = Path(os.environ.get("DSASSIST_TEST_EDITORS") or Path.home() / ".cache" / "dsassist-tests")
_OLD = _INSTALLED / "nvim-0.11" / "bin" / "nvim"
_NEW = _INSTALLED / "nvim-0.12" / "usr" / "bin" / "nvim"
NEOVIMS = [Neovim("0.12", _NEW, "native"), Neovim("0.11", _OLD, "own"), Neovim("0.12", _NEW, "own")]

OpenEditor = Callable[..., Editor]


@pytest.fixture(params=NEOVIMS, ids=str)
def neovim(request: pytest.FixtureRequest) -> Neovim:
    found: Neovim = request.param
    if not found.program.exists():
        pytest.skip(f"Neovim {found.version} is not there (scripts/editors/nvim.sh puts it there)")
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not there; it is the screen (Debian: apt-get install tmux)")
    return found


@pytest.fixture
def open_editor(neovim: Neovim, isolated: Path, tmp_path: Path, on_path: None) -> Iterator[OpenEditor]:
    """Open a file with a server that knows `texts`, or with `dsassist lsp` itself; `init` is Lua before the set-up."""
    opened: list[Editor] = []

    def open_it(
        text: str | bytes, texts: list[str] | None = None, *, name: str = "sample.py", init: str = "", options: str = ""
    ) -> Editor:
        file = tmp_path / name
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        cmd = ["dsassist", "lsp"]
        if texts is not None:
            known = tmp_path / "known.json"
            known.write_text(json.dumps(texts))
            cmd = [sys.executable, str(Path(__file__).with_name("knowing_server.py")), str(known)]
        folder = isolated / str(len(opened))
        folder.mkdir()
        (folder / "init.lua").write_text(_init(neovim, cmd, init, options))
        opened.append(Editor(neovim, folder, folder / "init.lua", file))
        opened[-1].until_ready()
        return opened[-1]

    yield open_it
    for editor in opened:
        editor.close()


def _init(neovim: Neovim, cmd: list[str], before: str, options: str) -> str:
    words = ", ".join(f"[==[{word}]==]" for word in cmd)
    return f"""
vim.opt.runtimepath:prepend([==[{PLUGIN}]==])
vim.o.swapfile = false
vim.o.shadafile = 'NONE'
vim.o.messagesopt = 'wait:0,history:500' -- nobody presses a key to see more of a message
vim.lsp.log.set_level('debug')
{before}
require('dsassist').setup({{ cmd = {{ {words} }}, ghost = '{neovim.ghost}', {options} }})
"""
