"""`hint`: a nudge, then a partial answer, then the solution, one for each call."""

from __future__ import annotations

from labutils.exercises import store
from labutils.exercises.registry import answer, find

NAMES = ("a nudge", "a partial answer", "the solution")


def hint(id: str) -> None:
    """Show the next hint of an exercise; the third is the solution, and stays.

    Raises:
        UnknownExercise: no exercise has this id.
    """
    from IPython.display import Markdown, display

    exercise = find(id)
    number = min(store.load().get(exercise.id).hints, 2)
    texts = (*exercise.hints, f"```python\n{answer(exercise.id)['solution']}\n```")
    store.note(exercise.id, hints=number + 1)
    display(
        Markdown(
            f"**Hint {number + 1} of 3 for {exercise.id}, {NAMES[number]}.** {'' if number < 2 else chr(10) * 2}{texts[number]}"
        )
    )
