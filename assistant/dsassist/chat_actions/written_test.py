"""The test in what a model wrote, and the imports that it needs; what it repeats or does not need is left out."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from dsassist.chat_actions.code import Code, Definition
from dsassist.chat_actions.layout import Layout
from dsassist.chat_actions.outcome import NothingToInsert

__all__ = ["NewTest", "written_test"]

_CHECKS = re.compile(r"\bassert|\bexpect\s*\(|\bt\.(?:Error|Fatal|Fail)|\bpytest\.raises|\brequire\.")
_FIXTURES = frozenset(("tmp_path", "monkeypatch", "capsys", "caplog", "request", "mocker", "tmp_path_factory"))


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class NewTest:
    """Import lines that the file has not yet, and the test; both end in a line break, or are empty."""

    imports: str
    code: str


def written_test(written: str, code: Code, definition: Definition, layout: Layout, imports: str) -> NewTest:
    """The test of `definition` in `written`; `NothingToInsert` when there is none that could run."""
    name, present = definition.name, layout.text or ""
    if code.language == "python":
        found = _python_test(written, code, definition, present, imports)
    elif code.language == "go":
        found = _go_test(written, code, present)
    elif code.language == "rust":
        found = NewTest("", _rust_test(written, present))
    else:
        found = NewTest(_js_imports(present, imports), _js_test(written, name))
    if not found.code.strip() or name not in found.code or not _CHECKS.search(found.code):
        raise NothingToInsert(f"the model wrote no test that checks {name}, so nothing was inserted")
    return found


def _python_test(written: str, code: Code, definition: Definition, present: str, imports: str) -> NewTest:
    try:
        tree = ast.parse(written)
    except (SyntaxError, ValueError):
        raise NothingToInsert(
            f"the test that the model wrote for {definition.name} does not parse; nothing was inserted"
        ) from None
    lines = written.splitlines()
    tests = [node for node in tree.body if isinstance(node, _DEFINITIONS) and _is_python_test(node, definition)]
    taken = {node.name for node in ast.walk(_parsed(present)) if isinstance(node, ast.FunctionDef)}
    parts = []
    for node in tests:
        first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        part = "\n".join(lines[first - 1 : node.end_lineno])
        parts.append(re.sub(rf"\b{node.name}\b", _free(node.name, taken), part))
    wanted = _python_imports(tree, tests, code, present, imports)
    return NewTest(wanted, "\n\n\n".join(parts) + "\n" if parts else "")


def _is_python_test(node: _Definition, definition: Definition) -> bool:
    if isinstance(node, ast.ClassDef):
        return node.name not in (definition.name, definition.class_name) and "est" in node.name
    return node.name != definition.name and (node.name.startswith("test") or bool(node.decorator_list))


def _python_imports(tree: ast.Module, tests: Sequence[_Definition], code: Code, present: str, imports: str) -> str:
    """Lines for what the tests use; a name that nobody defines makes the test worthless."""
    offered = _imported(tree)
    own = _imported(_parsed(imports))
    there = {*_imported(_parsed(present)), *_bound(_parsed(present))}
    module = imports.splitlines()[-1].removeprefix("from ").partition(" ")[0]
    ours = {node.name for node in _top_level(code)}
    lines: list[str] = []
    for name in sorted(_used(tests) - _bound(ast.Module(list(tests), [])) - set(dir(builtins)) - _FIXTURES - there):
        if name in own:
            lines.append(own[name])
        elif name in ours:
            lines.append(f"from {module} import {name}")
        elif name in offered and _is_known_module(offered[name]):
            lines.append(offered[name])
        else:
            raise NothingToInsert(
                f"the test that the model wrote uses {name}, which it does not define; nothing inserted"
            )
    return _joined(lines)


def _top_level(code: Code) -> list[Definition]:
    """The functions and classes that a file offers by name."""
    return [each for each in code.definitions if not each.class_name and not code.indentation_at(each.start)]


def _joined(lines: list[str]) -> str:
    """Import lines in order: standard library, others; names of one module on one line."""
    from_: dict[str, set[str]] = {}
    plain = set()
    for line in lines:
        if found := re.fullmatch(r"from (\S+) import (\w+)", line):
            from_.setdefault(found[1], set()).add(found[2])
        else:
            plain.add(line)
    merged = [*plain, *(f"from {module} import {', '.join(sorted(names))}" for module, names in from_.items())]
    groups = [
        sorted(line for line in merged if (_top(line) in sys.stdlib_module_names) is is_std) for is_std in (True, False)
    ]
    return "\n\n".join("\n".join(group) for group in groups if group) + "\n" if merged else ""


def _is_known_module(line: str) -> bool:
    return _top(line) in sys.stdlib_module_names or _top(line) == "pytest"


def _top(line: str) -> str:
    return line.split()[1].partition(".")[0]


def _imported(tree: ast.Module) -> dict[str, str]:
    """The line that brings each imported name."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            for each in node.names:
                alias = f" as {each.asname}" if each.asname else ""
                found[each.asname or each.name.partition(".")[0]] = f"import {each.name}{alias}"
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for each in node.names:
                alias = f" as {each.asname}" if each.asname else ""
                found[each.asname or each.name] = f"from {node.module} import {each.name}{alias}"
    return found


