"""`dsassist review`: a second look at what is staged, at other changes, or at whole files."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.command import Command

if TYPE_CHECKING:
    from dsassist.config import LoadedConfig
    from dsassist.review.baseline import Entry
    from dsassist.review.changes import ChangedFile, Changes, Skipped
    from dsassist.review.findings import Finding, Review
    from dsassist.review.reports import Report
    from dsassist.review.selection import Selection
    from dsassist_runtime.api import Engine

    _Source = Callable[[Sequence[ChangedFile], Callable[[], float]], Iterable[Finding | Skipped]]

__all__ = ["COMMAND", "run"]

_DESCRIPTION = """\
Review what is staged for the next commit, another change, or whole files. Findings go to stdout as
`path:line:col: severity: message`, what was and was not reviewed to stderr.

exit codes: 0 nothing at or above --fail-level, 1 findings, 2 usage or configuration, 3 not reviewed"""

_FORMATS = ("text", "json", "sarif", "rdjsonl", "github", "gitlab", "markdown")
"""`dsassist.review.reports.FORMATS` has them; its import would cost a hook with nothing to do more than all else."""

_UNITS_S = {"s": 1.0, "m": 60.0}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    from dsassist.options import OPTIONS, add_option_argument

    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="files or folders to review whole, as they lie on disk; behind one of the next four options, the part of "
        "that change to review; `-` alone for a unified diff on standard input",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--staged", action="store_true", help="review what is staged for the next commit (the default)")
    what.add_argument("--range", metavar="A..B", help="review what changed from commit A to commit B")
    what.add_argument("--commit", metavar="REV", help="review what a commit changed against its parent")
    what.add_argument("--base", metavar="BRANCH", help="review the commits up to HEAD since they left a branch")
    what.add_argument(
        "--github-event", action="store_true", help="review the commits that a GitHub Actions job is about"
    )
    what.add_argument(
        "--calibrate",
        action="store_true",
        help="review nothing; learn from unchanged functions of HEAD how much evidence findings need with this model, "
        "so that at most 1 of 100 such functions raises one (Ctrl-C keeps what was learnt)",
    )
    what.add_argument("--continue-in-background", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--functions", metavar="N", type=_positive, help="with --calibrate: so many functions (default: 430)"
    )
    parser.add_argument(
        "--format", choices=_FORMATS, help="how findings are reported (default: text, with --github-event github)"
    )
    parser.add_argument("--output", metavar="FILE", help="write the report to a file, not to stdout")
    parser.add_argument(
        "--instruct",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="also ask an instruct model about each function, in words; it is tried on unchanged functions first",
    )
    _add_handling_arguments(parser)
    add_option_argument(parser, "model")
    add_option_argument(parser, "review.fail_level")
    add_option_argument(parser, "review.threshold_nats", "--threshold-nats")
    add_option_argument(parser, "review.written")
    parser.add_argument(
        "--deadline", metavar="TIME", type=_seconds, help=f"{OPTIONS['review.deadline_s'].description}: 10, 10s or 2m"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="tell how much evidence findings needed, and all that was left out"
    )


def _seconds(text: str) -> float:
    """A time as `--deadline` takes it."""
    from dsassist.options import OPTIONS

    number, factor = (text[:-1], _UNITS_S[text[-1]]) if text[-1:] in _UNITS_S else (text, 1.0)
    option = OPTIONS["review.deadline_s"]
    try:
        return float(str(option.check(float(number) * factor)))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not allowed; allowed is {option.allowed}, in seconds (10, 10s) or minutes (2m)"
        ) from None


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed is a whole number above 0")
    return int(text)


def _add_handling_arguments(parser: argparse.ArgumentParser) -> None:
    """What becomes of findings besides a report."""
    parser.add_argument(
        "--baseline",
        metavar="FILE",
        help="do not report the findings in this file (default: .dsassist-baseline.json at the root, if it is there)",
    )
    parser.add_argument(
        "--update-baseline", action="store_true", help="write the findings into the baseline, and stop nothing"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--fix", action="store_true", help="apply the fixes of the findings, each after asking")
    what.add_argument(
        "--interactive", action="store_true", help="ask about each finding: fix, ignore, dismiss or skip it"
    )
    parser.add_argument("--yes", action="store_true", help="with --fix: apply all fixes without asking")


def run(args: argparse.Namespace, engine_of: Callable[[LoadedConfig], Engine] | None = None) -> int:
    """Run the command; `engine_of` opens the engine, which is the configured one when not given."""
    from dsassist_runtime.errors import DsassistError, NotDone

    started_s = time.monotonic()
    if args.continue_in_background:
        return _continue()
    if args.functions is not None and not args.calibrate:
        raise DsassistError("--functions says how many functions --calibrate is to look at; give both")
    if args.calibrate:
        return _calibrate(args, engine_of)
    _check_what_goes_together(args)
    args.format = args.format or ("github" if args.github_event else "text")
    _check_that_one_can_answer(args)
    if args.output:
        from dsassist.review.reports import check_output

        check_output(args.output)
    is_change = (
        args.staged or args.github_event or any(each is not None for each in (args.range, args.commit, args.base))
    )
    if "-" in args.paths and (is_change or len(args.paths) > 1):
        raise DsassistError("`-`, a diff on standard input, goes with no other choice of what to review")
    is_whole = bool(args.paths) and not is_change and args.paths != ["-"]
    prepared = _of_paths(args) if is_whole else _of_diff(args) if "-" in args.paths else _of_change(args)
    if prepared is None:
        return 0
    from dsassist.review.assembly import run_review

    loaded, changes = prepared
    start = Path.cwd() if is_whole else changes.root or Path.cwd()
    at_root = _path_from_root(changes, start)
    baseline = _baseline(args, changes)
    review, model = run_review(
        loaded,
        changes,
        instruct=args.instruct,
        # A baseline is to have all of them, and of what is known already.
        max_findings=sys.maxsize if args.update_baseline else None,
        baseline={entry.fingerprint for entry in baseline},
        path_from_root=at_root,
        started_s=started_s,
        engine_of=engine_of,
    )
    if is_whole and not review.files_read:
        from dsassist.review.reports import skipped_text

        what = skipped_text(review.skipped) or f"{', '.join(args.paths)} (no source file in it)"
        raise NotDone(f"nothing was reviewed: {what}")
    if args.update_baseline:
        return _update_baseline(args, review, model, changes, at_root)
    review = _handled(args, review, model, changes, start)
    if review.has_reached(loaded.config.review.fail_level):
        return 1
    if review.failure:
        raise NotDone(f"the review ended early: {review.failure}")
    return 0


def _of_change(args: argparse.Namespace) -> tuple[LoadedConfig, Changes] | None:
    """What to do for the index or for commits; None when there is nothing to do, which is said."""
    from dsassist.review import selection

    chosen = _selected(args)
    part = selection.narrowed(chosen, args.paths) if args.paths else chosen
    if not part.entries:
        # Nothing more is imported: a hook that has nothing to look at should take no time.
        where = f" in {', '.join(args.paths)}" if args.paths else ""
        _say_nothing(args, f"nothing is {'staged' if chosen.is_staged else 'changed'}{where}")
        return None
    from dsassist.review.changes import changes_of
    from dsassist.review.configuration import configuration_before

    loaded = _load(chosen.root, args, configuration_before(chosen))
    if not _is_enabled(loaded, args):
        return None
    return loaded, changes_of(part, loaded.config.review.exclude)


def _selected(args: argparse.Namespace) -> Selection:
    from dsassist.review import selection

    here = Path.cwd()
    if args.github_event:
        from dsassist.review.github_event import event_range

        return selection.revision_range(here, event_range(here).text)
    if args.range is not None:
        return selection.revision_range(here, args.range)
    if args.commit is not None:
        return selection.commit(here, args.commit)
    return selection.staged(here) if args.base is None else selection.since_base(here, args.base)


def _of_diff(args: argparse.Namespace) -> tuple[LoadedConfig, Changes] | None:
    """What to do for a diff on standard input; None when there is nothing to do, which is said."""
    from dsassist import git
    from dsassist.review.changes import changes_of_diff, contents_of_diff, read_diff
    from dsassist.review.configuration import configuration_before_diff

    here = Path.cwd()
    contents = contents_of_diff(read_diff(), here)
    if not contents:
        _say_nothing(args, "nothing is changed by the diff on standard input")
        return None
    root = git.repository_root(here)
    loaded = _load(root, args, configuration_before_diff(contents, root))
    if not _is_enabled(loaded, args):
        return None
    return loaded, changes_of_diff(contents, here, loaded.config.review.exclude)


def _is_enabled(loaded: LoadedConfig, args: argparse.Namespace) -> bool:
    """Whether a review is wanted here; it is said when not."""
    if not loaded.config.review.enabled:
        _say_nothing(args, f"review.enabled is false ({loaded.origins['review.enabled']})")
    return loaded.config.review.enabled


def _of_paths(args: argparse.Namespace) -> tuple[LoadedConfig, Changes] | None:
    """What to do for the paths given; None when there is nothing to do, which is said."""
    from dsassist.review.changes import whole_files

    loaded = _load(Path.cwd(), args)
    if not _is_enabled(loaded, args):
        return None
    _check_consent_of(args.paths, loaded)
    return loaded, whole_files(args.paths, loaded.config.review.exclude, _root())


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


def _load(start: Path, args: argparse.Namespace, before: Mapping[Path, bytes | None] | None = None) -> LoadedConfig:
    """The configuration, with the repository's files as they were `before` the change, where it changes them."""
    from dsassist import output
    from dsassist.config import load
    from dsassist.options import flags_from

    for path in before or ():
        output.notice(f"the change touches {path.name}: what stood there before holds for this review")
    deadline = {} if args.deadline is None else {"review.deadline_s": args.deadline}
    loaded = load(start, flags_from(args) | deadline, instead=before)
    for text in loaded.notices:
        output.notice(text)
    return loaded


