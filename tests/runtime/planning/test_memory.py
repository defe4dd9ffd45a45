"""Free memory by the files of a system, which are written here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dsassist_runtime.errors import NotDone
from dsassist_runtime.planning.memory import FreeMemory, free_memory, free_of_vm_stat

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no proc folder")

GB = 1_000_000_000
MEMINFO = f"MemTotal:       {32 * GB // 1024} kB\nMemFree:  1 kB\nMemAvailable:   {20 * GB // 1024} kB\n"
SYSTEM = FreeMemory(20 * GB // 1024 * 1024, "the system")


def system(root: Path, groups: str, **files: str) -> Path:
    """A root with these control groups; the names of files have `__` for a slash, and begin below sys/fs/cgroup."""
    named = {"proc/meminfo": MEMINFO, "proc/self/cgroup": groups}
    named |= {f"sys/fs/cgroup/{name.replace('__', '/').replace('_DOT_', '.')}": text for name, text in files.items()}
    for name, text in named.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_groups_the_system_tells(tmp_path: Path) -> None:
    assert free_memory(system(tmp_path, "")) == SYSTEM


def test_a_limit_of_version_two_counts_without_the_page_cache(tmp_path: Path) -> None:
    root = system(
        tmp_path,
        "0::/user/app\n",
        user__app__memory_DOT_max=f"{4 * GB}\n",
        user__app__memory_DOT_current=f"{3 * GB}\n",
        user__app__memory_DOT_stat=f"anon {GB}\nfile {2 * GB}\ninactive_file {GB}\nactive_file {GB}\n",
    )
    assert free_memory(root) == FreeMemory(3 * GB, "the limit of the control group /user/app")


def test_a_parents_limit_and_the_softer_limit_count_too(tmp_path: Path) -> None:
    root = system(
        tmp_path,
        "0::/user/app\n",
        user__memory_DOT_max="max\n",
        user__memory_DOT_high=f"{2 * GB}\n",
        user__memory_DOT_current=f"{GB}\n",
        user__app__memory_DOT_max="max\n",
        user__app__memory_DOT_current=f"{GB}\n",
    )
    assert free_memory(root) == FreeMemory(GB, "the limit of the control group /user")


def test_no_limit_of_version_two_leaves_the_systems_answer(tmp_path: Path) -> None:
    files = {"app__memory_DOT_max": "max\n", "app__memory_DOT_current": "5\n"}
    assert free_memory(system(tmp_path, "0::/app\n", **files)) == SYSTEM


def test_a_limit_of_version_one_counts_in_a_container_too(tmp_path: Path) -> None:
    """There the group's own files are mounted where the root's are elsewhere."""
    root = system(
        tmp_path,
        "5:cpu:/docker/abc\n4:memory:/docker/abc\n0::/\n",
        memory__memory_DOT_limit_in_bytes=f"{2 * GB}\n",
        memory__memory_DOT_usage_in_bytes=f"{2 * GB}\n",
        memory__memory_DOT_stat=f"inactive_file 7\ntotal_inactive_file {GB}\ntotal_active_file 0\n",
    )
    assert free_memory(root) == FreeMemory(GB, "the limit of the control group /")


def test_the_huge_number_that_version_one_writes_for_no_limit_is_none(tmp_path: Path) -> None:
    files = {"memory__memory_DOT_limit_in_bytes": "9223372036854771712\n", "memory__memory_DOT_usage_in_bytes": "1\n"}
    assert free_memory(system(tmp_path, "4:memory:/\n", **files)) == SYSTEM


def test_a_group_over_its_limit_has_nothing_left(tmp_path: Path) -> None:
    files = {"memory_DOT_max": "10\n", "memory_DOT_current": "20\n"}
    assert free_memory(system(tmp_path, "0::/\n", **files)).n_bytes == 0


def test_this_machine_tells_less_than_it_has() -> None:
    total_kb = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0])
    assert 0 < free_memory().n_bytes < total_kb * 1024


def test_a_system_that_does_not_tell_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotDone, match="--ram"):
        free_memory(tmp_path)


def test_macos_counts_what_it_keeps_as_a_cache() -> None:
    text = (
        "Mach Virtual Memory Statistics: (page size of 16384 bytes)\n"
        "Pages free:                               10.\n"
        "Pages active:                           1000.\n"
        "Pages inactive:                           20.\n"
        "Pages speculative:                         3.\n"
        "Pages wired down:                        500.\n"
        "Pages purgeable:                           4.\n"
        '"Translation faults":                12345678.\n'
    )
    assert free_of_vm_stat(text) == 37 * 16384
    with pytest.raises(NotDone, match="--ram"):
        free_of_vm_stat("vm_stat: not understood")
