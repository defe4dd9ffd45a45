"""What a model writes that is no code of this file: an instruct model's talk and fences, marks, placeholders.

Asked to fill in the middle, an instruct model now and then answers in words instead. Each rule looks at the beginning
of one line, so that decoding stops with it.
"""

from __future__ import annotations

import re

__all__ = ["find_mark", "is_fence", "is_placeholder", "is_prose", "is_statement"]

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


def is_fence(line: str) -> bool:
    """Does this line begin or end a block of code in an answer?"""
    return _FENCE.match(line.strip()) is not None


def is_placeholder(line: str) -> bool:
    """Is this a comment in the place of code that the model did not write?"""
    return _PLACEHOLDER.match(line.strip()) is not None


def is_statement(line: str) -> bool:
    """Is this line of a docstring code rather than prose?"""
    return _STATEMENT.match(line.strip()) is not None
