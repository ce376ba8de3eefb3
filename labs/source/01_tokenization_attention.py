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
# # Lab 01. Tokenization and attention
#
# One sentence, *The sun rises in the east and sets in the*, goes through a language model in this lab, from its characters to the
# next word. You write the key steps of the model yourself, and the lab connects them. At the end your own functions run all 30 blocks
# of the real model and give the same result as the library.
#
# By the end you can
# - train a byte-pair tokenizer, apply WordPiece by hand, and say what a tokenizer costs in another language;
# - say why a model needs positions, turn queries and keys to give it some, and say what that achieves;
# - write attention, the causal mask, the heads and the norm, and see how they are put together with the feed-forward part;
# - say what attention is for and what the feed-forward part is for, with a measurement;
# - write the loop that generates text.
#
# The core path has eight exercises and three quizzes and takes about two hours. *Going further*, at the end, is optional.
# `hint("1.1")` helps with exercise 1.1, and so on. If the next cell finds no `labutils`, choose *Kernel > Change Kernel > LLM
# Labs* and run it again.

# %%
from labutils import check, guard, hint, load_encoder, load_model, outcome, predict, progress, quiz, record, show, start

# %% [markdown]
# The next cell looks at the machine, shows where this lab stands in the life of a project (to select a model, you have to know
# what is inside one), and loads two models. The **decoder** from lab 00 writes text. A small **encoder** turns a sentence into one
# vector. We only read from them, so they need no gradients.
#
# The second picture is the decoder. Each box says what is done and the shape of what comes out, where T is the number of tokens.
# Come back to it whenever you wonder where you are.

# %% tags=["device"]
lab = start("01", seed=0)

import math
from collections import Counter

import torch
import torch.nn.functional as F

from labutils import course
from labutils.course import show_map, show_table
from labutils.evaluation.intervals import bootstrap_interval
from labutils.transformer import ablation, attention, bpe, costs, explore_heads, show_block, show_rotation, studies

show_map("01")
model, tokenizer = load_model(needs="llama")
encoder, encoder_tokenizer = load_encoder()
for part in (model, encoder):
    part.requires_grad_(False)
sentence = "The sun rises in the east and sets in the"
show_block()
assert not any(weight.requires_grad for weight in model.parameters())

# %% [markdown]
# ## 1. From text to numbers
#
# A network multiplies numbers, so text must become numbers first. If you number whole words, every new name is unknown. If you
# number letters, texts get long and a letter means little. The compromise is to number **pieces**, with common words whole and
# rare ones in parts.
#
# The tokenizers of most decoders start from **bytes**. In UTF-8 any text in any script is a row of numbers from 0 to 255. An
# English letter takes one byte, ł takes two, an emoji takes four. **Byte-pair encoding** (BPE) begins with these 256 numbers, counts
# which two neighbours are most frequent, gives that pair a number of its own, and repeats.
#
# **Exercise 1.1.** One merge. `merge(ids, pair, new)` takes a list of ids, a pair (a tuple of two ids) and a new id. It returns a
# new list in which the new id replaces each occurrence of the pair, found from left to right.


# %% tags=["exercise"] exercise="1.1"
def merge(ids, pair, new):
    """The list of ids with `new` in the place of each occurrence of `pair`."""
    merged, i = [], 0
    # while i < len(ids): does the pair start at i? then write new and go two steps; if not, copy
    return ...


merge = check("1.1", merge)


# %% tags=["solution"] exercise="1.1"
def merge(ids, pair, new):
    """The list of ids with `new` in the place of each occurrence of `pair`."""
    merged, i = [], 0
    while i < len(ids):
        found = tuple(ids[i : i + 2]) == pair
        merged.append(new if found else ids[i])
        i += 2 if found else 1
    return merged


merge = check("1.1", merge)

# %% [markdown]
# Here are three rounds on a toy text. In each round the most frequent pair of neighbours becomes one token. A bar marks the end of a
# token.

# %%
ids, pieces = list(b"low lower lowest"), [bytes([value]) for value in range(256)]
print("bytes", ids)
for new in range(256, 259):
    (best, count), *_ = Counter(zip(ids, ids[1:], strict=False)).most_common()
    ids = merge(ids, best, new)
    pieces.append(pieces[best[0]] + pieces[best[1]])
    print(f"{count} times {pieces[new]!r}:", "|".join(pieces[i].decode() for i in ids))

# %% [markdown]
# After two merges *low* is one token. The algorithm knows nothing about words. It only counts.
#
# Next we train on the course's own prose, seventy kilobytes. Real tokenizers cut the text into words first, so that *dog.* and *dog!*
# do not become two tokens of their own. The space before a word belongs to the word. Each different word then has to be counted only
# once.
#
# `bpe.BYTES` numbers the 256 bytes as GPT-2 did, so that we can compare with the library. When two pairs are equally frequent, the
# one with the smaller ids wins. Without such a rule nobody could reproduce the result.


# %%
def to_ids(word):
    """The ids of a word's bytes."""
    return [bpe.BYTES.index(bytes([value])) for value in word.encode()]


def train(counts, n):
    """The first n merges, {pair: new id}, learned from words and how often each occurs."""
    words = [(to_ids(word), count) for word, count in counts.items()]
    merges = {}
    for new in range(256, 256 + n):
        pairs = Counter()
        for ids, count in words:
            for pair in zip(ids, ids[1:], strict=False):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges[best] = new
        words = [(merge(ids, best, new), count) for ids, count in words]
    return merges


# %% [markdown]
# We learn 150 merges and print the first thirty pieces. The `tokenizers` library, which is behind most open models, then learns as
# many from the same text. Do the two agree?

# %%
prose = list(course.load_prose()["text"])
counts = Counter(word for text in prose for word in bpe.split_words(text))
merges = train(counts, 150)
vocabulary = list(bpe.BYTES)
for left, right in merges:
    vocabulary.append(vocabulary[left] + vocabulary[right])
print([piece.decode() for piece in vocabulary[256:286]])
theirs = bpe.library_merges(prose, 150)
print("the last three:", [(vocabulary[a], vocabulary[b]) for a, b in merges][-3:], "the library's:", theirs[-3:])
assert [(vocabulary[a], vocabulary[b]) for a, b in merges] == theirs

# %% [markdown]
# Endings and short words come first, with the space in front. All 150 merges are the library's, in the same order.
#
# **Exercise 1.2.** Encoding a text does *not* count again. It replays the merges in the order in which they were learned.
# `encode(ids, merges)` takes a list of byte ids and the merges, {pair: new id}, and returns the list of ids at the end.


# %% tags=["exercise"] exercise="1.2"
def encode(ids, merges):
    """The ids after every merge, in the order in which they were learned."""
    # a dict keeps its order; your function merge does one of them
    return ...


encode = check("1.2", encode)


# %% tags=["solution"] exercise="1.2"
def encode(ids, merges):
    """The ids after every merge, in the order in which they were learned."""
    for pair, new in merges.items():
        ids = merge(ids, pair, new)
    return ids


encode = check("1.2", encode)

# %% [markdown]
# Now your tokenizer reads our sentence, then every text of `data/corpus/mixed.jsonl`, in fourteen languages, code and emoji. How
# many of them come back exactly when the ids are turned into bytes again? **Try it** with a sentence of your own.

# %%
mixed = course.load_mixed()
texts = [sentence, *mixed["text"]]
coded = [[i for word in bpe.split_words(text) for i in encode(to_ids(word), merges)] for text in texts]
print("|".join(vocabulary[i].decode(errors="replace") for i in coded[0]))
back = [b"".join(vocabulary[i] for i in ids).decode() for ids in coded]
print(sum(a == b for a, b in zip(texts, back, strict=True)), "of", len(texts), "texts come back exactly")