def _say_nothing(args: argparse.Namespace, reason: str) -> None:
    from dsassist import output

    if args.format != "text" or args.output:
        from dsassist.review.findings import Review
        from dsassist.review.reports import Report

        _write(args, Report(Review((), 0, 0, 0, (), 0.0)))
    output.notice(reason)


def _check_what_goes_together(args: argparse.Namespace) -> None:
    """Nothing that is asked for may be passed over in silence."""
    from dsassist_runtime.errors import DsassistError

    given = {"--fix": args.fix, "--interactive": args.interactive, "--output": args.output, "--format": args.format}
    others = [name for name, value in given.items() if value]
    if args.update_baseline and others:
        raise DsassistError(f"--update-baseline writes findings into the baseline alone; leave {others[0]} out")
    if args.interactive and (rest := [name for name in others if name != "--interactive"]):
        raise DsassistError(f"--interactive shows one finding after another and no report; leave {rest[0]} out")


def _check_that_one_can_answer(args: argparse.Namespace) -> None:
    from dsassist_runtime.errors import DsassistError

    is_asking = args.interactive or (args.fix and not args.yes)
    if is_asking and (sys.stdin is None or not sys.stdin.isatty()):
        hint = "--yes applies all fixes without asking" if args.fix else "leave --interactive out"
        raise DsassistError(f"standard input is no terminal, so nobody can answer; {hint}")


