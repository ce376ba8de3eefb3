"""The models: what they are, and that those on this machine are what they should be.

`models.json` names each model once. A model is fetched as the wheel that carries it (`labutils.course.fetching`) and marked ready
with the digests of its files; from then on this mark says whether it is whole.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from labutils.errors import AssetError
from labutils.machine import settings

CHUNK = 2**20
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


class _File(_Strict):
    """One file of a ready model, as it was when it was verified."""

    bytes: NonNegativeInt
    mtime_ns: int
    sha256: str


class _ReadyMark(_Strict):
    """The content of ready.json: the sha256 of the wheel that the model came from, and its files."""

    origin: str
    files: dict[str, _File]


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


# --- verify ---------------------------------------------------------------------------------------------------------


def _stamp(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def mark_ready(folder: Path, origin: str) -> None:
    """Write ready.json, the mark of a verified model folder: each file's size, time of change and sha256.

    Args:
        folder: the model's folder, complete.
        origin: the sha256 of the wheel that it came from.
    """
    files = {p.name: _File(**_stamp(p), sha256=sha256(p)) for p in sorted(folder.iterdir()) if p.name != READY}
    mark = _ReadyMark(origin=origin, files=files)
    (folder / READY).write_text(mark.model_dump_json(indent=1) + "\n", encoding="utf-8")


def complaint(model: Model, deep: bool = False) -> str | None:
    """What is wrong with a model on this machine, in one sentence; None when it is ready.

    A file whose size and time of change are those at set-up is taken as unchanged; any other is hashed again.
    `deep` hashes them all.
    """
    again = f"run `labs fetch` to put it right ({model.wheel.bytes / 1e6:.0f} MB)"
    mark = model.folder / READY
    try:
        ready = _ReadyMark.model_validate_json(mark.read_bytes())
    except FileNotFoundError:
        return f"The model {model.id} is not on this machine: run `labs fetch` ({model.wheel.bytes / 1e6:.0f} MB)."
    except PermissionError:
        return f"The model {model.id} in {model.folder} cannot be read by you: set LABS_HOME to a folder of yours."
    except (OSError, ValidationError):
        return f"The model {model.id} has a damaged {READY}: {again}."
    if not ready.files:
        return f"The model {model.id} has a damaged {READY}: {again}."
    if ready.origin != model.wheel.sha256:
        return f"The model {model.id} is of another version than this course's: {again}."
    for name, expected in ready.files.items():
        path = model.folder / name
        if not path.exists():
            return f"The model {model.id} lacks its file {name}: {again}."
        stamp = _stamp(path)
        if stamp["bytes"] < expected.bytes:
            return f"The model {model.id}'s {name} is truncated ({stamp['bytes']:,} of {expected.bytes:,} bytes): {again}."
        changed = stamp != {"bytes": expected.bytes, "mtime_ns": expected.mtime_ns}
        if (changed or deep) and sha256(path) != expected.sha256:
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
