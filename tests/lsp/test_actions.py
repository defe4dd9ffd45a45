"""The code actions over the wire: what is offered, how it is applied, watched, cancelled and refused."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsassist_runtime.client import stop_server
from lsp.client import LIMIT_S, ProcessClient

pytestmark = pytest.mark.slow  # whole processes

CAPABILITIES = {
    "window": {"workDoneProgress": True, "showDocument": {"support": True}},
    "workspace": {
        "applyEdit": True,
        "workspaceEdit": {"documentChanges": True, "resourceOperations": ["create"]},
    },
}
SCALE = "def scale(a):\n    return a * 2\n\n\nb = scale(c)\n"
SUMMARY = json.dumps(
    {"summary": "Double a number.", "parameters": {"a": "what is doubled"}, "returns": "twice as much"}
)
FOLDER = Path(__file__).parent


class ActingClient(ProcessClient):
    """Answers what the server asks of an editor, as `replies` tells; `asked` keeps it."""

    def __init__(self, cwd: Path, *arguments: str) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.replies: dict[str, Any] = {
            "window/workDoneProgress/create": None,
            "window/showDocument": {"success": True},
            "workspace/applyEdit": {"applied": True},
        }
        self.cwd, self.uri = cwd, (cwd / "sample.py").as_uri()
        super().__init__(cwd, [sys.executable, str(FOLDER / "action_server.py"), *arguments])

    def begin(self, text: str = SCALE, capabilities: Any = None) -> None:
        self.initialize(CAPABILITIES if capabilities is None else capabilities, root=self.cwd)
        self.open(text, self.uri)

    def actions(self, line: int, diagnostics: list[Any] = [], only: list[str] | None = None) -> list[Any]:  # noqa: B006
        place = {"start": {"line": line, "character": 4}, "end": {"line": line, "character": 4}}
        context = {"diagnostics": diagnostics} | ({"only": only} if only else {})
        found = self.ask(
            "textDocument/codeAction", {"textDocument": {"uri": self.uri}, "range": place, "context": context}
        )
        assert isinstance(found, list)
        return found

    def offered(self, line: int, **how: Any) -> list[Any]:
        """The actions once the model is loaded, which it is soon."""
        self._wait_until(lambda: bool(self.actions(line, **how)), "actions")
        return self.actions(line, **how)

    def run(self, action: Any) -> None:
        command = action["command"]
        assert self.ask("workspace/executeCommand", {k: command[k] for k in ("command", "arguments")}) is None

    def wait_asked(self, method: str) -> Any:
        self._wait_until(lambda: any(each == method for each, _ in self.asked), method)
        return next(params for each, params in self.asked if each == method)

    def wait_shown_documents(self, n_shown: int) -> None:
        self._wait_until(
            lambda: [method for method, _ in self.asked].count("window/showDocument") >= n_shown, "an explanation"
        )

    def progress(self) -> list[Any]:
        self.shown()
        return [params["value"] for method, params in self.notifications if method == "$/progress"]

    def wait_progress(self, kind: str) -> Any:
        self._wait_until(lambda: any(each["kind"] == kind for each in self.progress()), f"progress {kind}")
        return next(each for each in self.progress() if each["kind"] == kind)

    def _wait_until(self, is_there: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not is_there():
            assert time.monotonic() < deadline, f"{what} did not come within {LIMIT_S} s: {self.logged()}"
            self.shown()
            time.sleep(0.01)

    def _take(self, message: dict[str, Any] | None) -> None:
        if message is not None and "method" in message and "id" in message:
            self.asked.append((message["method"], message["params"]))
            self.send(id=message["id"], result=self.replies[message["method"]])
            return
        super()._take(message)


Act = Callable[..., ActingClient]


@pytest.fixture
def act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Act]:
    """`act(text, ...)` gives a client of a server whose model answers with these texts, each command with the next."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    running: list[ActingClient] = []
    project = tmp_path / "project"
    project.mkdir()

    def start(*texts: str, real: bool = False, **how: Any) -> ActingClient:
        script = tmp_path / "script.json"
        script.write_text(json.dumps({"texts": texts, "piece_s": 0.0, **how}))
        running.append(ActingClient(project, *([] if real else [str(script)])))
        return running[-1]

    yield start
    for client in running:
        client.close()


def named(actions: list[Any], part: str) -> Any:
    return next(each for each in actions if part in each["title"])


