"""`dsassist review`: a second look at what is staged, or at whole files."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.command import Command

if TYPE_CHECKING:
    from dsassist.config import LoadedConfig
    from dsassist.review.changes import Changes
    from dsassist.review.findings import Review
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
    from dsassist_runtime.errors import DsassistError, NotDone

    started_s = time.monotonic()
    if args.paths and args.staged:
        raise DsassistError("--staged and PATH exclude each other: what is staged may differ from what lies on disk")
    prepared = _of_paths(args) if args.paths else _of_staged(args)
    if prepared is None:
        return 0
    loaded, changes = prepared
    review, model = _review(loaded, changes, started_s, engine_of)
    if args.paths and not review.files_read:
        from dsassist.review.report import skipped_text

        what = skipped_text(review.skipped) or f"{', '.join(args.paths)} (no Python file in it)"
        raise NotDone(f"nothing was reviewed: {what}")
    _print(args.format, review, model)
    if review.has_reached(loaded.config.review.fail_level):
        return 1
    if review.failure:
        raise NotDone(f"the review ended early: {review.failure}")
    return 0


def _of_staged(args: argparse.Namespace) -> tuple[LoadedConfig, Changes] | None:
    """What to do for the index; None when there is nothing to do, which is said."""
    from dsassist import git

    here = Path.cwd()
    entries = git.staged_entries(here)
    if not entries:
        # Nothing more is imported: a hook that has nothing to look at should take no time.
        _say_nothing(args, "nothing is staged")
        return None
    from dsassist.review.changes import staged_changes

    loaded = _load(git.repository_root(here), args)
    if not loaded.config.review.enabled:
        _say_nothing(args, f"review.enabled is false ({loaded.origins['review.enabled']})")
        return None
    return loaded, staged_changes(entries, here, loaded.config.review.exclude)


def _of_paths(args: argparse.Namespace) -> tuple[LoadedConfig, Changes] | None:
    """What to do for the paths given; None when there is nothing to do, which is said."""
    from dsassist.review.changes import whole_files

    loaded = _load(Path.cwd(), args)
    if not loaded.config.review.enabled:
        _say_nothing(args, f"review.enabled is false ({loaded.origins['review.enabled']})")
        return None
    _check_consent_of(args.paths, loaded)
    exclude = loaded.config.review.exclude
    return loaded, whole_files(args.paths, exclude, _root() if exclude else None)


def _check_consent_of(paths: Sequence[str], loaded: LoadedConfig) -> None:
    """Where the model is on another machine, each path's repository must have been consented to, not this one alone."""
    from dsassist.config import is_address, repository_root

    if not is_address(loaded.config.model):
        return
    from dsassist.consent import check_consent
    from dsassist_runtime.remote.address import parse_address

    for root in dict.fromkeys(repository_root(Path(path)) for path in paths):
        check_consent(root, parse_address(loaded.config.model))


def _root() -> Path | None:
    """The root of the repository around the working directory; None outside of one, or without git."""
    from dsassist import git
    from dsassist_runtime.errors import DsassistError

    try:
        return git.repository_root(Path.cwd())
    except DsassistError:
        return None


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
    loaded: LoadedConfig, changes: Changes, started_s: float, engine_of: Callable[[LoadedConfig], Engine] | None
) -> tuple[Review, str]:
    """The review and the model's name, which is empty when no question had to be put to a model."""
    from dsassist import output
    from dsassist.engine import model_note, open_engine, resolved_model
    from dsassist.review import reviewer

    names: list[str] = []

    def open_judge() -> reviewer.Judge:
        model = resolved_model(loaded)
        if (note := model_note(model)) is not None:
            output.notice(note)
        names.append(model.title if model.kind == "file" else model.name)
        engine = opened.enter_context(closing((engine_of or open_engine)(loaded)))
        # The test model's findings are no reason to stop a commit.
        return reviewer.Judge(engine, "warning" if note is None else "info")

    options = loaded.config.review
    with ExitStack() as opened:
        review = reviewer.review(
            changes,
            open_judge,
            threshold_nats=options.threshold_nats,
            deadline_s=options.deadline_s,
            max_findings=options.max_findings,
            started_s=started_s,
        )
    return review, "".join(names)


def _print(form: str, review: Review, model: str) -> None:
    from dsassist import output
    from dsassist.review import report

    if form == "json":
        output.write_line(report.as_json(review, model))
    else:
        for finding in review.findings:
            output.write_line(report.finding_text(finding))
    if not review.functions and not review.skipped:
        output.notice("no changed function to review")
    output.notice(report.summary(review, model))


COMMAND = Command(
    help="review what is staged, or whole files",
    add_arguments=_add_arguments,
    run=run,
    description=_DESCRIPTION,
)
