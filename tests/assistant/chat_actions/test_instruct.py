"""Which models the actions are offered with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dsassist.chat_actions.instruct import hidden_reason, hidden_test_reason, probe_if_unknown
from dsassist_runtime.api import ChatRequest, ModelFacts, TextStream
from dsassist_runtime.testing import ScriptedEngine, ScriptedStream
from gguf_files import Field, gguf_bytes


class ScriptedChat(ScriptedEngine):
    """Answers messages by the script."""

    def __init__(self, *texts: str) -> None:
        super().__init__(texts)
        self.asked: list[ChatRequest] = []
        self._answers = list(texts)

    def chat(self, request: ChatRequest) -> TextStream:
        self.asked.append(request)
        return ScriptedStream(self._answers.pop(0), 0.0)


def facts_of(path: Path, name: str = "Model", *, has_chat_template: bool = True) -> ModelFacts:
    return ModelFacts(name, path, "qwen2", 4096, 0, 0, ("psm",), has_chat_template)


def model_file(folder: Path, file_name: str, **metadata: str) -> Path:
    path = folder / file_name
    fields: dict[str, Field] = {"general.architecture": "qwen2", **{f"general.{k}": v for k, v in metadata.items()}}
    path.write_bytes(gguf_bytes(fields, {"token_embd.weight": (0, (32, 2), 256)}))
    return path


@pytest.mark.parametrize(
    ("file_name", "metadata"),
    [
        ("a.gguf", {"finetune": "Instruct-AWQ", "name": "Qwen2.5 Coder 0.5B"}),
        ("a.gguf", {"name": "Gemma 3 1B It"}),
        ("Mistral-7B-Instruct-v0.3.Q4.gguf", {}),
        ("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", {"name": "base"}),  # the catalogue goes first
    ],
)
def test_a_model_that_is_called_instruct_is_one(tmp_path: Path, file_name: str, metadata: dict[str, str]) -> None:
    assert hidden_reason(facts_of(model_file(tmp_path, file_name, **metadata))) is None


def test_a_base_model_with_a_chat_template_is_none(tmp_path: Path) -> None:
    path = model_file(tmp_path, "qwen2.5-coder-0.5b-base-q8_0.gguf", name="Qwen2.5 Coder 0.5B")
    assert "does not follow instructions" in (hidden_reason(facts_of(path)) or "")


def test_the_builtin_model_is_none(builtin_model: Path) -> None:
    facts = replace(facts_of(builtin_model, "dsassist-bootstrap"), has_chat_template=False)
    assert "has no chat template" in (hidden_reason(facts) or "")


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (("Ready.", "def"), None),
        (("ready", "ready to go"), "does not follow instructions"),
        (("ready\nready\nready",), "does not follow instructions"),
    ],
)
def test_a_model_that_nothing_is_known_of_is_asked_once(
    tmp_path: Path, answers: tuple[str, ...], reason: str | None
) -> None:
    facts = facts_of(model_file(tmp_path, "mystery.gguf", name="Mystery 7B"))
    assert "not known yet" in (hidden_reason(facts) or "")
    engine = ScriptedChat(*answers)
    probe_if_unknown(facts, engine)
    probe_if_unknown(facts, engine)  # nothing is left to be answered
    assert len(engine.asked) == len(answers)
    assert {request.priority for request in engine.asked} == {"idle"}
    found = hidden_reason(facts)
    assert found is None if reason is None else reason in (found or "")


def test_a_damaged_record_is_as_none(tmp_path: Path, isolated: Path) -> None:
    facts = facts_of(model_file(tmp_path, "mystery2.gguf"))
    record = isolated / "d" / "state" / "instruct.json"
    record.parent.mkdir(parents=True)
    record.write_text("[nonsense")
    assert "not known yet" in (hidden_reason(facts) or "")
    probe_if_unknown(facts, ScriptedChat("ready", "def"))
    assert list(json.loads(record.read_text()).values()) == [True]


def test_a_model_of_less_than_a_billion_parameters_writes_no_tests() -> None:
    facts = ModelFacts("small-instruct", Path("small.gguf"), "qwen2", 4096, 0, 0, ("psm",), True, n_params=494_000_000)
    reason = hidden_test_reason(facts)
    assert reason is not None
    assert "too small" in reason
    assert hidden_test_reason(replace(facts, n_params=1_540_000_000)) is None
    assert hidden_test_reason(replace(facts, n_params=0)) is None, "nobody knows"
