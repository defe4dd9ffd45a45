"""A dense model that was carved: llama.cpp computes the same with all experts, and less but not nonsense with fewer."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `train` brings it)")

from dsassist_runtime.errors import DsassistError, ModelUnsupported  # noqa: E402
from dsassist_runtime.gguf import read_header  # noqa: E402
from dsassist_runtime.llama.model import Model  # noqa: E402
from dsassist_train.carving.calibrating import CarvedLayer, Plan, carved_layers  # noqa: E402
from dsassist_train.carving.dense import MIXTURE_OF, open_dense  # noqa: E402
from dsassist_train.carving.forward import activations, attended, embedded, load_layer, normed  # noqa: E402
from dsassist_train.carving.router import chosen_experts  # noqa: E402
from dsassist_train.carving.writing import KEEP, feed_forward_bytes, write_carved  # noqa: E402
from train.carving.dense_files import N_FF, N_LAYERS, write_dense  # noqa: E402
from train.llama_logits import Computed, computed_by_llama  # noqa: E402

SHARED = ("gate_shexp.weight", "up_shexp.weight", "down_shexp.weight")
ARCHITECTURES = ("qwen2", "llama")
N_EXPERTS, N_SHARED = 6, 64
TOKENS = [int(token) for token in np.random.default_rng(9).integers(300, 1200, 40)]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def dense(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dense(tmp_path_factory.mktemp("dense") / f"{request.param}.gguf", request.param)


def sequences(n: int = 24) -> npt.NDArray[np.int64]:
    return np.random.default_rng(2).integers(300, 1200, (n, 64))


def carve(dense: Path, path: Path, top_k: int, *, corrects: bool = False, stored_as: str = "F32") -> list[CarvedLayer]:
    plan = Plan(N_EXPERTS, N_SHARED, top_k, corrects)
    model = open_dense(dense)
    layers = list(carved_layers(model, sequences(), plan))
    write_carved(path, model, layers, plan, stored_as, {"top_k": top_k})
    return layers


def computed(path: Path) -> Computed:
    return computed_by_llama(path, TOKENS, N_EXPERTS)


def off(found: Computed, expected: Computed) -> float:
    """How far the logits are from others, as a share of these."""
    return float(np.linalg.norm(found.logits - expected.logits) / np.linalg.norm(expected.logits))


def simulated(dense: Path, layers: list[CarvedLayer] | None = None, top_k: int = 0) -> Computed:
    """What PyTorch computes with the dense model, or with the experts that its own router chooses of these layers."""
    model, chosen = open_dense(dense), []
    hidden = embedded(model, torch.tensor([TOKENS]))
    for index in range(N_LAYERS):
        layer = load_layer(model, index, torch.float32)
        hidden = attended(hidden, layer, model.shape)
        inputs = normed(hidden, layer.feed_forward.norm, model.shape.norm_eps)[0]
        given, down = activations(inputs, layer.feed_forward), layer.feed_forward.down
        if layers is not None:
            carved = layers[index]
            used = chosen_experts(inputs.numpy(), carved.router, top_k)
            chosen.append([np.flatnonzero(row).tolist() for row in used])
            routed = np.repeat(used, (N_FF - N_SHARED) // N_EXPERTS, axis=1)
            mask = np.concatenate([np.ones((len(used), N_SHARED), bool), routed], axis=1)
            given, down = given[:, carved.order] * torch.from_numpy(mask), torch.from_numpy(carved.down)
        hidden = hidden + given @ down.T
    final = normed(hidden, torch.from_numpy(model.values("output_norm.weight").copy()), model.shape.norm_eps)[0]
    head = model.values("output.weight" if "output.weight" in model else "token_embd.weight")
    return Computed(final.numpy() @ head.T, [list(token) for token in zip(*chosen, strict=True)])


def test_our_forward_pass_is_llama_cpps(dense: Path) -> None:
    assert np.abs(simulated(dense).logits - computed(dense).logits).max() < 1e-3


def test_with_all_experts_the_model_is_the_dense_one(dense: Path, tmp_path: Path) -> None:
    carve(dense, tmp_path / "all.gguf", N_EXPERTS)
    found = computed(tmp_path / "all.gguf")
    assert all(chosen == [list(range(N_EXPERTS))] * N_LAYERS for chosen in found.chosen)
    assert off(found, computed(dense)) < 1e-3


@pytest.mark.parametrize("corrects", [False, True])
def test_with_fewer_experts_llama_cpp_computes_what_was_foreseen(dense: Path, tmp_path: Path, corrects: bool) -> None:
    """The choice of experts, token by token and layer by layer; and the logits, so the folded factors too."""
    layers = carve(dense, tmp_path / "few.gguf", 2, corrects=corrects)
    found, expected = computed(tmp_path / "few.gguf"), simulated(dense, layers, 2)
    assert found.chosen == expected.chosen
    assert off(found, expected) < 1e-3
    assert off(found, computed(dense)) > 0.05, "it is another model"


def test_fewer_experts_lose_more_and_none_of_it_is_nonsense(dense: Path, tmp_path: Path) -> None:
    expected = computed(dense)
    lost = []
    for top_k in (5, 3, 1):
        path = tmp_path / f"{top_k}.gguf"
        carve(dense, path, top_k)
        lost.append(off(computed(path), expected))
    assert 0.005 < lost[0] < lost[1] < lost[2] < 1.0, lost


def test_the_correction_wins_back_a_part(dense: Path, tmp_path: Path) -> None:
    """Also in what llama.cpp computes at the end, on tokens that were not watched."""
    plain = carve(dense, tmp_path / "plain.gguf", 3)
    corrected = carve(dense, tmp_path / "corrected.gguf", 3, corrects=True)
    assert all(layer.lost < 0.95 * layer.lost_before for layer in corrected)
    assert all(layer.lost == layer.lost_before > 0 for layer in plain)
    expected = computed(dense)
    assert off(computed(tmp_path / "corrected.gguf"), expected) < off(computed(tmp_path / "plain.gguf"), expected)


def test_every_neuron_is_there_once(dense: Path, tmp_path: Path) -> None:
    for layer in carve(dense, tmp_path / "m.gguf", 2):
        assert sorted(layer.order.tolist()) == list(range(N_FF))


@pytest.mark.parametrize("stored_as", [KEEP, "Q8_0", "F16"])
def test_a_stored_type_is_in_the_file_and_costs_what_was_foretold(dense: Path, tmp_path: Path, stored_as: str) -> None:
    path = tmp_path / "m.gguf"
    carve(dense, path, N_EXPERTS, stored_as=stored_as)
    header = read_header(path)
    found = [
        each for each in header.tensors if "ffn_" in each.name and "norm" not in each.name and "inp" not in each.name
    ]
    plan = Plan(N_EXPERTS, N_SHARED, N_EXPERTS, corrects=False)
    assert sum(tensor.n_bytes for tensor in found) == feed_forward_bytes(open_dense(dense), plan, stored_as)
    assert off(computed(path), computed(dense)) < {KEEP: 1e-3, "F16": 2e-3, "Q8_0": 3e-2}[stored_as]


def test_the_file_says_what_it_is_and_keeps_vocabulary_and_template(dense: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    carve(dense, path, 2)
    before, header = read_header(dense), read_header(path)
    new = MIXTURE_OF[before.architecture]
    assert header.architecture == new
    assert header.text("general.name") == "Small dense, carved"
    assert header.integer("dsassist.carve.top_k") == 2
    assert (header.integer(f"{new}.expert_count"), header.integer(f"{new}.expert_used_count")) == (6, 2)
    for key in before.metadata:
        if key.startswith("tokenizer."):
            assert list(header.strings(key)) == list(before.strings(key))
            assert type(header.metadata[key]) is type(before.metadata[key])
    with closing(Model(path)) as carved, closing(Model(dense)) as model:
        assert carved.chat_template == model.chat_template
        assert carved.vocabulary.fim == model.vocabulary.fim is not None
        text = "def half(x):\n    return x / 2\n"
        assert carved.vocabulary.tokenize(text) == model.vocabulary.tokenize(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"general.architecture": "gemma"}, "is of the architecture gemma; models of qwen2 and llama"),
        ({"qwen2.expert_count": 8}, "is a mixture of 8 experts already"),
        ({"qwen2.rope.scaling.type": "yarn"}, "scales positions by yarn"),
        ({"qwen2.rope.dimension_count": 8}, "rotates a part of each head only"),
        ({"qwen2.block_count": 3}, r"has no tensor blk\.2\.attn_norm\.weight"),
        ({"split.count": 2}, "is one part of a model in several files"),
    ],
)
def test_what_cannot_be_carved_is_refused_with_the_reason(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write_dense(tmp_path / "odd.gguf", "qwen2", **change)
    with pytest.raises(ModelUnsupported, match=message):
        open_dense(path)


def test_sizes_that_are_missing_are_told(tmp_path: Path) -> None:
    path = write_dense(tmp_path / "odd.gguf", "qwen2", **{"qwen2.feed_forward_length": 0})
    with pytest.raises(DsassistError, match="does not state its sizes"):
        open_dense(path)
