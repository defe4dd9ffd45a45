"""A file that is mapped is read by llama.cpp, unless it is told not to."""

from __future__ import annotations

import ctypes
import mmap
import os
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from dsassist.bench.synthetic import Shapes, write_synthetic
from dsassist_runtime.llama.mapping import unread_mappings
from dsassist_runtime.llama.model import Model
from dsassist_runtime.offload import least_budget_bytes, open_streamed
from dsassist_runtime.offload.experts import find_experts

# Far larger than what a system reads ahead, wherever the header's pages are asked for.
_SHAPES = Shapes(num_hidden_layers=5, hidden_size=512, moe_intermediate_size=1024)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mapped") / "model.gguf"
    write_synthetic(path, _SHAPES)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return path


def forget(path: Path) -> None:
    """Drop the file from the page cache."""
    if not hasattr(os, "posix_fadvise"):
        pytest.skip("this system cannot be told to forget a file")
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if share_in_memory(path) > 0.01:
        pytest.skip("this file system keeps what is in its files in memory")


def share_in_memory(path: Path) -> float:
    """Of the experts' pages."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ | mmap.PROT_WRITE, flags=2) as data:
        n_pages = -(-len(data) // mmap.PAGESIZE)
        found = (ctypes.c_ubyte * n_pages)()
        room = (ctypes.c_char * len(data)).from_buffer(data)
        ctypes.CDLL(None).mincore(ctypes.c_void_p(ctypes.addressof(room)), ctypes.c_size_t(len(data)), found)
        del room
        pages: set[int] = set()
        for tensor in find_experts(path).tensors:
            last = tensor.offset + tensor.n_experts * tensor.slice_bytes
            pages.update(range(tensor.offset // mmap.PAGESIZE, last // mmap.PAGESIZE))
        return sum(found[page] & 1 for page in pages) / len(pages)


@pytest.mark.parametrize("is_unread", [False, True])
def test_experts_are_read_by_loading_unless_mappings_are_unread(model: Path, is_unread: bool) -> None:
    forget(model)
    with unread_mappings() if is_unread else nullcontext(), closing(Model(model, in_place=True)):
        share = share_in_memory(model)
    assert share < 0.25 if is_unread else share > 0.75


def test_streamed_model_reads_its_other_weights_alone(model: Path) -> None:
    def read_bytes() -> int:
        lines = Path("/proc/self/io").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))

    forget(model)
    before = read_bytes()
    with closing(open_streamed(model, least_budget_bytes(model), lock=False)) as opened:
        read = read_bytes() - before
        assert read < opened.expert_bytes / 2
        before = read_bytes()
        for start, end in opened._weights.mapped_others():
            ctypes.string_at(start, end - start)
        assert read_bytes() - before < opened.expert_bytes / 4


def test_files_are_read_again_once_others_are_loaded(model: Path) -> None:
    with unread_mappings():
        pass
    forget(model)
    with closing(Model(model, in_place=True)):
        assert share_in_memory(model) > 0.75
