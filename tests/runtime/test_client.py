"""The client against a real server: what each endpoint gives, and how long it is waited for."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from chat_model import write_chat_model
from chat_server import unix_chat_server
from dsassist_runtime.api import (
    ChatRequest,
    CompletionRequest,
    ContinuationsRequest,
    EngineSettings,
    EngineStatus,
    InfillRequest,
    ModelFacts,
    Sampling,
)
from dsassist_runtime.client import Client, server_health, server_status
from dsassist_runtime.errors import DeadlineExceeded, ModelUnsupported, ServerUnavailable
from dsassist_runtime.wire import from_wire
from frozen import frozen

pytestmark = pytest.mark.slow  # whole processes

GREEDY = Sampling(temperature=0.0)
SHORT = InfillRequest("def add(a, b):\n    return ", "\n", max_tokens=5, sampling=GREEDY)


@pytest.fixture
def client(server: Path, builtin_model: Path) -> Client:
    return Client(EngineSettings(builtin_model, n_threads=1), idle_timeout_s=60)


def frozen_engine() -> AbstractContextManager[int]:
    health = server_health()
    assert health is not None
    return frozen(health["engine_pid"])


def test_a_completion_goes_on_behind_its_prompt(client: Client) -> None:
    stream = client.complete(CompletionRequest(prompt="import ", max_tokens=4, sampling=GREEDY))
    text = "".join(stream)
    assert text
    assert stream.end is not None
    assert 0 < stream.end.completion_tokens <= 4
    again = client.complete(CompletionRequest(prompt="import ", max_tokens=4, sampling=GREEDY))
    assert "".join(again) == text
    assert again.end is not None
    assert again.end.cached_tokens > 0


def test_of_several_choices_the_first_is_read(client: Client) -> None:
    request = CompletionRequest(prompt="import ", max_tokens=4, sampling=GREEDY)
    assert "".join(client.complete(replace(request, n=3))) == "".join(client.complete(request))


def test_a_chat_is_answered_by_a_model_with_a_template(server: Path, builtin_model: Path, tmp_path: Path) -> None:
    request = ChatRequest(messages=[{"role": "user", "content": "hello"}], max_tokens=4, sampling=GREEDY)
    with pytest.raises(ModelUnsupported, match="chat template"):
        list(Client(EngineSettings(builtin_model), idle_timeout_s=60).chat(request))
    model = write_chat_model(builtin_model, tmp_path / "chat.gguf")
    stream = Client(EngineSettings(model), idle_timeout_s=60).chat(request)
    assert "".join(stream)
    assert stream.end is not None
    assert stream.end.prompt_tokens > 0


def test_a_begun_middle_is_continued_with_its_log_probabilities(client: Client) -> None:
    request = replace(SHORT, begun="a +", logprobs=0, ignore_eos=True)
    with client.infill(request) as stream:
        pieces = list(stream.pieces())
    text = "".join(piece.text for piece in pieces)
    told = [each for piece in pieces for each in piece.logprobs]
    assert "".join(client.infill(request)) == text, "the plain iteration has the same text"
    assert bytes(byte for each in told for byte in each.raw).decode().endswith(text)
    assert all(each.logprob <= 0 for each in told)
    assert stream.end is not None
    assert pieces[-1].completion_tokens == stream.end.completion_tokens


def test_reading_may_be_given_up_in_the_middle(client: Client, endless: InfillRequest) -> None:
    for read in (lambda stream: iter(stream), lambda stream: stream.pieces()):
        with client.infill(endless) as stream:
            next(read(stream))
        assert stream.end is not None
        assert stream.end.finish_reason == "cancelled"


def test_continuations_are_scored_in_their_order(client: Client) -> None:
    likely, unlikely = "    return a + b\n", "\x00\x01\x02 )))\n"
    prefix = "def add(a, b):\n"
    scores = client.continuations(ContinuationsRequest(prefix, (likely, unlikely)))
    assert [len(score.logprobs) for score in scores] == [len(score.tokens) for score in scores]
    assert sum(scores[0].logprobs) / len(scores[0].tokens) > sum(scores[1].logprobs) / len(scores[1].tokens)
    turned = client.continuations(ContinuationsRequest(prefix, (unlikely, likely)))
    assert [score.tokens for score in turned] == [scores[1].tokens, scores[0].tokens]


def test_the_status_is_that_of_server_engine_and_model(client: Client, builtin_model: Path) -> None:
    assert server_status() is None
    facts = client.facts()
    status = server_status()
    assert status is not None
    assert from_wire(ModelFacts, status["model"]) == facts
    assert from_wire(EngineStatus, status["engine"]).n_threads_limit == 1
    assert status["server"]["pid"] == (server_health() or {})["pid"]


def test_an_engine_that_says_nothing_is_given_up(client: Client) -> None:
    """A frozen engine held `dsassist complete` for ever."""
    client.facts()
    with frozen_engine(), pytest.raises(DeadlineExceeded, match=r"no answer from the model within 0\.3 s"):
        list(client.infill(SHORT, timeout_s=0.3))


def test_an_engine_that_falls_silent_is_given_up(client: Client, endless: InfillRequest) -> None:
    client.facts()
    stream = client.infill(endless, timeout_s=2.0)
    pieces = iter(stream)
    next(pieces)
    with frozen_engine(), pytest.raises(DeadlineExceeded, match="within 2 s"):
        list(pieces)
    assert stream.end is None


def test_a_text_may_take_longer_than_the_silence_that_is_borne(client: Client, endless: InfillRequest) -> None:
    client.facts()
    stream = client.infill(endless, timeout_s=2.0)
    pieces = iter(stream)
    for _ in range(2):
        next(pieces)
        with frozen_engine():
            time.sleep(1.1)
    next(pieces)
    stream.close()
    assert stream.end is not None
    assert stream.end.total_ms > 2000


def test_continuations_are_waited_for_no_longer_than_told(client: Client) -> None:
    client.facts()
    with frozen_engine(), pytest.raises(DeadlineExceeded, match=r"within 0\.3 s"):
        client.continuations(ContinuationsRequest("x", ("y",)), timeout_s=0.3)


def test_a_server_that_does_not_answer_is_told_from_none(client: Client) -> None:
    client.facts()
    health = server_health()
    assert health is not None
    with frozen(health["pid"]), pytest.raises(ServerUnavailable, match="the dsassist server does not answer"):
        server_status()


def test_a_server_that_knows_no_status_is_told(server: Path) -> None:
    with (
        unix_chat_server(server / "server.sock", lambda handler: handler.answer({}, 404)),
        pytest.raises(ServerUnavailable, match="answers GET /status with HTTP 404, as one of another version does"),
    ):
        server_status()
