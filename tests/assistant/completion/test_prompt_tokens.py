"""How many tokens a prompt has, counted by the builtin model, and what of them a keystroke has read again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from asked import Asked, finish
from dsassist.completion.completer import PromptName, fitting_prompt_tokens, infill_request
from dsassist.completion.plan import Budget, Prompts, budget_of
from dsassist.options import CompletionConfig
from dsassist_runtime.api import ContextFile, EngineSettings, PromptRead
from dsassist_runtime.engine.local import LocalEngine

BUDGET = Budget(first=120, wide=360, quick=1000)
OPTIONS = replace(CompletionConfig(), max_tokens=4)
MARKS = 4

CHINESE = "".join(
    f"# 第{n}个函数返回两个数字的总和\ndef 求和{n}(甲, 乙):\n    return 甲 + 乙 * {n}\n\n\n" for n in range(80)
)
DIGITS = "".join(f"    {7919 * n}, {104729 * n}, {1299709 * n}, {15485863 * n},\n" for n in range(1, 200))
CODE = "".join(f"def f{n}(a, b):\n    return a + b * {n}\n\n\n" for n in range(200))
TYPED = {
    CHINESE: "    总数 = 求和1(数量, 3)\n    return 总数",
    DIGITS: "    4711, 1024, 65536, 16777216,",
    CODE: "    return f1(a, b)",
}


@pytest.fixture(scope="module")
def shared_engine(builtin_model: Path) -> Iterator[LocalEngine]:
    with closing(LocalEngine(EngineSettings(builtin_model, n_ctx=2048, n_threads=1))) as engine:
        yield engine


@pytest.fixture
def engine(shared_engine: LocalEngine) -> LocalEngine:
    shared_engine.forget_everything()
    return shared_engine


@pytest.mark.parametrize("text", [CHINESE, DIGITS, CODE], ids=["chinese", "digits", "code"])
@pytest.mark.parametrize("is_wide", [False, True])
def test_no_prompt_has_more_tokens_than_it_may_whatever_it_is_made_of(
    engine: LocalEngine, text: str, is_wide: bool
) -> None:
    """A token was taken for three characters, of which digits and Chinese characters have one or less."""
    prompts, files = Prompts(), [ContextFile(f"{n}.py", text[: 90 * n]) for n in (3, 2)]
    prompt = prompts.wide(text, text, BUDGET, files) if is_wide else prompts.at(text, text, BUDGET)
    asked = engine._infill_prompt(infill_request(prompt, OPTIONS, PromptName("a.py", "shop")))
    n_tokens = len(asked.tokens) - len(asked.begun)
    limit = BUDGET.wide if is_wide else BUDGET.first
    assert limit // 2 < n_tokens <= limit + MARKS


@pytest.mark.parametrize("text", [CHINESE, DIGITS, CODE], ids=["chinese", "digits", "code"])
def test_a_keystroke_has_its_own_tokens_read_though_the_prompt_was_cut(engine: LocalEngine, text: str) -> None:
    prompts = Prompts()
    evaluated = []
    typed = TYPED[text]
    for n in range(1, len(typed)):
        prompt = prompts.at(text + typed[:n], "\n" + text, BUDGET)
        asked = Asked(engine, infill_request(prompt, OPTIONS, PromptName("a.py", "shop"), max_tokens=0))
        finish(engine)
        prompts.evaluated(prompt)
        (read,) = (event for event in asked.events if isinstance(event, PromptRead))
        evaluated.append(read.prompt_tokens - read.cached_tokens)
    assert evaluated[0] > BUDGET.first // 2
    assert max(evaluated[1:]) <= 8


@pytest.mark.parametrize("text", [CHINESE, DIGITS, CODE], ids=["chinese", "digits", "code"])
def test_what_is_read_ahead_in_a_small_context_is_what_is_asked_for_then(builtin_model: Path, text: str) -> None:
    """More was asked for than the builtin model holds, and cut by what a text may have: 0 tokens, then 200."""
    options, name = CompletionConfig(), PromptName("a.py", "shop")
    files = [ContextFile(f"{n}.py", text[: 90 * n]) for n in (3, 2)]
    with closing(LocalEngine(EngineSettings(builtin_model, n_threads=1))) as engine:
        budget = budget_of(1e6, fitting_prompt_tokens(options, engine.facts().n_ctx))
        prompt = Prompts().wide(text, "\n" + text, budget, files)
        ahead = Asked(engine, infill_request(prompt, options, name, max_tokens=0, priority="idle"))
        finish(engine)
        typed = prompt.at(text + "    total = ", "\n" + text)
        assert typed is not None
        asked = Asked(engine, infill_request(typed, options, name))
        finish(engine)
    first, then = (next(each for each in one.events if isinstance(each, PromptRead)) for one in (ahead, asked))
    assert first.prompt_tokens > budget.wide // 2
    assert then.cached_tokens >= first.prompt_tokens - 1
