"""What a person can switch off, and what they are told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dsassist.cli import main
from dsassist_runtime.testing import ScriptedEngine
from lsp.client import URI, LanguageClient, Serve, wait_for


def execute(client: LanguageClient, command: str, *arguments: Any) -> Any:
    return client.ask("workspace/executeCommand", {"command": command, "arguments": list(arguments)})


def by_hand(client: LanguageClient, line: int, character: int, uri: str = URI) -> Any:
    params = {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}
    return client.ask("textDocument/inlineCompletion", params | {"context": {"triggerKind": 1}})


def statuses(client: LanguageClient) -> list[dict[str, Any]]:
    client.shown()
    return [params for method, params in client.notifications if method == "dsassist/status"]


def test_snoozing_shows_nothing_until_it_ends_but_for_what_is_asked_by_hand(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]))
    client.open("x = ")
    assert execute(client, "dsassist.snooze", 5)["kind"] == "snoozed"
    assert client.inline(0, 4) == []
    assert statuses(client)[-1]["reason"] == "snoozed"
    assert by_hand(client, 0, 4)[0]["insertText"] == "1"
    assert execute(client, "dsassist.status")["kind"] == "snoozed"
    assert execute(client, "dsassist.snooze", 0)["kind"] == "ready"
    execute(client, "dsassist.snooze", 5)
    execute(client, "dsassist.unsnooze")
    assert client.inline(0, 4)[0]["insertText"] == "1"


@pytest.mark.parametrize("arguments", [[], ["soon"], [1e99], [None], [True]])
def test_snoozing_for_no_sensible_time_is_no_error(serve: Serve, arguments: list[Any]) -> None:
    client = serve(ScriptedEngine(["1"]))
    assert execute(client, "dsassist.snooze", *arguments)["kind"] == "snoozed"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"enabled": False}, "completion is switched off (completion.enabled)"),
        ({"exclude_languages": ["python"]}, "python is not completed (completion.exclude_languages)"),
        ({"exclude_languages": ["go", "Python"]}, "python is not completed (completion.exclude_languages)"),
        ({"exclude_languages": ["*"]}, "python is not completed (completion.exclude_languages)"),
        ({"languages": ["go", "rust"]}, "python is not completed (completion.languages)"),
        ({"languages": []}, "python is not completed (completion.languages)"),
        ({"exclude": ["*.py"]}, "sample.py is not completed (completion.exclude)"),
        ({"exclude": ["generated/", "sample.*"]}, "sample.py is not completed (completion.exclude)"),
    ],
)
def test_what_is_switched_off_is_not_completed_and_the_status_says_why(
    serve: Serve, options: dict[str, Any], reason: str
) -> None:
    engine = ScriptedEngine(["1"])
    client = serve(engine, options={"completion": options})
    client.open("x = ")
    assert client.inline(0, 4) == []
    assert by_hand(client, 0, 4) == []
    assert engine.requests == []
    assert statuses(client)[-1]["reason"] == reason


def test_an_excluded_folder_is_known_by_whatever_links_it_is_reached(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "real" / "docs").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    client = serve(ScriptedEngine(["1"]), options={"completion": {"exclude": ["real/docs/**"]}})
    for root in ("real", "link"):
        for name, expected in (("docs/a.py", []), ("a.py", ["1"])):
            uri = (tmp_path / root / name).as_uri()
            client.open("x = ", uri)
            assert [item["insertText"] for item in client.inline(0, 4, uri)] == expected


@pytest.mark.parametrize(
    "options", [{"languages": ["Python"]}, {"languages": ["*"]}, {"languages": ["python"], "exclude_languages": ["go"]}]
)
def test_a_language_that_is_switched_on_is_completed(serve: Serve, options: dict[str, Any]) -> None:
    client = serve(ScriptedEngine(["1"]), options={"completion": options})
    client.open("x = ")
    assert client.inline(0, 4)[0]["insertText"] == "1"


def test_a_language_that_nobody_knows_is_told(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]), options={"completion": {"exclude_languages": ["pyhton", "Plaintext", "*"]}})
    message = client.wait_shown("pyhton")["message"]
    assert message.endswith(
        'completion.exclude_languages names "pyhton", which dsassist does not know; did you mean python?'
    )
    assert not [each for each in client.shown() if "laintext" in each["message"]]


def test_with_a_manual_trigger_only_a_request_by_hand_is_answered(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]), options={"completion": {"trigger": "manual"}})
    client.open("x = ")
    assert client.inline(0, 4) == []
    assert by_hand(client, 0, 4)[0]["insertText"] == "1"


@pytest.mark.parametrize("name", [".env", ".env.local", "id_rsa", "server.pem"])
def test_files_that_hold_secrets_are_not_completed(serve: Serve, name: str) -> None:
    engine = ScriptedEngine(["1"])
    client = serve(engine)
    client.open("KEY=", uri=f"file:///project/{name}")
    assert client.inline(0, 4, uri=f"file:///project/{name}") == []
    assert engine.requests == []


def test_a_key_in_the_document_does_not_reach_the_model(serve: Serve) -> None:
    engine = ScriptedEngine(["1"])
    client = serve(engine)
    key = "AKIA" + "QZ7RTB4LMNXD2WFC"
    client.open(f'AWS_KEY = "{key}"\nx = \ny = "{key}"\n')
    client.inline(1, 4)
    assert engine.requests
    assert all(key not in repr(request) for request in engine.requests)
    assert key not in repr(execute(client, "dsassist.explainCompletion"))


def test_a_document_with_a_nul_is_binary(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]))
    client.open("x = \0 ")
    assert client.inline(0, 4) == []
    assert statuses(client)[-1]["reason"] == "the document is binary, not text"


def test_what_is_unlikely_is_hidden_unless_it_is_asked_for_by_hand(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]), options={"completion": {"min_probability": 1.0, "learn_threshold": False}})
    client.open("x = ")
    assert client.inline(0, 4) == []
    assert statuses(client)[-1]["reason"].startswith("low confidence")
    assert by_hand(client, 0, 4)[0]["insertText"] == "1"


def test_the_status_tells_model_and_latency(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]))
    client.open("x = ")
    client.inline(0, 4)
    wait_for(lambda: statuses(client)[-1]["latencyMs"] is not None and statuses(client)[-1]["model"] == "scripted")
    assert execute(client, "dsassist.status") == statuses(client)[-1]


def test_the_last_completion_is_explained_in_the_editor_and_on_the_command_line(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = serve(ScriptedEngine(["1 + 2\nrest"]))
    assert execute(client, "dsassist.explainCompletion") is None
    client.open("a = 5\nx = \n")
    client.inline(1, 4)
    explained = execute(client, "dsassist.explainCompletion")
    assert (explained["line"], explained["column"], explained["offer"]["text"]) == (2, 5, "1 + 2")
    assert "--- above the cursor (short prompt)" in explained["lines"]

    def is_on_record() -> bool:
        code = main(["explain-completion"])
        out = capsys.readouterr().out
        return code == 0 and "1 + 2" in out and "--- above the cursor" in out

    wait_for(is_on_record)


def test_without_a_completion_there_is_nothing_to_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain-completion"]) == 2
    assert "no completion is on record yet" in capsys.readouterr().err


def test_a_chosen_entry_of_the_menu_is_gone_on_with(serve: Serve) -> None:
    engine = ScriptedEngine(["(1)\n"])
    client = serve(engine)
    client.open("x = pri")
    span = {"start": {"line": 0, "character": 4}, "end": {"line": 0, "character": 7}}
    params = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 7}}
    context = {"triggerKind": 2, "selectedCompletionInfo": {"range": span, "text": "print"}}
    [item] = client.ask("textDocument/inlineCompletion", params | {"context": context})
    assert (item["insertText"], item["range"]) == ("print(1)", span)
