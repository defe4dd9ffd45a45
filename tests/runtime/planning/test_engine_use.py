"""The plan's idea of the engine's memory, held to the engine and to what llama.cpp itself reports."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dsassist.bench.synthetic import Shapes, write_synthetic
from dsassist_runtime.api import EngineSettings
from dsassist_runtime.engine import local
from dsassist_runtime.llama import library
from dsassist_runtime.models.store import BUILTIN_PATH
from dsassist_runtime.planning import engine_use
from dsassist_runtime.planning.contents import read_contents

_MIB = 1 << 20
_SMALL = {"num_hidden_layers": 3, "hidden_size": 512, "num_attention_heads": 4, "intermediate_size": 1024}
_SHAPES = {
    "attention is widest": Shapes(**_SMALL, moe_intermediate_size=128, n_routed_experts=8),
    "experts are widest": Shapes(
        **{**_SMALL, "hidden_size": 1024, "num_attention_heads": 2}, moe_intermediate_size=256, n_routed_experts=8
    ),
}


@contextmanager
def _log() -> Iterator[list[str]]:
    """What llama.cpp logs meanwhile, a line each."""
    parts: list[str] = []

    def note(_level: int, text: bytes, _data: int) -> None:
        parts.append(text.decode("utf-8", "replace"))

    callback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(note)
    lines: list[str] = []
    low_level = library.load_library()
    low_level.llama_log_set(callback, ctypes.c_void_p(0))
    try:
        yield lines
    finally:
        low_level.llama_log_set(library._LOG_CALLBACK, ctypes.c_void_p(0))
        lines += "".join(parts).splitlines()


def _reported(lines: list[str], what: str) -> float:
    """The bytes of all buffers of a kind."""
    return _MIB * sum(float(mib) for line in lines for mib in re.findall(rf"{what} +buffer size = +([\d.]+) MiB", line))


@pytest.fixture(scope="module", params=["builtin", *_SHAPES])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "builtin":
        return BUILTIN_PATH
    path = tmp_path_factory.mktemp("synthetic") / "model.gguf"
    write_synthetic(path, _SHAPES[request.param])
    return path


def test_the_numbers_are_the_engines() -> None:
    assert engine_use.N_BATCH == local._N_BATCH
    assert engine_use.N_OUTPUTS == local._N_OUTPUTS
    assert engine_use.N_SEQUENCES == local._N_SEQUENCES
    assert engine_use.automatic_ctx(0) == engine_use.automatic_ctx(1 << 20) == local._LARGEST_AUTOMATIC_CONTEXT


@pytest.mark.parametrize("n_ctx", [512, 1024, 6144])
def test_cache_and_buffers_are_what_llama_cpp_reports(model: Path, n_ctx: int) -> None:
    with _log() as lines, closing(local.LocalEngine(EngineSettings(model, n_ctx=n_ctx, n_threads=1))) as engine:
        scoring, _ = engine._scoring_memory
        assert engine._context.n_ctx + scoring.n_ctx == engine_use.n_cells(n_ctx)
    contents = read_contents(model)
    assert contents.kv_bytes(n_ctx) == pytest.approx(_reported(lines, "KV"), rel=0.01)
    # The room for logits outside of the graph grows from the sequences to `n_outputs_max` with the first large batch.
    logits = engine_use.N_CONTEXTS * engine_use.N_OUTPUTS * engine.facts().n_vocab * 4
    assert 0.99 <= contents.compute_bytes(n_ctx) / (_reported(lines, "compute") + logits) <= 1.35
