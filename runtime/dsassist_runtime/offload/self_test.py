"""Are the numbers with streamed experts the resident model's? For the first start after an upgrade of llama.cpp."""

from __future__ import annotations

import os
from contextlib import closing

import numpy as np
import numpy.typing as npt

from dsassist_runtime.errors import NotDone
from dsassist_runtime.llama.context import AbortFlag, BatchToken, Context
from dsassist_runtime.offload.streamed_model import StreamedModel

__all__ = ["self_test"]

_TEXT = "def area(width, height):\n    return width * height\n"
_N_CTX = 64
_MOST_BYTES = 1_000_000_000  # of experts that some tokens may ask for
_LONG, _SHORT = (8, 4), (2, 1)  # tokens in a batch, and one at a time behind it


def self_test(model: StreamedModel) -> None:
    """Evaluate a few tokens both ways and compare all logits; `NotDone` when a single bit is another.

    The resident run uses the same model, outside of the stream, where its weights are those of the mapped file: it
    takes no memory but the page cache's. It comes second, so that its experts are known and read in one go.
    """
    n_prompt, n_single = _LONG if sum(_LONG) * _token_bytes(model) <= _MOST_BYTES else _SHORT
    tokens = model.model.vocabulary.tokenize(_TEXT, add_special=True)[: n_prompt + n_single]
    sizes = {"n_ctx": _N_CTX, "n_batch": n_prompt, "n_threads": 1}
    with closing(model.new_context(**sizes, abort=AbortFlag())) as context:
        streamed = _logits(context, tokens, n_prompt)
    _read_ahead(model)
    with closing(Context(model.model, **sizes, abort=AbortFlag(), op_offload=False)) as context:
        resident = _logits(context, tokens, n_prompt)
    model.let_go_of_mapped_experts()
    model.heat = model.new_heat()  # nobody's project,
    model.work.clear()  # and nobody's text
    if not np.array_equal(resident.view(np.uint32), streamed.view(np.uint32)):  # the bits: NaN equals no NaN
        raise NotDone(
            f"{model.model.path} computes other numbers with experts from the disk than with all of it in memory;"
            " serve it with --plan off (engine.plan), and report it"
        )


def _token_bytes(model: StreamedModel) -> int:
    experts = model.experts
    return experts.n_used * sum(tensor.slice_bytes for tensor in experts.tensors)


def _read_ahead(model: StreamedModel) -> None:
    """Have the experts that were used in the page cache: page faults alone would read far more, or far slower."""
    if not hasattr(os, "posix_fadvise"):
        return
    files = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in model.experts.paths]
    try:
        for layer, expert in model.heat.hottest():
            for file, offset, n_bytes in model.experts.slices(layer, expert):
                os.posix_fadvise(files[file], offset, n_bytes, os.POSIX_FADV_WILLNEED)
    finally:
        for file in files:
            os.close(file)


def _logits(context: Context, tokens: list[int], n_prompt: int) -> npt.NDArray[np.float32]:
    """The logits behind each token: some in one batch, then one at a time."""
    rows = []
    prompt, single = tokens[:n_prompt], tokens[n_prompt:]
    context.decode([BatchToken(token, position, 0, True) for position, token in enumerate(prompt)])
    rows += [context.logits(i).copy() for i in range(len(prompt))]
    for position, token in enumerate(single, len(prompt)):
        context.decode([BatchToken(token, position, 0, True)])
        rows.append(context.logits(0).copy())
    return np.stack(rows)
