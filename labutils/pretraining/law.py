"""A loss as a function of parameters and data, and how it is fitted.

L(N, D) = E + A / N^alpha + B / D^beta: what no model can know, what a model of N parameters cannot hold, and what D tokens do not teach.

Source: Hoffmann et al. 2022 (arXiv:2203.15556), section 3.3 and appendix D.3. That its published fit stopped early, because the mean of
the errors was minimised in place of their sum, was found by Besiroglu et al. 2024 (arXiv:2404.10102).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from labutils.errors import LabError
from labutils.validation import require_choice, require_positive, require_whole_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

DELTA = 1e-3  # where Huber's loss turns from a square into a line, in log loss: Hoffmann et al., appendix D.3
PER_TOKEN = 6  # FLOPs for each parameter and token: Kaplan et al. 2020 (arXiv:2001.08361), section 2.1
FREE = 5  # numbers that are fitted


@dataclass(frozen=True)
class Law:
    """The five numbers of a law.

    Attributes:
        E: the loss that is left with infinitely many parameters and tokens, in the unit of the losses.
        A, alpha: the part that shrinks with the parameters.
        B, beta: the part that shrinks with the tokens.
        objective: what the fit reached; smaller is better. 0 for a law that was not fitted.
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float
    objective: float = 0.0

    def loss(self, parameters: float, tokens: float) -> float:
        """The loss of N parameters after D tokens.

        Raises:
            LabError: a number that is not finite and above 0.
        """
        require_positive("parameters", parameters)
        require_positive("tokens", tokens)
        return self.E + self.A / parameters**self.alpha + self.B / tokens**self.beta

    def optimum(self, flops: float) -> tuple[float, float]:
        """(N, D) with the least loss among all with 6ND = flops.

        From the derivative: N = G (C/6)^(beta / (alpha + beta)) with G = (alpha A / (beta B))^(1 / (alpha + beta)).

        Raises:
            LabError: a compute that is not finite and above 0, or a law in which more parameters or tokens do not help.

        Source: Hoffmann et al. 2022, equation 4.
        """
        require_positive("flops", flops)
        if min(self.A, self.B, self.alpha, self.beta) <= 0:
            raise LabError("In this law more parameters or more tokens do not help, so no compute is spent best: fit more runs.")
        total = self.alpha + self.beta
        parameters = (self.alpha * self.A / (self.beta * self.B)) ** (1 / total) * (flops / PER_TOKEN) ** (self.beta / total)
        return parameters, flops / PER_TOKEN / parameters


def huber(errors: Array, delta: float = DELTA) -> Array:
    """Huber's loss of each error: e^2 / 2 up to delta, then a line, so that a run that failed does not pull the fit to it.

    Raises:
        LabError: delta is not above 0.

    Source: Huber 1964, "Robust estimation of a location parameter".
    """
    import numpy as np

    require_positive("delta", delta)
    size = np.abs(errors)
    return np.where(size <= delta, errors**2 / 2, delta * (size - delta / 2))


def _arrays(parameters: Sequence[float], tokens: Sequence[float], losses: Sequence[float]) -> tuple[Array, Array, Array]:
    import numpy as np

    found = tuple(np.asarray(values, dtype=np.float64) for values in (parameters, tokens, losses))
    if any(values.ndim != 1 or len(values) != len(found[0]) for values in found):
        raise LabError("Give one number of parameters, of tokens and one loss per run.")
    if len(found[0]) < FREE + 1:
        raise LabError(f"{len(found[0])} runs cannot fix the {FREE} numbers of the law: give at least {FREE + 1}.")
    if not all((np.isfinite(values) & (values > 0)).all() for values in found):
        raise LabError("Parameters, tokens and losses must be finite and above 0, since their logarithms are fitted.")
    return found  # type: ignore[return-value]


