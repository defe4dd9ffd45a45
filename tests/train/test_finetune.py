"""`dsassist train finetune`: a model of ours learns the user's code, in all its weights or in an adapter."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `train` brings it)")

from dsassist.cli import run_command  # noqa: E402
from dsassist_runtime.errors import NotDone  # noqa: E402
from dsassist_runtime.gguf import read_header  # noqa: E402
from dsassist_runtime.lora import check_fits, read_adapter  # noqa: E402
from dsassist_train.architecture import Transformer, initialize  # noqa: E402
from dsassist_train.checkpoint import LAST, load_checkpoint, load_model  # noqa: E402
from dsassist_train.export import export_gguf  # noqa: E402
from dsassist_train.importing import import_gguf  # noqa: E402
from dsassist_train.lora import LowRank, add_adapters  # noqa: E402
from dsassist_train.packing.folder import CorpusFolder  # noqa: E402
from dsassist_train.sitting import locked_run  # noqa: E402
from dsassist_train.tokenizer import gguf_metadata  # noqa: E402
from dsassist_train.training import Trainer  # noqa: E402
from train.test_importing import SMALL  # noqa: E402
from train.test_training import CONFIG, CPU, SETTINGS, run  # noqa: E402

pytestmark = pytest.mark.timeout(600)  # a busy machine takes minutes over what takes seconds

_ROOT = Path(__file__).parents[2]
_QUICK = ["--tokens", "20480", "--batch-tokens", "512", "--length", "128", "--warmup-tokens", "1024", "--threads", "1"]


@pytest.fixture(scope="module")
def tiny(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of ours that knows nothing yet."""
    path, model = tmp_path_factory.mktemp("tiny") / "tiny.gguf", Transformer(replace(SMALL, initializer_range=0.1))
    initialize(model, seed=1)
    export_gguf(model, gguf_metadata(small_corpus / "tokenizer.json"), path, "F16", name="tiny", fim_orders=("psm",))
    return path


