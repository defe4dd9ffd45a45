"""Modules that were moved as they were (DSA201), and what is found in those that were changed, too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dsassist.review.findings import Finding

Found = Callable[[dict[str, str], dict[str, str]], list[Finding]]

TABLES = "def load_table(path):\n    return open(path)\n\n\ndef count(path):\n    return len(load_table(path).read())\n"
PACKAGE = {"package/__init__.py": "x = 1\n", "package/tables.py": TABLES}
MOVED = {"package/tables.py": "", "package/lists.py": TABLES}


def places(findings: list[Finding]) -> list[tuple[str, str, int]]:
    return [(each.code, each.path, each.line) for each in findings]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("main.py", "from package.tables import load_table\n"),
        ("main.py", "import package.tables\n"),
        ("main.py", "import package.tables as t\n"),
        ("main.py", "from package import tables\n"),
        ("main.py", "from package import x, tables as t\n"),
        ("main.py", "from package import (\n    x,\n    tables,\n)\n"),
        ("package/main.py", "from .tables import load_table\n"),
        ("package/main.py", "from . import tables\n"),
        ("package/deep/main.py", "def main():\n    from ..tables import count\n    return count\n"),
    ],
)
def test_an_import_of_a_module_that_was_moved_as_it_was_is_found(found: Found, path: str, text: str) -> None:
    (finding,) = found({**PACKAGE, path: text}, MOVED)
    assert (finding.code, finding.path) == ("DSA201", path)
    assert finding.original in ("tables",)
    assert finding.message == "the module is now package/lists.py"
    assert (finding.related[0].path, finding.related[0].note) == ("package/lists.py", "was package/tables.py")


def test_imports_that_moved_along_are_left_alone(found: Found) -> None:
    use = "from package import tables\nfrom package.tables import count\n"
    assert found({**PACKAGE, "main.py": use}, {**MOVED, "main.py": use.replace("tables", "lists")}) == []


@pytest.mark.parametrize(
    "own",
    ["from package import lists as tables\n", "tables = None\n", "def __getattr__(name):\n    return name\n"],
)
def test_a_module_that_its_package_offers_under_the_old_name_is_left_alone(found: Found, own: str) -> None:
    before = {**PACKAGE, "main.py": "from package import tables\n"}
    assert found(before, {**MOVED, "package/__init__.py": own}) == []


def test_what_a_package_below_another_folder_offers_is_left_alone(found: Found) -> None:
    before = {"slim/package/__init__.py": "from .formats import tables\n", "slim/package/tables.py": TABLES}
    before |= {"slim/package/formats.py": "tables = {}\n", "tests/test_tables.py": "from package import tables\n"}
    assert found(before, {"slim/package/tables.py": ""}) == []


def test_a_guarded_import_of_a_moved_module_is_left_alone(found: Found) -> None:
    use = "try:\n    from package import tables\nexcept ImportError:\n    tables = None\n"
    assert found({**PACKAGE, "main.py": use}, MOVED) == []


@pytest.mark.parametrize("new", ["lists.py", "package/tables.py"])
def test_a_module_of_one_word_is_found_where_modules_start(found: Found, new: str) -> None:
    before = {"package/__init__.py": "x = 1\n", "tables.py": TABLES, "main.py": "import tables\n"}
    assert places(found(before, {"tables.py": "", new: TABLES})) == [("DSA201", "main.py", 1)]


@pytest.mark.parametrize(
    ("old", "new", "importing"),
    [
        ("string.py", "text.py", "main.py"),  # the library has one, too
        ("package/tables.py", "package/lists.py", "package/main.py"),  # absolute: never meant the neighbour
        ("tables.py", "scripts/tables.py", "main.py"),  # a folder that may be on the path
    ],
)
def test_a_word_that_may_mean_something_else_is_left_alone(found: Found, old: str, new: str, importing: str) -> None:
    name = old.rpartition("/")[2].removesuffix(".py")
    before = {"package/__init__.py": "x = 1\n", old: TABLES, importing: f"import {name}\n"}
    assert found(before, {old: "", new: TABLES}) == []


def test_a_package_that_was_moved_into_a_folder_of_sources_is_left_alone(found: Found) -> None:
    before = {"tables/__init__.py": TABLES, "tables/rows.py": "x = 1\n" * 9,
              "tests/test_tables.py": "import tables\nfrom tables import count, rows\n"}  # fmt: skip
    after = {"tables/__init__.py": "", "tables/rows.py": "",
             "src/tables/__init__.py": TABLES, "src/tables/rows.py": "x = 1\n" * 9}  # fmt: skip
    assert found(before, after) == []


def test_an_import_from_a_package_that_was_moved_whole_is_found(found: Found) -> None:
    before = {"app/tables/__init__.py": TABLES, "app/tables/rows.py": "x = 1\n" * 9,
              "main.py": "from app.tables import count\nfrom app.tables.rows import x\n"}  # fmt: skip
    after = {"app/tables/__init__.py": "", "app/tables/rows.py": "",
             "app/lists/__init__.py": TABLES, "app/lists/rows.py": "x = 1\n" * 9}  # fmt: skip
    assert places(found(before, after)) == [("DSA201", "main.py", 1), ("DSA201", "main.py", 2)]


def test_a_package_that_lost_only_its_own_file_is_left_alone(found: Found) -> None:
    before = {"app/tables/__init__.py": "", "app/tables/rows.py": "x = 1\n", "main.py": "from app.tables import rows\n"}
    before["app/tables/__init__.py"] = "# the tables\n" * 9
    assert found(before, {"app/tables/__init__.py": "", "app/lists.py": "# the tables\n" * 9}) == []


# -- other languages, and imports that moved with their file

SCRIPT = "export function loadTable(path: string) {\n  return path.split(',');\n}\n" + "export const x = 1;\n" * 5


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import { loadTable } from './price-table';\n", 1),
        ("import {\n  loadTable,\n  x,\n} from './price-table.js';\n", 4),
        ("export const y = 1;\nexport { loadTable } from './price-table';\n", 2),
    ],
)
@pytest.mark.parametrize("new", [SCRIPT, SCRIPT.replace("loadTable", "readTable")], ids=["as-it-was", "changed"])
def test_an_import_of_a_moved_file_is_found_in_typescript(found: Found, text: str, line: int, new: str) -> None:
    before = {"shop/price-table.ts": SCRIPT, "shop/main.ts": text}
    (finding,) = found(before, {"shop/price-table.ts": "", "shop/rates.ts": new})
    assert places([finding]) == [("DSA201", "shop/main.ts", line)]
    assert finding.original.startswith("./price-table")
    assert finding.message == "the module is now shop/rates.ts"


@pytest.mark.parametrize(
    "text",
    ["import { x } from 'shop/price-table';\n", "import { x } from './rates';\n", "// from './price-table'\n"],
)
def test_other_imports_are_left_alone_in_typescript(found: Found, text: str) -> None:
    before = {"shop/price-table.ts": SCRIPT, "shop/main.ts": text}
    assert found(before, {"shop/price-table.ts": "", "shop/rates.ts": SCRIPT}) == []


def test_a_file_that_became_its_folders_own_is_left_alone_in_typescript(found: Found) -> None:
    before = {"shop/table.ts": SCRIPT, "shop/main.ts": "import { x } from './table';\n"}
    assert found(before, {"shop/table.ts": "", "shop/table/index.ts": SCRIPT}) == []


USE = (
    "from .tables import load_table\nfrom . import tables\n\n\ndef total():\n    return load_table('a'), tables\n"
    + "y = 2\n" * 9
)


@pytest.mark.parametrize("new", [USE, USE + "z = 3\n"], ids=["as-it-was", "changed"])
def test_imports_that_count_from_the_folder_of_a_file_that_was_moved_are_found(found: Found, new: str) -> None:
    before = {**PACKAGE, "other/__init__.py": "x = 1\n", "package/use.py": USE}
    findings = found(before, {"package/use.py": "", "other/use.py": new})
    assert places(findings) == [("DSA201", "other/use.py", 1), ("DSA201", "other/use.py", 2)]
    assert findings[0].message == findings[1].message == "this led to package/tables.py, and leads nowhere from here"


def test_imports_of_files_that_were_moved_together_are_left_alone(found: Found) -> None:
    after = {"package/use.py": "", "other/use.py": USE, "package/tables.py": "", "other/tables.py": TABLES}
    assert found({**PACKAGE, "other/__init__.py": "x = 1\n", "package/use.py": USE}, after) == []


# -- of a file that was moved and changed, each family looks at the change

PADDING = "".join(f"\n\ndef other_{n}(value):\n    return value + {n}\n" for n in range(9))
CHECK = "        raise ValueError(f'the value {value} is not allowed here')\n"
CHECKS = [f"def check_{n}(value):\n    if value < {n}:\n{CHECK}    return value\n\n\n" for n in range(3)]
CODING = (
    "def encode_row(row):\n    return {'name': row.name, 'price_of': row.price}\n\n\n"
    "def decode_row(data):\n    return Row(data['name'], data['price_of'])\n"
)
COPY = "".join(f"    {side}_{axis} = {f}(a.{f}_{axis}, b.{f}_{axis})\n" for axis in "xy" for side, f in
               (("left", "min"), ("right", "max")))  # fmt: skip


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("DSA201", TABLES, TABLES.replace("def load_table", "def read_table")),
        ("DSA202", TABLES + "\n\ncount('a')\n", TABLES.replace("count(path)", "count(path, n)") + "\n\ncount('a')\n"),
        ("DSA203", "", "\n\ndef box(a, b):\n" + COPY.replace("b.min_y", "b.min_x")),
        ("DSA204", "".join(CHECKS), "".join(CHECKS).replace("ValueError", "OutOfRange", 2)),
        ("DSA205", CODING, CODING.replace("'price_of': row", "'cost_of': row")),
    ],
)
def test_each_family_is_found_in_a_file_that_was_moved_and_changed(
    found: Found, code: str, before: str, after: str
) -> None:
    findings = found({"old.py": PADDING + before}, {"old.py": "", "new.py": PADDING + after})
    assert [(each.code, each.path) for each in findings] == [(code, "new.py")]


@pytest.mark.parametrize(
    ("code", "line", "after"),
    [
        ("DSA201", 1, TABLES.replace("load_table", "read_table")),
        ("DSA202", 3, TABLES.replace("load_table(path)", "load_table(path, mode)", 1)),
    ],
)
def test_what_is_stale_elsewhere_is_found_when_the_import_followed_the_file(
    found: Found, code: str, line: int, after: str
) -> None:
    use = "from package.tables import load_table\n\nload_table('a')\n"
    before = {**PACKAGE, "package/tables.py": TABLES + PADDING, "main.py": use}
    moved = {"package/tables.py": "", "package/lists.py": after + PADDING}
    findings = found(before, {**moved, "main.py": use.replace("tables", "lists")})
    assert (code, "main.py", line) in places(findings)
