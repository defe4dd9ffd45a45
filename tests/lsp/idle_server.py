"""`python -m lsp.idle_server FILE`: a real language server that takes a moment for idle time, unless FILE is there."""

from __future__ import annotations

import sys
from pathlib import Path

from dsassist_lsp.command import serve
from dsassist_lsp.server import create_server

if __name__ == "__main__":
    busy = Path(sys.argv[1])
    server = create_server()
    server.calibration.idle_s = 0.2
    server.calibration.is_free = lambda: not busy.exists()
    sys.exit(serve(server))
