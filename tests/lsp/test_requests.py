"""Requests that nobody waits for any more, and that the engine takes long for."""

from __future__ import annotations

import threading

from dsassist_runtime.api import InfillRequest, TextStream
from dsassist_runtime.testing import ScriptedEngine
from lsp.client import URI, LanguageClient, Serve, wait_for

CANCELLED = -32800
LONG = "a = 1 + (" + "2 + " * 5000  # an open bracket: nothing but the engine ends it


def slow_engine() -> ScriptedEngine:
    """Writes for minutes, a piece each hundredth of a second."""
    return ScriptedEngine([LONG], piece_s=0.01)


class BlockedEngine(ScriptedEngine):
    """One whose server takes its time to start: `infill` returns only once `release` is set."""

    def __init__(self) -> None:
        super().__init__(["1"])
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()

    def infill(self, request: InfillRequest) -> TextStream:
        self.entered.release()
        assert self.release.wait(30)
        return super().infill(request)


def started(client: LanguageClient, engine: ScriptedEngine, uri: str = URI) -> int:
    """Ask for a completion and wait until the engine writes it."""
    n_streams = len(engine.streams)
    request_id = client.request_inline(0, 4, uri)
    wait_for(lambda: len(engine.streams) > n_streams)
    return request_id


def test_a_cancelled_request_is_answered_as_cancelled_and_stops_the_engine(serve: Serve) -> None:
    engine = slow_engine()
    client = serve(engine)
    client.open("x = ")
    request_id = started(client, engine)
    client.cancel(request_id)
    assert client.answer(request_id, 2)["error"]["code"] == CANCELLED
    assert engine.streams[0].closed.wait(2)


def test_a_newer_request_for_the_document_stops_the_older_which_answers_an_empty_list(serve: Serve) -> None:
    engine = slow_engine()
    client = serve(engine)
    client.open("x = ")
    older = started(client, engine)
    newer = started(client, engine)
    assert client.answer(older, 2)["result"] == []
    assert engine.streams[0].closed.is_set()
    assert newer not in client.answers
    assert not engine.streams[1].closed.is_set()


def test_requests_for_two_documents_do_not_stop_each_other(serve: Serve) -> None:
    engine = slow_engine()
    client = serve(engine)
    other = "file:///project/other.py"
    client.open("x = ")
    client.open("x = ", uri=other)
    started(client, engine)
    started(client, engine, other)
    assert [stream.closed.is_set() for stream in engine.streams] == [False, False]


def test_an_edit_stops_what_is_written_for_the_text_as_it_was(serve: Serve) -> None:
    engine = slow_engine()
    client = serve(engine)
    client.open("x = ")
    request_id = started(client, engine)
    client.change([{"text": "y = "}], version=2)
    assert client.answer(request_id, 2)["result"] == []
    assert engine.streams[0].closed.is_set()


def test_closing_the_document_stops_what_is_written_for_it(serve: Serve) -> None:
    engine = slow_engine()
    client = serve(engine)
    client.open("x = ")
    request_id = started(client, engine)
    client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    assert client.answer(request_id, 2)["result"] == []
    assert engine.streams[0].closed.is_set()


def test_a_request_is_cancelled_while_the_model_server_still_starts(serve: Serve) -> None:
    engine = BlockedEngine()
    client = serve(engine)
    client.open("x = ")
    request_id = client.request_inline(0, 4)
    assert engine.entered.acquire(timeout=10)
    client.cancel(request_id)
    assert client.answer(request_id, 2)["error"]["code"] == CANCELLED
    engine.release.set()
    wait_for(lambda: engine.streams and engine.streams[0].end is not None)
    assert client.inline(0, 4)[0]["insertText"] == "1"


def test_requests_that_wait_for_a_thread_are_answered_when_they_are_superseded(serve: Serve) -> None:
    """Each keystroke leaves a thread behind while the server starts; beyond eight, none is started for nothing."""
    engine = BlockedEngine()
    client = serve(engine)
    client.open("x = ")
    requests = [client.request_inline(0, 4) for _ in range(20)]
    assert [client.answer(request_id, 5)["result"] for request_id in requests[:-1]] == [[]] * 19
    engine.release.set()
    assert client.answer(requests[-1])["result"][0]["insertText"] == "1"
    assert len(engine.requests) <= 9


def test_shutdown_ends_a_request_in_flight_and_refuses_later_ones(serve: Serve) -> None:
    engine = slow_engine()
    client = serve(engine)
    client.open("x = ")
    request_id = started(client, engine)
    assert client.ask("shutdown") is None
    assert client.answer(request_id, 2)["error"]["code"] == CANCELLED
    assert engine.streams[0].closed.wait(2)
    assert client.answer(client.request_inline(0, 4), 2)["error"]["code"] == -32600


def test_a_cancel_for_an_unknown_or_answered_request_changes_nothing(serve: Serve) -> None:
    client = serve(ScriptedEngine(["1"]))
    client.open("x = ")
    done = client.request_inline(0, 4)
    client.answer(done)
    for request_id in (done, 4711, "no such"):
        client.cancel(request_id)
    assert client.inline(0, 4)[0]["insertText"] == "1"
    assert client.shown() == []
