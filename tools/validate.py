"""Validate notebooks with nbval, several at a time: solutions compared with their stored outputs, learner notebooks run to their end.

Each notebook has a pytest process, a scratch home and cores of its own. What each one printed is kept and shown at the end if it
failed.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Optional

import longer_runs
import rounds
import typer
import untouched
from editions import FOLDERS, ROOT
from running import environment, passed_exercises, scratch_home

from labutils.content import is_kept_copy, notebooks_in
from labutils.course import doctor
from labutils.machine import limits, settings

SPARE_GIB = 0.8  # of a notebook's pytest process, and of the file pages that its kernel maps
UNMEASURED = {"seconds": 0.0, "peak_rss_gib": 3.2}  # of a lab that the budgets do not name yet
NBVAL = ["-q", "--nbval-cell-timeout=1200", "-p", "nbval_memory", "-p", "no:cacheprovider", "-o", "addopts=", "--rootdir"]


@dataclass(frozen=True)
class Outcome:
    """One notebook's run: where it stands, whether it passed, its line for the summary, and what pytest printed."""

    notebook: Path
    passed: bool
    summary: str
    output: str


def notebooks(paths: list[Path]) -> list[Path]:
    """The notebooks of some paths, files or folders, the one that takes longest first; a person's copies are left out."""
    found = [p for path in paths for p in (notebooks_in(path) if path.is_dir() else [path]) if not is_kept_copy(p)]
    return sorted(found, key=lambda path: -budget(path)["seconds"])


def budget(notebook: Path) -> dict[str, float]:
    """The measured "seconds" and "peak_rss_gib" of a notebook's lab."""
    return doctor.budgets().get("labs", {}).get(notebook.stem, UNMEASURED)


