from __future__ import annotations

import mmap
import os
import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsassist_runtime.errors import NotDone
from dsassist_runtime.offload.experts import ExpertTensor, find_experts
from dsassist_runtime.offload.reading import BLOCK
from dsassist_runtime.offload.region import PAGE, Layout, Region, Slice, lock_pages


def tensor(name: str, offset: int, slice_bytes: int, n_experts: int) -> ExpertTensor:
    return ExpertTensor(name, 0, "up", 0, offset, (1, 1, n_experts), 0, slice_bytes)


made = st.tuples(st.integers(0, 1 << 20), st.integers(1, 40_000), st.integers(1, 9))


@settings(deadline=None, max_examples=50)
@given(st.lists(made, min_size=1, max_size=5))
def test_slices_share_no_page_and_lie_in_their_page_as_in_the_file(sizes: list[tuple[int, int, int]]) -> None:
    tensors = [tensor(str(i), *size) for i, size in enumerate(sizes)]
    layout = Layout(tensors)
    end = 0
    for own in tensors:
        for expert in range(own.n_experts):
            start, stop = layout.pages(own, expert)
            at = layout.at(own, expert)
            assert end <= start <= at
            assert at + own.slice_bytes <= stop <= layout.n_bytes
            assert at % PAGE == own.slice(expert).offset % PAGE
            assert start % BLOCK == stop % BLOCK == 0
            assert stop - start < own.slice_bytes + 2 * PAGE
            assert at == layout.at(own, 0) + expert * layout.stride(own)
            end = stop


def test_evicted_slice_is_gone_and_its_neighbours_are_not(synthetic: Path) -> None:
    experts = find_experts(synthetic)
    layout = Layout(experts.tensors)
    with closing(Region(layout)) as region:
        for own in experts.tensors:
            for expert in range(own.n_experts):
                at = layout.at(own, expert)
                region.room[at : at + own.slice_bytes] = bytes([expert + 1]) * own.slice_bytes
        for own in experts.tensors:
            region.evict(own, 3)
        for own in experts.tensors:
            for expert in range(own.n_experts):
                at = layout.at(own, expert)
                expected = 0 if expert == 3 else expert + 1
                assert bytes(region.room[at : at + own.slice_bytes]) == bytes([expected]) * own.slice_bytes


@pytest.mark.parametrize("n_experts", [9, 40_000], ids=["few", "more than a process may have mappings"])
def test_slice_that_takes_anothers_place_takes_no_memory_more_and_leaves_the_neighbours(n_experts: int) -> None:
    """The two are of tensors that lie otherwise in their pages, so one of them has a page more than the other."""
    one, other = tensor("one", 992, 4 * PAGE, n_experts), tensor("other", 4096 + 64, 4 * PAGE - 100, n_experts)
    with closing(Region(Layout([one, other]))) as region:
        for own in (one, other):
            for expert in range(9):
                at = region.layout.at(own, expert)
                region.room[at : at + own.slice_bytes] = bytes([expert + 1]) * own.slice_bytes
        for gone, new in ((Slice(one, 3), Slice(other, 5)), (Slice(other, 2), Slice(one, 7))):
            region.evict(*new)
            region.replace(gone, new)
            at = region.layout.at(*new)
            region.room[at : at + new.tensor.slice_bytes] = bytes([99]) * new.tensor.slice_bytes
        expected = {(one.name, 3): 0, (other.name, 5): 99, (other.name, 2): 0, (one.name, 7): 99}
        for own in (one, other):
            for expert in range(9):
                at = region.layout.at(own, expert)
                value = expected.get((own.name, expert), expert + 1)
                assert bytes(region.room[at : at + own.slice_bytes]) == bytes([value]) * own.slice_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux moves pages")
def test_pages_change_hands_rather_than_being_cleared_again() -> None:
    own = tensor("own", 992, 1 << 20, 8)
    with closing(Region(Layout([own]))) as region:
        at = region.layout.at(own, 0)
        region.room[at : at + own.slice_bytes] = b"\x07" * own.slice_bytes
        region.replace(Slice(own, 0), Slice(own, 5))
        at = region.layout.at(own, 5)
        assert region.room[at : at + own.slice_bytes] == b"\x07" * own.slice_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux moves pages")
