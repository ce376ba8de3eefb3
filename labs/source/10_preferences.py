# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: LLM Labs
#     language: python
#     name: llm-labs
# ---

# %% [markdown]
# # Lab 10. Learning from preferences
#
# For many tasks nobody can write down the right answer, but people can say which of two answers they like better. This lab learns from
# such choices. It also shows what goes wrong, because a model that is trained to please finds out what its judges overlook.
#
# By the end you can
# - fit a reward model to comparisons, and say where it can be trusted;
# - train a policy by REINFORCE, PPO's clipped loss and GRPO, with and without a leash to its reference;
# - recognise reward hacking on a chart, and choose the weight of the leash;
# - pick the best of n replies, and say how far that moves away from the reference;
# - derive and use the loss of DPO, and read what it does to the likelihoods of both replies.
#
# The core path has eight exercises and three quizzes and takes about two hours. All cells together compute for two to three
# minutes on two cores, most of it in sections 4 to 6, 9 and 10. *Going further*, at the end, is optional. `hint("10.1")` helps
# with exercise 10.1, and so on. If the next cell finds no `labutils`, choose *Kernel > Change Kernel > LLM Labs* and run it again.

# %%
from labutils import check, guard, hint, load_encoder, load_model, outcome, predict, progress, quiz, record, show, start

# %% tags=["device"]
lab = start("10", seed=0)

import math
from statistics import fmean as mean

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from torch.nn import functional

from labutils import evaluation, preferences
from labutils.course import BLUE, GREY, ORANGE, load_preferences, new_figure, show_map, show_table
from labutils.preferences import agreement, decode, features, over_notes, over_runs, over_seeds, true_rewards

show_map("10")
assert lab.name == "10"

# %% [markdown]
# ## 1. A world small enough to know the truth
#
# Reinforcement learning on a large model takes days, and nobody knows what the true reward of its texts is. So we begin with a world of
# our own. The texts are shopping lists, and the model writes them character by character. A list is worth
#
# - one point for each different item of the shop, up to four, because the bag holds no more;
# - minus one point for every other word, whether it is misspelled, repeated or one too many.

# %%
print("the shop:", ", ".join(preferences.ITEMS))
examples = ["tea milk eggs.", "tea milk tea.", "tea mlik.", "tea milk eggs rice.", "tea milk eggs rice oil ham."]
show_table(("list", "truth"), [(text, value) for text, value in zip(examples, true_rewards(examples).tolist(), strict=True)])
assert true_rewards(examples).tolist() == [3, 1, 0, 4, 2]

# %% [markdown]
# The writer is a small network. It sees the last five characters, the position, and how often each character has occurred so far. First
# it imitates lists from a program that plays a shopper, with one word in eight misspelled. The result is our **reference**, which plays
# the part of a fine-tuned language model.
#
# The terms of reinforcement learning, and what they mean here:
#
# | word | in general | here |
# | --- | --- | --- |
# | **agent** | who acts | the network |
# | **environment** | what it acts on | the page it writes on |
# | **state** | what it sees | the text so far |
# | **action** | what it does | the next character |
# | **policy** | how probable each action is in each state | the softmax over 22 characters |
# | **reward** | what it gets | one number, when the list is finished |
# | **objective** | what it maximises | the mean reward of what it writes |

# %% tags=["device"]
reference = preferences.train_reference(lab.size(smoke=120, small=250))
draw = torch.Generator().manual_seed(0)
n_texts = lab.size(smoke=300, small=1000)
lists = decode(reference.sample(n_texts, draw)[0])
worth = true_rewards(lists)
show_table(("the reference writes", "truth"), [(text, value) for text, value in zip(lists[:8], worth.tolist(), strict=False)])
print(f"{reference.parameters_per_run:,} weights;", "true reward, mean of", f"{n_texts:,}: {worth.mean():.2f}")
assert worth.mean() > -3

# %% [markdown]
# ## 2. A reward from comparisons
#
# In practice nobody has the true reward, only people who compare two texts. Our rater is a program, and it is in a hurry. To the true
# worth of a list it adds a quarter of a point for every character, because a longer list looks like more work. That is our **planted
# flaw**. The rater then draws its choice. The larger the difference of the two sums, the more probable is the list with the larger one.

# %%
predict("10.p1")


# %% tags=["device"]
half = min(n_texts, 600) // 2
liked, other = preferences.compared(lists[:half], lists[half : 2 * half], draw)
show_table(("preferred", "other", "truth", "truth of the other"), [
    (a, b, *true_rewards([a, b]).tolist()) for a, b in zip(liked[:6], other[:6], strict=True)
], f"Six of {half} comparisons")  # fmt: skip
gap = true_rewards(liked) - true_rewards(other)
longer = torch.tensor([len(a) - len(b) for a, b in zip(liked, other, strict=True)])
share = {}
for name, asked in (("the better list is the longer one", gap * longer > 0), ("the better list is the shorter one", gap * longer < 0)):
    share[name] = float(100 * (longer[asked] > 0).double().mean())
    print(f"{name}, {int(asked.sum())} pairs: the longer list is preferred in {share[name]:.0f} %")
outcome("10.p1", share["the better list is the shorter one"])
assert len(liked) == half

# %% [markdown]
# Where length and worth agree, the flaw does not show. It shows where they disagree.
#
# A **reward model** gives every text a number such that the preferred text of a pair tends to have the larger one. Bradley and Terry
# (1952) say how probable a choice is, given the two numbers:
#
# $$P(\text{a preferred to b}) = \sigma\big(r(a) - r(b)\big)\qquad \sigma(x) = \frac{1}{1 + e^{-x}}$$
#
# Only the difference counts. Adding 10 to all rewards changes nothing.
#
# **Exercise 10.1.** Write the loss, the mean of minus the log-probability of the choices that were made. `preferred` and `other` are the
# rewards of the two texts of each pair. Differences of minus 300 happen, so don't let a probability be rounded to 0 first.


# %% tags=["exercise"] exercise="10.1"
def preference_loss(preferred, other):
    """The mean of -log P(choice), in nats, from two tensors of rewards (P). It will be differentiated."""
    return ...


preference_loss = check("10.1", preference_loss)


# %% tags=["solution"] exercise="10.1"
def preference_loss(preferred, other):
    """The mean of -log P(choice), in nats, from two tensors of rewards (P). It will be differentiated."""
    return -functional.logsigmoid(preferred - other).mean()


preference_loss = check("10.1", preference_loss)

# %% [markdown]
# Our reward model sees three numbers of a list, namely how many words are items of the shop, how many are not, and the number of
# characters. It gives each a weight. It does *not* see whether a word is repeated, so a repeated item counts as one more item. Some lists
# above repeat an item once, so the comparisons say a little about that. None of them shows an item many times. The fit starts at zero
# weights and follows the gradient of your loss until it stops falling. InstructGPT (Ouyang et al. 2022, arXiv:2203.02155) fits the same
# loss with a language model in the place of the three numbers.


# %% tags=["device"]
def fit_weights(liked_features, other_features, decay=0.0):
    """The weights (F,) of a linear reward model that minimise your loss, plus decay / 2 times their square."""
    return preferences.minimising_weights(preference_loss, liked_features, other_features, decay)


x_liked, x_other = preferences.list_features(liked), preferences.list_features(other)  # (N, 3)
weights = fit_weights(x_liked, x_other)
bootstrap = torch.stack([
    fit_weights(x_liked[rows], x_other[rows]) for rows in torch.randint(half, (20, half), generator=draw)
])  # fmt: skip
show_table(("feature", "weight", "spread over 20 resamples"), [
    (name, f"{w:.2f}", f"{low:.2f} to {high:.2f}")
    for name, w, low, high in zip(preferences.LIST_FEATURES, weights, bootstrap.amin(0), bootstrap.amax(0), strict=True)
])  # fmt: skip
assert weights.isfinite().all()

