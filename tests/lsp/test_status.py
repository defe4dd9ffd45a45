"""What the status says of the model, and that nothing of it stays that has ceased to be true."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from dsassist.config import LoadedConfig
from dsassist_lsp.engines import OpenEngine
from dsassist_runtime.errors import NotDone
from dsassist_runtime.testing import ScriptedEngine
from lsp.action_server import ScriptedChat
from lsp.client import LanguageClient, Serve, wait_for

Loading = Callable[[float], None]


def statuses(client: LanguageClient) -> list[dict[str, Any]]:
    client.shown()
    return [params for method, params in client.notifications if method == "dsassist/status"]


def execute(client: LanguageClient, command: str, *arguments: Any) -> Any:
    return client.ask("workspace/executeCommand", {"command": command, "arguments": list(arguments)})


def wait_for_status(client: LanguageClient, **fields: Any) -> None:
    wait_for(lambda: any(fields.items() <= status.items() for status in statuses(client)), 30)


def wait_until_now(client: LanguageClient, **fields: Any) -> None:
    wait_for(lambda: statuses(client) and fields.items() <= statuses(client)[-1].items(), 30)


class SlowOpener:
    """Loads four tenths of a model, and the rest when it may `go_on`; with `error` it fails then."""

    def __init__(self, error: Exception | None = None) -> None:
        self.go_on = threading.Event()
        self._error = error

    def __call__(self, _loaded: LoadedConfig, on_loading: Loading) -> OpenEngine:
        on_loading(0.4)
        assert self.go_on.wait(60)
        if self._error is not None:
            raise self._error
        on_loading(1.0)
        return OpenEngine(ScriptedEngine(["1"]), "scripted")


def test_a_model_that_is_loaded_is_told_with_its_percent_and_then_its_name(serve: Serve) -> None:
    opener = SlowOpener()
    client = serve(None, opener=opener)
    wait_until_now(client, kind="loading", percent=40)
    opener.go_on.set()
    wait_until_now(client, kind="ready", percent=None, model="scripted")


def test_snoozing_is_over_by_itself_and_the_status_says_so(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]))
    wait_until_now(client, kind="ready", model="scripted")
    assert execute(client, "dsassist.snooze", 0.01)["kind"] == "snoozed"
    wait_until_now(client, kind="ready", message="")


def test_a_second_snooze_takes_the_place_of_the_first(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]))
    execute(client, "dsassist.snooze", 0.01)
    execute(client, "dsassist.snooze", 5)
    with pytest.raises(AssertionError, match="did not come to pass"):
        wait_for(lambda: statuses(client)[-1]["kind"] != "snoozed", 1.5)


def test_who_ends_the_snoozing_sees_that_the_model_is_still_loaded(serve: Serve) -> None:
    opener = SlowOpener()
    client = serve(None, opener=opener)
    wait_until_now(client, kind="loading")
    assert execute(client, "dsassist.snooze", 5)["kind"] == "snoozed"
    assert execute(client, "dsassist.unsnooze")["kind"] == "loading"
    execute(client, "dsassist.snooze", 5)
    opener.go_on.set()
    wait_until_now(client, kind="snoozed", model="scripted")
    assert execute(client, "dsassist.unsnooze")["kind"] == "ready"


def test_who_ends_the_snoozing_sees_that_the_model_has_failed(serve: Serve) -> None:
    opener = SlowOpener(NotDone("the file is no model"))
    client = serve(None, opener=opener)
    wait_until_now(client, kind="loading")
    opener.go_on.set()
    wait_until_now(client, kind="error", message="the file is no model")
    execute(client, "dsassist.snooze", 5)
    ended = execute(client, "dsassist.unsnooze")
    assert (ended["kind"], ended["message"]) == ("error", "the file is no model")


def test_a_completion_that_takes_a_while_is_told_as_busy_until_it_is_there(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1 + 2 + 3 + 4\n"], piece_s=0.2))
    wait_until_now(client, kind="ready", model="scripted")
    client.open("x = ")
    assert client.inline(0, 4)
    wait_for_status(client, kind="busy")
    wait_until_now(client, kind="ready", message="")


def test_completion_that_is_switched_off_is_told_at_once_and_so_is_its_return(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]))
    wait_until_now(client, kind="ready", model="scripted")
    client.notify("workspace/didChangeConfiguration", {"settings": {"completion": {"enabled": False}}})
    wait_until_now(client, kind="off", message="completion is switched off (completion.enabled)")
    client.notify("workspace/didChangeConfiguration", {"settings": {"completion": {"enabled": True}}})
    wait_until_now(client, kind="ready", message="")


def test_hidden_code_actions_are_told_with_the_reason_and_taken_back_with_another_model(serve: Serve) -> None:
    engines = {"builtin": ScriptedEngine(["1"]), "/m/small-instruct.gguf": ScriptedChat(["1"], 0.0)}
    client = serve(None, opener=lambda loaded, _loading: OpenEngine(engines[loaded.config.model], loaded.config.model))
    wait_for(lambda: statuses(client) and statuses(client)[-1]["hints"], 30)
    [hint] = statuses(client)[-1]["hints"]
    assert hint.startswith("code actions are hidden: ")
    assert "instruct" in hint
    for model, is_hidden in (("/m/small-instruct.gguf", False), ("builtin", True)):
        client.notify("workspace/didChangeConfiguration", {"settings": {"model": model}})
        wait_until_now(client, model=model)
        wait_for(
            lambda is_hidden=is_hidden: (
                any("code actions are hidden" in each for each in statuses(client)[-1]["hints"]) == is_hidden
            ),
            30,
        )


def test_who_ends_the_snoozing_sees_that_completion_is_switched_off(serve: Serve) -> None:
    """It said for ever that the model was starting."""
    client = serve(ScriptedEngine(["1"]), options={"completion": {"enabled": False}})
    wait_until_now(client, kind="off")
    assert execute(client, "dsassist.snooze", 5)["kind"] == "snoozed"
    ended = execute(client, "dsassist.unsnooze")
    assert (ended["kind"], ended["message"]) == ("off", "completion is switched off (completion.enabled)")


def test_the_end_of_the_snoozing_is_not_told_after_a_shutdown(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]))
    wait_until_now(client, kind="ready", model="scripted")
    execute(client, "dsassist.snooze", 0.02)
    client.ask("shutdown")
    with pytest.raises(AssertionError, match="did not come to pass"):
        wait_for(lambda: statuses(client)[-1]["kind"] != "snoozed", 2.0)
