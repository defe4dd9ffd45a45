"""What an action asks the model, and what becomes of the answer. Knows no protocol: files are paths, places offsets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsassist.secrets import without_secrets_of_parts
from dsassist_runtime.api import ChatRequest, Sampling
from dsassist_runtime.errors import NotDone

__all__ = [
    "Asking",
    "Explanation",
    "FileChange",
    "NothingToInsert",
    "Outcome",
    "Subject",
    "TextChange",
    "budget_tokens",
    "chat_request",
    "clipped",
]

CHARACTERS_PER_TOKEN = 3  # code has 3.3 to 4
_READING_S = 8.0  # somebody asked for this and watches its progress
_LEAST_TOKENS, _MOST_TOKENS = 384, 3000
_TEMPLATE_TOKENS = 256  # what the model's template and our own words take


class NothingToInsert(NotDone):
    """The model's answer, or the place, is of no use; the message says in one sentence why."""


@dataclass(frozen=True)
class Subject:
    """What an action is about: `start` to `end` (code points) is selected in `text`, or the cursor is there.

    `path` is empty for what was never saved; `root` is the folder of the project, where one is known.
    """

    text: str
    start: int
    end: int
    path: str = ""
    language_id: str = ""
    root: Path | None = None
    read: Callable[[Path], str | None] = lambda path: path.read_text(encoding="utf-8") if path.is_file() else None


@dataclass(frozen=True)
class TextChange:
    """Replace `start` to `end` (code points of the text before) by `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class FileChange:
    """Changes of one file, ascending and apart; `path` None is the document that the action was called in.

    `before` is the text that the offsets count in, empty for a file that `is_new`.
    """

    path: Path | None
    before: str
    changes: tuple[TextChange, ...]
    is_new: bool = False

    @property
    def after(self) -> str:
        """The text with the changes."""
        text = self.before
        for change in reversed(self.changes):
            text = text[: change.start] + change.text + text[change.end :]
        return text


@dataclass(frozen=True)
class Explanation:
    """Markdown for a person, headed by `title`."""

    title: str
    markdown: str


Outcome = FileChange | Explanation


@dataclass(frozen=True)
class Asking:
    """A question, and what makes of the answer something to show; `finish` raises `NothingToInsert`."""

    request: ChatRequest
    finish: Callable[[str], Outcome]


def budget_tokens(prefill_tokens_per_s: float, n_ctx: int, max_tokens: int) -> int:
    """How much code a prompt may hold: what this machine reads in a few seconds, and the context has room for."""
    wanted = min(_MOST_TOKENS, max(_LEAST_TOKENS, int(prefill_tokens_per_s * _READING_S)))
    return max(64, min(wanted, n_ctx - max_tokens - _TEMPLATE_TOKENS))


def clipped(code: str, budget: int) -> str:
    """`code` without secrets, within so many tokens: its first and last lines, where all of it is too much."""
    (code,) = without_secrets_of_parts(code)
    limit = budget * CHARACTERS_PER_TOKEN
    if len(code) <= limit:
        return code
    lines = code.splitlines()
    head, tail, used = 0, len(lines), 0
    while head < tail:
        takes_head = head <= 2 * (len(lines) - tail)  # two lines of the beginning for one of the end
        used += len(lines[head] if takes_head else lines[tail - 1]) + 1
        if used > limit:
            break
        head, tail = (head + 1, tail) if takes_head else (head, tail - 1)
    if head == 0:
        return code[:limit]
    return "\n".join([*lines[:head], "...", *lines[tail:]])


def chat_request(
    instruction: str, question: str, max_tokens: int, json_schema: Any = None, example: tuple[str, str] | None = None
) -> ChatRequest:
    """A question to the model, answered greedily: the same code gets the same answer.

    `example` is a question and a good answer to it, which shows a small model the form better than words.
    """
    shown = [{"role": role, "content": text} for role, text in zip(("user", "assistant"), example or (), strict=False)]
    return ChatRequest(
        messages=[{"role": "system", "content": instruction}, *shown, {"role": "user", "content": question}],
        # A model that can think aloud first would do so for a minute on a small machine; other templates ignore it.
        template_arguments={"enable_thinking": False},
        max_tokens=max_tokens,
        sampling=Sampling(temperature=0.0, json_schema=json_schema),
        priority="chat",
    )