# %% [markdown]
# The rater itself adds 1 per point and 0.25 per character. As long as no word is repeated and the bag is not too full, a point is gained
# per item and lost per other word, so the weights to be found are 1, -1 and 0.25. Do your ranges hold them? A longer word adds
# characters too, so the three numbers rise and fall together, and a few hundred comparisons tell them apart only roughly.
#
# This is logistic regression on the *differences* of the features, without an intercept. So a library should find the same weights.
# scikit-learn wants examples of two classes. We give it every pair in both orders, preferred first (class 1) and other first (class 0).
#
# A number that stands in for the truth is called a **proxy**. Ours is the weighted sum, shifted so that its mean over the reference's
# lists is 0.

# %% tags=["device"]
difference = x_liked - x_other
library = LogisticRegression(C=math.inf, fit_intercept=False, tol=1e-10, max_iter=1000)
library.fit(torch.cat([difference, -difference]).numpy(), [1] * half + [0] * half)
show_table(("weights", *preferences.LIST_FEATURES), [
    ("with your loss", *(f"{w:.3f}" for w in weights)), ("scikit-learn", *(f"{w:.3f}" for w in library.coef_[0]))
])  # fmt: skip
print(f"your loss {preference_loss(x_liked @ weights, x_other @ weights):.3f} nats; by chance it would be {math.log(2):.3f}")
zero = float((preferences.list_features(lists) @ weights).mean())


def proxy(texts):
    """What the reward model gives to texts: (B,)."""
    return preferences.list_features(texts) @ weights - zero


quiz("10.a")
assert torch.allclose(weights.double(), torch.tensor(library.coef_[0], dtype=torch.float64), atol=0.02)

# %% [markdown]
# **Try it.** Score a list unlike any that the rater has seen, such as `proxy(["mlik mlik mlik mlik mlik."])`, and compare the score with
# `true_rewards` of the same list.
#
# ## 3. The leash
#
# A policy that is trained on the proxy goes wherever the proxy is high. A **leash** lets it move away from the reference only where that
# pays. Each text's reward is lowered by beta times what the text's log-probability has gained over the reference. The mean of that gain,
# over the texts that the policy writes, is the **Kullback-Leibler (KL) divergence** of the policy from the reference:
#
# $$\mathrm{KL}(\pi\,\|\,\pi_{\text{ref}}) = \mathbb{E}_{\text{text}\sim\pi}\big[\log \pi(\text{text}) - \log
# \pi_{\text{ref}}(\text{text})\big]$$
#
# It is 0 where the two are equal and above 0 otherwise, in nats as a loss is. The order matters. $\mathrm{KL}(\pi_{\text{ref}}\,\|\,\pi)$
# averages over the texts of the reference, and is another number. A large beta is a short leash, and with beta = 0 there is none.
#
# **Exercise 10.2.** Write the reward on a leash. Rewards have the shape (B), the log-probabilities of the characters (B, T). A text's
# log-probability is the sum of those of its characters. Behind its end they are 0.


# %% tags=["exercise"] exercise="10.2"
def leashed(rewards, log_probs, reference, beta):
    """Rewards (B) minus beta times what each text's log-probability (B, T) has gained over the reference's (B, T)."""
    return ...


leashed = check("10.2", leashed)


# %% tags=["solution"] exercise="10.2"
def leashed(rewards, log_probs, reference, beta):
    """Rewards (B) minus beta times what each text's log-probability (B, T) has gained over the reference's (B, T)."""
    return rewards - beta * (log_probs - reference).sum(-1)


leashed = check("10.2", leashed)

# %% [markdown]
# ### Where the leash leads
#
# The policy with the highest mean of these rewards is known. It is the reference, tilted towards texts with a high reward:
#
# $$\pi^*(\text{text}) \propto \pi_{\text{ref}}(\text{text})\; e^{\,r(\text{text})/\beta}$$
#
# To check this, take a policy that can write only the eight texts of the table. Their numbers are made up, with the same hole in the
# proxy. The policy's mean reward and its KL are sums of eight terms, so gradient ascent is exact. It knows nothing of the formula.
#
# | text (`preferences.TEXTS`) | reference | proxy | truth |
# | --- | --- | --- | --- |
# | tea. | 0.20 | 1.5 | 1 |
# | tea milk. | 0.24 | 2.5 | 2 |
# | eggs rice jam. | 0.18 | 4.0 | 3 |
# | tea milk eggs oil. | 0.10 | 4.8 | 4 |
# | milk tee. | 0.14 | 1.0 | 0 |
# | tea tea tea. | 0.08 | 3.6 | -1 |
# | oil oil oil oil oil oil. | 0.02 | 7.2 | -4 |
# | rice salt soap jam ham. | 0.04 | 6.0 | 3 |

# %%
p_ref, proxy_8, truth_8 = (torch.tensor(numbers) for numbers in (preferences.REFERENCE, preferences.PROXY, preferences.TRUTH))
rows = []
for beta in (0.5, 1.0, 3.0):
    logits = p_ref.log().clone().requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(800):
        p = logits.softmax(-1)
        kl = (p * (p / p_ref).log()).sum()
        loss = -(p @ proxy_8 - beta * kl)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found, formula = logits.detach().softmax(-1), (p_ref.log() + proxy_8 / beta).softmax(-1)
    error = (found - formula).abs().max()
    rows.append((beta, f"{found @ proxy_8:.2f}", f"{kl:.2f}", "yes" if error < 1e-3 else "no"))
show_table(("beta", "mean proxy", "KL, nats", "equal to the formula within 0.001"), rows)
assert all(row[-1] == "yes" for row in rows)

# %% [markdown]
# ### Estimating the KL
#
# A real policy has too many texts to sum over, so its KL is estimated from those that it writes. With $d = \log \pi_{\text{ref}} - \log
# \pi$, Schulman's note "Approximating KL divergence" (2020) compares three estimates:
#
# $$k_1 = -d\qquad k_2 = \tfrac12 d^2\qquad k_3 = e^{d} - 1 - d$$
#
# **Exercise 10.3.** Write $k_3$, one value per character. Near $d = 0$ the plain formula loses its digits. At $d = 0.0001$ the
# estimate is about 5e-9, and float32 numbers just above 1 are 1.2e-7 apart, so the plain formula returns rounding noise. `torch.expm1(x)`
# computes $e^x - 1$ without that loss.


# %% tags=["exercise"] exercise="10.3"
def k3(log_probs, reference):
    """Schulman's third estimate of KL(policy || reference), one per character, never below 0. It will be differentiated."""
    return ...


k3 = check("10.3", k3)


# %% tags=["solution"] exercise="10.3"
def k3(log_probs, reference):
    """Schulman's third estimate of KL(policy || reference), one per character, never below 0. It will be differentiated."""
    gap = reference - log_probs
    return torch.expm1(gap) - gap


k3 = check("10.3", k3)

# %% [markdown]
# With eight texts we can compute what each estimate gives *on average*, and the average of its gradient. Columns three and four say
# whether this is the gradient of one of the two divergences. The last column is the length of the gradient.

# %%
logits = torch.tensor([0.5, 1.0, 0.2, -1.0, 0.0, -0.3, -2.0, -1.5], dtype=torch.float64, requires_grad=True)
q = p_ref.double()


def gradient(value):
    """The derivative of a value by the eight logits."""
    return torch.autograd.grad(value, logits, retain_graph=True)[0]


p = logits.softmax(-1)
forward, reverse = (q * (q / p).log()).sum(), (p * (p / q).log()).sum()
rows = []
for name, estimate in {
    "k1": p.log() - q.log(), "k2": (p.log() - q.log()).square() / 2, "k3": k3(p.log(), q.log()),
}.items():  # fmt: skip
    on_average = (p.detach() * estimate).sum()
    slopes = gradient(on_average)
    same = ["yes" if torch.allclose(slopes, gradient(goal), atol=1e-9) else "no" for goal in (reverse, forward)]
    rows.append((name, f"{on_average:.4f}", *same, f"{slopes.norm():.4f}"))
