"""The floating-point operations that a run is said to reach."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `train` brings it)")

from dsassist_train.architecture import ModelConfig, Transformer, initialize  # noqa: E402
from dsassist_train.lora import add_adapters  # noqa: E402
from dsassist_train.settings import TrainingSettings  # noqa: E402
from dsassist_train.sitting import sit  # noqa: E402
from dsassist_train.speed import flops_per_token  # noqa: E402
from dsassist_train.training import Trainer  # noqa: E402

TINY = ModelConfig(
    vocab_size=1500,
    hidden_size=8,
    num_hidden_layers=3,
    num_attention_heads=2,
    kv_lora_rank=6,
    qk_nope_head_dim=4,
    qk_rope_head_dim=2,
    v_head_dim=4,
    intermediate_size=16,
    moe_intermediate_size=8,
    n_routed_experts=4,
    n_shared_experts=2,
    num_experts_per_tok=2,
)
RANK = 3


def test_the_operations_of_a_token_are_those_counted_by_hand() -> None:
    # queries, the latent with the rotated key, keys and values, the output
    attention = 8 * 2 * (4 + 2) + 8 * (6 + 2) + 6 * 2 * (4 + 4) + 2 * 4 * 8
    dense = 8 * 16 + 8 * 16 + 16 * 8  # gate, up, down
    mixture = 4 * 3 * 8 * 8 + 8 * 4  # two routed and two shared experts, and the gate
    weights = 3 * attention + dense + 2 * mixture + 1500 * 8  # the logits, by the embedding
    scores = 3 * 2 * ((4 + 2) + 4) * 64 / 2  # q k' and p v of three layers and two heads, the causal half
    assert flops_per_token(TINY, 64) == 6 * weights + 6 * scores
    output, narrow = 8 + 2 * 4, 8 + 8  # of attention; of a matrix of an expert
    adapter = RANK * (3 * output + 3 * (8 + 16) + 2 * (2 * 3 * narrow + 3 * (8 + 2 * 8)))
    assert flops_per_token(TINY, 64, RANK) == 4 * weights + 6 * adapter + 6 * scores
    by_rank = replace(TINY, q_lora_rank=5)
    queries = 3 * (8 * 5 + 5 * 2 * (4 + 2) - 8 * 2 * (4 + 2))
    assert flops_per_token(by_rank, 64) - flops_per_token(TINY, 64) == 6 * queries


def test_with_all_experts_used_every_matrix_of_the_model_counts_once() -> None:
    config = replace(TINY, num_experts_per_tok=4)
    model = Transformer(config)
    initialize(model, 1)
    matrices = sum(weight.numel() for weight in model.parameters() if weight.dim() > 1)
    assert flops_per_token(config, 0) == 6 * matrices
    add_adapters(model, RANK, seed=1)
    learnt = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert flops_per_token(config, 0, RANK) == 4 * matrices + 6 * learnt


@pytest.mark.parametrize("rank", [0, RANK], ids=["all weights", "an adapter"])
def test_a_sitting_counts_each_step_at_its_own_length(rank: int, small_corpus: Path, tmp_path: Path) -> None:
    """All tokens counted as if in sequences of the last length, and an adapter as if all weights were learnt."""
    settings = TrainingSettings(
        total_tokens=4 * 512,
        batch_tokens=512,
        lengths=((0, 64),),
        final_length=256,
        decay_share=0.25,
        precision="f32",
        lora_rank=rank,
    )
    model = Transformer(TINY)
    initialize(model, 1)
    if rank:
        add_adapters(model, rank, seed=1)
    trainer = Trainer(small_corpus, TINY, settings, torch.device("cpu"), model=model)
    figures, _ = sit(trainer, tmp_path, Namespace(minutes=None, save_every=10))
    assert figures["tokens"] == 4 * 512
    of_token = (3 * flops_per_token(TINY, 64, rank) + flops_per_token(TINY, 256, rank)) / 4
    assert figures["gflops"] * 1e9 / figures["tokens_s"] == pytest.approx(of_token, rel=1e-12)
    assert figures["share_of_peak"] == pytest.approx(figures["gflops"] / figures["peak_gflops"])
