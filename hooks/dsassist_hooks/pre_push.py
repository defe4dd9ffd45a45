"""What the hook runs before a push: the slow pass over what the remote does not have yet."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist import output
from dsassist_hooks.failing_open import (
    FINDINGS,
    INTERRUPTED,
    PASSED,
    is_enabled,
    is_skipped,
    not_reviewed,
    review,
    settings,
)
from dsassist_hooks.pushed import Range, pushed_refs, range_of_pre_commit, ranges
from dsassist_hooks.stages import PRE_PUSH
from dsassist_runtime.errors import DsassistError

if TYPE_CHECKING:
    from dsassist.review.selection import Selection

__all__ = ["review_push"]


def review_push(remote: str, arguments: Sequence[str], *, strict: bool) -> int:
    """Review what is pushed to `remote`, and return the hook's exit code: 0 lets the push go on."""
    if is_skipped(PRE_PUSH):
        output.notice("review skipped, as the environment asks")
        return PASSED
    try:
        found = _ranges(remote)
    except DsassistError as error:
        if not settings().review.enabled:
            return PASSED
        return not_reviewed(str(error), error.exit_code, PRE_PUSH, strict=strict)
    codes = []
    for each in found:
        codes.append(_review(each, arguments, strict=strict))
        if codes[-1] == INTERRUPTED:
            return INTERRUPTED
    return FINDINGS if FINDINGS in codes else max(codes, default=PASSED)


def _review(pushed: Range, arguments: Sequence[str], *, strict: bool) -> int:
    def selected() -> Selection:
        from dsassist.review import selection

        return selection.revision_range(Path.cwd(), pushed.text)

    if not is_enabled(selected):
        return PASSED
    options = settings(selected)
    # A push may take longer than a commit; what is given by hand stands behind and wins.
    instruct = ["--instruct"] if options.hook.push_instruct else []
    slow = ["--deadline", f"{options.hook.push_deadline_s:g}", *instruct, *arguments]
    return review(["--range", pushed.text, *slow], PRE_PUSH, selected, strict=strict)


def _ranges(remote: str) -> list[Range]:
    if (given := range_of_pre_commit(os.environ)) is not None:
        return [given]
    # Called by hand there is nothing to read; git and pre-commit give a pipe.
    stdin = b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    found, without_base = ranges(pushed_refs(stdin), remote, Path.cwd())
    if without_base and settings().review.enabled:
        output.notice(f"{', '.join(without_base)} not reviewed: the remote has nothing yet to compare with")
    return found
