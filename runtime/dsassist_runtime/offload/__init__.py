"""Experts that wait on disk: a mixture of experts larger than memory, with the very numbers of the resident model.

The parts, from below: `experts` (where they lie in the files), `region` (memory for them), `reading` (from the one to
the other), `cache` (which of them are in memory), `weights` (llama.cpp's tensors), `streaming` (in llama.cpp's
callback), `streamed_model` (all of it), `self_test`.
"""

from dsassist_runtime.offload.self_test import self_test
from dsassist_runtime.offload.streamed_model import StreamedModel, least_budget_bytes, open_streamed

__all__ = ["StreamedModel", "least_budget_bytes", "open_streamed", "self_test"]
