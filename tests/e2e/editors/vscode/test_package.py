"""The extension's package.json and lock file, which need no editor to be looked at."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

EXTENSION = Path(__file__).parents[4] / "editors" / "vscode"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vscode_settings", EXTENSION / "settings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_settings_are_those_of_the_option_table(generator: ModuleType) -> None:
    """When it fails: `.venv/bin/python editors/vscode/settings.py`."""
    assert generator.PACKAGE.read_text(encoding="utf-8") == generator.package_text()


def test_a_workspace_cannot_set_what_a_repository_may_not() -> None:
    package = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    sections = package["contributes"]["configuration"]
    settings = {key: each for section in sections for key, each in section["properties"].items()}
    guarded = {key for key in settings if key.startswith("dsassist.engine.")} | {"dsassist.model"}
    assert guarded
    assert {settings[key]["scope"] for key in guarded} == {"machine"}
    assert package["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"] == ["dsassist.path"]


def test_no_command_of_the_extension_bears_the_name_of_one_of_the_server() -> None:
    """The language client registers the server's commands under their names, and VS Code allows a name once."""
    from dsassist_lsp.server import create_server

    ours = set(re.findall(r'"command": "(dsassist\.\w+)"', (EXTENSION / "package.json").read_text(encoding="utf-8")))
    assert ours
    assert not ours & set(create_server().protocol.fm.commands)


def test_the_lock_file_names_no_registry() -> None:
    text = (EXTENSION / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text


def test_nothing_is_measured_and_sent() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (EXTENSION / "src").glob("*.ts"))
    assert not re.search(r"telemetry|https?:|fetch\(|node:https?", sources, re.IGNORECASE)
