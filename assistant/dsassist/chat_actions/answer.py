"""Code out of a model's answer: without fences, prose and thoughts."""

from __future__ import annotations

import re
import textwrap

from dsassist.syntax.parsing import parse

__all__ = ["code_in", "prose_in"]

_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)\n*", re.DOTALL)
_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)


def prose_in(answer: str) -> str:
    """What a person should read of an answer."""
    return _THOUGHTS.sub("", answer).strip()


def code_in(answer: str, language: str, *, is_part: bool = False) -> str:
    """The code of an answer, ending in a line break; empty where there is none.

    The longest fenced block counts, also one that the answer breaks off in. Without fences, paragraphs before and
    behind that are no code in this language are left out. With `is_part`, the code is some lines that need not parse by
    themselves (`return x`, `} else {`), so an answer without fences has to be one line.
    """
    text = _THOUGHTS.sub("", answer).replace("\r\n", "\n") + "\n"
    if blocks := [found.group(2) for found in _FENCE.finditer(text)]:
        code = max(blocks, key=len)
    elif is_part and text.strip().count("\n") == 0:
        code = text.strip().strip("`")
    else:
        code = _without_prose(text, language)
    code = textwrap.dedent(code).strip("\n")
    return f"{code}\n" if code.strip() else ""


def _without_prose(text: str, language: str) -> str:
    paragraphs = re.split(r"\n[ \t]*\n", text.strip("\n"))
    for length in range(len(paragraphs), 0, -1):
        for start in range(len(paragraphs) - length + 1):
            code = "\n\n".join(paragraphs[start : start + length])
            tree = parse(language, textwrap.dedent(code) + "\n")
            if tree is not None and not tree.root_node.has_error:
                return code
    return ""
