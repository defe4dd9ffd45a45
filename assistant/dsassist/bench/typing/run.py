"""The bench as a whole: which traces, the arms in turns, each with its server alone, and the report."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TextIO

from dsassist.bench.engine.client import Request, call
from dsassist.bench.engine.servers import Server, peer_server
from dsassist.bench.engine.trial import take_turns
from dsassist.bench.interruptible import run_interruptible
from dsassist.bench.report import Figure, Report
from dsassist.bench.typing.cold import ColdFile, cold_files, first_text_ms
from dsassist.bench.typing.figures import OURS, PEER, Round, compared, of_layout
from dsassist.bench.typing.history import Change, check_out, choose_changes
from dsassist.bench.typing.layouts import LAYOUTS, evaluated_again
from dsassist.bench.typing.llama_vim import SERVER_OPTIONS, LlamaVimArm
from dsassist.bench.typing.our_server import OurServer, evaluated_and_written, our_editor, our_home, work_of
from dsassist.bench.typing.ours import OurArm
from dsassist.bench.typing.person import replay
from dsassist.bench.typing.timeline import Timeline
from dsassist.bench.typing.trace import Trace, trace_of
from dsassist.git import repository_root
from dsassist_runtime.errors import DsassistError

__all__ = ["QUICK", "Sizes", "TypingBench", "run_typing_bench"]

_SNIPPETS, _SNIPPET_CHARACTERS = 4, 450  # of the files beside, for the layout that has such
_COLD_WORKSPACE = "fresh"
_PEER_IDLE_LIMIT_S = 300.0  # llama-server goes on with what nobody waits for, and a busy machine makes it slow


@dataclass(frozen=True)
class Sizes:
    """How much is typed; the defaults are what the bars are for."""

    traces: int = 4
    least_new: int = 220  # characters that a trace's commit added
    most_new: int = 520
    cold_files: int = 5
    repeats: int = 3


QUICK = Sizes(traces=1, least_new=60, most_new=140, cold_files=1, repeats=1)


@dataclass(frozen=True)
class TypingBench:
    """What to measure: the model's file, histories, and llama-server if there is one."""

    model: Path
    repositories: tuple[Path, ...]
    peer: Path | None = None
    sizes: Sizes = Sizes()
    seed: int = 1
    details: Path | None = None


def run_typing_bench(bench: TypingBench, machine: dict[str, Any], progress: Callable[[str], None]) -> Report:
    """Measure; whatever was started is ended before this returns or raises, on Ctrl-C and SIGTERM too.

    `machine` is `report.machine()` from before: the load that the report gives must not be the bench's own.
    """
    return run_interruptible(_Run(bench, progress).report(machine))


