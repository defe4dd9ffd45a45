from __future__ import annotations

import os
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


@pytest.mark.parametrize(
    ("said", "spins"), [({}, "10000"), ({"OMP_WAIT_POLICY": "active"}, "None"), ({"GOMP_SPINCOUNT": "7"}, "7")]
)
def test_threads_spin_a_little_unless_the_user_says_how_long(said: dict[str, str], spins: str) -> None:
    code = (
        "import os; from dsassist_runtime.llama.library import load_library;"
        "load_library(); print(os.environ.get('GOMP_SPINCOUNT'))"
    )
    kept = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env={**kept, **said})
    assert run.stdout == f"{spins}\n"


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
