"""Fine-tuning: one loop for full fine-tuning, LoRA and its kin, inside a given memory (labs 05 and 07).

    model, tokenizer = load_model()
    examples = build_examples(tokenizer, [("2 + 2 =", " 4"), ("3 + 3 =", " 6")])
    plan = plan_training(model, examples, "lora", memory_gib=2.5)
    tuned = prepare(model, "lora")
    history = train(tuned, examples, Recipe(learning_rate=1e-3, micro_batch=plan.micro_batch))
    history.losses, history.tokens_per_second, history.peak_rss

Over several processes: `torchrun --nproc-per-node 2 -m labutils.tuning.launch --help`.
"""

from __future__ import annotations

from labutils.lazy import lazy_names

_NAMES = {
    "arms": ["Arm", "run_arm"],
    "checkpoints": ["Interrupted"],
    "examples": ["Batch", "Example", "build_examples", "collate", "step_order", "token_losses"],
    "loop": ["History", "train"],
    "measured": ["Comparison", "compare_inference", "compare_training", "measure_step", "seconds_of_a_pass"],
    "methods": [
        "METHODS",
        "Method",
        "named_trainable_parameters",
        "nearest_words",
        "prepare",
        "set_checkpointing",
        "trainable_count",
    ],
    "plan": ["TrainingPlan", "plan_training", "shared_plans"],
    "recipe": ["LEARNING_RATES", "Recipe", "learning_rate_at"],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