def default_starts(count: int = 0) -> list[tuple[float, ...]]:
    """Starting points (a, b, e, alpha, beta) with A = exp(a), B = exp(b), E = exp(e): a grid, or `count` spread over it.

    Source: the grid of Hoffmann et al. 2022, appendix D.3, with every second value.
    """
    grid: list[tuple[float, ...]] = list(
        product((0.0, 5.0, 10.0), (0.0, 5.0, 10.0), (-0.5, 0.5), (0.2, 0.6, 1.0), (0.2, 0.6, 1.0))
    )
    return grid[:: max(1, len(grid) // count)][:count] if count else grid


def fit_law(
    parameters: Sequence[float],
    tokens: Sequence[float],
    losses: Sequence[float],
    *,
    reduce: str = "sum",
    starts: Sequence[tuple[float, ...]] | None = None,
    delta: float = DELTA,
) -> Law:
    """The law that fits runs best: Huber's loss of log(predicted) - log(measured), by L-BFGS from many starts; the best end is kept.

    Args:
        parameters, tokens, losses: (R,), one each per run; at least six runs.
        reduce: "sum" or "mean" of the errors. The two have the same minimum. L-BFGS stops when the objective moves less than a fixed
            amount, which a mean over many small errors does long before the minimum.
        starts: (a, b, e, alpha, beta) each; `default_starts()` if not given.
        delta: see `huber`.

    Returns:
        the law, whose `objective` is the sum of the errors, whatever was minimised.

    Raises:
        LabError: too few runs, lists of different lengths, or a number that is not finite and above 0.

    Source: Hoffmann et al. 2022, equation 3 and appendix D.3: log L = logsumexp(a - alpha log N, b - beta log D, e).
    """
    import numpy as np
    from scipy.optimize import minimize

    require_choice("reduce", reduce, ("sum", "mean"))
    n, d, loss = _arrays(parameters, tokens, losses)
    log_n, log_d, log_loss = np.log(n), np.log(d), np.log(loss)
    share = 1.0 if reduce == "sum" else 1 / len(n)

    def objective(x: Array) -> tuple[float, Array]:
        a, b, e, alpha, beta = x
        terms = np.stack([a - alpha * log_n, b - beta * log_d, np.full_like(log_n, e)])  # (3, R)
        top = terms.max(0)
        weights = np.exp(terms - top)
        total = weights.sum(0)
        errors = top + np.log(total) - log_loss
        slope = np.clip(errors, -delta, delta)  # the derivative of Huber's loss
        p = weights / total * slope  # (3, R)
        gradient = np.array([p[0].sum(), p[1].sum(), p[2].sum(), -(p[0] * log_n).sum(), -(p[1] * log_d).sum()])
        return float(huber(errors, delta).sum()) * share, gradient * share

    best: tuple[float, Array] | None = None
    for start in starts or default_starts():
        done: Any = minimize(objective, np.array(start), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
        if np.isfinite(done.fun) and (best is None or done.fun < best[0]):
            best = float(done.fun), done.x
    if best is None:
        raise LabError("No start led to a finite fit: look at the losses, one of which may be wrong.")
    a, b, e, alpha, beta = best[1]
    floor, first, second = (math.exp(min(x, 700.0)) for x in (e, a, b))
    return Law(floor, first, second, float(alpha), float(beta), best[0] / share)


def shaken_fits(
    parameters: Sequence[float],
    tokens: Sequence[float],
    losses: Sequence[float],
    *,
    noise: float,
    resamples: int = 50,
    seed: int = 0,
) -> tuple[Law, list[Law], float]:
    """The law of the runs, laws of the same runs with noise added, and the size of that noise: how well the runs fix the five numbers.

    Each round adds a normal error to every log loss and fits again from the best fit. The error's size is the noise over seeds, or what the
    fit leaves of its own runs where that is more: a law that misses its runs by 3 % knows nothing to 0.5 %.

    Args:
        parameters, tokens, losses: (R,), the runs.
        noise: standard deviation of a run's log loss over seeds.
        resamples, seed: rounds, and the seed of the noise.

    Raises:
        LabError: what `fit_law` refuses, or fewer than one round.
    """
    import numpy as np

    require_whole_number("resamples", resamples)
    require_whole_number("seed", seed, 0)
    require_positive("noise", noise)
    law = fit_law(parameters, tokens, losses)
    left = [math.log(law.loss(n, d) / loss) for n, d, loss in zip(parameters, tokens, losses, strict=True)]
    size = max(noise, math.sqrt(sum(error**2 for error in left) / (len(left) - FREE)))
    near = (math.log(law.A), math.log(law.B), math.log(law.E), law.alpha, law.beta)
    rng, found = np.random.default_rng(seed), []
    for _ in range(resamples):
        shaken = np.asarray(losses) * np.exp(rng.normal(0, size, len(losses)))
        found.append(fit_law(parameters, tokens, shaken.tolist(), starts=[near, *default_starts(6)]))
    return law, found, size


def forecast_interval(
    parameters: Sequence[float],
    tokens: Sequence[float],
    losses: Sequence[float],
    target: tuple[float, float],
    *,
    noise: float,
    resamples: int = 50,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float]:
    """(forecast, low, high) of the loss at target = (N, D), from `shaken_fits`, each with one more error for the run that is forecast.

    What the law gets wrong beyond its runs is not in the interval.

    Args:
        parameters, tokens, losses, noise, resamples, seed: as in `shaken_fits`.
        target: of the run that is forecast.
        level: the share of forecasts in the interval.

    Raises:
        LabError: what `shaken_fits` refuses, or a level outside 0..1.
    """
    import numpy as np

    if not 0 < level < 1:
        raise LabError(f"The level is {level}; it must lie between 0 and 1, such as 0.95.")
    law, shaken, size = shaken_fits(parameters, tokens, losses, noise=noise, resamples=resamples, seed=seed)
    errors = np.exp(np.random.default_rng(seed + 1).normal(0, size, len(shaken)))
    low, high = np.quantile([other.loss(*target) for other in shaken] * errors, [(1 - level) / 2, (1 + level) / 2])
    return law.loss(*target), float(low), float(high)
