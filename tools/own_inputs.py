"""Run every lab with models and dialogues that are not the course's: each must reach its end, or refuse in one sentence at its top.

Random models of three kinds, each with the course's tokenizer and no chat template, and the smallest file of dialogues that is
accepted. The solutions run, at the smallest sizes. A refusal counts only as an `AssetError` in the cell that loads the model, and
only where REFUSED expects it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from editions import ROOT, make, sources
from nbclient.exceptions import CellExecutionError
from running import environment, execute, scratch_home

from labutils import load_model
from labutils.course.corpora import MIN_DIALOGUES

# What a lab cannot take apart: lab 01 runs the model by the learner's functions, labs 04, 05 and 07 work on a Llama's layers.
REFUSED = {
    "gpt2": {"01", "04", "05", "07"},
    "llama": {"01"},
    "t5": {"01", "02", "03", "04", "05", "07", "08"},
}


def save_models(folder: Path) -> dict[str, Path]:
    """Tiny random models with the course's tokenizer, saved as LABS_MODEL takes them: kind -> folder."""
    import torch
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        LlamaConfig,
        LlamaForCausalLM,
        T5Config,
        T5ForConditionalGeneration,
    )

    _, tokenizer = load_model()
    tokenizer.chat_template = None
    torch.manual_seed(0)
    ends: dict[str, Any] = {"vocab_size": len(tokenizer), "bos_token_id": 1, "eos_token_id": 2}
    encoder_ends: dict[str, Any] = {**ends, "pad_token_id": 0, "decoder_start_token_id": 0}
    heads: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2}
    models: dict[str, Any] = {
        "gpt2": GPT2LMHeadModel(GPT2Config(n_positions=1024, n_embd=64, n_layer=2, n_head=4, **ends)),
        "llama": LlamaForCausalLM(
            LlamaConfig(hidden_size=96, intermediate_size=192, num_hidden_layers=3, tie_word_embeddings=True, **heads, **ends)
        ),
        "t5": T5ForConditionalGeneration(T5Config(d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, **encoder_ends)),
    }
    for kind, model in models.items():
        model.save_pretrained(folder / kind)
        tokenizer.save_pretrained(folder / kind)
    return {kind: folder / kind for kind in models}


def save_dialogues(folder: Path) -> Path:
    """The smallest file of dialogues that is accepted: rows of the course's own, as a person would write them."""
    with (ROOT / "data" / "dialogues" / "test.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file][:MIN_DIALOGUES]
    kept = ("dialogue", "summary1", "summary2", "summary3")
    path = folder / "mine.jsonl"
    path.write_text("".join(json.dumps({key: row[key] for key in kept}) + "\n" for row in rows), encoding="utf-8")
    return path


def run(source: Path, variables: dict[str, str]) -> tuple[str, str]:
    """What became of a lab, "ends", "refuses" or "FAILS", and the last line of its error."""
    notebook = make(source, "solutions")
    try:
        with scratch_home() as home:
            execute(notebook, ROOT / "labs", environment(home, "smoke") | variables)
    except CellExecutionError as error:
        failed = next(cell for cell in notebook.cells if any(o.output_type == "error" for o in cell.get("outputs", [])))
        top = error.ename == "AssetError" and "load_model(" in failed.source
        return "refuses" if top else "FAILS", f"{error.ename}: {error.evalue}"
    return "ends", ""


def main(
    labs: Annotated[Optional[list[str]], typer.Argument(help="numbers such as 03; all by default")] = None,
    only: Annotated[str, typer.Option(help="gpt2, llama, t5 or dialogues; all by default")] = "",
) -> None:
    """Run the labs, print a table, and fail where one does neither."""
    os.environ.pop("LABS_MODEL", None)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="llm-labs-") as name:
        worlds = {kind: {"LABS_MODEL": str(path)} for kind, path in save_models(Path(name)).items()}
        worlds["dialogues"] = {"LABS_DIALOGUES": str(save_dialogues(Path(name)))}
        for source in sources():
            number = source.name[:2]
            for world, variables in worlds.items():
                if (labs and number not in labs) or (only and world != only):
                    continue
                began = time.perf_counter()
                found, why = run(source, variables)
                good = found == ("refuses" if number in REFUSED.get(world, set()) else "ends")
                wrong += not good
                seconds = time.perf_counter() - began
                print(f"{number} {world:10} {found:8} {'' if good else 'UNEXPECTED'} {seconds:.0f} s  {why[:300]}", flush=True)
    sys.exit(min(wrong, 1))


if __name__ == "__main__":
    typer.run(main)
