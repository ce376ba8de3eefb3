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
WORK = """
import time, torch
from labutils import course, load_model, machine, tuning
torch.set_num_threads(machine.cores())
model, tokenizer = load_model()
def rate(batch, tokens=40):
    inputs = tokenizer(["The old sailor looked at the sky and said"] * batch, return_tensors="pt").to(model.device)
    with torch.no_grad():
        model.generate(**inputs, max_new_tokens=4, min_new_tokens=4, do_sample=False)
        start = time.perf_counter()
        model.generate(**inputs, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)
    return batch * tokens / (time.perf_counter() - start)
rates = rate(1), rate(16)
pairs = [(row["word"], " " + row["answer"]) for row in course.load_words()["pool"]][:96]
history = tuning.train(tuning.prepare(model, "lora"), tuning.build_examples(tokenizer, pairs), tuning.Recipe(1e-3, batch=16))
print(*rates, history.tokens_per_second, machine.gib(machine.peak_rss()))
"""
WAYS = {
    "spinning for microseconds, as in the labs": THREADS,
    "sleeping at once": {"OMP_WAIT_POLICY": "PASSIVE"},
    "spinning for long, OpenMP's default": {},
}  # how threads wait
MEASURED = ("decoding, tokens/s", "decoding 16 at once, tokens/s", "training on short examples, tokens/s", "peak, GiB")


def start(code: str, **variables: str) -> subprocess.Popen[str]:
    """A fresh interpreter at work."""
    clean = {key: value for key, value in os.environ.items() if key not in THREADS} | {"LABS_PROGRESS": "0"}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**clean, **variables})


def numbers(process: subprocess.Popen[str]) -> list[float]:
    """What an interpreter printed last."""
    printed, _ = process.communicate()
    if process.returncode:
        sys.exit(process.returncode)
    return [float(word) for word in printed.splitlines()[-1].split()]


def row(name: str, values: list[float]) -> None:
    """Print a line of the table."""
    print(f"{name:105} {statistics.median(values):9.2f} {min(values):9.2f} {max(values):9.2f}", flush=True)


def main(repeats: int = 5) -> None:
    """Print the table."""
    print(f"{'what':105} {'median':>9} {'min':>9} {'max':>9}")
    for name, code in CASES.items():
        row(f"{name} (s)", [numbers(start(TIMED.format(code=code), **THREADS))[0] for _ in range(repeats)])
    for name, variables in WAYS.items():
        for kernels in (1, 2):
            found = []
            for _ in range(3 // kernels):
                busy = [start(WORK, **variables) for _ in range(kernels)]
                found += [numbers(process) for process in busy]
            for what, *values in zip(MEASURED, *found, strict=True):
                row(f"{what}: {'two busy kernels' if kernels > 1 else 'alone'}, threads {name}", values)


if __name__ == "__main__":
    main()
