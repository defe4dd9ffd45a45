"""Uneven copies (DSA203), twins that were left (DSA204), lone mirrors (DSA205)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from dsassist.review.findings import Finding

Found = Callable[[dict[str, str], dict[str, str]], list[Finding]]

COPY = """
def box(a, b):
    left_x = min(a.min_x, b.min_x)
    right_x = max(a.max_x, b.max_x)
    left_y = min(a.min_y, b.min_y)
    right_y = max(a.max_y, b.max_y)
    return left_x, left_y, right_x, right_y
"""
CHECK = "        raise ValueError(f'the value {value} is not allowed here')\n"


def places(findings: list[Finding]) -> list[tuple[str, str, int]]:
    return [(each.code, each.path, each.line) for each in findings]


def test_the_one_name_that_a_copy_kept_is_found(found: Found) -> None:
    text = COPY.replace("b.min_y)\n", "b.min_x)\n")
    (finding,) = found({"box.py": "x = 1\n"}, {"box.py": "x = 1\n" + text})
    assert places([finding]) == [("DSA203", "box.py", 6)]
    assert (finding.original, finding.alternative) == ("min_x", "min_y")
    assert finding.related[0].line == 4


PAIRS = {
    "width and height": (
        """
def fit(box):
    if box.width > box.max_width:
        box.width = box.max_width
        box.scale_width()
    if box.height > box.max_height:
        box.height = box.max_width
        box.scale_height()
""",
        ("max_width", "max_height"),
    ),
    "a and b": (
        """
def merged(a, b):
    first_a = parse(a.text, a.offset, a.limit)
    log(first_a, a.name)
    first_b = parse(b.text, a.offset, b.limit)
    log(first_b, b.name)
""",
        ("a", "b"),
    ),
    "min and max": (
        """
def bounds(rows):
    min_x = min(row.x for row in rows if row.min_weight)
    min_y = min(row.y for row in rows if row.min_weight)
    max_x = max(row.x for row in rows if row.max_weight)
    max_y = min(row.y for row in rows if row.max_weight)
""",
        ("min", "max"),
    ),
    "singular and plural": (
        """
def load(store, key):
    user = store.read_user(key, user_cache)
    log.info("user", user, user_cache)
    users = store.read_users(key, user_cache)
    log.info("users", users, users_cache)
""",
        ("user_cache", "users_cache"),
    ),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_copies_for_pairs_of_names_are_uneven_in_one_place(found: Found, pair: str) -> None:
    text, renamed = PAIRS[pair]
    (finding,) = found({"box.py": "x = 1\n"}, {"box.py": "x = 1\n" + text})
    assert (finding.code, finding.severity) == ("DSA203", "warning")
    assert (finding.original, finding.alternative) == renamed


@pytest.mark.parametrize(
    "text",
    [
        COPY,
        COPY.replace("b.min_y)", "b.min_x)").replace("b.max_y)", "b.max_x)"),
        "def box(a):\n    size_x = a.width\n    size_y = a.width\n",
        "a1 = int(x.get('a', int))\nb1 = int(x.get('b', float))\n",
        "view.set16(size16, view.size16, 1)\nview.set16(size32, view.size32, 1)\n",
    ],
    ids=["even", "twice", "too-short", "types", "sizes"],
)
def test_other_copies_are_left_alone(found: Found, text: str) -> None:
    assert found({"box.py": "x = 1\n"}, {"box.py": "x = 1\n" + text}) == []


ONCE = """
def hooks(self):
    self.hooks_before.extend(get_before_hooks())
    self.hooks_after.extend(get_after_hooks())
