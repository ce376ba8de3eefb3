"""How to train: the batch, the learning rate and its schedule (lab 05)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from labutils.errors import LabError
from labutils.validation import require_whole_number

# Peak learning rates that train the labs' model well in one pass over a hundred examples.
LEARNING_RATES = {"full": 1e-4, "lora": 1e-3, "qlora": 1e-3, "adapters": 1e-3, "bitfit": 3e-3, "prompt_tuning": 3e-2}


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        learning_rate: the highest, after the warm-up.
        batch: examples per step, over all processes.
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
        counts = {"batch": self.batch, "epochs": self.epochs, "micro_batch": 1 if self.micro_batch is None else self.micro_batch}
        wrong = [f"{name}={value}" for name, value in counts.items() if value < 1]
        if wrong:
            raise LabError(f"{wrong[0]}: it must be at least 1.")
        if not 0 < self.learning_rate < math.inf:
            raise LabError(f"learning_rate={self.learning_rate}: it must be above zero and finite.")
        if not (0 <= self.warmup <= 1 and self.clip > 0 and self.weight_decay >= 0):
            raise LabError(
                f"warmup={self.warmup}, clip={self.clip} and weight_decay={self.weight_decay}: the first is a share from 0 to 1, the "
                f"second above zero, the third not below it."
            )


def learning_rate_at(step: int, steps: int, peak: float, warmup_steps: int, decay: bool = True) -> float:
    """Linear warm-up, then linear decay to zero; steps count from 0.

    The first of w warm-up steps has peak / w, the last has the peak; the decay reaches zero one step after the last.

    >>> [learning_rate_at(s, 4, 1.0, 2) for s in range(4)]
    [0.5, 1.0, 1.0, 0.5]

    Raises:
        LabError: a step behind the last, or a negative warm-up.
    """
    require_whole_number("steps", steps)
    require_whole_number("step", step, 0)
    require_whole_number("warmup_steps", warmup_steps, 0)
    if step > steps:
        raise LabError(f"step={step} lies behind the {steps} steps: they count from 0.")
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return peak * (steps - step) / max(1, steps - warmup_steps) if decay else peak
