"""Scores of texts and what a difference of two scores is worth: ROUGE, BLEU, embeddings, intervals (lab 06)."""

from __future__ import annotations

from labutils.lazy import lazy_names

_NAMES = {
    "bleu_score": ["bleu", "brevity_penalty", "clipped_counts", "closest_length", "sentence_bleu"],
    "intervals": [
        "ACCURACY_HEADER",
        "Interval",
        "accuracy_rows",
        "approximate_randomization",
        "bootstrap_interval",
        "compare",
        "paired_bootstrap",
        "wilson_interval",
        "wrong_winner_rate",
    ],
    "meaning": ["embed", "similarity"],
    "production": ["load_metric"],
    "references": ["best_and_average", "human_ceiling"],
    "rouge": ["Score", "rouge_l", "rouge_lsum", "rouge_n"],
    "tokens": ["ngrams", "tokenize", "tokenize_13a", "tokenize_anywhere"],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
