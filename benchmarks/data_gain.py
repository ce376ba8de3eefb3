"""Does the dialogue corpus teach? Zero-shot against one epoch of LoRA, beside what one reference scores against the others.

    python benchmarks/data_gain.py                        all of train, all of test: about 10 minutes on two cores
    python benchmarks/data_gain.py --train 96 --test 24   a quick look

Prints a table and writes build/data_gain.json. Scores are ROUGE F1 in percent, with the stemmer; the intervals are 95 % bootstrap
intervals over the test dialogues, and those of the gain are paired.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rouge_score.rouge_scorer import RougeScorer

from labutils import load_model, machine, runtime
from labutils.corpora import load_dialogues
from labutils.tuning import Method, Recipe, build_examples, prepare, train

ROOT = Path(__file__).resolve().parent.parent
PROMPT = "Summarize the following conversation.\n\n{dialogue}\n\nSummary:"
METRICS = ("rouge1", "rouge2", "rougeL")
SETTINGS = {"lora_rank": 16, "lora_alpha": 32, "learning_rate": 1e-3, "batch": 8, "epochs": 1, "seed": 0}
MAX_NEW_TOKENS = 60
DRAWS = 10_000
SCORER = RougeScorer(list(METRICS), use_stemmer=True)


def batches(items: list[Any], size: int) -> list[list[Any]]:
    """The items in consecutive groups of `size`."""
    return [items[i : i + size] for i in range(0, len(items), size)]


@torch.inference_mode()
def generate(model: Any, tokenizer: Any, dialogues: list[str], chat: bool = False, size: int = 13) -> list[str]:
    """Summaries by greedy decoding of at most MAX_NEW_TOKENS tokens, in batches of similar length.

    With `chat` the prompt is wrapped in the model's chat template, which an instruction-tuned model was trained on.
    """
    prompts = [PROMPT.format(dialogue=dialogue) for dialogue in dialogues]
    if chat:
        asked = [[{"role": "user", "content": prompt.removesuffix("\n\nSummary:")}] for prompt in prompts]
        prompts = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    summaries = [""] * len(prompts)
    for group in batches(order, size):
        inputs = tokenizer([prompts[i] for i in group], return_tensors="pt", padding=True)
        inputs = inputs.to(model.device)
        output = model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False, pad_token_id=tokenizer.pad_token_id)
        texts = tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for i, text in zip(group, texts, strict=True):
            summaries[i] = " ".join(text.split())
    return summaries


def tune(model: Any, tokenizer: Any, rows: list[dict[str, str]]) -> tuple[Any, list[float]]:
    """One epoch of LoRA on every linear layer: the tuned model and the mean loss (nats per token) of each step."""
    pairs = [(PROMPT.format(dialogue=row["dialogue"]), " " + row["summary"]) for row in rows]
    method = Method("lora", lora_rank=int(SETTINGS["lora_rank"]), lora_alpha=int(SETTINGS["lora_alpha"]))
    keys = ("learning_rate", "batch", "epochs", "seed")
    recipe = Recipe(**{key: SETTINGS[key] for key in keys}, warmup=0.05, micro_batch=1)
    tuned = prepare(model, method, seed=int(SETTINGS["seed"]))
    return tuned, train(tuned, build_examples(tokenizer, pairs), recipe).losses


def score(candidate: str, reference: str) -> list[float]:
    """ROUGE-1, -2 and -L F1 in percent."""
    scores = SCORER.score(reference, candidate)
    return [100 * scores[metric].fmeasure for metric in METRICS]


def against(candidates: list[str], references: list[list[str]]) -> dict[str, np.ndarray]:
    """Scores of a system against the first reference, the best of two (mean over the three pairs) and the best of three.

    Returns:
        name -> array (dialogues, metrics), in percent.
    """
    table = np.array([[score(c, r) for r in refs] for c, refs in zip(candidates, references, strict=True)])  # (N, 3, metrics)
    pairs = [np.maximum(table[:, i], table[:, j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    return {"first": table[:, 0], "best of two": np.mean(pairs, axis=0), "best of three": table.max(axis=1)}


def ceiling(references: list[list[str]]) -> dict[str, np.ndarray]:
    """One reference against another (mean over the six pairs) and against the better of the other two (mean over the three)."""
    table = np.array([[[score(a, b) for b in refs] for a in refs] for refs in references])  # (N, 3, 3, metrics)
    others = [(i, [j for j in range(3) if j != i]) for i in range(3)]
    return {
        "first": np.mean([table[:, i, j] for i, js in others for j in js], axis=0),
        "best of two": np.mean([table[:, i, js].max(axis=1) for i, js in others], axis=0),
    }


def interval(values: np.ndarray) -> list[list[float]]:
    """[mean, low, high] for each metric: 95 % bootstrap interval over the rows of (N, metrics)."""
    rng = np.random.default_rng(int(SETTINGS["seed"]))
    draws = np.stack([values[rng.integers(0, len(values), len(values))].mean(axis=0) for _ in range(DRAWS)])
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    return [[round(float(x), 2) for x in column] for column in zip(values.mean(axis=0), low, high, strict=True)]


def show(name: str, what: str, triples: list[list[float]], length: float | None = None) -> None:
    """One line of the table."""
    cells = "  ".join(f"{mean:5.1f} [{low:5.1f}, {high:5.1f}]" for mean, low, high in triples)
    print(f"{name:<36}{what:<15}{cells}" + (f"  {length:5.1f}" if length else ""))


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description="Zero-shot against one epoch of LoRA on the course's dialogues.")
    parser.add_argument("--train", type=int, help="use the first N training dialogues (default: all)")
    parser.add_argument("--test", type=int, help="use the first N test dialogues (default: all)")
    parser.add_argument("--threads", type=int, default=machine.cores(), help="CPU threads (default: one a core)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    runtime.seed_everything(int(SETTINGS["seed"]))

    data = load_dialogues()
    train, test = data["train"].to_list()[: arguments.train], data["test"].to_list()[: arguments.test]
    dialogues, references = [row["dialogue"] for row in test], [row["references"] for row in test]
    if any(len(refs) != 3 for refs in references):
        sys.exit("Every test dialogue needs three summaries: unset LABS_DIALOGUES, or give summary1, summary2 and summary3.")
    model, tokenizer = load_model()
    started = time.perf_counter()
    outputs = {"first two turns": [" ".join(d.split("\n")[:2]) for d in dialogues]}
    outputs["zero-shot"] = generate(model, tokenizer, dialogues)
    if tokenizer.chat_template:
        outputs["zero-shot, chat template"] = generate(model, tokenizer, dialogues, chat=True)
    print(f"Zero-shot on {len(test)} dialogues: {time.perf_counter() - started:.0f} s. One epoch on {len(train)}:", flush=True)
    trained = time.perf_counter()
    model, losses = tune(model, tokenizer, train)
    print(f"Trained in {time.perf_counter() - trained:.0f} s.", flush=True)
    outputs["LoRA, one epoch"] = generate(model.merge_and_unload(), tokenizer, dialogues)

    scores = {name: against(texts, references) for name, texts in outputs.items()}
    tuned = scores["LoRA, one epoch"]
    gains = {
        f"gain over {name}": {key: tuned[key] - scores[name][key] for key in tuned}
        for name in scores
        if name.startswith("zero-shot")
    }
    rows = {**scores, **gains, "one reference": ceiling(references)}
    words = {name: statistics.mean(len(text.split()) for text in texts) for name, texts in outputs.items()}
    words["one reference"] = statistics.mean(len(text.split()) for refs in references for text in refs)
    figures = {name: {key: interval(values) for key, values in table.items()} for name, table in rows.items()}

    print(f"\n{'':<36}{'references':<15}{'ROUGE-1':<22}{'ROUGE-2':<22}{'ROUGE-L':<20}words")
    for name, table in figures.items():
        for key, triples in table.items():
            show(name, key, triples, words.get(name))
    seconds = time.perf_counter() - started
    peak = machine.gib(machine.peak_rss())
    print(f"\n{seconds:.0f} s, {peak:.2f} GiB of resident memory at the peak")
    result = {
        "settings": {**SETTINGS, "prompt": PROMPT, "max_new_tokens": MAX_NEW_TOKENS, "train": len(train), "test": len(test)},
        "figures": {name: {k: dict(zip(METRICS, t, strict=True)) for k, t in table.items()} for name, table in figures.items()},
        "words": words,
        "losses": [round(loss, 4) for loss in losses],
        "seconds": round(seconds, 1),
        "peak_gib": round(peak, 2),
        "outputs": [
            {"id": row["id"], "references": row["references"], **{name: texts[i] for name, texts in outputs.items()}}
            for i, row in enumerate(test)
        ],
    }
    path = ROOT / "build" / "data_gain.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"Written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
