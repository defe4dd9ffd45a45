"""What of a model's text is shown: golden cases, each fed whole, in pieces and character by character."""

from __future__ import annotations

import pytest

from dsassist.completion.ending import Ending
from dsassist.completion.surroundings import look_around

# name: (document with | at the cursor, what the model writes, what is shown)
CASES = {
    "one line where no block is due": ("x = 1\n|\nz = 3\n", "y = 2\nz = 3\nw = 4", "y = 2"),
    "the rest of a statement": ("def f(n):\n    return |\n", "n + 1\n\n\nprint(f(2))", "n + 1"),
    "a body after a colon": (
        "def f(n):\n    |\n\n\nf(1)\n",
        "if n:\n        return 1\n    return 2\n\n\nf(2)\n",
        "if n:\n        return 1\n    return 2",
    ),
    "a body after a colon at the end of the line": (
        "def pop(self):|\n",
        "\n    return self.items.pop()\n\ndef push(self):\n",
        "\n    return self.items.pop()",
    ),
    "a body after a docstring": (
        'def f(n):\n    """Double it."""\n    |\n\n\nx = 1\n',
        "m = 2 * n\n    return m\n\n\ndef g(): ...",
        "m = 2 * n\n    return m",
    ),
    "a body after a docstring of several lines": (
        'def f(n):\n    """Double it.\n\n    Really.\n    """\n    |\n',
        "m = 2 * n\n    return m\n\n\ndef g(): ...",
        "m = 2 * n\n    return m",
    ),
    "a module's docstring opens no block": ('"""Words."""\n|', "import re\nimport os\n", "import re"),
    "a block that the completion opens": (
        "def f(a):\n    x = 1\n    |\n",
        "for i in a:\n        print(i)\n    return x\n",
        "for i in a:\n        print(i)",
    ),
    "a block that stands there already is not opened again": (
        "def f(a):\n    for |\n        print(i)\n    return a\n",
        "i in a:\n        show(i)\n        print(i)\n",
        "i in a:",
    ),
    "a bracket of another kind is not closed": ("x = call(|\n", "a for a in b]\n", "a for a in b"),
    "brackets in strings and comments do not count": ("x = f('[', |\n", "a)  # ]\n", "a)  # ]"),
    "a paragraph below a comment": (
        "# read the file\n|\n",
        "with open(p) as f:\n    text = f.read()\nprint(text)\n\nmain()\n",
        "with open(p) as f:\n    text = f.read()\nprint(text)",
    ),
    "a call over several lines": (
        "def f():\n    x = 1\n    return |\n",
        "call(\n        a,\n        b,\n    )\n    more()",
        "call(\n        a,\n        b,\n    )",
    ),
    "the line below ends it": ("def f():\n    |\n    return x\n", "x = 1\n    return x\n", "x = 1"),
    "the line below at once means nothing": ("def f():\n    a = 1\n    |\n    return a\n", "return a\n", ""),
    "a long line further below ends it": (
        "def f():\n    |\n    b = 2\n    return compute(a, b)\n",
        "a = 1\n    return compute(a, b)\n",
        "a = 1",
    ),
    "a short line further below may stand twice": (
        "def f():\n    |\n    b = 2\n    else:\n",
        "if a:\n        c()\n    else:\n        d()\n",
        "if a:\n        c()\n    else:\n        d()",
    ),
    "the line above is not repeated": ("    total += value * 2\n    |\n", "total += value * 2\n", ""),
    "a loop of equal lines": (
        "def f():\n    |",
        "add_to(total)\n    x = 1\n    add_to(total)\n    x = 1\n",
        "add_to(total)\n    x = 1",
    ),
    "what stands right of the cursor is not repeated": ("print(|)\n", "value)\nmore", "value"),
    "brackets of its own are kept": ("print(|)\n", "str(value))\n", "str(value)"),
    "a quote right of the cursor": ('print("|")\n', 'hello")\n', "hello"),
    "code right of the cursor": ("x = | + offset\n", "base + offset\n", "base"),
    "a long line right of the cursor is known again by its beginning": (
        "f(|);var first=document.getElementById('e1');var second=document.getElementById('e2');\n",
        "x);var first=document.getElementById('e1');var second=docu",
        "x",
    ),
    "in the middle of a line only that line": ("if | and ready:\n", "waiting\n    go()", "waiting"),
    "two blank lines end a block": ("def f():\n    |\n", "a = 1\n\n    b = 2\n\n\n    c = 3", "a = 1\n\n    b = 2"),
    "trailing blank lines are not shown": ("def f():\n    |\n", "a = 1\n\n", "a = 1"),
    "a model that ends by itself": ("x = |", "1", "1"),
    "nothing": ("x = |", "", ""),
    "white space alone": ("x = |", "   ", ""),
    "a brace block": ("function f() {\n  |\n}\n", "return 1;\n}\n\nfunction g() {\n", "return 1;"),
    "a signature over several lines": (
        "def f(\n    a: int,\n    b: int,\n) -> int:\n    |\n",
        "c = a + b\n    return c\nx = 1",
        "c = a + b\n    return c",
    ),
    "a hash inside a string is no comment": ("x = '#(' + |\n", "y\nz", "y"),
}


def shown(document: str, pieces: list[str]) -> str:
    before, after = document.split("|")
    ending = Ending(look_around(before, after))
    text = ""
    for piece in pieces:
        text += ending.push(piece)
        if ending.done:
            assert ending.push("more\nand more") == ""
            break
    return text + ending.finish()


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("name", CASES)
def test_shows(name: str, size: int) -> None:
    document, written, expected = CASES[name]
    pieces = [written[i : i + size] for i in range(0, len(written), size)]
    assert shown(document, pieces) == expected


@pytest.mark.parametrize(
    "written", ["f()" + "()" * 60, "a, b" + ", b" * 60, "x" * 200, 'x + "--" + str(x)' + ' + "--" + str(x)' * 20]
)
def test_a_model_that_has_run_away_is_stopped(written: str) -> None:
    assert len(shown("x = |\n", list(written))) < 60


@pytest.mark.parametrize(
    "written", ["# ----------------------------", '"=" * 60', "'                '", "0x0000000000"]
)
def test_rules_and_padding_are_no_run_away(written: str) -> None:
    assert shown("x = |\n", [written]) == written


def test_without_multiline_it_is_one_line_everywhere() -> None:
    ending = Ending(look_around("def f():\n    ", "\n", multiline=False))
    assert ending.push("a = 1\n    b = 2\n") == "a = 1"
    assert ending.done


def test_text_is_shown_before_its_line_ends() -> None:
    ending = Ending(look_around("def f():\n    ", "\n"))
    assert ending.push("retu") == "retu"
    assert ending.push("rn 1") == "rn 1"


def test_a_line_that_may_repeat_the_one_below_is_held() -> None:
    ending = Ending(look_around("def f():\n    ", "\n    return 12\n"))
    assert ending.push("return 1") == ""
    assert ending.push("3") == "return 13"
