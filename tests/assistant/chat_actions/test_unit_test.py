"""Where a test goes, what it imports, and what of the model's answer it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.chat_actions.asking import at_mark
from dsassist.chat_actions.outcome import FileChange, NothingToInsert
from dsassist.chat_actions.unit_test import ask_for_test

SCALE = "def scale(a):\n    return |a * 2\n\n\ndef other():\n    return 1\n"
ANSWER = (
    "```python\nfrom scale import scale\n\ndef scale(a):\n    return 2 * a\n\n"
    "def test_scale():\n    assert scale(2) == 4\n```"
)


def project(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def with_test(root: Path, path: str, marked: str, answer: str) -> FileChange:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(marked.replace("|", ""))
    outcome = ask_for_test(*at_mark(marked, file, root), 500).finish(answer)
    assert isinstance(outcome, FileChange)
    return outcome


def test_a_new_file_has_the_import_and_the_test_alone(tmp_path: Path) -> None:
    outcome = with_test(
        project(tmp_path, **{"src/pkg/__init__.py": "", "tests/a": ""}), "src/pkg/mod.py", SCALE, ANSWER
    )
    assert outcome.path == tmp_path / "tests" / "test_mod.py"
    assert outcome.is_new
    assert outcome.after == "from pkg.mod import scale\n\n\ndef test_scale():\n    assert scale(2) == 4\n"


def test_folders_of_the_tests_mirror_those_of_the_source(tmp_path: Path) -> None:
    project(tmp_path, **{"pkg/__init__.py": "", "pkg/sub/__init__.py": "", "tests/sub/test_a.py": ""})
    assert with_test(tmp_path, "pkg/sub/mod.py", SCALE, ANSWER).path == tmp_path / "tests/sub/test_mod.py"


def test_an_existing_file_gets_import_and_test_in_their_places(tmp_path: Path) -> None:
    present = (
        '"""Tests."""\n\nimport os\n\nfrom mod import other\n\n\ndef test_scale():\n    assert os\n    assert other()\n'
    )
    outcome = with_test(project(tmp_path, **{"tests/unit/test_mod.py": present}), "mod.py", SCALE, ANSWER)
    assert (outcome.path, outcome.is_new) == (tmp_path / "tests/unit/test_mod.py", False)
    assert outcome.after == (
        present.replace("import other\n", "import other\nfrom mod import scale\n")
        + "\n\ndef test_scale_2():\n    assert scale(2) == 4\n"
    )


def test_what_the_test_uses_is_imported_from_the_standard_library_and_the_source(tmp_path: Path) -> None:
    answer = (
        "import json\nimport numpy\nfrom x import other\n\n"
        "def test_scale():\n    assert json.dumps(scale(other())) == '2'\n"
    )
    assert with_test(tmp_path, "mod.py", SCALE, answer).after.startswith(
        "import json\n\nfrom mod import other, scale\n\n\ndef"
    )


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("I would test it by hand.", "wrote no test that checks scale"),
        ("def test_scale():\n    pass\n", "wrote no test that checks scale"),
        ("def test_scale():\n    scale(2)\n", "wrote no test that checks scale"),
        ("def test_scale():\n    assert scale(numpy.ones(2)) == 2\n", "uses numpy, which it does not define"),
        ("```\ndef test_scale():\n    assert scale(2 == 4\n```", "does not parse"),
        ("def scale(a):\n    assert a\n    return 2 * a\n", "wrote no test that checks scale"),
    ],
)
def test_an_answer_that_is_no_test_is_told_in_a_sentence(tmp_path: Path, answer: str, why: str) -> None:
    with pytest.raises(NothingToInsert, match=why):
        with_test(tmp_path, "mod.py", SCALE, answer)


@pytest.mark.parametrize(
    ("package", "imports"),
    [
        (
            '{"devDependencies": {"vitest": "1"}}',
            'import { expect, test } from "vitest";\nimport { f } from "./a.js";\n',
        ),
        ('{"devDependencies": {"jest": "1"}}', 'import { f } from "./a.js";\n'),
        (
            '{"scripts": {"test": "node --test"}}',
            'import assert from "node:assert/strict";\nimport test from "node:test";\nimport { f } from "./a.js";\n',
        ),
    ],
)
def test_javascript_is_tested_with_what_the_package_uses(tmp_path: Path, package: str, imports: str) -> None:
    project(tmp_path, **{"package.json": package})
    call = 'test("f", () => {\n  expect(f(1)).toBe(2);\n});'
    answer = f"```js\nimport x from 'y';\n\nfunction f(a) {{ return 2; }}\n\n{call}\n```"
    outcome = with_test(tmp_path, "lib/a.js", "export function f(a) {\n  return |a;\n}\n", answer)
    assert (outcome.path, outcome.after) == (tmp_path / "lib/a.test.js", f"{imports}\n{call}\n")


def test_what_is_not_exported_cannot_be_with_test(tmp_path: Path) -> None:
    with pytest.raises(NothingToInsert, match=r"f is not exported from a\.ts"):
        with_test(tmp_path, "a.ts", "function f(a: number) {\n  return |a;\n}\n", "")


def test_go_tests_stand_beside_the_file_in_its_package(tmp_path: Path) -> None:
    answer = (
        'package main\n\nimport (\n\t"reflect"\n\t"testing"\n\t"os"\n)\n\n'
        'func TestF(t *testing.T) {\n\tif !reflect.DeepEqual(F(), 1) {\n\t\tt.Error("no")\n\t}\n}\n'
    )
    outcome = with_test(tmp_path, "a.go", "package a\n\nfunc F() int {\n\treturn |1\n}\n", answer)
    assert outcome.path == tmp_path / "a_test.go"
    assert outcome.after.startswith('package a\n\nimport "reflect"\nimport "testing"\n\nfunc TestF(t *testing.T) {\n')


def test_rust_tests_stand_in_the_files_own_module(tmp_path: Path) -> None:
    source = "fn f() -> i32 {\n    |1\n}\n"
    function = "    #[test]\n    fn test_f() {\n        assert_eq!(f(), 1);\n    }\n"
    answer = f"```rust\nmod tests {{\n    use super::*;\n{function}}}\n```"
    first = with_test(tmp_path, "a.rs", source, answer)
    module = f"\n#[cfg(test)]\nmod tests {{\n    use super::*;\n\n{function}"
    assert (first.path, first.after) == (None, f"{source.replace('|', '')}{module}}}\n")
    second = with_test(tmp_path, "a.rs", source + module + "}\n", answer)
    again = module.partition("super::*;\n")[2].replace("test_f", "test_f_2")
    assert second.after == f"{source.replace('|', '')}{module}{again}}}\n"
