"""`dsassist train carve`, as a person types it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path

import pytest

from asked import Asked, finish
from dsassist.cli import run_command
from dsassist_runtime.api import EngineSettings, InfillRequest
from dsassist_runtime.engine.local import LocalEngine
from dsassist_runtime.gguf import read_header
from dsassist_runtime.models.store import BUILTIN_PATH
from dsassist_train import carve_command
from train.carving.dense_files import write_dense

_OWN_CODE = Path(__file__).parents[3] / "runtime" / "dsassist_runtime"


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="PyTorch is not installed (the extra `train` brings it)")
    return write_dense(tmp_path_factory.mktemp("dense") / "dense.gguf", "qwen2")


def command(dense: Path, out: Path, *more: str) -> list[str]:
    corpus = ["--corpus", str(_OWN_CODE / "llama"), "--tokens", "4096"]
    return ["train", "carve", str(dense), "--out", str(out), *corpus, "--experts", "6", "--shared", "2", *more]


def test_the_engine_writes_with_a_carved_model(dense: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "carved.gguf"
    assert run_command(command(dense, out, "--top-k", "3", "--json")).exit_code == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["experts"], figures["shared_neurons"], figures["top_k"]) == (6, 64, 3)
    assert figures["corrected"]
    assert figures["tokens"] == 4096
    assert all(0 < lost <= before < 1 for lost, before in zip(figures["lost"], figures["lost_before"], strict=True))
    assert figures["mb"] == round(out.stat().st_size / 1e6, 1)
    header = read_header(out)
    assert header.text("dsassist.carve.source") == "Small dense"
    assert header.metadata["dsassist.carve.corrected"] is True
    with closing(LocalEngine(EngineSettings(out, n_threads=1))) as engine:
        assert (engine.facts().n_experts, engine.facts().n_experts_used) == (6, 3)
        asked = Asked(engine, InfillRequest("def f(x):\n    return ", "\n", max_tokens=4, trace_experts=True))
        finish(engine)
    first, _last = asked.end.routing
    assert sum(first.counts) >= 3 * asked.end.prompt_tokens


def test_the_help_says_which_files_may_be_run_with_another_number_of_experts() -> None:
    """It promised that of all that are not corrected, and of a Llama's the chosen weights are made to sum to 1."""
    parser = ArgumentParser()
    carve_command.add_arguments(parser)
    (told,) = (action.help for action in parser._actions if action.dest == "corrects")
    assert told is not None
    assert re.search(r"qwen2moe\) such a file may .*another number.*granitemoe\) is for its own", told)


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--top-k", "7"], 2, "--top-k is 7, and there are 6 experts"),
        (["--shared", "3"], 2, "layers of 256 neurons cannot be split into 6 experts and 3 shared ones"),
        (["--experts", "8", "--shared", "0"], 2, "llama.cpp's mixture of Qwen2 has a shared expert"),
        (["--quant", "Q9_9"], 2, "there is no type 'Q9_9' to store feed-forwards as; choose of keep, F32"),
        (["--tokens", "4095"], 2, "'4095' is not allowed; allowed is a whole number from 4096 to"),
        (["--corpus", "/nowhere"], 2, "--corpus /nowhere is no folder; name one with source code"),
    ],
)
def test_a_wrong_option_is_told_in_a_sentence(
    dense: Path, tmp_path: Path, more: list[str], code: int, message: str
) -> None:
    outcome = run_command(command(dense, tmp_path / "carved.gguf", *more))
    assert outcome.exit_code == code
    assert message in outcome.error_message
    assert not list(tmp_path.iterdir())


def test_a_mixture_is_not_carved_again(dense: Path, tmp_path: Path) -> None:
    outcome = run_command(command(BUILTIN_PATH, tmp_path / "carved.gguf"))
    assert outcome.exit_code == 3
    assert outcome.error_message.endswith("experts already; name a dense model")


def test_too_little_code_is_told(dense: Path, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "small.py").write_text("def small() -> int:\n    return 1\n" * 40)
    arguments = command(dense, tmp_path / "carved.gguf")
    arguments[arguments.index("--corpus") + 1] = str(tmp_path / "src")
    outcome = run_command(arguments)
    assert outcome.exit_code == 2
    assert "the corpus has" in outcome.error_message
    assert "8 are the least; name more folders" in outcome.error_message


def test_the_model_itself_and_folders_are_not_written_over(dense: Path, tmp_path: Path) -> None:
    for out, message in ((dense, "is the model itself"), (tmp_path, "is a folder; name a file in it")):
        outcome = run_command(command(dense, out))
        assert outcome.exit_code == 2
        assert message in outcome.error_message


@pytest.mark.slow
def test_a_disk_that_takes_no_more_leaves_nothing_behind(dense: Path, tmp_path: Path) -> None:
    """A limit of the process stands in for the disk: the kernel refuses the write as it does there."""
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        f"from dsassist.cli import main; sys.exit(main({command(dense, tmp_path / 'carved.gguf')!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 3, done.stderr
    assert "cannot write" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_ends_it_finds_no_half_file(dense: Path, tmp_path: Path, number: signal.Signals) -> None:
    run = [sys.executable, "-m", "dsassist", *command(dense, tmp_path / "carved.gguf")]
    with subprocess.Popen(run, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "2 layers of 256 neurons" in line:
                break
        process.send_signal(number)
        process.communicate()
    assert process.returncode == 130
    assert not list(tmp_path.iterdir())


def test_without_pytorch_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    """With PyTorch hidden, as `find_spec` sees a module that is None."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import importlib.util as u; found = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'torch' else found(name, *rest)\n"
        f"from dsassist.cli import main; sys.exit(main({command(tmp_path / 'no.gguf', tmp_path / 'carved.gguf')!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 2
    assert done.stderr.endswith("install the extra: pip install 'dsassist[train]'\n")
