"""The words of source text: identifiers, and the parts that they are made of."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["identifiers", "is_word_of_interest", "words_of"]

_IDENTIFIER = re.compile(r"[^\W\d]\w{2,}")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\dA-Z_]+")
_SHORTEST_PART = 4
_LONGEST = 64
# Keywords, and what is in every file of a language: they tell nothing of what a piece of code is about.
_EVERYWHERE_TEXT = """
abstract and any args array as assert async auto await bool boolean break byte case catch char class const continue
def default defer del delete dict do double elif else elseif end endif enum except explicit export extends extern
false final finally float fn for foreach from fun func function get global goto if impl implements import in include
inline instanceof int interface internal into is isinstance kwargs lambda len let list local long loop map match mod
module mut mutable namespace new nil none nonlocal not null object operator or override package pass print private
protected pub public raise range readonly ref require return returns sealed self set short signed sizeof static std
str string struct super switch template test then this throw throws trait true try tuple type typedef typeof typename
undefined union unless unsafe unsigned until use using val value var virtual void when where while with yield
"""
_EVERYWHERE = frozenset(_EVERYWHERE_TEXT.split())


def identifiers(text: str) -> list[str]:
    """The identifiers of three or more letters in a text, comments and strings included, with repetitions."""
    return _IDENTIFIER.findall(text)


def is_word_of_interest(word: str) -> bool:
    """Does a word say what code is about, or stands it in every file?"""
    return word.lower() not in _EVERYWHERE and len(word) <= _LONGEST and not word.startswith("__")


def words_of(text: str) -> list[str]:
    """What a text can be found by: its identifiers in lower case and the parts of those, each once, in its order."""
    return list(
        dict.fromkeys(word for identifier in dict.fromkeys(identifiers(text)) for word in _found_by(identifier))
    )


@lru_cache(maxsize=100_000)
def _found_by(identifier: str) -> tuple[str, ...]:
    if not is_word_of_interest(identifier):
        return ()
    lowered = [part.lower() for part in _PART.findall(identifier)]
    parts = [part for part in lowered if len(part) >= _SHORTEST_PART and part not in _EVERYWHERE]
    return (identifier.lower(), *parts) if len(lowered) > 1 else (identifier.lower(),)
