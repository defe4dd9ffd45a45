"""A real VS Code: code-server in a process of its own, shown by Chromium, which `scenarios/*.mjs` type into.

`scripts/editors/vscode.sh` sets it up, once; where that cannot be, the tests are skipped with its reason.
DSASSIST_SCREENSHOTS=1 puts the screenshots into docs/images and the extension's README.
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
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
_KEEPS_SCREENSHOTS = bool(os.environ.get("DSASSIST_SCREENSHOTS"))  # before the tests' own environment hides it
_LIMIT_S = 300  # for what takes seconds, on a machine that does much else

_SETTINGS = {
    "dsassist.path": str(Path(sys.executable).with_name("dsassist")),
    # What the builtin model writes is to be the same each time, and to be seen.
    "dsassist.completion.temperature": 0,
    "dsassist.completion.min_probability": 0,
    "dsassist.completion.learn_threshold": False,
    "dsassist.completion.multiline": "never",
    "editor.wordBasedSuggestions": "off",
    "editor.minimap.enabled": False,
    "telemetry.telemetryLevel": "off",
    "workbench.startupEditor": "none",
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


@dataclass
class VSCode:
    """One code-server for all the tests; each scenario has a workspace and a browser window of its own."""

    tools: Path
    root: Path
    environment: dict[str, str]
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    workspaces: list[Path] = field(default_factory=list)

    @property
    def extension(self) -> Path:
        return self.tools / "extension"

    def workspace(self, files: dict[str, str], settings: dict[str, Any] | None = None) -> Path:
        """A folder with these files, and with settings of its own."""
        folder = self.root / f"w{len(self.workspaces)}"
        self.workspaces.append(folder)
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text.encode())
        if settings:
            (folder / ".vscode").mkdir(parents=True)
            (folder / ".vscode" / "settings.json").write_text(json.dumps(settings))
        return folder

    def play(self, scenario: str, workspace: Path, **more: Any) -> None:
        """Run a scenario in the workspace; what it prints is printed."""
        given = {
            "port": self.port,
            "workspace": str(workspace),
            "profile": str(self.root / f"c{len(self.workspaces)}"),
            "playwright": str(self.tools / "playwright" / "playwright-core"),
            "chromium": str(self.tools / "chromium"),
            "extension": str(self.extension),
            "screenshots": [str(ROOT / "docs" / "images")] if _KEEPS_SCREENSHOTS else [],
            "readme": str(ROOT / "editors" / "vscode" / "media"),
            "failure": str(self.root / "failure.png"),
            **more,
        }
        script = [str(self.tools / "node"), str(HERE / "play.mjs"), str(HERE / "scenarios" / f"{scenario}.mjs")]
        played = subprocess.run(
            [*script, json.dumps(given)], env=self.environment, capture_output=True, text=True, timeout=_LIMIT_S
        )
        sys.stdout.write(played.stdout)
        assert played.returncode == 0, f"{played.stdout}\n{played.stderr}\n{self._logs()}"

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
        command += ["--disable-update-check", "--disable-workspace-trust", "--disable-getting-started-override"]
        command += ["--reconnection-grace-time", "5"]  # windows that were closed hold a process each
        command += ["--vscode-option", "enable-smoke-test-driver"]  # or tests in the extension host are not run
        with (self.root / "code-server.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._wait_until_up()

    def stop(self) -> None:
        """End it with all its children, and the model server that they started."""
        if self.process is not None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.killpg(self.process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(5)
        dsassist = _SETTINGS["dsassist.path"]
        subprocess.run([dsassist, "serve", "--stop"], env=self.environment, capture_output=True, timeout=30)

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _LIMIT_S
        while True:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5):
                return
            assert time.monotonic() < deadline, (self.root / "code-server.log").read_text()[-2000:]
            time.sleep(0.1)

    def _logs(self) -> str:
        """The end of what the extension and VS Code itself logged of the last window."""
        logs = sorted((self.root / "ud" / "logs").rglob("*.log"), key=lambda path: path.stat().st_mtime)
        wanted = [path for path in logs if path.name in ("dsassist.log", "remoteexthost.log")][-2:]
        return "\n".join(f"--- {path}\n{path.read_text(errors='replace')[-4000:]}" for path in wanted)


@pytest.fixture(scope="session")
def vscode() -> Iterator[VSCode]:
    """VS Code with the packaged extension, serving."""
    tools = _tools()
    root = Path(tempfile.mkdtemp(prefix="vs-", dir="/tmp"))  # short: sockets lie below it, 108 bytes at most
    for name in ("ud/User", "ud/Machine", "ext", "home", "tmp"):
        (root / name).mkdir(parents=True)
    (root / "config.yaml").write_text("auth: none\n")
    (root / "ud" / "User" / "settings.json").write_text(json.dumps(_SETTINGS))
    of_machine = {"dsassist.path": _SETTINGS["dsassist.path"]}  # a setting of the machine that the server runs on
    (root / "ud" / "Machine" / "settings.json").write_text(json.dumps(of_machine))
    running = VSCode(tools, root, _environment(root))
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(root, ignore_errors=True)


def _tools() -> Path:
    """What the set-up made; it may take minutes the first time."""
    made = subprocess.run([str(ROOT / "scripts" / "editors" / "vscode.sh")], capture_output=True, text=True)
    if made.returncode == 3:
        pytest.skip(f"no VS Code here: {made.stderr.strip().splitlines()[-1]}")
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.strip().splitlines()[-1])


def _environment(root: Path) -> dict[str, str]:
    """Nothing of the user's: whatever its flags say, code-server writes to HOME, and so does Chromium."""
    foreign = ("DSASSIST_", "GIT_", "XDG_", "VSCODE_", "HF_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
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
