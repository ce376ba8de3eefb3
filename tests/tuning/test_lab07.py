"""What lab 07 is made of beside the loop: questions judged by their first token, tables of several models, soft prompts, cures."""

from __future__ import annotations

import pytest
import torch
from tiny_models import tiny

from labutils.errors import LabError
from labutils.tuning import Example, Method, exams, features, latency, prepare, trainable_count
from labutils.tuning.clinic import healthy, patient_1, patient_2, patient_3
from labutils.tuning.probes import MultipleChoiceScores, first_tokens, next_token_log_probs, score_first_tokens, told_apart

EXAMPLES = [
    Example([3 + (i * j) % 90 for j in range(1, 5 + i)], [7 + (i + j) % 80 for j in range(1 + i % 4)] + [1]) for i in range(8)
]


class Letters:
    """A tokenizer with an id for each letter; a blank before a word belongs to it."""

    chat_template = None
    bos_token = None

    def __call__(self, text: str, **options: object) -> object:
        ids = [5 + ord(letter) % 80 for letter in text.strip()]
        return type("Encoding", (dict,), {"input_ids": ids})(input_ids=ids)


# --- questions by their first token -----------------------------------------------------------------------------------


def test_next_token_log_probs_are_those_of_one_call_per_prompt():
    model, tokenizer, prompts = tiny().train(), Letters(), ["abc", "a", "hello there", "no"]
    found = next_token_log_probs(model, tokenizer, prompts)
    assert model.training
    model.eval()
    for prompt, row in zip(prompts, found, strict=True):
        alone = model(torch.tensor([tokenizer(prompt).input_ids])).logits[0, -1].log_softmax(-1)
        assert torch.allclose(row, alone, atol=1e-5)


def test_a_choice_is_made_among_the_choices_and_a_free_answer_among_all_words():
    model, tokenizer = tiny(), Letters()
    scores = next_token_log_probs(model, tokenizer, ["abc"])[0]
    choices = ["x", "y", "z"]
    best = max(choices, key=lambda c: float(scores[first_tokens(tokenizer, [c])[0]]))
    row = {"prompt": "abc", "choices": choices, "answer": best}
    right, nats = score_first_tokens(model, tokenizer, [row])
    assert right == [True] and nats[0] == pytest.approx(float(scores[first_tokens(tokenizer, [best])[0]]), abs=1e-5)
    free, _ = score_first_tokens(model, tokenizer, [{"prompt": "abc", "answer": best}])
    assert free == [int(scores.argmax()) == first_tokens(tokenizer, [best])[0]]


def test_choices_that_begin_alike_are_left_out_or_refused():
    rows = [{"prompt": "a", "choices": ["xa", "xb"], "answer": "xa"}, {"prompt": "b", "choices": ["x", "y"], "answer": "x"}]
    assert told_apart(Letters(), rows) == rows[1:]
    with pytest.raises(LabError, match="begin alike"):
        score_first_tokens(tiny(), Letters(), rows)
    with pytest.raises(LabError, match="at least one prompt"):
        next_token_log_probs(tiny(), Letters(), [])


# --- soft prompts -------------------------------------------------------------------------------------------------------


def test_a_soft_prompt_that_starts_from_a_text_is_that_text():
    ids, row = (9, 4, 30), torch.tensor([[8, 15, 16]])
    tuned = prepare(tiny(), Method("prompt_tuning", prompt_start=ids)).eval()
    assert (
        trainable_count(tuned) == 3 * tiny().config.hidden_size and Method("prompt_tuning", prompt_start=ids).prompt_length == 3
    )
    with torch.no_grad():
        soft = tuned(input_ids=row).logits[0, -1]
        text = tiny()(input_ids=torch.cat([torch.tensor([ids]), row], 1)).logits[0, -1]
    assert torch.allclose(soft, text, atol=1e-5)


def test_a_start_outside_the_vocabulary_or_without_tokens_is_refused():
    with pytest.raises(LabError, match="outside the vocabulary"):
        prepare(tiny(), Method("prompt_tuning", prompt_start=(10**6,)))
    with pytest.raises(LabError, match="no tokens"):
        Method("prompt_tuning", prompt_start=())


# --- tables -------------------------------------------------------------------------------------------------------------


def scores(correct: list[bool], nats: list[float]) -> MultipleChoiceScores:
    return MultipleChoiceScores(correct, nats)


RESULTS = {
    "before": {"facts": scores([True, True, False, True], [-1.0, -1.5, -2.0, -1.0])},
    "after": {"facts": scores([True, False, False, False], [-3.0, -3.75, -4.5, -3.25])},
}


def test_the_tables_and_the_chart_hold_every_model(monkeypatch):
    shown: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **more: shown.append(bundle["text/plain"]))
    exams.exam_table("title", RESULTS)
    assert "75 % (30 to 95)" in shown[0] and "25 % (5 to 70)" in shown[0]
    verdicts = exams.change_table("title", RESULTS, ["facts"])
    assert verdicts["after"].difference == pytest.approx(-2.25) and verdicts["after"].ranked
    assert shown[1].count("-2.25 (") == 2  # the one test, and all tests together
    assert str(exams.compare_on(["facts"], RESULTS["after"], RESULTS["before"], ("after", "before"))).startswith(
        "before is better"
    )
    exams.exam_chart("title", RESULTS, {"facts": 0.25})
    assert "before, after" in shown[2]


