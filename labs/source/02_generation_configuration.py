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
# # Lab 02. Generation configuration
#
# A model does not produce words. It produces a row of numbers, one for each token it knows. Everything between those numbers and
# the word you read is decided by a handful of **inference parameters**. In this lab you write each of them by hand, check it
# against the library to the last digit, and see on a real model what it does and what it cannot do.
#
# By the end you can
# - tell inference parameters from training parameters;
# - write softmax with a temperature, weighted drawing, top-k, top-p, three penalties and stop sequences;
# - prove with ten thousand draws that sampling follows the probabilities;
# - put the steps in their real order, and say what goes wrong in another;
# - choose settings for a task, and say what they will not fix.
#
# Eight exercises, three quizzes; about an hour if you do them all. `hint("2.1")` helps with exercise 2.1, and so on. If the next
# cell finds no `labutils`, choose *Kernel > Change Kernel > LLM Labs* and run it again.

# %%
from labutils import check, guard, hint, load_encoder, load_model, outcome, predict, progress, quiz, record, show, start

# %% [markdown]
# Here the lab looks at the machine it runs on.

# %% tags=["device"]
lab = start("02", seed=0)
assert lab.profile in ("smoke", "small", "standard", "gpu")

# %% [markdown]
# Where we are on the map: settings and prompt are the cheapest way to adapt a model, and the first to try.

# %%
from labutils.course import show_map

show_map("02")

# %% [markdown]
# The model is the one of lab 00, in float32. `names` holds the text of each token it knows.

# %%
import hashlib

import torch

from labutils.course import BLUE, GREY, ORANGE, new_figure, show_table
from labutils.transformer import decoding

model, tokenizer = load_model()
names = tokenizer.batch_decode([[i] for i in range(model.config.vocab_size)])

# %% [markdown]
# ## 1. Two kinds of parameters
#
# *Training parameters* (the learning rate, the number of steps) decide what the weights become. *Inference parameters* act on
# the numbers that come out, at each request anew. Changing them costs nothing and changes nothing in the model.
#
# Two helpers: a digest of all weights, and a call of the library's `generate`.


