"""Start-up, loading and decoding, measured in fresh processes: median of several runs.

Run: `make bench`. Figures depend on the machine; compare only what was measured side by side.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from labutils.machine.settings import THREADS

CASES = {
    "import labutils": "import labutils",
    "import torch": "import torch",
    "load the model (second load)": "from labutils import load_model; load_model()",
}
TIMED = "import time; start = time.perf_counter()\n{code}\nprint(time.perf_counter() - start)"
DECODE = """
import time, torch
from labutils import load_model, machine
torch.set_num_threads(machine.cores())
model, tokenizer = load_model()
def rate(batch, tokens=40):
    inputs = tokenizer(["The old sailor looked at the sky and said"] * batch, return_tensors="pt").to(model.device)
    with torch.no_grad():
        model.generate(**inputs, max_new_tokens=4, min_new_tokens=4, do_sample=False)
        start = time.perf_counter()
        model.generate(**inputs, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)
    return batch * tokens / (time.perf_counter() - start)
print(rate(1), rate(16), machine.gib(machine.peak_rss()))
"""


def run(code: str, **variables: str) -> str:
    """The output of a fresh interpreter."""
    clean = {key: value for key, value in os.environ.items() if key not in THREADS}
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={**clean, **variables}
    ).stdout


def main(repeats: int = 5) -> None:
    """Print the table."""
    print(f"{'what':42} {'median':>9} {'min':>9} {'max':>9}")
    for name, code in CASES.items():
        seconds = [float(run(TIMED.format(code=code), **THREADS).split()[-1]) for _ in range(repeats)]
        print(f"{name + ' (s)':42} {statistics.median(seconds):9.2f} {min(seconds):9.2f} {max(seconds):9.2f}")
    for name, variables in (("threads wait passively, as in the labs", THREADS), ("threads spin, OpenMP's default", {})):
        rows = [[float(x) for x in run(DECODE, **variables).split()] for _ in range(3)]
        for column, what in enumerate(("tokens/s alone", "tokens/s in a batch of 16", "peak GiB")):
            values = [row[column] for row in rows]
            print(f"{what + ': ' + name:60.60} {statistics.median(values):9.2f} {min(values):9.2f} {max(values):9.2f}")


if __name__ == "__main__":
    main()
