"""What a training method trains, and what an optimizer keeps for it."""

from __future__ import annotations

from collections.abc import Sequence

from labutils.memory.shape import Shape
from labutils.validation import require_choice, require_whole_number

ADAM = "Kingma & Ba 2015, algorithm 1: two moments a parameter; Loshchilov & Hutter 2019"
# Optimizer -> (bytes a float32 parameter, formula, source). A 16-bit parameter has its moments in 16 bits in PyTorch.
OPTIMIZERS: dict[str, tuple[float, str, str]] = {
    "adamw": (8, "two moments", ADAM),
    "adamw8bit": (
        2 + 8 / 256,
        "two moments of 8 bits, a float32 scale for each block of 256",
        "Dettmers et al. 2022, 8-bit Optimizers, sec. 2",
    ),
    "momentum": (4, "one momentum buffer", "Polyak 1964; Sutskever et al. 2013, sec. 2"),
    "sgd": (0, "no state", "Robbins & Monro 1951"),
}
METHODS = ("full", "lora", "prompt_tuning", "bitfit")
SOURCES = {
    "full": "one number for each weight",
    "lora": "Hu et al. 2021, LoRA, sec. 4.1: r · (n_in + n_out) a matrix",
    "prompt_tuning": "Lester et al. 2021, sec. 2: virtual tokens · D",
    "bitfit": "Ben Zaken et al. 2022, BitFit, sec. 3: biases alone",
}
ZERO_MIXED = "Rajbhandari et al. 2020, ZeRO, sec. 3.1: 2 + 2 + 12 bytes a parameter"


def trainable_parameters(
    shape: Shape,
    method: str = "full",
    *,
    lora_rank: int = 16,
    lora_targets: str | Sequence[str] = "all-linear",
    virtual_tokens: int = 20,
) -> int:
    """How many numbers a method trains.

    "bitfit" trains the biases; a model without any (Llama and its kin) trains the scales of its norms in their place.

    Raises:
        LabError: the method is unknown, or a LoRA target names no layer.

    >>> trainable_parameters(Shape.of(GPT2Config()), "prompt_tuning", virtual_tokens=20)   # 20 · 768
    15360
    """
    require_choice("method", method, METHODS)
    require_whole_number("lora_rank", lora_rank)
    require_whole_number("virtual_tokens", virtual_tokens)
    if method == "full":
        return shape.parameters
    if method == "lora":
        return sum(lora_rank * (x.n_in + x.n_out) * x.count for x in shape.targeted(lora_targets))
    if method == "prompt_tuning":
        return virtual_tokens * shape.hidden * (2 if shape.kind == "encoder-decoder" else 1)
    return shape.group("biases") or shape.group("norms")
