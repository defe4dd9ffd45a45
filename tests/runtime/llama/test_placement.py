"""What llama.cpp is told of where tensors go. Without a GPU the array is tried with the machine's memory."""

from __future__ import annotations

import ctypes
import re
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from dsassist_runtime.llama.context import AbortFlag, BatchToken, Context
from dsassist_runtime.llama.library import load_library
from dsassist_runtime.llama.model import Model
from dsassist_runtime.llama.placement import Placement

EXPERTS = [
    f"blk.{layer}.ffn_{part}_exps.{kind}"
    for layer in (1, 2, 11, 12, 21)
    for part in ("gate", "up", "down", "gate_up")
    for kind in ("weight", "bias")
]
OTHERS = ["blk.1.ffn_gate_inp.weight", "blk.1.ffn_gate_shexp.weight", "blk.1.attn_q.weight", "output.weight"]


@pytest.mark.parametrize("in_vram", [(), (1,), (2, 12), (1, 2, 11, 12, 21)])
def test_pattern_names_the_experts_of_all_other_layers_and_nothing_else(in_vram: tuple[int, ...]) -> None:
    pattern = re.compile(Placement(28, in_vram).experts_on_cpu)
    found = {name for name in (*EXPERTS, *OTHERS) if pattern.search(name)}
    assert found == {name for name in EXPERTS if int(name.split(".")[1]) not in in_vram}


def test_nothing_is_said_where_all_stays_or_all_goes() -> None:
    assert Placement().overrides() is None
    assert Placement(0, (3, 4)).overrides() is None, "without layers on a GPU there is nothing to keep back"
    assert Placement(28).overrides() is None


def test_array_ends_with_zeros() -> None:
    overrides = Placement(28, (26,)).overrides()
    assert overrides is not None
    assert [bool(each.pattern) and bool(each.buffer_type) for each in overrides] == [True, False]
    assert overrides[1].pattern is None
    assert overrides[1].buffer_type is None
    assert ctypes.sizeof(overrides) == 2 * 2 * ctypes.sizeof(ctypes.c_void_p)


def test_llama_cpp_reads_the_array_and_keeps_these_experts_in_the_machines_memory(builtin_model: Path) -> None:
    """It logs each tensor that a pattern moves, and computes what it computes without one."""
    lines: list[str] = []

    def note(_level: int, text: bytes, _data: int) -> None:
        lines.append(text.decode("utf-8", "replace"))

    callback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(note)
    library = load_library()
    from dsassist_runtime.llama import library as door

    library.llama_log_set(callback, ctypes.c_void_p(0))
    try:
        placed = _logits(builtin_model, Placement(7, (2, 5)))
    finally:
        library.llama_log_set(door._LOG_CALLBACK, ctypes.c_void_p(0))
    moved = set(
        re.findall(r"tensor (blk\.\d+\.ffn_\w+_exps\.weight) \(.*\) buffer type overridden to CPU", "".join(lines))
    )
    assert {int(name.split(".")[1]) for name in moved} == {1, 3, 4}
    assert len(moved) == 9
    assert np.array_equal(placed, _logits(builtin_model, Placement()))


def _logits(path: Path, placement: Placement) -> np.ndarray:  # type: ignore[type-arg]
    with closing(Model(path, placement, in_place=True)) as model:
        sizes = {"n_ctx": 64, "n_batch": 8, "n_threads": 1}
        with closing(Context(model, **sizes, abort=AbortFlag())) as context:
            context.decode([BatchToken(token, i, 0, i == 4) for i, token in enumerate((5, 6, 7, 8, 9))])
            return context.logits(-1).copy()
