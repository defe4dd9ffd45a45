"""How each family of code models was taught to fill in the middle, recognised by a model's name.

The marks are written into the prompt of a plain completion, where a server turns them into the model's special tokens.
Sources: the models' own cards and papers. Qwen2.5-Coder report, section 3; DeepSeek-Coder README, "Code Insertion";
Meta, "Code Llama, prompt formats", infilling (the blanks belong to the marks); StarCoder2 and Granite Code cards;
Mistral's tokenizer (`mistral-common`, `encode_fim`); Google, "CodeGemma prompt structure".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dsassist_runtime.api import ContextFile, FimOrder

__all__ = ["FAMILIES", "Family", "family_of", "with_files"]


@dataclass(frozen=True)
class Family:
    """The marks of one family. `stop` are texts that only come when the model has written the middle."""

    name: str
    pattern: str  # of the model's name in lower case
    prefix: str
    suffix: str
    middle: str
    order: FimOrder = "psm"
    stop: tuple[str, ...] = ()
    file_mark: str = ""  # before the path of another file; empty: files stand in the prefix, each below a comment

    def prompt(self, prefix: str, suffix: str, files: tuple[ContextFile, ...] = ()) -> str:
        """What the model continues with the middle."""
        if self.file_mark:
            head = "".join(f"{self.file_mark}{file.path}\n{file.text}\n" for file in files)
        else:
            head, prefix = "", with_files(prefix, files)
        before, after = self.prefix + prefix, self.suffix + suffix
        return head + (before + after if self.order == "psm" else after + before) + self.middle

    @property
    def stop_texts(self) -> tuple[str, ...]:
        """Every text at which the middle ends: the family's own, and any mark that is written out."""
        marks = (mark.strip() for mark in (self.prefix, self.suffix, self.middle, self.file_mark))
        return tuple(dict.fromkeys([*self.stop, *(mark for mark in marks if mark)]))


def with_files(prefix: str, files: tuple[ContextFile, ...]) -> str:
    """The prefix with other files before it, as DeepSeek-Coder was taught: each below a comment with its path."""
    return "".join(f"# {file.path}\n{file.text}\n" for file in files) + prefix


FAMILIES: tuple[Family, ...] = (
    Family(
        "qwen-coder",
        r"qwen[-_.\d]*[-_]?coder",
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        stop=("<|endoftext|>", "<|im_end|>", "<|fim_pad|>", "<|repo_name|>"),
        file_mark="<|file_sep|>",
    ),
    Family(
        "deepseek-coder",
        r"deepseek[-_]?(coder|v[23]|chat)",
        "<｜fim▁begin｜>",
        "<｜fim▁hole｜>",
        "<｜fim▁end｜>",
        stop=("<｜end▁of▁sentence｜>", "<|EOT|>"),
    ),
    Family("codellama", r"code[-_]?llama", "<PRE> ", " <SUF>", " <MID>", stop=("<EOT>", "</s>")),
    Family("codestral", r"codestral", "[PREFIX]", "[SUFFIX]", "", order="spm", stop=("</s>",)),
    Family(
        "codegemma",
        r"codegemma",
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        stop=("<|file_separator|>", "<end_of_turn>", "<eos>"),
    ),
    Family(
        "granite",
        r"granite[-_]?(3\.3|[4-9]\.\d)",
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        stop=("<|end_of_text|>", "<|fim_pad|>", "<|filename|>"),
    ),
    Family(
        "starcoder",
        r"star[-_]?coder|codeqwen|granite.*code|granite[-_]?3|stable[-_]?code",
        "<fim_prefix>",
        "<fim_suffix>",
        "<fim_middle>",
        stop=("<|endoftext|>", "<|end_of_text|>", "<fim_pad>", "<repo_name>", "<file_sep>"),
    ),
)


def family_of(model: str) -> Family | None:
    """The family of a model by its name ("Qwen/Qwen2.5-Coder-7B", "deepseek-coder-v2:16b"); None for another."""
    name = model.lower()
    return next((family for family in FAMILIES if re.search(family.pattern, name)), None)
