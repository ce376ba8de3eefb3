"""Pretraining in small: objectives, the compute of a step, and a scaling law fitted to runs of this machine (lab 08)."""

from __future__ import annotations

from labutils.lazy import lazy_names

_NAMES = {
    "calculator": ["explore_scaling", "scaling_view"],
    "compute": ["counted_flops"],
    "law": ["Law", "fit_law", "forecast_interval", "huber", "shaken_fits"],
    "objectives": ["library_causal", "library_masked", "t5_lengths"],
    "record": ["load_runs"],
    "small_models": ["CharacterText", "Size", "SmallRun", "character_text", "pooled_states", "train_small"],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
