"""A greedy question is answered once for each model; what is drawn, or was broken off, is asked again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dsassist.answers.chats import RememberingChat, remembering_chat
from dsassist.answers.store import AnswerStore
from dsassist.chat_actions.outcome import chat_request
from dsassist.engine import RemoteModel
from dsassist_runtime.api import ChatRequest, GenerationEnd, Sampling
from dsassist_runtime.models.store import ResolvedModel
from dsassist_runtime.testing import ScriptedStream
from scripted_chat import ScriptedChat

REQUEST = chat_request("You explain code.", "def f(): ...", 100)


@pytest.fixture
def store(tmp_path: Path) -> AnswerStore:
    return AnswerStore(tmp_path / "answers.db")


def said(chat: RememberingChat, request: ChatRequest = REQUEST) -> tuple[str, str]:
    """The answer, and how it ended."""
    with chat.chat(request) as stream:
        text = "".join(stream)
        assert stream.end is not None
        return text, stream.end.finish_reason


def test_the_second_time_the_model_is_not_asked(store: AnswerStore) -> None:
    first, second = ScriptedChat("It does nothing, at length."), ScriptedChat(AssertionError("asked again"))
    assert said(RememberingChat(first, store, "m")) == ("It does nothing, at length.", "stop")
    hurried = replace(REQUEST, priority="review", deadline_ms=100.0)
    for request in (REQUEST, hurried):
        assert said(RememberingChat(second, store, "m"), request) == ("It does nothing, at length.", "stop")
    assert len(first.asked) == 1


@pytest.mark.parametrize(
    "other",
    [
        lambda request: replace(request, messages=[*request.messages, {"role": "user", "content": "Why?"}]),
        lambda request: replace(request, max_tokens=99),
        lambda request: replace(request, sampling=Sampling(temperature=0.0, json_schema={"type": "string"})),
        lambda request: replace(request, template_arguments={"enable_thinking": True}),
    ],
)
def test_another_question_is_another_one(store: AnswerStore, other: Callable[[ChatRequest], ChatRequest]) -> None:
    said(RememberingChat(ScriptedChat("one"), store, "m"))
    assert said(RememberingChat(ScriptedChat("two"), store, "m"), other(REQUEST))[0] == "two"
    assert said(RememberingChat(ScriptedChat("three"), store, "another model"))[0] == "three"


@pytest.mark.parametrize("how", [{"sampling": Sampling(temperature=0.3)}, {"n": 2}, {"logprobs": 1}, {"predict_ms": 9}])
def test_what_is_drawn_or_measured_is_asked_each_time(store: AnswerStore, how: dict[str, object]) -> None:
    engine = ScriptedChat("one")
    for _ in range(2):
        said(RememberingChat(engine, store, "m"), replace(REQUEST, **how))  # type: ignore[arg-type]
    assert len(engine.asked) == 2


def test_an_answer_that_was_broken_off_is_not_kept(store: AnswerStore) -> None:
    chat = RememberingChat(ScriptedChat("It does nothing, at length."), store, "m")
    with chat.chat(REQUEST) as stream:
        read = iter(stream)
        assert next(read) == "It d"
        stream.close()
        assert list(read) == []
    with chat.chat(REQUEST) as stream:
        assert next(iter(stream)) == "It d"
        "".join(stream)  # what is read of it now is not the whole
    assert said(RememberingChat(ScriptedChat("Now whole."), store, "m"))[0] == "Now whole."


def test_an_answer_that_a_limit_cut_is_not_kept(store: AnswerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(ScriptedStream, "end", GenerationEnd("length", 10, 0, 7, 1.0, 2.0))
        assert said(RememberingChat(ScriptedChat("It does"), store, "m")) == ("It does", "length")
    assert said(RememberingChat(ScriptedChat("Now whole."), store, "m"))[0] == "Now whole."


def test_a_known_answer_can_be_closed_before_it_is_read(store: AnswerStore) -> None:
    chat = RememberingChat(ScriptedChat("one"), store, "m")
    said(chat)
    with chat.chat(REQUEST) as stream:
        stream.close()
        assert list(stream) == []
        assert stream.end is not None
        assert stream.end.finish_reason == "cancelled"


def test_only_of_a_model_on_this_machine(tmp_path: Path) -> None:
    engine = ScriptedChat("one")
    assert remembering_chat(engine, RemoteModel("http://localhost:1/v1", "remote")) is engine
    gone = ResolvedModel("gone", tmp_path / "gone.gguf", "file", "gone")
    assert remembering_chat(engine, gone) is engine
    gone.path.write_bytes(b"GGUF")
    assert isinstance(remembering_chat(engine, gone), RememberingChat)
