"""When the engine cannot: the editor gets an empty list, and the user the sentence, once."""

from __future__ import annotations

from pathlib import Path

from dsassist_runtime.api import ModelFacts
from dsassist_runtime.errors import EngineDied, ModelMissing, RequestRefused
from dsassist_runtime.testing import ScriptedEngine
from lsp.client import Serve


def test_a_failure_is_shown_once_until_a_completion_succeeds(serve: Serve) -> None:
    missing, died = ModelMissing("no such model; pull it"), EngineDied("the engine was killed")
    client = serve(ScriptedEngine([missing, missing, died, "1", died]))
    client.open("x = ")
    assert [client.inline(0, 4) for _ in range(3)] == [[], [], []]
    assert client.inline(0, 4)[0]["insertText"] == "1"
    client.open("y = ", uri="file:///project/other.py")
    assert client.inline(0, 4, uri="file:///project/other.py") == []
    shown = [(message["type"], message["message"]) for message in client.shown()]
    assert shown == [(2, f"dsassist: {error}") for error in (missing, died, died)]
    assert client.logged().count(str(missing)) == 2


def test_a_refused_request_is_a_failure_like_others(serve: Serve) -> None:
    client = serve(ScriptedEngine([RequestRefused("the prompt is too long")]))
    client.open("x = ")
    assert client.inline(0, 4) == []
    assert client.menu(0, 4) == []
    assert len(client.shown()) == 1


def test_an_error_of_ours_goes_to_the_log_with_its_traceback_and_not_to_the_user(serve: Serve) -> None:
    client = serve(ScriptedEngine([ZeroDivisionError("a bug"), "1"]))
    client.open("x = ")
    assert client.inline(0, 4) == []
    assert client.shown() == []
    text = client.wait_logged("ZeroDivisionError: a bug")
    assert "Traceback (most recent call last)" in text
    assert client.inline(0, 4)[0]["insertText"] == "1"


def test_a_warm_up_that_fails_is_only_logged(serve: Serve) -> None:
    class Unready(ScriptedEngine):
        def facts(self) -> ModelFacts:
            raise ModelMissing("no such model; pull it")

    client = serve(Unready(["1"]))
    client.wait_logged("no such model; pull it")
    assert client.shown() == []


def test_the_note_on_the_model_is_shown_once_with_its_first_text(serve: Serve) -> None:
    client = serve(ScriptedEngine(["", "1"]), note="this is a test model")
    client.open("x = ")
    assert client.inline(0, 4) == []
    assert client.shown() == []
    assert client.inline(0, 4)
    assert client.inline(0, 4)
    assert [(message["type"], message["message"]) for message in client.shown()] == [
        (3, "dsassist: this is a test model")
    ]


def test_an_edit_of_a_document_that_is_not_open_is_only_logged(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]))
    client.change([{"text": "x"}], version=2, uri="file:///nowhere.py")
    said = client.wait_logged("nowhere.py")
    assert said == "the client edited file:///nowhere.py, which it has not opened"
    assert client.shown() == []


def test_a_model_file_that_is_not_there_gives_an_empty_list_and_one_message(tmp_path: Path, serve: Serve) -> None:
    """The opener is the real one here, up to the file that it does not find."""
    from dsassist_lsp.engines import open_configured_engine

    client = serve(None, options={"model": str(tmp_path / "gone.gguf")}, opener=open_configured_engine)
    client.open("x = ")
    assert client.inline(0, 4) == []
    assert client.inline(0, 4) == []
    [message] = client.shown()
    assert "gone.gguf" in message["message"]
