"""Findings in the editor over the wire: when they come, how they move and go, and what can be done about them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dsassist.answers.scores import RememberingEngine
from dsassist.answers.store import AnswerStore, answers_path
from dsassist.review import reviewer, selection
from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.changes import changes_of
from dsassist.review.dismissals import read_dismissals
from dsassist_lsp.engines import OpenEngine
from dsassist_runtime.api import EditScore, ScoreRequest
from dsassist_runtime.testing import ScriptedEngine
from lsp.client import LIMIT_S, LanguageClient, Serve
from review_repositories import Repository

CLAMP = """\
def clamp(value, low, high):
    if value < low:
        return low
    if value > high:
        return high
    return value
"""
WRONG = CLAMP.replace("value > high", "value > low")
PDB = "import pdb; pdb.set_trace()\n"
VERSIONED = {"workspace": {"workspaceEdit": {"documentChanges": True}}}
PULLING = {"textDocument": {"diagnostic": {}}, "workspace": {"diagnostics": {"refreshSupport": True}}}
RICH = {
    "textDocument": {"publishDiagnostics": {"relatedInformation": True, "codeDescriptionSupport": True}},
    **VERSIONED,
}


def prefers_high(request: ScoreRequest) -> list[EditScore]:
    """`high` in place of the `low` behind `>` is likely, all else is not."""

    def score(start: int, replacement: str) -> float:
        return 12.0 if request.text[:start].endswith("> ") and replacement == "high" else -9.0

    return [
        EditScore(edit, (-1.0,), (-1.0,), (-14.0,), (-14.0 + score(edit.start, edit.replacement),))
        for edit in request.edits
    ]


class Gate(ScriptedEngine):
    """Scores only once it is opened."""

    def __init__(self, texts: Sequence[str] = ("",)) -> None:
        super().__init__(texts, score=self._wait)
        self.opened, self.asked = threading.Event(), threading.Semaphore(0)

    def _wait(self, request: ScoreRequest) -> list[EditScore]:
        self.asked.release()
        assert self.opened.wait(LIMIT_S)
        return prefers_high(request)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository in which `clamp.py` is committed as it should be."""
    found = Repository(tmp_path)
    found.git("init", "--quiet")
    found.commit(clamp=CLAMP)
    return found


def open_file(client: LanguageClient, repository: Repository, text: str = WRONG, name: str = "clamp.py") -> str:
    uri = repository.write(name, text).as_uri()
    client.open(text, uri)
    return uri


def save(client: LanguageClient, uri: str) -> None:
    client.notify("textDocument/didSave", {"textDocument": {"uri": uri}})


def published(client: LanguageClient, uri: str) -> list[dict[str, Any]]:
    client.shown()
    found = [params for method, params in client.notifications if method == "textDocument/publishDiagnostics"]
    return [params for params in found if params["uri"] == uri]


def wait_until(client: LanguageClient, is_there: Callable[[], bool], what: str) -> None:
    client._wait(is_there, what, LIMIT_S)


def wait_codes(client: LanguageClient, uri: str, codes: list[str], at_least: int = 1) -> list[dict[str, Any]]:
    """The diagnostics once they have these codes, `at_least` so many times published."""

    def now() -> list[dict[str, Any]] | None:
        all_of_it = published(client, uri)
        return all_of_it[-1]["diagnostics"] if len(all_of_it) >= at_least else None

    def is_there() -> bool:
        found = now()
        return found is not None and [each["code"] for each in found] == codes

    wait_until(client, is_there, f"{codes}")
    return now() or []


def actions_at(client: LanguageClient, uri: str, line: int, character: int = 0, **context: Any) -> dict[str, Any]:
    place = {"line": line, "character": character}
    asked = {"textDocument": {"uri": uri}, "range": {"start": place, "end": place}}
    found = client.ask("textDocument/codeAction", asked | {"context": {"diagnostics": [], **context}})
    return {each["title"]: each for each in found}


def execute(client: LanguageClient, command: str, *arguments: Any) -> None:
    assert client.ask("workspace/executeCommand", {"command": command, "arguments": list(arguments)}) is None


def insertion(line: int, character: int, text: str) -> dict[str, Any]:
    place = {"line": line, "character": character}
    return {"range": {"start": place, "end": place}, "text": text}


