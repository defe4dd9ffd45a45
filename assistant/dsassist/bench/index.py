"""`dsassist bench index`: what the index of a large workspace costs, and whether questions get slower with its size.

The workspace is made up, in a temporary folder: small modules in Python and JavaScript that import each other. Its
index is built twice, of a tenth of the files and then of all, by the code that the language server's process runs.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsassist.bench.report import Figure, Report
from dsassist.completion.place import Place
from dsassist.context.recent import RecentEdits
from dsassist.context.sources import ContextSources
from dsassist.index.workspace import WorkspaceIndex

__all__ = ["index_bench"]

_SHARE = 10  # the workspace that the large one is held against has a tenth of its files
_QUESTIONS = 40
_BUDGET_TOKENS = 400
_FOLDER_FILES = 100
_MEGABYTE = 1024 * 1024
_VERBS = (
    "read",
    "load",
    "parse",
    "merge",
    "split",
    "check",
    "count",
    "find",
    "fetch",
    "build",
    "close",
    "sort",
    "pack",
)
_NOUNS = (
    *("order", "price", "stock", "basket", "parcel", "invoice", "ledger", "account", "customer", "ticket", "route"),
    *("depot", "lorry", "pallet", "label", "batch", "shelf", "voucher", "refund", "rebate", "tariff", "season"),
    *("booking", "seat", "coach", "harbour", "cargo", "crane", "berth", "tide", "pilot", "anchor"),
)


def index_bench(files: int, progress: Callable[[str], None]) -> Report:
    """Measure a tenth of `files` files, then all of them, each in a workspace of its own."""
    few = max(1, files // _SHARE)
    small, large = (_measured(count, progress) for count in (few, files))
    figures = [
        Figure(f"{files} files: CPU to build", (large.build_cpu_s,), "s"),
        Figure(f"{files} files: size on disk", (large.size_mb,), "MB"),
        Figure(f"{files} files: CPU of a refresh without changes", (large.refresh_cpu_s,), "s"),
        Figure(f"{files} files: CPU of the context for a prompt", large.questions_ms, "ms"),
        Figure(f"{few} files: CPU of the context for a prompt", small.questions_ms, "ms"),
        Figure("the same, all files / a tenth of them", (_median_ratio(large, small),), "x"),
    ]
    settings = {
        "symbols": large.symbols,
        "questions": _QUESTIONS,
        "what": "CPU of one process",
    }
    return Report("index", settings, figures)


@dataclass(frozen=True)
class _Measured:
    build_cpu_s: float
    refresh_cpu_s: float
    size_mb: float
    symbols: int
    questions_ms: tuple[float, ...]


def _median_ratio(large: _Measured, small: _Measured) -> float:
    one, other = (Figure("", each.questions_ms, "ms").value for each in (large, small))
    return one / other


def _measured(files: int, progress: Callable[[str], None]) -> _Measured:
    with tempfile.TemporaryDirectory(prefix="dsa-index-") as folder:
        root = Path(folder)
        progress(f"{files} files are written")
        _write_workspace(root, files)
        index = WorkspaceIndex(root)
        try:
            progress(f"{files} files: the index is built")
            build_cpu_s = _cpu_s(index.refresh)
            index.refresh()  # of files that are younger than the clock's grain it keeps the times only now
            refresh_cpu_s = _cpu_s(index.refresh)
            counts = index.counts()
            progress(f"{files} files: questions")
            questions_ms = tuple(_asked_ms(index, place) for place in _places(root, files))
        finally:
            index.forget()
    return _Measured(build_cpu_s, refresh_cpu_s, counts.size_bytes / _MEGABYTE, counts.symbols, questions_ms)


def _cpu_s(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _asked_ms(index: WorkspaceIndex, place: Place) -> float:
    sources = ContextSources(index, RecentEdits())
    return 1000 * _cpu_s(lambda: sources.gather(place, view="", budget_tokens=_BUDGET_TOKENS))


def _places(root: Path, files: int) -> Sequence[Place]:
    """Cursors in modules all over the workspace."""
    places = []
    for number in range(0, files, max(1, files // _QUESTIONS)):
        path = root / _path(number)
        text = path.read_text()
        places.append(Place(text, text.rindex("\n", 0, -1), str(path)))
    return places


def _write_workspace(root: Path, files: int) -> None:
    for number in range(files):
        path = root / _path(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_module(number, files))


def _path(number: int) -> str:
    ending = "js" if number % 2 else "py"
    return f"part_{number // _FOLDER_FILES}/{_name(number)}.{ending}"


def _name(number: int) -> str:
    return f"{_NOUNS[number % len(_NOUNS)]}_{number}"


def _module(number: int, files: int) -> str:
    """A module that uses a function of another one in the same language; the same number gives the same text."""
    chance = random.Random(number)  # noqa: S311 (texts, no secrets)
    other = chance.randrange(number % 2, max(files, 2), 2)
    functions = [_function(number, chance) for _ in range(chance.randint(2, 6))]
    if number % 2:
        head = f"import {{ {_used(other)} }} from '../part_{other // _FOLDER_FILES}/{_name(other)}.js';\n"
        return (
            head
            + "\n".join(_javascript(*each) for each in functions)
            + f"\nexport const {_used(number)} = (order) => {_used(other)}(order);\n"
        )
    head = f"from part_{other // _FOLDER_FILES}.{_name(other)} import {_used(other)}\n\n"
    tail = f"\n\ndef {_used(number)}(order):\n    found = {_used(other)}(order)\n    return found\n"
    return head + "\n".join(_python(*each) for each in functions) + tail


def _used(number: int) -> str:
    return f"use_{_name(number)}"


def _function(number: int, chance: random.Random) -> tuple[str, list[str]]:
    verb, noun = chance.choice(_VERBS), chance.choice(_NOUNS)
    return f"{verb}_{noun}_{number % 997}", [chance.choice(_NOUNS) for _ in range(chance.randint(3, 9))]


def _python(name: str, nouns: list[str]) -> str:
    lines = "".join(f"    {noun}s = [each.{noun} for each in items if each.{noun} != {len(noun)}]\n" for noun in nouns)
    doc = name.replace("_", " ").capitalize()
    return f'\ndef {name}(items, limit=10):\n    """{doc}."""\n{lines}    return {nouns[-1]}s[:limit]\n'


def _javascript(name: str, nouns: list[str]) -> str:
    lines = "".join(f"  const {noun}s{i} = items.map((each) => each.{noun});\n" for i, noun in enumerate(nouns))
    return f"\nexport function {name}(items, limit) {{\n{lines}  return items.slice(0, limit);\n}}\n"
