# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: LLM Labs
#     language: python
#     name: llm-labs
# ---

# %% [markdown]
# # Lab 04. Quantization and memory math
#
# Will it fit? How fast can it go? Both questions come down to bytes, and bytes can be counted before anything is run. In this lab
# you predict gigabytes, then measure them; you take numbers apart bit by bit, squeeze a real model into 8 and 4 bits by hand, and
# see what that costs in quality and gains in speed.
#
# By the end you can
# - say how many GB a model takes in fp32, fp16, bf16, int8 and int4, scales included;
# - read a float's bits, and know where bf16 rounds and fp16 overflows;
# - write absmax and zero-point quantization, per tensor, row and block, and pack two 4-bit codes into a byte;
# - measure what quantization does to a real model, and find the outliers that break it;
# - predict training and inference memory term by term, and say what to do when it does not fit.
#
# Eight exercises, four quizzes; about an hour and a half if you do them all. `hint("4.1")` helps with exercise 4.1, and so on. If the next
# cell finds no `labutils`, choose *Kernel > Change Kernel > LLM Labs* and run it again.

# %%
from labutils import check, guard, hint, load_encoder, load_model, outcome, predict, progress, quiz, record, show, start

# %% [markdown]
# Here the lab looks at the machine it runs on.

# %% tags=["device"]
lab = start("04", seed=0)
assert lab.profile in ("smoke", "small", "standard", "gpu")

# %% [markdown]
# Where we are on the map: making a model small and fast enough to use.

# %%
import copy
import math

import torch

from labutils.course import BLUE, GREEN, GREY, ORANGE, VERMILION, new_figure, show_map, show_table

show_map("04")

# %% [markdown]
# ## 1. Bytes per parameter
#
# | format | bits | bytes a parameter |
# | --- | --- | --- |
# | fp32 | 32 | 4 |
# | fp16, bf16 | 16 | 2 |
# | int8 | 8 | 1, and a little for scales |
# | int4 | 4 | 0.5, and a little more for scales |
#
# A **GB** (gigabyte) is 10⁹ bytes. A **GiB** (gibibyte) is 2³⁰ = 1,073,741,824 bytes, seven per cent more. Files and model sizes
# are usually given in GB; memory comes in GiB, and many tools write "GB" and mean GiB. Always say which.
#
# **Exercise 4.1.** Write `gigabytes(parameters, dtype)`: GB of that many parameters in "fp32", "fp16", "bf16", "int8" or "int4",
# scales left aside.


# %% tags=["exercise"] exercise="4.1"
def gigabytes(parameters, dtype):
    """GB (10**9 bytes) that the parameters take in a format."""
    # how many bits is one parameter? how many bytes are all of them?
    return ...


gigabytes = check("4.1", gigabytes)


# %% tags=["solution"] exercise="4.1"
def gigabytes(parameters, dtype):
    """GB (10**9 bytes) that the parameters take in a format."""
    bits = {"fp32": 32, "fp16": 16, "bf16": 16, "int8": 8, "int4": 4}[dtype]
    return parameters * bits / 8 / 10**9


gigabytes = check("4.1", gigabytes)

# %% [markdown]
# **Predict:** one billion parameters in fp32, eight billion in fp32, 70 billion in int4. How many GB?

# %%
formats = ("fp32", "bf16", "int8", "int4")
zoo = {"135 M": 135 * 10**6, "1 B": 10**9, "8 B": 8 * 10**9, "70 B": 70 * 10**9}
rows = [(name, *(gigabytes(n, dtype) for dtype in formats)) for name, n in zoo.items()]
show_table(("parameters", *formats), rows, "GB of the weights alone")
assert gigabytes(10**9, "fp32") == 4 and gigabytes(8 * 10**9, "fp32") == 32

# %% [markdown]
# The rule to carry in your head: a billion parameters are 4 GB in fp32, so 8 B are 32 GB; halve it for 16 bits, and so on.

# %%
quiz("4.a")

# %% [markdown]
# ### The real model
#
# **Predict:** the course's model has about 135 million parameters, in fp32. How many GB, and how many GiB?

# %%
from labutils.machine import tensor_bytes
from labutils.quantization import dynamic_int8, parameter_count, quantize_model

model, tokenizer = load_model()
count, measured = parameter_count(model), tensor_bytes(model.parameters())
print(f"{count:,} parameters: {gigabytes(count, 'fp32'):.3f} GB predicted")
print(f"measured: {measured / 10**9:.3f} GB, which is {measured / 2**30:.3f} GiB")

# %% [markdown]
# Predicted to the byte, because nothing else is in there. (The output head has no weights of its own: it shares the embedding's
# matrix, which counts once. That is called *tying*.)

# %% [markdown]
# ## 2. What is in the bits
#
# A float has three fields: a **sign** bit, an **exponent** that says how large, and a **mantissa** that says exactly which number
# of that size.
#
# $$(-1)^{\text{sign}} \cdot 2^{\text{exponent} - \text{bias}} \cdot \left(1 + \frac{\text{mantissa}}{2^M}\right)$$
#
# $$\text{bias} = 2^{E-1} - 1$$
#
# with E exponent bits and M mantissa bits. The 1 before the fraction is not stored. One special case: with a stored exponent of 0
# the number is **subnormal**, the 1 disappears and the power of two is $2^{1-\text{bias}}$. That is how 0 is written, too. (An
# exponent of all ones means infinity or NaN; leave it aside.)
#
# **Exercise 4.2.** Write the value of the three fields, given as whole numbers.


# %% tags=["exercise"] exercise="4.2"
def float_value(sign, exponent, mantissa, exponent_bits, mantissa_bits):
    """The number (a float) that the three fields stand for."""
    bias = 2 ** (exponent_bits - 1) - 1
    # 1. the normal case, 2. the case exponent == 0
    return ...


float_value = check("4.2", float_value)


# %% tags=["solution"] exercise="4.2"
def float_value(sign, exponent, mantissa, exponent_bits, mantissa_bits):
    """The number (a float) that the three fields stand for."""
    bias = 2 ** (exponent_bits - 1) - 1
    hidden, power = (0, 1 - bias) if exponent == 0 else (1, exponent - bias)
    return (-1.0) ** sign * 2.0**power * (hidden + mantissa / 2**mantissa_bits)


float_value = check("4.2", float_value)

# %% [markdown]
# Take any number you like; change it and run the cells again. Does your formula find it in PyTorch's own 32 bits?

# %%
number = 0.1
text = f"{torch.tensor(number).view(torch.int32).item() % 2**32:032b}"  # the 32 bits
sign, exponent, mantissa = text[0], text[1:9], text[9:]
value = float_value(int(sign), int(exponent, 2), int(mantissa, 2), 8, 23)
print(sign, exponent, mantissa, "=", f"{value:.12g}")
assert value == torch.tensor(number).item()