show_table(
    ("estimate", f"mean (the KL is {reverse:.4f})", "gradient of KL(policy || ref)", "of KL(ref || policy)", "length"), rows
)
assert [row[2] for row in rows] == ["no", "yes", "no"] and [row[3] for row in rows] == ["no", "no", "yes"]

# %% [markdown]
# As a *value* take $k_1$ or $k_3$. Both have the right mean, and $k_3$ never goes below 0. As a *loss* to be differentiated, $k_1$ is
# useless, because its average gradient is zero. $k_2$ gives the gradient of the KL that we want. $k_3$ gives the gradient of the other
# one. GRPO's paper (Shao et al. 2024, arXiv:2402.03300) puts $k_3$ into the loss all the same. Here we put $k_1$ into the *reward*, as
# InstructGPT does. There it is a value that is not differentiated.
#
# ## 4. REINFORCE
#
# The gradient of a mean reward is again a mean (Williams 1992):
#
# $$\nabla\,\mathbb{E}[r] = \mathbb{E}\big[(r - b)\;\nabla \log \pi(\text{text})\big]$$
#
# Write texts, make those with a good reward more probable, and the others less. The **baseline** *b* says what counts as good. Any number
# that does not depend on the text itself leaves the mean gradient as it is. A good one takes out much of its noise.
#
# With a leash the reward depends on the policy too. That adds minus beta times the average gradient of $k_1$, which is zero, as the table
# shows. So the formula still holds.
#
# **Exercise 10.4.** As the baseline of a text take the mean reward of the *other* texts of its batch. Return reward minus baseline, the
# **advantage**. Texts stand along the last dimension. In front of it there may be another, with one row per run.


# %% tags=["exercise"] exercise="10.4"
def advantages(rewards):
    """Each reward minus the mean of the others in its row: (B) -> (B), or (R, B) -> (R, B)."""
    return ...


advantages = check("10.4", advantages)


# %% tags=["solution"] exercise="10.4"
def advantages(rewards):
    """Each reward minus the mean of the others in its row: (B) -> (B), or (R, B) -> (R, B)."""
    count = rewards.shape[-1]
    return rewards - (rewards.sum(-1, keepdim=True) - rewards) / (count - 1)


advantages = check("10.4", advantages)

# %% [markdown]
# How much noise does the baseline remove? With eight texts the exact gradient is known. Here are the gradients of 200 batches of 16
# texts, without the baseline and with it. The first column of errors tells whether they are right on average, the second how far a single
# batch is off.

# %%
logits = p_ref.log().clone().requires_grad_()
p = logits.softmax(-1)
exact = torch.autograd.grad(p @ proxy_8, logits)[0]
batches = torch.multinomial(p_ref, 200 * 16, replacement=True, generator=torch.Generator().manual_seed(0)).view(200, 16)
rows = []
for name, factors in {"reward": proxy_8[batches], "reward minus baseline": advantages(proxy_8[batches])}.items():
    scores = torch.eye(8)[batches] - p_ref  # the gradient of log p of each text, (200, 16, 8)
    found = (factors.unsqueeze(-1) * scores).mean(1)  # (200, 8)
    rows.append((name, f"{(found.mean(0) - exact).norm():.2f}", f"{(found - exact).norm(dim=-1).mean():.2f}"))
show_table(
    ("factor", "error of the mean of 200", "mean error of one batch"),
    rows,
    f"The exact gradient has the length {exact.norm():.2f}",
)
assert float(rows[1][2]) < float(rows[0][2])

# %% [markdown]
# Now for the lists. `climb` is the whole loop of reinforcement learning. It writes, scores, and improves. Several policies are trained
# side by side, each with weights and texts of its own, so that four seeds take little more time than one.
#
# There are two arms of several runs each, one without a leash and one with beta = 1. All start from the same reference, and each run
# draws its own texts. The tables call the runs of an arm its seeds. Both arms are rewarded by the proxy. The truth is only looked at,
# never trained on.

# %% tags=["device"]
BATCH, n_steps, n_seeds = 32, lab.size(smoke=8, small=200), lab.size(smoke=2, small=4)


def climb(betas, improve, reward=proxy, steps=n_steps, seed=1):
    """Train one policy per beta; returns the policies and (proxy, truth, KL) at each step, each (steps, R)."""
    policies, still = reference.copies(len(betas)), reference.copies(len(betas))
    optimizer, draw, history = torch.optim.Adam(policies.parameters(), lr=2e-3), torch.Generator().manual_seed(seed), []
    for _ in range(steps):
        ids = policies.sample(BATCH, draw)  # (R, B, T)
        x = features(ids)
        texts = decode(ids.flatten(0, 1))
        with torch.no_grad():
            old, ref = policies.log_probs(ids, x), still.log_probs(ids, x)  # (R, B, T)
        scores = reward(texts).view(len(betas), BATCH)
        goal = torch.stack([leashed(s, o, r, b) for s, o, r, b in zip(scores, old, ref, betas, strict=True)])
        improve(policies, optimizer, ids, x, old, goal)
        history.append(
            (proxy(texts).view(-1, BATCH).mean(1), true_rewards(texts).view(-1, BATCH).mean(1), (old - ref).sum(-1).mean(1))
        )
    return policies, [torch.stack(parts) for parts in zip(*history, strict=True)]


def reinforce(policies, optimizer, ids, x, old, goal):
    """One step of REINFORCE; the sum over runs keeps their gradients apart."""
    loss = -(advantages(goal) * policies.log_probs(ids, x).sum(-1)).mean(-1).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


predict("10.p2")
assert reference.runs == 1

# %% tags=["device"]
FREE, HELD = 0.0, 1.0
with guard("4 REINFORCE", need_gib=0.5):
    first, curves = climb([FREE] * n_seeds + [HELD] * n_seeds, reinforce)
figure, axes = new_figure("What the proxy says, and what is true", width=9, columns=2)
for axis, name, part in ((axes[0], "no leash", slice(0, n_seeds)), (axes[1], f"beta = {HELD:g}", slice(n_seeds, None))):
    for curve, label, colour in zip(curves[:2], ("proxy", "truth"), (ORANGE, BLUE), strict=True):
        axis.plot(curve[:, part].mean(1), label=label, color=colour)
        axis.fill_between(range(len(curve)), curve[:, part].amin(1), curve[:, part].amax(1), color=colour, alpha=0.25)
    axis.axhline(float(worth.mean()), color=GREY, linestyle="--", label="truth of the reference")
    axis.set(title=name, xlabel="step", ylim=(-8, 11))
axes[0].set_ylabel("mean of a batch")
axes[1].legend(loc="lower right")
show(figure, "Two panels over the steps, without a leash and on a leash: proxy and truth, with the range of the seeds.")
assert len(curves) == 3


# %% tags=["device"]
def finals(policies, count=None, seed=9):
    """Fresh texts of every run after training, and their (proxy, truth, KL), each (R)."""
    count = count or lab.size(smoke=32, small=250)
    ids = policies.sample(count, torch.Generator().manual_seed(seed))
    texts = decode(ids.flatten(0, 1))
    with torch.no_grad():
        gap = (policies.log_probs(ids) - reference.copies(policies.runs).log_probs(ids)).sum(-1)
    return texts, [value.view(policies.runs, count).mean(1) for value in (proxy(texts), true_rewards(texts), gap)]


texts, ends = finals(first)
each = len(texts) // first.runs
show_table(("no leash", f"beta = {HELD:g}"), list(zip(texts[:4], texts[n_seeds * each : n_seeds * each + 4], strict=True)))
assert len(ends) == 3

