"""What a progress file holds: numbers, guesses, and names that the course gave. No code and no names of persons."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer

MOST_KINDS = 40  # of wrong answers that are told apart in one exercise

# The name of a mistake in labNN.toml, "option_2" of a quiz, or one of `verdicts.KINDS`: never a learner's own text.
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,79}$")]


class ExerciseProgress(BaseModel):
    """One exercise or quiz: passed or not, how often it was checked, how many hints were taken, what kinds of wrong answers came."""

    model_config = ConfigDict(extra="forbid")

    passed: bool = False
    tries: int = Field(default=0, ge=0)
    hints: int = Field(default=0, ge=0, le=3)
    wrong: dict[Kind, Annotated[int, Field(ge=1)]] = Field(default={}, max_length=MOST_KINDS)

    @model_serializer(mode="wrap")
    def _without_empty_wrong(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if name != "wrong" or value}

    def with_wrong(self, kind: str) -> dict[str, int]:
        """The kinds of wrong answers with one more of a kind; as they are without one, or when there are too many kinds."""
        if not kind or (kind not in self.wrong and len(self.wrong) >= MOST_KINDS):
            return self.wrong
        return {**self.wrong, kind: self.wrong.get(kind, 0) + 1}


Guess = float | list[int] | str


class PredictionProgress(BaseModel):
    """A prediction: the guess, and whether it was close; None until the result was shown, and for words, which nobody grades."""

    model_config = ConfigDict(extra="forbid")

    guess: Guess
    revealed: bool = False
    close: bool | None = None


class Progress(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    exercises: dict[str, ExerciseProgress] = {}
    predictions: dict[str, PredictionProgress] = {}

    def get(self, id: str) -> ExerciseProgress:
        """The progress in an exercise or quiz; empty if it was never tried."""
        return self.exercises.get(id, ExerciseProgress())