def _baseline(args: argparse.Namespace, changes: Changes) -> list[Entry]:
    """What is not reported: the file that is named, or the default one as it stands in what is reviewed."""
    from dsassist.review.baseline import baseline_of_tree, read_baseline

    if args.update_baseline:
        read_baseline(_baseline_path(args, changes), missing_ok=True)  # a damaged one is told before the work
        return []
    if args.baseline:
        return read_baseline(Path(args.baseline))
    return [] if changes.root is None else baseline_of_tree(changes.root, changes.tree)


def _baseline_path(args: argparse.Namespace, changes: Changes) -> Path:
    from dsassist.review.baseline import BASELINE

    return Path(args.baseline) if args.baseline else (changes.root or Path.cwd()) / BASELINE


def _update_baseline(
    args: argparse.Namespace, review: Review, model: str, changes: Changes, at_root: Callable[[str], str]
) -> int:
    """Write what was found into the baseline; of what the file has, entries of files not reviewed whole stay."""
    from dsassist import output
    from dsassist.review.baseline import read_baseline, updated, write_baseline
    from dsassist.review.reports import summary
    from dsassist_runtime.errors import NotDone

    path = _baseline_path(args, changes)
    found = [replace(finding, path=at_root(finding.path)) for finding in review.findings]
    entries = updated(read_baseline(path, missing_ok=True), found, {at_root(each) for each in review.complete})
    write_baseline(path, entries)
    output.notice(summary(review, model))
    output.notice(f"{len(entries)} {'finding is' if len(entries) == 1 else 'findings are'} in {path} now")
    if review.failure:
        raise NotDone(f"the review ended early: {review.failure}; {path} has what was found until then")
    return 0


def _handled(args: argparse.Namespace, review: Review, model: str, changes: Changes, start: Path) -> Review:
    """Report, and ask what to do where that is wanted; the review without what is settled."""
    from dsassist import output

    for each in review.unknown_codes:
        output.warn(f"{each.what}: `dsassist: ignore[{each.reason}]` names no code; docs/review.md lists them")
    if not args.interactive:
        _print(args, review, model, changes, start)
    if not args.fix and not args.interactive:
        return review
    from dsassist.review import handling
    from dsassist.review.reports import Paths, Report, SourceLines, findings_text, summary

    if args.fix:
        settled = handling.handle_fixes(review, changes, start, None if args.yes else output.ask)
        output.notice(f"{len(settled)} of {len(review.findings)} fixed")
    else:
        report = Report(review, model, Paths(start, changes.root), SourceLines(changes))

        def shown(finding: Finding) -> str:
            return findings_text(replace(report, review=replace(review, findings=(finding,))))

        baseline = Path(args.baseline) if args.baseline else None
        settled = handling.handle(review, changes, start, output.ask, shown, baseline)
        output.notice(summary(review, model))
    return replace(review, findings=tuple(each for each in review.findings if each not in settled))


