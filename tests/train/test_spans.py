"""The spans of a text that holes are made of, in each language of a corpus."""

from __future__ import annotations

import random

import pytest

from dsassist.bench.handwritten import is_named_like_code
from dsassist.syntax.languages import ENDINGS, language_of
from dsassist_train.corpus.spans import spans_of
from dsassist_train.packing.folder import ARGUMENT, BLOCK, CALL


def test_spans_are_calls_arguments_and_blocks() -> None:
    source = "def f(a):\n    x = g(a, h(b))\n    return x\n"
    found = {
        (source[span.start : span.end], span.kind) for span in spans_of("python", source.encode(), random.Random(1))
    }
    assert found == {
        ("a, h(b)", CALL),
        ("h(b)", ARGUMENT),
        ("x = g(a, h(b))\n    return x", BLOCK),
    }


_FUNCTIONS = {  # each language's source, and the block in it; the call is always the same but for sigils
    "python": ("def f(a):\n    {}\n", "x = g(a, hh(b))\n    return x"),
    "javascript": ("function f(a) {{\n  {}\n}}\n", "const x = g(a, hh(b));\n  return x;"),
    "typescript": ("function f(a: number) {{\n  {}\n}}\n", "const x = g(a, hh(b));\n  return x;"),
    "tsx": ("function f(a: number) {{\n  {}\n}}\n", "const x = g(a, hh(b));\n  return x;"),
    "go": ("package p\n\nfunc f(a int) int {{\n\t{}\n}}\n", "x := g(a, hh(b))\n\treturn x"),
    "rust": ("fn f(a: i32) -> i32 {{\n    {}\n}}\n", "let x = g(a, hh(b));\n    x + 1"),
    "java": ("class A {{\n  int f(int a) {{\n    {}\n  }}\n}}\n", "int x = g(a, hh(b));\n    return x;"),
    "c": ("int f(int a) {{\n  {}\n}}\n", "int x = g(a, hh(b));\n  return x;"),
    "cpp": ("int f(int a) {{\n  {}\n}}\n", "auto x = g(a, hh(b));\n  return x;"),
    "ruby": ("def f(a)\n  {}\nend\n", "x = g(a, hh(b))\n  x + 1"),
    "php": ("<?php\nfunction f($a) {{\n    {}\n}}\n", "$x = g($a, hh(B));\n    return $x;"),
    "lua": ("function f(a)\n  {}\nend\n", "local x = g(a, hh(b))\n  return x"),
    "bash": ("f() {{\n  {}\n}}\n", 'x=$(g a "$b")\n  return'),
    "c_sharp": ("class A {{\n  int F(int a) {{\n    {}\n  }}\n}}\n", "int x = g(a, hh(b));\n    return x;"),
    "kotlin": ("fun f(a: Int): Int {{\n    {}\n}}\n", "val x = g(a, hh(b))\n    return x"),
    "swift": ("func f(a: Int) -> Int {{\n    {}\n}}\n", "let x = g(a, hh(b))\n    return x"),
    "scala": ("object A {{\n  def f(a: Int): Int = {{\n    {}\n  }}\n}}\n", "val x = g(a, hh(b))\n    x + 1"),
    "zig": ("fn f(a: i32) i32 {{\n    {}\n}}\n", "const x = g(a, hh(b));\n    return x;"),
}
_INSIDE = {"php": ("$a, hh(B)", {"$a", "hh(B)"}), "bash": ('a "$b"', {'"$b"'})}
"""What stands between the brackets, and the arguments of two bytes and more, where they are not `a, hh(b)`."""


@pytest.mark.parametrize("language", _FUNCTIONS)
def test_calls_arguments_and_blocks_are_found_in_every_language(language: str) -> None:
    """Go and Swift had no blocks, Zig and Bash no calls and no arguments."""
    around, block = _FUNCTIONS[language]
    source = around.format(block)
    found: dict[int, set[str]] = {CALL: set(), ARGUMENT: set(), BLOCK: set()}
    for span in spans_of(language, source.encode(), random.Random(1)):
        found[span.kind].add(source[span.start : span.end])
    call, arguments = _INSIDE.get(language, ("a, hh(b)", {"hh(b)"}))
    assert found == {CALL: {call}, ARGUMENT: arguments, BLOCK: {block}}


def test_the_languages_of_a_corpus_are_those_that_holes_are_tested_in() -> None:
    assert set(_FUNCTIONS) == {language_of(f"a{ending}") for ending in ENDINGS if is_named_like_code(f"a{ending}")}


@pytest.mark.parametrize(
    ("language", "source", "blocks"),
    [
        ("go", "package p\n\nfunc f() {\n\tswitch a {\n\tcase 1:\n\t\tg()\n\t\treturn\n\t}\n}\n", {"g()\n\t\treturn"}),
        ("swift", "func f() {\n  if a {\n    return 1\n  }\n  b.map {\n    g()\n  }\n}\n", {"return 1", "g()"}),
        ("bash", "while a; do\n  ls aa\n  break\ndone\n", {"ls aa\n  break"}),
    ],
)
def test_blocks_within_functions_are_found_too(language: str, source: str, blocks: set[str]) -> None:
    spans = spans_of(language, source.encode(), random.Random(1))
    assert blocks <= {source[span.start : span.end] for span in spans if span.kind == BLOCK}
