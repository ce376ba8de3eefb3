"""Does the dialogue corpus teach? Zero-shot in four wordings against one pass of LoRA, beside what one reference scores against others.

    python benchmarks/data_gain.py                        all of train, all of test: about 12 minutes on two cores
    python benchmarks/data_gain.py --train 80 --test 36   the sizes of lab 05: about 4 minutes
    python benchmarks/data_gain.py --save                 writes the prompts' texts to data/dialogues/written.jsonl too

Prints a table and writes build/data_gain.json. Scores are those of lab 05: ROUGE F1 in points, averaged over the dialogue's
references, with 95 % bootstrap intervals over the test dialogues; those of the gains are paired.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from race_texts import save_columns

from labutils import load_model
from labutils.course.corpora import load_dialogues
from labutils.evaluation import comparisons, intervals
from labutils.machine import limits, settings
from labutils.prompting.prompts import SUMMARY, few_shot_prompt
from labutils.tuning import LEARNING_RATES, Recipe, build_examples, plan_training, prepare, train
from labutils.tuning.summaries import ROUGES, rouge_scores, summary_pairs, summary_prompts, write_summaries

ROOT = Path(__file__).resolve().parent.parent
SEED = 0
COURSE = "system message"


def wordings(tokenizer: Any, rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The same request in several forms; `COURSE` is the one that is trained on. Without a chat template only bare text is left."""
    task = SUMMARY

    def form(style: str) -> list[str]:
        return [str(few_shot_prompt(task, [], row, style, tokenizer)) for row in rows]

    if not tokenizer.chat_template:
        return {COURSE: summary_prompts(tokenizer, rows)}
    plain = [[{"role": "user", "content": f"{task.instruction}\n\n{row['dialogue']}"}] for row in rows]
    return {
        "bare text": form("bare"),
        "user's turn, labelled": form("chat"),
        "user's turn": tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=True),
        COURSE: summary_prompts(tokenizer, rows),
    }


def one_reference(rows: list[dict[str, Any]]) -> dict[str, list[float]]:
    """A person's summary against the others of the same dialogue: the mean over which one is held out."""
    counts = range(len(rows[0]["references"]))
    each = [
        rouge_scores(
            [row["references"][i] for row in rows],
            [{"references": [text for j, text in enumerate(row["references"]) if j != i]} for row in rows],
        )
        for i in counts
    ]
    return {
        name: [statistics.fmean(values) for values in zip(*(scores[name] for scores in each), strict=True)] for name in ROUGES
    }


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description="Zero-shot against one pass of LoRA on the course's dialogues.")
    parser.add_argument("--train", type=int, help="use the first N training dialogues (default: all)")
    parser.add_argument("--test", type=int, help="use the first N test dialogues (default: all)")
    parser.add_argument("--save", action="store_true", help="keep the texts of two prompts in data/dialogues/written.jsonl")
    arguments = parser.parse_args()
    torch.set_num_threads(limits.cores())
    settings.seed_everything(SEED)

    data = load_dialogues()
    learn, test = data["train"].to_list()[: arguments.train], data["test"].to_list()[: arguments.test]
    if any(len(row["references"]) < 2 for row in test):
        sys.exit("Every test dialogue needs several summaries: unset LABS_DIALOGUES, or give summary1, summary2 and summary3.")
    model, tokenizer = load_model()
    started = time.perf_counter()
    texts = {"first two turns": [" ".join(row["dialogue"].split("\n")[:2]) for row in test]}
    for name, prompts in wordings(tokenizer, test).items():
        texts[f"zero-shot, {name}"] = write_summaries(model, tokenizer, test, prompts)
        print(f"zero-shot, {name}: written.", flush=True)
    examples = build_examples(tokenizer, summary_pairs(tokenizer, learn), getattr(model.config, "max_position_embeddings", None))
    recipe = plan_training(model, examples, "lora", batch=4).apply(Recipe(LEARNING_RATES["lora"], batch=4, seed=SEED))
    tuned = prepare(model, "lora", seed=SEED)
    history = train(tuned, examples, recipe)
    texts["LoRA, one pass"] = write_summaries(tuned.merge_and_unload(), tokenizer, test)

    scores = {name: rouge_scores(written, test) for name, written in texts.items()} | {"one reference": one_reference(test)}
    words = {name: statistics.fmean(len(text.split()) for text in written) for name, written in texts.items()}
    figures: dict[str, dict[str, list[float]]] = {}
    print(f"\n{len(learn)} to learn from, {len(test)} to test\n{'':38}" + "".join(f"{name:22}" for name in ROUGES) + "words")
    for name, metrics in scores.items():
        spans = {metric: intervals.bootstrap_interval(values) for metric, values in metrics.items()}
        figures[name] = {metric: [round(x, 2) for x in (s.mean, s.low, s.high)] for metric, s in spans.items()}
        cells = "".join(f"{s.mean:5.1f} ({s.low:5.1f} to {s.high:5.1f}) " for s in spans.values())
        print(f"{name:38}{cells}" + (f"{words[name]:5.1f}" if name in words else ""))
    last, gains = "LoRA, one pass", {}
    for name in filter(lambda name: name.startswith("zero-shot"), scores):
        verdict = comparisons.compare(scores[last]["ROUGE-1"], scores[name]["ROUGE-1"], (last, name))
        gains[name] = [round(x, 2) for x in (verdict.difference, verdict.low, verdict.high)]
        print(verdict)
    seconds, peak = time.perf_counter() - started, limits.gib(limits.peak_rss())
    print(f"{seconds:.0f} s, of which {history.seconds:.0f} s of training, {peak:.2f} GiB of resident memory at the peak")
    path = ROOT / "build" / "data_gain.json"
    path.parent.mkdir(exist_ok=True)
    result = {
        "recipe": asdict(recipe),
        "scores": figures,
        "gains": gains,
        "words": words,
        "losses": history.losses,
        "texts": texts,
        "seconds": round(seconds, 1),
        "peak_gib": round(peak, 2),
    }
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"Written: {path.relative_to(ROOT)}")
    if arguments.save:
        prompts = [name for name in scores if name.startswith("zero-shot")]
        best = max(prompts, key=lambda name: statistics.fmean(scores[name]["ROUGE-1"]))
        save_columns({"zero_shot": texts[f"zero-shot, {COURSE}"], "best_prompt": texts[best]})


if __name__ == "__main__":
    main()
