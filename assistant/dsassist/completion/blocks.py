"""Where blocks open and close, line by line, in the languages' own words."""

from __future__ import annotations

import re

__all__ = [
    "LONGEST_CLOSER",
    "closes_block",
    "goes_on_with_block",
    "is_closer",
    "is_decorator",
    "may_close",
    "opens_block",
]

_DECORATED = frozenset(("python", "java", "kotlin", "typescript", "tsx", "javascript", "swift", "scala"))
_BY_COLON = frozenset(("python", "yaml"))
_RUBY = re.compile(
    r"\s*(?:def|class|module|if|unless|while|until|for|case|when|else|elsif|begin|rescue|ensure|in)\b(?!.*\bend\b)"
    r"(?!.*\bthen\b.+)|.*(?:\bdo|=\s*(?:if|case|begin)\b.*)(?:\s*\|[^|]*\|)?\s*$"
)
_RUBY_ONE_LINE = re.compile(r"\s*def\s+[\w.?!=]+(?:\([^)]*\))?\s*=\s")
_LUA = re.compile(r".*(?:\bthen|\bdo|\belse|\brepeat|\bfunction\b[^()]*\([^()]*\))\s*$")
_BASH = re.compile(r".*(?:\bthen|\bdo|\belse|\bin|\{|^\s*[^\s()]+\))\s*$")
_WORDS = {"ruby": _RUBY, "lua": _LUA, "bash": _BASH}

_CLOSER = re.compile(
    r"\s*(?:[)\]}]+[)\]};,]*|end[;,)]*|fi|done|esac|;;|until\b.*|</[\w.:-]*>[;)]*|\)\s*=>\s*\{|/?>)\s*$"
)
_CLOSING = re.compile(r"\s*(?:[)\]}]|end\b|fi\b|done\b|esac\b|;;|until\b|</)")
_CLOSING_WORDS = ("end", "fi", "done", "esac", "until", "except", "finally", "catch", "rescue", "ensure")
LONGEST_CLOSER = max(map(len, _CLOSING_WORDS))
_GOES_ON = re.compile(r"\s*(?:\}\s*)?(?:except|finally|catch|rescue|ensure)\b")


def opens_block(line: str, language: str | None) -> bool:
    """Does a block begin behind this line?"""
    end = line.rstrip()
    if (words := _WORDS.get(language or "")) is not None:
        return words.match(end) is not None and not (language == "ruby" and _RUBY_ONE_LINE.match(end))
    if language == "python" and "#" in end:
        end = re.sub(r"\s+#.*$", "", end)
    if language in _BY_COLON:
        return end.endswith(":")
    if language in ("json", "toml", "css", "hcl"):
        return end.endswith("{")
    if language in ("c", "cpp", "java", "javascript", "typescript", "tsx", "c_sharp", "go", "swift", "php"):
        # `case x:`, `default:`, `public:`; not the key of an object
        return end.endswith("{") or re.match(r"\s*(?:case\b.*|default|public|private|protected)\s*:$", end) is not None
    return end.endswith((":", "{"))


def is_decorator(line: str, language: str | None) -> bool:
    """Does this line belong to the definition below it?"""
    return language in _DECORATED and line.lstrip().startswith("@")


def is_closer(line: str) -> bool:
    """Does this line do nothing but close?"""
    return _CLOSER.match(line) is not None


def closes_block(line: str) -> bool:
    """Does this line begin by closing a block?"""
    return _CLOSING.match(line) is not None


def may_close(start: str) -> bool:
    """May a line that starts so, in its first characters, end a block or go on with it?"""
    if not start[0].isalpha():
        return start[0] in ")]};</"
    return any(word.startswith(start) or start.startswith(word) for word in _CLOSING_WORDS)


def goes_on_with_block(line: str) -> bool:
    """Is this the second part of a statement that is none without it: `except`, `catch`?"""
    return _GOES_ON.match(line) is not None
