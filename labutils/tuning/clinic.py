"""The broken-lab clinic of lab 07: three trainings with a classic fault each, found by their symptoms, and a healthy one.

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
from labutils.tuning.examples import Example, collate, step_order, token_losses
from labutils.tuning.loop import History, train
from labutils.tuning.methods import named_trainable_parameters, prepare
from labutils.tuning.probes import completion_losses
from labutils.tuning.recipe import LEARNING_RATES, Recipe

BATCH = 2  # examples in a step
PADDING = 4  # the first patient pads to so many times the length of the longest example


@dataclass
class Chart:
    """A patient's chart, step by step.

    Attributes:
        losses: what the training reports, nats per token.
        completion_losses: the loss on the completions alone, on the same examples.
        gradient_norms: of the gradient.
    """

    losses: list[float] = field(default_factory=list)
    completion_losses: list[float] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)


def _steps(examples: Sequence[Example]) -> list[list[Example]]:
    """As `train` orders them, so that all charts show the same examples at the same steps."""
    return [[examples[i] for i in step] for step in step_order(examples, BATCH)]


def healthy(model: Any, examples: Sequence[Example]) -> Chart:
    """A training without a fault, on the same examples in the same order as the patients'."""
    return _padded_training(model, examples, padding=1, counted=False)


def patient_1(model: Any, examples: Sequence[Example], cured: bool = False) -> Chart:
    """The fault: every example is padded to a fixed length with end tokens, and these count in the loss.

    Args:
        model: fresh.
        examples: to train on, in their order.
        cured: leave the padding out of the loss.
    """
    return _padded_training(model, examples, PADDING, counted=not cured)


@allocator.frugal()
def _padded_training(model: Any, examples: Sequence[Example], padding: int, counted: bool) -> Chart:
    """LoRA on examples padded to so many times the longest; whether the padding counts in the loss."""
    length = padding * max(example.length for example in examples)
    tuned, chart = prepare(model, "lora"), Chart()
    weights = [p for _, p in named_trainable_parameters(tuned)]
    optimizer, end = torch.optim.AdamW(weights, lr=LEARNING_RATES["lora"], weight_decay=0.0), examples[0].completion[-1]
    for step in _steps(examples):
        padded = [Example(e.prompt, [*e.completion, *[end] * (length - e.length)]) for e in step]
        losses = token_losses(tuned, collate(padded, tuned))  # (labels,), row by row, those of the padding included
        labels = [torch.arange(len(p.completion)) < len(e.completion) for p, e in zip(padded, step, strict=True)]
        in_completion = torch.cat(labels).to(losses.device)  # (labels,) bool
        reported = losses.mean() if counted else losses[in_completion].mean()
        reported.backward()
        norm = torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses = losses.detach()
        chart.losses.append(float(reported.detach()))
        chart.completion_losses.append(float(losses[in_completion].mean()))
        chart.gradient_norms.append(float(norm))
    return chart


def patient_2(model: Any, examples: Sequence[Example], cured: bool = False) -> Chart:
    """The fault: a constant learning rate, a hundred times too high, and gradients that nothing shortens.

    Args:
        model: fresh.
        examples: to train on.
        cured: a hundredth of the rate, warmed up and decayed, and gradients that are clipped.
    """
    rate = LEARNING_RATES["lora"]
    sick = Recipe(100 * rate, batch=BATCH, warmup=0.0, decay=False, clip=1e9, frugal=True)
    recipe = Recipe(rate, batch=BATCH, frugal=True) if cured else sick
    chart = Chart()

    def note(_: int, history: History) -> None:
        chart.losses, chart.completion_losses, chart.gradient_norms = history.losses, history.losses, history.gradient_norms

    with suppress(LabError):  # a loss that is not finite ends the training; the chart shows the steps before
        train(prepare(model, "lora"), examples, recipe, on_step=note)
    return chart


def patient_3(
    model: Any, examples: Sequence[Example], validation: Sequence[Example], cured: bool = False
) -> list[tuple[float, float]]:
    """The fault: the "zero-shot" losses are taken from `model` after the training, which changed it in place.

    Args:
        model: fresh.
        examples: to train on.
        validation: to measure both losses on.
        cured: take them before the training.

    Returns:
        (the loss before or supposed to be before, the loss after) for each validation example, nats per token.
    """

    def losses_of(net: Any) -> list[float]:
        return [loss / count for loss, count in completion_losses(net, validation)]

    earlier = losses_of(model) if cured else None
    tuned = prepare(model, "lora")
    train(tuned, examples, Recipe(LEARNING_RATES["lora"], batch=BATCH, frugal=True))
    after = losses_of(tuned)
    before = losses_of(model) if earlier is None else earlier  # the adapter sits inside this model, too
    return list(zip(before, after, strict=True))


def show_chart(name: str, chart: Chart, beside: Chart | None = None) -> None:
    """Show a chart: the reported loss, the loss on the completions, and the gradient's norm; a healthy run in the same axes.

    Args:
        name: the figure's title.
        chart: the patient's.
        beside: the healthy run's, drawn in grey.
    """
    figure, (left, right) = new_figure(name, height=3, columns=2)
    if beside:
        steps = range(1, len(beside.losses) + 1)
        left.plot(steps, beside.losses, color=GREY, linewidth=4, alpha=0.5, label="healthy run")
        right.plot(steps, beside.gradient_norms, color=GREY, linewidth=4, alpha=0.5)
    steps = range(1, len(chart.losses) + 1)
    left.plot(steps, chart.completion_losses, "s--", color=BLUE, markersize=7, fillstyle="none", label="completions alone")
    left.plot(steps, chart.losses, "o-", color=VERMILION, markersize=4, label="as reported")
    left.set(xlabel="step", ylabel="loss (nats per token)", ylim=(0, None))
    left.locator_params(axis="y", nbins=6)  # a number that depends on the axes' height would upset the layout
    left.legend(frameon=False, fontsize=8, loc="best")
    right.plot(steps, chart.gradient_norms, "o-", color=VERMILION, markersize=4)
    right.set(xlabel="step", ylabel="norm of the gradient", yscale="log")
    norms = [*chart.gradient_norms, *(beside.gradient_norms if beside else [])]
    if norms and max(norms) < 10 * min(norms):  # within a power of ten, plain numbers read best
        right.yaxis.set_major_formatter("{x:g}")
        right.yaxis.set_minor_formatter("{x:g}")
    whole_numbers(left, right)
    show(
        figure,
        f"{name}. On the left the loss by step: as the training reports it in vermilion with dots, and on the completions alone in blue, "
        "dashed with squares. On the right the norm of the gradient by step, on a logarithmic scale."
        + " A healthy run on the same examples stands in grey in both."
        * bool(beside),
    )