def at_a_time(cores: int, available_gib: float, peaks_gib: list[float]) -> int:
    """How many notebooks may run at once: one for each core, and so many that even the largest would fit side by side."""
    return max(1, min(cores, len(peaks_gib), int(available_gib // (max(peaks_gib) + SPARE_GIB))))


def shares(workers: int) -> list[set[int]]:
    """The cores of each worker, disjoint where there are enough; empty sets where this system cannot bind a process to cores."""
    if not hasattr(os, "sched_getaffinity"):
        return [set()] * workers
    allowed = sorted(os.sched_getaffinity(0))
    return [set(allowed[k::workers]) for k in range(workers)]


def nbval(notebook: Path, profile: str, sandbox: bool, threads: int) -> Outcome:
    """Run one notebook under nbval, and take a learner's untouched notebook to task if an exercise in it has passed."""
    learner = notebook.parent == FOLDERS["learner"]
    mode = "--nbval-lax" if learner else "--nbval"
    command = [sys.executable, "-m", "pytest", mode, *NBVAL, str(ROOT), str(notebook)]
    if sandbox:
        command = [sys.executable, str(ROOT / "tools" / "sandbox.py"), "--memory-gib", "4", "--", *command]
    with scratch_home() as home:
        variables = {**environment(home, profile), "PYTHONPATH": str(ROOT / "tools"), "OMP_NUM_THREADS": str(threads)}
        done = subprocess.run(
            command, env=variables, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        passed = passed_exercises(home) if learner and home != settings.home() else set()
    output, good = done.stdout, done.returncode == 0
    if passed:
        output, good = f"{output}\nThese passed in an untouched notebook: {', '.join(sorted(passed))}.\n", False
    lines = [line for line in output.splitlines() if line.startswith(("sandbox:", f"{notebook.parent.name}/{notebook.stem}:"))]
    name = f"{notebook.relative_to(ROOT)} ({mode})"
    return Outcome(notebook, good, f"{'passed' if good else 'FAILED'} {name}\n" + "".join(f"    {x}\n" for x in lines), output)


def keep(name: str, facts: dict[str, Any]) -> None:
    """Leave a result in build/, where `make proof` finds it."""
    file = longer_runs.built(name)
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(facts) + "\n", encoding="utf-8")


def again_and_again(chosen: list[Path], repeat: int, run_all: Callable[[], tuple[list[Outcome], float]]) -> dict[str, Any]:
    """Rounds until there are so many of the course as it stands, those of earlier calls counted; each is kept at once.

    Args:
        chosen: the notebooks.
        repeat: rounds in all.
        run_all: one round; what failed in it, and its minutes.
    """
    state, names = rounds.state_of_course(), [str(path.relative_to(ROOT)) for path in chosen]
    rows = rounds.earlier(state, names)
    print(f"nbval: {len(rows)} of {repeat} rounds are on record", flush=True)
    for number in range(len(rows), repeat):
        failed, minutes = run_all()
        rounds.add(state, names, [str(outcome.notebook.relative_to(ROOT)) for outcome in failed], minutes)
        rows = rounds.earlier(state, names)
        keep("repeats", rounds.total(rows))
        print(f"nbval: round {number + 1} of {repeat}, {len(failed)} failed, {minutes:.1f} minutes", flush=True)
    return rounds.total(rows)


def main(
    paths: Annotated[list[Path], typer.Argument(help="Notebooks, or folders of them.")],
    profile: Annotated[str, typer.Option(help="LABS_PROFILE of the run.")] = "smoke",
    sandbox: Annotated[bool, typer.Option("--sandbox", help="No network, 4 GiB; in CI a missing wall is a failure.")] = False,
    require_cuda: Annotated[bool, typer.Option("--require-cuda", help="Fail where PyTorch sees no CUDA device.")] = False,
    workers: Annotated[
        Optional[int], typer.Option("--workers", "-n", help="Notebooks at a time; by default as many as fit.")
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Run each notebook so many times, to find what fails now and then.")] = 1,
) -> None:
    """Run nbval on every notebook and fail if any fails."""
    if require_cuda:
        import torch

        if not torch.cuda.is_available():
            sys.exit("PyTorch sees no CUDA device here: `make test-gpu` needs one, and `make setup TORCH=cuda`.")
        workers = 1  # two kernels would share the GPU's memory
    chosen = notebooks([ROOT / path for path in paths])
    if not chosen:
        sys.exit(f"There are no notebooks in {', '.join(map(str, paths))}: run `make build`.")
    peaks = [budget(path)["peak_rss_gib"] for path in chosen]
    workers = workers or at_a_time(limits.cores(), limits.gib(limits.memory_available()), peaks)
    print(f"nbval: {len(chosen)} notebooks, {workers} at a time, profile {profile}", flush=True)
    free: queue.SimpleQueue[set[int]] = queue.SimpleQueue()
    for share in shares(workers):
        free.put(share)

    def take_cores() -> None:
        if share := free.get():
            os.sched_setaffinity(0, share)  # of this thread, and so of the processes that it starts

    before = untouched.state(settings.home())
    with ThreadPoolExecutor(workers, initializer=take_cores) as pool:

        def run_all() -> tuple[list[Outcome], float]:
            """One run of each notebook, said as they end; how long all of them took, in minutes."""
            start, outcomes = time.perf_counter(), []
            threads = max(1, limits.cores() // workers)
            for future in as_completed([pool.submit(nbval, path, profile, sandbox, threads) for path in chosen]):
                outcomes.append(future.result())
                print(outcomes[-1].summary, end="", flush=True)
            failed = [outcome for outcome in outcomes if not outcome.passed]
            for outcome in failed:
                print(f"\n{'=' * 20} {outcome.notebook.relative_to(ROOT)}\n{outcome.output}", flush=True)
            return failed, (time.perf_counter() - start) / 60

        if repeat > 1:
            counts = again_and_again(chosen, repeat, run_all)
        else:
            failed, minutes = run_all()
            counts = {"runs": len(chosen), "passed": len(chosen) - len(failed), "minutes": round(minutes, 1)}
    touched = untouched.difference(settings.home(), before)
    if touched:
        print(f"nbval: {touched}", flush=True)
    what = "notebooks" if repeat == 1 else f"runs ({counts['of each']} of each notebook)"
    print(f"nbval: {counts['passed']} of {counts['runs']} {what} passed in {counts['minutes']:.1f} minutes")
    if require_cuda:
        import torch

        keep("gpu", {"gpu": torch.cuda.get_device_name(), **counts})
    sys.exit(1 if counts["passed"] < counts["runs"] or (touched and untouched.is_failure()) else 0)


if __name__ == "__main__":
    typer.run(main)
