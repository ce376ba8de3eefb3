"""`labs doctor`: what this machine is, what is missing, and which labs will run on it."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from labutils import content
from labutils.course import assets, kernel, packages
from labutils.machine import limits, settings

OLDEST, NEWEST = (3, 11), (3, 13)
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
    """Python, kernels, cores, memory, disk, GPU and models, each with what to do where something is wrong."""
    version = ".".join(map(str, sys.version_info[:3]))
    python_ok = OLDEST <= sys.version_info[:2] <= NEWEST
    limit, available = limits.memory_limit(), limits.memory_available()
    free = limits.disk_free(settings.home())
    wrong = settings.wrong_kernel()
    findings = [
        Finding("Python", f"{version} at {sys.executable}", python_ok, "Use Python {}.{} to {}.{}.".format(*OLDEST, *NEWEST)),
        Finding(
            "Kernel", settings.KERNEL if wrong is None else "not registered for this Python", wrong is None, "Run `labs setup`."
        ),
        _kernel_elsewhere(),
        Finding("Cores", str(limits.cores())),
        Finding(
            "Memory limit",
            f"{limits.gib(limit):.1f} GiB, {limits.gib(available):.1f} GiB free",
            limits.gib(limit) >= 3.7,  # a machine sold as 4 GiB shows a little less
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


def _kernel_elsewhere() -> Finding:
    """Whether programs outside this environment find its kernel: another JupyterLab, VS Code, papermill."""
    python = kernel.python_of(kernel.user_folder())
    if kernel.is_ours(python):
        return Finding("Kernel elsewhere", "registered for you")
    if python is None or not python.exists():
        return Finding("Kernel elsewhere", "not registered: `labs kernel --user` shows it to VS Code and other JupyterLabs")
    return Finding("Kernel elsewhere", f"that of {python}: `labs kernel --user` puts this one in its place")


def installed(folder: Path) -> list[Finding]:
    """The packages that the labs compute with: version, origin, and whether the lock's version or a file of a person is found.

    Args:
        folder: where the notebooks lie; its files come first when a notebook imports.
    """
    findings = []
    for package in map(packages.look_up, packages.KEY):
        if package.problem:
            findings.append(Finding(package.name, f"{package.version or 'missing'} at {package.folder}", False, package.problem))
            continue
        same = package.locked is None or str(package.version).split("+")[0] == package.locked
        note = "" if same else f" (tested with {package.locked})"
        findings.append(Finding(package.name, f"{package.version}{note} at {package.folder}", True if same else None))
    if hidden := packages.hidden_by_files(folder):
        findings.append(Finding("Notebook folder", str(folder), False, hidden))
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
