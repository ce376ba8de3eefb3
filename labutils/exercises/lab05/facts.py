"""Facts that a program can look up: which of a summary's names and numbers stand in its dialogue."""

from __future__ import annotations

import random
import re

from labutils.evaluation.facts import fact_share
from labutils.exercises.registry import Cases, ExerciseFunctions

# ------------------------------------------------------------------------------------ 5.8 facts that stand in the dialogue


def fact_score(facts: list[str], dialogue: str) -> float:
    return fact_share(facts, dialogue)


def fact_score_cases() -> Cases:
    return [
        (["ann", "85", "rome"], "Ann: I'd pay 85.\nBo: Not me."),
        (["5", "15"], "Bo: At 15 past, on platform 3. Fifteen past, mind."),
        (["ann", "bo"], "Bo: The annual meeting is on Friday."),
        ([], "Ann: Good morning, Bo."),
        (["mara", "tuesday", "9"], "MARA: Tuesday at 9?\nIvo: Tuesday at 9, Mara."),
        (["ivo"], "Ivo: Yes. Ivo: No. Ivo: Perhaps."),
        (["li", "40"], "Ana: Nothing of the kind was said, and nobody counted."),
        (["chen", "2", "7"], "Chen's train leaves at 7.20, from track 2."),
        (["zoë", "3"], "Zoë: Not before 3."),
    ]


def random_fact_score(rng: random.Random, size: int) -> tuple[list[str], str]:
    """A few names and numbers, some of which are said, some only as a part of another word."""
    known = ["ann", "bo", "mara", "ivo", "chen", "jürgen", "5", "15", "40", "7", "tuesday"]
    facts = rng.sample(known, rng.randint(1, min(len(known), 1 + size)))
    said = [rng.choice([fact.title(), fact.upper(), f"{fact}ish", "and", "then"]) for fact in facts for _ in range(2)]
    return facts, " ".join(said) + "."


def looks_inside_words(facts: list[str], dialogue: str) -> float:
    return sum(fact in dialogue.lower() for fact in facts) / len(facts) if facts else 0.0


def _found(facts: list[str], dialogue: str) -> int:
    return sum(fact in _words(dialogue) for fact in facts)


def _words(dialogue: str) -> list[str]:
    return re.findall(r"\w+", dialogue.lower())


def share_of_the_dialogue(facts: list[str], dialogue: str) -> float:
    return _found(facts, dialogue) / len(_words(dialogue))


def share_of_the_different_words(facts: list[str], dialogue: str) -> float:
    return _found(facts, dialogue) / len(set(_words(dialogue)))


def counts_the_facts(facts: list[str], dialogue: str) -> float:
    return float(_found(facts, dialogue))


def keeps_the_case(facts: list[str], dialogue: str) -> float:
    return sum(fact in re.findall(r"\w+", dialogue) for fact in facts) / len(facts) if facts else 0.0


def nothing_counts_as_all(facts: list[str], dialogue: str) -> float:
    return fact_share(facts, dialogue) if facts else 1.0


def share_that_is_missing(facts: list[str], dialogue: str) -> float:
    return 1 - fact_share(facts, dialogue)


def share_that_is_missing_of_some(facts: list[str], dialogue: str) -> float:
    return share_that_is_missing(facts, dialogue) if facts else 0.0


def words_between_spaces(facts: list[str], dialogue: str) -> float:
    return sum(fact in dialogue.lower().split() for fact in facts) / len(facts) if facts else 0.0


def in_per_cent(facts: list[str], dialogue: str) -> float:
    return 100 * fact_share(facts, dialogue)


def all_or_nothing(facts: list[str], dialogue: str) -> float:
    return float(bool(facts) and fact_share(facts, dialogue) == 1)


EXERCISES = {
    "5.8": ExerciseFunctions(
        fact_score,
        fact_score_cases,
        (
            looks_inside_words,
            share_of_the_dialogue,
            share_of_the_different_words,
            counts_the_facts,
            keeps_the_case,
            nothing_counts_as_all,
            share_that_is_missing,
            share_that_is_missing_of_some,
            words_between_spaces,
            in_per_cent,
            all_or_nothing,
        ),
        random_fact_score,
    ),
}
