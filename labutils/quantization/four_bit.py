"""Weights in 4 bits, two to a byte: codes of 16 levels for each block of a row, evenly spaced ("int4") or at quantiles of the normal
distribution ("nf4"). Lab 04 takes the idea apart, lab 05 trains adapters over it.

Blocks are those of `labutils.quantization.integers`. An int4 tie goes to the even code, an NF4 tie to the lower level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from labutils.errors import LabError
from labutils.quantization.integers import grouped, nonzero, require_quantizable, ungrouped
from labutils.validation import require_whole_number

if TYPE_CHECKING:
    from torch import Tensor

Scheme4 = Literal["int4", "nf4"]

SCALES_A_GROUP = 256  # scales that are quantized together in double quantization (Dettmers et al. 2023, section 3)


@cache
def nf4_levels() -> tuple[float, ...]:
    """The 16 levels of NormalFloat4, ascending, from -1 to 1, with an exact 0.

    Each level is a quantile of the standard normal distribution, so that normally distributed weights use all levels about equally
    often. Eight quantiles, evenly spaced in probability between 1/2 and an end point, make the positive side, seven the negative
    one; all are divided by the largest. The end point, 1 - (1/30 + 1/32) / 2, stops short of 1, whose quantile is infinite: it is
    the middle of the outermost of 15 and of 16 equal shares.

    Source: Dettmers et al. 2023, "QLoRA", equation 4 and appendix E.
    """
    end = 1 - (1 / 30 + 1 / 32) / 2
    normal = NormalDist()
    positive = [normal.inv_cdf(0.5 + (end - 0.5) * i / 8) for i in range(1, 9)]
    negative = [-normal.inv_cdf(0.5 + (end - 0.5) * i / 7) for i in range(7, 0, -1)]
    return tuple(level / positive[-1] for level in (*negative, 0.0, *positive))


@cache
def int4_levels() -> tuple[float, ...]:
    """The 16 levels of symmetric int4, in units of the block's largest magnitude: -8/7 (never used), -7/7, ..., 7/7."""
    return tuple(level / 7 for level in range(-8, 8))


def levels_of(scheme: Scheme4) -> tuple[float, ...]:
    """The table of 16 levels that the codes 0 to 15 of a 4-bit scheme stand for, in units of the scale."""
    if scheme == "nf4":
        return nf4_levels()
    if scheme == "int4":
        return int4_levels()
    raise LabError(f"The 4-bit scheme is nf4 or int4, not {scheme!r}.")


def pack_codes(codes: Tensor) -> Tensor:
    """Two 4-bit codes a byte along the last dimension, the first in the low half: (..., n) of 0 to 15 -> (..., ceil(n / 2)) uint8.

    An odd last code shares its byte with a 0.

    Example: codes 3, 10 become the byte 3 + 16 * 10 = 163.
    """
    import torch

    if codes.numel() and (int(codes.min()) < 0 or int(codes.max()) > 15):
        raise LabError("A 4-bit code is a whole number from 0 to 15; shift signed codes by 8 first.")
    pairs = torch.nn.functional.pad(codes.to(torch.uint8), (0, codes.shape[-1] % 2)).unflatten(-1, (-1, 2))
    return pairs[..., 0] | pairs[..., 1] << 4


