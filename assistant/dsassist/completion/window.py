"""The text above and below a place that the model gets to see, in characters."""

from __future__ import annotations

import re

__all__ = ["CHARACTERS_PER_TOKEN", "above", "below", "without_closers", "word_end", "word_start"]

CHARACTERS_PER_TOKEN = 3  # fewer than code has (3.3 to 4): a prompt then rather has fewer tokens than was meant
_CHARACTERS_PER_LINE = 40  # or so
_CLOSING = ")]}>\"'`,;: \t"

# What keys and tokens are made of. Half a key would not be known as one (`secrets`), so no cut goes through one.
_WORD = re.compile(r"[\w+/=~.-]*")


def above(text: str, limit: int) -> str:
    """The last lines of `text`, at most `limit` characters.

    While the text grows the first line moves in steps of a quarter of them: only then does the cached start of a prompt
    stay valid from one place to the next.
    """
    if len(text) <= limit:
        return text
    start = text.find("\n", len(text) - limit) + 1
    if start == 0:  # one line longer than the limit
        return text[word_end(text, len(text) - limit) :]
    step = max(1, limit // _CHARACTERS_PER_LINE // 4)
    for _ in range(-text.count("\n", 0, start) % step):
        following = text.find("\n", start) + 1
        if following == 0:
            break
        start = following
    return text[start:]


def below(text: str, limit: int) -> str:
    """The first lines of `text`, at most `limit` characters of them; of a first line that is longer its beginning."""
    if len(text) <= limit:
        return text
    if (end := text.rfind("\n", 0, limit) + 1) > 0:
        return text[:end]
    return text[: word_start(text, limit)]


def word_end(text: str, at: int) -> int:
    """Where the word ends that reaches across `at`, which may be a key of any length; `at` where none does."""
    return at + _length_of_word(text[at:]) if _length_of_word(text[at - 1 : at]) else at


def word_start(text: str, at: int) -> int:
    """Where the word begins that reaches across `at`; `at` where none does."""
    return at - _length_of_word(text[:at][::-1]) if _length_of_word(text[at : at + 1]) else at


def _length_of_word(text: str) -> int:
    found = _WORD.match(text)
    assert found is not None, "no word is one of length 0"
    return found.end()


def without_closers(after: str) -> str:
    """`after` without the rest of its first line, where that only closes what is open.

    Editors put a closing bracket behind the cursor as soon as one is opened. A model that sees it takes the call for
    finished; and a prompt that has it has to be evaluated again with each bracket. What the model then closes itself is
    matched with what stands there (`completion.writer`).
    """
    line, line_break, rest = after.partition("\n")
    return line_break + rest if line and not line.strip(_CLOSING) else after
