"""Where a test of a source file belongs, and how it is written there: by what the project has, else by custom.

Only names and small files are read; nothing is imported or run.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dsassist.chat_actions.outcome import Subject

__all__ = ["Framework", "Layout", "has_layout", "layout_of", "module_path"]

Framework = Literal["pytest", "unittest", "vitest", "jest", "node:test", "go test", "cargo test"]

_TEST_FOLDERS = ("tests", "test", "__tests__")
_MOST_FILES = 5000  # of test folders; a larger project finds its file by the editor's own means
_LANGUAGES = ("python", "javascript", "typescript", "tsx", "go", "rust")
_JS_ENDINGS = (".test", ".spec")


@dataclass(frozen=True)
class Layout:
    """Which file gets the test: `path` None is the document itself; `text` is what it holds, None if it is new."""

    path: Path | None
    framework: Framework
    text: str | None


def layout_of(subject: Subject, language: str) -> Layout | None:
    """The layout for a saved source file; None where we know no custom, or the file is a test itself."""
    path = Path(subject.path)
    if not has_layout(subject, language):
        return None
    if language == "rust":
        return Layout(None, "cargo test", subject.text)
    root = subject.root or _root_of(path)
    if language == "go":
        return _layout(subject, path.with_name(f"{path.stem}_test.go"), "go test")
    if language == "python":
        found = _existing(root, (f"test_{path.stem}.py", f"{path.stem}_test.py"), path)
        target = found or _new_place(root, path, f"test_{path.stem}.py")
        return _layout(subject, target, _python_framework(root, subject.read(target)))
    names = tuple(f"{path.stem}{ending}{path.suffix}" for ending in _JS_ENDINGS)
    found = _existing(root, names, path)
    return _layout(subject, found or _new_place(root, path, names[0]), _js_framework(root, path))


def has_layout(subject: Subject, language: str) -> bool:
    """Whether `layout_of` knows a place, without looking at the disk."""
    path = Path(subject.path)
    return bool(subject.path) and not _is_test(path) and language in _LANGUAGES


def module_path(path: Path, root: Path) -> str:
    """The dotted name by which a Python file is imported.

    Packages with an `__init__.py` tell; without, the file counts from `src`, `lib` or the project's root.
    """
    top = path.parent
    while (top / "__init__.py").is_file() and top != top.parent:
        top = top.parent
    if top == path.parent and root in path.parents:
        top = next((base for base in (root / "src", root / "lib") if base in path.parents), root)
    parts = path.relative_to(top).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _layout(subject: Subject, path: Path, framework: Framework) -> Layout:
    return Layout(path, framework, subject.read(path))


def _root_of(path: Path) -> Path:
    marks = (".git", "pyproject.toml", "package.json", "go.mod", "Cargo.toml")
    return next((base for base in path.parents if any((base / mark).exists() for mark in marks)), path.parent)


def _is_test(path: Path) -> bool:
    return bool(re.match(r"test_|conftest$", path.stem) or re.search(r"_test$|\.(?:test|spec)$", path.stem))


def _existing(root: Path, names: tuple[str, ...], source: Path) -> Path | None:
    """The test file of that name whose folders agree most with the source's."""
    found = [path for folder in _folders(root, source) for path in _files(folder) if path.name in names]
    return max(found, key=lambda path: (len(set(path.parts) & set(source.parts)), str(path)), default=None)


def _folders(root: Path, source: Path) -> Iterator[Path]:
    """The folders that may hold tests: below each folder from the source up to the root; the source's own last."""
    base = source.parent
    while True:
        yield from (base / name for name in _TEST_FOLDERS if (base / name).is_dir())
        if base == root or base == base.parent:
            break
        base = base.parent
    yield source.parent


def _files(folder: Path) -> Iterator[Path]:
    n_seen = 0
    is_tests = folder.name in _TEST_FOLDERS
    for directory, below, names in os.walk(folder):
        below[:] = [] if not is_tests else [name for name in below if name[0] not in "._" and name != "node_modules"]
        for name in names:
            n_seen += 1
            if n_seen > _MOST_FILES:
                return
            yield Path(directory, name)


def _new_place(root: Path, source: Path, name: str) -> Path:
    """A file that is not there yet: in the test folder, in the folder that mirrors the source's; else beside it."""
    for folder in _folders(root, source):
        if folder == source.parent:
            break
        within = source.parent.relative_to(folder.parent).parts
        for length in range(len(within), 0, -1):  # tests/pkg/sub for src/pkg/sub, tests/sub for pkg/sub
            if (mirrored := folder.joinpath(*within[-length:])).is_dir():
                return mirrored / name
        return folder / name
    if source.suffix == ".py" and (root / "src") in source.parents:
        return root / "tests" / name
    return source.with_name(name)


def _python_framework(root: Path, text: str | None) -> Framework:
    if text is not None and "unittest.TestCase" in text:
        return "unittest"
    for name in ("pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini", "requirements-dev.txt", "conftest.py"):
        if (root / name).is_file() and (name.endswith((".ini", ".py")) or "pytest" in _small(root / name)):
            return "pytest"
    tests = [
        path for name in _TEST_FOLDERS if (root / name).is_dir() for path in sorted((root / name).glob("test_*.py"))
    ]
    return "unittest" if any("unittest.TestCase" in _small(path) for path in tests[:5]) else "pytest"


def _js_framework(root: Path, source: Path) -> Framework:
    for base in source.parents:
        if (base / "package.json").is_file():
            try:
                package = json.loads(_small(base / "package.json"))
                used = {*package.get("devDependencies", {}), *package.get("dependencies", {})}
                used |= set(re.findall(r"[\w:-]+", str(package.get("scripts", {}).get("test", ""))))
            except (ValueError, AttributeError, TypeError):
                used = set()
            return "vitest" if "vitest" in used else "jest" if "jest" in used else "node:test"
        if base == root:
            break
    return "node:test"


def _small(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(100_000)
    except OSError:
        return ""
