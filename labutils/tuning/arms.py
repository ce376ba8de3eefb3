"""An arm of a race in a process of its own: trained, measured and asked for its texts, so that nothing of one arm is left for the next (lab 05).

The kernel starts `python -m labutils.tuning.arm_process`, hands it a job as JSON, shows its steps, and reads its result. A process
that dies takes no kernel with it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from labutils.errors import LabError
from labutils.tuning.checkpoints import Interrupted
from labutils.tuning.examples import Example
from labutils.tuning.progress_bar import progress_bar
from labutils.tuning.recipe import Recipe

PATIENCE_SECONDS = 60.0  # for an interrupted process to save its checkpoint


@dataclass(frozen=True)
class Arm:
    """What one process has to do.

    Attributes:
        method: one of `METHODS`, with its usual sizes.
        recipe: how it trains; a plan's `apply` cuts it to fit.
        train, validation: examples from `build_examples`.
        prompts: to write a text for, once it is trained.
        max_new_tokens: of a text.
        looks: how often the validation loss is taken, the start and the end included; 1 is the end alone.
        checkpoint: a file for a run that is interrupted, or None. It stays until the result is read. Where it is small, an adapter's, it is
            also written ten times in a run.
        save: a folder for the weights (PEFT's adapter alone), or None. `keep_weights` False deletes them after they are weighed.
        keep_weights: see `save`.
        measure: measure the tensors of a step by term first. It costs two or three steps.
    """

    method: str
    recipe: Recipe
    train: Sequence[Example]
    validation: Sequence[Example] = ()
    prompts: Sequence[str] = ()
    max_new_tokens: int = 52
    looks: int = 5
    checkpoint: Path | None = None
    save: Path | None = None
    keep_weights: bool = True
    measure: bool = True

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.recipe.epochs * -(-len(self.train) // self.recipe.batch)

    def as_json(self) -> str:
        """The job as its process reads it."""
        paths = {
            name: None if path is None else str(path) for name, path in (("checkpoint", self.checkpoint), ("save", self.save))
        }
        return json.dumps({**asdict(self), **paths})


def run_arm(arm: Arm) -> dict[str, Any]:
    """Run an arm in a fresh Python process, on the model that `load_model` gives.

    Returns:
        "texts" (one for each prompt), "history" (the fields of `History`), "seconds" (of the training steps), "curve" (pairs of
        steps done and validation loss in nats per token), "trained" (numbers), "disk" (bytes of the saved weights, 0 without
        `save`), "bytes" (of tensors: "weights", "gradients", "optimizer", "activations", "peak"; empty without `measure`) and
        "peak_rss" (bytes of the process at its most). A disk too full for the weights costs them and not the result: that is said,
        "disk" is 0, and the checkpoint stays, so that the same call trains no step again.

    Raises:
        Interrupted: the Interrupt button. With a checkpoint the same call goes on from there.
        LabError: what the process refused, or that it died.
    """
    if not arm.train:
        raise LabError("There are no examples to train on: pass at least one.")
    with tempfile.TemporaryDirectory() as folder:
        job, answer, complaints = (Path(folder) / name for name in ("job.json", "answer.json", "stderr.txt"))
        job.write_text(arm.as_json(), encoding="utf-8")
        command = [sys.executable, "-m", "labutils.tuning.arm_process", str(job), str(answer)]
        with complaints.open("w", encoding="utf-8") as stderr:
            # The open stdin tells the process that its kernel lives. A session of its own keeps a terminal's Ctrl-C from it.
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )  # fmt: skip
            try:
                _follow(process, arm)
                process.wait()
            except KeyboardInterrupt:
                _interrupt(process)
                if not answer.exists():
                    raise Interrupted(
                        f"Interrupted: the process of “{arm.method}” was ended; run it again to start anew."
                    ) from None
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
                for stream in (process.stdin, process.stdout):
                    if stream:
                        stream.close()
        result = _result(arm, process.returncode, answer, complaints)
    if unsaved := result.pop("unsaved", ""):
        print(f"“{arm.method}” is trained, and its weights are not kept: {unsaved}")
    elif arm.checkpoint:
        for file in (arm.checkpoint, arm.checkpoint.with_suffix(".curve")):
            with suppress(OSError):
                file.unlink(missing_ok=True)
    return result


def _follow(process: subprocess.Popen[str], arm: Arm) -> None:
    """Show the steps that the process reports, a JSON object a line, until it closes its output."""
    assert process.stdout
    done = 0
    with progress_bar(arm.steps) as show:
        for line in process.stdout:
            with suppress(ValueError, TypeError):
                step = json.loads(line)
                while done < step["done"]:  # a run that goes on begins in the middle
                    done += 1
                    show(SimpleNamespace(**step))


def _interrupt(process: subprocess.Popen[str]) -> None:
    """Ask the process to stop, and give it time to save. A second press ends it at once."""
    if os.name != "posix":
        return  # Windows has no such signal for one process: it is ended by the caller
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    with suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
        process.wait(PATIENCE_SECONDS)


def _result(arm: Arm, code: int, answer: Path, complaints: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        said = complaints.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if code in (-9, 137):
            why = "it was killed, most likely because memory ran out: close other kernels, or allow the plan less memory"
        else:
            why = f"exit code {code}, {said[-1] if said else 'without a word'}: restart the kernel and run it again"
        raise LabError(f"The process of “{arm.method}” ended without a result; {why}.") from None
    if "interrupted" in found:
        raise Interrupted(found["interrupted"])
    if "refused" in found:
        raise LabError(found["refused"])
    return found["result"]
