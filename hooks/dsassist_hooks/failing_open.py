"""Safe to stand in the way of a commit or a push: only findings at or above the fail level stop it.

Whatever else goes wrong (no model, a broken configuration, our own bug) is one line on stderr, and git goes on: a
reviewer that stops work when it is ill is soon switched off. Strict turns that round, for those who would rather wait.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from dsassist import config, output
from dsassist.cli import run_command
from dsassist.options import Config
from dsassist_hooks.stages import Stage

__all__ = ["FINDINGS", "INTERRUPTED", "PASSED", "is_skipped", "not_reviewed", "review", "settings"]

PASSED, FINDINGS, INTERRUPTED = 0, 1, 130


def review(arguments: Sequence[str], stage: Stage, *, strict: bool) -> int:
    """Run `dsassist review` with these arguments and return the hook's exit code: 0 lets git go on."""
    outcome = run_command(["review", *arguments])
    if outcome.exit_code in (PASSED, FINDINGS, INTERRUPTED):
        return outcome.exit_code
    reason = " ".join(outcome.error_message.split()) or f"the review ended with exit code {outcome.exit_code}"
    return not_reviewed(reason, outcome.exit_code, stage, strict=strict)


def not_reviewed(reason: str, code: int, stage: Stage, *, strict: bool) -> int:
    """Say that there was no review, and return the hook's exit code: 0, or `code` where that is to stop git."""
    if strict or settings().hook.strict:
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


def settings() -> Config:
    """The configuration; what is wrong with it is left to the review, which loads it too and tells it.

    Leniently, for else a repository's broken file would undo its reader's own `hook.strict`.
    """
    return config.load(Path.cwd(), lenient=True).config
