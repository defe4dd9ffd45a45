"""Where a model's weights go: how many layers to a GPU, and whose experts along with them.

llama.cpp sends whole layers there (`n_gpu_layers`, counted from the output backwards). What is to stay behind is told
by patterns: a tensor whose name has a match gets the buffer type that stands beside the pattern, the first match wins
(llama-model-loader.cpp, `tensor_buft_overrides`). llama-cpp-python does not bind the struct.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from dsassist_runtime.llama.library import native_function

__all__ = ["NOT_PLACED", "BufferOverride", "Placement"]


class BufferOverride(ctypes.Structure):
    """`llama_model_tensor_buft_override` (llama.h); an array of them ends with one that is all zeros."""

    _fields_ = [("pattern", ctypes.c_char_p), ("buffer_type", ctypes.c_void_p)]


@dataclass(frozen=True)
class Placement:
    """`n_gpu_layers` as llama.cpp has it; `expert_layers_in_vram` None: experts go where their layers go."""

    n_gpu_layers: int = 0
    expert_layers_in_vram: tuple[int, ...] | None = None

    @property
    def experts_on_cpu(self) -> str:
        """The pattern of the experts that stay in the machine's memory; empty where nothing has to be said of it.

        ECMAScript's grammar, which `std::regex` takes. Biases stay with their experts.
        """
        if not self.n_gpu_layers or self.expert_layers_in_vram is None:
            return ""
        others = "|".join(map(str, self.expert_layers_in_vram))
        layers = rf"(?!(?:{others})\.)" if others else ""
        return rf"^blk\.{layers}\d+\.ffn_(?:gate|up|down|gate_up)_exps\."

    def overrides(self) -> ctypes.Array[BufferOverride] | None:
        """What llama.cpp is given, None for nothing; it must live as long as the model."""
        if not (pattern := self.experts_on_cpu):
            return None
        buffer_type = native_function("ggml_backend_cpu_buffer_type", ctypes.c_void_p)
        return (BufferOverride * 2)(BufferOverride(pattern.encode(), buffer_type()), BufferOverride(None, None))


NOT_PLACED = Placement()  # all of it in the machine's memory
