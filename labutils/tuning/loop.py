"""One training loop for every method: what happens in a step, written to be read (lab 05).

A step is `batch` examples, whatever the micro-batch and the number of processes: the gradient is that of the mean loss over all
labelled tokens of the step. So runs with different cuts can be compared.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from labutils.errors import LabError
from labutils.machine import allocator, footprint
from labutils.tuning import checkpoints, processes
from labutils.tuning.bar import bar
from labutils.tuning.examples import Example, collate, step_order, token_losses
from labutils.tuning.methods import set_checkpointing, trained


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        learning_rate: the highest, after the warm-up.
        batch: examples a step, over all processes.
        epochs: times that each example is seen.
        warmup: share of the steps in which the learning rate rises.
        decay: whether it falls to zero afterwards, in a straight line; False keeps it constant.
        clip: the largest norm of the gradient; longer ones are shortened to it.
        weight_decay: AdamW's.
        seed: of the order of the examples and of dropout.
        micro_batch: examples that go through the model at once; the whole step by default. `plan_training` finds one that fits.
        checkpointing: compute activations again in the backward pass.
        frugal: give freed memory back at once, at a price in speed (see `machine.frugal`).
        bf16: compute in bfloat16, weights and optimizer stay in float32. None: on CUDA where the hardware has it.
    """

    learning_rate: float
    batch: int = 8
    epochs: int = 1
    warmup: float = 0.1
    decay: bool = True
    clip: float = 1.0
    weight_decay: float = 0.0
    seed: int = 0
    micro_batch: int | None = None
    checkpointing: bool = False
    frugal: bool = False
    bf16: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            LabError: a count below one, or a number outside its range.
        """
        least = {"batch": self.batch, "epochs": self.epochs, "micro_batch": 1 if self.micro_batch is None else self.micro_batch}
        wrong = [f"{name}={value}" for name, value in least.items() if value < 1]
        if wrong:
            raise LabError(f"{wrong[0]}: it must be at least 1.")
        if not 0 < self.learning_rate < math.inf:
            raise LabError(f"learning_rate={self.learning_rate}: it must be above zero and finite.")
        if not (0 <= self.warmup <= 1 and self.clip > 0 and self.weight_decay >= 0):
            raise LabError(
                f"warmup={self.warmup}, clip={self.clip} and weight_decay={self.weight_decay}: the first is a share from 0 to 1, the "
                f"second above zero, the third not below it."
            )


# Peak learning rates that train the labs' model well in one pass over a hundred examples.
LEARNING_RATES = {"full": 1e-4, "lora": 1e-3, "qlora": 1e-3, "adapters": 1e-3, "bitfit": 3e-3, "prompt_tuning": 3e-2}


@dataclass
class History:
    """What a run did, step by step, and what it took.

    Attributes:
        losses: mean cross-entropy of each step over its labelled tokens, in nats, before the step's update.
        learning_rates, gradient_norms: of each step; the norm before it was clipped.
        tokens, labelled: all tokens that went through the model without padding, and those with a loss.
        examples: how many went through.
        seconds: inside the steps.
        peak_rss, peak_allocated: bytes; the resident set while training, and on CUDA the most that its tensors took.
    """

    losses: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)
    tokens: int = 0
    labelled: int = 0
    examples: int = 0
    seconds: float = 0.0
    peak_rss: int = 0
    peak_allocated: int = 0

    @property
    def tokens_per_second(self) -> float:
        """Tokens without padding."""
        return self.tokens / self.seconds if self.seconds else 0.0

    @property
    def examples_per_second(self) -> float:
        """Examples."""
        return self.examples / self.seconds if self.seconds else 0.0


def learning_rate_at(step: int, steps: int, peak: float, warmup_steps: int, decay: bool = True) -> float:
    """Linear warm-up, then linear decay to zero; steps count from 0.

    The first of w warm-up steps has peak / w, the last has the peak; the decay reaches zero one step after the last.

    >>> [learning_rate_at(s, 4, 1.0, 2) for s in range(4)]
    [0.5, 1.0, 1.0, 0.5]
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return peak * (steps - step) / max(1, steps - warmup_steps) if decay else peak


