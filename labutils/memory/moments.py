"""When a training step holds what: the moments among which the peak is found.

Each moment lists what PyTorch's autograd and AdamW hold then. Which moments matter, and how many tensors pass through a block at
once, was settled by looking at measured steps of the architectures in benchmarks/memory_accuracy.py, so the residuals printed there
say less about an architecture that is not among them; benchmarks/memory_out_of_sample.py has twenty others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labutils.memory.activations import FEED_FORWARD, SavedTensor
from labutils.memory.setup import TrainingSetup
from labutils.memory.shape import Shape


@dataclass(frozen=True)
class PassingTensors:
    """What a step holds for moments only, in bytes.

    Attributes:
        log_softmax: the logits' log-softmax, which the loss keeps.
        logit_gradients: gradients of the logits, at most two copies at once.
        block: what passing gradients back through one block adds, recomputed activations included.
        first_block: what the first block keeps, the last to be passed back.
    """

    log_softmax: float
    logit_gradients: float
    block: float
    first_block: float


def backward_temporaries(shape: Shape, kept: list[SavedTensor], batch: int, length: int, e: int) -> float:
    """What passing gradients back through one block adds to what the block keeps, at most.

    At its feed-forward layer: gradients of two tensors of its width and of the residual stream. At attention the feed-forward's
    tensors are gone; without a fused kernel two gradients as large as the probabilities come in their place.
    """
    tokens = batch * length
    squares = [tensor.n_bytes for tensor in kept if tensor.tensor == "probabilities"]
    gone = sum(tensor.n_bytes for tensor in kept if tensor.module in FEED_FORWARD)
    attended = 2 * max(squares, default=0.0) + tokens * (3 * shape.heads * shape.head_dim + 2 * shape.hidden) * e
    return max(tokens * (2 * shape.intermediate + 2 * shape.hidden) * e, attended - gone)


def moments_of(
    shape: Shape, setup: TrainingSetup, terms: Mapping[str, float], passing: PassingTensors
) -> dict[str, dict[str, float]]:
    """What is held when: at the loss, when the last and the first block are passed back, at the embeddings, in the optimizer.

    The step keeps the loss alone (`loss = model(...).loss`), so that the logits are freed before the backward pass.
    """
    fixed = {"weights": terms["weights"], "optimizer": terms["optimizer"]}
    gradients, full, e = terms["gradients"], setup.method == "full", setup.n_bytes
    earlier = gradients if setup.accumulation else 0.0
    table = shape.vocabulary * shape.hidden * e if full else 0.0
    head = table if shape.head else 0.0
    down = shape.intermediate * shape.hidden * e if full else 0.0
    kept = terms["activations"]
    layers = shape.layers + shape.encoder_layers
    # When the first block's turn comes, its own gradients and an untied embedding's are still to come.
    to_come = max(0.0, shape.block_parameters * e / layers - down) + (0.0 if shape.tied else table) if full else 0.0
    largest = shape.largest * e if full else 0.0
    step = 2 * largest if setup.device == "cpu" else gradients
    again = (table if shape.head and shape.tied else 0.0) if not setup.accumulation else table
    return {
        "end of the forward pass": {**fixed, "gradients": earlier, "activations": kept, "logits": terms["logits"]},
        "backward, at the loss": {
            **fixed, "gradients": earlier, "activations": kept, "logits": passing.log_softmax, "temporaries": passing.logit_gradients
        },
        "backward, at the output head": {
            **fixed, "gradients": max(earlier, head), "activations": kept, "temporaries": passing.logit_gradients / 2 + (head if setup.accumulation else 0.0)
        },
        "backward, at the last block": {
            **fixed, "gradients": max(earlier, head + down), "activations": kept, "temporaries": passing.block + (down if setup.accumulation else 0.0)
        },
        "backward, at the first block": {**fixed, "gradients": max(earlier, gradients - to_come), "activations": passing.first_block, "temporaries": passing.block},
        "backward, at the embeddings": {**fixed, "gradients": gradients, "temporaries": again},
        "optimizer step": {**fixed, "gradients": gradients, "temporaries": step},
    }  # fmt: skip
