"""Answers are kept, bounded, and no trouble with their file reaches who asks."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from dsassist.answers.scores import RememberingEngine, remembering
from dsassist.answers.store import AnswerStore
from dsassist_runtime.api import Edit, EditScore, ScoreRequest
from dsassist_runtime.errors import ModelUnsupported
from dsassist_runtime.models.store import ResolvedModel
from dsassist_runtime.testing import ScriptedEngine

REQUEST = ScoreRequest("import os\n", "return low", (Edit(7, 10, "high"), Edit(0, 6, "yield")))


def scored(request: ScoreRequest) -> list[EditScore]:
    return [EditScore(edit, (-0.1,), (-1 / 3, -2.0), (), (-1e-17,)) for edit in reversed(request.edits)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "answers.db"


def test_an_answer_is_found_again_by_another_process(path: Path) -> None:
    AnswerStore(path).put(b"k", "ü")
    assert AnswerStore(path).get(b"k") == "ü"
    assert AnswerStore(path).get(b"other") is None
    assert path.parent.stat().st_mode & 0o077 == 0, "what was asked about is nobody else's business"


def test_the_longest_unused_answers_go_when_there_are_too_many(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1e9
    monkeypatch.setattr("dsassist.answers.store.time.time", lambda: now)
    store = AnswerStore(path, limit_bytes=200)
    for number in range(20):
        now += 7200
        store.put(bytes([number]), f"{number}" + "x" * 50)
        store.get(b"\0")  # used again and again
    kept = [number for number in range(20) if store.get(bytes([number])) is not None]
    assert 0 in kept
    assert 19 in kept
    assert 1 not in kept
    assert len(kept) < 20


@pytest.mark.parametrize("damage", [b"", b"no database at all, " * 500])
def test_a_damaged_file_is_begun_anew(path: Path, damage: bytes) -> None:
    store = AnswerStore(path)
    store.put(b"k", "answer")
    store.close()
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    path.write_bytes(damage)
    assert store.get(b"k") is None
    store.put(b"k", "anew")
    assert store.get(b"k") == "anew"


def test_an_answer_that_was_damaged_is_not_given(path: Path) -> None:
    store = AnswerStore(path)
    store.put(b"k", "answer")
    with sqlite3.connect(path) as other:
        other.execute("UPDATE answers SET answer = x'00'")
    assert store.get(b"k") is None


def test_a_place_that_cannot_be_written_is_a_store_that_knows_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = AnswerStore(tmp_path / "file" / "answers.db")
    store.put(b"k", "answer")
    assert store.get(b"k") is None


def test_scores_come_back_to_the_last_bit_and_the_model_is_asked_once(path: Path) -> None:
    engine = ScriptedEngine(score=scored)
    first = RememberingEngine(engine, AnswerStore(path), "model").score(REQUEST)
    again = RememberingEngine(engine, AnswerStore(path), "model").score(REQUEST, 0.0)
    assert again == first
    assert len(engine.requests) == 1


def test_that_a_model_has_no_form_for_a_question_is_kept_too(path: Path) -> None:
    engine, request = ScriptedEngine(), replace(REQUEST, suffix="\n")
    for _ in range(2):
        with pytest.raises(ModelUnsupported, match="no form for what stands between"):
            RememberingEngine(engine, AnswerStore(path), "model").score(request)
    assert len(engine.requests) == 1


@pytest.mark.parametrize(
    ("request_", "model"),
    [
        (ScoreRequest("import os\n", "return low", (Edit(7, 10, "high"),)), "model"),
        (ScoreRequest("", "return low", REQUEST.edits), "model"),
        (ScoreRequest(REQUEST.context, "return lower", REQUEST.edits), "model"),
        (ScoreRequest(REQUEST.context, REQUEST.text, REQUEST.edits, max_rescored=4), "model"),
        (REQUEST, "another"),
    ],
    ids=["edits", "context", "text", "how much", "model"],
)
def test_another_question_is_asked_anew(path: Path, request_: ScoreRequest, model: str) -> None:
    engine = ScriptedEngine(score=scored)
    store = AnswerStore(path)
    RememberingEngine(engine, store, "model").score(REQUEST)
    RememberingEngine(engine, store, model).score(request_)
    assert len(engine.requests) == 2


def test_who_asks_and_how_long_they_wait_is_no_other_question(path: Path) -> None:
    engine = ScriptedEngine(score=scored)
    remembering = RememberingEngine(engine, AnswerStore(path), "model")
    remembering.score(REQUEST)
    remembering.score(ScoreRequest(REQUEST.context, REQUEST.text, REQUEST.edits, priority="idle", deadline_ms=5.0))
    assert len(engine.requests) == 1


def test_a_model_with_an_adapter_has_answers_of_its_own(tmp_path: Path) -> None:
    engine, model, lora = ScriptedEngine(score=scored), tmp_path / "m.gguf", tmp_path / "lora.gguf"
    model.write_bytes(b"model")
    lora.write_bytes(b"adapter")
    plain = ResolvedModel("m", model, "file", "m")
    for each in (plain, replace(plain, lora=lora), plain, replace(plain, lora=lora)):
        remembering(engine, each).score(REQUEST)
    assert len(engine.requests) == 2
    lora.write_bytes(b"another adapter")
    remembering(engine, replace(plain, lora=lora)).score(REQUEST)
    assert len(engine.requests) == 3
    lora.unlink()
    assert remembering(engine, replace(plain, lora=lora)) is engine, "whoever loads it says that it is missing"
