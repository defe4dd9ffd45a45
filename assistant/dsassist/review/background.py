"""What a deadline cut goes on in a process of its own; the next run or the editor finds the scores in the store.

The process gets the functions, without their secrets, in a file that has no name: by the time that it begins, the index
may hold something else. It is niced, asks at the priority of what may take all day, and reports nothing. There is one
for each repository: the lock is taken here and inherited, so it is free when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from dsassist.review.calibration.fit import LEAST_NATS
from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.plan import Cut
from dsassist.review.source import Source
from dsassist.review.suspects import suspects_of
from dsassist_runtime.api import EditScore, Engine, ScoreRequest
from dsassist_runtime.errors import DeadlineExceeded, NotDone, RequestRefused
from dsassist_runtime.places import make_private, runtime_dir

__all__ = ["Rest", "go_on_in_background", "is_busy", "lower_priority", "read_rest", "rest_of", "score_rest"]

_NICENESS = 10
_LIMIT_S = 600.0
_LEAST = Thresholds(LEAST_NATS)  # what the next run's are is not known here: it asks for no more than this

_started: list[subprocess.Popen[bytes]] = []
"""Those of this process; they are not waited for."""


@dataclass(frozen=True)
class Rest:
    """Functions that are to be scored: of each the file and the line on which it begins, None for all of the file.

    `model` is the model as a configuration names it.
    """

    root: Path
    model: str
    functions: tuple[tuple[ChangedFile, int | None], ...]

    def tasks(self) -> Iterator[Task]:
        """The functions as the review that was cut had them."""
        found: dict[int, list[Task]] = {}
        for file, line in self.functions:
            if id(file) not in found:
                found[id(file)] = [task for task in tasks_of(file) if not isinstance(task, Skipped)]
            yield from (task for task in found[id(file)] if line in (None, task.function.line))


def rest_of(cut: Sequence[Cut], root: Path, model: str) -> Rest:
    """What is left of a review of the repository at `root`."""
    functions = tuple((each.file, None if each.task is None else each.task.function.line) for each in cut)
    return Rest(root, model, functions)


def go_on_in_background(rest: Rest, environ: Mapping[str, str] | None = None) -> bool:
    """Start the process; whether it runs. Not where another one is at work for this repository, and never in CI.

    A CI job's machine is gone when the job ends, and its minutes may be paid for.
    """
    environ = os.environ if environ is None else environ
    if environ.get("CI", "").strip().lower() not in ("", "0", "false"):
        return False
    try:
        lock = _locked(rest.root)
    except (OSError, NotDone):
        return False
    try:
        with tempfile.TemporaryFile() as work:
            work.write(json.dumps(_to_wire(rest)).encode("ascii"))
            work.seek(0)
            _started[:] = [process for process in _started if process.poll() is None]
            _started.append(_spawned(work, lock, environ))
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def is_busy(root: Path) -> bool:
    """Whether a process is at work for a repository."""
    try:
        os.close(_locked(root))
    except BlockingIOError:
        return True
    except (OSError, NotDone):
        return False
    return False


def read_rest(stream: IO[bytes]) -> Rest:
    """What the process gets on its standard input; `ValueError` for anything else."""
    try:
        return _from_wire(json.loads(stream.read()))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no rest of a review: {error!r}") from error


def score_rest(
    rest: Rest, engine: Engine, *, limit_s: float = _LIMIT_S, clock: Callable[[], float] = time.monotonic
) -> int:
    """Ask for the scores of the functions in their order until the time is up; how many were scored."""
    end_s = clock() + limit_s

    def ask(request: ScoreRequest) -> tuple[EditScore, ...]:
        if (remaining_s := end_s - clock()) <= 0:
            raise DeadlineExceeded("the time is up")
        return engine.score(replace(request, priority="idle"), remaining_s)

    scored = 0
    for task in rest.tasks():
        try:
            for _ in suspects_of(task, ask, _LEAST):
                pass
        except (RequestRefused, RecursionError):  # the next run leaves it out, too
            continue
        except NotDone:
            break
        scored += 1
    return scored


def lower_priority() -> None:
    """Let everything else of this machine go first."""
    os.nice(_NICENESS)


def _locked(root: Path) -> int:
    """The repository's lock, held; `BlockingIOError` where somebody else holds it."""
    digest = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:16]
    path = make_private(runtime_dir()) / f"review-{digest}.lock"
    lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def _spawned(work: IO[bytes], lock: int, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # Neither the folder nor a hook's GIT_DIR may decide what is imported or read there.
    environment = {key: value for key, value in environ.items() if not key.startswith("GIT_")}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-m", "dsassist", "review", "--continue-in-background"],
        stdin=work,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment,
        start_new_session=True,
        pass_fds=(lock,),
    )


def _to_wire(rest: Rest) -> dict[str, Any]:
    """As JSON in ASCII: a path's bytes that are no UTF-8 are lone surrogates."""
    files = {id(file): file for file, _ in rest.functions}
    numbers = {key: number for number, key in enumerate(files)}
    return {
        "root": str(rest.root),
        "model": rest.model,
        "files": [[each.path, each.source.text, each.language, sorted(each.lines)] for each in files.values()],
        "functions": [[numbers[id(file)], line] for file, line in rest.functions],
    }


def _from_wire(wire: dict[str, Any]) -> Rest:
    files = [
        ChangedFile(path, Source(text, language or "python"), frozenset(lines), language=language)
        for path, text, language, lines in wire["files"]
    ]
    return Rest(Path(wire["root"]), wire["model"], tuple((files[number], line) for number, line in wire["functions"]))
