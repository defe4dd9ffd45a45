"""Which events of a watcher make a refresh."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from lsprotocol import types

from dsassist_lsp.watched_files import WatchedFiles

CREATED, CHANGED, DELETED = types.FileChangeType.Created, types.FileChangeType.Changed, types.FileChangeType.Deleted
ROOTS = [Path("/work/one"), Path("/work/two")]


def event(path: str, kind: types.FileChangeType = CHANGED) -> types.FileEvent:
    return types.FileEvent(Path(path).as_uri(), kind)


def refreshed(happens: Callable[[WatchedFiles], None]) -> list[Path]:
    """The roots that are refreshed once this has happened, and, so that there is an end, a change below `/end`."""

    async def watch() -> list[Path]:
        found: list[Path] = []
        over = asyncio.Event()

        def refresh(root: Path) -> None:
            if root == Path("/end"):
                over.set()
            else:
                found.append(root)

        watched = WatchedFiles(refresh)
        happens(watched)
        watched.changed([event("/end/a.py")], [Path("/end")])
        await over.wait()
        return found

    return asyncio.run(watch())


def test_many_events_make_one_refresh_of_each_root_that_they_concern() -> None:
    def happens(watched: WatchedFiles) -> None:
        for number in range(2_000):
            watched.changed([event(f"/work/one/m{number}.py"), event(f"/work/one/n{number}.py", CREATED)], ROOTS)

    assert refreshed(happens) == ROOTS[:1]


def test_files_outside_and_files_that_no_index_takes_make_none() -> None:
    files = ["/work/three/a.py", "/work/one/node_modules/a.js", "/work/one/.git/a.py", "/work/two/a.min.js"]
    assert refreshed(lambda watched: watched.changed([event(file) for file in files], ROOTS)) == []


def test_a_saved_file_makes_none_but_its_end_and_what_another_program_writes_do(tmp_path: Path) -> None:
    def saved(watched: WatchedFiles) -> None:
        watched.saved(Path("/work/one/a.py"))
        watched.changed([event("/work/one/a.py")], ROOTS)

    def deleted(watched: WatchedFiles) -> None:
        watched.saved(Path("/work/one/a.py"))
        watched.changed([event("/work/one/a.py", DELETED)], ROOTS)

    def rewritten(watched: WatchedFiles) -> None:
        file = tmp_path / "a.py"
        file.write_text("a = 1\n")
        watched.saved(file)
        watched.changed([event(str(file))], [tmp_path])
        os.utime(file, ns=(0, 1))
        watched.changed([event(str(file))], [tmp_path])
        watched.changed([event(str(file))], [])

    def other(watched: WatchedFiles) -> None:
        watched.saved(Path("/work/one/a.py"))
        watched.changed([event("/work/one/b.py")], ROOTS)

    assert refreshed(saved) == []
    assert refreshed(rewritten) == [tmp_path]
    assert refreshed(deleted) == refreshed(other) == ROOTS[:1]


def test_a_gitignore_concerns_its_root() -> None:
    assert refreshed(lambda watched: watched.changed([event("/work/two/lib/.gitignore")], ROOTS)) == ROOTS[1:]
