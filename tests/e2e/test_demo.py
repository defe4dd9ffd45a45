"""The demo of the README, without a download."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def is_set_up() -> bool:
    """Whether scripts/setup.sh has nothing to do, by its own rule: else the demo would install first."""
    told = subprocess.run(
        "cat pyproject.toml scripts/setup.sh | cksum", shell=True, cwd=ROOT, capture_output=True, text=True, check=True
    )
    stamp = ROOT / ".venv" / "installed"
    return stamp.exists() and stamp.read_text().strip() == told.stdout.strip()


def test_demo_with_the_builtin_model_shows_completion_review_and_routing(server: Path, isolated: Path) -> None:
    if not is_set_up():
        pytest.skip("scripts/setup.sh has something to install here: run scripts/demo once")
    done = subprocess.run(
        [ROOT / "scripts" / "demo", "--builtin"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHON": sys.executable, "DSASSIST_ENGINE_IDLE_TIMEOUT_S": "60"},
    )
    shown = done.stdout
    assert done.returncode == 0, shown
    assert "Traceback" not in shown
    steps = [
        "The model",
        "Completion",
        "runtime/dsassist_runtime/places.py, line ",
        "what stands there in truth: ",
        "assistant/dsassist/declaration.py, line ",
        "Review of a staged change",
        "+            shutil.copy2(destination, path)",
        "dsassist: reviewed 1 function in 1 file with builtin in ",
        "The same change, mended",
        "which of its experts it used",
        "experts chosen, a column each (",
        "docs/language-server.md",
    ]
    places = [shown.find(step) for step in steps]
    assert -1 not in places, f"{steps[places.index(-1)]!r} is not shown in:\n{shown}"
    assert places == sorted(places)
    assert "this is a small test model" in shown
    assert not (isolated / ".cache").exists(), "nothing is pulled, and nothing lands beside DSASSIST_HOME"