def span(line: int, start: int, end: int) -> dict[str, Any]:
    return {"start": {"line": line, "character": start}, "end": {"line": line, "character": end}}


def scores_asked(engine: ScriptedEngine) -> list[ScoreRequest]:
    """The questions about whole functions, without second opinions on what was found."""
    return [each for each in engine.requests if isinstance(each, ScoreRequest) and each.suffix is None]


def under_review(client: LanguageClient) -> list[str]:
    """What the status said of it, one after another."""
    return [params["reviewing"] for method, params in client.notifications if method == "dsassist/status"]


def settle(client: LanguageClient, repository: Repository) -> None:
    """Wait until what was under way is done: reviews that need no model go one after another."""
    uri = open_file(client, repository, PDB, f"settle{len(client.notifications)}.py")
    wait_codes(client, uri, ["DSA003"])


# When, and what


def test_what_the_model_finds_on_a_changed_line_is_published(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high), capabilities=RICH)
    uri = open_file(client, repository)
    (found,) = wait_codes(client, uri, ["DSA101"])
    assert (found["range"], found["severity"], found["source"]) == (span(3, 15, 18), 2, "dsassist")
    assert found["message"].startswith("`low` may be meant to be `high`\n`high` is ")
    assert found["data"]["version"] == published(client, uri)[-1]["version"] == 1
    assert found["data"]["fix"] == [{"range": span(3, 15, 18), "newText": "high"}]
    assert len(found["data"]["fingerprint"]) == 16
    page, _, anchor = found["codeDescription"]["href"].partition("#")
    assert f"## {anchor.upper()}\n" in Path(page.removeprefix("file://")).read_text()


def test_a_client_without_links_gets_none(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high))
    (found,) = wait_codes(client, open_file(client, repository), ["DSA101"])
    assert "codeDescription" not in found


def test_a_builtin_models_finding_is_a_note(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high), note="a test model")
    (found,) = wait_codes(client, open_file(client, repository), ["DSA101"])
    assert found["severity"] == 3


def test_lines_as_in_head_are_not_asked_about(serve: Serve, repository: Repository) -> None:
    repository.commit(clamp=WRONG)
    engine = ScriptedEngine(score=prefers_high)
    client = serve(engine)
    uri = open_file(client, repository, WRONG)
    settle(client, repository)
    assert published(client, uri) == []
    assert scores_asked(engine) == []


def test_a_save_shows_what_was_typed_since_and_a_key_asks_nothing(serve: Serve, repository: Repository) -> None:
    engine = ScriptedEngine(score=prefers_high)
    client = serve(engine)
    uri = open_file(client, repository, CLAMP)
    client.change([{"range": span(3, 15, 19), "text": "low"}], 2, uri)
    settle(client, repository)
    assert scores_asked(engine) == []
    save(client, uri)
    wait_codes(client, uri, ["DSA101"])


def test_what_needs_no_model_comes_before_the_model_answers(serve: Serve, repository: Repository) -> None:
    engine = Gate()
    client = serve(engine)
    uri = open_file(client, repository, PDB + WRONG)
    wait_codes(client, uri, ["DSA003"])
    engine.opened.set()
    wait_codes(client, uri, ["DSA003", "DSA101"])


def test_a_failing_model_leaves_what_was_found_without_it(serve: Serve, repository: Repository) -> None:
    def no_model(*_: object) -> OpenEngine:
        raise OSError("no model here")

    client = serve(None, opener=no_model)
    uri = open_file(client, repository, PDB + WRONG)
    wait_codes(client, uri, ["DSA003"])
    client.wait_logged("no model here")
    wait_until(client, lambda: under_review(client)[-2:] == ["clamp.py", ""], "the end of the review")
    assert [each["code"] for each in published(client, uri)[-1]["diagnostics"]] == ["DSA003"]


def test_what_the_change_left_undone_in_its_own_file_is_published(serve: Serve, repository: Repository) -> None:
    repository.commit(names="def load():\n    return 1\n\n\ndef use():\n    return load()\n")
    client = serve(ScriptedEngine())
    uri = open_file(client, repository, "def read():\n    return 1\n\n\ndef use():\n    return load()\n", "names.py")
    (found,) = wait_codes(client, uri, ["DSA201"])
    assert found["range"]["start"] == {"line": 5, "character": 11}