def train(
    model: Any,
    examples: Sequence[Example],
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    save_every: int | None = None,
    on_step: Callable[[int, History], None] | None = None,
) -> History:
    """Train what `prepare` made trainable, on the loss of the completions.

    Args:
        model: from `prepare`; in a group of processes, wrapped by `processes.wrap`.
        examples: from `build_examples`.
        recipe: how.
        checkpoint: a file. An interrupt saves there what is needed to go on; the same call goes on from it and gives what a run
            without an interrupt gives. It is deleted at the end.
        save_every: also save after each so many steps, against a kernel that dies.
        on_step: called after each step with its number (from 0) and the history so far.

    Raises:
        Interrupted: by the Interrupt button. The weights are those after the last complete step.
        LabError: a loss that is not finite (before it can spoil the weights), a checkpoint of another run, a full disk, nothing to
            train, or a batch smaller than the number of processes.
    """
    group = processes.current()
    if recipe.batch < group.size:
        raise LabError(f"A step has {recipe.batch} examples for {group.size} processes: take a batch of at least {group.size}.")
    steps = step_order(examples, recipe.batch, recipe.epochs, recipe.seed)
    if not examples:
        raise LabError("There are no examples to train on: pass at least one.")
    parameters = [p for _, p in trained(model)]
    if not parameters:
        raise LabError("No parameter is trainable: call prepare(model, method) first.")
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=group.plain)
    optimizer.zero_grad(set_to_none=True)
    history, device, done = History(), next(model.parameters()).device, 0
    run = {
        "recipe": asdict(replace(recipe, micro_batch=None, checkpointing=False, frugal=False)),
        "examples": hashlib.sha256(repr([tuple(e) for e in examples]).encode()).hexdigest(),
        "method": _method_of(processes.unwrapped(model)),
    }
    if checkpoint and checkpoint.exists():
        done, history = checkpoints.load(checkpoint, model, optimizer, run, History)
    set_checkpointing(processes.unwrapped(model), recipe.checkpointing)
    model.train()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    warmup_steps, before = max(1, round(recipe.warmup * len(steps))), history.peak_rss
    thrift = allocator.frugal() if recipe.frugal else nullcontext()
    randomness = torch.random.fork_rng([device] if device.type == "cuda" else [])
    with randomness, thrift, footprint.resident(exact=False) as memory, bar(len(steps), done, show=group.rank == 0) as shown:
        try:
            for number in range(done, len(steps)):
                began = time.perf_counter()
                torch.manual_seed(recipe.seed + 1_000_003 * number + group.rank)  # a step's dropout depends on nothing before it
                rate = learning_rate_at(number, len(steps), recipe.learning_rate, warmup_steps, recipe.decay)
                for settings in optimizer.param_groups:
                    settings["lr"] = rate
                whole = [examples[i] for i in steps[number]]
                loss = _gradients(model, whole, recipe, group)
                norm = processes.number(torch.nn.utils.clip_grad_norm_(parameters, recipe.clip))
                _require_finite(loss, norm, number, rate)
                with checkpoints.uninterrupted():  # an update is made whole or not at all
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=True)
                    if device.type == "cuda":
                        torch.cuda.synchronize()
                    done = number + 1
                    history.losses.append(loss)
                    history.learning_rates.append(rate)
                    history.gradient_norms.append(norm)
                    history.tokens += sum(example.length for example in whole)
                    history.labelled += sum(len(example.completion) for example in whole)
                    history.examples += len(whole)
                    history.seconds += time.perf_counter() - began
                    history.peak_rss = max(before, memory.peak_rss)
                    if device.type == "cuda":
                        history.peak_allocated = max(history.peak_allocated, torch.cuda.max_memory_allocated())
                    shown(history)
                    if checkpoint and save_every and done % save_every == 0:
                        checkpoints.save(checkpoint, model, optimizer, run, done, asdict(history))
                if on_step:
                    on_step(number, history)
        except KeyboardInterrupt:
            with suppress(KeyboardInterrupt), checkpoints.uninterrupted():  # a second press is the first one's
                if checkpoint:
                    checkpoints.save(checkpoint, model, optimizer, run, done, asdict(history))
            raise checkpoints.interrupted(checkpoint, done, len(steps)) from None
        finally:
            optimizer.zero_grad(set_to_none=True)
            set_checkpointing(processes.unwrapped(model), False)
            model.eval()
    if checkpoint and group.rank == 0:
        checkpoint.unlink(missing_ok=True)
    return history


def _gradients(model: Any, step: Sequence[Example], recipe: Recipe, group: processes.Group) -> float:
    """Add up the gradients of a step's mean loss; the loss, in nats a labelled token, over all processes."""
    labelled, device = sum(len(example.completion) for example in step), next(model.parameters()).device
    bf16 = recipe.bf16 if recipe.bf16 is not None else device.type == "cuda" and torch.cuda.is_bf16_supported()
    parts = group.share(sorted(step, key=lambda example: example.length), recipe.micro_batch or len(step))
    total, inner = 0.0, processes.unwrapped(model)
    for number, part in enumerate(parts):
        batch = collate(part or step[:1], inner)  # where the share ran out, an example that counts nothing: the others wait
        with processes.synchronized(model, last=number == len(parts) - 1):
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                loss = token_losses(model, batch).sum() * bool(part) / labelled
            (loss * group.size).backward()  # processes average their gradients; a sum is meant
        total += loss.item()
    return group.sum(total)


def _method_of(model: Any) -> str:
    """PEFT's settings as text, the same in every process: a set prints in another order in each."""
    settings = {name: config.to_dict() for name, config in getattr(model, "peft_config", {}).items()}
    return json.dumps(settings, sort_keys=True, default=lambda value: sorted(value) if isinstance(value, set) else str(value))


def _require_finite(loss: float, norm: float, number: int, rate: float) -> None:
    if not (math.isfinite(loss) and math.isfinite(norm)):
        what = "loss" if not math.isfinite(loss) else "gradient"
        raise LabError(
            f"The {what} of step {number + 1} is not a finite number, and the weights are those after step {number}: start again "
            f"from fresh weights with a learning rate below {rate:.1e}, and look at the examples of that step."
        )
