"""What the hook runs before a push: the slow pass over what the remote does not have yet."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dsassist import output
from dsassist_hooks.failing_open import (
    FINDINGS,
    INTERRUPTED,
    PASSED,
    is_skipped,
    not_reviewed,
    review,
    settings,
)
from dsassist_hooks.pushed import Range, pushed_refs, range_of_pre_commit, ranges
from dsassist_hooks.stages import PRE_PUSH
from dsassist_runtime.errors import DsassistError

__all__ = ["review_push"]


def review_push(remote: str, arguments: Sequence[str], *, strict: bool) -> int:
    """Review what is pushed to `remote`, and return the hook's exit code: 0 lets the push go on."""
    if is_skipped(PRE_PUSH):
        output.notice("review skipped, as the environment asks")
        return PASSED
    options = settings()
    if not options.review.enabled:
        return PASSED
    try:
        found = _ranges(remote)
    except DsassistError as error:
        return not_reviewed(str(error), error.exit_code, PRE_PUSH, strict=strict)
    # A push may take longer than a commit; what is given by hand stands behind and wins.
    instruct = ["--instruct"] if options.hook.push_instruct else []
    slow = ["--deadline", f"{options.hook.push_deadline_s:g}", *instruct, *arguments]
    codes = []
    for each in found:
        codes.append(review(["--range", each.text, *slow], PRE_PUSH, strict=strict))
        if codes[-1] == INTERRUPTED:
            return INTERRUPTED
    return FINDINGS if FINDINGS in codes else max(codes, default=PASSED)


def _ranges(remote: str) -> list[Range]:
    if (given := range_of_pre_commit(os.environ)) is not None:
        return [given]
    # Called by hand there is nothing to read; git and pre-commit give a pipe.
    stdin = b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    found, without_base = ranges(pushed_refs(stdin), remote, Path.cwd())
    if without_base:
        output.notice(f"{', '.join(without_base)} not reviewed: the remote has nothing yet to compare with")
    return found
