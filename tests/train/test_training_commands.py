"""`dsassist train fit` and `export`, as a person types them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from dsassist.cli import run_command

_CONFIG = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "kv_lora_rank": 32,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 8,
    "v_head_dim": 16,
    "intermediate_size": 64,
    "moe_intermediate_size": 32,
    "n_routed_experts": 4,
    "max_position_embeddings": 128,
}


def test_without_pytorch_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    """With PyTorch hidden, as `find_spec` sees a module that is None."""
    for arguments in (
        ["fit", "corpus", "--out", "run"],
        ["export", "run", "--out", "m.gguf"],
        ["finetune", "builtin", "corpus", "--out", "m.gguf"],
        ["distil", "corpus", "--teacher", "builtin", "--out", "run"],
    ):
        code = (
            "import sys; sys.modules['torch'] = None\n"
            "import importlib.util as u; found = u.find_spec\n"
            "u.find_spec = lambda name, *rest: None if name == 'torch' else found(name, *rest)\n"
            f"from dsassist.cli import main; sys.exit(main({['train', *arguments]!r}))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False, env=os.environ
        )
        assert done.returncode == 2
        assert done.stderr == (
            "dsassist: training needs PyTorch, which is not installed; "
            "install the extra: pip install 'dsassist[train]'\n"
        )


@pytest.mark.parametrize(
    ("torch", "said"),
    [
        (
            "__version__ = '2.8.0+cpu'\nclass nn:\n    class functional: pass\n",
            (
                r"another PyTorch than 2\.8\.0\+cpu, which is installed \(.* no attribute 'grouped_mm'\); "
                r"install the one that it was tested with: pip install "
            ),
        ),
        (
            "raise ImportError('libtorch.so: not found')\n",
            (
                r"PyTorch, and the one that is installed cannot be imported \(libtorch\.so: not found\); "
                r"install it anew: pip install --force-reinstall "
            ),
        ),
    ],
    ids=["older", "broken"],
)
def test_a_pytorch_that_will_not_do_is_told_with_the_version_to_install(torch: str, said: str, tmp_path: Path) -> None:
    """An older one ended in a traceback at the first step."""
    (tmp_path / "torch.py").write_text(torch)
    extra = re.search(r'"(torch==.+?)"', (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert extra
    done = subprocess.run(
        [sys.executable, "-m", "dsassist", "train", "fit", "corpus", "--out", "run"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
    )
    assert done.returncode == 2
    expected = rf"dsassist: training needs {said}'{re.escape(extra[1])}'\n"
    assert re.fullmatch(expected, done.stderr), done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "usage: scripts/train-builtin CORPUS FOLDER [OPTION]...\n"),
        (["nowhere", "run"], "scripts/train-builtin: there is no corpus nowhere; `dsassist train corpus` makes one\n"),
    ],
)
def test_the_recipe_says_what_it_lacks_before_it_sets_anything_up(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    script = Path(__file__).parents[2] / "scripts" / "train-builtin"
    done = subprocess.run([script, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
    assert list(tmp_path.iterdir()) == []


def test_the_command_table_imports_neither_pytorch_nor_numpy() -> None:
    code = "import sys, dsassist_train.command; print({'torch', 'numpy', 'tokenizers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "set()\n"


@pytest.fixture
def fit(small_corpus: Path, tmp_path: Path) -> list[str]:
    pytest.importorskip("torch", reason="PyTorch is not installed (the extra `train` brings it)")
    config = tmp_path / "config.json"
    config.write_text(json.dumps(_CONFIG))
    new = ["--config", str(config), "--batch-tokens", "512", "--lengths", "0:64", "--final-length", "128"]
    return ["train", "fit", str(small_corpus), "--out", str(tmp_path / "run"), "--threads", "1", *new]


@pytest.mark.slow
def test_a_corpus_becomes_a_model_that_llama_cpp_runs(
    fit: list[str], small_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dsassist_runtime.llama.model import Model

    assert run_command([*fit, "--tokens", "2048", "--json"]).exit_code == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["step"], told["tokens"], told["is_done"]) == (4, 2048, True)
    assert 0 < told["share_of_peak"] < 1
    assert run_command([*fit, "--tokens", "2048", "--json"]).exit_code == 0, "a run that is done stays done"
    assert json.loads(capsys.readouterr().out)["step"] == 4
    out = str(tmp_path / "model-{quant}.gguf")
    done = run_command(["train", "export", str(tmp_path / "run"), "--out", out, "--quant", "F16", "--quant", "q8_0"])
    assert done.exit_code == 0, done.error_message
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["F16", "Q8_0"]
    with closing(Model(tmp_path / "model-q8_0.gguf")) as model:
        assert model.metadata("general.name") == "run"
        assert model.vocabulary.fim is not None


@pytest.mark.slow
def test_a_run_that_is_stopped_before_its_first_step_says_so_and_goes_on_later(
    fit: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = [*fit, "--tokens", "512", "--minutes", "1e-12"]
    assert run_command([*stopped, "--json"]).exit_code == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["step"], told["is_done"], told["loss"], told["tokens_s"]) == (0, False, None, 0.0)
    assert run_command(stopped).exit_code == 0
    assert "step 0, 0 of 512 tokens; no step was made now" in capsys.readouterr().out
    assert run_command([*fit, "--tokens", "512", "--json"]).exit_code == 0
    assert json.loads(capsys.readouterr().out)["is_done"]


def test_a_log_that_finds_no_room_does_not_end_a_run(
    fit: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").symlink_to("/dev/full")  # every write there finds no space left
    done = run_command([*fit, "--tokens", "5120", "--json"])
    assert done.exit_code == 0, done.error_message
    assert json.loads(capsys.readouterr().out)["step"] == 10


def test_another_configuration_is_refused(fit: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([*fit, "--tokens", "512"]).exit_code == 0
    done = run_command([*fit, "--tokens", "512", "--muon-lr", "0.5"])
    assert done.exit_code == 2
    assert "last.pt was trained with another configuration (muon_lr differ)" in done.error_message
    (tmp_path / "run" / "tokenizer.json").write_text("{}")
    done = run_command(["train", "export", str(tmp_path / "run"), "--out", str(tmp_path / "m.gguf")])
    assert done.exit_code == 2
    assert "is not the tokenizer that last.pt was trained with" in done.error_message


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["fit", "nowhere", "--out", "run"], 2, "nowhere"),
        (["export", "nowhere.pt", "--out", "m.gguf"], 3, "there is no checkpoint nowhere.pt"),
        (["export", "run", "--out", "m.gguf", "--quant", "Q9"], 2, "there is no quantisation 'Q9'"),
        (["export", "run", "--out", "m", "--quant", "F16", "--quant", "Q8_0"], 2, "write {quant} into its name"),
        (["fit", "corpus", "--out", "run", "--lengths", "x"], 2, "'x' is no list of lengths"),
        (["fit", "corpus", "--out", "run", "--threads", "-1"], 2, "'-1' is not allowed"),
        (["fit", "corpus", "--out", "run", "--minutes", "0"], 2, "'0' is not allowed; allowed is a number of minutes"),
        (["fit", "corpus", "--out", "run", "--minutes", "nan"], 2, "'nan' is not allowed"),
        (["fit", "corpus", "--out", "run", "--save-every", "inf"], 2, "'inf' is not allowed"),
        (["fit", "corpus", "--out", "run", "--save-every", "-1"], 2, "'-1' is not allowed"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    arguments: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (the extra `train` brings it)")
    monkeypatch.chdir(tmp_path)
    done = run_command(["train", *arguments])
    assert (done.exit_code, said in done.error_message) == (code, True), done.error_message


def test_a_model_that_llama_cpp_would_not_run_is_refused_before_it_is_trained(fit: list[str], tmp_path: Path) -> None:
    """It was refused by the export, after all the training."""
    (tmp_path / "config.json").write_text(json.dumps({**_CONFIG, "num_hidden_layers": 27, "q_lora_rank": 16}))
    done = run_command([*fit, "--tokens", "512", "--minutes", "1e-9"])
    assert done.exit_code == 2
    assert "takes a model of 27 layers for V2-Lite" in done.error_message
    assert not (tmp_path / "run" / "last.pt").exists()


def test_two_runs_do_not_work_in_one_folder(fit: list[str], tmp_path: Path) -> None:
    from dsassist_train.sitting import locked_run

    with locked_run(tmp_path / "run"):
        done = run_command([*fit, "--tokens", "512"])
        assert done.exit_code == 3
        assert f"another run is at work in {tmp_path / 'run'}; wait for its end, or" in done.error_message
    assert not (tmp_path / "run" / "last.pt").exists()
    assert run_command([*fit, "--tokens", "512"]).exit_code == 0


@pytest.mark.slow
def test_a_terminal_shows_how_far_it_is_and_how_long_it_will_take(fit: list[str]) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))
    every_step = {**os.environ, "TQDM_MININTERVAL": "0"}  # however quick the machine is
    run = [sys.executable, "-m", "dsassist", *fit, "--tokens", "2048"]
    shown = ""
    with subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=theirs, env=every_step) as process:
        os.close(theirs)
        with suppress(OSError):  # Linux ends so where nobody writes any more
            while piece := os.read(ours, 1 << 16):
                shown += piece.decode(errors="replace")
    os.close(ours)
    assert process.returncode == 0, shown
    done = r"train: +50%\|.+\| 1\.02k/2\.05k \[\d\d:\d\d<\d\d:\d\d,"
    found = re.search(done + r".+loss \d\.\d{3}, busiest expert \d\.\d\dx, [\d,]+ tokens/s\]", shown)
    assert found, shown


def test_a_run_that_is_killed_loses_its_lock(tmp_path: Path) -> None:
    from dsassist_runtime.errors import NotDone
    from dsassist_train.sitting import locked_run

    code = (
        "import sys; from pathlib import Path; from dsassist_train.sitting import locked_run\n"
        "with locked_run(Path(sys.argv[1])): print('locked', flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "run")], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        with pytest.raises(NotDone, match="another run is at work"), locked_run(tmp_path / "run"):
            pass
        process.kill()
        process.wait()
        with locked_run(tmp_path / "run"):
            pass


def _stopped(command: list[str], log: Path, number: signal.Signals) -> dict[str, Any]:
    """What a run tells that is sent a signal as soon as it has logged a step more than were logged before."""

    def n_logged() -> int:
        return len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0

    before, said = n_logged(), log.parent.with_suffix(".stderr")
    run = [sys.executable, "-m", "dsassist", *command, "--json"]
    with (
        said.open("w", encoding="utf-8") as error,
        subprocess.Popen(run, stdout=subprocess.PIPE, stderr=error, text=True, env=os.environ) as process,
    ):
        try:
            while n_logged() == before and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(number)
            out, _ = process.communicate()
        finally:
            process.kill()  # one that obeys no signal would never end
    told = said.read_text(encoding="utf-8")
    assert process.returncode == 130, told
    assert "Traceback" not in told
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.mark.slow
def test_a_run_that_is_stopped_by_signals_equals_one_that_was_not(fit: list[str], tmp_path: Path) -> None:
    """Ctrl-C, then SIGTERM, of a real process: each time the step is finished and saved, and the same command goes on.

    The total is out of reach, so that however quick the machine is the signal comes before the end; the rate stays, and
    so the whole run is one that ends where the other was stopped.
    """
    from dsassist_train.checkpoint import LAST, load_checkpoint

    steady = [*fit, "--decay-share", "0", "--warmup-tokens", "8192"]
    stopped = [*steady, "--tokens", "1000000000"]
    log = tmp_path / "run" / "log.jsonl"
    first = _stopped(stopped, log, signal.SIGINT)
    second = _stopped(stopped, log, signal.SIGTERM)
    assert 10 <= first["step"] < second["step"]
    assert (first["is_done"], second["is_done"]) == (False, False)
    whole = [str(tmp_path / "whole") if each == str(tmp_path / "run") else each for each in steady]
    assert run_command([*whole, "--tokens", str(second["tokens"])]).exit_code == 0
    one, two = (load_checkpoint(tmp_path / name / LAST) for name in ("whole", "run"))
    assert (one.step, one.tokens, one.position) == (two.step, two.tokens, two.position)
    assert two.step == second["step"]
    assert all(weight.equal(two.model[name]) for name, weight in one.model.items())
    momenta = two.optimizer["momenta"]
    assert all(momentum.equal(momenta[name]) for name, momentum in one.optimizer["momenta"].items())


@pytest.mark.slow
def test_the_loss_of_each_quantisation_is_told_on_the_same_texts(
    fit: list[str], small_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.json"  # weights that are large enough for rounding to be seen
    config.write_text(json.dumps({**_CONFIG, "initializer_range": 0.3}))
    assert run_command([*fit, "--tokens", "512", "--json"]).exit_code == 0
    out, quants = str(tmp_path / "m-{quant}.gguf"), ["--quant", "Q8_0", "--quant", "Q4_0"]
    capsys.readouterr()
    export = ["train", "export", str(tmp_path / "run"), "--out", out, *quants]
    done = run_command([*export, "--corpus", str(small_corpus), "--windows", "4"])
    assert done.exit_code == 0, done.error_message
    *files, whole, eight, four = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in files] == ["Q8_0", "Q4_0"]
    assert re.fullmatch(r"F16: (\d+\.\d{4}) bits per byte", whole)
    bits = float(whole.split()[1])
    for line, name, most in ((eight, "Q8_0", 0.1), (four, "Q4_0", 1.0)):
        found = re.fullmatch(name + r": (\S+) bits per byte \((\S+), (\S+) to (\S+)\)", line)
        assert found, line
        here, more, least, upper = map(float, found.groups())
        assert here - bits == pytest.approx(more, abs=2e-4)
        assert least <= more <= upper
        assert abs(more) < most, line  # nearly the same model
    assert more != 0.0, "and yet another file"
    assert sorted(path.name for path in tmp_path.glob("*.gguf")) == ["m-q4_0.gguf", "m-q8_0.gguf"]
