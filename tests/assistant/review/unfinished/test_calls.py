"""Calls that no longer fit (DSA202)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dsassist.review.findings import Finding
from dsassist.review.source import Source
from dsassist.review.unfinished.python_file import PythonFile
from dsassist.review.unfinished.signature import call_at, misfit, signature_of

Found = Callable[[dict[str, str], dict[str, str]], list[Finding]]

SAVE = "def save(path, data, mode='w'):\n    return path, data\n"


def places(findings: list[Finding]) -> list[tuple[str, str, int]]:
    return [(each.code, each.path, each.line) for each in findings]


@pytest.mark.parametrize(
    ("parameters", "call", "reason"),
    [
        ("a, b=1", "f(1)", ""),
        ("a, b=1", "f()", "needs `a`"),
        ("a, b=1", "f(1, 2, 3)", "takes 2 positional arguments, and 3 are given"),
        ("a, b=1", "f(1, c=2)", "takes no argument `c`"),
        ("a, b=1", "f(1, a=2)", "is given `a` twice"),
        ("a, *, b", "f(1)", "needs `b`"),
        ("a, *, b", "f(1, 2)", "takes 1 positional argument, and 2 are given"),
        ("a, *, b: int = 1", "f(a=1, b=2)", ""),
        ("a, /, b", "f(a=1, b=2)", "takes no argument `a`"),
        ("*a, b=1", "f(1, 2, 3)", ""),
        ("**k", "f(x=1)", ""),
        ("", "f(1)", "takes no positional argument, and 1 are given"),
        ("a, b", "f(*x)", ""),
        ("a, b", "f(1, **x)", ""),
        ("a, b", "f(x for x in y)", None),
    ],
)
def test_a_call_fits_as_python_says(parameters: str, call: str, reason: str | None) -> None:
    file = PythonFile("a.py", Source(f"def f({parameters}): ...\n{call}\n"))
    signature = signature_of(file.definitions[0], file)
    given = call_at(file.source.tree.root_node.named_children[1].named_children[0], file)
    assert signature is not None
    assert (given is None) == (reason is None)
    if given is not None and reason is not None:
        assert misfit(given, signature).startswith(reason)
        assert bool(misfit(given, signature)) == bool(reason)


def test_a_call_elsewhere_that_gives_a_removed_argument_is_found(found: Found) -> None:
    before = {"files.py": SAVE, "main.py": "from files import save\n\nsave('a', 1, mode='x')\nsave('b', 1)\n"}
    after = {"files.py": SAVE.replace(", mode='w'", "")}
    (finding,) = found(before, after)
    assert places([finding]) == [("DSA202", "main.py", 3)]
    assert finding.message == "`save` takes no argument `mode`"
    assert (finding.related[0].path, finding.related[0].line) == ("files.py", 1)


def test_a_call_that_lacks_a_new_argument_is_found(found: Found) -> None:
    before = {"files.py": SAVE + "\n\nsave('a', 1)\n"}
    after = {"files.py": SAVE.replace("data,", "data, size,") + "\n\nsave('a', 1)\n"}
    assert places(found(before, after)) == [("DSA202", "files.py", 5)]


def test_a_method_known_by_its_name_alone_is_found_on_any_object(found: Found) -> None:
    store = "class Store:\n    def add_row(self, row, at=0):\n        return row, at\n"
    before = {"store.py": store, "main.py": "def main(store):\n    store.add_row(1, at=2)\n"}
    after = {"store.py": store.replace(", at=0", "").replace(", at", "")}
    assert places(found(before, after)) == [("DSA202", "main.py", 2)]


def test_a_method_that_two_classes_have_is_found_on_self_only(found: Found) -> None:
    store = (
        "class Store:\n    def add_row(self, row, at=0):\n        return row\n\n"
        "    def fill(self):\n        self.add_row(1, at=2)\n"
    )
    other = "class Other:\n    def add_row(self, row, at=0): ...\n\n\ndef main(store):\n    store.add_row(1, at=2)\n"
    after = {"store.py": store.replace("row, at=0", "row")}
    assert places(found({"store.py": store, "other.py": other}, after)) == [("DSA202", "store.py", 6)]


def test_a_constructor_of_a_dataclass_is_found(found: Found) -> None:
    point = "from dataclasses import dataclass\n\n\n@dataclass\nclass Point:\n    x: int\n    y: int\n"
    before = {"point.py": point, "main.py": "from point import Point\n\np = Point(1, y=2)\n"}
    after = {"point.py": point.replace("    y: int", "    z: int")}
    assert places(found(before, after)) == [("DSA202", "main.py", 3)]


@pytest.mark.parametrize(
    "changed",
    [
        SAVE.replace("data,", "data, size=1,"),
        SAVE.replace("mode='w'", "**options"),
        "@decorated\n" + SAVE.replace(", mode='w'", ""),
        SAVE + "\n\ndef save(path): ...\n",
    ],
    ids=["optional", "any-keyword", "decorated", "twice"],
)
def test_a_call_that_may_still_fit_is_left_alone(found: Found, changed: str) -> None:
    before = {"files.py": SAVE, "main.py": "from files import save\n\nsave('a', 1, mode='x')\n"}
    assert not [finding for finding in found(before, {"files.py": changed}) if finding.code == "DSA202"]


def test_a_function_of_the_same_name_elsewhere_is_left_alone(found: Found) -> None:
    before = {"files.py": SAVE, "main.py": "from library import save\n\nsave('a', 1, mode='x')\n"}
    assert found(before, {"files.py": SAVE.replace(", mode='w'", "")}) == []


def test_a_call_that_never_fitted_is_left_alone(found: Found) -> None:
    before = {"files.py": SAVE, "main.py": "from files import save\n\nsave('a', 1, wrong=2)\n"}
    assert found(before, {"files.py": SAVE.replace(", mode='w'", "")}) == []
