"""What llama.cpp computes with a model file: logits and routing of a text, with a cache that rounds nothing."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dsassist_runtime.llama.library import load_library
from dsassist_runtime.llama.model import Model
from dsassist_runtime.llama.routing import RoutingObserver

_F32 = 0


class Computed(NamedTuple):
    """`logits` `(T, vocabulary)`; `chosen`, for each token, the experts of each mixture layer, sorted."""

    logits: npt.NDArray[np.float32]
    chosen: list[list[list[int]]]


def computed_by_llama(path: Path, tokens: Sequence[int], n_experts: int, lora: Path | None = None) -> Computed:
    """A token after the other, so that each token's experts are known."""
    library = load_library()
    observer = RoutingObserver(n_experts)
    params = library.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = 512
    params.n_threads = params.n_threads_batch = 1
    params.type_k = params.type_v = _F32  # the default F16 alone is off by 2e-3
    params.flash_attn_type = library.LLAMA_FLASH_ATTN_TYPE_DISABLED  # it would round the cache to F16 after all
    params.cb_eval = observer.callback
    rows, chosen, before = [], [], {}
    with ExitStack() as stack:
        model = stack.enter_context(closing(Model(path)))
        if lora is not None:
            model.adapt(lora)
        context = library.llama_init_from_model(model.pointer, params)
        assert context
        model.set_adapter(context)
        stack.callback(library.llama_free, context)
        for token in tokens:
            batch = library.llama_batch_get_one((ctypes.c_int32 * 1)(token), 1)
            assert library.llama_decode(context, batch) == 0
            pointer = library.llama_get_logits_ith(context, -1)
            rows.append(np.ctypeslib.as_array(pointer, (model.vocabulary.n_tokens,)).copy())
            now = {each.layer: each.counts for each in observer.result()}
            chosen.append([_added(before.get(layer, (0,) * n_experts), counts) for layer, counts in now.items()])
            before = now
    return Computed(np.stack(rows), chosen)


def _added(before: Sequence[int], after: Sequence[int]) -> list[int]:
    return [expert for expert, (old, new) in enumerate(zip(before, after, strict=True)) if new > old]
