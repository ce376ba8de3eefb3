"""What this machine, or the slice of it that we were given, really has: memory, cores, disk.

A notebook in a container sees the host's memory in most tools. The limit that ends its life is the control group's
(cgroup), version 1 or 2, of its own group or of any group above it.
"""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

import psutil

from labutils.errors import LabError

GIB = 2**30
GB = 10**9

_UNLIMITED = 2**60  # version 1 writes a number near 2**63 for "no limit"


def gib(n_bytes: float) -> float:
    """Bytes to GiB (2**30 bytes). `gib(2**31) == 2.0`."""
    return n_bytes / GIB


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = _read(path)
    return int(text) if text and text.isdigit() else None


def cgroup_folders(controller: str, proc: Path = Path("/proc"), sys_fs: Path = Path("/sys/fs/cgroup")) -> list[Path]:
    """The control-group folders that bind this process for one controller, innermost first.

    Args:
        controller: "memory" or "cpu".
        proc, sys_fs: where the kernel shows its files (tests point them elsewhere).

    Source: cgroups(7); /proc/self/cgroup holds lines of hierarchy:controllers:path, "0::path" being version 2.
    Inside a container the path may not exist below the mount; the mount's root is then the group itself.
    """
    folders: list[Path] = []
    for line in (_read(proc / "self" / "cgroup") or "").splitlines():
        number, controllers, path = line.split(":", 2)
        if controllers == "" and number == "0":
            root = sys_fs if (sys_fs / "cgroup.controllers").exists() else sys_fs / "unified"
        elif controller in controllers.split(","):
            root = sys_fs / controllers if (sys_fs / controllers).exists() else sys_fs / controller
        else:
            continue
        folder = root / path.lstrip("/")
        while folder != root and root in folder.parents:
            folders.append(folder)
            folder = folder.parent
        folders.append(root)
    return [folder for folder in folders if folder.is_dir()]


def memory_limit(proc: Path = Path("/proc"), sys_fs: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that this process may use at most: the smallest of the physical memory and every cgroup limit above it."""
    limits = [psutil.virtual_memory().total]
    for folder in cgroup_folders("memory", proc, sys_fs):
        for name in ("memory.max", "memory.limit_in_bytes"):
            value = _number(folder / name)
            if value is not None and value < _UNLIMITED:
                limits.append(value)
    return min(limits)


def _cgroup_free(folder: Path) -> int | None:
    """Bytes left in one cgroup. File pages that the kernel drops before it kills anything count as free.

    Those are the inactive ones, and those of the active ones that no process has mapped: a file that was read twice is active, be it
    a library of a program that ended long ago.

    Source: "Memory Resource Controller" and "Control Group v2" in the kernel's documentation, memory.stat.
    """
    for limit_name, usage_name, prefix, mapped_name in (
        ("memory.max", "memory.current", "", "file_mapped"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_", "total_mapped_file"),
    ):
        limit, usage = _number(folder / limit_name), _number(folder / usage_name)
        if limit is None or usage is None or limit >= _UNLIMITED:
            continue
        stat = dict(line.split(maxsplit=1) for line in (_read(folder / "memory.stat") or "").splitlines())
        inactive, active, mapped = (
            int(stat.get(name, 0)) for name in (f"{prefix}inactive_file", f"{prefix}active_file", mapped_name)
        )
        return limit - max(0, usage - max(inactive, inactive + active - mapped))
    return None


def memory_available(proc: Path = Path("/proc"), sys_fs: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that can still be taken before the machine or a cgroup is full."""
    free = [psutil.virtual_memory().available]
    free += [left for f in cgroup_folders("memory", proc, sys_fs) if (left := _cgroup_free(f)) is not None]
    return max(0, min(free))


def cores(proc: Path = Path("/proc"), sys_fs: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores to compute with: physical cores, lowered by the process's affinity and by a cgroup's CPU quota."""
    count = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        count = min(count, len(os.sched_getaffinity(0)))
    for folder in cgroup_folders("cpu", proc, sys_fs):
        quota, _, period = (_read(folder / "cpu.max") or "").partition(" ")
        if not quota:
            quota, period = _read(folder / "cpu.cfs_quota_us") or "", _read(folder / "cpu.cfs_period_us") or ""
        if quota.isdigit() and period.isdigit():
            count = min(count, math.ceil(int(quota) / int(period)))
    return max(1, count)


def disk_free(path: Path) -> int:
    """Bytes free on the disk that holds `path`, which need not exist yet."""
    path = path.absolute()
    while not os.path.exists(path):  # Path.exists raises below a folder of another user that may not be entered
        path = path.parent
    return shutil.disk_usage(path).free


def peak_rss(pid: int | None = None) -> int:
    """Bytes: the largest resident set of a process (this one by default) so far.

    Memory-mapped weights count once they are touched. On Linux this is VmHWM of /proc/PID/status, which starts afresh with
    each program; ru_maxrss would be inherited from the program that started this one (getrusage(2)).

    Raises:
        LabError: there is no such process.
    """
    try:
        process = psutil.Process(pid)
    except (psutil.NoSuchProcess, TypeError, ValueError):
        raise LabError(f"There is no process {pid} whose memory could be read: it may have ended.") from None
    for line in (_read(Path(f"/proc/{process.pid}/status")) or "").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    info = process.memory_info()
    if hasattr(info, "peak_wset"):  # Windows
        return int(info.peak_wset)  # type: ignore[attr-defined]
    if process.pid == os.getpid():
        import resource

        return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # macOS: bytes
    return int(info.rss)
