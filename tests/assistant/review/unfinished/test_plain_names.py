"""Names of other languages than Python that are gone and still used (DSA201)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dsassist.review.findings import Finding

Found = Callable[[dict[str, str], dict[str, str]], list[Finding]]


def places(findings: list[Finding]) -> list[tuple[str, str, int]]:
    return [(each.code, each.path, each.line) for each in findings]


TABLES = "export function loadTable(path: string) {\n  return path.split(',');\n}\n"
GO = "package shop\n\nfunc LoadTable(path string) string {\n\treturn path\n}\n"


def test_an_import_of_a_renamed_function_is_found_in_typescript(found: Found) -> None:
    before = {"tables.ts": TABLES, "main.ts": "import { loadTable } from './tables';\n\nloadTable('a');\n"}
    findings = found(before, {"tables.ts": TABLES.replace("loadTable", "readTable")})
    assert places(findings) == [("DSA201", "main.ts", 1), ("DSA201", "main.ts", 3)]
    assert [fix.text for each in findings for fix in each.fix] == ["readTable", "readTable"]


def test_a_use_in_the_same_package_is_found_in_go(found: Found) -> None:
    main = 'package shop\n\nfunc Main() {\n\tLoadTable("a")\n}\n'
    found_places = places(
        found({"tables.go": GO, "main.go": main}, {"tables.go": GO.replace("LoadTable", "ReadTable")})
    )
    assert found_places == [("DSA201", "main.go", 4)]


def test_a_particular_name_is_found_in_rust(found: Found) -> None:
    text = "pub fn load_price_table(path: &str) -> usize {\n    path.len()\n}\n"
    main = 'use crate::tables::load_price_table;\n\nfn main() {\n    load_price_table("a");\n}\n'
    after = {"src/tables.rs": text.replace("load_price_table", "read_price_table")}
    assert ("DSA201", "src/main.rs", 4) in places(found({"src/tables.rs": text, "src/main.rs": main}, after))


@pytest.mark.parametrize(
    "use",
    [
        "// loadTable was here\n",
        "function loadTable() {}\nloadTable();\n",
        "const loadTable = 1;\n",
        "import { loadTable } from 'elsewhere';\nloadTable();\n",
        "export const api = { loadTable: 1 };\n",
    ],
    ids=["comment", "own", "constant", "foreign", "key"],
)
def test_other_things_of_that_name_are_left_alone(found: Found, use: str) -> None:
    assert found({"tables.ts": TABLES, "main.ts": use}, {"tables.ts": "export const x = 1;\n"}) == []


def test_a_variable_of_that_name_is_left_alone_in_go(found: Found) -> None:
    main = "package shop\n\nfunc Main() {\n\tLoadTable := 1\n\tprintln(LoadTable)\n}\n"
    assert found({"tables.go": GO, "main.go": main}, {"tables.go": GO.replace("LoadTable", "ReadTable")}) == []
