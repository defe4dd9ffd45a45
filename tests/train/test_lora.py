"""An adapter is what a model learnt: the same numbers in PyTorch, merged into its weights, and in llama.cpp."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `train` brings it)")

from dsassist_runtime.gguf import read_header  # noqa: E402
from dsassist_runtime.llama.model import Model  # noqa: E402
from dsassist_runtime.lora import check_fits, norms_digest, read_adapter  # noqa: E402
from dsassist_train.architecture import ModelConfig, Transformer  # noqa: E402
from dsassist_train.export import export_gguf  # noqa: E402
from dsassist_train.lora import LowRank, add_adapters, base_digest, export_adapter  # noqa: E402
from dsassist_train.tokenizer import gguf_metadata  # noqa: E402
from train.llama_logits import computed_by_llama  # noqa: E402
from train.test_importing import SMALL, model_of  # noqa: E402

N_MATRICES = 1 + 3 + 2 * (1 + 3 + 3)
"""Of the small model: a dense layer, and two with experts; attention's output in each."""


def adapted(config: ModelConfig, rank: int = 4) -> Transformer:
    """A model whose adapters have learnt something, whatever it may be."""
    model = model_of(config)
    add_adapters(model, rank, seed=5)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, LowRank):
                module.b.copy_(0.1 * torch.randn(module.b.shape, generator=generator))
    return model


@pytest.mark.parametrize(
    "config",
    [SMALL, replace(SMALL, q_lora_rank=32, tie_word_embeddings=False, n_shared_experts=2, topk_method="noaux_tc")],
    ids=["tied", "query rank, bias, untied"],
)
def test_llama_cpp_computes_with_the_adapter_what_pytorch_does_with_it_merged(
    config: ModelConfig, small_corpus: Path, tmp_path: Path
):
    vocabulary = gguf_metadata(small_corpus / "tokenizer.json")
    plain, model = tmp_path / "plain.gguf", adapted(config)
    lora, merged = tmp_path / "lora.gguf", tmp_path / "merged.gguf"
    export_gguf(model_of(config), vocabulary, plain, "F32", name="plain")
    export_adapter(model, lora, name="mine", base_name="plain", base=base_digest(model))
    export_gguf(model, vocabulary, merged, "F32", name="merged")
    tokens = torch.randint(20, 1500, (40,), generator=torch.Generator().manual_seed(2)).tolist()
    with torch.no_grad():
        ours = model.logits(torch.tensor([tokens]))[0].numpy()
    without = computed_by_llama(plain, tokens, 4).logits
    assert np.abs(ours - without).max() > 0.5, "the adapter must change something, or nothing is shown"
    np.testing.assert_allclose(ours, computed_by_llama(plain, tokens, 4, lora).logits, atol=1e-3, rtol=0)
    np.testing.assert_allclose(ours, computed_by_llama(merged, tokens, 4).logits, atol=1e-3, rtol=0)
    adapter = read_adapter(lora)
    assert (len(adapter.names), adapter.rank, adapter.alpha, adapter.base_name) == (N_MATRICES, 4, 8.0, "plain")


@pytest.mark.parametrize("quant", ["F32", "F16", "Q8_0", "Q4_0"])
def test_an_adapter_knows_its_model_in_any_quantisation(quant: str, small_corpus: Path, tmp_path: Path):
    vocabulary, path, model = gguf_metadata(small_corpus / "tokenizer.json"), tmp_path / "m.gguf", model_of(SMALL)
    export_gguf(model, vocabulary, path, quant, name="m")
    assert norms_digest(read_header(path)) == base_digest(model)
    lora = tmp_path / "lora.gguf"
    export_adapter(adapted(SMALL), lora, name="mine", base_name="m", base=base_digest(model))
    check_fits(read_adapter(lora), read_header(path))
    with closing(Model(path)) as loaded:
        loaded.adapt(lora)


def test_only_adapters_learn_and_at_first_change_nothing():
    model, before = model_of(SMALL), model_of(SMALL)
    add_adapters(model, 2, seed=1)
    tokens = torch.arange(100, 130)[None]
    with torch.no_grad():
        assert torch.equal(model.logits(tokens), before.logits(tokens))
    model.logits(tokens).sum().backward()
    learnt = {name for name, weight in model.named_parameters() if weight.grad is not None}
    assert learnt == {name for name, weight in model.named_parameters() if name.endswith((".0.a", ".0.b"))}
    assert learnt == {name for name, weight in model.named_parameters() if weight.requires_grad}
