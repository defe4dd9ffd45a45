"""The bench as a whole: the holes, the arms that answer at each of them in turn, and the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from dsassist.bench.details import details_file
from dsassist.bench.fim.answer import Answer
from dsassist.bench.fim.context import Repositories
from dsassist.bench.fim.figures import arm_figures, filter_figures, line_figures, ratios
from dsassist.bench.fim.hole import Hole, Visit
from dsassist.bench.fim.mining import Mine, holes_of, visits
from dsassist.bench.fim.ours import Ours
from dsassist.bench.fim.peer import running_peer
from dsassist.bench.fim.results import OURS, UNFILTERED, Results
from dsassist.bench.fim.true_lines import BASE, LAYOUTS, Layout, TrueLines
from dsassist.bench.history import History, names_of
from dsassist.bench.interruptible import sigterm_as_ctrl_c
from dsassist.bench.private_engine import private_engine
from dsassist.bench.report import Figure, Report
from dsassist.completion.plan import OTHER_FILES_SHARE
from dsassist.completion.window import CHARACTERS_PER_TOKEN
from dsassist.context.snippets import HELPFUL
from dsassist.options import CompletionConfig
from dsassist_runtime.api import ContextFile
from dsassist_runtime.errors import DsassistError, ModelUnsupported, NotDone
from dsassist_runtime.gguf import fim_orders, read_header
from dsassist_runtime.models.store import resolve

__all__ = ["SINCE", "FimBench", "run_fim_bench"]

SINCE = date(2025, 1, 1)  # the catalogue's models were trained before
_PEER = "llama.vim"

_Write = Callable[[Hole, Sequence[Visit]], Answer]
_Weigh = Callable[[Hole, Sequence[Visit]], TrueLines]


@dataclass(frozen=True)
class FimBench:
    """What to measure."""

    repositories: tuple[Path, ...]
    model: str = "builtin"
    peer: Path | None = None
    since: date = SINCE
    n_holes: int = 200
    seed: int = 1
    ablation: bool = False
    details: Path | None = None
    options: CompletionConfig = field(default_factory=CompletionConfig)


def run_fim_bench(bench: FimBench, machine: dict[str, Any], progress: Callable[[str], None]) -> Report:
    """Measure; what was started is ended before this returns or raises. Ctrl-C gives the report of what is there.

    `machine` is `report.machine()` from before. `ModelUnsupported` for a model that cannot fill in the middle,
    `NotDone` where no hole is found.
    """
    model = resolve(bench.model).path
    if not fim_orders(read_header(model)):
        raise ModelUnsupported(f"{model.name} cannot fill in the middle; name another one with --model")
    with details_file(bench.details) as details:
        progress("what is in the history")
        holes = holes_of(Mine(bench.repositories, bench.since, bench.n_holes, bench.seed))
        if not holes:
            raise NotDone(
                f"no commit since {bench.since} adds code that can be cut out; name an earlier day with --since"
            )
        results = Results(holes, details)
        left_out = _measure(bench, model, holes, results, progress)
        results.write_groups()
    return Report("fim", _settings(bench, model), *_figures(bench, results, left_out), machine)


def _measure(
    bench: FimBench, model: Path, holes: Sequence[Hole], results: Results, progress: Callable[[str], None]
) -> list[str]:
    """Have all arms answer at each hole; what is not measured, and why."""
    left_out = [] if bench.peer else ["what is compared with llama.vim: give the program llama-server with --peer"]
    if len(holes) < bench.n_holes:
        left_out.append(f"{bench.n_holes - len(holes)} of {bench.n_holes} holes: the history has no more")
    try:
        with sigterm_as_ctrl_c(), _arms(bench, model) as (arms, layouts):
            for number, hole in enumerate(holes):
                progress(f"hole {number + 1} of {len(holes)}: {hole.repository}, {hole.path}:{hole.row + 1}")
                seen = visits(History(hole.root), hole)
                # Ours and the peer take turns in going first; what only tells of prompts comes behind.
                names = sorted(arms, reverse=number % 2 == 1)
                answers = {name: arms[name](hole, seen) for name in names}
                results.add(answers, _weighed(layouts, hole, seen, left_out))
    except KeyboardInterrupt:
        if not results.n_holes:
            raise
        left_out.append(f"{len(holes) - results.n_holes} of {len(holes)} holes: interrupted")
    return left_out


def _weighed(
    layouts: dict[str, _Weigh], hole: Hole, seen: Sequence[Visit], left_out: list[str]
) -> dict[str, TrueLines]:
    """The true lines by each layout, or by none, since they are compared hole by hole."""
    try:
        return {name: weigh(hole, seen) for name, weigh in layouts.items()}
    except DsassistError as error:
        left_out.append(f"the true lines of {hole.path}:{hole.row + 1}: {error}")
        return {}


@contextmanager
def _arms(bench: FimBench, model: Path) -> Iterator[tuple[dict[str, _Write], dict[str, _Weigh]]]:
    """Who answers, by name: ours with its defaults, and the peer; and what weighs the true lines, by layout."""
    with ExitStack() as stack:
        engine = stack.enter_context(private_engine(model))
        repositories = stack.enter_context(Repositories())
        ours = Ours(engine, bench.options, bench.seed)

        def snippets(hole: Hole, seen: Sequence[Visit], layout: Layout) -> tuple[ContextFile, ...]:
            return repositories.snippets(
                hole,
                seen,
                layout.sources,
                budget_tokens=int(layout.context * OTHER_FILES_SHARE * bench.options.max_prompt_tokens),
                view_characters=int(layout.prompt * bench.options.max_prompt_tokens) * CHARACTERS_PER_TOKEN,
            )

        def weigh(layout: Layout) -> _Weigh:
            tokens = int(layout.prompt * bench.options.max_prompt_tokens)
            return lambda hole, seen: ours.weigh(hole, snippets(hole, seen, layout), tokens)

        default = Layout(OURS, HELPFUL if bench.options.context else ())
        arms: dict[str, _Write] = {OURS: lambda hole, seen: ours.write(hole, snippets(hole, seen, default))}
        if bench.peer is not None:
            arms[_PEER] = stack.enter_context(running_peer(bench.peer, model, bench.seed)).write
        yield arms, {layout.name: weigh(layout) for layout in LAYOUTS} if bench.ablation else {}


def _figures(bench: FimBench, results: Results, left_out: list[str]) -> tuple[list[Figure], list[str]]:
    ours = results.arm(OURS)
    figures = arm_figures(ours, is_ours=True) + filter_figures(ours, results.arm(UNFILTERED))
    left_out += results.errors()
    if bench.peer is not None:
        peer = results.arm(_PEER)
        compared, not_compared = ratios(ours, peer)
        figures += arm_figures(peer, is_ours=False) + compared
        left_out += not_compared
    if weighed := results.lines:
        figures += line_figures(weighed, BASE.name)
    return figures, left_out


def _settings(bench: FimBench, model: Path) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "model": model.name,
        "repositories": ", ".join(names_of(bench.repositories)),
        "commits since": bench.since.isoformat(),
        "seed": bench.seed,
        "least and most": "of shares and means the 95 % interval, bootstrapped over holes; of the others the samples",
        "documents": "the file as of the commit, with the hole cut out",
        "dsassist": f"the wide prompt, cold; at most {bench.options.max_prompt_tokens} tokens, "
        f"{OTHER_FILES_SHARE:.0%} of them other files as of the commit",
        "min_probability": bench.options.min_probability,
    }
    if bench.peer is not None:
        settings["llama.vim"] = (
            "asked by its key, cold, with its defaults; its ring has the other files that the commit changed"
        )
    return settings
