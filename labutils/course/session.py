"""A lab's session: `start` sets it up and says where we are."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from labutils.course import results
from labutils.course.packages import hidden_by_files
from labutils.machine import limits, memory_guard, settings

T = TypeVar("T")

# What Studio sets for an app of a space; the file is for images that do not pass the variable on.
STUDIO_VARIABLE, STUDIO_FILE = "SAGEMAKER_APP_TYPE", Path("/opt/ml/metadata/resource-metadata.json")


@dataclass(frozen=True)
class Lab:
    """One lab's session: `start` makes it.

    Example:
        >>> Lab("02", "smoke", "cpu").size(smoke=200, small=1_000, standard=10_000)
        200
    """

    name: str
    profile: str
    device: str

    @property
    def course_model(self) -> bool:
        """Whether the labs run on the course's own model: only then do its particular results hold."""
        return not os.environ.get("LABS_MODEL")

    @property
    def course_dialogues(self) -> bool:
        """Whether the dialogues are the course's own: only then do the particular results on them hold."""
        return not os.environ.get("LABS_DIALOGUES")

    def size(self, *, smoke: T, small: T, standard: T | None = None, gpu: T | None = None) -> T:
        """The value for this profile. A missing `standard` is `small`; a missing `gpu` is `standard`."""
        standard = small if standard is None else standard
        gpu = standard if gpu is None else gpu
        return {"smoke": smoke, "small": small, "standard": standard, "gpu": gpu}[self.profile]


def start(name: str, seed: int = 0) -> Lab:
    """Open a lab: set threads and seeds, quiet the libraries, and say where we are.

    Args:
        name: the lab's number, such as "02".
        seed: for Python, NumPy and PyTorch.

    Returns:
        The lab, whose `size` picks amounts for this machine.

    Also reports, once, a cell that killed its kernel the last time (see `labutils.machine.memory_guard`).
    """
    offline = "0" if os.environ.get("LABS_MODEL") else "1"
    quiet = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}
    for variable, value in {"HF_HUB_OFFLINE": offline, **settings.THREADS, **quiet}.items():
        os.environ.setdefault(variable, value)
    # PEFT asks transformers for something under its old name; a learner can do nothing about it.
    warnings.filterwarnings("ignore", ".*is_gradient_checkpointing.* is deprecated", FutureWarning)
    if complaint := settings.wrong_kernel():
        print(complaint)
    if hidden := hidden_by_files(Path.cwd()):
        print(hidden)
    import torch

    threads = limits.cores()
    torch.set_num_threads(threads)
    settings.seed_everything(seed)
    lab = Lab(name, settings.profile(), settings.device())
    results.begin(name)
    where = torch.cuda.get_device_name() if lab.device == "cuda" else f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    print(
        f"Lab {name} on {where}; profile {lab.profile}; "
        f"{limits.gib(limits.memory_available()):.1f} of {limits.gib(limits.memory_limit()):.1f} GiB of memory free."
    )
    for report in memory_guard.reports():
        print(report)
    return lab


def leaving() -> str | None:
    """What to do at the end of a lab in a SageMaker Studio space, which costs money until it is stopped; None anywhere else.

    A lab's last cells still use its model, so the memory is given back by ending the kernel.
    """
    if not (os.environ.get(STUDIO_VARIABLE) or STUDIO_FILE.exists()):
        return None
    return (
        f"At the end of this notebook, shut down the kernel (Kernel > Shut Down Kernel): that frees its "
        f"{limits.gib(limits.peak_rss()):.1f} GiB. Then stop the space, in Studio's list of JupyterLab spaces: it costs money until "
        "it is stopped, also with this tab closed."
    )
