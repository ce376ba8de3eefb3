"""The floating-point operations that a training step really does, counted by PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def counted_flops(model: nn.Module, ids: Tensor, backward: bool = True) -> int:
    """FLOPs of one forward pass of a decoder over ids (B, T), and of the backward pass: matrix products, a product and a sum as two.

    PyTorch's counter sees every matrix product that is dispatched. It does not see into the CPU's fused attention kernel, so attention is
    computed without it here. Norms, activations and the optimizer are no matrix products and are left out.
    """
    import torch
    from torch.nn import functional
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.set_grad_enabled(backward):
        loss = functional.cross_entropy(model(ids).flatten(0, 1), ids.flatten())
        if backward:
            loss.backward()
    model.zero_grad(set_to_none=True)
    return int(counter.get_total_flops())
