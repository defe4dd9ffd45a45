"""DeepSeek-V2 (arXiv 2405.04434) in one file: config, norm, latent attention, gate, experts, block, model.

Every formula stands here in its plain form; `Operations` names those that `fused` has a quicker form of, and the tests
hold both equal. Names are those of the published `config.json` and weights, but for three departures: the gate and up
projections are one matrix (`gate_up_proj`: gate's rows first), all experts of a layer are one tensor, and weights of
experts may be normalised and scaled at once, as llama.cpp does it. Nothing here knows of files, data or optimizers.

Shapes: B sequences, T tokens, H hidden size, E routed experts, F an expert's width, K experts a token, N = B * T.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from dsassist_runtime.errors import DsassistError

__all__ = [
    "MLP",
    "PLAIN",
    "Attention",
    "MoE",
    "ModelConfig",
    "Operations",
    "Output",
    "Routing",
    "Transformer",
    "Tree",
    "balance_loss",
    "initialize",
    "loads",
]

TopkMethod = Literal["greedy", "noaux_tc"]

# Keys of a published config.json that change what is computed, and the only value that is computed here.
_MODEL_TYPE = "deepseek_v2"
_ONLY: dict[str, object] = {
    "attention_bias": False,
    "hidden_act": "silu",
    "mlp_bias": False,
    "model_type": _MODEL_TYPE,
    "moe_layer_freq": 1,
    "n_group": 1,
    "rope_parameters": None,
    "rope_scaling": None,
    "scoring_func": "softmax",
    "topk_group": 1,
}

# Keys of a published config.json that have no influence here.
_PASSED_OVER = frozenset(
    {
        "_name_or_path",
        "architectures",
        "attention_dropout",
        "auto_map",
        "bos_token_id",
        "dtype",
        "eos_token_id",
        "ep_size",
        "num_key_value_heads",  # each head has keys and values of its own, made of the latent
        "pad_token_id",
        "pretraining_tp",
        "torch_dtype",
        "transformers_version",
        "use_cache",
    }
)


@dataclass(frozen=True)
class ModelConfig:
    """The sizes, named as in DeepSeek-V2's `config.json`, so that its values load by name."""

    vocab_size: int
    hidden_size: int = 256
    num_hidden_layers: int = 6
    num_attention_heads: int = 4
    q_lora_rank: int | None = None
    kv_lora_rank: int = 128
    qk_nope_head_dim: int = 32
    qk_rope_head_dim: int = 32
    v_head_dim: int = 64
    intermediate_size: int = 512
    moe_intermediate_size: int = 128
    n_routed_experts: int = 16
    n_shared_experts: int = 1
    num_experts_per_tok: int = 2
    first_k_dense_replace: int = 1
    norm_topk_prob: bool = True
    routed_scaling_factor: float = 1.0
    topk_method: TopkMethod = "greedy"  # "noaux_tc": a bias takes part in the choice, and balances it
    aux_loss_alpha: float = 0.01
    seq_aux: bool = True  # balance each sequence, not only the batch
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    max_position_embeddings: int = 1024
    tie_word_embeddings: bool = True
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_field(field.name, str(field.type), getattr(self, field.name))
        if self.qk_rope_head_dim % 2:
            raise DsassistError(
                "qk_rope_head_dim must be even, as positions rotate pairs; change it in the model's config"
            )
        for name in ("hidden_size", "moe_intermediate_size"):
            if getattr(self, name) % 8:  # grouped products want rows of whole 16 bytes
                raise DsassistError(f"{name} is {getattr(self, name)}, and must be a multiple of 8; change it")
        if self.num_experts_per_tok > self.n_routed_experts:
            raise DsassistError(
                f"num_experts_per_tok is {self.num_experts_per_tok}, and there are {self.n_routed_experts} routed "
                "experts (n_routed_experts); lower one or raise the other"
            )
        if not 0 < self.first_k_dense_replace < self.num_hidden_layers:
            raise DsassistError(
                f"first_k_dense_replace is {self.first_k_dense_replace} of {self.num_hidden_layers} layers; at least "
                "one must be dense, and one a mixture of experts"
            )

    @classmethod
    def from_json(cls, values: Mapping[str, object], where: str) -> ModelConfig:
        """A config from the values of a `config.json`, called `where` in errors.

        What has no influence here (`torch_dtype`, `auto_map`, token ids) is passed over; `DsassistError` names a value
        that asks for something that this model does not compute, and a key that is not known.
        """
        for key, only in _ONLY.items():
            if key in values and values[key] not in (only, None):
                raise DsassistError(f"{where}: {key} is {values[key]!r}, and only {only!r} can be trained; change it")
        known = {field.name for field in dataclasses.fields(cls)}
        for key in values:
            if key not in known and key not in _ONLY and key not in _PASSED_OVER:
                near = difflib.get_close_matches(key, [*known, *_ONLY], n=1)
                todo = f"{near[0]} may be meant" if near else "take it out"
                raise DsassistError(f"{where}: {key} is no key that is known here; {todo}")
        if "vocab_size" not in values:
            raise DsassistError(f"{where} names no vocab_size; add it (the corpus's tokenizer tells the number)")
        try:
            return cls(**{key: value for key, value in values.items() if key in known})  # type: ignore[arg-type]
        except DsassistError as error:
            raise DsassistError(f"{where}: {error}") from None

    def as_json(self) -> dict[str, object]:
        """The values as a published `config.json` has them."""
        fixed = {key: value for key, value in _ONLY.items() if value is not None}
        return {**fixed, **dataclasses.asdict(self)}

    @property
    def qk_head_dim(self) -> int:
        """A head's query: the part without position, then the part that is rotated."""
        return self.qk_nope_head_dim + self.qk_rope_head_dim

    @property
    def n_moe_layers(self) -> int:
        """How many layers have experts."""
        return self.num_hidden_layers - self.first_k_dense_replace


