"""Names that are gone and still used (DSA201)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dsassist.review.findings import Finding

Found = Callable[[dict[str, str], dict[str, str]], list[Finding]]

LOADING = "def load_table(path):\n    with open(path) as file:\n        return file.read().split()\n"
RENAMED = LOADING.replace("load_table", "read_table")


def places(findings: list[Finding]) -> list[tuple[str, str, int]]:
    return [(each.code, each.path, each.line) for each in findings]


def test_an_import_of_a_renamed_function_is_found_with_the_new_name_as_its_fix(found: Found) -> None:
    use = "from package.tables import load_table\n\nprint(load_table('a'))\n"
    before = {"package/__init__.py": "x = 1\n", "package/tables.py": LOADING, "package/main.py": use}
    (finding,) = found(before, {"package/tables.py": RENAMED})
    assert places([finding]) == [("DSA201", "package/main.py", 1)]
    assert [fix.text for fix in finding.fix] == ["read_table"]
    assert (finding.related[0].path, finding.related[0].line) == ("package/tables.py", 1)


def test_a_use_through_the_module_is_found(found: Found) -> None:
    use = "from . import tables\n\n\ndef main():\n    return tables.load_table('a')\n"
    before = {"package/__init__.py": "x = 1\n", "package/tables.py": LOADING, "package/main.py": use}
    assert places(found(before, {"package/tables.py": RENAMED})) == [("DSA201", "package/main.py", 5)]


def test_a_use_in_the_same_file_is_found(found: Found) -> None:
    before = {"tables.py": LOADING + "\n\ndef main():\n    return load_table('a')\n"}
    after = {"tables.py": before["tables.py"].replace("def load_table", "def read_table")}
    assert places(found(before, after)) == [("DSA201", "tables.py", 7)]


def test_a_name_that_stays_in_all_is_found(found: Found) -> None:
    before = {"tables.py": '__all__ = ["load_table"]\n\n' + LOADING}
    after = {"tables.py": '__all__ = ["load_table"]\n\n' + RENAMED}
    assert places(found(before, after)) == [("DSA201", "tables.py", 1)]


def test_an_attribute_that_was_renamed_in_most_places_is_found_in_the_last(found: Found) -> None:
    kept = (
        "class Store:\n    def __init__(self):\n        self.row_count = 0\n\n"
        "    def add(self):\n        self.row_count += 1\n"
    )
    other = "def show(store):\n    return store.row_count\n"
    before = {"store.py": kept, "show.py": other}
    after = {"store.py": kept.replace("row_count", "n_rows")}
    assert places(found(before, after)) == [("DSA201", "show.py", 2)]


def test_a_method_of_the_same_name_is_not_the_attribute_that_is_gone(found: Found) -> None:
    """A field `public_key` was taken away, and `key.public_key()` of a library was told of."""
    kept = (
        "class Answer:\n    public_key: str\n\n"
        "    def show(self):\n        print(self.public_key, self.public_key.strip())\n"
    )
    other = "def pem(key, answer):\n    return key.public_key(), answer.public_key\n"
    before = {"answer.py": kept, "pem.py": other}
    after = {"answer.py": kept.replace("public_key", "shared_text")}
    assert [(each.path, each.column) for each in found(before, after)] == [("pem.py", 37)]


def test_a_method_that_objects_of_the_library_have_is_not_known_by_its_name(found: Found) -> None:
    """`Client.connect` was renamed, and `engine.connect()` of a database was told of."""
    kept = "class Client:\n    def connect(self):\n        return self\n\n\nONE = Client().connect().connect()\n"
    other = "def rows(engine):\n    return engine.connect()\n"
    before = {"client.py": kept, "rows.py": other}
    after = {"client.py": kept.replace("connect", "create_from_url")}
    assert found(before, after) == []


@pytest.mark.parametrize(("getter", "expected"), [("__getattr__", []), ("get", [("DSA201", "hooks.py", 8)])])
def test_what_a_module_gives_by_its_getattr_may_be_exported(
    found: Found, getter: str, expected: list[tuple[str, str, int]]
) -> None:
    """An import gave way to `__getattr__`, so that a warning comes only on use, and `__all__` was told of."""
    before = {"events.py": "Before = 1\n", "hooks.py": "from events import Before\n\n__all__ = ['Before']\n"}
    after = f"import events\n\n\ndef {getter}(name):\n    return getattr(events, name)\n\n\n__all__ = ['Before']\n"
    assert places(found(before, {"hooks.py": after})) == expected


def test_a_renamed_class_is_found_in_an_annotation(found: Found) -> None:
    shape = "class Shape:\n    side = 1\n\n    def area(self):\n        return self.side**2\n"
    before = {"shape.py": shape, "draw.py": "from shape import Shape\n\n\ndef draw(shape: Shape) -> None: ...\n"}
    after = {"shape.py": shape.replace("Shape", "Square")}
    assert ("DSA201", "draw.py", 1) in places(found(before, after))


@pytest.mark.parametrize(
    "use",
    [
        "# load_table was here\n",
        'print("call load_table first")\n',
        "def load_table(path): ...\n\n\nload_table(1)\n",
        "from elsewhere import load_table\n",
        "def main(load_table):\n    return load_table(1)\n",
        "try:\n    from tables import load_table\nexcept ImportError:\n    pass\n",
        "try:\n    from others import load\nexcept ImportError:\n    from tables import load_table as load\n",
        "def main(thing):\n    return thing.load_table()\n",
    ],
    ids=["comment", "string", "own", "foreign", "parameter", "guarded", "helps-out", "any-object"],
)
def test_other_things_of_that_name_are_left_alone(found: Found, use: str) -> None:
    assert found({"tables.py": LOADING, "use.py": use}, {"tables.py": "x = 1\n"}) == []


def test_a_name_that_moved_and_is_imported_back_is_left_alone(found: Found) -> None:
    before = {"tables.py": LOADING, "use.py": "from tables import load_table\n"}
    after = {"new.py": LOADING, "tables.py": "from new import load_table\n"}
    assert found(before, after) == []


def test_an_import_from_where_a_name_was_moved_away_is_found(found: Found) -> None:
    before = {"tables.py": LOADING + "\n\nx = 1\n", "use.py": "from tables import load_table\n"}
    after = {"new.py": LOADING, "tables.py": "x = 1\n"}
    assert places(found(before, after)) == [("DSA201", "use.py", 1)]


def test_a_finished_renaming_is_left_alone(found: Found) -> None:
    use = "from tables import load_table\n\nprint(load_table('a'))\n"
    after = {"tables.py": RENAMED, "use.py": use.replace("load_table", "read_table")}
    assert found({"tables.py": LOADING, "use.py": use}, after) == []


def test_a_module_that_makes_names_as_they_are_asked_for_is_left_alone(found: Found) -> None:
    before = {"tables.py": LOADING, "use.py": "from tables import load_table\n"}
    assert found(before, {"tables.py": "def __getattr__(name):\n    return name\n"}) == []


def test_a_removed_override_leaves_the_name_to_the_base(found: Found) -> None:
    text = (
        "from library import Base\n\n\nclass Own(Base):\n    def start_up(self):\n        pass\n\n"
        "    def run(self):\n        self.start_up()\n"
    )
    assert found({"own.py": text}, {"own.py": text.replace("    def start_up(self):\n        pass\n\n", "")}) == []


def test_an_import_of_a_module_that_was_moved_is_found(found: Found) -> None:
    use = "from package.tables import load_table\n\nload_table('a')\n"
    before = {"package/__init__.py": "x = 1\n", "package/tables.py": LOADING * 3, "package/main.py": use}
    (finding,) = found(before, {"package/tables.py": "", "package/lists.py": LOADING * 3 + "x = 1\n"})
    assert places([finding]) == [("DSA201", "package/main.py", 1)]
    assert finding.related[0].path == "package/lists.py"


def test_an_import_of_a_module_that_was_deleted_is_found(found: Found) -> None:
    use = "from .tables import load_table\n\nload_table('a')\n"
    before = {"package/__init__.py": "x = 1\n", "package/tables.py": LOADING, "package/main.py": use}
    assert places(found(before, {"package/tables.py": ""})) == [("DSA201", "package/main.py", 1)]


def test_a_module_that_became_a_package_is_left_alone(found: Found) -> None:
    use = "from package.tables import load_table\n"
    before = {"package/__init__.py": "x = 1\n", "package/tables.py": LOADING, "package/main.py": use}
    assert found(before, {"package/tables.py": "", "package/tables/__init__.py": LOADING + "x = 1\n"}) == []


def test_a_name_whose_import_was_changed_alone_is_found(found: Found) -> None:
    use = "from tables import load_table\n\nprint(load_table('a'))\n"
    after = {"tables.py": RENAMED, "use.py": use.replace("import load_table", "import read_table")}
    (finding,) = found({"tables.py": LOADING, "use.py": use}, after)
    assert places([finding]) == [("DSA201", "use.py", 3)]
    assert [fix.text for fix in finding.fix] == ["read_table"]


def test_an_import_that_moved_into_a_function_is_left_alone(found: Found) -> None:
    use = "from tables import load_table\n\n\ndef main():\n    load_table('a')\n"
    after = {"use.py": "def main():\n    from tables import load_table\n\n    load_table('a')\n"}
    assert found({"tables.py": LOADING, "use.py": use}, after) == []


def test_an_attribute_that_the_class_no_longer_sets_is_found_though_its_base_is_foreign(found: Found) -> None:
    text = (
        "from library import Module\n\n\nclass Model(Module):\n    def __init__(self):\n        self.value_embed = 1\n"
        "        self.other = 2\n\n    def forward(self):\n        return self.value_embed\n"
    )
    assert places(found({"model.py": text}, {"model.py": text.replace("        self.value_embed = 1\n", "")})) == [
        ("DSA201", "model.py", 9)
    ]


def test_a_method_that_was_removed_with_most_of_its_calls_is_found_in_the_last(found: Found) -> None:
    cache = "class Cache:\n    def insert_kv(self, k):\n        return k\n\n    def grow(self):\n        return 1\n"
    run = "def run(cache):\n    cache.insert_kv(1)\n    cache.insert_kv(2)\n    cache.grow()\n"
    check = "def check(cache):\n    cache.insert_kv(1)\n"
    before = {"cache.py": cache, "run.py": run, "check.py": check}
    after = {
        "cache.py": cache.replace("    def insert_kv(self, k):\n        return k\n\n", ""),
        "run.py": "def run(cache):\n    cache.grow()\n",
    }
    assert places(found(before, after)) == [("DSA201", "check.py", 2)]


def test_a_variable_that_was_renamed_but_in_one_place_is_found(found: Found) -> None:
    text = "def main(rows):\n    total = 0\n    for row in rows:\n        total += row\n    return total\n"
    after = text.replace("total", "amount").replace("return amount", "return total")
    (finding,) = found({"a.py": text}, {"a.py": after})
    assert places([finding]) == [("DSA201", "a.py", 5)]
    assert [fix.text for fix in finding.fix] == ["amount"]


def test_a_type_variable_that_became_a_parameter_is_left_alone(found: Found) -> None:
    before = "from typing import TypeVar\n\nT = TypeVar('T')\n\n\ndef first(x: list[T]) -> T:\n    return x[0]\n"
    assert found({"a.py": before}, {"a.py": "def first[T](x: list[T]) -> T:\n    return x[0]\n"}) == []


def test_an_import_that_became_a_type_of_its_own_is_left_alone(found: Found) -> None:
    before = "from elsewhere import Message\n\n\ndef send(message: Message): ...\n"
    assert (
        found({"a.py": before}, {"a.py": before.replace("from elsewhere import Message", "type Message = int")}) == []
    )