# %% [markdown]
# Bytes can spell anything, so nothing is ever lost. With only 150 merges this tokenizer knows short words like *the*, and still
# cuts *sun* and *east* into three pieces each.
#
# ### The other way to cut: WordPiece
#
# Our encoder's tokenizer is a **WordPiece** with 30,522 pieces. It does not replay merges. For each word it takes the longest piece
# of its vocabulary that fits at the beginning, then the longest that fits next, and so on. A piece that continues a word is written
# with `##`. If nothing fits, the whole word becomes `[UNK]`. Before any of this a **normalizer** takes off capitals and most accents,
# because this vocabulary is *uncased*.
#
# We run it by hand on six words, beside the library's WordPiece and the decoder's BPE. (A � is a byte that is only part of a character.)
# **Try it** with words of your own, letters only. (The library also cuts at spaces, punctuation and around Chinese characters before it
# matches. Our function does not.)


# %%
def longest_match(word, vocabulary):
    """The WordPiece tokens of one word: always the longest piece that fits."""
    pieces, rest = [], word
    while rest:
        mark = "##" if pieces else ""
        fits = [n for n in range(len(rest), 0, -1) if mark + rest[:n] in vocabulary]
        if not fits:
            return ["[UNK]"]
        pieces.append(mark + rest[: fits[0]])
        rest = rest[fits[0] :]
    return pieces


# %%
normalize, rows = encoder_tokenizer.backend_tokenizer.normalizer.normalize_str, []
for word in ("sunrise", "Unquestionably", "xylophonist", "Café", "żółw", "🐢"):
    merged = [tokenizer.decode([i]) for i in tokenizer.encode(" " + word)]
    found = longest_match(normalize(word), encoder_tokenizer.vocab), encoder_tokenizer.tokenize(word), merged
    rows.append((word, normalize(word), *map("|".join, found)))
show_table(("word", "normalized", "longest match by hand", "library's WordPiece", "decoder's BPE"), rows)

# %% [markdown]
# The two cut the same word differently. BPE replays its merges, which came from the pairs that were frequent in training. WordPiece takes
# the longest piece it owns. The encoder's normalizer takes the accent off *café*, and WordPiece forgets which emoji it saw. That is a
# fair trade for an encoder that only compares meanings. A model that has to write French or Python cannot afford it.
#
# ### What does a text cost?
#
# Tokens are what you pay for, what you wait for, and what fills the context window. Words are a poor measure of text, since Chinese
# and Thai have no spaces. We count tokens per 100 **bytes**. Your algorithm has a fast twin in `labutils.transformer.bpe`, which
# learns 1,600 merges from the prose here. Beside it stand the decoder's BPE (49,152 entries) and the WordPiece.

# %%
three = {"ours": bpe.BPETokenizer(bpe.train_bpe(prose, 1_600)), "decoder's BPE": tokenizer, "WordPiece": encoder_tokenizer}
by_language = costs.cost_rows(mixed, three, compared="decoder's BPE")
costs.show_costs(by_language, three)
french = next(row for row in by_language if row.name == "French").times_english  # 12 numbers
print("French, times English: {:.1f} ({:.1f} to {:.1f}, 95 %, n = 12)".format(*bootstrap_interval(french)))

# %% [markdown]
# The table begins with what is cheapest for the decoder. English leads, because the decoder's tokenizer was trained mostly on English.
# Ours has never seen Greek or Hindi and spends one token on every byte. That makes 100, the most a byte-level tokenizer can need. Digits
# are expensive because the decoder's tokenizer has no token of two or more digits. WordPiece is the cheapest in most rows, partly because
# it keeps less. It drops spaces, capitals and most accents, and in some rows text was lost in an `[UNK]`. On Thai one `[UNK]` stands for
# the whole line.
#
# The column *times English* asks the fair question. It compares each line with its English translation, under the decoder's
# tokenizer, and takes the mean. For French there are twelve lines, enough for an interval. Each other language has one line, so read
# those as illustrations.
#
# ### Ids from another tokenizer
#
# An id is a row number in one model's table and nothing else. What does the decoder make of ids that come from the encoder's
# tokenizer? We measure its **loss** on eight passages, the mean of −ln p over the tokens that actually follow. With natural logarithms its
# unit is called a *nat*. Guessing blindly among 49,152 tokens costs ln 49,152 = 10.8 nats per token.

# %%
predict("1.p1")

# %%
pair = [[cut.encode(text, add_special_tokens=False)[:64] for text in prose[:8]] for cut in (tokenizer, encoder_tokenizer)]
passages, wrong = torch.tensor(pair, device=model.device)  # (8, 64) each
losses = [float(ablation.loss_by_position(model, ids).mean()) for ids in (passages, wrong)]
print("loss on the right ids {:.1f}, on the wrong ids {:.1f} nats per token, n = 8".format(*losses))
print("our sentence as the decoder reads it:", repr(tokenizer.decode(encoder_tokenizer.encode(sentence)[1:-1])))
outcome("1.p1", 1 if losses[1] < losses[0] + 1 else 3 if losses[1] > 9 else 2)

# %% [markdown]
# The wrong ids are worse than blind guessing, because the model is confident about the wrong text. There is no error and no warning.
# **A model needs the tokenizer it was trained with**, in fine-tuning and in generation. (You may add tokens to a vocabulary, but then
# their rows have to be trained.) When a good model suddenly writes nonsense, look at the tokenizer first.

# %% [markdown]
# ## 2. From numbers to vectors
#
# Each id picks a row of a table, the **embedding**, with 576 learned numbers for each of 49,152 tokens. In this model the same table
# is used again at the very end, to score every token as the next one.
#
# From here on everything is arithmetic on tensors. Comments give the shape of each one. T is the number of tokens, D = 576 the size of a
# token's vector, d = 64 the size of one head (section 3), V = 49,152 the size of the vocabulary, and `...` stands for any number of
# dimensions in front. If you know NumPy, you know most of this notation. It works the same in PyTorch.

# %%
x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])  # (2, 3): two rows of three
tens, ones = torch.tensor([10, 20, 30]), torch.tensor([1, 2])  # (3), (2)
show_table(("notation", "what it does", "result"), [
    ("x[..., :2]", "takes the first two of the last dimension", x[..., :2].tolist()),
    ("x.sum(dim=-1)", "adds along the last dimension, one result per row", x.sum(dim=-1).tolist()),
    ("x @ x.T", "dot product of every row with every row", (x @ x.T).tolist()),
    ("x.transpose(0, 1).shape", "exchanges two dimensions", tuple(x.transpose(0, 1).shape)),
    ("x[:, None].shape", "puts in a dimension of size 1", tuple(x[:, None].shape)),
    ("tens[:, None] + ones", "(3, 1) with (2) gives (3, 2), all pairs", (tens[:, None] + ones).tolist()),
    ("torch.cat([tens, ones], dim=-1)", "lays one beside the other", torch.cat([tens, ones], dim=-1).tolist()),
])  # fmt: skip

# %% [markdown]
# What do directions mean? We compare two vectors by the **cosine** of the angle between them, which is 1 for the same direction,
# 0 for a right angle and −1 for opposite directions. It is the dot product divided by both lengths. **Try it** with a word of your
# own in the list.


# %%
def cosine(a, b):
    """The cosine (...) of the angle between vectors a and b, (..., D) each."""
    return (a * b).sum(dim=-1) / (a.norm(dim=-1) * b.norm(dim=-1))