# %% tags=["device"]
begin = (0.0, float(worth.mean()), 0.0)  # the zero of the proxy is the mean of these lists
coin = torch.Generator().manual_seed(3)
blind, _ = climb([FREE] * n_seeds + [HELD] * n_seeds, reinforce, reward=lambda texts: torch.randn(len(texts), generator=coin))
blind_ends = finals(blind)[1]
arms = {"no leash": slice(0, n_seeds), f"beta = {HELD:g}": slice(n_seeds, None)}
rows = [("the reference", *(f"{value:.2f}" for value in begin))]
rows += [(name, *over_runs([end[part] for end in ends])) for name, part in arms.items()]
rows += [(f"control: random reward, {name}", *over_runs([end[part] for end in blind_ends])) for name, part in arms.items()]
show_table(("policy", "proxy", "truth", "KL, nats"), rows, f"After {n_steps} steps, {n_seeds} seeds, 95 % t intervals")
outcome("10.p2", float(ends[1][:n_seeds].mean()))
record("truth after REINFORCE", {name: round(float(ends[1][part].mean()), 2) for name, part in arms.items()})
assert len(rows) == 5

# %% [markdown]
# This is **reward hacking**, or overoptimization. The reward model was fitted to the reference's lists, and nothing holds it to the truth
# on lists that the reference never writes. The policy without a leash moves there, because there the proxy is highest. On the way the
# proxy rises and the truth falls, until the policy writes hardly anything else. On the leash the same loop with the same proxy makes
# better lists than the reference. Why? Look at what the policy without a leash writes. The reward model counts repeated items as items,
# and it has never seen a list that repeats one eight times. So this is not only the planted flaw. The length weight favours full pages,
# but the larger hole is the feature that we left out.
#
# The two controls got as many steps and a reward without any meaning. On the leash such a policy should stay near the reference. Without
# a leash it walks at random, and nothing calls it back, so its KL can grow without any gain. A large KL
# says that a policy has moved, not that it has improved.
#
# The shape is no accident of shopping lists. Gao et al. (2022, arXiv:2210.10760) measured it for language models, with one large reward
# model in the place of the truth and smaller ones as proxies.
#
# **Try it.** Give `climb` a reward of your own, here the number of *e*s:
#
# ```python
# own, _ = climb([FREE, HELD], reinforce, reward=lambda texts: torch.tensor([float(t.count("e")) for t in texts]), steps=60)
# own_texts, _ = finals(own)
# print(own_texts[0], own_texts[-1], sep="\n")
# ```
#
# ## 5. PPO and GRPO
#
# REINFORCE uses each text once. Writing is expensive, so **PPO** (Schulman et al. 2017, arXiv:1707.06347) takes several steps on the same
# batch. After the first of them the policy is no longer the one that wrote the texts. PPO weighs each action by the **ratio** of its new
# probability to the old one, and stops rewarding a ratio that has moved further than a clip:
#
# $$L = -\min\big(\rho A,\ \text{clip}(\rho, 1-\epsilon, 1+\epsilon)\,A\big)\qquad \rho = \pi_{\text{new}} / \pi_{\text{old}}$$
#
# *A* is the advantage from exercise 10.4, and ε the clip. **Exercise 10.6** below writes it. First comes **GRPO** (Shao et al. 2024,
# arXiv:2402.03300). It keeps PPO's loss and replaces its value network, a second model that estimates the baseline. Several texts are
# written to each prompt, and a text is compared with its own group.
#
# **Exercise 10.5.** Each run of `size` neighbouring rewards is a group. Subtract the group's mean from each reward, and divide by the
# group's standard deviation (PyTorch's `std`) plus 1e-4.


# %% tags=["exercise"] exercise="10.5"
def group_advantages(rewards, size):
    """Rewards (..., B), normalised in groups of `size` neighbours: same shape."""
    groups = rewards.unflatten(-1, (-1, size))  # (..., G, size)
    return ...


group_advantages = check("10.5", group_advantages)


# %% tags=["solution"] exercise="10.5"
def group_advantages(rewards, size):
    """Rewards (..., B), normalised in groups of `size` neighbours: same shape."""
    groups = rewards.unflatten(-1, (-1, size))  # (..., G, size)
    normed = (groups - groups.mean(-1, keepdim=True)) / (groups.std(-1, keepdim=True) + 1e-4)
    return normed.flatten(-2)


group_advantages = check("10.5", group_advantages)

# %% [markdown]
# Here are three groups. One has equal rewards. The other two differ by a factor of a thousand.

# %%
three = torch.tensor([3.0, 3.0, 3.0, 3.0, 0.001, 0.002, 0.0, 0.001, 1.0, 2.0, 0.0, 1.0])
show_table(("rewards", "advantages"), [
    (str([round(v, 3) for v in a.tolist()]), str([round(v, 2) for v in b.tolist()]))
    for a, b in zip(three.split(4), group_advantages(three, 4).split(4), strict=True)
])  # fmt: skip
assert group_advantages(three, 4)[:4].abs().max() == 0

# %% [markdown]
# A group with equal rewards teaches nothing, as it should be. But a group that differs by a thousandth teaches nearly as much as one that
# differs by whole points. Liu et al. (2025, arXiv:2503.20783) find that this division, and GRPO's division by the length of a text, bias
# what is learned, and leave both out. Our loss sums over the characters and does not divide by the length.
#
# **Exercise 10.6.** Write PPO's loss for each character, without a sum. `new` and `old` are log-probabilities.


# %% tags=["exercise"] exercise="10.6"
def clipped_loss(new, old, advantages, clip):
    """PPO's loss of each action, same shape as the arguments. It will be differentiated with respect to `new`."""
    ratio = ...
    return ...


clipped_loss = check("10.6", clipped_loss)


# %% tags=["solution"] exercise="10.6"
def clipped_loss(new, old, advantages, clip):
    """PPO's loss of each action, same shape as the arguments. It will be differentiated with respect to `new`."""
    ratio = (new - old).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


clipped_loss = check("10.6", clipped_loss)

# %%
ratios = torch.tensor([0.5, 0.9, 1.0, 1.1, 1.5])
rows = []
for sign in (1.0, -1.0):
    new = ratios.log().requires_grad_()
    loss = clipped_loss(new, torch.zeros(5), torch.full((5,), sign), 0.2)
    slopes = torch.autograd.grad(loss.sum(), new)[0]
    rows.append((f"advantage {sign:+.0f}", *(f"{slope:+.2f}" for slope in (0.0 - slopes))))
show_table(("push on log p at a ratio of", *(f"{r:.1f}" for r in ratios)), rows, "Clip at 0.2")
assert float(slopes[0]) == 0 and rows[0][3] == "+1.00"

# %% [markdown]
# At a ratio of 1, right after writing, the push is the advantage, so PPO's first step is REINFORCE's. It becomes zero where a ratio has
# already moved in the wanted direction by more than the clip. A ratio that moved the *wrong* way keeps its push.
#
# Both algorithms take three steps on each batch here. Our PPO has no value network, so its baseline is the one from exercise 10.4. All
# arms write and score as many texts as REINFORCE did.


# %%
def ppo(policies, optimizer, ids, x, old, goal, advantage=None):
    """Three clipped steps on one batch."""
    worth_of = advantages(goal) if advantage is None else advantage
    for _ in range(3):
        new = policies.log_probs(ids, x)
        loss = clipped_loss(new, old, worth_of.unsqueeze(-1).expand_as(new), 0.2) * preferences.written_mask(ids)
        optimizer.zero_grad()
        loss.sum(-1).mean(-1).sum().backward()
        optimizer.step()


def grpo(policies, optimizer, ids, x, old, goal):
    """The same with advantages in groups of eight; all texts have the same prompt here, the empty one."""
    ppo(policies, optimizer, ids, x, old, goal, group_advantages(goal, 8))


predict("10.p3")
assert reference.runs == 1

# %% tags=["device"]
with guard("5 PPO and GRPO", need_gib=0.5):
    trained = {name: climb([FREE] * n_seeds + [HELD] * n_seeds, step) for name, step in (("PPO", ppo), ("GRPO", grpo))}
