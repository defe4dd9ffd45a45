"""The model's own laws: fast forms equal the plain ones, gradients too; the config means what it says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `train` brings it)")

from dsassist_runtime.errors import DsassistError  # noqa: E402
from dsassist_train import architecture  # noqa: E402
from dsassist_train.architecture import PLAIN, ModelConfig, Transformer, balance_loss, initialize  # noqa: E402
from dsassist_train.fused import operations_for  # noqa: E402
from dsassist_train.losses import chunked_cross_entropy, cross_entropy  # noqa: E402

FUSED = operations_for(torch.device("cpu"))
SMALL = ModelConfig(
    vocab_size=96,
    hidden_size=32,
    num_hidden_layers=3,
    num_attention_heads=2,
    kv_lora_rank=24,
    qk_nope_head_dim=8,
    qk_rope_head_dim=4,
    v_head_dim=6,
    intermediate_size=48,
    moe_intermediate_size=24,
    n_routed_experts=6,
    num_experts_per_tok=2,
    initializer_range=0.3,
)


def model_of(config: ModelConfig, seed: int = 1) -> Transformer:
    model = Transformer(config)
    initialize(model, seed)
    with torch.no_grad():  # weights of norms that are not one, or a missing product would not show
        for index, weight in enumerate(weight for weight in model.parameters() if weight.dim() == 1):
            weight += 0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(index))
    return model


def tokens_of(config: ModelConfig, batch: int = 2, length: int = 200) -> torch.Tensor:
    return torch.randint(config.vocab_size, (batch, length), generator=torch.Generator().manual_seed(3))


def loss_and_gradients(model, tokens, operations, loss_of, dtype=torch.float32):
    model.zero_grad()
    output = model(tokens[:, :-1], dtype=dtype, operations=operations)
    counted = torch.rand(tokens[:, 1:].shape, generator=torch.Generator().manual_seed(5)) < 0.7
    loss = loss_of(output.hidden.flatten(0, 1), model.output_weight, tokens[:, 1:].flatten(), counted.flatten())
    loss = loss + balance_loss(output.routing, model.config)
    loss.backward()
    return loss.detach(), {name: weight.grad.clone() for name, weight in model.named_parameters()}


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        replace(SMALL, q_lora_rank=12, norm_topk_prob=False, routed_scaling_factor=1.7, num_experts_per_tok=3),
        replace(SMALL, topk_method="noaux_tc", n_shared_experts=2, tie_word_embeddings=False, num_experts_per_tok=1),
        replace(SMALL, kv_lora_rank=23, qk_nope_head_dim=7, v_head_dim=5, intermediate_size=47),
    ],
    ids=["tied", "query rank, no norm, scaled", "bias, two shared experts, untied", "odd sizes"],
)
def test_fused_operations_give_the_plain_loss_and_gradients(config):
    model = model_of(config)
    if config.topk_method == "noaux_tc":
        for layer in model.layers[1:]:
            layer.mlp.gate.e_score_correction_bias += torch.linspace(-0.3, 0.3, config.n_routed_experts)
    tokens = tokens_of(config)
    loss, gradients = loss_and_gradients(model, tokens, PLAIN, cross_entropy)
    fused_loss, fused = loss_and_gradients(model, tokens, FUSED, chunked_cross_entropy)
    assert abs(loss - fused_loss) < 1e-5
    for name, gradient in gradients.items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(
            fused[name], gradient, atol=3e-6, rtol=2e-4, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_fused_operations_in_bfloat16_point_the_same_way():
    model = model_of(replace(SMALL, initializer_range=0.1))
    tokens = tokens_of(SMALL)
    loss, gradients = loss_and_gradients(model, tokens, PLAIN, cross_entropy)
    fused_loss, fused = loss_and_gradients(model, tokens, FUSED, chunked_cross_entropy, torch.bfloat16)
    assert abs(loss - fused_loss) < 0.02
    flat, fused_flat = (torch.cat([gradient.flatten() for gradient in each.values()]) for each in (gradients, fused))
    assert torch.cosine_similarity(flat, fused_flat, dim=0) > 0.99


@pytest.mark.parametrize("config", [SMALL, replace(SMALL, q_lora_rank=12)], ids=["full query", "query rank"])
def test_absorbed_attention_equals_the_plain_one(config):
    model, tokens = model_of(config), tokens_of(config)
    with torch.no_grad():
        torch.testing.assert_close(model.logits(tokens, absorbed=True), model.logits(tokens), atol=2e-5, rtol=1e-5)


def test_a_token_sees_what_stands_before_it_and_nothing_behind():
    model, tokens = model_of(SMALL), tokens_of(SMALL, batch=1)
    changed = tokens.clone()
    changed[0, 150] = (changed[0, 150] + 1) % SMALL.vocab_size
    with torch.no_grad():
        before, after = (model(each, operations=FUSED).hidden[0] for each in (tokens, changed))
    assert torch.equal(before[:128], after[:128])
    torch.testing.assert_close(before[:150], after[:150], atol=1e-6, rtol=1e-6)
    assert (before[150:] - after[150:]).abs().amax(-1).min() > 1e-4


def test_positions_enter_by_the_rotated_part_alone():
    """Turned by t steps, a query and a key give what they give at distance t, wherever they stand."""
    turn = architecture.rotation(40, 8, 100.0, torch.device("cpu"))
    q, k = (
        torch.randn(1, 40, 1, 8, generator=torch.Generator().manual_seed(seed))[:, :1].expand(1, 40, 1, 8)
        for seed in (1, 2)
    )
    scores = architecture.rotate(q, turn)[0, :, 0] @ architecture.rotate(k, turn)[0, :, 0].T
    torch.testing.assert_close(scores[7, 3], scores[29, 25], atol=1e-5, rtol=1e-5)
    assert (scores[7, 3] - scores[7, 4]).abs() > 1e-3


def test_a_bias_changes_which_experts_are_chosen_and_not_their_weights():
    config = replace(SMALL, topk_method="noaux_tc", norm_topk_prob=False)
    gate = model_of(config).layers[1].mlp.gate
    x = torch.randn(1, 50, config.hidden_size, generator=torch.Generator().manual_seed(1))
    gate.e_score_correction_bias[4] = 1.0
    weights, chosen, probabilities = gate(x)
    assert (chosen == 4).any(-1).all()
    torch.testing.assert_close(weights, probabilities.gather(-1, chosen))


def test_balance_loss_is_alpha_a_layer_when_even_and_more_when_one_expert_takes_all():
    config = replace(SMALL, aux_loss_alpha=0.5)
    n = config.n_routed_experts
    even = torch.full((1, n, n), 1 / n)
    turns = torch.stack([torch.arange(n), torch.arange(n).roll(1)], dim=-1)[None]
    assert balance_loss([architecture.Routing(even, turns)] * 2, config).item() == pytest.approx(1.0)
    one = torch.zeros(1, n, n).index_fill_(-1, torch.tensor([0]), 1.0)
    uneven = architecture.Routing(one, torch.zeros(1, n, 2, dtype=torch.int64))
    assert balance_loss([uneven], config).item() == pytest.approx(0.5 * n)


def test_cross_entropy_counts_only_the_masked_in():
    hidden, weight = torch.randn(300, 16), torch.randn(50, 16)
    targets, counted = torch.randint(50, (300,)), torch.zeros(300, dtype=torch.bool)
    counted[[3, 200]] = True
    expected = torch.nn.functional.cross_entropy((hidden @ weight.T)[counted], targets[counted])
    for loss in (cross_entropy, chunked_cross_entropy):
        torch.testing.assert_close(loss(hidden, weight, targets, counted), expected)
        assert loss(hidden, weight, targets, counted & False).item() == 0.0


def test_a_published_config_loads_by_name():
    published = {
        "architectures": ["DeepseekV2ForCausalLM"],
        "model_type": "deepseek_v2",
        "vocab_size": 102400,
        "hidden_size": 2048,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "q_lora_rank": None,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "intermediate_size": 10944,
        "moe_intermediate_size": 1408,
        "n_routed_experts": 64,
        "n_shared_experts": 2,
        "num_experts_per_tok": 6,
        "first_k_dense_replace": 1,
        "norm_topk_prob": False,
        "scoring_func": "softmax",
        "topk_method": "greedy",
        "n_group": 1,
        "topk_group": 1,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "auto_map": {"AutoConfig": "configuration_deepseek.DeepseekV2Config"},
        "aux_loss_alpha": 0.001,
        "bos_token_id": 100000,
        "eos_token_id": 100001,
        "ep_size": 1,
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "max_position_embeddings": 163840,
        "mlp_bias": False,
        "moe_layer_freq": 1,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 10000,
        "routed_scaling_factor": 1.0,
        "seq_aux": True,
        "transformers_version": "4.33.1",
        "use_cache": True,
    }
    config = ModelConfig.from_json(published, "config.json")
    assert (config.kv_lora_rank, config.n_routed_experts, config.norm_topk_prob) == (512, 64, False)
    assert ModelConfig.from_json(json.loads(json.dumps(config.as_json())), "again") == config


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rope_scaling": {"type": "yarn"}}, "rope_scaling"),
        ({"topk_method": "group_limited_greedy"}, "topk_method"),
        ({"num_experts_per_tok": 9}, "num_experts_per_tok is 9"),
        ({"hidden_size": "256"}, "hidden_size"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"moe_intermediate_size": 20}, "moe_intermediate_size"),
        ({"norm_topk_prob": 1}, "norm_topk_prob"),
        ({"qk_rope_head_dim": 5}, "qk_rope_head_dim"),
        ({"first_k_dense_replace": 3}, "first_k_dense_replace"),
        ({"mlp_bias": True}, "mlp_bias is True, and only False"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rope_parameters"),
        ({"model_type": "deepseek_v3"}, "model_type is 'deepseek_v3'"),
        ({"hiden_size": 64}, "hiden_size is no key that is known here; hidden_size may be meant"),
        ({"num_experts": 64}, "num_experts is no key that is known here"),
        ({"sliding_window": 64}, "sliding_window is no key that is known here; take it out"),
    ],
)
def test_a_config_that_is_not_computed_here_is_refused_by_name(change, said):
    values = {**SMALL.as_json(), **change}
    with pytest.raises(DsassistError, match=f"^my.json: .*{said}"):
        ModelConfig.from_json(values, "my.json")


def test_the_same_seed_gives_the_same_model():
    states = [model_of(SMALL, seed).state_dict() for seed in (7, 7, 8)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["embed_tokens.weight"], states[2]["embed_tokens.weight"])
