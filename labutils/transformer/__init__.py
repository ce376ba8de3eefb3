"""A transformer by hand: byte pairs, attention, a small GPT, translators, decoding, and studies of the real model (labs 01 and 02)."""

from __future__ import annotations

from labutils.lazy import lazy_names

_NAMES = {
    "attention": ["AttentionProjections", "KVCache"],
    "block_diagram": ["show_block"],
    "bpe": ["BPETokenizer", "split_words", "token_costs", "train_bpe"],
    "chain_picture": ["show_chain"],
    "decoding": ["SamplingSettings"],
    "gpt": ["GPT", "train_gpt"],
    "head_explorer": ["explore_heads", "head_view"],
    "microscope": ["MicroscopeSettings", "decoding_view", "explore_decoding"],
    "rotation_picture": ["show_rotation"],
    "seq2seq": [
        "build_translator",
        "cross_attention",
        "exact_match",
        "train_translator",
        "trainable_parameters",
        "translate",
        "translation_datasets",
        "translation_pair",
    ],
    "studies": ["attention_maps", "gradient_norms", "scale_study"],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
