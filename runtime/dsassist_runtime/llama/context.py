"""A context: the KV cache of a model's sequences, and the one place that calls `llama_decode`."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dsassist_runtime.errors import NotDone
from dsassist_runtime.llama.library import last_words, load_library
from dsassist_runtime.llama.model import Model

__all__ = ["AbortFlag", "Aborted", "BatchToken", "Context", "NoRoom"]


class Aborted(Exception):
    """The abort flag was raised while a batch was evaluated; the batch's KV is not to be trusted."""


class NoRoom(Exception):
    """The KV cache has no free cells for the batch; nothing of it was evaluated."""


class AbortFlag:
    """Stops a running `Context.decode` between two nodes of the graph; set from any thread.

    llama.cpp calls the abort callback for each node. A Python callback would cost an interpreter round trip a node
    (a third of the token time of a small model), so the callback is C's own `strlen` and the flag is a string: empty
    means go on.
    """

    def __init__(self) -> None:
        self._text = ctypes.create_string_buffer(2)
        self.address = ctypes.addressof(self._text)
        self.callback = ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p).value

    def set(self) -> None:
        """Abort what runs now or next."""
        self._text[0] = b"\x01"

    def clear(self) -> None:
        """Let decoding go on."""
        self._text[0] = b"\x00"

    def __bool__(self) -> bool:
        return self._text[0] != b"\x00"


class BatchToken(NamedTuple):
    """One token of a batch: its id, its position, its sequence, and whether its logits are wanted."""

    token: int
    position: int
    sequence: int
    wants_logits: bool


