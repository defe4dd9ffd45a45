"""Which family a model's name belongs to, and the prompt that its authors publish."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsassist_runtime.api import ContextFile
from dsassist_runtime.gguf import fim_tokens, read_header
from dsassist_runtime.remote.families import FAMILIES, family_of


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("Qwen/Qwen2.5-Coder-7B-Instruct", "qwen-coder"),
        ("qwen2.5-coder:1.5b-base", "qwen-coder"),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8", "qwen-coder"),
        ("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", "qwen-coder"),
        ("deepseek-ai/deepseek-coder-6.7b-base", "deepseek-coder"),
        ("deepseek-ai/DeepSeek-Coder-V2-Lite-Base", "deepseek-coder"),
        ("DeepSeek-V2-Lite", "deepseek-coder"),
        ("codellama/CodeLlama-13b-hf", "codellama"),
        ("bigcode/starcoder2-7b", "starcoder"),
        ("Qwen/CodeQwen1.5-7B", "starcoder"),
        ("mistralai/Codestral-22B-v0.1", "codestral"),
        ("ibm-granite/granite-8b-code-base", "starcoder"),
        ("ibm-granite/granite-3.3-8b-base", "granite"),
        ("granite-4.0-h-tiny", "granite"),
        ("google/codegemma-7b", "codegemma"),
    ],
)
def test_family_is_recognised_by_the_name(model: str, family: str) -> None:
    found = family_of(model)
    assert found is not None
    assert found.name == family


@pytest.mark.parametrize("model", ["Qwen/Qwen3-8B", "llama-3.1-8b", "gpt-4o", "mistral-7b", "DeepSeek-R1", ""])
def test_model_that_never_learnt_it_has_no_family(model: str) -> None:
    assert family_of(model) is None


@pytest.mark.parametrize(
    ("family", "prompt"),
    [
        ("qwen-coder", "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"),
        ("deepseek-coder", "<｜fim▁begin｜>P<｜fim▁hole｜>S<｜fim▁end｜>"),
        ("codellama", "<PRE> P <SUF>S <MID>"),
        ("codestral", "[SUFFIX]S[PREFIX]P"),
        ("codegemma", "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"),
        ("granite", "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"),
        ("starcoder", "<fim_prefix>P<fim_suffix>S<fim_middle>"),
    ],
)
def test_prompt_is_the_published_one(family: str, prompt: str) -> None:
    (found,) = (each for each in FAMILIES if each.name == family)
    assert found.prompt("P", "S") == prompt
    assert all(text.strip() for text in found.stop_texts)


def test_other_files_stand_before_the_prefix() -> None:
    files = (ContextFile("a.py", "A = 1"), ContextFile("b.py", "B = 2"))
    by_name = {family.name: family for family in FAMILIES}
    assert by_name["qwen-coder"].prompt("P", "S", files) == (
        "<|file_sep|>a.py\nA = 1\n<|file_sep|>b.py\nB = 2\n<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"
    )
    assert by_name["codestral"].prompt("P", "S", files) == "[SUFFIX]S[PREFIX]# a.py\nA = 1\n# b.py\nB = 2\nP"


def test_marks_are_those_in_the_models_own_file(real_model: Path) -> None:
    family = family_of(real_model.name)
    header = read_header(real_model)
    tokens, marks = list(header.strings("tokenizer.ggml.tokens")), fim_tokens(header)
    assert family is not None
    assert marks is not None
    written = [text.encode() for text in (family.prefix, family.suffix, family.middle)]
    assert written == [tokens[mark] for mark in marks]
