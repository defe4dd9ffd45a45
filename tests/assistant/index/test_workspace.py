"""The index of real workspaces: kept up with files, asked, damaged, and used from two processes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsassist.git import below_root
from dsassist.index.background import BackgroundRefresh, RefreshEnd
from dsassist.index.chunks import Chunk
from dsassist.index.database import IndexUnavailable, path_of, writer_lock
from dsassist.index.entry import chunk_words
from dsassist.index.files import may_be_indexed
from dsassist.index.workspace import IndexBusy, WorkspaceIndex

LIMIT_S = 60.0
SHOP = (
    '"""A shop."""\n\nclass Shop:\n    """Sells things."""\n\n    def sell(self, what: str) -> int:\n        return 1\n'
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    (root / "pkg").mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    (root / "pkg" / "shop.py").write_text(SHOP)
    (root / "main.py").write_text(
        "from pkg.shop import Shop\n\ndef frobnicate(shop: Shop) -> None:\n    shop.sell('x')\n"
    )
    return root


def content(index: WorkspaceIndex) -> dict[str, object]:
    """All that an index says, in an order of its own."""
    with sqlite3.connect(index.path) as db:
        files = db.execute(
            "SELECT path, module, language, size, hash, refusal, text FROM files ORDER BY path"
        ).fetchall()
        symbols = db.execute(
            "SELECT path, name, kind, container, signature, doc, start_line, end_line FROM symbols"
            " JOIN files ON files.id = file ORDER BY path, start_line, name, signature"
        ).fetchall()
        words = db.execute("SELECT term, doc, cnt FROM word_counts ORDER BY term").fetchall()
        found = {
            term: sorted(
                db.execute(
                    "SELECT path, start_line, end_line FROM chunk_words JOIN chunks ON chunks.id = chunk_words.rowid"
                    " JOIN files ON files.id = file WHERE chunk_words MATCH ?",
                    (f'"{term}"',),
                ).fetchall()
            )
            for term, _, _ in words
        }
    db.close()
    return {"files": files, "symbols": symbols, "words": words, "found": found}


def test_definitions_are_found_by_name_and_by_file(root: Path) -> None:
    with WorkspaceIndex(root) as index:
        done = index.refresh()
        assert (done.files, done.stored, done.complete) == (2, 2, True)
        (shop,) = index.definitions({"Shop"}, {"python"})
        assert (shop.path, shop.symbol.doc, shop.symbol.signature) == ("pkg/shop.py", "Sells things.", "class Shop")
        assert [each.symbol.name for each in index.symbols_in({"pkg/shop.py"})] == ["Shop", "sell"]
        assert index.definitions({"Shop"}, {"go"}) == []
        assert index.modules({"shop"}) == {"shop": ["pkg/shop.py"]}
        assert index.text_of("pkg/shop.py") == SHOP


def test_chunks_are_found_by_their_rare_words(root: Path) -> None:
    with WorkspaceIndex(root) as index:
        index.refresh()
        (found,) = index.similar(["frobnicate", "nowhere"], {"python"}, 5)
        assert (found.path, found.line) == ("main.py", 1)
        assert "def frobnicate" in found.text
        assert index.similar(["nowhere"], {"python"}, 5) == []
        assert index.similar(["frobnicate"], {"go"}, 5) == []


def test_a_second_look_changes_nothing(root: Path) -> None:
    with WorkspaceIndex(root) as index:
        index.refresh()
        before = content(index)
        assert (index.refresh().stored, index.refresh().removed) == (0, 0)
        assert content(index) == before


def test_a_change_of_the_same_size_within_the_clocks_grain_is_seen(root: Path) -> None:
    with WorkspaceIndex(root) as index:
        index.refresh()
        found = (root / "main.py").stat()
        (root / "main.py").write_text((root / "main.py").read_text().replace("frobnicate", "frobnicabe"))
        os.utime(root / "main.py", ns=(found.st_atime_ns, found.st_mtime_ns))
        assert index.refresh().stored == 1
        assert index.definitions({"frobnicabe"}, {"python"})


def test_a_saved_and_a_deleted_file_are_taken_over_by_themselves(root: Path) -> None:
    with WorkspaceIndex(root) as index:
        index.refresh()
        (root / "new.py").write_text("def newcomer(): ...\n")
        assert index.update_file("new.py")
        assert index.definitions({"newcomer"}, {"python"})
        (root / "new.py").unlink()
        assert index.update_file("new.py")
        assert not index.definitions({"newcomer"}, {"python"})


def test_a_file_outside_of_the_workspace_is_none_of_its_files(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("def stranger(): ...\n")
    with WorkspaceIndex(root) as index:
        assert not index.update_file(tmp_path / "other.py")
        assert not index.update_file("../other.py")
        assert index.counts().files == 0


def test_a_saved_file_that_git_ignores_or_that_lies_behind_a_link_is_not_taken_over(root: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    (root / ".gitignore").write_text("local.py\n")
    (root / "local.py").write_text("def local(): ...\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "there.py").write_text("def there(): ...\n")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "pkg").mkdir(exist_ok=True)
    (root / "pkg" / "inside.py").write_text("def inside(): ...\n")
    (root / "alias").symlink_to("pkg")
    with WorkspaceIndex(root) as index:
        index.update_file("local.py")
        assert index.text_of("local.py") is None
        assert not index.update_file(root / "link" / "there.py")
        assert index.update_file(root / "alias" / "inside.py")
        assert index.text_of("pkg/inside.py") is not None
        assert index.text_of("alias/inside.py") is None


def test_the_home_directory_is_no_workspace() -> None:
    assert not may_be_indexed(Path(os.path.realpath(Path.home())))
    assert not may_be_indexed(Path("/"))
    assert may_be_indexed(Path(os.path.realpath(Path.home())) / "work")


def test_secrets_are_not_in_the_index(root: Path) -> None:
    secret = "tr0ub4dor&3"
    (root / "db.py").write_text(f'password = "{secret}"\n')
    (root / ".env").write_text(f"X={secret}\n")
    with WorkspaceIndex(root) as index:
        index.refresh()
        assert index.text_of("db.py") == 'password = "..."\n'
        assert [each.symbol.signature for each in index.symbols_in({"db.py"})] == ['password = "..."']
        index.update_file(".env")
        assert index.text_of(".env") is None


def test_a_refresh_that_is_cancelled_keeps_what_is_done_and_removes_nothing(root: Path) -> None:
    with WorkspaceIndex(root) as index:
        index.refresh()
        (root / "main.py").unlink()
        assert not index.refresh(is_cancelled=lambda: True).complete
        assert index.definitions({"frobnicate"}, {"python"})
        assert index.refresh().removed == 1


def test_progress_counts_the_files_that_changed(root: Path) -> None:
    told: list[tuple[int, int]] = []
    with WorkspaceIndex(root) as index:
        index.refresh(lambda done, total: told.append((done, total)))
        assert told == [(0, 2), (2, 2)]


def test_a_database_of_another_version_is_built_again(root: Path) -> None:
    with WorkspaceIndex(root) as index:
        index.refresh()
        before = content(index)
    with sqlite3.connect(index.path) as db:
        db.execute("PRAGMA user_version = 9999")
    db.close()
    with WorkspaceIndex(root) as index:
        assert index.counts().files == 0
        index.refresh()
        assert content(index) == before


def test_a_file_that_is_no_database_is_put_aside_and_told(root: Path) -> None:
    with WorkspaceIndex(root) as index:
        index.refresh()
    index.path.write_bytes(b"this is no database, and long enough to be one" * 100)
    told: list[str] = []
    with WorkspaceIndex(root, on_trouble=told.append) as index:
        index.refresh()
        assert index.definitions({"Shop"}, {"python"})
    assert len(told) == 1
    assert "was damaged" in told[0]
    assert list(index.path.parent.glob("*.corrupt-*"))


def test_damage_that_shows_while_it_is_used_is_mended_too(root: Path) -> None:
    told: list[str] = []
    with WorkspaceIndex(root, on_trouble=told.append) as index:
        (root / "long.py").write_text("".join(f"def name_{i}_of_it(a{i}): ...\n" for i in range(3000)))
        index.refresh()
        damage(index)
        with WorkspaceIndex(root, on_trouble=told.append) as fresh:
            fresh.definitions({"name_7_of_it"}, {"python"})
            fresh.similar(["name_7_of_it"], {"python"}, 5)
            assert told
            fresh.refresh()
            assert fresh.definitions({"name_7_of_it"}, {"python"})


def damage(index: WorkspaceIndex) -> None:
    """Overwrite all of the database but its head, under the index that has it open."""
    index._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = index.path.stat().st_size
    with index.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def test_who_opened_the_index_is_told_once_that_damage_has_emptied_it(root: Path) -> None:
    emptied: list[str] = []
    with WorkspaceIndex(root) as index:
        index.refresh()
        damage(index)
    with WorkspaceIndex(root, lambda _trouble: None, lambda: emptied.append("")) as index:
        index.similar(["shop"], {"python"}, 5)
        index.definitions({"Shop"}, {"python"})
        assert emptied == [""]
        assert index.counts().files == 0


def test_an_index_that_another_process_has_built_anew_is_followed_not_put_aside(root: Path) -> None:
    """The one that met the damage second once put the first one's new index aside."""
    told: list[str] = []
    with WorkspaceIndex(root, told.append) as late, WorkspaceIndex(root, told.append) as early:
        late.refresh()
        damage(late)
        early.similar(["shop"], {"python"}, 5)
        early.refresh()
        late.similar(["shop"], {"python"}, 5)  # meets the damage of the file that it still has
        assert len(told) == 1
        assert late.definitions({"Shop"}, {"python"})
        assert early.definitions({"Shop"}, {"python"})
    assert len(list(late.path.parent.glob("*.corrupt-*"))) == 1


