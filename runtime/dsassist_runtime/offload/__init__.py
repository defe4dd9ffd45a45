"""Experts that wait on disk: a mixture of experts larger than memory, with the very numbers of the resident model.

The parts, from below: `experts` (where they lie in the files), `region` (memory for them), `reading` (from the one to
the other), `cache` (which of them are in memory), `weights` (llama.cpp's tensors), `streaming` (in llama.cpp's
callback), `streamed_model` (all of it), `self_test`. Around it: `work` and `status` (figures), `heat` and `preloading`
with `warm_start` (what a project uses, read before it is asked for), `pressure` and `memory_signs` (the
budget follows the free memory).
"""

from dsassist_runtime.offload.pressure import BudgetKeeper
from dsassist_runtime.offload.self_test import self_test
from dsassist_runtime.offload.status import streaming_status
from dsassist_runtime.offload.streamed_model import StreamedModel, least_budget_bytes, open_streamed
from dsassist_runtime.offload.warm_start import WarmStart

__all__ = [
    "BudgetKeeper",
    "StreamedModel",
    "WarmStart",
    "least_budget_bytes",
    "open_streamed",
    "self_test",
    "streaming_status",
]
