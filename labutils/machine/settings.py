"""Where a lab runs: its home folder, device, profile, kernel and seeds."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from labutils.errors import LabError
from labutils.machine import limits

KERNEL = "llm-labs"
PROFILES = ("smoke", "small", "standard", "gpu")
SMALL_MEMORY = 6 * limits.GIB
# How OpenMP's threads wait for their next work (`make bench`). By default they spin for milliseconds: with a second busy kernel on
# the same two cores that made decoding three times and training five times slower. Where they sleep at once, a lone kernel trains
# on short examples a quarter slower. So they spin for some microseconds, where the library is GNU's, and elsewhere they sleep at once.
THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}


def home() -> Path:
    """The folder for models, progress and results: LABS_HOME, or `llm-labs` in the user's cache folder."""
    if folder := os.environ.get("LABS_HOME"):
        return Path(folder).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("llm-labs", appauthor=False)


def strict() -> bool:
    """True when a failed check must raise (LABS_STRICT=1, as the tests set it)."""
    return os.environ.get("LABS_STRICT", "0") not in ("", "0")


def device() -> str:
    """The device that the labs compute on: "cuda" where PyTorch sees a CUDA device, else "cpu".

    Apple's "mps" is left out on purpose: the labs' equalities were never checked on it.
    """
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def profile() -> str:
    """The profile that sets sizes: LABS_PROFILE, or by the machine when that is unset or "auto".

    Raises:
        LabError: LABS_PROFILE is not one of auto, smoke, small, standard, gpu.
    """
    name = os.environ.get("LABS_PROFILE", "auto") or "auto"
    if name in PROFILES:
        return name
    if name != "auto":
        raise LabError(f"LABS_PROFILE={name!r} is unknown: choose auto, {', '.join(PROFILES)}.")
    if device() == "cuda":
        return "gpu"
    return "small" if limits.memory_limit() < SMALL_MEMORY else "standard"


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's global generators with one number."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def wrong_kernel() -> str | None:
    """A sentence when this Python is not the one behind the kernel `llm-labs`, else None."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        python = Path(KernelSpecManager().get_kernel_spec(KERNEL).argv[0])
    except NoSuchKernel:
        return f"The kernel {KERNEL} is not registered: run `labs setup` (or `make lab`) in the course's environment."
    # Compared unresolved: the Python of a virtual environment is a link to the one that made it.
    if python.parent == Path(sys.executable).parent:
        return None
    return (
        f"This notebook runs on {sys.executable}, not on the course's kernel: choose Kernel > Change Kernel > LLM Labs, "
        f"or run `labs kernel --user` in the course's environment if that name is missing."
    )
