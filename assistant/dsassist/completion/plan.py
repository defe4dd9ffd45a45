"""Which prompt is asked at a cursor, so that little of it has to be evaluated: the prompts of one document.

On a CPU the prompt is the latency: 1,000 tokens cost seconds. So the text around the cursor is frozen at an *anchor*,
the end of the line above the cursor, and what is typed from there on stands behind everything else, as the beginning of
the middle (`InfillRequest.begun`):

    other files · above the anchor · below the cursor · | begun: the line break and what was typed

A keystroke then costs its own tokens only, in either order of prefix and suffix and with nothing approximated, and the
place looks to the model as those that it was trained on: a middle begins at the start of a line.

The first prompt in a file is a short one. A wide one, with other files and more lines, is evaluated while nobody types,
and taken into use when it is ready: of all prompts that are evaluated but for a few tokens the widest is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from dsassist.completion.window import CHARACTERS_PER_TOKEN, above, below, without_closers, word_end, word_start
from dsassist_runtime.api import ContextFile

__all__ = ["OTHER_FILES_SHARE", "Budget", "Prompt", "Prompts", "budget_of"]

_FIRST_ANSWER_S = 1.5  # a first prompt is read within this time
_WIDE_S = 8.0  # and a wide one, in idle time, within this
_QUICK_S = 0.5  # what a keystroke may have evaluated on top of a prompt before a shorter one is better
OTHER_FILES_SHARE = 0.4
"""Of the tokens of a wide prompt."""

_LEAST_TOKENS = 96
_SUFFIX_SHARE = 4  # of a prompt's tokens one in four stands below the cursor
_MOST_SUFFIX_TOKENS = 192

_LONGEST_BEGUN = 1500  # characters; what is typed beyond that gets an anchor of its own
_LINES_BEFORE_MOVING = 12  # of `begun`, from which on a wide prompt is evaluated anew in idle time
_LONG_LINE = 600  # characters; the anchor stands within such a line
_LONG_LINE_STEP = 400
_MOST_ANCHORS = 4

# Enter between brackets that the editor closed puts the closing one on a line of its own; below, all is the same.
_MOVED_CLOSER = re.compile(r"\n[ \t]*[)\]}]+[;,]?(?=\n|$)")


@dataclass(frozen=True)
class Budget:
    """Tokens of prompts, as the machine's speed allows them."""

    first: int
    wide: int
    quick: int


def budget_of(prefill_tokens_per_s: float, max_prompt_tokens: int) -> Budget:
    """What can be read in the times above, at most `max_prompt_tokens`."""

    def within(seconds: float) -> int:
        return min(max_prompt_tokens, max(_LEAST_TOKENS, int(seconds * prefill_tokens_per_s)))

    return Budget(within(_FIRST_ANSWER_S), within(_WIDE_S), max(32, int(_QUICK_S * prefill_tokens_per_s)))


@dataclass(frozen=True)
class Prompt:
    """What the engine is asked at one cursor. `snippets` are parts of other files.

    Of prefix, suffix and snippets the engine reads `limit_tokens` at most (0: what its context holds): only it can
    count them, and of digits or Chinese there are three times as many as of code.
    """

    prefix: str
    suffix: str
    begun: str
    snippets: tuple[ContextFile, ...] = ()
    is_wide: bool = False
    limit_tokens: int = 0

    @property
    def tokens(self) -> int:
        """An estimate of its length without `begun`."""
        texts = [self.prefix, self.suffix, *(snippet.text for snippet in self.snippets)]
        return sum(map(len, texts)) // CHARACTERS_PER_TOKEN

    def at(self, before: str, after: str) -> Prompt | None:
        """The same prompt for a cursor between `before` and `after`; None where it does not fit any more."""
        after = without_closers(after)
        if not after.startswith(self.suffix) and (moved := _MOVED_CLOSER.match(after)):
            after = after[moved.end() :]
        if not after.startswith(self.suffix) or (not self.suffix and after):
            return None
        if not self.prefix:
            begun = before
        else:
            # Lines above the window may have come or gone: it is the text that counts, not its place.
            near = max(0, len(before) - len(self.prefix) - _LONGEST_BEGUN)
            at = before.rfind(self.prefix + self.begun, near)
            if at < 0:
                at = before.rfind(self.prefix, near)
            if at < 0:
                return None
            begun = before[at + len(self.prefix) :]
        return replace(self, begun=begun) if len(begun) <= _LONGEST_BEGUN else None


