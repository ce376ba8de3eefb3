"""Lab 04: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined; TYPED holds (exercise, code, a word that the verdict must hold); REFUSED
holds answers that must not pass, whatever is said of them.
"""

import math

import torch

SPACE = {"torch": torch, "math": math}

TYPED = [
    (
        "4.1",
        "def f(parameters, dtype):\n size = {'fp32': 4, 'fp16': 2, 'bf16': 2, 'int8': 1, 'int4': 0.5}[dtype]\n"
        " return parameters * size / 1024**3",
        "GiB",
    ),
    ("4.1", "def f(parameters, dtype):\n return int(''.join(c for c in dtype if c.isdigit())) * parameters / 1e9", "gigabits"),
    ("4.1", "def f(parameters, dtype):\n return str(parameters * 4 / 1e9) + ' GB'", "number"),
    (
        "4.2",
        "def f(sign, exponent, mantissa, exponent_bits, mantissa_bits):\n"
        " v = mantissa / 2**mantissa_bits * 2.0**(exponent - (2**(exponent_bits - 1) - 1))\n return -v if sign else v",
        "hidden 1",
    ),
    (
        "4.2",
        "def f(sign, exponent, mantissa, exponent_bits, mantissa_bits):\n b = 2**(exponent_bits - 1) - 1\n"
        " return (-1)**sign * (1 + mantissa * 2.0**-mantissa_bits) * 2.0**(exponent - b)",
        "subnormal",
    ),
    ("4.3", "def f(x):\n s = x.max().item() / 127\n return torch.round(x / s), s", "magnitude"),
    ("4.3", "def f(x):\n s = x.abs().max().item() / 127\n return (x / s).to(torch.int8).double(), s", "decimals"),
    ("4.3", "def f(x):\n s = x.abs().max().item() / 127\n return (x / s).round()", "tuple"),
    (
        "4.4",
        "def f(x):\n lo, hi = min(0, float(x.min())), max(0, float(x.max()))\n s = (hi - lo) / 255\n z = int(-lo / s)\n"
        " return (torch.round(x / s) + z).clamp(0, 255), s, z",
        "rounded to the nearest",
    ),
    (
        "4.4",
        "def f(x):\n lo, hi = float(x.min()), float(x.max())\n s = (hi - lo) / 255\n z = round(-lo / s)\n"
        " return (torch.round(x / s) + z).clamp(0, 255), s, z",
        "one side",
    ),
    ("4.5", "def f(rows, columns, bits, block):\n return int(rows * columns * bits / 8)", "scales are forgotten"),
    (
        "4.5",
        "def f(rows, columns, bits, block):\n return rows * columns * bits // 8 + 4 * rows * (columns // block)",
        "last block",
    ),
    ("4.6", "def f(codes):\n return (codes[::2] << 4) | codes[1::2]", "low four bits"),
    ("4.6", "def f(codes):\n h = len(codes) // 2\n return codes[:h] | codes[h:] << 4", "neighbours"),
    ("4.7", "def f(x, top=127):\n s = x.abs().max() / top\n return (x / s).round() * s", "share one scale"),
    ("4.7", "def f(x, top=127):\n s = x.abs().amax(-1, keepdim=True) / top\n return (x / s).round() * s", "nan"),
    (
        "4.7",
        "def f(x, top=127):\n s = (x.abs().amax(-1, keepdim=True) / top).clamp(min=1e-9)\n return (x / s).round()",
        "multiply",
    ),
    (
        "4.8",
        "def f(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):\n"
        " return layers * 2 * batch * heads * length * head_dim * bytes_per_number",
        "kv_heads",
    ),
    (
        "4.8",
        "def f(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):\n"
        " return layers * batch * kv_heads * length * head_dim * bytes_per_number",
        "two tensors",
    ),
    (
        "4.9",
        "def f(parameters, trainable, bytes_per_number=4):\n w = bytes_per_number\n"
        " return {'weights': parameters * w, 'gradients': trainable * w, 'optimizer': trainable * w}",
        "two numbers",
    ),
    (
        "4.9",
        "def f(parameters, trainable, bytes_per_number=4):\n w = bytes_per_number\n"
        " return {'weights': parameters * w, 'gradients': parameters * w, 'optimizer': parameters * w * 2}",
        "optimizer keeps nothing",
    ),
    (
        "4.1",
        "def f(parameters, dtype):\n return parameters // 10**9 * {'fp32': 4, 'fp16': 2, 'bf16': 2, 'int8': 1, 'int4': .5}[dtype]",
        "135 million",
    ),
    (
        "4.2",
        "def f(sign, exponent, mantissa, exponent_bits, mantissa_bits):\n b = 2**(exponent_bits - 1) - 1\n"
        " if exponent == 0:\n  return mantissa / 2**mantissa_bits * 2.0**(1 - b)\n"
        " v = (1 + mantissa / 2**mantissa_bits) * 2.0**(exponent - b)\n return -v if sign else v",
        "loses its sign",
    ),
    ("4.3", "def f(x):\n s = x.abs().max().item() / 127\n return (x / s).round().to(torch.int8), s", "own type"),
    (
        "4.5",
        "def f(rows, columns, bits, block):\n return rows * columns * bits // 8 + 4 * rows * round(columns / block)",
        "round up",
    ),
    ("4.6", "def f(codes):\n return codes[::2].long() + codes[1::2].long() * 16", "eight bytes"),
    (
        "4.1",
        "def f(parameters, dtype):\n"
        '    return parameters * ({"fp32": 32, "fp16": 16, "bf16": 16, "int8": 8, "int4": 4}[dtype] // 8) / 1e9',
        "4 // 8",
    ),
    (
        "4.1",
        'def f(parameters, dtype):\n    return parameters * {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1, "int4": 0.5}[dtype] / 1e6',
        "megabytes",
    ),
    (
        "4.2",
        "def f(sign, exponent, mantissa, exponent_bits, mantissa_bits):\n    bias = 2 ** (exponent_bits - 1) - 1\n"
        "    e = 1 - bias if exponent == 0 else exponent - bias\n"
        "    return (-1) ** sign * 2.0 ** e * (1 + mantissa / 2**mantissa_bits)",
        "hidden 1 is still",
    ),
    ("4.3", "def f(x):\n    scale = abs(x.max().item()) / 127\n    return torch.round(x / scale), scale", "first the magnitudes"),
    (
        "4.3",
        "def f(x):\n    scale = x.abs().max().item() / 127\n    return torch.sign(x) * torch.floor(x.abs() / scale + 0.5), scale",
        "away from zero",
    ),
    (
        "4.4",
        "def f(x):\n    low, high = min(x.min().item(), 0), max(0, x.max().item())\n    scale = (high - low) / 255\n"
        "    z = round(-low / scale)\n    return torch.round(x / scale + z).clamp(0, 255), scale, z",
        "rounds the sum",
    ),
    (
        "4.4",
        "def f(x):\n    low, high = min(x.min().item(), 0), max(0, x.max().item())\n    scale = (high - low) / 255\n"
        "    z = round(-low / scale)\n    return torch.round(x / scale).clamp(0, 255) + z, scale, z",
        "clamp the sum",
    ),
    (
        "4.4",
        "def f(x):\n    low, high = min(x.min().item(), 0), max(0, x.max().item())\n    scale = (high - low) / 255\n"
        "    z = round(low / scale)\n    return (torch.round(x / scale) - z).clamp(0, 255), scale, z",
        "code of 0",
    ),
    (
        "4.5",
        "def f(rows, columns, bits, block):\n    return rows * (columns * bits // 8) + rows * math.ceil(columns / block) * 4",
        "cut off",
    ),
    (
        "4.5",
        "def f(rows, columns, bits, block):\n    return rows * columns * (bits // 8) + rows * math.ceil(columns / block) * 4",
        "multiply first",
    ),
    (
        "4.5",
        "def f(rows, columns, bits, block):\n    n = rows * math.ceil(columns / block)\n    return n * block * bits // 8 + n * 4",
        "as if it were full",
    ),
    (
        "4.7",
        "def f(x, top=127):\n    s = (x.amax(-1, keepdim=True) / top).clamp(min=1e-12)\n    return torch.round(x / s) * s",
        "largest magnitude",
    ),
    (
        "4.7",
        "def f(x, top=127):\n    s = (x.abs().amax(0, keepdim=True) / top).clamp(min=1e-12)\n    return torch.round(x / s) * s",
        "dim=0",
    ),
    (
        "4.7",
        "def f(x, top=127):\n    s = (x.abs().amax(1, keepdim=True) / top).clamp(min=1e-12)\n    return torch.round(x / s) * s",
        "dim=1",
    ),
    (
        "4.7",
        "def f(x, top=127):\n    s = (x.abs().amax(-1, keepdim=True) / top).clamp(min=1e-12)\n    return torch.trunc(x / s) * s",
        "cuts off",
    ),
    (
        "4.7",
        "def f(x, top=127):\n    s = (x.abs().amax(-1, keepdim=True) / top).clamp(min=1e-12)\n    return x / s * s",
        "Nothing is rounded",
    ),
    (
        "4.7",
        "def f(x, top=127):\n    s = (x.abs().amax(-1, keepdim=True) / top).clamp(min=1e-12)\n"
        "    return torch.round(x / s).to(torch.int8) * s",
        "int8",
    ),
    (
        "4.8",
        "def f(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):\n"
        "    return layers * (heads + 2 * kv_heads) * head_dim * length * batch * bytes_per_number",
        "queries",
    ),
    (
        "4.9",
        "def f(parameters, trainable, bytes_per_number=4):\n"
        '    return {"weights": parameters * bytes_per_number, "gradients": trainable * bytes_per_number, "optimizer": 2 * parameters * bytes_per_number}',
        "gradients are right",
    ),
]

