"""What a completion was made of: the prompt and where its parts came from, what the model wrote, what was shown.

Only the last one is kept, in the state directory and for its owner alone; `dsassist explain-completion` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dsassist.completion.plan import Prompt
from dsassist.completion.writer import Offer
from dsassist.context.snippets import SnippetSource
from dsassist_runtime.api import GenerationEnd

__all__ = ["RECORD", "Explanation", "explanation_lines"]

RECORD = "last-completion"

_SOURCES = {
    "engine": "written for this place",
    "typed": "written for an earlier place, and typed along",
    "prepared": "written ahead",
}
_SNIPPET_SOURCES: dict[SnippetSource, str] = {
    "imports": "imported by the document",
    "names": "defines a name near the cursor",
    "recent": "worked on lately",
    "similar": "like the text around the cursor",
}


@dataclass(frozen=True)
class Explanation:
    """One completion from the cursor to the screen."""

    path: str
    line: int  # from 1, as `column`, which counts code points
    column: int
    model: str
    prompt: Prompt
    raw: str
    offer: Offer | None
    reason: str
    source: str
    latency_ms: float
    end: GenerationEnd | None = None

    def as_json(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return asdict(self) | {"end": asdict(self.end) if self.end else None}


def explanation_lines(record: Mapping[str, Any]) -> Iterator[str]:
    """What `Explanation.as_json` gave, for a person. A record that another version wrote may lack some of it."""
    yield f"{record.get('path', '')}:{record.get('line', '')}:{record.get('column', '')}  {record.get('model', '')}"
    if end := record.get("end"):
        yield (
            f"prompt: {end['prompt_tokens']} tokens, {end['prompt_tokens'] - end['cached_tokens']} of them evaluated; "
            f"{end['completion_tokens']} tokens written; shown after {record['latency_ms']:.0f} ms "
            f"({_SOURCES.get(record['source'], record['source'])})"
        )
    prompt = record.get("prompt", {})
    for snippet in prompt.get("snippets", ()):
        yield from _part(_snippet_title(snippet), snippet["text"])
    width = "wide" if prompt.get("is_wide") else "short"
    yield from _part(f"above the cursor ({width} prompt)", prompt.get("prefix", ""))
    yield from _part("below the cursor", prompt.get("suffix", ""))
    yield from _part("the lines at the cursor, which the model goes on with", prompt.get("begun", ""))
    yield from _part("what the model wrote", record.get("raw", ""))
    if offer := record.get("offer"):
        yield from _part(f"what was shown (probability of its first line: {offer['probability']:.2f})", offer["text"])
    else:
        yield f"--- nothing was shown: {record.get('reason', '')}"


def _snippet_title(snippet: Mapping[str, Any]) -> str:
    line, source = snippet.get("line"), snippet.get("source", "")
    place = f"{snippet['path']}:{line}" if line is not None else snippet["path"]
    why = _SNIPPET_SOURCES.get(source)
    return f"from another file: {place}" + (f" ({source}: {why})" if why else "")


def _part(title: str, text: str) -> Iterator[str]:
    if text:
        yield f"--- {title}"
        yield from text.strip("\n").split("\n")
