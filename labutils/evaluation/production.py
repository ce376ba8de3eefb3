"""The production path: the course's metric modules, loaded by `evaluate` (lab 06)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from labutils.errors import LabError
from labutils.machine import settings

METRICS = Path(__file__).parent / "metrics"


def load_metric(name: str) -> Any:
    """The course's own metric module "rouge" or "bleu", loaded by `evaluate` from a local folder: nothing is fetched.

    What evaluate writes (a copy of the module, temporary predictions) goes into LABS_HOME/evaluate. Metrics loaded so can be
    handed to `evaluate.combine([load_metric("rouge"), load_metric("bleu")])`; combine gives an option to every metric, so options
    that one of them does not know (`use_stemmer`) belong in a call of that metric alone.

    Raises:
        LabError: there is no such metric in the course.

    Example: `load_metric("bleu").compute(predictions=["a b c d"], references=[["a b c d"]])["bleu"]` is 100.
    """
    names = sorted(folder.name for folder in METRICS.iterdir() if (folder / f"{folder.name}.py").is_file())
    if name not in names:
        raise LabError(f"The course has no metric {name!r}: choose {' or '.join(names)}.")
    import evaluate

    cache = settings.home() / "evaluate"
    modules = cache / "modules"
    evaluate.config.HF_MODULES_CACHE = modules
    # evaluate imports its copies as evaluate_modules.metrics...: where another folder already goes by that name, add ours.
    for package in ("evaluate_modules", "evaluate_modules.metrics", f"evaluate_modules.metrics.{name}"):
        folder = str(modules.joinpath(*package.split(".")))
        if package in sys.modules and folder not in sys.modules[package].__path__:
            sys.modules[package].__path__.insert(0, folder)
    return evaluate.load(str(METRICS / name), cache_dir=str(cache), keep_in_memory=True)
