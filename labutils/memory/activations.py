"""Activations: which tensors PyTorch keeps for the backward pass, module by module.

Autograd keeps what a gradient needs and nothing else. A linear layer y = x Wᵀ needs x for the gradient of W and W for the
gradient of x: where W is frozen, x is not kept. Activation functions, norms and attention keep their inputs (or outputs) however
few weights are trained, because the gradient has to pass through them.

The counts follow Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models", sec. 4, eq. 1, adapted to
what PyTorch's kernels keep: fused attention keeps queries, keys, values, its output and one log-sum-exp a row in place of the
(T, T) matrices (Dao et al. 2022, FlashAttention, sec. 3.1). tests/memory compares every count with autograd's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from labutils.memory.shape import Linear, Shape

SOURCE = "Korthikanti et al. 2022, sec. 4, eq. 1, with the tensors that PyTorch's autograd saves"

# Tensors of the feed-forward width that the activation function keeps, besides its output.
KEPT_BY_ACTIVATION = {
    "relu": 0,
    "silu": 1,
    "swish": 1,
    "gelu": 1,
    "gelu_pytorch_tanh": 1,
    "gelu_new": 4,
    "quick_gelu": 2,
    "relu2": 1,
}
# Those whose own backward pass needs the output.
KEEPS_OUTPUT = {"relu"}

FEED_FORWARD = ("feed-forward norm", "feed-forward")


@dataclass(frozen=True)
class SavedTensor:
    """One tensor that autograd keeps: what it is, the module that keeps it ("attention", "feed-forward norm"), and its bytes."""

    tensor: str
    module: str
    n_bytes: float


@dataclass(frozen=True)
class ForwardPass:
    """How the forward pass is run, as far as it matters for what is kept.

    Attributes:
        n_bytes: of one activation.
        attention: "sdpa" or "eager".
        masked: attention gets a mask.
        on_cuda: dropout masks take one byte there, and fused attention can drop.
        trained: roles (see shape.ROLES) of the linear layers that keep their input for a weight gradient.
        norms: the norms' scales are trained.
        embeddings: the embeddings are trained, or virtual tokens stand before them.
        checkpointing: only each block's input is kept; a gradient then reaches the embeddings' output in every method.
        lora: the linear layers with adapters; `rank` and `lora_dropout` are theirs.
    """

    n_bytes: int
    attention: str = "sdpa"
    masked: bool = False
    on_cuda: bool = False
    trained: frozenset[str] = frozenset()
    norms: bool = False
    embeddings: bool = False
    checkpointing: bool = False
    lora: tuple[Linear, ...] = ()
    rank: int = 0
    lora_dropout: float = 0.0

    @property
    def mask_bytes(self) -> int:
        """Bytes of one entry of a dropout mask: a bool on CUDA, a number of the activation's type on a CPU."""
        return 1 if self.on_cuda else self.n_bytes


def norm(shape: Shape, how: ForwardPass, tokens: int, module: str) -> list[SavedTensor]:
    """A norm keeps its input and one or two numbers per token; RMSNorm, written in Python, also its output before the scale."""
    width = tokens * shape.hidden
    if shape.norm == "layer":
        return [SavedTensor("input", module, width * how.n_bytes), SavedTensor("mean and 1/std", module, 8 * tokens)]
    kept = [SavedTensor("input, float32", module, 4 * width), SavedTensor("1/rms", module, 4 * tokens)]
    return kept + ([SavedTensor("normalised input", module, width * how.n_bytes)] if how.norms else [])


def linear_input(how: ForwardPass, roles: Iterable[str], width: int, tokens: int, module: str, stack: str) -> list[SavedTensor]:
    """The input of linear layers that read one tensor: kept once if a weight is trained; adapters keep their own (tokens, rank).

    peft casts a 16-bit input to its float32 adapters, and dropout makes another copy: then every adapted layer keeps its own.
    """
    roles = set(roles)
    kept = []
    place = (stack, module == "cross-attention", width)
    adapters = [x for x in how.lora if x.role in roles and (x.stack, x.crossing, x.n_in) == place]
    own_copy = how.n_bytes != 4 or how.lora_dropout > 0
    if roles & how.trained or (adapters and not own_copy):
        kept.append(SavedTensor("input", module, tokens * width * how.n_bytes))
    for linear in adapters:
        leaf = linear.name.rsplit(".", 1)[-1]
        kept.append(SavedTensor(f"lora_A output, {leaf}", module, 4 * tokens * how.rank))
        if own_copy:
            mask = (1 if how.on_cuda else 4) if how.lora_dropout else 0
            kept.append(SavedTensor(f"lora_A input, {leaf}", module, tokens * width * (4 + mask)))
    return kept


def fused(shape: Shape, how: ForwardPass, module: str) -> bool:
    """Whether attention runs in a fused kernel, which never keeps a (T, T) matrix.

    PyTorch's CPU kernel can neither drop nor pass a gradient to an additive bias; then sdpa falls back to plain matrices.
    """
    if how.attention != "sdpa":
        return False
    biased = shape.position_bias and how.embeddings and module != "cross-attention"
    return how.on_cuda or not (shape.attention_dropout or biased)


