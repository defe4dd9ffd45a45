"""What of a correction goes into the file."""

from __future__ import annotations

import pytest

from assistant.chat_actions.asking import at_mark
from dsassist.chat_actions.fix import ask_for_fix
from dsassist.chat_actions.outcome import FileChange, NothingToInsert

METHOD = (
    "import os\n\n\nclass A:\n    @cached\n    def f(self, a):\n        # why\n        b = |abs|(a)\n        return c\n"
)


def fixed(marked: str, path: str, answer: str) -> FileChange:
    outcome = ask_for_fix(*at_mark(marked, path), 500, "it is wrong").finish(answer)
    assert isinstance(outcome, FileChange)
    return outcome


def test_only_the_lines_that_differ_are_replaced() -> None:
    answer = "Here you are:\n```python\ndef f(self, a):\n    # why\n    b = abs(a)\n    return b\n```\nI changed c."
    outcome = fixed(METHOD, "a.py", answer)
    assert outcome.after == METHOD.replace("|", "").replace("return c", "return b")
    (change,) = outcome.changes
    assert change.text == "        return b"


def test_a_class_or_imports_around_the_function_are_left_out() -> None:
    answer = (
        "import os\n\nclass A:\n    @cached\n    def f(self, a):\n        # why\n        b = abs(a)\n        return b\n"
    )
    assert fixed(METHOD, "a.py", answer).after == METHOD.replace("|", "").replace("return c", "return b")


def test_another_indentation_of_the_answer_is_no_change() -> None:
    marked = "function f(a) {\n  for (const b of a) {\n    g(|c|);\n  }\n}\n"
    answer = "```js\nfunction f(a) {\n    for (const b of a) {\n        g(b);\n    }\n}\n```"
    outcome = fixed(marked, "a.js", answer)
    assert [change.text for change in outcome.changes] == ["    g(b);\n"]


def test_tabs_and_line_ends_are_the_files() -> None:
    marked = "package a\r\n\r\nfunc F() int {\r\n\tx := 1\r\n\treturn |y|\r\n}\r\n"
    outcome = fixed(marked, "a.go", "func F() int {\n    x := 1\n    return x\n}")
    assert outcome.after == marked.replace("|", "").replace("return y", "return x")


def test_a_statement_outside_functions_is_replaced_alone() -> None:
    assert fixed("a = 1\nb = |c|\nd = 2\n", "a.py", "```\nb = a\n```").after == "a = 1\nb = a\nd = 2\n"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("The code is fine.\n\nIt needs nothing.", "wrote no code"),
        ("The code is fine.", "does not parse"),
        ("```\ndef other():\n    return 1\n```", "wrote other code"),
        ("```\n# why\nb = abs(c)\n```", "repeated the lines around"),
        ("```\ndef f(self, a):\n    # why\n    b = abs(a)\n    return c\n```", "found nothing to change"),
        ("```\ndef f(self, a):\n    # why\n    b = abs(a\n    return b\n```", "does not parse|wrote no code"),
    ],
)
def test_an_answer_of_no_use_is_told_in_a_sentence(answer: str, why: str) -> None:
    with pytest.raises(NothingToInsert, match=why):
        fixed(METHOD, "a.py", answer)


def test_a_function_that_is_written_anew_is_not_taken() -> None:
    lines = "".join(f"    x{i} = {i}\n" for i in range(8))
    answer = "def f():\n" + "".join(f"    y{i} = {i}\n" for i in range(8))
    with pytest.raises(NothingToInsert, match="wrote other code"):
        fixed(f"def f():\n{lines}    return |z|\n", "a.py", answer)


def test_the_model_is_told_statement_message_and_function() -> None:
    question = ask_for_fix(*at_mark(METHOD, "a.py"), 500, "name 'c'\nis not defined").request.messages[-1]["content"]
    assert "def f(self, a):\n    # why\n    b = abs(a)\n    return c\n```" in question
    assert "```\nb = abs(a)\n```\nThe error: name 'c' is not defined" in question


def test_a_part_that_does_not_parse_by_itself_may_be_mended() -> None:
    marked = "package a\n\nfunc F(a int) int {\n\tif a > 1 {\n\t\treturn 1\n\t} |els| {\n\t\treturn 2\n\t}\n}\n"
    assert fixed(marked, "a.go", "```\n} else {\n```").after == marked.replace("|els|", "else")


def test_a_correction_that_leaves_lines_out_is_not_taken() -> None:
    marked = "def f(a):\n    return g(\n        a,\n        |b|,\n        1,\n    )\n"
    with pytest.raises(NothingToInsert, match="left lines out"):
        fixed(marked, "a.py", "```\nreturn g(a)\n```")


def test_the_model_is_told_which_name_was_probably_meant() -> None:
    marked = "def f(message):\n    return |mesage|.upper()\n"
    question = ask_for_fix(*at_mark(marked, "a.py"), 500, '"mesage" is not defined').request.messages[-1]["content"]
    assert 'The error: "mesage" is not defined; did you mean "message"?' in question


def test_a_secret_of_the_function_is_not_shown_to_the_model_and_one_in_the_statement_is_refused() -> None:
    key = "AKIA" + "QZ7RTB4LMNXD2WFC"
    marked = f'def f(a):\n    key = "{key}"\n    return ab|s|(a)\n'
    asking = ask_for_fix(*at_mark(marked, "a.py"), 500, "it is wrong")
    assert key not in repr(asking.request)
    with pytest.raises(NothingToInsert, match="holds a secret"):
        ask_for_fix(*at_mark(f'def f(a):\n    return g(|a|, "{key}")\n', "a.py"), 500, "it is wrong")
