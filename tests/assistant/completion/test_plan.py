"""Which prompt is asked: what is frozen, what is typed behind it, and how much of it is new."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsassist.completion.plan import Budget, Prompt, Prompts, budget_of, prompt_at
from dsassist.completion.window import CHARACTERS_PER_TOKEN, without_closers
from dsassist_runtime.api import ContextFile

BUDGET = Budget(first=100, wide=1000, quick=32)
FILE = "".join(f"def f{n}(a, b):\n    return a + b * {n}\n\n\n" for n in range(200))


def at(text: str) -> tuple[str, str]:
    before, _, after = text.partition("|")
    return before, after


def whole(prompt: Prompt) -> str:
    return prompt.prefix + prompt.begun + "|" + prompt.suffix


def test_the_line_that_is_typed_is_begun_and_stands_behind_the_rest() -> None:
    prompt = prompt_at(*at("import os\n\ndef f():\n    return os.|\n\nx = 1\n"), 100)
    assert (prompt.prefix, prompt.begun, prompt.suffix) == ("import os\n\ndef f():", "\n    return os.", "\n\nx = 1\n")


def test_the_first_line_of_a_document_is_begun_without_a_line_break() -> None:
    prompt = prompt_at(*at("import |\n"), 100)
    assert (prompt.prefix, prompt.begun) == ("", "import ")


def test_typing_a_line_changes_nothing_but_what_is_begun() -> None:
    prompts = Prompts()
    before, after = FILE[:2000] + "\n    ", "\n" + FILE[2000:]
    first = prompts.at(before, after, BUDGET)
    prompts.evaluated(first)
    typed = ""
    for key in "value = f12(3, 4)\n    return value\n":
        typed += key
        prompt = prompts.at(before + typed, after, BUDGET)
        assert (prompt.prefix, prompt.suffix) == (first.prefix, first.suffix)
        assert prompt.begun.endswith(typed)
        prompts.evaluated(prompt)


def test_a_bracket_that_the_editor_closes_does_not_change_the_prompt() -> None:
    prompts = Prompts()
    before, after = "x = 1\ny = f", "\nz = 2\n"
    prompts.evaluated(prompts.at(before, after, BUDGET))
    frozen = prompts.at(before + "(", ")" + after, BUDGET)
    assert (frozen.prefix, frozen.begun, frozen.suffix) == ("x = 1", "\ny = f(", "\nz = 2\n")


def test_lines_that_come_above_the_window_do_not_matter() -> None:
    prompts = Prompts()
    before, after = FILE, "\nend = 1\n"
    first = prompts.at(before, after, BUDGET)
    prompts.evaluated(first)
    assert prompts.at("import sys\n" + before + "abc", after, BUDGET).prefix == first.prefix


def test_an_edit_below_the_cursor_asks_for_another_suffix() -> None:
    prompts = Prompts()
    prompts.evaluated(prompts.at("x = 1\n", "\ny = 2\n", BUDGET))
    assert prompts.at("x = 1\n", "\ny = 3\n", BUDGET).suffix == "\ny = 3\n"


def test_a_wide_prompt_is_used_as_soon_as_it_is_evaluated() -> None:
    prompts = Prompts()
    before, after = FILE + "x = ", "\n" + FILE
    prompts.evaluated(prompts.at(before, after, BUDGET))
    assert prompts.wants_wide(before, after)
    wide = prompts.wide(before, after, BUDGET, [ContextFile("a.py", "A = 1")])
    assert wide.tokens > 4 * prompts.at(before, after, BUDGET).tokens
    prompts.evaluated(wide)
    assert not prompts.wants_wide(before, after)
    assert prompts.at(before + "1", after, BUDGET).snippets == (ContextFile("a.py", "A = 1"),)
    assert prompts.snippets == (ContextFile("a.py", "A = 1"),)


def test_a_wide_prompt_is_wanted_anew_once_much_was_typed_behind_it() -> None:
    prompts = Prompts()
    before, after = FILE, "\n" + FILE
    prompts.evaluated(prompts.wide(before, after, BUDGET))
    assert not prompts.wants_wide(before + "a = 1\n" * 10, after)
    assert prompts.wants_wide(before + "a = 1\n" * 14, after)


def test_where_much_is_new_a_short_prompt_is_asked() -> None:
    prompts = Prompts()
    prompts.evaluated(prompts.wide(FILE, "\nx\n", BUDGET))
    pasted = "".join(f"value_{n} = {n}\n" for n in range(20))
    prompt = prompts.at(FILE + pasted, "\nx\n", BUDGET)
    assert not prompt.is_wide
    assert prompt.begun == "\n"


def test_no_more_than_a_few_prompts_are_kept() -> None:
    prompts = Prompts()
    for n in range(50):
        prompts.evaluated(prompts.at(FILE[: 1000 + 97 * n], f"\nend{n}\n", BUDGET))
    newest = prompts.at(FILE[: 1000 + 97 * 49], "\nend49\n", BUDGET)
    assert newest.tokens > 0
    assert len(prompts._kept) <= 4


@pytest.mark.parametrize("speed", [1.0, 150.0, 5000.0])
def test_the_budget_follows_the_speed_and_keeps_to_the_option(speed: float) -> None:
    budget = budget_of(speed, 1024)
    assert 96 <= budget.first <= budget.wide <= 1024
    assert budget_of(2 * speed, 1024).first >= budget.first


def test_a_line_of_200_000_characters_is_cut_within_itself() -> None:
    before = "x = '" + "ab, " * 50_000
    prompts = Prompts()
    first = prompts.at(before, "'\n", BUDGET)
    prompts.evaluated(first)
    assert len(first.begun) <= 500
    assert first.tokens <= 110
    after_key = prompts.at(before + "c", "'\n", BUDGET)
    assert (after_key.prefix, after_key.begun) == (first.prefix, first.begun + "c")


@pytest.mark.parametrize("length", [380, 850, 2_000, 200_000])
@pytest.mark.parametrize("behind", ["", '"', '"; x = ', '"\nx = '])
def test_of_a_word_of_any_length_all_is_read_or_nothing(length: int, behind: str) -> None:
    """Of one with more than 255 characters the end was read, which nothing tells to be a key's."""
    word = "aB3" * (length // 3)
    before, after = f'TOKEN = "{word}{behind}', f'\n"{word}"\n'
    for tokens in (96, 225, 1536):
        prompt = prompt_at(before, after, tokens)
        assert before.endswith(prompt.prefix + prompt.begun)
        for part in (prompt.prefix + prompt.begun, prompt.suffix):
            assert part.count("aB3") in (0, length // 3)


@settings(deadline=None)
@given(st.text("ab\n ()", max_size=300), st.text("ab\n ()", max_size=200), st.integers(8, 200))
def test_a_prompt_is_what_stands_around_the_cursor(before: str, after: str, tokens: int) -> None:
    prompt = prompt_at(before, after, tokens)
    assert before.endswith(prompt.prefix + prompt.begun)
    assert without_closers(after).startswith(prompt.suffix)
    is_cut_to_nothing = (not prompt.suffix and after) or (not prompt.prefix and prompt.begun != before)
    assert prompt.at(before, after) == prompt or is_cut_to_nothing


@settings(deadline=None)
@given(st.lists(st.text("abc= ", max_size=60), min_size=30, max_size=120), st.integers(40, 400))
def test_the_window_moves_seldom(lines: list[str], tokens: int) -> None:
    starts = set()
    text = ""
    for line in lines:
        text += line + "\n"
        prompt = prompt_at(text, "\nend\n", tokens)
        starts.add(len(text) - len(prompt.prefix) - len(prompt.begun))
        assert len(prompt.prefix) <= tokens * CHARACTERS_PER_TOKEN
    characters = len(text)
    step = max(1, tokens * CHARACTERS_PER_TOKEN // 40 // 4 - 2)
    assert len(starts) <= 2 + len(lines) / max(1, step) + characters / (tokens * CHARACTERS_PER_TOKEN)


def test_enter_between_brackets_keeps_the_prompt() -> None:
    prompts = Prompts()
    first = prompts.at("x = 1\nif a {", "}\nb = 2\n", BUDGET)
    prompts.evaluated(first)
    after_enter = prompts.at("x = 1\nif a {\n\t", "\n}\nb = 2\n", BUDGET)
    assert (after_enter.prefix, after_enter.suffix) == (first.prefix, first.suffix)
    assert after_enter.begun == "\nif a {\n\t"
