from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from dsassist.syntax.languages import LANGUAGES, grammar, language_of, missing_grammar


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("src/a.py", "python"),
        ("a.PYI", "python"),
        ("a.tsx", "tsx"),
        ("a.ts", "typescript"),
        ("a.jsx", "javascript"),
        ("include/a.h", "cpp"),
        ("a.c", "c"),
        ("Rakefile", "ruby"),
        (".bashrc", "bash"),
        ("main.tf", "hcl"),
        ("a.cs", "c_sharp"),
        ("a.txt", None),
        ("py", None),
        ("", None),
    ],
)
def test_a_file_is_known_by_its_name(path: str, language: str | None) -> None:
    assert language_of(path) == language


@pytest.mark.parametrize(
    ("path", "language_id", "language"),
    [
        ("notebook.ipynb", "python", "python"),
        ("a.h", "c", "c"),
        ("a", "shellscript", "bash"),
        ("a.tsx", "typescript", "tsx"),
        ("a", "typescriptreact", "tsx"),
        ("a", "csharp", "c_sharp"),
        ("a.py", "Python", "python"),
        ("a.py", "plaintext", "python"),
        ("a.txt", "plaintext", None),
    ],
)
def test_the_editors_word_goes_before_the_name(path: str, language_id: str, language: str | None) -> None:
    assert language_of(path, language_id) == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_grammar_loads(language: str) -> None:
    assert grammar(language) is not None
    assert missing_grammar(language) is None


def test_threads_get_the_same_grammar() -> None:
    with ThreadPoolExecutor(8) as threads:
        loaded = list(threads.map(grammar, ["css"] * 32))
    assert all(one is loaded[0] for one in loaded)


BROKEN = """
import sys
{spoil}
from dsassist.syntax.languages import grammar, missing_grammar
from dsassist.syntax.parsing import parse
assert grammar("lua") is None
assert parse("lua", "x = 1") is None
assert grammar("json") is not None
print(missing_grammar("lua"))
"""


def without_grammar(spoil: str) -> str:
    """What is said of a Lua grammar that was spoilt before it was loaded, in a process of its own."""
    code = BROKEN.format(spoil=spoil)
    path = ":".join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_grammar_that_is_not_installed_is_told_of() -> None:
    said = without_grammar("sys.modules['tree_sitter_lua'] = None")
    assert said == (
        "No syntax checks for lua: its grammar is not installed. Mend it by `pip install --upgrade tree-sitter-lua`.\n"
    )


def test_a_grammar_that_does_not_load_is_told_of() -> None:
    said = without_grammar("import types; sys.modules['tree_sitter_lua'] = types.ModuleType('tree_sitter_lua')")
    assert "its grammar does not load" in said
    assert "pip install --upgrade tree-sitter-lua" in said