"""


def test_a_copy_that_renamed_one_of_two_names_is_told_with_less_weight(found: Found) -> None:
    text = ONCE.replace("get_after_hooks", "get_before_hooks")
    (finding,) = found({"hooks.py": "get_after_hooks = list\n"}, {"hooks.py": "get_after_hooks = list\n" + text})
    assert (finding.code, finding.alternative, finding.severity) == ("DSA203", "get_after_hooks", "info")
    assert found({"tests/hooks.py": "get_after_hooks = 1\n"}, {"tests/hooks.py": "get_after_hooks = 1\n" + text}) == []
    assert found({"other.py": "x = 1\n"}, {"other.py": "x = 1\n" + text}) == []


LIST = """
image_dir, mixer_dir, fonts_dir = dirs()
image_lib = join(image_dir, "lib")
mixer_lib = join(mixer_dir, "lib")
fonts_lib = join(fonts_dir, "lib")
"""


def test_the_line_of_a_list_that_kept_the_name_of_the_one_above_is_found(found: Found) -> None:
    text = LIST.replace("join(mixer_dir", "join(image_dir")
    (finding,) = found({"libs.py": "x = 1\n"}, {"libs.py": "x = 1\n" + text})
    assert places([finding]) == [("DSA203", "libs.py", 5)]
    assert (finding.original, finding.alternative) == ("image_dir", "mixer_dir")


def test_a_short_list_is_looked_at_and_a_long_table_is_not(found: Found) -> None:
    text = LIST.replace("join(mixer_dir", "join(image_dir")
    names = ("".join(pair) for pair in product("abcdefghijklmno", repeat=2))
    more = "".join(f'{name}_lib = join({name}_dir, "lib")\n' for name in names)
    assert [each.severity for each in found({"libs.py": "x = 1\n"}, {"libs.py": "x = 1\n" + text})] == ["warning"]
    assert found({"tables.py": "x = 1\n"}, {"tables.py": "x = 1\n" + text + more}) == []


@pytest.mark.parametrize(
    "text",
    [
        LIST,
        LIST.replace("join(mixer_dir", "join(root"),
        LIST.replace("join(mixer_dir", "join(image_dir").replace("mixer_dir,", ""),
        "double = 1\nINT = int\nFLOAT = float\nDOUBLE = float\nSTR = str\n",
        "u32 = 1\na.u8 = f(u8, 1)\na.u16 = f(u16, 1)\na.u32 = f(u16, 1)\na.u64 = f(u64, 1)\n",
    ],
    ids=["even", "another-name", "no-such-name", "types", "sizes"],
)
def test_other_lists_are_left_alone(found: Found, text: str) -> None:
    assert found({"libs.py": "x = 1\n"}, {"libs.py": "x = 1\n" + text}) == []


def test_a_twin_that_was_left_out_of_several_is_found(found: Found) -> None:
    functions = [f"def check_{i}(value):\n    if value < {i}:\n{CHECK}    return value\n" for i in range(3)]
    before = "\n\n".join(functions)
    new = CHECK.replace("ValueError", "OutOfRange")
    after = "\n\n".join([functions[0].replace(CHECK, new), functions[1].replace(CHECK, new), functions[2]])
    (finding,) = found({"checks.py": before}, {"checks.py": after})
    assert places([finding]) == [("DSA204", "checks.py", 15)]
    assert finding.fix[0].text == new.strip()
    assert [each.line for each in finding.related] == [3, 9]


def test_many_that_stay_as_they_are_are_left_alone(found: Found) -> None:
    functions = [f"def check_{i}(value):\n    if value < {i}:\n{CHECK}    return value\n" for i in range(5)]
    after = [
        functions[0].replace("ValueError", "OutOfRange"),
        functions[1].replace("ValueError", "OutOfRange"),
        *functions[2:],
    ]
    assert found({"checks.py": "\n\n".join(functions)}, {"checks.py": "\n\n".join(after)}) == []


def test_a_key_that_is_written_anew_and_read_as_before_is_found(found: Found) -> None:
    text = (
        "def encode_row(row):\n    return {'name': row.name, 'value': row.value}\n\n\n"
        "def decode_row(data):\n    return Row(data['name'], data['value'])\n"
    )
    (finding,) = found({"rows.py": text}, {"rows.py": text.replace("{'name'", "{'title'")})
    assert places([finding]) == [("DSA205", "rows.py", 6)]
    assert finding.related[0].line == 2


MIRRORED = (
    """
class Setting:
    def __enter__(self):
        self.before = self.state.pop("mode", None)

    def __exit__(self, *error):
        self.state["mode"] = self.before
