"""Prompts with shots: the text, and leaks."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.prompting.prompts import SENTIMENT, few_shot_prompt, find_leaks

Shots = Sequence[tuple[str, str]]  # (review, label)


# --------------------------------------------------------------------------------- 3.1 a prompt with shots


def few_shot(instruction: str, shots: Shots, text: str) -> str:
    rows = [{"text": review, "label": label} for review, label in shots]
    return str(few_shot_prompt(replace(SENTIMENT, instruction=instruction), rows, {"text": text}))


def block(review: str, answer: str) -> str:
    return f"Review: {review}\nSentiment:{answer}"


def answered(shots: Shots) -> list[str]:
    return [block(review, f" {label}") for review, label in shots]


def few_shot_cases() -> Cases:
    instruction = "Positive or negative?"
    shots = [("Lovely soup.", "positive"), ("The lamp broke.", "negative")]
    return [
        (instruction, shots[:1], "It rained in."),
        (instruction, [], "It rained in."),
        (instruction, shots, "The bread was fresh."),
        ("One word, please: how is it?\nAnswer in English.", [*shots, *shots[:1]], "Lovely soup."),  # one shot twice
        ("Rate {text} by 100 %.", [("It's 5 %s off.\nReview: none", "mixed"), ("{}", "mixed")], 'Say "Sentiment:"'),
        ("Label it.", [(f"Number {n}.", str(n)) for n in (10, 9, 11, 2)], "Number 3."),
        (instruction, [("Lovely soup.", "Positive"), ("NO LAMP.", "NEGATIVE")], "Tea, please."),
        (instruction, [("  Lovely soup. ", "positive")], " It rained in.\t"),  # blanks at the ends are part of a text
        ("\tPositive or negative?\n", [("Lovely soup.", " very good ")], "Tea."),
        (instruction, [("The lamp broke.\n\n\nTwice.", "negative")], "Tea.\n\n\n\nCold."),
    ]


WORDS = ("soup", "lamp", "rain", "bread", "bus", "letter", "stone", "garden", "ink", "tea", "roof", "river")


def random_sentence(rng: random.Random, count: int) -> str:
    """So many words, more or less, as a sentence."""
    words = rng.sample(WORDS, max(1, min(count + rng.randint(-1, 1), len(WORDS))))
    return " ".join(words).capitalize() + rng.choice((".", "!", "", "?"))


def random_few_shot(rng: random.Random, size: int) -> tuple[str, list[tuple[str, str]], str]:
    labels = rng.sample(("positive", "negative", "neutral", "1", "very good"), 1 + size // 8)
    shots = [(random_sentence(rng, 4), rng.choice(labels)) for _ in range(size // 2)]
    shots += rng.sample(shots, len(shots) // 4)
    return random_sentence(rng, 4), shots, random_sentence(rng, 6)


def omits_the_query(instruction: str, shots: Shots, text: str) -> str:
    return "\n\n".join([instruction, *answered(shots)])


def ends_in_a_blank(instruction: str, shots: Shots, text: str) -> str:
    return few_shot(instruction, shots, text) + " "


def ends_in_a_line_break(instruction: str, shots: Shots, text: str) -> str:
    return few_shot(instruction, shots, text) + "\n"


def shots_after_the_query(instruction: str, shots: Shots, text: str) -> str:
    return "\n\n".join([instruction, block(text, ""), *answered(shots)])


def shots_without_answers(instruction: str, shots: Shots, text: str) -> str:
    return few_shot(instruction, [(review, "") for review, _ in shots], text).replace(": \n", ":\n")


def single_line_breaks(instruction: str, shots: Shots, text: str) -> str:
    return "\n".join([instruction, *answered(shots), block(text, "")])


def breaks_the_order_of_the_shots(instruction: str, shots: Shots, text: str) -> str:
    return few_shot(instruction, sorted(shots), text)


def drops_repeated_shots(instruction: str, shots: Shots, text: str) -> str:
    return few_shot(instruction, list(dict(shots).items()), text)


def omits_the_instruction(instruction: str, shots: Shots, text: str) -> str:
    return "\n\n".join([*answered(shots), block(text, "")])


def one_line_per_shot(instruction: str, shots: Shots, text: str) -> str:
    blocks = [f"Review: {review} Sentiment: {label}" for review, label in shots]
    return "\n\n".join([instruction, *blocks, f"Review: {text} Sentiment:"])


def strips_the_texts(instruction: str, shots: Shots, text: str) -> str:
    return few_shot(instruction, [(review.strip(), label) for review, label in shots], text.strip())


# -------------------------------------------------------------------------------------- 3.4 the leak alarm


def leaked(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    leaks = find_leaks([{"text": shot} for shot in shots], [{"text": text} for text in test])
    return sorted({leak.shot for leak in leaks if leak.kind != "near"})


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


RAINY_DAY = "It rained in, the bread was cold, the tea was weak, nobody came to the garden, the bus was late, and at night"


def leaked_cases() -> Cases:
    return [
        (["Fine soup.", "The lamp broke."], ["The lamp broke.", "It rained in."]),
        (["Fine soup.", "the  lamp broke"], ["The lamp broke.", "It rained in."]),
        (["It Rained in.", "In it rained."], ["It rained in."]),
        (["Lamp!", "It rained in."], ["The lamp broke.", "Soup, fine."]),
        (["IT RAINED IN", "Fine soup", "The lamp broke"], ["The lamp broke!", "It rained in."]),
        ([], ["It rained in."]),
        (["Fine soup."], []),
        (["Soup.", "It rained in.", "It rained in."], ["It rained in.", "Tea.", "It rained in!"]),  # both sides repeat
        (["Room 12 was cold.", "Room 1 was cold."], ["Room 1 was cold!", "Room 2 was cold!"]),
        (["A part of it.", "Apart of it."], ["Apart of it!"]),
        (["Well-made tea,but cold", "Wellmade tea but cold"], ["Well made tea, but cold."]),
        (["\tFine\nsoup ...", "Fine, fine soup"], ["Fine soup", "Fine fine"]),
        (["The lamp broke and it rained in."], ["The lamp broke.", "It rained in."]),
        # long texts that differ in their last word
        ([f"{RAINY_DAY} the lamp broke.", f"{RAINY_DAY} the lamp held."], [f"{RAINY_DAY} the lamp held!"]),
        (["SOUP, SEÑOR", "Soup, se or"], ["Soup, señor!"]),  # ñ is a letter too
    ]


def random_leaked(rng: random.Random, size: int) -> tuple[list[str], list[str]]:
    """Test texts, and shots that are copies of them in disguise, or nearly copies, or other texts."""
    test = [f"{random_sentence(rng, 4)[:-1]} {rng.randrange(30)}{rng.choice(('.', '!', ''))}" for _ in range((size + 2) // 3)]
    shots = []
    for _ in range(size // 2):
        text = rng.choice(test)
        words = re.findall(r"\w+", text)
        disguises = (
            text,
            text.upper(),
            " ".join(words),
            ", ".join(words) + "?",
            "-".join(words),
            text.replace(" ", "  ").lower(),
        )
        others = (
            " ".join(words[:-1]),
            " ".join(words[1:]),
            " ".join(sorted(words, reverse=True)),
            "".join(words),
            f"{text} {words[-1]}",
            text.replace(words[-1], str(int(words[-1]) + 1)),
            random_sentence(rng, 3),
        )
        shots.append(rng.choice(disguises if rng.random() < 0.5 else others))
    return shots, test[: size - 1] if size < 3 else [*test, *test[:1]]


def exact_copies_only(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    return [n for n, shot in enumerate(shots) if shot in test]


def ignores_case_only(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    return [n for n, shot in enumerate(shots) if shot.lower() in [text.lower() for text in test]]


def flags_partial_matches(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    return [n for n, shot in enumerate(shots) if any(set(words(shot)) <= set(words(text)) for text in test)]


def ignores_word_order(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    return [n for n, shot in enumerate(shots) if sorted(words(shot)) in [sorted(words(text)) for text in test]]


def compares_sets_of_words(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    return [n for n, shot in enumerate(shots) if set(words(shot)) in [set(words(text)) for text in test]]


def numbers_the_test_texts(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    return [n for n, text in enumerate(test) if words(text) in [words(shot) for shot in shots]]


def compares_letters_only(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    letters = [re.sub(r"[^a-z]", "", text.lower()) for text in test]
    return [n for n, shot in enumerate(shots) if re.sub(r"[^a-z]", "", shot.lower()) in letters]


def joins_words(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    known = [re.sub(r"[^\w\s]", "", text.lower()).split() for text in test]
    return [n for n, shot in enumerate(shots) if re.sub(r"[^\w\s]", "", shot.lower()).split() in known]


def numbers_a_shot_for_each_copy(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    return [n for n, shot in enumerate(shots) for text in test if words(shot) == words(text)]


def returns_the_shots(shots: Sequence[str], test: Sequence[str]) -> list[str]:
    return [shots[n] for n in leaked(shots, test)]


def compares_without_blanks(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    return [n for n, shot in enumerate(shots) if "".join(words(shot)) in ["".join(words(text)) for text in test]]


def looks_for_a_shot_inside_the_test_texts(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    return [n for n, shot in enumerate(shots) if any(" ".join(words(shot)) in " ".join(words(text)) for text in test)]


def counts_from_one(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    return [n + 1 for n in leaked(shots, test)]


def knows_letters_from_a_to_z_only(shots: Sequence[str], test: Sequence[str]) -> list[int]:
    known = [re.findall(r"[a-z0-9]+", text.lower()) for text in test]
    return [n for n, shot in enumerate(shots) if re.findall(r"[a-z0-9]+", shot.lower()) in known]


EXERCISES = {
    "3.1": ExerciseFunctions(
        few_shot,
        few_shot_cases,
        (
            omits_the_query,
            ends_in_a_blank,
            ends_in_a_line_break,
            shots_after_the_query,
            shots_without_answers,
            single_line_breaks,
            breaks_the_order_of_the_shots,
            drops_repeated_shots,
            omits_the_instruction,
            one_line_per_shot,
            strips_the_texts,
        ),
        random_few_shot,
    ),
    "3.4": ExerciseFunctions(
        leaked,
        leaked_cases,
        (
            exact_copies_only,
            ignores_case_only,
            flags_partial_matches,
            ignores_word_order,
            compares_sets_of_words,
            numbers_the_test_texts,
            compares_letters_only,
            joins_words,
            numbers_a_shot_for_each_copy,
            returns_the_shots,
            compares_without_blanks,
            looks_for_a_shot_inside_the_test_texts,
            counts_from_one,
            knows_letters_from_a_to_z_only,
        ),
        random_leaked,
    ),
}