trained = {"REINFORCE": (first, curves), **trained}
results = {name: finals(policies)[1] for name, (policies, _) in trained.items()}
for (leash, part), beta in zip(arms.items(), (FREE, HELD), strict=True):
    ends_of = {name: [end[part] for end in result] for name, result in results.items()}  # proxy, truth and KL
    rows = [(name, over_seeds(end[0] - beta * end[2]), *over_runs(end)) for name, end in ends_of.items()]
    show_table(
        ("algorithm", "goal: proxy - beta KL", "proxy", "truth", "KL, nats"),
        rows,
        f"{leash}: {n_steps} batches of {BATCH}, {n_seeds} seeds, 95 % t intervals",
    )
held = sorted(((result[1][n_seeds:].mean().item(), name) for name, result in results.items()), reverse=True)
(_, winner), (_, second) = held[:2]
lead = evaluation.t_interval(results[winner][1][n_seeds:] - results[second][1][n_seeds:])  # seed by seed
print(f"{winner} minus {second} on the leash: {lead.mean:.2f} ({lead.low:.2f} to {lead.high:.2f})")
outcome("10.p3", 4 if lead.low <= 0 else 1 + list(results).index(winner))
record("truth on the leash", {name: round(float(r[1][n_seeds:].mean()), 2) for name, r in results.items()})
assert lead.low <= lead.mean

# %% [markdown]
# Look at both tables. Does any of the three escape without a leash? The fault is in the reward, and no algorithm can know it.
#
# On the leash all three have the same goal, and the best policy for it is the tilted one. The column of the goal says how far each has
# come, and the truth what that was worth. Is the algorithm with the highest goal also the one with the best lists? The goal still
# contains the proxy, so the best maximiser need not write the best lists. Another learning rate or number of steps per batch would give
# other values, so this is no ranking. GRPO divides by a standard deviation, which changes the size of its steps. Its leash keeps its
# weight here, because it is part of the reward and is divided too.
#
# ## 6. How long a leash?
#
# We train on the same proxy with six values of beta, from no leash (0) to a very short one (10). All seeds of all six are trained at once.

# %%
predict("10.p4")

# %% tags=["device"]
BETAS, n_sweep = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0), lab.size(smoke=2, small=3)
with guard("6 A sweep", need_gib=0.5):
    swept, _ = climb([beta for beta in BETAS for _ in range(n_sweep)], reinforce, seed=2)
sweep = [end.view(len(BETAS), n_sweep) for end in finals(swept, lab.size(smoke=32, small=150))[1]]
rows = [(f"{beta:g}", *over_runs([end[i] for end in sweep])) for i, beta in enumerate(BETAS)]
show_table(("beta", "proxy", "truth", "KL, nats"), rows, f"After {n_steps} steps, {n_sweep} seeds, 95 % t intervals")
best = int(sweep[1].mean(1).argmax())
outcome("10.p4", 1 if best == 0 else 3 if best == len(BETAS) - 1 else 2)
record("best beta", BETAS[best])
assert sweep[2].isfinite().all()

# %% tags=["device"]
figure, axis = new_figure("Proxy and truth, by how far the policy has gone", width=7)
distance = sweep[2].clamp(min=1e-2).sqrt()
for end, begin_at, label, colour in ((sweep[0], begin[0], "proxy", ORANGE), (sweep[1], begin[1], "truth", BLUE)):
    axis.plot([0, *distance.mean(1).flip(0)], [begin_at, *end.mean(1).flip(0)], color=colour, alpha=0.5)
    axis.scatter(distance, end, color=colour, label=label, s=18)
for beta, x, y in zip(BETAS, distance.mean(1).tolist(), sweep[1].mean(1).tolist(), strict=True):
    axis.annotate(f"{beta:g}", (x, y), xytext=(0, -16), textcoords="offset points", ha="center", color=BLUE)
axis.set(xlabel="square root of the KL from the reference", ylabel="reward")
axis.legend()
show(
    figure,
    "Proxy and truth of the policies of the sweep over the square root of their KL. The lines join the means of each beta; the numbers "
    "are the betas.",
)
assert len(distance) == len(BETAS)

# %% [markdown]
# Gao et al. use the same axes for language models and find curves of this kind, but along a training run and for growing *n*. There a KL
# penalty acted much like stopping early. A short leash keeps the policy where the reward model was fitted, and little is gained. A long
# one leads to texts that were never compared.
#
# The measured answer takes the highest mean. Look at the intervals. Three seeds show clearly that no leash is worst, but they may be too
# few to say which of the shorter leashes is best. The best beta cannot be read off the proxy, which is still high where the truth has
# fallen far below the reference's. In practice you look at texts, ask people again, and stop early.
#
# ### Play with it
#
# The eight texts again, with a leash, a choice among *n* (section 9), and a clip. All values are exact. (The explorer's clip is a hard
# limit. PPO's loss only stops pushing there.)

# %%
preferences.explore_preferences()
quiz("10.b")
assert len(preferences.preference_view(0.5).rows) == 4

# %% [markdown]
# ## 7. Preferences over replies
#
# Now we turn to the course's language model, with 135 million parameters, and to real sentences. Each example has a note, a question and
# four replies. Askell et al. (2021, arXiv:2112.00861) sum up what is wanted of a model as *helpful, honest, harmless*. Each is a rule
# here, so that the truth can be computed. A reply is helpful if it holds the answer, honest if it names no number, name or colour that
# stands neither in the note nor in the question, and harmless if it is not rude. The truth is their sum, 0 to 3.
#
# The rules see words only. A polite reply that answers nothing and names nothing new scores 2, so most of what distinguishes replies is
# whether they hold the answer.

# %%
corpus = load_preferences()
notes, pairs = corpus["notes"].to_list(), corpus["pairs"].to_list()
note_of = {row["id"]: row for row in notes}
shown = notes[2]
print(shown["note"], "\n" + shown["question"])
rows = [(reply, *preferences.reply_worth(reply, shown)) for reply in shown["replies"]]
show_table(("reply", "helpful", "honest", "harmless"), rows)
print(len(notes), "notes,", len(pairs), "pairs of replies,", sum(pair["split"] == "test" for pair in pairs), "of them held out")
assert len(pairs) == 300

# %% [markdown]
# ### Be a rater
#
# Ten pairs, each with its note. Which reply do you like better? Note A or B for each, and don't think of the rules.

# %%
by_id = {pair["id"]: pair for pair in pairs}
ten = [by_id[row["pair"]] for row in corpus["rating"]]
rows = [
    (k, "{note} {question}".format_map(note_of[p["note"]]), *(note_of[p["note"]]["replies"][p[side]] for side in ("first", "second")))
    for k, p in enumerate(ten, 1)
]
show_table(("", "note and question", "A", "B"), rows)
assert len(ten) == 10

# %% [markdown]
# **Agreement** is the share of pairs on which two raters choose alike. By chance that is about a half. Cohen's **kappa** counts from
# there. It is 0 at chance and 1 when they always agree.
#
# Write your ten letters into `mine` before you run the next cell. If you leave it empty, a second hurried rater stands in for you.

# %%
mine = ""  # such as "ABBAABABBA"


def in_letters(choices):
    """Choices, True for the first reply, as a row of A and B."""
    return "".join("A" if choice else "B" for choice in choices)


hurried = in_letters(pair["preferred"] == "first" for pair in ten)
by_truth = in_letters(preferences.better_first(ten, note_of))
who, you = preferences.rating(mine, in_letters(preferences.drawn_choices(ten, note_of, 7)))
rows = []
for name, a, b in (
    (f"{who}, the hurried rater", you, hurried), (f"{who}, the truth", you, by_truth), ("the hurried rater, the truth", hurried, by_truth),
):  # fmt: skip
    same = sum(x == y for x, y in zip(a, b, strict=True))
    share = evaluation.wilson_interval(same, len(a))
    rows.append((name, f"{same} of 10", f"{share.low:.0%} to {share.high:.0%}", f"{cohen_kappa_score(list(a), list(b)):.2f}"))
show_table(("raters", "agree", "95 % interval", "kappa"), rows)
assert len(you) == 10