def test_what_another_file_of_the_repository_does_as_well_is_not_published(
    serve: Serve, repository: Repository
) -> None:
    """The other slip on the same lines is: so the review was at its end."""
    doubted = "    return low if value > low else high\n"
    repository.commit(other=f"def other(value, low, high):\n{doubted}")
    client = serve(ScriptedEngine(score=prefers_high))
    text = f"def clamp(value, low, high):\n    if value > low and high > low: return low\n{doubted}"
    uri = open_file(client, repository, text)
    (found,) = wait_codes(client, uri, ["DSA101"])
    assert found["range"]["start"]["line"] == 1


def test_a_comment_and_the_baseline_keep_findings_quiet(serve: Serve, repository: Repository) -> None:
    engine = ScriptedEngine(score=prefers_high)
    client = serve(engine)
    ignored = WRONG.replace("value > low:", "value > low:  # dsassist: ignore[DSA101]")
    uri = open_file(client, repository, ignored + "\n" + PDB)
    wait_codes(client, uri, ["DSA003"])
    fingerprint = published(client, uri)[-1]["diagnostics"][0]["data"]["fingerprint"]
    entry = f'{{"code": "DSA003", "path": "clamp.py", "fingerprint": "{fingerprint}"}}\n'
    repository.stage(".dsassist-baseline.json", entry)
    save(client, uri)
    wait_codes(client, uri, [])
    wait_until(client, lambda: bool(scores_asked(engine)), "a question to the model")
    wait_until(client, lambda: under_review(client)[-1] == "", "the end of the review")
    assert published(client, uri)[-1]["diagnostics"] == []


@pytest.mark.parametrize("options", [{"enabled": False}, {"exclude": ["clamp.py"]}])
def test_nothing_is_reviewed_where_it_is_switched_off(
    serve: Serve, repository: Repository, options: dict[str, Any]
) -> None:
    engine = ScriptedEngine(score=prefers_high)
    client = serve(engine, options={"review": options})
    uri = open_file(client, repository, PDB + WRONG)
    client.notify("workspace/didChangeConfiguration", {"settings": {"review": {"enabled": True}}})
    settle(client, repository)
    if "enabled" in options:
        wait_codes(client, uri, ["DSA003", "DSA101"])
    else:
        assert published(client, uri) == []
        assert scores_asked(engine) == []


def test_switching_reviews_off_takes_the_findings_away(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high))
    uri = open_file(client, repository)
    wait_codes(client, uri, ["DSA101"])
    client.notify("workspace/didChangeConfiguration", {"settings": {"review": {"enabled": False}}})
    wait_codes(client, uri, [])


def test_snoozing_takes_the_findings_away_until_it_ends(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high))
    uri = open_file(client, repository)
    wait_codes(client, uri, ["DSA101"])
    client.ask("workspace/executeCommand", {"command": "dsassist.snooze", "arguments": [5]})
    wait_codes(client, uri, [])
    save(client, uri)
    client.ask("workspace/executeCommand", {"command": "dsassist.unsnooze", "arguments": []})
    wait_codes(client, uri, ["DSA101"], at_least=3)


def test_a_file_that_git_ignores_is_not_reviewed(serve: Serve, repository: Repository) -> None:
    repository.write(".gitignore", "secret.py\n")
    client = serve(ScriptedEngine())
    uri = open_file(client, repository, PDB, "secret.py")
    settle(client, repository)
    assert published(client, uri) == []


def test_outside_of_a_repository_only_what_is_asked_for_is_reviewed(serve: Serve, tmp_path: Path) -> None:
    engine = ScriptedEngine(score=prefers_high)
    client = serve(engine)
    uri = open_file(client, Repository(tmp_path))
    save(client, uri)
    execute(client, "dsassist.reviewFile", uri)
    (found,) = wait_codes(client, uri, ["DSA101"])
    assert found["range"] == span(3, 15, 18)
    client.wait_shown("reviewed 1 function in 1 file with scripted")
    assert [request.priority for request in scores_asked(engine)] == ["review"]
    assert [message for message in client.logged() if "repository" in message] == []


@pytest.mark.parametrize("arguments", [[], [7], ["file:///not/open.py"], [{"uri": None}]])
def test_a_file_that_is_not_open_is_not_reviewed_by_hand(serve: Serve, arguments: list[Any]) -> None:
    client = serve(ScriptedEngine())
    execute(client, "dsassist.reviewFile", *arguments)
    client.wait_shown("open the file in the editor first")