# %%
def fingerprint(model):
    """A digest of every weight of the model, to the last bit."""
    digest = hashlib.sha256()
    for weight in model.parameters():
        digest.update(weight.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def complete(prompt, **settings):
    """The ids (T,) that the model adds to a prompt under the given inference parameters."""
    inputs = tokenizer(prompt, return_tensors="pt").to(model.device)
    with torch.no_grad():
        output = model.generate(**inputs, **settings)
    return output[0, inputs.input_ids.shape[1] :]


# %% [markdown]
# **Predict:** we let the model write under two very different settings. Do its weights change by even one bit?

# %%
before = fingerprint(model)
complete("Once upon a time", max_new_tokens=8, do_sample=False)
complete("Once upon a time", max_new_tokens=8, do_sample=True, temperature=2.0, top_k=50)
print("weights unchanged:", fingerprint(model) == before)
assert fingerprint(model) == before

# %% [markdown]
# A question on this. Choose with the mouse or the arrow keys.

# %%
quiz("2.b")

# %% [markdown]
# ## 2. From numbers to probabilities

# %% [markdown]
# The model's raw numbers are called **logits**. A logit can be any number; only differences between logits mean anything. The
# **softmax** turns them into probabilities: take the exponential of each, divide by the sum.
#
# We start on a toy. It is dessert time, and the model knows four desserts well. The other 67 % are spread thin over 134 rarer
# words, half a per cent each.

# %%
toy_words = ["cake", "donut", "banana", "apple"] + [f"rare{n}" for n in range(134)]
toy_probs = torch.tensor([0.20, 0.10, 0.02, 0.01] + [0.005] * 134, dtype=torch.float64)
toy_logits = toy_probs.log()
print(dict(zip(toy_words[:5], [round(z, 2) for z in toy_logits.tolist()], strict=False)))

# %% [markdown]
# These are the logits that belong to those probabilities: their logarithms. (Any constant could be added to all of them.)

# %% [markdown]
# A **temperature** T divides the logits first: `softmax(logits / T)`. The name comes from physics, where the same formula says
# how likely a particle is to be in a state of some energy. Hot: all states about equally likely. Cold: the lowest one only.

# %% [markdown]
# **Exercise 2.1.** Write the softmax with a temperature. Mind large logits: the exponential of 1000 is more than a computer can
# hold. Taking the same number off all logits changes nothing in the result, and makes it safe.


# %% tags=["exercise"] exercise="2.1"
def softmax(logits, temperature=1.0):
    """Probabilities (V,) of logits (V,), at a temperature above 0."""
    # 1. divide by the temperature
    # 2. subtract the largest, so that exp cannot overflow
    # 3. exponentials, divided by their sum
    return ...


softmax = check("2.1", softmax)


# %% tags=["solution"] exercise="2.1"
def softmax(logits, temperature=1.0):
    """Probabilities (V,) of logits (V,), at a temperature above 0."""
    scaled = logits / temperature
    weights = (scaled - scaled.max()).exp()
    return weights / weights.sum()


softmax = check("2.1", softmax)

# %% [markdown]
# PyTorch has a softmax of its own. Equal on the toy, and at three temperatures?

# %%
for temperature in (0.5, 1.0, 2.0):
    theirs = torch.softmax(toy_logits / temperature, dim=-1)
    print(temperature, torch.allclose(softmax(toy_logits, temperature), theirs, atol=1e-12))
    assert torch.allclose(softmax(toy_logits, temperature), theirs, atol=1e-12)

# %% [markdown]
# Now the real thing: 49,152 logits, one for each token that this model knows. Which tokens lead after this prompt?

# %% tags=["device"]
prompt = "The capital of France is"
logits = decoding.next_logits(model, tokenizer, prompt).cpu().double()
top = softmax(logits).topk(6)
leading = [(names[i], float(p)) for p, i in zip(top.values, top.indices, strict=True)]
show_table(("token", "probability"), leading, prompt)

# %% [markdown]
# Do the probabilities of all tokens add up to one?

# %%
print("tokens:", len(logits), " sum of the probabilities:", round(float(softmax(logits).sum()), 9))
assert names[int(logits.argmax())] == " Paris" and len(logits) == model.config.vocab_size

# %% [markdown]
# Every token has some probability, even absurd ones: the softmax never gives exactly zero. Remember that for later: with pure
# sampling, once in a while the absurd will happen.

# %% [markdown]
# ## 3. Greedy: always the most likely
#
# The simplest rule takes the **argmax** at each step. The loop is short, so let us write it rather than believe it: look at the
# last position's logits, take the largest, append it, stop at the end token.


# %%
@torch.no_grad()
def greedy(prompt, max_new_tokens):
    """The ids (T,) that greedy decoding adds to a prompt."""
    ids = tokenizer(prompt, return_tensors="pt").input_ids.to(model.device)
    added = []
    for _ in range(max_new_tokens):
        best = int(model(ids).logits[0, -1].argmax())
        added.append(best)
        if best == tokenizer.eos_token_id:
            break
        ids = torch.cat([ids, torch.tensor([[best]], device=ids.device)], dim=1)
    return added


# %% [markdown]
# Is it what the library does with `do_sample=False`, token for token?

# %%
story = "The old sailor looked at the sky and said"
ours = greedy(story, 24)
theirs = complete(story, max_new_tokens=24, do_sample=False).tolist()
print("equal token for token:", ours == theirs)
assert ours == theirs

# %% [markdown]
# Our loop computes the whole prompt again for every token; the library keeps what it has computed (a key-value cache, lab 01).
# The tokens are the same.

# %% [markdown]
# **Predict:** greedy is fine for a short answer. What does it do on a long one? Here is a list that has no natural end.

# %% tags=["device"]
listing = "List of European countries:\n1. France\n2. Spain\n3."
long_greedy = complete(listing, max_new_tokens=lab.size(smoke=64, small=150), do_sample=False)
print(listing + tokenizer.decode(long_greedy))

# %% [markdown]
# After the first dozen it goes round and round. Each country makes the same successors likely again, and greedy has no way out.
# How repetitive is it? The numbers are always new, so we look at the names alone.

# %% tags=["device"]
countries = [
    line.split(". ")[-1].strip() for line in tokenizer.decode(long_greedy).split("\n")[:-1]
]
repeats = 1 - len(set(countries)) / len(countries)
print(f"{len(countries)} entries, {len(set(countries))} different, {repeats:.0%} repeats")
record("greedy list, share of repeated entries", repeats)
assert repeats > 0.1, (
    "greedy decoding found its way out of the loop on this machine: look at the list above"
)

# %% [markdown]
# ## 4. How long? `max_new_tokens`
#
# `max_new_tokens` is a **cap**, in tokens. The model may stop earlier, by producing its **end token**, and it does not know of
# the cap: a text that hits it is cut off, wherever it stands.

# %% tags=["device"]
sea = "The best thing about the sea is"
rows = []
for cap in (5, 10, 60):
    ids = complete(sea, max_new_tokens=cap, do_sample=False).tolist()
    ended = ids[-1] == tokenizer.eos_token_id
    rows.append((cap, len(ids), "end token" if ended else "cap", tokenizer.decode(ids)))
show_table(("max_new_tokens", "tokens used", "stopped by", "completion"), rows)

# %%
assert all(used <= cap for cap, used, _, _ in rows)
print("stopped by:", [why for _, _, why, _ in rows])

# %% [markdown]
# Two were cut off in mid-sentence; one ended by itself with most of its allowance unused.

# %%
quiz("2.a")

# %% [markdown]
# ## 5. Random sampling, by weight
#
# Greedy never varies. **Sampling** draws the next token at random, each with its own probability: a token of probability .02 is
# drawn 2 % of the time. That is a claim we can test.
#
# The computer's raw material is a number u, anywhere between 0 and 1 with equal chance. Lay the probabilities end to end on a
# line from 0 to 1; the piece in which u falls is the token.

# %% [markdown]
# **Exercise 2.2.** Write `draw(probs, u)`: the index of the first token whose running sum exceeds u.


# %% tags=["exercise"] exercise="2.2"
def draw(probs, u):
    """The token (an int) that a number u in [0, 1) selects from probabilities (V,)."""
    ends = probs.cumsum(dim=0)  # where each token's piece ends
    return ...


draw = check("2.2", draw)


# %% tags=["solution"] exercise="2.2"
def draw(probs, u):
    """The token (an int) that a number u in [0, 1) selects from probabilities (V,)."""
    ends = probs.cumsum(dim=0)  # where each token's piece ends
    passed = int((ends <= u).sum())  # how many pieces lie wholly below u
    return min(passed, int(probs.nonzero()[-1]))  # rounding may leave the last end a hair below 1


draw = check("2.2", draw)

# %% [markdown]
# **Predict:** in 10,000 draws, how often does *banana* (probability .02) come up? 200 times exactly?

# %%
generator = torch.Generator().manual_seed(2)
numbers = torch.rand(10_000, generator=generator, dtype=torch.float64)
drawn = [draw(toy_probs, u) for u in numbers.tolist()]
counts = torch.tensor(drawn).bincount(minlength=len(toy_probs))
print({word: int(count) for word, count in zip(toy_words[:4], counts[:4], strict=True)})

# %% [markdown]
# Near, not exact, and it should not be exact. How near is near enough? **Pearson's chi-square test** adds up, over all 138 words,
# the squared difference between the count and its expectation, divided by the expectation, and asks how often pure chance would
# give a sum at least as large: the p-value. Very small, say below .001, would mean that `draw` does not follow the weights.

# %%
statistic, p_value = decoding.chi_square(counts, toy_probs)
print(f"chi-square {statistic:.1f} on {len(toy_probs) - 1} degrees of freedom, p = {p_value:.3f}")
assert p_value > 0.001

# %% [markdown]
# A test that never fails proves nothing. So let us give it a bad drawer, one that takes the most likely token every twentieth
# time. You would hardly notice that by eye.

# %%
biased = [0 if n % 20 == 0 else token for n, token in enumerate(drawn)]
bad_counts = torch.tensor(biased).bincount(minlength=len(toy_probs))
bad_statistic, bad_p = decoding.chi_square(bad_counts, toy_probs)
print(f"cake {int(counts[0])} -> {int(bad_counts[0])} times; caught: {bad_p < 0.001}")
assert bad_p < 0.001

# %% [markdown]
# And on the model's own probabilities? The rarest tokens have expectations far below one, where the test is not valid, so we keep
# the ten leaders and merge all others into one.

# %% tags=["device"]
ten = softmax(logits).topk(10)
merged = torch.cat([ten.values, 1 - ten.values.sum().reshape(1)])
draws = torch.multinomial(merged, lab.size(smoke=5_000, small=10_000), replacement=True)
p_real = decoding.chi_square(draws.bincount(minlength=11), merged)[1]
record("chi-square p-value on the model's distribution", p_real)
print(f"p = {p_real:.3f}")
assert p_real > 1e-4, "the draws do not follow the model's probabilities"

# %% [markdown]
# ### `do_sample` must be on
#
# In transformers, `generate` decodes greedily unless `do_sample=True`. A temperature without it is ignored. **Predict** what this
# prints.

# %%
plain = complete(story, max_new_tokens=12, do_sample=False).tolist()
hot_but_off = complete(story, max_new_tokens=12, do_sample=False, temperature=5.0).tolist()
print("temperature 5 without do_sample changes anything:", plain != hot_but_off)
assert plain == hot_but_off

# %% [markdown]
# ## 6. Temperature: reshaping
#
# Below one, the temperature makes the strong stronger. Above one, it evens things out. The order of the tokens never changes,
# and no token is removed.

# %%
rows = [(T, *softmax(toy_logits, T)[:5].tolist()) for T in (0.25, 0.5, 1.0, 2.0, 10.0)]
show_table(("temperature", "cake", "donut", "banana", "apple", "one rare word"), rows)

# %% [markdown]
# At 0.25 cake is nearly certain; at 10 it is little more likely than any rare word.

# %% [markdown]
# On the model's own numbers, with two prompts:
# one where it is sure, one where it is not.

# %%
prompts = ["The capital of France is", "For dessert we had a"]
vectors = [decoding.next_logits(model, tokenizer, text).cpu().double() for text in prompts]
temperatures = torch.linspace(0.1, 3, 59).tolist()
bits = [[float(decoding.entropy(softmax(z, T))) for T in temperatures] for z in vectors]
rising = all(a < b for curve in bits for a, b in zip(curve, curve[1:], strict=False))
print("both curves rise all the way:", rising)
assert rising

# %% [markdown]
# The **entropy** says how unsure the next token is, in bits: 0 if it is certain, log₂ 49,152 = 15.6 if all are equally likely.

# %%
figure, axes = new_figure(
    "The temperature turns uncertainty up and down; the prompt decides where it starts"
)
for curve, text, style in zip(bits, prompts, ("-", "--"), strict=True):
    axes.plot(temperatures, curve, style, label=text)
axes.axvline(1, color=GREY, linewidth=0.8)
axes.set(xlabel="temperature", ylabel="entropy (bits)")
axes.legend(frameon=False)
show(
    figure,
    "Entropy of the next token against temperature, for two prompts. Both curves rise from near zero; "
    "the open prompt lies far above the factual one near temperature 1, and both approach 15.6 bits.",
)

# %% [markdown]
# Towards temperature 0 the leader takes all: that is greedy. Exactly 0 would be a division by zero, so libraries treat it as
# greedy or refuse it. Is it equal to the library's own step?

# %%
from transformers import TemperatureLogitsWarper

leaders = logits.topk(100).indices
assert all(torch.equal(softmax(logits, T).topk(100).indices, leaders) for T in (0.5, 2.0)), (
    "the order has changed"
)
for temperature in (0.3, 0.7, 1.5):
    theirs = TemperatureLogitsWarper(temperature)(None, logits[None])[0]
    assert torch.allclose(softmax(logits, temperature), softmax(theirs, 1.0), atol=1e-12)
print("equal to TemperatureLogitsWarper at 0.3, 0.7 and 1.5")

# %% [markdown]
# ## 7. Top-k: only the k best
#
# Sampling draws the absurd once in a while. **Top-k** forbids it: keep the k largest logits, send all others to minus infinity,
# whose exponential is 0. With k = 3, three desserts are left, and their probabilities are shared out anew.

# %% [markdown]
# **Exercise 2.3.** Write the filter. Return logits, not probabilities, so that other steps can follow; leave the input alone.


# %% tags=["exercise"] exercise="2.3"
def top_k_filter(logits, k):
    """Logits (V,) with all but the k largest at minus infinity."""
    # logits.topk(k).values are the k largest, logits.masked_fill(mask, value) fills a copy
    return ...


top_k_filter = check("2.3", top_k_filter)


# %% tags=["solution"] exercise="2.3"
def top_k_filter(logits, k):
    """Logits (V,) with all but the k largest at minus infinity."""
    smallest_kept = logits.topk(k).values[-1]
    return logits.masked_fill(logits < smallest_kept, float("-inf"))


top_k_filter = check("2.3", top_k_filter)

# %% [markdown]
# **Predict:** what becomes of cake's .20 when only three are left?

# %%
kept = softmax(top_k_filter(toy_logits, 3), 1.0)
show_table(
    ("word", "before", "after top-k with k = 3"),
    zip(toy_words[:5], toy_probs[:5].tolist(), kept[:5].tolist(), strict=True),
)

# %% [markdown]
# Cake goes from .20 to .20 / (.20 + .10 + .02) = .625: what was removed is shared out in proportion. Equal to the library on the
# model's logits?

# %%
from transformers import TopKLogitsWarper

for k in (1, 3, 50):
    assert torch.equal(top_k_filter(logits, k), TopKLogitsWarper(k)(None, logits[None])[0])
kept = [int(top_k_filter(logits, k).isfinite().sum()) for k in (1, 3, 50)]
print("equal to TopKLogitsWarper at 1, 3 and 50; tokens kept:", kept)

# %% [markdown]
# ## 8. Top-p: as many as it takes
#
# A fixed k is a poor fit: after "The capital of France is" three tokens are plenty, after "For dessert we had a" they are few.
# **Top-p**, or nucleus sampling, keeps the smallest set of most likely tokens whose probabilities add up to p.
#
# `!` Many notes say that the kept tokens have a mass of *at most* p. The token that crosses p is kept too, so the mass is *at
# least* p. With p = .25 on our desserts: cake .20 does not reach it, cake and donut, .20 + .10 = .30, do. Two tokens stay.

# %% [markdown]
# **Exercise 2.4.** A token stays if the mass collected *before* it has not reached p yet.


# %% tags=["exercise"] exercise="2.4"
def top_p_filter(logits, p):
    """Logits (V,) with all but the smallest set of mass >= p at minus infinity."""
    order = logits.argsort(descending=True)  # the tokens from likely to unlikely
    # 1. the sorted probabilities, 2. the mass before each,
    # 3. a clone of the logits with -inf where that mass has reached p
    return ...


top_p_filter = check("2.4", top_p_filter)


# %% tags=["solution"] exercise="2.4"
def top_p_filter(logits, p):
    """Logits (V,) with all but the smallest set of mass >= p at minus infinity."""
    order = logits.argsort(descending=True)  # the tokens from likely to unlikely
    sorted_probs = softmax(logits, 1.0)[order]
    mass_before = sorted_probs.cumsum(dim=0) - sorted_probs
    filtered = logits.clone()
    filtered[order[mass_before >= p]] = float("-inf")
    return filtered


top_p_filter = check("2.4", top_p_filter)

# %% [markdown]
# **Predict** for each p: how many desserts stay, and what is their mass?

# %%
rows = []
for p in (0.15, 0.25, 0.29, 0.31, 0.325):
    stays = top_p_filter(toy_logits, p).isfinite()
    rows.append((p, int(stays.sum()), float(toy_probs[stays].sum())))
show_table(("p", "tokens kept", "mass kept"), rows)
assert all(mass >= p for p, _, mass in rows)

# %% [markdown]
# Why is p = .30 itself missing from this table? In binary, .20 + .10 is not exactly .30. Whether the third token stays is then
# decided in the sixteenth decimal, and two correct programs may differ. Never build on such an edge.

# %% [markdown]
# How many tokens does the model need for p = .9, with each prompt?

# %% tags=["device"]
sizes = [int(top_p_filter(z, 0.9).isfinite().sum()) for z in vectors]
show_table(("prompt", "tokens kept at p = 0.9"), zip(prompts, sizes, strict=True))
record("tokens in the nucleus of 0.9, sure and unsure prompt", sizes)

# %% [markdown]
# And the library's filter, on both prompts?

# %%
from transformers import TopPLogitsWarper

assert sizes[0] * 5 < sizes[1]
same = True
for z in vectors:
    for p in (0.37, 0.71, 0.93):
        same &= torch.equal(top_p_filter(z, p), TopPLogitsWarper(p)(None, z[None])[0])
print("equal to TopPLogitsWarper on both prompts at 0.37, 0.71 and 0.93:", same)
assert same

# %% [markdown]
# The nucleus breathes: small where the model is sure, large where it is not. That is its whole advantage over top-k.

# %% [markdown]
# ## 9. Order matters
#
# Temperature *reshapes*; top-k and top-p *filter*. Each step sees what the step before it left. In transformers, and in most
# servers, the temperature comes first, then top-k, then top-p.
#
# **Predict:** temperature 1.5 and p = .6. Which order keeps more tokens: temperature first, or top-p first?

# %%
unsure = vectors[1]
temperature_first = top_p_filter(unsure / 1.5, 0.6).isfinite()
filter_first = (top_p_filter(unsure, 0.6) / 1.5).isfinite()
print("temperature first keeps more:", bool(temperature_first.sum() > filter_first.sum()))
assert temperature_first.sum() > filter_first.sum()

# %% [markdown]
# By how much?

# %% tags=["device"]
counts_by_order = (int(temperature_first.sum()), int(filter_first.sum()))
print("tokens kept: temperature first {}, top-p first {}".format(*counts_by_order))
assert counts_by_order[0] > counts_by_order[1] >= 1

# %% [markdown]
# The same two numbers in the settings, another set of candidates. When you move settings from one system to another, look up its
# order.

# %%
quiz("2.c")

# %% [markdown]
# ## 10. Penalties: saying it less often
#
# Three ways to lower the logits of tokens that were there already:
#
# | | formula | grows with the count? | known from |
# | --- | --- | --- | --- |
# | frequency penalty | z − f · count | yes | OpenAI-style APIs, vLLM |
# | presence penalty | z − a, if count > 0 | no, flat | OpenAI-style APIs, vLLM |
# | repetition penalty | z / r if z > 0, z · r if not | no | transformers |
#
# Frequency and presence usually count the completion alone; transformers' repetition penalty counts the prompt in too. That is a
# trap, as we shall see.

# %% [markdown]
# **Exercise 2.5.** Frequency and presence penalty, together.


# %% tags=["exercise"] exercise="2.5"
def penalize(logits, counts, frequency, presence):
    """Logits (V,) lowered by both penalties; counts (V,) says how often each token was generated."""
    return ...


penalize = check("2.5", penalize)


# %% tags=["solution"] exercise="2.5"
def penalize(logits, counts, frequency, presence):
    """Logits (V,) lowered by both penalties; counts (V,) says how often each token was generated."""
    return logits - frequency * counts - presence * (counts > 0)


penalize = check("2.5", penalize)

# %% [markdown]
# Three cakes and one donut were eaten. What is left of the two logits under each penalty?

# %%
said = torch.tensor([3, 1, 0, 0])  # three times cake, one donut
four = toy_logits[:4]
rows = [
    ("none", *four.tolist()),
    ("frequency 0.5", *penalize(four, said, 0.5, 0.0).tolist()),
    ("presence 0.5", *penalize(four, said, 0.0, 0.5).tolist()),
]
show_table(("penalty", "cake (3 times)", "donut (once)", "banana", "apple"), rows, "Logits")

# %% [markdown]
# **Exercise 2.6.** The repetition penalty. Mind the sign: dividing −2 by 2 gives −1, which is *larger*. A token that occurs
# several times is penalised once.


# %% tags=["exercise"] exercise="2.6"
def repetition_penalty(logits, ids, penalty):
    """Logits (V,) with the tokens in ids (T,) made less likely by a penalty above 1."""
    seen = logits[ids]
    # the new values by the sign of `seen`, written into a clone of the logits at ids
    return ...


repetition_penalty = check("2.6", repetition_penalty)


# %% tags=["solution"] exercise="2.6"
def repetition_penalty(logits, ids, penalty):
    """Logits (V,) with the tokens in ids (T,) made less likely by a penalty above 1."""
    seen = logits[ids]
    penalised = logits.clone()
    penalised[ids] = torch.where(seen < 0, seen * penalty, seen / penalty)
    return penalised


repetition_penalty = check("2.6", repetition_penalty)

# %% [markdown]
# Equal to the library's processor, with the ids of our list as what was seen?

# %%
from transformers import RepetitionPenaltyLogitsProcessor

seen_ids = tokenizer(listing, return_tensors="pt").input_ids
for r in (1.0, 1.2, 2.0):
    theirs = RepetitionPenaltyLogitsProcessor(r)(seen_ids, logits[None].clone())[0]
    assert torch.allclose(repetition_penalty(logits, seen_ids[0], r), theirs, atol=1e-12)
print("equal to RepetitionPenaltyLogitsProcessor at 1.0, 1.2 and 2.0")

# %% [markdown]
# transformers has no frequency penalty, but it lets you pass a step of your own. `decoding.penalty_processor` wraps the formula of
# exercise 2.5 for `generate`. The same greedy loop by hand, with your `penalize`, must then give the same tokens.


# %%
@torch.no_grad()
def greedy_penalized(prompt, max_new_tokens, frequency, presence):
    """The ids (T,) that greedy decoding adds to a prompt under both penalties on the completion."""
    ids = tokenizer(prompt, return_tensors="pt").input_ids.to(model.device)
    start = ids.shape[1]
    while ids.shape[1] < start + max_new_tokens:
        z = model(ids).logits[0, -1].float()
        best = penalize(z, ids[0, start:].bincount(minlength=len(z)), frequency, presence).argmax()
        ids = torch.cat([ids, best.reshape(1, 1)], dim=1)
    return ids[0, start:]


step = decoding.penalty_processor(0.6, 0.3, prompt_length=seen_ids.shape[1])
theirs = complete(listing, max_new_tokens=20, do_sample=False, logits_processor=[step]).tolist()
ours = greedy_penalized(listing, 20, 0.6, 0.3).tolist()
print("equal token for token:", ours == theirs)
assert ours == theirs

# %% [markdown]
# Do penalties cure the loop of section 3? **Predict** how many entries each list gets, and how many different ones.


# %% tags=["device"]
def entries(ids):
    """The names in a numbered list, without the last one, which may be cut off."""
    return [
        line.split(". ")[-1].strip()
        for line in tokenizer.decode(ids, skip_special_tokens=True).split("\n")[:-1]
    ]


length = lab.size(smoke=64, small=150)
cures = {
    "none": {},
    "repetition 1.2": {"repetition_penalty": 1.2},
    "frequency 0.6": {
        "logits_processor": [decoding.penalty_processor(0.6, 0.0, seen_ids.shape[1])]
    },
}
lists = {
    name: entries(complete(listing, max_new_tokens=length, do_sample=False, **cure))
    for name, cure in cures.items()
}
rows = [(name, len(items), len(set(items)), ", ".join(items[-4:])) for name, items in lists.items()]
show_table(("penalty", "entries", "different", "the last four"), rows)
shares = {name: len(set(items)) / max(1, len(items)) for name, items in lists.items()}
record(
    "share of different entries by penalty",
    {name: round(share, 3) for name, share in shares.items()},
)
assert max(shares["repetition 1.2"], shares["frequency 0.6"]) > shares["none"]
assert len(lists["repetition 1.2"]) < len(lists["none"])

# %% [markdown]
# The loop is gone, and so is most of the list. A penalty cannot tell a country from a line break. transformers' repetition penalty
# counts the prompt in, and the prompt already holds the digits, the full stops and the line breaks that make a list: it is over
# almost before it began. The frequency penalty starts from nothing and lasts longer, until the line breaks have become dear. A
# penalty hides a loop; it adds no knowledge.

# %% [markdown]
# ## 11. Stop sequences
#
# A cap stops anywhere. An end token stops when the model feels like it. A **stop sequence** stops where *you* say: to cap a list
# at ten items, stop at "11".

# %% [markdown]
# **Exercise 2.7.** Cut a text before the earliest stop sequence; leave it whole if none occurs.


# %% tags=["exercise"] exercise="2.7"
def stop_at(text, stops):
    """The text before the earliest of the stop sequences (a list of strings)."""
    places = [text.find(stop) for stop in stops]  # -1 where a stop does not occur
    return ...


stop_at = check("2.7", stop_at)


# %% tags=["solution"] exercise="2.7"
def stop_at(text, stops):
    """The text before the earliest of the stop sequences (a list of strings)."""
    places = [text.find(stop) for stop in stops]  # -1 where a stop does not occur
    return text[: min((place for place in places if place >= 0), default=len(text))]


stop_at = check("2.7", stop_at)

# %% [markdown]
# The library stops while it generates, so it also saves the time. It compares text, not tokens, because a stop may be spread over
# several tokens; and it leaves the stop in, for you to cut.

# %%
free_running = tokenizer.decode(complete(listing, max_new_tokens=100, do_sample=False))
stopped = tokenizer.decode(
    complete(listing, max_new_tokens=100, do_sample=False, stop_strings=["11"], tokenizer=tokenizer)
)
print(
    "cut by us equals stopped by the library:",
    stop_at(free_running, ["11"]) == stop_at(stopped, ["11"]),
)
assert stop_at(free_running, ["11"]) == stop_at(stopped, ["11"])

# %% [markdown]
# The list, capped at ten:

# %% tags=["device"]
print(listing + stop_at(stopped, ["11"]))
assert (listing + stop_at(stopped, ["11"])).rstrip().split("\n")[-1].startswith("10.")

# %% [markdown]
# Ten items. What would "11" do to a list of years, or of prices? It would stop at 1911 too. `"\n11."` is a better stop: choose one
# that cannot occur by accident.

# %% [markdown]
# ## 12. Seeds
#
# Sampling is random, yet a computer's randomness starts from a **seed**. The same seed, settings, machine and library give the
# same text. Without one, texts differ. On another machine the last digits of the logits can differ, and one different draw is
# enough for another text: a seed repeats an experiment, it does not freeze it for ever.


# %%
def sample(prompt, seed=None, max_new_tokens=16, **settings):
    """A sampled completion as text; without a seed, a new one each time."""
    torch.manual_seed(seed) if seed is not None else torch.seed()
    return tokenizer.decode(
        complete(prompt, max_new_tokens=max_new_tokens, do_sample=True, **settings)
    )


twice = {sample(story, seed=7, top_k=0) for _ in range(2)}
free = {sample(story, top_k=0) for _ in range(4)}
print("with one seed", len(twice), "text; without a seed they differ:", len(free) > 1)
assert len(twice) == 1 and len(free) > 1

# %% [markdown]
# ## 13. The whole chain
#
# Penalty, temperature, top-k, top-p, softmax, draw: everything you wrote, in the order of the library.

# %% [markdown]
# **Exercise 2.8.** Put it together. Each step takes what the one before it left.


# %% tags=["exercise"] exercise="2.8"
def choose(logits, ids, u, temperature, k, p, penalty):
    """The next token (an int): repetition penalty on ids, temperature, top-k, top-p, then the draw with u."""
    return ...


choose = check("2.8", choose)


# %% tags=["solution"] exercise="2.8"
def choose(logits, ids, u, temperature, k, p, penalty):
    """The next token (an int): repetition penalty on ids, temperature, top-k, top-p, then the draw with u."""
    logits = repetition_penalty(logits, ids, penalty) / temperature
    logits = top_p_filter(top_k_filter(logits, k), p)
    return draw(softmax(logits, 1.0), u)


choose = check("2.8", choose)

# %% [markdown]
# Does the library really use this order? `generate` can return the logits as they stand just before the draw. If our chain is
# right, it leaves the same numbers at every step of a real generation.

# %%
inputs = tokenizer(listing, return_tensors="pt").to(model.device)
settings = {"temperature": 0.8, "top_k": 40, "top_p": 0.93, "repetition_penalty": 1.1}
torch.manual_seed(3)
with torch.no_grad():
    out = model.generate(
        **inputs,
        max_new_tokens=12,
        do_sample=True,
        output_scores=True,
        output_logits=True,
        return_dict_in_generate=True,
        **settings,
    )

# %% [markdown]
# `out.logits` holds what the model said at each step, `out.scores` what was left when the draw came.

# %%
start_length = inputs.input_ids.shape[1]
for n, (raw, processed) in enumerate(zip(out.logits, out.scores, strict=True)):
    z = repetition_penalty(raw[0].float(), out.sequences[0, : start_length + n], 1.1) / 0.8
    ours = top_p_filter(top_k_filter(z, 40), 0.93)
    assert torch.equal(ours.isfinite(), processed[0].isfinite())
    assert torch.allclose(softmax(ours, 1.0), softmax(processed[0].float(), 1.0), atol=1e-5)
print("the same survivors and the same probabilities at each of", len(out.scores), "steps")

# %% [markdown]
# ## 14. The microscope
#
# One logit vector, every setting, in the order in which they act. Move a slider with the mouse, or press Tab to reach it and use
# the arrow keys. Blue is the exact probability after all steps, orange the share of 2,000 draws; grey tokens were cut.
#
# Try: temperature 2 with top-p 1, then bring top-p down to 0.8. Then temperature 0.3. When does top-p stop mattering?

# %% tags=["device"]
from labutils.transformer import SamplingSettings, decoding_view, explore_decoding

dessert_ids = tokenizer("cake, cake, banana", return_tensors="pt").input_ids[0]
explore_decoding(unsure, names, dessert_ids, SamplingSettings(temperature=1.0, top_p=0.9))

# %% [markdown]
# The same, at three settings, for a page without a kernel:

# %% tags=["device"]
from IPython.display import HTML, display

for setting in (
    SamplingSettings(),
    SamplingSettings(temperature=0.5),
    SamplingSettings(temperature=2.0, top_p=0.8),
):
    title = f"<h4>temperature {setting.temperature}, top-p {setting.top_p}</h4>"
    display(HTML(title + decoding_view(unsure, names, dessert_ids, setting, rows=6).html))

# %% [markdown]
# The microscope is only a view of the functions above. One look from code, with a check of its numbers:

# %%
view = decoding_view(unsure, names, dessert_ids, SamplingSettings(temperature=0.7, top_k=5))
print(
    "tokens left:",
    view.kept,
    "- sum of what is left:",
    round(sum(row.exact for row in view.rows), 6),
)
assert view.kept == 5 and all(abs(row.exact - row.sampled) < 0.06 for row in view.rows)

# %% [markdown]
# ## 15. Does it matter? One measurement
#
# Sixteen or more completions of one prompt at four temperatures, drawn in one batch. Two numbers: how many different completions
# there are, and how surprising the model itself finds them (the mean −log₂ probability of its tokens at temperature 1, in bits).
#
# A batch takes memory for its key-value cache, so the cell asks first whether it fits.


# %%
@torch.no_grad()
def batch(prompt, n, temperature, max_new_tokens=12):
    """n sampled completions (n, T) and the mean surprise of their tokens in bits."""
    inputs = tokenizer([prompt] * n, return_tensors="pt").to(model.device)
    out = model.generate(
        **inputs,
        max_new_tokens=max_new_tokens,
        min_new_tokens=max_new_tokens,
        do_sample=True,
        top_k=0,
        temperature=temperature,
    )
    added = out[:, inputs.input_ids.shape[1] :]
    log_probs = (
        model(out).logits[:, -max_new_tokens - 1 : -1].log_softmax(-1).gather(-1, added[..., None])
    )
    return added, float(-log_probs.mean() / torch.log(torch.tensor(2.0)))


# %% [markdown]
# **Predict:** at which temperature does the text surprise its own author most, and by what factor over the coolest?

# %% tags=["device"]
n = lab.size(smoke=8, small=16, standard=32, gpu=64)
rows = []
with guard("15 Completions in one batch", need_gib=0.02 * n, smaller={"n = 8": 0.16}):
    for temperature in (0.2, 0.7, 1.0, 1.5):
        torch.manual_seed(5)
        added, surprise = batch(story, n, temperature)
        rows.append(
            (
                temperature,
                n,
                len({tuple(ids) for ids in added.tolist()}),
                surprise,
                tokenizer.decode(added[0]),
            )
        )
show_table(("temperature", "drawn", "different", "surprise (bits a token)", "the first"), rows)
surprises = [row[3] for row in rows]
record("surprise in bits by temperature", {str(row[0]): round(row[3], 2) for row in rows})
assert rows[0][2] <= rows[-1][2] and surprises[0] < surprises[2] < surprises[3]

# %% [markdown]
# As a picture:

# %%
figure, axes = new_figure(
    "The hotter the draw, the more the text surprises its own model", height=3.0
)
axes.bar([str(row[0]) for row in rows], surprises, color=[BLUE, BLUE, BLUE, ORANGE])
axes.set(xlabel="temperature", ylabel="surprise (bits a token)")
show(
    figure,
    "Bars of the mean surprise of sampled tokens at temperatures 0.2, 0.7, 1.0 and 1.5; "
    "each bar is higher than the one before, and the last, in orange, by far.",
)

# %% [markdown]
# At 1.5 the text is varied and mostly nonsense. Variety alone is no merit.

# %% [markdown]
# What to choose, then?
#
# | task | start with | because |
# | --- | --- | --- |
# | extract, classify, code | greedy | one right answer; repeatable |
# | summarize, translate | greedy or T 0.3 to 0.5 | little freedom wanted |
# | chat, write | T 0.7 to 1.0, top-p 0.9 to 0.95 | variety without the absurd tail |
# | brainstorm | T 1.0 to 1.3, top-p 0.95, several samples | variety is the point; you pick |
#
# These are starting points from practice, not laws. Measure on your own task, with enough samples.

# %% [markdown]
# ## 16. What a sceptic would say
#
# - *"You compare with transformers alone."* Yes. Other servers apply other orders and count penalties otherwise. The order of
#   yours is in its manual, and this lab has shown why to look.
# - *"A 135 M model is not what I use."* The chain behind the logits is the same for any model. `LABS_MODEL` loads another
#   decoder-only model here; the equalities hold for it too, while a few asserts name what this one says. Where a model is sure,
#   the settings matter less, and large models are sure more often.
# - *"Greedy loops because the model is small."* Partly. Larger models loop later. It was seen in GPT-2 of 1.5 billion parameters,
#   which is why top-p was invented (Holtzman et al. 2020).

# %% [markdown]
# ## Where you stand

# %% tags=["device"]
progress("02")
assert fingerprint(model) == before

# %% [markdown]
# The last line checked it once more: after all of this, the weights are what they were.