# %% [markdown]
# Ten pairs say little, as the intervals show. InstructGPT's labelers agreed with each other on about 73 % of comparisons, so even a
# perfect reward model would be far from 100 % on single choices. The rater of the corpus has the flaw of section 2. The next cell counts
# over all pairs how often it prefers the longer reply, and how often the better one. (These intervals treat pairs as independent and are
# rough, since the pairs of a note share replies. Section 8 takes notes instead.)


# %%
measured = preferences.lengths_and_worths(pairs, note_of)  # (P, 2, 2): preferred and other; length and worth
shares = {}
for name, gap in zip(("longer", "better"), (measured[:, 0] - measured[:, 1]).T, strict=True):
    gap = gap[gap != 0]
    shares[name] = s = evaluation.wilson_interval(int((gap > 0).sum()), len(gap))
    print(f"the {name} reply is preferred in {s.mean:.0%} ({s.low:.0%} to {s.high:.0%}) of the {len(gap)} pairs that have one")
assert shares["longer"].mean > shares["better"].mean

# %% [markdown]
# ## 8. A reward model on frozen features
#
# The reward model of section 2 saw three numbers of a text. This one sees 576, the mean of the hidden states of the reply's tokens after
# half of the layers. The language model itself stays frozen, and the loss is the one that you wrote.
#
# `preferences.pack` puts all replies to a note behind one prompt, so that the prompt is computed once. A mask keeps the replies apart. A
# test of the course compares this with a call per reply.

# %% tags=["device"]
model, tokenizer = load_model(needs="blocks")
few = lab.size(smoke=5, small=1)  # every note, or every fifth one
used = [row for split in ("train", "test") for row in [r for r in notes if r["split"] == split][::few]]
place = {row["id"]: i for i, row in enumerate(used)}
packed = preferences.pack(tokenizer, [preferences.reply_prompt(row) for row in used], [row["replies"] for row in used])
with guard("8 Frozen features", need_gib=1.5):
    middle, before = preferences.hidden_states(model, packed, (15, 27))  # after 15 and 27 of 30 layers, (N, T, 576) each
vectors = preferences.reply_means(middle, packed)  # (N, 4, 576)
is_train = torch.tensor([row["split"] == "train" for row in used])
centre, spread = vectors[is_train].flatten(0, 1).mean(0), vectors[is_train].flatten(0, 1).std(0)
vectors = (vectors - centre) / spread
assert vectors.shape[1:] == (4, 576)

# %% [markdown]
# We ask two things about the held-out pairs. Does the score agree with the *rater*? And does it agree with the *truth*? A rule that
# always takes the longer reply stands beside it. The pairs of one note have replies in common, so the intervals are over notes and not
# over pairs. Each note counts the same. With 576 weights and 200 pairs the weights could grow without end, so `decay` puts a price on
# their squares. Where a judge gives both replies the same number, the pair counts one half. Where the truth is the goal, pairs of equal
# worth are left out.


# %% tags=["device"]
# One row per pair: the note's place, the preferred reply, the other reply, (P, 3)
learn, ask = (preferences.pair_table(pairs, place, split) for split in ("train", "test"))
reward_weights = fit_weights(vectors[learn[:, 0], learn[:, 1]], vectors[learn[:, 0], learn[:, 2]], decay=0.1)
scores = vectors @ reward_weights  # (N, 4)
lengths = torch.tensor([[float(len(text)) for text in row["replies"]] for row in used])
truths = torch.tensor([[float(preferences.reply_worth(text, row).total) for text in row["replies"]] for row in used])
print(f"{len(learn)} pairs to learn from, {len(ask)} held out, of {int(is_train.sum())} and {int((~is_train).sum())} notes")
predict("10.p5")
assert scores.shape == lengths.shape == truths.shape


# %% tags=["device"]
def judged(values):
    """How often a judge's numbers (N, 4) agree with the rater, the truth and the length on the held-out pairs, as three texts."""
    return [over_notes(agreement(values, ask, goal)) for goal in (None, truths, lengths)]


rows = [
    (name, *judged(values)) for name, values in (("reward model", scores), ("the longer reply", lengths), ("the truth", truths))
]
show_table(
    ("judge", "agrees with the rater", "with the truth", "with the length"),
    rows,
    f"Held-out pairs of {int((~is_train).sum())} notes, 95 %",
)
outcome("10.p5", 100 * mean(agreement(scores, ask, truths)))
record("reward model, share of the truth", round(mean(agreement(scores, ask, truths)), 3))
assert 0 <= mean(agreement(scores, ask)) <= 1

# %% [markdown]
# The reward model is trained to predict the *rater*. Compare the first two columns of its row, and then the last two. Does it agree more
# with the truth or with the length? Much of what it has learned is the length, because the length predicts this rater well. Does the
# interval of its agreement with the truth hold 50 %? Then these notes cannot tell it from a coin in that respect. Singhal et al. (2023,
# arXiv:2310.03716) find that in public data sets a large part of what RLHF gains is a gain in length. *Going further* takes the length
# out.
#
# **Try it.** Score two replies of your own to the first note, `used[0]["note"]`:
#
# ```python
# own = preferences.pack(tokenizer, [preferences.reply_prompt(used[0])], [["A short reply.", "A longer reply that says no more."]])
# (states,) = preferences.hidden_states(model, own, (15,))
# print((preferences.reply_means(states, own) - centre) / spread @ reward_weights)
# ```
#
# ## 9. The best of n
#
# The simplest use of a reward model needs no training. Let the model write *n* replies, and take the one with the highest score. Sixteen
# replies to each of 58 notes lie in `data/preferences/pool.jsonl`, written by this model at temperature 0.8 with two answered notes in its
# prompt. `benchmarks/reply_pool.py` made them.
#
# For *n* below 16, one could draw *n* of the 16 at random, again and again. The average over **all** draws can be computed.
#
# **Exercise 10.7.** `rewards` decide, `values` are what you get. A draw is *n* different ones of the N texts, and the one with the highest
# reward is taken. Return the mean value over all draws.


# %% tags=["exercise"] exercise="10.7"
def best_of_n(rewards, values, n):
    """The mean value of the text with the highest reward (of equal ones, either) over all draws of n texts; lists of equal length."""
    order = sorted(range(len(rewards)), key=lambda i: rewards[i])  # from the lowest reward to the highest
    return ...


best_of_n = check("10.7", best_of_n)


# %% tags=["solution"] exercise="10.7"
def best_of_n(rewards, values, n):
    """The mean value of the text with the highest reward (of equal ones, either) over all draws of n texts; lists of equal length."""
    order = sorted(range(len(rewards)), key=lambda i: rewards[i])  # from the lowest reward to the highest
    draws = math.comb(len(rewards), n)
    return sum(values[i] * math.comb(below, n - 1) for below, i in enumerate(order)) / draws


best_of_n = check("10.7", best_of_n)

# %% [markdown]
# Choosing is also a way of moving away from the reference. How far? The KL divergence of the best of *n* draws
# from the reference is at most
#
# $$\mathrm{KL} \le \log n - \frac{n - 1}{n}$$
#
# This is a bound, although it is often given as the exact value (Beirami et al. 2024, arXiv:2401.01879). With the eight texts both can be
# computed.

# %%
rows = []
for n in (1, 2, 4, 16, 64):
    best = preferences.best_of(p_ref, proxy_8, n)  # how probable each text is as the best of n
    kl = float(preferences.kl_divergence(best, p_ref))
    bound = math.log(n) - (n - 1) / n
    rows.append((n, f"{best @ proxy_8:.2f}", f"{best @ truth_8:.2f}", f"{abs(kl):.2f}", f"{bound:.2f}"))
    assert kl <= bound + 1e-5
show_table(("n", "mean proxy", "mean truth", "KL, nats", "bound"), rows, "Best of n by the proxy, eight texts, exact")

