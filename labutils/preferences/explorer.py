"""The preference explorer of lab 10: eight texts, and what a leash, a choice among n and a clip do to them, computed exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from labutils.course.explorer import ChoiceSlider, Explorer, Slider, View, bar_html, legend_html
from labutils.course.plots import BLUE, table_html
from labutils.errors import LabError
from labutils.preferences.toy import PROXY, REFERENCE, TEXTS, TRUTH, best_of, kl_divergence, tilted
from labutils.validation import require_positive, require_whole_number

BETAS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0)


@dataclass(frozen=True)
class PreferenceSettings:
    """The weight of the leash, the number of texts to choose from, and the half-width of the clip."""

    beta: float = 1.0
    n: int = 4
    clip: float = 0.2


CONTROLS = (
    ChoiceSlider("beta", "beta, the weight of the leash", BETAS),
    Slider("n", "n, texts to choose from", 1, 32),
    Slider("clip", "clip of one step", 0.05, 0.5, 0.05),
)


@dataclass(frozen=True)
class PreferenceView(View):
    """The reference, its tilted policy, one clipped step towards it, and its best of n."""

    beta: float
    n: int
    clip: float

    @property
    def policies(self) -> dict[str, Tensor]:
        """Each policy's probabilities of the eight texts, (K,)."""
        reference, proxy = torch.tensor(REFERENCE), torch.tensor(PROXY)
        goal = tilted(reference, proxy, self.beta)
        step = (goal / reference).clamp(1 - self.clip, 1 + self.clip) * reference
        return {
            "reference": reference,
            "one clipped step": step / step.sum(),
            "leashed": goal,
            "best of n": best_of(reference, proxy, self.n),
        }

    @property
    def rows(self) -> list[tuple[str, float, float, float]]:
        """(policy, mean proxy, mean truth, KL from the reference in nats)."""
        reference = torch.tensor(REFERENCE)
        return [
            (name, float(p @ torch.tensor(PROXY)), float(p @ torch.tensor(TRUTH)), float(kl_divergence(p, reference)))
            for name, p in self.policies.items()
        ]

    @property
    def summary(self) -> str:
        """The leashed policy and the best of n."""
        _, _, leashed, best = self.rows
        return (
            f"On a leash of beta {self.beta:g} the proxy is {leashed[1]:.2f}, the truth {leashed[2]:.2f} and the KL {leashed[3]:.2f} nats; "
            f"the best of {self.n} has the proxy {best[1]:.2f} and the truth {best[2]:.2f}."
        )

    @property
    def body(self) -> str:
        """Means of each policy, and the probabilities of the eight texts."""
        means = [(name, f"{proxy:.2f}", f"{truth:.2f}", f"{kl:.2f}") for name, proxy, truth, kl in self.rows]
        policies = self.policies
        texts = [
            (text, f"{PROXY[k]:g}", f"{TRUTH[k]:g}", *(f"{float(p[k]):.3f}" for p in policies.values()))
            for k, text in enumerate(TEXTS)
        ]
        bars = "".join(f"<div>{text} {bar_html(300 * float(policies['leashed'][k]), BLUE)}</div>" for k, text in enumerate(TEXTS))
        bound = math.log(self.n) - (self.n - 1) / self.n
        return (
            table_html(("policy", "proxy", "truth", "KL, nats"), means)
            + f"<p>The bound on the KL of the best of n, log n - (n - 1)/n, is {bound:.2f} nats.</p>"
            + table_html(("text", "proxy", "truth", *policies), texts, "Probabilities")
            + f'<div style="max-width: 40em;">{bars}</div>'
            + legend_html(
                "Bars: the leashed policy. A clipped step may change no probability by more than the clip, before they are made to sum to 1."
            )
        )


def preference_view(beta: float = 1.0, n: int = 4, clip: float = 0.2) -> PreferenceView:
    """What the leash, the choice among n and the clip do to eight texts.

    Raises:
        LabError: a beta that is not above 0, an n below 1, or a clip outside 0..1.
    """
    require_positive("beta", beta)
    require_whole_number("n", n)
    require_positive("clip", clip)
    if clip >= 1:
        raise LabError(f"clip={clip!r} would allow any step: choose a number between 0 and 1.")
    return PreferenceView(beta, n, clip)


def explore_preferences(start: PreferenceSettings | None = None) -> None:
    """Show the explorer, with sliders for the leash, n and the clip."""
    Explorer(
        "Preference explorer",
        start or PreferenceSettings(),
        CONTROLS,
        lambda now: preference_view(now.beta, now.n, now.clip),
    ).show()