class Context:
    """KV cache and scratch memory for one model; used by one thread at a time."""

    def __init__(
        self,
        model: Model,
        *,
        n_ctx: int,
        n_batch: int,
        n_threads: int,
        n_seq_max: int = 1,
        n_outputs_max: int = 0,
        abort: AbortFlag,
        eval_callback: Any = None,
        op_offload: bool = True,
    ) -> None:
        """`n_ctx` tokens in all sequences together, at most `n_outputs_max` logits in a batch (0: of every token).

        The room for logits is taken at once: 64 positions of a 152k vocabulary are 39 MB, 512 would be 311 MB.
        `eval_callback`, a `ggml_backend_sched_eval_callback`, observes the graph (see `routing`). With `op_offload` a
        GPU takes large batches over, also where the weights lie in the machine's memory.
        """
        self._library = load_library()
        self._logits_type = ctypes.c_float * model.vocabulary.n_tokens
        params = self._library.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = params.n_ubatch = n_batch
        params.n_seq_max = n_seq_max
        params.n_outputs_max = n_outputs_max
        params.n_outputs_max_per_seq = 0  # the default of 1 refuses logits at several positions of a sequence
        params.n_threads = params.n_threads_batch = n_threads
        params.kv_unified = True  # copies of a prefix between sequences are metadata only
        params.abort_callback = self._library.ggml_abort_callback(abort.callback)
        params.abort_callback_data = abort.address
        params.op_offload = op_offload
        if eval_callback is not None:
            params.cb_eval = eval_callback
        self._abort = abort
        self._eval_callback = eval_callback
        self._abort_callback = params.abort_callback
        self.pointer = self._library.llama_init_from_model(model.pointer, params)
        if not self.pointer:
            raise NotDone(
                f"no room for a context of {n_ctx} tokens ({last_words() or 'no reason given'}); lower engine.n_ctx"
            )
        model.set_adapter(self.pointer)
        self._memory = self._library.llama_get_memory(self.pointer)
        self.n_ctx: int = self._library.llama_n_ctx(self.pointer)
        self.n_batch = n_batch
        self.n_threads = n_threads
        self._batch = self._library.llama_batch_init(n_batch, 0, 1)

    def decode(self, tokens: Sequence[BatchToken]) -> None:
        """Evaluate one batch of at most `n_batch` tokens; `Aborted` when the flag was raised, or `NoRoom`."""
        assert 0 < len(tokens) <= self.n_batch, f"{len(tokens)} tokens in a batch of {self.n_batch}"
        batch = self._batch
        batch.n_tokens = len(tokens)
        for i, (token, position, sequence, wants_logits) in enumerate(tokens):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = wants_logits
        code = self._library.llama_decode(self.pointer, batch)
        if code == 2 or (code != 0 and self._abort):
            raise Aborted
        if code == 1:
            raise NoRoom
        if code != 0:
            raise NotDone(
                f"llama_decode failed with {code} on {len(tokens)} tokens ({last_words() or 'no reason given'})"
            )

    def logits(self, index: int) -> npt.NDArray[np.float32]:
        """The logits behind token `index` of the last batch, `(n_vocab,)`; a view that the next `decode` overwrites."""
        pointer = self._library.llama_get_logits_ith(self.pointer, index)
        # Quicker than `np.ctypeslib.as_array`, which looks at the type anew each time.
        room: Any = self._logits_type.from_address(ctypes.addressof(pointer.contents))
        return np.frombuffer(room, dtype=np.float32)

    def forbid(self, index: int, tokens: Sequence[int]) -> None:
        """Make `tokens` impossible behind token `index` of the last batch, for whoever samples there."""
        logits = self.logits(index)
        for token in tokens:
            logits[token] = -np.inf

    def forget(self, sequence: int, start: int = 0, end: int = -1) -> None:
        """Drop the KV of `sequence` at the positions `[start, end)`; `end` -1: all behind."""
        self._library.llama_memory_seq_rm(self._memory, sequence, start, end)

    def share(self, source: int, target: int, start: int, end: int) -> None:
        """Let `target` have the KV of `source` at the positions `[start, end)`, without a copy."""
        self._library.llama_memory_seq_cp(self._memory, source, target, start, end)

    def shift(self, sequence: int, start: int, delta: int) -> None:
        """Move the KV of `sequence` from position `start` on by `delta` positions, by rotating the keys once more.

        The next `decode` does the work, over the whole cache. Cells shared with other sequences move there as well.
        """
        self._library.llama_memory_seq_add(self._memory, sequence, start, -1, delta)

    @property
    def can_shift(self) -> bool:
        """Does this model's KV cache allow `shift`?"""
        return bool(self._library.llama_memory_can_shift(self._memory))

    def set_threads(self, n_threads: int) -> None:
        """Use so many threads from the next batch on."""
        self.n_threads = n_threads
        self._library.llama_set_n_threads(self.pointer, n_threads, n_threads)

    def saved_bytes(self, sequence: int, n_tokens: int) -> int:
        """What `save_sequence` would write, or a few bytes more."""
        # llama_context::state_seq_save_file: magic, version and count before the tokens.
        size = int(self._library.llama_state_seq_get_size(self.pointer, sequence))
        return size + 4 * (3 + n_tokens)

    def save_sequence(self, sequence: int, tokens: Sequence[int], path: Path) -> int:
        """Write the KV of `sequence` and its `tokens` to a file; the bytes written, 0 when that failed."""
        array = (ctypes.c_int32 * len(tokens))(*tokens)
        name = str(path).encode("utf-8", "surrogateescape")
        return int(self._library.llama_state_seq_save_file(self.pointer, name, sequence, array, len(tokens)))

    def load_sequence(self, sequence: int, n_tokens: int, path: Path) -> list[int]:
        """Read into an empty `sequence` what `save_sequence` wrote; its tokens, none when the file does not fit."""
        array, count = (ctypes.c_int32 * n_tokens)(), ctypes.c_size_t(0)
        name = str(path).encode("utf-8", "surrogateescape")
        size = self._library.llama_state_seq_load_file(
            self.pointer, name, sequence, array, n_tokens, ctypes.byref(count)
        )
        return list(array[: count.value]) if size else []

    def close(self) -> None:
        """Free the KV cache."""
        if self.pointer:
            self._library.llama_batch_free(self._batch)
            self._library.llama_free(self.pointer)
            self.pointer = None
