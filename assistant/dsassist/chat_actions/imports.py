"""The import lines by which a test reaches what it tests."""

from __future__ import annotations

import os
import re
from pathlib import Path

from dsassist.chat_actions.code import Code
from dsassist.chat_actions.layout import Layout, module_path
from dsassist.chat_actions.outcome import NothingToInsert, Subject

__all__ = ["import_of"]


def import_of(subject: Subject, code: Code, layout: Layout, name: str) -> str:
    """The lines for `name` and the framework, without a last line break; empty where a test needs none.

    `NothingToInsert` when the file does not let others have the name.
    """
    path = Path(subject.path)
    if layout.framework in ("pytest", "unittest"):
        line = f"from {module_path(path, subject.root or path.parent)} import {name}"
        return f"import unittest\n\n{line}" if layout.framework == "unittest" else line
    if layout.framework in ("vitest", "jest", "node:test"):
        assert layout.path is not None, "only Rust's tests stand in the source file"
        return "\n".join([*_FRAMEWORK_LINES[layout.framework], _js_import(code.text, path, layout.path, name)])
    return ""


_FRAMEWORK_LINES: dict[str, tuple[str, ...]] = {
    "vitest": ('import { expect, test } from "vitest";',),
    "jest": (),
    "node:test": ('import assert from "node:assert/strict";', 'import test from "node:test";'),
}


def _js_import(text: str, source: Path, target: Path, name: str) -> str:
    escaped = re.escape(name)
    relative = Path(os.path.relpath(source, target.parent)).as_posix()
    relative = relative if relative.startswith(".") else f"./{relative}"
    if source.suffix in (".ts", ".tsx"):  # the compiler looks for the file
        relative = relative.removesuffix(source.suffix)
    exported = rf"export\s+(?:async\s+)?(?:function\*?|const|let|class)\s+{escaped}\b"
    if re.search(exported, text) or re.search(rf"export\s*\{{[^}}]*\b{escaped}\b", text):
        return f'import {{ {name} }} from "{relative}";'
    if re.search(rf"export\s+default\s+(?:async\s+)?(?:function\s+|class\s+)?{escaped}\b", text):
        return f'import {name} from "{relative}";'
    if re.search(rf"exports\s*(?:\.{escaped}\s*=|=\s*\{{[^}}]*\b{escaped}\b)", text):
        return f'const {{ {name} }} = require("{relative}");'
    raise NothingToInsert(f"{name} is not exported from {source.name}, so a test cannot import it; export it first")
