"""Work on a loop is cancelled by a signal, cleans up, and leaves nothing on standard error."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

_PROGRAM = """
import asyncio, os, signal
from contextlib import closing
from dsassist.bench.interruptible import run_on

async def struck():
    # The handler runs here, within the task's own step.
    os.kill(os.getpid(), signal.{signal})
    for _ in range(1000):
        pass
    {behind}

async def work():
    try:
        return await asyncio.wait_for(struck(), 60)
    finally:
        await asyncio.sleep(0)
        print("cleaned up")

with closing(asyncio.new_event_loop()) as loop:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        print("answer", run_on(loop, work()))
    except KeyboardInterrupt:
        print("interrupted")
    assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))

    async def later():
        return 7

    print("answer", run_on(loop, later()))
"""


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(
    "behind", ["await asyncio.sleep(60)", "return 'in spite of it'", "raise ValueError('in the place of it')"]
)
def test_a_signal_within_a_task_ends_it_and_is_told_once_it_has_cleaned_up(signal: str, behind: str) -> None:
    program = dedent(_PROGRAM).format(signal=signal, behind=behind)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("cleaned up\ninterrupted\nanswer 7\n", "", 0)
