"""Measurements of memory and disk: that they are made, kept, and made again. How much they say is the machine's."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from dsassist_runtime.errors import NotDone
from dsassist_runtime.ggml_types import TENSOR_TYPES
from dsassist_runtime.llama.library import load_library
from dsassist_runtime.models.store import BUILTIN_PATH
from dsassist_runtime.planning.bandwidth import _WHAT, Bandwidth, memory_bandwidth, thread_counts
from dsassist_runtime.planning.computing import _WHAT as _COMPUTING
from dsassist_runtime.planning.computing import Computing, Pace, computing_speed
from dsassist_runtime.planning.devices import devices
from dsassist_runtime.planning.disk import LANES, DiskSpeed, disk_speed, measure_disk
from dsassist_runtime.planning.kept import keep, kept, kept_path

_A_MOMENT_S = 0.01
_FEW_BYTES = 1 << 20


def test_what_is_kept_comes_back_until_a_month_is_over() -> None:
    assert kept("the wind") is None
    keep("the wind", {"m_s": 3})
    keep("the rain", {"mm": 1})
    assert kept("the wind") == {"m_s": 3}
    entries = json.loads(kept_path().read_text())
    for entry in entries.values():
        entry["measured_at"] -= 31 * 24 * 3600
    kept_path().write_text(json.dumps(entries))
    assert kept("the wind") is None


def test_what_was_measured_on_a_busy_machine_is_kept_for_an_hour() -> None:
    keep("the wind", {"m_s": 3, "busy": True})
    keep("the rain", {"mm": 1, "busy": False})
    assert kept("the wind") is not None
    entries = json.loads(kept_path().read_text())
    for entry in entries.values():
        entry["measured_at"] -= 3601
    kept_path().write_text(json.dumps(entries))
    assert kept("the wind") is None
    assert kept("the rain") is not None


def test_what_another_machine_measured_is_not_taken() -> None:
    keep("the wind", {"m_s": 3})
    kept_path().write_text(kept_path().read_text().replace(": the wind", "-2: the wind"))
    assert kept("the wind") is None


@pytest.mark.parametrize("damage", ["", "[]", '{"a": 1}', "{", '"text"', "\x00"])
def test_a_damaged_file_is_none_and_is_replaced(damage: str) -> None:
    keep("the wind", {"m_s": 3})
    kept_path().write_text(damage)
    assert kept("the wind") is None
    keep("the wind", {"m_s": 4})
    assert kept("the wind") == {"m_s": 4}


def test_a_cache_folder_that_cannot_be_made_costs_nothing_but_the_memory(isolated: Path) -> None:
    (isolated / "d").write_text("a file where the folder should be")
    keep("the wind", {"m_s": 3})
    assert kept("the wind") is None


def test_memory_is_measured_and_the_next_answer_is_the_kept_one() -> None:
    assert memory_bandwidth(n_bytes=_FEW_BYTES).bytes_s > 10_000_000
    keep(_WHAT, {"bytes_s": 7, "busy": True})
    assert memory_bandwidth(n_bytes=_FEW_BYTES) == Bandwidth(7.0, busy=True)
    assert memory_bandwidth(again=True, n_bytes=_FEW_BYTES).bytes_s > 10_000_000
    assert kept(_WHAT) != {"bytes_s": 7}


@pytest.mark.parametrize("value", [{}, {"bytes_s": 0}, {"bytes_s": "fast"}])
def test_a_kept_bandwidth_that_is_none_is_measured_again(value: dict[str, object]) -> None:
    keep(_WHAT, value)
    assert memory_bandwidth(n_bytes=_FEW_BYTES).bytes_s > 10_000_000


def test_computing_is_measured_for_each_type_that_weights_are_multiplied_in() -> None:
    """No file has weights in blocks of whole numbers: ggml makes them of what it multiplies with."""
    found = computing_speed(TENSOR_TYPES, window_s=0.0)
    assert [pace.n_threads for pace in found.paces] == thread_counts()
    names = {TENSOR_TYPES[number].name for number in TENSOR_TYPES}
    for pace in found.paces:
        assert pace.node_s > 0
        assert pace.bytes_s.keys() == names
        unmeasured = {name for name, speed in pace.bytes_s.items() if not speed}
        assert unmeasured <= {"I8", "I16", "I32", "I64", "F64", "Q8_1", "Q8_K"}
    assert found.best_bytes_s("Q4_K") > 10_000_000


def test_what_computing_was_measured_for_is_kept_and_more_types_are_measured_with_it() -> None:
    first = computing_speed([12], window_s=0.0)
    assert computing_speed([12], window_s=0.0) == first
    keep(_COMPUTING, {"paces": [{"n_threads": 1, "node_s": 1.0, "bytes_s": {"Q4_K": 7.0}}], "busy": True})
    assert computing_speed([12]) == Computing((Pace(1, 1.0, {"Q4_K": 7.0}),), busy=True)
    more = computing_speed([12, 14, 9999], window_s=0.0)
    assert more.paces[0].bytes_s.keys() == {"Q4_K", "Q6_K"}
    assert more.best_bytes_s("Q4_K") > 7.0
    assert computing_speed([14], window_s=0.0) == more


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"paces": []},
        {"paces": [{"n_threads": 1, "node_s": 1.0}]},
        {"paces": [{"n_threads": 1, "node_s": -1.0, "bytes_s": {"Q4_K": 7.0}}]},
        {"paces": [{"n_threads": 1, "node_s": 1.0, "bytes_s": {"Q4_K": "fast"}}]},
    ],
)
def test_a_kept_speed_of_computing_that_is_none_is_measured_again(value: dict[str, object]) -> None:
    keep(_COMPUTING, value)
    assert computing_speed([12], window_s=0.0).best_bytes_s("Q4_K") > 10_000_000


def test_a_disk_is_measured_at_each_number_of_lanes() -> None:
    speed = measure_disk(BUILTIN_PATH, _A_MOMENT_S)
    assert len(speed.bytes_s) == len(LANES)
    assert all(each > 0 for each in speed.bytes_s)
    assert speed.best_bytes_s == max(speed.bytes_s)


@pytest.mark.skipif(sys.platform != "linux", reason="sysfs is Linux's")
def test_where_direct_reads_are_refused_they_are_buffered_and_it_says_so() -> None:
    refuses = Path("/sys/kernel/uevent_seqnum")
    assert measure_disk(refuses, _A_MOMENT_S).method == "buffered"


def test_a_file_smaller_than_a_block_is_measured(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_bytes(b"x" * 5000)
    assert all(speed > 0 for speed in measure_disk(small, _A_MOMENT_S).bytes_s)


def test_an_empty_file_cannot_be_measured(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(NotDone, match="cannot be measured"):
        measure_disk(tmp_path / "empty", _A_MOMENT_S)


def test_a_file_that_is_not_there_cannot_be_measured(tmp_path: Path) -> None:
    with pytest.raises(NotDone, match="cannot be measured: no such file"):
        disk_speed(tmp_path / "missing.gguf", window_s=_A_MOMENT_S)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that is large enough to tell of its disk, with all its blocks on it."""
    path = tmp_path_factory.mktemp("large") / "one"
    with path.open("wb") as file:
        for _ in range(64):
            file.write(b"x" * (1 << 20))
        file.flush()
        os.fsync(file.fileno())
    return path


