"""Which texts for a hole are alternatives, as tables."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dsassist.review.likelihood.site import Site
from dsassist.review.likelihood.tasks import Task
from dsassist.review.written.alternatives import Alternatives
from dsassist.review.written.spans import spans_of

TaskOf = Callable[..., Task]


def accepted(task: Task, hidden: str, *texts: str) -> list[str]:
    spans = spans_of(Site(task.function, task.lines))
    span = next(each for each in spans if task.function.text[each.start : each.end] == hidden)
    return [each.text for each in Alternatives(task).of(span, iter(texts))]


def on_line(task_of: TaskOf, line: str, hidden: str, *texts: str) -> list[str]:
    body = "        pass\n" if line.endswith(":") else ""
    task = task_of(f"import os\n\n\ndef f(self, a, b, rows):\n    {line}\n{body}    return a.size\n", frozenset({5}))
    return accepted(task, hidden, *texts)


@pytest.mark.parametrize(
    ("line", "hidden", "texts", "kept"),
    [
        ("if a.size:", "a.size", ["a and a.size", "a.size and a"], ["a and a.size"]),
        # The same in other words.
        ("if a < b:", "a < b", ["b > a", "(a < b)", "a < b"], []),
        ("if a < b:", "a < b", ["not a", "not (not a)"], ["not a", "not (not a)"]),
        # What does not parse, or parses as something else than it fills.
        ("if a.size:", "a.size", ["a and", "a if", "= a"], []),
        # Names that are nowhere; members and keywords may be new, and the language has some of its own.
        ("rows.add(a)", "a", ["cleaned", "list(a)", "a.strip()", "os.sep"], ["list(a)", "a.strip()", "os.sep"]),
        ("rows.add(a)", "a", ["key(a)"], []),
        ("rows.add(a)", "rows.add(a)", ["rows.add(a, strict=True)", "add(a)"], ["rows.add(a, strict=True)", "add(a)"]),
        # Numbers and texts that only somebody who knows can know.
        ("rows.add(a, 1, 'x')", "a, 1, 'x'", ["a, 2, 'x'", "a, 1, 'y'", "a, 1"], ["a, 1"]),
        # What stands between brackets may be left out; another expression may not.
        ("rows.add(a)", "a", [""], [""]),
        ("b = rows[a]", "a", [""], []),
        # A statement has a block where what is written has one.
        ("return rows", "return rows", ["else:", "if rows:", "return a.size"], ["return a.size"]),
        ("if a < b:", "if a < b:", ["return a", "while a < b:"], ["while a < b:"]),
        # Asked about by the measure of enumerated alternatives.
        ("if a < b:", "a < b", ["a <= b", "a < b.size"], ["a < b.size"]),
    ],
)
def test_alternatives(task_of: TaskOf, line: str, hidden: str, texts: list[str], kept: list[str]) -> None:
    assert on_line(task_of, line, hidden, *texts) == kept


def test_an_alternative_is_new_once_whichever_hole_it_was_written_for(task_of: TaskOf) -> None:
    task = task_of("def f(a, b):\n    return g(a)\n", frozenset({2}))
    alternatives = Alternatives(task)
    spans = {task.function.text[each.start : each.end]: each for each in spans_of(Site(task.function, task.lines))}
    assert len(list(alternatives.of(spans["a"], iter(["a, b"])))) == 1
    assert list(alternatives.of(spans["g(a)"], iter(["g(a, b)", "g(a,b)"]))) == []


def test_names_are_those_of_the_file_in_other_languages(task_of: TaskOf) -> None:
    text = "const size = 1;\nfunction f(a, b) {\n  return g(a);\n}\n"
    task = task_of(text, frozenset({3}), "f.js")
    assert accepted(task, "a", "a, size", "a, other", "a.other") == ["a, size", "a.other"]
