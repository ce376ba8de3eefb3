"""How large a micro-batch fits, and whether activations must be checkpointed: lab 04's prediction, put to use (lab 05)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from labutils import machine
from labutils.errors import LabError, NotEnoughMemory
from labutils.memory import Ledger, Shape, predict_training
from labutils.tuning.examples import Example
from labutils.tuning.loop import Recipe
from labutils.tuning.methods import Method

MARGIN = 0.1  # the largest residual of predicted activations was 8 % (benchmarks/memory_accuracy.py)
FRAGMENTS = (
    1.5  # what activations took besides themselves where freed blocks were kept (`machine.frugal`): at most that many times
)


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
        how = ", activations checkpointed" if self.checkpointing else ""
        return f"{self.micro_batch} example{'s' * (self.micro_batch > 1)} at a time{how}: {self.ledger.gib:.2f} GiB predicted."


def settings(batch: int) -> list[tuple[int, bool]]:
    """(micro-batch, checkpointing), the fastest first, each needing less memory than the plain ones before it.

    Small micro-batches are slow: at two examples at a time the labs' model trains at two thirds of the speed of eight. Computing
    activations again costs a third. So checkpointing with a large micro-batch comes before one example at a time.
    """
    plain = [size for size in range(batch, 1, -1)]
    return [*((size, False) for size in plain), *((size, True) for size in plain), (1, False), (1, True)]


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
) -> Plan:
    """The fastest setting whose predicted memory fits.

    Args:
        model: before `prepare`, or its Shape.
        examples: all that will be trained on; the longest decide.
        method: what is trained.
        batch: examples a step; the micro-batch is at most that.
        memory_gib: GiB (2**30 bytes) for weights, gradients, optimizer and activations together. By default what is free, and
            what the model takes already.

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

    def ledger_of(method: Method, size: int, again: bool) -> Ledger:
        return predict(shape, examples, method, size, again, dtype=dtype, device=device, accumulation=size < batch)

    length = max(example.length for example in examples)
    for size, again in settings(min(batch, len(examples))):
        ledger = ledger_of(method, size, again)
        if _need(ledger) <= room:
            return Plan(size, again, ledger.gib + FRAGMENTS * _rough(ledger) > room, ledger, length)
    needs = _need(ledger)
    others = {name: _need(ledger_of(Method(name), 1, True)) for name in ("lora", "qlora") if name != method.name}
    fitting = [f"{name} needs {need:.2f} GiB and would fit" for name, need in others.items() if need <= room]
    advice = fitting[0] if fitting else "shorten the examples, close other kernels, or take a smaller model"
    raise NotEnoughMemory(
        f"Training by {method.name} needs {needs:.2f} GiB even with one example of {length} tokens at a time and activations "
        f"checkpointed, and there are {room:.2f} GiB: {advice}."
    )


def _need(ledger: Ledger) -> float:
    """GiB to keep free: the prediction, and a margin for what is predicted less exactly than weights and optimizer."""
    return ledger.gib + MARGIN * _rough(ledger)


def _rough(ledger: Ledger) -> float:
    """GiB of the terms that come and go within a step."""
    return machine.gib(sum(ledger.at_peak.get(term, 0.0) for term in ("activations", "logits", "temporaries")))


def _room(model: Any, device: str) -> float:
    if device == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info()
        taken = torch.cuda.memory_allocated()
        return machine.gib(free + taken)
    taken = 0 if isinstance(model, Shape) else sum(p.numel() * p.element_size() for p in model.parameters())
    return machine.gib(machine.memory_available() + taken)
