"""Numbers in fewer bits: formats, integers, 4-bit codes and the layers that compute with them (lab 04)."""

from __future__ import annotations

from labutils.lazy import lazy_names

_NAMES = {
    "bits_explorer": ["bits_view", "explore_bits"],
    "four_bit": ["int4_levels", "nf4_levels", "quantize_4bit", "unpack_codes"],
    "integers": ["quantize", "relative_error"],
    "layer_inputs": ["layer_inputs_of", "linear_layers", "rounded_inputs"],
    "linear4bit": ["Linear4bit", "dynamic_int8", "parameter_count", "quantize_model"],
    "number_formats": ["store_in_each_format"],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
