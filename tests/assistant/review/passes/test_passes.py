"""What is found without a model, and what must not be; `|` is taken out, so that no scanner takes a case for real."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import pytest

from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Finding
from dsassist.review.masking import masked_file
from dsassist.review.passes import run_passes
from dsassist.review.source import Source
from dsassist.syntax.languages import language_of


def found(path: str, text: str, old: str | None = None, lines: set[int] | None = None) -> list[Finding]:
    changed = frozenset(range(1, text.count("\n") + 2)) if lines is None else frozenset(lines)
    file = ChangedFile(path, Source(text), changed, old, language_of(path))
    masked, secrets = masked_file(file)
    return run_passes(file, masked, secrets)


def codes(path: str, text: str, old: str | None = None, lines: set[int] | None = None) -> list[str]:
    return [f"{each.code}:{each.line}" for each in found(path, text, old, lines)]


# -- secrets

KEY = "AKIA|Q3EGRSDFG7WXMTPL".replace("|", "")
PASSWORD = 'password = "tr0ub4dor|&3"\n'.replace("|", "")
PRIVATE = "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n".format(
    "MIIEowIBAAKCAQEA1c7+9z5Pad7O\n" * 3
)


def test_a_key_is_an_error_and_is_shown_nowhere() -> None:
    (finding,) = found("src/settings.py", f"import os\nKEY = '{KEY}'  # production\n")
    assert (finding.code, finding.severity, finding.line, finding.column, finding.end_column) == (
        "DSA001", "error", 2, 8, 28,
    )  # fmt: skip
    assert finding.source_line == f"KEY = '{'*' * 20}'  # production"
    assert KEY not in repr(finding)


@pytest.mark.parametrize("path", ["a.py", "a.js", "deploy.yaml", "noextension", "a.unknown"])
def test_a_key_is_found_in_any_text(path: str) -> None:
    assert codes(path, f"key: '{KEY}'\n") == ["DSA001:1"]


def test_a_key_on_an_unchanged_line_is_not_told_again() -> None:
    assert codes("a.py", f"KEY = '{KEY}'\nx = 1\n", lines={2}) == []


def test_a_private_key_of_many_lines_is_one_finding_whatever_line_of_it_changed() -> None:
    assert codes("deploy/server.txt.in", PRIVATE, lines={3}) == ["DSA001:1"]
    assert codes("tests/certs/server.pem", PRIVATE) == []


@pytest.mark.parametrize(
    "path", ["tests/test_login.py", "pkg/login_test.go", "docs/setup.rst", "README.md", "web/src/locales/en.yaml"]
)
def test_passwords_of_tests_and_documents_are_made_up(path: str) -> None:
    assert codes(path, PASSWORD) == []
    assert codes(path, f"key = '{KEY}'\n") == ["DSA001:1"]


@pytest.mark.parametrize(
    "text",
    [
        f"# {PASSWORD}",
        f"def f():\n    '''Log in.\n\n    {PASSWORD}    '''\n",
        "url = 'postgres://app:q7|Zr9kd@localhost:5432/app'\n",
        "names = ['.pass', '.my|-2.cnf']\n",
        '{"password": "Kontraseña7"}\n',
    ],
)
def test_examples_are_no_secrets(text: str) -> None:
    assert codes("src/a.py", text.replace("|", "")) == []


def test_a_password_in_code_is_found() -> None:
    assert codes("src/a.py", PASSWORD) == ["DSA001:1"]
    assert codes("src/a.py", "url = 'postgres://app:q7|Zr9kd@db.example.org/app'\n".replace("|", "")) == ["DSA001:1"]


def test_a_masked_file_has_the_same_places_and_parses_as_before() -> None:
    key_lines = "".join(
        f"    '{line}\\n'\n"
        for line in ("-----BEGIN PRIVATE KEY-----", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "-----END PRIVATE KEY-----")
    )
    text = f"KEYS = [\n    '{KEY}',\n    'ä',\n]\n{PASSWORD}K = (\n{key_lines})\n"
    masked, spans = masked_file(ChangedFile("a.py", Source(text), frozenset({1}), old=text))
    assert len(spans) == 3
    assert [len(line) for line in masked.source.text.split("\n")] == [len(line) for line in text.split("\n")]
    assert KEY not in masked.source.text
    assert KEY not in (masked.old or "")
    ast.parse(masked.source.text)


# -- merge markers

CONFLICT = "a = 1\n<<<<<<< HEAD\nb = 2\n{}=======\nb = 3\n>>>>>>> topic\nc = 4\n"


@pytest.mark.parametrize("middle", ["", "||||||| 1a2b3c4\nb = 1\n"])
@pytest.mark.parametrize("path", ["a.py", "a.txt", "a.json"])
def test_a_conflict_is_one_error_in_any_file(path: str, middle: str) -> None:
    assert codes(path, CONFLICT.format(middle)) == ["DSA002:2"]


def test_a_conflict_with_windows_line_ends_is_found() -> None:
    assert codes("a.py", CONFLICT.format("").replace("\n", "\r\n")) == ["DSA002:2"]


def test_a_conflict_is_told_at_the_first_of_its_marks_that_changed() -> None:
    text = CONFLICT.format("")
    assert codes("a.txt", text, lines={6}) == ["DSA002:6"]
    assert codes("a.txt", text, lines={1, 3, 7}) == []


@pytest.mark.parametrize(
    "text",
    [
        "Heading\n=======\n\ntext\n",
        "<<<<<<<\ntext\n",
        ">>>>>>> quoted\n=======\n<<<<<<< quoted\n",
        "<<<<<<< a\n>>>>>>> b\n=======\n",
        "    <<<<<<< HEAD\n    =======\n    >>>>>>> topic\n",
        "<<<<<<<< HEAD\n========\n>>>>>>>> topic\n",
        "<<<<<<< a\n======= b\n>>>>>>> c\n",
    ],
)
def test_what_only_looks_like_a_mark_is_none(text: str) -> None:
    assert codes("a.rst", text) == []


# -- debuggers

LEFT_IN = [
    ("a.py", "def f(x):\n    breakpoint()\n    return x\n", 2),
    ("a.py", "import pdb; pdb.set_trace()\n", 1),
    ("a.py", "from ipdb import set_trace\n", 1),
    ("a.py", "def f():\n    __import__('x'); pudb.set_trace()\n", 2),
    ("a.py", "import IPython\nIPython.embed()\n", 2),
    ("a.js", "function f() {\n  debugger;\n}\n", 2),
    ("a.tsx", "const f = () => {\n  debugger\n  return <b/>\n}\n", 2),
    ("a.rb", "def f\n  binding.pry\nend\n", 2),
    ("a.rb", "def f\n  byebug\n  1\nend\n", 2),
    ("a.php", "<?php\ndd($user);\n", 2),
    ("a.rs", "fn f(x: i32) -> i32 {\n    dbg!(x)\n}\n", 2),
    ("a.go", "package a\n\nfunc f() {\n\truntime.Breakpoint()\n}\n", 4),
    ("A.cs", "class A {\n  void F() {\n    Debugger.Break();\n  }\n}\n", 3),
    ("a.lua", "debug.debug()\n", 1),
]


@pytest.mark.parametrize(("path", "text", "line"), LEFT_IN)
def test_a_debugger_call_is_a_warning(path: str, text: str, line: int) -> None:
    (finding,) = found(path, text)
    assert (finding.code, finding.severity, finding.line) == ("DSA003", "warning", line)
    assert found(path, text, lines={line + 1}) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "# breakpoint()\ntext = 'import pdb; pdb.set_trace()'\n"),
        ("a.py", "self.breakpoint()\nbreakpoint = 3\nset_trace_hook(1)\n"),
        ("a.py", "def breakpoint():\n    pass\n\n\nbreakpoint()\n"),
        (
            "a.py",
            "import pdb\n\n\ndef run(f):\n    try:\n        f()\n    except Exception:\n        pdb.post_mortem()\n",
        ),
        ("tests/test_pdb.py", "breakpoint()\n"),
        ("tools/debugger/console.py", "import pdb\npdb.set_trace()\n"),
        ("a.js", "// debugger;\nconst debuggers = 'debugger;'\nconst a = {debugger: 1}\n"),
        ("a.rb", "# byebug\nbyebug = 1\nputs debugger_name\ngem 'pry'\n"),
        ("a.rs", 'fn f() { println!("dbg!(x)"); }\n'),
        ("a.php", "<?php\n$this->dd($x);\nadd($x);\n"),
        ("a.txt", "breakpoint()\n"),
    ],
)
def test_what_is_no_call_into_a_debugger_is_silent(path: str, text: str) -> None:
    assert [each for each in found(path, text) if each.code == "DSA003"] == []


# -- syntax errors


@pytest.mark.parametrize(
    ("path", "old", "new", "line"),
    [
        ("a.py", "x = f(1)\n", "y = 2\nx = f(1\n", 2),
        ("a.py", "def f():\n    return 1\n", "def f():\n    x = 2\n      return x\n", 3),
        ("a.py", "def f():\n    return 1\n", "def f():\n    x = 1\nreturn x\n", 3),
        ("a.json", '{"a": 1}\n', '{"a": 1,\n "b": 2,}\n', 2),
        ("a.toml", "a = 1\n", "a = 1\nb =\n", 2),
        ("a.js", "f(1);\n", "f(1);\nfunction g() { if (a { b } }\n", 2),
        ("a.ts", "const a: number = 1;\n", "const a: number = ;\n", 1),
        ("a.go", "package a\n", "package a\n\nfunc f() { x := }\n", 3),
        ("a.rs", "fn f() {}\n", "fn f() {\n    let x = ;\n}\n", 2),
    ],
)
def test_a_change_that_breaks_the_syntax_is_an_error(path: str, old: str, new: str, line: int) -> None:
    (finding,) = found(path, new, old)
    assert (finding.code, finding.severity, finding.line) == ("DSA004", "error", line)
    assert finding.message.startswith("syntax error: ")
    assert found(path, new, new) == [], "it did not parse before either"
    assert found(path, old, old) == []


def test_a_new_file_that_its_own_parser_refuses_is_told() -> None:
    assert codes("a.py", "x = (1\n") == ["DSA004:1"]
    assert codes("a.go", "package a\nfunc f() { x := }\n") == [], "a grammar alone may be wrong about a file"


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("a.py", "x = 1\n", "print 'Python 2'\n"),
        ("a.py", "x = 1\n", "{% if x %}\nx = \n{% endif %}\n"),
        ("{{cookiecutter.name}}/a.py", "x = 1\n", "x = {{ }\n"),
        ("templates/a.js", "x;\n", "x = {{ value;\n"),
        ("a.js", "x;\n", "x = {{ value }};\n"),
        ("a.py", "x = 1\n", "%matplotlib inline\nx = 1\n"),
        ("tsconfig.json", '{"a": 1}\n', '{"a": 1,}\n'),
        ("a.json", '{"a": 1}\n', '// with a comment\n{"a": 1}\n'),
        ("a.yaml", "a: 1\n", "a: [1\n"),
        ("tests/data/bad.py", None, "x = (\n"),
        ("tests/data/broken.toml", None, "x =\n"),
    ],
)
def test_what_may_be_right_is_not_called_a_syntax_error(path: str, old: str | None, new: str) -> None:
    assert codes(path, new, old) == []


def test_a_conflict_is_not_a_syntax_error_besides() -> None:
    assert codes("a.py", CONFLICT.format(""), "a = 1\n") == ["DSA002:2"]


def test_the_standard_library_has_nothing_to_report() -> None:
    """A sample; all 2,261 files were gone through by hand."""
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[::8]:
        text = path.read_text(encoding="utf-8", errors="replace")
        assert codes(f"lib/{path.name}", text) == []
