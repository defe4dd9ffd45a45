"""Which parts of a function are hidden, as tables of what stands on its last line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dsassist.review.likelihood.site import Site
from dsassist.review.likelihood.tasks import Task
from dsassist.review.written.spans import Kind, spans_of

TaskOf = Callable[..., Task]


def hidden(task: Task) -> list[tuple[Kind, str]]:
    text = task.function.text
    return [(span.kind, text[span.start : span.end]) for span in spans_of(Site(task.function, task.lines))]


def of_line(task_of: TaskOf, line: str, body: str = "") -> list[tuple[Kind, str]]:
    return hidden(task_of(f"def f(a, b, rows):\n    {line}\n{body}", frozenset({2})))


@pytest.mark.parametrize(
    ("line", "body", "spans"),
    [
        (
            "if a and b.c:",
            "        pass\n",
            [("line", "if a and b.c:"), ("condition", "a and b.c"), ("expression", "a"), ("expression", "b.c")],
        ),
        (
            "return g(a, b=1)",
            "",
            [("line", "return g(a, b=1)"), ("call", "g(a, b=1)"), ("arguments", "a, b=1"), ("expression", "a")],
        ),
        # Nothing stands between the brackets, and something may be missing there.
        ("b.close()", "", [("call", "b.close()"), ("arguments", "")]),
        (
            "c = a[b] + 1",
            "",
            [
                ("line", "c = a[b] + 1"),
                ("expression", "a[b] + 1"),
                ("expression", "a[b]"),
                ("expression", "a"),
                ("expression", "b"),
            ],
        ),
        (
            "for row in rows:",
            "        pass\n",
            [("line", "for row in rows:"), ("expression", "rows")],
        ),
        (
            "while not a:",
            "        pass\n",
            [("line", "while not a:"), ("condition", "not a"), ("expression", "a")],
        ),
        ("rows[a] = b", "", [("line", "rows[a] = b"), ("expression", "a"), ("expression", "b")]),
        # Literals alone, words alone, docstrings, imports and definitions are left as they are.
        ('c = "text"', "", [("line", 'c = "text"')]),
        ("pass", "", []),
        ("...", "", []),
        ('"""Do it."""', "", []),
        ("import os", "", []),
        ("def g(c=1):", "        pass\n", []),
        ("# a comment", "    pass\n", []),
    ],
)
def test_what_is_hidden(task_of: TaskOf, line: str, body: str, spans: list[tuple[Kind, str]]) -> None:
    assert of_line(task_of, line, body) == spans


def test_only_what_begins_on_a_changed_line_is_hidden(task_of: TaskOf) -> None:
    task = task_of("def f(a, b):\n    g(\n        a,\n        b,\n    )\n    h(a)\n", frozenset({4}))
    assert hidden(task) == [("expression", "b")]


def test_what_is_longer_than_anybody_could_guess_is_left_alone(task_of: TaskOf) -> None:
    long = ", ".join(f"a{i}" for i in range(60))
    assert ("arguments", long) not in of_line(task_of, f"g({long})")
    assert all(kind == "expression" for kind, _ in of_line(task_of, f"g({long})"))


def test_a_span_knows_its_place_in_the_file(task_of: TaskOf) -> None:
    task = task_of("import os\n\n\ndef f(a):\n    return g(a)\n", frozenset({5}))
    spans = spans_of(Site(task.function, task.lines))
    assert {(span.kind, span.line, span.column, span.margin) for span in spans} == {
        ("line", 5, 5, 0),
        ("call", 5, 12, 0),
        ("arguments", 5, 14, 1),
    }


@pytest.mark.parametrize(
    ("path", "text", "spans"),
    [
        (
            "f.js",
            "function f(a, b) {\n  if (a && b.c) {\n    g(a);\n  }\n}\n",
            {("condition", "a && b.c"), ("line", "if (a && b.c)"), ("expression", "b.c")},
        ),
        (
            "f.go",
            "func f(a, b int) int {\n\treturn g(a, b)\n}\n",
            {("call", "g(a, b)"), ("arguments", "a, b"), ("line", "return g(a, b)")},
        ),
        (
            "f.c",
            "int f(int a, int b) {\n  return a ? g(b) : b;\n}\n",
            {("call", "g(b)"), ("arguments", "b")},
        ),
    ],
)
def test_other_languages(task_of: TaskOf, path: str, text: str, spans: set[tuple[Kind, str]]) -> None:
    assert spans <= set(hidden(task_of(text, frozenset({2}), path)))
