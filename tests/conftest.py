"""Fixtures for the whole suite: no test sees the user's home, configuration or server."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dsassist_runtime.api import EngineSettings, GenerationEnd, InfillRequest, Sampling

# Read before the fixture below hides it.
_REAL_MODEL = os.environ.get("DSASSIST_TEST_MODEL")
_NO_REAL_MODEL = "Qwen2.5-Coder-0.5B is not on disk (scripts/test pulls it)"
_NO_TORCH = "PyTorch is not installed"

# Threads of engines in the tests' own processes sleep while they wait for each other: spinning takes ten times the time
# where as many tests run as there are cores. Read when llama.cpp is loaded; engine processes keep to the product's way.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# What is started in the background ignores Ctrl-C, and so would every program that a test means to interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own for each test; short, because a Unix socket's path has 108 bytes at most."""
    for name in list(os.environ):
        if name.startswith(("DSASSIST_", "GIT_", "XDG_", "HF_", "PRE_COMMIT", "OMP_")):
            monkeypatch.delenv(name)
    home = Path(tempfile.mkdtemp(prefix="dsa-"))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DSASSIST_HOME", str(home / "d"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (home / "gitconfig").write_text(
        "[user]\n\tname = Test\n\temail = test@example.com\n[init]\n\tdefaultBranch = main\n"
    )
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def server(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Whatever server the test's clients start is gone afterwards; gives the runtime directory."""
    monkeypatch.setenv("DSASSIST_ENGINE_IDLE_TIMEOUT_S", "60")  # a net, should the test process be killed
    yield isolated / "d" / "run"
    from dsassist_runtime.client import stop_server

    stop_server()


@pytest.fixture(scope="session")
def builtin_model() -> Path:
    from dsassist_runtime.models.store import BUILTIN_PATH

    return BUILTIN_PATH


@pytest.fixture(scope="session")
def endless(builtin_model: Path) -> InfillRequest:
    """A request that the builtin model works on for a second or more: a loop that it falls into at temperature 0."""
    from dsassist_runtime.engine.local import LocalEngine

    with closing(LocalEngine(EngineSettings(builtin_model))) as engine:
        for prefix in ("x = {\n", "x = [1, ", "names = ['a', ", "def f(a, ", "import ", "a, b, "):
            request = InfillRequest(prefix, "", max_tokens=900, sampling=Sampling(temperature=0.0))
            *_, end = engine.events(request)
            if isinstance(end, GenerationEnd) and end.completion_tokens == request.max_tokens:
                return request
    pytest.fail("the builtin model ends every text by itself; find one that it does not")


@pytest.fixture(scope="session")
def real_model() -> Path:
    """Qwen2.5-Coder-0.5B, for tests of what a person sees."""
    if not _REAL_MODEL:
        pytest.skip(_NO_REAL_MODEL)
    return Path(_REAL_MODEL)


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """End-to-end tests run last: when a small test fails too, it says more.

    In several processes the files that take long run first, or one process would be left with them at the end.
    """
    for item in items:
        if {"neovim", "vscode"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("editor")
    if not hasattr(config, "workerinput"):
        items.sort(key=lambda item: "tests/e2e/" in item.nodeid)
        return
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: ("tests/e2e/" not in item.nodeid, item.path not in slow))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    for reason, how in ((_NO_REAL_MODEL, ""), (_NO_TORCH, "; docs/train.md says how to have it on this system")):
        if left_out := [report.nodeid for report in skipped if reason in str(report.longrepr)]:
            told = f"left out, {len(left_out)} tests or files of tests: {reason}{how}: {', '.join(left_out)}"
            terminalreporter.write_line(told, yellow=True)
