"""How fast several models write, measured side by side (lab 07)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import torch

from labutils.course.plots import show_table
from labutils.errors import LabError
from labutils.tuning.measured import one_pass


@torch.inference_mode()
def writing_speeds(
    models: Mapping[str, Any], tokenizer: Any, prompt: str, new_tokens: int, rounds: int
) -> dict[str, list[float]]:
    """Tokens per second of each model in each round, one text at a time, greedy and of a fixed length.

    The models take turns within a round, so that a busy moment of the machine meets all of them. A first round is not counted.

    Args:
        models: by name; the first is what the others are compared with.
        tokenizer: of all of them.
        prompt: what they continue.
        new_tokens: that each writes.
        rounds: that count.

    Raises:
        LabError: a count below one.
    """
    if min(new_tokens, rounds) < 1:
        raise LabError(f"new_tokens={new_tokens} and rounds={rounds}: both must be at least 1.")
    ids = tokenizer(prompt, return_tensors="pt")
    found: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(rounds + 1):
        for name, model in models.items():
            inputs = {key: value.to(model.device) for key, value in ids.items()}
            began = time.perf_counter()
            model.generate(**inputs, min_new_tokens=new_tokens, max_new_tokens=new_tokens, do_sample=False, pad_token_id=0)
            if model.device.type == "cuda":
                torch.cuda.synchronize()
            if turn:
                found[name].append(new_tokens / (time.perf_counter() - began))
    return found


def passes_in_turns(models: Mapping[str, Any], length: int, batch: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of a forward and backward pass of each model in each round; `batch` texts of `length` tokens.

    The models take turns within a round, so that a busy moment of the machine meets all of them. A first round is not counted.
    """
    found: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(rounds + 1):
        for name, model in models.items():
            seconds = one_pass(model, length, batch)
            if turn:
                found[name].append(seconds)
    return found


def more_time(speeds: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """How much more time each model took than the first, in per cent, round by round.

    >>> more_time({"base": [10.0, 20.0], "other": [8.0, 20.0]})["other"]
    [25.0, 0.0]
    """
    first = next(iter(speeds.values()))
    return {name: [100 * (a / b - 1) for a, b in zip(first, values, strict=True)] for name, values in speeds.items()}


def speed_table(speeds: Mapping[str, Sequence[float]], caption: str) -> None:
    """Show the median and the spread of the speeds, and of the time against the first model."""
    rows = []
    for (name, values), extra in zip(speeds.items(), more_time(speeds).values(), strict=True):
        rows.append(
            (
                name,
                median(values),
                f"{min(values):.1f} to {max(values):.1f}",
                f"{median(extra):+.0f} %",
                f"{min(extra):+.0f} to {max(extra):+.0f}",
            )
        )
    show_table(
        ("model", "tokens per second, median", "all rounds", "time against the first, median", "all rounds"), rows, caption
    )