# With the completions and the hook


def test_a_completion_does_not_wait_for_a_review(serve: Serve, repository: Repository) -> None:
    engine = Gate(["1"])
    client = serve(engine)
    uri = open_file(client, repository, WRONG + "x = ")
    assert engine.asked.acquire(timeout=LIMIT_S)
    assert [request.priority for request in scores_asked(engine)] == ["idle"]
    assert client.inline(6, 4, uri)[0]["insertText"] == "1"
    assert [each["code"] for params in published(client, uri) for each in params["diagnostics"]] == ["DSA004"]
    engine.opened.set()
    wait_codes(client, uri, ["DSA101", "DSA004"])


def test_the_hook_finds_the_answers_in_the_store(serve: Serve, repository: Repository) -> None:
    engine, store = ScriptedEngine(score=prefers_high), AnswerStore(answers_path())
    remembering = RememberingEngine(engine, store, "scripted")
    client = serve(None, opener=lambda _loaded, _on_loading: OpenEngine(engine, "scripted", scores=remembering))
    uri = open_file(client, repository, "import os\n\nLIMIT = 3\n\n\n" + WRONG)
    wait_codes(client, uri, ["DSA101"])
    repository.git("add", ".")
    unasked = ScriptedEngine(score=prefers_high)
    judge = reviewer.Judge(RememberingEngine(unasked, store, "scripted"), Thresholds(5.5))
    changes = changes_of(selection.staged(repository.root))
    review = reviewer.review(changes, lambda: judge, deadline_s=60.0, max_findings=10)
    assert [each.code for each in review.findings] == ["DSA101"]
    assert unasked.requests == []
    store.close()


def test_a_newer_save_takes_the_place_of_a_review(serve: Serve, repository: Repository) -> None:
    engine = Gate()
    client = serve(engine)
    uri = open_file(client, repository)
    assert engine.asked.acquire(timeout=LIMIT_S)
    client.change([{"range": span(3, 15, 18), "text": "high"}], 2, uri)
    save(client, uri)
    settle(client, repository)
    engine.opened.set()
    client.change([insertion(0, 0, PDB)], 3, uri)
    save(client, uri)
    wait_codes(client, uri, ["DSA003"])
    codes = [[each["code"] for each in params["diagnostics"]] for params in published(client, uri)]
    assert codes == [["DSA003"]]


def test_the_status_tells_which_file_is_under_review(serve: Serve, repository: Repository) -> None:
    engine = Gate()
    client = serve(engine)

    open_file(client, repository)
    wait_until(client, lambda: "clamp.py" in under_review(client), "the file's name")
    engine.opened.set()
    wait_until(client, lambda: under_review(client)[-1] == "", "the end")


# What stands, moves and goes


def test_a_finding_moves_with_its_line_and_goes_when_that_changes(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high))
    uri = open_file(client, repository)
    wait_codes(client, uri, ["DSA101"])
    client.change([insertion(0, 0, "import os\n\n\n")], 2, uri)
    (found,) = wait_codes(client, uri, ["DSA101"], at_least=2)
    assert (found["range"], found["data"]["version"]) == (span(6, 15, 18), 2)
    assert found["data"]["fix"][0]["range"] == span(6, 15, 18)
    client.change([insertion(7, 0, "        print(value)\n")], 3, uri)
    client.change([insertion(6, 19, "  ")], 4, uri)
    wait_codes(client, uri, [], at_least=3)
    assert len(published(client, uri)) == 3


def test_a_new_line_behind_a_finding_leaves_it(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high))
    uri = open_file(client, repository)
    wait_codes(client, uri, ["DSA101"])
    client.change([insertion(3, 19, "\n        print(value)")], 2, uri)
    assert "dsassist: Replace by `high`" in actions_at(client, uri, 3, 16)
    client.change([insertion(0, 0, "\n")], 3, uri)
    (found,) = wait_codes(client, uri, ["DSA101"], at_least=2)
    assert found["range"] == span(4, 15, 18)


