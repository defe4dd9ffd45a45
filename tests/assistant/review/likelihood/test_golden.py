"""Alternatives in every language, as cases kept in files: a source with the changed line marked, and what must and must
not be proposed there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from dsassist.review.functions import changed_functions
from dsassist.review.grammars import GRAMMARS
from dsassist.review.likelihood.candidates import find_candidates
from dsassist.review.source import Source
from dsassist.syntax.parsing import count_errors

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent / "golden"
MARK = "◂"

Case = dict[str, Any]


def cases() -> list[tuple[str, Case]]:
    return [
        (path.stem, case)
        for path in sorted(FOLDER.glob("*.toml"))
        for case in tomllib.loads(path.read_text(encoding="utf-8"))["case"]
    ]


@pytest.mark.parametrize(
    ("language", "case"), [pytest.param(*each, id=f"{each[0]}: {each[1]['name']}") for each in cases()]
)
def test_golden(language: str, case: Case) -> None:
    lines = case["source"].split("\n")
    (marked,) = [number for number, line in enumerate(lines, start=1) if line.endswith(MARK)]
    source = Source("\n".join(line.removesuffix(MARK).rstrip() for line in lines), language)
    assert count_errors(source.tree) == 0, "the case itself must parse"
    (function,) = changed_functions(source, frozenset({marked}))
    found = find_candidates(function, frozenset({marked}))
    proposed = {f"{each.family}: {each.original} -> {each.alternative}" for each in found}
    assert {*case.get("must", ())} - proposed == set()
    unwanted = {*case.get("must_not", ())}
    assert unwanted & (proposed | {each.family for each in found}) == set()
    for each in found:
        edit = each.edit
        result = function.text[: edit.start] + edit.replacement + function.text[edit.end :]
        text = source.text[: function.start] + result + source.text[function.start + len(function.text) :]
        assert count_errors(Source(text, language).tree) == 0, each


def test_each_language_has_its_cases() -> None:
    assert {path.stem for path in FOLDER.glob("*.toml")} == GRAMMARS.keys()
