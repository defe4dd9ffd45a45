"""Parts of other files in the prompts of a running server: which, in what order, and how they are explained."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from dsassist.cli import main
from dsassist.completion.place import Place
from dsassist.config import LoadedConfig, load
from dsassist.context.snippets import PromptSnippet
from dsassist_lsp.completions import Asked
from dsassist_lsp.workspace_context import WorkspaceContext
from dsassist_runtime.api import InfillRequest
from dsassist_runtime.testing import ScriptedEngine
from lsp.client import LanguageClient, Serve, wait_for

SHOP = "def open_shop(name: str, owner: Person) -> Shop:\n    return Shop(name)\n"
MAIN = "from shop import open_shop\n\nx = \n"


def wide_requests(engine: ScriptedEngine) -> list[InfillRequest]:
    return [each for each in engine.requests if isinstance(each, InfillRequest) and each.extra]


def execute(client: LanguageClient, command: str) -> Any:
    return client.ask("workspace/executeCommand", {"command": command, "arguments": []})


@pytest.mark.slow  # the index is built by a process
def test_what_is_imported_reaches_a_prompt_and_is_explained_with_its_source(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DSASSIST_COMPLETION_CONTEXT")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / "shop.py").write_text(SHOP)
    engine = ScriptedEngine(["1\n"])
    client = serve(engine)
    client.wait_logged("has 1 files")
    uri = (tmp_path / "main.py").as_uri()
    client.open(MAIN, uri)
    assert client.inline(2, 4, uri)
    wait_for(lambda: wide_requests(engine), 30)
    [snippet] = wide_requests(engine)[0].extra
    assert (snippet.path, "owner: Person" in snippet.text) == ("shop.py", True)

    def is_wide() -> bool:
        """Ask at another place for as long as the wide prompt is not known to be read."""
        version = 2 + len(engine.requests)
        insert = {"range": {"start": {"line": 2, "character": 4}, "end": {"line": 2, "character": 4}}, "text": "y"}
        client.change([insert], version, uri)
        client.inline(2, 5, uri)
        return bool(execute(client, "dsassist.explainCompletion")["prompt"]["is_wide"])

    wait_for(is_wide, 30)
    [explained] = execute(client, "dsassist.explainCompletion")["prompt"]["snippets"]
    assert (explained["path"], explained["source"], explained["line"]) == ("shop.py", "imports", 1)

    def is_printed() -> bool:
        code = main(["explain-completion"])
        title = "--- from another file: shop.py:1 (imports: imported by the document)"
        return code == 0 and title in capsys.readouterr().out

    wait_for(is_printed, 30)


@pytest.mark.slow
def test_an_unsaved_edit_of_an_imported_document_reaches_the_prompt_and_a_closed_one_is_the_file_again(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DSASSIST_COMPLETION_CONTEXT")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / "shop.py").write_text(SHOP)
    engine = ScriptedEngine(["1\n"])
    client = serve(engine)
    client.wait_logged("has 1 files")
    shop, first, second = ((tmp_path / name).as_uri() for name in ("shop.py", "main.py", "other.py"))
    client.open(SHOP, shop)
    client.change([{"text": SHOP.replace("owner: Person", "place: Street")}], 2, shop)
    client.open(MAIN, first)
    client.inline(2, 4, first)
    wait_for(lambda: wide_requests(engine), 30)
    assert "place: Street" in wide_requests(engine)[0].extra[-1].text
    client.notify("textDocument/didClose", {"textDocument": {"uri": shop}})
    client.open(MAIN, second)
    client.inline(2, 4, second)
    wait_for(lambda: len(wide_requests(engine)) > 1, 30)
    assert any("owner: Person" in each.text for each in wide_requests(engine)[-1].extra)


class Context:
    """A workspace context with no index: what was edited lately is all that it has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loaded = LoadedConfig(load(folder, environ={}).config, {}, [])
        self.context = WorkspaceContext(lambda _sentence: None, lambda _root: None)

    def edit(self, name: str) -> None:
        """Write a line in a document of its own words."""
        text = "\n".join(f"{name}_{word} = compute_{name}({word}_{name})" for word in ("one", "two", "three"))
        path = str(self.folder / f"{name}.py")
        self.context.opened(name, path, text)
        self.context.changed(name, path, text, (1, 1))

    def names(self, last: list[PromptSnippet], budget_tokens: int = 1000) -> tuple[list[str], list[PromptSnippet]]:
        asked = Asked("main", Place("x = ", 4, str(self.folder / "main.py")), self.loaded)
        files = self.context.files(asked, "x = ", budget_tokens, last)
        found = [each for each in files if isinstance(each, PromptSnippet)]
        return [Path(each.path).stem for each in found], found


def test_in_the_next_prompt_new_snippets_stand_behind_those_that_are_still_wanted(tmp_path: Path) -> None:
    context = Context(tmp_path)
    context.edit("apple")
    context.edit("pear")
    names, first = context.names([])
    assert names == ["apple", "pear"]  # the best one last
    context.edit("plum")
    context.edit("apple")  # which is the best one now, and keeps its place all the same
    names, second = context.names(first)
    assert names == ["apple", "pear", "plum"]
    assert second[:2] == first
    assert [each.source for each in second] == ["recent"] * 3


def test_where_the_first_snippets_are_of_no_use_any_more_all_are_put_in_order_anew(tmp_path: Path) -> None:
    context = Context(tmp_path)
    context.edit("apple")
    context.edit("pear")
    _, first = context.names([])
    context.context.opened("apple", str(tmp_path / "apple.py"), "")
    context.context.closed("apple", str(tmp_path / "apple.py"))
    context.edit("plum")
    context.edit("pear")
    names, _ = context.names(first)
    assert names == ["plum", "pear"]
