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
# Will it fit? The answer comes down to bytes, and bytes can be counted before anything runs. In this lab you take numbers apart bit
# by bit, squeeze a real model into 8 and 4 bits by hand, find the few numbers that break it, and predict what training takes, term
# by term, before you measure it.
#
# By the end you can
# - say how many GB a model takes in fp32, fp16, bf16, int8 and int4, scales included;
# - read a float's bits, and know where bf16 rounds and fp16 overflows;
# - write absmax and zero-point quantization, per tensor, row and block, and pack two 4-bit codes into a byte;
# - measure what quantization does to a real model, find the outlier that breaks int8 inputs, and cure it;
# - predict training and inference memory term by term, and say what to change when it does not fit.
#
# The core path has nine exercises and four quizzes and takes about 90 minutes. *Going further*, at the end, is optional.
# `hint("4.1")` helps with exercise 4.1, and so on. If the next cell finds no `labutils`, choose *Kernel > Change Kernel > LLM
# Labs* and run it again.

# %%
from labutils import check, guard, hint, load_encoder, load_model, outcome, predict, progress, quiz, record, show, start

# %% tags=["device"]
lab = start("04", seed=0)

import copy
import math

import torch
import torch.nn.functional as F

from labutils.course import BLUE, GREY, ORANGE, VERMILION, load_prose, new_figure, show_map, show_table
from labutils.machine import tensor_bytes

show_map("04")
assert lab.profile in ("smoke", "small", "standard", "gpu")

# %% [markdown]
# ## 1. Bytes per parameter
#
# | format | bits | bytes per parameter |
# | --- | --- | --- |
# | fp32 | 32 | 4 |
# | fp16, bf16 | 16 | 2 |
# | int8 | 8 | 1, and a little for scales |
# | int4 | 4 | 0.5, and a little more for scales |
#
# A **GB** (gigabyte) is 10⁹ bytes. A **GiB** (gibibyte) is 2³⁰ = 1,073,741,824 bytes, 7 % more. Files and model sizes are usually
# given in GB. Memory comes in GiB, and many tools write "GB" and mean GiB. Always say which.
#
# **Exercise 4.1.** Write `gigabytes(parameters, dtype)`, the GB of that many parameters in "fp32", "fp16", "bf16", "int8" or
# "int4". Leave scales aside for now.


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
# Here are three sizes of model and the course's own, counted; the course's own is measured as well. Its output head has no weights of its
# own: it uses the embedding's matrix, which therefore counts once. That is called *tying*.

# %%
model, tokenizer = load_model(needs="blocks")
model.requires_grad_(False)
count = sum(p.numel() for p in model.parameters())
formats = ("fp32", "bf16", "int8", "int4")
zoo = {"the course's model": count, "1 B": 10**9, "8 B": 8 * 10**9, "70 B": 70 * 10**9}
show_table(
    ("parameters", *formats), [(name, *(gigabytes(n, dtype) for dtype in formats)) for name, n in zoo.items()], "GB of the weights alone"
)
measured = tensor_bytes(model.parameters())
print(f"the course's model: {count:,} parameters, measured {measured:,} bytes = {measured / 10**9:.3f} GB = {measured / 2**30:.3f} GiB")
assert measured == round(gigabytes(count, "fp32") * 10**9)

# %%
quiz("4.a")

# %% [markdown]
# The rule to remember is that a billion parameters are 4 GB in fp32, so 8 billion are 32 GB. Halve that for 16 bits, and again for 8.
#
# ## 2. What is in the bits
#
# A float has three fields: a **sign** bit, an **exponent** that says how large the number is, and a **mantissa** that says which
# number of that size it is.
#
# $$(-1)^{\text{sign}} \cdot 2^{\text{exponent} - \text{bias}} \cdot \left(1 + \frac{\text{mantissa}}{2^M}\right)$$
#
# $$\text{bias} = 2^{E-1} - 1$$
#
# Here E is the number of exponent bits and M the number of mantissa bits. The 1 before the fraction is not stored. There is one
# special case. With a stored exponent of 0 the number is **subnormal**: the 1 disappears and the power of two is
# $2^{1-\text{bias}}$. Zero itself is written that way. (An exponent of all ones means infinity or NaN. Leave it aside.)
#
# **Exercise 4.2.** Write the value of the three fields, which are given as whole numbers.


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

# %%
number = 0.1  # try it: any number you like. Does your formula find it in PyTorch's own 32 bits?
text = f"{torch.tensor(float(number)).view(torch.int32).item() % 2**32:032b}"  # the 32 bits
sign, exponent, mantissa = text[0], text[1:9], text[9:]
value = float_value(int(sign), int(exponent, 2), int(mantissa, 2), 8, 23)
print(sign, exponent, mantissa, "=", f"{value:.12g}")
assert value == torch.tensor(float(number)).item()

# %% [markdown]
# The value is close to 0.1 and not equal to it. A tenth has no finite expansion in binary, as a third has none in decimal.
#
# | format | exponent bits | mantissa bits | largest | smallest with full precision | gap above 1 |
# | --- | --- | --- | --- | --- | --- |
# | fp32 | 8 | 23 | 3.4 · 10³⁸ | 1.2 · 10⁻³⁸ | 2⁻²³ |
# | fp16 | 5 | 10 | 65,504 | 6.1 · 10⁻⁵ | 2⁻¹⁰ |
# | bf16 | 8 | 7 | 3.4 · 10³⁸ | 1.2 · 10⁻³⁸ | 2⁻⁷ |
#
# **bf16** is the upper half of fp32. It has the same 8 exponent bits, hence the same range, at half the memory, and pays for it in
# precision. **fp16** spends its bits the other way. Its steps are finer, but it ends at 65,504.

# %%
predict("4.p1")

# %%
rows = []
for x in (1 + 2**-9, 257.0, 65504.0, 70000.0, 1e-8):
    stored = torch.tensor(x)
    rows.append([f"{value:,.10g}" for value in (x, stored.half().item(), stored.bfloat16().item())])
show_table(("number", "in fp16", "in bf16"), rows)
added = {dtype: sum([torch.tensor(0.01, dtype=dtype)] * 1000).item() for dtype in (torch.float32, torch.float16, torch.bfloat16)}
print("0.01 added a thousand times:", {str(dtype): round(total, 2) for dtype, total in added.items()})
outcome("4.p1", "256" if torch.tensor(257.0).bfloat16() == 256 else "257")

# %% [markdown]
# Between 256 and 512 the steps of bf16 are 2 wide, so 257 lies halfway between 256 and 258, and a tie goes to the neighbour whose last
# mantissa bit is 0: 256. In fp16, 70,000 becomes infinity and 10⁻⁸ becomes 0.
# Gradients of 10⁻⁸ are common, so training in fp16 needs a scaled loss. Training in bf16 does not.
#
# The last line shows where precision matters. Once the sum in bf16 is large enough, 0.01 is less than half a step, and adding it
# changes nothing. A weight that is updated in small steps suffers the same fate. This is why training in 16 bits often keeps a
# "master" copy of the weights in fp32.
# (*Going further* has an explorer of the bits, and a chart of the error at every size.)

# %%
quiz("4.b")

