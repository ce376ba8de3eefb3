"""A linear layer in 4 bits that adapters can be trained over: QLoRA's frozen base, on any machine.

Only packed codes and scales are kept. Forward turns a few rows at a time back into numbers, multiplies, and drops them; backward does
so again, because the layer itself never learns, only what stands before it or beside it. That saves memory and costs time: without a
kernel that multiplies packed codes directly, the layer is slower than the dense one.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from labutils.errors import LabError
from labutils.quantization.four_bit import Scales, Scheme4, levels_of, quantize_4bit

if TYPE_CHECKING:
    from peft import LoraConfig

CHUNK = 1 << 19  # values turned back into numbers at a time: 2 MiB in float32, which stays in the processor's cache


@cache
def _pairs(scheme: Scheme4, device: torch.device) -> Tensor:
    """(256,) complex64: the two levels that each byte holds, as one 8-byte number, so that one look-up fetches both."""
    levels = torch.tensor(levels_of(scheme), device=device)
    byte = torch.arange(256, device=device)
    return torch.complex(levels[byte & 15], levels[byte >> 4])


class _Frozen(torch.autograd.Function):
    """y = x W' + b for a packed W. The gradient goes to x alone; W is turned back into numbers again in backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: Linear4bit) -> Tensor:
        ctx.layer = layer
        y = x.new_empty(*x.shape[:-1], layer.out_features)
        for rows in layer.chunks():
            bias = None if layer.bias is None else layer.bias[rows].to(x.dtype)
            y[..., rows] = nn.functional.linear(x, layer.rows(rows).to(x.dtype), bias)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor, None]:
        layer = ctx.layer
        grad_x = grad_y.new_zeros(*grad_y.shape[:-1], layer.in_features)
        for rows in layer.chunks():
            grad_x += grad_y[..., rows] @ layer.rows(rows).to(grad_y.dtype)
        return grad_x, None


class Linear4bit(nn.Module):
    """`nn.Linear` with a frozen weight in 4 bits.

    Args:
        in_features, out_features: of the weight, (out_features, in_features).
        bias: whether there is one; it is kept as it is, and frozen.
        scheme: "nf4" or "int4".
        block: values of a row that share a scale.
        double: whether the scales are kept in 8 bits (double quantization).
        weight: what to quantize; zeros by default, to load a state_dict into. `from_linear` takes it from a layer.

    All it keeps is buffers, so state_dict, `.to(device)` and loading work as usual.

    Example: `Linear4bit.from_linear(nn.Linear(576, 1536, bias=False))` keeps 0.46 MB in the place of 3.54 MB (MB is 10**6 bytes).
    """

    bias: Tensor | None
    qweight: Tensor
    scale: Tensor  # without double quantization; with it, the next three
    scale_codes: Tensor
    scale_low: Tensor
    scale_step: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        scheme: Scheme4 = "nf4",
        block: int = 64,
        double: bool = True,
        weight: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.scheme, self.block, self.nested = scheme, block, double  # nn.Module has a method called double
        weight = torch.zeros(out_features, in_features) if weight is None else weight
        packed = quantize_4bit(weight, scheme, block, double)
        self.register_buffer("bias", torch.zeros(out_features, device=weight.device) if bias else None)
        self.register_buffer("qweight", packed.packed)  # PEFT looks for this name to learn the device
        if isinstance(packed.scales, Scales):
            parts = {"scale_codes": packed.scales.codes, "scale_low": packed.scales.low, "scale_step": packed.scales.step}
        else:
            parts = {"scale": packed.scales}
        for name, part in parts.items():
            self.register_buffer(name, part)

    @classmethod
    def from_linear(cls, linear: nn.Linear, scheme: Scheme4 = "nf4", block: int = 64, double: bool = True) -> Linear4bit:
        """A 4-bit copy of a dense layer.

        Raises:
            LabError: what `quantize_4bit` raises.
        """
        bias = linear.bias is not None
        layer = cls(linear.in_features, linear.out_features, bias, scheme, block, double, linear.weight.detach())
        if layer.bias is not None:
            layer.bias = linear.bias.detach().clone()
        return layer.train(linear.training)

    def chunks(self) -> list[slice]:
        """Slices of rows, each of at most `CHUNK` values, that cover the weight."""
        size = max(1, CHUNK // self.in_features)
        return [slice(start, min(start + size, self.out_features)) for start in range(0, self.out_features, size)]

    def scales(self) -> Tensor:
        """The scale of each block: (out_features, blocks a row), float32."""
        flat = Scales(self.scale_codes, self.scale_low, self.scale_step).dequantize() if self.nested else self.scale
        return flat.reshape(self.out_features, -1)

    def rows(self, rows: slice) -> Tensor:
        """Some rows of the weight, as numbers: (rows, in_features), float32."""
        packed = self.qweight[rows]
        values = torch.view_as_real(_pairs(self.scheme, packed.device)[packed.int()]).flatten(-2)
        scale = self.scales()[rows]
        if self.in_features % self.block == 0:
            return values.unflatten(-1, (-1, self.block)).mul_(scale[..., None]).flatten(-2)
        return values[..., : self.in_features] * scale.repeat_interleave(self.block, dim=-1)[..., : self.in_features]

    def dequantize(self) -> Tensor:
        """The whole weight as numbers: (out_features, in_features), float32. A copy: changing it changes nothing here."""
        return torch.cat([self.rows(rows) for rows in self.chunks()])

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) -> (..., out_features), in the dtype of x."""
        return _Frozen.apply(x, self)

    def extra_repr(self) -> str:
        """What `print(model)` shows of the layer."""
        bias = self.bias is not None
        return f"{self.in_features}, {self.out_features}, bias={bias}, scheme={self.scheme}, block={self.block}, double={self.nested}"


def quantize_model(
    model: nn.Module, skip: Collection[str] = ("lm_head",), scheme: Scheme4 = "nf4", block: int = 64, double: bool = True
) -> nn.Module:
    """Replace every `nn.Linear` of a model by a `Linear4bit`, in place, one at a time, so that the memory never doubles.

    Args:
        model: changed in place.
        skip: names of layers to leave dense: the last part of the name or the whole of it. The output head is often tied to the
            embedding, which stays dense, so packing it would save nothing.
        scheme, block, double: as for `Linear4bit`.

    Returns:
        The model.

    Raises:
        LabError: the model itself is a linear layer, or no layer is left to replace.
    """
    if isinstance(model, nn.Linear):
        raise LabError("A linear layer cannot be replaced from inside: use Linear4bit.from_linear(layer).")
    layers = _linears(model, skip)
    if not layers:
        raise LabError(
            "The model has no nn.Linear left to quantize, besides those to skip: load it anew if it was quantized before, or skip less."
        )
    while layers:  # taken out one by one, so that each dense weight can go as soon as it is packed
        name, layer = layers.popitem()
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, Linear4bit.from_linear(layer, scheme, block, double))
    return model


def _linears(model: nn.Module, skip: Collection[str]) -> dict[str, nn.Linear]:
    """The linear layers of a model by name, without those whose name, or its last part, is in `skip`."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name not in skip and name.rpartition(".")[2] not in skip
    }


