"""Work on a loop is cancelled by a signal, cleans up, and leaves nothing on standard error."""

from __future__ import annotations

import subprocess
import sys

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
        {cleaning}
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
    ("behind", "cleaning"),
    [
        ("await asyncio.sleep(60)", "await asyncio.sleep(0)"),
        ("return 'in spite of it'", "pass"),  # what has ended by itself is cancelled where it waits next
        ("raise ValueError('in the place of it')", "pass"),
    ],
)
def test_a_signal_within_a_task_ends_it_and_is_told_once_it_has_cleaned_up(
    signal: str, behind: str, cleaning: str
) -> None:
    program = _PROGRAM.format(signal=signal, behind=behind, cleaning=cleaning)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("cleaned up\ninterrupted\nanswer 7\n", "", 0)


def test_a_second_signal_is_obeyed_at_once() -> None:
    program = """
import asyncio, os, signal
from dsassist.bench.interruptible import run_on

async def stubborn():
    os.kill(os.getpid(), signal.SIGINT)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            os.kill(os.getpid(), signal.SIGINT)

try:
    run_on(asyncio.new_event_loop(), stubborn())
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("interrupted\n", 0)
