"""Resolve pyproject.toml into requirements.lock and requirements-dev.lock, for every supported Python and platform at once.

A version that is locked stays, as long as it still fits; `--upgrade` takes the newest of everything.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = "3.11"
# On Linux the plain torch wheel asks for these; the CPU wheel does not, and `make setup TORCH=cuda` lets pip bring them.
CUDA_ONLY = ("nvidia-", "cuda-", "triton==")
HEAD = {
    "requirements.lock": f"# What the course runs on, for CPython {OLDEST} to 3.13 on Linux, macOS (Apple silicon) and Windows.\n",
    "requirements-dev.lock": "# What linting and the browser test add to requirements.lock.\n",
}


def resolve(locked: str, *arguments: str) -> list[str]:
    """The lines of a universal resolution of pyproject.toml that prefers the versions of the lines in `locked`."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "requirements.txt"
        output.write_text(locked, encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "compile",
            "pyproject.toml",
            "--universal",
            "--python-version",
            OLDEST,
            "--fork-strategy",
            "fewest",
        ]
        command += ["--no-header", "--no-annotate", "--quiet", "--output-file", str(output), *arguments]
        subprocess.run(command, cwd=ROOT, check=True)
        return [line for line in output.read_text(encoding="utf-8").splitlines() if not line.startswith(CUDA_ONLY)]


def write(name: str, lines: list[str]) -> None:
    """Write one lock under its heading."""
    (ROOT / name).write_text(HEAD[name] + "\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Write both locks."""
    upgrade = ["--upgrade"] if "--upgrade" in sys.argv[1:] else []
    locked = "".join((ROOT / name).read_text(encoding="utf-8") for name in HEAD)
    runtime = resolve(locked, "--extra", "test", *upgrade)
    write("requirements.lock", runtime)
    dev = resolve(locked, "--extra", "test", "--extra", "dev", "--constraint", "requirements.lock", *upgrade)
    write("requirements-dev.lock", [line for line in dev if line not in runtime])


if __name__ == "__main__":
    main()
