"""The training loop over several processes: torch.distributed's own calls, and the little that they leave to us (lab 05).

Started by `torchrun` or `accelerate launch`, see `labutils.tuning.launch`. DDP (distributed data parallel) keeps a whole model in
each process and averages the gradients; FSDP (fully sharded data parallel) also splits weights, gradients and optimizer state.

This is PyTorch's API and not `accelerate.Accelerator`, whose FSDP exists on accelerators only: with CPU processes over gloo,
accelerate 1.15 ignores the FSDP plugin and returns a DDP model, so that nobody could try or test FSDP without several GPUs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from labutils.errors import LabError
from labutils.tuning.examples import micro_batches

T = TypeVar("T")
WRAPPERS = ("ddp", "fsdp")


@dataclass(frozen=True)
class Group:
    """The processes that train one model, as one of them sees them. A single process has rank 0 and a world of size 1."""

    rank: int = 0
    world_size: int = 1

    def gather(self, value: T) -> list[T]:
        """Every process's value, by rank; a value is anything that can be pickled."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        distributed.all_gather_object(values, value)
        return values

    def run_in_all(self, work: Callable[[], T]) -> T:
        """What `work` returns in this process; every process calls this, and none goes on before all are done.

        Raises:
            LabError: the first that `work` raised in any process; it is raised in all, so that none waits for the others in vain.
        """
        result, error = None, None
        try:
            result = work()
        except LabError as caught:
            error = caught
        for first in filter(None, self.gather(error)):
            raise first
        return result  # type: ignore[return-value]

    def shard(self, step: Sequence[T], micro_batch: int) -> list[list[T]]:
        """This process's examples of a step, in micro-batches: as many as in every other process, so the last may be empty.

        Neighbours go to different processes. Where the step is sorted by length, all have about the same work.

        >>> Group(rank=1, world_size=2).shard("abcde", micro_batch=2)
        [['b', 'd'], []]
        """
        firsts = micro_batches(range(0, len(step), self.world_size), micro_batch)  # where rank 0's examples are
        return [[step[i + self.rank] for i in part if i + self.rank < len(step)] for part in firsts]


def _is_started() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def current_group() -> Group:
    """The group that this process belongs to."""
    return Group(distributed.get_rank(), distributed.get_world_size()) if _is_started() else Group()


@contextmanager
def process_group() -> Iterator[Group]:
    """Join the group that torchrun or accelerate describes in WORLD_SIZE, RANK and MASTER_ADDR, and leave it at the end.

    A process takes one CUDA device (then they talk by NCCL), or the CPU (by gloo). Without WORLD_SIZE this does nothing.

    Raises:
        LabError: there are fewer CUDA devices than processes on this machine.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Group()
        return
    cuda, local_rank = torch.cuda.is_available(), int(os.environ.get("LOCAL_RANK", "0"))
    if cuda and local_rank >= torch.cuda.device_count():
        raise LabError(f"This machine has {torch.cuda.device_count()} CUDA devices: start that many processes on it, or fewer.")
    if cuda:
        torch.cuda.set_device(local_rank)
    distributed.init_process_group("nccl" if cuda else "gloo")
    try:
        yield current_group()
    finally:
        distributed.destroy_process_group()


def wrap_model(model: Any, wrapper: str = "ddp") -> Any:
    """The model for a group of processes; call it after `prepare` and before `train`.

    Args:
        model: the same in every process.
        wrapper: "ddp" or "fsdp".

    Raises:
        LabError: an unknown wrapper, or no group was started.
    """
    if wrapper not in WRAPPERS:
        raise LabError(f"{wrapper!r} is unknown: choose {' or '.join(WRAPPERS)}.")
    if not _is_started():
        raise LabError("No group of processes was started: run this under torchrun or accelerate launch.")
    if wrapper == "ddp":
        from torch.nn.parallel import DistributedDataParallel

        # The gradients live in the buckets that are exchanged, not twice; buffers never change, so they need no broadcast.
        return DistributedDataParallel(model, forward_sync_buffers=False, gradient_as_bucket_view=True)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(next(model.parameters()).device.type, (distributed.get_world_size(),))
    for block in _blocks(model):
        fully_shard(block, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def _blocks(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """The repeated blocks: the members of the outermost lists of modules. A block of T5 holds a list, too, which stays whole."""
    for child in module.children():
        if isinstance(child, torch.nn.ModuleList):
            yield from child
        else:
            yield from _blocks(child)


def unwrap_model(model: Any) -> Any:
    """The model inside DDP; FSDP changes a model in place."""
    return getattr(model, "module", model)


def gradient_exchange(model: Any, now: bool) -> AbstractContextManager[None]:
    """Around a backward pass: DDP exchanges gradients in it only if `now`. FSDP, which keeps no whole gradient, always does."""
    return nullcontext() if now or not hasattr(model, "no_sync") else model.no_sync()


def full_value(value: Tensor) -> float:
    """A norm as a number; under FSDP each process holds a part of it."""
    full = getattr(value, "full_tensor", None)
    return float(full() if full else value)


def full_state_dict(model: Any) -> dict[str, Tensor]:
    """The weights by name, tied ones once, in rank 0 and in host memory; every process calls this, and the others get nothing."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    inner, options = unwrap_model(model), StateDictOptions(full_state_dict=True, cpu_offload=True)
    tied = dict(inner.named_parameters(remove_duplicate=False)).keys() - dict(inner.named_parameters()).keys()
    state: dict[str, Any] = get_model_state_dict(inner, options=options)
    return {name: weight for name, weight in state.items() if name not in tied}
