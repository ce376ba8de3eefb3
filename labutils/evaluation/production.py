"""The production path: the course's metrics in the form that the `evaluate` library knows (lab 06)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from labutils.errors import LabError
from labutils.machine import settings

METRICS = {"bleu": "Bleu", "rouge": "Rouge"}  # name -> class, in metrics/NAME/NAME.py


def load_metric(name: str) -> Any:
    """The course's own "rouge" or "bleu", an `evaluate.Metric`: nothing is fetched.

    `evaluate.load(FOLDER)` copies the module metrics/NAME/NAME.py into a cache, imports the copy, and makes an object of the
    metric class in it; `evaluate.load("rouge")` fetches such a module from the Hub first. This function makes the object from the
    module where it stands, so that no copy is written. Temporary files of evaluate go into LABS_HOME/evaluate.

    Several metrics are computed at once by `evaluate.combine([load_metric("rouge"), load_metric("bleu")])`; combine gives an option
    to every metric, so options that one of them does not know (`use_stemmer`) belong in a call of that metric alone.

    Raises:
        LabError: there is no such metric in the course.

    Example: `load_metric("bleu").compute(predictions=["a b c d"], references=[["a b c d"]])["bleu"]` is 100.
    """
    if name not in METRICS:
        raise LabError(f"The course has no metric {name!r}: choose {' or '.join(METRICS)}.")
    metric = getattr(import_module(f"labutils.evaluation.metrics.{name}.{name}"), METRICS[name])
    return metric(cache_dir=str(settings.home() / "evaluate"), keep_in_memory=True)
