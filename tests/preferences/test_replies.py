"""The truth of replies, the packed rows against a call per reply, and the linear reward model against scikit-learn."""

from __future__ import annotations

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from labutils.errors import LabError
from labutils.preferences import frozen, replies
from labutils.preferences.rewards import minimising_weights

ROW = {"note": "The key to room 7 is with Ms. Adler.", "question": "Who has the key?", "answers": ["adler"], "replies": []}


@pytest.mark.parametrize(
    ("reply", "worth"),
    [
        ("Ms. Adler has it.", (1, 1, 1)),
        ("Ms. Badler has it.", (0, 0, 1)),
        ("Adler, on floor 3.", (1, 0, 1)),
        ("Adler, in room seven.", (1, 1, 1)),
        ("Somebody nice.", (0, 1, 1)),
        ("Adler, silly.", (1, 1, 0)),
        ("The red key?", (0, 0, 1)),
        ("", (0, 1, 1)),
    ],
)
def test_the_worth_of_a_reply(reply: str, worth: tuple[int, int, int]) -> None:
    assert tuple(replies.reply_worth(reply, ROW)) == worth and replies.reply_worth(reply, ROW).total == sum(worth)


def test_the_raters_probabilities_of_both_orders_sum_to_one() -> None:
    a, b = "Ms. Adler.", "I would love to help you with the key, but I do not know where it may be at the moment."
    assert abs(replies.rater_probability(a, b, ROW) + replies.rater_probability(b, a, ROW) - 1) < 1e-12
    assert replies.rater_probability(a, b, ROW) < 0.5  # length outweighs the truth


class Letters:
    """A tokenizer of one id per character."""

    eos_token_id = 0

    def __call__(self, text: str, **options: object) -> dict[str, list[int]]:
        return {"input_ids": [1 + ord(character) % 60 for character in text]}


def test_packed_rows_equal_a_call_per_reply() -> None:
    torch.manual_seed(0)
    config = LlamaConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4, vocab_size=64)
    model, tokenizer = LlamaForCausalLM(config).eval(), Letters()
    prompts, texts = ["note one:", "a longer note:"], [["yes", "no, not at all"], ["perhaps", "four"]]
    packed = frozen.pack(tokenizer, prompts, texts)
    middle, before = frozen.hidden_states(model, packed, (2, 3))
    tail = frozen.Tail(model, 1)
    found, means = tail(before, packed), frozen.reply_means(middle, packed)
    for i, prompt in enumerate(prompts):
        for k, text in enumerate(texts[i]):
            start, end = tokenizer(prompt)["input_ids"], [*tokenizer(f" {text}")["input_ids"], 0]
            with torch.no_grad():
                out = model(torch.tensor([start + end]), output_hidden_states=True)
            log_probs = out.logits[0, len(start) - 1 : -1].log_softmax(-1)
            assert abs(float(log_probs[range(len(end)), end].sum() - found[i, k].detach())) < 1e-3
            assert torch.allclose(out.hidden_states[2][0, len(start) :].mean(0), means[i, k], atol=1e-5)
    found.sum().backward()
    assert all(weight.grad is not None for weight in tail.layers.parameters())
    assert model.lm_head.weight.grad is None and all(weight.grad is None for weight in model.model.layers.parameters())


def test_a_list_of_replies_for_each_prompt() -> None:
    with pytest.raises(LabError):
        frozen.pack(Letters(), ["one"], [])


def test_bradley_terry_on_linear_rewards_is_logistic_regression_without_intercept_on_differences() -> None:
    draw = torch.Generator().manual_seed(0)
    difference = torch.randn(80, 5, generator=draw, dtype=torch.float64)
    decay = 0.1
    weights = minimising_weights(
        lambda r, s: -functional.logsigmoid(r - s).mean(), difference, torch.zeros_like(difference), decay
    )
    x = torch.cat([difference, -difference]).numpy()  # each pair in both orders, since it wants two classes
    y = [1] * 80 + [0] * 80
    found = LogisticRegression(fit_intercept=False, C=1 / (2 * 80 * decay), tol=1e-10, max_iter=1000).fit(x, y).coef_[0]
    assert torch.allclose(weights, torch.tensor(found), atol=1e-5)


ROWS = {"n": {"note": "Bus 14 goes at 9:10.", "question": "When?", "answers": ["9:10"], "replies": ["At 9:10.", "Never, silly."]}}
PAIR = {"note": "n", "split": "train", "first": 0, "second": 1, "preferred": "second"}


def test_pairs_are_measured_and_tabled_from_the_preferred_side():
    assert replies.better_first([PAIR], ROWS) == [True]
    assert replies.lengths_and_worths([PAIR], ROWS).tolist() == [[[13, 1], [8, 3]]]
    assert replies.pair_table([PAIR], {"n": 4}, "train").tolist() == [[4, 1, 0]]
    assert replies.pair_table([PAIR], {"n": 4}, "train", [True]).tolist() == [[4, 0, 1]]
    assert replies.pair_table([PAIR], {}, "train").shape == replies.pair_table([PAIR], {"n": 4}, "test").shape == (0, 3)


@pytest.mark.parametrize("mine", ["AB", "ABBA", "ABC", "12 3"])
def test_a_rating_that_fits_no_pairs_is_refused(mine):
    with pytest.raises(LabError, match="A or B for each of the 3 pairs"):
        replies.rating(mine, "AAB")


def test_a_rating_is_read_as_typed_and_replaced_only_where_it_is_empty():
    assert replies.rating("a bB\n", "AAB") == ("you", "ABB")
    assert replies.rating("  ", "AAB") == ("a second hurried rater", "AAB")
