"""What a program gets that names no model: the user's configuration, found by the runtime."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat_model import write_chat_model
from dsassist.library import defaults
from dsassist_runtime import ChatCompletion
from dsassist_runtime.api import EngineSettings
from dsassist_runtime.chat_target import Local, Remote, target_of
from dsassist_runtime.client import server_status
from dsassist_runtime.defaults import user_defaults


def configure(home: Path, text: str) -> None:
    """Write the user's configuration file."""
    folder = home / "d" / "config"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(text)


def test_they_are_the_configurations(isolated: Path, builtin_model: Path) -> None:
    configure(isolated, f'model = "{builtin_model}"\n[engine]\nn_threads = 3\nidle_timeout_s = 7.0\n')
    assert defaults().engine == EngineSettings(builtin_model, n_threads=3)
    assert defaults().idle_timeout_s == 7.0
    assert defaults().address == ""


def test_the_runtime_finds_them(isolated: Path, builtin_model: Path) -> None:
    configure(isolated, "[engine]\nn_threads = 3\n")
    assert user_defaults() == defaults()
    assert user_defaults().engine.n_threads == 3


def test_an_address_is_asked_in_the_models_place(isolated: Path, builtin_model: Path) -> None:
    configure(isolated, 'model = "http://127.0.0.1:1/v1#m"\n[engine]\nn_ctx = 512\n')
    target = target_of(None, None, None)
    assert isinstance(target, Remote)
    assert (target.address.base, target.model) == ("http://127.0.0.1:1/v1", "m")
    named = target_of(builtin_model, None, None)
    assert isinstance(named, Local)
    assert named.door.settings == EngineSettings(builtin_model, n_ctx=512), "held as the configuration says"


@pytest.mark.parametrize("name", [None, "default"])
def test_the_server_is_started_with_the_configured_model(
    server: Path, isolated: Path, builtin_model: Path, tmp_path: Path, name: str | None
) -> None:
    model = write_chat_model(builtin_model, tmp_path / "chat.gguf")
    configure(isolated, f'model = "{model}"\n')
    answer = ChatCompletion.create(name, [{"role": "user", "content": "hello"}], max_tokens=2)
    assert answer.usage.completion_tokens > 0
    status = server_status()
    assert status is not None
    assert status["model"]["path"] == str(model)
