"""The best size of a budget, and the error that a law is fitted by."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from labutils.exercises.registry import Cases, ExerciseFunctions

Numbers = list[float]

# --------------------------------------------------------------------- 8.6 the vertex


def best_size(parameters: Numbers, losses: Numbers) -> float:
    a, b, _ = np.polyfit(np.log(parameters), losses, 2)
    return float(np.exp(-b / (2 * a)))


def _bowl(n: list[float], best: float, depth: float = 0.2, floor: float = 2.5, bend: float = 0.0) -> tuple[Numbers, Numbers]:
    x = np.log(np.array(n) / best)
    return n, (floor + depth * x**2 + bend * x**3).tolist()


def best_size_cases() -> Cases:
    return [
        _bowl([1000.0, 2000.0, 4000.0, 8000.0], 3000.0),
        _bowl([2e3, 3.5e3, 5.5e3, 1.06e4, 1.72e4], 3400.0, 0.15, 3.66, 0.01),
        _bowl([1e6, 1e7, 1e8, 1e9], 2e7, 0.05, 1.9),
        _bowl([1e9, 3e9, 1e10], 7e10, 0.03),  # the vertex lies outside the points
        _bowl([16.0, 4.0, 1.0], 2.0),  # in falling order
        _bowl([0.1, 0.2, 0.4, 0.8], 0.3),  # in millions, so that the logarithms are below zero
    ]


def random_best_size(rng: random.Random, size: int) -> tuple[Numbers, Numbers]:
    n = sorted(10 ** rng.uniform(3, 6) * (1.2 + i) for i in range(3 + size))
    return _bowl(n, rng.uniform(n[0], n[-1]), rng.uniform(0.05, 0.5), rng.uniform(1, 4), rng.uniform(-0.01, 0.01))


def lowest_point(parameters: Numbers, losses: Numbers) -> float:
    return float(parameters[int(np.argmin(losses))])


def without_the_logarithm(parameters: Numbers, losses: Numbers) -> float:
    a, b, _ = np.polyfit(np.array(parameters) / np.mean(parameters), losses, 2)
    return float(-b / (2 * a) * np.mean(parameters))


def logarithm_of_the_vertex(parameters: Numbers, losses: Numbers) -> float:
    return float(np.log(best_size(parameters, losses)))


def wrong_sign_of_b(parameters: Numbers, losses: Numbers) -> float:
    return 1 / best_size(parameters, losses)


def b_over_a(parameters: Numbers, losses: Numbers) -> float:
    return best_size(parameters, losses) ** 2


def the_loss_at_the_vertex(parameters: Numbers, losses: Numbers) -> float:
    found = np.polyfit(np.log(parameters), losses, 2)
    return float(np.polyval(found, -found[1] / (2 * found[0])))


def logarithm_to_base_10(parameters: Numbers, losses: Numbers) -> float:
    a, b, _ = np.polyfit(np.log10(parameters), losses, 2)
    return float(np.exp(-b / (2 * a)))


def base_10_on_the_way_back(parameters: Numbers, losses: Numbers) -> float:
    return float(10 ** np.log(best_size(parameters, losses)))


def logarithms_of_the_losses(parameters: Numbers, losses: Numbers) -> float:
    return best_size(parameters, np.log(losses).tolist())


def without_brackets(parameters: Numbers, losses: Numbers) -> float:
    a, b, _ = np.polyfit(np.log(parameters), losses, 2)
    return float(np.exp(-b / 2 * a))


def coefficients_in_reverse(parameters: Numbers, losses: Numbers) -> float:
    _, b, a = np.polyfit(np.log(parameters), losses, 2)
    return float(np.exp(-b / (2 * a)))


def size_without_its_sign(parameters: Numbers, losses: Numbers) -> float:
    return float(np.exp(abs(np.log(best_size(parameters, losses)))))


# --------------------------------------------------------------------- 8.7 the error of a fit


def fit_error(predicted: Numbers, measured: Numbers, delta: float) -> float:
    errors = np.abs(np.log(predicted) - np.log(measured))
    return float(np.where(errors <= delta, errors**2 / 2, delta * (errors - delta / 2)).sum())


def fit_error_cases() -> Cases:
    return [
        ([2.0, 3.0], [2.0, 3.3], 1.0),
        ([2.0, 3.0, 4.0], [2.1, 2.9, 6.0], 0.1),
        ([3.0, 3.1, 3.2, 3.3], [3.001, 3.1, 3.19, 3.4], 1e-3),
        ([2.5], [2.5], 0.5),
        ([1.0, 0.5], [2.0, 0.25], 0.05),
        ([1.0, 6.0, 2.0], [4.0, 1.5, 2.5], 0.5),  # two errors above 1
    ]


def random_fit_error(rng: random.Random, size: int) -> tuple[Numbers, Numbers, float]:
    measured = [rng.uniform(1.5, 5) for _ in range(1 + size)]
    predicted = [value * float(np.exp(rng.gauss(0, 0.05))) for value in measured]
    return predicted, measured, rng.choice((0.5, 0.05, 0.01))


def _huber(errors: Any, delta: float) -> Any:
    size = np.abs(errors)
    return np.where(size <= delta, errors**2 / 2, delta * (size - delta / 2))


def mean_for_sum(predicted: Numbers, measured: Numbers, delta: float) -> float:
    return fit_error(predicted, measured, delta) / len(measured)


def without_the_logarithms(predicted: Numbers, measured: Numbers, delta: float) -> float:
    return float(_huber(np.array(predicted) - np.array(measured), delta).sum())


def squares_everywhere(predicted: Numbers, measured: Numbers, delta: float) -> float:
    return float(((np.log(predicted) - np.log(measured)) ** 2 / 2).sum())


def absolute_errors(predicted: Numbers, measured: Numbers, delta: float) -> float:
    return float(np.abs(np.log(predicted) - np.log(measured)).sum())


def without_the_half(predicted: Numbers, measured: Numbers, delta: float) -> float:
    errors = np.abs(np.log(predicted) - np.log(measured))
    return float(np.where(errors <= delta, errors**2, delta * (errors - delta / 2)).sum())


def line_without_its_offset(predicted: Numbers, measured: Numbers, delta: float) -> float:
    errors = np.abs(np.log(predicted) - np.log(measured))
    return float(np.where(errors <= delta, errors**2 / 2, delta * errors).sum())


def sign_forgotten(predicted: Numbers, measured: Numbers, delta: float) -> float:
    errors = np.log(predicted) - np.log(measured)
    return float(np.where(errors <= delta, errors**2 / 2, delta * (errors - delta / 2)).sum())


def branches_exchanged(predicted: Numbers, measured: Numbers, delta: float) -> float:
    errors = np.abs(np.log(predicted) - np.log(measured))
    return float(np.where(errors > delta, errors**2 / 2, delta * (errors - delta / 2)).sum())


def _errors(predicted: Numbers, measured: Numbers) -> Any:
    return np.abs(np.log(predicted) - np.log(measured))


def delta_of_one(predicted: Numbers, measured: Numbers, delta: float) -> float:
    return float(_huber(_errors(predicted, measured), 1.0).sum())


def everything_doubled(predicted: Numbers, measured: Numbers, delta: float) -> float:
    return 2 * fit_error(predicted, measured, delta)


def divided_by_delta(predicted: Numbers, measured: Numbers, delta: float) -> float:
    return fit_error(predicted, measured, delta) / delta


def line_without_delta(predicted: Numbers, measured: Numbers, delta: float) -> float:
    errors = _errors(predicted, measured)
    return float(np.where(errors <= delta, errors**2 / 2, errors - delta / 2).sum())


def whole_delta_taken_off(predicted: Numbers, measured: Numbers, delta: float) -> float:
    errors = _errors(predicted, measured)
    return float(np.where(errors <= delta, errors**2 / 2, delta * (errors - delta)).sum())


def line_halved(predicted: Numbers, measured: Numbers, delta: float) -> float:
    errors = _errors(predicted, measured)
    return float(np.where(errors <= delta, errors**2 / 2, delta * (errors - delta) / 2).sum())


def errors_cut_off(predicted: Numbers, measured: Numbers, delta: float) -> float:
    return float((np.minimum(_errors(predicted, measured), delta) ** 2 / 2).sum())


def outliers_left_out(predicted: Numbers, measured: Numbers, delta: float) -> float:
    errors = _errors(predicted, measured)
    return float((errors[errors <= delta] ** 2 / 2).sum())


def line_with_the_sign(predicted: Numbers, measured: Numbers, delta: float) -> float:
    errors = np.log(predicted) - np.log(measured)
    return float(np.where(np.abs(errors) <= delta, errors**2 / 2, delta * (errors - delta / 2)).sum())


def logarithms_to_base_10(predicted: Numbers, measured: Numbers, delta: float) -> float:
    return float(_huber(_errors(predicted, measured) / np.log(10), delta).sum())


def loss_of_the_sum(predicted: Numbers, measured: Numbers, delta: float) -> float:
    return float(_huber((np.log(predicted) - np.log(measured)).sum(), delta))


EXERCISES = {
    "8.6": ExerciseFunctions(
        best_size,
        best_size_cases,
        (
            lowest_point,
            without_the_logarithm,
            logarithm_of_the_vertex,
            wrong_sign_of_b,
            b_over_a,
            the_loss_at_the_vertex,
            logarithm_to_base_10,
            base_10_on_the_way_back,
            logarithms_of_the_losses,
            without_brackets,
            coefficients_in_reverse,
            size_without_its_sign,
        ),
        random_best_size,
    ),
    "8.7": ExerciseFunctions(
        fit_error,
        fit_error_cases,
        (
            mean_for_sum,
            without_the_logarithms,
            squares_everywhere,
            absolute_errors,
            without_the_half,
            line_without_its_offset,
            sign_forgotten,
            branches_exchanged,
            delta_of_one,
            everything_doubled,
            divided_by_delta,
            line_without_delta,
            whole_delta_taken_off,
            line_halved,
            errors_cut_off,
            outliers_left_out,
            line_with_the_sign,
            logarithms_to_base_10,
            loss_of_the_sum,
        ),
        random_fit_error,
    ),
}
