"""When a training step holds what: the moments among which the peak is found.

Each moment lists what PyTorch's autograd and AdamW hold then. Which moments matter, and how many tensors pass through a block at
once, was settled by looking at measured steps of the architectures in benchmarks/memory_accuracy.py, so the residuals printed there
say less about an architecture that is not among them.
"""

from __future__ import annotations

from labutils.memory.activations import Saved
from labutils.memory.shape import Shape


def backward_temporaries(shape: Shape, kept: list[Saved], batch: int, length: int, e: int) -> float:
    """What passing gradients back through one block adds to what the block keeps, at most.

    At its feed-forward layer: gradients of two tensors of its width and of the residual stream. At attention the feed-forward's
    tensors are gone; without a fused kernel two gradients as large as the probabilities come in their place.
    """
    tokens = batch * length
    squares = [tensor.n_bytes for tensor in kept if tensor.tensor == "probabilities"]
    gone = sum(tensor.n_bytes for tensor in kept if tensor.module.startswith("feed-forward"))
    attended = 2 * max(squares, default=0.0) + tokens * (3 * shape.heads * shape.head_dim + 2 * shape.hidden) * e
    return max(tokens * (2 * shape.intermediate + 2 * shape.hidden) * e, attended - gone)


def moments_of(
    shape: Shape,
    terms: dict[str, float],
    method: str,
    e: int,
    accumulation: bool,
    block_work: float,
    passing: float,
    log_softmax: float,
    last: float,
    device: str,
) -> dict[str, dict[str, float]]:
    """What is held when: at the loss, when the last and the first block are passed back, at the embeddings, in the optimizer.

    The step keeps the loss alone (`loss = model(...).loss`), so that the logits are freed before the backward pass.
    """
    fixed = {"weights": terms["weights"], "optimizer": terms["optimizer"]}
    gradients, full = terms["gradients"], method == "full"
    earlier = gradients if accumulation else 0.0
    table = shape.vocabulary * shape.hidden * e if full else 0.0
    head = table if shape.head else 0.0
    down = shape.intermediate * shape.hidden * e if full else 0.0
    kept = terms["activations"]
    layers = shape.layers + shape.encoder_layers
    # When the first block's turn comes, its own gradients and an untied embedding's are still to come.
    to_come = max(0.0, shape.block_parameters * e / layers - down) + (0.0 if shape.tied else table) if full else 0.0
    largest = shape.largest * e if full else 0.0
    step = 2 * largest if device == "cpu" else gradients
    again = (table if shape.head and shape.tied else 0.0) if not accumulation else table
    return {
        "end of the forward pass": {**fixed, "gradients": earlier, "activations": kept, "logits": terms["logits"]},
        "backward, at the loss": {
            **fixed, "gradients": earlier, "activations": kept, "logits": log_softmax, "temporaries": passing
        },
        "backward, at the output head": {
            **fixed, "gradients": max(earlier, head), "activations": kept, "temporaries": passing / 2 + (head if accumulation else 0.0)
        },
        "backward, at the last block": {
            **fixed, "gradients": max(earlier, head + down), "activations": kept, "temporaries": block_work + (down if accumulation else 0.0)
        },
        "backward, at the first block": {**fixed, "gradients": max(earlier, gradients - to_come), "activations": last, "temporaries": block_work},
        "backward, at the embeddings": {**fixed, "gradients": gradients, "temporaries": again},
        "optimizer step": {**fixed, "gradients": gradients, "temporaries": step},
    }  # fmt: skip
