"""The learning rate: a warm-up, then a decay in a straight line."""

from __future__ import annotations

import random

from labutils.exercises.registry import Cases, ExerciseFunctions

# ----------------------------------------------------------------------------------- 5.3 warm-up and decay


def rate_at(step: int, steps: int, peak: float, warmup: int) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (steps - step) / (steps - warmup)


def rate_with_decay(step: int, steps: int, peak: float, warmup: int, decayed: float) -> float:
    """The right warm-up, and another rate after it."""
    return rate_at(step, steps, peak, warmup) if step < warmup else decayed


def rate_at_cases() -> Cases:
    return [
        (0, 10, 0.8, 4),
        (2, 10, 0.8, 4),
        (3, 10, 0.8, 4),
        (4, 10, 0.8, 4),
        (7, 10, 0.8, 4),
        (9, 10, 0.8, 4),
        (1, 5, 2.0, 1),
        (4, 5, 2.0, 1),
        (0, 4, 0.5, 0),
        (0, 1, 0.3, 0),
        (0, 2, 5e-5, 1),
        (1, 2, 5e-5, 1),
        (17, 60, 3e-4, 18),
        (41, 60, 3e-4, 6),
        (3, 8, 0.4, 0),
    ]


def random_rate_at(rng: random.Random, size: int) -> tuple[int, int, float, int]:
    steps = 1 + size * (1 + size // 4)
    warmup = 0 if size % 6 == 2 else rng.randint(0, steps - 1)
    step = rng.randrange(steps)
    if size % 4 == 3:
        step = max(0, min(steps - 1, warmup + rng.randint(-1, 1)))  # beside the peak
    return step, steps, rng.randint(1, 99) * 10.0 ** rng.randint(-6, -1), warmup


def warmup_from_zero(step: int, steps: int, peak: float, warmup: int) -> float:
    return peak * step / warmup if step < warmup else rate_at(step, steps, peak, warmup)


def never_decays(step: int, steps: int, peak: float, warmup: int) -> float:
    return rate_with_decay(step, steps, peak, warmup, decayed=peak)


def decays_from_step_0(step: int, steps: int, peak: float, warmup: int) -> float:
    return rate_with_decay(step, steps, peak, warmup, decayed=peak * (steps - step) / steps)


def decay_stretched_over_all_steps(step: int, steps: int, peak: float, warmup: int) -> float:
    return rate_with_decay(step, steps, peak, warmup, decayed=peak * (1 - (step - warmup) / steps))


def zero_at_the_last_step(step: int, steps: int, peak: float, warmup: int) -> float:
    return rate_with_decay(step, steps, peak, warmup, decayed=peak * (steps - 1 - step) / max(1, steps - 1 - warmup))


def decay_one_step_ahead(step: int, steps: int, peak: float, warmup: int) -> float:
    return rate_with_decay(step, steps, peak, warmup, decayed=peak * (steps - 1 - step) / (steps - warmup))


def no_warmup(step: int, steps: int, peak: float, warmup: int) -> float:
    return peak if step < warmup else rate_at(step, steps, peak, warmup)


def warmup_one_step_too_long(step: int, steps: int, peak: float, warmup: int) -> float:
    return peak * (step + 1) / max(1, warmup) if step <= warmup else rate_at(step, steps, peak, warmup)


def warmup_one_step_too_short(step: int, steps: int, peak: float, warmup: int) -> float:
    return peak * (steps - step) / max(1, steps - warmup) if step + 1 >= warmup else rate_at(step, steps, peak, warmup)


def share_of_the_peak(step: int, steps: int, peak: float, warmup: int) -> float:
    return rate_at(step, steps, 1.0, warmup)


def falls_to_nothing_in_whole_steps(step: int, steps: int, peak: float, warmup: int) -> float:
    return rate_with_decay(step, steps, peak, warmup, decayed=peak * ((steps - step) // (steps - warmup)))


def warmup_over_all_steps(step: int, steps: int, peak: float, warmup: int) -> float:
    return peak * (step + 1) / steps if step < warmup else rate_at(step, steps, peak, warmup)


def decay_by_the_square(step: int, steps: int, peak: float, warmup: int) -> float:
    return rate_with_decay(step, steps, peak, warmup, decayed=peak * ((steps - step) / (steps - warmup)) ** 2)


EXERCISES = {
    "5.3": ExerciseFunctions(
        rate_at,
        rate_at_cases,
        (
            warmup_from_zero,
            never_decays,
            decays_from_step_0,
            decay_stretched_over_all_steps,
            zero_at_the_last_step,
            decay_one_step_ahead,
            no_warmup,
            warmup_one_step_too_long,
            warmup_one_step_too_short,
            share_of_the_peak,
            falls_to_nothing_in_whole_steps,
            warmup_over_all_steps,
            decay_by_the_square,
        ),
        random_rate_at,
    ),
}
