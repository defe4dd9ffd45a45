"""A file of ours becomes the model again that it was written from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `train` brings it)")

from dsassist_runtime.errors import ModelUnsupported  # noqa: E402
from dsassist_train.architecture import ModelConfig, Transformer, initialize  # noqa: E402
from dsassist_train.export import export_gguf  # noqa: E402
from dsassist_train.gguf_writer import WrittenTensor, write_gguf  # noqa: E402
from dsassist_train.importing import import_gguf  # noqa: E402
from dsassist_train.tokenizer import gguf_metadata, load_vocabulary  # noqa: E402
from train.llama_logits import computed_by_llama  # noqa: E402

SMALL = ModelConfig(
    vocab_size=1500,
    hidden_size=64,
    num_hidden_layers=3,
    num_attention_heads=2,
    kv_lora_rank=32,
    qk_nope_head_dim=32,
    qk_rope_head_dim=16,
    v_head_dim=32,
    intermediate_size=96,
    moe_intermediate_size=32,
    n_routed_experts=4,
    initializer_range=0.2,
)
OTHER = replace(
    SMALL,
    q_lora_rank=32,
    topk_method="noaux_tc",
    aux_loss_alpha=0.0,
    tie_word_embeddings=False,
    n_shared_experts=2,
    norm_topk_prob=False,
    routed_scaling_factor=2.5,
    rope_theta=5000.0,
)


def model_of(config: ModelConfig) -> Transformer:
    model = Transformer(config)
    initialize(model, seed=3)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 1:
                weight += torch.linspace(-0.2, 0.2, len(weight))
        for layer in model.layers:
            if config.topk_method == "noaux_tc" and not layer.is_dense:
                layer.mlp.gate.e_score_correction_bias += torch.linspace(-0.2, 0.2, config.n_routed_experts)
    return model


@pytest.mark.parametrize("config", [SMALL, OTHER], ids=["tied", "query rank, bias, untied"])
def test_what_is_exported_in_full_comes_back_bit_for_bit(config: ModelConfig, small_corpus: Path, tmp_path: Path):
    tokenizer = small_corpus / "tokenizer.json"
    model, path = model_of(config), tmp_path / "model.gguf"
    export_gguf(model, gguf_metadata(tokenizer), path, "F32", name="mine", fim_orders=("psm",))
    found = import_gguf(path)
    # What a file does not say has no part in what is computed.
    unsaid = {"initializer_range": config.initializer_range, "rms_norm_eps": config.rms_norm_eps}
    assert replace(found.model.config, **unsaid) == config
    assert found.model.config.rms_norm_eps == pytest.approx(config.rms_norm_eps)
    assert (found.name, found.fim_orders, found.vocabulary) == ("mine", ("psm",), load_vocabulary(tokenizer))
    theirs = found.model.state_dict()
    assert theirs.keys() == model.state_dict().keys()
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, theirs[name]), name


@pytest.mark.parametrize("quant", ["F16", "Q8_0", "Q5_0", "Q4_K_M"])
def test_a_quantized_file_comes_back_as_llama_cpp_computes_it(quant: str, small_corpus: Path, tmp_path: Path):
    """The file itself and what is read from it, written in full, give the same but for llama.cpp's own rounding."""
    vocabulary, path, whole = gguf_metadata(small_corpus / "tokenizer.json"), tmp_path / "q.gguf", tmp_path / "f.gguf"
    # All experts are chosen: what is measured is rounding, and never another choice.
    export_gguf(model_of(replace(SMALL, num_experts_per_tok=4)), vocabulary, path, quant, name="test")
    found = import_gguf(path)
    export_gguf(found.model, vocabulary, whole, "F32", name="test")
    tokens = torch.randint(20, 1500, (30,), generator=torch.Generator().manual_seed(2))
    stored, read = (computed_by_llama(each, tokens.tolist(), 4).logits for each in (path, whole))
    with torch.no_grad():
        ours = found.model.logits(tokens[None])[0].numpy()
    np.testing.assert_allclose(ours, read, atol=1e-3, rtol=0)
    assert np.sqrt(np.mean((ours - stored) ** 2)) / ours.std() < 0.08, "activations are rounded to 8 bits"


def test_the_builtin_model_computes_what_llama_cpp_computes(builtin_model: Path, tmp_path: Path):
    found, whole = import_gguf(builtin_model), tmp_path / "builtin.gguf"
    export_gguf(found.model, gguf_metadata_of(builtin_model, tmp_path), whole, "F32", name="test")
    tokens = found.vocabulary.marks.bos, *range(300, 340)
    theirs = computed_by_llama(whole, tokens, found.model.config.n_routed_experts).logits
    with torch.no_grad():
        ours = found.model.logits(torch.tensor([tokens]))[0].numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-3, rtol=0)
    stored = computed_by_llama(builtin_model, tokens, found.model.config.n_routed_experts).logits
    assert np.sqrt(np.mean((ours - stored) ** 2)) / ours.std() < 0.08


def gguf_metadata_of(model: Path, folder: Path):
    from dsassist_train.tokenizer import take_over

    take_over(model, folder / "tokenizer.json")
    return gguf_metadata(folder / "tokenizer.json")


def test_what_is_no_model_of_ours_is_refused(tmp_path: Path, small_corpus: Path):
    other = tmp_path / "other.gguf"
    write_gguf(other, {"general.architecture": "llama"}, [WrittenTensor("x", np.zeros(32, np.float32))])
    with pytest.raises(ModelUnsupported, match=r"other\.gguf is of the architecture llama, and only models that"):
        import_gguf(other)
    mine = tmp_path / "mine.gguf"
    vocabulary = gguf_metadata(small_corpus / "tokenizer.json")
    export_gguf(model_of(SMALL), vocabulary | {"deepseek2.rope.scaling.type": "yarn"}, mine, "F32", name="mine")
    with pytest.raises(ModelUnsupported, match=r"mine\.gguf is no such model .*: its positions are scaled; name"):
        import_gguf(mine)
    write_gguf(mine, {**vocabulary, "general.architecture": "deepseek2"}, [])
    with pytest.raises(ModelUnsupported, match=r"converted before llama\.cpp knew latent attention"):
        import_gguf(mine)