# %% [markdown]
# Not exactly 0.1: a tenth has no finite expansion in binary, as a third has none in decimal. Now the formats side by side.
#
# | format | exponent bits | mantissa bits | largest | smallest with full precision | gap above 1 |
# | --- | --- | --- | --- | --- | --- |
# | fp32 | 8 | 23 | 3.4 · 10³⁸ | 1.2 · 10⁻³⁸ | 2⁻²³ |
# | fp16 | 5 | 10 | 65,504 | 6.1 · 10⁻⁵ | 2⁻¹⁰ |
# | bf16 | 8 | 7 | 3.4 · 10³⁸ | 1.2 · 10⁻³⁸ | 2⁻⁷ |
#
# **bf16** is the upper half of fp32: the same 8 exponent bits, hence the same range, at half the memory. It pays in precision.
# **fp16** spends its bits the other way: finer steps, but it ends at 65,504.
#
# **Predict** for each: what is left of 1 + 2⁻⁹ and of 257 in bf16? Of 65,504 and 70,000 in fp16?

# %%
rows = []
for x in (1 + 2**-9, 257.0, 65504.0, 70000.0, 1e-8):
    stored = torch.tensor(x)
    rows.append((x, stored.half().item(), stored.bfloat16().item()))
show_table(("number", "in fp16", "in bf16"), rows)
assert rows[1][2] == 256 and math.isinf(rows[3][1]) and rows[4][1] == 0

# %% [markdown]
# In bf16, 257 becomes 256: between 256 and 512 its steps are 2 wide. In fp16, 70,000 becomes infinity, and 10⁻⁸ becomes 0. A
# gradient of 10⁻⁸ is nothing unusual, so fp16 training needs a scaled loss; bf16 does not.
#
# Type a number, or pick one of the list, and see its bits. The slider sets the range that int8 has to cover: int8 has no exponent,
# only whole numbers from −127 to 127 times a **scale** that many numbers share.

# %% tags=["device"]
from labutils.quantization import explore_bits, store_in_each_format

explore_bits(number)
kept = {row.format: row.value for row in store_in_each_format(257.0, largest=512.0)}
assert kept["bf16"] == 256 and kept["fp16"] == kept["fp32"] == 257

# %% [markdown]
# How large is the relative error, for numbers of every size? We round ten thousand numbers from 10⁻⁸ to 10⁶ to each format.

# %%
sizes = torch.logspace(-8, 6, 10_000, dtype=torch.float64).float()
scale = 4.0 / 127  # int8 with a scale for numbers up to 4
rounded = {
    "fp16": sizes.half().float(),
    "bf16": sizes.bfloat16().float(),
    "int8, scale 4/127": (sizes / scale).round().clamp(-127, 127) * scale,
}
worst = {name: ((r - sizes).abs() / sizes).clamp(1e-9, 1) for name, r in rounded.items()}
figure, axes = new_figure("bf16 is coarse at every size; fp16 and int8 are good in a window")
for (name, error), colour in zip(worst.items(), (BLUE, ORANGE, VERMILION), strict=True):
    envelope = error.reshape(200, 50).amax(dim=1)
    axes.loglog(sizes.reshape(200, 50)[:, 25], envelope, color=colour, label=name)
axes.set(xlabel="size of the number", ylabel="largest relative error")
axes.legend(frameon=False)
show(
    figure,
    "Relative rounding error against the size of the number. bf16 is flat at about 0.4 per cent over the whole range. fp16 is flat "
    "eight times lower from 0.0001 to 65,504 and bad outside. int8 with a scale for numbers up to 4 is best just below 4; "
    "it loses everything below about 0.01, and more and more above 4.",
)

# %% [markdown]
# Precision bites when many small numbers are added to a large one. **Predict:** what do we get if we add 0.01 a thousand times in
# bf16?

# %%
dtypes = (torch.float32, torch.float16, torch.bfloat16)
total = {str(d): sum([torch.tensor(0.01, dtype=d)] * 1000).item() for d in dtypes}
print({name: round(value, 2) for name, value in total.items()})
assert total["torch.bfloat16"] < 5

# %% [markdown]
# It got stuck: once the sum is large enough, 0.01 is less than half a step, and adding it changes nothing. A weight that is updated
# in small steps fares the same. This is why training in 16 bits often keeps a "master" copy of the weights in fp32.

# %% [markdown]
# So why does everyone train in bf16?

# %%
quiz("4.b")

# %% [markdown]
# ## 3. Quantize by hand
#
# ### Absmax
#
# The simplest quantizer looks at the largest magnitude and lets it be 127:
#
# $$\text{scale} = \frac{\max |x|}{127}$$
#
# $$\text{code} = \text{round}\left(\frac{x}{\text{scale}}\right)$$
#
# $$\hat x = \text{scale} \cdot \text{code}$$
#
# One number at a time, on a toy:

# %%
from labutils.quantization import quantize, relative_error

toy = torch.tensor([0.904, -0.353, 0.026, 0.617, -1.27])
scale = toy.abs().max().item() / 127
for x in toy.tolist():
    code = round(x / scale)
    print(f"{x:6.3f} -> code {code:5d} -> {scale * code:8.4f}")

# %% [markdown]
# **Exercise 4.3.** All at once. Return the codes, a tensor of whole numbers, and the scale, a Python number (`.item()`).
# `torch.round` rounds to the nearest, and halves to the even neighbour.


# %% tags=["exercise"] exercise="4.3"
def absmax_quantize(x):
    """(codes, scale) of a tensor of any shape, in int8."""
    # 1. the scale that makes the largest magnitude 127
    # 2. return codes, scale
    return ...


absmax_quantize = check("4.3", absmax_quantize)


# %% tags=["solution"] exercise="4.3"
def absmax_quantize(x):
    """(codes, scale) of a tensor of any shape, in int8."""
    scale = x.abs().max().item() / 127
    return (x / scale).round(), scale


absmax_quantize = check("4.3", absmax_quantize)

# %% [markdown]
# How far off can a value be? Half a step at most: rounding to the nearest sees to that. A check on 100,000 numbers, and against the
# grown-up version in `labutils`.

# %%
generator = torch.Generator().manual_seed(4)
normal = torch.randn(100_000, generator=generator)
codes, scale = absmax_quantize(normal)
largest_miss = (normal - codes * scale).abs().max().item()
print("equal to labutils:", torch.equal(codes, quantize(normal).codes.float()))
assert largest_miss <= scale / 2 * 1.0001, "a value is off by more than half a step"

# %% [markdown]
# **Predict:** now one of the 100,000 numbers is 1,000. What becomes of the others?

# %%
spoiled = normal.clone()
spoiled[0] = 1000.0
codes, scale = absmax_quantize(spoiled)
zeros = (codes[1:] == 0).float().mean().item()
print(f"a step is now {scale:.2f}; {zeros:.1%} of the other numbers have become 0")
assert zeros > 0.99

# %% [markdown]
# One **outlier** has taken all the codes for itself. The rest of this lab, and much of the research on quantization, is about that
# one number.