def test_the_chart_of_learning_and_keeping_has_its_numbers_in_a_table(monkeypatch):
    shown: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **more: shown.append(bundle["text/plain"]))
    before = {
        "task": scores([False, False], [-4.0, -6.0]),
        "facts": scores([True], [-1.0]),
        "rest": scores([True, True], [-2.0, -6.0]),
    }
    after = {
        "task": scores([True, False], [-1.0, -2.0]),
        "facts": scores([True], [-4.0]),
        "rest": scores([True, True], [-5.0, -6.0]),
    }
    exams.trade_chart("title", before, {"full": {2: after}, "LoRA": {2: before, 4: after}}, "task", ["facts", "rest"])
    assert "facts, rest" in shown[0] and "full and LoRA" in shown[0]
    rows = [line.split(" | ") for line in shown[-1].splitlines()]
    assert rows[1:] == [
        ["before", "0", "-5", "-3", "0"],
        ["full", "2", "-1.5", "-5", "50"],
        ["LoRA", "2", "-5", "-3", "0"],
        ["LoRA", "4", "-1.5", "-5", "50"],
    ]


@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_the_features_of_many_prompts_are_those_of_one_call_each(kind, monkeypatch):
    """Batches of unlike lengths: neither padding nor a neighbour changes a prompt's vector."""
    model, prompts = tiny(kind), ["abc", "a", "hello there", "no", "yes"]
    monkeypatch.setattr(features, "BATCH", 3)
    found = features.last_hidden_states(model, Letters(), prompts)
    part = model.get_encoder() if kind == "t5" else model.model
    for prompt, state in zip(prompts, found, strict=True):
        ids = torch.tensor([features.encode_prompt(Letters(), prompt)])
        with torch.no_grad():
            assert torch.allclose(state, part(input_ids=ids).last_hidden_state[0, -1], atol=1e-5)


def test_the_bytes_of_a_packed_model_add_up_and_a_tied_embedding_counts_once():
    model = prepare(tiny(), Method("qlora", lora_rank=2))
    held = features.held_bytes(model)
    tensors = {tensor.data_ptr(): tensor.nbytes for tensor in model.state_dict().values()}
    assert sum(held.values()) == sum(tensors.values()) and min(held.values()) > 0
    assert held["adapters"] == 4 * trainable_count(model)


# --- the clinic ---------------------------------------------------------------------------------------------------------


def test_the_first_patient_cured_is_the_healthy_run():
    well, cured, sick = healthy(tiny(), EXAMPLES), patient_1(tiny(), EXAMPLES, cured=True), patient_1(tiny(), EXAMPLES)
    assert cured.losses == pytest.approx(well.losses, abs=1e-4)
    assert well.losses == pytest.approx(well.completion_losses, abs=1e-6)
    assert sick.completion_losses[0] == pytest.approx(well.losses[0], abs=1e-4)  # the same examples at the first step


def test_the_second_patient_begins_as_the_healthy_run_does():
    well, sick, cured = healthy(tiny(), EXAMPLES), patient_2(tiny(), EXAMPLES), patient_2(tiny(), EXAMPLES, cured=True)
    assert sick.losses[0] == pytest.approx(well.losses[0], abs=1e-4) == pytest.approx(cured.losses[0], abs=1e-4)
    assert len(cured.losses) == len(well.losses)


def test_the_third_patient_cured_has_a_baseline_of_its_own():
    pairs = patient_3(tiny(), EXAMPLES[:4], EXAMPLES[4:], cured=True)
    assert any(before != after for before, after in pairs)


# --- how fast models write ------------------------------------------------------------------------------------------------


def test_models_take_turns_and_the_first_round_does_not_count():
    class Words(Letters):
        def __call__(self, text: str, **options: object) -> object:
            return {"input_ids": torch.tensor([super().__call__(text).input_ids])}

    speeds = latency.writing_speeds({"a": tiny(), "b": tiny()}, Words(), "abc", new_tokens=2, rounds=3)
    assert {name: len(values) for name, values in speeds.items()} == {"a": 3, "b": 3}
    assert latency.more_time({"base": [10.0, 20.0], "other": [8.0, 20.0]}) == {"base": [0.0, 0.0], "other": [25.0, 0.0]}
    passes = latency.passes_in_turns({"a": tiny(), "b": tiny()}, length=3, batch=2, rounds=2)
    assert {name: len(values) for name, values in passes.items()} == {"a": 2, "b": 2} and min(map(min, passes.values())) > 0
    with pytest.raises(LabError, match="at least 1"):
        latency.writing_speeds({}, Words(), "abc", new_tokens=0, rounds=1)