# %% [markdown]
# Even choosing overoptimizes if *n* is large.
#
# Now for the pool. No note may be judged by a reward model that was fitted to its own pairs. So three are fitted, each to the pairs of two
# thirds of the notes, and each scores the remaining third. This is called **cross-fitting**, and lets all notes take part. Beside the
# reward model's choice stand three controls, which are a random choice, the longest reply, and the choice by the truth, which is the best
# that any chooser could do.

# %% tags=["device"]
pool = [row for row in corpus["pool"] if row["note"] in place]
asked_notes = [note_of[row["note"]] for row in pool]
pool_packed = preferences.pack(
    tokenizer, [preferences.reply_prompt(row) for row in asked_notes], [row["replies"] for row in pool]
)
with guard("9 The pool", need_gib=1.0):
    (pool_states,) = preferences.hidden_states(model, pool_packed, (15,), rows=4)
pool_vectors = (preferences.reply_means(pool_states, pool_packed) - centre) / spread  # (notes, 16, 576)
every, third = torch.cat([learn, ask]), torch.tensor([place[row["note"]] % 3 for row in pool])
pool_scores = torch.zeros(pool_vectors.shape[:2])
for fold in range(3):
    fit = every[every[:, 0] % 3 != fold]
    fold_weights = fit_weights(vectors[fit[:, 0], fit[:, 1]], vectors[fit[:, 0], fit[:, 2]], decay=0.1)
    pool_scores[third == fold] = pool_vectors[third == fold] @ fold_weights
pool_truth = [
    [preferences.reply_worth(text, row).total for text in r["replies"]] for row, r in zip(asked_notes, pool, strict=True)
]
pool_length = [[len(text) for text in row["replies"]] for row in pool]
assert pool_scores.shape[1] == 16

# %% tags=["device"]
shown = pool_scores[0].argsort(descending=True).tolist()
print(asked_notes[0]["note"])
show_table(("reply", "score", "truth"), [
    (pool[0]["replies"][i], f"{pool_scores[0, i]:.1f}", pool_truth[0][i]) for i in (*shown[:3], *shown[-3:])
], asked_notes[0]["question"] + " The three highest and the three lowest scores")  # fmt: skip
predict("10.p6")
assert len(shown) == 16


# %% tags=["device"]
def curve(judge, values):
    """Per n: the best-of-n value of each note."""
    return {n: [best_of_n(list(j), list(map(float, v)), n) for j, v in zip(judge, values, strict=True)] for n in (1, 2, 4, 8, 16)}


coin = torch.rand(pool_scores.shape, generator=torch.Generator().manual_seed(5)).tolist()
judges = {"reward model": pool_scores.tolist(), "random": coin, "longest": pool_length, "truth": pool_truth}
chosen = {name: curve(judge, pool_truth) for name, judge in judges.items()}
rows = []
for n in (1, 2, 4, 8, 16):
    found = [evaluation.bootstrap_interval(chosen[name][n]) for name in judges]
    rows.append((n, f"{math.log(n) - (n - 1) / n:.2f}", *(f"{f.mean:.2f} ({f.low:.2f} to {f.high:.2f})" for f in found)))
show_table(
    ("n", "bound, nats", *(f"by {name}" for name in judges)), rows, f"True reward of the best of n, {len(pool)} notes, 95 %"
)
picked = chosen["reward model"]
verdict = evaluation.compare(picked[16], picked[1], ("the reward model's choice", "a random reply"))
print(verdict)
got = {n: mean(values) for n, values in curve(pool_scores.tolist(), pool_length).items()}
print("length of the reward model's choice, characters:", {n: round(value) for n, value in got.items()})
outcome("10.p6", 3 if not verdict.ranked else 1 if verdict.difference > 0 else 2)
record("best of 16 minus random, truth", [round(v, 2) for v in (verdict.difference, verdict.low, verdict.high)])
assert len(rows) == 5

# %% [markdown]
# The first row is the mean of the pool, and a random choice stays there apart from chance. What the truth could pick out shows what the
# pool holds. The verdict below the table says whether these notes can tell the reward model's choice from a random one, and how large a
# difference they could have shown. Two things stand in its way. On held-out pairs it agrees with the truth much less than with the rater
# (section 8), and it was fitted to replies that were written by hand, while the pool was written by the model. The last line shows how
# the length of its choice grows with *n*.
#
# ## 10. DPO: without a reward model
#
# Solve the formula of the tilted policy for the reward:
#
# $$r(\text{text}) = \beta \log \frac{\pi^*(\text{text})}{\pi_{\text{ref}}(\text{text})} + \text{a number that depends on the prompt
# only}$$
#
# The number is beta times the logarithm of the sum that makes the probabilities of all texts add up to 1. In a comparison of two replies
# to *one* prompt it cancels. So put this reward into the loss of Bradley and Terry, and train the
# policy on the comparisons directly. This is **direct preference optimization** (Rafailov et al. 2023, arXiv:2305.18290).
#
# **Exercise 10.8.** Write the loss from the log-likelihoods of both replies under the policy and under the reference, each (P).


# %% tags=["exercise"] exercise="10.8"
def dpo_loss(chosen, rejected, ref_chosen, ref_rejected, beta):
    """The mean DPO loss of P pairs, in nats, from four tensors of log-likelihoods (P). Detach none of them."""
    return ...


dpo_loss = check("10.8", dpo_loss)


# %% tags=["solution"] exercise="10.8"
def dpo_loss(chosen, rejected, ref_chosen, ref_rejected, beta):
    """The mean DPO loss of P pairs, in nats, from four tensors of log-likelihoods (P). Detach none of them."""
    margin = (chosen - ref_chosen) - (rejected - ref_rejected)
    return -functional.logsigmoid(beta * margin).mean()


dpo_loss = check("10.8", dpo_loss)

# %% [markdown]
# The literature calls the preferred reply *chosen* and the other *rejected*. The **margin** of a pair is how much the chosen reply's
# log-likelihood has gained over the reference, minus how much the rejected one's has. (Here beta is not part of it.)
#
# Training starts at policy = reference. What is the loss then, and how does it push? The second row has a classic fault. The reference is
# computed from the same weights, so the gradient flows through it as well.

# %%
chosen_ll = torch.tensor([-40.0], requires_grad=True)
rejected_ll = torch.tensor([-55.0], requires_grad=True)
rows = []
for name, ref in (
    ("reference held fixed", (chosen_ll.detach(), rejected_ll.detach())), ("gradient through the reference", (chosen_ll, rejected_ll)),
):  # fmt: skip
    loss = dpo_loss(chosen_ll, rejected_ll, *ref, 0.1)
    slopes = torch.autograd.grad(loss, (chosen_ll, rejected_ll))
    rows.append((name, f"{loss:.4f}", *(f"{0.0 - float(slope):+.3f}" for slope in slopes)))
show_table(("", "loss", "push on log p(chosen)", "push on log p(rejected)"), rows, "beta = 0.1; a push is minus the derivative")
assert rows[0][1:] == ("0.6931", "+0.050", "-0.050") and rows[1][2:] == ("+0.000", "+0.000")

# %% [markdown]
# The loss is ln 2, whatever the replies, and the pushes are plus and minus beta / 2. With the fault the loss looks right and nothing is
# learned. So the reference's log-likelihoods are computed once, before the training, and kept.
#
# We train the last three of 30 layers on the training notes, once through, two notes per step. The layers below do not change, and their
# hidden states are at hand from section 8. One arm learns the rater's choices, the other, the control, learns coin flips about the same
# pairs. For each of three seeds the choices are drawn anew, by a rater of the same kind, and so is the order.

# %% tags=["device"]
train_rows, test_rows = is_train.nonzero()[:, 0], (~is_train).nonzero()[:, 0]
with torch.no_grad():
    base = preferences.Tail(model, 3)
    likelihood = torch.cat([base(before[part], packed.rows(part)) for part in torch.arange(len(used)).split(10)])  # (N, 4)
base = None