# %% [markdown]
# ### Zero-point
#
# Absmax wastes half of its codes when all numbers have one sign. **Zero-point** (or affine) quantization lays the 256 codes 0 to
# 255 over the range that there is, and remembers on which code 0 falls:
#
# $$\text{scale} = \frac{\text{high} - \text{low}}{255}$$
#
# $$z = \text{round}\left(\frac{-\text{low}}{\text{scale}}\right)$$
#
# $$\text{code} = \text{round}\left(\frac{x}{\text{scale}}\right) + z$$
#
# $$\hat x = \text{scale} \cdot (\text{code} - z)$$
#
# `low` and `high` include 0, so that 0 (padding, masked values) is kept exactly.
#
# **Exercise 4.4.** Return codes (a tensor, clamped to 0 ... 255), scale (a number) and zero-point (an `int`).


# %% tags=["exercise"] exercise="4.4"
def zero_point_quantize(x):
    """(codes, scale, zero_point) of a tensor, in 8 bits without sign."""
    # 1. low and high, which include 0; 2. the scale; 3. the zero-point, by round(); 4. codes
    return ...


zero_point_quantize = check("4.4", zero_point_quantize)


# %% tags=["solution"] exercise="4.4"
def zero_point_quantize(x):
    """(codes, scale, zero_point) of a tensor, in 8 bits without sign."""
    low, high = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    scale = (high - low) / 255
    zero_point = round(-low / scale)
    return ((x / scale).round() + zero_point).clamp(0, 255), scale, zero_point


zero_point_quantize = check("4.4", zero_point_quantize)

# %% [markdown]
# **Predict:** on numbers that are never negative, how many times smaller is the error than with absmax?

# %%
one_sided = normal.abs()
codes, scale, zero_point = zero_point_quantize(one_sided)
affine = relative_error(one_sided, (codes - zero_point) * scale)
codes, scale = absmax_quantize(one_sided)
print(f"absmax error / zero-point error: {relative_error(one_sided, codes * scale) / affine:.1f}")

# %% [markdown]
# Half the range, the same number of codes (256 instead of 127): half the error. On weights, which are nearly symmetric, it gains
# little. And it is no help against an outlier.
#
# ### Per tensor, per row, per block
#
# What does help: give the outlier's neighbours a scale of their own. One scale for the whole matrix, one for each row (a row is one
# output *channel* of a linear layer), or one for each **block** of 64 values. Here is a matrix with one outlier.

# %%
matrix = torch.randn(64, 256, generator=generator)
matrix[5, 7] = 60.0
rows = []
for per in ("tensor", "channel", "block"):
    q = quantize(matrix, "absmax", per)
    rows.append((per, len(q.scale), relative_error(matrix, q.dequantize()), q.bits_per_parameter))
show_table(("one scale for each", "scales", "relative error", "bits a parameter"), rows)
assert rows[0][2] > rows[1][2] > rows[2][2]

# %% [markdown]
# The **relative error** is the length of the error over the length of the matrix: 0.01 means that one per cent is noise. Blocks
# confine the damage best, and their scales cost memory. How much?
#
# **Exercise 4.5.** Write the bytes of a quantized matrix: the codes, tightly packed, and a 4-byte scale for each block. Blocks start
# afresh in each row, and the last one of a row may be short.


# %% tags=["exercise"] exercise="4.5"
def quantized_bytes(rows, columns, bits, block):
    """Bytes (an int) of a rows x columns matrix in a few bits, with an fp32 scale for each block."""
    # `math.ceil` rounds up
    return ...


quantized_bytes = check("4.5", quantized_bytes)


# %% tags=["solution"] exercise="4.5"
def quantized_bytes(rows, columns, bits, block):
    """Bytes (an int) of a rows x columns matrix in a few bits, with an fp32 scale for each block."""
    blocks = rows * math.ceil(columns / block)
    return rows * columns * bits // 8 + blocks * 4


quantized_bytes = check("4.5", quantized_bytes)

# %% [markdown]
# **Predict:** "4-bit with blocks of 64". How many bits does a parameter really take?

# %%
rows = []
for block in (16, 32, 64, 128, 576):
    n_bytes = quantized_bytes(576, 576, 4, block)
    assert n_bytes == quantize(torch.ones(576, 576), "absmax", "block", block, 4).nbytes
    rows.append((block, n_bytes, 8 * n_bytes / 576**2))
show_table(("block", "bytes", "bits a parameter"), rows, "A 576 x 576 matrix in 4 bits")

# %% [markdown]
# At 64 it is 4.5 bits, not 4; at 16 the scales are a third of everything. "Int4" on a label leaves that out.
#
# ### Two codes in a byte
#
# A computer has no 4-bit numbers. Two codes from 0 to 15 share a byte: the first in the low four bits, the second in the high four,
# so that codes 3 and 10 make the byte 3 + 16 · 10 = 163.
#
# **Exercise 4.6.** Pack an even number of codes, a `uint8` tensor, into half as many bytes.


# %% tags=["exercise"] exercise="4.6"
def pack(codes):
    """Bytes (n/2,) uint8 of 4-bit codes (n,) uint8; neighbours share a byte."""
    return ...


pack = check("4.6", pack)


# %% tags=["solution"] exercise="4.6"
def pack(codes):
    """Bytes (n/2,) uint8 of 4-bit codes (n,) uint8; neighbours share a byte."""
    return (codes[0::2] + 16 * codes[1::2]).to(torch.uint8)


pack = check("4.6", pack)

# %% [markdown]
# Do they come back bit for bit?

# %%
from labutils.quantization import int4_levels, nf4_levels, quantize_4bit, unpack_codes

codes = torch.randint(0, 16, (1000,), generator=generator).to(torch.uint8)
packed = pack(codes)
print(
    codes.nbytes,
    "bytes become",
    packed.nbytes,
    "- and back:",
    torch.equal(unpack_codes(packed, 1000), codes),
)
assert torch.equal(unpack_codes(packed, 1000), codes) and packed.nbytes == 500

# %% [markdown]
# ### NF4: put the levels where the weights are
#
# Sixteen evenly spaced levels suit numbers that are evenly spread. Weights are not: most lie near 0. **NormalFloat4** (Dettmers et
# al. 2023, QLoRA) puts its levels at quantiles of the normal distribution, so that each is used about equally often. Eight quantiles,
# evenly spaced in probability, make the positive side, seven the negative, with an exact 0 between them:

# %%
from statistics import NormalDist

end = 1 - (1 / 30 + 1 / 32) / 2  # stops short of 1, whose quantile is infinite
positive = [NormalDist().inv_cdf(0.5 + (end - 0.5) * i / 8) for i in range(1, 9)]
negative = [-NormalDist().inv_cdf(0.5 + (end - 0.5) * i / 7) for i in range(7, 0, -1)]
levels = [level / positive[-1] for level in (*negative, 0.0, *positive)]
print([round(level, 3) for level in levels], "as in labutils:", levels == list(nf4_levels()))

# %% [markdown]
# These are the sixteen numbers that the paper prints. On real weights, how often is each level used?

# %%
weight = model.model.layers[10].mlp.up_proj.weight.detach().cpu()
used = {}
for scheme in ("int4", "nf4"):
    codes = unpack_codes(quantize_4bit(weight, scheme, double=False).packed, weight.shape[1])
    used[scheme] = codes.flatten().long().bincount(minlength=16) / weight.numel()
