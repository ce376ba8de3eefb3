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
# A language model computes a number for every token it knows. A handful of **inference parameters** decide how a word is chosen
# from those numbers. In this lab you write each of them by hand, see what it does to a menu of desserts and to a real model, and in
# the end put them together and let the model write with your own code.
#
# By the end you can
# - tell inference parameters from training parameters;
# - write softmax with a temperature, drawing by weight, top-k, top-p, three penalties and stop sequences;
# - check with ten thousand draws that sampling follows the probabilities;
# - say which settings a library brings in without asking, and what the order of the steps changes;
# - choose settings for a task, and say what they will not fix.
#
# The core path has eight exercises and three quizzes and takes about two hours. *Going further*, at the end, is optional.
# `hint("2.1")` helps with exercise 2.1, and so on. If the next cell finds no `labutils`, choose *Kernel > Change Kernel > LLM
# Labs* and run it again.

# %%
from labutils import check, guard, hint, load_encoder, load_model, outcome, predict, progress, quiz, record, show, start

# %% [markdown]
# The next cell looks at the machine, shows where this lab stands in the life of a project (settings and prompts are the cheapest
# way to adapt a model), and loads the model of lab 00. `names` holds the text of each token it knows.
#
# The second picture is this lab. Each box is a step between the model's numbers, its **logits**, and the next token. The bars show
# what is left of six desserts after each step. Come back to it whenever you wonder where you are.

# %% tags=["device"]
lab = start("02", seed=0)

import torch

from labutils.course import GREY, load_words, new_figure, show_map, show_table
from labutils.evaluation.intervals import bootstrap_interval
from labutils.transformer import MicroscopeSettings, decoding, explore_decoding, sampling_figures, show_chain

show_map("02")
model, tokenizer = load_model(needs="decoder")
names = tokenizer.batch_decode([[i] for i in range(model.config.vocab_size)])
show_chain()
assert len(names) == model.config.vocab_size

# %% [markdown]
# ## 1. One prompt, six settings
#
# *Training parameters*, such as the learning rate, decide what the weights become. *Inference parameters* act on the numbers that
# come out, at each request anew. We begin with what they do to a text. `complete` calls the library's `generate` and returns only
# what was added to the prompt. (What `top_k=0` does is the subject of section 5.)
#
# Here is one prompt under six settings, two completions each. Read them as an editor. Which would you print? **Try it** with a
# prompt of your own.


# %% tags=["device"]
def complete(prompt, **settings):
    """The ids (N, T) that the model adds to a prompt; N is 1, or num_return_sequences."""
    inputs = tokenizer(prompt, return_tensors="pt").to(model.device)
    return model.generate(**inputs, **settings)[:, inputs.input_ids.shape[1] :]


story = "The old sailor looked at the sky and said"  # try it: a prompt of your own
six = {
    "greedy": {"do_sample": False},
    "temperature 0.3": {"do_sample": True, "top_k": 0, "temperature": 0.3},
    "temperature 0.7": {"do_sample": True, "top_k": 0, "temperature": 0.7},
    "temperature 1": {"do_sample": True, "top_k": 0},
    "temperature 1, top-p 0.9": {"do_sample": True, "top_k": 0, "top_p": 0.9},
    "temperature 1.5": {"do_sample": True, "top_k": 0, "temperature": 1.5},
}
weights_before = [weight.detach().clone() for weight in model.parameters()]
rows = []
for name, settings in six.items():
    torch.manual_seed(1)
    rows.append((name, *tokenizer.batch_decode(complete([story] * 2, max_new_tokens=24, **settings))))
show_table(("settings", "one completion", "another"), rows, story)
assert rows[0][1] == rows[0][2], "greedy never varies"

# %% [markdown]
# Greedy writes the same text twice. A low temperature stays tame, and 1.5 falls apart. The rest of the lab explains why, one box
# of the picture at a time. First a question. Choose with the mouse or the arrow keys.

# %%
quiz("2.a")

# %% [markdown]
# ## 2. From numbers to probabilities
#
# A logit can be any number. The **softmax** turns logits into probabilities. It takes the exponential of each and divides by the
# sum. A **temperature** T divides the logits first, so the whole is `softmax(logits / T)`. The name comes from physics, where the
# same formula says how likely a particle is to be in a state of some energy.
#
# **Exercise 2.1.** Write the softmax with a temperature. Logits and probabilities are tensors, here and in the exercises below. Mind
# large logits: exp(1000) is more than a 64-bit float can hold. The result does not change if you subtract the same number from every
# logit, so subtract the largest first.


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
# We shall use two sets of logits. The first is a toy. It is time for dessert, and four desserts have 33 % of the probability. The
# other 67 % are spread over 134 rarer words, half a per cent each. The logits are the logarithms of these probabilities.
#
# The second comes from the real model, with 49,152 logits, one for each token. Which tokens lead, and do the
# probabilities of all tokens add up to one?

# %% tags=["device"]
desserts = ["cake", "donut", "banana", "apple"]
toy_words = desserts + [f"rare {n}" for n in range(134)]
toy_probs = torch.tensor([0.20, 0.10, 0.02, 0.01] + [0.005] * 134, dtype=torch.float64)  # (138)
toy_logits = toy_probs.log()  # (138)
print({word: round(z, 2) for word, z in zip(toy_words[:5], toy_logits.tolist(), strict=False)})

