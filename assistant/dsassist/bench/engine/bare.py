"""`python -m dsassist.bench.engine.bare MODEL N_THREADS`: decoding with nothing around it.

A line of JSON in, `{"prompt": str, "max_tokens": int}`; out comes the speed in tokens per second, from the first token
to the last.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from dsassist_runtime.llama.library import load_library
from dsassist_runtime.llama.model import Model

_N_CTX = 2048


def _serve(model_path: Path, n_threads: int) -> None:
    library = load_library()
    with closing(Model(model_path)) as model:
        params = library.llama_context_default_params()
        params.n_ctx = params.n_batch = _N_CTX
        params.n_threads = params.n_threads_batch = n_threads
        context = library.llama_init_from_model(model.pointer, params)
        try:
            for line in sys.stdin:
                question = json.loads(line)
                tokens = model.vocabulary.tokenize(question["prompt"])
                speed = _decode(library, context, tokens, question["max_tokens"], model.vocabulary.n_tokens)
                sys.stdout.write(f"{speed}\n")
                sys.stdout.flush()
        finally:
            library.llama_free(context)


def _decode(library: Any, context: Any, prompt: list[int], max_tokens: int, n_vocab: int) -> float:
    library.llama_memory_clear(library.llama_get_memory(context), True)
    tokens = (library.llama_token * len(prompt))(*prompt)
    started = 0.0
    for n_written in range(max_tokens):
        code = library.llama_decode(context, library.llama_batch_get_one(tokens, len(tokens)))
        assert code == 0, f"llama_decode returned {code} at token {n_written}"
        logits = np.ctypeslib.as_array(library.llama_get_logits_ith(context, -1), shape=(n_vocab,))
        tokens = (library.llama_token * 1)(int(logits.argmax()))
        started = started or time.perf_counter()
    return (max_tokens - 1) / (time.perf_counter() - started)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), int(sys.argv[2]))
