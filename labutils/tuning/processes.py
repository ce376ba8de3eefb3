"""The same loop over several processes: who is who, how a model is wrapped, and how sums are taken (lab 05).

Started by `torchrun` or `accelerate launch`, see `labutils.tuning.launch`. DDP (distributed data parallel) keeps a whole model in
each process and averages the gradients; FSDP (fully sharded data parallel) also splits weights, gradients and optimizer state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from labutils.errors import LabError
from labutils.tuning.examples import micro_batches

T = TypeVar("T")
WRAPS = ("ddp", "fsdp")


@dataclass(frozen=True)
class Group:
    """A group of processes as one of them sees it. Alone: rank 0 of 1."""

    rank: int = 0
    size: int = 1

    @property
    def plain(self) -> bool:
        """Whether there is but one process."""
        return self.size == 1

    def sum(self, value: float) -> float:
        """The sum of every process's value."""
        if self.plain:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=_device())
        distributed.all_reduce(total)
        return float(total)

    def gather(self, value: T) -> list[T]:
        """Every process's value, in the order of their ranks; a value is anything that can be pickled."""
        if self.plain:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def together(self, work: Callable[[], T]) -> T:
        """What `work` returns in this process; every process calls this, and none goes on before all are done.

        Raises:
            LabError: there was one in some process; it is raised in all, so that none waits for the others in vain.
        """
        result, error = None, None
        try:
            result = work()
        except LabError as caught:
            error = caught
        for first in filter(None, self.gather(error)):
            raise first
        return result  # type: ignore[return-value]

    def share(self, step: Sequence[T], micro_batch: int) -> list[list[T]]:
        """This process's examples of a step, in micro-batches: as many as in every other process, so the last may be empty.

        Neighbours go to different processes: where the step is sorted by length, all have about the same work.

        >>> Group(rank=1, size=2).share("abcde", micro_batch=2)
        [['b'], ['d']]
        """
        firsts = micro_batches(range(0, len(step), self.size), micro_batch)  # where rank 0's examples are
        return [[step[i + self.rank] for i in part if i + self.rank < len(step)] for part in firsts]


def _device() -> str:
    return "cuda" if distributed.get_backend() == "nccl" else "cpu"


def current() -> Group:
    """The group that this process belongs to."""
    if distributed.is_available() and distributed.is_initialized():
        return Group(distributed.get_rank(), distributed.get_world_size())
    return Group()


def wrap(model: Any, how: str = "ddp") -> Any:
    """The model for a group of processes; call it after `prepare` and before `train`.

    Args:
        model: the same in every process.
        how: "ddp" or "fsdp".

    Raises:
        LabError: an unknown way, or no group was started.
    """
    if how not in WRAPS:
        raise LabError(f"{how!r} is unknown: choose {' or '.join(WRAPS)}.")
    if not (distributed.is_available() and distributed.is_initialized()):
        raise LabError("No group of processes was started: run this under torchrun or accelerate launch.")
    if how == "ddp":
        from torch.nn.parallel import DistributedDataParallel

        # The gradients live in the buckets that are exchanged, not twice; buffers never change, so nobody needs to be told.
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


def unwrapped(model: Any) -> Any:
    """The model inside DDP; FSDP changes a model in place."""
    return getattr(model, "module", model)


@contextmanager
def synchronized(model: Any, last: bool) -> Iterator[None]:
    """Exchange gradients in the step's last backward pass only; FSDP, which keeps no whole gradient, does so in each."""
    if last or not hasattr(model, "no_sync"):
        yield
    else:
        with model.no_sync():
            yield


def number(value: Tensor) -> float:
    """A norm as a number; under FSDP each process holds a part of it."""
    full = getattr(value, "full_tensor", None)
    return float(full() if full else value)


def whole_state(model: Any) -> dict[str, Tensor]:
    """The weights by name, tied ones once, in rank 0 and in host memory; every process calls this, and the others get nothing."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    inner, options = unwrapped(model), StateDictOptions(full_state_dict=True, cpu_offload=True)
    twins = dict(inner.named_parameters(remove_duplicate=False)).keys() - dict(inner.named_parameters()).keys()
    state: dict[str, Any] = get_model_state_dict(inner, options=options)
    return {name: weight for name, weight in state.items() if name not in twins}
