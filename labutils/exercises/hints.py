"""`hint`: a nudge, then a partial answer, then the solution, one for each call."""

from __future__ import annotations

from labutils.errors import LabError
from labutils.exercises.progress_file import load_progress, record_hints, say_if_not_kept
from labutils.exercises.registry import find_exercise, stub_and_solution

HINT_NAMES = ("a nudge", "a partial answer", "the solution")


def hint(id: str, number: int | None = None) -> None:
    """Show the next hint of an exercise; the third is the solution, and stays.

    Args:
        id: the exercise, such as "2.3".
        number: 1, 2 or 3, to read a hint again.

    Raises:
        UnknownExercise: no exercise has this id.
        LabError: there is no such hint, or one before it was not taken yet.
    """
    from IPython.display import Markdown, display

    exercise = find_exercise(id)
    taken = load_progress().get(exercise.id).hints
    following = min(taken + 1, len(HINT_NAMES))
    if number is None:
        number = following
    elif number not in range(1, following + 1):
        raise LabError(f'Hint {number} of {exercise.id} is not there yet: run hint("{exercise.id}") for hint {following} of 3.')
    texts = (*exercise.hints, f"\n\n```python\n{stub_and_solution(exercise.id)['solution']}\n```")
    record_hints(exercise.id, number)
    display(Markdown(f"**Hint {number} of 3 for {exercise.id}, {HINT_NAMES[number - 1]}.** {texts[number - 1]}"))
    say_if_not_kept()
