"""One training loop for every method, written to be read from top to bottom (lab 05).

A step is `batch` examples, whatever the micro-batch and the number of processes: the gradient is that of the mean loss over all
labelled tokens of the step, so runs that cut their steps differently can be compared.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from labutils.errors import LabError
from labutils.machine import allocator, footprint
from labutils.tuning import processes
from labutils.tuning.checkpoints import defer_interrupts, interruption, load_checkpoint, save_checkpoint
from labutils.tuning.examples import Example, collate, step_order, token_losses
from labutils.tuning.methods import named_trainable_parameters, set_checkpointing
from labutils.tuning.progress_bar import progress_bar
from labutils.tuning.recipe import Recipe, learning_rate_at
from labutils.tuning.temporaries import remove_leftovers


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

    def add_step(self, step: Sequence[Example], loss: float, learning_rate: float, gradient_norm: float, seconds: float) -> None:
        """Note a step that is done."""
        self.losses.append(loss)
        self.learning_rates.append(learning_rate)
        self.gradient_norms.append(gradient_norm)
        self.tokens += sum(example.length for example in step)
        self.labelled += _labelled_tokens(step)
        self.examples += len(step)
        self.seconds += seconds

    def add_peaks(self, peak_rss: int, on_cuda: bool) -> None:
        """Raise the peaks, which a run that goes on takes over from the one before."""
        self.peak_rss = max(self.peak_rss, peak_rss)
        if on_cuda:
            self.peak_allocated = max(self.peak_allocated, torch.cuda.max_memory_allocated())


def train(
    model: Any,
    examples: Sequence[Example],
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    save_every: int | None = None,
    keep_checkpoint: bool = False,
    on_step: Callable[[int, History], None] | None = None,
) -> History:
    """Train what `prepare` made trainable, on the loss of the completions.

    Args:
        model: from `prepare`; in a group of processes, wrapped by `processes.wrap_model`.
        examples: from `build_examples`.
        recipe: how.
        checkpoint: a file. An interrupt saves there what is needed to go on; the same call goes on from it and gives what a run
            without an interrupt gives. It is deleted at the end.
        save_every: also save after each so many steps, against a kernel that dies.
        keep_checkpoint: save once more at the end instead of deleting it, for a caller that deletes it when its result is on disk.
        on_step: called after each step with its number (from 0) and the history so far.

    Raises:
        Interrupted: by the Interrupt button. The weights are those after the last complete step.
        LabError: a loss that is not finite (before it can spoil the weights), a checkpoint of another run, a full disk, nothing to
            train, or a batch smaller than the number of processes.
    """
    group, device = processes.current_group(), next(model.parameters()).device
    on_cuda = device.type == "cuda"
    parameters = [p for _, p in named_trainable_parameters(model)]
    _require_work(parameters, examples, recipe, group)

    # Which examples make up each step: lists of indices that depend on the lengths, the batch and the seed alone.
    steps = step_order(examples, recipe.batch, recipe.epochs, recipe.seed)
    warmup_steps = max(1, round(recipe.warmup * len(steps)))

    # AdamW keeps two running means for each parameter. Gradients from before do not count.
    optimizer = torch.optim.AdamW(
        parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=group.world_size == 1
    )
    optimizer.zero_grad(set_to_none=True)

    # Go on from the checkpoint of this very run if there is one; otherwise begin at step 0.
    history, done, run = History(), 0, _run_identity(model, examples, recipe)
    if checkpoint and group.rank == 0:
        remove_leftovers(checkpoint)
    if checkpoint and os.path.exists(checkpoint):  # False, and no error, in a folder that may not be entered
        done, history = load_checkpoint(checkpoint, model, optimizer, run, History)

    def save() -> None:
        if checkpoint:
            save_checkpoint(checkpoint, model, optimizer, run, done, asdict(history))

    with (
        training_mode(model, recipe, device),
        footprint.resident(exact=False) as memory,
        progress_bar(len(steps), done, show=group.rank == 0) as show,
    ):
        try:
            for number in range(done, len(steps)):
                started = time.perf_counter()
                step = [examples[i] for i in steps[number]]

                # Dropout draws from a seed of the step's own, so that a run that goes on draws what one without a break draws.
                torch.manual_seed(recipe.seed + 1_000_003 * number + group.rank)

                # The learning rate rises in the warm-up, then falls to zero.
                learning_rate = learning_rate_at(number, len(steps), recipe.learning_rate, warmup_steps, recipe.decay)
                for parameter_group in optimizer.param_groups:
                    parameter_group["lr"] = learning_rate

                # Forward and backward, a micro-batch at a time: the gradients of the step's mean loss add up in p.grad.
                loss = _accumulate_gradients(model, step, recipe, group)

                # Clip: gradient *= min(1, clip / norm), with the norm over all parameters together.
                norm = processes.full_value(torch.nn.utils.clip_grad_norm_(parameters, recipe.clip))
                _require_finite(loss, norm, number, learning_rate)

                # Update the weights, and drop the gradients. An interrupt waits: weights, optimizer and history change together.
                with defer_interrupts():
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=True)
                    if on_cuda:
                        torch.cuda.synchronize()  # or the clock would stop before the work is done
                    done = number + 1
                    history.add_step(step, loss, learning_rate, norm, time.perf_counter() - started)
                    history.add_peaks(memory.peak_rss, on_cuda)
                    show(history)
                    if save_every and done % save_every == 0:
                        save()
                if on_step:
                    on_step(number, history)
            if keep_checkpoint:
                with suppress(LabError):  # on a full disk the last one that was saved stays
                    save()
        except KeyboardInterrupt:
            with suppress(KeyboardInterrupt), defer_interrupts():  # a second press means what the first one meant
                save()
            raise interruption(checkpoint, done, len(steps)) from None
    if checkpoint and not keep_checkpoint and group.rank == 0:
        with suppress(OSError):
            checkpoint.unlink(missing_ok=True)
    return history


def _accumulate_gradients(model: Any, step: Sequence[Example], recipe: Recipe, group: processes.Group) -> float:
    """Add up the gradients of a step's loss, and return the loss in nats per labelled token, over all processes.

    With N labelled tokens in the whole step the loss is (1 / N) Σ -log p(token). Each micro-batch adds its own terms of that sum,
    already divided by N, so loss and gradient do not depend on how the step is cut.
    """
    n_labelled, inner = _labelled_tokens(step), processes.unwrap_model(model)
    device = next(model.parameters()).device
    bf16 = recipe.bf16 if recipe.bf16 is not None else device.type == "cuda" and torch.cuda.is_bf16_supported()

    # Neighbours in length share a micro-batch, so that little is padded.
    parts = group.shard(sorted(step, key=lambda example: example.length), recipe.micro_batch or len(step))
    total = 0.0
    for number, part in enumerate(parts):
        # A process whose examples have run out computes one with weight zero, as the others wait for its gradients.
        batch = collate(part or step[:1], inner)
        with processes.gradient_exchange(model, now=number == len(parts) - 1):
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                loss = token_losses(model, batch).sum() * bool(part) / n_labelled
            (loss * group.world_size).backward()  # processes average their gradients, and the sum is wanted
        total += loss.item()
    return sum(group.gather(total))


@contextmanager
def training_mode(model: Any, recipe: Recipe, device: torch.device) -> Iterator[None]:
    """Inside, the model is ready for training as the recipe says; afterwards it is in eval mode and holds no gradient.

    The caller's random numbers are left as they are.
    """
    inner, on_cuda = processes.unwrap_model(model), device.type == "cuda"
    set_checkpointing(inner, recipe.checkpointing)
    model.train()
    if on_cuda:
        torch.cuda.reset_peak_memory_stats()
    random_numbers = torch.random.fork_rng([device] if on_cuda else [])
    with random_numbers, allocator.frugal() if recipe.frugal else nullcontext():
        try:
            yield
        finally:
            model.zero_grad(set_to_none=True)
            set_checkpointing(inner, False)
            model.eval()


def _labelled_tokens(step: Sequence[Example]) -> int:
    return sum(len(example.completion) for example in step)


def _require_work(parameters: Sequence[Any], examples: Sequence[Example], recipe: Recipe, group: processes.Group) -> None:
    """Refuse a run without examples or parameters, and steps too small for the group."""
    if recipe.batch < group.world_size:
        raise LabError(
            f"A step has {recipe.batch} examples for {group.world_size} processes: take a batch of at least {group.world_size}."
        )
    if not examples:
        raise LabError("There are no examples to train on: pass at least one.")
    if not parameters:
        raise LabError("No parameter is trainable: call prepare(model, method) first.")


def _require_finite(loss: float, norm: float, number: int, learning_rate: float) -> None:
    if not (math.isfinite(loss) and math.isfinite(norm)):
        what = "loss" if not math.isfinite(loss) else "gradient"
        raise LabError(
            f"The {what} of step {number + 1} is not a finite number, and the weights are those after step {number}: start again "
            f"from fresh weights with a learning rate below {learning_rate:.1e}, and look at the examples of that step."
        )


def _run_identity(model: Any, examples: Sequence[Example], recipe: Recipe) -> dict[str, Any]:
    """What decides the losses of a run: a checkpoint belongs to the runs that have the same. How a step is cut does not count."""
    return {
        "recipe": asdict(replace(recipe, micro_batch=None, checkpointing=False, frugal=False)),
        "examples": hashlib.sha256(repr([tuple(e) for e in examples]).encode()).hexdigest(),
        "method": _peft_config(processes.unwrap_model(model)),
    }


def _peft_config(model: Any) -> str:
    """PEFT's configuration as text, the same in every process: a set prints in another order in each."""
    configs = {name: config.to_dict() for name, config in getattr(model, "peft_config", {}).items()}
    return json.dumps(configs, sort_keys=True, default=lambda value: sorted(value) if isinstance(value, set) else str(value))
