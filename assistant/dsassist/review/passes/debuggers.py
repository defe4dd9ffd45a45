"""DSA003: a call into a debugger that was left in. It is found in the syntax tree, so not in strings and comments."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from dsassist.review.findings import Finding
from dsassist.review.passes.paths import is_debugger_path
from dsassist.review.passes.subject import Subject

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["find_debuggers"]


class _Language(NamedTuple):
    """How debuggers are called in a language.

    `words`: one of them is in every match, so that other files need no tree. `texts`: what a node of a type must read,
    where None stands for anything. `holds` is asked of what matches.
    """

    words: re.Pattern[str]
    texts: dict[str, re.Pattern[str] | None]
    holds: Callable[[Node], bool] = lambda _node: True


def _text(node: Node | None) -> str:
    return "" if node is None else "".join((node.text or b"").decode("utf-8", "replace").split())


def _stands_alone(node: Node) -> bool:
    """A bare name is Ruby's call without arguments only where it is a statement."""
    around = node.parent
    return node.type != "identifier" or (
        around is not None and around.type in ("program", "body_statement", "then", "else", "begin", "block_body")
    )


_PYTHON_DEBUGGERS = r"(?:i?pdb|pudb|wdb|web_pdb|rpdb|epdb|pdbpp|remote_pdb|rpdb2)"
_LANGUAGES = {
    "python": _Language(
        re.compile(r"breakpoint|set_trace|pdb|pudb|\bwdb\b|embed"),
        {
            "call": re.compile(
                rf"(?:breakpoint|set_trace|{_PYTHON_DEBUGGERS}\.set_trace|(?:pytest|rdb|debugpy)\.(?:set_trace|breakpoint)"
                r"|IPython\.embed)\("
            ),
            "import_statement": re.compile(rf"import{_PYTHON_DEBUGGERS}(?:$|as)"),
            "import_from_statement": re.compile(rf"from{_PYTHON_DEBUGGERS}importset_trace"),
        },
    ),
    "javascript": _Language(re.compile(r"\bdebugger\b"), {"debugger_statement": None}),
    "ruby": _Language(
        re.compile(r"\b(?:byebug|debugger|pry|irb|break)\b"),
        {
            "identifier": re.compile(r"(?:byebug|debugger)$"),
            "call": re.compile(r"(?:binding\.(?:pry|irb|break|b|remote_pry)|Pry\.start|byebug|debugger)(?:$|\()"),
        },
        _stands_alone,
    ),
    "php": _Language(
        re.compile(r"\b(?:dd|ddd|xdebug_break)\b"),
        {"function_call_expression": re.compile(r"\\?(?:ddd?|xdebug_break)\(")},
    ),
    "rust": _Language(re.compile(r"\bdbg!"), {"macro_invocation": re.compile(r"(?:std::)?dbg!")}),
    "go": _Language(re.compile(r"\bBreakpoint\b"), {"call_expression": re.compile(r"runtime\.Breakpoint\(")}),
    "c_sharp": _Language(
        re.compile(r"\bDebugger\b"),
        {"invocation_expression": re.compile(r"(?:System\.Diagnostics\.)?Debugger\.(?:Break|Launch)\(")},
    ),
    "lua": _Language(re.compile(r"\bdebug\b"), {"function_call": re.compile(r"debug\.debug\(")}),
}
_LANGUAGES["typescript"] = _LANGUAGES["tsx"] = _LANGUAGES["javascript"]

# A file that says how breakpoints work, or drives a debugger, is about them.
_ABOUT_DEBUGGERS = re.compile(
    r"breakpointhook|PYTHONBREAKPOINT|\bimport bdb\b"
    r"|\b(?:class|def|function|fn|macro_rules!) (?:dbg|dd|breakpoint|set_trace)\b"
    rf"|{_PYTHON_DEBUGGERS}\.(?!set_trace|py\b)\w|require ['\"](?:pry|byebug)/"
)


def find_debuggers(subject: Subject) -> Iterator[Finding]:
    """Debugger calls on changed lines, one for each line; none in files that are about debuggers."""
    file = subject.file
    known = _LANGUAGES.get(file.language or "")
    if known is None or known.words.search(file.source.text) is None:
        return
    texts = file.source.text.split("\n")
    lines = {line for line in file.lines if line <= len(texts) and known.words.search(texts[line - 1])}
    if not lines or is_debugger_path(file.path) or _ABOUT_DEBUGGERS.search(file.source.text) or subject.tree is None:
        return
    for node in _nodes_on(subject.tree.root_node, lines):
        if node.type in known.texts and (node.start_point.row + 1) in lines and _matches(known, node):
            lines.discard(node.start_point.row + 1)
            start, end = file.source.span(node)
            shown = " ".join(subject.masked.source.text[start:end].split())
            shown = shown if len(shown) <= 40 else f"{shown[:37]}..."
            yield subject.finding(
                "debugger", "warning", node, f"`{shown}` was left in", "it stops or prints at each run"
            )


def _matches(known: _Language, node: Node) -> bool:
    pattern = known.texts[node.type]
    return (pattern is None or pattern.match(_text(node)) is not None) and known.holds(node)


def _nodes_on(root: Node, lines: set[int]) -> Iterator[Node]:
    """Nodes that touch one of the lines, in the order of the text; the others are not gone into."""
    first, last = min(lines) - 1, max(lines) - 1
    pending = [root]
    while pending:
        node = pending.pop()
        if node.end_point.row < first or node.start_point.row > last:
            continue
        yield node
        pending.extend(reversed(node.named_children))
