from __future__ import annotations

import subprocess
import sys
import types

import pytest

from dsassist_runtime.errors import NotDone
from dsassist_runtime.llama import library
from dsassist_runtime.llama.context import AbortFlag


def test_another_version_is_refused_with_what_to_install() -> None:
    with pytest.raises(NotDone, match=r"llama-cpp-python 0\.3\.35 is installed, dsassist needs 0\.3\.36.*pip install"):
        library._check("0.3.35", library.load_library())


def test_a_library_with_other_structs_is_refused() -> None:
    real = library.load_library()
    other = types.SimpleNamespace(**{name: getattr(real, name) for name in dir(real) if name.startswith("llama_")})
    other.llama_batch = real.llama_token_data
    with pytest.raises(NotDone, match="does not match llama-cpp-python"):
        library._check(library.PINNED, other)


def test_waiting_is_passive_before_the_library_loads() -> None:
    code = (
        "import os; from dsassist_runtime.llama.library import load_library;"
        "load_library(); print(os.environ['OMP_WAIT_POLICY'])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "passive\n"
    )


def test_the_abort_flag_is_read_by_the_c_function_that_llama_cpp_calls() -> None:
    import ctypes

    flag = AbortFlag()
    asks = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p)(flag.callback)
    assert not asks(flag.address)
    flag.set()
    assert asks(flag.address)
    assert flag
    flag.clear()
    assert not asks(flag.address)
    assert not flag