# %% [markdown]
# ## 3. Quantize by hand
#
# ### Absmax
#
# The simplest quantizer finds the largest magnitude and lets it be 127:
#
# $$\text{scale} = \frac{\max |x|}{127}$$
#
# $$\text{code} = \text{round}\left(\frac{x}{\text{scale}}\right)$$
#
# $$\hat x = \text{scale} \cdot \text{code}$$
#
# With 0.904, −0.353 and −1.27, the scale is 1.27 / 127 = 0.01. The codes are 90, −35 and −127, and 0.904 comes back as 0.90.
#
# **Exercise 4.3.** Return the codes, which are whole numbers in x's own type (the cells below compute with them),
# and the scale, a Python number (`.item()`). `torch.round` rounds to the nearest, and halves to the even neighbour.


# %% tags=["exercise"] exercise="4.3"
def absmax_quantize(x):
    """(codes, scale): whole numbers from -127 to 127 in x's own type and shape, and a Python number."""
    # 1. the scale that makes the largest magnitude 127
    # 2. return codes, scale
    return ...


absmax_quantize = check("4.3", absmax_quantize)


# %% tags=["solution"] exercise="4.3"
def absmax_quantize(x):
    """(codes, scale): whole numbers from -127 to 127 in x's own type and shape, and a Python number."""
    scale = x.abs().max().item() / 127
    return (x / scale).round(), scale


absmax_quantize = check("4.3", absmax_quantize)

# %% [markdown]
# A value is off by half a step at most, because codes are rounded to the nearest. We check that on 100,000 normally distributed
# numbers, and compare with the library's version. Then we set one of the numbers to 1,000.

# %%
predict("4.p2")

# %%
from labutils.quantization import quantize, relative_error

generator = torch.Generator().manual_seed(4)
normal = torch.randn(100_000, generator=generator)
codes, scale = absmax_quantize(normal)
print(f"largest error {(normal - codes * scale).abs().max():.5f}, half a step {scale / 2:.5f}")
print("codes equal to the library's:", torch.equal(codes, quantize(normal).codes.float()))
spoiled = normal.clone()
spoiled[0] = 1000.0
codes, scale = absmax_quantize(spoiled)
zeros = (codes[1:] == 0).float().mean().item()
print(f"with the outlier a step is {scale:.2f} wide, and {zeros:.1%} of the other numbers have become 0")
outcome("4.p2", round(100 * zeros, 1))

# %% [markdown]
# One **outlier** has taken all the codes for itself. Much of the research on quantization, and section 4 of this lab, is about such
# numbers.
#
# ### Zero-point
#
# Absmax wastes half of its codes when all numbers have one sign. **Zero-point** (or affine) quantization lays the 256 codes 0 to 255
# over the range that there is, and remembers on which code 0 falls:
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
# The cell after the exercise tries both on numbers that are never negative. The **relative error** is the norm of the error divided by
# the norm of the tensor, so 0.01 means 1 %. It then tries another remedy on a matrix with an outlier. One scale serves the whole
# matrix, or each row (an output *channel* of a linear layer), or each **block** of 64 values.
#
# **Exercise 4.4.** Return the codes (whole numbers in x's own type, clamped to 0 … 255), the scale (a number) and the zero-point (an
# `int`).


# %% tags=["exercise"] exercise="4.4"
def zero_point_quantize(x):
    """(codes, scale, zero_point): whole numbers from 0 to 255 in x's own type and shape, a Python number, an int."""
    # 1. low and high, which include 0; 2. the scale; 3. the zero-point, by round(); 4. codes
    return ...


zero_point_quantize = check("4.4", zero_point_quantize)


# %% tags=["solution"] exercise="4.4"
def zero_point_quantize(x):
    """(codes, scale, zero_point): whole numbers from 0 to 255 in x's own type and shape, a Python number, an int."""
    low, high = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    scale = (high - low) / 255
    zero_point = round(-low / scale)
    return ((x / scale).round() + zero_point).clamp(0, 255), scale, zero_point


zero_point_quantize = check("4.4", zero_point_quantize)

# %%
one_sided = normal.abs()
codes, scale, zero_point = zero_point_quantize(one_sided)
affine = relative_error(one_sided, (codes - zero_point) * scale)
codes, scale = absmax_quantize(one_sided)
print(f"relative error: absmax {relative_error(one_sided, codes * scale):.5f}, zero-point {affine:.5f}")
matrix, rows = torch.randn(64, 256, generator=generator), []
matrix[5, 7] = 60.0
for per in ("tensor", "channel", "block"):
    q = quantize(matrix, "absmax", per)
    rows.append((per, len(q.scale), relative_error(matrix, q.dequantize()), q.bits_per_parameter))
show_table(("one scale for each", "scales", "relative error", "bits per value"), rows, "A 64 x 256 matrix with one outlier")

# %% [markdown]
# Absmax spread its codes from −127 to 127, and the numbers used only the 128 codes from 0 up. Zero-point lays all 256 over the same
# range, so its steps are half as wide. On weights, which are nearly symmetric, it gains little, and it does not help against an
# outlier. A scale for each block does, because the outlier then spoils its own 64 values only. The scales take memory, though.
#
# **Exercise 4.5.** Write the bytes of a quantized matrix: the codes, tightly packed, and a 4-byte scale for each block. Blocks start
# afresh in each row, and the last one of a row may be short. The codes always come to whole bytes here.


# %% tags=["exercise"] exercise="4.5"
def quantized_bytes(rows, columns, bits, block):
    """Whole bytes (an int) of a rows x columns matrix in a few bits, with an fp32 scale for each block."""
    # `math.ceil` rounds up
    return ...


quantized_bytes = check("4.5", quantized_bytes)


# %% tags=["solution"] exercise="4.5"
def quantized_bytes(rows, columns, bits, block):
    """Whole bytes (an int) of a rows x columns matrix in a few bits, with an fp32 scale for each block."""
    blocks = rows * math.ceil(columns / block)
    return rows * columns * bits // 8 + blocks * 4


quantized_bytes = check("4.5", quantized_bytes)

# %%
rows = []
for block in (16, 32, 64, 128, 576):
    n_bytes = quantized_bytes(576, 576, 4, block)
    rows.append((block, n_bytes, 8 * n_bytes / 576**2))
show_table(("block", "bytes", "bits per value"), rows, "A 576 x 576 matrix in 4 bits")
assert rows[2][1] == quantize(torch.ones(576, 576), "absmax", "block", 64, 4).nbytes

# %% [markdown]
# With blocks of 64 it is 4.5 bits and not 4. With blocks of 16 the scales are a third of everything. A label that says "int4" leaves
# that out.
#
# ### Two codes in a byte
#
# Memory is addressed in bytes, so two codes from 0 to 15 share one. The first goes into the low four bits and the second into the high
# four. Codes 3 and 10 make the byte 3 + 16 · 10 = 163.
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
# ### Levels where the weights are
#
# Evenly spaced levels (**int4**, here the whole numbers from −7 to 7, so that one of the 16 codes stays unused) suit numbers that are
# evenly spread, but most weights lie near 0. **NF4** (NormalFloat, Dettmers et al. 2023, QLoRA) puts its sixteen levels at quantiles of
# the normal distribution, close together near 0. We unpack your bytes, then round one layer of the real model both ways. *Double*
# quantization keeps the scales themselves in 8 bits.

# %%
from labutils.quantization import nf4_levels, quantize_4bit, unpack_codes