def finetune(*arguments: object) -> tuple[int, str]:
    done = run_command(["train", "finetune", *map(str, arguments)])
    return done.exit_code, done.error_message


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One project, without a licence: of its files some are held out."""
    for name in ("engine", "server"):
        shutil.copytree(_ROOT / "runtime/dsassist_runtime" / name, tmp_path / "repository" / name)
    (tmp_path / "repository" / "pyproject.toml").write_text("[project]\nname = 'mine'\n")
    return tmp_path / "repository"


@pytest.mark.slow
def test_held_out_files_of_a_repository_take_fewer_bits_afterwards(
    tiny: Path,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    out = Path("mine.gguf")
    options = [*_QUICK, "--muon-lr", "0.02", "--adamw-lr", "0.01", "--windows", "6", "--json"]
    assert finetune(tiny, repository, "--out", out, *options) == (0, "")
    told = json.loads(capsys.readouterr().out)
    before, after = told["held_out"]["before"], told["held_out"]["after"]
    assert after["bits"] < before["bits"] - 0.5
    assert after["most"] < 0, "the whole interval of the difference lies below"
    learnt = import_gguf(out)
    assert (learnt.name, learnt.fim_orders) == ("mine", ("psm",))
    assert finetune(tiny, repository, "--out", out, "--windows", "1", "--json") == (0, ""), "a run that is done stays"
    assert json.loads(capsys.readouterr().out)["tokens_s"] == 0.0
    code, said = finetune(tiny, repository / "engine", "--out", out)
    assert (code, "has learnt other sources than" in said) == (2, True), said


@pytest.mark.slow
def test_an_adapter_is_learnt_alone_and_serves_with_its_model(
    tiny: Path, small_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "mine.gguf"
    options = [*_QUICK, "--adamw-lr", "0.02", "--lora", "8", "--windows", "6", "--json"]
    assert finetune(tiny, small_corpus, "--out", out, *options) == (0, "")
    told = json.loads(capsys.readouterr().out)
    assert told["held_out"]["after"]["bits"] < told["held_out"]["before"]["bits"] - 0.1
    assert told["held_out"]["after"]["most"] < 0
    adapter = read_adapter(out)
    check_fits(adapter, read_header(tiny))
    assert (adapter.rank, adapter.base_name) == (8, "tiny")
    before, after = import_gguf(tiny).model.state_dict(), load_checkpoint(tmp_path / "mine.run" / LAST).model
    frozen = {name: weight for name, weight in after.items() if "parametrizations" not in name}
    assert all(torch.equal(weight, before[name]) for name, weight in frozen.items())
    code, said = finetune(tiny, small_corpus, "--out", out, "--lora", "4")
    assert (code, "another configuration (lora_rank differ)" in said) == (2, True)


def adapted() -> Transformer:
    model = Transformer(CONFIG)
    initialize(model, seed=3)
    add_adapters(model, 4, seed=3)
    return model


@pytest.mark.slow
def test_an_interrupted_adapter_equals_an_uninterrupted_one_bit_for_bit(small_corpus: Path, tmp_path: Path):
    settings = replace(SETTINGS, lora_rank=4, bias_rate=0.0)
    run(Trainer(small_corpus, CONFIG, settings, CPU, model=adapted()), tmp_path / "whole")
    for n_steps in (1, 3, 1000):
        part = Trainer(small_corpus, CONFIG, settings, CPU, model=adapted())
        if (tmp_path / "parts" / LAST).exists():
            part.restore(load_checkpoint(tmp_path / "parts" / LAST), tmp_path / "parts" / LAST)
        run(part, tmp_path / "parts", n_steps)
    one, two = (load_checkpoint(tmp_path / name / LAST) for name in ("whole", "parts"))
    assert one.step == two.step == 8
    assert all(torch.equal(weight, two.model[name]) for name, weight in one.model.items())
    with pytest.raises(NotDone, match=r"last\.pt is an adapter's .*, and no model's"):
        load_model(tmp_path / "whole" / LAST)
    model = adapted()
    model.load_state_dict(one.model)
    assert all(module.b.any() for module in model.modules() if isinstance(module, LowRank)), "all have learnt"


@pytest.mark.slow
@pytest.mark.parametrize("lora", [(), ("--lora", "4")], ids=["whole", "adapter"])
def test_bugs_are_learnt_beside_the_text_and_told_of(
    tiny: Path, small_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], lora: tuple[str, ...]
):
    bugs = ("--bugs", "0.25", "--batch-tokens", "2048", "--length", "512", "--threads", "1", "--windows", "0", *lora)
    assert finetune(tiny, small_corpus, "--out", tmp_path / "m.gguf", *bugs, "--tokens", "4096", "--json") == (0, "")
    assert 0.0 <= json.loads(capsys.readouterr().out)["preferred"] <= 1.0
    assert load_checkpoint(tmp_path / "m.run" / LAST).settings.bug_share == 0.25
    assert finetune(tiny, small_corpus, "--out", tmp_path / "m.gguf", "--bugs", "0.5")[0] == 2, "another run"
    assert finetune(tiny, small_corpus, "--out", tmp_path / "n.gguf", *bugs, "--minutes", "0.05") == (0, "")
    text = sum(each.end - each.start for each in CorpusFolder(small_corpus).documents if each.split == "train")
    assert load_checkpoint(tmp_path / "n.run" / LAST).settings.total_tokens == 2 * text * 4 // 3, (
        "the text is read twice, still"
    )
    assert "originals preferred to bugs" in capsys.readouterr().out


def test_what_cannot_be_done_is_said_in_a_sentence(tiny: Path, small_corpus: Path, builtin_model: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    for arguments, expected, sentence in (
        (("gone.gguf", small_corpus, "--out", "m.gguf"), 3, "there is no file"),
        ((tmp_path, small_corpus, "--out", "m.gguf"), 3, "there is no checkpoint"),
        ((tiny, small_corpus, "--out", "m.bin"), 2, "--out m.bin is to be a GGUF file; call it m.gguf"),
        ((tiny, small_corpus, "--out", "."), 2, "--out . is to be a GGUF file"),
        ((tiny, small_corpus, "--out", "m.gguf", "--quant", "Q9"), 2, "there is no quantisation 'Q9'"),
        ((builtin_model, small_corpus, "--out", tmp_path / "m.gguf"), 2, "has another vocabulary than dsassist"),
        ((tiny, tmp_path / "gone", "--out", tmp_path / "m.gguf"), 2, "gone is no folder; name a repository"),
        ((tiny, tmp_path / "empty", "--out", tmp_path / "m.gguf"), 2, "bytes in 0 files"),
        ((tiny, small_corpus, "--out", tmp_path / "m.gguf", "--lora", "0"), 2, "'0' is not allowed"),
        ((tiny, small_corpus, "--out", tmp_path / "m.gguf", "--length", "32"), 2, "32 tokens are too short"),
        ((tiny, small_corpus, "--out", tmp_path / "m.gguf", "--bugs", "1"), 2, "at least 0 and less than 1 (--bugs)"),
        ((tiny, small_corpus, "--out", tmp_path / "m.gguf", "--length", "2048"), 2, "max_position_embeddings is 1024"),
    ):
        code, said = finetune(*arguments)
        assert (code, sentence in said) == (expected, True), said


def test_the_model_itself_is_not_written_over(tiny: Path, small_corpus: Path, tmp_path: Path):
    """It was, and then scored against itself; with --lora the model was lost."""
    model = tmp_path / "model.gguf"
    shutil.copyfile(tiny, model)
    (tmp_path / "link.gguf").symlink_to(model)
    for out in (model, tmp_path / "link.gguf"):
        code, said = finetune(model, small_corpus, "--out", out, "--lora", "4", "--minutes", "1e-9")
        assert (code, f"--out {out} is the model itself; name another file" in said) == (2, True), said
    assert model.read_bytes() == tiny.read_bytes()
    assert not (tmp_path / "model.run").exists()


def test_a_folder_in_which_another_run_is_at_work_is_left_alone(tiny: Path, small_corpus: Path, tmp_path: Path):
    with locked_run(tmp_path / "mine.run"):
        code, said = finetune(tiny, small_corpus, "--out", tmp_path / "mine.gguf", "--minutes", "1e-9")
    assert (code, f"another run is at work in {tmp_path / 'mine.run'}" in said) == (3, True), said


def test_a_second_sitting_says_of_when_its_corpus_is_and_takes_no_other_source(
    tiny: Path, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """A folder above the source passed for it, and new code was never read without a word."""
    out, run_folder = tmp_path / "mine.gguf", tmp_path / "mine.run"
    short = ["--out", out, *_QUICK, "--minutes", "1e-9"]
    assert finetune(tiny, repository, *short) == (0, "")
    assert "going on with the corpus" not in capsys.readouterr().err
    os.utime(run_folder / "corpus" / "documents.json", (86_400 * 365, 86_400 * 365))
    assert finetune(tiny, repository, *short) == (0, "")
    said = capsys.readouterr().err
    assert f"going on with the corpus that was made of {repository} at 197" in said
    assert f"to read it anew, name another --out, or delete {run_folder}" in said
    for other in (tmp_path, repository / "engine"):
        code, said = finetune(tiny, other, *short)
        assert (code, f"mine.run has learnt other sources than {other}" in said) == (2, True), said


def test_a_loss_that_is_no_number_leaves_no_file(tiny: Path, small_corpus: Path, tmp_path: Path):
    out = tmp_path / "mine.gguf"
    code, said = finetune(tiny, small_corpus, "--out", out, *_QUICK, "--muon-lr", "1e20", "--adamw-lr", "1e20")
    assert (code, "training stops" in said) == (3, True), said
    assert not out.exists()
