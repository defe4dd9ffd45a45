"""What a Neovim sent to its language server, from its own log."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["accepted_lengths", "received", "sent"]


def sent(home: Path, method: str) -> list[str]:
    """What was sent by a method, a line each."""
    return [line for line in _lines(home) if '"rpc.send"' in line and f'method = "{method}"' in line]


def received(home: Path, text: str) -> bool:
    """Whether something with this text in it has come."""
    return any('"rpc.receive"' in line and text in line for line in _lines(home))


def _lines(home: Path) -> list[str]:
    return [line for log in home.glob("**/lsp.log") for line in log.read_text(errors="replace").splitlines()]


def accepted_lengths(home: Path) -> list[tuple[str, int]]:
    """Of each text that was taken in part, what it was and how much of it the server was told of."""
    told = sent(home, "textDocument/didPartiallyAcceptCompletion")
    found = [re.search(r"acceptedLength = (\d+).*insertText = (['\"])(.*?)\2, range", line) for line in told]
    return [(match.group(3), int(match.group(1))) for match in found if match]