show_block("embedding")
table = model.get_input_embeddings().weight  # (49152, 576)
ids = torch.tensor(tokenizer.encode(sentence), device=model.device)  # (10)
print([tokenizer.decode([i]) for i in ids.tolist()], ids.tolist())
for word in (" king", " Paris", " sun"):  # try it: add a word of your own, with its space
    near = cosine(table[tokenizer.encode(word)[0]], table).topk(7).indices[1:]
    print(repr(word), "->", [tokenizer.decode([i]) for i in near.tolist()])

# %% [markdown]
# The neighbours are spellings of the same word, then its relatives. Tokens that are used alike end up in similar directions, because
# that makes the next token easier to predict.
#
# ### One word, two meanings
#
# The table has *one* row for *bank*, whether it holds money or a river. Before transformers, **recurrent networks** (RNNs) read word
# by word and carried a state along, so that a word's vector depended on what came before it. Attention does this for all words at
# once. Both of our models hand out the vector of a word after each of their blocks. We compare *bank* in two pairs of sentences.

# %%
predict("1.p2")


# %%
def vectors_of(network, cut, text, word):
    """The vectors (L+1, D) of a one-token word, before the first block and after each."""
    inputs = cut(text, return_tensors="pt").to(network.device)
    place = inputs.input_ids[0].tolist().index(cut.encode(word, add_special_tokens=False)[0])
    states = network(**inputs, output_hidden_states=True).hidden_states  # L+1 of (1, T, D)
    return torch.stack([state[0, place] for state in states])


rightward = ("The bank raised its interest rates", "The bank was flooded by the river")
leftward = ("She put her savings in the bank", "She pulled the boat up on the bank")
for texts in (leftward, rightward):
    ours = cosine(*(vectors_of(model, tokenizer, text, " bank") for text in texts))  # (31)
    theirs = cosine(*(vectors_of(encoder, encoder_tokenizer, text, "bank") for text in texts))  # (7)
    print(*texts, sep=" / ")
    for name, found in (("decoder", ours), ("encoder", theirs)):
        print(f"  {name}: first {found[0]:.3f}, half way {found[len(found) // 2]:.3f}, before the last block {found[-2]:.3f}, after it {found[-1]:.3f}")
outcome("1.p2", round(float(ours[-1]), 3))

# %% [markdown]
# At the start every *bank* is the same row of the table. (The encoder has added positions to it.) When the context stands on the left,
# both models give *bank* two different vectors. (Whether it is the meaning or only the wording that counts, a pair with the same meaning
# would show. And the decoder's last vector has also passed the final norm, so its last drop is not the work of a block alone.) When it
# stands on the right, the decoder's two vectors have a cosine of 1.000, because it reads from left to right and has not seen the rest
# yet. The encoder looks both ways.
#
# A few directions are large in *every* vector, so that even different meanings keep a high cosine. A cosine of .8 means nothing by
# itself. Only comparisons do.

# %% [markdown]
# ## 3. Attention
#
# A dictionary returns a value for a key that matches exactly. **Attention is a lookup by degrees.** Each token makes three vectors
# from its own: a **query** (what it looks for), a **key** to match on, and a **value** to pass on. The better a key fits the query,
# the more of its value is taken. Three learned matrices make them, W_Q, W_K and W_V.
#
# Here is one query in a plain loop. We take one head of the first block of the real model. The query is that of our last token,
# *the*. Each **score** is a dot product divided by √64, the **softmax** turns scores into weights that sum to one, and the result is
# the average of the values under those weights.

# %%
block = model.model.layers[0]
x = block.input_layernorm(table[ids]).double()  # (10, 576); section 4 builds this norm
rows = slice(3 * 64, 4 * 64), slice(64, 2 * 64), slice(64, 2 * 64)  # head 3, and the keys and values it uses, which three heads share
parts = (block.self_attn.q_proj, block.self_attn.k_proj, block.self_attn.v_proj)
q, k, v = (x @ part.weight[cut].double().T for part, cut in zip(parts, rows, strict=True))  # (10, 64) each
scores = [sum(float(a * b) for a, b in zip(q[-1], key, strict=True)) / math.sqrt(64) for key in k]
total = sum(math.exp(score) for score in scores)
weights = [math.exp(score) / total for score in scores]
by_loop = sum(weight * value for weight, value in zip(weights, v, strict=True))  # (64)
for i, weight in zip(ids.tolist(), weights, strict=True):
    print(f"{tokenizer.decode([i]):6} {weight:.3f}", "█" * round(40 * weight))

# %% [markdown]
# The last token looks for *in*. But there are two of them, and they get exactly the same weight, as do the two copies of *the* (*The*
# with a capital is another row). The same row makes the same key, wherever it stands. **Attention does not see order.** It receives a
# bag of tokens.
#
# So positions have to be put in. The first transformer added **sines and cosines** of many speeds to the embedding (Vaswani et
# al. 2017). Number 2i of position t is sin(t / 10000^(2i/D)), number 2i + 1 the cosine. The first i turn fast, the last ones slowly.
#
# Newer models, ours too, **rotate** queries and keys instead of adding anything (Su et al. 2021). The numbers of a query are taken in
# pairs, and each pair is an arrow in a plane. At position t, pair i is turned by the angle t · speed_i, where speed_i = base^(−i /
# (d/2)). The base is 10,000 in the paper and 100,000 in our model. Turning (a, b) by an angle gives (a cos − b sin, b cos + a sin).
#
# **Exercise 1.3.** `rotate(x, positions, base)` takes the tensors x (..., T, d) and positions (T), and returns a tensor, x turned, in the
# same shape. In our model, number i makes a pair with number i + d/2, so the first half of the vector holds every a and the second
# half every b.


# %% tags=["exercise"] exercise="1.3"
def rotate(x, positions, base=10_000.0):
    """x (..., T, d) with each pair (i, i + d/2) turned by its position times its speed."""
    half = x.shape[-1] // 2
    speeds = base ** (-torch.arange(half, device=x.device) / half)
    # 1. angles (T, half), 2. the two halves of x, 3. turn them, 4. join them again
    return ...


rotate = check("1.3", rotate)


# %% tags=["solution"] exercise="1.3"
def rotate(x, positions, base=10_000.0):
    """x (..., T, d) with each pair (i, i + d/2) turned by its position times its speed."""
    half = x.shape[-1] // 2
    speeds = base ** (-torch.arange(half, device=x.device) / half)
    angles = positions[:, None] * speeds
    a, b = x[..., :half], x[..., half:]
    cos, sin = angles.cos().to(x), angles.sin().to(x)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


rotate = check("1.3", rotate)

# %%
predict("1.p3")

# %%
show_block("rotation")
show_rotation(rotate, [(2, 0), (3, 1), (12, 10), (12, 11)])
base, found = model.config.rope_parameters["rope_theta"], []  # 100,000
for at_query, at_key in ((7, 3), (107, 103), (7, 4), (7, 7)):
    turned = rotate(torch.stack([q[-1], k[3]]), torch.tensor([at_query, at_key], device=q.device), base)  # (2, 64)
    found.append(float(turned[0] @ turned[1]))
    print(f"real query at {at_query:3}, real key at {at_key:3}: dot product {found[-1]:.3f}")
outcome("1.p3", 1 if abs(found[0] - found[1]) < 1e-2 else 3)

# %% [markdown]
# The picture draws one pair of numbers, turned by one radian per position. Dotted arrows are before the turn, solid ones after it. The
# lines below it use a real query and key with all their 32 pairs. Of the two positions only their distance counts, and here is why.
# Turning by an angle m is a matrix R(m). The transpose of a rotation turns back, and turns add up, so
#
# $$(R(m)\,q) \cdot (R(n)\,k) = q^\top R(m)^\top R(n)\,k = q^\top R(n - m)\,k .$$
#
# The positions m and n are gone, and n − m is left. The next cell computes both sides. Sines and cosines were chosen for the same reason.
# The last line takes the dot product of two positions that are three apart, in three places.


