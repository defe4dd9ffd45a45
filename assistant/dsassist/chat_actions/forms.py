"""What the actions must know of each language: its functions in the syntax tree, and its documentation comments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["FORMS", "Form"]


@dataclass(frozen=True)
class Form:
    """A language as the actions see it.

    `wrappers` are nodes that belong to the definition that they hold (decorators, `export`). Documentation stands in
    the body ("docstring"), or before the definition as a block `/** ... */` or as lines that begin with `doc_prefix`.
    `tags` tells how parameters and the result are named there; empty where custom has only sentences.
    """

    title: str
    functions: frozenset[str]
    classes: frozenset[str] = frozenset()
    wrappers: frozenset[str] = frozenset()
    doc: Literal["docstring", "block", "lines"] = "block"
    doc_prefix: str = ""
    tags: Literal["", "jsdoc", "javadoc", "xml"] = ""


_JS_FUNCTIONS = frozenset(
    {
        "function_declaration",
        "generator_function_declaration",
        "method_definition",
        "arrow_function",
        "function_expression",
    }
)
_JS_WRAPPERS = frozenset({"export_statement", "lexical_declaration", "variable_declaration", "variable_declarator"})
_JS = Form("JavaScript", _JS_FUNCTIONS, frozenset({"class_declaration"}), _JS_WRAPPERS, tags="jsdoc")
_TS = Form(
    "TypeScript",
    _JS_FUNCTIONS,
    frozenset({"class_declaration", "interface_declaration"}),
    _JS_WRAPPERS,
    tags="jsdoc",
)
_C_CLASSES = frozenset({"class_specifier", "struct_specifier"})

FORMS: dict[str, Form] = {
    "python": Form(
        "Python",
        frozenset({"function_definition"}),
        frozenset({"class_definition"}),
        frozenset({"decorated_definition"}),
        doc="docstring",
    ),
    "javascript": _JS,
    "typescript": _TS,
    "tsx": _TS,
    "go": Form("Go", frozenset({"function_declaration", "method_declaration"}), doc="lines", doc_prefix="//"),
    "rust": Form(
        "Rust",
        frozenset({"function_item"}),
        frozenset({"struct_item", "enum_item", "trait_item"}),
        doc="lines",
        doc_prefix="///",
    ),
    "java": Form(
        "Java",
        frozenset({"method_declaration", "constructor_declaration"}),
        frozenset({"class_declaration", "interface_declaration", "enum_declaration", "record_declaration"}),
        tags="javadoc",
    ),
    "c": Form("C", frozenset({"function_definition"}), tags="javadoc"),
    "cpp": Form(
        "C++", frozenset({"function_definition"}), _C_CLASSES, frozenset({"template_declaration"}), tags="javadoc"
    ),
    "php": Form(
        "PHP",
        frozenset({"function_definition", "method_declaration"}),
        frozenset({"class_declaration", "interface_declaration"}),
        tags="javadoc",
    ),
    "c_sharp": Form(
        "C#",
        frozenset({"method_declaration", "constructor_declaration", "local_function_statement"}),
        frozenset({"class_declaration", "interface_declaration", "struct_declaration", "record_declaration"}),
        doc="lines",
        doc_prefix="///",
        tags="xml",
    ),
    "kotlin": Form("Kotlin", frozenset({"function_declaration"}), frozenset({"class_declaration"})),
    "scala": Form("Scala", frozenset({"function_definition"}), frozenset({"class_definition", "object_definition"})),
    "swift": Form(
        "Swift",
        frozenset({"function_declaration", "init_declaration"}),
        frozenset({"class_declaration"}),
        doc="lines",
        doc_prefix="///",
    ),
    "ruby": Form(
        "Ruby", frozenset({"method", "singleton_method"}), frozenset({"class", "module"}), doc="lines", doc_prefix="#"
    ),
    "lua": Form("Lua", frozenset({"function_declaration"}), doc="lines", doc_prefix="---"),
    "bash": Form("shell", frozenset({"function_definition"}), doc="lines", doc_prefix="#"),
    "zig": Form("Zig", frozenset({"function_declaration"}), doc="lines", doc_prefix="///"),
}
"""By our names of languages (`syntax.languages`); for another one only an explanation is offered."""
