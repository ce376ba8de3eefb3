"""`make pythons`: set up and test the course with every supported Python that is found on this machine.

Each Python gets an environment of its own in build/pythons/. In it run set-up, the unit tests of `make quick`, and the solutions of
labs 00 and 02 under nbval. Runs on the bare Python of a fresh machine, so it uses the standard library alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import bootstrap

ROOT = bootstrap.ROOT
PYTHONS = ROOT / "build" / "pythons"
LABS = ("00", "02")


def supported() -> list[str]:
    """The supported versions, such as "3.12", the oldest first."""
    (major, oldest), (_, newest) = bootstrap.OLDEST, bootstrap.NEWEST
    return [f"{major}.{minor}" for minor in range(oldest, newest + 1)]


def version_of(python: str) -> str | None:
    """The version of an interpreter, such as "3.12"; None if it does not run."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def find(version: str, pyenv: Path | None = None) -> str | None:
    """An interpreter of a version: this one, one that pyenv keeps, or `pythonX.Y` on the PATH."""
    pyenv = pyenv or Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    kept = sorted((pyenv / "versions").glob(f"{version}.*/bin/python"), reverse=True)
    for candidate in [sys.executable, *map(str, kept), shutil.which(f"python{version}")]:
        if candidate and version_of(candidate) == version:
            return candidate
    return None


def torch_flavour() -> str:
    """ "cpu", or "cuda" where PyTorch's index of CPU wheels cannot be reached from this machine."""
    if not sys.platform.startswith("linux"):
        return "cpu"
    try:
        urllib.request.urlopen(f"{bootstrap.TORCH_CPU_INDEX}/torch/", timeout=10).close()
        return "cpu"
    except (urllib.error.URLError, OSError):
        return "cuda"


def steps(python: str, folder: Path, torch: str) -> list[tuple[str, list[str]]]:
    """The steps of one Python, each with its name and its command."""
    inside = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    make = ["make", f"PYTHON={python}", f"TORCH={torch}"]
    notebooks = sorted(str(p) for lab in LABS for p in (ROOT / "labs" / "solutions").glob(f"{lab}_*.ipynb"))
    return [
        ("set-up", [*make, "setup"]),
        ("quick", [*make, "quick"]),
        (f"labs {' and '.join(LABS)}", [inside, str(ROOT / "tools" / "validate.py"), "--profile", "smoke", *notebooks]),
    ]


def run(version: str, python: str, torch: str) -> list[tuple[str, str, float]]:
    """All steps of one Python up to the first that fails: (name, "passed" or "FAILED", minutes) of each."""
    folder = PYTHONS / version
    done = []
    for name, command in steps(python, folder, torch):
        print(f"\n--- Python {version}: {name}", flush=True)
        start = time.perf_counter()
        status = subprocess.call(command, cwd=ROOT, env={**os.environ, "LABS_VENV": str(folder)})
        done.append((name, "FAILED" if status else "passed", (time.perf_counter() - start) / 60))
        if status:
            break
    return done


def main() -> None:
    """Run every Python that is found; fail if a step fails or none is found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "versions", nargs="*", metavar="VERSION", help="such as 3.12; by default all that are supported and found"
    )
    parser.add_argument("--torch", choices=sorted(bootstrap.DOWNLOAD_MB), help="by default what can be reached from here")
    options = parser.parse_args()
    if unknown := set(options.versions) - set(supported()):
        parser.error(f"{', '.join(sorted(unknown))} is not supported: choose from {', '.join(supported())}.")
    wanted = options.versions or supported()
    found = {version: python for version in wanted if (python := find(version))}
    for version in wanted:
        print(f"Python {version}: {found.get(version, 'not found on this machine')}", flush=True)
    if not found:
        sys.exit("None of them is here: install one, for example with `pyenv install 3.12`.")
    torch = options.torch or torch_flavour()
    results = {version: run(version, python, torch) for version, python in found.items()}
    print()
    for version, outcome in results.items():
        print(f"Python {version}: " + "; ".join(f"{name} {state} ({minutes:.1f} min)" for name, state, minutes in outcome))
    failed = [version for version, outcome in results.items() if outcome[-1][1] == "FAILED"]
    if missing := [version for version in options.versions if version not in found]:
        sys.exit(f"Not found: {', '.join(missing)}.")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
