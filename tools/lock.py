"""Resolve pyproject.toml into requirements.lock and requirements-dev.lock, for every supported Python and platform at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# On Linux the plain torch wheel asks for these; the CPU wheel does not, and `make setup TORCH=cuda` lets pip bring them.
CUDA_ONLY = ("nvidia-", "cuda-", "triton==")
HEAD = {
    "requirements.lock": "# What the course runs on, for CPython 3.10 to 3.13 on Linux, macOS (Apple silicon) and Windows.\n",
    "requirements-dev.lock": "# What linting and the browser test add to requirements.lock.\n",
}


def resolve(*arguments: str) -> list[str]:
    """The lines of a universal resolution of pyproject.toml."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.10"]
    command += ["--no-header", "--no-annotate", "--quiet", *arguments]
    lines = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [line for line in lines if not line.startswith(CUDA_ONLY)]


def main() -> None:
    """Write both locks."""
    runtime = resolve()
    (ROOT / "requirements.lock").write_text(HEAD["requirements.lock"] + "\n".join(runtime) + "\n", encoding="utf-8")
    dev = resolve("--extra", "dev", "--constraint", "requirements.lock")
    extra = [line for line in dev if line not in runtime]
    (ROOT / "requirements-dev.lock").write_text(HEAD["requirements-dev.lock"] + "\n".join(extra) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
