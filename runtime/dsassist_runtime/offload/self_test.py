"""Are the numbers with streamed experts the resident model's? For the first start after an upgrade of llama.cpp."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import numpy.typing as npt

from dsassist_runtime.errors import NotDone
from dsassist_runtime.llama.context import AbortFlag, BatchToken, Context
from dsassist_runtime.offload.streamed_model import StreamedModel

__all__ = ["self_test"]

_TEXT = "def area(width, height):\n    return width * height\n"
_N_PROMPT, _N_SINGLE = 8, 4
_N_CTX = 64


def self_test(model: StreamedModel) -> None:
    """Evaluate a few tokens both ways and compare all logits; `NotDone` when a single bit is another.

    The resident run uses the same model, outside of the stream, where its weights are those of the mapped file.
    """
    tokens = model.model.vocabulary.tokenize(_TEXT, add_special=True)[: _N_PROMPT + _N_SINGLE]
    sizes = {"n_ctx": _N_CTX, "n_batch": _N_PROMPT, "n_threads": 1}
    with closing(Context(model.model, **sizes, abort=AbortFlag(), op_offload=False)) as context:
        resident = _logits(context, tokens)
    model.let_go_of_mapped_experts()
    with closing(model.new_context(**sizes, abort=AbortFlag())) as context:
        streamed = _logits(context, tokens)
    if not np.array_equal(resident.view(np.uint32), streamed.view(np.uint32)):  # the bits: NaN equals no NaN
        raise NotDone(
            f"{model.model.path} computes other numbers with experts from the disk than with all of it in memory;"
            " turn the offload off for this model, and report it"
        )


def _logits(context: Context, tokens: list[int]) -> npt.NDArray[np.float32]:
    """The logits behind each token: some in one batch, then one at a time."""
    rows = []
    prompt, single = tokens[:_N_PROMPT], tokens[_N_PROMPT:]
    context.decode([BatchToken(token, position, 0, True) for position, token in enumerate(prompt)])
    rows += [context.logits(i).copy() for i in range(len(prompt))]
    for position, token in enumerate(single, len(prompt)):
        context.decode([BatchToken(token, position, 0, True)])
        rows.append(context.logits(0).copy())
    return np.stack(rows)
