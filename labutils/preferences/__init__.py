"""Learning from preferences: small policies, true and proxy rewards, the last layers of a model (lab 10)."""

from __future__ import annotations

from labutils.lazy import lazy_names

_NAMES = {
    "explorer": ["explore_preferences", "preference_view"],
    "frozen": ["PackedReplies", "Tail", "hidden_states", "pack", "reply_means", "reply_prompt"],
    "policy": ["ITEMS", "LENGTH", "Policies", "decode", "encode", "features", "train_reference", "written_list", "written_mask"],
    "replies": [
        "Worth",
        "better_first",
        "drawn_choices",
        "lengths_and_worths",
        "pair_table",
        "rater_probability",
        "rating",
        "reply_worth",
    ],
    "reports": ["agreement", "over_notes", "over_runs", "over_seeds"],
    "rewards": [
        "LIST_FEATURES",
        "compared",
        "hurried_choice",
        "list_features",
        "minimising_weights",
        "true_reward",
        "true_rewards",
    ],
    "toy": ["PROXY", "REFERENCE", "TEXTS", "TRUTH", "best_of", "kl_divergence", "tilted"],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