figure, axes = new_figure("NF4 spreads the weights over its levels more evenly", columns=2)
tables = {"int4": int4_levels(), "nf4": nf4_levels()}
for axis, (scheme, share) in zip(axes, used.items(), strict=True):
    axis.bar(tables[scheme], share, width=0.05, color=BLUE)
    axis.set(
        xlabel="level, in units of the block's largest",
        ylabel="share of the weights",
        title=scheme,
        ylim=(0, 0.2),
    )
show(
    figure,
    "Share of one layer's weights at each of 16 levels. int4: levels evenly spaced, the middle ones used most, the outer ones rarely. "
    "nf4: levels dense near 0 and sparse outside, used more evenly, but for"
    " the two ends, which few weights reach.",
)

# %% [markdown]
# Which of the two has the smaller error on this layer? And what does **double quantization** save, which keeps the scales
# themselves in 8 bits?

# %%
rows = []
for scheme, double in (("int4", False), ("nf4", False), ("nf4", True)):
    q = quantize_4bit(weight, scheme, 64, double)
    name = scheme + (", scales in 8 bits" if double else "")
    rows.append(
        (name, round(relative_error(weight, q.dequantize()), 4), round(q.bits_per_parameter, 3))
    )
show_table(
    ("scheme", "relative error", "bits a parameter"), rows, "layers.10.mlp.up_proj, blocks of 64"
)
assert rows[1][1] < rows[0][1] and abs(rows[2][1] - rows[1][1]) < 0.001

# %% [markdown]
# The scales shrink from 0.5 to 0.13 bits a parameter, at no visible loss.
#
# ## 4. What it does to the real model
#
# First the weights, all of them. **Predict:** which scheme has an error near 1 %, and which near 10 %?

# %%
linears = {
    name: layer.weight.detach()
    for name, layer in model.named_modules()
    if isinstance(layer, torch.nn.Linear) and name != "lm_head"
}
print(len(linears), "matrices,", sum(w.numel() for w in linears.values()), "weights")
schemes = {
    "int8, tensor": lambda w: quantize(w, per="tensor").dequantize(),
    "int8, row": lambda w: quantize(w, per="channel").dequantize(),
    "int8, block": lambda w: quantize(w, per="block").dequantize(),
    "nf4, block": lambda w: quantize_4bit(w, "nf4").dequantize(),
    "int4, block": lambda w: quantize_4bit(w, "int4").dequantize(),
    "int4, tensor": lambda w: quantize(w, per="tensor", bits=4).dequantize(),
    "2 bits, block": lambda w: quantize(w, per="block", bits=2).dequantize(),
}

# %% [markdown]
# `schemes` rounds a matrix and gives back what is left of it, in floating point: *simulated* quantization, to study the error without
# the packing. Here is the error of each on ten down projections, one of every third layer.

# %%
some = {name: linears[name] for name in list(linears)[6::21]}  # ten down projections
rows = []
for scheme, restore in schemes.items():
    errors = {name: relative_error(w, restore(w)) for name, w in some.items()}
    hardest = max(errors, key=errors.get)
    mean = sum(errors.values()) / len(errors)
    rows.append(
        (
            scheme,
            float(f"{mean:.2g}"),
            float(f"{errors[hardest]:.2g}"),
            hardest.removeprefix("model."),
        )
    )
show_table(
    ("scheme", "mean error", "largest", "where"), rows, "Relative error of the down projections"
)
assert rows[1][1] < rows[0][1] and rows[3][1] < rows[4][1] < rows[5][1]

# %% [markdown]
# An eighth bit is worth a lot: with a scale for each row, int8 is off by about one per cent, 4 bits in blocks by about ten. With a
# single scale for the matrix, 4 bits are hopeless.
#
# ### A surprise in these weights
#
# A block of 32 fp32 weights should hold 32 different numbers. **Predict:** how many do you expect here?

# %%
blocks = linears["model.layers.0.mlp.up_proj"].cpu().reshape(-1, 32)
distinct = max(len(set(row)) for row in blocks[:2000].tolist())
print("at most", distinct, "different numbers in a block of 32")
assert distinct == 16
low = blocks.amin(dim=1, keepdim=True)
step = (blocks.amax(dim=1, keepdim=True) - low) / 15
codes = ((blocks - low) / step.clamp(min=1e-12)).round()
back = low + step * codes
print(
    "relative error in the file's own 4 bits below one in a million:",
    relative_error(blocks, back) < 1e-6,
)
assert relative_error(blocks, back) < 1e-6

# %% [markdown]
# Sixteen: these weights have been in 4 bits before. The course's model is distributed as a 4-bit file (GGUF's Q4_1: blocks of 32,
# each with a smallest value and a step) and expanded to fp32 when you set up the labs. So a 4-bit quantizer that knew those blocks
# would lose nothing at all:
#
# Keep that in mind for what follows: we measure the loss of a *second* rounding, on a grid that does not match the first. It shows
# how the schemes compare. It does not show what 4 bits cost a model that was never rounded, and the original fp32 weights are not
# here to ask.

# %% [markdown]
# ### What the model loses
#
# Errors in weights are not the point; the text is. **Perplexity** is how unsure the model is of each next token of a text, as if it
# had to choose among that many equally likely ones: the exponential of the mean negative log-likelihood (in nats). The text is the
# course's own prose.

# %%
from labutils.course import load_prose

n_texts = lab.size(smoke=3, small=12, standard=16, gpu=64)
n_tokens = lab.size(smoke=64, small=128)
texts = [
    tokenizer(row["text"], return_tensors="pt").input_ids[:, :n_tokens] for row in load_prose()
]
texts = texts[:n_texts]


@torch.no_grad()
def surprise(model):
    """The mean negative log-likelihood of a token, in nats, for each text."""
    values = []
    for ids in texts:
        ids = ids.to(model.device)
        log_probs = model(ids).logits[0, :-1].log_softmax(-1)
        values.append(-log_probs.gather(-1, ids[0, 1:, None]).mean().item())
    return values


# %% [markdown]
# One working copy of the model takes each scheme's weights in turn, so that memory holds two models and not eight.
#
# **Predict:** which schemes can you hardly tell from the original, and which make the model useless?

# %% tags=["device"]
losses = {"original": surprise(model)}
with guard("4 A working copy of the model", need_gib=0.8):
    working = copy.deepcopy(model)
    for scheme, restore in schemes.items():
        for name, w in linears.items():
            working.get_submodule(name).weight.data.copy_(restore(w))
        losses[scheme] = surprise(working)
    del working
perplexity = {scheme: math.exp(sum(nats) / len(nats)) for scheme, nats in losses.items()}
print({scheme: float(f"{value:.4g}") for scheme, value in perplexity.items()})
record("perplexity by scheme", {scheme: round(value, 2) for scheme, value in perplexity.items()})
assert perplexity["int8, row"] < 1.03 * perplexity["original"] < perplexity["nf4, block"]
assert 10 * perplexity["nf4, block"] < perplexity["2 bits, block"]
if lab.profile != "smoke":  # three short texts do not tell NF4 from int4
    assert perplexity["nf4, block"] < perplexity["int4, block"]

