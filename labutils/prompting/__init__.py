"""Prompts that are built, budgeted, answered and read (lab 03)."""

from __future__ import annotations

from labutils.lazy import lazy_names

_NAMES = {
    "budget": ["TokenBudget", "fit_shots", "token_budget"],
    "composer": ["explore_prompt", "prompt_view"],
    "likelihoods": [
        "calibrated",
        "generate_texts",
        "greedy_matches",
        "label_log_likelihoods",
        "label_scorer",
        "most_likely_labels",
    ],
    "parsing": ["check_json", "extract_json", "read_label"],
    "scoreboard": ["Scoreboard", "wins_needed"],
    "prompts": [
        "SENTIMENT",
        "SUMMARY",
        "Prompt",
        "Task",
        "draw_shots",
        "encode_prompt",
        "few_shot_prompt",
        "find_leaks",
        "shot_orders",
        "words_by_task",
    ],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
