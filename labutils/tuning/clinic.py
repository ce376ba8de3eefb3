"""The broken-lab clinic of lab 05: three trainings with a classic fault each, found by their symptoms.

Learners look at the symptoms first; this file holds the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch

from labutils.course.plots import BLUE, GREY, VERMILION, new_figure, show, whole_numbers
from labutils.errors import LabError
from labutils.machine import allocator
from labutils.tuning.examples import IGNORE, Example, collate, token_losses
from labutils.tuning.loop import LEARNING_RATES, History, Recipe, train
from labutils.tuning.methods import prepare, trained
from labutils.tuning.probes import completion_losses

STEP = 2  # examples in a step
PADDED = 288  # tokens to which the first patient pads


@dataclass
class Chart:
    """A patient's chart, step by step.

    Attributes:
        losses: what the training reports, nats a token.
        completion_losses: the loss on the completions alone, on the same examples.
        gradient_norms: of the gradient.
    """

    losses: list[float] = field(default_factory=list)
    completion_losses: list[float] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)


def _steps(examples: Sequence[Example]) -> list[list[Example]]:
    return [list(examples[i : i + STEP]) for i in range(0, len(examples), STEP)]


@allocator.frugal()
def patient_b(model: Any, examples: Sequence[Example]) -> Chart:
    """The fault: every example is padded to a fixed length with end tokens, and these count in the loss."""
    tuned, chart = prepare(model, "lora"), Chart()
    weights = [p for _, p in trained(tuned)]
    optimizer, end = torch.optim.AdamW(weights, lr=LEARNING_RATES["lora"], weight_decay=0.0), examples[0].completion[-1]
    for step in _steps(examples):
        sick = [Example(e.prompt, [*e.completion, *[end] * (PADDED - e.length)]) for e in step]
        batch = collate(sick, tuned)
        losses = token_losses(tuned, batch)  # (labelled positions,), row by row
        real = torch.zeros_like(batch.targets, dtype=torch.bool)
        for row, example in zip(real, step, strict=True):
            first = int((batch.targets[0] != IGNORE).nonzero()[0]) if tuned.config.is_encoder_decoder else len(example.prompt) - 1
            row[first : first + len(example.completion)] = True
        real = real[batch.targets != IGNORE]
        losses.mean().backward()
        losses = losses.detach()
        norm = torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        chart.losses.append(float(losses.mean()))
        chart.completion_losses.append(float(losses[real].mean()))
        chart.gradient_norms.append(float(norm))
    return chart


def patient_c(model: Any, examples: Sequence[Example]) -> Chart:
    """The fault: a constant learning rate, a hundred times too high, and gradients that nothing shortens."""
    recipe = Recipe(100 * LEARNING_RATES["lora"], batch=STEP, warmup=0.0, decay=False, clip=1e9, frugal=True)
    seen = Chart()

    def note(_: int, history: History) -> None:
        seen.losses, seen.completion_losses, seen.gradient_norms = history.losses, history.losses, history.gradient_norms

    with suppress(LabError):  # a loss that is not finite ends the training; the chart shows the steps before
        train(prepare(model, "lora"), examples, recipe, on_step=note)
    return seen


def patient_d(model: Any, examples: Sequence[Example], validation: Sequence[Example]) -> list[tuple[float, float]]:
    """The fault: the "zero-shot" losses are taken from `model` after the training, which changed it in place.

    Returns:
        (the supposed loss before, the loss after) for each validation example, nats a token.
    """
    tuned = prepare(model, "lora")
    train(tuned, examples, Recipe(LEARNING_RATES["lora"], batch=STEP, frugal=True))
    after = [loss / count for loss, count in completion_losses(tuned, validation)]
    before = [loss / count for loss, count in completion_losses(model, validation)]  # the adapter sits inside this model, too
    return list(zip(before, after, strict=True))


def chart(name: str, seen: Chart) -> None:
    """Show a patient's chart: the reported loss, the loss on the completions, and the gradient's norm."""
    figure, (left, right) = new_figure(f"{name}: loss on the left, norm of the gradient on the right", height=3, columns=2)
    steps = range(1, len(seen.losses) + 1)
    left.plot(steps, seen.completion_losses, "s--", color=GREY, label="on the completions alone")
    left.plot(steps, seen.losses, "o-", color=VERMILION, label="as reported")
    left.set(xlabel="step", ylabel="loss (nats a token)", ylim=(0, None))
    left.locator_params(axis="y", nbins=6)  # a number that depends on the axes' height would upset the layout
    left.legend(frameon=False)
    right.plot(steps, seen.gradient_norms, "o-", color=BLUE)
    right.set(xlabel="step", ylabel="norm of the gradient", yscale="log")
    if seen.gradient_norms and max(seen.gradient_norms) < 10 * min(
        seen.gradient_norms
    ):  # within a power of ten, plain numbers read best
        right.yaxis.set_major_formatter("{x:g}")
        right.yaxis.set_minor_formatter("{x:g}")
    whole_numbers(left, right)
    show(
        figure,
        f"{name}. On the left the loss by step: as the training reports it in vermilion, and on the completions alone in grey, dashed. "
        "On the right the norm of the gradient by step, on a logarithmic scale.",
    )
