"""The spans that T5's objective cuts out."""

from __future__ import annotations

import random

from labutils.exercises.registry import Cases, ExerciseFunctions

# --------------------------------------------------------------------- 8.3 spans

Spans = list[tuple[int, int]]
Lists = tuple[list[str], list[str]]
LETTERS = ["a", "b", "c", "d", "e", "f", "g", "h"]


def corrupt_spans(words: list[str], spans: Spans) -> Lists:
    inputs: list[str] = []
    targets: list[str] = []
    done = 0
    for number, (start, end) in enumerate(spans):
        inputs += [*words[done:start], f"<{number}>"]
        targets += [f"<{number}>", *words[start:end]]
        done = end
    return [*inputs, *words[done:], "</s>"], [*targets, "</s>"]


def corrupt_spans_cases() -> Cases:
    return [
        (LETTERS, [(1, 3), (5, 6)]),
        (LETTERS, [(0, 2), (3, 4), (6, 8)]),
        (LETTERS, [(2, 5)]),
        (LETTERS, []),
        (["x", "y", "x", "y"], [(0, 1), (2, 3)]),
        (LETTERS, [(0, 8)]),
        (LETTERS, [(0, 1), (1, 2)]),
        (["The", "old", "ferry", "left", "the", "harbour"], [(0, 2), (4, 5)]),
        (LETTERS * 3, [(n, n + 1) for n in range(0, 24, 2)]),  # sentinels of two digits
    ]


