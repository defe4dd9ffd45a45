"""What the change gives twice, so that one of the two is lost (DSA206)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dsassist.review.findings import Finding

Found = Callable[[dict[str, str], dict[str, str]], list[Finding]]


def code_lines(findings: list[Finding]) -> list[tuple[str, int]]:
    return [(each.code, each.line) for each in findings]


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        (
            "a.py",
            "def f(x):\n    if x == 1:\n        g()\n    elif x == 2:\n        h()\n    elif x == 1:\n        i()\n",
            6,
        ),
        ("a.py", 'table = {\n    "a": 1,\n    "b": 2,\n    "a": 3,\n}\n', 4),
        ("a.py", "class A:\n    def load(self):\n        pass\n\n    def load(self, path):\n        pass\n", 5),
        ("a.py", 'sent = count("sent")\nsent = count("received")\nprint(sent)\n', 2),
        ("a.py", "if isinstance(x, A):\n    pass\nelif isinstance(x, A):\n    pass\n", 3),
        ("a.py", "if x.startswith('a'):\n    pass\nelif x.startswith('a'):\n    pass\n", 3),
        ("a.py", "f(\n    a=1,\n    b=2,\n    a=3,\n    **c,\n)\n", 4),
        ("a.go", "package a\n\nvar x = T{\n\tA: 1,\n\tA: 2,\n}\n", 5),
        ("a.rs", "fn f() -> T {\n    T {\n        a: 1,\n        a: 2,\n    }\n}\n", 4),
        ("a.js", "function f(x) {\n  if (x === 1) {\n  } else if (x === 2) {\n  } else if (x === 1) {\n  }\n}\n", 4),
        ("a.js", "const table = {\n  a: 1,\n  b: 2,\n  a: 3,\n};\n", 4),
        ("a.ts", "class A {\n  load() {}\n  load(path: string) {}\n}\n", 3),
        ("a.js", 'let x = 1;\nx = f("a");\nx = f("b");\n', 3),
        ("a.go", "package a\n\nfunc f(x int) {\n\tif x == 1 {\n\t} else if x == 1 {\n\t}\n}\n", 5),
        ("a.rs", "fn f(x: i32) {\n    if x == 1 {\n    } else if x == 2 {\n    } else if x == 1 {\n    }\n}\n", 4),
        ("A.java", "class A {\n  void f(int x) {\n    if (x == 1) {\n    } else if (x == 1) {\n    }\n  }\n}\n", 4),
        ("a.c", "void f(int x) {\n  if (x == 1) {\n  } else if (x == 1) {\n  }\n}\n", 3),
    ],
)
def test_what_is_given_twice_is_found(found: Found, path: str, text: str, line: int) -> None:
    (finding,) = found({"README": "x\n"}, {path: text})
    assert code_lines([finding]) == [("DSA206", line)]
    assert finding.related[0].line < line
    assert not finding.fix


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            "a.py",
            "def f(x):\n    if next(x) == 1:\n        pass\n    else:\n        if next(x) == 1:\n            pass\n",
        ),
        ("a.py", "if (y := f()) == 1:\n    pass\nelif (y := f()) == 1:\n    pass\n"),
        (
            "a.py",
            "class A:\n    @property\n    def x(self):\n        pass\n\n    @x.setter\n    def x(self, y): ...\n",
        ),
        ("a.py", "if A:\n    def f():\n        pass\nelse:\n    def f():\n        pass\n"),
        ("a.go", "package a\n\nvar x = []T{{A: 1}, {A: 2}}\n"),
        ("a.py", "if next(rows) == 1:\n    pass\nelif next(rows) == 1:\n    pass\n"),
        ("a.py", "if random() < 0.5:\n    pass\nelif random() < 0.5:\n    pass\n"),
        ("a.c", "void f() {\n  if (getc(f) == 1) {\n  } else if (getc(f) == 1) {\n  }\n}\n"),
        ("a.cpp", "void f() {\n  if (auto p = g()) {\n  } else if (auto p = g()) {\n  }\n}\n"),
        ("a.go", "package a\n\nfunc f() {\n\tif ok {\n\t} else if ok := g(); ok {\n\t} else if ok {\n\t}\n}\n"),
        ("a.go", "package a\n\nvar x = map[int]int{next(): 1, next(): 2}\n"),
        ("a.rs", "fn f() -> T {\n    T { #[cfg(unix)] a: 1, #[cfg(unix)] b: 2 }\n}\n"),
        ("a.ts", "interface A {\n  x: string;\n}\ninterface A {\n  y: string;\n}\nclass A {}\n"),
        ("a.ts", "enum A {\n  X,\n}\nenum A {\n  Y = 1,\n}\n"),
        ("a.py", "def f():\n    return 1\n\n\ncheck(f)\n\n\ndef f():\n    return 2\n"),
        ("a.py", "class A: ...\n\n\nclass A(A):\n    x = 1\n"),
        ("a.js", "s = r({ s, t: 'a' });\ns = r({ s, t: 'b' });\n"),
        ("a.py", "x = f(1)\nx = g(x)\n"),
        ("a.py", "if x == 'a b':\n    pass\nelif x == 'a  b':\n    pass\n"),
        ("a.py", "table = {'a-b': 1, 'a - b': 2}\n"),
        ("a.go", "package a\n\nvar x = map[string]int{`a b`: 1, `a  b`: 2}\n"),
        ("a.py", "x = None\nx = f(2)\n"),
        ("a.py", "_ = f(1)\n_ = f(2)\n"),
        ("a.py", "x = next(rows)\nx = next(rows)\n"),
        ("a.py", 'table = {f"{a}": 1, f"{a}": 2, **b, **b}\n'),
        ("a.js", "class A {\n  get x() {\n    return 1;\n  }\n  set x(y) {}\n  static x() {}\n}\n"),
        ("a.ts", "function f(a: string): void;\nfunction f(a: number): void;\nfunction f(a: any) {}\n"),
        ("a.c", "void f(int x) {\n  if (x++) {\n  } else if (x++) {\n  }\n}\n"),
        ("a.go", "package a\n\nfunc f() {\n\tif x := g(); x {\n\t} else if x := h(); x {\n\t}\n}\n"),
    ],
)
def test_what_only_looks_alike_is_left_alone(found: Found, path: str, text: str) -> None:
    assert found({"README": "x\n"}, {path: text}) == []


def test_what_the_change_did_not_write_is_left_alone(found: Found) -> None:
    before = 'table = {\n    "a": 1,\n    "a": 2,\n}\nx = 1\n'
    assert found({"a.py": before}, {"a.py": before.replace("x = 1", "x = 2")}) == []
    assert code_lines(found({"b.py": before}, {"b.py": before.replace('"a": 2', '"a": 3')})) == [("DSA206", 3)]