def test_what_is_offered_fits_the_place(act: Act) -> None:
    client = act()
    client.begin()
    assert [each["title"] for each in client.offered(1)] == [
        "dsassist: Explain (scale)",
        "dsassist: Write docstring (scale)",
        "dsassist: Write test (scale)",
    ]
    assert client.actions(4) == []
    assert [each["kind"] for each in client.actions(1, only=["refactor"])] == [
        "refactor.dsassist.docstring",
        "refactor.dsassist.test",
    ]


def test_a_diagnostic_is_offered_a_fix_unless_it_is_our_own(act: Act) -> None:
    place = {"start": {"line": 4, "character": 10}, "end": {"line": 4, "character": 11}}
    theirs = {"range": place, "message": "c is not defined", "source": "pyright"}
    client = act("```python\nb = scale(1)\n```")
    client.begin()
    (fix,) = client.offered(4, diagnostics=[theirs, theirs | {"source": "dsassist"}])
    assert (fix["kind"], fix["diagnostics"]) == ("quickfix", [theirs])
    client.run(fix)
    (change,) = client.wait_asked("workspace/applyEdit")["edit"]["documentChanges"]
    assert [each["newText"] for each in change["edits"]] == ["b = scale(1)"]


def test_a_docstring_is_an_edit_of_the_version_that_was_read(act: Act) -> None:
    client = act(SUMMARY)
    client.begin()
    client.run(named(client.offered(1), "docstring"))
    (change,) = client.wait_asked("workspace/applyEdit")["edit"]["documentChanges"]
    assert change["textDocument"] == {"uri": client.uri, "version": 1}
    (edit,) = change["edits"]
    assert edit["range"] == {"start": {"line": 1, "character": 0}, "end": {"line": 1, "character": 0}}
    assert edit["newText"].splitlines()[0] == '    """Double a number.'


def test_what_was_explained_before_is_not_asked_again(act: Act) -> None:
    client = act("It doubles a number.")
    client.begin()
    explain = named(client.offered(1), "Explain")
    for n_shown in (1, 2):
        client.run(explain)
        client.wait_shown_documents(n_shown)
    assert client.shown() == [], "the script has no second answer"


def test_columns_are_the_clients(act: Act) -> None:
    client = act("```\nb = '😋', 1\n```")
    client.begin("b = '😋', c\n")
    place = {"start": {"line": 0, "character": 10}, "end": {"line": 0, "character": 11}}
    client.run(client.offered(0, diagnostics=[{"range": place, "message": "c is not defined"}])[-1])
    (change,) = client.wait_asked("workspace/applyEdit")["edit"]["documentChanges"]
    assert change["edits"][0]["range"]["end"] == {"line": 0, "character": 11}


def test_the_text_that_is_written_shows_as_progress(act: Act) -> None:
    client = act(SUMMARY)
    client.begin()
    client.run(named(client.offered(1), "docstring"))
    client.wait_progress("end")
    begin, *reports = client.progress()[:-1]
    assert (begin["title"], begin["cancellable"]) == ("dsassist: Writing a docstring", True)
    assert reports[-1]["message"].endswith('as much"}') or "twice" in reports[-1]["message"]
    assert [each["percentage"] for each in reports] == sorted(each["percentage"] for each in reports)


def test_a_cancelled_action_changes_nothing_and_says_nothing(act: Act) -> None:
    client = act(SUMMARY * 100, piece_s=0.02)
    client.begin()
    client.run(named(client.offered(1), "docstring"))
    client.wait_progress("report")
    client.notify(
        "window/workDoneProgress/cancel", {"token": client.wait_asked("window/workDoneProgress/create")["token"]}
    )
    client.wait_progress("end")
    assert client.shown() == []
    assert "workspace/applyEdit" not in [method for method, _ in client.asked]


def test_a_file_that_was_edited_meanwhile_is_left_alone(act: Act) -> None:
    client = act(SUMMARY, piece_s=0.02)
    client.begin()
    client.run(named(client.offered(1), "docstring"))
    client.wait_progress("report")
    client.change([{"text": "# new\n" + SCALE}], 2, client.uri)
    assert "was edited meanwhile" in client.wait_shown("edited")["message"]
    assert "workspace/applyEdit" not in [method for method, _ in client.asked]


def test_an_action_of_an_older_version_is_not_begun(act: Act) -> None:
    client = act(SUMMARY)
    client.begin()
    action = named(client.offered(1), "docstring")
    client.change([{"text": "# new\n" + SCALE}], 2, client.uri)
    client.run(action)
    client.wait_shown("was edited meanwhile")
    assert client.asked == []


