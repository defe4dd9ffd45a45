"""The stages of git that dsassist has a hook for, as data: git's name, the name in `SKIP`, and what is at stake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["PREPARE_COMMIT_MSG", "PRE_COMMIT", "PRE_PUSH", "STAGES", "Stage", "StageName"]

StageName = Literal["pre-commit", "pre-push", "prepare-commit-msg"]


@dataclass(frozen=True)
class Stage:
    """A hook: `hook_id` is its id in pre-commit's manifest, `what` is what git goes on with, or does not.

    `done` tells what the hook does once it is installed.
    """

    name: StageName
    hook_id: str
    what: Literal["commit", "push"]
    done: str

    @property
    def kept_name(self) -> str:
        """The hook that was there before; `NAME.legacy` is pre-commit's: its script would call itself there."""
        return f"{self.name}.before-dsassist"


PRE_COMMIT = Stage("pre-commit", "dsassist-review", "commit", "reviews each commit now")
PRE_PUSH = Stage("pre-push", "dsassist-review-push", "push", "reviews each push now")
PREPARE_COMMIT_MSG = Stage("prepare-commit-msg", "dsassist-commit-message", "commit", "drafts commit messages now")

STAGES = (PRE_COMMIT, PRE_PUSH, PREPARE_COMMIT_MSG)
