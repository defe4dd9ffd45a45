"""A small model of ours with a large model's vocabulary drafts for that one."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from dsassist.cli import run_command

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `train` brings it)")
pytest.importorskip("tokenizers", reason="the extra `train` is not installed (tokenizers)")

from dsassist_runtime.api import CompletionRequest, EngineSettings, GenerationEnd, Sampling, TextPiece  # noqa: E402
from dsassist_runtime.engine.draft_model import DraftModel  # noqa: E402
from dsassist_runtime.engine.local import LocalEngine  # noqa: E402
from dsassist_runtime.errors import ModelUnsupported  # noqa: E402
from dsassist_runtime.llama.context import AbortFlag  # noqa: E402
from dsassist_runtime.llama.model import Model  # noqa: E402
from dsassist_train.architecture import ModelConfig, Transformer, initialize  # noqa: E402
from dsassist_train.export import export_gguf  # noqa: E402
from dsassist_train.losses import chunked_cross_entropy  # noqa: E402
from dsassist_train.tokenizer import gguf_metadata, load_tokenizer, take_over  # noqa: E402

pytestmark = pytest.mark.timeout(600)  # a busy machine takes minutes over what takes seconds

LEARNT = "for number, name in enumerate(sorted(names)):\n    print(f'{number:>3} {name}')\n"


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory, real_model: Path) -> Path:
    """A model that knows one text by heart, in the vocabulary of Qwen2.5-Coder."""
    folder = tmp_path_factory.mktemp("student")
    take_over(real_model, folder / "tokenizer.json")
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    config = ModelConfig(
        vocab_size=tokenizer.n_vocab,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        kv_lora_rank=32,
        qk_nope_head_dim=32,
        v_head_dim=32,
        intermediate_size=64,
        moe_intermediate_size=32,
        n_routed_experts=4,
        initializer_range=0.1,
    )
    model = Transformer(config)
    initialize(model, seed=1)
    ids = torch.tensor([tokenizer.encode(LEARNT)])
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several would wait for each other where tests run beside each other
    for _ in range(80):
        optimizer.zero_grad()
        hidden = model(ids[:, :-1]).hidden[0]
        loss = chunked_cross_entropy(hidden, model.output_weight, ids[0, 1:], torch.ones(ids.shape[1] - 1).bool())
        loss.backward()
        optimizer.step()
    torch.set_num_threads(n_threads)
    assert float(loss.detach()) < 0.5
    export_gguf(model, gguf_metadata(folder / "tokenizer.json"), folder / "student.gguf", "F16", name="student")
    return folder / "student.gguf"


@pytest.mark.real_model
@pytest.mark.slow
def test_it_guesses_in_the_large_models_tokens(student: Path, real_model: Path) -> None:
    with closing(Model(real_model)) as model:
        known = model.vocabulary.tokenize(LEARNT)
        with closing(DraftModel(student, model.vocabulary, 1, AbortFlag())) as draft:
            guesses = [draft.guess(known[:n], 4) for n in range(4, len(known) - 4)]
        right = sum(guess == known[n : n + len(guess)] and bool(guess) for n, guess in enumerate(guesses, 4))
        assert right > len(guesses) * 0.7, "it knows the text by heart"


@pytest.mark.slow
def test_one_is_made_by_commands_alone(builtin_model: Path, own_sources: Path, tmp_path: Path) -> None:
    """A corpus in the vocabulary of the builtin model, a run on it, and the file serves beside that model."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}))
    corpus, run, out = (str(tmp_path / name) for name in ("corpus", "run", "draft.gguf"))
    sizes = ["--config", str(config), "--batch-tokens", "512", "--lengths", "0:64", "--final-length", "64"]
    for command in (
        ["corpus", str(own_sources), "--vocab", "builtin", "--held-out", "hooks", "--out", corpus],
        ["fit", corpus, "--out", run, "--tokens", "2048", "--threads", "1", *sizes],
        ["export", run, "--out", out],
    ):
        done = run_command(["train", *command])
        assert done.exit_code == 0, done.error_message
    assert_it_changes_no_text(builtin_model, Path(out), "def total(items):\n    return")


@pytest.mark.real_model
@pytest.mark.slow
def test_the_large_model_writes_what_it_writes_alone(student: Path, real_model: Path) -> None:
    assert_it_changes_no_text(real_model, student, "names = ['b', 'a']\nfor")


def assert_it_changes_no_text(model: Path, student: Path, prompt: str) -> None:
    request = CompletionRequest(prompt=prompt, max_tokens=24, sampling=Sampling(temperature=0.0))
    texts = []
    for draft in (None, student):
        with closing(LocalEngine(EngineSettings(model, n_threads=1, draft_model_path=draft))) as engine:
            *events, end = engine.events(request)
            assert isinstance(end, GenerationEnd)
            texts.append("".join(event.text for event in events if isinstance(event, TextPiece)))
    assert texts[0] == texts[1] != ""


@pytest.mark.real_model
def test_one_of_another_vocabulary_is_refused(builtin_model: Path, real_model: Path) -> None:
    with closing(Model(real_model)) as model, pytest.raises(ModelUnsupported, match="has another vocabulary"):
        DraftModel(builtin_model, model.vocabulary, 1, AbortFlag())
