"""Traces: what is typed ends as the file after the commit, and is the same each time."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from dsassist.bench.typing.history import changes_in, check_out, choose_changes
from dsassist.bench.typing.trace import Edit, Trace, trace_of
from dsassist.git import run_git
from dsassist_runtime.errors import DsassistError

BEFORE = "import os\n\n\ndef first(a, b):\n    return a\n\n\ndef last(values):\n    return values[-1]\n"
CHANGES = {
    "lines added": BEFORE.replace(
        "return a\n", "total = sum((a, b))\n    if total:\n\n        print(total)\n    return a\n"
    ),
    "a word replaced": BEFORE.replace("values[-1]", "values[0]"),
    "lines removed": BEFORE.replace("def first(a, b):\n    return a\n\n\n", ""),
    "two hunks": BEFORE.replace("import os", "import sys").replace("[-1]", '[len(values) - 1], {"a": [1, (2)]}'),
    "the first line": "from a import b\n" + BEFORE,
    "at the end": BEFORE + "\n\nclass New:\n    def run(self):\n        pass\n",
    "no line end": BEFORE + "x = (1",
    "a bracket that is closed elsewhere": BEFORE.replace("import os", "x = call(\n    [a,\n     b)]\n)"),
    "tabs": BEFORE.replace("    return a\n", "\tif a:\n\t\treturn b\n\treturn a\n"),
    "blanks on a blank line": BEFORE.replace("return a\n", "x = 1\n   \n    return a\n"),
    "blanks at the end": BEFORE + "    \n",
    "emptied": "",
    "other scripts": BEFORE.replace("os", 'os  # "größer 😋"'),
}


@pytest.mark.parametrize("closes_brackets", [False, True])
@pytest.mark.parametrize("after", CHANGES.values(), ids=CHANGES)
def test_the_text_at_the_end_is_the_file_after_the_commit(after: str, closes_brackets: bool) -> None:
    for seed in range(20):  # mistakes come at other places with each
        trace = trace_of("t", "a.py", BEFORE, after, seed=seed, closes_brackets=closes_brackets)
        *_, last = trace.states()
        assert last.text == after


def test_a_trace_is_the_same_for_a_seed_and_another_for_another() -> None:
    def typed(seed: int) -> list[str]:
        return list(trace_of("t", "a.py", BEFORE, CHANGES["two hunks"], seed=seed).as_jsonl())

    assert typed(3) == typed(3)
    assert typed(3) != typed(4)


def test_its_lines_are_json_and_say_all_that_was_done() -> None:
    trace = trace_of("t", "a.py", BEFORE, CHANGES["lines added"], seed=1)
    head, *rows = [json.loads(line) for line in trace.as_jsonl()]
    text = head["before"]
    for row in rows:
        text = text[: row["offset"]] + row["text"] + text[row["offset"] + row["removed"] :]
    assert text == trace.after


def test_one_key_types_one_character_except_for_indentation_and_closed_brackets() -> None:
    trace = trace_of("t", "a.py", BEFORE, CHANGES["lines added"], seed=1, closes_brackets=True)
    typed = [edit for edit in trace.edits if edit.kind == "type"]
    assert {edit.text for edit in typed if len(edit.text) > 1} <= {"()", "    "}
    assert any(edit.text == "()" and edit.cursor == edit.offset + 1 for edit in typed)
    assert any(edit.text == ")" and edit.removed == 1 for edit in typed), "a closed bracket is typed over"


def test_enter_brings_the_indentation_and_a_level_more_behind_a_colon() -> None:
    trace = trace_of("t", "a.py", BEFORE, CHANGES["at the end"], seed=1)
    given = [edit.text for edit in trace.edits if edit.kind == "newline"]
    assert "\n    " in given
    assert "\n        " in given


def test_mistakes_are_made_taken_back_and_never_a_state_to_be_reached() -> None:
    after = BEFORE + "".join(f"variable_number_{n} = another_long_word\n" for n in range(30))
    trace = trace_of("t", "a.py", BEFORE, after, seed=1)
    wrong = [index for index, edit in enumerate(trace.edits) if not edit.right]
    assert wrong
    assert all(trace.edits[index + 1].kind == "backspace" for index in wrong)
    assert not set(wrong) & set(trace.passes.values())


def test_time_goes_on_and_people_pause() -> None:
    edits = trace_of("t", "a.py", BEFORE, CHANGES["at the end"], seed=1).edits
    gaps = [later.at_s - earlier.at_s for earlier, later in pairwise(edits)]
    assert min(gaps) >= 0.03
    assert max(gaps) < 10


def test_the_gap_of_the_first_edit_counts_from_the_opening() -> None:
    edits = (Edit(1.5, "move", 0, 0, "", 0), Edit(1.75, "type", 0, 0, "a", 1))
    trace = Trace("t", "a.py", "", "a", edits)
    assert [trace.gap_s(0), trace.gap_s(1)] == [1.5, 0.25]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    run_git(["init", "-q"], root)

    def commit(text: bytes) -> None:
        (root / "module.py").write_bytes(text)
        (root / "data.json").write_bytes(b'{"n": %d}' % len(text))
        run_git(["add", "."], root)
        run_git(["commit", "-q", "-m", "change"], root)

    lines = [b"value_%d = %d\n" % (n, n) for n in range(80)]
    commit(b"".join(lines))
    commit(b"".join([*lines, b"another_value = compute_it(value_1, value_2)\n"]))
    commit(b"".join([*lines, b"\xff\xfe is no text, however long the line may be\n"]))
    return root


def test_changes_of_code_are_found_with_their_texts(repository: Path) -> None:
    assert {path for _, path, *_ in changes_in(repository)} == {"module.py"}
    [change] = choose_changes([repository], 1, range(20, 100), seed=1)
    assert change.after == change.before + "another_value = compute_it(value_1, value_2)\n"
    assert change.n_new == 45


def test_the_workspace_is_as_it_was_before_the_commit(repository: Path, tmp_path: Path) -> None:
    [change] = choose_changes([repository], 1, range(20, 100), seed=1)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    assert check_out(change, workspace).read_text() == change.before
    assert (workspace / "data.json").exists()


def test_a_history_without_such_changes_is_told_in_a_sentence(repository: Path) -> None:
    with pytest.raises(
        DsassistError, match=r"has 1 changes of one file with 20 to 99 new characters, and 2 are wanted"
    ):
        choose_changes([repository], 2, range(20, 100), seed=1)
