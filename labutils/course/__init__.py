"""The course around the labs: a session, the models and corpora, what was measured, plots and the map."""

from __future__ import annotations

from labutils.lazy import lazy_names

_NAMES = {
    "corpora": [
        "load_dialogues",
        "load_mixed",
        "load_preferences",
        "load_probes",
        "load_problems",
        "load_prompting",
        "load_prose",
        "load_reviews",
        "load_town",
        "load_translations",
        "load_words",
        "load_written_summaries",
        "read_jsonl",
    ],
    "lifecycle": ["show_map"],
    "loading": ["load_encoder", "load_model"],
    "plots": [
        "BLUE",
        "GREEN",
        "GREY",
        "ORANGE",
        "PALETTE",
        "PURPLE",
        "SKY",
        "VERMILION",
        "new_figure",
        "show",
        "show_table",
        "show_widget",
        "table_html",
        "whole_numbers",
    ],
    "results": ["record"],
    "session": ["Lab", "start"],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
