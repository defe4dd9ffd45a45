"""Storage types of an exported model, and llama.cpp's own quantizer."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

from dsassist_runtime.errors import DsassistError, NotDone
from dsassist_runtime.ggml_types import FILE_TYPES
from dsassist_runtime.llama.library import last_words, load_library

__all__ = ["QUANTS", "quant_of", "quantize"]

QUANTS = ("F32", "F16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_1", "Q5_0", "Q4_K_M", "Q4_1", "Q4_0")
"""What a model can be written in, the most exact first; the first two need no quantizer."""

_NUMBERS = {name: number for number, name in FILE_TYPES.items()}


def quant_of(name: str) -> str:
    """The storage type of this name, in any case; `DsassistError` where there is none."""
    if name.upper() in QUANTS:
        return name.upper()
    raise DsassistError(f"there is no quantisation {name!r} to export to; choose of {', '.join(QUANTS)}")


def quantize(source: Path, target: Path, quant: str, *, n_threads: int) -> None:
    """Write `source`, a GGUF in F32 or F16, in another type; `NotDone` when llama.cpp or the disk refuses.

    What llama.cpp does not quantize stays as it is: norms and the gate. Rows that are no multiple of a type's block get
    the next type that has blocks of 32.
    """
    library = load_library()
    params = library.llama_model_quantize_default_params()
    params.ftype = _NUMBERS[quant]
    params.nthread = n_threads
    part = target.with_name(f".{target.name}.part")
    try:
        code = library.llama_model_quantize(os.fsencode(source), os.fsencode(part), ctypes.byref(params))
        if code != 0:
            raise NotDone(
                f"cannot write {target} as {quant}: {last_words() or 'llama.cpp gives no reason'}; is there room?"
            )
        part.replace(target)
    except OSError as error:
        raise NotDone(f"cannot write {target}: {(error.strerror or str(error)).lower()}") from error
    finally:
        with contextlib.suppress(OSError):  # it is gone, or could never be made
            part.unlink()
