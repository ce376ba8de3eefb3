"""How large a micro-batch fits, and whether activations must be checkpointed: lab 04's prediction, put to use (lab 05)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from labutils.errors import LabError, NotEnoughMemory
from labutils.machine import limits
from labutils.memory import Ledger, Shape, predict_training
from labutils.tuning.examples import Example
from labutils.tuning.loop import Recipe
from labutils.tuning.methods import Method

MARGIN = 0.1  # the largest residual of predicted activations was 8 % (benchmarks/memory_accuracy.py)
# What activations took besides themselves where freed blocks were kept (`machine.frugal`): at most that many times.
FRAGMENTS = 1.5


@dataclass(frozen=True)
class Plan:
    """How a step is cut to fit.

    Attributes:
        micro_batch: examples that go through the model at once; gradients add up over the step.
        checkpointing: keep each block's input only, and compute the rest again: about a third more time.
        frugal: memory is short enough that freed blocks must go back at once (see `machine.frugal`).
        ledger: the predicted memory of the largest micro-batch, the model's weights included.
        length: tokens of the longest example.
    """

    micro_batch: int
    checkpointing: bool
    frugal: bool
    ledger: Ledger
    length: int

    def apply(self, recipe: Recipe) -> Recipe:
        """The recipe, cut to fit."""
        return replace(recipe, micro_batch=self.micro_batch, checkpointing=self.checkpointing, frugal=self.frugal)

    def __str__(self) -> str:
        """One sentence."""
        how = ", activations checkpointed" * self.checkpointing + ", freed memory given back at once" * self.frugal
        return f"{self.micro_batch} example{'s' * (self.micro_batch > 1)} at a time{how}: {self.ledger.gib:.2f} GiB predicted."


class Setting(NamedTuple):
    """How a step could be cut; see `Plan`."""

    micro_batch: int
    checkpointing: bool
    frugal: bool

    @property
    def speed(self) -> float:
        """Roughly, in parts of the speed of a very large micro-batch.

        Measured with the labs' model on two cores: 1, 2, 4 and 8 examples at a time train at 56, 70, 91 and 100 % of the speed of
        eight; computing activations again costs a quarter, and giving memory back at once a fifth to a quarter.
        """
        size = self.micro_batch
        return size / (size + 0.75) * (0.75 if self.checkpointing else 1.0) * (0.78 if self.frugal else 1.0)


def settings(batch: int, device: str = "cpu") -> list[Setting]:
    """All ways to cut a step of `batch` examples into parts, the fastest first.

    The parts are even: a step of 4 has parts of 4, 2 or 1. Thrift is for a CPU's allocator; CUDA has another.
    """
    sizes = sorted({-(-batch // parts) for parts in range(1, batch + 1)})
    thrift = (False, True) if device == "cpu" else (False,)
    every = [Setting(*cut) for cut in itertools.product(sizes, (False, True), thrift)]
    return sorted(every, key=lambda setting: -setting.speed)


def predict(
    shape: Shape,
    examples: Sequence[Example],
    method: Method,
    micro_batch: int,
    checkpointing: bool = False,
    *,
    dtype: str = "float32",
    device: str = "cpu",
    accumulation: bool = False,
) -> Ledger:
    """The memory of a step on the longest of the examples, `micro_batch` of them at once.

    Args:
        shape: of the model before the method was applied.
        examples: all that will be trained on.
        method: what is trained.
        micro_batch, checkpointing: as in `Plan`.
        dtype: of the weights.
        device: "cpu" or "cuda".
        accumulation: a step has several micro-batches.
    """
    longest = sorted(examples, key=lambda example: -example.length)[:micro_batch]
    prompt, completion = (max(len(part) for part in parts) for parts in zip(*examples, strict=True))
    answers = sorted((len(example.completion) for example in examples), reverse=True)[:micro_batch]
    labelled = -(-sum(answers) // len(answers))
    seq2seq = shape.kind == "encoder-decoder"
    return predict_training(
        shape,
        micro_batch,
        prompt if seq2seq else longest[0].length,
        method=method.planned_as,
        dtype=dtype,
        checkpointing=checkpointing,
        lora_rank=method.lora_rank,
        lora_targets=method.lora_targets,
        labelled=labelled,
        virtual_tokens=method.virtual_tokens,
        weights="nf4 double" if method.name == "qlora" else None,
        masked=seq2seq,
        accumulation=accumulation,
        target_length=completion if seq2seq else None,
        device=device,
    )


def plan_training(
    model: Any,
    examples: Sequence[Example],
    method: Method | str = "full",
    *,
    batch: int = 8,
    memory_gib: float | None = None,
    processes: int = 1,
    wrap: str = "ddp",
) -> Plan:
    """The fastest setting whose predicted memory fits.

    Args:
        model: before `prepare`, or its Shape.
        examples: all that will be trained on; the longest decide.
        method: what is trained.
        batch: examples a step, over all processes; the micro-batch is at most a process's share.
        memory_gib: GiB (2**30 bytes) for weights, gradients, optimizer and activations of one process together. By default what is
            free, and what the model takes already.
        processes: that share the step.
        wrap: how several processes hold the model, "ddp" or "fsdp".

    Raises:
        NotEnoughMemory: nothing fits; the sentence says what is needed, what there is, and which method would fit.
        LabError: no examples, or a batch below one.
    """
    if batch < 1 or not examples:
        raise LabError("A plan needs at least one example and a batch of at least 1.")
    method = Method(method) if isinstance(method, str) else method
    shape = model if isinstance(model, Shape) else Shape.of(model)
    device = "cpu" if isinstance(model, Shape) else model.device.type
    dtype = "float32" if isinstance(model, Shape) else str(model.dtype).removeprefix("torch.")
    room = _room(model, device) if memory_gib is None else memory_gib
    share = -(-batch // processes)
    kept = FRAGMENTS if device == "cpu" else MARGIN

    def ledger_of(method: Method, setting: Setting) -> Ledger:
        size, again, _ = setting
        return predict(shape, examples, method, size, again, dtype=dtype, device=device, accumulation=size < share)

    def need(ledger: Ledger, setting: Setting) -> float:
        """GiB to keep free: the prediction, and a margin for what is predicted less exactly than weights and optimizer."""
        margin = MARGIN if setting.frugal else kept
        return ledger.gib + margin * _rough(ledger) + _shared(ledger, processes, wrap)

    length = max(example.length for example in examples)
    cuts = settings(min(share, len(examples)), device)
    for setting in cuts:
        ledger = ledger_of(method, setting)
        if need(ledger, setting) <= room:
            return Plan(*setting, ledger, length)
    least = {
        name: min(need(ledger_of(other, setting), setting) for setting in cuts if setting.checkpointing)
        for name, other in {method.name: method, "lora": Method("lora"), "qlora": Method("qlora")}.items()
    }
    needs = least.pop(method.name)
    fitting = [f"{name} needs {gib:.2f} GiB and would fit" for name, gib in least.items() if gib <= room]
    advice = fitting[0] if fitting else "shorten the examples, close other kernels, or take a smaller model"
    raise NotEnoughMemory(
        f"Training by {method.name} needs {needs:.2f} GiB even in the smallest setting, with examples of up to {length} tokens and "
        f"activations checkpointed, and there are {room:.2f} GiB: {advice}."
    )


def _shared(ledger: Ledger, processes: int, wrap: str) -> float:
    """GiB more (or less) than alone, where several processes train one model.

    DDP's buckets hold the gradients even when there are none yet. FSDP splits at least AdamW's moments over the processes.
    """
    if processes == 1:
        return 0.0
    return ledger["gradients"].gib if wrap == "ddp" else -ledger["optimizer"].gib * (1 - 1 / processes)


def _rough(ledger: Ledger) -> float:
    """GiB of the terms that come and go within a step."""
    return limits.gib(sum(ledger.at_peak.get(term, 0.0) for term in ("activations", "logits", "temporaries")))


def _room(model: Any, device: str) -> float:
    if device == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info()
        taken = torch.cuda.memory_allocated()
        return limits.gib(free + taken)
    taken = 0 if isinstance(model, Shape) else sum(p.numel() * p.element_size() for p in model.parameters())
    return limits.gib(limits.memory_available() + taken)