@dataclass
class Prompts:
    """The prompts of one document that the engine has evaluated, as far as is known here. Knows no engine."""

    _kept: list[Prompt] = field(default_factory=list)  # the widest first, of equals the latest

    def at(self, before: str, after: str, budget: Budget) -> Prompt:
        """The prompt to ask with: the widest of which no more than `budget.quick` tokens are new, else a short one.

        `before` and `after` have line feeds alone.
        """
        for kept in self._kept:
            found = kept.at(before, after)
            if found is not None and _new_tokens(found.begun, kept.begun) <= budget.quick:
                return found
        return prompt_at(before, after, budget.first)

    def wide(self, before: str, after: str, budget: Budget, snippets: Iterable[ContextFile] = ()) -> Prompt:
        """A wide prompt for here, with `snippets` in the order given."""
        files = tuple(snippets)
        room = budget.wide - sum(len(file.text) + len(file.path) for file in files) // CHARACTERS_PER_TOKEN
        prompt = prompt_at(before, after, max(_LEAST_TOKENS, room))
        return replace(prompt, snippets=files, is_wide=True, limit_tokens=budget.wide)

    def wants_wide(self, before: str, after: str) -> bool:
        """Is there no wide prompt yet that fits here, or one of which much has been typed since?"""
        for kept in self._kept:
            if kept.is_wide and (found := kept.at(before, after)) is not None:
                return found.begun.count("\n") > _LINES_BEFORE_MOVING
        return True

    @property
    def snippets(self) -> tuple[ContextFile, ...]:
        """Those of the latest wide prompt: who keeps their order keeps what is evaluated."""
        return next((kept.snippets for kept in self._kept if kept.is_wide), ())

    def evaluated(self, prompt: Prompt) -> None:
        """The engine has read this prompt."""
        same = [kept for kept in self._kept if _frozen(kept) == _frozen(prompt)]
        others = [kept for kept in self._kept if kept not in same]
        self._kept = sorted([prompt, *others], key=lambda kept: -kept.tokens)
        if len(self._kept) > _MOST_ANCHORS:
            self._kept.remove(others[-1] if prompt is self._kept[-1] else self._kept[-1])


def prompt_at(before: str, after: str, tokens: int) -> Prompt:
    """A prompt of at most `tokens` tokens, with its anchor at the end of the line above and no snippets."""
    at = _anchor(before)
    n_suffix = min(tokens // _SUFFIX_SHARE, _MOST_SUFFIX_TOKENS) * CHARACTERS_PER_TOKEN
    suffix = below(without_closers(after), n_suffix)
    n_prefix = tokens * CHARACTERS_PER_TOKEN - len(suffix) - (len(before) - at)
    prefix = above(before[:at], max(CHARACTERS_PER_TOKEN, n_prefix))
    return Prompt(prefix, suffix, before[at:], limit_tokens=tokens)


def _anchor(before: str) -> int:
    """Where `begun` starts: at the line break above the cursor, or within a line of excessive length."""
    line_break = before.rfind("\n")
    line = len(before) - max(0, line_break)
    if line <= _LONG_LINE:
        return max(0, line_break)
    near = before[-_LONGEST_BEGUN:]
    at = len(near) - 1 - (line - 1) % _LONG_LINE_STEP
    start = word_start(near, at)  # what is behind the anchor is not cut, but would be of half a key if the prefix is
    return len(before) - len(near) + (start if len(near) - start <= _LONG_LINE else word_end(near, at))


def _new_tokens(begun: str, evaluated: str) -> int:
    same = next((i for i, (a, b) in enumerate(zip(begun, evaluated, strict=False)) if a != b), len(evaluated))
    return (len(begun) - min(same, len(begun))) // CHARACTERS_PER_TOKEN


def _frozen(prompt: Prompt) -> tuple[str, str, tuple[ContextFile, ...]]:
    return prompt.prefix, prompt.suffix, prompt.snippets
