"""The workspace's index as a client sees it: progress, log, and what it is kept up with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsassist.index.database import path_of, writer_lock
from dsassist.index.workspace import WorkspaceIndex
from lsp.client import LIMIT_S, ProcessClient, wait_for

pytestmark = pytest.mark.slow  # whole processes

SHOWS_PROGRESS = {"window": {"workDoneProgress": True}}
CREATE = "window/workDoneProgress/create"
WATCHES_FILES = {"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}}}
REGISTER = "client/registerCapability"
CREATED, CHANGED, DELETED = 1, 2, 3  # LSP's FileChangeType


class WatchingClient(ProcessClient):
    """Answers `window/workDoneProgress/create` and registrations with `reply`; `created` keeps the former's tokens,
    `registered` the latter."""

    def __init__(self, root: Path, reply: dict[str, Any]) -> None:
        self.created: list[str] = []
        self.registered: list[dict[str, Any]] = []
        self._reply = reply
        super().__init__(root, [sys.executable, "-m", "lsp.scripted_server", "1\n"])

    def progress(self) -> list[tuple[str, dict[str, Any]]]:
        """Token and value of each progress message so far."""
        self.shown()
        return [(params["token"], params["value"]) for method, params in self.notifications if method == "$/progress"]

    def tell_of(self, kind: int, *files: Path) -> None:
        """Files have changed, as an editor's watcher tells."""
        changes = [{"uri": file.as_uri(), "type": kind} for file in files]
        self.notify("workspace/didChangeWatchedFiles", {"changes": changes})

    def n_refreshes(self) -> int:
        """How often the index was brought up to date so far."""
        return sum("the index of" in line for line in self.logged())

    def _take(self, message: dict[str, Any] | None) -> None:
        if message is not None and message.get("method") == CREATE:
            self.created.append(message["params"]["token"])
            self.send(id=message["id"], **self._reply)
        elif message is not None and message.get("method") == REGISTER:
            self.registered += message["params"]["registrations"]
            self.send(id=message["id"], **self._reply)
        else:
            super()._take(message)


Watch = Callable[..., WatchingClient]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DSASSIST_COMPLETION_CONTEXT")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    root = tmp_path / "work"
    root.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    for name in ("shop", "stall", "market"):
        (root / f"{name}.py").write_text(f"def {name}(price):\n    return price\n")
    return root


@pytest.fixture
def watch(root: Path) -> Iterator[Watch]:
    running: list[WatchingClient] = []

    def start(capabilities: Any, reply: dict[str, Any] | None = None, options: Any = None) -> WatchingClient:
        client = WatchingClient(root, reply or {"result": None})
        running.append(client)
        client.initialize(capabilities, options, root)
        return client

    yield start
    for client in running:
        client.close()


def leave(client: WatchingClient) -> None:
    assert client.leave() == 0
    assert client.has_ended()
    assert client.stderr() == ""


def test_a_client_that_shows_progress_sees_the_workspace_being_read(watch: Watch) -> None:
    client = watch(SHOWS_PROGRESS)
    client.wait_logged("has 3 files and 3 symbols")
    [token] = client.created
    assert {each for each, _ in client.progress()} == {token}
    first, *more, last = [value for _, value in client.progress()]
    assert first == {
        "kind": "begin",
        "title": "dsassist: reading the workspace",
        "message": "work: 0 of 3 files",
        "percentage": 0,
    }
    assert more[-1] == {"kind": "report", "message": "work: 3 of 3 files", "percentage": 100}
    assert last == {"kind": "end"}
    leave(client)


def test_a_client_that_shows_no_progress_is_sent_none(watch: Watch) -> None:
    client = watch({"window": {"workDoneProgress": False}})
    client.wait_logged("has 3 files and 3 symbols")
    assert (client.created, client.progress()) == ([], [])
    leave(client)


def test_where_nothing_has_changed_there_is_no_progress_to_show(root: Path, watch: Watch) -> None:
    for name in ("shop", "stall", "market"):
        os.utime(root / f"{name}.py", (1_700_000_000, 1_700_000_000))  # young files are looked at again
    with WorkspaceIndex(root) as index:
        index.refresh()
    client = watch(SHOWS_PROGRESS)
    client.wait_logged("has 3 files and 3 symbols")
    assert (client.created, client.progress()) == ([], [])


def test_a_client_that_refuses_the_progress_has_its_index_all_the_same(watch: Watch) -> None:
    """The refusal once ended as a traceback on standard error."""
    client = watch(SHOWS_PROGRESS, {"error": {"code": -32603, "message": "no such window"}})
    client.wait_logged("has 3 files and 3 symbols")
    leave(client)


@pytest.mark.parametrize("options", [{"completion": {"context": False}}, {"completion": {"enabled": False}}])
def test_without_context_or_completion_no_index_is_built_or_kept_up(root: Path, watch: Watch, options: Any) -> None:
    client = watch(SHOWS_PROGRESS, options=options)
    client.notify("textDocument/didSave", {"textDocument": {"uri": (root / "shop.py").as_uri()}})
    client.ask("workspace/executeCommand", {"command": "dsassist.status"})
    leave(client)
    assert not path_of(root).exists()


def test_context_that_is_switched_on_later_and_a_folder_that_is_added_have_an_index(
    root: Path, watch: Watch, tmp_path: Path
) -> None:
    client = watch(SHOWS_PROGRESS, options={"completion": {"context": False}})
    client.notify("workspace/didChangeConfiguration", {"settings": {"dsassist": {"completion": {"context": True}}}})
    client.wait_logged(f"the index of {root} has 3 files")
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=other, check=True)
    (other / "kiosk.py").write_text("def kiosk(price):\n    return price\n")
    folder = {"uri": other.as_uri(), "name": "other"}
    client.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": [folder], "removed": []}})
    client.wait_logged(f"the index of {other} has 1 file")
    assert client.n_refreshes() == 2
    leave(client)


