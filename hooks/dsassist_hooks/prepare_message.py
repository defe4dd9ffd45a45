"""What the hook runs before the editor opens at a commit: a draft of the message, where there is none.

This hook never stops a commit, and `git commit --no-verify` does not skip it: so it is off until somebody asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from dsassist import config, output
from dsassist.cli import outcome_of
from dsassist.config import LoadedConfig
from dsassist_hooks.failing_open import INTERRUPTED, PASSED, is_skipped
from dsassist_hooks.stages import PREPARE_COMMIT_MSG
from dsassist_runtime.api import Engine

__all__ = ["no_draft", "prepare_message"]


def prepare_message(
    file: Path,
    source: str,
    *,
    switched_on: bool,
    verbose: bool = False,
    engine_of: Callable[[LoadedConfig], Engine] | None = None,
) -> int:
    """Draft a message into git's file; `source` is what git says of the message that it has, if any.

    The exit code is 0 whatever happens, but for Ctrl-C.
    """
    outcome = outcome_of(lambda: _prepare(file, source, switched_on, verbose, engine_of))
    if outcome.error_message:
        no_draft(outcome.error_message)
    return INTERRUPTED if outcome.exit_code == INTERRUPTED else PASSED


def no_draft(reason: str) -> None:
    """Say in a line why there is no draft."""
    output.notice(f"no message drafted: {' '.join(reason.split())}")


def _prepare(
    file: Path, source: str, switched_on: bool, verbose: bool, engine_of: Callable[[LoadedConfig], Engine] | None
) -> int:
    loaded = config.load(Path.cwd(), lenient=True)
    reason = _left_alone(source, loaded, switched_on, os.environ)
    if reason is None:
        # Nothing of it is imported at the commits that have a message.
        from dsassist.commit_message.writing import NoDraft, draft_into

        try:
            subject = draft_into(file, Path.cwd(), loaded, engine_of)
        except NoDraft as error:
            reason = str(error)
        else:
            reason = ""
            if verbose:
                output.notice(f"the message was drafted: {subject}")
    if verbose and reason:
        no_draft(reason)
    return PASSED


def _left_alone(source: str, loaded: LoadedConfig, switched_on: bool, environ: Mapping[str, str]) -> str | None:
    """Why nothing is drafted, whatever the model is; None when something may be."""
    if not switched_on and not loaded.config.hook.draft_message:
        return "hook.draft_message is false"
    if is_skipped(PREPARE_COMMIT_MSG, environ):
        return "the environment asks to skip it"
    if source:
        return f"git has a message already ({source})"
    # Git sets this where no editor opens (`commit --no-edit`): then nobody would see the draft before it is committed.
    if environ.get("GIT_EDITOR") == ":":
        return "git opens no editor, so nobody would read it"
    return None
