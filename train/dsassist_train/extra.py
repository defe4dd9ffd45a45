"""The door to PyTorch, which comes with the extra `train`."""

from __future__ import annotations

import importlib.util
import os

from dsassist_runtime.errors import DsassistError
from dsassist_runtime.llama.library import barrier_environment

__all__ = ["require_torch"]


def require_torch() -> None:
    """Raise `DsassistError` unless PyTorch can be imported; its threads wait as those of llama.cpp do."""
    if importlib.util.find_spec("torch") is None:
        raise DsassistError(
            "training needs PyTorch, which is not installed; install the extra: pip install 'dsassist[train]'"
        )
    os.environ.update(barrier_environment(os.environ))  # libgomp reads it once, when it is loaded
