"""The form of a fill-in-the-middle prompt: which marks stand where, and what is left out when it is too long."""

from __future__ import annotations

from dsassist_runtime.api import FimOrder
from dsassist_runtime.llama.model import FimTokens, Vocabulary

__all__ = ["clip_prefix", "clip_suffix", "fim_prompt"]

_BYTES_PER_TOKEN = (
    12  # more than code needs: texts are cut to this before they are tokenized, so a large file costs little
)


def fim_prompt(order: FimOrder, marks: FimTokens, bos: int | None, prefix: list[int], suffix: list[int]) -> list[int]:
    """The prompt behind which the model writes the middle.

    psm: `BOS PREFIX prefix SUFFIX suffix MIDDLE`, as DeepSeek-Coder and Qwen2.5-Coder were trained.
    spm: `BOS SUFFIX suffix PREFIX prefix MIDDLE`, as llama.cpp's `--spm-infill`: what is typed is appended at the end,
    so a prefix cache keeps all but the new tokens.
    """
    first = [] if bos is None else [bos]
    before, after = [marks.prefix, *prefix], [marks.suffix, *suffix]
    return first + (before + after if order == "psm" else after + before) + [marks.middle]


def clip_prefix(vocabulary: Vocabulary, text: str, budget: int) -> list[int]:
    """The tokens of the end of `text`, at most `budget` of them, from the start of a line if one is near."""
    tail = text[-budget * _BYTES_PER_TOKEN :]
    tokens = vocabulary.tokenize(tail)
    while len(tokens) > budget:
        kept = vocabulary.detokenize(tokens[len(tokens) - budget :]).lstrip("\ufffd")
        line = kept.find("\n") + 1
        tail = kept[line:] if 0 < line < len(kept) else kept
        shorter = vocabulary.tokenize(tail)
        # Cut elsewhere, a text may tokenize to a few more tokens; then the ids themselves are cut.
        tokens = shorter if len(shorter) <= budget else tokens[len(tokens) - budget :]
    return tokens


def clip_suffix(vocabulary: Vocabulary, text: str, budget: int) -> list[int]:
    """The tokens of the start of `text`, at most `budget` of them, up to the end of a line if one is near."""
    head = text[: budget * _BYTES_PER_TOKEN]
    tokens = vocabulary.tokenize(head)
    while len(tokens) > budget:
        kept = vocabulary.detokenize(tokens[:budget]).rstrip("\ufffd")
        line = kept.rfind("\n") + 1
        shorter = vocabulary.tokenize(kept[:line] if line else kept)
        tokens = shorter if len(shorter) <= budget else tokens[:budget]
    return tokens
