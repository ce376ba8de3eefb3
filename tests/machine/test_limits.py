"""Memory, cores and disk are those of the slice that we were given, not the host's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from labutils.machine import limits

GIB = 2**30
NO_LIMIT_V1 = 9223372036854771712  # what version 1 shows where no limit is set: 2**63 less one page
V2 = "0::/user/job\n"
V1 = "5:memory:/user/job\n4:cpu,cpuacct:/user/job\n1:name=systemd:/user/job\n0::/\n"


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with 64 GiB, 60 of them free, and 16 cores."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=64 * GIB, available=60 * GIB))
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 32 if logical else 16)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(32)), raising=False)


@pytest.fixture
def kernel(tmp_path: Path):
    """A function that writes a fake /proc and /sys/fs/cgroup and returns where they are."""

    def build(cgroup: str, files: dict[str, object]) -> dict[str, Path]:
        proc, sys_fs = tmp_path / "proc", tmp_path / "sys"
        tree = {proc / "self" / "cgroup": cgroup, **{sys_fs / name: text for name, text in files.items()}}
        if "0::/user" in cgroup:
            tree[sys_fs / "cgroup.controllers"] = "cpu memory"
        for path, text in tree.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n", encoding="utf-8")
        return {"proc": proc, "sys_fs": sys_fs}

    return build


@pytest.mark.parametrize(
    ("cgroup", "files", "gib"),
    [
        pytest.param(V2, {"user/job/memory.max": 4 * GIB}, 4, id="v2 own group"),
        pytest.param(V2, {"user/job/memory.max": 4 * GIB, "user/memory.max": 3 * GIB}, 3, id="v2 parent smaller"),
        pytest.param(V2, {"user/job/memory.max": "max", "user/memory.max": 5 * GIB}, 5, id="v2 own max, parent limited"),
        pytest.param(V2, {"user/job/memory.max": "max"}, 64, id="v2 max"),
        pytest.param(V2, {"user/job/memory.max": 128 * GIB}, 64, id="v2 more than the machine has"),
        pytest.param(V2, {"user/job/pids.max": 10}, 64, id="v2 no memory files"),
        pytest.param("0::/user/gone\n", {"memory.max": 2 * GIB}, 2, id="v2 group only at the mount"),
        pytest.param(V1, {"memory/user/job/memory.limit_in_bytes": 4 * GIB}, 4, id="v1 own group"),
        pytest.param(
            V1,
            {"memory/user/job/memory.limit_in_bytes": NO_LIMIT_V1, "memory/user/memory.limit_in_bytes": 3 * GIB},
            3,
            id="v1 parent smaller",
        ),
        pytest.param(V1, {"memory/user/job/memory.limit_in_bytes": NO_LIMIT_V1}, 64, id="v1 no limit"),
        pytest.param(V1, {"memory/memory.limit_in_bytes": 2 * GIB}, 2, id="v1 group only at the mount"),
        pytest.param("", {}, 64, id="no control groups"),
    ],
)
def test_memory_limit_is_the_smallest_that_binds(kernel, cgroup: str, files: dict, gib: int) -> None:
    assert limits.memory_limit(**kernel(cgroup, files)) == gib * GIB


def test_memory_limit_without_proc_is_the_hosts(tmp_path: Path) -> None:
    nowhere = {"proc": tmp_path / "none", "sys_fs": tmp_path / "none"}
    assert limits.memory_limit(**nowhere) == 64 * GIB
    assert limits.memory_available(**nowhere) == 60 * GIB
    assert limits.cores(**nowhere) == 16


def v2_memory(limit: object, usage: int, stat: str) -> dict[str, object]:
    return {"user/job/memory.max": limit, "user/job/memory.current": usage, "user/job/memory.stat": stat}


def v1_memory(limit: object, usage: int, stat: str) -> dict[str, object]:
    folder = "memory/user/job"
    return {f"{folder}/memory.limit_in_bytes": limit, f"{folder}/memory.usage_in_bytes": usage, f"{folder}/memory.stat": stat}


@pytest.mark.parametrize(
    ("cgroup", "files", "gib"),
    [
        pytest.param(V2, v2_memory(4 * GIB, 3 * GIB, f"anon {GIB}\ninactive_file {2 * GIB}"), 3, id="v2 file pages are free"),
        pytest.param(V2, v2_memory(4 * GIB, 3 * GIB, "anon 5"), 1, id="v2 no file pages"),
        pytest.param(V2, v2_memory(4 * GIB, GIB, f"inactive_file {2 * GIB}"), 4, id="v2 never more than the limit"),
        pytest.param(V2, v2_memory(4 * GIB, 5 * GIB, "anon 5"), 0, id="v2 never below nothing"),
        pytest.param(V2, v2_memory("max", 3 * GIB, "anon 5"), 60, id="v2 max"),
        pytest.param(
            V1,
            v1_memory(4 * GIB, 3 * GIB, f"inactive_file 0\ntotal_inactive_file {2 * GIB}"),
            3,
            id="v1 file pages of the whole group are free",
        ),
        pytest.param(
            V2,
            v2_memory(4 * GIB, 3 * GIB, f"active_file {2 * GIB}\nfile_mapped {GIB}"),
            2,
            id="v2 active file pages that nobody has mapped are free",
        ),
        pytest.param(
            V2,
            v2_memory(4 * GIB, 3 * GIB, f"active_file {GIB}\ninactive_file {GIB}\nfile_mapped {2 * GIB}"),
            2,
            id="v2 inactive ones are free though mapped",
        ),
        pytest.param(
            V1,
            v1_memory(4 * GIB, 3 * GIB, f"total_active_file {2 * GIB}\ntotal_mapped_file {GIB}\nactive_file {3 * GIB}"),
            2,
            id="v1 active file pages of the whole group",
        ),
        pytest.param(V1, v1_memory(NO_LIMIT_V1, 3 * GIB, ""), 60, id="v1 no limit"),
    ],
)
def test_memory_available_counts_what_the_kernel_can_drop(kernel, cgroup: str, files: dict, gib: int) -> None:
    assert limits.memory_available(**kernel(cgroup, files)) == gib * GIB


def test_memory_available_is_the_least_of_all_groups(kernel) -> None:
    parent = {"user/memory.max": 8 * GIB, "user/memory.current": 7 * GIB, "user/memory.stat": "anon 5"}
    assert limits.memory_available(**kernel(V2, {**v2_memory(4 * GIB, GIB, "anon 5"), **parent})) == GIB


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        pytest.param(V2, {"user/job/cpu.max": "200000 100000"}, 2, id="v2 quota"),
        pytest.param(V2, {"user/job/cpu.max": "150000 100000"}, 2, id="v2 a core and a half counts as two"),
        pytest.param(V2, {"user/job/cpu.max": "20000 100000"}, 1, id="v2 never less than one"),
        pytest.param(V2, {"user/job/cpu.max": "max 100000"}, 16, id="v2 max"),
        pytest.param(V2, {"user/job/cpu.max": "400000 100000", "user/cpu.max": "300000 100000"}, 3, id="v2 parent smaller"),
        pytest.param(
            V1,
            {"cpu,cpuacct/user/job/cpu.cfs_quota_us": 400000, "cpu,cpuacct/user/job/cpu.cfs_period_us": 100000},
            4,
            id="v1 quota",
        ),
        pytest.param(
            V1, {"cpu/user/job/cpu.cfs_quota_us": 400000, "cpu/user/job/cpu.cfs_period_us": 100000}, 4, id="v1 mount named cpu"
        ),
        pytest.param(
            V1, {"cpu,cpuacct/user/job/cpu.cfs_quota_us": -1, "cpu,cpuacct/user/job/cpu.cfs_period_us": 100000}, 16, id="v1 none"
        ),
    ],
)
def test_cores_are_lowered_by_the_quota(kernel, cgroup: str, files: dict, expected: int) -> None:
    assert limits.cores(**kernel(cgroup, files)) == expected


def test_cores_are_lowered_by_affinity(kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 5, 7}, raising=False)
    assert limits.cores(**kernel("", {})) == 3


def test_disk_free_of_a_folder_that_does_not_exist_is_its_disks(tmp_path: Path) -> None:
    deep = tmp_path / "not" / "made" / "yet"
    # Others write to the disk meanwhile, hence the tolerance of 1 GB.
    assert abs(limits.disk_free(deep) - psutil.disk_usage(str(tmp_path)).free) < 1e9
    assert not deep.parent.exists()


PEAK = """
from labutils.machine import peak_rss
before = peak_rss()
block = bytearray(200_000_000)
block[::1024] = b"x" * len(block[::1024])
after = peak_rss()
del block
print(before, after, peak_rss())
"""


def test_peak_rss_rises_by_what_was_touched_and_stays() -> None:
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    before, after, later = map(int, done.stdout.split())
    assert 190e6 < after - before < 260e6  # 200 MB, and what the interpreter takes beside it
    assert later > after - 1e6  # Linux counts pages in batches, so the peak is exact to some hundred kB only
    assert 2e6 < before < 200e6


def test_peak_rss_of_another_process() -> None:
    code = "block = b'x' * 100_000_000; print('ready', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        assert 100e6 < limits.peak_rss(child.pid) < 200e6
        child.communicate("\n")


def test_gib_is_binary() -> None:
    assert limits.gib(3 * 1024**3) == 3.0
