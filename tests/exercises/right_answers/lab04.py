"""Lab 04: unusual right answers, which must pass."""

import math
import struct

import numpy
import torch

SPACE = {"math": math, "struct": struct, "numpy": numpy, "torch": torch}

ACCEPTED = {
    "4.1": """
def f(parameters, dtype):
    return parameters * int("".join(c for c in dtype if c.isdigit())) / 8e9

def f(parameters, dtype):
    halves = ["int4", "int8", "fp16 bf16", "fp32"]
    return 2 ** next(n for n, names in enumerate(halves) if dtype in names) * parameters / 2 / 1e9

def f(parameters, dtype):
    match dtype:
        case "fp32":
            size = 4
        case "fp16" | "bf16":
            size = 2
        case _:
            size = {"int8": 1, "int4": 0.5}[dtype]
    return numpy.float32(parameters * size / 10**9)
""",
    "4.2": """
def f(sign, exponent, mantissa, exponent_bits, mantissa_bits):
    bias = 2 ** (exponent_bits - 1) - 1
    whole = mantissa + (2**mantissa_bits if exponent else 0)
    return math.ldexp(-whole if sign else whole, max(exponent, 1) - bias - mantissa_bits)

def f(sign, exponent, mantissa, exponent_bits, mantissa_bits):
    bias = (1 << exponent_bits - 1) - 1
    value = 2.0 ** (exponent - bias) if exponent else 0.0
    step = 2.0 ** (max(exponent, 1) - bias - mantissa_bits)
    return (1 - 2 * sign) * (value + mantissa * step)

def f(sign, exponent, mantissa, exponent_bits, mantissa_bits):
    bias = 2 ** (exponent_bits - 1) - 1
    fraction, bits = 0.0, f"{mantissa:0{mantissa_bits}b}"
    for place, bit in enumerate(bits, 1):
        fraction += int(bit) / 2**place
    if exponent:
        return torch.tensor((-1) ** sign * (1 + fraction) * 2.0 ** (exponent - bias), dtype=torch.float64)
    return torch.tensor((-1) ** sign * fraction * 2.0 ** (1 - bias), dtype=torch.float64)
""",
    "4.3": """
def f(x):
    scale = x.abs().max() / 127
    return torch.round(x / scale), scale

def f(x):
    scale = max(x.max().item(), -x.min().item()) / 127
    return torch.round(x.double() / scale), scale

def f(x):
    scale = float(numpy.abs(x.numpy()).max()) / 127
    return torch.from_numpy(numpy.rint(x.numpy() / scale)), scale

def f(x):
    scale = x.flatten().norm(float("inf")).item() / 127
    codes = [float(round(v / scale)) for v in x.flatten().tolist()]
    return torch.tensor(codes).view(x.shape), scale
""",
    "4.4": """
def f(x):
    values = [0.0, *x.flatten().tolist()]
    scale = (max(values) - min(values)) / 255
    zero_point = round(-min(values) / scale)
    codes = [float(min(255, max(0, round(v / scale) + zero_point))) for v in values[1:]]
    return torch.tensor(codes).view(x.shape), scale, zero_point

def f(x):
    low, high = x.min().clamp(max=0), x.max().clamp(min=0)
    scale = (high - low) / 255
    zero_point = int((-low / scale).round())
    return torch.clamp(torch.round(x / scale) + zero_point, 0, 255), scale.item(), zero_point

def f(x):
    low, high = numpy.minimum(x.numpy().min(), 0), numpy.maximum(x.numpy().max(), 0)
    scale = float(high - low) / 255
    zero_point = int(numpy.rint(-low / scale))
    return torch.from_numpy(numpy.clip(numpy.rint(x.numpy() / scale) + zero_point, 0, 255)), scale, zero_point
""",
    "4.5": """
def f(rows, columns, bits, block):
    total = rows * columns * bits // 8
    for _ in range(rows):
        total += 4 * len(range(0, columns, block))
    return total

def f(rows, columns, bits, block):
    return rows * columns * bits // 8 - 4 * rows * (-columns // block)

def f(rows, columns, bits, block):
    full, rest = divmod(columns, block)
    return int(rows * columns * bits / 8) + 4 * rows * (full + bool(rest))

def f(rows, columns, bits, block):
    return (rows * columns * bits + rows * ((columns + block - 1) // block) * 32) >> 3
""",
    "4.6": """
def f(codes):
    return codes[::2] | codes[1::2] << 4

def f(codes):
    pairs = codes.reshape(-1, 2).int()
    return (pairs[:, 0] + pairs[:, 1] * 16).byte()

def f(codes):
    values = codes.tolist()
    return torch.tensor([16 * high + low for low, high in zip(values[::2], values[1::2])], dtype=torch.uint8)

def f(codes):
    return (codes.view(-1, 2) * torch.tensor([1, 16], dtype=torch.uint8)).sum(1, dtype=torch.uint8)

def f(codes):
    a = codes.numpy()
    return torch.from_numpy(a[0::2] ^ numpy.left_shift(a[1::2], 4))
""",
    "4.7": """
def f(x, top=127):
    rows = x.reshape(-1, x.shape[-1])
    kept = []
    for row in rows:
        scale = float(row.abs().max()) / top
        kept.append((row / scale).round() * scale if scale else row)
    return torch.stack(kept).reshape(x.shape)

def f(x, top=127):
    largest = torch.linalg.vector_norm(x, ord=float("inf"), dim=-1, keepdim=True)
    scale = torch.where(largest > 0, largest / top, 1.0)
    return torch.round(x / scale) * scale

def f(x, top=127):
    scale = torch.maximum(x.amax(-1, True), -x.amin(-1, True)) / top
    return torch.nan_to_num((x / scale).round() * scale)
""",
    "4.8": """
def f(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):
    return math.prod((2, layers, kv_heads, head_dim, length, batch, bytes_per_number))

def f(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):
    total = 0
    for _ in range(layers):
        keys = values = batch * kv_heads * length * head_dim
        total += (keys + values) * bytes_per_number
    return total

def f(layers, _, kv_heads, head_dim, length, batch=1, size=4):
    return int(2.0 * layers * kv_heads * head_dim * length * batch * size)
""",
    "4.9": """
def f(parameters, trainable, bytes_per_number=4):
    counts = {"optimizer": 2 * trainable, "gradients": trainable, "weights": parameters}
    return {name: n * bytes_per_number for name, n in counts.items()}

def f(parameters, trainable, bytes_per_number=4):
    frozen = parameters - trainable
    return dict(
        weights=(frozen + trainable) * bytes_per_number,
        gradients=trainable * bytes_per_number,
        optimizer=trainable * (bytes_per_number + bytes_per_number),
    )
""",
}
