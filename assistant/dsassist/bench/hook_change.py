"""The commit of `dsassist bench hook`: functions of the standard library, three of each file, staged in a repository.

The newer version of each file is the library's own. In the older one, which HEAD has, one function is missing and two
lack a statement, so that the change adds them. With the same Python it is the same change each time.
"""

from __future__ import annotations

import ast
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dsassist_runtime.errors import NotDone

__all__ = ["FUNCTIONS_OF_FILE", "stage_change"]

FUNCTIONS_OF_FILE = 3

_LEAST_CHARACTERS, _MOST_CHARACTERS = 300, 1800
_LEAST_STATEMENTS = 3
# 170 to 740 lines, 400 on the mean. Those behind the first 20 stand in for what a Python does not have.
_MODULES = (
    *("cmd", "code", "copy", "csv", "filecmp", "fileinput", "gettext", "graphlib", "gzip", "hmac"),
    *("lzma", "pprint", "pyclbr", "queue", "sched", "shlex", "symtable", "tabnanny", "textwrap", "trace"),
    *("bdb", "calendar", "configparser", "ftplib", "pstats", "selectors", "smtplib", "wave"),
)
_AUTHOR = ("-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgSign=false")
_FOLDER = "library"  # not at the root, where the names would be those of the interpreter's own modules


@dataclass(frozen=True)
class _Function:
    """A function of a file: its qualified name, its first and last line, and those of its longest statement."""

    name: str
    lines: tuple[int, int]
    statement: tuple[int, int]


def stage_change(root: Path, n_files: int, environ: Mapping[str, str]) -> list[str]:
    """Make the repository at `root` and stage the change; the functions' names as a report writes them."""
    root.mkdir(parents=True)
    files = {f"{_FOLDER}/{name}.py": (old, new, functions) for name, old, new, functions in _files(n_files)}
    _git(root, environ, "init", "--quiet")
    _write(root, {path: old for path, (old, _, _) in files.items()})
    _git(root, environ, "add", "--all")
    _git(root, environ, *_AUTHOR, "commit", "--quiet", "--no-verify", "--message", "before")
    _write(root, {path: new for path, (_, new, _) in files.items()})
    _git(root, environ, "add", "--all")
    return [f"{path}: {name}" for path, (_, _, functions) in files.items() for name in functions]


def _files(n_files: int) -> list[tuple[str, str, str, list[str]]]:
    """Of each file its name, its older and its newer text, and the functions that change."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    found = []
    for name in _MODULES:
        path = folder / f"{name}.py"
        new = path.read_text(encoding="utf-8") if path.is_file() else ""
        if (before := _before(new)) is not None:
            found.append((name, before[0], new, before[1]))
        if len(found) == n_files:
            return found
    raise NotDone(f"{folder} has only {len(found)} of the {n_files} files that the change is made of")


def _before(text: str) -> tuple[str, list[str]] | None:
    """The text without one function and two statements, and these functions' names; None where it has too few."""
    functions = _functions(text)
    if len(functions) < FUNCTIONS_OF_FILE:
        return None
    chosen = [functions[len(functions) * number // FUNCTIONS_OF_FILE] for number in range(FUNCTIONS_OF_FILE)]
    left_out = [chosen[0].lines, *(each.statement for each in chosen[1:])]
    gone = {line for first, last in left_out for line in range(first, last + 1)}
    lines = text.splitlines(keepends=True)
    old = "".join(line for number, line in enumerate(lines, 1) if number not in gone)
    try:
        ast.parse(old)
    except SyntaxError:
        return None
    return old, [each.name for each in chosen]


def _functions(text: str) -> list[_Function]:
    """The functions and methods of a middle size, but for those of which a file has two of the same name."""
    found = list(_walk(ast.parse(text).body, ""))
    names = [name for name, _ in found]
    chosen = []
    for name, node in found:
        length = len(ast.get_source_segment(text, node) or "")
        if names.count(name) > 1 or not _LEAST_CHARACTERS <= length <= _MOST_CHARACTERS:
            continue
        if len(node.body) >= _LEAST_STATEMENTS:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            longest = max(node.body[1:], key=lambda each: _last_line(each) - each.lineno)
            chosen.append(_Function(name, (first, _last_line(node)), (longest.lineno, _last_line(longest))))
    return chosen


def _walk(body: list[ast.stmt], path: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _walk(node.body, f"{path}{node.name}.")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield f"{path}{node.name}", node


def _last_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _write(root: Path, texts: dict[str, str]) -> None:
    for path, text in texts.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def _git(root: Path, environ: Mapping[str, str], *arguments: str) -> None:
    done = subprocess.run(["git", *arguments], cwd=root, env=environ, capture_output=True, check=False, text=True)
    if done.returncode != 0:
        raise NotDone(f"git could not make the repository of the bench: {done.stderr.strip()}")
