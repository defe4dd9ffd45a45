"""Which language a document is written in, and the tree-sitter grammar of it.

Grammars are single packages, loaded when first needed; one that is missing or does not load costs its language the
syntax checks and nothing else.
"""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tree_sitter import Language

__all__ = ["ENDINGS", "LANGUAGES", "LANGUAGE_IDS", "grammar", "language_of", "missing_grammar"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Known:
    """How a language is recognised, and where its grammar is: a function of a module."""

    module: str
    endings: tuple[str, ...]  # of file names, in lower case
    names: tuple[str, ...] = ()  # whole file names, in lower case
    ids: tuple[str, ...] = ()  # LSP's language ids that differ from our name
    function: str = "language"


_KNOWN = {
    "python": _Known("tree_sitter_python", (".py", ".pyi", ".pyw"), ("sconstruct", "sconscript"), ("python3",)),
    "javascript": _Known(
        "tree_sitter_javascript", (".js", ".jsx", ".mjs", ".cjs"), ("jakefile",), ("javascriptreact", "jsx")
    ),
    "typescript": _Known("tree_sitter_typescript", (".ts", ".mts", ".cts"), function="language_typescript"),
    "tsx": _Known("tree_sitter_typescript", (".tsx",), ids=("typescriptreact",), function="language_tsx"),
    "go": _Known("tree_sitter_go", (".go",)),
    "rust": _Known("tree_sitter_rust", (".rs",)),
    "java": _Known("tree_sitter_java", (".java",)),
    "c": _Known("tree_sitter_c", (".c",)),
    # A header may be either; the grammar of C++ reads nearly all of C.
    "cpp": _Known(
        "tree_sitter_cpp", (".cpp", ".cc", ".cxx", ".c++", ".hpp", ".hh", ".hxx", ".h", ".ipp", ".inl"), ids=("c++",)
    ),
    "ruby": _Known(
        "tree_sitter_ruby", (".rb", ".rake", ".gemspec"), ("gemfile", "rakefile", "podfile", "vagrantfile", "brewfile")
    ),
    "php": _Known("tree_sitter_php", (".php", ".phtml"), function="language_php"),
    "lua": _Known("tree_sitter_lua", (".lua",)),
    "bash": _Known(
        "tree_sitter_bash",
        (".sh", ".bash", ".zsh", ".ksh", ".bats"),
        (".bashrc", ".bash_profile", ".bash_aliases", ".profile", ".zshrc", ".zprofile"),
        ("shellscript", "sh", "zsh", "shell"),
    ),
    "c_sharp": _Known("tree_sitter_c_sharp", (".cs", ".csx"), ids=("csharp", "cs")),
    "kotlin": _Known("tree_sitter_kotlin", (".kt", ".kts")),
    "swift": _Known("tree_sitter_swift", (".swift",)),
    "scala": _Known("tree_sitter_scala", (".scala", ".sc", ".sbt")),
    "html": _Known("tree_sitter_html", (".html", ".htm", ".xhtml")),
    "css": _Known("tree_sitter_css", (".css",)),
    "json": _Known("tree_sitter_json", (".json", ".jsonc", ".webmanifest"), (".babelrc", ".eslintrc"), ("jsonc",)),
    "yaml": _Known("tree_sitter_yaml", (".yaml", ".yml"), (".clang-format",), ("dockercompose",)),
    "toml": _Known("tree_sitter_toml", (".toml",), ("cargo.lock", "poetry.lock", "uv.lock")),
    "zig": _Known("tree_sitter_zig", (".zig", ".zon")),
    "hcl": _Known("tree_sitter_hcl", (".hcl", ".tf", ".tfvars", ".nomad"), ids=("terraform", "terraform-vars")),
}

LANGUAGES = tuple(_KNOWN)
LANGUAGE_IDS = tuple(language_id for known in _KNOWN.values() for language_id in known.ids)
ENDINGS = tuple(ending for known in _KNOWN.values() for ending in known.endings)

_OF_ID = {language: language for language in _KNOWN} | {i: name for name, known in _KNOWN.items() for i in known.ids}
_OF_ENDING = {ending: name for name, known in _KNOWN.items() for ending in known.endings}
_OF_NAME = {file: name for name, known in _KNOWN.items() for file in known.names}

_LOADING = Lock()


def language_of(path: str, language_id: str = "") -> str | None:
    """Our name of a document's language, or None where we have no grammar for it.

    The editor's language id goes before the file's name; a notebook's cell has an id, and a path that says nothing.
    """
    if (named := _OF_ID.get(language_id.lower())) is not None:
        # Some editors call all of TypeScript by one id; only the file's name then tells of JSX.
        return "tsx" if named == "typescript" and path.lower().endswith(".tsx") else named
    file = PurePath(path)
    return _OF_NAME.get(file.name.lower()) or _OF_ENDING.get(file.suffix.lower())


def grammar(language: str) -> Language | None:
    """The grammar of a language (our name), or None where its package is missing or does not load. For any thread."""
    with _LOADING:
        return _load(language).grammar


def missing_grammar(language: str) -> str | None:
    """What to tell a person whose completions in this language go without syntax checks; None when all is well."""
    with _LOADING:
        error = _load(language).error
    if not error:
        return None
    package = _KNOWN[language].module.replace("_", "-")
    return f"No syntax checks for {language}: {error}. Mend it by `pip install --upgrade {package}`."


class _Loaded(NamedTuple):
    """A grammar, or what is wrong with it."""

    grammar: Language | None
    error: str = ""


@cache
def _load(language: str) -> _Loaded:
    from tree_sitter import Language

    known = _KNOWN[language]
    try:
        return _Loaded(Language(getattr(importlib.import_module(known.module), known.function)()))
    except ModuleNotFoundError:
        return _Loaded(None, "its grammar is not installed")
    except Exception as error:  # whatever a broken or too new package raises, completion goes on without it
        _log.warning("The grammar of %s does not load", language, exc_info=True)
        return _Loaded(None, f"its grammar does not load ({error})")
