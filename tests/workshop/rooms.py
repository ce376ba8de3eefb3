"""Made-up rooms: progress files as thirty people would hand them in."""

from __future__ import annotations

import random
from pathlib import Path

from labutils.exercises.progress_entries import ExerciseProgress, PredictionProgress, Progress
from labutils.exercises.registry import exercises, predictions, quizzes


def made_progress(seed: int, labs: tuple[str, ...] = ("0", "1", "2")) -> Progress:
    """What a person of some skill may have after a day."""
    rng = random.Random(seed)
    skill, state = rng.random(), Progress()
    for number, item in enumerate(exercises()):
        if item.id.split(".")[0] not in labs or rng.random() < number * 0.02 * (1.2 - skill):
            continue
        hardness = 0.1 + 0.8 * random.Random(item.id).random()
        tries = 1
        while rng.random() < hardness * (1.1 - skill) and tries < 12:
            tries += 1
        passed = tries < 5 + 6 * skill
        kinds = [*list(item.mistakes)[:4], "value", "raised", "shape"]
        wrong: dict[str, int] = {}
        for _ in range(tries - passed):
            kind = rng.choices(kinds, [2.0**-n for n in range(len(kinds))])[0]
            wrong[kind] = wrong.get(kind, 0) + 1
        hints = min(3, max(0, tries - 2 - rng.randrange(3)))
        state.exercises[item.id] = ExerciseProgress(passed=passed, tries=tries, hints=hints, wrong=wrong)
    for quiz in quizzes():
        if quiz.id.split(".")[0] in labs and rng.random() < 0.8:
            missed = rng.sample([f"option_{n + 1}" for n in range(len(quiz.options)) if n != quiz.right], rng.randrange(2))
            state.exercises[quiz.id] = ExerciseProgress(passed=True, tries=1 + len(missed), wrong=dict.fromkeys(missed, 1))
    for asked in predictions():
        if asked.id.split(".")[0] not in labs or rng.random() < 0.2:
            continue
        guesses = {
            "number": round(10 ** rng.uniform(0, 3), 1),
            "choice": [rng.randint(1, max(1, len(asked.options)))],
            "ranking": rng.sample(range(1, len(asked.options) + 1), len(asked.options)),
            "words": "it depends",
        }
        close = None if asked.kind == "words" else rng.random() < skill
        state.predictions[asked.id] = PredictionProgress(guess=guesses[asked.kind], revealed=True, close=close)
    return state


def made_folder(folder: Path, people: int = 30) -> Path:
    """A folder with the files of so many people."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(people):
        text = made_progress(number).model_dump_json(indent=1)
        (folder / f"person-{number:02}.json").write_text(text, encoding="utf-8")
    return folder