REFUSED = {
    "4.1": """
def f(parameters, dtype):
    return parameters // 10**9 * {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1, "int4": 0.5}[dtype]

def f(parameters, dtype):
    return round(parameters * {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1, "int4": 0.5}[dtype] / 1e9, 2)

def f(parameters, dtype):
    return parameters * int(dtype.strip("bfpint")) // 8 / 10**9

def f(parameters, dtype):
    return parameters * (int(dtype[-2:].strip("pt")) // 8) / 10**9

def f(parameters, dtype):
    return parameters / 10**9 * {"fp32": 4, "fp16": 2, "int8": 1, "int4": 0.5}[dtype]

def f(parameters, dtype):
    return parameters / 10**9 * {"fp32": 4, "fp16": 4, "bf16": 2, "int8": 1, "int4": 0.5}[dtype]

def f(parameters, dtype):
    return parameters / 10**9 * {"fp32": 4, "int8": 1, "int4": 0.5}.get(dtype, 1)

def f(parameters, dtype):
    return parameters / 10**9 * {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1, "int4": 1}[dtype]

def f(parameters, dtype):
    return int(parameters / 10**9 * {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1, "int4": 0.5}[dtype])

def f(parameters, dtype):
    return parameters / 1024**2 / 1000 * {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1, "int4": 0.5}[dtype]
""",
    "4.2": """
def f(sign, exponent, mantissa, exponent_bits, mantissa_bits):
    bias = 2 ** (exponent_bits - 1) - 1
    if exponent == 0:
        return 2.0 ** (1 - bias) * mantissa / 2**mantissa_bits
    return (-1) ** sign * 2.0 ** (exponent - bias) * (1 + mantissa / 2**mantissa_bits)

def f(sign, exponent, mantissa, exponent_bits, mantissa_bits):
    bias = 2 ** (exponent_bits - 1) - 1
    if exponent == 0:
        return 0.0
    return (-1) ** sign * 2.0 ** (exponent - bias) * (1 + mantissa / 2**mantissa_bits)

def f(sign, exponent, mantissa, exponent_bits, mantissa_bits):
    bias = 2 ** (exponent_bits - 1) - 1
    hidden = 1 if exponent else 0
    return (-1) ** sign * 2.0 ** (exponent - bias) * (hidden + mantissa / 2**mantissa_bits)

def f(sign, exponent, mantissa, exponent_bits, mantissa_bits):
    bias = 127 if exponent_bits == 8 else 15
    hidden, power = (1, exponent - bias) if exponent else (0, 1 - bias)
    return (-1) ** sign * 2.0**power * (hidden + mantissa / 2**mantissa_bits)

def f(sign, exponent, mantissa, exponent_bits, mantissa_bits):
    bias = 2 ** (exponent_bits - 1) - 1
    hidden, power = (1, exponent - bias) if exponent else (0, 1 - bias)
    return -1**sign * 2.0**power * (hidden + mantissa / 2**mantissa_bits)

def f(sign, exponent, mantissa, exponent_bits, mantissa_bits):
    bias = 2 ** (exponent_bits - 1) - 1
    hidden, power = (1, exponent - bias) if exponent else (0, 1 - bias)
    return (-1) ** sign * 2.0**power * (hidden + mantissa / (2**mantissa_bits - 1))

def f(sign, exponent, mantissa, exponent_bits, mantissa_bits):
    bias = 2 ** (exponent_bits - 1) - 1
    hidden, power = (1, exponent - bias) if exponent else (0, 1 - bias)
    return (-1) ** sign * 2.0**power * (hidden + mantissa // 2**mantissa_bits)

def f(sign, exponent, mantissa, exponent_bits, mantissa_bits):
    bias = 2 ** (exponent_bits - 1) - 1
    hidden, power = (0, 1 - bias) if exponent == 0 and mantissa < 4 else (1, exponent - bias)
    return (-1) ** sign * 2.0**power * (hidden + mantissa / 2**mantissa_bits)

def f(sign, exponent, mantissa, exponent_bits, mantissa_bits):
    bias = 2 ** (exponent_bits - 1) - 1
    hidden, power = (1, exponent - bias) if exponent else (0, 1 - bias)
    return (-1) ** sign * 2**power * (hidden + mantissa / 2**23)
""",
    "4.3": """
def f(x):
    scale = max(abs(v) for v in x.tolist()) / 127
    return torch.tensor([round(v / scale) for v in x.tolist()]).to(x), scale

def f(x):
    scale = x.abs().max().item() / 127
    return (x / scale).round().to(torch.int8), scale

def f(x):
    scale = x.abs().max().item() / 127
    return (x / scale).round().flatten(), scale

def f(x):
    scale = x.abs().max().item() / 127
    return (x / scale + 0.5).floor(), scale

def f(x):
    scale = (x.max() - x.min()).item() / 254
    return (x / scale).round(), scale

def f(x):
    scale = x.abs().amax(-1, keepdim=True) / 127
    return (x / scale).round(), scale

def f(x):
    scale = x.abs().max().item() / 127
    return x.div(scale).round() * scale, scale

def f(x):
    scale = max(x.max().item(), 1) / 127
    return (x / scale).round(), scale

def f(x):
    scale = round(x.abs().max().item() / 127, 3)
    return (x / scale).round(), scale

def f(x):
    scale = x.abs().max().item() / 127
    return scale, (x / scale).round()

def f(x):
    scale = x.abs().max().item() / 127
    return (x / scale).ceil(), scale

def f(x):
    scale = x.std(correction=0).item() * 3 / 127
    return (x / scale).round().clamp(-127, 127), scale

def f(x):
    scale = max(x.abs().max().item(), 1e-5) / 127
    return torch.round(x / scale), scale
""",
    "4.4": """
def f(x):
    low, high = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    scale = (high - low) / 255
    zero_point = round(-low / scale)
    return (x / scale).round() + zero_point, scale, zero_point

def f(x):
    low, high = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    scale = (high - low) / 255
    zero_point = round(-low / scale)
    return ((x - low) / scale).round().clamp(0, 255), scale, zero_point

def f(x):
    low, high = min(x.min().item(), 0.0), x.max().item()
    scale = (high - low) / 255
    zero_point = round(-low / scale)
    return ((x / scale).round() + zero_point).clamp(0, 255), scale, zero_point

def f(x):
    low, high = x.min().item(), max(x.max().item(), 0.0)
    scale = (high - low) / 255
    zero_point = round(-low / scale)
    return ((x / scale).round() + zero_point).clamp(0, 255), scale, zero_point

def f(x):
    low, high = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    scale = (high - low) / 255
    zero_point = math.ceil(-low / scale)
    return ((x / scale).round() + zero_point).clamp(0, 255), scale, zero_point

def f(x):
    low, high = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    scale = (high - low) / 255
    zero_point = round(-low / scale)
    return ((x / scale).round() + zero_point).clamp(0, 255).to(torch.uint8), scale, zero_point

def f(x):
    low, high = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    scale = (high - low) / 255
    zero_point = round(-low / scale) - 128
    return ((x / scale).round() + zero_point).clamp(-128, 127), scale, zero_point

def f(x):
    low, high = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    scale = (high - low) / 255
    zero_point = round(-low / scale)
    return (x / scale).round().clamp(0, 255) + zero_point, scale, zero_point

def f(x):
    low, high = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    scale = (high - low) / 255
    zero_point = float(round(-low / scale))
    return ((x / scale).round() + zero_point).clamp(0, 255), scale, zero_point

def f(x):
    low, high = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    scale = (high - low) / 255
    zero_point = round(-low / scale)
    return ((x / scale).trunc() + zero_point).clamp(0, 255), scale, zero_point

def f(x):
    low, high = min(x.min().item(), 0), max(0, x.max().item())
    scale = (high - low) / 255
    z = int(-low / scale + 0.5)
    return (torch.round(x / scale) + z).clamp(0, 255), scale, z
""",
    "4.5": """
def f(rows, columns, bits, block):
    return rows * columns * bits // 8 + rows * round(columns / block) * 4

def f(rows, columns, bits, block):
    return rows * columns * bits // 8 + rows * (columns // block + 1) * 4

def f(rows, columns, bits, block):
    return rows * columns * (bits // 8) + rows * math.ceil(columns / block) * 4

def f(rows, columns, bits, block):
    return rows * columns * bits / 8 + rows * math.ceil(columns / block) * 4

def f(rows, columns, bits, block):
    return (rows * columns * bits + rows * math.ceil(columns / block) * 4) // 8

def f(rows, columns, bits, block):
    blocks = rows * math.ceil(columns / block)
    return blocks * block * bits // 8 + blocks * 4

def f(rows, columns, bits, block):
    return rows * columns * bits // 8 + rows * math.ceil(columns / block) * bits // 2

def f(rows, columns, bits, block):
    return rows * columns * bits // 8 + columns * math.ceil(rows / block) * 4

def f(rows, columns, bits, block):
    return rows * columns // 2 + rows * math.ceil(columns / block) * 4

def f(rows, columns, bits, block):
    return rows * (math.ceil(columns * bits / 8) + 4 * math.ceil(columns / block))

def f(rows, columns, bits, block):
    return rows * columns * bits // 8 + rows * max(1, columns // block) * 4

def f(rows, columns, bits, block):
    return rows * (columns * bits // 8) + rows * math.ceil(columns / block) * 4
""",
    "4.6": """
def f(codes):
    return codes[0::2].long() + 16 * codes[1::2].long()

def f(codes):
    return codes[0::2] + 16.0 * codes[1::2]

def f(codes):
    return (codes[0::2] << 4 | codes[1::2]).to(torch.uint8)

def f(codes):
    return codes[0::2] | codes[1::2] << 3

def f(codes):
    return codes[0::2] & codes[1::2] << 4

def f(codes):
    return codes[0::2] ^ codes[1::2]

def f(codes):
    return codes[0::2] + 15 * codes[1::2]

def f(codes):
    return [a + 16 * b for a, b in zip(codes[0::2].tolist(), codes[1::2].tolist())]

def f(codes):
    return (codes[0::2].to(torch.int8) + 16 * codes[1::2].to(torch.int8))

def f(codes):
    return codes[0:2] + 16 * codes[2:4]

def f(codes):
    return codes[:-1] | codes[1:] << 4

def f(codes):
    return (codes.view(-1, 2) * torch.tensor([1, 16])).sum(1)
""",
    "4.7": """
def f(x, top=127):
    scale = x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / (top + 1)
    return (x / scale).round() * scale

def f(x, top=127):
    scale = x.abs().amax(dim=-1, keepdim=True).clamp(min=1.0) / top
    return (x / scale).round() * scale

def f(x, top=127):
    scale = x.abs().mean(dim=-1, keepdim=True).clamp(min=1e-12) / top
    return (x / scale).round() * scale

def f(x, top=127):
    scale = (x.amax(-1, keepdim=True) - x.amin(-1, keepdim=True)).clamp(min=1e-12) / top
    return (x / scale).round() * scale

def f(x, top=127):
    scale = x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / top
    return (x / scale).trunc() * scale

def f(x, top=127):
    return x
""",
    "4.8": """
def f(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):
    return 2 * layers * kv_heads * head_dim * length * batch * 4

def f(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=2):
    return 2 * layers * kv_heads * head_dim * length * batch * bytes_per_number

def f(layers, heads, kv_heads, head_dim, length, batch, bytes_per_number):
    return 2 * layers * kv_heads * head_dim * length * batch * bytes_per_number

def f(layers, heads, kv_heads, head_dim, length, bytes_per_number=4, batch=1):
    return 2 * layers * kv_heads * head_dim * length * max(batch, bytes_per_number)

def f(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):
    return 2 * layers * kv_heads * head_dim * length * batch

def f(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):
    return 2 * layers * (heads + kv_heads) * head_dim * length * batch * bytes_per_number

def f(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):
    return 2 * layers * (heads // kv_heads) * head_dim * length * batch * bytes_per_number

def f(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):
    return 8 * layers * kv_heads * head_dim * length * batch * bytes_per_number / 4

def f(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):
    return 2 * layers * kv_heads * 64 * length * batch * bytes_per_number

def f(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):
    return 2 * layers * kv_heads * head_dim * (length + 1) * batch * bytes_per_number

def f(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):
    return layers * (heads + kv_heads) * head_dim * length * batch * bytes_per_number
""",
    "4.9": """
def f(parameters, trainable, bytes_per_number=2):
    t = trainable * bytes_per_number
    return {"weights": parameters * bytes_per_number, "gradients": t, "optimizer": 2 * t}

def f(parameters, trainable, bytes_per_number=4):
    return {"weights": parameters * bytes_per_number, "gradients": trainable * bytes_per_number, "optimizer": trainable * 8}

def f(parameters, trainable, bytes_per_number=4):
    w, t = (parameters - trainable) * bytes_per_number, trainable * bytes_per_number
    return {"weights": w, "gradients": t, "optimizer": 2 * t}

def f(parameters, trainable, bytes_per_number=4):
    t = trainable * bytes_per_number
    return {"weights": parameters * bytes_per_number + t, "gradients": t, "optimizer": 2 * t}

def f(parameters, trainable, bytes_per_number=4):
    t = trainable * bytes_per_number
    return {"weights": parameters * bytes_per_number, "gradients": t, "optimizer state": 2 * t}

def f(parameters, trainable, bytes_per_number=4):
    t = trainable * bytes_per_number
    return (parameters * bytes_per_number, t, 2 * t)

def f(parameters, trainable, bytes_per_number=4):
    t = trainable * bytes_per_number
    out = {"weights": parameters * bytes_per_number, "gradients": t, "optimizer": 2 * t}
    return {**out, "total": sum(out.values())}

def f(parameters, trainable, bytes_per_number=4):
    t = trainable * bytes_per_number
    return {"weights": parameters * bytes_per_number, "gradients": t, "optimizer": 3 * t}

def f(parameters, trainable, bytes_per_number=4):
    t = trainable * bytes_per_number / 1
    return {"weights": parameters * bytes_per_number, "gradients": t, "optimizer": 2 * t}

def f(parameters, trainable, bytes_per_number=4):
    t = trainable * bytes_per_number
    return {"weights": parameters * bytes_per_number, "gradients": t, "optimizer": 2 * t if trainable < parameters else t}

def f(parameters, trainable, bytes_per_number=4):
    t = trainable * 4
    return {"weights": parameters * bytes_per_number, "gradients": t, "optimizer": 2 * t}
""",
}
