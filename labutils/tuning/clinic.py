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
from labutils.tuning.examples import Example, collate, token_losses
from labutils.tuning.loop import History, train
from labutils.tuning.methods import named_trainable_parameters, prepare
from labutils.tuning.probes import completion_losses
from labutils.tuning.recipe import LEARNING_RATES, Recipe

BATCH = 2  # examples in a step
PADDED_LENGTH = 288  # tokens to which the first patient pads


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
    return [list(examples[i : i + BATCH]) for i in range(0, len(examples), BATCH)]


@allocator.frugal()
def patient_1(model: Any, examples: Sequence[Example]) -> Chart:
    """The fault: every example is padded to a fixed length with end tokens, and these count in the loss."""
    tuned, chart = prepare(model, "lora"), Chart()
    weights = [p for _, p in named_trainable_parameters(tuned)]
    optimizer, end = torch.optim.AdamW(weights, lr=LEARNING_RATES["lora"], weight_decay=0.0), examples[0].completion[-1]
    for step in _steps(examples):
        padded = [Example(e.prompt, [*e.completion, *[end] * (PADDED_LENGTH - e.length)]) for e in step]
        losses = token_losses(tuned, collate(padded, tuned))  # (labels,), row by row, those of the padding included
        losses.mean().backward()
        norm = torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()

        labels = [torch.arange(len(p.completion)) < len(e.completion) for p, e in zip(padded, step, strict=True)]
        in_completion = torch.cat(labels).to(losses.device)  # (labels,) bool
        losses = losses.detach()
        chart.losses.append(float(losses.mean()))
        chart.completion_losses.append(float(losses[in_completion].mean()))
        chart.gradient_norms.append(float(norm))
    return chart


def patient_2(model: Any, examples: Sequence[Example]) -> Chart:
    """The fault: a constant learning rate, a hundred times too high, and gradients that nothing shortens."""
    recipe = Recipe(100 * LEARNING_RATES["lora"], batch=BATCH, warmup=0.0, decay=False, clip=1e9, frugal=True)
    chart = Chart()

    def note(_: int, history: History) -> None:
        chart.losses, chart.completion_losses, chart.gradient_norms = history.losses, history.losses, history.gradient_norms

    with suppress(LabError):  # a loss that is not finite ends the training; the chart shows the steps before
        train(prepare(model, "lora"), examples, recipe, on_step=note)
    return chart


def patient_3(model: Any, examples: Sequence[Example], validation: Sequence[Example]) -> list[tuple[float, float]]:
    """The fault: the "zero-shot" losses are taken from `model` after the training, which changed it in place.

    Returns:
        (the supposed loss before, the loss after) for each validation example, nats a token.
    """
    tuned = prepare(model, "lora")
    train(tuned, examples, Recipe(LEARNING_RATES["lora"], batch=BATCH, frugal=True))
    after = [loss / count for loss, count in completion_losses(tuned, validation)]
    before = [loss / count for loss, count in completion_losses(model, validation)]  # the adapter sits inside this model, too
    return list(zip(before, after, strict=True))


def show_chart(name: str, chart: Chart) -> None:
    """Show a patient's chart: the reported loss, the loss on the completions, and the gradient's norm."""
    figure, (left, right) = new_figure(f"{name}: loss on the left, norm of the gradient on the right", height=3, columns=2)
    steps = range(1, len(chart.losses) + 1)
    left.plot(steps, chart.completion_losses, "s--", color=GREY, label="on the completions alone")
    left.plot(steps, chart.losses, "o-", color=VERMILION, label="as reported")
    left.set(xlabel="step", ylabel="loss (nats a token)", ylim=(0, None))
    left.locator_params(axis="y", nbins=6)  # a number that depends on the axes' height would upset the layout
    left.legend(frameon=False)
    right.plot(steps, chart.gradient_norms, "o-", color=BLUE)
    right.set(xlabel="step", ylabel="norm of the gradient", yscale="log")
    norms = chart.gradient_norms
    if norms and max(norms) < 10 * min(norms):  # within a power of ten, plain numbers read best
        right.yaxis.set_major_formatter("{x:g}")
        right.yaxis.set_minor_formatter("{x:g}")
    whole_numbers(left, right)
    show(
        figure,
        f"{name}. On the left the loss by step: as the training reports it in vermilion, and on the completions alone in grey, dashed. "
        "On the right the norm of the gradient by step, on a logarithmic scale.",
    )
