"""Fixtures for the language server: clients of a real process, and of a server in a thread with a scripted engine."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from dsassist.config import LoadedConfig
from dsassist_lsp.engines import EngineOpener, OpenEngine
from dsassist_lsp.server import create_server
from dsassist_runtime.api import Engine
from dsassist_runtime.client import stop_server
from lsp.client import LIMIT_S, LanguageClient, ProcessClient, Serve


@pytest.fixture(autouse=True)
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server reads its workspace in a process of its own, which few tests want."""
    monkeypatch.setenv("DSASSIST_COMPLETION_CONTEXT", "0")


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessClient]:
    """A client of `dsassist lsp`, not initialized yet; the model server that it starts is stopped at the end."""
    monkeypatch.setenv("DSASSIST_ENGINE_IDLE_TIMEOUT_S", "20")  # a net: the server leaves should we die before it
    client = ProcessClient(tmp_path)
    yield client
    client.close()
    stop_server()


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """`serve(engine, ...)` gives an initialized client of a server in a thread; `opened` takes what asks for an engine.

    Streams, protocol and handlers are the real ones.
    """
    monkeypatch.chdir(tmp_path)
    running: list[tuple[LanguageClient, threading.Thread, IO[bytes]]] = []

    def start(
        engine: Engine | None,
        *,
        options: object = None,
        capabilities: object = None,
        opened: list[LoadedConfig] | None = None,
        note: str | None = None,
        opener: EngineOpener | None = None,
    ) -> LanguageClient:
        def open_given(loaded: LoadedConfig, _on_loading: Callable[[float], None]) -> OpenEngine:
            if opened is not None:
                opened.append(loaded)
            assert engine is not None
            return OpenEngine(engine, "scripted", note)

        (server_in, client_out), (client_in, server_out) = os.pipe(), os.pipe()
        server, requests = create_server(opener or open_given), os.fdopen(server_in, "rb")
        thread = threading.Thread(target=server.start_io, args=(requests, os.fdopen(server_out, "wb")))
        thread.start()
        client = LanguageClient(os.fdopen(client_out, "wb"), os.fdopen(client_in, "rb"))
        running.append((client, thread, requests))
        client.initialize(capabilities, options, tmp_path)
        return client

    yield start
    for client, thread, requests in running:
        client.notify("exit")
        thread.join(LIMIT_S)
        assert not thread.is_alive(), "the server does not end"
        client.close()
        requests.close()
