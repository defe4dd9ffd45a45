"""What the tests of reports share: findings at a word of a line, and published schemas."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import jsonschema
import pytest

from dsassist.review.findings import Finding, Related, Replacement, Review
from dsassist.review.reports import Paths, Report

SCHEMAS = Path(__file__).parent / "schemas"
OWN_SCHEMAS = Path(__file__).parents[4] / "docs"


class MakeFinding(Protocol):
    def __call__(self, line: str = ..., word: str = ..., new: str = ..., **changes: Any) -> Finding: ...


class MakeReport(Protocol):
    def __call__(self, *findings: Finding, **changes: Any) -> Report: ...


@pytest.fixture
def finding() -> MakeFinding:
    """A finding about a word of line 4, with another one as its fix."""

    def make(line: str = "    return low + high", word: str = "low", new: str = "high", **changes: Any) -> Finding:
        column = line.index(word) + 1
        fix = (Replacement(4, column, 4, column + len(word), new),)
        made = Finding(
            path="a.py",
            line=4,
            column=column,
            end_line=4,
            end_column=column + len(word),
            severity="warning",
            family="name",
            function="clamp",
            message=f"`{word}` may be meant to be `{new}`",
            source_line=line,
            evidence=f"`{new}` is 1,600 times as likely here (+7.4 nats)",
            fix=fix,
            original=word,
            alternative=new,
            evidence_nats=7.4,
        )
        return replace(made, **changes)

    return make


@pytest.fixture
def report(tmp_path: Path) -> MakeReport:
    """A report about files of a repository, whose root is the working directory's, of some model."""

    def make(*findings: Finding, lines: dict[int, str] | None = None, **changes: Any) -> Report:
        review = Review(tuple(findings), len(findings), 3, 2, (), 4.94)
        known = lines or {}
        return Report(
            replace(review, **changes),
            "some-model",
            Paths(tmp_path, tmp_path),
            lambda path, line: known.get(line) if path == "a.py" else None,
        )

    return make


@pytest.fixture
def odd_findings(finding: MakeFinding) -> list[Finding]:
    """Findings whose texts are of every awkward kind, with related places and fixes of several lines."""
    lines = {
        "tabs": "\tif low:\treturn",
        "wide": "    文字列 = low",
        "combining": "    cafe\u0301 = low",
        "astral": "    x = '𐐀🎉' + low",
        "carriage return": "    low = 1\r",
        "control": "    x = '\x1b[31m\x07\x00' + low",
        "bidirectional": "    x = '\u202e' + low  # \u2066",
        "separators": "    x = '\u2028\u2029\x85' + low",
        "markup": "    x = `low` + '``` </td> <script>' + ']]>&amp; @octocat #1 [a](b) {0} %s %0A'",
        "commands": "    '::error::##[add-path]' + low",
        "long": "    x = " + "a + " * 500 + "low" + " + b" * 500,
    }
    found = [finding(line, function=name, message=f"{name}: {line}") for name, line in lines.items()]
    paths = ["a b.py", "new\nline.py", "\udcff\udce9.py", "ünï/𐐀.py", "a:b,c%d.py", "::stop::.py", "`x`.py", "-x|y.py"]
    found += [finding(path=path, function=repr(path)) for path in paths]
    several = (Replacement(4, 5, 4, 11, "yield"), Replacement(5, 1, 7, 3, "x\ny"), Replacement(8, 1, 8, 1, "𐐀"))
    found.append(finding(fix=several, function="several parts"))
    found.append(finding(end_line=6, end_column=4, function="several lines"))
    found.append(finding(fix=(Replacement(4, 5, 5, 1, ""),), function="a line taken out"))
    related = (Related("b\n\udcff.py", 7, 2, "`low` is still used here\n::error::"), Related("a.py", 9, 3, "and here"))
    found.append(finding(related=related, function="related places"))
    found.append(finding(evidence="", function="", message="a key", family="secret", severity="error", fix=()))
    found.append(finding(source_line="", column=1, end_column=1, fix=(), function="no source line"))
    found.append(finding(evidence_nats=None, severity="info", fingerprint="f" * 64, function="with a fingerprint"))
    return found


@pytest.fixture
def check_schema() -> Callable[[str, Any], None]:
    """Validates a value against one of the schemas."""

    def check(name: str, value: Any) -> None:
        validator_of(name).validate(value)

    return check


@cache
def validator_of(name: str) -> Any:
    folder = OWN_SCHEMAS if name.endswith(".schema") else SCHEMAS
    schema = json.loads((folder / f"{name}.json").read_bytes())
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    return validator(schema)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository, which is also the working directory."""
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
