"""A review as the configuration calls for it: which sources of findings, which engine, and what becomes of the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack, closing
from functools import cache, partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from dsassist import output
from dsassist.answers.scores import RememberingEngine, remembering
from dsassist.answers.store import AnswerStore, answers_path
from dsassist.config import LoadedConfig
from dsassist.engine import model_note, open_engine, resolved_model
from dsassist.review import reviewer
from dsassist.review.calibration.current import thresholds_for
from dsassist.review.changes import ChangedFile, Changes, Skipped
from dsassist.review.dismissals import raised, read_dismissals
from dsassist.review.findings import Finding, Review
from dsassist.review.late_engine import LateEngine
from dsassist.review.memory import Memory
from dsassist.review.plan import Cut
from dsassist_runtime.api import Engine
from dsassist_runtime.errors import DsassistError

if TYPE_CHECKING:
    from dsassist.review.unfinished import GitTree

__all__ = ["run_review"]

_Source = Callable[[Sequence[ChangedFile], Callable[[], float]], Iterable[Finding | Skipped]]


def run_review(
    loaded: LoadedConfig,
    changes: Changes,
    *,
    instruct: bool,
    max_findings: int | None,
    baseline: Collection[str],
    path_from_root: Callable[[str], str],
    started_s: float,
    engine_of: Callable[[LoadedConfig], Engine] | None = None,
) -> tuple[Review, str]:
    """The review and the model's name, which is empty when no question had to be put to a model.

    `engine_of` opens the engine, which is the configured one when not given; `max_findings` is the configured number.
    """
    names: list[str] = []

    @cache
    def open_judge() -> reviewer.Judge:
        model = resolved_model(loaded)
        if (note := model_note(model)) is not None:
            output.notice(note)
        names.append(model.title if model.kind == "file" else model.name)
        engine = (
            engine_of(loaded) if engine_of is not None else remembering(LateEngine(partial(open_engine, loaded)), model)
        )
        opened.enter_context(closing(engine))
        # The test model's findings are no reason to stop a commit.
        thresholds = raised(thresholds_for(loaded, model), read_dismissals())
        # How much the model takes at once decides what is asked.
        name = f"{engine.scorer} {loaded.config.engine.n_ctx}" if isinstance(engine, RememberingEngine) else ""
        return reviewer.Judge(engine, thresholds, "warning" if note is None else "info", name)

    options = loaded.config.review
    memory = None if engine_of is not None else Memory(AnswerStore(answers_path()))
    with ExitStack() as opened:
        last: list[_Source] = []
        if options.written:
            from dsassist.review.written import WrittenReviewer

            last.append(WrittenReviewer(open_judge))
        if instruct:
            from dsassist.review.instruct import open_instruct_reviewer

            last.append(open_instruct_reviewer(loaded, changes, opened, engine_of))
        review = reviewer.review(
            changes,
            open_judge,
            deadline_s=options.deadline_s,
            max_findings=options.max_findings if max_findings is None else max_findings,
            started_s=started_s,
            **_around(changes, memory),
            path_from_root=path_from_root,
            baseline=baseline,
            go_on=partial(_go_on, loaded, changes) if engine_of is None else lambda _cut: False,
            find_last=_in_turn(last) if last else None,
            memory=memory,
        )
    return review, "".join(names)


def _in_turn(sources: Sequence[_Source]) -> _Source:
    """Sources of findings as one."""
    return lambda files, remaining_s: chain.from_iterable(source(files, remaining_s) for source in sources)


def _around(changes: Changes, memory: Memory | None) -> dict[str, Any]:
    """How to look for what the change left undone and for what is done elsewhere, where the files around are known.

    Of whole files there is no state before, so nothing is undone.
    """
    tree = changes.around if changes.tree.kind == "working-tree" else changes.tree
    if changes.root is None or tree is None:
        return {}
    root, state = changes.root, changes.state

    @cache
    def git_tree() -> GitTree:
        from dsassist.review.unfinished import GitTree

        return GitTree(root, tree)

    def find_more(files: Sequence[ChangedFile]) -> Sequence[Finding]:
        if memory is not None and state and memory.is_finished(files, changes.moved, state):
            return ()
        from dsassist.review.unfinished import find_unfinished

        found = tuple(find_unfinished(files, git_tree(), changes.moved))
        if memory is not None and state and not found and git_tree().is_whole:
            memory.note_finished(files, changes.moved, state)
        return found

    def unusual(findings: Sequence[Finding], files: Sequence[ChangedFile]) -> Sequence[Finding]:
        from dsassist.review.usual import unusual

        return unusual(findings, files, git_tree())

    return {
        "find_more": find_more,
        "text_of": lambda path: git_tree().texts([path]).get(path),
        "unusual": unusual,
    }


def _go_on(loaded: LoadedConfig, changes: Changes, cut: Sequence[Cut]) -> bool:
    """Let what the deadline cut go on; only where the scores are kept for the next run."""
    from dsassist.review.background import go_on_in_background, rest_of

    try:
        model = resolved_model(loaded)
    except DsassistError:
        return False
    if changes.root is None or model.kind == "remote":
        return False
    name = str(model.path.absolute()) if model.kind == "file" else model.name
    return go_on_in_background(rest_of(cut, changes.root, name))
