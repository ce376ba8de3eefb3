"""Rules of thumb that people use in the place of a ledger, to stand beside it. Lab 04 compares them with a measured step."""

from __future__ import annotations

from labutils.memory.shape import Shape
from labutils.validation import require_whole_number


def states_at_16_bytes(shape: Shape) -> float:
    """Weights, gradients and Adam's two moments at 16 bytes per parameter, in bytes.

    Source: Rajbhandari et al. 2020, ZeRO, sec. 3.1 (2 + 2 + 12 in mixed precision; 4 + 4 + 8 in float32 comes to the same).
    """
    return 16.0 * shape.parameters


def states_at_18_bytes(shape: Shape) -> float:
    """The same at 18 bytes per parameter: weights in 16 and 32 bits (6), gradients in 32 bits (4), two moments (8).

    Source: Hugging Face, "Model training anatomy", for mixed precision as PyTorch's autocast does it.
    """
    return 18.0 * shape.parameters


def korthikanti_activations(shape: Shape, batch: int, length: int, bytes_per_number: int = 2) -> float:
    """Activations as L · s · b · h · 34 bytes, in bytes: a GPT in 16 bits whose attention matrices are not kept.

    The paper's full formula has 34 + 5·a·s/h in the parentheses; fused attention keeps no (T, T) matrix, so the second part is left out.
    With 4 bytes per number everything but the dropout masks doubles, and twice the figure is the usual reading.

    Raises:
        LabError: a size below one.

    Source: Korthikanti et al. 2022, arXiv:2205.05198, sec. 4.1, eq. 2, and sec. 5 for the part that is recomputed.
    """
    require_whole_number("batch", batch)
    require_whole_number("length", length)
    return 34.0 * shape.layers * length * batch * shape.hidden * bytes_per_number / 2


def accelerate_estimate(shape: Shape) -> float | None:
    """Training with Adam in float32 as `accelerate estimate-memory` gives it, in bytes; None where accelerate is not installed.

    The command looks a model up on the hub; this is the function that it calls on what it found there.
    """
    try:
        from accelerate.commands.estimate import estimate_training_usage
    except ImportError:
        return None
    return float(max(estimate_training_usage(4 * shape.parameters, "float32").values()))
