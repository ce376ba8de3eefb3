"""A transformer by hand: byte pairs, attention, a small GPT, translators, decoding, and studies of the real model (labs 01 and 02)."""

from __future__ import annotations

from labutils.lazy import lazy_names

_NAMES = {
    "attention": ["AttentionWeights", "KVCache"],
    "bpe": ["BytePairs"],
    "gpt": ["GPT", "train_gpt"],
    "studies": ["attention_maps", "gradient_norms", "scale_study"],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
