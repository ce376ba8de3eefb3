"""Architectures that the formulas don't fit: found by building the model without memory, and refused in one sentence.

The cache is read from the one that transformers builds (see cache_layers). The list of activations assumes blocks that are alike, of
one attention and one feed-forward layer; whether it fits is seen by comparing it with what autograd keeps, on the meta device, where
a forward pass takes no memory and little time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labutils.errors import LabError
from labutils.memory.cache_layers import CacheLayers, read_cache
from labutils.memory.shape import Shape

BATCH = 2
LENGTHS = (24, 256)  # tokens: a length at which the widths count, and one at which the squares of attention do
TOLERANCE = 0.1

_known: dict[tuple[str, str, str], Any] = {}


def _once(what: str, shape: Shape, compute: Callable[[], Any]) -> Any:
    """The result of a check, computed once for each class and configuration; a refusal is kept as well."""
    mine: dict[str, Any] = shape.__dict__.setdefault(
        "_checked", {}
    )  # spares a shape that is asked again the text of its configuration
    if what not in mine:
        kind, config = shape.source
        key = (what, kind.__name__, config.to_json_string(use_diff=False))
        if key not in _known:
            try:
                _known[key] = compute()
            except LabError as error:
                _known[key] = error
        mine[what] = _known[key]
    found = mine[what]
    if isinstance(found, LabError):
        raise found
    return found


def _rebuilt(shape: Shape, attention: str | None = None) -> Any:
    import copy

    import torch

    kind, config = shape.source
    options = {"attn_implementation": attention} if attention else {}
    with torch.device("meta"):
        return kind._from_config(copy.deepcopy(config), **options)  # type: ignore[attr-defined]


def cache_of(shape: Shape) -> tuple[CacheLayers, ...]:
    """The layers of a decoder's cache, those that are alike together.

    Raises:
        LabError: the model's cache grows in a way that is not known.
    """
    found: tuple[CacheLayers, ...] = _once("cache", shape, lambda: read_cache(_rebuilt(shape).eval()))
    return found


def kept_on_meta(model: Any, length: int, is_decoder: bool = True) -> int:
    """Bytes that a forward pass of `BATCH` texts to the logits keeps for the backward pass, parameters left out, each storage once."""
    import torch

    own = {t.untyped_storage()._cdata for t in [*model.parameters(), *model.buffers()]}
    kept: dict[int, Any] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage  # held, so that no address is used twice
        return tensor

    ids = torch.ones(BATCH, length, dtype=torch.long, device="meta")
    # A decoder without a mask looks for packed texts, and an encoder with one looks whether it hides anything: both need real numbers.
    options = {"attention_mask": ids, "use_cache": False} if is_decoder else {}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = model(input_ids=ids, **options).logits
    del logits
    return sum(storage.nbytes() for storage in kept.values())


def require_alike(shape: Shape, expected: Callable[[int], float]) -> None:
    """Refuse a model whose activations are not those of the list.

    Args:
        shape: of a decoder or an encoder; an encoder-decoder is taken as it is, because it doesn't run on the meta device.
        expected: length -> bytes that the list expects for `BATCH` texts, plain attention, all weights trained in float32, without
            the loss.

    Raises:
        LabError: they differ by more than a tenth, or the model does not run without real numbers.
    """
    if shape.kind == "encoder-decoder":
        return

    def compare() -> bool:
        advice = "measure a step with labutils.machine.measure."
        model = _rebuilt(shape, "eager").train()
        for length in LENGTHS:
            if shape.positions and length > shape.positions:
                continue
            try:
                seen = kept_on_meta(model, length, shape.kind == "decoder")
            except Exception as error:  # whatever a model does that needs real numbers
                why = f"it does not run without real numbers, {type(error).__name__}"
                raise LabError(f"The training memory of {shape.name} cannot be predicted ({why}): {advice}") from error
            off = expected(length) / seen - 1
            if abs(off) > TOLERANCE:
                raise LabError(
                    f"The training memory of {shape.name} cannot be predicted, because its layers are not the ones that the "
                    f"formulas know ({off:+.0%} at {length} tokens): {advice}"
                )
        return True

    _once("activations", shape, compare)


def require_known_attention(shape: Shape, attention: str, positions: int) -> None:
    """Refuse fused attention where the model has none, and texts that are longer than the window of some layers.

    Raises:
        LabError: names what to set.
    """
    kind = shape.source[0]
    if attention == "sdpa" and not getattr(kind, "_supports_sdpa", True):
        raise LabError(f'{shape.name} has no fused attention in transformers: set attention="eager".')
    if shape.kind == "decoder" and attention == "sdpa":
        try:
            windows = [layers.window for layers in cache_of(shape) if layers.window]
        except LabError:
            return
        if windows and positions > min(windows):
            raise LabError(
                f"{shape.name} has layers that look back over {min(windows) + 1:,} tokens, so {positions:,} tokens need masks that the "
                f'formulas do not count: shorten the texts, or set attention="eager".'
            )
