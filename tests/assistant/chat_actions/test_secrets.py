"""No action shows the model a secret of the code, wherever what it shows begins and ends."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.chat_actions.asking import at_mark
from dsassist.chat_actions.code import Code
from dsassist.chat_actions.docstring import ask_for_docstring
from dsassist.chat_actions.explain import ask_for_explanation
from dsassist.chat_actions.fix import ask_for_fix
from dsassist.chat_actions.outcome import Asking, Subject
from dsassist.chat_actions.unit_test import ask_for_test

KEY = "ghp_" + "0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R"
METHOD = f'class A:\n    token = "{KEY}"\n\n    def f|etch(self, url):\n        return get(url, auth="{KEY}")\n'


@pytest.mark.parametrize("ask", [ask_for_explanation, ask_for_docstring, ask_for_test])
def test_a_secret_of_the_code_is_not_shown(ask: Callable[[Subject, Code, int], Asking], tmp_path: Path) -> None:
    asking = ask(*at_mark(METHOD, tmp_path / "a.py", tmp_path), 500)
    assert "def fetch" in repr(asking.request)
    assert KEY not in repr(asking.request)


def test_a_key_of_which_a_part_is_selected_is_not_shown() -> None:
    draw = random.Random(4)
    body = ["".join(draw.choices(string.ascii_letters + string.digits, k=64)) for _ in range(6)]
    lines = ['KEY = """', "-----BEGIN PRIVATE KEY-----", *body, "-----END PRIVATE KEY-----", '"""', "x = 1"]
    marked = "\n".join([*lines[:4], "|" + lines[4], *lines[5:], "|"])
    asking = ask_for_explanation(*at_mark(marked, "a.py"), 500)
    assert "x = 1" in repr(asking.request)
    assert not any(line in repr(asking.request) for line in body)


def test_a_secret_that_a_diagnostic_repeats_is_not_shown() -> None:
    told = f'"{KEY}" is not assignable to "int"'
    asking = ask_for_fix(*at_mark("def f(a):\n    return ab|s|(a)\n", "a.py"), 500, told)
    assert '"..." is not assignable' in repr(asking.request)
    assert KEY not in repr(asking.request)
