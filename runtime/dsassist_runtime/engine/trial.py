"""Are the numbers with experts from disk those of the resident model? Tried once, before such a model serves.

Due again when llama-cpp-python or dsassist is another, and for each architecture: what could differ is the names of the
graph's nodes, the layout of structs, and how experts are multiplied, and not this or that file. So a model of the
builtin one's architecture is tried by the builtin one, in a second. Of others no small one is at hand: the model itself
evaluates three tokens both ways, which reads at most as many experts twice.
"""

from __future__ import annotations

from contextlib import closing

from dsassist_runtime.gguf import read_header
from dsassist_runtime.llama.library import PINNED
from dsassist_runtime.models.store import BUILTIN_PATH
from dsassist_runtime.offload import StreamedModel, least_budget_bytes, open_streamed, self_test
from dsassist_runtime.planning.kept import keep, kept
from dsassist_runtime.version import __version__

__all__ = ["trial_name", "try_streaming"]


def try_streaming(streamed: StreamedModel) -> None:
    """Compare, where that is due; `NotDone` when a bit is another."""
    architecture = streamed.model.metadata("general.architecture") or "unknown"
    name = trial_name(architecture)
    if kept(name) is not None:
        return
    if architecture == read_header(BUILTIN_PATH).architecture:
        with closing(open_streamed(BUILTIN_PATH, least_budget_bytes(BUILTIN_PATH), lock=False)) as small:
            self_test(small)
    else:
        self_test(streamed)
    keep(name, {"passed": True})


def trial_name(architecture: str) -> str:
    """What a trial that was passed is kept under."""
    return f"streamed {architecture} equals resident, dsassist {__version__} on llama-cpp-python {PINNED}"
