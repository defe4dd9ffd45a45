"""`python -m lsp.scripted_server TEXT`: a language server of which only the engine is not real; that writes `TEXT`."""

from __future__ import annotations

import sys

from dsassist_lsp.command import serve
from dsassist_lsp.engines import OpenEngine
from dsassist_lsp.server import create_server
from dsassist_runtime.testing import ScriptedEngine

if __name__ == "__main__":
    engine = ScriptedEngine([sys.argv[1]])
    sys.exit(serve(create_server(lambda _loaded, _on_loading: OpenEngine(engine, "scripted"))))
