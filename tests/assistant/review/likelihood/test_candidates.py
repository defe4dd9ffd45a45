"""Which alternatives are proposed, as tables: a function's text, and what must or must not be among them."""

from __future__ import annotations

import importlib
import inspect
import random
import textwrap
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.functions import Function, changed_functions
from dsassist.review.likelihood.candidates import MOST_CANDIDATES, _smallest, find_candidates
from dsassist.review.likelihood.evidence import LEAST_EVIDENCE, MEASURED
from dsassist.review.likelihood.meaning import Meanings
from dsassist.review.likelihood.site import Candidate
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.rules import RULES
from dsassist.review.source import Source
from dsassist_runtime.api import Edit

ALL = frozenset(range(1, 100))
FunctionOf = Callable[[str], Function]


def proposed(function: Function, family: str = "", lines: frozenset[int] = ALL) -> list[tuple[str, str]]:
    return [(c.original, c.alternative) for c in find_candidates(function, lines) if family in ("", c.family)]


@pytest.mark.parametrize(
    ("text", "alternatives"),
    [
        # Another parameter; the name that is written stands twice with its definition.
        ("def f(low, high):\n    return low", [("low", "high")]),
        # Never one that gives the same operand twice.
        ("def f(low, high):\n    return low - high", []),
        ("def f(low, high):\n    return low - low", [("low", "high"), ("low", "high")]),
        # A local variable can be read only behind its assignment, and not in it.
        ("def f(a):\n    b = a\n    return b", [("b", "a")]),
        # The target of a loop cannot be read in what is looped over.
        ("def f(rows):\n    for row in rows:\n        use(row)", [("row", "rows")]),
        # A comprehension's variable can be read in it alone, and not in its first iterable.
        ("def f(rows):\n    return [row for row in rows]", [("row", "rows")]),
        # self, keywords, attributes and what is bound are no sites; neither are globals that stand once.
        ("def f(self, a):\n    self.a = g(a=1)\n    a = CONSTANT", []),
        # Constants for constants, called functions for called functions.
        ("def f():\n    g(A, A)\n    h(B)\n    h()", [("A", "B"), ("A", "B"), ("h", "g"), ("h", "g")]),
        ("def f(a):\n    return [g(a), Cls(a), g(a), h(a)]", [("g", "h"), ("g", "h")]),
        # Imports, globals, deletions, annotations and decorators are not judged.
        ("def f(a, b):\n    global c\n    del a\n    import d\n    x: b = 1", []),
        # An exception's name lives in its clause, a lambda's parameter in the lambda.
        ("def f(a):\n    try:\n        pass\n    except E as e:\n        pass\n    g(a)", []),
        ("def f(a):\n    k = lambda u: u\n    return a", [("u", "a"), ("a", "k")]),
        # In a format string names are expressions.
        ('def f(a, b):\n    return f"{a}"', [("a", "b")]),
        # `x = x` is nonsense.
        ("def f(a, b):\n    a = b", []),
    ],
)
def test_names(function_of: FunctionOf, text: str, alternatives: list[tuple[str, str]]) -> None:
    assert proposed(function_of(text), "name") == alternatives


@pytest.mark.parametrize(
    ("text", "alternatives"),
    [
        ("def f(b):\n    return b.width * b.width + b.height", [("width", "height"), ("width", "height")]),
        # On another object only if both share an attribute.
        ("def f(a, b):\n    return a.x + a.x + b.y", []),
        ("def f(a, b):\n    return (a.x + b.x) * (b.y, 1)", [("x", "y"), ("x", "y")]),
        # Methods are not data, and what is assigned is not read.
        ("def f(a):\n    return a.x, a.x, a.go()", []),
        ("def f(a):\n    a.x = a.y\n    a.x = a.z", []),
        # Once is too little to be mistaken.
        ("def f(a):\n    return a.x, a.y", []),
    ],
)
def test_attributes(function_of: FunctionOf, text: str, alternatives: list[tuple[str, str]]) -> None:
    assert proposed(function_of(text), "attribute") == alternatives


