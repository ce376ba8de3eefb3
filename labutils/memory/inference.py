"""Memory to hold a model and to generate with it: weights in any format, KV cache, one layer's activations."""

from __future__ import annotations

from typing import Any

from labutils.errors import LabError
from labutils.memory.ledger import DTYPE, Ledger, Term, dtype_bytes, dtype_name, weight_format
from labutils.memory.shape import Shape
from labutils.memory.unlike import cache_of
from labutils.validation import require_choice, require_whole_number

ATTENTION = ("sdpa", "eager")
GQA = "Shazeer 2019, multi-query attention, sec. 3; Ainslie et al. 2023, GQA, sec. 2.2"
# Resident set of a kernel that has imported torch, transformers, peft and matplotlib and made one tiny step, measured on Linux;
# and a rough figure for a CUDA context with its kernels, not measured here: both differ between builds.
FRAMEWORK = {"cpu": 420e6, "cuda": 550e6}


def framework_term(device: str) -> Term:
    """What Python, PyTorch and its kernels take themselves.

    Raises:
        LabError: the device is neither "cpu" nor "cuda".
    """
    require_choice("device", device, tuple(FRAMEWORK))
    return Term(
        "framework",
        FRAMEWORK[device],
        f"{FRAMEWORK[device] / 1e6:.0f} MB on {device}",
        "a constant: measured once on a CPU, rough on CUDA",
    )


def require_positions(shape: Shape, length: int) -> None:
    """Refuse a sequence longer than the model's position table.

    Raises:
        LabError: learned positions end before `length`.
    """
    if shape.positions and length > shape.positions:
        raise LabError(f"length={length}: {shape.name} has {shape.positions} positions, so shorten the sequence.")


def weights_bytes(shape: Shape, weights: Any = None, dtype: Any = "float32") -> float:
    """Bytes of the weights.

    Args:
        shape: of the model.
        weights: how they are stored (see `weight_format`); `dtype` by default. A quantized format applies to the linear layers
            inside the blocks, as bitsandbytes does it; embeddings, norms, biases and the output head stay in `dtype`.
        dtype: of what is not quantized.

    >>> weights_bytes(Shape.of(LlamaConfig()), "float32") / 1e9   # 6.738 billion parameters of 4 bytes
    26.95...
    """
    how = weight_format(weights or dtype)
    if how.constant_bits == 0:
        return shape.parameters * how.bits / 8
    inside = [linear for linear in shape.linears if linear.role not in ("head", "other")]
    rest = shape.parameters - sum(linear.parameters for linear in inside)
    return sum(linear.count * how.n_bytes(linear.n_out, linear.n_in) for linear in inside) + rest * dtype_bytes(dtype)


def weights_term(shape: Shape, weights: str | None, dtype: str) -> Term:
    """The ledger's line for the weights."""
    how = weight_format(weights or dtype)
    n_bytes = weights_bytes(shape, weights, dtype)
    formula = f"{shape.parameters:,} parameters · {n_bytes / shape.parameters:.4g} bytes ({how.name})"
    return Term("weights", n_bytes, formula, how.source if how.constant_bits else DTYPE)


def kv_cache_bytes(shape: Shape, batch: int, length: int, dtype: Any = "float32", source_length: int = 0) -> float:
    """Bytes of the KV cache for `length` positions.

    Where all layers are alike: 2 · layers · batch · kv_heads · length · head_dim · bytes. Where they are not (windows, one shared
    head, states that do not grow), the layers are added up as transformers caches them (see `labutils.memory.cache_layers`). An
    encoder-decoder also caches the keys and values of its `source_length` encoder positions for cross-attention; an encoder caches
    nothing.

    Raises:
        LabError: a negative size, or a cache that grows in a way that is not known.

    >>> kv_cache_bytes(Shape.of(LlamaConfig()), batch=1, length=2048, dtype="float16") / 2**30
    1.0
    """
    require_whole_number("batch", batch)
    require_whole_number("length", length, at_least=0)
    require_whole_number("source_length", source_length, at_least=0)
    if shape.kind == "encoder":
        return 0.0
    e = dtype_bytes(dtype)
    if shape.kind == "decoder":
        return float(batch * sum(layers.n_bytes(length, e) for layers in cache_of(shape)))
    return 2.0 * shape.layers * batch * shape.kv_heads * (length + source_length) * shape.head_dim * e


