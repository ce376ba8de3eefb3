"""The scaling calculator of lab 08: parameters and tokens, and what they cost and may reach under several laws."""

from __future__ import annotations

from dataclasses import dataclass

from labutils.course.explorer import ChoiceSlider, Explorer, Slider, View
from labutils.course.plots import table_html
from labutils.errors import LabError
from labutils.pretraining.law import PER_TOKEN, Law
from labutils.validation import require_positive

# The published fit, with its rounded numbers, and the same 240 runs fitted anew. The points themselves are not part of the course.
LAWS = {
    "as published in 2022, rounded": Law(1.69, 406.4, 410.7, 0.34, 0.28),
    "the same runs, fitted anew": Law(1.8172, 482.01, 2085.43, 0.3478, 0.3658),
}
SOURCES = "Hoffmann et al. 2022 (arXiv:2203.15556), section D.3; Besiroglu et al. 2024 (arXiv:2404.10102), table 1"
PARAMETERS = {"10 M": 1e7, "135 M": 1.35e8, "1 B": 1e9, "8 B": 8e9, "70 B": 7e10, "400 B": 4e11}
SUSTAINED = {"two cores of a laptop": 5e10, "a GPU at 40 % of 989 TFLOP/s": 0.4 * 989e12, "1,000 such GPUs": 400 * 989e12}
PER_PARAMETER = 16  # bytes of weights, gradients and Adam's state in float32: lab 04
DAY = 86_400.0


@dataclass(frozen=True)
class ScalingSettings:
    """The model's size, by name, and the tokens per parameter as a power of two."""

    parameters: str = "1 B"
    doublings: int = 4


CONTROLS = (
    ChoiceSlider("parameters", "parameters", tuple(PARAMETERS)),
    Slider("doublings", "tokens per parameter: 2 to the", -2, 14),
)


def _duration(seconds: float) -> str:
    for limit, size, unit in ((120, 1, "seconds"), (7200, 60, "minutes"), (2 * DAY, 3600, "hours"), (730 * DAY, DAY, "days")):
        if seconds < limit:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds / DAY / 365.25:,.0f} years"


@dataclass(frozen=True)
class ScalingView(View):
    """What the calculator shows of N parameters and D tokens."""

    parameters: float
    tokens: float

    @property
    def flops(self) -> float:
        """6ND."""
        return PER_TOKEN * self.parameters * self.tokens

    @property
    def summary(self) -> str:
        """The compute, and what the newer fit forecasts."""
        law = list(LAWS.values())[1]
        return (
            f"{self.parameters:.3g} parameters on {self.tokens:.3g} tokens ({self.tokens / self.parameters:.3g} per parameter) take "
            f"{self.flops:.2g} FLOPs; the law forecasts {law.loss(self.parameters, self.tokens):.3f} nats per token."
        )

    @property
    def body(self) -> str:
        """Cost, and the laws side by side with their best split of the same compute."""
        cost = [(name, _duration(self.flops / rate)) for name, rate in SUSTAINED.items()]
        cost.append(("memory to train, 16 bytes per parameter", f"{PER_PARAMETER * self.parameters / 1e9:,.1f} GB"))
        rows = []
        for name, law in LAWS.items():
            best = law.optimum(self.flops)
            rows.append((
                name, f"{law.loss(self.parameters, self.tokens):.3f}", f"{best[0]:.2g}", f"{best[1] / best[0]:.0f}", f"{law.loss(*best):.3f}"
            ))  # fmt: skip
        head = ("law", "loss here (nats per token)", "best parameters", "tokens per parameter", "loss there")
        return (
            table_html(("this compute takes", ""), cost)
            + table_html(head, rows, "The same compute, split best")
            + f"<p>{SOURCES}. The laws hold for their text, tokenizer and training, and not for others.</p>"
        )


def scaling_view(parameters: float, tokens: float) -> ScalingView:
    """What N parameters and D tokens cost, and may reach.

    Raises:
        LabError: a number that is not finite and above 0.
    """
    require_positive("parameters", parameters)
    require_positive("tokens", tokens)
    return ScalingView(parameters, tokens)


def explore_scaling(start: ScalingSettings | None = None) -> None:
    """Show the calculator, with sliders for the size and for the tokens per parameter.

    Raises:
        LabError: a size that the slider does not have.
    """
    first = start or ScalingSettings()
    if first.parameters not in PARAMETERS:
        raise LabError(f"parameters={first.parameters!r} is none of the slider's: choose {', '.join(PARAMETERS)}.")
    Explorer(
        "Scaling calculator",
        first,
        CONTROLS,
        lambda now: scaling_view(PARAMETERS[now.parameters], PARAMETERS[now.parameters] * 2.0**now.doublings),
    ).show()