@pytest.mark.parametrize(
    ("expression", "alternatives"),
    [
        ("a < b", ["<=", ">", ">="]),
        ("a >= b", [">", "<=", "<"]),
        ("a == b", ["!="]),
        ("a != b", ["=="]),
        ("a is b", ["is not"]),
        ("a is not b", ["is"]),
        ("a in b", ["not in"]),
        ("a not in b", ["in"]),
        ("a not  in b", ["in"]),
        ("0 < a < b", ["<=", ">", ">=", "<=", ">", ">="]),
        ("[i for i in a]", []),
        ("a + b", []),
        ("a << b", []),
    ],
)
def test_comparisons(function_of: FunctionOf, expression: str, alternatives: list[str]) -> None:
    function = function_of(f"def f(a, b):\n    return {expression}\n")
    found = [candidate.alternative for candidate in find_candidates(function, ALL) if candidate.family == "comparison"]
    assert sorted(found) == sorted(alternatives)


def test_booleans(function_of: FunctionOf) -> None:
    function = function_of("def f(a, b, c):\n    return a and b or c\n")
    assert proposed(function, "boolean") == [("and", "or"), ("or", "and")]


@pytest.mark.parametrize(
    ("call", "alternative"),
    [
        ("copy(target, source)", "source, target"),
        ("copy(self.a, b.c.d)", "b.c.d, self.a"),
        ("pad(text, 3)", "3, text"),
        ("o.method(a,  b, key=c)", "b,  a"),
        ("max(a, b)", None),
        ("self.assertEqual(a, b)", None),
        ("f(1, 2)", None),
        ("f(a, a)", None),
        ("f(g(a), b)", None),
        ("f(*a, b)", None),
        ("f(a, key=b)", None),
    ],
)
def test_swapped_arguments(function_of: FunctionOf, call: str, alternative: str | None) -> None:
    found = [alternative for _, alternative in proposed(function_of(f"def f():\n    {call}\n"), "swapped-arguments")]
    assert found == ([] if alternative is None else [alternative])


@pytest.mark.parametrize(
    ("text", "alternatives"),
    [
        ("if a: pass", ["not a"]),
        ("while a.b(): pass", ["not a.b()"]),
        ("if not a: pass", ["a"]),
        ("x = 1 if a else 2", ["not a"]),
        ("if a and not b.c or d == 1: pass", ["not a", "b.c"]),
        ("x = [i for i in a if i]", ["not i"]),
        ("assert a, b", ["not a"]),
        # A comparison is turned round by its operator; values are no conditions.
        ("if a == b: pass", []),
        ("x = a or b", []),
        ("return not a", []),
        ("if not (a or b): pass", []),
    ],
)
def test_missing_not(function_of: FunctionOf, text: str, alternatives: list[str]) -> None:
    found = [alternative for _, alternative in proposed(function_of(f"def f():\n    {text}\n"), "missing-not")]
    assert found == alternatives


@pytest.mark.parametrize(
    ("text", "alternatives"),
    [
        ("x = client.get(a)", ["await client.get(a)"]),
        ("save(a)", ["await save(a)"]),
        ("return fetch()", ["await fetch()"]),
        ("x = await client.get(a)", []),
        ("create_task(work())", ["await create_task(work())"]),
        ("x = len(a)", []),
        ("x = Thing(a)", []),
        ("def inner():\n        save(a)", []),
    ],
)
def test_missing_await(function_of: FunctionOf, text: str, alternatives: list[str]) -> None:
    function = function_of(f"async def f():\n    {text}\n")
    assert [alternative for _, alternative in proposed(function, "missing-await")] == alternatives
    assert proposed(function_of(f"def f():\n    {text}\n"), "missing-await") == []


EVERYTHING = '''
    async def f(self, first, second, *, key: first = None, flag=True):
        """first second"""
        total = first.width * first.width + first.height  # é😀 first
        if key is not None and first not in second or not self.ready:
            total = compute(second, first)
        text = "😀", f"{first!r:>{second}}", first
        with open(first) as handle, self.lock:
            for item, other in zip(first, second):
                handle.write(item if item < total else other)
        match first:
            case {"a": value, **rest} if value >= total:
                self.client.get(value)
        if first is second or any(first[1:total]) or max(first[total], total + 1) > total % 3 & 4:
            raise ValueError(first, value, key=False) from KeyError(other)
        if total - 2 == second:
            return self.value
        other.render(first)


    def g(self):
        raise LookupError(THIRD, self.other.key)
'''


ALWAYS_TWO_WAYS = (
    "comparison",
    "boolean",
    "swapped-arguments",
    "identity",
    "bitwise",
    "any-all",
    "min-max",
    "flag",
    "swapped-operands",
)


def applied(function: Function, candidate: Candidate) -> str:
    edit = candidate.edit
    return function.text[: edit.start] + edit.replacement + function.text[edit.end :]