# %%
def R(t):
    """The matrix (2, 2) that turns an arrow by the angle t, in radians."""
    return torch.tensor([[math.cos(t), -math.sin(t)], [math.sin(t), math.cos(t)]])


print("R(7)ᵀ R(3) =", R(7).T @ R(3), "R(3 − 7) =", R(3 - 7), sep="\n")
waves = attention.sinusoidal_positions(64, 32)  # (64, 32)
print("sines and cosines", [round(float(waves[t] @ waves[t - 3]), 3) for t in (3, 10, 60)])

# %% [markdown]
# ### All queries at once
#
# **Exercise 1.4.** `attend(q, k, v)` takes queries (..., T, d), keys (..., S, d) and values (..., S, e), and returns the outputs
# (..., T, e). It does what the loop did, for each query. Each query has its own row of weights, and each row sums to one.


# %% tags=["exercise"] exercise="1.4"
def attend(q, k, v):
    """Scaled dot-product attention: outputs (..., T, e) for queries (..., T, d)."""
    # 1. scores (..., T, S), 2. softmax along a row, 3. the average of the values
    return ...


attend = check("1.4", attend)


# %% tags=["solution"] exercise="1.4"
def attend(q, k, v):
    """Scaled dot-product attention: outputs (..., T, e) for queries (..., T, d)."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return scores.softmax(dim=-1) @ v


attend = check("1.4", attend)

# %% [markdown]
# Loop, matrices and PyTorch's own `scaled_dot_product_attention` should agree. A float64 keeps about 16 digits, so a difference of
# 1e-12 is only rounding. The last line is a lookup that you can follow by eye. Three keys have a direction each, their values are 10,
# 20 and 30, and the query points along the third, more and more strongly.

# %%
library = F.scaled_dot_product_attention(q, k, v)  # (10, 64)
for name, row in {"loop": by_loop, "matrices": attend(q, k, v)[-1], "PyTorch": library[-1]}.items():
    print(f"{name:9}", [round(value, 4) for value in row[:5].tolist()])
keys, values = torch.eye(3), torch.tensor([[10.0], [20.0], [30.0]])
print("strength 0, 1, 5, 50:", [round(float(attend(s * keys[2:], keys, values)), 2) for s in (0, 1, 5, 50)])
assert torch.allclose(attend(q, k, v).double(), library, atol=1e-6) and torch.allclose(library[-1], by_loop, atol=1e-12)

# %% [markdown]
# With a query of strength 0 the answer is the plain average, and with a strong one attention looks up like a dictionary. In between it is
# a blend. A blend
# can be differentiated, so it can be learned.
#
# **Keys and values are separate projections.** Many notes let them be one vector, because in the first attention for translation
# (Bahdanau et al. 2015) both *were* the same states of the encoder. In a transformer, W_K and W_V are two matrices of the same shape
# that read the same input. What happens if we exchange the two in block 5 of the real model?

# %%
before = ablation.loss_by_position(model, passages).mean(1)  # (8), a loss per passage
with ablation.exchanged_keys_and_values(model, layer=5):
    after = ablation.loss_by_position(model, passages).mean(1)
print(f"loss {float(before.mean()):.1f} -> {float(after.mean()):.1f} nats per token")
print("a rise of {:.1f} ({:.1f} to {:.1f}, 95 %, n = 8)".format(*bootstrap_interval((after - before).tolist())))

# %% [markdown]
# One exchange in one block of 30 does this. The key by which a token is found is not the value that it passes on.
#
# ### Why divide by √d?
#
# The score is a dot product of d numbers. We take queries and keys of random numbers with variance 1, and let each query choose
# among 32 keys, without and with the division.

# %%
study = studies.scale_study([4, 16, 64, 256, 1024])
rows = [(r.dim, r.variance, r.largest, r.scaled_largest, r.gradient, r.scaled_gradient) for r in study]
show_table(("d", "variance of q · k", "largest weight", "the same, scaled", "derivative", "the same, scaled"), rows)
query, keys = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [3.0, 3.0]])  # the second key is longer, at 45 degrees
print("by cosine", cosine(query, keys).tolist(), "by attention", attend(query, keys, torch.eye(2)).tolist()[0])

# %% [markdown]
# A sum of d independent terms of variance 1 has variance d. With such large scores the softmax puts nearly everything on one key. The
# *derivative* is that of the weights by the scores. It says how much the weights move when the scores move a little, and so how much
# there is to learn from. At d = 1024 the unscaled derivative is little more than a quarter of the scaled one. With the division, nothing
# depends on d. (At d = 4 and 16 the derivative is even larger without the division, and T5 omits the root and starts from smaller weights
# instead. What matters is that scores begin at a sensible size.)
#
# The last line shows that the score is **not cosine similarity**. The first key points exactly along the query and wins by cosine. The
# second is longer and wins by attention. A model can make a key loud or quiet, whatever its direction.

# %% [markdown]
# ### The causal mask
#
# A decoder predicts the next token at *every* position at once. If position 3 could look at position 4, it would only have to copy. So
# the future is hidden, by setting its scores to minus infinity **before** the softmax.
#
# **Exercise 1.5.** `causal_weights(scores)` takes scores (..., T, T), row = query, column = key, already scaled. It returns the
# weights. Each row sums to one and nothing falls on later columns, but a token may look at itself.


# %% tags=["exercise"] exercise="1.5"
def causal_weights(scores):
    """Attention weights (..., T, T) under a causal mask."""
    T = scores.shape[-1]
    # torch.ones(T, T, dtype=torch.bool).triu(n) is True from n places right of the diagonal on
    return ...


causal_weights = check("1.5", causal_weights)


# %% tags=["solution"] exercise="1.5"
def causal_weights(scores):
    """Attention weights (..., T, T) under a causal mask."""
    T = scores.shape[-1]
    future = torch.ones(T, T, dtype=torch.bool, device=scores.device).triu(1)
    return scores.masked_fill(future, float("-inf")).softmax(dim=-1)


causal_weights = check("1.5", causal_weights)

# %% [markdown]
# ### Many heads
#
# One softmax can look in one way only. So attention has several **heads**, each with its own queries, keys and values of 64 numbers,
# and each attends on its own. Every head's W_Q reads the *whole* vector of 576 numbers. In practice one matrix computes the queries of
# all heads, and its **result** is cut into heads. The outputs are laid side by side again and mixed by one more matrix, W_O.
#
# **Exercise 1.6.** `split_heads(x, heads)` takes x (B, T, H·e) and returns (B, H, T, e), where B is the number of texts. Head 0 gets
# the first e numbers of each position, head 1 the next e, and so on.


# %% tags=["exercise"] exercise="1.6"
def split_heads(x, heads):
    """(B, T, H*e) to (B, H, T, e)."""
    B, T, D = x.shape
    return ...


split_heads = check("1.6", split_heads)


# %% tags=["solution"] exercise="1.6"
def split_heads(x, heads):
    """(B, T, H*e) to (B, H, T, e)."""
    B, T, D = x.shape
    return x.reshape(B, T, heads, D // heads).transpose(1, 2)


split_heads = check("1.6", split_heads)

# %% [markdown]
# ### The whole attention part
#
# You have every step now. Our model saves memory. It has 9 heads of queries, which share 3 heads of keys and values, three to each
# (**grouped-query attention**, Ainslie et al. 2023). So keys and values are repeated before they meet the queries. We print one
# row of your result and of the real part, and the weights of the head from the loop, now with rotation and mask.

# %%
heads, groups = model.config.num_attention_heads, model.config.num_key_value_heads  # 9, 3


def attention_part(x, part, places):
    """x (1, T, 576), normed, through one attention part: the output (1, T, 576) and the weights (1, 9, T, T)."""
    q = rotate(split_heads(x @ part.q_proj.weight.T, heads), places, base)  # (1, 9, T, 64)
    k = rotate(split_heads(x @ part.k_proj.weight.T, groups), places, base)  # (1, 3, T, 64)
    v = split_heads(x @ part.v_proj.weight.T, groups)  # (1, 3, T, 64)
    k, v = (each.repeat_interleave(heads // groups, dim=1) for each in (k, v))  # (1, 9, T, 64)
    weights = causal_weights(q @ k.mT / math.sqrt(q.shape[-1]))  # (1, 9, T, T)
    return (weights @ v).transpose(1, 2).flatten(2) @ part.o_proj.weight.T, weights


places = torch.arange(len(ids), device=model.device)  # (10)
normed = block.input_layernorm(table[ids])[None]  # (1, 10, 576)
ours, weights = attention_part(normed, block.self_attn, places)  # (1, 10, 576), (1, 9, 10, 10)
theirs = block.self_attn(normed, model.model.rotary_emb(normed, places[None]), None)[0]
for name, output in (("yours", ours), ("real ", theirs)):
    print(name, [round(value, 4) for value in output[0, -1, :5].tolist()])
print("head 3, first rows", weights[0, 3, :3, :5].cpu(), "head 3, last row", weights[0, 3, -1].cpu(), sep="\n")
assert torch.allclose(ours, theirs, atol=1e-4)

# %% [markdown]
# Nothing lies to the right of the diagonal, and each row sums to one. In the last row the two copies of *in* no longer get the same
# weight, because rotation tells them apart. The near one gets most of it.
#
# Other models have more heads. BERT-base has 12 in each layer (Devlin et al. 2019), GPT-3 has 96 (Brown et al. 2020, table 2.1), and
# Llama 3.1 405B has 128, which share 8 heads of keys and values (Llama team 2024, table 3). Ours is a small model.
#
# **Try it.** Walk through all 270 heads with Tab and the arrow keys, and put in a sentence of your own. Look for a head that always
# looks one token back, and for one that looks at the very first token whatever it reads. Each row sums to 100 %. Be careful with
# what you conclude. A bright spot says where a head looks. It does not say that the head matters, nor what it does with what it finds.

# %% tags=["device"]
mine = sentence
mine_ids = torch.tensor(tokenizer.encode(mine))
maps = studies.attention_maps(model, mine_ids)  # (30, 9, T, T)
explore_heads(maps, [tokenizer.decode([i]) for i in mine_ids], layer=16, head=0)
assert torch.allclose(maps.sum(-1), torch.ones(1), atol=1e-4) and not maps.triu(1).any()

# %% [markdown]
# ## 4. Around attention
#
# Each part of a block *adds* its output to its input, x + f(x). So one **residual stream** of 576 numbers per token runs through the
# whole model. Each part reads from it and writes into it. Since everything adds up, the stream grows, and each part reads it
# through a **norm**. Ours is RMS norm, which divides the vector by the root of its mean square and multiplies by a learned gain.
# (Layer norm, in the first transformers, also takes off the mean.)
#
# At the very end, a last norm and a dot product with each row of the embedding table give the **logits**, one number per token of the
# vocabulary.
#
# **Exercise 1.7.** `read_out(h, gain, unembedding, eps)` takes h (..., D), a learned gain (D) and the table (V, D). Bring each vector
# of h to a mean square of one (eps is added under the root so that nothing is divided by zero), multiply by the gain, and return the
# dot products (..., V).


# %% tags=["exercise"] exercise="1.7"
def read_out(h, gain, unembedding, eps=1e-5):
    """Logits (..., V) of hidden states h (..., D): RMS norm, gain, then a dot product with each row of the table."""
    return ...


read_out = check("1.7", read_out)


# %% tags=["solution"] exercise="1.7"
def read_out(h, gain, unembedding, eps=1e-5):
    """Logits (..., V) of hidden states h (..., D): RMS norm, gain, then a dot product with each row of the table."""
    normed = h / (h.square().mean(dim=-1, keepdim=True) + eps).sqrt()
    return (normed * gain) @ unembedding.T


read_out = check("1.7", read_out)

# %% [markdown]
# Your function is also the norm by itself. With the identity matrix in the place of the table, each dot product just copies a number.
#
# ### The feed-forward part
#
# After attention has brought information together, a **feed-forward** part works on each row alone. In ours, two matrices widen the row
# from 576 to 1,536 numbers. One of the results goes through silu(z) = z · sigmoid(z) and becomes a **gate** that multiplies the other.
# A third matrix brings the row back to 576.

# %%
predict("1.p4")


# %%
def norm(x, gain):
    """RMS norm of x (1, T, 576), by read_out with the identity for a table."""
    return read_out(x, gain, torch.eye(len(gain), device=x.device), model.config.rms_norm_eps)


def feed_forward_part(x, part):
    """x (1, T, 576), normed, through one feed-forward part, (1, T, 576)."""
    gate = x @ part.gate_proj.weight.T  # (1, T, 1536)
    return (gate * gate.sigmoid() * (x @ part.up_proj.weight.T)) @ part.down_proj.weight.T


for name, output in (("yours", feed_forward_part(normed, block.mlp)), ("real ", block.mlp(normed))):  # (1, 10, 576)
    print(name, [round(value, 3) for value in output[0, -1, :5].tolist()])
sizes = [sum(weight.numel() for weight in part.parameters()) for part in (block.self_attn, block.mlp)]
print("weights in one block: attention {:,}, feed-forward {:,}".format(*sizes))
outcome("1.p4", round(100 * sizes[1] / sum(sizes)))

# %% [markdown]
# Most of a transformer is *not* attention. What is all that for?
#
# First, it **computes what an average cannot**. Attention only averages values. Suppose that a row has gathered two facts, a and b, each
# 0 or 1, and that *exactly one of the two* is needed. No weighted sum of a and b gives that, because if it gives 1 for a alone and 1 for
# b alone, it gives 2 for both. A gate **multiplies** two projections of the row, and with a product it is easy: a + b − 2ab.
#
# Second, it is often said that its weights hold what the model has learned about the world. We test that. We silence parts of the real
# model and ask for two things. One is *knowledge*, with 66 questions such as *We hear with our …* and four choices each. The other is
# *copying*, with six rows of 40 random tokens, each row repeated once. In the second half, the next token is the one that followed the
# first time.

# %%
predict("1.p5")

# %% tags=["device"]
questions = list(course.load_probes()["facts"])
repeats = ablation.repeated_tokens(model, texts=lab.size(smoke=2, small=6))  # (6, 80)
# try it: other blocks in place of the last two (the first is the prediction's)
ranges = [range(15, 20), range(20, 25), range(25, 30)][: lab.size(smoke=1, small=3)]
study = ablation.part_study(model, tokenizer, questions, repeats, ranges)
spans = [[66 * end for end in bootstrap_interval(row.right.int().tolist())] for row in study]
rows = [
    (row.part, row.blocks, f"{mean:.0f} ({low:.0f} to {high:.0f})", f"{row.copied:.0%}")
    for row, (mean, low, high) in zip(study, spans, strict=True)
]
show_table(("silenced", "in blocks", "right, of 66 (95 %)", f"copied, of {39 * len(repeats)} tokens"), rows)
_, no_attention, no_feed_forward, *_ = (row.right.int() for row in study)  # (66) each
mean, low, high = (66 * part for part in bootstrap_interval((no_attention - no_feed_forward).tolist()))
print(f"first pair: {mean:.0f} fewer right without feed-forward than without attention ({low:.0f} to {high:.0f}, 95 %)")
outcome("1.p5", 2 if low > 0 else 1 if high < 0 else 3)
assert low > 0 or not lab.course_model

# %% [markdown]
# A guess gets 16.5 of 66 right. In blocks 15 to 19 the model answers almost as many questions without attention as before, and copies
# nothing. Without the feed-forward parts it answers clearly fewer, and copying nearly stops as well, since it needs both parts. In the
# last five blocks the model can do without attention, while without the feed-forward parts it loses the copying and many answers. In
# blocks 20 to 24 the counts are the other way round, but the intervals overlap and we computed none for the difference. If it is real,
# attention may carry what was recalled to the last position, where the answer is read.
#
# A common summary says that **attention moves information between positions, and the feed-forward part works on what has arrived**. The
# first and the last pair fit it, the middle one does not, and one experiment on one small model proves nothing either way. (Geva et al.
# 2021 read its first matrices as keys that detect patterns, and the last as values that they add to the stream.)

# %% [markdown]
# ## 5. The whole model, by hand
#
# Now chain it all. The sentence's ids pick rows of the table. Each block adds its attention part, then its feed-forward part. Your
# `read_out` gives the logits. There is nothing else in the model. We compare with the library's own logits, all 49,152 at each of
# ten positions.


# %%
def forward(ids, places):
    """Ids (T) to logits (T, 49152) through every block of the real model, with nothing but the functions of this lab."""
    x = table[ids][None]  # (1, T, 576)
    for block in model.model.layers:
        x = x + attention_part(norm(x, block.input_layernorm.weight), block.self_attn, places)[0]
        x = x + feed_forward_part(norm(x, block.post_attention_layernorm.weight), block.mlp)
    return read_out(x, model.model.norm.weight, model.lm_head.weight, model.config.rms_norm_eps)[0]


real_logits = model(ids[None]).logits[0]  # (10, 49152)
logits = forward(ids, places)  # (10, 49152)
print("yours  ", [round(value, 2) for value in logits[-1, :6].tolist()])
print("library", [round(value, 2) for value in real_logits[-1, :6].tolist()])
assert torch.allclose(logits, real_logits, atol=2e-3)

# %% [markdown]
# All 491,520 numbers agree to within rounding. You have written a language model.
#
# What does it say? The softmax over the whole vocabulary turns the last row of logits into probabilities, and the **argmax** is the
# token with the largest. (For the argmax alone the softmax is not needed, since it keeps the order.) **Try it** with a prompt of your
# own. The second line runs the same model with every token at position 0.

# %%
mine_ids = torch.tensor(tokenizer.encode(sentence), device=model.device)  # try it: your own prompt
for name, speed in (("positions 0, 1, 2 …", 1), ("all at position 0", 0)):
    top = forward(mine_ids, speed * torch.arange(len(mine_ids), device=model.device))[-1].softmax(dim=-1).topk(5)
    named = zip(map(tokenizer.decode, top.indices.tolist()), top.values.tolist(), strict=True)
    print(f"{name:20}", [(token, round(p, 3)) for token, p in named])

# %% [markdown]
# With every token at position 0, attention cannot tell near from far or the first *in* from the second by place. Only the mask leaves a
# trace of the order, because each token sees only what came before it. The model still guesses the topic, but no longer knows what sets
# where.

# %% [markdown]
# ### The generate loop
#
# Append the token and run the model again. This is **autoregression**. Two special tokens frame it. A **start token** gives the model a
# first position to predict from, and an **end token** is how the model says that it is done. (Our sentence went in without a start token.
# This tokenizer adds none to plain text; in the chat below, the template writes it.)
#
# **Exercise 1.8.** `generate(next_logits, ids, end, max_new_tokens)` gets a function from a list of ids to the logits (V) of the token
# after them. Return the list of ids that greedy decoding *adds*, including the end token if it comes. Stop there, or after
# max_new_tokens. The prompt itself may hold the end token, which means nothing. Leave `ids` as it is.


# %% tags=["exercise"] exercise="1.8"
def generate(next_logits, ids, end, max_new_tokens):
    """The ids (a list of ints) that greedy decoding adds to ids."""
    added = []
    return ...


generate = check("1.8", generate)


# %% tags=["solution"] exercise="1.8"
def generate(next_logits, ids, end, max_new_tokens):
    """The ids (a list of ints) that greedy decoding adds to ids."""
    added = []
    while len(added) < max_new_tokens:
        added.append(int(next_logits(ids + added).argmax()))
        if added[-1] == end:
            break
    return added


generate = check("1.8", generate)

# %% [markdown]
# Your loop runs on your model. It continues our sentence, then answers a question in a chat, whose turns are framed by the start and
# end tokens. The assert checks that the library's greedy decoding writes the same.


# %%
def next_logits(ids):
    """Logits (49152) of the token after ids, by your own model."""
    return forward(torch.tensor(ids, device=model.device), torch.arange(len(ids), device=model.device))[-1]


chat = [{"role": "user", "content": "What is the capital of France?"}]
framed = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) if tokenizer.chat_template else sentence
for text, length in ((sentence, 4), (framed, 16)):
    prompt = tokenizer.encode(text)
    added = generate(next_logits, prompt, tokenizer.eos_token_id, length)
    print(text, "->", [tokenizer.decode([i]) for i in added], "\n")
    library = model.generate(torch.tensor([prompt], device=model.device), max_new_tokens=length, do_sample=False)
    assert added == library[0, len(prompt) :].tolist()

# %% [markdown]
# The way back from ids to text, **detokenization**, is a lookup and a join, and special tokens are left out of what a user sees.
#
# ### Three families
#
# | family | reads | gives | for example | good for |
# | --- | --- | --- | --- | --- |
# | encoder-only | both ways | a vector for each token | BERT, our MiniLM | search, classes, similarity |
# | decoder-only | what came before | the next token | GPT, Llama, our SmolLM2 | writing, chat |
# | encoder-decoder | the source both ways, the target so far | the next token of the target | T5, BART, the first transformer | translating, summarizing |
#
# Some notes list sequence-to-sequence under encoder-only. An encoder-only model takes a text and returns *vectors*, and has nothing to
# write with. **Sequence-to-sequence is the encoder-decoder's job**, and a decoder-only model can do it too, as a continuation. *Going
# further* runs one of each.

# %% [markdown]
# ## What you have built
#
# - A **tokenizer** turns text into ids. It belongs to one model. Its price depends on the language.
# - The **embedding** gives each id a vector, the same for every copy of the token.
# - **Attention** lets each position look at earlier ones and take a weighted average of their values. Rotation makes the weights depend
#   on distance, the mask hides the future, and several heads look in several ways.
# - The **feed-forward part** has three quarters of a block's weights and works on each position alone.
# - Everything is **added** to one residual stream, read through norms, and read out as logits.
#
# **Next**, lab 02 turns logits into text in more ways than greedy. The rest of this lab is optional. Three questions to finish with.

# %% tags=["device"]
for id in ("1.a", "1.b", "1.c"):
    quiz(id)
progress("01")
assert torch.allclose(logits, real_logits, atol=2e-3)

# %% [markdown] tags=["optional"]
# ## Going further: inside a real model
#
# Seven short studies, to be run in order. They use the functions you wrote above.

# %% [markdown] tags=["optional"]
# ### A. The KV cache
#
# When the next token comes, the keys and values of the earlier ones stay what they were, because the mask hides the newcomer from
# them. So a program keeps them, and only the newcomer needs a query, a key and a value. With the cache, your `attend` needs no mask,
# since nothing lies ahead of the newest token. We compare it with the last row of the full computation.

# %% tags=["optional"]
import time

from labutils.transformer import gpt, seq2seq, study_figures

block = model.model.layers[0]
x, places = block.input_layernorm(table[ids])[None], torch.arange(len(ids), device=model.device)  # (1, 10, 576), (10)
part = block.self_attn
keys = rotate(split_heads(x @ part.k_proj.weight.T, groups), places, base)  # (1, 3, 10, 64): what the cache holds
values = split_heads(x @ part.v_proj.weight.T, groups)  # (1, 3, 10, 64)
keys, values = (each.repeat_interleave(heads // groups, dim=1) for each in (keys, values))  # (1, 9, 10, 64)
query = rotate(split_heads(x[:, -1:] @ part.q_proj.weight.T, heads), places[-1:], base)  # (1, 9, 1, 64): the newcomer alone
cached = attend(query, keys, values)[0, :, 0].flatten() @ part.o_proj.weight.T  # (576)
full = attention_part(x, part, places)[0][0, -1]  # (576)
print("with a cache", [round(value, 4) for value in cached[:5].tolist()])
print("all anew    ", [round(value, 4) for value in full[:5].tolist()])
assert torch.allclose(cached, full, atol=1e-4)

# %% [markdown] tags=["optional"]
# The price is memory. Each token keeps 2 (key, value) × 30 blocks × 3 heads × 64 numbers × 4 bytes = 46,080 bytes. The gain is time,
# because without a cache each step reads the whole text again. How much it gains depends on your machine and on the length of the text,
# here a prompt of 200 tokens.

# %% tags=["device", "optional"]
long_prompt = torch.tensor([tokenizer.encode(" ".join(prose[:4]))[:200]], device=model.device)
n, speeds, outputs = lab.size(smoke=4, small=10, standard=16, gpu=64), [], []
for use_cache in (True, False):
    began = time.perf_counter()
    outputs.append(model.generate(long_prompt, max_new_tokens=n, min_new_tokens=n, do_sample=False, use_cache=use_cache))
    speeds.append(n / (time.perf_counter() - began))
print("tokens per second with a cache {:.1f}, without {:.1f}".format(*speeds))
record("tokens/s with and without cache", [round(speed, 2) for speed in speeds])
assert torch.equal(*outputs)

# %% [markdown] tags=["optional"]
# The tokens are the same. Lab 04 returns to the memory.

# %% [markdown] tags=["optional"]
# ### B. Attention sinks
#
# Rather than look at 270 maps one by one, we compute two scores for each head on a passage of 160 tokens, the mean weight on the token
# before and the mean weight on the very first token. Two heads that we will need are circled.

# %% tags=["optional"]
passage = long_prompt[0, :160]
long_maps = studies.attention_maps(model, passage)  # (30, 9, 160, 160)
looks_back = long_maps.diagonal(offset=-1, dim1=2, dim2=3).mean(-1)  # (30, 9)
looks_first = long_maps[:, :, 8:, 0].mean(-1)  # (30, 9)
print(f"more than half of the weight on the first token: {int((looks_first > 0.5).sum())} of {looks_first.numel()} heads")
study_figures.show_head_scores(looks_back, looks_first, circled=[(16, 0), (18, 6)])

# %% [markdown] tags=["optional"]
# Why would so many heads look at the first token? A softmax has to put its weight *somewhere*, even when a head finds nothing it looks
# for. The first token serves as a **sink** (Xiao et al. 2023). If so, little should be taken from there. A head adds weight times
# value, so we compare the lengths of the value vectors in head 6 of block 18.

# %% tags=["optional"]
deep, size = model.model.layers[18], model.config.head_dim
stream = model(passage[None], output_hidden_states=True).hidden_states[18]  # (1, 160, 576)
group = 6 // (heads // groups)  # head 6 uses the third head of values
values = deep.self_attn.v_proj(deep.input_layernorm(stream))[0, :, group * size : (group + 1) * size]  # (160, 64)
lengths, weight = values.norm(dim=-1).cpu(), long_maps[18, 6, 8:]  # (160), (152, 160)
print(f"weight on the first token: {float(weight[:, 0].mean()):.2f} on average, n = {len(weight)} queries")
print(f"length of its value {float(lengths[0]):.2f}, of the others {float(lengths[1:].mean()):.2f} on average")
print(f"its share of all weight times length: {float((weight[:, 0] * lengths[0]).sum() / (weight * lengths).sum()):.2f}")
assert lengths[0] < lengths[1:].mean() / 2

# %% [markdown] tags=["optional"]
# The head puts nearly all of its weight there, but a much smaller share of weight times length comes from there, because that value is
# short. **A bright spot on a map is not importance.**

# %% [markdown] tags=["optional"]
# ### C. What a map does not prove: an induction head
#
# On prose this head rests on the first token. We suspect that it is an **induction head** (Olsson et al. 2022), one that looks, where a
# text repeats itself, at what came after the earlier copy of the present token. A map only gives the idea. To test it, we silence heads
# and look at the loss at each position of random tokens, 40 of them twice over. Beside it stands the loss on eight prose passages. Head 0
# of the same block is silenced for comparison. Heads that look one token back are thought to feed the induction heads, so we silence the
# three strongest of them too.

# %% tags=["device", "optional"]
strongest = [(i // heads, i % heads) for i in looks_back.flatten().topk(3).indices.tolist()]
cuts = {"none": [], "18.6 (induction)": [(18, 6)], "18.0": [(18, 0)], "three that look back": strongest}
cuts["four induction heads"] = [(18, 6), (18, 7), (17, 3), (17, 4)]
curves, rows = {}, []
for name, cut in cuts.items():
    with ablation.without_heads(model, cut):
        curves[name] = ablation.loss_by_position(model, repeats)  # (6, 79)
        on_prose = ablation.loss_by_position(model, passages)  # (8, 63)
    first, second = curves[name][:, :39], curves[name][:, 40:]
    change = bootstrap_interval((second - curves["none"][:, 40:]).mean(1).tolist())
    means = [round(float(losses.mean()), 2) for losses in (first, second, on_prose)]
    rows.append((name, *means, "{:+.1f} ({:+.1f} to {:+.1f})".format(*change)))
header = ("heads silenced", "first time", "second time", "prose", f"second time, change (95 %, n = {len(repeats)})")
show_table(header, rows, "Loss in nats per token")
study_figures.show_losses(curves)
assert not lab.course_model or (rows[1][2] > rows[0][2] + 1 and abs(rows[2][2] - rows[0][2]) < 0.5)

# %% [markdown] tags=["optional"]
# One head of 270 changes the loss on the repetition a lot and the loss on prose hardly at all. Head 0 of the same block changes neither.
# The heads that look back matter too, as the explanation predicts. There is more than one such head, and without four that we picked by
# hand as candidates most of the gain from the repetition is gone. (The first time the loss is above blind guessing, because the model
# expects real text.) This was measured on one model and on random tokens.

# %% [markdown] tags=["optional"]
# ### D. Reading the stream early
#
# Nothing forbids calling `read_out` after *any* block. This is the **logit lens** (nostalgebraist 2020). We follow the rank of the right
# answer, 1 being the leader, for four prompts that have one right answer.


# %% tags=["optional"]
def ranks(prompt, answer):
    """The rank (31) of the answer's first token at the last position, before the first block and after each."""
    out = model(**tokenizer(prompt, return_tensors="pt").to(model.device), output_hidden_states=True)
    early = torch.stack([state[0, -1] for state in out.hidden_states[:-1]])  # (30, 576)
    logits = torch.cat([read_out(early, model.model.norm.weight, table), out.logits[0, -1:]])  # (31, V)
    return (logits > logits[:, tokenizer.encode(answer)[:1]]).sum(dim=1).cpu() + 1


