"""Memory over several devices, and what fits into a given memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from labutils.errors import LabError
from labutils.machine.limits import GIB
from labutils.machine.memory_guard import largest_that_fits
from labutils.memory.ledger import Ledger, Term
from labutils.validation import require_whole_number

# Scheme -> the terms that are split over the devices; the others are held by each.
SCHEMES: Mapping[str, frozenset[str]] = {
    "ddp": frozenset(),
    "zero1": frozenset({"optimizer"}),
    "zero2": frozenset({"optimizer", "gradients"}),
    "zero3": frozenset({"optimizer", "gradients", "weights"}),
    "fsdp": frozenset({"optimizer", "gradients", "weights"}),
}
OPTIMIZER_STEP = "optimizer step"
RESERVED = 0.1  # of a card
SOURCE = "Rajbhandari et al. 2020, ZeRO, sec. 5, fig. 1; Zhao et al. 2023, PyTorch FSDP, sec. 3"


@dataclass(frozen=True)
class Fit:
    """Whether something fits: bytes it needs, bytes there are, and what to do. `str(fit)` is one sentence; it is true if it fits at all."""

    fits: bool
    need: float
    available: float
    advice: str

    @property
    def verdict(self) -> str:
        """ "fits", "tight" (within the last tenth of what is available) or "no"."""
        if not self.fits:
            return "no"
        return "fits" if self.need <= (1 - RESERVED) * self.available else "tight"

    def __bool__(self) -> bool:
        return self.fits

    def __str__(self) -> str:
        said = {"fits": "fits", "tight": "fits, but it is tight", "no": "does not fit"}[self.verdict]
        return f"It needs {self.need / GIB:.2f} GiB of {self.available / GIB:.2f} GiB and {said}{self.advice}."


def shard(ledger: Ledger, devices: int, scheme: str) -> Ledger:
    """Memory of each device when a training step is spread over several.

    Args:
        ledger: of `predict_training` for the micro-batch of one device.
        devices: how many.
        scheme: "ddp" (each holds everything), "zero1" (optimizer state split), "zero2" (and gradients), "zero3" (and weights),
            or "fsdp" (full shard, the same split as ZeRO-3).

    Returns:
        a ledger of one device. Where the optimizer's state is split, so is the scratch of its step, because each device updates its
        own share. Where gradients are split, those of the unit that is passed back are held in full until they are handed out; where
        weights are split, so are those of the unit in use. The term "gathered" counts that unit, the largest block or matrix
        (Zhao et al. 2023, sec. 3.2.1: a device holds its share and the largest unit in full). Activations and logits belong to each
        device's own micro-batch. Buckets for communication and prefetched blocks, which are settings, are not counted; DDP's
        buckets are taken to be the gradients themselves (gradient_as_bucket_view).

    Raises:
        LabError: no devices, or an unknown scheme.

    Source: Rajbhandari et al. 2020, ZeRO, sec. 5 and fig. 1; Zhao et al. 2023, PyTorch FSDP, sec. 3.
    """
    if scheme not in SCHEMES:
        raise LabError(f"scheme={scheme!r} is unknown: choose {', '.join(SCHEMES)}.")
    require_whole_number("devices", devices)
    if devices == 1:
        return ledger
    split = SCHEMES[scheme]
    weights, gradients = ledger.unit
    forward = weights * (1 - 1 / devices) if "weights" in split else 0.0  # its own share is counted among the weights
    backward = forward + (gradients * (1 - 1 / devices) if "gradients" in split else 0.0)

    def held(moment: str, found: Mapping[str, float]) -> dict[str, float]:
        in_step = moment == OPTIMIZER_STEP
        divided = split | ({"temporaries"} if in_step and "optimizer" in split else set())
        parts = {name: n / devices if name in divided else n for name, n in found.items()}
        gathered = 0.0 if in_step else backward if moment.startswith("backward") else forward
        return {**parts, "gathered": gathered} if gathered else parts

    moments = {moment: held(moment, found) for moment, found in ledger.moments.items()}
    terms = [
        Term(x.name, x.n_bytes / devices, f"({x.formula}) / {devices}", SOURCE) if x.name in split else x for x in ledger.terms
    ]
    passing = max((found.get("temporaries", 0.0) for found in moments.values()), default=0.0)
    terms = [replace(term, n_bytes=passing) if term.name == "temporaries" else term for term in terms]
    if backward:
        what = "weights and gradients" if "weights" in split else "gradients"
        terms.append(Term("gathered", backward, f"{what} of the largest block or matrix, all but the device's own share", SOURCE))
    return replace(ledger, terms=tuple(terms), moments=moments, title=f"{ledger.title}; each of {devices} devices, {scheme}")


def fits(ledger: Ledger, available: float, smaller: Mapping[str, Ledger] | None = None) -> Fit:
    """Whether a ledger's peak fits into `available` bytes; if not, the most demanding of the `smaller` settings that does.

    Args:
        ledger: what is wanted.
        available: bytes, such as `machine.memory_available()` or `24 * GIB`.
        smaller: name -> ledger of other settings ("batch 4", "checkpointing", "LoRA").

    Returns:
        a Fit; its `verdict` is "fits" up to nine tenths of what is available, "tight" up to all of it, else "no". The tenth stands for
        what a ledger can't see: fragments of free memory, the driver's share, buffers of libraries.

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
