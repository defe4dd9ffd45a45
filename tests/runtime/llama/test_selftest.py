"""The self-test of llama.cpp that `scripts/setup.sh` relies on."""

from __future__ import annotations

import subprocess
import sys

_BROKEN = """
import os, runpy, signal
from dsassist_runtime.llama.context import Context
Context.decode = lambda *_: os.kill(os.getpid(), signal.SIGILL)
runpy.run_module("dsassist_runtime.llama.selftest", run_name="__main__")
"""


def test_llama_cpp_computes_here_and_a_broken_library_is_told_by_the_exit_code() -> None:
    module = ["-m", "dsassist_runtime.llama.selftest"]
    assert subprocess.run([sys.executable, *module], capture_output=True).returncode == 0
    assert subprocess.run([sys.executable, "-c", _BROKEN], capture_output=True).returncode != 0