# %% [markdown]
# Are the small differences real? Each text has a loss with the original and one with the quantized model. The **paired** interval
# (lab 06) looks at the difference text by text: how much easy and hard texts differ then cancels out.

# %% tags=["device"]
from labutils.evaluation import paired_bootstrap

rows = []
for scheme in schemes:
    found = paired_bootstrap(losses[scheme], losses["original"])
    low, high = math.exp(found.low), math.exp(found.high)
    sure = "worse" if low > 1 else "better" if high < 1 else "cannot tell"
    rows.append((scheme, perplexity[scheme], f"{low:.3g} to {high:.3g} times", sure))
show_table(("scheme", "perplexity", "of the original, 95 % interval", "against the original"), rows)
figure, axes = new_figure(
    "Eight bits are nearly free; four need blocks; two are too few", height=3.2
)
names = list(perplexity)
colours = [GREY, *[GREEN] * 3, *[BLUE] * 2, *[VERMILION] * 2]
axes.barh(names[::-1], [perplexity[name] for name in names[::-1]], color=colours[::-1])
axes.set(xlabel="perplexity (log scale; lower is better)", xscale="log")
show(
    figure,
    "Bars of perplexity on a log scale. The original and the three int8 schemes are about equal; nf4 and int4 in blocks "
    "are higher; int4 with one scale for each matrix and 2 bits are hundreds of times higher.",
)
assert rows[-1][3] == "worse" and perplexity["int4, tensor"] > 10 * perplexity["original"]

# %% [markdown]
# So int8 with a scale for each row or block is close to free. Four bits cost something; at NF4's levels less than at even ones, if there are
# texts enough to tell them apart.
# (Larger models lose less: they have more redundancy to lose.) A perplexity in the thousands means that the model guesses.
#
# ### Packed for real
#
# Simulated quantization saves nothing. `quantize_model` replaces each linear layer by one that keeps only packed codes and scales,
# and turns a few rows at a time back into numbers when it multiplies. The embedding stays in fp32.
#
# **Predict:** the 106 million weights in the linear layers at 4.127 bits, the embedding's 28 million at 32. How many GB?

# %%
inside = sum(w.numel() for w in linears.values())
predicted = (inside * 4.127 / 8 + (count - inside) * 4) / 10**9
packed_model = quantize_model(copy.deepcopy(model))
stored = tensor_bytes([*packed_model.parameters(), *packed_model.buffers()]) / 10**9
print(f"predicted {predicted:.3f} GB, measured {stored:.3f} GB, of {measured / 10**9:.3f} GB")
assert abs(predicted - stored) < 0.002

# %% [markdown]
# More than half of what is left is the embedding. In a large model it is a few per cent, and the whole comes near an eighth.
#
# Two weights share a byte now. Does the model have fewer parameters? Is its file as small? And does it compute what the simulated
# one did?

# %%
import io

halved = sum(tensor.numel() for tensor in [*packed_model.parameters(), *packed_model.buffers()])
print("parameters:", f"{parameter_count(packed_model):,};", "numbers stored:", f"{halved:,}")
assert parameter_count(packed_model) == count
file = io.BytesIO()
torch.save(
    {name: t for name, t in packed_model.state_dict().items() if name != "lm_head.weight"}, file
)
print(f"saved: {file.tell() / 10**9:.2f} GB")
assert abs(file.tell() / 10**9 - stored) < 0.01
del file
packed_losses = surprise(packed_model)
difference = max(abs(a - b) for a, b in zip(packed_losses, losses["nf4, block"], strict=True))
print("the same loss on every text, to three decimals:", difference < 1e-3)
assert difference < 1e-3

# %% [markdown]
# It has as many as ever, each with fewer bits. (Some tools count the stored numbers and report half; now you know why.)

# %% [markdown]
# ### Where the outliers live
#
# So far only weights were rounded. To *multiply* in int8, a layer's **input** has to be int8 as well. Let us look at those inputs:
# the largest magnitude and the median one, over all texts.
#
# **Predict:** the inputs are normalised before most layers. How many times larger than the median can the largest be?

# %% tags=["device"]
largest, typical = {}, {}


def watch(name):
    def hook(module, args):
        x = args[0].detach().abs()
        largest[name] = max(largest.get(name, 0.0), x.max().item())
        typical[name] = x.median().item()

    return hook


hooks = [model.get_submodule(name).register_forward_pre_hook(watch(name)) for name in linears]
surprise(model)
for hook in hooks:
    hook.remove()
worst_first = sorted(largest, key=largest.get, reverse=True)
rows = [(name.removeprefix("model."), largest[name], typical[name]) for name in worst_first[:6]]
show_table(("input of", "largest magnitude", "median"), rows)
record("largest activation", round(largest[worst_first[0]], 1))
assert (
    worst_first[0].endswith("down_proj")
    and largest[worst_first[0]] > 1000 * typical[worst_first[0]]
)

# %% [markdown]
# A few inputs of the **down projections** are thousands of times larger than the median. With one scale for
# all of the input, nearly everything else is rounded to 0, as in section 3. Such massive activations are known from many language
# models (Dettmers et al. 2022, LLM.int8(); Sun et al. 2024).
#
# PyTorch can run linear layers in int8, with the input rounded anew at each call ("dynamic" quantization, one scale for the whole
# input). We try it on all layers, and on all but the down projections.

# %% tags=["device"]
for name, skip in {"all but down_proj": ("down_proj",), "all layers": ()}.items():
    fast = None  # lets go of the last one before the next is loaded
    fast = dynamic_int8(load_model()[0].cpu(), skip)
    perplexity[name] = math.exp(sum(surprise(fast)) / n_texts)
    print(f"int8 weights and inputs, {name}: perplexity {perplexity[name]:.1f}")
record("perplexity, dynamic int8", [perplexity["all but down_proj"], perplexity["all layers"]])
assert perplexity["original"] < perplexity["all but down_proj"] < perplexity["all layers"]

# %% [markdown]
# The same bits in the weights; the damage comes from the inputs, and most of it from one kind of layer. Leaving that one dense is
# the simplest cure. Others keep a few columns in 16 bits (LLM.int8()), or move the outliers into the weights (SmoothQuant).

# %% [markdown]
# Why are activations so much harder than weights?

# %%
quiz("4.c")

# %% [markdown]
# ## 5. Fewer bytes, more speed
#
# To write one token, a model reads every weight once, and does two operations with it: a multiplication and an addition. A processor
# can do far more operations than it can fetch numbers. So **at batch one, speed is set by the memory's bandwidth**: how many bytes a
# second can be read. Let us measure that, with nothing but reading: sum a tensor of a quarter GiB.


# %% tags=["device"]
import time


