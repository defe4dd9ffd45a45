"""Which weights Muon moves and which AdamW, and what Muon takes for one matrix."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `train` brings it)")

from dsassist_train.architecture import ModelConfig, Transformer, initialize  # noqa: E402
from dsassist_train.lora import add_adapters  # noqa: E402
from dsassist_train.optimizers import Optimizer, orthogonalized  # noqa: E402
from dsassist_train.settings import TrainingSettings  # noqa: E402

HIDDEN, INNER = 16, 8
CONFIG = ModelConfig(
    vocab_size=50,
    hidden_size=HIDDEN,
    num_hidden_layers=2,
    num_attention_heads=2,
    q_lora_rank=6,
    kv_lora_rank=8,
    qk_nope_head_dim=4,
    qk_rope_head_dim=2,
    v_head_dim=4,
    intermediate_size=24,
    moe_intermediate_size=INNER,
    n_routed_experts=3,
    topk_method="noaux_tc",
    tie_word_embeddings=False,
)
STILL = 1e-30  # a rate at which no weight changes
ATTENTION = {f"self_attn.{name}_proj.weight" for name in ("q_a", "q_b", "kv_b", "o")} | {
    "self_attn.kv_a_proj_with_mqa.weight"
}
MATRICES = {f"layers.{layer}.{name}" for layer in (0, 1) for name in ATTENTION} | {
    "layers.0.mlp.gate_up_proj.weight",
    "layers.0.mlp.down_proj.weight",
    "layers.1.mlp.experts.gate_up_proj",
    "layers.1.mlp.experts.down_proj",
    "layers.1.mlp.shared_experts.gate_up_proj.weight",
    "layers.1.mlp.shared_experts.down_proj.weight",
}


def model_with_gradients() -> Transformer:
    """Gradients of very different lengths, so that what is taken together shows."""
    model = Transformer(CONFIG)
    initialize(model, 1)
    return with_gradients(model)


def with_gradients(model: Transformer) -> Transformer:
    generator = torch.Generator().manual_seed(2)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.grad = torch.randn(weight.shape, generator=generator)
            if weight.dim() > 1:
                weight.grad *= 10.0 ** torch.randint(-2, 3, (*weight.shape[:-1], 1), generator=generator)
    return model


def changes(model: Transformer, muon_lr: float, adamw_lr: float, weight_decay: float = 0.0) -> dict[str, torch.Tensor]:
    """By how much a step moves each weight that it moves."""
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    settings = TrainingSettings(muon_lr=muon_lr, adamw_lr=adamw_lr, weight_decay=weight_decay, precision="f32")
    Optimizer(model, settings).step(1.0)
    moved = {name: before[name] - weight.detach() for name, weight in model.named_parameters()}
    return {name: change for name, change in moved.items() if change.any()}


def test_muon_moves_the_matrices_of_the_layers_and_adamw_all_others() -> None:
    names = {name for name, _ in model_with_gradients().named_parameters()}
    assert set(changes(model_with_gradients(), 0.1, STILL)) == MATRICES
    assert set(changes(model_with_gradients(), STILL, 0.1)) == names - MATRICES
    others = {"embed_tokens.weight", "lm_head.weight", "layers.1.mlp.gate.weight"}
    assert others == {name for name in names - MATRICES if "norm" not in name}


def test_only_the_matrices_of_the_layers_decay() -> None:
    model = model_with_gradients()
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    found = changes(model, 0.1, 0.1, weight_decay=0.5)
    assert set(found) == MATRICES
    for name, change in found.items():
        torch.testing.assert_close(change, 0.1 * 0.5 * before[name])


def test_of_an_adapter_adamw_moves_the_factors_and_nothing_else_is_moved() -> None:
    model = Transformer(CONFIG)
    initialize(model, 1)
    add_adapters(model, 2, seed=1)
    with_gradients(model)
    factors = {name for name, _ in model.named_parameters() if name.endswith((".0.a", ".0.b"))}
    assert set(changes(model, 0.1, 0.1, weight_decay=0.5)) == factors
    assert set(changes(model, STILL, 0.1)) == factors


@pytest.mark.parametrize(
    ("name", "n_matrices", "rows"),
    [
        ("layers.0.mlp.gate_up_proj.weight", 2, 24),
        ("layers.1.mlp.experts.gate_up_proj", 3 * 2, INNER),
        ("layers.1.mlp.experts.down_proj", 3, HIDDEN),
        ("layers.1.mlp.shared_experts.gate_up_proj.weight", 2, INNER),
        ("layers.1.self_attn.kv_b_proj.weight", 1, 2 * (4 + 4)),
    ],
)
def test_each_expert_and_each_half_of_gate_and_up_is_a_matrix_of_its_own(name: str, n_matrices: int, rows: int) -> None:
    """In one matrix the half with the longer gradient would leave nothing to the other."""
    model = model_with_gradients()
    gradient = dict(model.named_parameters())[name].grad
    change = changes(model, 0.1, STILL)[name]
    scale = 0.1 * max(1.0, rows / gradient.shape[-1]) ** 0.5
    found, gradients = change.flatten(0, -2).split(rows), gradient.flatten(0, -2).split(rows)
    assert len(found) == n_matrices
    for part, of_it in zip(found, gradients, strict=True):
        torch.testing.assert_close(part, scale * orthogonalized(of_it[None])[0], atol=1e-4, rtol=1e-3)


def test_weights_of_one_shape_are_moved_as_if_each_were_alone() -> None:
    """Queries' and experts' matrices go through the iteration as one batch."""
    together = changes(model_with_gradients(), 0.1, STILL)
    for name in MATRICES:
        model = model_with_gradients()
        for other, weight in model.named_parameters():
            weight.requires_grad_(other == name or other not in MATRICES)
        torch.testing.assert_close(changes(model, 0.1, STILL)[name], together[name], atol=1e-5, rtol=1e-4)
