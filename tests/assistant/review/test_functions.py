"""Which functions a change touches, and what the model is shown before them."""

from __future__ import annotations

import pytest

from dsassist.review.functions import changed_functions, file_head
from dsassist.review.source import Source

TEXT = '''\
"""What this module is."""

from __future__ import annotations

import os  # a comment

LIMIT = 3


def plain(a):
    return a


@decorated(
    x=1,
)
async def decorated_one():
    def inner(b):
        return b
    return inner


class Outer(Base):
    """Doc."""

    x = 1

    def method(self):
        return self.x

    class Nested:
        def deep(self): return 1


if LIMIT:
    def conditional():
        pass

last = plain(1)
'''
ALL = frozenset(range(1, 60))


def names(text: str, *lines: int) -> list[str]:
    return [function.name for function in changed_functions(Source(text), frozenset(lines) or ALL)]


def test_every_function_is_found_and_inner_ones_belong_to_the_outer() -> None:
    assert names(TEXT) == ["plain", "decorated_one", "Outer.method", "Outer.Nested.deep", "conditional"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (10, ["plain"]),
        (11, ["plain"]),
        (12, []),
        (15, ["decorated_one"]),  # its decorator
        (19, ["decorated_one"]),  # the function inside
        (25, []),  # an attribute of the class
        (28, ["Outer.method"]),
        (38, []),
    ],
)
def test_a_line_belongs_to_the_function_around_it(line: int, found: list[str]) -> None:
    assert names(TEXT, line) == found


def test_a_function_is_whole_lines_from_its_decorator_on() -> None:
    function = changed_functions(Source(TEXT), frozenset({18}))[0]
    assert function.text.startswith("@decorated(\n")
    assert function.text.endswith("    return inner")
    assert function.line == 14
    assert TEXT[function.start : function.start + len(function.text)] == function.text


def test_a_method_keeps_its_indentation_and_knows_the_head_of_its_class() -> None:
    function = changed_functions(Source(TEXT), frozenset({28}))[0]
    assert function.text == "    def method(self):\n        return self.x"
    assert function.class_header == "class Outer(Base):\n"
    nested = changed_functions(Source(TEXT), frozenset({32}))[0]
    assert nested.class_header == "    class Nested:\n"


def test_the_head_has_imports_and_constants_but_no_docstring() -> None:
    head = "from __future__ import annotations\nimport os\nLIMIT = 3\n\n\n"
    assert file_head(Source(TEXT)) == head


def test_the_head_is_short_and_of_whole_statements() -> None:
    head = file_head(Source("".join(f"import module_number_{i}\n" for i in range(200))))
    assert 800 < len(head) < 950
    assert head.rstrip("\n").splitlines()[-1].startswith("import module_number_")


def test_a_file_that_begins_with_a_function_has_no_head() -> None:
    assert file_head(Source("def f():\n    pass\nimport os\n")) == ""
    assert file_head(Source("")) == ""


def test_a_syntax_error_spoils_only_its_own_function() -> None:
    text = "def good():\n    return 1\n\n\ndef bad():\n    return (1 +\n\n\ndef also_good(x):\n    return x\n"
    broken = {function.name: function.is_broken for function in changed_functions(Source(text), ALL)}
    assert broken["good"] is False
    assert any(broken.values())


def test_positions_are_code_points_behind_wide_characters() -> None:
    text = "name = '😀é'\ndef f():\n    return '😀', x\n"
    source = Source(text)
    byte = source.data.index(b", x") + 2
    assert source.offset(byte) == text.index(", x") + 2
    assert source.position(text.index(", x") + 2) == (3, 17)


def test_lines_end_at_line_feeds_only() -> None:
    source = Source("a = '\u2028'\x0c\r\nb = 1\n")
    assert source.position(source.text.index("b")) == (2, 1)
    assert source.line_text(2) == "b = 1"


OTHERS = {
    "javascript": (
        (
            "import a from 'a';\nexport function f(x) { return x; }\nconst g = (x) => x;\n"
            "export class A {\n  m() { return 1; }\n}\nconst o = { k: function () {} };\n"
        ),
        ["f", "g", "A.m", "k"],
    ),
    "go": ("package m\n\nfunc f() {}\n\nfunc (s *S) M() int { return 1 }\n", ["f", "M"]),
    "rust": (
        "impl<T> S<T> { fn m(&self) {} }\nmod a { fn f() {} }\ntrait R { fn n(); fn o() {} }\n",
        ["S<T>.m", "a.f", "R.o"],
    ),
    "java": (
        "package p;\nclass A { A() {} int m() { return 1; } abstract int n(); class B { void o() {} } }\n",
        ["A.A", "A.m", "A.B.o"],
    ),
    "c": ("#include <a.h>\nint f(void);\nstatic int *g(int a) { return 0; }\n", ["g"]),
    "cpp": (
        "namespace n { template <class T> struct A { int m() { return 1; } }; }\nint n::A::k(int a) { return a; }\n",
        ["n.A.m", "n::A::k"],
    ),
}


@pytest.mark.parametrize("language", OTHERS)
def test_functions_of_other_languages(language: str) -> None:
    text, found = OTHERS[language]
    assert [function.name for function in changed_functions(Source(text, language), ALL)] == found


@pytest.mark.parametrize(
    ("language", "text", "head"),
    [
        ("javascript", "import a from 'a';\n// about f\nfunction f() {}\n", "import a from 'a';\n\n\n"),
        ("go", 'package m\n\nimport "fmt"\n\nfunc f() {}\n', 'package m\nimport "fmt"\n\n\n'),
        ("c", "#include <a.h>\nint x;\nint f() {}\n", "#include <a.h>\nint x;\n\n\n"),
        ("java", "package p;\nimport q.R;\nclass A {}\n", "package p;\nimport q.R;\n\n\n"),
    ],
)
def test_the_head_of_a_file_in_other_languages(language: str, text: str, head: str) -> None:
    assert file_head(Source(text, language)) == head


def test_a_method_in_braces_knows_the_head_of_its_class() -> None:
    source = Source("class A extends B\n{\n  m() { return 1; }\n}\n", "javascript")
    (function,) = changed_functions(source, ALL)
    assert (function.class_header, function.text) == ("class A extends B {\n", "  m() { return 1; }")


def test_a_byte_is_found_by_its_code_point_and_back() -> None:
    source = Source("a = '😀é'\nb = 'é'\n")
    assert [source.offset(source.byte(offset)) for offset in range(len(source.text))] == [*range(len(source.text))]
    assert source.byte(source.text.index("b")) == source.data.index(b"b")


def test_an_unknown_language_has_no_tree() -> None:
    with pytest.raises(KeyError):
        _ = Source("x", "klingon").tree
