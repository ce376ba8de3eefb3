"""What a model caches while it writes, layer by layer, read from the cache that transformers itself builds on the meta device.

Layers are not alike in every model: one key-value head is shared by all queries (Falcon), some layers look back over a window only
(Gemma 2, Mistral), some keep a state that doesn't grow (Mamba and its hybrids), keys and values differ in size (DeepSeek V2). A
formula over the configuration's fields is silently wrong there. Here two tiny prompts run through the model without memory, and
what its cache holds says how each layer grows; a third prompt has to agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labutils.errors import LabError

BATCH, SHORT, LONG, CHECK = 2, 5, 9, 14  # sequences and tokens of the prompts
# Layers of a DynamicCache whose growth is known: keys and values to the end of the text or of a window, or a fixed state.
GROWING = {"DynamicLayer"}
WINDOWED = {"DynamicSlidingWindowLayer"}
FIXED = {"LinearAttentionLayer"}
BOTH = {"LinearAttentionAndFullAttentionLayer"}


@dataclass(frozen=True)
class CacheLayers:
    """Layers whose caches are alike, for one sequence.

    Attributes:
        count: how many layers.
        per_token: numbers that each keeps per token: keys and values of all its key-value heads.
        window: the most tokens that it keeps, 0 for no limit.
        state: numbers that it keeps whatever the length, in the model's type.
        state_bytes: bytes that it keeps whatever the length in a type of their own (float32 states).
        kv_heads, head_dim: of its keys, 0 where it has none.
    """

    count: int
    per_token: int
    window: int = 0
    state: int = 0
    state_bytes: int = 0
    kv_heads: int = 0
    head_dim: int = 0

    def n_bytes(self, length: int, bytes_per_number: int) -> int:
        """Bytes of one sequence of `length` tokens in all `count` layers."""
        kept = min(length, self.window) if self.window else length
        return self.count * ((self.per_token * kept + self.state) * bytes_per_number + self.state_bytes)

    @property
    def formula(self) -> str:
        """What one layer keeps, in words."""
        parts = []
        if self.per_token:
            heads = f"2 · {self.kv_heads} key/value heads · {self.head_dim}"
            numbers = heads if 2 * self.kv_heads * self.head_dim == self.per_token else f"{self.per_token:,} numbers"
            parts.append(f"{numbers} per token" + (f", at most {self.window:,} tokens" if self.window else ""))
        if self.state or self.state_bytes:
            parts.append("a state that does not grow")
        return f"{self.count} layers · ({' and '.join(parts) or 'nothing'})"


def read_cache(model: Any) -> tuple[CacheLayers, ...]:
    """The cache of a causal model on the meta device, layers that are alike together.

    Args:
        model: built on the meta device, in evaluation mode; its type becomes bfloat16, so that states of a type of their own show.

    Raises:
        LabError: the model keeps something whose growth is not known here, or cannot run on the meta device.
    """
    import torch

    name = type(model).__name__
    model.to(torch.bfloat16)
    short = _layers(model, SHORT)
    if all(_keeps_every_token(layer) for layer in short):
        layers = [_growth(name, layer, None) for layer in short]
    else:
        long, check = _layers(model, LONG), _layers(model, CHECK)
        layers = [_growth(name, *pair) for pair in zip(short, long, strict=True)]
        for number, (layer, there) in enumerate(zip(layers, check, strict=True)):
            expected, seen = layer.n_bytes(CHECK, 2), sum(tensor.nbytes for tensor in _tensors(vars(there))) / BATCH
            if expected != seen:
                raise LabError(_refusal(name, f"layer {number} keeps {seen:,.0f} bytes where {expected:,} were expected"))
    found = Counter(layers)
    if not found:
        raise LabError(_refusal(name, "its cache has no layers"))
    return tuple(CacheLayers(count, *list(vars(layer).values())[1:]) for layer, count in found.items())


def _refusal(name: str, why: str) -> str:
    return f"The cache of {name} cannot be predicted ({why}): measure it on the model itself with labutils.machine.measure."


def _layers(model: Any, length: int) -> list[Any]:
    """The layers of the cache after a prompt of `length` tokens."""
    import torch

    name, ids = type(model).__name__, torch.ones(BATCH, length, dtype=torch.long, device="meta")
    try:
        with torch.no_grad():
            out = model(input_ids=ids, use_cache=True)
    except Exception as error:  # whatever a model does that needs real numbers
        raise LabError(_refusal(name, f"it does not run without real numbers, {type(error).__name__}")) from error
    cache = next((out[key] for key in ("past_key_values", "cache_params") if out.get(key) is not None), None)
    layers = getattr(cache, "layers", None)
    if layers is None:
        raise LabError(_refusal(name, "it hands out no cache made of layers"))
    known = GROWING | WINDOWED | FIXED | BOTH
    unknown = sorted({type(layer).__name__ for layer in layers} - known)
    if unknown:
        raise LabError(_refusal(name, f"layers of type {', '.join(unknown)}"))
    return list(layers)


def _tensors(value: Any) -> Iterator[Any]:
    """The tensors that grow with the batch in a layer's attributes, at any depth."""
    import torch

    if isinstance(value, torch.Tensor):
        if value.ndim and value.device.type == "meta":
            yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _tensors(each)


def _keeps_every_token(layer: Any) -> bool:
    """Whether a layer keeps one key and one value per head and token, and nothing else: then one length tells how it grows."""
    kept = list(_tensors(vars(layer)))
    return type(layer).__name__ in GROWING and len(kept) == 2 and all(t.ndim == 4 and t.shape[-2] == SHORT for t in kept)


def _growth(name: str, short: Any, long: Any) -> CacheLayers:
    """How one layer's cache grows, from two lengths, or from one where it keeps every token (`long` is None)."""
    import torch

    before = list(_tensors(vars(short)))
    after = [t.new_empty((*t.shape[:-2], LONG, t.shape[-1])) for t in before] if long is None else list(_tensors(vars(long)))
    if len(before) != len(after):
        raise LabError(_refusal(name, "a layer holds other tensors for a longer text"))
    per_token = state = state_bytes = 0
    for a, b in zip(before, after, strict=True):
        if a.shape[0] != BATCH:
            raise LabError(_refusal(name, "a tensor of its cache is not one per sequence"))
        more, left = divmod(b.numel() - a.numel(), BATCH * (LONG - SHORT))
        fixed = a.numel() // BATCH - more * SHORT
        if left or fixed < 0 or (more and (a.dtype != torch.bfloat16 or fixed)):
            raise LabError(_refusal(name, "a tensor of its cache grows in steps"))
        per_token += more
        if a.dtype == torch.bfloat16:
            state += fixed
        else:
            state_bytes += fixed * a.element_size()
    kind = type(short).__name__
    window = short.sliding_window - 1 if kind in WINDOWED else 0  # one less: the token being read comes on top
    keys = getattr(short, "keys", None) if per_token else None
    heads, head_dim = (keys.shape[1], keys.shape[-1]) if keys is not None and keys.ndim == 4 else (0, 0)
    return CacheLayers(1, per_token, window, state, state_bytes, heads, head_dim)
