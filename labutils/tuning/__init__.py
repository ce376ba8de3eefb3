"""Fine-tuning: one loop for full fine-tuning, LoRA and its kin, inside a given memory (lab 05).

    >>> model, tokenizer = load_model()
    >>> examples = build_examples(tokenizer, [("2 + 2 =", " 4"), ("3 + 3 =", " 6")])
    >>> plan = plan_training(model, examples, "lora", memory_gib=2.5)
    >>> tuned = prepare(model, "lora")
    >>> history = train(tuned, examples, Recipe(learning_rate=1e-3, micro_batch=plan.micro_batch))
    >>> history.losses, history.tokens_per_second, history.peak_rss

Over several processes: `torchrun --nproc-per-node 2 -m labutils.tuning.launch --help`.
"""

from __future__ import annotations

from labutils.tuning.checkpoints import Interrupted
from labutils.tuning.examples import Batch, Example, build_examples, collate, step_order, token_losses
from labutils.tuning.loop import LEARNING_RATES, History, Recipe, learning_rate_at, train
from labutils.tuning.methods import METHODS, Method, nearest_words, prepare, trained, trained_count
from labutils.tuning.plan import Plan, plan_training

__all__ = [
    "LEARNING_RATES", "METHODS", "Batch", "Example", "History", "Interrupted", "Method", "Plan", "Recipe", "build_examples",
    "collate", "learning_rate_at", "nearest_words", "plan_training", "prepare", "step_order", "token_losses", "train", "trained",
    "trained_count",
]  # fmt: skip