def best_seconds(work, tries):
    """The shortest of several runs, in seconds: what the machine can do when nothing else wants it."""
    times = []
    for _ in range(tries):
        start_time = time.perf_counter()
        work()
        times.append(time.perf_counter() - start_time)
    return min(times)


block = torch.ones(2**26)  # 4 bytes each
bandwidth = block.nbytes / best_seconds(block.sum, 8)
del block
print(f"reading at {bandwidth / 10**9:.1f} GB/s")
record("memory bandwidth in GB/s", round(bandwidth / 10**9, 1))
assert bandwidth > 0

# %% [markdown]
# Dividing by the bytes a token takes gives a ceiling: no program that reads all weights for each token can be faster. (This section
# runs on the CPU, also where there is a GPU.)
#
# Bytes a token: all weights, the tied head included. In int8 each is one byte. In 4 bits the head stays in fp32.
#
# **Predict:** four times fewer bytes. Is int8 four times as fast? And the 4-bit model?

# %%
bytes_a_token = {
    "fp32": count * 4,
    "int8": count * 1,
    "nf4, unpacked each time": round(inside * 4.127 / 8) + (count - inside) * 4,
}
print({name: f"{n / 10**9:.3f} GB" for name, n in bytes_a_token.items()})


@torch.no_grad()
def tokens_per_second(net, steps):
    """The rate of greedy decoding at batch one, with a key-value cache; the best step counts."""
    out = net(
        tokenizer("The sea was calm that day,", return_tensors="pt").input_ids, use_cache=True
    )

    def step():
        nonlocal out
        chosen = out.logits[:, -1:].argmax(-1)
        out = net(chosen, past_key_values=out.past_key_values, use_cache=True)

    return 1 / best_seconds(step, steps)


# %% [markdown]
# Measured: three models, one prompt, greedy decoding one token at a time.

# %% tags=["device"]
steps = lab.size(smoke=3, small=10, standard=20)
dense = model if lab.device == "cpu" else load_model()[0].cpu()
nets = (dense, fast, packed_model.cpu())
ceilings = {name: bandwidth / n for name, n in bytes_a_token.items()}
rates = {name: tokens_per_second(net, steps) for name, net in zip(ceilings, nets, strict=True)}
del nets, dense, fast, packed_model
rows = [(name, bytes_a_token[name] / 10**9, ceilings[name], rates[name]) for name in rates]
show_table(("weights", "GB a token", "ceiling, tokens/s", "measured, tokens/s"), rows)
record("tokens per second", {name: round(rate, 2) for name, rate in rates.items()})
assert all(rate > 0 for rate in rates.values())
print({name: f"{rate / rates['fp32']:.2f} times fp32" for name, rate in rates.items()})
figure, axes = new_figure(
    "Bytes set the ceiling; how near one comes depends on the kernel", height=2.6
)
axes.barh(list(ceilings), list(ceilings.values()), color=GREY, alpha=0.4, label="ceiling")
axes.barh(list(rates), list(rates.values()), height=0.4, color=BLUE, label="measured")
axes.invert_yaxis()
axes.set(xlabel="tokens a second")
axes.legend(frameon=False)
show(
    figure,
    "For fp32, int8 and nf4, the ceiling of tokens a second that the memory's bandwidth sets, as a wide grey bar, and the measured rate, "
    "as a narrow blue one. nf4 stays far below its ceiling.",
)

# %% [markdown]
# Two lessons. **int8** gains because a kernel exists that multiplies int8 directly; it comes short of a factor of four because norms,
# attention and Python take their time as well, and a processor without int8 instructions may gain nothing. Our **4-bit** layer reads
# few bytes but has to unpack them, step by step, before each multiplication: it saves *memory*, not time. Fused kernels (llama.cpp,
# bitsandbytes on a GPU) unpack in registers, and then 4 bits are faster, too.
#
# With a large *batch* the weights are read once for many tokens. Then arithmetic is the limit, and fewer bytes help much less.

# %% [markdown]
# ## 6. The memory ledger
#
# ### While it writes: the key-value cache
#
# So that it need not compute the whole text again for each token, a model keeps the **key** and the **value** of every token, in each
# layer. Modern models share one key and value among several query heads (*grouped-query attention*). Ours has 9 query heads and 3
# key-value heads of 64 numbers.
#
# **Exercise 4.7.** Write the bytes of the cache. Careful: one of the arguments is not needed.


# %% tags=["exercise"] exercise="4.7"
def kv_cache_bytes(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):
    """Bytes (an int) of keys and values of `length` tokens, for `batch` sequences."""
    return ...


kv_cache_bytes = check("4.7", kv_cache_bytes)


# %% tags=["solution"] exercise="4.7"
def kv_cache_bytes(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):
    """Bytes (an int) of keys and values of `length` tokens, for `batch` sequences."""
    return 2 * layers * kv_heads * head_dim * length * batch * bytes_per_number


kv_cache_bytes = check("4.7", kv_cache_bytes)

# %% [markdown]
# **Predict**, then look into the real cache after a text of 40 tokens. The table shows a larger model: Llama 3 8B has 32 layers, 32
# query heads, 8 key-value heads of 128 numbers, here in 16 bits.

# %%
with torch.no_grad():
    out = model(texts[0][:, :40].to(model.device), use_cache=True)
held = tensor_bytes(t for layer in out.past_key_values.layers for t in (layer.keys, layer.values))
predicted = kv_cache_bytes(30, 9, 3, 64, 40)
print(f"predicted {predicted:,} bytes, measured {held:,}")
assert held == predicted
del out
rows = []
for length in (1_000, 8_000, 128_000):
    shared = kv_cache_bytes(32, 32, 8, 128, length, 1, 2) / 2**30
    rows.append(
        (length, shared, kv_cache_bytes(32, 32, 32, 128, length, 1, 2) / 2**30, 16 * shared)
    )
header = ("tokens", "one sequence", "if every head had its own", "16 sequences")
show_table(header, rows, "Key-value cache of an 8 B model, GiB")

# %% [markdown]
# The weights are 16 GB (14.9 GiB) in 16 bits. At 128,000 tokens a single sequence's cache is larger than all of them. Grouped heads
# cut it by four here; int8 caches halve it again.

# %% [markdown]
# ### While it learns
#
# Training holds more:
#
# - **weights**, all of them, trained or not;
# - **gradients**, one number for each *trained* weight;
# - **optimizer state**: AdamW keeps two running means for each trained weight, of the gradient and of its square;
# - **activations**: what the forward pass keeps for the backward pass. They grow with batch times length.
#
# **Exercise 4.8.** The first three terms, in bytes, as a dictionary with the keys "weights", "gradients" and "optimizer".


# %% tags=["exercise"] exercise="4.8"
def training_bytes(parameters, trainable, bytes_per_number=4):
    """{"weights", "gradients", "optimizer"}: bytes (ints) for training `trainable` of the parameters with AdamW."""
    return ...


training_bytes = check("4.8", training_bytes)