def test_pages_are_moved_out_of_one_mapping_and_leave_no_slice_in_many() -> None:
    """Linux before 6.17 unmaps the place that pages are to come to, and only then refuses to move those of two."""
    sizes = ((992, 4 * PAGE), (4096 + 64, 4 * PAGE - 100), (0, 7 * PAGE + 64), (1024, 2 * PAGE))
    tensors = [tensor(str(i), *size, 9) for i, size in enumerate(sizes)]
    chance = random.Random(0)
    with closing(Region(Layout(tensors))) as region:
        move, n_moves = region._mremap, 0
        assert move is not None

        def checked(old: int, new: int, n_bytes: int) -> bool:
            nonlocal n_moves
            n_moves += 1
            assert any(start <= old and old + n_bytes <= end for start, end in mappings()), "of two mappings"
            return move(old, new, n_bytes)

        region._mremap = checked
        slices = [Slice(own, expert) for own in tensors for expert in range(9)]
        held: dict[Slice, int] = {}
        for step in range(400):
            new = chance.choice([each for each in slices if each not in held])
            if len(held) > 20:
                gone = chance.choice(list(held))
                del held[gone]
                region.replace(gone, new)
            held[new] = step % 251
            at = region.layout.at(*new)
            region.room[at : at + new.tensor.slice_bytes] = bytes([held[new]]) * new.tensor.slice_bytes
        for own, value in held.items():
            at = region.layout.at(*own)
            assert bytes(region.room[at : at + own.tensor.slice_bytes]) == bytes([value]) * own.tensor.slice_bytes
        start, end = region._address, region._address + region.layout.n_bytes
        assert sum(first < end and start < last for first, last in mappings()) <= 3 * len(slices) + 1
    assert n_moves > 100


def mappings() -> list[tuple[int, int]]:
    """The addresses [start, end) that are mapped in this process."""
    ranges = (line.split()[0].split("-") for line in Path("/proc/self/maps").read_text().splitlines())
    return [(int(start, 16), int(end, 16)) for start, end in ranges]


def test_region_takes_memory_for_what_is_written_only() -> None:
    own = tensor("large", 992, 1 << 20, 1 << 14)  # 16 GB
    with closing(Region(Layout([own]))) as region:
        before = _resident_bytes()
        for expert in range(8):
            at = region.layout.at(own, expert)
            region.room[at : at + own.slice_bytes] = bytes(own.slice_bytes)
        assert _resident_bytes() - before > 7 << 20
        for expert in range(8):
            region.evict(own, expert)
        assert _resident_bytes() - before < 1 << 20


def test_more_addresses_than_a_machine_has_are_an_error() -> None:
    with pytest.raises(NotDone, match=r"does not give [\d.]+ GB of addresses for the experts"):
        Region(Layout([tensor("absurd", 0, 1 << 40, 1 << 10)]))


def test_locked_pages_are_counted() -> None:
    with closing(mmap.mmap(-1, 8 * PAGE)) as memory:
        start = _address(memory)
        found = lock_pages(
            [(start + 100, start + PAGE), (start + PAGE, start + PAGE + 1), (start + 4 * PAGE, start + 5 * PAGE)]
        )
    assert found.n_bytes == 3 * PAGE
    assert not found.reason


def test_pages_that_cannot_be_locked_are_said() -> None:
    with closing(mmap.mmap(-1, 2 * PAGE)) as memory:
        start = _address(memory)
    found = lock_pages([(start, start + PAGE)])  # it is nobody's memory any more
    assert found.n_bytes == 0
    assert found.reason.startswith("0 of 0 MB are not (cannot allocate memory")


_WITHOUT_RIGHTS = """
import ctypes, mmap, os, resource
from dsassist_runtime.offload.region import lock_pages
memory = mmap.mmap(-1, 8 << 20)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
resource.setrlimit(resource.RLIMIT_MEMLOCK, (2 << 20, 2 << 20))
if os.getuid() == 0:
    os.setuid(65534)
print(lock_pages([(start, start + (1 << 20)), (start + (2 << 20), start + (8 << 20))]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_limit_on_locked_memory_is_named_and_what_fits_is_locked() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_RIGHTS],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert "n_bytes=1048576" in done.stdout
    assert "6 of 7 MB are not (" in done.stdout
    assert "`ulimit -l` allows 2 MB" in done.stdout


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def _address(memory: mmap.mmap) -> int:
    import ctypes

    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
