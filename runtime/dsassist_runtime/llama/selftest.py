"""Does llama.cpp, as it was compiled, compute on this machine? `python -m dsassist_runtime.llama.selftest`

A library that was compiled for another processor, or by a compiler that breaks an instruction set, kills the process
(SIGILL). The builtin model's weights are of a type that all of llama.cpp's quicker paths take.
"""

from __future__ import annotations

from contextlib import closing

import numpy as np

from dsassist_runtime.llama.context import AbortFlag, BatchToken, Context
from dsassist_runtime.llama.model import Model
from dsassist_runtime.models.store import BUILTIN_PATH

_N_TOKENS = 64
_THREADS = (1, 2)  # the threads of a pool set up some instructions for themselves


def main() -> None:
    """Evaluate a batch as long as a prompt's, and one token; an error or a signal is the answer."""
    with closing(Model(BUILTIN_PATH)) as model:
        for n_threads in _THREADS:
            with closing(
                Context(model, n_ctx=2 * _N_TOKENS, n_batch=_N_TOKENS, n_threads=n_threads, abort=AbortFlag())
            ) as context:
                context.decode([BatchToken(100 + i, i, 0, i == _N_TOKENS - 1) for i in range(_N_TOKENS)])
                assert np.isfinite(context.logits(_N_TOKENS - 1)).all(), "logits that are no numbers"
                context.decode([BatchToken(100, _N_TOKENS, 0, True)])
                assert np.isfinite(context.logits(0)).all(), "logits that are no numbers"


if __name__ == "__main__":
    main()