def _path_from_root(changes: Changes, start: Path) -> Callable[[str], str]:
    """What makes of a finding's path, which counts from `start`, the one in the repository."""
    from dsassist.review.reports import Paths

    return Paths(start, changes.root).from_root


def _continue() -> int:
    """Be the process that goes on with the rest of another's review."""
    from dsassist.answers.scores import remembering
    from dsassist.config import load
    from dsassist.engine import open_engine, resolved_model
    from dsassist.review.background import lower_priority, read_rest, score_rest
    from dsassist_runtime.errors import DsassistError

    lower_priority()
    try:
        rest = read_rest(sys.stdin.buffer)
    except ValueError as error:
        raise DsassistError(f"{error}; --continue-in-background is for dsassist itself") from None
    loaded = load(rest.root, {"model": rest.model}, lenient=True)
    with closing(remembering(open_engine(loaded), resolved_model(loaded))) as engine:
        score_rest(rest, engine)
    return 0


def _calibrate(args: argparse.Namespace, engine_of: Callable[[LoadedConfig], Engine] | None) -> int:
    """Learn thresholds from the repository around the working directory, and say what was learnt."""
    from dsassist import git, output
    from dsassist.answers.scores import remembering
    from dsassist.engine import open_engine, resolved_model
    from dsassist.review.calibration.calibration import DEFAULT_FUNCTIONS, calibration_of
    from dsassist.review.calibration.report import calibration_report, progress
    from dsassist_runtime.errors import DsassistError

    if args.paths:
        raise DsassistError("--calibrate learns from all functions of HEAD and takes no paths; leave them out")
    root = git.repository_root(Path.cwd())
    loaded = _load(root, args)
    model = resolved_model(loaded)
    if model.kind == "remote":
        raise DsassistError(
            f"model = {model.name!r} is an address; --calibrate learns for a model file on this machine"
        )
    with closing(engine_of(loaded) if engine_of is not None else remembering(open_engine(loaded), model)) as engine:
        calibration = calibration_of(
            root,
            model.path,
            engine,
            lora=model.lora,
            exclude=loaded.config.review.exclude,
            wanted=args.functions or DEFAULT_FUNCTIONS,
            priority="review",
        )
        try:
            progress(calibration)
        except KeyboardInterrupt:
            output.notice(
                f"{calibration.step.done} of {calibration.step.wanted} functions are kept; call it again to go on"
            )
            raise
    output.write_line(calibration_report(loaded, model, calibration.step))
    return 0


def _print(args: argparse.Namespace, review: Review, model: str, changes: Changes, start: Path) -> None:
    """Report to stdout or into a file; what was reviewed and what was not goes to stderr whatever the format.

    Paths of findings count from `start`.
    """
    from dsassist import output
    from dsassist.review.reports import Paths, Report, SourceLines, summary

    _write(args, Report(review, model, Paths(start, changes.root), SourceLines(changes)))
    if not review.functions and not review.skipped:
        output.notice("no changed function to review")
    output.notice(summary(review, model))
    if args.verbose:
        _tell_more(review)


def _tell_more(review: Review) -> None:
    """How much evidence findings needed, and each thing that was left out, which the summary has the first of."""
    from dsassist import output

    if (thresholds := review.thresholds) is not None:
        more = "".join(f", {family} {factor:g} times that" for family, factor in sorted(thresholds.factors.items()))
        output.notice(f"findings needed {thresholds.threshold_nats:g} nats{more} ({thresholds.source})")
    for each in review.skipped:
        output.notice(f"not reviewed: {each.what} ({each.reason})")


def _write(args: argparse.Namespace, report: Report) -> None:
    from dsassist import output
    from dsassist.review.reports import FORMATS, findings_text, save

    if args.output:
        save(FORMATS[args.format](report), args.output)
        return
    text = findings_text(report) if args.format == "text" else FORMATS[args.format](report)
    if text:
        output.write_line(text)


COMMAND = Command(
    help="review what is staged, or whole files",
    add_arguments=_add_arguments,
    run=run,
    description=_DESCRIPTION,
)
