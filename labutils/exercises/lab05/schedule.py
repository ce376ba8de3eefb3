"""The learning rate: a warm-up, then a decay in a straight line."""

from __future__ import annotations

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
    ]


def warmup_from_zero(step: int, steps: int, peak: float, warmup: int) -> float:
    return peak * step / warmup if step < warmup else rate_at(step, steps, peak, warmup)


def never_decays(step: int, steps: int, peak: float, warmup: int) -> float:
    return rate_with_decay(step, steps, peak, warmup, decayed=peak)


def decays_from_step_0(step: int, steps: int, peak: float, warmup: int) -> float:
    return rate_with_decay(step, steps, peak, warmup, decayed=peak * (steps - step) / steps)


def decay_stretched_over_all_steps(step: int, steps: int, peak: float, warmup: int) -> float:
    return rate_with_decay(step, steps, peak, warmup, decayed=peak * (1 - (step - warmup) / steps))


def zero_at_the_last_step(step: int, steps: int, peak: float, warmup: int) -> float:
    return rate_with_decay(step, steps, peak, warmup, decayed=peak * (steps - 1 - step) / (steps - 1 - warmup))


def decay_one_step_ahead(step: int, steps: int, peak: float, warmup: int) -> float:
    return rate_with_decay(step, steps, peak, warmup, decayed=peak * (steps - 1 - step) / (steps - warmup))


def no_warmup(step: int, steps: int, peak: float, warmup: int) -> float:
    return peak if step < warmup else rate_at(step, steps, peak, warmup)


def warmup_one_step_too_long(step: int, steps: int, peak: float, warmup: int) -> float:
    return peak * (step + 1) / max(1, warmup) if step <= warmup else rate_at(step, steps, peak, warmup)


def share_of_the_peak(step: int, steps: int, peak: float, warmup: int) -> float:
    return rate_at(step, steps, 1.0, warmup)


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
            share_of_the_peak,
        ),
    ),
}
