"""`make test-trl`: lab 10's packed rows, log-likelihoods and DPO loss against TRL's trainer, on a tiny model with random weights.

TRL is installed into build/trl once, without what it depends on, which the course has already. It runs in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from paths import ROOT

from labutils.machine import settings

HOME = settings.home()  # read before any test has a home of its own
VERSION = "1.16.0"
FOLDER = ROOT / "build" / "trl"
BOTH = """
import json, sys, torch
from datasets import Dataset
from transformers import LlamaConfig, LlamaForCausalLM
from trl import DPOConfig, DPOTrainer
from labutils.course import load_model, load_preferences
from labutils.exercises.lab10.choices import dpo_loss
from labutils.preferences.frozen import Tail, hidden_states, pack, reply_prompt

beta, out = float(sys.argv[1]), sys.argv[2]
_, tokenizer = load_model()
data = load_preferences()
notes = {row["id"]: row for row in data["notes"]}
prompts, replies = [], []
for pair in data["pairs"].to_list()[:6]:
    row, sides = notes[pair["note"]], ("first", "second") if pair["preferred"] == "first" else ("second", "first")
    prompts.append(reply_prompt(row))
    replies.append([row["replies"][pair[side]] for side in sides])


def tiny(seed):
    torch.manual_seed(seed)
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    shape = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4)
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), initializer_range=0.3, **shape, **ids)).eval()


policy, reference = tiny(0), tiny(1)
packed, ours = pack(tokenizer, prompts, replies), []
for model in (policy, reference):
    (before,) = hidden_states(model, packed, (1,))
    with torch.no_grad():
        ours.append(Tail(model, 1)(before, packed))  # (6, 2)
loss = dpo_loss(*ours[0].T, *ours[1].T, beta)
texts = [{"prompt": a, "chosen": " " + c, "rejected": " " + d} for a, (c, d) in zip(prompts, replies)]
rows = Dataset.from_list(texts)
how = DPOConfig(output_dir=out, beta=beta, per_device_eval_batch_size=6, report_to=[], use_cpu=True, bf16=False, max_length=None)
trainer = DPOTrainer(model=policy, ref_model=reference, args=how, train_dataset=rows, eval_dataset=rows, processing_class=tokenizer)
theirs = trainer.evaluate()
sums = [float(ours[0][:, k].mean()) for k in (0, 1)]
print(json.dumps({
    "loss": (float(loss), theirs["eval_loss"]),
    "chosen": (sums[0], theirs["eval_logps/chosen"]),
    "rejected": (sums[1], theirs["eval_logps/rejected"]),
}))
"""


@pytest.fixture(scope="module")
def trl() -> str:
    """The folder of the package, installed once."""
    if not (FOLDER / "trl").is_dir():
        words = ["install", "-q", "--no-deps", "--target", str(FOLDER), f"trl=={VERSION}"]
        subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    return str(FOLDER)


@pytest.mark.parametrize("beta", [0.1, 0.5])
def test_the_loss_is_that_of_trl(trl, beta, tmp_path):
    variables = {**os.environ, "PYTHONPATH": trl, "LABS_HOME": str(HOME), "HF_HUB_OFFLINE": "1"}
    words = [sys.executable, "-c", BOTH, str(beta), str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    for name, (ours, theirs) in json.loads(done.stdout.splitlines()[-1]).items():
        assert ours == pytest.approx(theirs, rel=1e-4), name
