"""Memory over several devices, and what fits into a given memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from labutils.errors import LabError
from labutils.machine.limits import GIB
from labutils.machine.memory_guard import largest_that_fits
from labutils.memory.ledger import Ledger, Term

# Scheme -> the terms that are split over the devices; the others are held by each.
SCHEMES: Mapping[str, frozenset[str]] = {
    "ddp": frozenset(),
    "zero1": frozenset({"optimizer"}),
    "zero2": frozenset({"optimizer", "gradients"}),
    "zero3": frozenset({"optimizer", "gradients", "weights"}),
    "fsdp": frozenset({"optimizer", "gradients", "weights"}),
}
SOURCE = "Rajbhandari et al. 2020, ZeRO, sec. 5, fig. 1; Zhao et al. 2023, PyTorch FSDP, sec. 3"


@dataclass(frozen=True)
class Fit:
    """Whether something fits: bytes it needs, bytes there are, and what to do. `str(fit)` is one sentence; it is true if it fits."""

    fits: bool
    need: float
    available: float
    advice: str

    def __bool__(self) -> bool:
        return self.fits

    def __str__(self) -> str:
        verdict = "fits" if self.fits else "does not fit"
        return f"It needs {self.need / GIB:.2f} GiB of {self.available / GIB:.2f} GiB and {verdict}{self.advice}."


def shard(ledger: Ledger, devices: int, scheme: str) -> Ledger:
    """Memory of each device when a training step is spread over several.

    Args:
        ledger: of `predict_training` for the micro-batch of one device.
        devices: how many.
        scheme: "ddp" (each holds everything), "zero1" (optimizer state split), "zero2" (and gradients), "zero3" (and weights),
            or "fsdp" (full shard, the same split as ZeRO-3).

    Activations, logits and temporaries belong to each device's own micro-batch and are never split. The one block whose weights
    ZeRO-3 and FSDP gather for use is not counted.

    Raises:
        LabError: no devices, or an unknown scheme.

    Source: Rajbhandari et al. 2020, ZeRO, sec. 5 and fig. 1; Zhao et al. 2023, PyTorch FSDP, sec. 3.
    """
    if scheme not in SCHEMES:
        raise LabError(f"scheme={scheme!r} is unknown: choose {', '.join(SCHEMES)}.")
    if not isinstance(devices, int) or devices < 1:
        raise LabError(f"devices={devices!r} must be a whole number of at least 1.")
    if devices == 1:
        return ledger
    split = SCHEMES[scheme]

    def part(name: str, n_bytes: float) -> float:
        return n_bytes / devices if name in split else n_bytes

    terms = tuple(
        Term(x.name, part(x.name, x.n_bytes), f"({x.formula}) / {devices}", SOURCE) if x.name in split else x
        for x in ledger.terms
    )
    moments = {moment: {name: part(name, n) for name, n in held.items()} for moment, held in ledger.moments.items()}
    return replace(ledger, terms=terms, moments=moments, title=f"{ledger.title}; each of {devices} devices, {scheme}")


def fits(ledger: Ledger, available: float, smaller: Mapping[str, Ledger] | None = None) -> Fit:
    """Whether a ledger's peak fits into `available` bytes; if not, the most demanding of the `smaller` settings that does.

    Args:
        ledger: what is wanted.
        available: bytes, such as `machine.memory_available()` or `24 * GIB`.
        smaller: name -> ledger of other settings ("batch 4", "checkpointing", "LoRA").

    >>> print(fits(ledger, 4 * GIB, {"LoRA": other}))
    It needs 5.10 GiB of 4.00 GiB and does not fit; LoRA needs 2.31 GiB and would fit.
    """
    if ledger.total <= available:
        return Fit(True, ledger.total, available, "")
    needs = {name: other.total for name, other in (smaller or {}).items()}
    if name := largest_that_fits(needs, available):
        advice = f"; {name} needs {needs[name] / GIB:.2f} GiB and would fit"
    else:
        advice = "; no smaller setting that was tried fits either" if smaller else ""
    return Fit(False, ledger.total, available, advice)


def largest_batch(predict: Callable[[int], Ledger], available: float, limit: int = 4096) -> int:
    """The largest batch whose predicted peak fits into `available` bytes: 0 if not even one does, at most `limit`.

    Args:
        predict: batch -> ledger.
        available: bytes.
        limit: where to stop.

    >>> largest_batch(lambda batch: predict_training(shape, TrainingSetup(batch, 512, method="lora")), 16 * GIB)
    """
    low, high = 0, limit + 1  # `low` fits, `high` does not (or is beyond the limit)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if predict(middle).total <= available else (low, middle)
    return low