def test_every_alternative_parses_and_no_two_are_the_same(function_of: FunctionOf) -> None:
    function = function_of(EVERYTHING)
    found = find_candidates(function, ALL)
    results = [textwrap.dedent(applied(function, candidate)) for candidate in found]
    assert len(found) > 50
    assert {candidate.family for candidate in found} == {*LEAST_EVIDENCE}
    assert len({*results, textwrap.dedent(function.text)}) == len(found) + 1
    for result in results:
        compile(result, "alternative", "exec")


def test_every_alternative_can_be_turned_back() -> None:
    """The wrong one in its place, the written one must be proposed: else a bug of that kind is never found."""
    text = textwrap.dedent(EVERYTHING)
    function = changed_functions(Source(text), ALL)[0]
    for candidate in find_candidates(function, ALL):
        if candidate.family not in ALWAYS_TWO_WAYS:
            continue
        changed = applied(function, candidate)
        back = changed_functions(Source(changed), ALL)[0]
        assert function.text in [applied(back, other) for other in find_candidates(back, ALL)], candidate


def test_places_are_those_of_the_file(function_of: FunctionOf) -> None:
    function = function_of(EVERYTHING)
    lines = function.source.text.split("\n")
    for candidate in find_candidates(function, ALL):
        if candidate.line == candidate.end_line:
            shown = lines[candidate.line - 1][candidate.column - 1 : candidate.end_column - 1]
            assert shown == candidate.original


def test_only_changed_lines_are_questioned(function_of: FunctionOf) -> None:
    function = function_of(EVERYTHING)
    assert {candidate.line for candidate in find_candidates(function, frozenset({6}))} == {6}
    assert find_candidates(function, frozenset({3})) == []
    assert {candidate.family for candidate in find_candidates(function, frozenset({2}))} == {"default-argument"}


def test_an_argument_on_a_changed_line_of_a_call_that_began_before(function_of: FunctionOf) -> None:
    function = function_of("def f(a, b):\n    copy(\n        b,\n        a,\n    )\n")
    found = [c for c in find_candidates(function, frozenset({4})) if c.family == "swapped-arguments"]
    assert [candidate.alternative for candidate in found] == ["a,\n        b"]


def test_each_family_has_a_code_and_a_threshold() -> None:
    assert {rule.family for rule in RULES if "DSA101" <= rule.code < "DSA141"} == LEAST_EVIDENCE.keys()
    assert len({rule.code for rule in RULES}) == len(RULES)


def test_only_the_families_that_are_wanted_are_sought(function_of: FunctionOf) -> None:
    function = function_of(EVERYTHING)
    assert {each.family for each in find_candidates(function, ALL, {"bound", "boolean"})} == {"bound", "boolean"}


def test_a_task_asks_for_the_measured_families_apart_from_the_others() -> None:
    file = ChangedFile("a.py", Source(textwrap.dedent(EVERYTHING)), ALL, language="python")
    (task, _) = tasks_of(file)
    assert isinstance(task, Task)
    assert {each.family for each in task.candidates} == MEASURED
    assert {each.family for each in task.further_candidates} == LEAST_EVIDENCE.keys() - MEASURED


def test_a_file_is_read_in_the_language_that_its_name_tells() -> None:
    text = "func f(low, high int) int {\n\treturn low\n}\n"
    (task,) = tasks_of(ChangedFile("a.go", Source(text), ALL))
    assert isinstance(task, Task)
    assert [each.alternative for each in task.candidates] == ["high"]


def test_a_language_that_is_not_reviewed_is_named() -> None:
    found = list(tasks_of(ChangedFile("a.md", Source("# def f(a, b)"), ALL)))
    assert found == [Skipped("a.md", "no language that is reviewed")]


# -- what means the same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a < b", "b > a"),
        ("not a < b", "a >= b"),
        ("not not a", "a"),
        ("a == b", "b == a"),
        ("a and (b and c)", "(c and a) and b"),
        ("not (a or b.c)", "not b.c and not a"),
        ("a * b", "b * a"),
        ("a + 0", "a"),
        ("(a - 0) * 1", "a"),
        ("a[0:b]", "a[:b]"),
        ("range(0, b)", "range(b)"),
        ("(a)", "a"),
        ("not a is b", "a is not b"),
    ],
)
def test_these_mean_the_same(one: str, other: str) -> None:
    assert not is_new(one, other)
    assert not is_new(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a < b", "b < a"),
        ("a - b", "b - a"),
        ('a + "b"', '"b" + a'),
        ("a and b or c", "a and (b or c)"),
        ("0 - a", "a"),
        ("a / 1", "a"),
        ("a[1:b]", "a[:b]"),
        ("range(0, b, c)", "range(b, c)"),
        ("not (a or b)", "not a or not b"),
        ("a < b < c", "c > a > b"),
    ],
)
def test_these_do_not(one: str, other: str) -> None:
    assert is_new(one, other)