# %% tags=["optional"]
shepherd, opposite, italy = "A shepherd looks after a flock of", "The opposite of hot is", "The capital of Italy is"
answers = {sentence: " west", shepherd: " sheep", opposite: " cold", italy: " Rome"}
curves = {prompt: ranks(prompt, answer) for prompt, answer in answers.items()}
for prompt, curve in curves.items():
    print(f"{answers[prompt]:7} leads from block", 31 - int((curve.flip(0) == 1).cumprod(0).sum()), "on, of 30")
study_figures.show_ranks(curves, answers)

# %% [markdown] tags=["optional"]
# All four answers stay far back for some twenty blocks and lead only at the end. (Here *block 28* means after 28 blocks. Elsewhere we
# number blocks from 0.)
#
# Be careful with the middle. The lens reads every block with the *last* block's norm and table, and a block may write in a way that
# this reading cannot see (Belrose et al. 2023 train a lens for each layer).

# %% [markdown] tags=["optional"]
# ### E. Why residuals?
#
# Of the gradient at the top of 24 blocks, how much reaches the bottom, and how much if each part gives only f(x) instead of
# x + f(x)? The blocks have random weights. The answer depends on how these begin, so we show two ways, PyTorch's default with a standard
# deviation of 1/√(3n) for n inputs, and 1/√n.

