"""`dsassist index`: build, inspect and forget the index of a workspace that completion takes its context from."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.command import Command

if TYPE_CHECKING:
    from dsassist.index.workspace import IndexCounts, WorkspaceIndex

__all__ = ["COMMAND", "run"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", metavar="DIR", nargs="?", type=Path, help="the workspace (default: the repository, or this folder)"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="print what the index holds, and change nothing")
    what.add_argument("--rebuild", action="store_true", help="forget the index and build it anew")
    what.add_argument("--forget", action="store_true", help="delete the index from this disk")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from dsassist.index.database import forget_database, path_of
    from dsassist.index.files import may_be_indexed
    from dsassist.index.workspace import WorkspaceIndex
    from dsassist.output import notice, visible, warn, write_line
    from dsassist_runtime.errors import DsassistError

    root = _workspace(args.directory)
    exists = path_of(root).exists()
    if args.forget:
        forget_database(path_of(root))
        write_line(f"{'forgot the index of' if exists else 'no index of'} {visible(str(root))}")
        return 0
    if args.status and not exists:
        write_line("null" if args.json else f"no index of {visible(str(root))}; `dsassist index` builds it")
        return 0
    if not may_be_indexed(root):
        raise DsassistError(f"{root} is no workspace; name a folder below it")
    if args.rebuild:
        forget_database(path_of(root))
    with WorkspaceIndex(root, on_trouble=warn) as index:
        if not args.status:
            with _progress() as on_progress:
                done = index.refresh(on_progress)
            if not args.json:
                notice(f"{done.stored} stored, {done.removed} removed in {done.seconds:.1f} s")
            if not done.complete:
                warn(f"{root} holds too many files; those beyond {done.files} are left out")
        _report(index, index.counts(), as_json=args.json)
    return 0


def _workspace(directory: Path | None) -> Path:
    """The folder that is named; without one the repository around the current folder, or that folder itself."""
    from dsassist.git import GitError, NotARepository, repository_root
    from dsassist_runtime.errors import DsassistError

    if directory is not None:
        if not directory.is_dir():
            raise DsassistError(f"{directory} is no folder; name the root of a workspace")
        return directory.resolve()
    try:
        return repository_root(Path.cwd())
    except (NotARepository, GitError):
        return Path.cwd()


def _report(index: WorkspaceIndex, counts: IndexCounts, *, as_json: bool) -> None:
    import json
    import time
    from dataclasses import asdict

    from dsassist.output import visible, write_line

    if as_json:
        write_line(json.dumps({"root": str(index.root), "path": str(index.path)} | asdict(counts)))
        return
    refreshed = "never to the end"
    if counts.refreshed_at is not None:
        refreshed = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(counts.refreshed_at))
    for label, value in (
        ("workspace", visible(str(index.root))),
        ("index", f"{visible(str(index.path))}, {counts.size_bytes / 1e6:.1f} MB"),
        ("files", f"{counts.files:,}, and {counts.refused:,} left out for what they hold"),
        ("symbols", f"{counts.symbols:,}"),
        ("chunks", f"{counts.chunks:,}"),
        ("refreshed", refreshed),
    ):
        write_line(f"{label:<10} {value}")


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    from tqdm import tqdm

    # disable=None: no bar where stderr is no terminal.
    with tqdm(desc="index", unit=" files", disable=None, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


COMMAND = Command(
    help="build or inspect the index of a workspace",
    description="Build the index of a workspace's symbols and text, which completion takes its context from.",
    add_arguments=_add_arguments,
    run=run,
)
