"""How large a micro-batch fits, and whether activations must be checkpointed: lab 04's prediction, put to use (lab 05)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from labutils.errors import LabError, NotEnoughMemory
from labutils.machine import limits
from labutils.machine.memory_guard import largest_that_fits
from labutils.memory.ledger import Ledger
from labutils.memory.setup import TrainingSetup
from labutils.memory.shape import Shape
from labutils.memory.training import predict_training
from labutils.tuning.examples import Example
from labutils.tuning.methods import Method
from labutils.tuning.recipe import Recipe

# What is kept free for activations, logits and temporaries, as a share of their predicted bytes. Predicted activations were off by
# at most 8 % (benchmarks/memory_accuracy.py); where the allocator keeps freed blocks, they took up to 1.5 times as much again.
MARGIN = 0.1
FRAGMENTATION = 1.5

# Measured with the labs' model on two cores: 1, 2, 4 and 8 examples at a time train at 56, 70, 91 and 100 % of the speed of eight,
# about B / (B + 0.75); computing activations again costs a quarter, and giving memory back at once a fifth to a quarter. The threads slept
# at once then. With those of settings.THREADS small micro-batches lose less (83, 97 and 100 % at 1, 2 and 4), and together the two savings
# cost LoRA, with its many small tensors, more than half. The order of the settings stays, on the side of less memory.
HALF_SPEED_BATCH = 0.75
CHECKPOINTING_SPEED = 0.75
FRUGAL_SPEED = 0.78


class StepConfig(NamedTuple):
    """One way to run a step; see `TrainingPlan`."""

    micro_batch: int
    checkpointing: bool
    frugal: bool

    @property
    def relative_speed(self) -> float:
        """Roughly, as a share of the speed of a very large micro-batch."""
        speed = self.micro_batch / (self.micro_batch + HALF_SPEED_BATCH)
        return speed * (CHECKPOINTING_SPEED if self.checkpointing else 1.0) * (FRUGAL_SPEED if self.frugal else 1.0)


@dataclass(frozen=True)
class TrainingPlan:
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


def step_configs(batch: int, device: str = "cpu") -> list[StepConfig]:
    """All ways to run a step of `batch` examples in even parts, the fastest first.

    A step of 4 has parts of 4, 2 or 1. `frugal` is for a CPU's allocator; CUDA has another.

    >>> [(c.micro_batch, c.checkpointing) for c in step_configs(2, "cuda")]
    [(2, False), (1, False), (2, True), (1, True)]
    """
    sizes = sorted({-(-batch // parts) for parts in range(1, batch + 1)})
    frugal = (False, True) if device == "cpu" else (False,)
    configs = [StepConfig(*config) for config in itertools.product(sizes, (False, True), frugal)]
    return sorted(configs, key=lambda config: -config.relative_speed)


def predict_step_memory(
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
        micro_batch, checkpointing: as in `TrainingPlan`.
        dtype: of the weights.
        device: "cpu" or "cuda".
        accumulation: a step has several micro-batches.
    """
    seq2seq = shape.kind == "encoder-decoder"
    longest_prompt, longest_completion = (max(map(len, parts)) for parts in zip(*examples, strict=True))
    longest = max(example.length for example in examples)
    # Logits are computed at labelled positions only: count those of the longest completions, whichever examples they belong to.
    completions = sorted((len(example.completion) for example in examples), reverse=True)[:micro_batch]
    labelled = -(-sum(completions) // len(completions))
    return predict_training(
        shape,
        TrainingSetup(
            micro_batch,
            longest_prompt if seq2seq else longest,
            method=method.memory_method,
            dtype=dtype,
            checkpointing=checkpointing,
            lora_rank=method.lora_rank,
            lora_targets=method.lora_targets,
            labelled=labelled,
            virtual_tokens=method.prompt_length,
            weights="nf4 double" if method.name == "qlora" else None,
            masked=seq2seq,
            accumulation=accumulation,
            target_length=longest_completion if seq2seq else None,
            device=device,
        ),
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
) -> TrainingPlan:
    """The fastest configuration of a step whose predicted memory fits.

    Args:
        model: before `prepare`, or its Shape.
        examples: all that will be trained on; the longest decide.
        method: what is trained.
        batch: examples per step, over all processes; the micro-batch is at most a process's share.
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

    # The model: its shape, where it is, and in which type.
    shape, device, dtype = _of_model(model)
    available = _available_gib(model, device) if memory_gib is None else memory_gib
    share = -(-batch // processes)

    def predict(method: Method, config: StepConfig) -> Ledger:
        return predict_step_memory(
            shape, examples, method, config.micro_batch, config.checkpointing,
            dtype=dtype, device=device, accumulation=config.micro_batch < share,
        )  # fmt: skip

    def required_gib(ledger: Ledger, config: StepConfig) -> float:
        """The prediction, a margin for what comes and goes within a step, and what several processes add."""
        margin = FRAGMENTATION if device == "cpu" and not config.frugal else MARGIN
        return ledger.gib + margin * _transient_gib(ledger) + _added_by_processes_gib(ledger, processes, wrap)

    # From the fastest configuration to the slowest, the first that fits.
    configs = step_configs(min(share, len(examples)), device)
    length = max(example.length for example in examples)
    for config in configs:
        ledger = predict(method, config)
        if required_gib(ledger, config) <= available:
            return TrainingPlan(*config, ledger, length)

    # Nothing fits: say what the smallest configuration needs, and whether it would fit with LoRA or QLoRA.
    smallest = {
        name: min(required_gib(predict(other, config), config) for config in configs if config.checkpointing)
        for name, other in {method.name: method, "lora": Method("lora"), "qlora": Method("qlora")}.items()
    }
    needed = smallest.pop(method.name)
    if name := largest_that_fits(smallest, available):
        advice = f"{name} needs {smallest[name]:.2f} GiB and would fit"
    else:
        advice = "shorten the examples, close other kernels, or take a smaller model"
    raise NotEnoughMemory(
        f"Training by {method.name} needs {needed:.2f} GiB even in the smallest setting, with examples of up to {length} tokens and "
        f"activations checkpointed, and there are {available:.2f} GiB: {advice}."
    )


def shared_plans(
    model: Any, examples: Sequence[Example], methods: Sequence[Method | str], *, batch: int = 8, memory_gib: float | None = None
) -> dict[str, TrainingPlan]:
    """One setting for several methods, that of the one that needs most, so that seconds and bytes differ by the method alone.

    Args:
        model, examples, batch, memory_gib: as in `plan_training`.
        methods: the methods of the race, each named once.

    Returns:
        method's name -> its plan: the same micro-batch, checkpointing and frugality for all, each with its own predicted memory.

    Raises:
        NotEnoughMemory: the hungriest method fits in no setting.
    """
    chosen = [Method(method) if isinstance(method, str) else method for method in methods]
    plans = {method.name: plan_training(model, examples, method, batch=batch, memory_gib=memory_gib) for method in chosen}
    # The slowest of the fastest settings is that of the hungriest method, and what fits it fits the others.
    setting = min(plans.values(), key=lambda plan: StepConfig(plan.micro_batch, plan.checkpointing, plan.frugal).relative_speed)
    shape, device, dtype = _of_model(model)
    found = {}
    for method in chosen:
        ledger = predict_step_memory(
            shape, examples, method, setting.micro_batch, setting.checkpointing,
            dtype=dtype, device=device, accumulation=setting.micro_batch < min(batch, len(examples)),
        )  # fmt: skip
        found[method.name] = replace(setting, ledger=ledger)
    return found


def _of_model(model: Any) -> tuple[Shape, str, str]:
    """(shape, device, dtype of the weights); a bare shape is taken for a float32 model on the CPU."""
    if isinstance(model, Shape):
        return model, "cpu", "float32"
    return Shape.of(model), model.device.type, str(model.dtype).removeprefix("torch.")


def _transient_gib(ledger: Ledger) -> float:
    """GiB of the terms that come and go within a step, which are predicted less exactly than weights and optimizer."""
    return limits.gib(sum(ledger.at_peak.get(term, 0.0) for term in ("activations", "logits", "temporaries")))


def _added_by_processes_gib(ledger: Ledger, processes: int, wrap: str) -> float:
    """GiB more (or less) than alone, where several processes train one model.

    DDP's buckets hold the gradients even when there are none yet. FSDP splits at least AdamW's moments over the processes.
    """
    if processes == 1:
        return 0.0
    return ledger["gradients"].gib if wrap == "ddp" else -ledger["optimizer"].gib * (1 - 1 / processes)


def _available_gib(model: Any, device: str) -> float:
    """GiB that are free, and those that the model takes already."""
    if device == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info()
        return limits.gib(free + torch.cuda.memory_allocated())
    weights = 0 if isinstance(model, Shape) else sum(p.numel() * p.element_size() for p in model.parameters())
    return limits.gib(limits.memory_available() + weights)
