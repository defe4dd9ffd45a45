"""The door to PyTorch, which comes with the extra `train`."""

from __future__ import annotations

import importlib.util
import os
from operator import attrgetter

from dsassist_runtime.errors import DsassistError
from dsassist_runtime.llama.library import barrier_environment

__all__ = ["require_torch"]

_REQUIREMENT = "torch==2.13.*"  # of the extra
_NEEDED = (  # what is used of PyTorch and not of every version
    "nn.functional.grouped_mm",
    "cpu._is_avx512_bf16_supported",
    "cpu._is_amx_tile_supported",
)


def require_torch() -> None:
    """Raise `DsassistError` unless PyTorch can be imported and has what is used of it.

    Its threads wait as those of llama.cpp do.
    """
    if importlib.util.find_spec("torch") is None:
        raise DsassistError(
            "training needs PyTorch, which is not installed; install the extra: pip install 'dsassist[train]'"
        )
    os.environ.update(barrier_environment(os.environ))  # libgomp reads it once, when it is loaded
    try:
        import torch
    except Exception as error:  # what a mixed installation raises is anything
        raise DsassistError(
            f"training needs PyTorch, and the one that is installed cannot be imported ({error}); install it anew: "
            f"pip install --force-reinstall '{_REQUIREMENT}'"
        ) from error
    try:
        attrgetter(*_NEEDED)(torch)
    except AttributeError as error:
        raise DsassistError(
            f"training needs another PyTorch than {torch.__version__}, which is installed ({error}); install the one "
            f"that it was tested with: pip install '{_REQUIREMENT}'"
        ) from None
