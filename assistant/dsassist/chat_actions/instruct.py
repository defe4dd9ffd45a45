"""Whether a model follows instructions, which is what the actions need of it.

A chat template does not tell: base models carry one, too. So the catalogue is asked first, then the words of the file's
metadata and name, and where these are silent the model itself, once for each file.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from dsassist.chat_actions.outcome import chat_request
from dsassist_runtime import places
from dsassist_runtime.api import ChatRequest, ModelFacts, TextStream
from dsassist_runtime.errors import DsassistError

__all__ = ["ChatEngine", "hidden_reason", "hidden_test_reason", "probe_if_unknown"]

# Of five tests by Qwen2.5-Coder-0.5B none expected the right values; what runs and is wrong is worse than nothing.
_LEAST_PARAMETERS_FOR_TESTS = 1_000_000_000

_INSTRUCT_WORDS = frozenset(("instruct", "chat", "it", "sft", "dpo", "rlhf", "assistant", "thinking"))
_BASE_WORDS = frozenset(("base", "pt", "pretrain", "pretrained", "foundation"))
_METADATA = ("general.finetune", "general.name")

# A base model goes on writing, or asks back; an instruct model says the word and ends.
_PROBES = (
    ("Answer with the single word: ready", "ready"),
    ("Which Python keyword begins a function? Answer with that word alone.", "def"),
)
_PROBE_TOKENS = 12


class ChatEngine(Protocol):
    """An engine that answers messages; `dsassist_runtime.client.Client` is one."""

    def chat(self, request: ChatRequest) -> TextStream:
        """Answer the request's messages, streamed."""


def hidden_reason(facts: ModelFacts) -> str | None:
    """Why nothing is offered with this model, in a sentence for the status; None when it follows instructions."""
    if not facts.has_chat_template:
        return f"{facts.name} has no chat template, so it only completes code; choose an instruct model for the rest"
    found = _stated(facts.path, facts.name)
    if found is None:
        found = _remembered(facts)
    if found is None:
        return f"it is not known yet whether {facts.name} follows instructions; it is asked when it is idle"
    return (
        None
        if found
        else f"{facts.name} does not follow instructions, it only completes code; choose an instruct model"
    )


def hidden_test_reason(facts: ModelFacts) -> str | None:
    """Why this model, which follows instructions, is not offered to write tests; None when it is."""
    if 0 < facts.n_params < _LEAST_PARAMETERS_FOR_TESTS:
        return f"{facts.name} is too small to know what a test should expect; choose a larger model for tests"
    return None


def probe_if_unknown(facts: ModelFacts, engine: ChatEngine) -> None:
    """Ask the model two questions if nothing else tells, and keep the result. Blocks: for a thread in the background.

    Raises what the engine raises; then nothing is kept.
    """
    if not facts.has_chat_template or _stated(facts.path, facts.name) is not None or _remembered(facts) is not None:
        return
    follows = all(_answers(engine, question, word) for question, word in _PROBES)
    _remember(facts, follows)


def _answers(engine: ChatEngine, question: str, word: str) -> bool:
    request = replace(chat_request("You answer briefly.", question, _PROBE_TOKENS), priority="idle")
    with engine.chat(request) as stream:
        said = "".join(stream)
        ended = stream.end is not None and stream.end.finish_reason == "stop"
    return ended and re.sub(r"\W", "", said).lower() == word


@lru_cache(maxsize=16)
def _stated(path: Path, name: str) -> bool | None:
    """What the catalogue, the metadata and the file's name say; None when they are silent."""
    from dsassist_runtime.gguf import read_header
    from dsassist_runtime.models import catalogue

    for entry in catalogue.load().values():
        if entry.file_name == path.name:
            return entry.chat
    try:
        header = read_header(path)
    except DsassistError:  # it lies elsewhere
        texts = [name]
    else:
        texts = [header.text(key) for key in _METADATA]
    for text in (*texts, path.stem):
        words = set(re.split(r"[\W_]+", text.lower()))
        if words & _INSTRUCT_WORDS:
            return True
        if words & _BASE_WORDS:
            return False
    return None


def _record() -> Path:
    return places.state_dir() / "instruct.json"


def _key(facts: ModelFacts) -> str | None:
    files = [facts.path] if facts.lora_path is None else [facts.path, facts.lora_path]
    try:
        found = [(path, path.stat()) for path in files]
    except OSError:
        return None
    return ":".join(f"{path}:{stat.st_size}:{stat.st_mtime_ns}" for path, stat in found)


def _read_record() -> dict[str, Any]:
    try:
        found = json.loads(_record().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remembered(facts: ModelFacts) -> bool | None:
    found = _read_record().get(_key(facts) or "")
    return found if isinstance(found, bool) else None


def _remember(facts: ModelFacts, follows: bool) -> None:
    key = _key(facts)
    if key is None:
        return
    places.make_writable(places.state_dir())
    part = _record().with_suffix(".part")
    part.write_text(json.dumps({**_read_record(), key: follows}, indent=2) + "\n", encoding="utf-8")
    part.replace(_record())
