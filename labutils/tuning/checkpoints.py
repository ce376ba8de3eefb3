"""Going on after an interrupt: the trained weights, the optimizer and the history, in one file (lab 05)."""

from __future__ import annotations

import os
import pickle
import signal
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from labutils.errors import LabError
from labutils.machine import limits
from labutils.machine.footprint import tensor_bytes
from labutils.tuning import processes
from labutils.tuning.methods import named_trainable_parameters
from labutils.tuning.temporaries import temporary_beside

# What torch.load and load_state_dict raise on a damaged file.
_DAMAGED = (
    OSError, RuntimeError, LookupError, AttributeError, ArithmeticError, EOFError, TypeError, ValueError,
    pickle.UnpicklingError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class Interrupted(LabError):
    """Training was interrupted; what was done is kept."""


def interruption(path: Path | None, done: int, steps: int) -> Interrupted:
    """The sentence for a person who pressed Interrupt."""
    if path is None:
        return Interrupted(
            f"Interrupted after step {done} of {steps}: the model keeps what it learned so far; run it again to start anew."
        )
    return Interrupted(f"Interrupted after step {done} of {steps}: run it again to go on from there (kept in {path}).")


@contextmanager
def defer_interrupts() -> Iterator[None]:
    """Hold back an interrupt until the block is done. In the main thread; elsewhere no interrupt arrives."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[tuple[Any, Any]] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pending.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pending:
        raise KeyboardInterrupt


def save_checkpoint(
    path: Path, model: Any, optimizer: Any, run: Mapping[str, Any], done: int, history: Mapping[str, Any]
) -> None:
    """Write a checkpoint whole or not at all; rank 0 writes it.

    Args:
        path: the file.
        model, optimizer: as they are after the last step.
        run: what the run is: a checkpoint is loaded by a run with an equal one only.
        done: steps done.
        history: the fields of `History`.

    Raises:
        LabError: the disk is too full, the folder cannot be written to, or the model is sharded.
    """
    _require_unsharded(model)
    if processes.current_group().rank:
        return
    weights = {name: p.detach() for name, p in named_trainable_parameters(processes.unwrap_model(model))}
    state = optimizer.state_dict()
    moments = [value for values in state["state"].values() for value in values.values() if torch.is_tensor(value)]
    needed, free = tensor_bytes([*weights.values(), *moments]), limits.disk_free(path)
    if needed > free:
        raise LabError(
            f"A checkpoint of {limits.gib(needed):.2f} GiB does not fit: {limits.gib(free):.2f} GiB are free; free some disk space, "
            f"or train without a checkpoint."
        )
    temporary = temporary_beside(path)
    content = {"run": dict(run), "done": done, "history": dict(history), "weights": weights, "optimizer": state}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, temporary)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # torch's writer raises a RuntimeError on a full disk
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise LabError(
            f"The checkpoint {path} could not be written ({error}): free some disk space or choose another folder."
        ) from error


def load_checkpoint(path: Path, model: Any, optimizer: Any, run: Mapping[str, Any], history: Any) -> tuple[int, Any]:
    """Put a checkpoint back into the model and the optimizer.

    Args:
        path: the file.
        model, optimizer: of the run that goes on; changed in place.
        run: as `save_checkpoint` got it.
        history: makes a history of its fields.

    Returns:
        (steps done, history).

    Raises:
        LabError: the file is damaged or belongs to another run; nothing was changed then.
    """
    _require_unsharded(model)
    damaged = LabError(f"The checkpoint {path} is damaged: delete it, and the run starts anew.")
    try:
        _require_unaltered(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        if not isinstance(content, dict):
            raise TypeError(type(content))
        same_run = content["run"] == dict(run)
        weights, done, state = content["weights"], content["done"], content["optimizer"]
        earlier, shapes = history(**content["history"]), {name: p.shape for name, p in weights.items()}
    except PermissionError:
        raise LabError(f"The checkpoint {path} may not be read by you: name another file.") from None
    except _DAMAGED:
        raise damaged from None
    parameters = dict(named_trainable_parameters(processes.unwrap_model(model)))
    if not same_run or {name: p.shape for name, p in parameters.items()} != shapes:
        raise LabError(
            f"The checkpoint {path} is of another run (other examples, recipe or method): delete it, or name another file."
        )
    try:
        optimizer.load_state_dict(state)
    except _DAMAGED:
        raise damaged from None
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(weights[name])
    return done, earlier


def _require_unaltered(path: Path) -> None:
    """Compare the checksum that torch.save keeps with every tensor: torch.load does not, and would go on from an altered number."""
    with zipfile.ZipFile(path) as archive:
        if altered := archive.testzip():
            raise zipfile.BadZipFile(altered)


def _require_unsharded(model: Any) -> None:
    if any(hasattr(p, "full_tensor") for p in model.parameters()):
        raise LabError("A model that FSDP has split is not checkpointed here: use --wrap ddp, or leave the checkpoint out.")
