"""An exported file is the model: llama.cpp computes its logits and chooses its experts."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `train` brings it)")

from dsassist_runtime.errors import DsassistError, NotDone  # noqa: E402
from dsassist_runtime.gguf import fim_orders, fim_tokens, read_header  # noqa: E402
from dsassist_runtime.llama.model import Model  # noqa: E402
from dsassist_train.architecture import ModelConfig, Transformer, initialize  # noqa: E402
from dsassist_train.export import check_exportable, export_gguf, metadata_of  # noqa: E402
from dsassist_train.gguf_writer import WrittenTensor, write_gguf  # noqa: E402
from dsassist_train.quantizing import QUANTS, quant_of  # noqa: E402
from dsassist_train.tokenizer import gguf_metadata, load_tokenizer  # noqa: E402
from train.llama_logits import computed_by_llama  # noqa: E402

CONFIG = ModelConfig(
    vocab_size=1,  # the vocabulary's, below
    hidden_size=64,
    num_hidden_layers=4,
    num_attention_heads=2,
    kv_lora_rank=64,
    qk_nope_head_dim=32,
    qk_rope_head_dim=16,
    v_head_dim=32,
    intermediate_size=96,
    moe_intermediate_size=32,
    n_routed_experts=8,
    num_experts_per_tok=2,
    initializer_range=0.2,
)


@pytest.fixture(scope="module")
def vocabulary(small_corpus: Path) -> Path:
    return small_corpus / "tokenizer.json"


def model_of(config: ModelConfig, vocabulary: Path) -> Transformer:
    model = Transformer(replace(config, vocab_size=len(gguf_metadata(vocabulary)["tokenizer.ggml.tokens"])))
    initialize(model, seed=11)
    with torch.no_grad():
        for index, (name, weight) in enumerate(model.named_parameters()):
            if weight.dim() == 1:
                weight += 0.2 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(index))
            if name.endswith("gate.weight"):
                weight *= 3  # gates that are sure of themselves, as trained ones are: no ties
        for layer in model.layers:
            if config.topk_method == "noaux_tc" and not layer.is_dense:
                layer.mlp.gate.e_score_correction_bias += torch.linspace(-0.2, 0.2, config.n_routed_experts)
    return model


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        replace(CONFIG, q_lora_rank=48, norm_topk_prob=False, routed_scaling_factor=2.5, num_experts_per_tok=3),
        replace(CONFIG, topk_method="noaux_tc", tie_word_embeddings=False, n_shared_experts=2, first_k_dense_replace=2),
    ],
    ids=["tied", "query rank, scaled", "bias, untied, two dense layers"],
)
def test_llama_cpp_computes_the_same_logits_and_chooses_the_same_experts(config, vocabulary, tmp_path):
    model, path = model_of(config, vocabulary), tmp_path / "model.gguf"
    export_gguf(model, gguf_metadata(vocabulary), path, "F32", name="test")
    tokens = torch.randint(20, model.config.vocab_size, (60,), generator=torch.Generator().manual_seed(2))
    theirs = computed_by_llama(path, tokens.tolist(), config.n_routed_experts)
    with torch.no_grad():
        plain = model.logits(tokens[None])[0].numpy()
        absorbed = model.logits(tokens[None], absorbed=True)[0].numpy()
        routing = model(tokens[None]).routing
    assert plain.std() > 0.5
    np.testing.assert_allclose(plain, theirs.logits, atol=1e-3, rtol=0)
    np.testing.assert_allclose(absorbed, theirs.logits, atol=1e-3, rtol=0)
    ours = [[sorted(layer.chosen[0, t].tolist()) for layer in routing] for t in range(len(tokens))]
    assert ours == theirs.chosen
    assert len({tuple(each) for layers in ours for each in layers}) > 5, "the gates must choose, or nothing is shown"


@pytest.mark.parametrize(("quant", "error"), [("F16", 0.004), ("Q8_0", 0.15), ("Q5_0", 0.5), ("Q4_K_M", 0.5)])
def test_each_quantisation_is_near_the_model_as_its_bits_allow(quant, error, vocabulary, tmp_path):
    # All experts are chosen: what is measured is rounding, and never another choice.
    config = replace(CONFIG, num_experts_per_tok=CONFIG.n_routed_experts)
    model, path = model_of(config, vocabulary), tmp_path / f"{quant}.gguf"
    export_gguf(model, gguf_metadata(vocabulary), path, quant, name="test")
    tokens = torch.randint(20, model.config.vocab_size, (30,), generator=torch.Generator().manual_seed(2))
    theirs = computed_by_llama(path, tokens.tolist(), CONFIG.n_routed_experts).logits
    with torch.no_grad():
        ours = model.logits(tokens[None])[0].numpy()
    assert np.sqrt(np.mean((ours - theirs) ** 2)) / ours.std() < error
    assert [each.name for each in tmp_path.iterdir()] == [path.name], "nothing may be left lying about"


def test_the_file_declares_its_marks_and_the_order_that_was_learnt(vocabulary, tmp_path):
    path = tmp_path / "model.gguf"
    model = model_of(CONFIG, vocabulary)
    export_gguf(model, gguf_metadata(vocabulary), path, name="test", fim_orders=("psm", "spm"))
    header = read_header(path)
    assert fim_orders(header) == ("psm", "spm")
    marks = fim_tokens(header)
    texts = [text.decode() for text in header.strings("tokenizer.ggml.tokens")]
    assert marks is not None
    assert [texts[token] for token in marks] == ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]
    assert {tensor.name for tensor in header.tensors} >= {"blk.1.attn_k_b.weight", "blk.1.attn_v_b.weight"}
    assert "output.weight" not in {tensor.name for tensor in header.tensors}


def test_text_becomes_the_same_ids_in_the_exported_file(vocabulary, tmp_path):
    path = tmp_path / "model.gguf"
    export_gguf(model_of(CONFIG, vocabulary), gguf_metadata(vocabulary), path, name="test")
    tokenizer = load_tokenizer(vocabulary)
    with closing(Model(path)) as model:
        for text in ("def f(a):\n\treturn a  # é €\r\n", "        x = 12345\n\n\n", "don't <|fim_middle|> 🙂"):
            assert model.vocabulary.tokenize(text) == tokenizer.encode(text)


def test_a_query_rank_that_llama_cpp_would_pass_over_is_refused():
    with pytest.raises(DsassistError, match="27 layers for V2-Lite"):
        metadata_of(replace(CONFIG, num_hidden_layers=27, q_lora_rank=48), "test")
    like_kanana = replace(CONFIG, num_hidden_layers=48, q_lora_rank=48, vocab_size=128_256)
    with pytest.raises(DsassistError, match="48 layers for V2-Lite"):
        check_exportable(like_kanana)
    check_exportable(replace(like_kanana, vocab_size=1500))


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ({"num_hidden_layers": 513}, "num_hidden_layers is 513, and llama.cpp runs 512 at most"),
        ({"n_routed_experts": 1032}, "n_routed_experts is 1032, and llama.cpp runs 1,024 at most"),
    ],
)
def test_more_layers_and_experts_than_llama_cpp_has_room_for_are_refused(size, said):
    with pytest.raises(DsassistError, match=said):
        check_exportable(replace(CONFIG, **size))
    check_exportable(replace(CONFIG, num_hidden_layers=512, n_routed_experts=1024))


def test_a_tokenizer_of_another_size_is_refused(vocabulary, tmp_path):
    model = Transformer(replace(CONFIG, vocab_size=77))
    initialize(model, seed=1)
    with pytest.raises(DsassistError, match="and the model 77; export it with the tokenizer"):
        export_gguf(model, gguf_metadata(vocabulary), tmp_path / "model.gguf", name="test")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_told(vocabulary, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotDone, match=r"cannot write .*file/.*: file exists"):
        export_gguf(
            model_of(CONFIG, vocabulary), gguf_metadata(vocabulary), tmp_path / "file" / "m", "Q8_0", name="test"
        )


def test_quantisations_are_named_in_any_case():
    assert quant_of("q4_k_m") == "Q4_K_M"
    with pytest.raises(DsassistError, match=f"'Q3' to export to; choose of {', '.join(QUANTS)}"):
        quant_of("Q3")


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"old")
    (tmp_path / ".m.gguf.part").symlink_to("/dev/full")  # every write there finds no space left
    with pytest.raises(NotDone, match=r"cannot write .*m\.gguf \(4 MB\): no space left on device; make room"):
        write_gguf(path, {"a": 1}, [WrittenTensor("x", np.zeros(1000000, np.float32))])
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["m.gguf"]
