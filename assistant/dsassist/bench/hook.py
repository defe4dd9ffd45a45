"""`dsassist bench hook`: how long a large commit waits for its review, and whether the review says the same each time.

The change is staged in a repository of its own (`hook_change`). The command is the one that a commit starts,
`dsassist hook pre-commit`, as a process. *Cold* is a home without a server and without a score in the store; *warm* is
one that has all scores. They take turns. What a deadline cut does not go on behind a run, for it would take the next
one's time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dsassist.bench.hook_change import stage_change
from dsassist.bench.hook_runs import CUT, HookRun, accounts_for_all, has_findings_of, n_differing, read_run
from dsassist.bench.interruptible import sigterm_as_ctrl_c
from dsassist.bench.report import Figure, Report
from dsassist_runtime.errors import NotDone
from dsassist_runtime.models.store import ResolvedModel

__all__ = ["N_FILES", "HookBench", "run_hook_bench"]

N_FILES = 20

_WARM_BAR_S = 0.5
_WHOLE_DEADLINE_S = 3600.0
_PASSED, _FINDINGS = 0, 1


@dataclass(frozen=True)
class HookBench:
    """What to measure: `repeats` runs of each kind, of a change of `n_files`, within the deadline of a commit."""

    model: ResolvedModel
    repeats: int
    deadline_s: float
    n_files: int = N_FILES


def run_hook_bench(bench: HookBench, say: Callable[[str], None]) -> Report:
    """Measure in turns, after one review of everything that fills the store of the warm runs."""
    with tempfile.TemporaryDirectory(prefix="dsa-") as folder, sigterm_as_ctrl_c():
        hook = _Hook(bench, Path(folder) / "repository")
        with _home() as filled:
            say("a review of everything, by which the warm runs find all scores")
            whole = hook.run(filled, _WHOLE_DEADLINE_S)
            hook.check_whole(whole)
            _stop_server(filled)
            hook.run(filled, bench.deadline_s)  # once for the disk's cache and the compiled modules
            cold, warm = [], []
            for number in range(1, bench.repeats + 1):
                say(f"round {number} of {bench.repeats}")
                with _home() as empty:
                    cold.append(hook.run(empty, bench.deadline_s))
                warm.append(hook.run(filled, bench.deadline_s))
    return _report(bench, hook.functions, whole, cold, warm)


class _Hook:
    """The repository with the staged change, in which the hook is run; `functions` are all that the change touches."""

    def __init__(self, bench: HookBench, root: Path) -> None:
        self._model = bench.model
        self._root = root
        self._report = root.with_name("report.json")
        self.functions = stage_change(root, bench.n_files, _environment())

    def run(self, home: Mapping[str, str], deadline_s: float) -> HookRun:
        """Run it as git does, and read its report."""
        self._report.unlink(missing_ok=True)
        model = "builtin" if self._model.kind == "builtin" else str(self._model.path.absolute())
        options = ["--model", model, "--deadline", f"{deadline_s:g}", "--format", "json", "--output", str(self._report)]
        environ = {**home, "GIT_INDEX_FILE": str(self._root / ".git" / "index")}
        started_s = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "dsassist", "hook", "pre-commit", *options],
            cwd=self._root,
            env=environ,
            capture_output=True,
            check=False,
        )
        seconds = time.perf_counter() - started_s
        told = done.stderr.decode(errors="replace").strip()
        if done.returncode not in (_PASSED, _FINDINGS):
            raise NotDone(f"the hook of the bench ended with code {done.returncode}: {told}")
        if self._report.exists():
            return read_run(self._report.read_bytes(), seconds)
        if f"no function was reviewed: {CUT}" not in told:
            raise NotDone(f"the hook of the bench reviewed nothing: {told}")
        return HookRun(seconds, b"", 0, tuple(self.functions), ())

    def check_whole(self, whole: HookRun) -> None:
        """A review without a deadline must have seen the functions that the change was made of."""
        if whole.cut or whole.functions != len(self.functions):
            raise NotDone(f"of the {len(self.functions)} functions of the change the review saw {whole.functions}")


def _report(bench: HookBench, functions: list[str], whole: HookRun, cold: list[HookRun], warm: list[HookRun]) -> Report:
    cold_s, warm_s = tuple(run.seconds for run in cold), tuple(run.seconds for run in warm)
    ratios = tuple(seconds / bench.deadline_s for seconds in cold_s)
    covered_cold, covered_warm = (
        tuple(100.0 * run.functions / len(functions) for run in runs) for runs in (cold, warm)
    )
    return Report(
        "hook",
        {
            "model": bench.model.title,
            "files": bench.n_files,
            "functions": len(functions),
            "runs": bench.repeats,
            "deadline": f"{bench.deadline_s:g} s",
            "what": "whole processes; p50 is the median",
        },
        [
            Figure("cold, p50", cold_s, "s"),
            Figure("cold, p95", cold_s, "s", statistic="p95"),
            Figure("cold, p95, of the deadline", ratios, "x", bar=1.0, statistic="p95"),
            Figure("cold: functions reviewed", covered_cold, "%", "higher"),
            _count(
                "cold: reports that miscount or misname what was cut",
                (not accounts_for_all(run, functions) for run in cold),
            ),
            Figure("warm, p50", warm_s, "s"),
            Figure("warm, p95", warm_s, "s", bar=_WARM_BAR_S, statistic="p95"),
            Figure("warm: functions reviewed", covered_warm, "%", "higher", bar=100.0),
            _count(
                "reports with other findings than the whole review has of these functions",
                (not has_findings_of(run, whole, functions) for run in (*cold, *warm)),
            ),
            Figure(
                "reports of the same coverage that are not the same to the byte",
                (float(n_differing([whole, *cold, *warm])),),
                "reports",
                bar=0.0,
            ),
        ],
    )


def _count(name: str, are_wrong: Iterable[bool]) -> Figure:
    return Figure(name, (float(sum(are_wrong)),), "reports", bar=0.0)


@contextmanager
def _home() -> Iterator[dict[str, str]]:
    """The environment of a home in which nothing was done yet; its server is ended behind it."""
    with tempfile.TemporaryDirectory(prefix="dsa-") as folder:
        environ = {
            **_environment(),
            "DSASSIST_HOME": str(Path(folder) / "d"),
            "DSASSIST_REVIEW_MAX_FINDINGS": "1000",  # which of them are shown is no question here
            "CI": "true",  # nothing goes on in the background
        }
        try:
            yield environ
        finally:
            _stop_server(environ)


def _environment() -> dict[str, str]:
    """This process's, without what would steer git or dsassist, or keep Python from compiling a module only once."""
    unwanted = ("DSASSIST_", "GIT_", "PYTHONDONTWRITEBYTECODE")
    return {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}


def _stop_server(home: Mapping[str, str]) -> None:
    subprocess.run([sys.executable, "-m", "dsassist", "serve", "--stop"], env=home, capture_output=True, check=False)
