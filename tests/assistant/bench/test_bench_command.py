"""`dsassist bench engine` as a person calls it; in llama-server's place stands a server of our own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dsassist.bench.engine.run import on_this_disk
from dsassist.cli import main

pytestmark = pytest.mark.slow  # whole servers

LIMIT_S = 60.0
_QUICK = ("--model", "builtin", "--quick", "--repeats", "1")


@pytest.fixture
def peer(tmp_path: Path) -> Path:
    """A program that takes llama-server's options; it writes its process id beside itself."""
    program = tmp_path / "llama-server"
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --version ]; then echo "version: 7" >&2; exit; fi\n'
        f"echo $$ > {tmp_path}/pid\n"
        f"export DSASSIST_HOME={tmp_path}/d\n"
        f'exec {sys.executable} -m dsassist serve --model "$2" --listen "127.0.0.1:$4"\n'
    )
    program.chmod(0o755)
    return program


def test_report_without_a_peer_names_what_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["bench", "engine", *_QUICK, "--only", "decode", "--only", "streams", "--json"])
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["bench"] == "engine"
    assert code == (0 if all(figure["ok"] is not False for figure in found["figures"]) else 1)
    assert not [figure for figure in found["figures"] if "llama-server" in figure["name"]]
    assert [reason for reason in found["left_out"] if "--peer" in reason]
    assert "measuring: builtin: eight streams at once" in captured.err


def test_report_with_a_peer_has_its_version_and_the_ratio(peer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["bench", "engine", *_QUICK, "--only", "streams", "--peer", str(peer), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["settings"]["llama-server"].startswith("version: 7")
    (ratio,) = [figure for figure in found["figures"] if figure["name"].endswith("dsassist / llama-server")]
    assert ratio["bar"] == 1.0
    assert not [reason for reason in found["left_out"] if "--peer" in reason]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_bench_ends_its_servers(peer: Path, tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "dsassist", "bench", "engine", *_QUICK, "--only", "decode", "--peer", str(peer)]
    bench = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    written = tmp_path / "pid"
    try:
        deadline = time.monotonic() + LIMIT_S
        while not (written.exists() and written.read_text().strip()):
            assert bench.poll() is None, bench.communicate()
            assert time.monotonic() < deadline, "no peer was started"
            time.sleep(0.01)
        bench.send_signal(number)
        out, err = bench.communicate(timeout=LIMIT_S)
    finally:
        bench.kill()
        bench.wait()
    assert bench.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    with pytest.raises(ProcessLookupError):
        os.kill(int(written.read_text()), 0)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--peer", "/nowhere/llama-server"), 2, "--peer /nowhere/llama-server cannot be run"),
        (("--model", "qwen2.5-coder-0.5"), 2, "did you mean"),
        (("--model", "./none.gguf"), 3, "there is no file"),
        (("--repeats", "0"), 2, "allowed is a whole number from 1 to 1000"),
        (("--only", "nothing"), 2, "nothing"),
    ],
)
def test_what_cannot_be_measured_is_told_in_a_line(
    arguments: tuple[str, ...], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "engine", *arguments]) == code
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""


def test_a_peer_that_ends_at_once_is_told_with_its_last_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "llama-server"
    program.write_text("#!/bin/sh\necho out of luck >&2\nexit 4\n")
    program.chmod(0o755)
    assert main(["bench", "engine", *_QUICK, "--only", "streams", "--peer", str(program)]) == 3
    assert "llama-server ended with code 4: out of luck" in capsys.readouterr().err


def test_models_that_are_not_on_the_disk_are_left_out_with_the_command_that_gets_them() -> None:
    there, left_out = on_this_disk(("builtin", "qwen2.5-coder-1.5b", "synthetic-moe"))
    assert there == ["builtin", "synthetic-moe"]
    assert left_out == ["qwen2.5-coder-1.5b: not on this disk (dsassist model pull qwen2.5-coder-1.5b)"]
