"""`hint`: a nudge, then a partial answer, then the solution, one for each call."""

from __future__ import annotations

from labutils.exercises.progress_file import load_progress, record_hints
from labutils.exercises.registry import find_exercise, stub_and_solution

HINT_NAMES = ("a nudge", "a partial answer", "the solution")


def hint(id: str) -> None:
    """Show the next hint of an exercise; the third is the solution, and stays.

    Raises:
        UnknownExercise: no exercise has this id.
    """
    from IPython.display import Markdown, display

    exercise = find_exercise(id)
    number = min(load_progress().get(exercise.id).hints, 2)
    texts = (*exercise.hints, f"```python\n{stub_and_solution(exercise.id)['solution']}\n```")
    record_hints(exercise.id, number + 1)
    display(
        Markdown(
            f"**Hint {number + 1} of 3 for {exercise.id}, {HINT_NAMES[number]}.** {'' if number < 2 else chr(10) * 2}{texts[number]}"
        )
    )
