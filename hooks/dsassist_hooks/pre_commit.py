"""What the hook runs at a commit: the review of what is staged, made safe to stand in a commit's way.

Only findings at or above the fail level stop a commit. Whatever else goes wrong (no model, a broken configuration, our
own bug) is one line on stderr, and the commit goes on: a reviewer that stops work when it is ill is soon switched off.
Strict turns that round, for those who would rather wait.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from dsassist import config, output
from dsassist.cli import run_command
from dsassist.options import Config

__all__ = ["HOOK_ID", "not_reviewed", "review_commit"]

HOOK_ID = "dsassist-review"

_PASSED, _FINDINGS, _INTERRUPTED = 0, 1, 130


def review_commit(arguments: Sequence[str], *, strict: bool) -> int:
    """Run `dsassist review` with these arguments and return the hook's exit code: 0 lets the commit pass."""
    if _is_skipped(os.environ):
        output.notice("review skipped, as the environment asks")
        return _PASSED
    if not _settings().review.enabled:
        return _PASSED
    outcome = run_command(["review", *arguments])
    if outcome.exit_code in (_PASSED, _FINDINGS, _INTERRUPTED):
        return outcome.exit_code
    reason = " ".join(outcome.error_message.split()) or f"the review ended with exit code {outcome.exit_code}"
    return not_reviewed(reason, outcome.exit_code, strict=strict)


def not_reviewed(reason: str, code: int, *, strict: bool) -> int:
    """Say that the commit was not reviewed, and return the hook's exit code: 0, or `code` where that is to stop it."""
    if strict or _settings().hook.strict:
        output.notice(f"not reviewed: {reason}; the commit is stopped (strict)")
        return code
    output.notice(f"not reviewed: {reason}; the commit goes on (--strict stops it)")
    return _PASSED


def _is_skipped(environ: Mapping[str, str]) -> bool:
    """By pre-commit's own `SKIP=id,id`, which it obeys itself only for its own hooks, or by DSASSIST_SKIP=1."""
    skipped = {name.strip() for name in environ.get("SKIP", "").split(",")}
    return HOOK_ID in skipped or environ.get("DSASSIST_SKIP", "").strip().lower() not in ("", "0", "false", "no", "off")


def _settings() -> Config:
    """The configuration; what is wrong with it is left to the review, which loads it too and tells it.

    Leniently, for else a repository's broken file would undo its reader's own `hook.strict`.
    """
    return config.load(Path.cwd(), lenient=True).config
