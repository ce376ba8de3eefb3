"""Validate notebooks with nbval: solutions compared with their stored outputs, learner notebooks required to run clean."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from running import environment, scratch_home

ROOT = Path(__file__).resolve().parent.parent


def nbval(folder: Path, profile: str, sandbox: bool) -> int:
    """Run nbval on the notebooks of one folder; the exit status of pytest."""
    notebooks = sorted(p for p in folder.glob("[0-9][0-9]_*.ipynb") if ".mine-" not in p.name)
    if not notebooks:
        print(f"{folder} holds no notebooks: run `make build`.")
        return 1
    mode = "--nbval" if folder.name == "solutions" else "--nbval-lax"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        mode,
        "--nbval-cell-timeout=1200",
        "-p",
        "nbval_memory",
        "-p",
        "no:cacheprovider",
    ]
    command += ["--rootdir", str(ROOT), "-o", "addopts=", *map(str, notebooks)]
    if sandbox:
        command = [sys.executable, str(ROOT / "tools" / "sandbox.py"), "--memory-gib", "4", "--", *command]
    print(f"nbval: {len(notebooks)} notebooks of {folder.relative_to(ROOT)}, profile {profile}, {mode}", flush=True)
    with scratch_home() as home:
        variables = environment(home, profile)
        variables["PYTHONPATH"] = str(ROOT / "tools")
        return subprocess.call(command, env=variables, cwd=ROOT)


def main(
    folders: list[Path],
    profile: Annotated[str, typer.Option(help="LABS_PROFILE of the run.")] = "smoke",
    sandbox: Annotated[bool, typer.Option("--sandbox", help="No network and 4 GiB, where the machine allows it.")] = False,
    require_cuda: Annotated[bool, typer.Option("--require-cuda", help="Fail where PyTorch sees no CUDA device.")] = False,
) -> None:
    """Run nbval on each folder and fail if any fails."""
    if require_cuda:
        import torch

        if not torch.cuda.is_available():
            sys.exit("PyTorch sees no CUDA device here: `make test-gpu` needs one, and `make setup TORCH=cuda`.")
    sys.exit(max([nbval(ROOT / folder, profile, sandbox) for folder in folders]))


if __name__ == "__main__":
    typer.run(main)
