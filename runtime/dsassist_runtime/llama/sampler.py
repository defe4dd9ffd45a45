"""The sampler chain: from logits to the next token."""

from __future__ import annotations

import secrets

from dsassist_runtime.api import Sampling
from dsassist_runtime.llama.context import Context
from dsassist_runtime.llama.library import load_library

__all__ = ["Sampler"]


class Sampler:
    """llama.cpp's chain of top-k, top-p, min-p, temperature and a draw; greedy at temperature 0."""

    def __init__(self, sampling: Sampling) -> None:
        library = self._library = load_library()
        self._chain = library.llama_sampler_chain_init(library.llama_sampler_chain_default_params())
        if sampling.temperature <= 0:
            links = [library.llama_sampler_init_greedy()]
        else:
            seed = secrets.randbits(32) if sampling.seed is None else sampling.seed & 0xFFFFFFFF
            links = [
                library.llama_sampler_init_top_k(sampling.top_k),
                library.llama_sampler_init_top_p(sampling.top_p, 1),
                library.llama_sampler_init_min_p(sampling.min_p, 1),
                library.llama_sampler_init_temp(sampling.temperature),
                library.llama_sampler_init_dist(seed),
            ]
        for link in links:
            library.llama_sampler_chain_add(self._chain, link)  # the chain owns it

    def sample(self, context: Context, index: int = -1) -> int:
        """Choose a token from the logits at `index` of the last batch (-1: the last)."""
        return int(self._library.llama_sampler_sample(self._chain, context.pointer, index))

    def close(self) -> None:
        """Free the chain and its links."""
        if self._chain:
            self._library.llama_sampler_free(self._chain)
            self._chain = None
