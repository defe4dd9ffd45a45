"""What a model writes that is no code of this file: an instruct model's talk and fences, marks, placeholders.

Asked to fill in the middle, an instruct model now and then answers in words instead. Each rule looks at the beginning
of one line, so that decoding stops with it.
"""

from __future__ import annotations

import re

__all__ = [
    "find_mark",
    "has_opening_of_answer",
    "is_fence",
    "is_opening_of_answer",
    "is_placeholder",
    "is_prose",
    "is_statement",
]

# Marks of several families, where a tokenizer writes them out as text. What real files hold is not among them:
# `<|` alone is an operator somewhere, `<s>` a tag of HTML.
_MARK = re.compile(
    r"<[|｜][\w▁ ]{2,40}[|｜]>|<fim[_-](?:prefix|middle|suffix|pad)>|<(?:PRE|SUF|MID|EOT|END)>|</s>|<file_sep>"
    r"|\[/?(?:PREFIX|SUFFIX|MIDDLE|INST)\]|<(?:start|end)_of_turn>"
)
_PROSE = re.compile(
    r"(?:Here(?:'s| is| are)|The (?:code|function|following|above|given|provided|missing|method|output)\b"
    r"|Th(?:is|ese) (?:code|function|method|will|is|line|program|implementation)\b|Explanation\b|Note(?: that|:)"
    r"|Sure[,!.]|Certainly[,!.]|Of course[,!.]|To (?:fix|complete|solve|implement|do) |I(?:'ll| will| have|'ve| think) "
    r"|You (?:can|should|need)|In (?:this|the) (?:code|example|function)|Answer:|Output:|Let(?:'s| me) |Please )"
)
# How only an assistant begins, also where prose is right. With less of it a person's own sentence may begin so.
_DOES = r"(?:help|assist|complete|continue|provide|write|finish|fix)\b"
_GIVES = (
    r"(?:(?:complet|updat|correct|improv|modifi|fix|implement|miss|finish)\w+ "
    r"(?:code|text|file|function|line|part|version|sentence|paragraph|section|snippet|content|implementation)s?\b"
    r"|(?:code|completion|continuation)\b)"
)
_OPENING = re.compile(
    r"(?:Sure|Certainly|Of course|Absolutely|Okay)[,!.:] ?"
    rf"(?:here(?:['’]s| is| are)\b|(?:I(?:['’]ll| will| can)|let me) {_DOES})"
    rf"|Here(?:['’]s| is| are) (?:the|your|a) {_GIVES}"
    r"|(?:I['’]m|I am) (?:sorry, but I\b|an AI\b|unable to (?:assist|help|complete)\b)"
    r"|As an AI (?:language|assistant|model)\b|I (?:can['’]t|cannot) (?:assist|help) with\b",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"(?:#|//|/\*|--|<!--|;|\{/\*)\s*(?:\.\.\.|…)?\s*"
    r"(?:(?:the )?rest of (?:the |your )?(?:\w+ )?(?:code|file|function|class|method|implementation|logic)"
    r"|(?:your|existing|other|remaining|previous|more) (?:\w+ )?(?:code|implementation|logic|methods|functions)"
    r"(?: (?:goes |continues |remains )?(?:here|unchanged|below|above))?"
    r"|(?:add|write|put|insert|implement) your (?:\w+ )?(?:code|logic|implementation)"
    r"|(?:code|implementation) (?:goes )?here)\W*$",
    re.IGNORECASE,
)
_FENCE = re.compile(r"(?:```|~~~)[\w+-]*\s*$")
_STATEMENT = re.compile(
    r"(?:def|class|return|import|from|for|while|if|elif|with|try|raise|assert|async|await)\b.*[:)\]\w]$"
    r"|[\w.\[\]]+(?:: [\w\[\], |.]+)? [-+*/|&]?= \S|self\.\w+|@\w+"
    r"|(?:const|let|var|function|public|private|static|int|void|fn|func)\b.*[;{)]$|.*[;{]$"
)


def find_mark(text: str) -> int | None:
    """Where a mark of some model's template stands in `text`, or None."""
    found = _MARK.search(text)
    return found.start() if found else None


def is_prose(line: str) -> bool:
    """Does this line begin as an answer in words does?"""
    return _PROSE.match(line.lstrip()) is not None


def is_opening_of_answer(line: str) -> bool:
    """Does this line begin as only an assistant's answer does?"""
    return _OPENING.match(line.lstrip()) is not None


def has_opening_of_answer(text: str) -> bool:
    """Are there words in the text that an assistant's answer begins with? It may be about such answers."""
    return _OPENING.search(text) is not None


def is_fence(line: str) -> bool:
    """Does this line begin or end a block of code in an answer?"""
    return _FENCE.match(line.strip()) is not None


def is_placeholder(line: str) -> bool:
    """Is this a comment in the place of code that the model did not write?"""
    return _PLACEHOLDER.match(line.strip()) is not None


def is_statement(line: str) -> bool:
    """Is this line of a docstring code rather than prose?"""
    return _STATEMENT.match(line.strip()) is not None