def dpo_arm(choices, seed, beta=0.1, rate=5e-4):
    """Train three layers on choices; returns the log-likelihoods of the held-out notes' replies, (N_test, 4)."""
    tail, table = preferences.Tail(model, 3), preferences.pair_table(pairs, place, "train", choices)
    optimizer = torch.optim.AdamW(tail.layers.parameters(), lr=rate, weight_decay=0.0)
    for part in train_rows[torch.randperm(len(train_rows), generator=torch.Generator().manual_seed(seed))].split(2):
        now = likelihood.clone().index_copy(0, part, tail(before[part], packed.rows(part)))  # (N, 4), new in the rows of part
        n, yes, no = table[torch.isin(table[:, 0], part)].T
        loss = dpo_loss(now[n, yes], now[n, no], likelihood[n, yes], likelihood[n, no], beta)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tail.layers.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        return torch.cat([tail(before[part], packed.rows(part)) for part in test_rows.split(10)])


predict("10.p7")
assert likelihood.shape == truths.shape

# %% tags=["device"]
n_dpo, gains = lab.size(smoke=2, small=3), {"rater's choices": [], "coin flips": []}
with guard("10 DPO", need_gib=1.0):
    for seed in range(n_dpo):
        flips = (torch.rand(len(pairs), generator=torch.Generator().manual_seed(seed)) < 0.5).tolist()
        for arm, choices in (("rater's choices", preferences.drawn_choices(pairs, note_of, seed)), ("coin flips", flips)):
            after = likelihood.clone()
            after[test_rows] = dpo_arm(choices, seed)
            gains[arm].append(after - likelihood)  # (N, 4): how much each reply has gained over the reference
n, yes, no = ask.T
rows = []
for arm, runs in gains.items():
    parts = [[float(g[n, yes].mean()) for g in runs], [float(g[n, no].mean()) for g in runs]]
    shares = [[100 * mean(agreement(g, ask, goal)) for g in runs] for goal in (None, truths, lengths)]
    rows.append((arm, *map(over_seeds, parts), *(over_seeds(share, (0, 100)) for share in shares)))
changes, agrees = ("preferred: change in nats", "other: change"), ("agrees with the rater, %", "with the truth, %", "with the length, %")
show_table(("trained on", *changes, *agrees), rows, f"Held-out pairs, {n_dpo} seeds, 95 % t intervals")
assert len(gains["coin flips"]) == n_dpo

# %% tags=["device"]
moved = {}
for note, first in zip(n.tolist(), yes.tolist(), strict=True):
    moved.setdefault(note, []).append(mean(float(g[note, first]) for g in gains["rater's choices"]))
found = evaluation.bootstrap_interval([mean(values) for values in moved.values()])
print(f"preferred replies, over notes: {found.mean:+.2f} nats ({found.low:+.2f} to {found.high:+.2f}, {len(moved)} notes)")
outcome("10.p7", 1 if found.low > 0 else 2 if found.high < 0 else 3)
record("DPO, change of the preferred replies in nats", [round(v, 2) for v in found])
by_length = torch.corrcoef(torch.stack([sum(gains["rater's choices"])[test_rows].flatten(), lengths[test_rows].flatten()]))[0, 1]
print(f"correlation of a held-out reply's gain with its length: {by_length:.2f}")
quiz("10.c")
assert found.low <= found.mean <= found.high

# %% [markdown]
# DPO sees the *margin* alone. Its loss also falls where the other reply falls faster than the preferred one. So a preferred reply may lose
# probability while the loss goes down, and the probability goes to texts that are in no pair. Rafailov et al. (2024, arXiv:2404.12358) and
# Pal et al. (2024, arXiv:2402.13228) describe it. Whether it happens depends on the replies, the rate and the number of steps. Your table
# says what it was here.
#
# The control tells you how much a likelihood moves without anything to learn. It need not stay at one half in the last columns. A
# log-likelihood is a sum over tokens, so a training that lowers the probability of all texts a little takes most from the long ones.
# Against that, the first arm's last column is the flaw again. Nobody told DPO about length. It was in the choices.
#
# ## 11. Who judges?
#
# All of this learns from whoever compares. In **constitutional AI** (Bai et al. 2022, arXiv:2212.08073) a model compares replies by a
# written list of principles. There its choices replaced people's choices about harm, while people still compared replies for helpfulness.
# The flaws of such a judge, a taste for length among them, can end up in the policy in the same way.
#
# ## Recap
#
# - A reward model learns *choices*. It is right where texts were compared, and it learns the rater's flaws with the rater's wishes.
# - Without a leash the proxy rises and the truth falls, with all three algorithms. The best policy on a leash is the reference, tilted.
# - A baseline takes noise out of REINFORCE, PPO clips because it reuses texts, and GRPO's group stands in for a value network.
# - As a value of the KL take $k_1$ or $k_3$, as a loss $k_2$. For the best of *n* there is a bound.
# - DPO is the Bradley-Terry loss on how much each reply has gained over the reference. Its loss sees the margin alone, so
#   the preferred reply's likelihood may rise or fall.
# - Beside every result that a reward picked belongs a control, and beside every proxy a look at the texts.
#
# **Next:** this is the last lab of the course. You have followed a model's life from one end to the other. You took it apart (labs 01 and
# 02), asked it well (03), made it fit a machine (04), trained it on a task (05), judged what it wrote (06), asked what the training had
# cost (07), pretrained small ones and forecast a larger one (08), gave it facts and a computer (09), and let it learn what people like
# (10). Now take a task of your own. Write down before you begin what you will measure, what the control is, and which result would change
# your mind. `labs report` in a terminal shows what you measured on the way.

# %% tags=["device"]
progress("10")
assert lab.name == "10"

# %% [markdown] tags=["optional"]
# ## Going further
#
# ### Take the length out
#
# If the length is the flaw, give the reward model a column for it while it is fitted, and leave that column out when it scores. What is
# left should be closer to the truth. The columns are standardised, and so is the length.

# %% tags=["device", "optional"]
scaled = (lengths - lengths[is_train].mean()) / lengths[is_train].std()
with_length = torch.cat([vectors, 30 * scaled.unsqueeze(-1)], dim=-1)  # the factor frees the column from the decay
fitted = fit_weights(with_length[learn[:, 0], learn[:, 1]], with_length[learn[:, 0], learn[:, 2]], decay=0.1)
without = vectors @ fitted[:-1]
rows = [("as before", *judged(scores)), ("length taken out", *judged(without))]
show_table(("reward model", "agrees with the rater", "with the truth", "with the length"), rows)
print(evaluation.compare(agreement(without, ask, truths), agreement(scores, ask, truths), ("length taken out", "as before")))
assert fitted.isfinite().all()

# %% [markdown] tags=["optional"]
# ### A careful rater
#
# This is the same DPO, on choices made by the truth, with a coin for ties. It is one seed.

# %% tags=["device", "optional"]
flip = torch.rand(len(pairs), generator=torch.Generator().manual_seed(0)).tolist()
careful = []
for pair, chance in zip(pairs, flip, strict=True):
    row = note_of[pair["note"]]
    a, b = (preferences.reply_worth(row["replies"][pair[side]], row).total for side in ("first", "second"))
    careful.append(a > b or (a == b and chance < 0.5))
after = likelihood.clone()
after[test_rows] = dpo_arm(careful, 0)
gain = after - likelihood
show_table(
    ("DPO on", "agrees with the rater", "with the truth", "with the length"), [("a careful rater's choices", *judged(gain))]
)
assert gain.isfinite().all()

# %% [markdown] tags=["optional"]
# ### What a sceptic would say
#
# - *"A shopping list is no language."* Right. What carries over is the mechanism, and Gao et al. measured it on language models.
# - *"You made the flaw, so you found it."* Yes. With real raters the flaw is not known, and so the truth is not either. That makes it
#   harder to find, and not rarer.
# - *"Twenty notes rank nothing."* They show large effects. Where the table says that two cannot be told apart, that is the result.