sure_prompt, open_prompt = "The capital of France is", "For dessert we had a"
vectors = {text: decoding.next_logits(model, tokenizer, text).cpu().double() for text in (sure_prompt, open_prompt)}
sure, unsure = vectors.values()  # (V) each
top = softmax(sure).topk(5)
leading = [(names[i], float(p)) for p, i in zip(top.values, top.indices, strict=True)]
show_table(("token", "probability"), leading, sure_prompt)
print(f"{len(sure):,} tokens; sum {float(softmax(sure).sum()):.9f}; the least likely {float(softmax(sure).min()):.1e}")
assert torch.allclose(softmax(sure).double(), sure.softmax(-1), atol=1e-6)
assert leading[0][0] == " Paris" or not lab.course_model

# %% [markdown]
# Every token has some probability, because an exponential is never zero. If you sample long enough, the absurd will happen.
#
# ## 3. Greedy decoding
#
# The simplest rule takes the most likely token, the **argmax**, at each step. The loop looks at the logits of the last position,
# appends the largest, and stops at the end token. The library does the same with `do_sample=False`.


# %%
@torch.no_grad()
def greedy(prompt, max_new_tokens):
    """The ids that greedy decoding adds to a prompt."""
    ids = tokenizer(prompt, return_tensors="pt").input_ids.to(model.device)  # (1, T)
    added = []
    while len(added) < max_new_tokens and tokenizer.eos_token_id not in added:
        best = model(ids).logits[0, -1].argmax()
        added.append(int(best))
        ids = torch.cat([ids, best.reshape(1, 1)], dim=1)
    return added


ours, theirs = greedy(story, 12), complete(story, max_new_tokens=12, do_sample=False)[0].tolist()
print("ours:   ", ours, "\nlibrary:", theirs, "\ntext:   ", tokenizer.decode(ours))
assert ours == theirs

# %% [markdown]
# Our loop computes the whole prompt again for every token. The library keeps what it has computed in a key-value cache (*Going further* A
# of lab 01).
#
# So much for twelve tokens. Now a long answer.

# %%
predict("2.p1")

# %% [markdown]
# `entries` reads the names out of the list, so that we can count them. A last line that the cap cut off does not count.


# %% tags=["device"]
def entries(ids):
    """The names in a numbered list."""
    lines = tokenizer.decode(ids, skip_special_tokens=True).split("\n")
    ended = int(ids[-1]) == tokenizer.eos_token_id
    return [line.split(". ")[-1].strip() for line in (lines if ended else lines[:-1]) if line.strip()]


listing = "List of European countries:\n1. France\n2. Spain\n3."
length = lab.size(smoke=72, small=150)
long_greedy = complete(listing, max_new_tokens=length, do_sample=False)[0]
countries = entries(long_greedy)
print(listing + tokenizer.decode(long_greedy))
print(f"\n{len(countries)} entries, {len(set(countries))} different names")
repeats = 1 - len(set(countries)) / max(1, len(countries))
outcome("2.p1", 3 if repeats > 0.1 else 1)
record("greedy list, share of repeated entries", repeats)
assert repeats > 0.1 or not lab.course_model

# %% [markdown]
# Europe has some fifty countries. Once a country has come up again, the text itself holds an example of what followed it, and the model
# tends to copy it. Each round adds one more example. Greedy always takes the likeliest token, so it rarely finds a way out.
#
# ## 4. How long?
#
# `max_new_tokens` is a **cap**, counted in tokens. The model may stop earlier by producing its **end token**. It does not know the
# cap, so a text that reaches it is cut off wherever it stands. A question stands below the table.

# %% tags=["device"]
sea = "The best thing about the sea is"
rows = []
for cap in (5, 10, 60):
    ids = complete(sea, max_new_tokens=cap, do_sample=False)[0].tolist()
    ended = ids[-1] == tokenizer.eos_token_id
    rows.append((cap, len(ids), "end token" if ended else "cap", tokenizer.decode(ids)))
show_table(("max_new_tokens", "tokens used", "stopped by", "completion"), rows)
assert all(used <= cap for cap, used, _, _ in rows)
quiz("2.b")

# %% [markdown]
# ## 5. Drawing by weight
#
# **Sampling** draws the next token at random, each with its own probability. A token of probability .02 should come up 2 % of the
# time. The computer starts from a number u between 0 and 1, every value equally likely. Lay the probabilities end to end on a line
# from 0 to 1. The piece in which u falls is the token.
#
# **Exercise 2.2.** Write `draw(probs, u)`, which returns the index of the first token whose running sum exceeds u. Rounding can
# leave the last running sum a hair below 1 and u above it. In that case return the last token whose probability is
# above 0.


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
    return min(passed, int(probs.nonzero()[-1]))


draw = check("2.2", draw)

# %% [markdown]
# Banana has probability .02, so 10,000 draws should give about 200 bananas. How exactly?

# %%
predict("2.p2")

# %% [markdown]
# First your `draw`, ten thousand times. Then the whole experiment two hundred times over. Banana's piece of the line runs from .30
# to .32, so there it is enough to count the numbers that fall on it.