# %% tags=["solution"] exercise="4.8"
def training_bytes(parameters, trainable, bytes_per_number=4):
    """{"weights", "gradients", "optimizer"}: bytes (ints) for training `trainable` of the parameters with AdamW."""
    trained = trainable * bytes_per_number
    weights = parameters * bytes_per_number
    return {"weights": weights, "gradients": trained, "optimizer": 2 * trained}


training_bytes = check("4.8", training_bytes)

# %% [markdown]
# **Predict:** full fine-tuning of 8 B parameters in fp32. How many GB, before the first activation?

# %%
big = 8 * 10**9
cases = {"135 M, full": (count, count), "8 B, full": (big, big), "8 B, LoRA": (big, 2 * 10**7)}
rows = []
for name, case in cases.items():
    rows.append((name, *(n_bytes / 10**9 for n_bytes in training_bytes(*case).values())))
show_table(("plan", "weights", "gradients", "optimizer"), rows, "fp32, GB (10⁹ bytes)")

# %% [markdown]
# **Sixteen bytes for each parameter** when all are trained in fp32: 4 + 4 + 8. (Mixed precision comes to sixteen as well: 2 + 2 for
# 16-bit weights and gradients, 4 for the fp32 master copy, 8 for Adam.) LoRA (lab 05) trains a small addition and freezes the rest.
#
# Activations are harder: every operation keeps something, and some keep much. `labutils.memory` has the list, with a formula for each
# term. To check it against a real step we take a small sister of the course's model: the same sizes, 4 layers instead of 30, random
# weights. (Memory does not depend on what the weights are.)

# %%
from labutils import machine
from labutils.memory import Shape, TrainingSetup, fits, predict_inference, predict_training, shard

config = copy.deepcopy(model.config)
config.num_hidden_layers = 4
length = lab.size(smoke=128, small=256, standard=512)


def sister():
    torch.manual_seed(0)
    return type(model)(config).to(model.device).train()


shape = Shape.of(config)
print(f"{shape.layers} layers, {shape.parameters:,} parameters")
assert shape.parameters == parameter_count(sister())

# %% [markdown]
# `step_bytes` trains one step to bring the optimizer's state into being, then measures the second: the largest sum of all tensors
# that were alive at one time.


# %%
def step_bytes(net, length):
    """(peak bytes of the second training step, its seconds) at batch one."""
    trained = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5)
    ids = torch.randint(0, 1000, (1, length), generator=generator).to(net.device)

    def step():
        net(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    states = [t for state in optimizer.state.values() for t in state.values() if torch.is_tensor(t)]
    start_time = time.perf_counter()
    with machine.measure([*net.parameters(), *net.buffers(), *states]) as found:
        step()
    return found.total_allocated, time.perf_counter() - start_time


# %% [markdown]
# **Predict:** which term is the largest?

# %% tags=["device"]
full = predict_training(shape, TrainingSetup(1, length, device=lab.device))
rows = [
    (term.name, term.n_bytes / 2**20, full.at_peak.get(term.name, 0) / 2**20, term.formula)
    for term in full.terms
]
show_table(
    ("term", "in full, MiB", "held at the peak, MiB", "formula"),
    rows,
    f"Predicted: full fine-tuning, {length} tokens",
)
assert full["optimizer"].n_bytes == 2 * full["gradients"].n_bytes == 2 * full["weights"].n_bytes
with guard("6 A full training step", need_gib=1.2 * full.gib):
    seen, plain_seconds = step_bytes(sister(), length)
print(
    f"predicted {full.total / 2**20:.0f} MiB, measured {seen / 2**20:.0f} MiB, off by {seen / full.total - 1:+.1%}"
)
record("full step, measured over predicted", round(seen / full.total, 3))
assert 0.8 < seen / full.total < 1.25

# %% [markdown]
# As a picture: each term of the predicted peak on top of the one before, then the two sums.

# %% tags=["device"]
figure, axes = new_figure("A training step, term by term, predicted beside measured", height=3.2)
bottom = 0.0
for term, n_bytes in full.at_peak.items():
    axes.bar(term, n_bytes / 2**20, bottom=bottom, color=BLUE)
    bottom += n_bytes / 2**20
axes.bar("predicted peak", bottom, color=GREY)
axes.bar("measured peak", seen / 2**20, color=ORANGE)
axes.tick_params(axis="x", rotation=30)
axes.set(ylabel="MiB")
show(
    figure,
    "A waterfall: each term of the predicted peak stands on the one before; the two bars at the right, predicted and measured, "
    "are about equally high.",
)
assert abs(bottom - full.total / 2**20) < 1

# %% [markdown]
# What is left over is scratch memory that comes and goes within an operation, and rounding up by the allocator. A process's resident
# set is larger still: Python, PyTorch and its kernels take their share before the first tensor exists.
#
# ### Why LoRA saves less than people expect
#
# LoRA trains a few parameters in a hundred. "So it needs a hundredth of the memory"? The ledger says which terms shrink.
#
# **Predict:** for the course's real model, the share that LoRA saves with 64 tokens, and with 4,096.

# %%
real = Shape.of(model.config)
rows = []
for tokens in (64, 256, 1024, 4096):
    whole = predict_training(real, TrainingSetup(1, tokens))
    lora = predict_training(real, TrainingSetup(1, tokens, method="lora", lora_rank=16))
    kept = lora["activations"].n_bytes + lora["logits"].n_bytes
    rows.append(
        (
            tokens,
            round(whole.gib, 2),
            round(lora.gib, 2),
            f"{1 - lora.total / whole.total:.0%}",
            f"{kept / lora.sum:.0%}",
        )
    )
header = ("tokens", "full, GiB", "LoRA, GiB", "saved", "activations and logits in LoRA")
show_table(header, rows, "Predicted training memory, 135 M parameters, batch 1")
assert rows[0][2] < rows[0][1] and rows[-1][2] > 0.5 * rows[-1][1]

# %% [markdown]
# With short texts gradients and optimizer state rule, and LoRA does away with them. With long ones activations rule, and LoRA keeps
# nearly all of those: to train the adapter in the first layer, the gradient has to travel back through every layer above it. It can
# even keep *more*, for the adapters' own inputs. Measured on the sister model:

# %% tags=["device"]
import warnings

from peft import LoraConfig, get_peft_model

rows = []
for tokens in (32, length):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a notice of peft to its own authors
        adapted = get_peft_model(sister(), LoraConfig(r=16, target_modules="all-linear"))
    lora = predict_training(shape, TrainingSetup(1, tokens, method="lora", lora_rank=16, device=lab.device))
    lora_seen, _ = step_bytes(adapted, tokens)
    full_seen = seen if tokens == length else step_bytes(sister(), tokens)[0]
    del adapted
    rows.append(
        (
            tokens,
            full_seen / 2**20,
            lora_seen / 2**20,
            lora.total / 2**20,
            f"{1 - lora_seen / full_seen:.0%}",
        )
    )
header = ("tokens", "full, measured", "LoRA, measured", "LoRA, predicted", "saved, measured")
show_table(header, rows, "Peak of a training step, MiB")
assert all(0.75 < row[2] / row[3] < 1.3 for row in rows) and rows[0][2] < rows[0][1]

# %% [markdown]
# ### Checkpointing: time for memory
#
# **Activation checkpointing** keeps only the input of each layer and computes the rest again in the backward pass. **Predict:** what
# does it cost in time?

# %% tags=["device"]
economical = sister()
economical.gradient_checkpointing_enable({"use_reentrant": False})
less = predict_training(shape, TrainingSetup(1, length, checkpointing=True, device=lab.device))
less_seen, slow_seconds = step_bytes(economical, length)
rows = [
    ("plain", full.total / 2**20, seen / 2**20, plain_seconds),
    ("checkpointing", less.total / 2**20, less_seen / 2**20, slow_seconds),
]
for name, on in (("real model, 4 x 1,024 tokens", False), ("the same, checkpointing", True)):
    rows.append((name, predict_training(real, TrainingSetup(4, 1024, checkpointing=on)).total / 2**20, "", ""))
show_table(
    ("", "predicted, MiB", "measured, MiB", "seconds"),
    rows,
    f"A full training step of {length} tokens",
)
del economical
assert less_seen <= seen and 0.75 < less_seen / less.total < 1.3

# %% [markdown]
# One more forward pass, so about a third more work: forward counts one, backward two. (One measured step is a rough figure.) Where the
# two peaks of the sister are equal, the peak was not in the activations but in the optimizer's step, and checkpointing cannot help.
# Short texts are like that. The real model with larger batches has much to gain.

# %% [markdown]
# ## 7. Does it fit?
#
# The same formulas for any model, without loading it: a configuration is enough. An 8 B model of Llama 3's sizes, as an example.
#
# **Predict** for each plan the smallest card that will do: 4, 16, 24 or 80 GiB.

# %%
from transformers import LlamaConfig

sizes_8b = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
}
llama = Shape.of(
    LlamaConfig(**sizes_8b, num_key_value_heads=8, vocab_size=128_256, max_position_embeddings=8192)
)
plans = {
    "write, bf16": predict_inference(llama, 1, 2048, dtype="bfloat16"),
    "write, nf4": predict_inference(llama, 1, 2048, dtype="bfloat16", weights="nf4 double"),
    "train all, mixed": predict_training(llama, TrainingSetup(1, 2048, dtype="mixed")),
    "LoRA, bf16": predict_training(llama, TrainingSetup(1, 2048, method="lora", dtype="bfloat16")),
    "QLoRA, checkpointing": predict_training(
        llama, TrainingSetup(1, 2048, method="lora", dtype="bfloat16", weights="nf4 double", checkpointing=True)
    ),
}
cards = (4, 16, 24, 80)
rows = []
for name, plan in plans.items():
    marks = ["fits" if fits(plan, card * 2**30) else "-" for card in cards]
    rows.append((name, round(plan.gib, 1), *marks))