def random_corrupt_spans(rng: random.Random, size: int) -> tuple[list[str], Spans]:
    words = [rng.choice("abcdefg") for _ in range(1 + 2 * size)]
    cuts = sorted(rng.sample(range(len(words) + 1), 2 * rng.randint(0, min(size, len(words)) // 2)))
    return words, [(cuts[i], cuts[i + 1]) for i in range(0, len(cuts), 2)]


def _spans(words: list[str], spans: Spans, name: list[str], end: bool = True) -> Lists:
    inputs: list[str] = []
    targets: list[str] = []
    done = 0
    for mark, (start, stop) in zip(name, spans, strict=False):
        inputs += [*words[done:start], mark]
        targets += [mark, *words[start:stop]]
        done = stop
    close = ["</s>"] if end else []
    return [*inputs, *words[done:], *close], [*targets, *close]


def sentinels_from_the_end(words: list[str], spans: Spans) -> Lists:
    return _spans(words, spans, [f"<{len(spans) - 1 - n}>" for n in range(len(spans))])


def sentinels_from_one(words: list[str], spans: Spans) -> Lists:
    return _spans(words, spans, [f"<{n + 1}>" for n in range(len(spans))])


def one_sentinel_for_all(words: list[str], spans: Spans) -> Lists:
    return _spans(words, spans, ["<0>"] * len(spans))


def without_the_end_token(words: list[str], spans: Spans) -> Lists:
    return _spans(words, spans, [f"<{n}>" for n in range(len(spans))], end=False)


def end_included(words: list[str], spans: Spans) -> Lists:
    return corrupt_spans(words, [(start, min(end + 1, len(words))) for start, end in spans])


def span_stays_in_the_input(words: list[str], spans: Spans) -> Lists:
    inputs: list[str] = []
    done = 0
    for number, (start, _) in enumerate(spans):
        inputs += [*words[done:start], f"<{number}>"]
        done = start
    return [*inputs, *words[done:], "</s>"], corrupt_spans(words, spans)[1]


def rest_is_lost(words: list[str], spans: Spans) -> Lists:
    last = max((end for _, end in spans), default=0)
    return corrupt_spans(words[:last], spans)


def sentinel_behind_its_span(words: list[str], spans: Spans) -> Lists:
    targets = [x for number, (start, end) in enumerate(spans) for x in (*words[start:end], f"<{number}>")]
    return corrupt_spans(words, spans)[0], [*targets, "</s>"]


def a_sentinel_per_word(words: list[str], spans: Spans) -> Lists:
    return corrupt_spans(words, [(n, n + 1) for start, end in spans for n in range(start, end)])


def input_and_target_exchanged(words: list[str], spans: Spans) -> Lists:
    inputs, targets = corrupt_spans(words, spans)
    return targets, inputs


def end_missing_in_the_input(words: list[str], spans: Spans) -> Lists:
    inputs, targets = corrupt_spans(words, spans)
    return inputs[:-1], targets


def end_missing_in_the_target(words: list[str], spans: Spans) -> Lists:
    inputs, targets = corrupt_spans(words, spans)
    return inputs, targets[:-1]


def one_more_sentinel(words: list[str], spans: Spans) -> Lists:
    inputs, targets = corrupt_spans(words, spans)
    return inputs, [*targets[:-1], f"<{len(spans)}>", "</s>"]


def end_included_in_the_target(words: list[str], spans: Spans) -> Lists:
    return corrupt_spans(words, spans)[0], corrupt_spans(words, [(start, min(end + 1, len(words))) for start, end in spans])[1]


def word_behind_a_span_is_lost(words: list[str], spans: Spans) -> Lists:
    inputs: list[str] = []
    done = 0
    for number, (start, end) in enumerate(spans):
        inputs += [*words[done:start], f"<{number}>"]
        done = end + 1
    return [*inputs, *words[done:], "</s>"], corrupt_spans(words, spans)[1]


def text_begins_anew(words: list[str], spans: Spans) -> Lists:
    inputs = [x for number, (start, _) in enumerate(spans) for x in (*words[:start], f"<{number}>")]
    return [*inputs, *words, "</s>"], corrupt_spans(words, spans)[1]


def text_begins_anew_at_spans(words: list[str], spans: Spans) -> Lists:
    inputs = [x for number, (start, _) in enumerate(spans) for x in (*words[:start], f"<{number}>")]
    return [*inputs, *words[spans[-1][1] if spans else 0 :], "</s>"], corrupt_spans(words, spans)[1]


def marks_in_characters(words: list[str], spans: Spans) -> Lists:
    inputs, targets = (
        [x for word in part for x in (word if word.startswith("<") else [word])] for part in corrupt_spans(words, spans)
    )
    return inputs, targets


def sentinels_in_characters(words: list[str], spans: Spans) -> Lists:
    inputs, targets = marks_in_characters(words, spans)
    return [*inputs[:-4], "</s>"], [*targets[:-4], "</s>"]


def places_not_moved(words: list[str], spans: Spans) -> Lists:
    inputs = list(words)
    for number, (start, end) in enumerate(spans):
        inputs[start:end] = [f"<{number}>"]
    return [*inputs, "</s>"], corrupt_spans(words, spans)[1]


def targets_without_sentinels(words: list[str], spans: Spans) -> Lists:
    return corrupt_spans(words, spans)[0], [*(word for start, end in spans for word in words[start:end]), "</s>"]


def inputs_without_sentinels(words: list[str], spans: Spans) -> Lists:
    cut = {n for start, end in spans for n in range(start, end)}
    return [*(word for n, word in enumerate(words) if n not in cut), "</s>"], corrupt_spans(words, spans)[1]


def the_sentinel_for_each_word(words: list[str], spans: Spans) -> Lists:
    name = {n: f"<{number}>" for number, (start, end) in enumerate(spans) for n in range(start, end)}
    return [*(name.get(n, word) for n, word in enumerate(words)), "</s>"], corrupt_spans(words, spans)[1]


def targets_in_reverse(words: list[str], spans: Spans) -> Lists:
    pieces = [[f"<{number}>", *words[start:end]] for number, (start, end) in enumerate(spans)]
    return corrupt_spans(words, spans)[0], [*(word for piece in reversed(pieces) for word in piece), "</s>"]


EXERCISES = {
    "8.3": ExerciseFunctions(
        corrupt_spans,
        corrupt_spans_cases,
        (
            sentinels_from_the_end,
            sentinels_from_one,
            one_sentinel_for_all,
            without_the_end_token,
            end_included,
            span_stays_in_the_input,
            rest_is_lost,
            sentinel_behind_its_span,
            a_sentinel_per_word,
            input_and_target_exchanged,
            end_missing_in_the_input,
            end_missing_in_the_target,
            one_more_sentinel,
            end_included_in_the_target,
            word_behind_a_span_is_lost,
            text_begins_anew,
            text_begins_anew_at_spans,
            marks_in_characters,
            sentinels_in_characters,
            places_not_moved,
            targets_without_sentinels,
            inputs_without_sentinels,
            the_sentinel_for_each_word,
            targets_in_reverse,
        ),
        random_corrupt_spans,
    ),
}