# %%
numbers = torch.rand(10_000, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
drawn = torch.tensor([draw(toy_probs, u) for u in numbers.tolist()])  # (10000)
counts = drawn.bincount(minlength=len(toy_probs))  # (138)
sampling_figures.show_draws(toy_words[:8], counts, toy_probs)
many = torch.rand(200, 10_000, generator=torch.Generator().manual_seed(3))  # 200 experiments
bananas = ((many >= 0.30) & (many < 0.32)).sum(dim=1).double()  # (200)
print(
    f"bananas above: {int(counts[2])}; in 200 experiments {int(bananas.min())} to {int(bananas.max())}, mean {bananas.mean():.1f}"
)
outcome("2.p2", round(float(bananas.std()), 1))

# %% [markdown]
# The count is near 200 and need not be exactly 200. The standard deviation of such a count is √(n·p·(1−p)) = √(10,000 · .02 · .98) = 14.
# With a hundred draws it would be 1.4 around an expectation of 2, which is why a handful of samples says little about rare words. *Going
# further* turns this into a test for a biased drawing function, and shows what it misses.
#
# ### Settings that you did not make
#
# In transformers the defaults come from a `generation_config`, which the model brings along. The course's model decodes greedily by
# default. Now we switch sampling on and set nothing else.

# %%
predict("2.p3")

# %% [markdown]
# With `output_scores`, `generate` also returns the scores as they stand just before the draw. Tokens that were filtered out have a
# score of minus infinity. The third call passes the settings that some other model might bring along.

# %% tags=["device"]
from transformers import GenerationConfig


def survivors(**settings):
    """From how many tokens the library draws the first one after the open prompt."""
    inputs = tokenizer(open_prompt, return_tensors="pt").to(model.device)
    steps = model.generate(**inputs, max_new_tokens=1, output_scores=True, return_dict_in_generate=True, **settings)
    return int(steps.scores[0].isfinite().sum())


shipped = GenerationConfig(do_sample=True, temperature=0.6, top_p=0.9, eos_token_id=tokenizer.eos_token_id)
calls = {
    "do_sample=True": {"do_sample": True},
    "do_sample=True, top_k=0": {"do_sample": True, "top_k": 0},
    "nothing, under a generation_config that samples": {"generation_config": shipped},
}
rows = [(name, survivors(**settings)) for name, settings in calls.items()]
show_table(("call of generate", "tokens that can be drawn"), rows, open_prompt)
outcome("2.p3", {len(names): 1, 1: 3}.get(rows[0][1], 2))
unsampled = complete(story, max_new_tokens=8, do_sample=False, temperature=5.0)[0]
print("temperature 5 without do_sample:", tokenizer.decode(unsampled))
assert rows[0][1] < rows[1][1] == len(names)

# %% [markdown]
# Nobody asked for it, yet only the 50 most likely tokens can be drawn. The library's default is `top_k=50`, a filter that you will write
# in section 7, and `top_k=0` switches it off. That is why section 1 passes it.
#
# The last row shows the other surprise. (The silent top-k of 50 acts in it too, before top-p.) Many chat models ship a file
# `generation_config.json` that switches sampling on (Llama 3.1 Instruct comes with temperature 0.6 and top-p 0.9), so the same call
# is greedy with one model and random with another. A temperature without sampling is ignored. **Say what you want** in the call:
# `do_sample`, `temperature`, `top_k`, `top_p`.
#
# ## 6. Temperature reshapes
#
# Below one, the temperature makes the strong stronger. Above one, it makes the probabilities more alike. No token is removed, and the
# order of the tokens stays. How unsure is a distribution? The **entropy** is the mean of −log₂ p, weighted by p, in bits. It is 0 if one
# token is certain and log₂ 138 = 7.1 if all 138 desserts are equally likely. One bit is a coin toss.
#
# Here are the desserts at four temperatures, as exact bars and as shares of 1,000 draws. The last bar stands for 134 words together.


# %%
def in_groups(values):
    """Four desserts, and all rare words together (5)."""
    return torch.cat([values[:4], values[4:].sum().reshape(1)])


def entropy(probs):
    """The entropy of probabilities (V,) in bits."""
    return float(-(probs * probs.log2().nan_to_num(neginf=0)).sum())


panels = {}
for T in (0.25, 0.5, 1.0, 2.0):
    probs = softmax(toy_logits, T)  # (138)
    sampled = torch.tensor([draw(probs, u) for u in numbers[:1_000].tolist()])  # (1000)
    panels[T] = in_groups(probs), in_groups(sampled.bincount(minlength=138)) / 1_000
sampling_figures.show_menu([*desserts, "134 rare"], panels, draws=1_000)
print("entropy in bits:", {T: round(entropy(softmax(toy_logits, T)), 2) for T in panels})

# %% [markdown]
# The last bar grows with the temperature, because 134 words gain together. Each of them stays rarer than apple. Towards temperature 0
# the leader takes everything, which is greedy decoding. Exactly 0 would divide by zero, so libraries treat it
# as greedy or refuse it.
#
# ## 7. Top-k keeps a fixed number
#
# Sampling draws the absurd once in a while. **Top-k** forbids it. It keeps the k largest logits and sends all others to minus
# infinity, whose exponential is 0. (Tokens that tie with the k-th may stay as well.)
#
# **Exercise 2.3.** Write the filter. Return logits, so that other steps can follow, and leave the input alone.


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
# What becomes of cake's .20 when three desserts are left? The filter removes .68 of the probability, and softmax shares it out in
# proportion, so cake gets .20 / (.20 + .10 + .02) = .625. The next table shows it.
#
# ## 8. Top-p keeps a share
#
# A fixed k suits one prompt and not another. **Top-p**, or nucleus sampling, keeps the smallest set of most likely tokens whose
# probabilities add up to at least p. The token that crosses p is kept, so the kept mass is *at least* p. (Many notes say at most.)
# With p = .25, cake alone (.20) does not reach it. Cake and donut (.30) do, so two desserts stay.
#
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
    sorted_probs = softmax(logits)[order]
    mass_before = sorted_probs.cumsum(dim=0) - sorted_probs
    filtered = logits.clone()
    filtered[order[mass_before >= p]] = float("-inf")
    return filtered


top_p_filter = check("2.4", top_p_filter)

# %%
filters = {"k = 3": top_k_filter(toy_logits, 3), **{f"p = {p}": top_p_filter(toy_logits, p) for p in (0.15, 0.25, 0.29, 0.31)}}
rows = []
for name, kept in filters.items():
    stays = kept.isfinite()
    rows.append((name, int(stays.sum()), float(toy_probs[stays].sum()), float(softmax(kept)[0])))
show_table(("filter", "desserts kept", "mass kept", "cake's probability afterwards"), rows)

# %% [markdown]
# Why is p = .30 not in the table? In binary, .20 + .10 is not exactly .30. Whether a third token stays is then decided in the sixteenth
# decimal, and two correct programs may differ.
#
# Now the real model. To see the nucleus, sort the tokens and add up their probabilities from the first on.

# %%
predict("2.p4")

# %% [markdown]
# The axis of the figure counts tokens and is logarithmic. A dot marks the token that crosses .9.

# %% tags=["device"]
curves = {text: (softmax(z), int(top_p_filter(z, 0.9).isfinite().sum())) for text, z in vectors.items()}
sizes = [size for _, size in curves.values()]
sampling_figures.show_nucleus(curves, 0.9)
outcome("2.p4", sizes[1])
record("tokens in the nucleus of 0.9, sure and unsure prompt", sizes)
assert sizes[0] < sizes[1] or not lab.course_model

# %% [markdown]
# Top-k with k = 50 would let absurd tokens in after one prompt and throw good ones out after the other. Top-p adapts. It has a weakness
# too, because a high temperature lifts the whole long tail into the nucleus. **Min-p** (Nguyen et al. 2024) uses another rule. It keeps
# the tokens whose probability is at least a share of the leader's. How many tokens does each rule keep, at two temperatures?


# %% tags=["device"]
def min_p_filter(logits, share):
    """Logits (V,) with all tokens at minus infinity that have less than a share of the largest probability."""
    probs = softmax(logits)
    return logits.masked_fill(probs < share * probs.max(), float("-inf"))


rows = []
for text, logits in ((sure_prompt, sure), (open_prompt, unsure)):
    for T in (1.0, 1.5):
        kept = [int(step(logits / T, value).isfinite().sum()) for step, value in ((top_p_filter, 0.9), (min_p_filter, 0.1))]
        rows.append((text, T, *kept))
show_table(("prompt", "temperature", "kept by top-p 0.9", "kept by min-p 0.1"), rows)
assert all(row[3] < row[2] for row in rows) or not lab.course_model

# %% [markdown]
# Compare how each column grows, not the two columns, because 0.9 and 0.1 are different strengths. From temperature 1 to 1.5 the nucleus
# after the first prompt grows from a few tokens to thousands, and min-p hardly grows. After the second prompt both grow, top-p by the
# larger factor.
#
# ## 9. Penalties
#
# Here are three ways to make tokens less likely that have already appeared. The **frequency penalty** f is subtracted from a token's
# logit once for each time the token has appeared. The **presence penalty** a is subtracted once, however often it has appeared. Both are
# known from OpenAI-style APIs and usually count the completion alone. The **repetition penalty** r (Keskar et al. 2019) divides the
# logit, and in transformers it also counts the prompt.
#
# **Exercise 2.5.** Write the first two, in one function.


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
# **Exercise 2.6.** The repetition penalty divides a positive logit by r. Dividing −2 by 2 would give −1, which is *larger*, so
# transformers multiplies a negative logit by r, and so should you. A token that has appeared several times is penalised once.


# %% tags=["exercise"] exercise="2.6"
def repetition_penalty(logits, ids, penalty):
    """Logits (V,) with the tokens in ids (T,) made less likely by a penalty above 1."""
    seen, penalised = logits[ids], logits.clone()
    # write the new values, by the sign of `seen`, into penalised[ids]
    return ...


repetition_penalty = check("2.6", repetition_penalty)


# %% tags=["solution"] exercise="2.6"
def repetition_penalty(logits, ids, penalty):
    """Logits (V,) with the tokens in ids (T,) made less likely by a penalty above 1."""
    seen, penalised = logits[ids], logits.clone()
    penalised[ids] = torch.where(seen < 0, seen * penalty, seen / penalty)
    return penalised


repetition_penalty = check("2.6", repetition_penalty)

# %% [markdown]
# Three cakes and one donut were eaten. The first table shows the desserts' logits under each penalty.
#
# The second shows what the rule about the sign leads to. Softmax looks only at differences, so the same number may be added to all
# logits. We add 0, 2.5 and 10 and compute cake's probability without and with a repetition penalty on cake.

# %%
eaten, menu = torch.tensor([3, 1, 0, 0]), toy_logits[:4]  # (4) each
penalties = {
    "none": menu,
    "frequency 0.5": penalize(menu, eaten, 0.5, 0.0),
    "presence 0.5": penalize(menu, eaten, 0.0, 0.5),
    "repetition 1.3": repetition_penalty(menu, torch.tensor([0, 0, 0, 1]), 1.3),
}
rows = [(name, *values.tolist()) for name, values in penalties.items()]
show_table(("penalty", "cake (3 times)", "donut (once)", "banana", "apple"), rows, "Logits")
rows = []
for shift in (0.0, 2.5, 10.0):
    moved = toy_logits + shift
    rows.append((shift, float(softmax(moved)[0]), float(softmax(repetition_penalty(moved, torch.tensor([0]), 1.3))[0])))
show_table(("added to all logits", "cake without penalty", "cake with penalty 1.3"), rows)
assert abs(rows[0][1] - rows[2][1]) < 1e-9 and rows[2][2] < rows[0][2]

# %% [markdown]
# The probabilities without the penalty are the same, and the penalty's effect is not. At first cake's logit is negative, so it is
# multiplied. After adding 2.5 it is a small positive number, and dividing that changes little. After adding 10 it is large, and the
# division takes a lot off. So the effect depends on where a model happens to put its zero, and a value that works for one model says
# little about another. Frequency and presence subtract and have no such flaw.
#
# Do penalties cure the loop of section 3? transformers has no frequency penalty, but it accepts a step that you write yourself, and
# `decoding.penalty_processor` wraps the formula of exercise 2.5 for it.

# %%
predict("2.p5")

# %% [markdown]
# We try two strengths of each, with greedy decoding and the same cap as before.

# %% tags=["device"]
prompt_length = len(tokenizer.encode(listing))
cures = {
    "none": {},
    "repetition 1.1": {"repetition_penalty": 1.1},
    "repetition 1.2": {"repetition_penalty": 1.2},
    "frequency 0.3": {"logits_processor": [decoding.penalty_processor(0.3, 0.0, prompt_length)]},
    "frequency 0.6": {"logits_processor": [decoding.penalty_processor(0.6, 0.0, prompt_length)]},
}
rows, different = [], {}
for name, cure in cures.items():
    ids = complete(listing, max_new_tokens=length, do_sample=False, **cure)[0]
    items = entries(ids)
    different[name] = len({item.split(" (")[0] for item in items})  # "Austria (2)" is Austria
    ended = "end token" if int(ids[-1]) == tokenizer.eos_token_id else "cap"
    rows.append((name, len(items), different[name], ended, ", ".join(items[:20])))
show_table(("penalty", "entries", "different", "stopped by", "the first twenty"), rows)
many, few = different["repetition 1.2"], different["none"]
outcome("2.p5", 1 if many > few else 2 if many == few else 3)
record("different entries by penalty", different)
assert few > many or not lab.course_model

# %% [markdown]
# A weak repetition penalty brings about twice as many names as none, all of them countries. A strong one ends the list almost before it
# has begun. The penalty cannot tell a country from a line break. The prompt already holds the digits, full stops and line breaks that
# make a list, and they are penalised too.
#
# The frequency penalty counts the completion alone, so it starts from nothing, and the list lasts longer, until the penalty on line
# breaks adds up. It brings hardly any new country. At 0.3 the model goes round the same ones with entries such as *Austria (2)*, which
# are new text and no new country. So a penalty can break a loop, at a strength that you have to find, and the answer may be wrong in a
# new way.
#
# ## 10. Stop sequences
#
# A cap stops anywhere, and an end token stops where the model decides. A **stop sequence** stops where *you* say. To cap a list at
# ten items, stop at "11".
#
# **Exercise 2.7.** Cut a text before the stop sequence that begins earliest, and leave it whole if none occurs.


# %% tags=["exercise"] exercise="2.7"
def stop_at(text, stops):
    """The text before the earliest of the stop sequences (a list of strings)."""
    places = [text.find(stop) for stop in stops if stop]  # -1 where a stop does not occur
    return ...


stop_at = check("2.7", stop_at)


# %% tags=["solution"] exercise="2.7"
def stop_at(text, stops):
    """The text before the earliest of the stop sequences (a list of strings)."""
    places = [text.find(stop) for stop in stops if stop]  # -1 where a stop does not occur
    return text[: min((place for place in places if place >= 0), default=len(text))]


stop_at = check("2.7", stop_at)

# %% [markdown]
# The library stops while it generates, which saves time. It compares text, because a stop may be spread over several tokens,
# and it leaves the stop in for you to cut.

# %% tags=["device"]
stopped = complete(listing, max_new_tokens=100, do_sample=False, stop_strings=["11"], tokenizer=tokenizer)[0]
print(listing + stop_at(tokenizer.decode(stopped), ["11"]))
print("\ntokens generated:", len(stopped), "of at most 100")
assert len(stopped) < 100 or not lab.course_model

# %% [markdown]
# Ten items. In a list of years "11" would also stop at 1911, so `"\n11."` is a better stop. Choose one that cannot occur by accident.
#
# ## 11. The whole chain
#
# Now put the steps together in the library's order.
#
# **Exercise 2.8.** Each step takes what the one before it left.


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
# With `choose`, your own code writes. The numbers u come from a generator with a **seed**. The same seed, settings, machine and library
# give the same text, and another seed usually gives another. Without a seed (`null` in many APIs) each run differs. (On another machine
# the last digits of the logits can differ, and one different draw is enough for a different text.) **Try it** with your own prompt and
# settings. The temperature must be above 0 and k at least 1. To switch a step off, take temperature 1, `k=len(names)`, `p=1.0` or penalty
# 1. *Going further* shows that your chain leaves the same probabilities as the library's at every step.


# %% tags=["device"]
@torch.no_grad()
def write(prompt, max_new_tokens, seed, rule=choose, **settings):
    """A completion as text, each token picked by a rule with the arguments of `choose`."""
    generator = torch.Generator().manual_seed(seed)
    ids = tokenizer(prompt, return_tensors="pt").input_ids.to(model.device)  # (1, T)
    start_length = ids.shape[1]
    for _ in range(max_new_tokens):
        u = float(torch.rand(1, generator=generator, dtype=torch.float64))
        token = rule(model(ids).logits[0, -1].cpu().double(), ids[0].cpu(), u, **settings)
        if token == tokenizer.eos_token_id:
            break
        ids = torch.cat([ids, torch.tensor([[token]], device=ids.device)], dim=1)
    return tokenizer.decode(ids[0, start_length:])


settings = {"temperature": 0.8, "k": 50, "p": 0.9, "penalty": 1.1}
written = [(seed, write(story, lab.size(smoke=10, small=24), seed, **settings)) for seed in (7, 7, 8)]
show_table(("seed", "written by your chain"), written, story)
assert written[0] == written[1] != written[2]

# %% [markdown]
# ## 12. Order matters
#
# Temperature reshapes, and top-k and top-p filter. Each step sees what the step before it left. transformers takes penalties,
# temperature, top-k, top-p. llama.cpp, another widespread program, takes penalties, top-k, top-p and the temperature last. (Its
# chain holds a few more filters, which are off by default, except that min-p is on at 0.05, between top-p and the temperature. We leave it
# out here, so that only the order differs.)

# %%
predict("2.p6")

# %% [markdown]
# Then we write with both orders. The settings are stronger here, temperature 2, top-k 5,000 and top-p 0.8. They are the same for both
# orders, and so are the random numbers.


# %% tags=["device"]
def choose_as_llama_cpp(logits, ids, u, temperature, k, p, penalty):
    """The next token (an int): repetition penalty, top-k, top-p, temperature, then the draw with u."""
    logits = top_p_filter(top_k_filter(repetition_penalty(logits, ids, penalty), k), p)
    return draw(softmax(logits, temperature), u)


kept = [int(z.isfinite().sum()) for z in (top_p_filter(unsure / 1.5, 0.6), top_p_filter(unsure, 0.6))]
print(f"temperature 1.5 first, then top-p 0.6: {kept[0]:,} tokens; the other way round: {kept[1]:,}")
outcome("2.p6", round(kept[0] / kept[1], 1))
settings = {"temperature": 2.0, "k": 5_000, "p": 0.8, "penalty": 1.0}
rows = []
for seed in range(lab.size(smoke=1, small=2)):
    for name, rule in (("transformers", choose), ("llama.cpp", choose_as_llama_cpp)):
        rows.append((seed, name, write(story, lab.size(smoke=8, small=20), seed, rule, **settings)))
show_table(("seed", "order of", "text"), rows, f"{story} … at temperature 2, top-k 5,000, top-p 0.8")
assert kept[0] >= kept[1]

# %% [markdown]
# In transformers' order the temperature flattens first, so top-p lets strange words through. In llama.cpp's order top-p has already
# removed them, and the temperature only evens out what is left. When you move settings from one program to another, look up its order.

# %%
quiz("2.c")

# %% [markdown]
# ## 13. The microscope
#
# Type a text of your own and move any slider with the mouse, or with Tab and the arrow keys. Blue is the exact probability after
# all steps, orange the share of 2,000 draws. Grey tokens were cut. The penalties act on everything in the text.
#
# **Try it.** Raise the repetition penalty until *tea* is no longer first. (A little above 1 is enough.) Then set the penalty back to 1,
# take temperature 2, and bring top-p down. What happens to the rows? At which temperatures does top-p hardly matter? (At low ones, where
# the leaders have nearly all of the probability anyway.)

# %% tags=["device"]
tea = "I like tea and you like tea and they like"
explore_decoding(model, tokenizer, MicroscopeSettings(text=tea))
assert names[int(decoding.next_logits(model, tokenizer, tea).argmax())] == " tea" or not lab.course_model

# %% [markdown]
# ## 14. Does it matter?
#
# We measure two kinds of task. The first has one right answer. The prompt gives eight countries with their capitals and asks for the
# capital of another. The second has many good answers, as in *For dessert we had a*.

# %%
predict("2.p7")

# %% [markdown]
# The results can be computed exactly from the logits, without drawing. We count an answer as right if its first token is right, so the
# chance of a right answer is that token's probability. A token of probability p appears among 32 draws with probability 1 − (1 − p)³².
# Added up over all tokens, this is the expected number of different ones. We average it over four openings.


# %% tags=["device"]
def stacked(texts):
    """The logits after each text (N, V)."""
    return torch.stack([decoding.next_logits(model, tokenizer, text).cpu() for text in texts])


pool, test = ([row for row in rows if row["task"] == "capital"] for rows in load_words().values())
shots = "".join(f"{row['word']} -> {row['answer']}\n" for row in pool[:8])
openings = ["For dessert we had a", "My favourite animal is the", "On Sunday we like to", "She opened the box and found a"]
asked, opened = stacked([f"{shots}{row['word']} ->" for row in test]), stacked(openings)  # (N, V), (4, V)
answers = torch.tensor([tokenizer.encode(" " + row["answer"])[0] for row in test])  # (N)
greedy_share = float((asked.argmax(dim=1) == answers).double().mean())
print(shots + f"{test[0]['word']} ->   {len(test)} countries; greedy decoding is right in {greedy_share:.1%}")
assert len(asked) == len(answers)


# %% tags=["device"]
def chances(p, T):
    """The chance of a right capital per country (N), and the number of different words in 32 draws per opening (4)."""
    right, varied = (decoding.softmax(decoding.top_p_filter(z / T, p) if p < 1 else z / T) for z in (asked, opened))
    return right[range(len(answers)), answers], (1 - (1 - varied) ** 32).sum(dim=1)


steps = (0.1, 0.4, 0.7, 1.0, 1.3, 1.6, 2.0)
results = {}
for name, p in (("without top-p", 1.0), ("top-p 0.9", 0.9)):
    facts, words = zip(*(chances(p, T) for T in steps), strict=True)
    results[name] = [bootstrap_interval(each.double()) for each in facts], [float(each.mean()) for each in words]
sampling_figures.show_facts_and_variety(steps, results, greedy_share)
sampled_share = float(chances(1.0, 1.0)[0].mean())
print(f"right capitals of {len(answers)} countries: greedy {greedy_share:.1%}, temperature 1 {sampled_share:.1%}")
outcome("2.p7", round(100 * sampled_share / max(greedy_share, 0.01)))
record("right answers by decoding", {"greedy": greedy_share, "temperature 1": sampled_share})
assert sampled_share < greedy_share or not lab.course_model

# %% [markdown]
# On the left, right answers fall as the temperature rises, because every bit of probability that goes to another token is taken from the
# right one. Top-p changes little there. The grey line is greedy decoding. Only temperatures near 0, which are almost greedy, come up to
# it. On the right, variety rises, and at temperature 2 nearly every draw is a different token, with top-p or without it. The temperature
# comes first here and lets thousands of tokens into the nucleus (sections 8 and 12). Not all of these are words you would want, because
# counting different tokens measures variety and not quality. To keep odd words out, stay near temperature 1 or filter before the
# temperature.
#
# What to choose, then?
#
# | task | start with | because |
# | --- | --- | --- |
# | extract, classify, code | greedy | one right answer, repeatable |
# | summarize, translate | greedy or T 0.3 to 0.5 | little freedom wanted |
# | chat, write | T 0.7 to 1.0, top-p 0.9 to 0.95 | variety without the absurd tail |
# | brainstorm | T 1.0 to 1.3, top-p 0.95, several samples | variety is the point, and you pick |
#
# These are starting points from practice. Measure on your own task, with enough samples.
#
# ## Recap
#
# - The model gives a logit per token. Inference parameters turn logits into a token and leave the weights alone.
# - Temperature reshapes. Top-k, top-p and min-p filter, and the mass that top-p keeps is at least p.
# - Defaults come in silently from the library and from the model. Say what you want in the call.
# - The order of the steps is part of the settings, and it differs between programs.
# - Penalties can break loops, and too strong a penalty breaks the text. A cap cuts, an end token ends, a stop sequence stops where you
#   say.

# %% tags=["device"]
progress("02")
changed = sum(int((a != b).sum()) for a, b in zip(weights_before, model.parameters(), strict=True))
print(f"weights that all these settings have changed: {changed} of {sum(w.numel() for w in weights_before):,}")
assert changed == 0

# %% [markdown]
# **Next:** [Lab 03, In-context learning](03_in_context_learning.ipynb): what a prompt alone can teach a model.

# %% [markdown] tags=["optional"]
# ## Going further
#
# ### A test for a biased drawing function
#
# **Pearson's chi-square test** adds up, over all words, the squared difference between count and expectation, divided by the
# expectation. Its p-value is how often chance alone would give a sum at least as large. We test your `draw`, and three versions that
# take the most likely word every 20th, 50th or 100th time.

# %% tags=["optional"]
rows = []
for name, every in (("draw", None), ("greedy every 100th time", 100), ("every 50th", 50), ("every 20th", 20)):
    tokens = drawn.clone()
    if every:
        tokens[::every] = 0
    found = tokens.bincount(minlength=len(toy_probs))
    rows.append((name, int(found[0]), float((found[0] - 2_000) / 40), decoding.chi_square(found, toy_probs)[1]))
show_table(("drawing function", "cakes (2,000 expected)", "standard deviations off", "chi-square p-value"), rows)
assert rows[0][3] > 0.001 > rows[-1][3]

# %% [markdown] tags=["optional"]
# The test finds the strongest bias. A weak bias in one word drowns among 138 words, whose chance deviations add up as well. If you
# suspect one word, test that word, as the third column does. The standard deviation of cake's count is √(10,000 · .2 · .8) = 40.
#
# On the model's own probabilities the rarest tokens have expectations far below one, where the test is not valid. We keep the leaders
# that are expected five times or more, at most ten, and merge all others into one.

# %% tags=["device", "optional"]
some = numbers[: lab.size(smoke=5_000, small=10_000)].tolist()
leaders = [p for p in softmax(sure).topk(10).values.tolist() if p * len(some) >= 5] or [0.5]  # if the model knows nothing: a coin
merged = torch.tensor([*leaders, 1 - sum(leaders)], dtype=sure.dtype)  # up to (11)
p_real = decoding.chi_square(torch.tensor([draw(merged, u) for u in some]).bincount(minlength=len(merged)), merged)[1]
print(f"{len(leaders)} leaders, p = {p_real:.3f}; below 0.001 would be a reason to doubt `draw`")
assert p_real > 1e-4, p_real

# %% [markdown] tags=["optional"]
# ### Are they the library's?
#
# We compare the probabilities after each of your steps with those after the library's own classes, on both prompts.

# %% tags=["optional"]
from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

pairs = {
    "temperature 0.7": (lambda z: z / 0.7, TemperatureLogitsWarper(0.7)),
    "top-k 50": (lambda z: top_k_filter(z, 50), TopKLogitsWarper(50)),
    "top-p 0.93": (lambda z: top_p_filter(z, 0.93), TopPLogitsWarper(0.93)),
    "min-p 0.1": (lambda z: min_p_filter(z, 0.1), MinPLogitsWarper(0.1)),
}
for name, (ours, theirs) in pairs.items():
    apart = [float((softmax(ours(z)) - softmax(theirs(None, z[None].clone())[0])).abs().max()) for z in (sure, unsure)]
    print(f"{name:16} largest difference {max(apart):.0e}")
    assert max(apart) < 1e-12

# %% [markdown] tags=["optional"]
# Is the whole chain the library's? `generate` can return the scores as they stand just before each draw. Your steps must leave the same
# probabilities.

# %% tags=["optional"]
listing_inputs = tokenizer(listing, return_tensors="pt").to(model.device)
torch.manual_seed(3)
out = model.generate(
    **listing_inputs,
    **{"max_new_tokens": 12, "do_sample": True, "temperature": 0.8, "top_k": 40, "top_p": 0.93, "repetition_penalty": 1.1},
    **{"output_scores": True, "output_logits": True, "return_dict_in_generate": True},
)
for n, (raw, processed) in enumerate(zip(out.logits, out.scores, strict=True)):
    so_far = out.sequences[0, : prompt_length + n]
    ours = top_p_filter(top_k_filter(repetition_penalty(raw[0].float(), so_far, 1.1) / 0.8, 40), 0.93)
    assert torch.allclose(softmax(ours), softmax(processed[0].float()), atol=1e-5), n
print("the same probabilities, within 0.00001, at each of", len(out.scores), "steps")

# %% [markdown] tags=["optional"]
# ### How surprising is the text to its own model?
#
# We let the model write several completions at four temperatures and compute the mean −log₂ probability that the model gives, at
# temperature 1, to the tokens that were drawn. A batch needs memory for its key-value cache, so the cell asks first whether it fits.


# %% tags=["device", "optional"]
@torch.no_grad()
def surprise(prompt, n, temperature, max_new_tokens=12):
    """n completions (n, T) and the mean surprise of each in bits per token (n)."""
    length = {"max_new_tokens": max_new_tokens, "min_new_tokens": max_new_tokens, "num_return_sequences": n}
    added = complete(prompt, do_sample=True, top_k=0, temperature=temperature, **length)
    ids = tokenizer(prompt, return_tensors="pt").input_ids.to(model.device).expand(n, -1)
    log_probs = model(torch.cat([ids, added], dim=1)).logits[:, -max_new_tokens - 1 : -1].log_softmax(-1)
    return added, -log_probs.gather(-1, added[..., None])[..., 0].mean(dim=1) / torch.log(torch.tensor(2.0))


n, rows = lab.size(smoke=8, small=16, standard=32, gpu=64), []
with guard("Completions in one batch", need_gib=0.02 * n, smaller={"n = 8": 0.16}):
    for T in (0.2, 0.7, 1.0, 1.5):
        torch.manual_seed(6)
        added, bits_per_token = surprise(story, n, T)
        mean, low, high = bootstrap_interval(bits_per_token.double().cpu())
        rows.append((T, mean, f"{low:.1f} to {high:.1f}", tokenizer.decode(added[0]), tokenizer.decode(added[1])))
show_table(("temperature", "surprise (bits per token)", "95 % interval", "one", "another"), rows, f"{story} … n = {n}")
record("surprise in bits by temperature", {str(row[0]): round(row[1], 2) for row in rows})
assert rows[0][1] < rows[2][1] < rows[3][1] or not lab.course_model

# %% [markdown] tags=["optional"]
# If all 49,152 tokens were equally likely, it would be log₂ 49,152 = 15.6 bits. The low temperatures write what the model finds likely
# anyway. At 1.5 the text surprises the model that wrote it.
#
# ### What a sceptic would say
#
# - *"A 135 M model is not what I use."* The chain behind the logits is the same for any model, and `LABS_MODEL` loads another
#   decoder here. Where a model is sure, the settings matter less.
# - *"Greedy loops because the model is small."* Partly. Holtzman et al. (2020) showed it in GPT-2 Large with 762 million parameters.
#   They proposed top-p as a way to sample, which avoids such loops, without the unreliable tail.
