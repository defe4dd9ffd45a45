"""A real VS Code: code-server in a process of its own, shown by Chromium, which `scenarios/*.mjs` type into.

`scripts/editors/vscode.sh` sets it up, once; where that was not done, the tests are skipped.
DSASSIST_SCREENSHOTS=1 puts the screenshots into docs/images and editors/vscode/media.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
_KEEPS_SCREENSHOTS = bool(os.environ.get("DSASSIST_SCREENSHOTS"))  # before the tests' own environment hides it
_SCREENSHOTS = {"docs": str(ROOT / "docs" / "images"), "readme": str(ROOT / "editors" / "vscode" / "media")}
_LIMIT_S = 300  # for what takes seconds, on a machine that does much else
_DSASSIST = str(Path(sys.executable).with_name("dsassist"))

_SETTINGS = {
    # What the builtin model writes is to be the same each time, and to be seen.
    "dsassist.completion.temperature": 0,
    "dsassist.completion.min_probability": 0,
    "dsassist.completion.learn_threshold": False,
    "dsassist.completion.multiline": "never",
    "dsassist.completion.context": False,
    "editor.wordBasedSuggestions": "off",
    # A language to have a menu in. By default VS Code opens none by itself where ghost text was quicker.
    "[ruby]": {"editor.wordBasedSuggestions": "currentDocument", "editor.quickSuggestions": {"other": "on"}},
    "editor.minimap.enabled": False,
    "terminal.integrated.gpuAcceleration": "off",  # so that the page has its text
    "telemetry.telemetryLevel": "off",
    "workbench.startupEditor": "none",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.enableExperiments": False,
    "security.workspace.trust.enabled": False,
    "chat.disableAIFeatures": True,
    "update.mode": "none",
    # In its present form: VS Code rewrites the file, under the extensions' feet, where a value has an old one.
    "extensions.autoUpdate": "off",
    "extensions.autoCheckUpdates": False,
    "extensions.ignoreRecommendations": True,
    "files.autoSave": "off",
    "git.openRepositoryInParentFolders": "never",
}


class ScenarioFailed(AssertionError):
    """What a scenario says did not come about."""


@dataclass
class VSCode:
    """One code-server and one browser for all the tests; a window is loaded anew only for another workspace."""

    tools: Path
    root: Path
    environment: dict[str, str]
    port: int = 0
    server: subprocess.Popen[bytes] | None = None
    player: subprocess.Popen[str] | None = None

    @property
    def extension(self) -> Path:
        return self.tools / "extension"

    @property
    def program(self) -> Path:
        """The program that the extension finds."""
        return self.root / "home" / ".local" / "bin" / "dsassist"

    @property
    def has_logs(self) -> bool:
        """Whether code-server writes any: a module of it is built only where there is a compiler."""
        module = self.tools / "code-server" / "lib" / "vscode" / "node_modules" / "@vscode" / "spdlog"
        return (module / "build" / "Release" / "spdlog.node").exists()

    def workspace(self, name: str, files: dict[str, str] | None = None, settings: dict[str, Any] | None = None) -> Path:
        """A folder with these files and settings; what is there already stays, but for them."""
        folder = self.root / name
        for path, text in (files or {}).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text.encode())
        (folder / ".vscode").mkdir(parents=True, exist_ok=True)
        (folder / ".vscode" / "settings.json").write_text(json.dumps(settings or {}))
        return folder

    def play(self, scenario: str, workspace: Path, **more: Any) -> None:
        """Run a scenario in the workspace; what it prints is printed. Raises `ScenarioFailed`."""
        assert self.player is not None
        assert self.player.stdin is not None
        assert self.player.stdout is not None
        self.player.stdin.write(json.dumps({"scenario": scenario, "workspace": str(workspace), **more}) + "\n")
        self.player.stdin.flush()
        line = self.player.stdout.readline()
        assert line, f"the browser has ended: {(self.root / 'play.log').read_text()}"
        answer = json.loads(line)
        if "failure" in answer:
            raise ScenarioFailed(f"{answer['failure']}\n{self._logs()}")
        if answer["printed"]:
            sys.stdout.write(f"{answer['printed']}\n")

    @property
    def machine_settings(self) -> Path:
        """The settings of the machine, which alone may name a model."""
        return self.root / "ud" / "Machine" / "settings.json"

    @contextmanager
    def using_model(self, model: str) -> Iterator[None]:
        """Another model than the builtin one is set."""
        self.machine_settings.write_text(json.dumps({"dsassist.model": model}))
        try:
            yield
        finally:
            self.machine_settings.write_text("{}")

    @contextmanager
    def trusting_nothing(self) -> Iterator[None]:
        """Workspaces that are opened now are not trusted."""
        settings = self.root / "ud" / "User" / "settings.json"
        kept = settings.read_text()
        asked = {"security.workspace.trust.enabled": True, "security.workspace.trust.startupPrompt": "never"}
        settings.write_text(json.dumps(_SETTINGS | asked))
        try:
            yield
        finally:
            settings.write_text(kept)

    def start(self) -> None:
        """Install the packaged extension, and serve."""
        entry = self.tools / "code-server" / "out" / "node" / "entry.js"
        command = [str(self.tools / "node"), str(entry), "--config", str(self.root / "config.yaml")]
        command += ["--user-data-dir", str(self.root / "ud"), "--extensions-dir", str(self.root / "ext")]
        install = [*command, "--install-extension", str(self.extension / "dsassist.vsix")]
        subprocess.run(install, env=self.environment, check=True, capture_output=True, timeout=_LIMIT_S)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command += ["--auth", "none", "--bind-addr", f"127.0.0.1:{self.port}", "--disable-telemetry", "--disable-proxy"]
        command += ["--disable-update-check", "--disable-getting-started-override"]
        command += ["--reconnection-grace-time", "5"]  # windows that were closed hold a process each
        command += ["--vscode-option", "enable-smoke-test-driver"]  # or tests in the extension host are not run
        with (self.root / "code-server.log").open("wb") as log:
            self.server = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._wait_until_up()
        self._open_browser()

    def stop(self) -> None:
        """End both with all their children, and the model server that they started."""
        for process in (self.player, self.server):
            if process is not None:
                _end(process)
        subprocess.run([_DSASSIST, "serve", "--stop"], env=self.environment, capture_output=True, timeout=_LIMIT_S)

    def _open_browser(self) -> None:
        failures = Path(tempfile.gettempdir()) / "dsassist-vscode-failures"  # they outlive `root`
        failures.mkdir(exist_ok=True)
        given = {
            "port": self.port,
            "profile": str(self.root / "chromium"),
            "playwright": str(self.tools / "playwright" / "playwright-core"),
            "chromium": str(self.tools / "chromium"),
            "screenshots": _SCREENSHOTS if _KEEPS_SCREENSHOTS else {},
            "failures": str(failures),
            "home": self.environment["DSASSIST_HOME"],
        }
        with (self.root / "play.log").open("wb") as log:
            self.player = subprocess.Popen(
                [str(self.tools / "node"), str(HERE / "play.mjs"), json.dumps(given)],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _LIMIT_S
        while True:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5):
                return
            assert time.monotonic() < deadline, (self.root / "code-server.log").read_text()[-2000:]
            time.sleep(0.1)

    def _logs(self) -> str:
        """The end of what dsassist logged; without its native module code-server keeps no log of its extensions."""
        logs = sorted((self.root / "d" / "state").glob("*.log"))
        return "\n".join(f"--- {path}\n{path.read_text(errors='replace')[-3000:]}" for path in logs)


@pytest.fixture(scope="session")
def vscode() -> Iterator[VSCode]:
    """VS Code with the packaged extension, serving."""
    tools = _tools()
    root = Path(tempfile.mkdtemp(prefix="vs-", dir="/tmp"))  # short: sockets lie below it, 108 bytes at most
    for name in ("ud/User", "ud/Machine", "ext", "home/.local/bin", "tmp"):
        (root / name).mkdir(parents=True)
    (root / "config.yaml").write_text("auth: none\n")
    (root / "ud" / "User" / "settings.json").write_text(json.dumps(_SETTINGS))
    running = VSCode(tools, root, _environment(root))
    running.program.symlink_to(_DSASSIST)  # as pipx installs it
    running.machine_settings.write_text("{}")
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(root, ignore_errors=True)


def _end(process: subprocess.Popen[Any]) -> None:
    """End a process and its children, and close our ends of its pipes."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _tools() -> Path:
    """What the set-up made, with the extension built anew. It takes minutes the first time, so it is not begun here."""
    cache = Path(os.environ.get("DSASSIST_TEST_EDITORS", Path.home() / ".cache" / "dsassist-tests"))
    if not (cache / "vscode" / "code-server").is_dir():
        pytest.skip("VS Code is not there (scripts/editors/vscode.sh puts it there)")
    made = subprocess.run([str(ROOT / "scripts" / "editors" / "vscode.sh")], capture_output=True, text=True)
    if made.returncode == 3:
        pytest.skip(f"no VS Code here: {made.stderr.strip().splitlines()[-1]}")
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.strip().splitlines()[-1])


def _environment(root: Path) -> dict[str, str]:
    """Nothing of the user's: whatever its flags say, code-server writes to HOME, and so does Chromium."""
    foreign = ("DSASSIST_", "GIT_", "XDG_", "VSCODE_", "HF_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    folders = os.environ["PATH"].split(os.pathsep)
    kept["PATH"] = os.pathsep.join(folder for folder in folders if not (Path(folder) / "dsassist").exists())
    places = {f"XDG_{name}_HOME": str(root / "home" / name.lower()) for name in ("CONFIG", "DATA", "STATE", "CACHE")}
    return (
        kept
        | places
        | {
            "HOME": str(root / "home"),
            "TMPDIR": str(root / "tmp"),
            "DSASSIST_HOME": str(root / "d"),
            "DSASSIST_ENGINE_IDLE_TIMEOUT_S": "120",
            "EXTENSIONS_GALLERY": '{"serviceUrl":"http://127.0.0.1:9/"}',
            "GIT_CONFIG_NOSYSTEM": "1",
        }
    )
