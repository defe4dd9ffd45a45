"""dsassist's own server at an address: what comes from there is what comes from the engine on this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dsassist_runtime.api import Edit, EngineSettings, InfillRequest, Sampling, ScoreRequest
from dsassist_runtime.client import Client
from dsassist_runtime.remote.address import parse_address
from dsassist_runtime.remote.engine import RemoteEngine

pytestmark = pytest.mark.slow  # whole servers

TEXT = """\
def area(width, height):
    return width * width


def last(items):
    return items[len(items)]
"""


@pytest.fixture
def address(isolated: Path) -> Iterator[str]:
    """A server on TCP, with the builtin model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "dsassist", "serve", "--listen", listen]
    server = subprocess.Popen(command, env=os.environ | {"HOME": str(isolated)}, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while server.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(parse_listen(listen), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        assert server.poll() is None, "the server has left"
        yield f"http://{listen}"
    finally:
        server.terminate()
        server.wait(30)


def parse_listen(listen: str) -> tuple[str, int]:
    host, port = listen.rsplit(":", 1)
    return host, int(port)


def test_scores_and_text_are_those_of_the_engine_here(address: str, builtin_model: Path) -> None:
    site, end = TEXT.index("* width") + 2, TEXT.index("[len(items)]") + 11
    edits = (Edit(site, site + 5, "height"), Edit(site - 2, site - 1, "+"), Edit(end, end, " - 1"))
    score = ScoreRequest("import math\n\n\n", TEXT, edits)
    infill = InfillRequest("def add(a, b):\n    return ", "\n", max_tokens=12, sampling=Sampling(temperature=0.0))
    here = Client(EngineSettings(builtin_model), start=False)
    with closing(RemoteEngine(parse_address(address))) as there:
        assert (there.server_kind, there.infill_form(), there.score_form()) == ("dsassist", "/infill", "/v1/score")
        assert "".join(there.infill(infill)) == "".join(here.infill(infill))
        remote = {each.edit: each for each in there.score(score, 60)}
        local = {each.edit: each for each in here.score(score, 60)}
    assert set(remote) == set(local) == set(edits)
    for edit in edits:
        for name in ("site_original", "site_alternative", "suffix_original", "suffix_alternative"):
            # Another shape of the batches moves a sum by some hundredths; a wrong token moves it by whole nats.
            assert getattr(remote[edit], name) == pytest.approx(getattr(local[edit], name), abs=0.3), (edit, name)
