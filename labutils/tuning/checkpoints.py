"""Going on after an interrupt: what was trained, the optimizer and the history, in one file (lab 05)."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from labutils.errors import LabError
from labutils.machine import limits
from labutils.machine.footprint import tensor_bytes
from labutils.tuning import processes
from labutils.tuning.methods import trained

DAMAGE = (OSError, RuntimeError, LookupError, AttributeError, EOFError, TypeError, ValueError, pickle.UnpicklingError)


class Interrupted(LabError):
    """Training was interrupted; what was done is kept."""


def interrupted(path: Path | None, done: int, steps: int) -> Interrupted:
    """The sentence for a person who pressed Interrupt."""
    if path is None:
        return Interrupted(
            f"Interrupted after step {done} of {steps}: the model keeps what it learned so far; run it again to start anew."
        )
    return Interrupted(f"Interrupted after step {done} of {steps}: run it again to go on from there (kept in {path}).")


@contextmanager
def uninterrupted() -> Iterator[None]:
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


def save(path: Path, model: Any, optimizer: Any, run: Mapping[str, Any], done: int, history: Mapping[str, Any]) -> None:
    """Write a checkpoint whole or not at all; rank 0 writes it.

    Raises:
        LabError: the disk is too full, the folder cannot be written to, or the model is sharded.
    """
    _require_whole(model)
    if processes.current().rank:
        return
    weights = {name: p.detach() for name, p in trained(processes.unwrapped(model))}
    state = optimizer.state_dict()
    tensors = [*weights.values(), *(t for kept in state["state"].values() for t in kept.values() if torch.is_tensor(t))]
    needed, free = tensor_bytes(tensors), limits.disk_free(path)
    if needed > free:
        raise LabError(
            f"A checkpoint of {limits.gib(needed):.2f} GiB does not fit: {limits.gib(free):.2f} GiB are free; free some disk space, "
            f"or train without a checkpoint."
        )
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    kept = {"run": dict(run), "done": done, "history": dict(history), "weights": weights, "optimizer": state}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(kept, temporary)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # torch's writer raises a RuntimeError on a full disk
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise LabError(
            f"The checkpoint {path} could not be written ({error}): free some disk space or choose another folder."
        ) from error


def load(path: Path, model: Any, optimizer: Any, run: Mapping[str, Any], history: Any) -> tuple[int, Any]:
    """Put a checkpoint back into the model and the optimizer: (steps done, history).

    Raises:
        LabError: the file is damaged or belongs to another run; nothing was changed then.
    """
    _require_whole(model)
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        if not isinstance(kept, dict):
            raise TypeError(type(kept))
        same = kept["run"] == dict(run)
        weights, done, state, past = kept["weights"], kept["done"], kept["optimizer"], history(**kept["history"])
        shapes = {n: p.shape for n, p in weights.items()}
    except DAMAGE:
        raise LabError(f"The checkpoint {path} is damaged: delete it, and the run starts anew.") from None
    ours = dict(trained(processes.unwrapped(model)))
    if not same or {n: p.shape for n, p in ours.items()} != shapes:
        raise LabError(
            f"The checkpoint {path} is of another run (other examples, recipe or method): delete it, or name another file."
        )
    try:
        optimizer.load_state_dict(state)
    except DAMAGE:
        raise LabError(f"The checkpoint {path} is damaged: delete it, and the run starts anew.") from None
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.copy_(weights[name])
    return done, past


def _require_whole(model: Any) -> None:
    if any(hasattr(p, "full_tensor") for p in model.parameters()):
        raise LabError("A model that FSDP has split is not checkpointed here: use --wrap ddp, or leave the checkpoint out.")