def _used(nodes: Sequence[_Definition]) -> set[str]:
    return {
        node.id
        for each in nodes
        for node in ast.walk(each)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def _bound(tree: ast.Module) -> set[str]:
    """Names that are assigned, defined or arguments anywhere in the code."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, (*_DEFINITIONS, ast.ExceptHandler)) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update(each.asname or each.name.partition(".")[0] for each in node.names)
    return found


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _free(name: str, taken: set[str]) -> str:
    number, free = 2, name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _go_test(written: str, code: Code, present: str) -> NewTest:
    test = Code(written, "go")
    parts, taken = [], {each.name for each in Code(present, "go").definitions}
    for each in test.definitions:
        if each.name.startswith("Test"):
            part = test.text[each.start : each.end]
            parts.append(part.replace(f"func {each.name}(", f"func {_free(each.name, taken)}(", 1))
    body = "\n\n".join(parts) + "\n" if parts else ""
    offered = set(re.findall(r'"([\w./-]+)"', "".join(re.findall(r"import\s*(?:\([^)]*\)|\"[^\"]+\")", written))))
    used = {each for each in offered | {"testing"} if re.search(rf"\b{re.escape(each.rpartition('/')[2])}\.", body)}
    new = sorted(each for each in used if f'"{each}"' not in present)
    lines = "".join(f'import "{each}"\n' for each in new)
    if present.strip():
        return NewTest(lines, body)
    package = re.search(r"^package\s+\w+", code.text, re.MULTILINE)
    return NewTest(f"{package.group() if package else 'package main'}\n\n{lines}", body)


def _rust_test(written: str, present: str) -> str:
    test = Code(written, "rust")
    parts, taken = [], {each.name for each in Code(present, "rust").definitions}
    for each in test.definitions:
        attributes = test.text[each.outer_start : each.start]
        if "#[test]" in attributes:
            blanks = test.indentation_at(each.outer_start)
            part = "\n".join(
                line.removeprefix(blanks) for line in (test.text[each.outer_start : each.end]).splitlines()
            )
            parts.append(part.replace(f"fn {each.name}(", f"fn {_free(each.name, taken)}(", 1))
    return "\n\n".join(parts) + "\n" if parts else ""


def _js_test(written: str, name: str) -> str:
    """The top-level calls of `test`, `it` and `describe`."""
    test = Code(written, "tsx" if "</" in written else "typescript")
    assert test.root is not None, "the language's grammar read the source file"
    calls = [test.source(node) for node in test.root.children if node.type == "expression_statement"]
    return "\n\n".join(call for call in calls if re.match(r"(?:test|it|describe)\b", call) and name in call) + "\n"


def _js_imports(present: str, imports: str) -> str:
    """The lines that the file has not, be it from there or otherwise."""
    lines = []
    for line in imports.splitlines():
        names = re.findall(r"\w+", re.split(r" from | = require", line)[0])[1:]
        if not all(re.search(rf"(?:import|require)[^;]*\b{name}\b|\b{name}\b[^;]*require", present) for name in names):
            lines.append(f"{line}\n")
    return "".join(lines)