""",
    """
class Row:
    def to_json(self):
        return {"mode": self.mode}

    def from_json(self, data):
        self.mode = data["mode"]
""",
)


@pytest.mark.parametrize("text", MIRRORED, ids=["enter and exit", "to and from"])
@pytest.mark.parametrize("which", [0, 1])
def test_either_of_a_pair_is_missed(found: Found, text: str, which: int) -> None:
    first, between, last = text.split('"mode"')
    new = ['"mode"', '"mode"']
    new[which] = '"kind"'
    (finding,) = found({"rows.py": text}, {"rows.py": first + new[0] + between + new[1] + last})
    assert places([finding]) == [
        ("DSA205", "rows.py", text.count("\n", 0, len(first if which else first + between)) + 1)
    ]


def test_a_pair_that_was_changed_together_is_left_alone(found: Found) -> None:
    text = (
        "def encode_row(row):\n    return {'name': row.name}\n\n\ndef decode_row(data):\n    return Row(data['name'])\n"
    )
    assert found({"rows.py": text}, {"rows.py": text.replace("'name'", "'title'")}) == []


TWO_LINES = "    first = 1\n    second = 2\n    third = 3\n{}    fourth = 4\n    fifth = 5\n    sixth = 6\n\n\n"
ENGINE = "    engine = make_engine(model, tokenizer)\n"
TWO = f"def one(model):\n{TWO_LINES.format(ENGINE)}def two(model, inner):\n{TWO_LINES.format(ENGINE)}"


def test_the_other_of_two_that_stand_in_the_same_surroundings_is_found(found: Found) -> None:
    after = TWO.replace("make_engine(model,", "make_engine(inner,", 1)
    assert places(found({"run.py": TWO}, {"run.py": after})) == [("DSA204", "run.py", 15)]


def test_the_other_of_two_that_stands_in_other_surroundings_is_left_alone(found: Found) -> None:
    before = TWO.replace("first", "other", 1).replace("sixth", "last", 1).replace("fourth", "fifth", 1)
    assert found({"run.py": before}, {"run.py": before.replace("make_engine(model,", "make_engine(inner,", 1)}) == []


def test_of_two_the_other_is_left_alone_in_a_file_that_the_change_does_not_touch(found: Found) -> None:
    one, other = TWO.split("def two")
    after = one.replace("make_engine(model,", "make_engine(inner,")
    assert found({"run.py": one, "two.py": other}, {"run.py": after, "two.py": other}) == []


@pytest.mark.parametrize(("new", "n_found"), [("inner", 1), ("unheard_of", 0)])
def test_a_file_that_has_not_the_new_name_is_left_alone(found: Found, new: str, n_found: int) -> None:
    one = f"def one(model):\n{TWO_LINES.format(ENGINE)}{TWO_LINES.format(ENGINE)}"
    other = f"def two(model, inner):\n{TWO_LINES.format(ENGINE)}"
    after = one.replace("make_engine(model,", f"make_engine({new},")
    findings = found({"run.py": one, "other.py": other}, {"run.py": after, "other.py": other})
    assert places(findings) == [("DSA204", "other.py", 5)] * n_found


@pytest.mark.parametrize(
    "line", ["    view_function: Callable[[], None] = None,", "    'payload': {'usage': 0, 'tokens': None},"]
)
def test_parameters_and_entries_have_no_twins(found: Found, line: str) -> None:
    old = "\n".join(f"f{i}(\n{line}\n)" for i in range(3)) + "\n"
    new = (
        old.replace("None", "Nothing", 1).replace("None", "Nothing", 1)
        if "=" not in line
        else old.replace("= None", "= 1", 2)
    )
    assert found({"a.ts": old}, {"a.ts": new}) == []


def test_a_line_within_a_docstring_has_no_twin(found: Found) -> None:
    text = "".join(
        f'def f{i}():\n    """Say it.\n\n    Other positional arguments are passed to it.\n    """\n\n\n'
        for i in range(3)
    )
    assert found({"a.py": text}, {"a.py": text.replace("arguments are", "parameters are", 2)}) == []
