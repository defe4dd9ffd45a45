"""`python -m dsassist_runtime.server IDLE_TIMEOUT_S [ENGINE_SETTINGS_JSON]`: what `dsassist_runtime.launch` starts."""

from __future__ import annotations

import json
import sys

from dsassist_runtime.api import EngineSettings
from dsassist_runtime.server.main import serve
from dsassist_runtime.wire import from_wire

if __name__ == "__main__":
    settings = from_wire(EngineSettings, json.loads(sys.argv[2]), "engine") if len(sys.argv) > 2 else None
    serve(float(sys.argv[1]), settings)