def test_findings_come_to_the_place_where_their_line_is_now(serve: Serve, repository: Repository) -> None:
    engine = Gate()
    client = serve(engine)
    uri = open_file(client, repository)
    assert engine.asked.acquire(timeout=LIMIT_S)
    client.change([insertion(0, 0, "import os\n")], 2, uri)
    assert actions_at(client, uri, 0) == {}, "the edit has arrived"
    engine.opened.set()
    (found,) = wait_codes(client, uri, ["DSA101"])
    assert (found["range"], found["data"]["version"]) == (span(4, 15, 18), 2)


def test_a_finding_whose_line_changed_meanwhile_is_not_shown(serve: Serve, repository: Repository) -> None:
    engine = Gate()
    client = serve(engine)
    uri = open_file(client, repository, PDB + WRONG)
    assert engine.asked.acquire(timeout=LIMIT_S)
    client.change([{"range": span(4, 15, 18), "text": "value"}], 2, uri)
    client.change([insertion(0, 0, "\n")], 3, uri)
    assert actions_at(client, uri, 0) == {}, "the edits have arrived"
    engine.opened.set()
    wait_until(client, lambda: under_review(client)[-2:] == ["clamp.py", ""], "the end of the review")
    assert [[each["code"] for each in params["diagnostics"]] for params in published(client, uri)] == [["DSA003"]] * 2


def test_columns_count_in_utf_16(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high))
    uri = open_file(client, repository, WRONG.replace("if value > low:", "if '😋' and value > low:"))
    (found,) = wait_codes(client, uri, ["DSA101"])
    assert found["range"] == span(3, 24, 27)


def test_crlf_and_a_byte_order_mark_shift_nothing(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high), capabilities=VERSIONED)
    uri = open_file(client, repository, "\ufeff" + PDB.strip() + "\r\n" + WRONG.replace("\n", "\r\n"))
    debugger, name = wait_codes(client, uri, ["DSA003", "DSA101"])
    assert debugger["range"] == span(0, 1, 11), "the mark is a character of the editor's text"
    assert name["range"] == span(4, 15, 18)
    edits = actions_at(client, uri, 4, 16)["dsassist: Ignore this here [DSA101]"]["edit"]["documentChanges"][0]["edits"]
    assert edits[0]["newText"].endswith("]\r\n")


def test_closing_a_document_takes_its_findings_away(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high))
    uri = open_file(client, repository)
    wait_codes(client, uri, ["DSA101"])
    client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    wait_codes(client, uri, [])


# For clients that pull


def test_a_client_that_pulls_is_told_to_ask_again_and_gets_nothing_pushed(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high), capabilities=PULLING)
    assert client.capabilities["diagnosticProvider"]["identifier"] == "dsassist"
    uri = open_file(client, repository)

    def refreshed() -> int:
        return sum(method == "workspace/diagnostic/refresh" for method, _ in client.notifications)

    wait_until(client, lambda: refreshed() == 1, "a refresh")
    asked = {"textDocument": {"uri": uri}}
    report = client.ask("textDocument/diagnostic", asked)
    assert (report["kind"], [each["code"] for each in report["items"]]) == ("full", ["DSA101"])
    known = asked | {"previousResultId": report["resultId"]}
    assert client.ask("textDocument/diagnostic", known) == {"kind": "unchanged", "resultId": report["resultId"]}
    client.change([insertion(3, 18, "er")], 2, uri)
    assert client.ask("textDocument/diagnostic", known)["items"] == []
    assert (published(client, uri), refreshed()) == ([], 1)


def test_a_client_that_never_asks_again_gets_them_pushed(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high), capabilities={"textDocument": {"diagnostic": {}}})
    uri = open_file(client, repository)
    wait_codes(client, uri, ["DSA101"])
    assert client.ask("textDocument/diagnostic", {"textDocument": {"uri": uri}})["items"] == []


def test_a_pull_of_a_document_that_is_not_open_is_empty(serve: Serve) -> None:
    client = serve(ScriptedEngine(), capabilities=PULLING)
    asked = {"textDocument": {"uri": "file:///not/open.py"}}
    assert client.ask("textDocument/diagnostic", asked) == {"kind": "full", "items": []}


# What can be done about them


