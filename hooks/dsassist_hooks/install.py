"""Putting hooks into a repository, and taking them out again, beside whatever other hooks there are.

    before install      pre-commit                     another tool's, or none
    after it            pre-commit                     ours, which calls the next one first
                        pre-commit.before-dsassist     the other tool's
    after uninstall     pre-commit                     as before

So for each stage. When pre-commit (the framework) is installed over ours, it moves ours to `pre-commit.legacy` and
calls it there; install and uninstall find it under that name too.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dsassist.git import NotARepository, repository_root, run_git
from dsassist_hooks.script import hook_script, is_our_script
from dsassist_hooks.stages import PRE_COMMIT, STAGES, Stage
from dsassist_runtime.errors import DsassistError

__all__ = ["HookError", "Installed", "Uninstalled", "hooks_folder", "install", "uninstall"]


class HookError(DsassistError):
    """The hook cannot be installed or removed."""


@dataclass(frozen=True)
class Installed:
    """Where the hook lies; `kept` is the hook that it calls first, `is_shared` that core.hooksPath set the folder."""

    path: Path
    kept: Path | None
    is_shared: bool


@dataclass(frozen=True)
class Uninstalled:
    """What was there of a stage: `removed` is our hook's path, `restored` the path of the hook that was put back."""

    removed: Path | None
    restored: Path | None


def install(
    repository: Path, stage: Stage = PRE_COMMIT, *, strict: bool = False, python: str = sys.executable
) -> Installed:
    """Make git call us at a stage in `repository`; done twice, it only renews the script."""
    if not python:
        raise HookError("this Python does not know its own path, so the hook could not call it")
    folder, is_shared = hooks_folder(repository)
    hook, kept = folder / stage.name, folder / stage.kept_name
    script = hook_script(python, stage=stage, strict=strict)
    _refuse_folder(folder, repository_root(repository), stage)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ours = _find_ours(folder, stage)
        if ours is None and os.path.lexists(hook) and os.path.lexists(kept):
            raise HookError(f"{hook} and {kept} are both another tool's hook; remove the one that is no longer wanted")
        if ours is None:
            _refuse_to_keep(hook, stage)
        with _written(folder, script) as new:
            if ours is None and os.path.lexists(hook):
                hook.rename(kept)
            ours = ours or hook
            new.replace(ours)
    except OSError as error:
        raise _failed(folder, error) from error
    return Installed(ours, kept if os.path.lexists(kept) else None, is_shared)


def uninstall(repository: Path) -> list[Uninstalled]:
    """Take our hooks out of `repository` and put back those that were there before; what was done at each stage."""
    folder, _ = hooks_folder(repository)
    return [_uninstall(folder, stage) for stage in STAGES]


def _uninstall(folder: Path, stage: Stage) -> Uninstalled:
    hook, kept = folder / stage.name, folder / stage.kept_name
    try:
        ours = _find_ours(folder, stage)
        if ours is not None:
            ours.unlink()
        target = ours or hook
        if not os.path.lexists(kept) or os.path.lexists(target):
            return Uninstalled(ours, None)
        if target != hook and os.path.lexists(hook) and _is_of_pre_commit(kept):
            # pre-commit was installed again over ours: what we kept is its own older script.
            kept.unlink()
            return Uninstalled(ours, None)
        kept.rename(target)
    except OSError as error:
        raise _failed(folder, error) from error
    return Uninstalled(ours, target)


def hooks_folder(repository: Path) -> tuple[Path, bool]:
    """The folder where git looks for hooks, and whether core.hooksPath names it: then others may share it."""
    try:
        top = repository_root(repository)  # a relative core.hooksPath counts from there, where hooks run
    except NotARepository:
        raise HookError(f"{repository} is in no git repository; go into one, or make one with `git init`") from None
    printed = run_git(["rev-parse", "--git-path", "hooks"], top)
    folder = os.fsdecode(printed.removesuffix(b"\n"))  # as in `repository_root`, a name may end in anything
    configured = run_git(["config", "--get", "core.hooksPath"], top, accept=(0, 1))
    return top / folder, bool(configured.strip())


def _refuse_folder(folder: Path, top: Path, stage: Stage) -> None:
    """Say so where git would not look for our hook, or another tool would write over it."""
    if folder.resolve() == top.resolve():
        raise HookError(
            "core.hooksPath is empty, so git runs no hooks here; `git config --unset core.hooksPath` mends it"
        )
    if folder.name == "_" and folder.parent.name == ".husky":
        raise HookError(
            f"{folder} is husky's own and written anew by it; put the line `{_line(stage)}` into "
            f"{folder.parent / stage.name} instead"
        )


def _refuse_to_keep(hook: Path, stage: Stage) -> None:
    """A hook that goes by the name it is called by would do nothing, or another thing, under another."""
    if hook.is_dir():
        raise HookError(f"{hook} is a directory; move it away, git cannot run it")
    if hook.is_file() and re.search(rb"basename\s+(--\s+)?[\"']?\$\{?0", hook.read_bytes()):
        raise HookError(
            f"{hook} goes by the name that it is called by, so it cannot be kept under another; "
            f"let what it runs call `{_line(stage)}`"
        )


def _line(stage: Stage) -> str:
    """What another tool's script for the stage should call."""
    arguments = {"pre-commit": "", "pre-push": ' "$@"', "prepare-commit-msg": ' --draft-message "$@"'}
    return f"dsassist hook {stage.name}{arguments[stage.name]}"


def _find_ours(folder: Path, stage: Stage) -> Path | None:
    for name in (stage.name, f"{stage.name}.legacy"):
        path = folder / name
        if path.is_file() and is_our_script(path.read_bytes()):
            return path
    return None


def _is_of_pre_commit(path: Path) -> bool:
    return path.is_file() and b"generated by pre-commit" in path.read_bytes()


@contextlib.contextmanager
def _written(folder: Path, text: str) -> Iterator[Path]:
    """A new executable file with this text, to be renamed into place; removed if it was not."""
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".dsassist-")
    path = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        path.chmod(0o755)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _failed(folder: Path, error: OSError) -> HookError:
    return HookError(f"cannot change the hooks in {folder}: {(error.strerror or str(error)).lower()}")
