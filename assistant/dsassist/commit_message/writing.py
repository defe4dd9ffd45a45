"""A draft into git's message file, or the reason why there is none, within the time that a commit may be held up.

The file is written at the very end and in one step, so whatever goes wrong before leaves it as git made it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dsassist import git
from dsassist.chat_actions.instruct import ChatEngine, hidden_reason, probe_if_unknown
from dsassist.commit_message.cleaning import SUBJECT_COLUMNS, columns, message_in
from dsassist.commit_message.message_file import read_message_file
from dsassist.commit_message.prompt import MAX_ANSWER_TOKENS, message_request, wants_body
from dsassist.commit_message.staged import recent_subjects, staged_files
from dsassist.config import LoadedConfig
from dsassist.engine import open_engine, resolved_model
from dsassist_runtime.api import Engine, ModelFacts
from dsassist_runtime.client import server_status
from dsassist_runtime.errors import DeadlineExceeded, DsassistError, NotDone
from dsassist_runtime.gguf import read_header

if TYPE_CHECKING:
    from dsassist_runtime.api import ChatRequest, TextStream

__all__ = ["NoDraft", "draft_into"]

_N_SUBJECTS = 10
_READING_SHARE = 0.5  # of the time; loading and the answer take the rest
_FIRST_GUESS = 150.0  # prompt tokens/s: two cores and a model of half a billion parameters
_LEAST_TOKENS, _MOST_TOKENS = 300, 3000
_TEMPLATE_TOKENS = 400  # our own words, with the example
_N_CTX = 8192  # what the engine chooses at most


class NoDraft(NotDone):
    """There is nothing to draft, or nobody who could: no failure, so it is told only to those who ask."""


def draft_into(
    file: Path, cwd: Path, loaded: LoadedConfig, engine_of: Callable[[LoadedConfig], Engine] | None = None
) -> str:
    """Draft a message for what is staged into git's file, where it is empty, and return its subject.

    `NoDraft` where there is nothing to do; any other `DsassistError` is a failure, and the file is as it was.
    `engine_of` opens the engine, which is the configured one when not given.
    """
    limit_s = loaded.config.hook.message_deadline_s
    ends_at = time.monotonic() + limit_s
    message_file = read_message_file(file, cwd)
    if not message_file.is_empty:
        raise NoDraft("the message is not empty")
    entries = git.staged_entries(cwd)
    if not entries:
        raise NoDraft("nothing is staged")
    facts = _facts(loaded)
    files, subjects = staged_files(entries, cwd), recent_subjects(cwd, _N_SUBJECTS)

    def request() -> ChatRequest:
        left_s = max(0.0, ends_at - time.monotonic())
        budget = _budget_tokens(facts, left_s)
        return message_request(files, subjects, cwd, budget_tokens=budget, deadline_ms=1000 * left_s)

    answer = _Answer(lambda: (engine_of or open_engine)(loaded), facts, request)
    text = answer.text_by(ends_at)
    message = message_in(
        text if answer.is_whole else _whole_lines(text),
        comment=message_file.comment,
        known=subjects,
        with_body=wants_body(files),
    )
    if message is None:
        raise _without_message(answer, limit_s)
    message_file.write_above(message)
    return message.partition("\n")[0]


def _facts(loaded: LoadedConfig) -> ModelFacts:
    """What the model's file tells, so that no server is started for a model that only completes code."""
    model = resolved_model(loaded)
    if model.kind == "remote":
        raise NoDraft(f"{model.title} is not asked for messages, only one on this machine is")
    header = read_header(model.path)
    n_ctx = header.integer("{arch}.context_length") or _N_CTX
    template = header.text("tokenizer.chat_template")
    return ModelFacts(
        model.title,
        model.path,
        header.architecture,
        loaded.config.engine.n_ctx or min(n_ctx, _N_CTX),
        0,
        0,
        (),
        bool(template),
    )


def _budget_tokens(facts: ModelFacts, left_s: float) -> int:
    """How much the model can read in its share of the time, within its context."""
    wanted = int(_prefill_tokens_per_s(facts) * left_s * _READING_SHARE) - _TEMPLATE_TOKENS
    room = facts.n_ctx - MAX_ANSWER_TOKENS - _TEMPLATE_TOKENS
    return min(max(wanted, _LEAST_TOKENS), _MOST_TOKENS, room)


def _prefill_tokens_per_s(facts: ModelFacts) -> float:
    """As the running server measured it for this model; a guess where it has not."""
    status = server_status() or {}
    engine, model = status.get("engine") or {}, status.get("model") or {}
    seen = engine.get("prefill_tokens_per_s") if model.get("path") == str(facts.path) else None
    return float(seen) if seen else _FIRST_GUESS


class _Answer:
    """The model's answer, read in a thread: whatever blocks there, the caller waits no longer than it says."""

    def __init__(
        self, open_engine: Callable[[], Engine], facts: ModelFacts, request: Callable[[], ChatRequest]
    ) -> None:
        self._open_engine = open_engine
        self._facts = facts
        self._request = request
        self._pieces: list[str] = []
        self._stream: TextStream | None = None
        self._error: Exception | None = None
        self._is_left = False
        self.is_whole = False

    def text_by(self, ends_at: float) -> str:
        """The text that came until then; raises what the engine raised, or `NoDraft` for one that does not chat."""
        reading = threading.Thread(target=self._read, name="commit-message", daemon=True)
        reading.start()
        try:
            reading.join(max(0.0, ends_at - time.monotonic()))
        finally:
            self._is_left = True
            if self._stream is not None and not self.is_whole:
                self._stream.close()
        if self._error is not None and not isinstance(self._error, DeadlineExceeded):
            raise self._error
        return "".join(self._pieces)

    def _read(self) -> None:
        try:
            with closing(self._open_engine()) as engine:
                chat = cast("ChatEngine", engine)  # any other one is remote, and was refused
                probe_if_unknown(self._facts, chat)
                if (reason := hidden_reason(self._facts)) is not None:
                    raise NoDraft(reason)
                request = self._request()
                with chat.chat(request) as self._stream:
                    for piece in self._stream:
                        if self._is_left:
                            return
                        self._pieces.append(piece)
                    end = self._stream.end
                self.is_whole = end is not None and end.finish_reason == "stop"
        except Exception as error:  # the boundary of the thread: raised where somebody waits for it
            self._error = error


def _whole_lines(text: str) -> str:
    """Of an answer that was broken off, the lines that are whole; a first one that is to be cut anyway is."""
    before, line_end, _ = text.rpartition("\n")
    if line_end and before.strip():
        return before
    return text if columns(text) > SUBJECT_COLUMNS else ""


def _without_message(answer: _Answer, limit_s: float) -> DsassistError:
    if not answer.is_whole:
        return DeadlineExceeded(f"the model took longer than {limit_s:g} s (hook.message_deadline_s)")
    return NotDone("the model's answer has no message in it that could be used")
