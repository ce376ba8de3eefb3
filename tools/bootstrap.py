"""Make the course's environment: `.venv`, the locked packages, labutils, the models, the kernel.

Runs on the bare Python of a fresh machine, so it uses the standard library alone, in syntax that an old Python still reads
(it must be able to say that it is too old). Run again, it finds everything in place and does nothing.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "llm-labs.json"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"  # where PyTorch publishes its CPU wheels for Linux

OLDEST, NEWEST = (3, 10), (3, 13)
# The wheels of requirements.lock with the CPU build of torch; what an environment and the models took on disk, with room to work.
DOWNLOAD_MB = {"cpu": 400, "cuda": 3800}
DISK_GB = {"cpu": 4.0, "cuda": 9.0}


class SetupError(Exception):
    """One sentence for the person at the keyboard."""


def check_python():
    """Refuse a Python that the lock does not cover."""
    here = sys.version_info[:2]
    if not OLDEST <= here <= NEWEST:
        raise SetupError(
            "Python {}.{} is not supported: install Python {}.{} to {}.{} and run `make lab PYTHON=python3.12` with its name.".format(
                *(here + OLDEST + NEWEST)
            )
        )
    if sys.platform == "darwin" and platform.machine() == "x86_64":
        raise SetupError(
            "PyTorch has no packages for Intel Macs any more: use the course on Linux, Windows or an Apple-silicon Mac."
        )


def wanted(torch, dev):
    """What the environment must match: the digests of the files that define it, and the flavour of torch."""
    names = ["requirements.lock", "pyproject.toml"] + (["requirements-dev.lock"] if dev else [])
    digests = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in names}
    return dict(digests, torch=torch, python="{}.{}".format(*sys.version_info[:2]), root=str(ROOT))


def installed():
    """What the stamp says of the environment; empty where there is none, or a broken one."""
    try:
        stamp = json.loads(STAMP.read_text()) if PYTHON.exists() else {}
        return stamp if isinstance(stamp, dict) else {}
    except (OSError, ValueError):
        return {}


def run(arguments, fix):
    """Run a command; a failure becomes one sentence that ends in `fix`."""
    if subprocess.call([str(a) for a in arguments], cwd=str(ROOT)):
        raise SetupError(fix)


def pip(*arguments):
    """Run pip in the environment; on failure say what a person can do."""
    run(
        (PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--no-input", "--retries", "2", *arguments),
        "The packages could not be installed (pip's reason stands above): check the network and the free disk, and run the "
        "same command again; it goes on where it stopped.",
    )


def locked_torch():
    """The torch version of the lock, such as "2.13.0"."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return next(line.split("==")[1].split()[0] for line in lines if line.startswith("torch=="))


def install_torch(flavour):
    """Install the locked torch. On Linux its plain name brings CUDA; the CPU build has an index of its own."""
    version = locked_torch()
    if flavour == "cpu" and sys.platform == "linux":
        probe = [str(PYTHON), "-m", "pip", "-q", "install", "--no-input", f"torch=={version}+cpu"]
        if subprocess.call(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
            return  # found where this machine's pip is set to look (a mirror, a folder of wheels)
        pip(f"torch=={version}+cpu", "--index-url", TORCH_CPU_INDEX)
    else:
        pip(f"torch=={version}")


def install(torch, dev):
    """Create or complete the environment."""
    free = shutil.disk_usage(str(ROOT)).free / 1e9
    if free < DISK_GB[torch]:
        raise SetupError(
            f"Set-up needs {DISK_GB[torch]:.0f} GB of free disk here and finds {free:.1f} GB: free some space and run it again."
        )
    print(
        f"Setting up LLM Labs in {VENV}\n  cost: about {DOWNLOAD_MB[torch]} MB of packages and 180 MB of models to download, {DISK_GB[torch]:.0f} GB of disk,\n"
        "  3 to 10 minutes by the network. Nothing is installed outside .venv and the cache folder.",
        flush=True,
    )
    print("[1/4] Python {}.{} environment".format(*sys.version_info[:2]), flush=True)
    before = installed()
    if (
        before.get("python") != "{}.{}".format(*sys.version_info[:2])
        or before.get("root") != str(ROOT)
        or before.get("torch", torch) != torch
    ):
        try:
            venv.create(str(VENV), with_pip=True, clear=VENV.exists())
        except subprocess.CalledProcessError:
            raise SetupError(
                "Python's venv could not be made: on Debian or Ubuntu install the package python3-venv, then run this again."
            ) from None
    print(f"[2/4] PyTorch {locked_torch()} for {torch.upper()}", flush=True)
    install_torch(torch)
    print("[3/4] the locked packages and labutils", flush=True)
    locks = ["-r", "requirements.lock"] + (["-r", "requirements-dev.lock"] if dev else [])
    pip("-q", "--no-deps", *locks)
    pip("-q", "--no-deps", "--editable", ".")
    STAMP.write_text(json.dumps(wanted(torch, dev)))


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", choices=sorted(DOWNLOAD_MB), help="by default what is there already, else cpu")
    parser.add_argument("--dev", action="store_true", help="also ruff, mypy, codespell, playwright, pre-commit")
    options = parser.parse_args()
    start = time.time()
    try:
        check_python()
        have = installed()
        want = wanted(options.torch or have.get("torch", "cpu"), options.dev)
        fresh = any(have.get(key) != value for key, value in want.items())
        if fresh:
            # An environment that has the developer's tools keeps them in step.
            install(want["torch"], options.dev or "requirements-dev.lock" in have)
            print("[4/4] the models and the kernel", flush=True)
        run(
            (PYTHON, "-m", "labutils.cli", "setup"),
            "Set-up stopped at the models: do what the line above says and run the same command again.",
        )
        if fresh:
            print(f"Ready after {(time.time() - start) / 60:.1f} minutes.", flush=True)
    except SetupError as error:
        sys.exit(f"set-up: {error}")
    except KeyboardInterrupt:
        sys.exit("\nset-up: stopped. Run the same command again; it goes on where it stopped.")


if __name__ == "__main__":
    main()
