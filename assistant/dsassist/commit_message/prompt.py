"""The question that a model is asked for a message: the files, their largest hunks within a budget, and the style.

Everything in it but our own words was written by others, whom the model may obey: what it answers is therefore cleaned
(`cleaning`), and can do no more than read oddly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dsassist.chat_actions.outcome import CHARACTERS_PER_TOKEN, chat_request
from dsassist.commit_message.staged import Hunk, StagedFile, hunks_of
from dsassist.secrets import without_secrets
from dsassist_runtime.api import ChatRequest

__all__ = ["MAX_ANSWER_TOKENS", "message_request", "wants_body"]

MAX_ANSWER_TOKENS = 160
_SUBJECT_TOKENS = 48
_MOST_FILES = 40
_LEAST_FILE_TOKENS = 80  # fewer lines of a file tell nothing
_SMALL_CHANGE_LINES = 40

_BETWEEN = "\n\n"
_QUESTION = "Write the commit message."

_SUBJECT_ONLY = (
    "You write git commit messages. You are shown a diff and answer with one line of at most 72 characters: what the "
    'change does, in the imperative mood, as in "Add", "Fix", "Remove". No prefix, no full stop, nothing else.'
)
_WITH_BODY = (
    "You write git commit messages. You are shown a diff. The first line of your answer says in at most 72 characters "
    'what the change does, in the imperative mood, as in "Add", "Fix", "Remove". If that is not enough, an empty line '
    "and one or two short sentences follow, which say what else changed and why. Nothing else."
)
_EXAMPLE_QUESTION = (
    "Changed files:\nsrc/clock.py (+2, -1)\n\nsrc/clock.py, in def remaining(self):\n"
    "-        return self.end - time.time()\n+        # the system's clock may be set meanwhile\n"
    "+        return self.end - time.monotonic()\n\nWrite the commit message."
)
_EXAMPLE_ANSWER = "Measure the remaining time by the monotonic clock"


def wants_body(files: Sequence[StagedFile]) -> bool:
    """Is the change large enough for more than a subject to be of use?"""
    return len(files) > 2 or sum(file.n_changed for file in files) > _SMALL_CHANGE_LINES


def message_request(
    files: Sequence[StagedFile], subjects: Sequence[str], cwd: Path, *, budget_tokens: int, deadline_ms: float = 0.0
) -> ChatRequest:
    """Ask for a message; `files` with the most changed lines first, `subjects` of the latest commits for the style."""
    long = wants_body(files)
    parts = [_listed(files)]
    if subjects:
        parts.append("Subjects of earlier commits, only for their style:\n" + "\n".join(subjects))
    used = len(_BETWEEN.join([*parts, _QUESTION]))
    parts += _shown(files, budget_tokens - used // CHARACTERS_PER_TOKEN, cwd)
    question = without_secrets(_BETWEEN.join([*parts, _QUESTION]))
    instruction, max_tokens = (_WITH_BODY, MAX_ANSWER_TOKENS) if long else (_SUBJECT_ONLY, _SUBJECT_TOKENS)
    request = chat_request(instruction, question, max_tokens, example=(_EXAMPLE_QUESTION, _EXAMPLE_ANSWER))
    return replace(request, deadline_ms=deadline_ms)


def _listed(files: Sequence[StagedFile]) -> str:
    lines = [file.summary for file in files[:_MOST_FILES]]
    if len(files) > _MOST_FILES:
        lines.append(f"and {len(files) - _MOST_FILES} more")
    return "\n".join(["Changed files:", *lines])


def _shown(files: Sequence[StagedFile], budget: int, cwd: Path) -> list[str]:
    """The hunks of the largest files; each has the same share, and what a small one leaves goes to the others."""
    wanted = [file for file in files if file.is_worth_hunks][: max(0, budget // _LEAST_FILE_TOKENS)]
    hunks = hunks_of(wanted, cwd)
    total = budget * CHARACTERS_PER_TOKEN - (len(hunks) + 1) * len(_BETWEEN)
    limits = _shares({path: _size(each) for path, each in hunks.items()}, total)
    texts = [_clipped(file.path, hunks[path], limits[path]) for file in wanted if (path := file.entry.path) in hunks]
    return [text for text in texts if text]


def _shares(sizes: Mapping[bytes, int], total: int) -> dict[bytes, int]:
    shares: dict[bytes, int] = {}
    for n_left, (path, size) in zip(range(len(sizes), 0, -1), sorted(sizes.items(), key=_by_size), strict=True):
        shares[path] = min(size, total // n_left)
        total -= shares[path]
    return shares


def _by_size(item: tuple[bytes, int]) -> tuple[int, bytes]:
    return item[1], item[0]


def _size(hunks: Sequence[Hunk]) -> int:
    return sum(_size_of(hunk) for hunk in hunks)


def _size_of(hunk: Hunk) -> int:
    return 40 + len(hunk.place) + sum(len(line) + 1 for line in hunk.lines)


def _clipped(path: str, hunks: Sequence[Hunk], limit: int) -> str:
    """The largest hunks that fit, in the file's order; of one that does not, its first lines."""
    taken: dict[int, str] = {}
    for at in sorted(range(len(hunks)), key=lambda at: (-hunks[at].n_changed, at)):
        text = _text(path, hunks[at], limit)
        if text:
            taken[at] = text
            limit -= len(text)
    return "\n".join(taken[at] for at in sorted(taken))


def _text(path: str, hunk: Hunk, limit: int) -> str:
    head = f"{path}, in {hunk.place}:" if hunk.place else f"{path}:"
    lines, used = [], len(head) + 1
    for line in hunk.lines:
        used += len(line) + 1
        if used > limit:
            break
        lines.append(line)
    return "\n".join([head, *lines]) if any(line[0] in "+-" for line in lines) else ""
