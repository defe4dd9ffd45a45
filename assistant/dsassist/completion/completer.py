"""A completion from a document and a cursor: the prompt is asked, and what may be shown of the answer comes out.

`write` waits for the whole of it; a language server, which lets a text go on while a person types, has its own loop
over the same parts (`plan`, `draft`, `writer`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from dsassist.completion.place import Place
from dsassist.completion.plan import Prompt, prompt_at
from dsassist.completion.writer import Writer
from dsassist.options import CompletionConfig
from dsassist.secrets import without_secrets, without_secrets_of_parts
from dsassist_runtime.api import ContextFile, Engine, GenerationEnd, InfillRequest, Sampling

__all__ = [
    "PromptName",
    "as_asked",
    "fitting_prompt_tokens",
    "infill_request",
    "new_writer",
    "whole_prompt",
    "write",
]

_MARKS = 4  # of a prompt: its beginning and those of its parts


@dataclass(frozen=True)
class PromptName:
    """How a file and its repository are called in a prompt."""

    path: str = ""
    repository: str = ""


def fitting_prompt_tokens(options: CompletionConfig, n_ctx: int) -> int:
    """`completion.max_prompt_tokens`, or what a context of `n_ctx` tokens (0: unknown) has room for beside the text.

    The engine would cut what does not fit, of a prompt that is read ahead less than of the same one when a text is
    asked for, and nothing of what was read would be of use. An eighth is left for what is typed: the engine makes room
    for it in steps of that size.
    """
    if not n_ctx:
        return options.max_prompt_tokens
    return max(1, min(options.max_prompt_tokens, (n_ctx - options.max_tokens - _MARKS) * 7 // 8))


def whole_prompt(place: Place, options: CompletionConfig, n_ctx: int = 0) -> Prompt:
    """The prompt for a cursor in a document of which nothing is evaluated yet, as wide as it may be."""
    before, after = place.around
    return prompt_at(before, after, fitting_prompt_tokens(options, n_ctx))


def infill_request(prompt: Prompt, options: CompletionConfig, name: PromptName, **more: Any) -> InfillRequest:
    """The request that asks `prompt`; `more` are fields of `InfillRequest`."""
    asked = as_asked(prompt)
    request = InfillRequest(
        prefix=asked.prefix,
        suffix=asked.suffix,
        begun=asked.begun,
        extra=tuple(ContextFile(each.path, each.text) for each in asked.snippets),  # where they came from is ours
        path=without_secrets(name.path),
        repository=without_secrets(name.repository),
        max_prompt_tokens=prompt.limit_tokens,
        max_tokens=options.max_tokens,
        sampling=Sampling(temperature=options.temperature),
        logprobs=0,
    )
    return replace(request, **more)


def as_asked(prompt: Prompt) -> Prompt:
    """The prompt as the model reads it: without secrets, wherever they stand and however they reach across its parts.

    Of the line that is typed too: behind `token = "...` a model goes on as it does behind the token.
    """
    prefix, begun, suffix = without_secrets_of_parts(prompt.prefix, prompt.begun, prompt.suffix)
    snippets = tuple(
        replace(each, path=without_secrets(each.path), text=_without_secrets(each.text)) for each in prompt.snippets
    )
    return replace(prompt, prefix=prefix, begun=begun, suffix=suffix, snippets=snippets)


@lru_cache(maxsize=64)
def _without_secrets(text: str) -> str:
    (clean,) = without_secrets_of_parts(text)
    return clean


def new_writer(place: Place, options: CompletionConfig, min_probability: float = 0.0) -> Writer:
    """What reads the model's text at `place`, and ends it where it becomes less likely than `min_probability`."""
    return Writer(
        place,
        multiline=options.multiline == "auto",
        max_lines=options.max_lines,
        min_probability=min_probability,
    )


def write(
    engine: Engine, place: Place, request: InfillRequest, options: CompletionConfig
) -> tuple[Writer, GenerationEnd]:
    """Have the text written until nothing more of it can be shown.

    The engine's errors come from here: `NotDone` when it cannot, `RequestRefused` when it must not.
    """
    writer = new_writer(place, options)
    with engine.infill(request) as stream:
        for piece in stream.pieces():
            writer.push(piece)
            # The routing comes with the end of the text, and a stream that is closed has none.
            if writer.done and not request.trace_experts:
                break
    end = stream.end
    assert end is not None, "a stream that was read to its end or closed has its figures"
    stopped = writer.done and end.finish_reason == "cancelled"
    return writer, replace(end, finish_reason="stop") if stopped else end
