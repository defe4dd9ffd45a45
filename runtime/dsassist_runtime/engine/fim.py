"""The form of a fill-in-the-middle prompt: which marks stand where, and what is left out when it is too long."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from dsassist_runtime.api import FimOrder, InfillRequest
from dsassist_runtime.errors import RequestRefused
from dsassist_runtime.llama.model import FimTokens, Vocabulary

__all__ = ["InfillPrompt", "clip_prefix", "clip_suffix", "comment", "infill_prompt"]

_BYTES_PER_TOKEN = (
    12  # more than code needs: texts are cut to this before they are tokenized, so a large file costs little
)

_BEGUN_STEPS = 8  # of the context, in which a begun middle takes room from the rest of the prompt

_COMMENTS = {
    **dict.fromkeys((".lua", ".sql", ".hs", ".ada", ".vhdl"), "--"),
    **dict.fromkeys((".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".cs", ".m", ".mm", ".go", ".rs", ".zig"), "//"),
    **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".php", ".dart", ".proto"), "//"),
    **dict.fromkeys((".java", ".kt", ".kts", ".scala", ".swift", ".groovy", ".gradle", ".jsonc"), "//"),
}


@dataclass(frozen=True)
class InfillPrompt:
    """A prompt in the parts that its order puts together; each has its mark.

    `begun` are the tokens of a begun middle that stand; those behind them spell `owed`, and are to be chosen anew.
    """

    order: FimOrder
    head: list[int]  # BOS and other files
    before: list[int]
    after: list[int]
    middle: int
    begun: list[int] = field(default_factory=list)
    owed: bytes = b""

    @property
    def tokens(self) -> list[int]:
        """psm: `BOS PREFIX prefix SUFFIX suffix MIDDLE begun`, as DeepSeek-Coder and Qwen2.5-Coder were trained.

        spm: `BOS SUFFIX suffix PREFIX prefix MIDDLE begun`, as llama.cpp's `--spm-infill`: what is typed is appended at
        the end, so a prefix cache keeps all but the new tokens. What is appended to `begun` stands there in both.
        """
        parts = self.before + self.after if self.order == "psm" else self.after + self.before
        return [*self.head, *parts, self.middle, *self.begun]


def infill_prompt(
    vocabulary: Vocabulary, marks: FimTokens, order: FimOrder, n_ctx: int, request: InfillRequest
) -> InfillPrompt:
    """The prompt of a request, clipped to what it allows and to `n_ctx`; `RequestRefused` when nothing fits."""
    room = n_ctx - request.max_tokens - 4 - request.gap_tokens  # BOS and three marks
    if room < 8:
        raise RequestRefused(f"max_tokens {request.max_tokens} leaves no room for a prompt in {n_ctx} tokens")
    most = min(request.max_prompt_tokens or room, room)
    begun, owed = _begun(vocabulary, request.begun, most)
    # What is typed must not move what stands before it, or all is evaluated again: so it takes its room in steps.
    step = max(1, room // _BEGUN_STEPS)
    taken = -(-(len(begun) + bool(owed)) // step) * step
    budget = min(most, max(0, room - taken))
    suffix = clip_suffix(vocabulary, request.suffix, budget // 4)
    prefix = clip_prefix(vocabulary, request.prefix + request.prompt, budget - len(suffix))
    bos = [vocabulary.bos] if vocabulary.adds_bos and vocabulary.bos is not None else []
    extra = _extra(vocabulary, marks, request, budget - len(suffix) - len(prefix))
    before, after = [marks.prefix, *prefix], [marks.suffix, *suffix]
    return InfillPrompt(order, bos + extra, before, after, marks.middle, begun, owed)


def _begun(vocabulary: Vocabulary, text: str, budget: int) -> tuple[list[int], bytes]:
    """The tokens of a begun middle, at most `budget`, and the bytes of those that are to be chosen anew."""
    if not text:
        return [], b""
    tokens = clip_prefix(vocabulary, text, budget)
    pieces = [vocabulary.piece(token) for token in tokens]
    if not text.encode("utf-8", "replace").endswith(b"".join(pieces)):
        return tokens, b""  # a tokenizer that changes texts
    keep = len(tokens) - vocabulary.beginnings.taken_back(pieces)
    owed = b"".join(pieces[keep:])
    return (tokens[:keep], owed) if vocabulary.beginnings.can_spell(owed) else (tokens, b"")


def _extra(vocabulary: Vocabulary, marks: FimTokens, request: InfillRequest, budget: int) -> list[int]:
    """The other files, as Qwen2.5-Coder's report has a repository; else headed by a comment, as DeepSeek-Coder's."""
    files, path = request.extra, request.path
    if not files:
        return []
    if marks.file is None:
        parts = [vocabulary.tokenize(f"{comment(file.path)}\n{file.text}\n") for file in files]
        head, tail = [], vocabulary.tokenize(f"\n{comment(path)}\n" if path else "\n")
    else:
        parts = [[marks.file, *vocabulary.tokenize(f"{file.path}\n{file.text}\n")] for file in files]
        name = request.repository or "repository"
        head = [] if marks.repository is None else [marks.repository, *vocabulary.tokenize(f"{name}\n")]
        tail = [marks.file, *vocabulary.tokenize(f"{path or 'file'}\n")]
    budget -= len(head) + len(tail)
    kept: list[list[int]] = []
    for part in reversed(parts):  # whole files only: half a file has no head that tells what it is
        if len(part) > budget:
            break
        budget -= len(part)
        kept.insert(0, part)
    return [*head, *(token for part in kept for token in part), *tail] if kept else []


def comment(path: str) -> str:
    """A comment that names a file, as its language writes comments."""
    return f"{_COMMENTS.get(PurePosixPath(path).suffix.lower(), '#')} {path}"


def clip_prefix(vocabulary: Vocabulary, text: str, budget: int) -> list[int]:
    """The tokens of the end of `text`, at most `budget` of them, from the start of a line if one is near."""
    tail = text[-budget * _BYTES_PER_TOKEN :] if budget > 0 else ""
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
