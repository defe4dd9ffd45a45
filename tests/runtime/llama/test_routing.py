"""Who was routed where, read from the graph."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dsassist_runtime.llama.context import AbortFlag, BatchToken, Context
from dsassist_runtime.llama.library import load_library
from dsassist_runtime.llama.model import Model
from dsassist_runtime.llama.routing import GgmlTensor, in_host_memory, routed_experts, routed_experts_copied


@pytest.mark.parametrize("n_tokens", [1, 7])
def test_rows_that_are_copied_are_those_that_lie_there(builtin_model: Path, n_tokens: int) -> None:
    """Of a node on a GPU only a copy can be read; ggml copies from the machine's memory just as well."""
    seen: list[tuple[list[list[int]], list[list[int]]]] = []

    def observe(address: int, ask: bool, _data: Any) -> bool:
        node = GgmlTensor.from_address(address)
        if not node.name.startswith(b"ffn_moe_topk-"):
            return not ask
        if not ask:
            assert in_host_memory(node)
            seen.append(
                ([list(row) for row in routed_experts(node)], [list(row) for row in routed_experts_copied(node)])
            )
        return True

    callback = load_library().ggml_backend_sched_eval_callback(observe)
    with closing(Model(builtin_model)) as model:
        context = Context(model, n_ctx=64, n_batch=8, n_threads=1, abort=AbortFlag(), eval_callback=callback)
        with closing(context):
            context.decode([BatchToken(5 + i, i, 0, True) for i in range(n_tokens)])
    assert len(seen) == 5, "a layer of the builtin model is dense"
    for rows, copied in seen:
        assert rows == copied
        assert [len(set(row)) for row in rows] == [2] * n_tokens
        assert all(0 <= expert < 16 for row in rows for expert in row)
