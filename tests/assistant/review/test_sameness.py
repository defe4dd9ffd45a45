"""The same change, reviewed with the same model, gives the same report to the byte, whatever computes beside it."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from dsassist.answers.store import answers_path
from dsassist.cli import main
from dsassist_runtime.api import EngineSettings, InfillRequest
from dsassist_runtime.client import Client
from hook_repositories import git

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # a busy machine takes minutes over what takes seconds

ONE = """\
def append(self, items, item):
    for i in range(len(items) - 1):
        if items[i] is not None or item == None:
            self.items.append(items)
    return False
"""
OTHER = """\
def check(value, name):
    if value is not None:
        raise ValueError(name)
    return name
"""
REPORT = Path("report.json")


@pytest.fixture
def repository(tmp_path: Path, server: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two new files are staged; what the model thinks is told though there is little evidence for it."""
    git("init", "-q", cwd=tmp_path)
    (tmp_path / "one.py").write_text(ONE)
    (tmp_path / "other.py").write_text(OTHER)
    git("add", ".", cwd=tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DSASSIST_MODEL", "builtin")
    monkeypatch.setenv("DSASSIST_REVIEW_THRESHOLD_NATS", "1")
    monkeypatch.setenv("DSASSIST_REVIEW_MAX_FINDINGS", "1000")
    return tmp_path


def reviewed(*arguments: str) -> bytes:
    """The report of what is staged, without its time; both functions must have been reviewed."""
    assert (
        main(["review", "--staged", "--deadline", "500", "--format", "json", "--output", str(REPORT), *arguments]) == 0
    )
    report = REPORT.read_bytes()
    assert b'"functions": %d,' % (1 if arguments else 2) in report
    assert b'"not_reviewed": []' in report
    return re.sub(rb'"seconds": [0-9.]+', b"", report)


def forget() -> None:
    for path in answers_path().parent.glob(f"{answers_path().name}*"):
        path.unlink()


def fill_from(path: Path) -> None:
    """Let the store hold what the one at a path holds."""
    with closing(sqlite3.connect(path)) as kept, closing(sqlite3.connect(answers_path())) as store:
        kept.backup(store)


@contextmanager
def another_client(request: InfillRequest, n_threads: int, model: Path) -> Iterator[None]:
    """Somebody else writes in the same batches all the while."""
    done = threading.Event()

    def write() -> None:
        with closing(Client(EngineSettings(model, n_threads=n_threads))) as client:
            while not done.is_set():
                with client.infill(replace(request, priority="review")) as stream:
                    for _ in stream:
                        if done.is_set():
                            break

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_twenty_runs_on_one_and_two_threads_with_any_store_tell_the_same(
    repository: Path, endless: InfillRequest, builtin_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bytes] = []
    of_one_thread = repository / "one-thread.db"

    def half_full(name: str) -> None:
        forget()
        reviewed(name)

    def damaged() -> None:
        forget()
        answers_path().write_bytes(b"no database" * 1000)

    def filled_on_one_thread() -> None:
        forget()
        fill_from(of_one_thread)

    for n_threads in (1, 2):
        monkeypatch.setenv("DSASSIST_ENGINE_N_THREADS", str(n_threads))
        last = damaged if n_threads == 1 else filled_on_one_thread
        for prepare in (forget, partial(half_full, "one.py"), partial(half_full, "other.py"), last):
            prepare()
            told += [reviewed(), reviewed()]  # the store is full for the second
        if n_threads == 1:
            half_full("one.py")
            with closing(sqlite3.connect(answers_path())) as store, closing(sqlite3.connect(of_one_thread)) as kept:
                store.backup(kept)
        forget()
        with another_client(endless, n_threads, builtin_model):
            told.append(reviewed())
        told.append(reviewed())
    assert len(told) == 20
    assert told[0].count(b'"code": "DSA1') > 1
    assert set(told) == {told[0]}