def _change_the_kept(**values: object) -> None:
    entries = json.loads(kept_path().read_text())
    (entry,) = entries.values()
    entry["value"] |= values
    kept_path().write_text(json.dumps(entries))


def test_a_disk_is_measured_once_for_all_its_files(large: Path) -> None:
    first = disk_speed(large, window_s=_A_MOMENT_S)
    other = large.with_name("two")
    other.write_bytes(b"x" * 100_000)
    assert disk_speed(other, window_s=_A_MOMENT_S) == first


@pytest.mark.parametrize("n_bytes", [0, 100_000])
def test_a_file_with_holes_or_a_small_one_says_nothing_of_the_disk(tmp_path: Path, n_bytes: int) -> None:
    path = tmp_path / "one"
    with path.open("wb") as file:
        file.write(b"x" * n_bytes)
        file.truncate(n_bytes or 64 << 20)
    assert disk_speed(path, window_s=_A_MOMENT_S).best_bytes_s > 0
    assert not kept_path().exists()


def test_measuring_again_replaces_what_was_kept(large: Path) -> None:
    disk_speed(large, window_s=_A_MOMENT_S)
    _change_the_kept(bytes_s=[1, 1, 1, 1])
    assert disk_speed(large, window_s=_A_MOMENT_S).bytes_s == (1, 1, 1, 1)
    assert disk_speed(large, again=True, window_s=_A_MOMENT_S).bytes_s != (1, 1, 1, 1)
    assert disk_speed(large, window_s=_A_MOMENT_S).bytes_s != (1, 1, 1, 1)


@pytest.mark.parametrize(
    "value", [{"method": "guessed"}, {"bytes_s": [1, 2, 3]}, {"bytes_s": [1, 2, 3, 0]}, {"bytes_s": None}]
)
def test_a_kept_speed_that_is_none_is_measured_again(large: Path, value: dict[str, object]) -> None:
    disk_speed(large, window_s=_A_MOMENT_S)
    _change_the_kept(**value)
    assert min(disk_speed(large, window_s=_A_MOMENT_S).bytes_s) > 3


def test_the_lanes_to_use_are_the_fewest_that_are_nearly_best() -> None:
    assert DiskSpeed((100, 195, 200, 198), "direct").lanes == 2
    assert DiskSpeed((100, 100, 100, 101), "direct").lanes == 1
    assert DiskSpeed((100, 200, 400, 800), "direct").lanes == 8


def test_there_are_devices_where_llama_cpp_can_use_them_and_none_elsewhere() -> None:
    found = devices()
    assert bool(found) == load_library().llama_supports_gpu_offload()
    assert all(device.name and device.free_bytes > 0 for device in found)


def test_measured_times_are_of_now() -> None:
    keep("the wind", {"m_s": 3})
    (entry,) = json.loads(kept_path().read_text()).values()
    assert abs(entry["measured_at"] - time.time()) < 3600
