"""What the hook runs at a commit: the review of what is staged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist import output
from dsassist_hooks.failing_open import PASSED, is_enabled, is_skipped, review
from dsassist_hooks.stages import PRE_COMMIT

if TYPE_CHECKING:
    from dsassist.review.selection import Selection

__all__ = ["review_commit"]


def review_commit(arguments: Sequence[str], *, strict: bool) -> int:
    """Review what is staged, with these arguments, and return the hook's exit code: 0 lets the commit pass."""
    if is_skipped(PRE_COMMIT):
        output.notice("review skipped, as the environment asks")
        return PASSED
    if not is_enabled(_staged):
        return PASSED
    return review(arguments, PRE_COMMIT, _staged, strict=strict)


def _staged() -> Selection:
    from dsassist.review import selection

    return selection.staged(Path.cwd())
