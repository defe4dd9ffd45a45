"""`ChatCompletion` with a model of this machine: a server of ours, found, started, asked and killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from chat_calls import MESSAGES, Ask, text_of
from chat_model import write_chat_model
from chat_server import Handler, unix_chat_server
from dsassist_runtime import ChatCompletion
from dsassist_runtime.api import EngineSettings
from dsassist_runtime.chat_target import Local, target_of
from dsassist_runtime.client import Client, server_health
from dsassist_runtime.errors import (
    DsassistError,
    EngineDied,
    ModelInvalid,
    ModelMissing,
    RequestRefused,
    ServerUnavailable,
)
from dsassist_runtime.exchange import Door
from dsassist_runtime.version import VERSION_HEADER

pytestmark = pytest.mark.slow  # whole servers


@pytest.fixture(scope="session")
def chat_model(builtin_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chat_model(builtin_model, tmp_path_factory.mktemp("models") / "chat.gguf")


def engine_pid() -> int:
    health = server_health()
    assert health is not None
    pid: int = health["engine_pid"]
    return pid


def test_a_model_of_this_machine_answers(ask: Ask, server: Path, chat_model: Path) -> None:
    answer = ask(model=chat_model, max_tokens=4, temperature=0)
    assert answer.object == "chat.completion"
    assert answer.choices[0].finish_reason in ("length", "stop")
    assert 0 < answer.usage.completion_tokens <= 4
    pid = engine_pid()
    chunks = ask(model=str(chat_model), max_tokens=4, temperature=0, stream=True)
    assert text_of(chunks) == answer.choices[0].message.content
    assert ask(max_tokens=1).usage.prompt_tokens == answer.usage.prompt_tokens, "by the model that it holds"
    assert engine_pid() == pid


def test_it_shares_the_engine_with_our_other_clients(server: Path, chat_model: Path) -> None:
    settings = EngineSettings(chat_model, n_threads=1)
    Client(settings, idle_timeout_s=60).facts()
    pid = engine_pid()
    ChatCompletion.create(settings, MESSAGES, max_tokens=1)
    assert engine_pid() == pid


def test_closing_a_stream_stops_our_engine(server: Path, chat_model: Path) -> None:
    with ChatCompletion.create(chat_model, MESSAGES, stream=True, max_tokens=4000, ignore_eos=True) as stream:
        next(stream)
    deadline = time.monotonic() + 20
    while (server_health() or {})["requests"]:
        assert time.monotonic() < deadline, "it goes on writing"
        time.sleep(0.01)


def test_an_engine_that_dies_in_the_middle_is_told(server: Path, chat_model: Path) -> None:
    with ChatCompletion.create(chat_model, MESSAGES, stream=True, max_tokens=900, ignore_eos=True) as stream:
        next(stream)
        os.kill(engine_pid(), signal.SIGKILL)
        with pytest.raises(EngineDied, match="the engine process was killed by SIGKILL"):
            list(stream)


def test_a_server_that_is_killed_in_the_middle_is_told(server: Path, chat_model: Path) -> None:
    with ChatCompletion.create(chat_model, MESSAGES, stream=True, max_tokens=900, ignore_eos=True) as stream:
        next(stream)
        os.kill((server_health() or {})["pid"], signal.SIGKILL)
        with pytest.raises(ServerUnavailable, match="the dsassist server went away in the middle of its answer"):
            list(stream)


def test_a_prompt_that_is_too_long_is_refused_with_both_numbers(ask: Ask, server: Path, chat_model: Path) -> None:
    with pytest.raises(RequestRefused, match=r"\d+ tokens.*1024"):
        ask(model=chat_model, messages=[{"role": "user", "content": "word " * 5000}])


def test_a_server_that_is_newer_than_this_program_is_left_alone(ask: Ask, server: Path) -> None:
    with (
        unix_chat_server(
            server / "server.sock", lambda handler: handler.answer({}, 409, **{VERSION_HEADER: "9.9"})
        ) as newer,
        pytest.raises(ServerUnavailable, match=r"dsassist 9\.9 is installed by now and this program is still"),
    ):
        ask()
    assert [asked.path for asked in newer.requests] == ["/v1/chat/completions"]


def test_a_server_of_an_older_version_is_asked_to_make_room(ask: Ask, server: Path, chat_model: Path) -> None:
    def script(handler: Handler) -> None:
        if handler.path == "/shutdown":
            (server / "server.sock").unlink()
        handler.answer({}, 200 if handler.path == "/shutdown" else 409, **{VERSION_HEADER: "0.0.1"})

    with unix_chat_server(server / "server.sock", script) as older:
        assert ask(model=chat_model, max_tokens=1, max_retries=0).usage.completion_tokens == 1
    assert [asked.path for asked in older.requests] == ["/v1/chat/completions", "/shutdown"]


def test_a_server_of_another_version_that_stays_is_told(ask: Ask, server: Path) -> None:
    def script(handler: Handler) -> None:
        handler.answer({}, 200 if handler.path == "/shutdown" else 409, **{VERSION_HEADER: "0.0.1"})

    with (
        unix_chat_server(server / "server.sock", script),
        pytest.raises(ServerUnavailable, match=r"see .*server\.log"),
    ):
        ask()


def test_what_our_server_refuses_comes_in_its_own_words(ask: Ask, server: Path, chat_model: Path) -> None:
    with pytest.raises(RequestRefused, match="temperature") as raised:
        ask(model=chat_model, temperature=-1)
    assert "the dsassist server" not in str(raised.value)
    with pytest.raises(ModelMissing, match="there is no file /no/such"):
        ask(model="/no/such.gguf")


def test_a_damaged_model_is_told(ask: Ask, server: Path, tmp_path: Path) -> None:
    (tmp_path / "damaged.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelInvalid, match=r"damaged\.gguf"):
        ask(model=tmp_path / "damaged.gguf", max_retries=0)


def test_a_name_of_nothing_is_told_before_any_server_is_asked(ask: Ask, server: Path) -> None:
    with pytest.raises(DsassistError, match="the catalogue has no model 'nosuch'"):
        ask(model="nosuch")
    assert server_health() is None


def test_without_the_right_to_start_one_it_needs_a_server(server: Path, builtin_model: Path) -> None:
    target = target_of(builtin_model, None, None)
    assert isinstance(target, Local)
    with pytest.raises(ServerUnavailable, match="no dsassist server is running"):
        Door(target.door.settings, start=False).post("/v1/chat/completions", {})


def test_the_model_of_a_base_url_is_a_name(ask: Ask, builtin_model: Path) -> None:
    with pytest.raises(TypeError, match="knows its models by name"):
        ask(model=builtin_model, base_url="http://host")


def test_qwen_says_hello(ask: Ask, server: Path, real_model: Path) -> None:
    messages = [{"role": "user", "content": "What is the capital of France? Answer with one word."}]
    answer = ask(model=real_model, messages=messages, temperature=0, max_tokens=10)
    assert "Paris" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
