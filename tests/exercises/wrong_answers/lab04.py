"""Lab 04: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined; TYPED holds (exercise, code, a word that the verdict must hold).
"""

import math

import torch

SPACE = {"torch": torch, "math": math}

TYPED = [
    (
        "4.1",
        "def f(parameters, dtype):\n size = {'fp32': 4, 'fp16': 2, 'bf16': 2, 'int8': 1, 'int4': 0.5}[dtype]\n return parameters * size / 1024**3",
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
    (
        "4.7",
        "def f(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):\n"
        " return layers * 2 * batch * heads * length * head_dim * bytes_per_number",
        "kv_heads",
    ),
    (
        "4.7",
        "def f(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):\n"
        " return layers * batch * kv_heads * length * head_dim * bytes_per_number",
        "two tensors",
    ),
    (
        "4.8",
        "def f(parameters, trainable, bytes_per_number=4):\n w = bytes_per_number\n"
        " return {'weights': parameters * w, 'gradients': trainable * w, 'optimizer': trainable * w}",
        "two numbers",
    ),
    (
        "4.8",
        "def f(parameters, trainable, bytes_per_number=4):\n w = bytes_per_number\n"
        " return {'weights': parameters * w, 'gradients': parameters * w, 'optimizer': parameters * w * 2}",
        "optimizer keeps nothing",
    ),
]
