"""Alternatives that would assign a value to itself, or compare it with itself."""

from __future__ import annotations

import pytest

from dsassist.review.likelihood.senseless import is_with_itself
from dsassist.review.source import Source
from dsassist_runtime.api import Edit


@pytest.mark.parametrize(
    ("language", "text", "old", "new", "expected"),
    [
        ("python", "def f():\n    data['é'] = image['é']\n", "data", "image", True),
        ("python", "def f():\n    data['a'] = image['b']\n", "data", "image", False),
        ("python", "def f():\n    return low < high\n", "high", "low", True),
        ("python", "def f():\n    return low < high < top\n", "high", "low", False),
        ("python", "def f():\n    return a.x is  not b.x\n", "b", "a", True),
        ("python", "def f():\n    return low + high\n", "high", "low", False),
        ("python", "def f():\n    return (low - high) * 2\n", "high", "low", True),
        ("python", "def f():\n    return g(low, high)\n", "high", "low", False),
        ("python", "def f():\n    total += price\n", "price", "total", False),
        ("python", "def f():\n    return 'a b' == 'ac'\n", "ac", "ab", False),
        ("javascript", "function f() {\n  const low = high;\n}\n", "high", "low", True),
        ("java", "class A {\n  void f() {\n    int low = high;\n  }\n}\n", "high", "low", True),
        ("rust", "fn f() {\n    let low = high;\n}\n", "high", "low", False),
        ("javascript", "function f() {\n  this.a = b.a;\n}\n", "b", "this", True),
        ("typescript", "function f() {\n  return low === high;\n}\n", "high", "low", True),
        ("go", "package a\n\nfunc f() {\n\ta.x = b.x\n}\n", "b", "a", True),
        ("rust", "fn f() {\n    a.x = b.x;\n}\n", "b", "a", True),
        ("java", "class A {\n  void f() {\n    a.x = b.x;\n  }\n}\n", "b", "a", True),
        ("c", "void f() {\n  a.x = b.x;\n}\n", "b", "a", True),
    ],
)
def test_what_has_the_same_on_both_sides_makes_no_sense(
    language: str, text: str, old: str, new: str, expected: bool
) -> None:
    start = text.rindex(old)
    assert is_with_itself(Source(text, language), Edit(start, start + len(old), new)) is expected