show_table(
    ("plan", "needs, GiB", *(f"{card} GiB" for card in cards)),
    rows,
    f"{llama.parameters / 10**9:.1f} B parameters, 2,048 tokens",
)
assert not fits(plans["train all, mixed"], 80 * 2**30) and fits(
    plans["QLoRA, checkpointing"], 24 * 2**30
)

# %% [markdown]
# Now with your own sizes, and against the machine you are on. Type a number and press Enter, or choose from a list.

# %% tags=["device"]
from labutils.memory import Scenario, explore_memory, memory_view

explore_memory(Scenario())
everything, adapters = (memory_view(Scenario(task=task)) for task in ("train all weights", "LoRA"))
assert everything.ledger.total > adapters.ledger.total

# %% [markdown]
# ### Several GPUs, on paper
#
# **DDP** (data parallel) gives each GPU a full copy and a share of the batch: faster, not smaller. **ZeRO** and **FSDP** also split
# what every copy holds: stage 1 the optimizer state, stage 2 the gradients too, stage 3 (and FSDP) the weights as well.

# %%
plan, rows = plans["train all, mixed"], []
for scheme in ("ddp", "zero1", "zero2", "zero3"):
    rows.append((scheme, *(round(shard(plan, n, scheme).gib, 1) for n in (1, 2, 8))))
header = ("scheme", "1 GPU", "2 GPUs", "8 GPUs")
show_table(header, rows, "GiB on each GPU: 8 B parameters, all trained, mixed precision")
assert shard(plan, 8, "ddp").total == plan.total > shard(plan, 8, "zero3").total

# %% [markdown]
# Activations stay where they are: each GPU has its own part of the batch. The price of splitting is traffic between the GPUs, which
# no formula here counts.
#
# ### Out of memory: what to try, in this order
#
# 1. **A smaller batch**, or shorter texts; accumulate gradients to keep the effective batch. Costs time, nothing else.
# 2. **Checkpoint activations** if the texts are long. Costs about a third more time.
# 3. **LoRA** if gradients and optimizer are the large terms. Trains less; often just as good (lab 05).
# 4. **Quantize** the frozen weights (QLoRA: 4 bits), or, to write only, weights and cache. Costs some quality: measure it.
# 5. **Shard** over several GPUs. Costs GPUs.
#
# Look at the ledger first: only the largest term is worth an effort.

# %% [markdown]
# One more question on step 3.

# %%
quiz("4.d")

# %% [markdown]
# ### Quantization is not a scaling law
#
# `!` Course notes sometimes list quantization among the "scaling laws", and one hears that "a model at half the bits is a model of
# half the size". A **scaling law** is a measured relation between the loss and the parameters, data and compute of *training*.
# Quantization changes how a finished number is stored; the parameters stay as many (section 4 counted them), and so does the number
# of operations. The confusion has a reason: both are chosen under a budget of memory and compute, they are taught in one lecture, and
# there are studies of how the loss grows as bits shrink (Dettmers and Zettlemoyer 2023; Kumar et al. 2024), which *are* scaling laws
# about quantization. The technique itself is none.

# %%
for bits in (32, 8, 4):
    n_bytes = count * bits / 8
    operations = 2 * count  # a multiplication and an addition a weight
    print(
        f"{bits:2d} bits: {count:,} parameters, {operations:,} operations a token, {n_bytes / 10**9:.2f} GB"
    )

# %% [markdown]
# Parameters and operations stay; only the bytes change.

# %% [markdown]
# ## 8. What a sceptic would say
#
# - *"Your model had been in 4 bits before."* Yes, and section 4 shows it. The losses here are those of a second rounding. What
#   carries over is the order of the schemes and where the outliers sit.
# - *"A 135 M model is not what I use."* Larger models lose less at 4 bits, and their activations have worse outliers. Memory formulas
#   are the same; put your model's sizes in.
# - *"Round to nearest is naive."* It is the baseline. GPTQ and AWQ choose the rounding with a look at the inputs, and lose less.
# - *"Perplexity is not what users see."* True: it is sensitive and cheap. Labs 03 and 06 measure tasks.
# - *"So few texts?"* Enough to tell NF4 from the original. What they cannot tell, the intervals say.

# %% [markdown]
# ## Where you stand

# %% tags=["device"]
progress("04")
assert parameter_count(model) == count