# %% tags=["optional"]
rows = [(*row, f"{share:.0e}") for *row, share in study_figures.show_gradients()]
show_table(("weights start at", "block", "gradient at the bottom, top = 1"), rows)

# %% [markdown] tags=["optional"]
# How far the gradient vanishes depends on the starting weights. Without sum and norm it loses many orders of magnitude, and with one
# start far more than with the other. The sum gives the gradient a direct path, but with the larger start and no norm the gradient
# explodes. A norm keeps it in scale. Real models have both.

# %% [markdown] tags=["optional"]
# ### F. A GPT of your own
#
# `labutils/transformer/gpt.py` puts the parts of this lab into a class. Read it now. In the classes `Block` and `GPT` little should be
# new. The training loop below them is. It learns from the course's prose, byte by byte. Its score is in **bits per byte** of text that it
# has not seen, against counting how often each byte occurs (unigram) and how often it follows the one before (bigram).

# %% tags=["device", "optional"]
steps = lab.size(smoke=4, small=200)
training = gpt.train_gpt(prose, steps=steps, eval_interval=max(1, steps // 4), device=lab.device)
rows = [(point.step, round(point.train, 2), round(point.validation, 2)) for point in training.curve]
show_table(("step", "training text", "unseen text"), rows, "Bits per byte")
print(f"counting: unigram {training.unigram:.2f}, bigram {training.bigram:.2f}")
print(training.sample("The sun", max_new_tokens=80))
record("small GPT: bits per byte on unseen text", round(training.curve[-1].validation, 3))
assert training.curve[-1].validation < training.curve[0].validation
assert lab.profile == "smoke" or training.curve[-1].validation < training.bigram < training.unigram

# %% [markdown] tags=["optional"]
# After a few hundred steps it beats counting, and what it writes begins to look like words. `train_gpt(prose)` takes 500 steps. The real
# model read two trillion tokens (Allal et al. 2025), and this one some seventy thousand bytes.

# %% [markdown] tags=["optional"]
# ### G. The other two families
#
# First the encoder, on three sentences, and for comparison the decoder's vectors averaged in the same way.


# %% tags=["optional"]
def sentence_vector(text):
    """The mean (384) of the encoder's last hidden states."""
    return encoder(**encoder_tokenizer(text, return_tensors="pt").to(encoder.device)).last_hidden_state.mean(1)[0]


lines = ("The cat sleeps on the sofa.", "A kitten naps on the couch.", "The bank raised its rates.")


def decoder_vector(text):
    """The mean (576) of the decoder's last hidden states."""
    return model.model(**tokenizer(text, return_tensors="pt").to(model.device)).last_hidden_state.mean(1)[0]


for name, vector in (("encoder", sentence_vector), ("decoder", decoder_vector)):
    first, second, third = (vector(line) for line in lines)
    print(f"{name}: cat and kitten {float(cosine(first, second)):.2f}, cat and bank {float(cosine(first, third)):.2f}")
print("can write: encoder", encoder.can_generate(), "- decoder", model.can_generate())
assert not encoder.can_generate()

# %% [markdown] tags=["optional"]
# The encoder separates the pairs clearly. That is not because it is an encoder. MiniLM was trained for it, on a billion pairs of
# sentences, with a **contrastive** loss that pulls the two of a pair together and pushes others apart. BERT without such training gives
# poor sentence vectors (Reimers and Gurevych 2019).

# %% [markdown] tags=["optional"]
# For the third family we train a tiny encoder-decoder that translates rows of old English numbers. *Four and twenty* is 24. What is said
# first is written last, so the model must look back and forth. *Nineteen* is one word for two digits, so it cannot just count places.

# %% tags=["device", "optional"]
train_pairs, test_pairs = seq2seq.translation_datasets()
translator = seq2seq.build_translator("transformer")
losses = seq2seq.train_translator(translator, train_pairs, lab.size(smoke=5, small=600, standard=800))
print(f"{len(losses)} steps, loss {losses[0]:.2f} -> {losses[-1]:.2f}")
study_figures.show_cross_attention(seq2seq.cross_attention(translator, seq2seq.translation_pair([24, 19, 73]).source))
assert losses[-1] < losses[0]

# %% [markdown] tags=["optional"]
# This is **cross-attention**. Its queries come from the decoder, its keys and values from the encoder. Each row is one step of the decoder
# with a context vector of its own. Before attention there was *one vector for everything*. The last state of an RNN encoder, of a fixed
# size, had to hold the whole source.

# %% [markdown] tags=["optional"]
# So attention did not just make RNNs better. It **removed the fixed-vector bottleneck**, and the longer the source, the more this should
# matter. We compare two recurrent networks (GRU) of similar size, without and with attention, on the same data with the same steps.

# %% tags=["device", "optional"]
rivals, shares = {"transformer": translator}, {}
for kind in ("gru", "gru+attention"):
    rivals[kind] = seq2seq.build_translator(kind)
    _ = seq2seq.train_translator(rivals[kind], train_pairs, len(losses))
for kind, network in rivals.items():
    scores = seq2seq.exact_match(network, test_pairs)
    shares[kind] = [round(scores[n].right / scores[n].total, 2) for n in range(1, 7)]
rows = [(kind, seq2seq.trainable_parameters(rivals[kind]), *share) for kind, share in shares.items()]
show_table(("model", "parameters", *map(str, range(1, 7))), rows, "Share of exact translations by how many numbers there are")
tested = [scores[n].total for n in range(1, 7)]
print("tested:", tested, "- with 100 tests a share is known to about ± .10 at most")
record("exact translations by length", shares)
assert lab.profile == "smoke" or shares["gru"][-1] + 0.3 < min(shares["transformer"][-1], shares["gru+attention"][-1])

# %% [markdown] tags=["optional"]
# With one number all three do well. With six, the GRU that must squeeze everything
# into one vector falls far behind the two with attention. That is what was measured, after these steps, at this size, in
# one training run of each. It does not say
# how much such a vector can hold after longer training. Bahdanau et al. (2015) found the same trend on real translation. An
# RNN also has to read one word after another, while attention reads all at once, which is why transformers train so well on
# parallel hardware.

# %% [markdown] tags=["optional"]
# ### What a sceptic would say
#
# - *"It is one small model."* The equalities are about the architecture and hold in any Llama-type model. Which head does what, and after
#   which block an answer leads, is about this one.
# - *"Silencing a part puts zeros where none ever were."* True. A loss that rises shows that the part was used, not what it was used for.
#   That is why each study compares with another part or another task.
# - *"Six rows and eight passages are few."* The intervals say how few. For a claim about models in general, take many models.