codes = torch.randint(0, 16, (1000,), generator=generator).to(torch.uint8)
packed = pack(codes)
print(f"{codes.nbytes:,} bytes become {packed.nbytes}, and come back equal: {torch.equal(unpack_codes(packed, 1000), codes)}")
print("NF4:", [round(level, 2) for level in nf4_levels()])
middle = model.config.num_hidden_layers // 3
weight, rows = model.model.layers[middle].mlp.up_proj.weight.cpu(), []
for name, scheme, double in (("int4", "int4", False), ("nf4", "nf4", False), ("nf4, scales in 8 bits", "nf4", True)):
    q = quantize_4bit(weight, scheme, 64, double)
    rows.append((name, round(relative_error(weight, q.dequantize()), 4), round(q.bits_per_parameter, 3)))
show_table(("scheme", "relative error", "bits per value"), rows, f"layers.{middle}.mlp.up_proj, blocks of 64")

# %% [markdown]
# NF4 is the more exact of the two on this layer. (A small part of the lead comes from the code that our int4 leaves unused.) Double
# quantization brings the scales from 0.5 bits per value down to 0.13, and the error stays the same to three digits.
#
# ## 4. What it does to the real model
#
# ### A surprise in these weights
#
# Before we round the weights, let us look at them. A block of 32 numbers in fp32 could hold 32 different values.

# %%
predict("4.p3")

# %%
blocks = model.model.layers[0].mlp.up_proj.weight.cpu().reshape(-1, 32)
distinct = max(len(set(row)) for row in blocks[:2000].tolist())
low = blocks.amin(dim=1, keepdim=True)
step = ((blocks.amax(dim=1, keepdim=True) - low) / 15).clamp(min=1e-12)
codes = ((blocks - low) / step).round()
print("one block:", [f"{value:.4f}" for value in blocks[0, :8].tolist()], "...")
print("its codes:", [int(code) for code in codes[0].tolist()])
print(f"relative error in 16 even levels from each block's lowest value: {relative_error(blocks, low + step * codes):.0e}")
outcome("4.p3", distinct)
assert relative_error(blocks, low + step * codes) < 1e-6 or not lab.course_model

# %% [markdown]
# There are sixteen, because these weights have been in 4 bits before. The course's model is distributed as a 4-bit file (GGUF's Q4_1,
# blocks of 32 with a lowest value and a step each), and set-up expanded it to fp32. A quantizer that knew those blocks would lose
# nothing. So what we measure next is a *second* rounding, on a grid that does not match the first. It shows how schemes compare. It
# does not show what 4 bits cost a model that was never rounded, and the original weights are not here to ask.
#
# ### What the model loses
#
# **Perplexity** says how unsure the model is of each next token, as if it had to choose among that many equally likely ones. It is the
# exponential of the mean loss per token, in nats. Guessing blindly among 49,152 tokens has a perplexity of 49,152. The texts are the
# course's own prose. Each entry of `schemes` rounds a matrix and gives back what is left of it as floats. That is *simulated*
# quantization. It saves nothing and shows the error. One working copy of the model takes each scheme's weights in turn. The **paired**
# interval (lab 06) compares text by text, so that the difference between easy and hard texts cancels out.

# %%
from labutils.quantization import linear_layers

n_texts, n_tokens = lab.size(smoke=3, small=12, standard=16, gpu=64), lab.size(smoke=64, small=128)
prose = [row["text"] for row in load_prose()][:n_texts]
texts = [tokenizer(text, return_tensors="pt").input_ids[:, :n_tokens].to(model.device) for text in prose]
linears = {name: layer.weight for name, layer in linear_layers(model).items()}
schemes = {
    "int8, matrix": lambda w: quantize(w, per="tensor").dequantize(),
    "int8, row": lambda w: quantize(w, per="channel").dequantize(),
    "nf4, block": lambda w: quantize_4bit(w, "nf4").dequantize(),
    "int4, block": lambda w: quantize_4bit(w, "int4").dequantize(),
    "int4, matrix": lambda w: quantize(w, per="tensor", bits=4).dequantize(),
}


@torch.no_grad()
def losses_of(net):
    """The mean loss per token of each text, in nats."""
    return [F.cross_entropy(net(ids).logits[0, :-1].float(), ids[0, 1:]).item() for ids in texts]


# %%
predict("4.p4")

# %% tags=["device"]
from labutils.evaluation import paired_bootstrap

losses, perplexity, rows = {"fp32": losses_of(model)}, {}, []


def against_fp32(name):
    """The perplexity of an arm, and how many times fp32's it is, with a 95 % interval."""
    found = paired_bootstrap(losses[name], losses["fp32"])
    perplexity.update({each: math.exp(sum(losses[each]) / n_texts) for each in (name, "fp32")})
    return f"{perplexity[name]:,.1f}", f"{math.exp(found.low):,.3f} to {math.exp(found.high):,.3f}"


with guard("4 A working copy of the model", need_gib=0.8):
    working = copy.deepcopy(model)
    for scheme, restore in schemes.items():
        for name, w in linears.items():
            working.get_submodule(name).weight.copy_(restore(w))
        losses[scheme] = losses_of(working)
        rows.append((scheme, round(relative_error(weight, restore(weight)), 4), *against_fp32(scheme)))
    del working
header = ("rounded", "perplexity", "times fp32, 95 %")
show_table((header[0], "error of one layer", *header[1:]), rows, f"Rounded weights; fp32: {perplexity['fp32']:.1f}; n = {n_texts}")
record("perplexity by scheme", {scheme: round(value, 2) for scheme, value in perplexity.items()})
doubled = [perplexity[scheme] > 2 * perplexity["fp32"] for scheme in schemes]
outcome("4.p4", 1 + [*doubled, True].index(True))
fine, medium, coarse = (perplexity[scheme] for scheme in ("int8, row", "nf4, block", "int4, matrix"))
assert fine < 1.03 * perplexity["fp32"] < medium < coarse / 10 or not lab.course_model

# %% [markdown]
# int8 with a scale per row is close to free. Four bits cost something even in blocks. Of the two block schemes, NF4 costs
# the course's model less, and the two intervals do not overlap. With one scale per matrix, four bits give a model that is worse
# than blind guessing. An error of 1 % in the weights is harmless here, and one of 10 % is not. One scale per matrix in 8 bits lies
# between, in error and in loss. (Larger models lose less at 4 bits. Dettmers and Zettlemoyer 2023 measured it.)
#
# Course notes sometimes list quantization among the "scaling laws". A **scaling law** is a measured relation between the loss and
# the parameters, data and compute of *training*. Quantization changes how finished numbers are stored. The confusion has a reason.
# Both are chosen under a budget, and there are studies of how the loss grows as bits shrink (Dettmers and Zettlemoyer 2023; Kumar et
# al. 2024), which *are* scaling laws about quantization. The technique itself is not one.
#
# ### Where the outliers live
#
# So far only weights were rounded. To *multiply* in int8, a layer's **input** has to be int8 as well. We look at the input of a down
# projection (layer 11 of 30), one row per token and 1,536 columns, for three texts.

# %%
predict("4.p5")

# %% tags=["device"]
from labutils.quantization import layer_inputs_of, rounded_inputs

rows, places = [], []
looked_at = f"layers.{min(11, model.config.num_hidden_layers - 1)}.mlp.down_proj"
for ids in texts[:3]:
    inputs = layer_inputs_of(model, ids, "down_proj")
    x = inputs[f"model.{looked_at}"].abs()  # (T, 1536)
    by_token = x.amax(dim=1)  # (T)
    first, second = by_token.topk(2).values.tolist()
    places.append(int(by_token.argmax()))
    rows.append((tokenizer.decode(ids[0, :4]), places[-1], str(int(x[places[-1]].argmax())), f"{first:,.0f}", f"{second:,.1f}"))