def test_a_new_file_in_the_indexs_place_is_taken_when_the_old_one_is_sound(root: Path) -> None:
    with WorkspaceIndex(root) as index:
        with WorkspaceIndex(root) as other:
            other.forget()
        with WorkspaceIndex(root) as other:
            other.refresh()
        assert not index.definitions({"Shop"}, {"python"})
        index.follow()
        assert index.definitions({"Shop"}, {"python"})


def replace_database(index: WorkspaceIndex, content: bytes) -> None:
    """Put another file at the index's place, as a process does that begins anew."""
    for ending in ("", "-wal", "-shm"):
        index.path.with_name(index.path.name + ending).unlink(missing_ok=True)
    index.path.write_bytes(content)


def test_a_damaged_file_in_the_indexs_place_is_put_aside_and_begun_anew(root: Path) -> None:
    """The connections were closed first: every later question had no answer, and none was built again."""
    told: list[str] = []
    emptied: list[str] = []
    with WorkspaceIndex(root, told.append, lambda: emptied.append("")) as index:
        index.refresh()
        replace_database(index, b"this is no database, and long enough to be one" * 100)
        index.follow()
        assert emptied == [""]
        assert "was damaged" in told[0]
        index.refresh()
        assert index.definitions({"Shop"}, {"python"})
    with WorkspaceIndex(root) as index:
        assert index.definitions({"Shop"}, {"python"})