def _check_field(name: str, kind: str, value: object) -> None:
    if kind == "TopkMethod":
        if value not in get_args(TopkMethod):
            raise DsassistError(
                f"{name} is {value!r}, and {' or '.join(get_args(TopkMethod))} can be trained; change it"
            )
        return
    if value is None and "None" in kind:
        return
    wanted = bool if kind == "bool" else int if kind.startswith("int") else (int, float)
    is_right = isinstance(value, wanted) and (kind == "bool" or not isinstance(value, bool))
    least: float = 0 if name == "aux_loss_alpha" else 1 if kind.startswith("int") else 1e-12
    if not is_right or (isinstance(value, (int, float)) and kind != "bool" and value < least):
        needed = "true or false" if kind == "bool" else f"a number of at least {least:g}"
        raise DsassistError(f"{name} is {value!r}, and must be {needed}; change it")


# --- Operations that `fused` has a quicker form of ------------------------------------------------------------------


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Divide by the root mean square of the last axis, in float32, and multiply by `weight`."""
    wide = x.float()
    scaled = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return (scaled * weight.float()).to(x.dtype)


def attention(q: Tensor, k: Tensor, v: Tensor, scale: float, mask: Tensor | None) -> Tensor:
    """Causal softmax attention: `(B, heads, T, dim)` each, v's dim may differ; `mask` as in `Tree`."""
    by_head = None if mask is None else mask[:, None]
    return functional.scaled_dot_product_attention(q, k, v, by_head, is_causal=mask is None, scale=scale)


def swiglu(gate_up: Tensor) -> Tensor:
    """`silu(gate) * up` of `(..., 2F)` with the gate's half first; `(..., F)`."""
    gate, up = gate_up.chunk(2, dim=-1)
    return functional.silu(gate) * up


