"""What the hook runs at a commit: the review of what is staged."""

from __future__ import annotations

from collections.abc import Sequence

from dsassist import output
from dsassist_hooks.failing_open import PASSED, is_skipped, review, settings
from dsassist_hooks.stages import PRE_COMMIT

__all__ = ["review_commit"]


def review_commit(arguments: Sequence[str], *, strict: bool) -> int:
    """Review what is staged, with these arguments, and return the hook's exit code: 0 lets the commit pass."""
    if is_skipped(PRE_COMMIT):
        output.notice("review skipped, as the environment asks")
        return PASSED
    if not settings().review.enabled:
        return PASSED
    return review(arguments, PRE_COMMIT, strict=strict)
