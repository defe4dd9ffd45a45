"""Settings from the editor: over the files', checked, and complained of once."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsassist.config import LoadedConfig, user_file
from dsassist_lsp.settings import Settings
from dsassist_runtime.api import InfillRequest
from dsassist_runtime.testing import ScriptedEngine
from lsp.client import Serve


def max_tokens(engine: ScriptedEngine) -> int:
    request = engine.requests[-1]
    assert isinstance(request, InfillRequest)
    return request.max_tokens


@pytest.mark.parametrize("wrap", [False, True])
def test_initialization_options_hold_bare_or_below_our_name(serve: Serve, wrap: bool) -> None:
    settings = {"completion": {"max_tokens": 7}}
    engine = ScriptedEngine(["1"])
    client = serve(engine, options={"dsassist": settings} if wrap else settings)
    client.open("x = ")
    client.inline(0, 4)
    assert max_tokens(engine) == 7
    assert client.shown() == []


@pytest.mark.parametrize("wrap", [False, True])
def test_a_changed_configuration_holds_from_then_on(serve: Serve, wrap: bool) -> None:
    settings = {"completion": {"max_tokens": 9}}
    engine = ScriptedEngine(["1"])
    client = serve(engine, options={"completion": {"max_tokens": 7, "temperature": 1.0}})
    client.open("x = ")
    client.notify("workspace/didChangeConfiguration", {"settings": {"dsassist": settings} if wrap else settings})
    client.inline(0, 4)
    assert max_tokens(engine) == 9
    client.notify("workspace/didChangeConfiguration", {"settings": None})
    client.inline(0, 4)
    assert max_tokens(engine) == 7


def test_unknown_settings_are_reported_once_in_one_message(serve: Serve) -> None:
    options = {"completion": {"max_token": 7}, "colour": "red"}
    client = serve(ScriptedEngine(["1"]), options=options)
    client.notify("workspace/didChangeConfiguration", {"settings": {"dsassist": options}})
    client.open("x = ")
    assert client.inline(0, 4)[0]["insertText"] == "1"
    [message] = client.shown()
    assert message["type"] == 2
    assert "unknown option completion.max_token; did you mean completion.max_tokens?" in message["message"]
    assert "unknown option colour" in message["message"]
    client.notify("workspace/didChangeConfiguration", {"settings": {"dsassist": {"color": "red"}}})
    client.inline(0, 4)
    assert [message["message"].count("unknown option") for message in client.shown()] == [2, 1]


def test_a_bad_value_is_reported_and_the_default_used(serve: Serve) -> None:
    engine = ScriptedEngine(["1"])
    client = serve(engine, options={"completion": {"max_tokens": -5}})
    client.open("x = ")
    client.inline(0, 4)
    assert max_tokens(engine) == 200
    [message] = client.shown()
    assert "completion.max_tokens = -5 is not allowed" in message["message"]


def test_completion_that_is_disabled_gives_empty_lists_and_asks_no_engine(serve: Serve) -> None:
    engine = ScriptedEngine(["1"])
    opened: list[LoadedConfig] = []
    client = serve(engine, options={"completion": {"enabled": False}}, opened=opened)
    client.open("x = ")
    assert client.inline(0, 4) == []
    assert client.menu(0, 4) == []
    assert opened == []


def test_another_model_gets_another_engine_and_other_settings_do_not(serve: Serve) -> None:
    opened: list[LoadedConfig] = []
    client = serve(ScriptedEngine(["1"]), opened=opened)
    client.open("x = ")
    client.inline(0, 4)
    client.notify("workspace/didChangeConfiguration", {"settings": {"completion": {"max_tokens": 9}}})
    client.inline(0, 4)
    assert [loaded.config.model for loaded in opened] == ["builtin"]
    client.notify("workspace/didChangeConfiguration", {"settings": {"model": "qwen2.5-coder-0.5b"}})
    client.inline(0, 4)
    assert [loaded.config.model for loaded in opened] == ["builtin", "qwen2.5-coder-0.5b"]
    client.notify("workspace/didChangeConfiguration", {"settings": {"engine": {"n_threads": 1}}})
    client.inline(0, 4)
    assert opened[-1].config.engine.n_threads == 1


def test_the_workspace_file_holds_below_the_editors_settings(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "dsassist.toml").write_text("[completion]\nmax_tokens = 5\ntemperature = 0.0\n")
    engine = ScriptedEngine(["1"])
    client = serve(engine, options={"completion": {"max_tokens": 7}})
    uri = (tmp_path / "a.py").as_uri()
    client.open("x = ", uri=uri)
    client.inline(0, 4, uri=uri)
    request = engine.requests[-1]
    assert isinstance(request, InfillRequest)
    assert (request.max_tokens, request.sampling.temperature) == (7, 0.0)


def test_a_bad_value_in_a_file_is_reported_and_left_out(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "dsassist.toml").write_text("[completion]\nmax_tokens = 'many'\n")
    engine = ScriptedEngine(["1"])
    client = serve(engine)
    uri = (tmp_path / "a.py").as_uri()
    client.open("x = ", uri=uri)
    assert client.inline(0, 4, uri=uri)[0]["insertText"] == "1"
    assert max_tokens(engine) == 200
    [message] = client.shown()
    assert 'max_tokens = "many" is not allowed' in message["message"]
    assert message["message"].endswith("it is left out")


@pytest.mark.parametrize("broken", ["[completion]\nmax_tokens = 'many'\n", "[completion\n", "completion = 3\n"])
def test_a_typo_in_a_repository_leaves_the_users_own_settings_as_they_are(tmp_path: Path, broken: str) -> None:
    user_file().parent.mkdir(parents=True)
    user_file().write_text('model = "qwen2.5-coder-1.5b"\n')
    (tmp_path / "dsassist.toml").write_text(broken)
    loaded = Settings().loaded(tmp_path)
    assert loaded.config.model == "qwen2.5-coder-1.5b"
    assert loaded.config.completion.max_tokens == 200
    [notice] = loaded.notices
    assert notice.startswith(str(tmp_path / "dsassist.toml"))
    assert notice.endswith("; it is left out")


def test_files_are_read_again_after_two_seconds(tmp_path: Path) -> None:
    now = [0.0]
    settings = Settings(clock=lambda: now[0])
    assert settings.loaded(tmp_path).config.completion.max_tokens == 200
    (tmp_path / "dsassist.toml").write_text("[completion]\nmax_tokens = 5\n")
    assert settings.loaded(tmp_path).config.completion.max_tokens == 200
    now[0] = 2.5
    assert settings.loaded(tmp_path).config.completion.max_tokens == 5


@pytest.mark.parametrize("nothing", [None, [], {}, {"dsassist": None}, {"dsassist": []}])
def test_settings_that_say_nothing_are_no_reason_to_complain(tmp_path: Path, nothing: object) -> None:
    settings = Settings()
    settings.initialize(nothing)
    assert settings.loaded(tmp_path).notices == []


@pytest.mark.parametrize("wrong", ["text", 3, ["a"], {"dsassist": "text"}])
def test_settings_that_are_no_object_are_reported(tmp_path: Path, wrong: object) -> None:
    settings = Settings()
    settings.change(wrong)
    [notice] = settings.loaded(tmp_path).notices
    assert notice.startswith("the editor's settings must be an object, not ")