def is_new(one: str, other: str) -> bool:
    """Whether the other expression is a new one in the place of the first."""
    return Meanings(Source(f"x = {one}\n")).is_new(Edit(4, 4 + len(one), other))


def test_what_does_not_parse_is_no_alternative() -> None:
    meanings = Meanings(Source("def broken(:\n    pass\n\n\nx = a + b\n"))
    start = len("def broken(:\n    pass\n\n\nx = ")
    assert not meanings.is_new(Edit(start, start + 1, ")"))
    assert meanings.is_new(Edit(start, start + 1, "c"))
    assert not meanings.is_new(Edit(start, start + 1, "c")), "the second time it is there already"


@pytest.mark.parametrize(
    "module", ["argparse", "asyncio.streams", "configparser", "difflib", "inspect", "mailbox", "statistics", "tarfile"]
)
def test_every_alternative_in_the_standard_library_parses_and_is_another_text(module: str) -> None:
    text = inspect.getsource(importlib.import_module(module))
    source = Source(text)
    functions = changed_functions(source, frozenset(range(1, 10_000)))
    some = random.Random(module).sample(functions, min(30, len(functions)))
    n_found = 0
    for function in some:
        found = find_candidates(function, frozenset(range(function.line, function.line + 1000)))
        results = [applied(function, candidate) for candidate in found]
        assert len({function.text, *results}) == len(results) + 1
        n_found += len(found)
        for candidate, result in zip(found, results, strict=True):
            inside = f"class A:\n async def f():\n{textwrap.indent(result, '  ')}"
            assert parses(inside), (candidate, result)
    assert n_found > 50


def parses(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            compile(text, "alternative", "exec")
    except SyntaxError:
        return False
    return True


# -- no more than the engine can be asked


@given(st.text("ab", max_size=8), st.data())
def test_edits_with_the_same_result_are_the_same_when_made_smallest(text: str, data: st.DataObject) -> None:
    def drawn() -> Edit:
        start = data.draw(st.integers(0, len(text)))
        return Edit(start, data.draw(st.integers(start, len(text))), data.draw(st.text("ab", max_size=3)))

    def result(edit: Edit) -> str:
        return text[: edit.start] + edit.replacement + text[edit.end :]

    one, two = drawn(), drawn()
    assert result(_smallest(one, text)) == result(one)
    if text not in (result(one), result(two)):
        assert (_smallest(one, text) == _smallest(two, text)) == (result(one) == result(two))


def many(names: int, calls: int) -> str:
    assigned = "".join(f"    local_{i} = {i}\n" for i in range(names))
    called = "".join(f"    call(local_{i % names}, local_{(i * 7) % names})\n" for i in range(calls))
    return f"def f():\n{assigned}{called}    if local_0 < local_1 and local_2:\n        return local_1\n"


def test_hundreds_of_names_in_hundreds_of_calls_take_little_memory(function_of: FunctionOf) -> None:
    function = function_of(many(300, 300))
    tracemalloc.start()
    found = find_candidates(function, frozenset(range(1, 1000)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == MOST_CANDIDATES
    assert peak < 50e6


def test_where_there_are_too_many_every_place_and_family_keeps_some(function_of: FunctionOf) -> None:
    function = function_of(many(60, 60))
    found = find_candidates(function, frozenset(range(1, 1000)))
    assert len(found) == MOST_CANDIDATES
    # All calls have names in them; those of the first line could have filled the whole list by themselves.
    per_line = Counter(candidate.line for candidate in found)
    assert set(range(62, 123)) <= per_line.keys()
    assert {candidate.family for candidate in found} >= {"name", "comparison", "boolean", "missing-not"}


def test_the_nearest_names_are_kept(function_of: FunctionOf) -> None:
    function = function_of(many(700, 1))
    names = [c.alternative for c in find_candidates(function, frozenset({702})) if c.family == "name"]
    kept = {int(name.removeprefix("local_")) for name in names}
    assert 699 in kept
    assert min(kept - {0}) > 300