class _Run:
    def __init__(self, bench: TypingBench, progress: Callable[[str], None]) -> None:
        sizes = bench.sizes
        self._bench = bench
        self._progress = progress
        self._peer = _program(bench.peer) if bench.peer else None
        roots = [repository_root(repository) for repository in bench.repositories]
        typed = range(sizes.least_new, sizes.most_new + 1)
        self._changes = choose_changes(list(dict.fromkeys(roots)), sizes.traces, typed, bench.seed)
        self._traces = [
            trace_of(
                change.name, change.path, change.before, change.after, seed=bench.seed, closes_brackets=bool(number % 2)
            )
            for number, change in enumerate(self._changes)
        ]
        self._cold = list(cold_files(sizes.cold_files))
        self._peer_build = "of unknown version"
        self._details: TextIO | None = None

    async def report(self, machine: dict[str, Any]) -> Report:
        """Measure everything."""
        bench = self._bench
        left_out: list[str] = []
        if bench.peer is None:
            left_out.append("what is compared with llama.vim: give llama-server's program with --peer")
        with tempfile.TemporaryDirectory(prefix="dsa-") as folder, self._writing_details():
            self._folder = Path(folder)
            workspaces = [self._workspace(number, change) for number, change in enumerate(self._changes)]
            arms: dict[str, Callable[[Sequence[Path], int], Awaitable[Round]]] = {OURS: self._ours}
            if self._peer is not None:
                arms[PEER] = self._peers

            async def measure(arm: str, turn: int) -> Round:
                self._progress(f"round {turn + 1} of {bench.sizes.repeats}: {arm}")
                return await arms[arm](workspaces, turn)

            rounds = await take_turns(tuple(arms), bench.sizes.repeats, measure)
            self._progress("tokens of the texts and layouts")
            figures, more = await asyncio.to_thread(self._count, rounds, workspaces)
        return Report("typing", self._settings(), figures, [*left_out, *more], machine)

    def _count(self, rounds: dict[str, list[Round]], workspaces: Sequence[Path]) -> tuple[list[Figure], list[str]]:
        from dsassist_runtime.llama.model import Model

        with closing(Model(self._bench.model)) as model:

            def tokenize(text: str) -> list[int]:
                return model.vocabulary.tokenize(text, parse_special=True)

            figures, left_out = compared(rounds, lambda text: len(tokenize(text)))
            for name, layout in LAYOUTS.items():
                counts = []
                for trace, workspace in zip(self._traces, workspaces, strict=True):
                    snippets = _snippets(workspace, trace)
                    counts += evaluated_again(trace, layout, snippets, tokenize, seed=self._bench.seed)
                figures += of_layout(name, counts)
        return figures, left_out

    def _workspace(self, number: int, change: Change) -> Path:
        # The repository's own name is kept: some prompts tell it to the model.
        workspace = self._folder / str(number) / change.repository.name
        workspace.mkdir(parents=True)
        check_out(change, workspace)
        return workspace

    # ---- ours

    async def _ours(self, workspaces: Sequence[Path], turn: int) -> Round:
        timelines = []
        async with our_home(self._bench.model) as (server, environment):
            cold = await self._ours_cold(server, environment)
            for trace, workspace in zip(self._traces, workspaces, strict=True):
                self._progress(f"round {turn + 1}: {OURS}: {trace.name}")
                async with our_editor(server, environment, workspace) as client:
                    before, start = evaluated_and_written(await server.settle()), server.log_size()
                    timeline = Timeline()
                    since, at = datetime.now(timezone.utc), time.perf_counter()
                    arm = OurArm(client, workspace / trace.path, timeline)
                    await self._type(trace, arm)
                    await arm.close()
                    after = evaluated_and_written(await server.settle())
                    totals = after[0] - before[0], after[1] - before[1]
                    timeline.work = work_of(server.requests(start), totals, since, at)
                self._write(timeline, arm=OURS, round=turn, trace=trace.name)
                timelines.append(timeline)
        return Round(timelines, cold)

    async def _ours_cold(self, server: OurServer, environment: dict[str, str]) -> dict[str, float | None]:
        found: dict[str, float | None] = {}
        workspace = self._folder / _COLD_WORKSPACE
        workspace.mkdir(exist_ok=True)
        for file in self._cold:
            self._progress(f"{OURS}: fresh file {file.name}")
            async with our_editor(server, environment, workspace) as client:
                await server.settle()
                timeline = Timeline()
                arm = OurArm(client, workspace / file.name, timeline)
                found[file.name] = await first_text_ms(arm, file)
                await arm.close()
            self._write(timeline, arm=OURS, trace=file.name)
        return found

    # ---- llama.vim

    async def _peers(self, _workspaces: Sequence[Path], turn: int) -> Round:
        assert self._peer is not None
        timelines = []
        async with peer_server(self._peer, self._bench.model, SERVER_OPTIONS) as server:
            self._peer_build = (await call(server.address, Request("/props"))).get("build_info", self._peer_build)
            cold = {file.name: await self._peers_cold(server, file) for file in self._cold}
            for trace in self._traces:
                self._progress(f"round {turn + 1}: {PEER}: {trace.name}")
                timeline = Timeline()
                arm = LlamaVimArm(server, trace.path, timeline, self._bench.seed)
                try:
                    await self._type(trace, arm)
                finally:
                    await arm.close()
                await server.wait_until_idle(_PEER_IDLE_LIMIT_S)
                self._write(timeline, arm=PEER, round=turn, trace=trace.name)
                timelines.append(timeline)
        return Round(timelines, cold)

    async def _peers_cold(self, server: Server, file: ColdFile) -> float | None:
        self._progress(f"{PEER}: fresh file {file.name}")
        timeline = Timeline()
        arm = LlamaVimArm(server, file.name, timeline, self._bench.seed)
        try:
            waited = await first_text_ms(arm, file)
        finally:
            await arm.close()
        await server.wait_until_idle(_PEER_IDLE_LIMIT_S)
        self._write(timeline, arm=PEER, trace=file.name)
        return waited

    # ---- both

    async def _type(self, trace: Trace, arm: OurArm | LlamaVimArm) -> None:
        document = await replay(trace, arm, seed=self._bench.seed)
        assert document.text == trace.after, f"{trace.name}: the person typed another text than the trace has"

    def _write(self, timeline: Timeline, **labels: object) -> None:
        if self._details is not None:
            self._details.writelines(f"{line}\n" for line in timeline.as_jsonl(**labels))

    @contextmanager
    def _writing_details(self) -> Iterator[None]:
        path = self._bench.details
        if path is None:
            yield
            return
        try:
            file = path.open("w", encoding="utf-8")
        except OSError as error:
            raise DsassistError(
                f"--details {path} cannot be written: {(error.strerror or str(error)).lower()}"
            ) from error
        with file:
            self._details = file
            for trace in self._traces:
                file.writelines(f"{line}\n" for line in trace.as_jsonl())
            yield

    def _settings(self) -> dict[str, Any]:
        sizes = self._bench.sizes
        settings: dict[str, Any] = {
            "model": self._bench.model.name,
            "what": "medians of rounds in which the arms take turns, each with its server alone",
            "rounds": sizes.repeats,
            "seed": self._bench.seed,
            "traces": [trace.name for trace in self._traces],
            "typing": f"{sum(trace.edits[-1].at_s for trace in self._traces):.0f} s a round",
            "fresh files": [file.name for file in self._cold],
            OURS: "dsassist lsp --stdio with its defaults, asked after each edit as VS Code asks",
        }
        if self._bench.peer is not None:
            settings[PEER] = f"what its autoload/llama.vim does, on llama-server {' '.join(SERVER_OPTIONS)}"
            settings["llama-server"] = self._peer_build
        return settings


def _program(peer: Path) -> Path:
    found = shutil.which(peer)
    if found is None:
        raise DsassistError(f"--peer {peer} is no program that can be run; name the program llama-server")
    return Path(found).absolute()


def _snippets(workspace: Path, trace: Trace) -> list[str]:
    """The heads of files beside the one that is edited."""
    edited = workspace / trace.path
    beside = sorted(path for path in edited.parent.glob(f"*{edited.suffix}") if path != edited and path.is_file())
    return [
        f"# {path.name}\n{path.read_text(encoding='utf-8', errors='replace')[:_SNIPPET_CHARACTERS]}\n"
        for path in beside[:_SNIPPETS]
    ]