def test_a_fix_is_an_edit_of_the_version_that_stands(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high), capabilities=VERSIONED)
    uri = open_file(client, repository)
    (found,) = wait_codes(client, uri, ["DSA101"])
    client.change([insertion(0, 0, "import os\n")], 2, uri)
    fix = actions_at(client, uri, 4, 16)["dsassist: Replace by `high`"]
    (change,) = fix["edit"]["documentChanges"]
    assert change == {
        "textDocument": {"uri": uri, "version": 2},
        "edits": [{"range": span(4, 15, 18), "newText": "high"}],
    }
    assert (fix["kind"], fix["diagnostics"][0]["code"]) == ("quickfix", found["code"])
    client.change([{"range": span(4, 15, 18), "text": "lower"}], 3, uri)
    assert actions_at(client, uri, 4, 16) == {}


def test_a_client_without_versioned_edits_gets_plain_ones(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high))
    uri = open_file(client, repository)
    wait_codes(client, uri, ["DSA101"])
    edit = actions_at(client, uri, 3, 16)["dsassist: Replace by `high`"]["edit"]
    assert edit == {"changes": {uri: [{"range": span(3, 15, 18), "newText": "high"}]}}


def test_actions_come_where_the_finding_stands_and_of_the_kind_that_is_asked_for(
    serve: Serve, repository: Repository
) -> None:
    client = serve(ScriptedEngine(score=prefers_high))
    uri = open_file(client, repository)
    wait_codes(client, uri, ["DSA101"])
    assert actions_at(client, uri, 2, 4) == {}
    assert len(actions_at(client, uri, 3, 18, only=["quickfix"])) == 4
    assert actions_at(client, uri, 3, 18, only=["refactor"]) == {}


def test_ignoring_writes_a_comment_and_the_finding_goes_and_stays_away(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high), capabilities=VERSIONED)
    uri = open_file(client, repository)
    wait_codes(client, uri, ["DSA101"])
    ignore = actions_at(client, uri, 3, 16)["dsassist: Ignore this here [DSA101]"]
    (edit,) = ignore["edit"]["documentChanges"][0]["edits"]
    assert edit == {"range": span(3, 0, 0), "newText": "    # dsassist: ignore[DSA101]\n"}
    client.change([{"range": edit["range"], "text": edit["newText"]}], 2, uri)
    wait_codes(client, uri, [])
    save(client, uri)
    settle(client, repository)
    wait_until(client, lambda: under_review(client)[-1] == "", "the end of the review")
    assert published(client, uri)[-1]["diagnostics"] == []


def test_why_tells_what_the_alternatives_are_worth(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high))
    uri = open_file(client, repository)
    wait_codes(client, uri, ["DSA101"])
    command = actions_at(client, uri, 3, 16)["dsassist: Why? [DSA101]"]["command"]
    execute(client, command["command"], *command["arguments"])
    told = client.wait_shown("as written")["message"]
    assert "| `low`, as written | | 0.0% |" in told
    assert "| `high` | +12.0 | 100.0% |" in told


def test_a_dismissed_finding_stays_away_until_that_is_undone(serve: Serve, repository: Repository) -> None:
    client = serve(ScriptedEngine(score=prefers_high))
    uri = open_file(client, repository)
    wait_codes(client, uri, ["DSA101"])
    command = actions_at(client, uri, 3, 16)["dsassist: Dismiss [DSA101]"]["command"]
    execute(client, command["command"], *command["arguments"])
    wait_codes(client, uri, [])
    client.wait_shown("findings of the family name need 0.5 nats more now")
    assert read_dismissals().raised_nats == {"name": 0.5}
    save(client, uri)
    settle(client, repository)
    wait_until(client, lambda: under_review(client)[-1] == "", "the end of the review")
    assert published(client, uri)[-1]["diagnostics"] == []
    execute(client, "dsassist.undoDismissal")
    wait_codes(client, uri, ["DSA101"])
    client.wait_shown("no longer dismissed")
    execute(client, "dsassist.undoDismissal")
    client.wait_shown("nothing is dismissed")


@pytest.mark.parametrize("command", ["dsassist.whyFinding", "dsassist.dismissFinding"])
@pytest.mark.parametrize("arguments", [[], [1], [{"uri": "file:///a.py", "fingerprint": "x"}], [None, None]])
def test_a_command_without_a_finding_says_where_to_choose_it(serve: Serve, command: str, arguments: list[Any]) -> None:
    client = serve(ScriptedEngine())
    execute(client, command, *arguments)
    client.wait_shown("choose it from the actions of a finding")
