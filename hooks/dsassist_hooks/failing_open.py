"""Safe to stand in the way of a commit or a push: only findings at or above the fail level stop it.

Whatever else goes wrong (no model, a broken configuration, our own bug) is one line on stderr, and git goes on: a
reviewer that stops work when it is ill is soon switched off. Strict turns that round, for those who would rather wait.
A change has no say in whether it is reviewed, nor in how strictly: the configuration from before it holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist import config, output
from dsassist.cli import run_command
from dsassist.options import Config
from dsassist_hooks.stages import Stage
from dsassist_runtime.errors import DsassistError

if TYPE_CHECKING:
    from dsassist.review.selection import Selection

__all__ = [
    "FINDINGS",
    "INTERRUPTED",
    "PASSED",
    "Selected",
    "is_enabled",
    "is_skipped",
    "not_reviewed",
    "review",
    "settings",
]

PASSED, FINDINGS, INTERRUPTED = 0, 1, 130


Selected = Callable[[], "Selection"]
"""Finds what is reviewed, of which the configuration from before holds."""


def review(arguments: Sequence[str], stage: Stage, selected: Selected, *, strict: bool) -> int:
    """Run `dsassist review` with these arguments and return the hook's exit code: 0 lets git go on."""
    outcome = run_command(["review", *arguments])
    if outcome.exit_code in (PASSED, FINDINGS, INTERRUPTED):
        return outcome.exit_code
    reason = " ".join(outcome.error_message.split()) or f"the review ended with exit code {outcome.exit_code}"
    return not_reviewed(reason, outcome.exit_code, stage, selected, strict=strict)


def not_reviewed(reason: str, code: int, stage: Stage, selected: Selected | None = None, *, strict: bool) -> int:
    """Say that there was no review, and return the hook's exit code: 0, or `code` where that is to stop git."""
    if strict or settings(selected).hook.strict:
        output.notice(f"not reviewed: {reason}; the {stage.what} is stopped (strict)")
        return code
    output.notice(f"not reviewed: {reason}; the {stage.what} goes on (--strict stops it)")
    return PASSED


def is_skipped(stage: Stage, environ: Mapping[str, str] | None = None) -> bool:
    """By pre-commit's own `SKIP=id,id`, which it obeys itself only for its own hooks, or by DSASSIST_SKIP=1."""
    environ = os.environ if environ is None else environ
    skipped = {name.strip() for name in environ.get("SKIP", "").split(",")}
    asked = environ.get("DSASSIST_SKIP", "").strip().lower()
    return stage.hook_id in skipped or asked not in ("", "0", "false", "no", "off")


def is_enabled(selected: Selected) -> bool:
    """Whether there is a review: not where `review.enabled` is false, and was before the change."""
    # Of the usual case, that it is true, nothing more is read: the review looks at what stood there before by itself.
    return settings().review.enabled or settings(selected).review.enabled


def settings(selected: Selected | None = None) -> Config:
    """The configuration, as it stood before what is selected; what is wrong with it is left to the review to tell.

    Leniently, for else a repository's broken file would undo its reader's own `hook.strict`.
    """
    before: dict[Path, bytes | None] = {}
    if selected is not None:
        from dsassist.review.configuration import configuration_before

        with suppress(DsassistError):  # the review tells it, too
            before = configuration_before(selected())
    return config.load(Path.cwd(), lenient=True, instead=before).config
