"""`dsassist review`: a second look at what is staged, or at whole files."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.command import Command

if TYPE_CHECKING:
    from dsassist.config import LoadedConfig
    from dsassist.review.findings import Review, Severity
    from dsassist.review.reviewer import Tasks
    from dsassist_runtime.api import Engine

__all__ = ["COMMAND", "run"]

_DESCRIPTION = """\
Review what is staged for the next commit, or whole files. Findings go to stdout as `path:line:col: severity: message`,
what was and was not reviewed to stderr.

exit codes: 0 nothing at or above --fail-level, 1 findings, 2 usage or configuration, 3 not reviewed"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    from dsassist.options import add_option_argument

    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="files or folders to review whole, as they lie on disk"
    )
    parser.add_argument("--staged", action="store_true", help="review what is staged for the next commit (the default)")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="how findings are printed (default: text)"
    )
    add_option_argument(parser, "model")
    add_option_argument(parser, "review.fail_level")
    add_option_argument(parser, "review.threshold_nats", "--threshold-nats")
    add_option_argument(parser, "review.deadline_s")


def run(args: argparse.Namespace, engine_of: Callable[[LoadedConfig], Engine] | None = None) -> int:
    """Run the command; `engine_of` opens the engine, which is the configured one when not given."""
    started_s = time.monotonic()
    if args.paths and args.staged:
        from dsassist_runtime.errors import DsassistError

        raise DsassistError("--staged and PATH exclude each other: what is staged may differ from what lies on disk")
    prepared = _of_paths(args) if args.paths else _of_staged(args)
    if prepared is None:
        return 0
    loaded, tasks = prepared
    review, model = _review(loaded, tasks, started_s, engine_of)
    _print(args.format, review, model)
    if review.has_reached(loaded.config.review.fail_level):
        return 1
    if review.failure:
        from dsassist_runtime.errors import NotDone

        raise NotDone(f"the review ended early: {review.failure}")
    return 0


def _of_staged(args: argparse.Namespace) -> tuple[LoadedConfig, Tasks] | None:
    """What to do for the index; None when there is nothing to do, which is said."""
    from dsassist import git, output

    here = Path.cwd()
    entries = git.staged_entries(here)
    if not entries:
        # Nothing more is imported: a hook that has nothing to look at should take no time.
        _say_nothing(args, "nothing is staged")
        return None
    from dsassist.review.changes import staged_changes
    from dsassist.review.reviewer import plan

    loaded = _load(git.repository_root(here), args)
    if not loaded.config.review.enabled:
        _say_nothing(args, f"review.enabled is false ({loaded.origins['review.enabled']})")
        return None
    changes = staged_changes(entries, here, loaded.config.review.exclude)
    tasks = plan(changes)
    if not tasks.tasks and not tasks.skipped:
        output.notice("no changed function to review")
    return loaded, tasks


def _of_paths(args: argparse.Namespace) -> tuple[LoadedConfig, Tasks] | None:
    """What to do for the paths given; `NotDone` when there is no file among them that can be read."""
    from dsassist.review.changes import whole_files
    from dsassist.review.report import skipped_text
    from dsassist.review.reviewer import plan
    from dsassist_runtime.errors import NotDone

    loaded = _load(Path.cwd(), args)
    if not loaded.config.review.enabled:
        _say_nothing(args, f"review.enabled is false ({loaded.origins['review.enabled']})")
        return None
    changes = whole_files(args.paths, loaded.config.review.exclude)
    if not changes.files:
        what = skipped_text(changes.skipped) or f"{', '.join(args.paths)} (no Python file in it)"
        raise NotDone(f"nothing was reviewed: {what}")
    return loaded, plan(changes)


def _load(start: Path, args: argparse.Namespace) -> LoadedConfig:
    from dsassist import output
    from dsassist.config import load
    from dsassist.options import flags_from

    loaded = load(start, flags_from(args))
    for text in loaded.notices:
        output.notice(text)
    return loaded


def _say_nothing(args: argparse.Namespace, reason: str) -> None:
    from dsassist import output

    if args.format == "json":
        from dsassist.review.report import empty_json

        output.write_line(empty_json())
    output.notice(reason)


def _review(
    loaded: LoadedConfig, tasks: Tasks, started_s: float, engine_of: Callable[[LoadedConfig], Engine] | None
) -> tuple[Review, str]:
    """The review and the model's name, which is empty when no question had to be put to a model."""
    from functools import partial

    from dsassist import output
    from dsassist.engine import model_note, open_engine, resolved_model
    from dsassist.review import reviewer

    options = loaded.config.review
    review = partial(
        reviewer.review,
        tasks,
        threshold_nats=options.threshold_nats,
        deadline_s=options.deadline_s,
        max_findings=options.max_findings,
        started_s=started_s,
    )
    if not tasks.has_questions:
        return review(None), ""
    model = resolved_model(loaded)
    if (note := model_note(model)) is not None:
        output.notice(note)
    # The test model's findings are no reason to stop a commit.
    severity: Severity = "warning" if note is None else "info"
    with closing((engine_of or open_engine)(loaded)) as engine:
        return review(engine, severity=severity), model.title if model.kind == "file" else model.name


def _print(form: str, review: Review, model: str) -> None:
    from dsassist import output
    from dsassist.review import report

    if form == "json":
        output.write_line(report.as_json(review, model))
    else:
        for finding in review.findings:
            output.write_line(report.finding_text(finding))
    output.notice(report.summary(review, model))


COMMAND = Command(
    help="review what is staged, or whole files",
    add_arguments=_add_arguments,
    run=run,
    description=_DESCRIPTION,
)
