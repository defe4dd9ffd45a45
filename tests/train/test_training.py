"""Training goes on exactly where it stopped, stops where it must, and never loses a good checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `train` brings it)")

from dsassist_runtime.errors import DsassistError, NotDone  # noqa: E402
from dsassist_train.architecture import ModelConfig  # noqa: E402
from dsassist_train.checkpoint import LAST, STABLE, load_checkpoint, load_model, save_checkpoint  # noqa: E402
from dsassist_train.optimizers import orthogonalized  # noqa: E402
from dsassist_train.settings import TrainingSettings  # noqa: E402
from dsassist_train.training import Diverged, Trainer, fit  # noqa: E402

CPU = torch.device("cpu")
CONFIG = ModelConfig(
    vocab_size=1500,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    kv_lora_rank=16,
    qk_nope_head_dim=8,
    qk_rope_head_dim=8,
    v_head_dim=16,
    intermediate_size=48,
    moe_intermediate_size=16,
    n_routed_experts=4,
    num_experts_per_tok=2,
    topk_method="noaux_tc",
)
SETTINGS = TrainingSettings(
    total_tokens=8 * 512,
    batch_tokens=512,
    micro_tokens=256,
    lengths=((0, 64), (1024, 128)),
    final_length=256,
    warmup_tokens=1024,
    decay_share=0.5,
)


def trainer_on(corpus: Path, settings: TrainingSettings = SETTINGS, config: ModelConfig = CONFIG) -> Trainer:
    return Trainer(corpus, config, settings, CPU)


def run(trainer: Trainer, folder: Path, n_steps: int = 1000, save_every_s: float = 1e9):
    folder.mkdir(exist_ok=True)
    results, warnings = [], []
    done = fit(
        trainer,
        folder,
        on_step=results.append,
        on_warning=warnings.append,
        should_stop=lambda: len(results) >= n_steps,
        save_every_s=save_every_s,
    )
    return done, results, warnings


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "f32"])
def test_an_interrupted_run_equals_an_uninterrupted_one_bit_for_bit(precision, small_corpus, tmp_path):
    settings = replace(SETTINGS, precision=precision)
    whole = trainer_on(small_corpus, settings)
    assert run(whole, tmp_path / "whole")[0]
    results = []
    for n_steps in (1, 2, 3, 1000):  # a new process each time would know no more than this trainer does
        part = trainer_on(small_corpus, settings)
        if results:
            part.restore(load_checkpoint(tmp_path / "parts" / LAST), tmp_path / "parts" / LAST)
        results += run(part, tmp_path / "parts", n_steps)[1]
    assert [result.length for result in results] == [64, 64, 128, 128, 256, 256, 256, 256]
    one, two = (load_checkpoint(tmp_path / name / LAST) for name in ("whole", "parts"))
    assert (one.step, one.tokens, one.position) == (two.step, two.tokens, two.position)
    assert one.step == 8
    for name, weight in one.model.items():
        assert torch.equal(weight, two.model[name]), name
    for name, momentum in one.optimizer["momenta"].items():
        assert torch.equal(momentum, two.optimizer["momenta"][name]), name
    assert any(bias.any() for name, bias in one.model.items() if "bias" in name)


def test_training_lowers_the_loss(small_corpus, tmp_path):
    settings = replace(SETTINGS, total_tokens=90 * 512, decay_share=0.2, lengths=((0, 128),), final_length=128)
    _, results, _ = run(trainer_on(small_corpus, settings), tmp_path / "run")
    first, last = (sum(result.loss for result in part) / 5 for part in (results[:5], results[-5:]))
    assert first == pytest.approx(7.3, abs=0.4), "about even over 1,500 tokens"
    assert last < first - 1.0
    assert all(result.imbalance >= 1.0 for result in results)


def test_batches_in_parts_give_the_gradients_of_the_whole(small_corpus):
    config = replace(CONFIG, topk_method="greedy")
    results, weights = [], []
    for micro_tokens in (512, 128):
        trainer = trainer_on(small_corpus, replace(SETTINGS, precision="f32", micro_tokens=micro_tokens), config)
        results.append([trainer.step().loss for _ in range(2)])
        weights.append(trainer.model.embed_tokens.weight)
    assert results[0] == pytest.approx(results[1], rel=1e-4)
    torch.testing.assert_close(weights[0], weights[1], atol=2e-4, rtol=0)


def test_a_loss_that_is_no_number_stops_the_run_with_its_step_and_the_last_good_checkpoint(small_corpus, tmp_path):
    settings = replace(SETTINGS, adamw_lr=1e38, warmup_tokens=0, precision="f32")
    with pytest.raises(Diverged, match=rf"in step 2, after 512 tokens.*last good checkpoint is .*{LAST}.*lower"):
        run(trainer_on(small_corpus, settings), tmp_path / "run", save_every_s=0.0)
    assert load_checkpoint(tmp_path / "run" / LAST).step == 1


def test_a_disk_that_fills_leaves_the_checkpoint_before(small_corpus, tmp_path):
    trainer, path = trainer_on(small_corpus), tmp_path / LAST
    trainer.step()
    save_checkpoint(trainer.checkpoint(), path)
    trainer.step()
    (tmp_path / f".{LAST}.part").symlink_to("/dev/full")  # every write there finds no space left
    with pytest.raises(NotDone, match=r"cannot write the checkpoint .*; make room; the one before is kept"):
        save_checkpoint(trainer.checkpoint(), path)
    assert load_checkpoint(path).step == 1
    assert [each.name for each in tmp_path.iterdir()] == [LAST]
    (tmp_path / f".{LAST}.part").symlink_to("/dev/full")
    _, results, warnings = run(trainer, tmp_path, n_steps=2, save_every_s=0.0)
    assert len(results) == 2, "a full disk on the way does not end the run"
    assert len(warnings) == 1
    assert "make room" in warnings[0]
    assert load_checkpoint(path).step == 4


def test_the_state_before_the_rate_falls_is_kept_and_goes_on_to_a_larger_total(small_corpus, tmp_path):
    run(trainer_on(small_corpus), tmp_path / "run")
    stable = load_checkpoint(tmp_path / "run" / STABLE)
    assert stable.tokens == SETTINGS.decay_start == 2048
    longer = trainer_on(small_corpus, replace(SETTINGS, total_tokens=12 * 512))
    longer.restore(stable, tmp_path / "run" / STABLE)
    assert [longer.step().rate for _ in range(3)] == [1.0, 1.0, 1.0]
    with pytest.raises(DsassistError, match=f"falling already.*or go on from {STABLE}"):
        longer.restore(load_checkpoint(tmp_path / "run" / LAST), tmp_path / "run" / LAST)
    (tmp_path / "run" / STABLE).unlink()
    with pytest.raises(DsassistError, match=r"falling already.*its total stays 4096 tokens$"):
        longer.restore(load_checkpoint(tmp_path / "run" / LAST), tmp_path / "run" / LAST)


def test_the_state_at_which_the_rate_falls_goes_on_also_where_that_is_no_multiple_of_a_batch(small_corpus, tmp_path):
    """It was refused as one whose rate is falling, though all its steps were made before."""
    settings = replace(SETTINGS, total_tokens=8 * 512 + 300)
    run(trainer_on(small_corpus, settings), tmp_path / "run", n_steps=6)
    stable = load_checkpoint(tmp_path / "run" / STABLE)
    assert (stable.tokens, settings.decay_start) == (5 * 512, 2198)
    longer = trainer_on(small_corpus, replace(settings, total_tokens=12 * 512))
    longer.restore(stable, tmp_path / "run" / STABLE)
    assert longer.step().rate == 1.0
    with pytest.raises(DsassistError, match="falling already"):
        longer.restore(load_checkpoint(tmp_path / "run" / LAST), tmp_path / "run" / LAST)


@pytest.mark.parametrize("change", [{"lengths": ((0, 63), (1024, 128))}, {"final_length": 16}])
def test_sequences_too_short_to_pack_are_refused_before_the_first_step(change, small_corpus):
    with pytest.raises(DsassistError, match=r"sequences of (63|16) tokens are too short, 64 are the least"):
        trainer_on(small_corpus, replace(SETTINGS, **change))


@pytest.mark.parametrize(
    ("settings", "config", "said"),
    [
        (replace(SETTINGS, muon_lr=0.5), CONFIG, r"another configuration \(muon_lr differ\)"),
        (SETTINGS, replace(CONFIG, num_hidden_layers=3), r"another configuration \(num_hidden_layers differ\)"),
    ],
)
def test_a_checkpoint_of_another_configuration_is_refused_by_what_differs(settings, config, said, small_corpus):
    checkpoint = trainer_on(small_corpus).checkpoint()
    with pytest.raises(DsassistError, match=said):
        trainer_on(small_corpus, settings, config).restore(checkpoint, Path("run/last.pt"))


def test_a_checkpoint_tells_all_that_its_model_needs(small_corpus, tmp_path):
    trainer = trainer_on(small_corpus)
    trainer.step()
    save_checkpoint(trainer.checkpoint(), tmp_path / LAST)
    model, checkpoint = load_model(tmp_path / LAST)
    assert (checkpoint.config, checkpoint.settings) == (CONFIG, SETTINGS)
    tokens = torch.arange(40)[None]
    with torch.no_grad():
        assert torch.equal(model.logits(tokens), trainer.model.logits(tokens))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file", b"\x80\x04."])
def test_a_damaged_checkpoint_is_named(content, tmp_path):
    (tmp_path / LAST).write_bytes(content)
    with pytest.raises(NotDone, match=rf"{LAST} is no checkpoint, or a damaged one"):
        load_checkpoint(tmp_path / LAST)


ONE_OF_FOUR = replace(CONFIG, num_experts_per_tok=1)


def imbalances(corpus: Path, config: ModelConfig, bias_rate: float = 0.0, n_steps: int = 10) -> list[float]:
    """Of some steps that begin with a router which sends nearly all tokens to the first expert."""
    settings = replace(SETTINGS, precision="f32", batch_tokens=256, bias_rate=bias_rate, warmup_tokens=0)
    trainer = trainer_on(corpus, settings, config)
    common = torch.ones(config.hidden_size)
    with torch.no_grad():  # what all tokens have in common is what the first expert is chosen by
        trainer.model.embed_tokens.weight.mul_(10.0).add_(0.2 * common)
        trainer.model.layers[1].mlp.gate.weight.mul_(10.0)[0] += 0.1 * common
    return [trainer.step().imbalance for _ in range(n_steps)]


@pytest.fixture(scope="module")
def unbalanced(small_corpus) -> list[float]:
    """Of the router that nothing moves towards an even load."""
    found = imbalances(small_corpus, replace(ONE_OF_FOUR, aux_loss_alpha=0.0))
    assert min(found) > 2.5, "of 4, if one expert had all tokens"
    return found


def test_the_bias_of_the_choice_evens_the_load(small_corpus, unbalanced):
    """With the sign of its movement turned, every other test passed."""
    moved = imbalances(small_corpus, replace(ONE_OF_FOUR, aux_loss_alpha=0.0), bias_rate=0.05)
    assert moved[0] == unbalanced[0], "it moves after a step"
    assert max(moved[-3:]) < 2.2


@pytest.mark.parametrize("by_sequence", [True, False])
def test_the_balance_loss_evens_the_load(by_sequence, small_corpus, unbalanced):
    config = replace(ONE_OF_FOUR, topk_method="greedy", aux_loss_alpha=1.0, seq_aux=by_sequence)
    balanced = imbalances(small_corpus, config)
    assert balanced[0] == unbalanced[0]
    assert max(balanced[-3:]) < 2.2


def test_muon_brings_singular_values_near_one():
    matrices = torch.randn(3, 40, 24, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonalized(matrices))
    assert values.min() > 0.3
    assert values.max() < 1.3
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    assert torch.cosine_similarity(orthogonalized(matrices).flatten(), (u @ v).flatten(), dim=0) > 0.95


def test_the_rate_warms_up_stays_and_falls():
    rates = [SETTINGS.rate_at(tokens) for tokens in range(0, 4096, 512)]
    assert rates == [0.5, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lengths": ((0, 64), (0, 128))}, "go on upwards"),
        ({"final_length": 1024}, "no room for a sequence of 1024"),
        ({"precision": "f16"}, "choose bf16 or f32"),
        ({"decay_share": 1.5}, "between 0 and 1"),
        ({"batch_tokens": 0}, "batch_tokens is 0"),
        ({"seed": 1 << 70}, "from 0 to 2"),
        ({"weight_decay": -0.1}, r"weight_decay is -0\.1, and must be a number of at least 0"),
        ({"weight_decay": float("nan")}, "weight_decay is nan"),
        ({"muon_lr": float("inf")}, "muon_lr is inf"),
    ],
)
def test_settings_that_make_no_run_are_refused(change, said):
    with pytest.raises(DsassistError, match=said):
        replace(SETTINGS, **change)
