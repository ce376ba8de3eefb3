"""How a training step is run: everything besides the model that decides what it holds in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labutils.errors import LabError
from labutils.memory.inference import ATTENTION, FRAMEWORK
from labutils.memory.ledger import DTYPES, dtype_bytes, weight_format
from labutils.memory.methods import METHODS, OPTIMIZERS
from labutils.validation import require_choice, require_whole_number


@dataclass(frozen=True)
class TrainingSetup:
    """One training step, from the second on (the optimizer's state exists).

    Attributes:
        batch: sequences in a micro-batch.
        length: tokens of each (for an encoder-decoder: of the source), virtual tokens not included.
        method: "full", "lora", "prompt_tuning" or "bitfit".
        optimizer: "adamw", "adamw8bit", "momentum" or "sgd".
        dtype: "float32", "bfloat16", "float16", or "mixed" (16-bit weights and gradients, float32 master copy and moments).
        checkpointing: keep only each layer's input and compute the rest again in the backward pass.
        lora_rank, lora_targets, lora_dropout: as in peft's LoraConfig. Adapters are float32, as peft makes them.
        labelled: positions of each sequence whose logits are computed (`logits_to_keep`); None means all.
        virtual_tokens: for prompt tuning; they lengthen the sequence.
        weights: how frozen weights are stored (see `weight_format`); `dtype` by default.
        attention: "sdpa" or "eager".
        masked: the batch holds padding, so that attention gets a mask.
        accumulation: gradients of earlier micro-batches are held during the forward pass.
        target_length: the decoder's tokens in an encoder-decoder; `length` by default.
        device: "cpu" or "cuda".

    Raises:
        LabError: an unknown setting, a size below one, a rate outside 0 to 1, or quantized weights with a method that trains the
            weights themselves.

    Example:
        >>> TrainingSetup(batch=4, length=512, method="lora", dtype="bfloat16").n_bytes
        2
    """

    batch: int
    length: int
    method: str = "full"
    optimizer: str = "adamw"
    dtype: str = "float32"
    checkpointing: bool = False
    lora_rank: int = 16
    lora_targets: str | Sequence[str] = "all-linear"
    lora_dropout: float = 0.0
    labelled: int | None = None
    virtual_tokens: int = 20
    weights: str | None = None
    attention: str = "sdpa"
    masked: bool = False
    accumulation: bool = False
    target_length: int | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Check every setting that does not depend on the model."""
        for name in ("batch", "length", "lora_rank", "virtual_tokens", "target_length"):
            require_whole_number(name, getattr(self, name))
        require_whole_number("labelled", self.labelled, at_least=0)
        object.__setattr__(self, "dtype", str(self.dtype).removeprefix("torch."))  # a torch dtype does as well
        require_choice("method", self.method, METHODS)
        require_choice("optimizer", self.optimizer, tuple(OPTIMIZERS))
        require_choice("dtype", self.dtype, (*DTYPES, "mixed"))
        require_choice("attention", self.attention, ATTENTION)
        require_choice("device", self.device, tuple(FRAMEWORK))
        if not 0 <= self.lora_dropout <= 1:
            raise LabError(f"lora_dropout={self.lora_dropout!r} must be a rate from 0 to 1.")
        weight_format(self.weights or self.compute_dtype)  # refuses what it does not know
        if self.trains_weights and self.weights not in (None, *DTYPES):
            raise LabError(
                f"method={self.method!r} trains the weights themselves, which {self.weights!r} cannot hold: "
                f"choose lora or drop weights."
            )

    @property
    def trains_weights(self) -> bool:
        """Whether the model's own parameters are trained; the other methods add theirs."""
        return self.method in ("full", "bitfit")

    @property
    def compute_dtype(self) -> str:
        """The type that the step computes in."""
        return "bfloat16" if self.dtype == "mixed" else self.dtype

    @property
    def n_bytes(self) -> int:
        """Bytes of one number of that type."""
        return dtype_bytes(self.compute_dtype)

    @property
    def parameter_bytes(self) -> int:
        """Bytes of one trained parameter; those that peft adds are float32."""
        return self.n_bytes if self.trains_weights else 4

    @property
    def positions(self) -> int:
        """Positions of each sequence: its tokens, and the virtual ones that prompt tuning puts before them."""
        return self.length + (self.virtual_tokens if self.method == "prompt_tuning" else 0)