def _cache_formula(shape: Shape, batch: int, positions: int, source: int, e: int) -> str:
    """The formula of the KV cache with the numbers put in."""
    if shape.kind == "decoder":
        layers = " + ".join(layers.formula for layers in cache_of(shape))
        return f"({layers}) · {batch} sequences · {positions} positions · {e} bytes"
    stored = f"{positions} + {source}" if source else f"{positions}"
    return (
        f"2 · {shape.layers} layers · {batch} sequences · {shape.kv_heads} key/value heads · {stored} positions · "
        f"{shape.head_dim} · {e} bytes"
    )


def predict_inference(
    shape: Shape,
    batch: int,
    length: int,
    new_tokens: int = 0,
    dtype: Any = "float32",
    kv_dtype: Any = None,
    weights: str | None = None,
    *,
    attention: str = "sdpa",
    framework: bool = False,
    device: str = "cpu",
) -> Ledger:
    """Memory to read a prompt and generate.

    Args:
        shape: of the model.
        batch: sequences side by side.
        length: tokens of each prompt (for an encoder-decoder: of the source).
        new_tokens: tokens generated after it.
        dtype: of the computation, "float32", "bfloat16" or "float16", or the torch dtype of that name.
        kv_dtype: of the KV cache; `dtype` by default.
        weights: how the weights are stored (see `weight_format`); `dtype` by default.
        attention: "sdpa", or "eager", which holds (T, T) matrices for each head.
        framework: add what Python and PyTorch take themselves, so as to compare with a process's resident set.
        device: "cpu" or "cuda".

    Returns:
        terms "weights", "KV cache", "activations" (one layer's, while the prompt is read), "logits" (of the last position; of
        all for an encoder), and "framework" if asked for.

    Raises:
        LabError: a size below one, an unknown dtype or format, or more tokens than the model has positions.
    """
    require_whole_number("batch", batch)
    require_whole_number("length", length)
    require_whole_number("new_tokens", new_tokens, at_least=0)
    require_choice("attention", attention, ATTENTION)
    dtype = dtype_name(dtype)
    e, kv = dtype_bytes(dtype), kv_dtype or dtype
    seq2seq = shape.kind == "encoder-decoder"
    positions = max(1, new_tokens) if seq2seq else length + new_tokens
    require_positions(shape, positions)
    source = length if seq2seq else 0
    cache = kv_cache_bytes(shape, batch, positions, kv, source)
    tokens, attended = batch * length, shape.heads * shape.head_dim
    tensors = 3 if shape.gated else 4 if shape.activation == "gelu_new" else 2  # of the feed-forward width, live at once
    widest = max(tensors * shape.intermediate, 4 * attended) + 4 * shape.hidden
    square = 3 * batch * shape.heads * length**2 if attention == "eager" else 0
    bias = shape.heads * length**2 if shape.position_bias else 0
    rows = batch * (length if shape.kind == "encoder" else 1) if shape.head else 0
    terms = [
        weights_term(shape, weights, dtype),
        Term(
            "KV cache",
            cache,
            _cache_formula(shape, batch, positions, source, dtype_bytes(kv)),
            GQA,
        ),
        Term(
            "activations",
            e * (max(tokens * widest, square + 4 * tokens * attended) + bias),
            f"one layer's at a time: {tokens} tokens · {widest} · {e} bytes" if not square else "one layer's (T, T) matrices",
            "nothing is kept for a backward pass; one layer lives at a time",
        ),
        Term("logits", rows * shape.vocabulary * e, f"{rows} positions · {shape.vocabulary} · {e} bytes", "output head"),
    ]
    if framework:
        terms.append(framework_term(device))
    kept = {term.name: term.n_bytes for term in terms if term.name not in ("activations", "logits")}
    moments = {f"at the {name}": {**kept, name: term.n_bytes} for term in terms if (name := term.name) not in kept}
    title = f"{shape.name}, inference: batch {batch}, {length} + {new_tokens} tokens, {weights or dtype}"
    return Ledger(tuple(terms), moments, title)
