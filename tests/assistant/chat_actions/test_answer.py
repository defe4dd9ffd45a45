"""Code out of answers as instruct models write them."""

from __future__ import annotations

import pytest

from dsassist.chat_actions.answer import code_in, prose_in


@pytest.mark.parametrize(
    "answer",
    [
        "def f():\n    return 1",
        "```python\ndef f():\n    return 1\n```",
        "Here is the code:\n\n```\ndef f():\n    return 1\n```\n\nIt returns one.",
        "```python\ndef f():\n    return 1\n",
        "Sure! This is the code:\n\ndef f():\n    return 1\n\nIt returns one.",
        "<think>\nA `def`, or\n```\nlambda: 1\n```\n</think>\n\n    def f():\n        return 1\n",
        "~~~\ndef f():\r\n    return 1\r\n~~~",
    ],
)
def test_fences_prose_and_thoughts_are_left_out(answer: str) -> None:
    assert code_in(answer, "python") == "def f():\n    return 1\n"


@pytest.mark.parametrize("answer", ["", "I cannot do that, sorry.", "```\n```", "<think>for ever"])
def test_an_answer_without_code_has_none(answer: str) -> None:
    assert code_in(answer, "python") == ""


def test_prose_is_what_stands_behind_the_thoughts() -> None:
    assert prose_in("<think>hm</think>\n\nIt adds. \n") == "It adds."
