"""`dsassist bench fim` on the builtin model, a small repository, and in llama-server's place servers of our own."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dsassist.bench.fim.command import add_arguments, run
from dsassist.bench.report import Report
from dsassist_runtime.errors import DsassistError, NotDone
from fim_repository import bank_repository

pytestmark = pytest.mark.slow  # whole servers

LIMIT_S = 120.0

# Answers what the bench asks while it starts the program, and then to `/infill` whatever the test makes it.
_PEER = """#!{python}
import http.server, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    n_asked = 0
    def do_GET(self):
        self.answer(200, b'{{"status": "ok"}}')
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/infill":
            Handler.n_asked += 1
            {infill}
        else:
            self.answer(200, b'')
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[4])), Handler).serve_forever()
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return bank_repository(tmp_path / "bank")


def peer(tmp_path: Path, infill: str) -> Path:
    program = tmp_path / "llama-server"
    program.write_text(_PEER.format(python=sys.executable, infill=infill))
    program.chmod(0o755)
    return program


def bench(*arguments: str) -> Report:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(arguments), lambda _: None)


def figures(report: Report) -> dict[str, dict[str, Any]]:
    return {figure["name"]: figure for figure in json.loads(report.as_json())["figures"]}


def test_report_without_a_peer_names_what_is_left_out(repository: Path, tmp_path: Path) -> None:
    details = tmp_path / "details.jsonl"
    report = bench("--repo", str(repository), "--holes", "3", "--ablation", "--details", str(details))
    found = figures(report)
    assert 0.0 <= found["first shown line exact, dsassist"]["value"] <= 100.0
    assert found["prompt, dsassist"]["value"] > 0
    sources = [f"context of {name}" for name in ("imports", "names", "similar", "recent", "all")]
    assert {f"log-probability of the true lines, {name}, less no other file" for name in sources} <= found.keys()
    assert found["log-probability of the true lines, no other file"]["value"] < 0
    assert not [name for name in found if "llama.vim" in name]
    assert [reason for reason in report.left_out if "--peer" in reason]
    lines = [json.loads(line) for line in details.read_text().splitlines()]
    assert len([line for line in lines if "hole" in line]) == 3
    assert {value for line in lines if "group" in line for value in line["group"].values()} >= {"python", "line"}


def test_both_arms_are_compared_where_there_is_a_peer(repository: Path, tmp_path: Path) -> None:
    answer = (
        """self.answer(200, b'{"content": "    return 1\\\\n", "tokens_evaluated": 7, "timings": {"prompt_n": 7}}')"""
    )
    report = bench("--repo", str(repository), "--holes", "3", "--peer", str(peer(tmp_path, answer)))
    found = figures(report)
    assert found["prompt, llama.vim"]["value"] == 7
    assert found["shown, llama.vim"]["value"] == 100.0
    assert len(found["prompt, dsassist / llama.vim"]["samples"]) == 3
    assert "first shown line exact, dsassist / llama.vim: llama.vim has none right" in report.left_out


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("""self.answer(500, b'{"error": {"message": "out of luck"}}')""", "out of luck"),
        ("""self.answer(200, b'{"text": ""}')""", "the answer has no content"),
        ("self.close_connection = True", "closed the connection without an answer"),
    ],
)
def test_a_peer_that_fails_at_a_hole_is_told(repository: Path, tmp_path: Path, answer: str, words: str) -> None:
    report = bench("--repo", str(repository), "--holes", "2", "--peer", str(peer(tmp_path, answer)))
    assert figures(report)["errors, llama.vim"]["value"] == 2
    (reason,) = [reason for reason in report.left_out if "no answer at 2 of 2 holes" in reason]
    assert words in reason


def test_an_interrupted_bench_reports_what_is_there(repository: Path, tmp_path: Path) -> None:
    hangs = """self.answer(200, b'{"content": "x"}') if Handler.n_asked == 1 else time.sleep(600)"""
    details = tmp_path / "details.jsonl"
    program = (
        "import argparse, sys; from dsassist.bench.fim.command import add_arguments, run;"
        "parser = argparse.ArgumentParser(); add_arguments(parser);"
        "print(run(parser.parse_args(), lambda _: None).as_table())"
    )
    options = [
        "--repo",
        str(repository),
        "--holes",
        "3",
        "--peer",
        str(peer(tmp_path, hangs)),
        "--details",
        str(details),
    ]
    started = subprocess.Popen(
        [sys.executable, "-c", program, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + LIMIT_S
        while not (details.exists() and details.read_text()):
            assert started.poll() is None, started.communicate()
            assert time.monotonic() < deadline, "no hole was done"
            time.sleep(0.01)
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=LIMIT_S)
    finally:
        started.kill()
        started.wait()
    assert "2 of 3 holes: interrupted" in out
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("--repo", "/nowhere"), DsassistError, "--repo /nowhere is no directory"),
        (("--repo", "REPOSITORY", "--since", "2026-01-01"), NotDone, "name an earlier day with --since"),
        (("--repo", "REPOSITORY", "--details", "/nowhere/x"), DsassistError, "--details /nowhere/x cannot be written"),
        (("--repo", "REPOSITORY", "--holes", "1", "--peer", "/nowhere/x"), NotDone, "/nowhere/x cannot be started"),
        (("--repo", "REPOSITORY", "--model", "no-such-model"), DsassistError, "no-such-model"),
    ],
)
def test_what_cannot_be_measured_is_told_in_a_line(
    repository: Path, arguments: tuple[str, ...], error: type[DsassistError], words: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        bench(*[argument.replace("REPOSITORY", str(repository)) for argument in arguments])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("arguments", [("--since", "yesterday"), ("--holes", "0"), ()])
def test_arguments_are_checked(
    repository: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--repo", str(repository), *arguments] if arguments else []
    with pytest.raises(SystemExit):
        bench(*given)
    assert ("is not allowed; allowed is" if arguments else "--repo") in capsys.readouterr().err