def experts(x: Tensor, weights: Tensor, chosen: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """The chosen experts' outputs, weighted and added up, an expert after the other.

    x `(N, H)`, weights and chosen `(N, K)`, gate_up `(E, 2F, H)`, down `(E, H, F)`; gives `(N, H)`.
    """
    out = torch.zeros_like(x)
    for expert in range(gate_up.shape[0]):
        token, slot = (chosen == expert).nonzero(as_tuple=True)
        inner = swiglu(x[token] @ gate_up[expert].T)  # (chosen tokens, F)
        weighted = inner @ down[expert].T * weights[token, slot, None].to(x.dtype)
        out = out.index_add(0, token, weighted)
    return out


class Operations(NamedTuple):
    """How the parts that cost time are computed."""

    rms_norm: Callable[[Tensor, Tensor, float], Tensor]
    attention: Callable[[Tensor, Tensor, Tensor, float, Tensor | None], Tensor]
    swiglu: Callable[[Tensor], Tensor]
    experts: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


PLAIN = Operations(rms_norm, attention, swiglu, experts)


# --- The model ------------------------------------------------------------------------------------------------------


class Tree(NamedTuple):
    """Sequences that branch: several ways to go on behind one beginning, which is computed once.

    A token sees itself and its ancestors, which are what comes before it in its own text, and nothing else. They stand
    before it in the sequence, too.
    """

    positions: Tensor  # (B, T) int64, of each token in its text
    mask: Tensor  # (B, T, T), added to the scores: 0 where a query (row) sees a key, else -inf


class Pass(NamedTuple):
    """What all layers of one forward pass share."""

    operations: Operations
    rotation: Tensor  # (T, rope / 2) or, of a tree, (B, T, rope / 2) complex64
    absorbed: bool
    mask: Tensor | None  # of a tree, in the dtype of the pass


class Routing(NamedTuple):
    """What a layer's gate decided."""

    probabilities: Tensor  # (B, T, E) float32
    chosen: Tensor  # (B, T, K) int64


class Output(NamedTuple):
    """What a forward pass gives: the normalised hidden states `(B, T, H)`, and each mixture layer's routing."""

    hidden: Tensor
    routing: list[Routing]


class Linear(nn.Module):
    """A matrix without bias, `(out, in)` in float32; it computes in the dtype of what comes in."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in))

    def forward(self, x: Tensor) -> Tensor:
        """`x @ weight.T`."""
        return functional.linear(x, self.weight.to(x.dtype))


class RMSNorm(nn.Module):
    """A norm's weight."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))
        self.eps = eps

    def forward(self, x: Tensor, operations: Operations) -> Tensor:
        """Normalise the last axis."""
        return operations.rms_norm(x, self.weight, self.eps)


def rotation(n_tokens: int, dim: int, theta: float, device: torch.device) -> Tensor:
    """The unit complex numbers that turn pair i at position t by t * theta^(-2i / dim): `(T, dim / 2)` complex64."""
    frequencies = theta ** (-torch.arange(0, dim, 2, dtype=torch.float32, device=device) / dim)
    angles = torch.outer(torch.arange(n_tokens, dtype=torch.float32, device=device), frequencies)
    return torch.polar(torch.ones_like(angles), angles)


def rotate(x: Tensor, turn: Tensor) -> Tensor:
    """Turn the interleaved pairs (0, 1), (2, 3), ... of `(B, T, heads, dim)`."""
    x32 = x.float().contiguous()  # a slice behind an odd number of values is no view of complex numbers
    pairs = torch.view_as_complex(x32.view(*x.shape[:-1], -1, 2))  # (B, T, heads, dim / 2)
    return torch.view_as_real(pairs * turn.unsqueeze(-2)).flatten(-2).to(x.dtype)  # (B, T, heads, dim)


class Attention(nn.Module):
    """Multi-head latent attention with decoupled positions (section 2.1).

    A token's keys and values for all heads come out of one vector of `kv_lora_rank`, which is what a cache would hold,
    beside one rotated key that all heads share.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        hidden, heads = config.hidden_size, config.num_attention_heads
        if config.q_lora_rank is None:
            self.q_proj = Linear(hidden, heads * config.qk_head_dim)
        else:
            self.q_a_proj = Linear(hidden, config.q_lora_rank)
            self.q_a_layernorm = RMSNorm(config.q_lora_rank, config.rms_norm_eps)
            self.q_b_proj = Linear(config.q_lora_rank, heads * config.qk_head_dim)
        self.kv_a_proj_with_mqa = Linear(hidden, config.kv_lora_rank + config.qk_rope_head_dim)
        self.kv_a_layernorm = RMSNorm(config.kv_lora_rank, config.rms_norm_eps)
        self.kv_b_proj = Linear(config.kv_lora_rank, heads * (config.qk_nope_head_dim + config.v_head_dim))
        self.o_proj = Linear(heads * config.v_head_dim, hidden)

    def forward(self, x: Tensor, now: Pass) -> Tensor:
        """`(B, T, H)` to `(B, T, H)`."""
        config = self.config
        nope, rope = config.qk_nope_head_dim, config.qk_rope_head_dim
        q = self._query(x, now.operations).unflatten(-1, (-1, config.qk_head_dim))  # (B, T, heads, nope + rope)
        q_nope, q_pe = q.split([nope, rope], dim=-1)
        latent, k_pe = self.kv_a_proj_with_mqa(x).split([config.kv_lora_rank, rope], dim=-1)
        latent = self.kv_a_layernorm(latent, now.operations)  # (B, T, rank)
        q_pe = rotate(q_pe, now.rotation)
        k_pe = rotate(k_pe[:, :, None], now.rotation)  # (B, T, 1, rope)
        heads = self._absorbed if now.absorbed else self._plain
        return self.o_proj(heads(q_nope, q_pe, latent, k_pe, now).flatten(2))

    def _query(self, x: Tensor, operations: Operations) -> Tensor:
        if self.config.q_lora_rank is None:
            return self.q_proj(x)
        return self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x), operations))

    def _plain(self, q_nope: Tensor, q_pe: Tensor, latent: Tensor, k_pe: Tensor, now: Pass) -> Tensor:
        """Keys and values are made of the latent for each head: less arithmetic when many tokens come at once."""
        config = self.config
        n_heads = config.num_attention_heads
        keys_values = self.kv_b_proj(latent).unflatten(-1, (n_heads, -1))  # (B, T, heads, nope + value)
        k_nope, v = keys_values.split([config.qk_nope_head_dim, config.v_head_dim], dim=-1)
        q = torch.cat([q_nope, q_pe], dim=-1)  # (B, T, heads, nope + rope)
        k = torch.cat([k_nope, k_pe.expand(-1, -1, n_heads, -1)], dim=-1)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        out = now.operations.attention(q, k, v, self._scale, now.mask)
        return out.transpose(1, 2)  # (B, T, heads, value)

    def _absorbed(self, q_nope: Tensor, q_pe: Tensor, latent: Tensor, k_pe: Tensor, now: Pass) -> Tensor:
        """The key matrix is absorbed into the query, the value matrix into the output, as llama.cpp computes it."""
        w_k, w_v = self.absorbed_weights()
        q_latent = torch.einsum("bthn,hnr->bthr", q_nope, w_k.to(q_nope.dtype))  # (B, T, heads, rank)
        q = torch.cat([q_latent, q_pe], dim=-1).transpose(1, 2)  # (B, heads, T, rank + rope)
        k = torch.cat([latent[:, :, None], k_pe], dim=-1).transpose(1, 2).expand(-1, q.shape[1], -1, -1)
        v = latent[:, None].expand(-1, q.shape[1], -1, -1)  # (B, heads, T, rank)
        out = now.operations.attention(q, k, v, self._scale, now.mask)
        return torch.einsum("bhtr,hvr->bthv", out, w_v.to(out.dtype))

    def absorbed_weights(self) -> tuple[Tensor, Tensor]:
        """`kv_b_proj` by heads: keys `(heads, nope, rank)` and values `(heads, value, rank)`."""
        by_heads = self.kv_b_proj.weight.unflatten(0, (self.config.num_attention_heads, -1))
        w_k, w_v = by_heads.split([self.config.qk_nope_head_dim, self.config.v_head_dim], dim=1)
        return w_k, w_v

    @property
    def _scale(self) -> float:
        return 1.0 / math.sqrt(self.config.qk_head_dim)


class MLP(nn.Module):
    """SwiGLU: a dense layer, or the shared experts of a mixture side by side."""

    def __init__(self, hidden: int, inner: int) -> None:
        super().__init__()
        self.gate_up_proj = Linear(hidden, 2 * inner)
        self.down_proj = Linear(inner, hidden)

    def forward(self, x: Tensor, operations: Operations) -> Tensor:
        """`(..., H)` to `(..., H)`."""
        return self.down_proj(operations.swiglu(self.gate_up_proj(x)))


class Gate(nn.Module):
    """Chooses K experts by softmax, in float32 whatever the rest computes in."""

    e_score_correction_bias: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.weight = nn.Parameter(torch.empty(config.n_routed_experts, config.hidden_size))
        if config.topk_method == "noaux_tc":  # not learnt: `training` moves it towards an even load (arXiv 2408.15664)
            self.register_buffer("e_score_correction_bias", torch.zeros(config.n_routed_experts))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of `(B, T, H)`: the weights `(B, T, K)`, the chosen experts `(B, T, K)`, all probabilities `(B, T, E)`."""
        config = self.config
        probabilities = functional.linear(x.float(), self.weight).softmax(dim=-1)
        scores = probabilities.detach()
        if config.topk_method == "noaux_tc":
            scores = scores + self.e_score_correction_bias
        chosen = scores.topk(config.num_experts_per_tok, dim=-1).indices
        weights = probabilities.gather(-1, chosen)
        if config.norm_topk_prob:
            weights = weights / weights.sum(-1, keepdim=True).clamp(min=2.0**-14)
        return weights * config.routed_scaling_factor, chosen, probabilities


class Experts(nn.Module):
    """The routed experts' matrices."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        n_experts, inner, hidden = config.n_routed_experts, config.moe_intermediate_size, config.hidden_size
        self.gate_up_proj = nn.Parameter(torch.empty(n_experts, 2 * inner, hidden))
        self.down_proj = nn.Parameter(torch.empty(n_experts, hidden, inner))


class MoE(nn.Module):
    """Shared experts, which see every token, and routed ones (section 2.2)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate = Gate(config)
        self.experts = Experts(config)
        self.shared_experts = MLP(config.hidden_size, config.n_shared_experts * config.moe_intermediate_size)

    def forward(self, x: Tensor, operations: Operations) -> tuple[Tensor, Routing]:
        """`(B, T, H)` to `(B, T, H)`, and where the tokens went."""
        weights, chosen, probabilities = self.gate(x)
        out = operations.experts(
            x.flatten(0, 1),  # (N, H)
            weights.flatten(0, 1),
            chosen.flatten(0, 1),
            self.experts.gate_up_proj.to(x.dtype),
            self.experts.down_proj.to(x.dtype),
        ).view_as(x)
        return out + self.shared_experts(x, operations), Routing(probabilities, chosen)


class Block(nn.Module):
    """Attention and feed-forward, each behind a norm and beside the residual stream."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.is_dense = layer < config.first_k_dense_replace
        self.mlp = MLP(config.hidden_size, config.intermediate_size) if self.is_dense else MoE(config)

    def forward(self, x: Tensor, now: Pass) -> tuple[Tensor, Routing | None]:
        """`(B, T, H)` to `(B, T, H)`."""
        x = x + self.self_attn(self.input_layernorm(x, now.operations), now)
        normed = self.post_attention_layernorm(x, now.operations)
        if self.is_dense:
            return x + self.mlp(normed, now.operations), None
        out, routing = self.mlp(normed, now.operations)
        return x + out, routing


class Transformer(nn.Module):
    """The whole model. Weights are float32; a pass computes in the dtype that it is asked for."""

    def __init__(self, config: ModelConfig) -> None:
        """Memory for the weights; `initialize` or a checkpoint gives them values."""
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config, layer) for layer in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        if not config.tie_word_embeddings:
            self.lm_head = Linear(config.hidden_size, config.vocab_size)

    @property
    def output_weight(self) -> Tensor:
        """The matrix that turns hidden states into logits, `(vocabulary, H)`."""
        weight: Tensor = self.embed_tokens.weight if self.config.tie_word_embeddings else self.lm_head.weight
        return weight

    def forward(
        self,
        tokens: Tensor,
        *,
        dtype: torch.dtype = torch.float32,
        operations: Operations = PLAIN,
        absorbed: bool = False,
        tree: Tree | None = None,
    ) -> Output:
        """Hidden states of `(B, T)` tokens, from position 0 on, or as a tree has them."""
        turn = rotation(tokens.shape[1], self.config.qk_rope_head_dim, self.config.rope_theta, tokens.device)
        if tree is not None:
            turn = turn[tree.positions]
        now = Pass(operations, turn, absorbed, None if tree is None else tree.mask.to(dtype))
        x = self.embed_tokens(tokens).to(dtype)  # (B, T, H)
        routings = []
        for layer in self.layers:
            x, routing = layer(x, now)
            if routing is not None:
                routings.append(routing)
        return Output(self.norm(x, operations), routings)

    def logits(self, tokens: Tensor, *, absorbed: bool = False) -> Tensor:
        """Of what comes after each of the `(B, T)` tokens, `(B, T, vocabulary)` float32; for proofs, not for speed."""
        return functional.linear(self(tokens, absorbed=absorbed).hidden, self.output_weight)


def balance_loss(routing: list[Routing], config: ModelConfig) -> Tensor:
    """The expert-level balance loss (equations 12-14), summed over the layers: alpha where all is even."""
    total = routing[0].probabilities.new_zeros(())
    for probabilities, chosen in routing:
        mean = probabilities.mean(dim=1)  # (B, E): P
        share = loads(chosen, config) / (chosen.shape[1] * config.num_experts_per_tok)  # (B, E)
        if not config.seq_aux:
            mean, share = mean.mean(0, keepdim=True), share.mean(0, keepdim=True)
        total = total + (share * config.n_routed_experts * mean).sum(-1).mean()
    return total * config.aux_loss_alpha


def loads(chosen: Tensor, config: ModelConfig) -> Tensor:
    """How often each expert was chosen in each sequence, `(B, E)` float32."""
    flat = chosen.flatten(1)  # (B, T * K)
    counts = torch.zeros(flat.shape[0], config.n_routed_experts, device=chosen.device)
    return counts.scatter_add_(1, flat, torch.ones_like(flat, dtype=torch.float32))


def initialize(model: Transformer, seed: int) -> None:
    """Give all weights their first values, by a generator of their own.

    | weights | values |
    |---|---|
    | norms | 1 |
    | `o_proj`, `down_proj` (they write into the residual stream) | normal, initializer_range / sqrt(2 layers) |
    | every other matrix, the gate, the embedding | normal, initializer_range |
    | the gate's correction bias | 0 |
    """
    generator = torch.Generator().manual_seed(seed)
    config = model.config
    into_residual = config.initializer_range / math.sqrt(2 * config.num_hidden_layers)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 1:
                weight.fill_(1.0)
                continue
            deviation = into_residual if "o_proj" in name or "down_proj" in name else config.initializer_range
            # On the CPU, so that a seed gives the same model on every device.
            weight.copy_(torch.randn(weight.shape, generator=generator) * deviation)
