"""The small policies, their rewards, and the eight texts whose numbers are exact."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from explorers import shown_by

from labutils.errors import LabError
from labutils.preferences import policy, rewards, toy
from labutils.preferences.explorer import PreferenceSettings, explore_preferences, preference_view


def test_texts_survive_the_ids_and_the_mask_ends_behind_the_full_stop() -> None:
    texts = ["tea milk.", ".", "oil"]
    ids = policy.encode(texts)
    assert policy.decode(ids)[:2] == texts[:2] and policy.written_mask(ids).sum(-1).tolist() == [9, 1, 4]


def test_probabilities_of_next_characters_do_not_see_ahead_and_sum_to_one() -> None:
    net = policy.Policies(1, seed=3)
    ids = policy.encode(["tea milk eggs.", "tea milk oil."]).unsqueeze(0)
    first, second = net.log_probs(ids)[0]
    assert torch.allclose(first[:9], second[:9])
    logits = net(policy.features(ids).flatten(1, 2))
    assert torch.allclose(logits.softmax(-1).sum(-1), torch.ones(1, 2 * policy.LENGTH), atol=1e-5)


def test_sampling_follows_the_probabilities_that_log_probs_gives() -> None:
    net = policy.Policies(1, seed=0)
    ids = net.sample(4000, torch.Generator().manual_seed(0))[0]
    first = torch.bincount(ids[:, 0], minlength=policy.VOCABULARY) / 4000
    begin = policy.features(torch.zeros(1, 1, policy.LENGTH, dtype=torch.long))[:, :, 0]
    assert torch.allclose(first, net(begin)[0, 0].softmax(-1), atol=0.03)
    logits = net(policy.features(ids.unsqueeze(0)).flatten(1, 2)).view(4000, policy.LENGTH, -1)[:, 1]
    expected = logits[ids[:, 0] == 5].softmax(-1).mean(0)
    found = torch.bincount(ids[ids[:, 0] == 5, 1], minlength=policy.VOCABULARY) / (ids[:, 0] == 5).sum()
    assert torch.allclose(found, expected, atol=0.15)


def test_copies_are_trained_apart() -> None:
    net = policy.Policies(1, seed=0).copies(2)
    ids = policy.encode(["tea."]).expand(2, 1, -1)
    net.log_probs(ids)[0].sum().backward()
    assert net.w1.grad[0].abs().sum() > 0 and net.w1.grad[1].abs().sum() == 0
    with pytest.raises(LabError):
        net.copies(2)


def test_the_reference_learns_to_write_lists() -> None:
    net, fresh = policy.train_reference(40, 32), policy.Policies(1)
    ids = policy.encode(["tea milk eggs."]).unsqueeze(0)
    assert net.log_probs(ids).sum() > fresh.log_probs(ids).sum() + 5


@pytest.mark.parametrize("text", ["Tea.", "t" * 40, "tea, milk."])
def test_a_text_that_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(LabError):
        policy.encode([text])


@pytest.mark.parametrize(
    ("text", "worth"),
    [(".", 0), ("tea.", 1), ("tea tea.", 0), ("tea milk eggs rice.", 4), ("tea milk eggs rice oil.", 3), ("teas", -1)],
)
def test_the_truth(text: str, worth: float) -> None:
    assert rewards.true_reward(text) == worth


def test_the_rater_follows_its_formula() -> None:
    first, second = ["tea milk."] * 4000, ["oil."] * 4000
    share = rewards.hurried_choice(first, second, torch.Generator().manual_seed(0)).double().mean()
    expected = torch.tensor(1.0 + 0.25 * 5).sigmoid()
    assert abs(float(share - expected)) < 0.02
    assert rewards.list_features(["tea tea ab."]).tolist() == [[2, 1, 10]]


def test_pairs_are_put_as_the_rater_chose_and_weights_are_recovered_from_them() -> None:
    short, long = ["tea."] * 100, ["tea milk eggs rice."] * 100
    preferred, other = rewards.compared(short, long, torch.Generator().manual_seed(0))
    assert all({a, b} == {"tea.", "tea milk eggs rice."} for a, b in zip(preferred, other, strict=True))
    assert preferred.count("tea milk eggs rice.") > 90
    x = torch.randn(4000, 3, generator=torch.Generator().manual_seed(1))
    y = torch.randn(4000, 3, generator=torch.Generator().manual_seed(2))
    wins = torch.rand(4000, generator=torch.Generator().manual_seed(3)) < ((x - y) @ torch.tensor([1.0, -1.0, 0.25])).sigmoid()
    a, b = torch.where(wins[:, None], x, y), torch.where(wins[:, None], y, x)
    found = rewards.minimising_weights(lambda p, q: -torch.nn.functional.logsigmoid(p - q).mean(), a, b)
    assert torch.allclose(found, torch.tensor([1.0, -1.0, 0.25]), atol=0.1)


def test_the_best_of_n_equals_a_sum_over_all_draws() -> None:
    q, r = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([2.0, 1.0, 3.0])
    expected = torch.zeros(3)
    for draw in product(range(3), repeat=4):
        expected[max(draw, key=lambda i: r[i])] += math.prod(float(q[i]) for i in draw)
    found = toy.best_of(q, r, 4)
    assert torch.allclose(found, expected, atol=1e-6)
    assert toy.kl_divergence(found, q) <= math.log(4) - 3 / 4


@pytest.mark.parametrize("beta", [0.2, 1.0, 5.0])
def test_no_other_policy_beats_the_tilted_one(beta: float) -> None:
    q, r = torch.tensor(toy.REFERENCE).double(), torch.tensor(toy.PROXY).double()

    def worth(p: torch.Tensor) -> float:
        return float(p @ r - beta * toy.kl_divergence(p, q))

    best = toy.tilted(q, r, beta)
    draw = torch.Generator().manual_seed(0)
    for _ in range(200):
        assert worth((best.log() + 0.3 * torch.randn(8, generator=draw, dtype=torch.float64)).softmax(-1)) <= worth(best) + 1e-12
    assert abs(worth(best) - beta * float(torch.logsumexp(q.log() + r / beta, -1))) < 1e-9


def test_the_explorer_and_its_static_twin() -> None:
    shown = shown_by(explore_preferences)
    assert shown.html == preference_view().html and "leash" in shown.text
    shown["n, texts to choose from"].value = 1
    assert "best of 1" in shown.page
    rows = {row[0]: row[1:] for row in preference_view(1.0, 1).rows}
    assert all(abs(a - b) < 1e-5 for a, b in zip(rows["best of n"], rows["reference"], strict=True))
    for settings in ({"beta": 0.0}, {"n": 0}, {"clip": 1.0}):
        with pytest.raises(LabError):
            preference_view(**settings)
    assert PreferenceSettings() == PreferenceSettings(1.0, 4, 0.2)
