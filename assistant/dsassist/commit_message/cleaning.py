"""A commit message out of a model's answer: no fences, prefaces and chatter, and nothing that does more than tell.

What the model read was written by others. Trailers, comment lines, marks that close issues, call people or switch off
a build are taken out, whoever thought of them.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Sequence

from dsassist.chat_actions.answer import prose_in
from dsassist.commit_message.mood import in_imperative

__all__ = ["SUBJECT_COLUMNS", "columns", "message_in"]

SUBJECT_COLUMNS = 72
_MOST_BODY_LINES = 12

_FENCED = re.compile(r"^[ \t]*(```+|~~~+)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_FENCE_LINE = re.compile(r"^[ \t]*(?:```|~~~)")
_PREFACE = re.compile(
    r"^\W*(?:here\b|sure\b|certainly\b|of course\b|okay\b|ok[,.!]|absolutely\b|based on\b|below (?:is|are)\b"
    r"|the (?:following|commit message|git commit message|suggested)\b|a (?:good|possible|suitable|concise)\b"
    r"|i(?:'d|'ll| would| will| suggest| have| can)\b|(?:git )?commit message\W*$)",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^\W*(?:(?:suggested |git )?commit(?: message)?|subject(?: line)?|title|summary|message|body|description)\s*"
    r"[*_`]{0,2}:[*_]{0,2}\s*",
    re.IGNORECASE,
)
_CHATTER = re.compile(
    r"^\W*(?:this (?:commit )?message\b|the (?:above|commit) message\b|note\b|explanation\b|let me know\b|i hope\b"
    r"|feel free\b|please\b|if you\b|would you\b|do you\b|is there\b|in this (?:commit message|example)\b|diff --git\b"
    r"|changed files\b|write the commit message\b|(?:user|assistant|system)\s*:|i(?:'ve| have)? )",
    re.IGNORECASE,
)
_REFUSAL = re.compile(r"^\W*(?:i(?:'m| am) (?:sorry|unable|an ai)|sorry\b|i (?:cannot|can't|can not)|as an ai)", re.I)
# A line that git may read as a trailer, which are tokens and values: `Signed-off-by: x`, `Fixes #1`, `Change-Id=x`.
_TRAILER = re.compile(r"^\s*(?:[A-Za-z0-9-]+[ \t]*[:=#]|\(cherry picked from commit)")
_CLOSING_ALONE = re.compile(r"^\W*(?:(?:fix|close|resolve|see|ref)(?:e?[sd])?\W*)+$", re.IGNORECASE)
_BUILD = "(?:ci|actions|azp|netlify)"
_ACTING = (
    # an issue, which it may close
    re.compile(r"\s*\(?(?:[\w.-]+/[\w.-]+)?(?:#|\bGH-)\d+\)?(?=[\W_]|$):?", re.IGNORECASE),
    re.compile(rf"\[(?:skip[ -]*{_BUILD}|{_BUILD}[ -]*skip|no[ -]*ci)\]", re.IGNORECASE),
    re.compile(r"\*\*\*NO_CI\*\*\*", re.IGNORECASE),
    re.compile(r"\s*https?://\S+/(?:issues|pull|merge_requests|work_items)/\d+\S*", re.IGNORECASE),
    re.compile(r"(?<![\w@.])@(?=[A-Za-z0-9])"),  # a person, who would be told
    re.compile(r"^(?:(?:fixup|squash|amend)!\s*)+"),  # `rebase --autosquash` obeys it
)
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_DANGLING = re.compile(
    r"[\s,;:(\[{/&+–—-]+$|\s+(?:and|or|the|an?|to|of|in|for|with|from|by|on|at|as|when|if|that)$", re.I
)
_QUOTES = ('""', "''", "``", "“”", "‘’", "«»")
_PREFIX_ALONE = re.compile(r"^\w+(?:\([^)]*\))?!?:?$")
_LIST_ITEM = re.compile(r"^(?:[-*+•]|\d+[.)])\s+")


def message_in(answer: str, *, comment: str = "#", known: Sequence[str] = (), with_body: bool = True) -> str | None:
    """The message in an answer; None where there is none that can be used.

    `comment` begins git's comment lines. An answer that only repeats one of the subjects `known` is of no use. The
    answer may be broken off: its last line must then have been left out before.
    """
    lines = [_visible(line) for line in _without_wrapping(prose_in(answer)).split("\n")]
    lines = _without_preface(lines)
    if not lines or _REFUSAL.match(lines[0]):
        return None
    subject = _subject(lines[0], comment)
    if subject is None or subject in {_subject(each, comment) for each in known}:
        return None
    body = _body(lines[1:], comment) if with_body else []
    return "\n".join([subject, "", *body] if body else [subject])


def columns(text: str) -> int:
    """How wide a text stands in a terminal."""
    return sum(_width(character) for character in text)


def _without_wrapping(answer: str) -> str:
    """What stands in the fences, where nothing or words that announce them stand before; else what stands before."""
    answer = answer.replace("\r\n", "\n")
    found = _FENCED.search(answer)
    if found is None:
        return answer
    before = answer[: found.start()].strip()
    last = before.rpartition("\n")[2]
    is_announced = not before or last.endswith(":") or _PREFACE.match(last) or _LABEL.fullmatch(last)
    return found.group(2) if is_announced else before


def _without_preface(lines: Sequence[str]) -> list[str]:
    """The lines from the one that the message begins with; of "Here is a message: Add it" the end is that."""
    lines = list(lines)
    while lines and (not lines[0] or _PREFACE.match(lines[0]) or _LABEL.fullmatch(lines[0])):
        _, _, behind = lines[0].partition(": ")
        if _PREFACE.match(lines[0]) and behind.strip():
            lines[0] = behind
        else:
            del lines[0]
    return lines


def _visible(line: str) -> str:
    """A line without what does not show: control characters, direction marks and the like."""
    line = _ESCAPE.sub("", line).replace("\t", " ")
    kept = "".join(each for each in line if _shows(each))
    return kept.rstrip()


def _shows(character: str) -> bool:
    return unicodedata.category(character) not in _INVISIBLE


def _subject(line: str, comment: str) -> str | None:
    line = _LABEL.sub("", line)
    line = _unquoted(re.sub(r"^(?:#+|[-*+>•]|\d+[.)])\s+", "", line.strip()))
    line = _LABEL.sub("", _without_actions(line))
    while line.startswith(comment):
        line = line.removeprefix(comment).lstrip()
    line = " ".join(line.split())
    if line.endswith(".") and not line.endswith(".."):
        line = line[:-1]
    line = in_imperative(line)
    if columns(line) > SUBJECT_COLUMNS:
        line = _cut(line)
    # A type alone (`feat:`), or a mark, tells nothing.
    return None if _PREFIX_ALONE.match(line) or not _tells(line) else line


def _tells(line: str) -> bool:
    return any(each.isalnum() for each in line)


def _unquoted(line: str) -> str:
    """The line out of the marks that stand around all of it."""
    while len(line) > 1:
        if line.startswith("**") and line.endswith("**") and len(line) > 4:
            line = line[2:-2].strip()
        elif line[0] + line[-1] in _QUOTES and line[0] not in line[1:-1]:
            line = line[1:-1].strip()
        else:
            break
    return line


def _cut(line: str) -> str:
    """The words that fit, without one at the end that calls for another; nothing where not even one fits."""
    words: list[str] = []
    for word in line.split():
        if columns(" ".join([*words, word])) > SUBJECT_COLUMNS:
            break
        words.append(word)
    kept = " ".join(words)
    while (shorter := _DANGLING.sub("", kept)) != kept:
        kept = shorter
    return kept


def _body(lines: Sequence[str], comment: str) -> list[str]:
    """Paragraphs up to the first that speaks of itself, wrapped, without lines that git or others would act upon."""
    wrapped: list[str] = []
    for paragraph in re.split(r"\n\s*\n", "\n".join(lines).strip("\n")):
        kept: list[str] = []
        for line in paragraph.split("\n"):
            if _CHATTER.match(line) or _REFUSAL.match(line) or _FENCE_LINE.match(line):
                return _ended(wrapped, kept, comment)
            line = _without_actions(_LABEL.sub("", line)).strip()
            is_for_git = _TRAILER.match(line) or line.startswith(comment)
            if _tells(line) and not is_for_git and not _CLOSING_ALONE.match(line):
                kept.append(line)
        wrapped = _ended(wrapped, kept, comment)
    return wrapped


def _ended(before: list[str], paragraph: Sequence[str], comment: str) -> list[str]:
    """The body with one more paragraph, unless that makes it too long."""
    items: list[str] = []
    for line in paragraph:
        if items and not _LIST_ITEM.match(line):
            items[-1] += f" {line}"
        else:
            items.append(line)
    # Joined, two lines may have become what acts.
    lines = [line for item in items for line in _wrapped(" ".join(_without_actions(item).split()))]
    # Where a line is broken must not make a comment or a trailer of what follows.
    lines = [f" {line}" if line.startswith(comment) or _TRAILER.match(line) else line for line in lines]
    both = [*before, "", *lines] if before and lines else [*before, *lines]
    return both if len(both) <= _MOST_BODY_LINES else before


def _wrapped(item: str) -> list[str]:
    indent = "  " if _LIST_ITEM.match(item) else ""
    return textwrap.wrap(
        item, SUBJECT_COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _without_actions(line: str) -> str:
    """The line without what acts; again, as long as taking one out makes another."""
    before = None
    while line != before:
        before = line
        for pattern in _ACTING:
            line = pattern.sub("", line)
    return line


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
