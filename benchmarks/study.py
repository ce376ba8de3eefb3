"""The longer study of lab 05: full fine-tuning and LoRA, 3 sizes, 3 learning rates and 3 seeds, and prompts without training.

    python benchmarks/study.py --list                          what has been run, and what has not
    python benchmarks/study.py                                 every cell that is missing: several hours on two quiet cores
    python benchmarks/study.py --only "lora 80 1e-3 seed 0"    one cell, again: some minutes
    python benchmarks/study.py --only "few-shot 2"             the untrained model with two examples in its prompt

Each finished cell is appended to data/study/study.jsonl at once, so that a run can be stopped and started again. Each trains in a
process of its own, one pass in steps of 4. The seed draws the training dialogues, their order and LoRA's start. Scores are those of
lab 05, for each of the 78 test dialogues. The course's own dialogues are used, whatever LABS_DIALOGUES says.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

from labutils import load_model
from labutils.course.corpora import load_dialogues
from labutils.errors import LabError
from labutils.evaluation.facts import fact_scores, plain_words
from labutils.machine import limits, settings
from labutils.machine.files import append_line
from labutils.prompting.likelihoods import generate_texts
from labutils.prompting.prompts import SUMMARY, few_shot_prompt
from labutils.tuning import Arm, Recipe, build_examples, plan_training, run_arm
from labutils.tuning.study import BATCH, Cell, all_cells, choose_examples, load_study, parse_cell, record_path
from labutils.tuning.summaries import MAX_NEW_TOKENS, rouge_scores, summary_pairs, summary_prompts

SHOTS = (1, 2, 4)
Data = dict[str, list[dict[str, Any]]]


def scores_of(texts: list[str], data: Data) -> dict[str, list[float]]:
    """Points of each text, rounded: ROUGE-1, -2, -L and the share of its facts that the dialogue has."""
    test = data["test"]
    plain = plain_words(row["dialogue"] for row in data["train"])
    found = {**rouge_scores(texts, test), "facts": fact_scores(texts, [row["dialogue"] for row in test], plain)}
    return {name: [round(value, 1) for value in values] for name, values in found.items()}


def train_cell(cell: Cell, data: Data, memory_gib: float | None) -> dict[str, Any]:
    """Run one cell; its line of the record."""
    model, tokenizer = load_model()
    learn = build_examples(tokenizer, summary_pairs(tokenizer, choose_examples(data["train"], cell.examples, cell.seed)))
    held_out = build_examples(tokenizer, summary_pairs(tokenizer, data["validation"]))
    plan = plan_training(model, learn, cell.method, batch=BATCH, memory_gib=memory_gib)
    device = model.device.type
    del model
    recipe = plan.apply(Recipe(cell.rate, batch=BATCH, seed=cell.seed))
    arm = Arm(
        cell.method, recipe, learn, held_out, summary_prompts(tokenizer, data["test"]), MAX_NEW_TOKENS, looks=1, measure=False
    )
    found = run_arm(arm)
    return {
        "cell": str(cell),
        "scores": scores_of(found["texts"], data),
        "loss": round(found["curve"][-1][1], 4),
        "words": round(statistics.fmean(len(text.split()) for text in found["texts"]), 1),
        "tokens": found["history"]["tokens"],
        "device": device,
    }


def prompt_cell(shots: int, data: Data) -> dict[str, Any]:
    """The untrained model with the first `shots` training dialogues as turns before the one that is asked about."""
    model, tokenizer = load_model()
    if not tokenizer.chat_template:
        sys.exit("Few-shot turns need a model with a chat template.")
    prompts = [few_shot_prompt(SUMMARY, data["train"][:shots], row, "turns", tokenizer) for row in data["test"]]
    texts = [" ".join(text.split()) for text in generate_texts(model, tokenizer, prompts, MAX_NEW_TOKENS)]
    words = round(statistics.fmean(len(text.split()) for text in texts), 1)
    return {"cell": f"few-shot {shots}", "scores": scores_of(texts, data), "words": words, "device": model.device.type}


def main() -> None:
    """Run what is asked for, or what is missing."""
    parser = argparse.ArgumentParser(description="The longer study of lab 05, a cell at a time.")
    parser.add_argument(
        "--only", action="append", default=[], metavar="CELL", help="run this cell, also if it has been run; repeatable"
    )
    parser.add_argument("--list", action="store_true", help="say what has been run, and run nothing")
    parser.add_argument(
        "--memory-gib", type=float, help="for weights, gradients, optimizer and activations (default: what is free)"
    )
    parser.add_argument("--record", type=Path, default=record_path(), help="the file that cells are appended to")
    arguments = parser.parse_args()
    settings.seed_everything(0)
    torch.set_num_threads(limits.cores())
    done = load_study(arguments.record)
    names = arguments.only or [*(f"few-shot {n}" for n in SHOTS), *map(str, all_cells())]
    if arguments.list:
        for name in names:
            print(f"{'run    ' if name in done else 'missing'}  {name}")
        return
    data = {name: rows.to_list() for name, rows in load_dialogues(own=False).items()}
    for name in names:
        if name in done and not arguments.only:
            continue
        started, shots = time.perf_counter(), re.fullmatch(r"few-shot (\d+)", name)
        try:
            row = prompt_cell(int(shots[1]), data) if shots else train_cell(parse_cell(name), data, arguments.memory_gib)
        except LabError as error:
            sys.exit(str(error))
        append_line(arguments.record, row)
        means = ", ".join(f"{metric} {statistics.fmean(values):.1f}" for metric, values in row["scores"].items())
        print(f"{row['cell']}: {means}; {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
