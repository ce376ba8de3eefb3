"""Sixteen replies of the course's model to each note but two: the pool that lab 10 chooses from.

    python benchmarks/reply_pool.py          # about ten minutes on two cores; writes data/preferences/pool.jsonl

The prompt shows two notes with a reply each, a short and a long one; these two have no pool. The model samples at temperature 0.8 from its
whole vocabulary, up to 40 tokens. What counts as the reply is its first line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labutils.course import load_model
from labutils.course.corpora import load_preferences
from labutils.preferences.frozen import reply_prompt

COUNT, TEMPERATURE, TOKENS = 16, 0.8, 40
SHOTS = (("note-12", "To Harrow Castle."), ("note-10", "The nearest shop is in Marlow"))  # id, how the shown reply begins


def sampled(model: Any, ids: Tensor) -> Tensor:
    """COUNT continuations of one prompt (1, T), which is read once: (COUNT, TOKENS)."""
    read = model(ids, use_cache=True, logits_to_keep=1)
    cache, logits, made = read.past_key_values, read.logits[:, -1].expand(COUNT, -1), []
    cache.batch_repeat_interleave(COUNT)
    for _ in range(TOKENS):
        made.append(torch.multinomial((logits / TEMPERATURE).softmax(-1), 1))
        logits = model(made[-1], past_key_values=cache, use_cache=True).logits[:, -1]
    return torch.cat(made, dim=1)


def until_end(tokens: list[int], end: int) -> list[int]:
    """The tokens before the end token."""
    return tokens[: tokens.index(end)] if end in tokens else tokens


def main() -> None:
    """Write the pool."""
    model, tokenizer = load_model()
    notes = load_preferences()["notes"].to_list()
    by_id = {row["id"]: row for row in notes}
    shots = ""
    for id, beginning in SHOTS:
        (reply,) = (text for text in by_id[id]["replies"] if text.startswith(beginning))
        shots += f"{reply_prompt(by_id[id])} {reply}\n\n"
    torch.manual_seed(0)
    end = tokenizer.eos_token_id
    rows = []
    for row in notes:
        if row["id"] in dict(SHOTS):
            continue
        ids = torch.tensor([tokenizer(shots + reply_prompt(row))["input_ids"]])
        with torch.no_grad():
            out = sampled(model, ids)
        texts = tokenizer.batch_decode([until_end(tokens, end) for tokens in out.tolist()])
        first_lines = [" ".join(text.strip().split("\n")[0].split()) for text in texts]
        rows.append({"id": f"pool-{len(rows) + 1:02d}", "note": row["id"], "replies": first_lines})
    path = Path(__file__).resolve().parent.parent / "data" / "preferences" / "pool.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
