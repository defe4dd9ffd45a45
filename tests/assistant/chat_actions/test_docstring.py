"""Where documentation goes and how it is written, in each language; the sentences are given."""

from __future__ import annotations

import ast
import json

import pytest

from assistant.chat_actions.asking import at_mark
from dsassist.chat_actions.docstring import ask_for_docstring
from dsassist.chat_actions.outcome import FileChange, NothingToInsert


def documented(marked: str, path: str, summary: str = "Scale a number by a factor.", **more: object) -> str:
    asking = ask_for_docstring(*at_mark(marked, path), budget=500)
    outcome = asking.finish(json.dumps({"summary": summary, **more}))
    assert isinstance(outcome, FileChange)
    return outcome.after


@pytest.mark.parametrize(
    ("path", "marked", "expected"),
    [
        ("a.py", "def f(a):\n    x|(a)\n", 'def f(a):\n    """Scale a number by a factor."""\n    x(a)\n'),
        (
            "a.py",
            'class A:\n    def f(self):\n        """Old."""\n        x|()\n',
            'class A:\n    def f(self):\n        """Scale a number by a factor."""\n        x()\n',
        ),
        (
            "a.py",
            "@decorated\ndef f(\n    a,\n):\n    # why\n    x|()\n",
            '@decorated\ndef f(\n    a,\n):\n    """Scale a number by a factor."""\n    # why\n    x()\n',
        ),
        ("a.py", "class |A:\n    b = 1\n", 'class A:\n    """Scale a number by a factor."""\n\n    b = 1\n'),
        ("a.py", "def f():\r\n\tx|()\r\n", 'def f():\r\n\t"""Scale a number by a factor."""\r\n\tx()\r\n'),
        (
            "a.py",
            "é = 'é😋'\ndef f():\n    x|()\n",
            'é = \'é😋\'\ndef f():\n    """Scale a number by a factor."""\n    x()\n',
        ),
        (
            "a.js",
            "export function f() {\n  x|();\n}\n",
            "/** Scale a number by a factor. */\nexport function f() {\n  x();\n}\n",
        ),
        (
            "a.ts",
            "const f = () => {\n  x|();\n};\n",
            "/** Scale a number by a factor. */\nconst f = () => {\n  x();\n};\n",
        ),
        (
            "a.ts",
            "class A {\n  /** Old. */\n  f() {\n    x|();\n  }\n}\n",
            "class A {\n  /** Scale a number by a factor. */\n  f() {\n    x();\n  }\n}\n",
        ),
        (
            "a.go",
            "package a\n\n// F is old.\n// Quite.\n//go:noinline\nfunc F() {\n\tx|()\n}\n",
            "package a\n\n// F scales a number by a factor.\n//go:noinline\nfunc F() {\n\tx()\n}\n",
        ),
        (
            "a.rs",
            "/// Old.\n#[inline]\nfn f() {\n    x|();\n}\n",
            "/// Scale a number by a factor.\n#[inline]\nfn f() {\n    x();\n}\n",
        ),
        (
            "A.java",
            "class A {\n    /* no documentation */\n    void f() { x|(); }\n}\n",
            "class A {\n    /* no documentation */\n    /** Scale a number by a factor. */\n    void f() { x(); }\n}\n",
        ),
        ("a.c", "void f(void) {\n  x|();\n}\n", "/** Scale a number by a factor. */\nvoid f(void) {\n  x();\n}\n"),
        (
            "a.rb",
            "class A\n  def f\n    x|()\n  end\nend\n",
            "class A\n  # Scale a number by a factor.\n  def f\n    x()\n  end\nend\n",
        ),
    ],
)
def test_documentation_stands_where_the_language_wants_it(path: str, marked: str, expected: str) -> None:
    assert documented(marked, path) == expected


def test_parameters_are_told_in_googles_way_where_the_file_has_no_docstring() -> None:
    told = documented(
        "def f(self, a, *rest, b: int = 1):\n    return a|\n",
        "a.py",
        parameters={"a": "the number", "rest": "more numbers.", "b": "b"},
        returns="A larger number",
    )
    assert ast.get_docstring(ast.parse(told).body[0]) == (
        "Scale a number by a factor.\n\n"
        "Args:\n    a: The number.\n    rest: More numbers.\n\nReturns:\n    A larger number."
    )


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ('"""Other.\n\n    :param c: that\n    """', ":param a: The number.\n:return: A larger number."),
        ('"""Other.\n\n    Returns\n    -------\n    int\n    """', "Returns\n-------\n    A larger number."),
    ],
)
def test_parameters_are_told_as_in_the_files_other_docstrings(other: str, expected: str) -> None:
    marked = f"def g(c):\n    {other}\n\n\ndef f(a):\n    return a|\n"
    told = documented(marked, "a.py", parameters={"a": "the number"}, returns="a larger number")
    assert expected in (ast.get_docstring(ast.parse(told).body[1]) or "")


def test_a_file_whose_docstrings_are_sentences_gets_a_sentence_and_the_model_is_asked_for_no_more() -> None:
    subject, code = at_mark('def g(c):\n    """Other."""\n\n\ndef f(a):\n    return a|\n', "a.py")
    schema = ask_for_docstring(subject, code, 500).request.sampling.json_schema
    assert list(schema["properties"]) == ["summary"]


def test_jsdoc_names_parameters_and_result() -> None:
    told = documented(
        "function f(a, { b }, c = 1) {\n  return a|;\n}\n", "a.js", parameters={"a": "the number"}, returns="more of it"
    )
    assert told.startswith(
        "/**\n * Scale a number by a factor.\n *\n * @param a The number.\n * @returns More of it.\n */\n"
    )


def test_what_would_end_the_documentation_is_written_otherwise() -> None:
    assert '"""Split at \'\'\' and \\\\n."""' in documented("def f():\n    x|()\n", "a.py", 'Split at """ and \\n.')
    assert "/** Match a/* and *" + " /. */" in documented("void f(void) {\n  x|();\n}\n", "a.c", "Match a/* and */.")


@pytest.mark.parametrize("summary", ["Read lines.", "The read lines function", "Reads the line.", ""])
def test_a_summary_that_only_repeats_the_name_is_not_inserted(summary: str) -> None:
    with pytest.raises(NothingToInsert, match="nothing to say of read_lines"):
        documented("def read_lines():\n    x|()\n", "a.py", summary)


def test_an_answer_that_broke_off_is_not_inserted() -> None:
    asking = ask_for_docstring(*at_mark("def f():\n    x|()\n", "a.py"), budget=500)
    with pytest.raises(NothingToInsert, match="broke off"):
        asking.finish('{"summary": "Scale a num')


@pytest.mark.parametrize(
    ("marked", "why"),
    [("x = 1|\n", "no function or class at the cursor"), ("def f(): return 1|\n", "stands on the line of its header")],
)
def test_a_place_that_cannot_be_documented_is_told_in_a_sentence(marked: str, why: str) -> None:
    with pytest.raises(NothingToInsert, match=why):
        documented(marked, "a.py")


def test_the_model_does_not_see_the_old_docstring() -> None:
    marked = 'def f():\n    """Very old words."""\n    return g(|)\n'
    question = str(ask_for_docstring(*at_mark(marked, "a.py"), budget=500).request.messages)
    assert "Very old words" not in question
    assert "return g()" in question