def parameter_count(model: nn.Module) -> int:
    """The weights of a model, packed or not, tied ones once.

    Two 4-bit weights share a byte, so counting stored numbers halves a packed model; this counts what the layers stand for.
    """
    dense = sum(parameter.numel() for parameter in model.parameters())
    packed = (
        layer.in_features * layer.out_features + (0 if layer.bias is None else layer.out_features)
        for layer in model.modules()
        if isinstance(layer, Linear4bit)
    )
    return dense + sum(packed)


@cache
def _lora_layer() -> type:
    from peft.tuners.lora import Linear

    class LoraOver4bit(Linear):
        """PEFT's LoRA layer over a `Linear4bit`: trained as usual, never merged."""

        def _get_in_out_features(self, module: nn.Module) -> tuple[int, int]:
            base: Any = module
            return base.in_features, base.out_features

        def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
            raise LabError(
                "An adapter cannot be merged into 4-bit codes without rounding it away: merge it into the dense model instead."
            )

    return LoraOver4bit


def over_4bit(config: LoraConfig) -> LoraConfig:
    """Make a PEFT LoRA configuration accept 4-bit layers: `get_peft_model(model, over_4bit(LoraConfig(...)))`.

    Dense layers among the targets are treated as ever. The registration is not saved with the adapter; when loading one over a 4-bit
    base, pass the configuration again.
    """
    config._register_custom_module({Linear4bit: _lora_layer()})
    return config


def dynamic_int8(model: nn.Module, skip: Collection[str] = ()) -> nn.Module:
    """Replace every `nn.Linear` of a model by PyTorch's dynamic int8 layer, in place: for speed, on the CPU, without training.

    The weights become int8, one scale a row; each layer's input is rounded to 8 bits anew at every call (hence dynamic) and the
    multiplication runs in whole numbers.

    Args:
        model: changed in place; float32, on the CPU.
        skip: names of layers to leave dense, as for `quantize_model`.

    Raises:
        LabError: the model is not on the CPU in float32.
    """
    if any(p.device.type != "cpu" or p.dtype != torch.float32 for p in model.parameters()):
        raise LabError("PyTorch's dynamic int8 runs on the CPU and starts from float32: use model.cpu().float().")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.ao says that torchao will replace it; torchao is not installed here
        from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

        return quantize_dynamic(model, dict.fromkeys(_linears(model, skip), per_channel_dynamic_qconfig), inplace=True)
