"""Run a notebook the way a learner would, but in a scratch home, measured."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from editions import tags
from nbclient import NotebookClient
from nbformat import NotebookNode

from labutils.course import assets
from labutils.machine import limits, settings


@dataclass
class Run:
    """One notebook's run: seconds in all, of the cells of the core path, and of each cell; peak resident memory of its kernel in bytes."""

    seconds: float = 0.0
    core_seconds: float = 0.0
    peak_rss: int = 0
    cell_seconds: list[float] = field(default_factory=list)


@contextlib.contextmanager
def scratch_home() -> Iterator[Path]:
    """A fresh LABS_HOME that shares the models with the real one, so that a person's own progress stays untouched.

    Raises:
        AssetError: a model is not ready.
    """
    for model in assets.manifest():
        assets.require(model)
    with tempfile.TemporaryDirectory(prefix="llm-labs-") as folder:
        home = Path(folder)
        try:
            (home / "models").symlink_to(assets.models_folder(), target_is_directory=True)
        except OSError:  # Windows without the right to make links: share the whole home
            yield settings.home()
            return
        yield home


def passed_exercises(home: Path) -> set[str]:
    """The ids of the exercises and quizzes that the progress file of a home holds as passed."""
    file = home / "progress.json"
    if not file.exists():
        return set()
    entries = json.loads(file.read_text(encoding="utf-8"))["exercises"]
    return {id for id, entry in entries.items() if entry["passed"]}


def environment(home: Path, profile: str, strict: bool = True) -> dict[str, str]:
    """The environment variables for an unattended run: no network calls, and nothing of or into a person's own folders.

    Warnings come, as they would for a learner.
    """
    kept = {key: value for key, value in os.environ.items() if key not in ("LABS_MODEL", "LABS_DIALOGUES")}
    ours = {"LABS_HOME": str(home), "LABS_PROFILE": profile, "LABS_STRICT": str(int(strict)), "HF_HUB_OFFLINE": "1"}
    # Startup files and history of IPython, and the connection files of kernels, are a person's.
    ours |= {"IPYTHONDIR": str(home / "ipython"), "JUPYTER_RUNTIME_DIR": str(home / "runtime")}
    return {**kept, **ours, **settings.THREADS}


def execute(notebook: NotebookNode, folder: Path, variables: dict[str, str], timeout: int = 1800) -> Run:
    """Execute a notebook in place with its own kernel.

    Args:
        notebook: executed in place.
        folder: the kernel's working directory.
        variables: the kernel's environment.
        timeout: seconds for one cell.
    """
    run = Run()
    began: dict[int, float] = {}
    client = NotebookClient(
        notebook, timeout=timeout, resources={"metadata": {"path": str(folder)}}, coalesce_streams=True, store_widget_state=False
    )

    def started(cell: Any, cell_index: int) -> None:
        began[cell_index] = time.perf_counter()

    def finished(cell: Any, cell_index: int, execute_reply: Any) -> None:
        run.cell_seconds.append(time.perf_counter() - began[cell_index])
        run.core_seconds += run.cell_seconds[-1] * ("optional" not in tags(cell))
        pid = getattr(client.km and client.km.provisioner, "pid", None)
        if pid:
            run.peak_rss = max(run.peak_rss, limits.peak_rss(pid))

    client.on_cell_start = started
    client.on_cell_executed = finished
    start = time.perf_counter()
    client.execute(env=variables)
    run.seconds = time.perf_counter() - start
    run.core_seconds += run.seconds - sum(run.cell_seconds)  # the kernel's start
    return run


def budget_of(run: Run) -> dict[str, float]:
    """What labs/budgets.json keeps of a run: seconds of all cells and of the core path, and the peak in GiB."""
    return {
        "seconds": round(run.seconds, 1),
        "core_seconds": round(run.core_seconds, 1),
        "peak_rss_gib": round(limits.gib(run.peak_rss), 2),
    }


def read(path: Path) -> NotebookNode:
    """A notebook from disk, in format 4."""
    return nbformat.read(path, as_version=4)
