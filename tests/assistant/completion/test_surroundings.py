from __future__ import annotations

import pytest

from dsassist.completion.place import Place
from dsassist.completion.role import Role, role_at
from dsassist.completion.surroundings import look_around
from dsassist.syntax.languages import language_of
from dsassist.syntax.parsing import parse


@pytest.mark.parametrize(
    ("before", "block"),
    [
        ("def f():\n    ", 0),
        ("def f(\n    a,\n) -> int:\n    ", 0),
        ("class A:\n    def f(self):\n        ", 4),
        ("if x:\n", 0),
        ("x = 1\n", None),
        ("    # a comment\n    ", 3),
        ("def f():\n    '''Words.'''\n    ", 0),
        ("'''Words.'''\n", None),
        ("", None),
        ("def f():\n    if a:\n    ", None),  # the person has left the block
    ],
)
def test_a_block_is_due_below_its_opener(before: str, block: int | None) -> None:
    assert look_around(Place(before + "\n", len(before), "a.py"), "code").block_indent == block


@pytest.mark.parametrize(
    ("path", "before"),
    [
        ("a.js", "if (a) {\n  "),
        ("a.js", "switch (a) {\n  case 1:\n    "),
        ("a.rb", "def f(a)\n  "),
        ("a.rb", "items.each do |item|\n  "),
        ("a.lua", "if a then\n  "),
        ("a.sh", "while read -r line; do\n  "),
        ("a.yaml", "jobs:\n  "),
    ],
)
def test_languages_open_blocks_in_their_own_words(path: str, before: str) -> None:
    assert look_around(Place(before + "\n", len(before), path), "code").block_indent is not None


@pytest.mark.parametrize(
    ("path", "before"), [("a.js", "const a = {\n  b:\n  "), ("a.rb", "x = 1 if a\n"), ("a.json", "{}\n")]
)
def test_what_looks_like_a_blocks_opener_is_none(path: str, before: str) -> None:
    assert look_around(Place(before + "\n", len(before), path), "code").block_indent is None


@pytest.mark.parametrize(
    ("path", "document", "role"),
    [
        ("a.py", "x = |1\n", "code"),
        ("a.py", "x = '|'\n", "string"),
        ("a.py", "x = '|\n", "string"),
        ("a.py", "x = ''|\n", "code"),
        ("a.py", "x = f'{|}'\n", "code"),
        ("a.py", "x = f'{a}|'\n", "string"),
        ("a.py", "# a|\n", "comment"),
        ("a.py", "x = 1  # |\n", "comment"),
        ("a.py", 'def f():\n    """A|\n    """\n', "docstring"),
        ("a.py", 'def f():\n    """A\n    |\n', "docstring"),
        ("a.py", 'q = """\nSELECT |\n"""\n', "text"),
        ("a.js", "const a = `${|}`;\n", "code"),
        ("a.js", "const a = `b|`;\n", "text"),
        ("a.js", "// a|\n", "comment"),
        ("a.js", "/* a| */\n", "docstring"),
        ("a.js", "/* a */|\n", "code"),
        ("a.rs", "fn f<'a>(s: &'a |str) {}\n", "code"),
        ("a.sh", "cat <<EOF\na|\nEOF\n", "text"),
        ("a.json", '{"a": "|"}\n', "string"),
        ("a.yaml", "a: b|\n", "code"),
        ("a.unknown", "x = '|'\n", "string"),
        ("a.unknown", "x = 1 # |\n", "comment"),
    ],
)
def test_the_role_of_the_text_at_the_cursor(path: str, document: str, role: Role) -> None:
    before, after = document.split("|")
    place, language = Place(before + after, len(before), path), language_of(path)
    assert role_at(place, parse(language, place.text) if language else None) == role


def test_of_a_file_on_one_line_only_what_is_near_is_looked_at() -> None:
    line = "f(a,[b,{c:1}]);" * 40_000
    around = look_around(Place(line + line, len(line), "a.js"), "code")
    assert len(around.line_before) == len(around.line_after) == 1_000
