"""What a Neovim sent to its language server, from its own log."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["accepted_lengths", "sent"]


def sent(home: Path, method: str) -> list[str]:
    """What was sent by a method, a line each."""
    lines = [line for log in home.glob("**/lsp.log") for line in log.read_text(errors="replace").splitlines()]
    return [line for line in lines if '"rpc.send"' in line and f'method = "{method}"' in line]


def accepted_lengths(home: Path) -> list[tuple[str, int]]:
    """Of each text that was taken in part, what it was and how much of it the server was told of."""
    told = sent(home, "textDocument/didPartiallyAcceptCompletion")
    found = [re.search(r"acceptedLength = (\d+).*insertText = (['\"])(.*?)\2, range", line) for line in told]
    return [(match.group(3), int(match.group(1))) for match in found if match]
