"""Workspaces, documents and files of our own that are too large, broken or not what they seem, on real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dsassist.index.database import path_of
from dsassist.index.workspace import WorkspaceIndex
from dsassist.ledger.database import ledger_dir
from lsp.client import LIMIT_S, ProcessClient, at, wait_for

pytestmark = pytest.mark.slow  # whole processes

CAPABILITIES = {"window": {"workDoneProgress": True}, "textDocument": {"inlineCompletion": {}}}
LINE = "total = alpha + beta"
SHOP = "def frobnicate(price):\n    return price * 2\n"


class Editor(ProcessClient):
    """A client of a server whose engine writes `LINE`; it agrees to every progress."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, [sys.executable, "-m", "lsp.scripted_server", f"{LINE}\n"])
        self.root = root

    def begin(self, capabilities: Any = None) -> None:
        self.initialize(CAPABILITIES if capabilities is None else capabilities, root=self.root)

    def open_file(self, name: str, text: str, language_id: str = "python") -> str:
        uri = (self.root / name).as_uri()
        item = {"uri": uri, "languageId": language_id, "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})
        return uri

    def texts(self, uri: str, line: int, character: int) -> list[str]:
        return [item["insertText"] for item in self.inline(line, character, uri)]

    def texts_by_hand(self, uri: str, line: int, character: int) -> list[str]:
        params = at(line, character, uri) | {"context": {"triggerKind": 1}}
        return [item["insertText"] for item in self.ask("textDocument/inlineCompletion", params)]

    def status(self) -> dict[str, Any]:
        found = self.ask("workspace/executeCommand", {"command": "dsassist.status"})
        assert isinstance(found, dict)
        return found

    def prompt(self) -> dict[str, Any]:
        """What the last completion was made of."""
        found = self.ask("workspace/executeCommand", {"command": "dsassist.explainCompletion"})
        assert isinstance(found, dict)
        return found

    def progress(self) -> list[str]:
        """The kinds of the progress messages so far."""
        self.shown()
        return [params["value"]["kind"] for method, params in self.notifications if method == "$/progress"]

    def leave_in_peace(self) -> None:
        """The end is clean, and until then no error of ours came up."""
        assert self.leave() == 0
        assert self.has_ended()
        assert [line for line in self.logged() if "Traceback" in line] == []
        assert self.stderr() == ""

    def _take(self, message: dict[str, Any] | None) -> None:
        super()._take(message)
        if message is not None and "method" in message and "id" in message:
            with suppress(BrokenPipeError):  # the server has ended meanwhile
                self.send(id=message["id"], result=None)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace that has an index."""
    monkeypatch.delenv("DSASSIST_COMPLETION_CONTEXT")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    root = tmp_path / "work"
    root.mkdir()
    (root / "shop.py").write_text(SHOP)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    return root


@pytest.fixture
def edit(root: Path) -> Iterator[Callable[..., Editor]]:
    """`edit()` starts an editor in the workspace."""
    running: list[Editor] = []

    def start(capabilities: Any = None) -> Editor:
        running.append(Editor(root))
        running[-1].begin(capabilities)
        return running[-1]

    yield start
    for editor in running:
        editor.close()


def test_completions_come_while_a_workspace_of_20_000_files_is_read(root: Path, edit: Callable[..., Editor]) -> None:
    for number in range(20_000):
        folder = root / f"d{number // 200}"
        folder.mkdir(exist_ok=True)
        (folder / f"m{number}.py").write_text(f"def name_{number}(a):\n    return a + {number}\n")
    editor = edit()
    uri = editor.open_file("main.py", "x = 1\n")
    wait_for(lambda: "report" in editor.progress(), LIMIT_S)
    for number in range(3):
        editor.change([{"text": f"x = {number}\n"}], number + 2, uri)
        assert editor.texts(uri, 1, 0) == [LINE]
    assert "end" not in editor.progress()
    editor.leave_in_peace()
    with WorkspaceIndex(root) as index:  # what was read until then is kept
        assert 0 < index.counts().files < 20_000


def test_a_file_of_30_000_lines_is_completed_and_edited_anywhere(edit: Callable[..., Editor]) -> None:
    editor = edit()
    uri = editor.open_file("long.py", "".join(f"name_{n} = {n}\n" for n in range(30_000)))
    for version, line in enumerate((0, 15_000, 29_999), 2):
        here = {"line": line, "character": 0}
        editor.change([{"range": {"start": here, "end": here}, "text": "\n"}], version, uri)
        assert editor.texts(uri, line, 0) == [LINE]
    assert editor.texts(uri, 30_003, 0) == [LINE]
    editor.leave_in_peace()


@pytest.mark.parametrize("filling", ["x", "ä", "😀"])
def test_a_line_of_200_000_characters_is_completed_and_edited_anywhere(
    edit: Callable[..., Editor], filling: str
) -> None:
    editor = edit()
    text = f'a = "{filling * 200_000}"'
    uri = editor.open_file("wide.py", f"{text}\n\n{text}")
    units = len(filling.encode("utf-16-le")) // 2
    assert editor.texts(uri, 1, 0) == [LINE]
    for line in (0, 2):
        middle = {"line": line, "character": 5 + 100_000 * units}
        editor.change([{"range": {"start": middle, "end": middle}, "text": "y"}], line + 2, uri)
        assert isinstance(editor.texts_by_hand(uri, line, middle["character"] + 1), list)
        assert editor.prompt()["column"] == 5 + 100_001 + 1
    editor.change([{"text": f"{text}; "}], 9, uri)
    assert editor.texts(uri, 0, 8 + 200_000 * units) == [LINE]
    editor.leave_in_peace()


def test_a_binary_file_that_is_opened_as_text_is_not_completed_and_the_status_says_why(
    root: Path, edit: Callable[..., Editor]
) -> None:
    data = Path(sys.executable).resolve().read_bytes()[:100_000]
    (root / "tool").write_bytes(data)
    editor = edit()
    uri = editor.open_file("tool", data.decode("utf-8", errors="replace"), "plaintext")
    assert editor.texts(uri, 0, 1) == []
    assert editor.status()["reason"] == "the document is binary, not text"
    editor.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
    assert editor.texts(editor.open_file("main.py", "x = 1\n"), 1, 0) == [LINE]
    editor.leave_in_peace()


@pytest.mark.parametrize("error", ["ModuleNotFoundError('no')", "ImportError('libc is too old')"])
def test_without_its_grammar_a_language_is_completed_and_the_status_says_what_is_missing(
    root: Path, tmp_path: Path, edit: Callable[..., Editor], monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "tree_sitter_python.py").write_text(f"raise {error}\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(broken), *filter(None, sys.path)]))
    editor = edit()
    uri = editor.open_file("main.py", "x = 1\n")
    assert editor.texts(uri, 1, 0) == [LINE]
    [hint] = [hint for hint in editor.status()["hints"] if "grammar" in hint]
    assert hint.startswith("No syntax checks for python: its grammar ")
    assert hint.endswith("Mend it by `pip install --upgrade tree-sitter-python`.")
    editor.wait_logged("the index of")
    assert editor.shown() == []
    editor.leave_in_peace()


def test_a_damaged_index_is_built_again_the_old_one_kept_and_that_said_once(
    root: Path, edit: Callable[..., Editor]
) -> None:
    with WorkspaceIndex(root) as index:
        index.refresh()
    path_of(root).write_bytes(b"no database at all" * 1000)
    editor = edit()
    editor.wait_logged("has 1 files")
    uri = editor.open_file("main.py", "x = frobnicate(")
    assert editor.texts(uri, 0, 15) == []  # what is written leaves the bracket open
    [said] = [line for line in editor.logged() if "was damaged" in line]
    assert "is built again; it is kept as" in said
    assert len(list(path_of(root).parent.glob("*.corrupt-*"))) == 1
    editor.leave_in_peace()


def test_an_index_that_is_damaged_while_it_is_used_costs_no_completion(root: Path, edit: Callable[..., Editor]) -> None:
    editor = edit()
    editor.wait_logged("has 1 files")
    uri = editor.open_file("main.py", "x = 1\n")
    assert editor.texts(uri, 1, 0) == [LINE]
    wait_for(lambda: editor.prompt() and list(path_of(root).parent.glob("*.db-wal")), LIMIT_S)
    for file in path_of(root).parent.glob("*.db*"):
        file.write_bytes(b"\xa5" * 200_000)
    for number in range(3):
        editor.change([{"text": f"y = {number}\n"}], 2 + number, uri)
        assert editor.texts(uri, 1, 0) == [LINE]
        editor.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
    editor.leave_in_peace()


def test_a_damaged_ledger_is_begun_anew_the_old_one_kept_and_that_said_once(
    root: Path, edit: Callable[..., Editor]
) -> None:
    ledger_dir().mkdir(parents=True, mode=0o700)
    (ledger_dir() / "ledger.sqlite3").write_bytes(b"no database at all" * 1000)
    editor = edit()
    uri = editor.open_file("main.py", "x = 1\n")
    for number in range(3):
        editor.change([{"text": f"x = {number}\n"}], number + 2, uri)
        assert editor.texts(uri, 1, 0) == [LINE]
    editor.wait_logged("was damaged")
    editor.leave_in_peace()
    assert len([line for line in editor.logged() if "was damaged" in line]) == 1
    assert len(list(ledger_dir().glob("damaged-*.sqlite3"))) == 1
    stats = subprocess.run(
        [sys.executable, "-m", "dsassist", "stats", "--json"], cwd=root, capture_output=True, check=True
    )
    assert b'"shown": 3' in stats.stdout or b'"offered": 3' in stats.stdout, stats.stdout


def test_a_read_only_workspace_is_completed_and_nothing_is_written_there(
    root: Path, edit: Callable[..., Editor]
) -> None:
    """Who may write anywhere (root) must not either."""
    before = sorted(root.rglob("*"))
    root.chmod(0o555)
    try:
        editor = edit()
        editor.wait_logged("has 1 files")
        uri = editor.open_file("main.py", "x = 1\n")
        assert editor.texts(uri, 1, 0) == [LINE]
        editor.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
        editor.leave_in_peace()
        assert sorted(root.rglob("*")) == before
    finally:
        root.chmod(0o755)


@pytest.mark.parametrize("is_repository", [True, False])
def test_symbolic_links_in_a_loop_are_read_once_and_completed_through(
    root: Path, edit: Callable[..., Editor], is_repository: bool
) -> None:
    if not is_repository:
        shutil.rmtree(root / ".git")
    (root / "a").mkdir()
    (root / "a" / "up").symlink_to("..")
    (root / "here").symlink_to(".")
    (root / "self.py").symlink_to("self.py")
    (root / "gone.py").symlink_to("nowhere.py")
    (root / "again.py").symlink_to("shop.py")
    editor = edit()
    editor.wait_logged("has 1 files")
    uri = editor.open_file("a/up/here/a/up/shop.py", f"{SHOP}\n")
    assert editor.texts(uri, 2, 0) == [LINE]
    editor.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
    for name in ("self.py", "gone.py"):
        assert editor.texts(editor.open_file(name, "x = 1\n"), 1, 0) == [LINE]
    editor.leave_in_peace()


def test_the_editors_text_counts_when_the_file_changes_under_it(root: Path, edit: Callable[..., Editor]) -> None:
    editor = edit()
    editor.wait_logged("has 1 files")
    uri = editor.open_file("shop.py", f"{SHOP}\nin_the_editor = 1\n")
    (root / "shop.py").write_text("on_the_disk = 1\n")
    assert editor.texts(uri, 4, 0) == [LINE]
    assert "in_the_editor" in str(editor.prompt())
    assert "on_the_disk" not in str(editor.prompt())
    (root / "shop.py").unlink()
    editor.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
    editor.change([{"text": "y = 1\n"}], 2, uri)
    assert editor.texts(uri, 1, 0) == [LINE]
    (root / "shop.py").mkdir()
    editor.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
    editor.change([{"text": "z = 1\n"}], 3, uri)
    assert editor.texts(uri, 1, 0) == [LINE]
    with WorkspaceIndex(root) as index:
        wait_for(lambda: index.definitions({"frobnicate"}, {"python"}) == [])
    editor.leave_in_peace()