@pytest.mark.slow  # SQLite waits 5 s for a lock
def test_where_the_new_file_cannot_be_opened_the_old_one_answers_and_it_is_told_once(root: Path) -> None:
    told: list[str] = []
    with WorkspaceIndex(root, told.append) as index:
        index.refresh()
        replace_database(index, b"")
        with sqlite3.connect(index.path) as busy:
            busy.execute("BEGIN EXCLUSIVE")
            for _ in range(2):
                index.follow()
                assert index.definitions({"Shop"}, {"python"})
            busy.rollback()
        busy.close()
        assert len(told) == 1
        assert "cannot be opened again" in told[0]
        index.follow()
        assert not index.definitions({"Shop"}, {"python"}), "the new one is empty"
        index.refresh()
        assert index.definitions({"Shop"}, {"python"})
    assert len(told) == 1


def test_a_read_only_workspace_has_an_index(root: Path) -> None:
    for path in (root / "pkg", root):
        path.chmod(0o555)
    try:
        with WorkspaceIndex(root) as index:
            index.refresh()
            assert index.counts().files == 2
    finally:
        for path in (root, root / "pkg"):
            path.chmod(0o755)


def test_where_nothing_can_be_written_there_is_a_clear_error(
    root: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (isolated / "file").write_text("")
    monkeypatch.setenv("DSASSIST_HOME", str(isolated / "file"))
    with pytest.raises(IndexUnavailable, match="no index of the workspace: cannot write to"):
        WorkspaceIndex(root)


def test_only_one_process_builds_and_the_other_reads_on(root: Path) -> None:
    with WorkspaceIndex(root) as index:
        index.refresh()
        program = (
            "import sys; from pathlib import Path; from dsassist.index.database import path_of, writer_lock\n"
            "with writer_lock(path_of(Path(sys.argv[1]))) as ours: print(ours, flush=True); sys.stdin.read()\n"
        )
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        other = subprocess.Popen(
            [sys.executable, "-c", program, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        with other:
            assert other.stdout is not None
            assert other.stdin is not None
            assert other.stdout.readline() == b"True\n"
            with pytest.raises(IndexBusy, match="another process is building the index"):
                index.refresh()
            assert index.definitions({"Shop"}, {"python"})
            (root / "main.py").write_text("def written_beside(): ...\n")
            assert index.update_file("main.py")
            assert index.definitions({"written_beside"}, {"python"})
            other.stdin.close()
            other.wait(LIMIT_S)
        assert index.refresh().complete
        with writer_lock(index.path) as ours:
            assert ours


def test_a_closed_index_has_no_answers_and_no_errors(root: Path) -> None:
    index = WorkspaceIndex(root)
    index.refresh()
    index.close()
    index.close()
    assert index.definitions({"Shop"}, {"python"}) == []
    assert index.similar(["shop"], {"python"}, 3) == []
    assert not index.update_file("main.py")


def test_threads_may_ask_and_write_at_once(root: Path) -> None:
    with WorkspaceIndex(root) as index:
        index.refresh()
        failures: list[BaseException] = []

        def work(n: int) -> None:
            try:
                for i in range(10):
                    (root / f"t{n}.py").write_text(f"def name_{n}_{i}(): ...\n")
                    assert index.update_file(f"t{n}.py")
                    assert index.definitions({"Shop"}, {"python"})
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT_S)
        assert not failures
        assert index.counts().files == 6


def test_a_process_of_its_own_builds_the_index(root: Path) -> None:
    told: list[tuple[int, int]] = []
    ends: list[RefreshEnd] = []
    refresh = BackgroundRefresh(root, lambda done, total: told.append((done, total)), ends.append)
    assert refresh.join(LIMIT_S)
    assert ends == [RefreshEnd(files=2, symbols=3, stored=2, complete=True)]
    assert told[-1] == (2, 2)
    with WorkspaceIndex(root) as index:
        assert index.definitions({"Shop"}, {"python"})


def test_a_background_refresh_that_is_cancelled_ends_and_says_so(root: Path) -> None:
    ends: list[RefreshEnd] = []
    refresh = BackgroundRefresh(root, lambda _done, _total: None, ends.append)
    refresh.cancel()
    assert refresh.join(LIMIT_S)
    assert [(end.complete, end.error) for end in ends] == [(False, "")]


def test_a_background_refresh_says_why_it_cannot(root: Path) -> None:
    ends: list[RefreshEnd] = []
    with WorkspaceIndex(root), writer_lock(path_of(root)):
        assert BackgroundRefresh(root, lambda _done, _total: None, ends.append).join(LIMIT_S)
    assert "another process is building the index" in ends[0].error


NAMES = ["a.py", "b.py", "pkg/c.py", "pkg/d.go", "e.txt", ".env"]
TEXTS = [
    SHOP,
    "def alpha_beta(): ...\n",
    "def alpha_beta(): ...\n" * 40,
    "package main\n\nfunc Gamma(x int) {}\n",
    'password = "tr0ub4dor&3"\n',
    "x\0y",
    "# DO NOT EDIT\n",
    "",
    "ä = 1\r\nzwei = drei_vier()\r\n",
]
EDITS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES), st.sampled_from(TEXTS)),
    st.tuples(st.just("delete"), st.sampled_from(NAMES), st.just("")),
    st.tuples(st.just("refresh"), st.just(""), st.just("")),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(EDITS, max_size=12))
def test_an_index_that_was_kept_up_equals_one_that_is_built_anew(edits: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with WorkspaceIndex(root) as index:
            for kind, name, text in edits:
                file = root / name
                if kind == "write":
                    file.parent.mkdir(exist_ok=True)
                    file.write_bytes(text.encode())
                    index.update_file(name)
                elif kind == "delete":
                    file.unlink(missing_ok=True)
                else:
                    index.refresh()
            index.refresh()
            kept_up = content(index)
            index.forget()
        assert not index.path.exists()
        with WorkspaceIndex(root) as index:
            index.refresh()
            assert content(index) == kept_up
            index.forget()


def test_the_words_of_a_chunk_are_those_of_its_lines() -> None:
    assert chunk_words(["alpha", "beta gamma", "delta"], Chunk(2, 2)) == "beta gamma"


def test_a_path_that_cannot_be_is_below_no_root(root: Path) -> None:
    assert below_root(root, root / "a\0b" / "c.py") is None
    assert below_root(root, root / "pkg" / "c.py") == "pkg/c.py"