columns = ("text begins", "position of the largest", "its column", "its size", "largest at any other position")
show_table(columns, rows, f"Input of {looked_at}")
outcome("4.p5", 2 if set(places) == {0} else 3)
assert set(places) == {0} or not lab.course_model

# %% [markdown]
# The outlier is a *token*, and within it one column. In all three texts it is the first token, and in this layer its number is hundreds of
# times larger than all that follow. (A down projection's input is a product, the gate times the up projection of lab 01, so two fairly
# large numbers make a very large one.) Sun et al. (2024) found such **massive activations** in many models. They serve as a constant
# that attention can point to when it has nothing to look for. (The *outlier features* of LLM.int8(), Dettmers et al. 2022, are another
# thing. Those are columns that are large for most tokens, in models of several billion parameters.)
#
# With one scale for the whole input, the first token sets the step for all the others, as 1,000 did in section 3. Which way of sharing
# out scales would confine the damage to that token? Decide before you read on.
#
# **Exercise 4.7.** Write the cure. `round_rows(x, top)` gives each row its own scale, so that the row's largest magnitude becomes `top`,
# rounds to whole steps, and returns the values those stand for, in x's shape. A row of zeros stays a row of zeros. The cell below the
# exercise then rounds the input of every linear layer of the real model. The weights stay in fp32, so that only the inputs differ. With b
# bits, `top` is 2^(b−1) − 1: 127 for 8 bits, 63 for 7. The table below also has a row for 7 bits, because PyTorch's own int8 layers use
# only 7 on many processors, to keep their sums from overflowing.


# %% tags=["exercise"] exercise="4.7"
def round_rows(x, top=127):
    """x (..., D) in whole steps, each row with its own step of max|row| / top; the values and not the codes."""
    # 1. one scale per row, in a shape that divides x; `.clamp(min=1e-12)` keeps it above 0
    # 2. divide, round, multiply
    return ...


round_rows = check("4.7", round_rows)


# %% tags=["solution"] exercise="4.7"
def round_rows(x, top=127):
    """x (..., D) in whole steps, each row with its own step of max|row| / top; the values and not the codes."""
    scale = (x.abs().amax(dim=-1, keepdim=True) / top).clamp(min=1e-12)
    return (x / scale).round() * scale


round_rows = check("4.7", round_rows)

# %% tags=["device"]
def with_one_scale(x, top):
    """x (1, T, D) with one scale for all of it."""
    return round_rows(x.flatten(), top).reshape(x.shape)


roundings = {
    "one scale, 7 bits": lambda x: with_one_scale(x, 63),
    "one scale, 8 bits": lambda x: with_one_scale(x, 127),
    "one scale, 8 bits, first token left in fp32": lambda x: torch.cat([x[:, :1], with_one_scale(x[:, 1:], 127)], dim=1),
    "a scale per token, 8 bits": lambda x: round_rows(x, 127),
    "try it: a scale per token, 5 bits": lambda x: round_rows(x, 15),
}
rows = []
for name, rounding in roundings.items():
    with rounded_inputs(model, rounding):
        losses[name] = losses_of(model)
    rows.append((name, *against_fp32(name)))
show_table(header, rows, f"Rounded inputs; fp32: {perplexity['fp32']:.1f}; n = {n_texts} texts of {n_tokens} tokens")
record("perplexity by rounding of the inputs", {name: round(perplexity[name], 2) for name in roundings})
assert perplexity["a scale per token, 8 bits"] < perplexity["one scale, 8 bits"] < perplexity["one scale, 7 bits"] or not lab.course_model

# %% [markdown]
# A scale per token costs four bytes per row and takes nearly all of the damage away. The third row is the test of the
# explanation. It keeps one scale for the whole input and takes only the first token out, and most of the damage goes with it.
# Other cures are to keep a few columns in 16 bits (LLM.int8()), or to move the outliers into the weights (SmoothQuant, Xiao et
# al. 2023). **Try it.** How few bits are enough for your cure? Change 15 in the last row (and the row's
# name): 31 is 6 bits, 7 is 4.

# %%
quiz("4.c")

# %% [markdown]
# ## 5. The memory ledger
#
# ### While it generates: the key-value cache
#
# So that it need not compute the whole text again for each token, a model keeps the **key** and the **value** of every token, in each
# layer. In most models several query heads share one key and value (*grouped-query attention*). Ours has 9 query heads and 3
# key-value heads of 64 numbers.
#
# **Exercise 4.8.** Write the bytes of the cache. One of the arguments is not needed. Below, your function is compared with the real
# cache of our model after 40 tokens, and used for a model of Llama 3.1's sizes (8 B parameters; Llama team 2024), which reads up to
# 131,072 tokens ("128K"; we take 128,000).


# %% tags=["exercise"] exercise="4.8"
def kv_cache_bytes(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):
    """Bytes (an int) of keys and values of `length` tokens, for `batch` sequences."""
    return ...


kv_cache_bytes = check("4.8", kv_cache_bytes)


# %% tags=["solution"] exercise="4.8"
def kv_cache_bytes(layers, heads, kv_heads, head_dim, length, batch=1, bytes_per_number=4):
    """Bytes (an int) of keys and values of `length` tokens, for `batch` sequences."""
    return 2 * layers * kv_heads * head_dim * length * batch * bytes_per_number


kv_cache_bytes = check("4.8", kv_cache_bytes)

# %%
predict("4.p6")

# %%
with torch.no_grad():
    cache = model(texts[0][:, :40], use_cache=True).past_key_values
