"""The inputs of a model's linear layers: looked at, or rounded on their way in. Lab 04 finds an outlier among them and cures it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


def linear_layers(model: Any) -> dict[str, nn.Linear]:
    """The linear layers of a transformers model by name, the output head left out: it shares the embedding's matrix, or is kept dense."""
    from torch import nn

    output = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear) and layer is not output}


@contextmanager
def _hooked(layers: dict[str, nn.Linear], hook_of: Callable[[str], Any]) -> Iterator[None]:
    hooks = [layer.register_forward_pre_hook(hook_of(name)) for name, layer in layers.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def layer_inputs_of(model: nn.Module, ids: Tensor, ending: str = "") -> dict[str, Tensor]:
    """What each linear layer is given when the model reads one text.

    Args:
        model: a transformers model.
        ids: (1, T), the tokens.
        ending: only layers whose names end so, such as "down_proj".

    Returns:
        name -> (T, columns), detached.
    """
    import torch

    found: dict[str, Tensor] = {}

    def hook_of(name: str) -> Any:
        def keep(layer: nn.Module, args: tuple[Tensor, ...]) -> None:
            found[name] = args[0][0].detach()

        return keep

    with (
        _hooked({name: layer for name, layer in linear_layers(model).items() if name.endswith(ending)}, hook_of),
        torch.no_grad(),
    ):
        model(input_ids=ids)
    return found


@contextmanager
def rounded_inputs(model: nn.Module, rounding: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within the block, every linear layer gets `rounding(x)` in the place of its input x (B, T, columns); weights stay as they are.

    Example:
        >>> with rounded_inputs(model, lambda x: quantize(x).dequantize()):
        ...     model(input_ids=ids)
    """

    def hook_of(name: str) -> Any:
        return lambda layer, args: (rounding(args[0]), *args[1:])

    with _hooked(linear_layers(model), hook_of):
        yield