def unpack_codes(packed: Tensor, n: int) -> Tensor:
    """The inverse of `pack_codes`: (..., ceil(n / 2)) uint8 -> (..., n) uint8.

    Raises:
        LabError: the codes are not uint8, or there are not as many bytes as n codes take.
    """
    import torch

    require_whole_number("n", n, 0)
    if packed.dtype != torch.uint8 or packed.dim() == 0 or packed.shape[-1] != -(-n // 2):
        raise LabError(f"{n} codes of 4 bits are {-(-n // 2)} uint8; here are {packed.dtype} of the shape {tuple(packed.shape)}.")

    return torch.stack((packed & 15, packed >> 4), dim=-1).flatten(-2)[..., :n]


@dataclass(frozen=True)
class Scales:
    """Scales in 8 bits: double quantization. scale = low + step * code, with a step for each group of 256 scales.

    The paper takes the mean off and keeps 8-bit floats; here the 8-bit numbers are whole and count from the tensor's smallest scale,
    which keeps every scale positive. The size is the same.

    Attributes:
        codes: (S,), uint8.
        low: (1,), float32.
        step: (ceil(S / 256),), float32.
    """

    codes: Tensor
    low: Tensor
    step: Tensor

    @classmethod
    def of(cls, scale: Tensor) -> Scales:
        """Quantize scales (S,). No scale is off by more than half its group's step."""
        import torch

        low = scale.float().amin().reshape(1)
        groups = torch.nn.functional.pad(scale.float() - low, (0, -len(scale) % SCALES_A_GROUP)).reshape(-1, SCALES_A_GROUP)
        step = nonzero(groups.amax(dim=1) / 255)
        codes = (groups / step[:, None]).round().clamp(0, 255)
        return cls(codes.to(torch.uint8).flatten()[: len(scale)], low, step)

    def dequantize(self) -> Tensor:
        """The scales (S,), float32."""
        return self.low + self.step.repeat_interleave(SCALES_A_GROUP)[: len(self.codes)] * self.codes

    @property
    def nbytes(self) -> int:
        """Bytes of the codes, the lowest scale and the steps."""
        return self.codes.nbytes + self.low.nbytes + self.step.nbytes


@dataclass(frozen=True)
class Packed:
    """A tensor in 4 bits: value = levels[code] * scale of the code's block.

    Attributes:
        packed: (..., ceil(n / 2)), uint8, two codes a byte.
        scales: (B,) float32, the largest magnitude of each block, or the same as 8-bit `Scales`.
        shape: of the values, (..., n).
        scheme, block: as given to `quantize_4bit`.
    """

    packed: Tensor
    scales: Tensor | Scales
    shape: tuple[int, ...]
    scheme: Scheme4
    block: int

    def dequantize(self) -> Tensor:
        """The values (..., n), float32."""
        import torch

        scale = self.scales.dequantize() if isinstance(self.scales, Scales) else self.scales
        levels = torch.tensor(levels_of(self.scheme), device=self.packed.device)
        values = grouped(levels[unpack_codes(self.packed, self.shape[-1]).long()], "block", self.block)
        return ungrouped(values * scale[:, None], self.shape, "block", self.block)

    @property
    def nbytes(self) -> int:
        """Bytes of the packed codes and the scales."""
        return self.packed.nbytes + self.scales.nbytes

    @property
    def bits_per_parameter(self) -> float:
        """All bits, scales included, per value: 4.5 with blocks of 64, 4.127 with double quantization."""
        return 8 * self.nbytes / math.prod(self.shape)


def quantize_4bit(x: Tensor, scheme: Scheme4 = "nf4", block: int = 64, double: bool = True) -> Packed:
    """Round a tensor to 16 levels per block and pack two codes into a byte.

    A block's scale is its largest magnitude. With `double`, the scales are first rounded to 8 bits themselves, and the codes chosen
    for the scale that will be used. A block of zeros comes back as zeros: both tables have an exact 0.

    Args:
        x: (..., n), floating-point, finite.
        scheme: "nf4", levels at quantiles of the normal distribution, or "int4", evenly spaced.
        block: values that share a scale.
        double: keep the scales in 8 bits instead of 32.

    Raises:
        LabError: NaN, infinity, nothing to quantize, an unknown scheme, or a block of less than one value.

    Source: Dettmers et al. 2023, "QLoRA: efficient finetuning of quantized LLMs", section 3.

    Example: `quantize_4bit(torch.tensor([7.0, -3.0, 0.4]), "int4", double=False)` comes back as 7, -3, 0.
    """
    import torch

    require_quantizable(x)
    levels = torch.tensor(levels_of(scheme), device=x.device)
    groups = grouped(x.detach().float(), "block", block)
    scale = groups.abs().amax(dim=1)
    scales = Scales.of(scale) if double else scale
    unit = groups / nonzero(scales.dequantize() if isinstance(scales, Scales) else scales)[:, None]
    if scheme == "int4":
        codes = (unit * 7).round().clamp(-7, 7) + 8
    else:
        codes = torch.bucketize(unit, (levels[1:] + levels[:-1]) / 2, out_int32=True)
    return Packed(pack_codes(ungrouped(codes, x.shape, "block", block)), scales, tuple(x.shape), scheme, block)