def attention(shape: Shape, how: ForwardPass, batch: int, queries: int, keys: int, module: str, stack: str) -> list[SavedTensor]:
    """Attention of `queries` positions over `keys` positions, with its four projections (the norm before it not included)."""
    e, tokens = how.n_bytes, batch * queries
    wide, narrow = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    kept = linear_input(how, ["qkv"], shape.hidden, tokens, module, stack)
    is_fused = fused(shape, how, module)
    if how.attention == "sdpa" and not is_fused:
        e = 4  # without its fused kernel PyTorch computes 16-bit attention in float32
    values = narrow if is_fused and not how.masked else wide  # with a mask the library repeats the shared heads
    kept.append(SavedTensor("queries", module, tokens * wide * e))
    kept += [SavedTensor(name, module, batch * keys * values * e) for name in ("keys", "values")]
    output = linear_input(how, ["attention out"], wide, tokens, module, stack)
    if is_fused:
        kept += [SavedTensor("output", module, tokens * wide * e), SavedTensor("log-sum-exp", module, 4 * tokens * shape.heads)]
        if how.masked:  # the kernel wants numbers, so that every layer makes and keeps its own mask
            kept.append(SavedTensor("mask", module, batch * queries * keys * e))
        kept += [saved for saved in output if saved.tensor != "input"]  # the projection reads the kept output
    else:
        square = batch * shape.heads * queries * keys
        half = how.attention == "eager" and e == 2
        kept.append(SavedTensor("probabilities", module, square * (e + (4 if half else 0))))
        if shape.attention_dropout:
            kept.append(SavedTensor("dropout mask and dropped probabilities", module, square * (e + (1 if how.on_cuda else e))))
        kept += output
    if shape.dropout:
        kept.append(SavedTensor("dropout mask", module, tokens * shape.hidden * how.mask_bytes))
    return kept


def feed_forward(shape: Shape, how: ForwardPass, tokens: int, stack: str) -> list[SavedTensor]:
    """The feed-forward layer, gated (SwiGLU) or plain; the norm before it is not included."""
    e, wide = how.n_bytes, tokens * shape.intermediate
    kept = linear_input(how, ["ff in"], shape.hidden, tokens, "feed-forward", stack)
    inside = KEPT_BY_ACTIVATION.get(shape.activation, 1)
    if inside:
        kept.append(SavedTensor(f"kept by {shape.activation}", "feed-forward", inside * wide * e))
    output = linear_input(how, ["ff out"], shape.intermediate, tokens, "feed-forward", stack)
    drops = shape.position_bias and shape.dropout  # T5 drops here too
    if shape.gated:
        kept += [SavedTensor("activated gate", "feed-forward", wide * e), SavedTensor("up projection", "feed-forward", wide * e)]
    elif shape.activation in KEEPS_OUTPUT and (drops or not any(saved.tensor == "input" for saved in output)):
        kept.append(SavedTensor("activated", "feed-forward", wide * e))
    if drops:
        kept.append(SavedTensor("dropout mask", "feed-forward", wide * how.mask_bytes))
    kept += output
    if shape.dropout:
        kept.append(SavedTensor("dropout mask", "feed-forward", tokens * shape.hidden * how.mask_bytes))
    return kept


def block(shape: Shape, how: ForwardPass, batch: int, length: int, stack: str = "", source: int = 0) -> list[SavedTensor]:
    """What one block of a stack (see `Linear.stack`) keeps; with `source` positions to cross-attend to, a decoder's beside an encoder."""
    tokens = batch * length
    kept = norm(shape, how, tokens, "attention norm")
    kept += attention(shape, how, batch, length, length, "attention", stack)
    if source:
        kept += norm(shape, how, tokens, "cross-attention norm")
        kept += attention(shape, how, batch, length, source, "cross-attention", stack)
    return kept + norm(shape, how, tokens, "feed-forward norm") + feed_forward(shape, how, tokens, stack)


def around(shape: Shape, how: ForwardPass, batch: int, length: int, labelled: int, source: int = 0) -> list[SavedTensor]:
    """What is kept outside the blocks: embeddings, the last norm, the output head's input, masks and rotary tables."""
    e, d, tokens = how.n_bytes, shape.hidden, batch * length
    kept = norm(shape, how, tokens, "last norm")
    if not how.embeddings and not how.checkpointing:  # no gradient reaches the first norm of a stack whose embeddings are frozen
        kept += [SavedTensor("not kept", "first norm", -x.n_bytes) for x in norm(shape, how, tokens, "first norm")[:2]]
    masks = (1 if how.embeddings or how.checkpointing else 0) + (1 if shape.position_bias else 0)
    if shape.dropout and masks:
        kept.append(SavedTensor("dropout masks, with the last norm's", "embeddings", masks * tokens * d * how.mask_bytes))
    if shape.head_transform:
        kept += [SavedTensor("three inputs", "head transform", (2 + ("other" in how.trained)) * batch * labelled * d * e)]
    if shape.head and labelled and "head" in how.trained:
        kept.append(SavedTensor("input", "output head", batch * labelled * d * e))
    if shape.rotary:
        kept.append(SavedTensor("cosines and sines", "rotary embedding", 2 * length * shape.head_dim * e))
    if shape.position_bias:
        own = how.checkpointing or fused(shape, how, "attention")  # handed from block to block, or kept by the fused kernel
        kept += [SavedTensor("bias indices", "position bias", 8 * length * length * how.embeddings)]
        kept += [SavedTensor("position bias", "attention", shape.heads * length * (length * own + source) * e)]
    return kept
