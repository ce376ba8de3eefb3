"""`labs doctor`: what this machine is, what is missing, and which labs will run on it."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass

from labutils import content
from labutils.course import assets
from labutils.machine import limits, settings

DISK_NEEDED = limits.GB  # for outputs and results, once everything is installed


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's table. `ok` is None for a mere fact."""

    name: str
    value: str
    ok: bool | None = None
    fix: str = ""


def gflops(seconds: float = 0.4, n: int = 1024) -> float:
    """Measured float32 matrix-multiply speed of the CPU, in GFLOP/s: 2 n^3 floating-point operations a product."""
    import torch

    torch.set_num_threads(limits.cores())
    a = torch.randn(n, n)
    a @ a
    start, products = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        a @ a
        products += 1
    return 2 * n**3 * products / elapsed / 1e9


def environment() -> list[Finding]:
    """Python, kernel, cores, memory, disk, GPU and models, each with what to do where something is wrong."""
    version = ".".join(map(str, sys.version_info[:3]))
    python_ok = (3, 10) <= sys.version_info[:2] <= (3, 13)
    limit, available = limits.memory_limit(), limits.memory_available()
    free = limits.disk_free(settings.home())
    wrong = settings.wrong_kernel()
    findings = [
        Finding("Python", f"{version} at {sys.executable}", python_ok, "Use Python 3.10 to 3.13."),
        Finding(
            "Kernel", settings.KERNEL if wrong is None else "not registered for this Python", wrong is None, "Run `labs setup`."
        ),
        Finding("Cores", str(limits.cores())),
        Finding(
            "Memory limit",
            f"{limits.gib(limit):.1f} GiB, {limits.gib(available):.1f} GiB free",
            limits.gib(limit) >= 3.9,
            "The labs need a session of 4 GiB: ask for a larger one.",
        ),
        Finding(
            "Free disk",
            f"{free / limits.GB:.1f} GB at {settings.home()}",
            free >= DISK_NEEDED,
            "Free 1 GB, or set LABS_HOME to another disk.",
        ),
        Finding("GPU", _gpu()),
        Finding("Profile", settings.profile()),
    ]
    for model in assets.manifest():
        problem = assets.complaint(model, deep=True)
        findings.append(Finding(model.id, "verified" if problem is None else problem, problem is None, "Run `labs fetch`."))
    return findings


def _gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none (not needed)"
    properties = torch.cuda.get_device_properties(0)
    return f"{properties.name}, {limits.gib(properties.total_memory):.0f} GiB"


def budgets() -> dict:
    """The measured budgets of the labs, as `make report` wrote them; empty before its first run."""
    path = content.labs_folder() / "budgets.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def forecast() -> list[Finding]:
    """For each lab: does it fit in this session's memory, and about how many minutes will it take here?

    The measured minutes are scaled by the ratio of matrix-multiply speeds; on a GPU they are an upper bound.
    """
    measured = budgets()
    if not measured:
        return []
    ratio = measured["gflops"] / gflops()
    free = limits.gib(limits.memory_available())
    findings = []
    for name, budget in measured["labs"].items():
        fits = budget["peak_rss_gib"] <= free
        value = f"about {max(1, round(budget['seconds'] * ratio / 60))} min, {budget['peak_rss_gib']:.1f} GiB"
        findings.append(Finding(name, value, fits, f"It needs {budget['peak_rss_gib']:.1f} GiB: shut down other kernels."))
    return findings
