"""Whole numbers with a scale in the place of floating-point weights. Lab 04 builds this by hand.

`quantize` makes whole numbers of 2 to 8 bits, symmetric ("absmax") or with a zero-point, with one scale for the tensor, for each row
("channel") or for each block of a row. `labutils.quantization.four_bit` has the packed 4-bit forms.

Blocks run along the last dimension and start afresh in each row; where a block's length does not divide the row, the last block of
each row is shorter. Rounding is to the nearest, halves to even, as `torch.round`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from labutils.errors import LabError

if TYPE_CHECKING:
    from torch import Tensor

Scheme = Literal["absmax", "zero_point"]
Per = Literal["tensor", "channel", "block"]


def require_quantizable(x: Tensor) -> None:
    """Raise LabError unless a tensor holds finite floating-point numbers, at least one, in at least one dimension."""
    if not x.is_floating_point():
        raise LabError(f"Only floating-point numbers can be quantized, not {x.dtype}: convert with .float() first.")
    if x.ndim == 0 or x.numel() == 0:
        raise LabError("There is nothing to quantize: give a tensor with at least one dimension and one number.")
    if not bool(x.isfinite().all()):
        raise LabError("The tensor holds NaN or infinity, which no scale can carry: find where it comes from before quantizing.")


def _require_block(block: int) -> None:
    if isinstance(block, bool) or not isinstance(block, int) or block < 1:
        raise LabError(f"A block has a whole number of values, at least 1, not {block!r}: 64 is usual.")


def grouped(x: Tensor, per: Per, block: int = 64) -> Tensor:
    """The values that share a scale, a group a row: (G, W). A short last block is filled up with zeros.

    Args:
        x: (..., n).
        per: "tensor" gives one group, "channel" one for each index of the first dimension, "block" one for each block of a row.
        block: values a block.
    """
    import torch

    if per == "tensor":
        return x.reshape(1, -1)
    if per == "channel":
        return x.reshape(x.shape[0], -1)
    if per != "block":
        raise LabError(f"Scales are given per tensor, channel or block, not per {per!r}: choose one of the three.")
    _require_block(block)
    return torch.nn.functional.pad(x, (0, -x.shape[-1] % block)).reshape(-1, block)


def ungrouped(groups: Tensor, shape: Sequence[int], per: Per, block: int = 64) -> Tensor:
    """The inverse of `grouped`: a tensor of the given shape."""
    if per != "block":
        return groups.reshape(*shape)
    padded = math.ceil(shape[-1] / block) * block
    return groups.reshape(*shape[:-1], padded)[..., : shape[-1]]


@dataclass(frozen=True)
class Quantized:
    """Whole numbers, and what turns them back into values: value = scale * (code - zero_point).

    Attributes:
        codes: (..., n), int8 for absmax, uint8 for zero_point. With fewer than 8 bits a code still takes a byte here.
        scale: (G,), one for each group, in the dtype of the values.
        zero_point: (G,), uint8; None for absmax, where it is 0.
        bits, per, block: as given to `quantize`.
    """

    codes: Tensor
    scale: Tensor
    zero_point: Tensor | None
    bits: int
    per: Per
    block: int

    def dequantize(self) -> Tensor:
        """The values (..., n) that the codes stand for."""
        codes = grouped(self.codes.to(self.scale.dtype), self.per, self.block)
        if self.zero_point is not None:
            codes = codes - self.zero_point[:, None]
        return ungrouped(codes * self.scale[:, None], self.codes.shape, self.per, self.block)

    @property
    def nbytes(self) -> int:
        """Bytes with the codes packed tightly: codes, scales and zero-points."""
        zero_points = 0 if self.zero_point is None else self.zero_point.numel()
        return math.ceil(self.codes.numel() * self.bits / 8) + self.scale.nbytes + zero_points

    @property
    def bits_per_parameter(self) -> float:
        """All bits, scales and zero-points included, per value."""
        return 8 * self.nbytes / self.codes.numel()


def quantize(x: Tensor, scheme: Scheme = "absmax", per: Per = "tensor", block: int = 64, bits: int = 8) -> Quantized:
    """Round a tensor to whole numbers of a few bits.

    With b bits, per group:
      absmax      scale = max|x| / (2**(b-1) - 1); code = round(x / scale), from -(2**(b-1) - 1) to 2**(b-1) - 1
      zero_point  scale = (high - low) / (2**b - 1), where low = min(x, 0) and high = max(x, 0), so that 0 keeps a code of its own;
                  zero_point = round(-low / scale); code = round(x / scale) + zero_point, cut to 0 ... 2**b - 1

    No value is off by more than scale / 2. A group of zeros gets the scale 1 and comes back as zeros.

    Args:
        x: (..., n), floating-point, finite.
        scheme: "absmax" or "zero_point".
        per: "tensor", "channel" (the first dimension) or "block".
        block: values that share a scale, for per="block".
        bits: 2 to 8.

    Raises:
        LabError: NaN, infinity, nothing to quantize, or an unknown scheme.

    Source: Jacob et al. 2018, "Quantization and training of neural networks", section 2.1, for the zero-point; absmax is the
    symmetric case of it.

    Example: `quantize(torch.tensor([1.27, -0.5]))` has the scale 0.01 and the codes 127, -50.
    """
    import torch

    require_quantizable(x)
    if bits not in range(2, 9):
        raise LabError(f"Between 2 and 8 bits are possible here, not {bits!r}.")
    groups = grouped(x.detach(), per, block)
    if scheme == "absmax":
        top = 2 ** (bits - 1) - 1
        scale = nonzero(groups.abs().amax(dim=1) / top)
        codes = (groups / scale[:, None]).round().clamp(-top, top)
        return Quantized(ungrouped(codes, x.shape, per, block).to(torch.int8), scale, None, bits, per, block)
    if scheme != "zero_point":
        raise LabError(f"The scheme is absmax or zero_point, not {scheme!r}.")
    top = 2**bits - 1
    low, high = groups.amin(dim=1).clamp(max=0), groups.amax(dim=1).clamp(min=0)
    scale = nonzero((high - low) / top)
    zero_point = (-low / scale).round().clamp(0, top)
    codes = ((groups / scale[:, None]).round() + zero_point[:, None]).clamp(0, top)
    return Quantized(ungrouped(codes, x.shape, per, block).to(torch.uint8), scale, zero_point.to(torch.uint8), bits, per, block)


def nonzero(scale: Tensor) -> Tensor:
    """Scales with 1 in the place of 0, so that a group of zeros divides cleanly."""
    return scale.where(scale > 0, scale.new_ones(()))


def largest_error(x: Tensor, restored: Tensor) -> float:
    """The largest |x - restored|."""
    return float((x.detach() - restored.detach()).abs().max())


def relative_error(x: Tensor, restored: Tensor) -> float:
    """The error's length as a share of the tensor's: ||x - restored|| / ||x||; 0.1 means that a tenth of it is noise.

    Raises:
        LabError: all values are zero, so that there is no share; other shapes, or values that are not finite.
    """
    if x.shape != restored.shape:
        raise LabError(
            f"The tensors have the shapes {tuple(x.shape)} and {tuple(restored.shape)}: compare a tensor with its copy."
        )
    if not (x.isfinite().all() and restored.isfinite().all()):
        raise LabError("A value is infinite or not a number, so the error has no size: look for it with x.isfinite().")
    x, restored = x.detach().double(), restored.detach().double()
    size = float(x.norm())
    if size == 0:
        raise LabError("The tensor is all zeros, so its error has no share of it: use largest_error.")
    return float((x - restored).norm()) / size
