"""An engine with a LoRA adapter: all that it computes is computed with it, and no other model's is taken."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from adapter_files import write_adapter
from dsassist_runtime.api import (
    CompletionRequest,
    ContinuationScore,
    ContinuationsRequest,
    EngineSettings,
    GenerationEnd,
    InfillRequest,
    Sampling,
    TextPiece,
)
from dsassist_runtime.engine.local import LocalEngine, Request
from dsassist_runtime.errors import ModelError, ModelInvalid, ModelMissing, ModelUnsupported
from dsassist_train.gguf_writer import WrittenTensor, write_gguf
from streamed_engine import streamed_engine

TEXT = CompletionRequest(prompt="def add(a, b):\n", max_tokens=16, sampling=Sampling(temperature=0.0))
LONG = CompletionRequest(prompt="x = 1\n" * 60, max_tokens=1, sampling=Sampling(temperature=0.0))
SCORES = ContinuationsRequest("def add(a, b):\n", ("    return a + b\n",))


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory, builtin_model: Path) -> Path:
    return write_adapter(tmp_path_factory.mktemp("adapter") / "mine.gguf", builtin_model)


def answer(engine: LocalEngine, request: Request) -> str | tuple[float, ...]:
    text = ""
    for event in engine.events(request):
        if isinstance(event, TextPiece):
            text += event.text
        elif isinstance(event, tuple):
            (score,) = event
            assert isinstance(score, ContinuationScore)
            return score.logprobs
    return text


@pytest.fixture(scope="module")
def answers(builtin_model: Path, lora: Path) -> dict[str, list[str | tuple[float, ...]]]:
    found = {}
    for name, path in (("plain", None), ("adapted", lora)):
        with closing(LocalEngine(EngineSettings(builtin_model, n_threads=1, lora_path=path))) as engine:
            assert engine.facts().lora_path == path
            found[name] = [answer(engine, TEXT), answer(engine, SCORES)]
    return found


def test_texts_and_scores_are_those_of_the_adapted_model(answers: dict[str, list[str | tuple[float, ...]]]) -> None:
    plain, adapted = answers["plain"], answers["adapted"]
    assert plain[0] != adapted[0]
    assert np.abs(np.array(plain[1]) - np.array(adapted[1])).max() > 0.1


def test_an_adapter_that_changes_nothing_changes_nothing(
    builtin_model: Path, tmp_path: Path, answers: dict[str, list[str | tuple[float, ...]]]
) -> None:
    nothing = write_adapter(tmp_path / "nothing.gguf", builtin_model, strength=0.0)
    with closing(LocalEngine(EngineSettings(builtin_model, n_threads=1, lora_path=nothing))) as engine:
        assert answer(engine, TEXT) == answers["plain"][0]


def test_experts_on_disk_give_the_same_with_an_adapter(
    builtin_model: Path, lora: Path, answers: dict[str, list[str | tuple[float, ...]]]
) -> None:
    with streamed_engine(builtin_model, n_threads=1, lora_path=lora) as engine:
        assert [answer(engine, TEXT), answer(engine, SCORES)] == answers["adapted"]


def test_the_routing_is_traced_with_the_adapter(builtin_model: Path, lora: Path) -> None:
    request = InfillRequest("def f(x):\n    ", "\n", max_tokens=4, sampling=Sampling(temperature=0.0))
    traced = InfillRequest(**{**vars(request), "trace_experts": True})
    with closing(LocalEngine(EngineSettings(builtin_model, n_threads=1, lora_path=lora))) as engine:
        assert answer(engine, traced) == answer(engine, request)


def test_prompts_evaluated_without_the_adapter_are_not_reused_with_it(
    builtin_model: Path, lora: Path, tmp_path: Path
) -> None:
    cached = []
    for path in (None, lora, lora, None):
        settings = EngineSettings(builtin_model, n_threads=1, lora_path=path)
        with closing(LocalEngine(settings)) as engine:
            engine.keep_prefixes_in(tmp_path)
            *_, end = engine.events(LONG)
            assert isinstance(end, GenerationEnd)
            cached.append(end.cached_tokens > 0)
            engine.save()
    assert cached == [False, False, True, True]


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"dsassist_lora_base": "0" * 64}, ModelUnsupported, r"\(its weights are others\); name its own model, which"),
        ({"general_architecture": "llama"}, ModelUnsupported, r"another model .*\(llama architecture, not deepseek2\)"),
        ({"general_type": "model"}, ModelInvalid, r"lora\.gguf is a model, and no adapter"),
        ({"adapter_type": "ia3"}, ModelUnsupported, r"lora\.gguf is an adapter of the type 'ia3'; only LoRA"),
    ],
)
def test_what_is_no_adapter_of_this_model_is_refused(
    builtin_model: Path, tmp_path: Path, changes: dict[str, str], kind: type[ModelError], said: str
) -> None:
    path = write_adapter(tmp_path / "lora.gguf", builtin_model, **changes)
    with pytest.raises(kind, match=said):
        LocalEngine(EngineSettings(builtin_model, lora_path=path))


def test_an_adapter_of_other_sizes_is_refused(builtin_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "lora.gguf"
    metadata = {"general.architecture": "deepseek2", "general.type": "adapter", "adapter.type": "lora"}
    pair = ((".lora_a", (2, 96)), (".lora_b", (256, 2)))
    for name, said in (
        ("blk.0.attn_output.weight", r"its blk\.0\.attn_output\.weight is 256 x 256, not 96 x 256"),
        ("output_norm.weight", r"its output_norm\.weight is 256, not 96 x 256"),
        ("blk.99.attn_output.weight", r"it has no blk\.99\.attn_output\.weight"),
    ):
        write_gguf(path, metadata, [WrittenTensor(name + end, np.zeros(shape, np.float32)) for end, shape in pair])
        with pytest.raises(ModelUnsupported, match=said):
            LocalEngine(EngineSettings(builtin_model, lora_path=path))
    vectors = [WrittenTensor("x" + end, np.zeros(32, np.float32)) for end, _ in pair]
    for tensors in ([WrittenTensor("x.lora_a", np.zeros((2, 32), np.float32))], vectors):
        write_gguf(path, metadata, tensors)
        with pytest.raises(ModelInvalid, match="lacks matrices that an adapter has in pairs"):
            LocalEngine(EngineSettings(builtin_model, lora_path=path))


def test_a_missing_adapter_and_one_in_the_models_place_are_told(
    builtin_model: Path, lora: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        ModelMissing, match=r"there is no adapter .*gone\.gguf; check the path \(engine\.lora, --lora\)"
    ):
        LocalEngine(EngineSettings(builtin_model, lora_path=tmp_path / "gone.gguf"))
    with pytest.raises(ModelInvalid, match=r"mine\.gguf is a LoRA adapter, and no model; name the model"):
        LocalEngine(EngineSettings(lora))
