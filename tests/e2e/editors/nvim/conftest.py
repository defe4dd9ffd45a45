"""The Neovims that scripts/editors/nvim.sh has put there, and a way to open a file in one of them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.editors.nvim.editor import NEOVIMS, Editor, Neovim, init_lua

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
    """Open a file with a server that knows `texts`, or with `dsassist lsp` itself; `init` is Lua before the set-up.

    With a `cmd` in the server's place nobody waits for it, nor with an `event` that the plug-in is loaded at.
    """
    opened: list[Editor] = []

    def open_it(
        text: str | bytes,
        texts: list[str] | None = None,
        *,
        logprob: float = -0.1,
        init: str = "",
        options: str = "",
        cmd: list[str] | None = None,
        event: str = "",
    ) -> Editor:
        file = tmp_path / "sample.py"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        command = cmd or ["dsassist", "lsp"]
        if texts is not None:
            known = tmp_path / "known.json"
            known.write_text(json.dumps(texts))
            command = [sys.executable, str(Path(__file__).with_name("knowing_server.py")), str(known), str(logprob)]
        folder = isolated / str(len(opened))
        folder.mkdir()
        (folder / "init.lua").write_text(init_lua(neovim, command, init, options, event))
        opened.append(Editor(neovim, folder, folder / "init.lua", file))
        if cmd is None and not event:
            opened[-1].until_ready()
        return opened[-1]

    yield open_it
    for editor in opened:
        editor.close()
