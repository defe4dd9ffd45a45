"""The signatures of what a function calls and of what calls it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from assistant.review.instruct.answering import file_of
from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.instruct.related import Signatures
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.source import Source

SHAPES = """\
def scale(width, factor=2):
    return width * factor


class Box:
    def __init__(self, width):
        self.width = width

    def scale(self, factor):
        return Box(scale(self.width, factor))

    def grown(self):
        return self.scale(3)


class Circle:
    def scale(self, factor):
        return self
"""
USE = "def show(box):\n    return grown_text(box.grown())\n\n\ndef grown_text(box):\n    return str(box)\n"


def unchanged(text: str, path: str = "a.py", lines: Iterable[int] = ()) -> ChangedFile:
    """A file of which nothing changed but some lines."""
    return file_of(text, path, lines)


def task(files: list[ChangedFile], name: str) -> Task:
    whole = [replace(file, lines=frozenset(range(1, file.source.text.count("\n") + 2))) for file in files]
    tasks = [each for file in whole for each in tasks_of(file) if not isinstance(each, Skipped)]
    return next(each for each in tasks if each.function.name == name)


def test_callees_and_callers_are_found_in_the_file_and_in_the_other_files() -> None:
    files = [unchanged(SHAPES, "shapes.py"), unchanged(USE, "use.py")]
    signatures = Signatures(files)
    assert signatures.callers(task(files, "Box.grown")) == ["def show(box)"]
    assert signatures.callees(task(files, "show")) == ["def grown_text(box)", "Box: def grown(self)"]


def test_the_own_class_goes_before_others_of_the_same_name() -> None:
    files = [unchanged(SHAPES, "shapes.py")]
    assert Signatures(files).callees(task(files, "Box.grown")) == ["Box: def scale(self, factor)"]


def test_a_function_is_no_callee_of_itself() -> None:
    files = [unchanged("def fall(n):\n    return fall(n - 1)\n")]
    assert Signatures(files).callees(task(files, "fall")) == []
    assert Signatures(files).callers(task(files, "fall")) == []


def test_a_name_that_many_files_define_says_nothing() -> None:
    files = [unchanged("def use(x):\n    return close(x)\n", "use.py")]
    files += [unchanged(f"def close(handle_{i}):\n    pass\n", f"f{i}.py") for i in range(3)]
    assert Signatures(files[:2]).callees(task(files, "use")) == ["def close(handle_0)"]
    assert Signatures(files).callees(task(files, "use")) == []


def test_another_language_is_another_name() -> None:
    script = "function close(handle) {\n  return handle;\n}\n\nfunction stop(it) {\n  return close(it);\n}\n"
    other = ChangedFile("a.js", Source(script, "javascript"), frozenset(), language="javascript")
    files = [unchanged("def use(x):\n    return close(x)\n", "use.py"), other]
    assert Signatures(files).callees(task(files, "use")) == []
    assert Signatures(files).callees(task(files, "stop")) == ["function close(handle)"]
    assert Signatures(files).callers(task(files, "close")) == ["function stop(it)"]


def test_no_more_than_a_few_are_told_and_none_is_long() -> None:
    text = "".join(f"def f{i}({', '.join(f'argument_{j}' for j in range(30))}):\n    pass\n\n\n" for i in range(20))
    text += "def all_of_them():\n" + "".join(f"    f{i}()\n" for i in range(20))
    files = [unchanged(text)]
    found = Signatures(files).callees(task(files, "all_of_them"))
    assert len(found) == 8
    assert all(len(signature) <= 160 for signature in found)


def test_files_without_a_grammar_are_left_out() -> None:
    files = [unchanged("def use(x):\n    return close(x)\n"), ChangedFile("a.txt", Source("close"), frozenset({1}))]
    assert Signatures(files).callees(task(files[:1], "use")) == []


def test_a_signature_that_the_change_wrote_is_not_told() -> None:
    text = "def old(\n    a,\n    b,\n):\n    return a\n\n\ndef use(x):\n    return old(x, x)\n"
    for lines, told in (((5,), True), ((2,), False), ((4,), False), ((1,), False)):
        files = [unchanged(text, lines=lines)]
        assert Signatures(files).callees(task(files, "use")) == ["def old(a, b)"] * told, lines
    for lines, told in (((9,), True), ((8,), False)):
        files = [unchanged(text, lines=lines)]
        assert Signatures(files).callers(task(files, "old")) == ["def use(x)"] * told, lines


def test_another_of_the_same_name_is_not_told_in_its_place() -> None:
    files = [unchanged(SHAPES, "shapes.py", lines=(9,))]
    assert Signatures(files).callees(task(files, "Box.grown")) == []
