"""Which commits a GitHub Actions job is about, by the event that started it.

The event is a JSON file whose texts (titles, names of branches) are written by whoever opened the pull request; only
commits' ids are taken from it, and names of branches from it only in a form that git takes for nothing else.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsassist.git import object_ids
from dsassist_runtime.errors import DsassistError, NotDone

__all__ = ["EventRange", "event_range"]

_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@#=-]*")
_IS_SET = "inside a GitHub Actions job it is set; elsewhere take `dsassist review --range A..B`"


@dataclass(frozen=True)
class EventRange:
    """What to review: the way from `base` to `head`, two revisions that are here.

    `from_merge_base`: the base has gone on meanwhile, so the range begins where the two branches parted.
    """

    base: str
    head: str
    from_merge_base: bool

    @property
    def text(self) -> str:
        """As `dsassist review --range` takes it."""
        return f"{self.base}{'...' if self.from_merge_base else '..'}{self.head}"


def event_range(cwd: Path, environ: Mapping[str, str] | None = None) -> EventRange:
    """The range of the event in `GITHUB_EVENT_PATH`; `DsassistError` outside of a job and for events without one.

    Pull requests and merge queues go from their base to their head, pushes from the branch's old end to its new one. A
    new branch has no old end: it is compared with the default branch.
    """
    environ = os.environ if environ is None else environ
    name = environ.get("GITHUB_EVENT_NAME", "")
    found = _range(name, _event(environ), environ)
    if found is None:
        raise DsassistError(
            f"the event {name!r} is about no commits that could be reviewed; "
            "take pull_request, merge_group or push, or `dsassist review --range A..B`"
        )
    here = object_ids([f"{found.base}^{{commit}}", f"{found.head}^{{commit}}"], cwd)
    for revision in (found.base, found.head):
        if f"{revision}^{{commit}}" not in here:
            raise NotDone(f"{revision} is not in this clone; give actions/checkout the setting `fetch-depth: 0`")
    return found


def _event(environ: Mapping[str, str]) -> Mapping[str, Any]:
    path = environ.get("GITHUB_EVENT_PATH", "")
    if not path:
        raise DsassistError(f"GITHUB_EVENT_PATH is not set; {_IS_SET}")
    try:
        event = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise DsassistError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise DsassistError(f"{path} (GITHUB_EVENT_PATH) is no JSON: {error}") from error
    if not isinstance(event, dict):
        raise DsassistError(f"{path} (GITHUB_EVENT_PATH) holds no event")
    return event


def _range(name: str, event: Mapping[str, Any], environ: Mapping[str, str]) -> EventRange | None:
    if name in ("pull_request", "pull_request_target"):
        base = _id(event, "pull_request", "base", "sha") or _branch(environ.get("GITHUB_BASE_REF", ""))
        head = _id(event, "pull_request", "head", "sha") or "HEAD"
        return EventRange(base, head, True) if base else None
    if name == "merge_group":
        old, new = _id(event, "merge_group", "base_sha"), _id(event, "merge_group", "head_sha")
        return EventRange(old, new, True) if old and new else None
    if name == "push":
        return _pushed(event)
    return None


def _pushed(event: Mapping[str, Any]) -> EventRange | None:
    before, after = _id(event, "before"), _id(event, "after")
    if after is None:  # zeros, for a branch that was deleted
        return None
    if before is not None:
        return EventRange(before, after, event.get("forced") is True)
    default = _branch(_text(event, "repository", "default_branch"))
    return EventRange(default, after, True) if default else None


def _text(event: Mapping[str, Any], *keys: str) -> str:
    value: Any = event
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _id(event: Mapping[str, Any], *keys: str) -> str | None:
    text = _text(event, *keys)
    return text if _ID.fullmatch(text) and set(text) != {"0"} else None


def _branch(name: str) -> str | None:
    """The branch as actions/checkout fetches it; None for a name that could be more than a name."""
    is_plain = _BRANCH.fullmatch(name) is not None and ".." not in name and "@{" not in name
    return f"refs/remotes/origin/{name}" if is_plain else None
