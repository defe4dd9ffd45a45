"""Calibrates in a process of its own, for who has other things to do: `python -m dsassist.review.calibration.working`.

Finding alternatives in the language server's process would hold the interpreter, and keys would wait. Standard input
has the folder and options as a line of JSON and stays open; for each function a line of JSON goes to standard output.
The process is niced, asks at the priority of what may take all day, and ends when standard input does, as at the death
of who started it. Then the connection to the engine closes, as it does when the process is terminated, which stops the
question under way; what was measured before is in the record.

It has no model loaded: where the server does not hold the model any more, the process ends, and is not complete.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from dsassist import git
from dsassist.answers.scores import remembering
from dsassist.config import load
from dsassist.engine import resolved_model, settings_of
from dsassist.review.calibration.calibration import calibration_of
from dsassist.review.calibration.held import HeldEngine, ModelNotHeld
from dsassist.review.calibration.record import record_path
from dsassist_runtime.errors import DsassistError
from dsassist_runtime.places import make_private, runtime_dir

__all__ = ["main"]

_NICENESS = 10
_LIMIT_S = 600.0
"""The next idle time goes on; meanwhile another program may want the machine."""


def main() -> int:
    """Take steps until all functions are measured or the time is up, and tell which of both."""
    os.nice(_NICENESS)
    try:
        work = json.loads(sys.stdin.readline())
        Thread(target=_end_with_standard_input, name="parent", daemon=True).start()
        _tell(complete=_work(work))
    except ModelNotHeld:
        _tell(complete=False)
    except BrokenPipeError:
        os._exit(0)  # the server is gone; the interpreter would complain of the pipe at its exit
    except DsassistError as error:
        _tell(error=str(error))
    return 0


def _end_with_standard_input() -> None:
    # Not `sys.stdin`, whose lock the interpreter needs at its exit.
    while os.read(0, 4096):
        pass
    os._exit(0)


def _work(work: dict[str, Any]) -> bool:
    """Whether nothing is left to do."""
    root = git.repository_root(Path(work["folder"]))
    loaded = load(root, work["options"], lenient=True)
    model = resolved_model(loaded)
    if model.kind == "remote":
        return True
    end_s = time.monotonic() + _LIMIT_S
    with _alone(record_path(model.path, model.lora)) as is_alone:
        if not is_alone:
            return False
        settings = settings_of(model.path, loaded.config.engine)
        with closing(remembering(HeldEngine(settings), model)) as engine:
            calibration = calibration_of(
                root, model.path, engine, lora=model.lora, exclude=loaded.config.review.exclude
            )
            is_new = False
            while (step := calibration.next_step()) is not None:
                is_new = True
                _tell(done=step.done, wanted=step.wanted)
                if time.monotonic() >= end_s:
                    return False
            if is_new:  # behind the last new function some may have come that were known
                _tell(done=calibration.step.done, wanted=calibration.step.wanted)
    return True


@contextmanager
def _alone(record: Path) -> Iterator[bool]:
    """Whether nobody else calibrates this model; held by this process until then."""
    path = make_private(runtime_dir()) / f"calibration-{record.stem}.lock"
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _tell(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
