"""Which functions a deadline leaves for last."""

from __future__ import annotations

from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.plan import DEADLINE, Plan
from dsassist.review.source import Source

CLAMP = """\
def clamp(value, low, high):
    if value < low:
        return low
    return high if value > low else value
"""
CALM = "def calm(value):\n    print('this says something')\n    print('and this does too')\n    return bool(value)\n"


def file(path: str, text: str, lines: frozenset[int] | None = None, old: str | None = None) -> ChangedFile:
    every = frozenset(range(1, text.count("\n") + 1))
    return ChangedFile(path, Source(text), every if lines is None else lines, old, "python")


def order_of(*files: ChangedFile, gone: tuple[ChangedFile, ...] = (), deadline_s: float = 100.0) -> list[str]:
    plan = Plan(files, lambda: 100.0)
    plan.put_in_order(gone, deadline_s)
    return [plan.tasks[number].name for number in plan.order]


def test_functions_with_more_that_the_strong_families_can_judge_come_first() -> None:
    assert order_of(file("calm.py", CALM), file("f.py", CLAMP)) == ["f.py: clamp", "calm.py: calm"]


def test_of_equals_the_larger_change_comes_first_and_then_the_order_of_the_text() -> None:
    small, large = file("a.py", CALM, frozenset({2})), file("b.py", CALM)
    assert order_of(small, large) == ["b.py: calm", "a.py: calm"]
    assert order_of(file("b.py", CLAMP), file("a.py", CLAMP)) == ["b.py: clamp", "a.py: clamp"]


def test_tests_come_last_however_much_they_changed() -> None:
    found = order_of(file("tests/test_f.py", CLAMP), file("calm.py", CALM))
    assert found == ["calm.py: calm", "tests/test_f.py: clamp"]


def test_what_was_only_moved_comes_behind_what_is_new() -> None:
    gone = ChangedFile("old.py", Source(""), frozenset(), CLAMP, "python")
    new = file("new.py", CALM)
    moved = file("moved.py", CLAMP, old="x = 1\n")
    assert order_of(moved, new) == ["moved.py: clamp", "new.py: calm"]
    assert order_of(moved, new, gone=(gone,)) == ["new.py: calm", "moved.py: clamp"]
    from_another = file("other.py", "x = 1\n", frozenset(), old=CLAMP)
    assert order_of(moved, new, from_another) == ["new.py: calm", "moved.py: clamp"]


def test_an_indented_line_is_moved_and_a_common_word_is_no_sign_of_it() -> None:
    indented = "class A:\n" + "".join(f"    {line}\n" for line in CLAMP.splitlines())
    gone = ChangedFile("old.py", Source(""), frozenset(), CLAMP, "python")
    assert order_of(file("a.py", indented), file("b.py", CALM), gone=(gone,))[0] == "b.py: calm"
    short = "def f(a, b):\n    if a < b:\n        a = b\n    return a\n"
    common = ChangedFile("old.py", Source(""), frozenset(), "if a < b:\na = b\nreturn a\n", "python")
    assert order_of(file("a.py", short), file("b.py", CALM), gone=(common,))[0] == "a.py: f"


def test_without_the_time_to_look_at_alternatives_the_size_decides() -> None:
    assert order_of(file("f.py", CLAMP, frozenset({2})), file("calm.py", CALM), deadline_s=0.0) == [
        "calm.py: calm",
        "f.py: clamp",
    ]


def test_alternatives_are_sought_for_a_fifth_of_the_time_and_what_was_looked_at_comes_first() -> None:
    now = [100.0]

    files = [file(f"f{number}.py", CLAMP) for number in range(5)]
    plan = Plan(files, lambda: now[0])

    def look(number: int) -> bool:
        now[0] -= 15.0
        return Plan.has_candidates(plan, number)

    plan.has_candidates = look  # type: ignore[method-assign]
    plan.put_in_order((), 100.0)
    assert now[0] == 70.0, "a second one was begun within a fifth, a third was not"
    assert [plan.tasks[number].path for number in plan.order] == [f"f{number}.py" for number in range(5)]


def test_each_function_that_is_left_out_is_named_in_the_order_of_the_text() -> None:
    plan = Plan([file("a.py", CALM), file("b.py", CLAMP + "\n\n" + CALM)], lambda: 1.0)
    plan.put_in_order((), 1.0)
    for number in plan.order:
        plan.leave_out(number, DEADLINE)
    assert list(plan.not_done()) == [
        Skipped("a.py: calm", "deadline"),
        Skipped("b.py: clamp", "deadline"),
        Skipped("b.py: calm", "deadline"),
    ]
    assert plan.complete() == frozenset()
    assert [each.task and each.task.function.name for each in plan.cut()] == ["clamp", "calm", "calm"]


def test_the_order_does_not_depend_on_when_the_tasks_were_made() -> None:
    files = [file("a.py", CLAMP), file("b.py", CALM + "\n\n" + CLAMP), file("test_c.py", CALM)]
    assert order_of(*files) == order_of(*files)
    assert sorted(order_of(*files)) == sorted(
        task.name for each in files for task in tasks_of(each) if isinstance(task, Task)
    )