held = tensor_bytes(t for layer in cache.layers for t in (layer.keys, layer.values))
ours = model.config.num_hidden_layers, model.config.num_attention_heads, model.config.num_key_value_heads
predicted = kv_cache_bytes(*ours, model.config.hidden_size // ours[1], 40)  # 30, 9, 3 and 64
print(f"predicted {predicted:,} bytes, measured {held:,}")
rows = []
for tokens in (1_000, 8_000, 128_000):
    one = kv_cache_bytes(32, 32, 8, 128, tokens, 1, 2) / 2**30
    own = kv_cache_bytes(32, 32, 32, 128, tokens, 1, 2) / 2**30
    rows.append((tokens, round(one, 2), round(own, 2), round(16 * one, 2)))
show_table(("tokens", "one sequence", "if every query head had its own", "16 sequences"), rows, "Key-value cache in 16 bits, GiB")
outcome("4.p6", round(one, 1))
assert held == predicted

# %% [markdown]
# The weights are 16 GB (14.9 GiB) in 16 bits. At 128,000 tokens the cache of a single sequence is larger than all of them.
# (Its size is computed by the formula that agreed with our model's cache.)
#
# **Not all layers are alike.** In some models all queries share one key-value head, or some layers look back over a window only, or
# keep a state that does not grow. The formula of your exercise, fed with the fields of the configuration, is then silently wrong. The
# library adds up the layers as transformers itself would cache them, which it reads from a model built without memory (on PyTorch's
# *meta* device), and refuses what it does not know.

# %%
from transformers import FalconConfig, Gemma2Config, JambaConfig, MistralConfig

from labutils import memory
from labutils.errors import LabError
from labutils.memory import Shape

rows = []
for config in (MistralConfig(), FalconConfig(), Gemma2Config(), JambaConfig()):
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    naive = kv_cache_bytes(config.num_hidden_layers, heads, getattr(config, "num_key_value_heads", heads), head_dim, 32_000, 1, 2)
    try:
        by_layer = f"{memory.kv_cache_bytes(Shape.of(config), 1, 32_000, 'bfloat16') / 2**30:.2f}"
    except LabError as refused:
        by_layer = str(refused)
    rows.append((type(config).__name__, round(naive / 2**30, 2), by_layer))
show_table(("configuration", "one formula, GiB", "layer by layer, GiB"), rows, "Key-value cache of 32,000 tokens in 16 bits")

# %% [markdown]
# The single formula is too high for the first three. Mistral's layers look back over 4,096 tokens only, Falcon's queries all share
# one key-value head, and every other layer of Gemma 2 looks back over 4,096 tokens. Jamba is refused for another
# reason: it is a mixture of experts.
#
# ### While it learns
#
# Training holds more:
#
# - **weights**, all of them, trained or not;
# - **gradients**, one number for each *trained* weight;
# - **optimizer state**: AdamW keeps two running means for each trained weight, of the gradient and of its square;
# - **activations**, which the forward pass keeps for the backward pass. They grow with the number of tokens.
#
# **Exercise 4.9.** Return the first three terms, in bytes, as a dictionary with the keys "weights", "gradients" and "optimizer".


# %% tags=["exercise"] exercise="4.9"
def training_bytes(parameters, trainable, bytes_per_number=4):
    """{"weights", "gradients", "optimizer"}: bytes (ints) for training `trainable` of the parameters with AdamW."""
    return ...


training_bytes = check("4.9", training_bytes)


# %% tags=["solution"] exercise="4.9"
def training_bytes(parameters, trainable, bytes_per_number=4):
    """{"weights", "gradients", "optimizer"}: bytes (ints) for training `trainable` of the parameters with AdamW."""
    trained = trainable * bytes_per_number
    weights = parameters * bytes_per_number
    return {"weights": weights, "gradients": trained, "optimizer": 2 * trained}


training_bytes = check("4.9", training_bytes)

# %%
big, terms = 8 * 10**9, ("weights", "gradients", "optimizer")
cases = {"our model, full": (count, count), "8 B, full": (big, big), "8 B, LoRA": (big, 2 * 10**7)}
found = {name: training_bytes(*case) for name, case in cases.items()}
rows = [(name, *(round(case[term] / 10**9, 2) for term in terms), round(sum(case.values()) / 10**9, 2)) for name, case in found.items()]
show_table(("plan", *terms, "sum"), rows, "fp32, GB (10⁹ bytes)")

# %% [markdown]
# In fp32 these terms are **16 bytes for each parameter** (4 + 4 + 8). Mixed precision often comes to 16 as well (2 + 2 for 16-bit
# weights and gradients, 4 for the fp32 master copy, 8 for Adam; Rajbhandari et al. 2020) or to 18 with gradients in fp32 (Hugging
# Face, *Model training anatomy*).
#
# Activations are harder. `labutils.memory` lists what each operation keeps, with a formula for every term. To check all terms
# against a real step, we take a small sibling of the course's model with the same widths, 4 layers, a smaller vocabulary with an
# output head of its own, and random weights. `measure_step` makes two training steps and counts the bytes of all live tensors
# after every operation of the second. The last table compares common rules of thumb with the same measurements.

# %% tags=["device"]
from labutils.memory import TrainingSetup, predict_training
from labutils.tuning import measure_step, seconds_of_a_pass, set_checkpointing

config = copy.deepcopy(model.config)
config.num_hidden_layers, config.vocab_size, config.tie_word_embeddings = 4, 16_384, False
length = lab.size(smoke=128, small=256, standard=512)


def sister(config):
    """A model of these sizes with random weights, the same ones each time."""
    torch.manual_seed(0)
    return type(model)(config).to(model.device).train()


shape = Shape.of(config)
full = predict_training(shape, TrainingSetup(1, length, device=lab.device))
with guard("5 A full training step", need_gib=1.2 * full.gib):
    net = sister(config)
    found, sizes = measure_step(net, length)
    cache = net(torch.zeros(1, length, dtype=torch.long, device=net.device), use_cache=True).past_key_values
    del net
assert sizes

# %% [markdown]
# Here is each term as predicted and as measured. The logits are a term of their own: a score for every token of the vocabulary at every
# position, and once more as log-probabilities for the loss. The **resident set** is the memory that the process really occupies. Its
# growth counts from the start of the step, when weights and optimizer state are already there, so compare it with the peak minus those
# two.


# %% tags=["device"]
def mib(n_bytes):
    """Bytes as whole MiB, for a table."""
    return "not installed" if n_bytes is None else f"{n_bytes / 2**20:,.0f}"


def off(predicted, measured):
    """How far a prediction is off, as a share of what was measured."""
    return f"{predicted / measured - 1:+z.1%}"


rows = [(term, off(full[term].n_bytes, n), mib(full[term].n_bytes), mib(n)) for term, n in sizes.items()]
rows += [("peak of the step", off(full.total, found.total_allocated), mib(full.total), mib(found.total_allocated))]
kv = memory.kv_cache_bytes(shape, 1, length), tensor_bytes(t for layer in cache.layers for t in (layer.keys, layer.values))
rows += [("key-value cache, when it writes", off(*kv), *(f"{n / 2**20:.1f}" for n in kv))]
rows += [("growth of the resident set in the step", "", "", mib(found.rss_above_start))]
show_table(("term", "off by", "predicted, MiB", "measured, MiB"), rows, f"A step of {shape.parameters:,} parameters, {length} tokens")
record("training terms, predicted over measured", {term: round(full[term].n_bytes / n, 3) for term, n in sizes.items()})
del cache
close = 0.05 if lab.device == "cpu" else 0.25  # the kernels of a GPU keep somewhat other tensors
assert not lab.course_model or all(abs(full[term].n_bytes / n - 1) < close for term, n in sizes.items())
assert not lab.course_model or abs(full.total / found.total_allocated - 1) < 0.25

# %% tags=["device"]
from labutils.memory import accelerate_estimate, korthikanti_activations, states_at_16_bytes, states_at_18_bytes

states = sum(sizes[term] for term in terms)
rules = {
    "16 bytes per parameter": ("weights, gradients, optimizer", states_at_16_bytes(shape), states),
    "18 bytes per parameter": ("weights, gradients, optimizer", states_at_18_bytes(shape), states),
    "34 · s · b · h per layer, twice for fp32": ("activations", korthikanti_activations(shape, 1, length, 4), sizes["activations"]),
    "accelerate, training with Adam": ("peak of the step", accelerate_estimate(shape), found.total_allocated),
}
rows = [(name, what, mib(rule), mib(n), f"{rule / n - 1:+z.0%}" if rule else "") for name, (what, rule, n) in rules.items()]
show_table(("rule of thumb", "for", "rule, MiB", "measured, MiB", "off by"), rows, "The same step by rules of thumb")
assert abs(states_at_16_bytes(shape) / states - 1) < 0.01 or not lab.course_model

# %% [markdown]
# The terms agree closely. Agreement to the MiB is less of a feat than it looks, because the list of kept tensors was settled by looking
# at measured steps of such models. (For an architecture that keeps others, the library refuses to predict.) The resident set need not
# match exactly, because the allocator reuses pages that the process already has and keeps some that it has freed. The rule 34 · s · b · h
# (s tokens per text, b texts, h the hidden width; the part for attention matrices, which fused attention does not keep, is left out) was
# derived for GPT with a feed-forward width of 4h and 16-bit numbers (Korthikanti et al. 2022), so it is off for other widths. The
# estimate of Hugging Face's `accelerate` command counts neither activations nor the optimizer's scratch memory.
#
# The terms are not all held at once. The next cells show the whole step, operation by operation.

# %%
predict("4.p7")

# %% tags=["device"]
live = [(found.start_allocated + n) / 2**20 for n in found.curve] or [found.start_allocated / 2**20]
ends = dict(zip(("logits", "loss", "backward"), found.places, strict=True))
moments = {name: sum(held.values()) / 2**20 for name, held in full.moments.items()}
phases = {
    "forward": (0, ends["loss"], moments["end of the forward pass"]),
    "backward": (ends["loss"], ends["backward"], max(n for name, n in moments.items() if name.startswith("backward"))),
    "optimizer": (ends["backward"], len(live), moments["optimizer step"]),
}
figure, axes = new_figure("Live bytes through one training step")
axes.plot(live, color=BLUE)
for name, (first, last, predicted) in phases.items():
    axes.hlines(predicted, first, last, color=VERMILION, linestyle="--")
    axes.text((first + last) / 2, min(live) * 0.9, name, ha="center")
    axes.axvline(last, color=GREY, linewidth=0.5)
axes.set(xlabel="operations of PyTorch", ylabel="MiB", ylim=(0, None))
show(figure, "MiB of live tensors over the operations of a training step. Dashed lines show the predicted peak of each phase.")
tops = {name: max(live[first:last] or live) for name, (first, last, _) in phases.items()}
rows = [(name, round(phases[name][2]), round(top)) for name, top in tops.items()]
show_table(("phase", "predicted peak, MiB", "measured peak, MiB"), rows)
outcome("4.p7", 1 + list(tops).index(max(tops, key=tops.get)))
assert lab.device != "cpu" or not lab.course_model or all(abs(phases[name][2] / top - 1) < 0.2 for name, top in tops.items())

# %% [markdown]
# The forward pass climbs as activations pile up and ends with the logits. In the backward pass activations go and gradients come. The
# optimizer's step needs scratch memory for its largest tensor. With short texts the peak falls in the optimizer's step. With long ones it
# falls in the backward pass, where activations and logits are held.
#
# ### Why LoRA saves less than people expect
#
# LoRA (lab 05) freezes all weights and trains small matrices beside them. Should it not then need only a small
# part of the memory?

# %%
predict("4.p8")

# %%
real, rows = Shape.of(model.config), []
for tokens in (n for n in (64, 256, 1024, 4096) if n <= real.positions):
    whole = predict_training(real, TrainingSetup(1, tokens))
    lora = predict_training(real, TrainingSetup(1, tokens, method="lora", lora_rank=16))
    held = lora.at_peak.get("activations", 0) + lora.at_peak.get("logits", 0)
    rows.append((tokens, round(whole.gib, 2), round(lora.gib, 2), f"{1 - lora.total / whole.total:.0%}", f"{held / lora.total:.0%}"))
header = ("tokens", "full, GiB", "LoRA, GiB", "saved", "share of activations and logits in LoRA's peak")
show_table(header, rows, "Predicted peak of a training step, our model, batch 1")
outcome("4.p8", round(100 * (1 - lora.total / whole.total)))

# %% [markdown]
# These are the formulas' figures: no step of 4,096 tokens was run, so read "Measured" in the line above as "computed". Lab 05 runs LoRA.
#
# With short texts gradients and optimizer state dominate, and LoRA does away with nearly all of both. With long texts activations
# dominate, and LoRA keeps nearly all of them. To train the adapter in the first layer, the gradient has to travel back through every
# layer above it, and each of them needs its activations for that.
#
# ### Checkpointing: time for memory
#
# **Activation checkpointing** keeps only the input of each layer and computes the rest again in the backward pass. It pays where
# activations are the peak, so we take a deeper sibling with a small vocabulary, and longer texts. Count the forward pass as one unit of
# time and the backward pass as two.

# %%
predict("4.p9")

# %% tags=["device"]
deep = copy.deepcopy(model.config)
deep.num_hidden_layers, deep.vocab_size, long = 10, 4096, lab.size(smoke=256, small=1024)
rows, seconds, peaks = [], {}, {}
for name, on in (("plain", False), ("checkpointing", True)):
    plan = predict_training(Shape.of(deep), TrainingSetup(1, long, checkpointing=on, device=lab.device))
    with guard("5 A deeper model", need_gib=1.2 * plan.gib):
        net = sister(deep)
        set_checkpointing(net, on)
        peaks[name] = measure_step(net, long)[0].total_allocated
        seconds[name] = seconds_of_a_pass(net, long, passes=lab.size(smoke=1, small=3))
        del net
    rows.append((name, mib(plan.total), mib(peaks[name]), plan.peak_moment, f"{seconds[name]:.2f}"))
header = ("", "predicted peak, MiB", "measured, MiB", "predicted moment", "seconds, forward and backward")
show_table(header, rows, f"10 layers, {long} tokens")
slower = seconds["checkpointing"] / seconds["plain"]
print(f"memory saved {1 - peaks['checkpointing'] / peaks['plain']:.0%}, time {slower:.2f} times as long")
record("checkpointing", {"saved": round(1 - peaks["checkpointing"] / peaks["plain"], 3), "slower": round(slower, 2)})
outcome("4.p9", round(slower, 2))
assert peaks["checkpointing"] < peaks["plain"] or lab.profile == "smoke"

# %% [markdown]
# Both sides of the trade are visible here. On paper the time is 4/3, one more forward pass; what a few steps measure on a shared
# processor varies around that. The fourth column says where the peak is. Once few activations are kept, weights, gradients and
# optimizer state are most of the peak, and saving more of the activations would help little.
#
# ## 6. Does it fit?
#
# The same formulas work for any model without loading it, because a configuration is enough. We take the sizes of Llama 3.1 8B. On a
# GPU the rules differ a little. AdamW's step needs scratch memory as large as all gradients, and the CUDA context takes its share. We
# say "tight" where a plan needs more than nine tenths of a card, because drivers and fragments of free memory take some of it too.
#
# **An out-of-memory ladder.** Training all weights on 4 texts of 2,048 tokens fits on no single card here. Each rung changes one thing
# and keeps what is above it. (A frozen base needs no fp32 master copy, so the LoRA rung also keeps it in bf16 alone.) Before you run it,
# guess how many rungs lead to a 24 GiB card.

# %%
from transformers import LlamaConfig

from labutils.memory import fits, predict_inference, shard

sizes_8b = dict(hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8)
llama = Shape.of(LlamaConfig(**sizes_8b, vocab_size=128_256, max_position_embeddings=131_072))
setup, rows = dict(batch=4, length=2048, dtype="mixed", device="cuda"), []
rungs = {
    "all weights, mixed precision": {},
    "one text at a time": dict(batch=1),
    "LoRA on a bf16 base": dict(method="lora", dtype="bfloat16"),
    "checkpoint activations": dict(checkpointing=True),
    "the base in 4 bits (QLoRA)": dict(weights="nf4 double"),
}
for name, change in rungs.items():
    setup |= change
    plan = predict_training(llama, TrainingSetup(**setup), framework=True)
    largest = max(plan.at_peak, key=plan.at_peak.get)
    verdicts = [fits(plan, card * 2**30).verdict for card in (16, 24, 80)]
    rows.append((name, round(plan.gib, 1), f"{largest}, {plan.at_peak[largest] / 2**30:.1f}", *verdicts))
header = ("change", "peak, GiB", "largest term, GiB", "16 GiB", "24 GiB", "80 GiB")
show_table(header, rows, f"{llama.parameters / 10**9:.1f} B parameters, 2,048 tokens per text")
assert rows[-1][4] == "fits" and rows[0][5] == "no"

# %%
rows = []
for weights, tokens in ((each, n) for each in ("bfloat16", "int8", "nf4 double") for n in (2_000, 32_000)):
    plan = predict_inference(llama, 1, tokens, dtype="bfloat16", weights=weights, framework=True, device="cuda")
    verdicts = [fits(plan, card * 2**30).verdict for card in (8, 16, 24)]
    rows.append((weights, tokens, *(round(size, 1) for size in (plan["weights"].gib, plan["KV cache"].gib, plan.gib)), *verdicts))
show_table(("stored as", "tokens", "weights", "cache", "peak", "8 GiB", "16 GiB", "24 GiB"), rows, "GiB to write with 8 B parameters, one text")

# %% [markdown]
# Look at the largest term first, because that is usually where most can be saved. (In mixed precision the optimizer's term includes the
# fp32 master copy, which makes 12 bytes for each trained parameter.) A smaller batch costs time (accumulate gradients to keep its
# effect), checkpointing costs about a third more time, LoRA trains less (lab 05 measures what that costs), and quantizing costs some
# quality. The second table is for *generating*, where nothing is kept for a backward pass. The peak is weights plus cache, plus one
# layer's activations while the whole prompt is read, plus the CUDA context. With 2,000 tokens these extras are small; with 32,000 they
# come to about as much as the cache.
#
# In these plans only the linear layers inside the blocks are quantized. The embedding and the output head stay in 16 bits and take 2 GiB,
# which is why int8 weights come to more than a byte per parameter.
#
# ### Several GPUs, on paper
#
# **DDP** (data parallel) gives each GPU a full copy and a share of the batch. It is faster and not smaller. **ZeRO** and **FSDP**
# also split what every copy holds. Stage 1 splits the optimizer state, stage 2 the gradients too, stage 3 (and FSDP) the weights as
# well. With Ψ parameters in mixed precision on N GPUs, each holds 16Ψ, (4 + 12/N)Ψ, (2 + 14/N)Ψ or 16Ψ/N bytes (Rajbhandari et al. 2020,
# figure 1). We compute the paper's example of 7.5 B parameters on 64 GPUs by hand, then the 8 B model with activations, scratch and
# the block that stage 3 gathers in full while it computes with it.

# %%
psi, n = 7.5 * 10**9, 64
by_hand = {"ddp": 16, "zero1": 4 + 12 / n, "zero2": 2 + 14 / n, "zero3": 16 / n}
print("7.5 B on 64 GPUs, GB each:", {scheme: round(each * psi / 10**9, 1) for scheme, each in by_hand.items()})
plan, rows = predict_training(llama, TrainingSetup(1, 2048, dtype="mixed", checkpointing=True, device="cuda")), []
for scheme in ("ddp", "zero1", "zero2", "zero3", "fsdp"):
    parts = shard(plan, 8, scheme)
    rows.append((scheme, *(round(shard(plan, n, scheme).gib, 1) for n in (1, 2, 8, 64)), parts.peak_moment))
header = ("scheme", "1 GPU", "2 GPUs", "8 GPUs", "64 GPUs", "peak on 8")
show_table(header, rows, "GiB on each GPU: 8 B, all trained, mixed precision, checkpointing")

# %% [markdown]
# Whatever a scheme does not split stays whole on each GPU: the weights in stages 1 and 2, and in every stage the activations and logits
# of the GPU's own texts. Stages 2 and 3 also hold the largest block or matrix in full while it is in use. That is why 64 GPUs do not
# bring the memory down to a 64th. The price of splitting is traffic between the GPUs, which no formula here counts.
#
# **Try it.** Pick one of the four models and change the task, the texts and the storage. For a model that is not listed, copy the lines
# that make `sizes_8b` and `llama` into a new cell, put in its sizes from its `config.json`, and call `predict_training(llama,
# TrainingSetup(1, 2048, method="lora", dtype="bfloat16", device="cuda")).gib`. "This machine" and the 4 GiB session are counted by the
# rules for a CPU, the cards by those for CUDA.

# %% tags=["device"]
from labutils.memory import Scenario, explore_memory, memory_view

explore_memory(Scenario())
everything, adapters = (memory_view(Scenario(task=task)) for task in ("train all weights", "LoRA"))
assert everything.ledger.total > adapters.ledger.total

# %%
quiz("4.d")

# %% [markdown]
# ## Recap
#
# - Bytes = parameters × bits / 8, scales included: "4 bits" are 4.5, or 4.13 with double quantization. Say GB or GiB.
# - bf16 has fp32's range and 7 mantissa bits; fp16 has 10 and ends at 65,504.
# - One outlier spoils every number that shares its scale. Smaller groups confine it: rows and blocks for weights, tokens for inputs.
# - Training holds weights, gradients, optimizer state and activations, and not all at once. Find the largest term at the peak first.
# - LoRA takes away gradients and optimizer state, checkpointing the activations, quantization the weights. Sharding splits
#   weights, gradients and optimizer state over the GPUs.

# %% tags=["device"]
progress("04")
assert lab.name == "04", lab

# %% [markdown]
# **Next:** [Lab 05, Full against LoRA fine-tuning](05_full_and_lora_fine_tuning.ipynb), where these terms decide what this machine can
# train.

# %% [markdown] tags=["optional"]
# ## Going further
#
# Nothing above depends on these cells.
#
# ### Bits and errors at every size
#
# Type a number and see its bits. The slider sets the range that int8 has to cover. int8 has no exponent, only whole numbers from −127 to
# 127 and one scale that many of them share. The chart rounds ten thousand numbers from 10⁻⁸ to 10⁶ to each format.
# Compare int8's lowest point with bf16's line.

# %% tags=["device", "optional"]
from labutils.quantization import explore_bits, store_in_each_format

explore_bits(number)
kept = {row.format: row.value for row in store_in_each_format(257.0, largest=512.0)}
assert kept["bf16"] == 256 and kept["fp16"] == kept["fp32"] == 257

# %% tags=["optional"]
numbers = torch.logspace(-8, 6, 10_000, dtype=torch.float64).float()
int8_scale = 4.0 / 127  # int8 with a scale for numbers up to 4
stored = {
    "fp16": numbers.half().float(),
    "bf16": numbers.bfloat16().float(),
    "int8, scale 4/127": (numbers / int8_scale).round().clamp(-127, 127) * int8_scale,
}
figure, axes = new_figure("bf16 is coarse at every size; fp16 and int8 are good in a window", height=3.8)
for (name, values), colour in zip(stored.items(), (BLUE, ORANGE, VERMILION), strict=True):
    error = ((values - numbers).abs() / numbers).clamp(1e-9, 1).reshape(200, 50).amax(dim=1)
    axes.loglog(numbers.reshape(200, 50)[:, 25], error, color=colour, label=name)
axes.set(xlabel="size of the number", ylabel="largest relative error", ylim=(1e-5, 30))
axes.legend(frameon=False, ncols=3, loc="upper center")
show(
    figure,
    "Relative rounding error against the size of the number. bf16 is flat at about 0.4 % over the whole range. fp16 is flat eight times "
    "lower from 0.0001 to 65,504 and bad outside. int8 with a scale for numbers up to 4 is best just below 4; it loses everything below "
    "about 0.01, and more and more above 4.",
)

# %% [markdown] tags=["optional"]
# ### NF4, from the normal distribution
#
# Eight quantiles, evenly spaced in probability, make the positive side, seven the negative, with an exact 0 between them. The idea is
# that each level is used equally often, which would be a share of 1/16. Scaling each block by its largest value breaks that assumption
# (Yoshida 2023). How far off is it on a real layer?

# %% tags=["optional"]
from statistics import NormalDist

end = 1 - (1 / 30 + 1 / 32) / 2  # stops short of 1, whose quantile is infinite
positive = [NormalDist().inv_cdf(0.5 + (end - 0.5) * i / 8) for i in range(1, 9)]
negative = [-NormalDist().inv_cdf(0.5 + (end - 0.5) * i / 7) for i in range(7, 0, -1)]
levels = [level / positive[-1] for level in (*negative, 0.0, *positive)]
print("largest difference from the library's levels:", max(abs(a - b) for a, b in zip(levels, nf4_levels(), strict=True)))
codes = unpack_codes(quantize_4bit(weight, "nf4", double=False).packed, weight.shape[1])
used = codes.flatten().long().bincount(minlength=16) / weight.numel()
figure, axes = new_figure("NF4's outer levels are used less than the inner ones", height=2.6)
axes.bar(levels, used, width=0.05, color=BLUE)
axes.axhline(1 / 16, color=VERMILION, linestyle="--")
axes.set(xlabel="level, in units of the block's largest", ylabel="share of the weights")
show(figure, "Share of one layer's weights at each of NF4's 16 levels, with a line at 1/16. The inner levels lie above it, the outer below.")
print(f"shares from {used.min():.3f} to {used.max():.3f}")

# %% [markdown] tags=["optional"]
# ### Packed for real
#
# Simulated quantization saves nothing. `quantize_model` replaces each linear layer by one that keeps only packed codes and scales and
# turns a few rows at a time back into numbers when it multiplies. The embedding stays in fp32. Predict the gigabytes from 4.127 bits
# per weight, then look.

# %% tags=["device", "optional"]
from labutils.quantization import parameter_count, quantize_model

inside = sum(w.numel() for w in linears.values())
predicted = (inside * 4.127 / 8 + (count - inside) * 4) / 10**9
packed_model = quantize_model(load_model()[0].cpu())
stored_gb = tensor_bytes([*packed_model.parameters(), *packed_model.buffers()]) / 10**9
print(f"{inside:,} weights at 4.127 bits, {count - inside:,} at 32: predicted {predicted:.3f} GB, measured {stored_gb:.3f} GB")
numbers_kept = sum(t.numel() for t in [*packed_model.parameters(), *packed_model.buffers()])
print(f"parameters {parameter_count(packed_model):,}, numbers stored {numbers_kept:,}")
with torch.no_grad():
    gap = abs(F.cross_entropy(packed_model(texts[0].cpu()).logits[0, :-1], texts[0][0, 1:].cpu()).item() - losses["nf4, block"][0])
print(f"difference from the simulated loss of the first text: {gap:.0e} nats")
assert abs(predicted - stored_gb) < 0.002 and gap < 1e-3 and parameter_count(packed_model) == count

# %% [markdown] tags=["optional"]
# More than half of what is left is the embedding. The model has as many parameters as ever, each with fewer bits. (Some tools count the
# stored numbers. Here they would report fewer, because two codes share a byte.)
#
# ### Fewer bytes, more speed
#
# To generate one token, a model reads every weight once and does two operations with it. A processor can do far more operations than it
# can fetch numbers, so at batch one **the memory's bandwidth sets an upper limit to the speed**. We estimate it by summing a quarter GiB,
# which may read somewhat low, and divide by the bytes per token. (This section runs on the CPU, also where there is a GPU.)

# %% tags=["device", "optional"]
import time

from labutils.quantization import dynamic_int8


def best_seconds(work, tries):
    """The shortest of several runs, in seconds."""
    taken = []
    for _ in range(tries):
        before = time.perf_counter()
        work()
        taken.append(time.perf_counter() - before)
    return min(taken)


@torch.no_grad()
def tokens_per_second(net, steps):
    """The rate of greedy decoding at batch one, with a key-value cache; the best step counts."""
    state = net(tokenizer("The sea was calm that day,", return_tensors="pt").input_ids, use_cache=True)

    def step():
        nonlocal state
        state = net(state.logits[:, -1:].argmax(-1), past_key_values=state.past_key_values, use_cache=True)

    return 1 / best_seconds(step, steps)


big_tensor = torch.ones(2**26)  # 4 bytes each
bandwidth = big_tensor.nbytes / best_seconds(big_tensor.sum, 8)
del big_tensor
print(f"reading at {bandwidth / 10**9:.1f} GB/s or more")
assert bandwidth > 0

# %% tags=["device", "optional"]
nets = {
    "fp32": (lambda: load_model()[0].cpu(), count * 4),
    "int8": (lambda: dynamic_int8(load_model()[0].cpu()), count),
    "nf4, unpacked each time": (lambda: packed_model, round(inside * 4.127 / 8) + (count - inside) * 4),
}
rows = []
for name, (make, n_bytes) in nets.items():
    rate = tokens_per_second(make(), lab.size(smoke=3, small=10, standard=20))
    rows.append((name, n_bytes / 10**9, f"{bandwidth / n_bytes:.0f}", f"{rate:.1f}"))
show_table(("weights", "GB per token", "ceiling, tokens/s", "measured, tokens/s"), rows)
assert len(rows) == 3

# %% [markdown] tags=["optional"]
# All three stay well below the estimated limit, because the model is small and norms, attention and Python take their time.
#
# **int8** gains where a kernel multiplies int8 directly. It falls short of a factor of four because norms, attention and Python take
# their time as well, and a processor without int8 instructions may gain nothing. Our **4-bit** layer reads few bytes but has to unpack
# them before each multiplication, so it saves *memory* and costs time: it is the slowest of the three. Fused kernels (llama.cpp,
# bitsandbytes on a GPU) unpack in registers, and then 4 bits are faster too. With a large *batch* the weights are read once for many
# tokens, and fewer bytes help much less.
#
# ### What a sceptic would say
#
# - *"Your model had been in 4 bits before."* Yes, and section 4 shows it. The losses here are those of a second rounding. What carries
#   over is the order of the schemes and where the outlier sits.
# - *"A 135 M model is not what I use."* Memory formulas are the same: try section 6 with your model's sizes. Losses are not.
# - *"Round to nearest is naive."* It is the baseline. GPTQ and AWQ choose the rounding with a look at the inputs, and lose less.
# - *"Perplexity is not what users see."* It is sensitive and cheap. Labs 03 and 06 measure tasks.
# - *"The CUDA rules were not measured here."* Right. They follow the documented behaviour of PyTorch's optimizer and a rough figure
#   for the context. On your own card, compare with `torch.cuda.max_memory_allocated()`.