def test_an_answer_that_does_not_parse_is_not_inserted_and_the_user_is_told(act: Act) -> None:
    client = act("def test_scale(:\n    assert scale(1)", "def test_scale():\n    return 1")
    client.begin()
    for why in ("wrote no test", "wrote no test"):
        client.run(named(client.offered(1), "test"))
        assert client.wait_shown(why)["message"].startswith("dsassist: Write test: ")
    assert "workspace/applyEdit" not in [method for method, _ in client.asked]


def test_a_test_comes_into_a_new_file_that_is_shown(act: Act) -> None:
    client = act("```\ndef test_scale():\n    assert scale(2) == 4\n```")
    client.begin()
    client.run(named(client.offered(1), "test"))
    create, change = client.wait_asked("workspace/applyEdit")["edit"]["documentChanges"]
    uri = (client.cwd / "test_sample.py").as_uri()
    assert (create["kind"], create["uri"], change["textDocument"]) == ("create", uri, {"uri": uri, "version": None})
    assert change["edits"][0]["newText"].startswith("from sample import scale\n\n\ndef test_scale():")
    assert client.wait_asked("window/showDocument")["uri"] == uri
    client.wait_shown("the model guessed what is expected")


def test_an_editor_that_creates_no_files_is_told_which_to_create(act: Act) -> None:
    client = act("```\ndef test_scale():\n    assert scale(2) == 4\n```")
    client.begin(capabilities={"workspace": {"workspaceEdit": {"documentChanges": True}}})
    client.run(named(client.offered(1), "test"))
    assert "test_sample.py and ask again" in client.wait_shown("creates no files")["message"]


def test_an_edit_that_the_editor_refuses_is_told(act: Act) -> None:
    client = act(SUMMARY)
    client.replies["workspace/applyEdit"] = {"applied": False, "failureReason": "read-only"}
    client.begin()
    client.run(named(client.offered(1), "docstring"))
    client.wait_shown("did not take the edit: read-only")


def test_an_explanation_opens_as_a_document(act: Act) -> None:
    client = act("It doubles a number.")
    client.begin()
    client.run(named(client.offered(1), "Explain"))
    path = Path(client.wait_asked("window/showDocument")["uri"].removeprefix("file://"))
    assert path.read_text() == "# scale in sample.py\n\nIt doubles a number.\n"


def test_an_explanation_is_a_message_where_the_editor_opens_no_documents(act: Act) -> None:
    client = act("It doubles a number.")
    client.begin(capabilities={})
    client.run(named(client.offered(1), "Explain"))
    client.wait_shown("It doubles a number.")
    assert client.asked == []


def test_nothing_is_offered_with_a_base_model_and_a_command_says_why(act: Act) -> None:
    client = act(name="small-base")
    client.begin()
    place = {"start": {"line": 1, "character": 4}, "end": {"line": 1, "character": 4}}
    command = {"command": "dsassist.explain", "arguments": [{"uri": client.uri, "version": 1, "range": place}]}
    client._wait_until(lambda: bool(self_said(client, command, "does not follow instructions")), "the reason")
    assert client.actions(1) == []


def self_said(client: ActingClient, command: dict[str, Any], part: str) -> bool:
    client.ask("workspace/executeCommand", command)
    return any(part in each["message"] for each in client.shown())


@pytest.mark.parametrize("arguments", [None, [], [1], [{"uri": 1}], [{"uri": "file:///a.py", "range": {}}], [1, 2]])
def test_a_command_without_a_place_is_told_where_to_be_found(act: Act, arguments: Any) -> None:
    client = act()
    client.begin()
    client.ask("workspace/executeCommand", {"command": "dsassist.explain", "arguments": arguments})
    client.wait_shown("choose it from the code actions")


@pytest.mark.real_model
def test_a_real_model_documents_a_function(act: Act, real_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSASSIST_MODEL", str(real_model))
    monkeypatch.setenv("DSASSIST_ENGINE_IDLE_TIMEOUT_S", "20")
    client = act(real=True)
    try:
        client.begin()
        client.run(named(client.offered(1), "docstring"))
        (change,) = client.wait_asked("workspace/applyEdit")["edit"]["documentChanges"]
        assert change["edits"][0]["newText"].startswith('    """')
    finally:
        stop_server()