def test_another_process_that_builds_the_index_is_no_reason_to_complain_to_the_user(root: Path, watch: Watch) -> None:
    with WorkspaceIndex(root), writer_lock(path_of(root)):
        client = watch(SHOWS_PROGRESS)
        client.wait_logged("another process is building the index")
        assert client.shown() == []
        leave(client)


def test_a_saved_file_is_in_the_index_though_nothing_was_completed_yet(root: Path, watch: Watch) -> None:
    """The index was once opened by the first completion only, and what was saved before that was lost."""
    client = watch(SHOWS_PROGRESS)
    client.wait_logged("has 3 files")
    (root / "shop.py").write_text("def bazaar(price):\n    return price\n")
    client.notify("textDocument/didSave", {"textDocument": {"uri": (root / "shop.py").as_uri()}})
    with WorkspaceIndex(root) as index:
        wait_for(lambda: index.definitions({"bazaar"}, {"python"}), LIMIT_S)
        assert index.definitions({"shop"}, {"python"}) == []
    leave(client)


def test_an_index_that_is_damaged_in_a_running_session_is_full_again_in_it(root: Path, watch: Watch) -> None:
    """It was once put aside, said to be built again, and stayed empty until the next start."""
    client = watch({})
    client.wait_logged("has 3 files")
    save = {"textDocument": {"uri": (root / "shop.py").as_uri()}}
    (root / "shop.py").write_text("def bazaar(price):\n    return price\n")
    client.notify("textDocument/didSave", save)
    with WorkspaceIndex(root) as index:
        wait_for(lambda: index.definitions({"bazaar"}, {"python"}), LIMIT_S)
        index._writer.execute("INSERT INTO facts VALUES ('seen', '1')")  # so that nobody goes by what it has read
        index._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = index.path.read_bytes()
    with index.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (len(content) - 4096))
    client.notify("textDocument/didSave", save)
    client.wait_logged("was damaged")
    wait_for(lambda: client.n_refreshes() == 2, LIMIT_S)
    with WorkspaceIndex(root) as index:
        assert index.counts().files == 3
        assert len(index.definitions({"bazaar", "stall", "market"}, {"python"})) == 3
    leave(client)


def test_a_server_that_ends_takes_the_process_that_builds_along(root: Path, watch: Watch) -> None:
    for number in range(3_000):
        (root / f"m{number}.py").write_text(f"def name_{number}(a):\n    return a + {number}\n")
    client = watch(SHOWS_PROGRESS)
    wait_for(lambda: client.progress(), LIMIT_S)
    leave(client)
    with WorkspaceIndex(root), writer_lock(path_of(root)) as is_free:
        assert is_free


def test_a_client_that_can_watch_files_is_asked_to(watch: Watch) -> None:
    client = watch(WATCHES_FILES)
    client.wait_logged("has 3 files")
    [registration] = client.registered
    assert registration["method"] == "workspace/didChangeWatchedFiles"
    source, ignored = [each["globPattern"] for each in registration["registerOptions"]["watchers"]]
    assert source.startswith("**/*.{")
    assert {"py", "go", "ts"} <= set(source.removeprefix("**/*.{").removesuffix("}").split(","))
    assert ignored == "**/.gitignore"
    leave(client)


@pytest.mark.parametrize("capabilities", [{}, {"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": False}}}])
def test_one_that_cannot_is_not(watch: Watch, capabilities: Any) -> None:
    client = watch(capabilities)
    client.wait_logged("has 3 files")
    assert client.registered == []
    leave(client)


def test_a_client_that_refuses_to_watch_is_served_all_the_same(watch: Watch) -> None:
    client = watch(WATCHES_FILES, {"error": {"code": -32803, "message": "too many files"}})
    client.wait_logged("has 3 files")
    assert len(client.registered) == 1
    leave(client)


def test_what_changes_outside_the_editor_comes_into_the_index_in_one_refresh(root: Path, watch: Watch) -> None:
    client = watch(WATCHES_FILES | SHOWS_PROGRESS)
    client.wait_logged("has 3 files")
    n_shown = len(client.progress())
    (root / "shop.py").write_text("def bazaar(price):\n    return price\n")
    (root / "stall.py").unlink()
    new = [root / f"m{number}.py" for number in range(1_500)]
    for file in new[:20]:
        file.write_text("def kiosk(price):\n    return price\n")
    for file in new:  # of most of them only events are left: another checkout came
        client.tell_of(CREATED, file)
    client.tell_of(CHANGED, root / "shop.py", *new)
    client.tell_of(DELETED, root / "stall.py")
    client.wait_logged("has 22 files")
    with WorkspaceIndex(root) as index:
        assert index.definitions({"bazaar"}, {"python"})
        assert index.definitions({"shop", "stall"}, {"python"}) == []
    assert client.n_refreshes() == 2
    assert len(client.progress()) == n_shown
    leave(client)


def test_a_changed_gitignore_takes_files_out(root: Path, watch: Watch) -> None:
    client = watch(WATCHES_FILES)
    client.wait_logged("has 3 files")
    (root / ".gitignore").write_text("shop.py\nmarket.py\n.gitignore\n")
    client.tell_of(CREATED, root / ".gitignore")
    client.wait_logged("has 1 files")
    leave(client)
