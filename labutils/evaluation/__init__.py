"""Scores of texts and what a difference of two scores is worth: ROUGE, BLEU, embeddings, intervals (lab 06)."""

from __future__ import annotations

from labutils.lazy import lazy_names

_NAMES = {
    "accuracy": ["ACCURACY_HEADER", "accuracy_rows", "mcnemar", "wilson_interval"],
    "bleu_score": ["bleu", "brevity_penalty", "clipped_counts", "closest_length", "sentence_bleu"],
    "comparisons": ["approximate_randomization", "compare", "holm", "paired_bootstrap", "wrong_winner_rate"],
    "intervals": ["Interval", "bootstrap_interval", "t_interval"],
    "meaning": ["embed", "similarity"],
    "ngram_explorer": ["explore_ngrams", "ngram_view"],
    "production": ["load_metric"],
    "references": ["best_and_average", "reference_ceiling"],
    "rouge": ["Score", "rouge_l", "rouge_lsum", "rouge_n"],
    "tokens": ["ngrams", "tokenize", "tokenize_13a", "tokenize_anywhere"],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
