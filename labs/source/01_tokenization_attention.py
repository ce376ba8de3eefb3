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
# How does text become numbers, and what does a transformer do with them? In this lab you write every part yourself, first as a
# loop, then as matrices, and hold it against the library and against the weights of a real model, number for number.
#
# By the end you can
# - train a byte-pair tokenizer, and say what another tokenizer would cost and lose;
# - measure similarity as an angle, and show what a model loses without positions;
# - write attention: scaled, causal, with several heads, with a cache; and rebuild one layer of a real model from it;
# - read attention maps, and say what they do not prove;
# - write the loop that generates text, and tell the three families of transformers apart by running one of each.
#
# Eight exercises, three quizzes; about two hours if you do them all. `hint("1.1")` helps with exercise 1.1, and so on. If the next
# cell finds no `labutils`, choose *Kernel > Change Kernel > LLM Labs* and run it again.

# %%
from labutils import check, guard, hint, load_encoder, load_model, outcome, predict, progress, quiz, record, show, start

# %% [markdown]
# Here the lab looks at the machine it runs on.

# %% tags=["device"]
lab = start("01", seed=0)
assert lab.profile in ("smoke", "small", "standard", "gpu")

# %% [markdown]
# Where we are on the map: to select a model you have to know what is inside one.

# %%
from labutils.course import show_map

show_map("01")

# %% [markdown]
# Two models: the decoder of lab 00, which writes, and a small encoder, which turns a sentence into one vector. We only read from
# them, so they need no gradients. `agree` holds what you write against a library, number for number, and insists.

# %%
from collections import Counter

import torch

model, tokenizer = load_model()
encoder, encoder_tokenizer = load_encoder()
for part in (model, encoder):
    part.requires_grad_(False)


def agree(what, ours, theirs, tolerance):
    """Insist that two tensors agree within an absolute tolerance."""
    assert (ours - theirs).abs().max() <= tolerance, f"{what}: apart"
    print(f"{what}: equal within {tolerance:g}")


# %% [markdown]
# ## 1. From text to numbers
#
# A network multiplies numbers, so text must become numbers first. One number a word? Then every new name is unknown. One number a
# letter? Then texts get long, and a letter means little. The compromise is **pieces**: common words whole, rare ones in parts.
#
# The bottom of it all is **bytes**. Any text in any script is a row of numbers from 0 to 255 in UTF-8. **Predict:** how many bytes
# do these six characters take?

# %%
text = "Żółw 🐢"
print(len(text), "characters,", len(text.encode()), "bytes:", list(text.encode()))

# %% [markdown]
# ASCII letters take one byte, accented ones two, the turtle four. With 256 numbers nothing is ever unknown. **Byte-pair
# encoding** (BPE) starts from here: count the neighbours, give the most frequent pair a number of its own, repeat.

# %% [markdown]
# **Exercise 1.1.** One merge. `merge(ids, pair, new)` takes a list of ids, a pair (a tuple of two ids) and a new id. It returns a
# new list in which the new id stands for each occurrence of the pair, found from left to right.


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
# Three rounds on a toy: count all pairs of neighbours, merge the most frequent. The bar shows where a token ends.

# %%
ids, pieces = list(b"low lower lowest"), [bytes([value]) for value in range(256)]
for new in range(256, 259):
    (best, count), *_ = Counter(zip(ids, ids[1:], strict=False)).most_common()
    ids = merge(ids, best, new)
    pieces.append(pieces[best[0]] + pieces[best[1]])
    print(f"{count} times {pieces[new]!r}:", "|".join(pieces[i].decode() for i in ids))

# %% [markdown]
# After two merges *low* is one token. Nobody told it about words: frequency did.
#
# Now the course's own prose, seventy kilobytes. Real tokenizers cut the text into words first, so that no token ever spans
# *"dog."* and *"dog!"*; the blank before a word belongs to it. Each different word then needs counting only once.

# %%
from labutils import course
from labutils.transformer import bpe

print(bpe.split_words("It rained, didn't it?"))
prose = list(course.load_prose()["text"])
counts = Counter(word for text in prose for word in bpe.split_words(text))
print(f"{sum(counts.values()):,} words, {len(counts):,} different ones")

# %% [markdown]
# The training, whole. `bpe.BYTES` numbers the 256 bytes as GPT-2 did, so that ours can be compared with the library's. When two
# pairs are equally frequent, the one with the smaller ids wins: without such a rule nobody could repeat it.


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
# **Predict:** what are the first pieces that English gets?

# %%
merges = train(counts, 150)
vocabulary = list(bpe.BYTES)
for left, right in merges:
    vocabulary.append(vocabulary[left] + vocabulary[right])
print([piece.decode() for piece in vocabulary[256:286]])

# %% [markdown]
# Endings, little words, the blank in front. Is it what the library learns? `tokenizers` is the one behind most open models.

# %%
import json

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

library = Tokenizer(models.BPE())
library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
alphabet = pre_tokenizers.ByteLevel.alphabet()
trainer = trainers.BpeTrainer(vocab_size=406, initial_alphabet=alphabet, show_progress=False)
library.train_from_iterator(prose, trainer)
theirs = json.loads(library.to_str())["model"]["merges"]
ours = [[library.id_to_token(left), library.id_to_token(right)] for left, right in merges]
print(len(ours), "merges, equal to the library's, in the same order:", ours == theirs)
assert ours == theirs

# %% [markdown]
# **Exercise 1.2.** Encoding is *not* counting again: it replays the merges, in the order in which they were learned.
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
# Two promises to hold it to: the same ids as the library, and every text back exactly, whatever its script. The mixed texts have
# French, code, emoji, Arabic, Thai.


# %%
mixed = course.load_mixed()
for text in [*mixed["text"], *prose[:2]]:
    ids = [i for word in bpe.split_words(text) for i in encode(to_ids(word), merges)]
    assert ids == library.encode(text).ids
    assert b"".join(vocabulary[i] for i in ids).decode() == text
print(len(mixed) + 2, "texts: the same ids as the library, and every text comes back exactly")

# %% [markdown]
# ### What does a text cost?
#
# `labutils.transformer.bpe` is the same algorithm with bookkeeping that makes it fast, so ours may learn 1,600 merges now. Beside it stand the
# decoder's tokenizer (byte-level BPE too, 49,152 entries) and the encoder's. That one is a **WordPiece**: it
# knows 30,522 pieces, and a text that it cannot build from them becomes `[UNK]`. **Predict:** for which kind of text do they
# differ most?

# %%
from labutils.course import BLUE, ORANGE, new_figure, show_table
from labutils.transformer import BPETokenizer, token_costs, train_bpe

ours = BPETokenizer(train_bpe(prose, 1_600))
three = {"ours": ours, "BPE (decoder)": tokenizer, "WordPiece (encoder)": encoder_tokenizer}
texts = {}
for row in mixed:
    texts.setdefault(row["kind"], []).append(row["text"])
texts["french, said in english"] = [row["english"] for row in mixed if row["kind"] == "french"]
costs = {kind: token_costs(lines, three) for kind, lines in texts.items()}
rows = [(kind, *(round(cost.tokens_per_word, 2) for cost in row)) for kind, row in costs.items()]
show_table(("kind", *three), rows, "Tokens per word (words cut at blanks)")
for fr, en in zip(costs["french"], costs["french, said in english"], strict=True):
    print(f"{fr.name}: {fr.tokens / en.tokens:.2f} French tokens for each English one, same message")

# %% [markdown]
# Tokens are what you pay for, what you wait for, and what fills the context window. The French lines come with a translation, so
# that the fair question could be asked: the lines under the table tell what *the same message* costs. All three tokenizers learned
# mostly or only from English, and French pays for it. Digits and other scripts pay more.
#
# WordPiece looks cheap on emoji. **Predict** why, then look at what comes back after encoding and decoding.

# %%
rows = []
for kind, (_, by_bytes, wordpiece) in costs.items():
    ids = encoder_tokenizer.encode(texts[kind][0][:60], add_special_tokens=False)
    back = f"{by_bytes.restored:.0%}", f"{wordpiece.restored:.0%}", wordpiece.unknown
    rows.append((kind, *back, encoder_tokenizer.decode(ids)))
show_table(("kind", "BPE", "WordPiece", "[UNK] tokens", "the first line, back"), rows, "Back exactly")

# %% [markdown]
# It saves by losing. Capitals and most accents are gone, blanks and line breaks too, and each run of emoji became one `[UNK]`.
#
# For an encoder that only compares meanings this is a fair trade. A model that has to *write* French or Python cannot work so.
#
# ### The wrong tokenizer
#
# An id is a row number in one model's table and nothing else. **Predict:** we encode English with the encoder's tokenizer and
# give the ids to the decoder. Its **loss** is the mean of −ln p over the tokens that came. Will it be nearer to that of the right
# ids, or to blind guessing, ln 49,152?


# %%
import math


def loss_of(ids):
    """The decoder's mean loss on a list of ids, in nats a token."""
    ids = torch.tensor([ids], device=model.device)
    return float(model(ids, labels=ids).loss)


right = loss_of(tokenizer.encode(prose[0]))
wrong = loss_of(encoder_tokenizer.encode(prose[0], add_special_tokens=False))
blind = math.log(model.config.vocab_size)
print(f"right ids {right:.1f}, wrong ids {wrong:.1f}, blind guessing {blind:.1f} nats a token")
assert right < 5 and wrong > 0.9 * blind

# %% [markdown]
# As good as blind. And what does it write? First the question as the decoder reads it, then its answer:

# %% tags=["device"]
question = "The capital of France is"
foreign = encoder_tokenizer(question, add_special_tokens=False, return_tensors="pt").input_ids
written = model.generate(foreign.to(model.device), max_new_tokens=12, do_sample=False)
print(repr(tokenizer.decode(foreign[0])), "->", repr(tokenizer.decode(written[0, foreign.shape[1] :])))
assert "Paris" not in tokenizer.decode(written[0])

# %% [markdown]
# No error, no warning, just nonsense. So: **the tokenizer that a model was trained with serves it for ever**, in fine-tuning and
# in generation. When a good model suddenly talks rubbish, look at the tokenizer first.

# %%
quiz("1.a")

# %% [markdown]
# ## 2. From numbers to vectors
#
# The id picks a row of a table, the **embedding**: 576 learned numbers for each of 49,152 tokens. In this model the same table is
# used again at the very end, to score each token as the next one.
#
# What do directions mean? Compare two vectors by the **cosine** of the angle between them: 1 for the same direction, 0 for a right
# angle, −1 for opposite. It is the dot product divided by both lengths.
#
# **Predict:** which tokens lie nearest to *king*, *Paris*, *seven*? The model never saw a dictionary.


# %%
def cosine(a, b):
    """The cosine (...) of the angle between vectors a and b, (..., D) each."""
    return (a * b).sum(dim=-1) / (a.norm(dim=-1) * b.norm(dim=-1))


table = model.get_input_embeddings().weight  # (49152, 576)
assert table is model.lm_head.weight
for word in (" king", " Paris", " seven"):
    near = cosine(table[tokenizer.encode(word)[0]], table).topk(8).indices[1:]
    print(repr(word), "->", [tokenizer.decode([i]) for i in near.tolist()])

# %% [markdown]
# Spellings of the same word, then its relatives. Tokens used alike end up in like directions, because that makes the next token
# easier to predict.
#
# ### One word, two meanings
#
# The table has *one* row for *bank*. Money or river? The row cannot know. Before transformers, **recurrent networks** (RNNs) read
# word by word and carried a state along, so that a word's vector depended on what came before. Attention does it for all words at
# once. Here are two words with two meanings each, three sentences a meaning.

# %%
twofold = {
    "bank": (
        "She opened a savings account at the bank",
        "He borrowed money from the bank",
        "The cashier counted the notes at the bank",
        "The fisherman sat on the muddy river bank",
        "Otters dug a burrow in the river bank",
        "The boat drifted on the water towards the grassy bank",
    ),
    "bat": (
        "At dusk the owl chased a moth and a bat",
        "With its leathery wings and sharp ears flew the bat",
        "The vampire in the story turned into a bat",
        "The baseball player swung his bat",
        "She hit the ball hard with the bat",
        "The cricket coach oiled the wooden bat",
    ),
}

# %% [markdown]
# `output_hidden_states` gives the vector of every token after every layer; we take it at the word in question. For each layer: the
# mean cosine of two sentences with the same meaning, less that of two with different meanings. **Predict** the gap at layer 0,
# before any attention.


# %%
def layers_at(network, cutter, sentence, word):
    """The hidden states (L+1, D) at a one-token word; row 0 is before the first layer."""
    inputs = cutter(sentence, return_tensors="pt").to(network.device)
    place = inputs.input_ids[0].tolist().index(cutter.encode(word, add_special_tokens=False)[0])
    states = network(**inputs, output_hidden_states=True).hidden_states
    return torch.stack([layer[0, place] for layer in states]).cpu()


def gap(network, cutter, word, sentences):
    """Mean cosine within a meaning less that between the two, (L+1,); the first three sentences share one."""
    vectors = torch.stack([layers_at(network, cutter, text, word) for text in sentences])  # (6, L+1, D)
    similar = cosine(vectors[:, None], vectors[None])  # (6, 6, L+1)
    alike = torch.arange(6)[:, None] // 3 == torch.arange(6) // 3
    return similar[alike & ~torch.eye(6, dtype=torch.bool)].mean(0) - similar[~alike].mean(0)


# %%
readers = {"decoder": (model, tokenizer, " "), "encoder": (encoder, encoder_tokenizer, "")}
figure, axes = new_figure("Layer by layer, the two meanings of a word part")
for (word, sentences), marker in zip(twofold.items(), "os", strict=True):
    for (name, (network, cutter, blank)), colour in zip(readers.items(), (BLUE, ORANGE), strict=True):
        gaps = gap(network, cutter, blank + word, sentences)
        share = torch.linspace(0, 1, len(gaps))
        axes.plot(share, gaps, marker + "-", color=colour, markersize=4, label=f"{word}, {name}")
        assert gaps[0].abs() < 0.05 and gaps.max() > 0.03
axes.set(xlabel="share of the layers done (decoder 30, encoder 6)", ylabel="gap in mean cosine")
axes.legend(frameon=False)
show(
    figure,
    "Gap between same and different meanings against depth, for two words in two models: all four curves start near 0 "
    "and rise in the first third; bank reaches a wider gap than bat.",
)

# %% [markdown]
# At layer 0 every *bank* is the same row of the table (the encoder has added positions to it). A few layers later the company it
# keeps has changed it. In these sentences *bat* is told apart less clearly than *bank*.
#
# Why the gap and not the cosine itself? A few directions are large in *every* vector, so even different meanings keep a high
# cosine. A cosine of .8 means nothing by itself; only the comparison does.
#
# Our decoder reads from left to right. **Predict:** what do these two sentences do to its vector of *bank*, and to the encoder's?

# %%
pair = ("The bank raised its interest rates", "The bank was flooded by the river")
first, second = (layers_at(model, tokenizer, text, " bank")[-1] for text in pair)
agree("the decoder's vectors of bank", first, second, 1e-3)
first, second = (layers_at(encoder, encoder_tokenizer, text, "bank")[-1] for text in pair)
print("the encoder's differ:", bool((first - second).abs().max() > 0.1))

# %% [markdown]
# The decoder has not read the rest yet, so it cannot know. The encoder looks in both directions. Remember it for section 7.

# %% [markdown]
# ### Where does a word stand?
#
# Attention itself does not see order, as section 3 will prove. So the position has to be put into the vectors. The first
# transformer added a pattern of **sines and cosines**, clocks of many speeds: place 2i of position t holds sin(t / 10000^(2i/D)),
# place 2i + 1 the cosine. (The library's translation models keep all sines first, then all cosines.)
#
# Why clocks? The dot product of two positions depends only on how far apart they are, so "three words back" looks the same
# everywhere.

# %%
from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

T, D = 64, 32
angles = torch.arange(T)[:, None] / 10_000 ** (torch.arange(0, D, 2) / D)  # (T, D/2)
waves = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)  # (T, D)
theirs = MarianSinusoidalPositionalEmbedding(T, D).create_weight()
agree("sines and cosines", torch.cat([waves[:, 0::2], waves[:, 1::2]], dim=1), theirs, 1e-5)
three_back = (waves @ waves.T).diagonal(-3)  # (T-3,)
agree("position t and t - 3, for all t", three_back, three_back[0], 1e-4)

# %% [markdown]
# Newer models, ours too, **rotate** instead of adding (Su et al. 2021). Each query and key is cut into pairs of numbers, and pair
# i is turned by the angle t · speed_i, where speed_i = base^(−i / (d/2)). Turning (a, b) by an angle gives
# (a cos − b sin, b cos + a sin).

# %% [markdown]
# **Exercise 1.3.** `rotate(x, positions, base)` takes x (..., T, d), positions (T,), and returns x turned, same shape. In our
# model's weights, place i makes a pair with place i + d/2: the first half of the vector holds all the a, the second all the b.


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

# %% [markdown]
# Equal to the real model's own rotation, with its head size of 64 and its base of 100,000?

# %%
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

base = model.config.rope_parameters["rope_theta"]
q, k = torch.randn(2, 1, 9, 20, 64, generator=torch.Generator().manual_seed(1)).to(model.device)
places = torch.arange(20, device=model.device)
theirs = apply_rotary_pos_emb(q, k, *model.model.rotary_emb(q, places[None]))
agree("queries", rotate(q, places, base), theirs[0], 1e-4)
agree("keys", rotate(k, places, base), theirs[1], 1e-4)
scores, later = (rotate(q, at, base) @ rotate(k, at, base).mT for at in (places, places + 100))
agree("scores a hundred places further on", later, scores, 0.01)

# %% [markdown]
# The distance is again all that counts: a hundred places further on, every query and key give the same score.

# %% [markdown]
# **Predict:** what is lost without positions? We tell the encoder that every word stands at position 0.


# %%
def sentence_vector(sentence, with_positions=True):
    """The mean (D,) of the encoder's last hidden states."""
    inputs = encoder_tokenizer(sentence, return_tensors="pt").to(encoder.device)
    places = torch.arange(inputs.input_ids.shape[1], device=encoder.device)[None]
    return encoder(**inputs, position_ids=places * with_positions).last_hidden_state.mean(1)[0]


bites = ("the dog bit the postman", "the postman bit the dog")
agree("without positions", *(sentence_vector(text, False) for text in bites), 1e-4)
one, other = (sentence_vector(text) for text in bites)
print("with positions they differ:", bool((one - other).abs().max() > 0.05))

# %% [markdown]
# Without positions, who bit whom is gone: the model sees a bag of words. With them the two sentences differ, though not by much.

# %% [markdown]
# ## 3. Attention
#
# A dictionary gives back a value for a key that fits exactly. **Attention is a lookup that fits by degrees.** A token asks a
# question, its *query*. Every token offers a *key*, what it can be found by, and a *value*, what it hands over. The better a key
# fits the query, the more of its value is taken.
#
# One query in a loop, with everything visible: a **score** for each key (the dot product, divided by √d), the **softmax** of the
# scores, and the average of the values under those weights.

# %%
generator = torch.Generator().manual_seed(0)
T, d = 5, 8
Q, K, V = torch.randn(3, T, d, generator=generator, dtype=torch.float64)

scores = []
for key in K:
    product = sum(float(a * b) for a, b in zip(Q[2], key, strict=True))
    scores.append(product / math.sqrt(d))
total = sum(math.exp(score) for score in scores)
by_loop = torch.zeros(d, dtype=torch.float64)
for score, value in zip(scores, V, strict=True):
    by_loop += math.exp(score) / total * value
print("weights", [round(math.exp(score) / total, 3) for score in scores])

# %% [markdown]
# **Exercise 1.4.** All queries at once. `attend(q, k, v)` takes queries (..., T, d), keys (..., S, d), values (..., S, e), and
# returns the outputs (..., T, e). Each query has its own row of weights, and a row sums to one.


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
# Loop, matrices, library: equal at each step? PyTorch's own is `F.scaled_dot_product_attention`. How far apart may two correct
# programs be? A float64 keeps about 16 digits, a float32 about 7, so we allow 1e-12 and 1e-5.

# %%
import torch.nn.functional as F

agree("row 2 and the loop", attend(Q, K, V)[2], by_loop, 1e-12)
agree("float64 and PyTorch", attend(Q, K, V), F.scaled_dot_product_attention(Q, K, V), 1e-12)
q, k, v = (x.float() for x in (Q, K, V))
agree("float32 and PyTorch", attend(q, k, v), F.scaled_dot_product_attention(q, k, v), 1e-5)

# %% [markdown]
# ### A lookup, literally
#
# Give each of three keys a direction of its own and ask for the third. **Predict:** what comes back if the query points weakly
# along that key, and what if it points strongly?

# %%
keys, values = torch.eye(3), torch.tensor([[10.0], [20.0], [30.0]])
for strength in (0.0, 1.0, 5.0, 50.0):
    print(f"strength {strength:4}: {float(attend(strength * keys[2:], keys, values)):.2f}")

# %% [markdown]
# No question, and the answer is the plain average. A strong one, and it is a dictionary. In between, a blend: and a blend can be
# differentiated, so it can be learned.
#
# `!` Many notes let keys and values be the same vector. In a transformer they are **separate projections of the same input**: each
# layer has a matrix W_K and a matrix W_V. Both for one layer of the real model, as seen by one input:

# %%
layer = 5
block = model.model.layers[layer].self_attn
hidden = torch.randn(10, 576, generator=generator).to(model.device)
keys, values = block.k_proj(hidden), block.v_proj(hidden)  # (10, 192) each
print("mean |cosine| of key and value below 0.3:", bool(cosine(keys, values).abs().mean() < 0.3))
assert not torch.allclose(block.k_proj.weight, block.v_proj.weight, atol=0.01)

# %% [markdown]
# No likeness at all. The loose version circulates because in the first attention for translation (Bahdanau et al. 2015) both
# *were* the same states of the encoder.

# %%
quiz("1.b")

# %% [markdown]
# ### Why divide by √d?
#
# If the components of q and k are independent with variance 1, their product q · k is a sum of d terms of variance 1. **Predict**
# its variance for d = 4, 64, 1024.

# %%
from labutils.transformer import attention_maps, gradient_norms, scale_study

for d in (4, 64, 1024):
    products = torch.randn(2, 20_000, d, generator=generator).prod(0).sum(-1)
    print(f"d = {d:4}: variance / d = {float(products.var()) / d:.1f}")
rows = [
    (r.dim, *(round(x, 2) for x in (r.largest, r.scaled_largest, r.gradient, r.scaled_gradient)))
    for r in scale_study([1, 4, 16, 64, 256, 1024])
]
show_table(("d", "largest weight, plain", "scaled", "size of the derivative, plain", "scaled"), rows)
assert rows[-1][1] > 0.9 and rows[-1][3] < 0.5 * rows[-1][4]

# %% [markdown]
# The variance grows like d. And what does a softmax do with large numbers? It puts nearly everything on the largest; there it is
# flat, its derivative dies, and nothing can be learned. The table shows it for queries that choose among 32 random keys.
#
# Unscaled, at d = 1024 one key takes nearly all and the derivative is mostly gone. Scaled, the picture does not depend on d. That
# is the whole purpose of √d.
#
# ### It is not cosine similarity
#
# The score is a plain dot product: the **length** of a key counts. **Predict** which of two keys wins by cosine, and which by
# attention.

# %%
query, keys = torch.tensor([1.0, 0.0]), torch.tensor([[1.0, 0.0], [3.0, 3.0]])
by_angle = cosine(query, keys)  # the first is exactly aligned, but short
by_score = (keys @ query / math.sqrt(2)).softmax(-1)  # the second is 45 degrees off, but long
for name, found in (("cosine", by_angle), ("attention", by_score)):
    print(name, [round(x, 2) for x in found.tolist()])
assert by_angle.argmax() == 0 and by_score.argmax() == 1

# %% [markdown]
# The long key wins. A model uses that: it can make a key loud or quiet, whatever its direction.
#
# ### Order does not matter to attention
#
# Now the promise of section 2. Shuffle the tokens of a text: what happens to the outputs of attention?

# %%
order, places = torch.tensor([3, 0, 4, 1, 2]), torch.arange(T)
agree("shuffled in, shuffled out", attend(Q[order], K[order], V[order]), attend(Q, K, V)[order], 1e-12)
turned = attend(rotate(Q, places), rotate(K, places), V)[order]
again = attend(rotate(Q[order], places), rotate(K[order], places), V[order])
print("with rotary positions they differ:", bool((again - turned).abs().max() > 0.01))

# %% [markdown]
# Attention is *permutation-equivariant*: each token gets the same vector wherever it stands. Only positions (or a mask) tell it
# what comes first.

# %% [markdown]
# ### The causal mask
#
# A decoder predicts the next token at *every* position at once. If position 3 could look at position 4, it would only have to
# copy. So the future is hidden: its scores become minus infinity **before** the softmax.

# %% [markdown]
# **Exercise 1.5.** `causal_weights(scores)` takes scores (..., T, T), row = query, column = key, already scaled. It returns the
# weights: each row sums to one, nothing falls on later columns; a token may look at itself.


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
# Does the real model obey? We change the last word of a sentence of six. **Predict:** at which positions do the logits change?

# %%
weights = causal_weights(Q @ K.T / math.sqrt(8))
print(weights.round(decimals=2).tolist())
theirs = F.scaled_dot_product_attention(Q, K, V, is_causal=True)
agree("causal, and PyTorch", weights @ V, theirs, 1e-12)

walks = [f"We walked to the old {word}" for word in ("mill", "ship")]
logits = model(**tokenizer(walks, return_tensors="pt").to(model.device)).logits  # (2, T, V)
changed = (logits[0] - logits[1]).abs().amax(-1) > 0.1
print("changed:", changed.tolist())
assert changed.tolist() == [False] * 5 + [True]

# %% [markdown]
# Only the last. That is also what makes a cache possible, as we shall see.
#
# ### Many heads
#
# One softmax can look in one way. So the vector is cut into **heads** of 64 numbers, each with its own queries and keys, and each
# attends on its own. Their outputs are laid side by side and mixed by one more matrix.

# %% [markdown]
# **Exercise 1.6.** `split_heads(x, heads)` takes x (B, T, H·e) and returns (B, H, T, e). Head 0 gets the first e numbers of each
# position, head 1 the next e, and so on.


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
# ### One layer of the real model, weights and all
#
# You have every part now. A *hook* notes what goes into and out of one attention layer while the real model reads a sentence.

# %%
noted = {}


def note(module, args, kwargs, output):
    noted.update(x=kwargs["hidden_states"], y=output[0])


hook = block.register_forward_hook(note, with_kwargs=True)
sentence = "The keeper of the lighthouse wrote a letter to her brother."
inputs = tokenizer(sentence, return_tensors="pt").to(model.device)
real_logits = model(**inputs).logits
hook.remove()
print("in", tuple(noted["x"].shape), " out", tuple(noted["y"].shape))

# %% [markdown]
# Our model saves memory: 9 heads ask, but they share 3 heads of keys and values, three askers each (**grouped-query attention**,
# Ainslie et al. 2023). So keys and values are repeated before they meet the queries. Then scores, mask, softmax, average, in every
# head at once; the heads side by side; the last matrix. Equal to what the real layer gave?

# %%
x, places = noted["x"], torch.arange(noted["x"].shape[1], device=model.device)
q = rotate(split_heads(x @ block.q_proj.weight.T, 9), places, base)  # (1, 9, T, 64)
k = rotate(split_heads(x @ block.k_proj.weight.T, 3), places, base)  # (1, 3, T, 64)
v = split_heads(x @ block.v_proj.weight.T, 3)  # (1, 3, T, 64)
k, v = k.repeat_interleave(3, dim=1), v.repeat_interleave(3, dim=1)  # (1, 9, T, 64)
weights = causal_weights(q @ k.mT / math.sqrt(64))  # (1, 9, T, T)
mixed_heads = (weights @ v).transpose(1, 2).flatten(2)  # (1, T, 576)
agree("one layer by hand and the real one", mixed_heads @ block.o_proj.weight.T, noted["y"], 1e-4)

# %% [markdown]
# Eight lines, and they are the attention of a real language model. How many heads do others have? BERT-base has 12 (Devlin et al.
# 2019), GPT-3 has 96 in each of its 96 layers (Brown et al. 2020, table 2.1), Llama 3.1 405B has 128, which share 8 heads of keys
# and values (Llama team 2024, table 3). Ours is below the usual 12 to 100: it is a small model.

# %% [markdown]
# ### The KV cache
#
# When the next token comes, the keys and values of the earlier ones are what they were: the mask hides the newcomer from them. So
# keep them. Only the newcomer needs a query, a key and a value. Same numbers?

# %%
cache = k[:, :, :-1], v[:, :, :-1]  # what earlier steps left behind
newcomer = k[:, :, -1:], v[:, :, -1:]
all_k, all_v = (torch.cat([old, new], dim=2) for old, new in zip(cache, newcomer, strict=True))
newest = attend(q[:, :, -1:], all_k, all_v)  # (1, 9, 1, 64): no mask, nothing lies ahead
agree("one query with a cache, and the last row of all", newest, (weights @ v)[:, :, -1:], 1e-5)

# %% [markdown]
# **Predict:** how many times faster is writing with the cache, after a prompt of some two hundred tokens?

# %% tags=["device"]
import time

prose_ids = tokenizer.encode(prose[0])
long_prompt = torch.tensor([prose_ids[:200]], device=model.device)
n = lab.size(smoke=4, small=10, standard=16, gpu=64)
outputs, seconds = [], []
for use_cache in (True, False):
    began = time.perf_counter()
    settings = {"max_new_tokens": n, "min_new_tokens": n, "do_sample": False, "use_cache": use_cache}
    outputs.append(model.generate(long_prompt, **settings))
    seconds.append(time.perf_counter() - began)
speeds = [n / second for second in seconds]
print("tokens/s with a cache {:.1f}, without {:.1f}".format(*speeds))
print(f"{speeds[0] / speeds[1]:.1f} times as fast")
record("tokens/s with and without cache", [round(speed, 2) for speed in speeds])
assert torch.equal(*outputs)

# %% [markdown]
# The same tokens. Without a cache each step reads the whole text again, and the longer the text, the worse it gets. The price is
# memory: for each token 2 (keys, values) × 30 layers × 3 heads × 64 numbers × 4 bytes = 46,080 bytes. Lab 04 returns to it.

# %% [markdown]
# ## 4. What real heads look at
#
# By default the library never keeps the weights: fused attention is faster without them. `attention_maps` switches to the *eager*
# kind, which does, and back. One map for each layer and head, of a decoder and of an encoder.

# %%
maps = attention_maps(model, inputs.input_ids[0])  # (30, 9, T, T)
encoder_ids = encoder_tokenizer.encode(sentence)
encoder_maps = attention_maps(encoder, torch.tensor(encoder_ids))  # (6, 12, T, T)
agree("sums of all rows and one", maps.sum(-1), torch.ones(1), 1e-4)
agree("the same for the encoder", encoder_maps.sum(-1), torch.ones(1), 1e-4)
agree("your own weights and the real map", weights[0].cpu(), maps[layer], 1e-4)
assert not maps.triu(1).any() and encoder_maps.triu(1).any()

# %% [markdown]
# The decoder never looks ahead, the encoder does.
#
# Walk through them: choose layer, head and token with Tab and the arrow keys. **Look for** a head that always looks one token back,
# and for one that looks at the very first token whatever it reads. It opens on one of the first kind. Below it the same for the
# encoder, open on a head that looks one token *ahead*, which no decoder can do.

# %% tags=["device"]
from labutils.transformer import explore_heads

explore_heads(maps, [tokenizer.decode([i]) for i in inputs.input_ids[0]], layer=16, head=0)
words = encoder_tokenizer.convert_ids_to_tokens(encoder_ids)
explore_heads(encoder_maps, words, layer=1, head=8, token=4)
assert encoder_maps[1, 8].diagonal(1).mean() > 0.5

# %% [markdown]
# ### Finding heads by a score
#
# Rather than stare at 270 maps, compute. On a longer text: the mean weight on the token before, and the mean weight on the first
# token of all.

# %%
long_maps = attention_maps(model, torch.tensor(prose_ids[:160]))  # (30, 9, T, T)
looks_back = long_maps.diagonal(offset=-1, dim1=2, dim2=3).mean(-1)  # (30, 9)
looks_first = long_maps[:, :, 8:, 0].mean(-1)  # (30, 9)
scores = {"token before": looks_back, "first token": looks_first}
assert looks_back.max() > 0.5 and looks_first.max() > 0.9
title = "A few heads look one back; many later ones rest on the first token"
figure, panels = new_figure(title, columns=2)
for panel, (name, found) in zip(panels, scores.items(), strict=True):
    print(f"{name}: strongest in layer {int(found.argmax()) // 9}, head {int(found.argmax()) % 9}")
    picture = panel.imshow(found.T, aspect="auto", cmap="viridis", vmin=0, vmax=1)
    panel.set(title=name, xlabel="layer (from 0)", ylabel="head (from 0)")
_ = figure.colorbar(picture, ax=panels, label="mean weight")
show(
    figure,
    "Two heat maps of 30 layers by 9 heads. Token before: dark except for a few single heads. "
    "First token: dark in the early layers, bright in many heads of the later ones.",
)

# %% [markdown]
# Why would so many heads look at the first token? A softmax has to put its weight *somewhere*, even when a head finds nothing.
# The first token serves as a **sink** (Xiao et al. 2023). If that is so, little should be handed over from there. In layer 18, how
# long is its value vector, compared with those of the other tokens?

# %%
ids = torch.tensor([prose_ids[:160]], device=model.device)
stream = model(ids, output_hidden_states=True).hidden_states[18]  # (1, T, 576)
deep = model.model.layers[18]
lengths = deep.self_attn.v_proj(deep.input_layernorm(stream))[0].norm(dim=-1)  # (T,)
print("less than half as long as the others' on average:", bool(lengths[0] < lengths[1:].mean() / 2))
assert lengths[0] < lengths[1:].mean() / 2

# %% [markdown]
# Much looked at, little taken. So **a bright spot on a map is not importance**: weight times value is what counts.
#
# ### What a map does not prove
#
# Take head 6 of that layer: on prose it looks at the first token nearly all the time. Does it do nothing? We show it something
# else: forty random tokens, twice over. **Predict** what there is to look at. Is more than .7 of its weight there?

# %%
once = torch.randint(100, 40_000, (40,), generator=torch.Generator().manual_seed(0))
repeat_map = attention_maps(model, torch.cat([once, once]))[18, 6]  # (80, 80)
# What followed the earlier copy of a token stands 39 places back.
idle, busy = float(looks_first[18, 6]), float(repeat_map.diagonal(-39).mean())
print("prose, first token:", idle > 0.7, " repeat, what followed the earlier copy:", busy > 0.7)
assert min(idle, busy) > 0.7

# %% [markdown]
# It is an **induction head** (Olsson et al. 2022): it finds the earlier copy and looks at what came next. On prose it found none.
# What a head is *for* cannot be read off one map, nor off many. Maps give ideas; to test one, cut the head off and measure what gets
# worse.

# %% [markdown]
# ## 5. Around attention
#
# ### The residual stream
#
# Each part of a layer *adds* to its input: x + f(x). **Predict:** of the gradient at the top of 24 blocks, how much reaches the
# bottom, and how much if each part gives only f(x)? Attention and feed-forward with random weights, with and without a layer norm:

# %%
figure, axes = new_figure("Without residual and norm the gradient dies on its way down")
for norm, style in ((False, "-"), (True, "--")):
    for residual, colour in ((True, BLUE), (False, ORANGE)):
        norms = gradient_norms(24, residual, norm)
        label = f"{'x + f(x)' if residual else 'f(x)'}, {'layer norm' if norm else 'no norm'}"
        axes.semilogy(norms, style, color=colour, label=label)
        assert norm or (norms[0] > 0.1 * norms[-1]) == residual
axes.set(xlabel="block (0 is the bottom)", ylabel="gradient norm")
axes.legend(frameon=False)
show(
    figure,
    "Gradient norm, logarithmic, against the block. Both curves of x + f(x) are level; f(x) with a norm falls a little; "
    "f(x) alone falls by many orders of magnitude towards the bottom.",
)

# %% [markdown]
# The sum leaves a free road from the loss to every layer. (A norm before each part rescues much of the gradient too, by keeping
# the numbers in scale; real models have both.) It also gives the picture that researchers use: one **stream** runs through the
# model, and each layer reads from it and writes into it.
#
# Since everything adds up, the stream grows. So each part first reads it through a **norm**. Ours uses RMS norm: divide the vector
# by the root of its mean square, then multiply by a learned gain. (Layer norm, of the first transformers, also takes off the mean.)
#
# ### The feed-forward part
#
# After attention has brought information together, a **feed-forward** network works on each position alone. Ours has three
# matrices and a gate. By hand, equal to the real one?

# %%
mlp = model.model.layers[layer].mlp
h = torch.randn(4, 576, generator=generator).to(model.device)
gate = F.silu(h @ mlp.gate_proj.weight.T)  # (4, 1536), silu(z) = z * sigmoid(z)
agree("feed-forward", gate * (h @ mlp.up_proj.weight.T) @ mlp.down_proj.weight.T, mlp(h), 1e-4)

# %% [markdown]
# Three matrices of 576 × 1536 in each layer, against 576 × 576 and smaller in attention: most of a transformer is *not* attention.
# Lab 05 counts it.
#
# ### Reading the stream early
#
# At the end, the stream at the last position goes through a final norm and is compared with every row of the embedding table: the
# logits. Nothing forbids doing that after *any* layer. This is the **logit lens** (nostalgebraist 2020).

# %% [markdown]
# **Exercise 1.7.** `read_out(h, gain, unembedding, eps)`: h (D,), a learned gain (D,), the table (V, D). Bring h to a mean square
# of one (eps under the root keeps it from dividing by zero), multiply by the gain, and return the V dot products.


# %% tags=["exercise"] exercise="1.7"
def read_out(h, gain, unembedding, eps=1e-5):
    """Logits (V,) of a hidden state h (D,): RMS norm, gain, then a dot product with each row of the table."""
    return ...


read_out = check("1.7", read_out)


# %% tags=["solution"] exercise="1.7"
def read_out(h, gain, unembedding, eps=1e-5):
    """Logits (V,) of a hidden state h (D,): RMS norm, gain, then a dot product with each row of the table."""
    normed = h / (h.square().mean(dim=-1, keepdim=True) + eps).sqrt()
    return (normed * gain) @ unembedding.T


read_out = check("1.7", read_out)

# %% [markdown]
# **Predict:** after which of the 30 layers does the right answer lead? We follow its rank, 1 being the leader. (The library has
# applied the final norm to the last state already, so the last rank comes from the model's own logits.)


# %%
def ranks(prompt, answer):
    """The rank (31,) of the answer's first token at the last position, before layer 1 and after each layer."""
    out = model(**tokenizer(prompt, return_tensors="pt").to(model.device), output_hidden_states=True)
    early = torch.stack([state[0, -1] for state in out.hidden_states[:-1]])  # (30, 576)
    logits = torch.cat([read_out(early, model.model.norm.weight, table), out.logits[0, -1:]])  # (31, V)
    return (logits > logits[:, tokenizer.encode(answer)[:1]]).sum(dim=1).cpu() + 1


questions = {
    "The capital of France is": " Paris",
    "The opposite of hot is": " cold",
    "The sun rises in the": " east",
}
curves = {prompt: ranks(prompt, answer) for prompt, answer in questions.items()}
print(
    "in the lead at the end:",
    {questions[prompt]: int(curve[-1]) == 1 for prompt, curve in curves.items()},
)
assert all(curve[:20].min() > 100 for curve in curves.values())

# %%
figure, axes = new_figure("The answer climbs late, in the last third of the layers")
for (prompt, curve), style in zip(curves.items(), ("-", "--", ":"), strict=True):
    axes.semilogy(curve, style, label=f"{prompt} …{questions[prompt]}")
axes.set(xlabel="after layer", ylabel="rank of the answer (1 is first)")
axes.invert_yaxis()
axes.legend(frameon=False)
show(
    figure,
    "Rank of three answers against the layer, logarithmic, first place at the top. All stay far back "
    "for two thirds of the layers, then climb; Paris and cold reach first place near the end, east does not.",
)

# %% [markdown]
# The answer appears late. Be careful with the middle: the lens reads every layer with the *last* layer's norm and
# table, and a layer may write in a way that this reading cannot see (Belrose et al. 2023 train a lens for each layer). And one of
# the three is simply not known to this small model.

# %% [markdown]
# ## 6. Writing: the generate loop
#
# Logits over the whole vocabulary, softmax, **argmax**: one token. (For the argmax alone the softmax is not needed: it keeps the
# order.) Append the token and go again: **autoregression**. Two special tokens frame it. A **start token** gives the model a first
# position to predict from; an **end token** is how it says that it is done. In a chat model they mark each turn:

# %%
chat = [{"role": "user", "content": "What is the capital of France?"}]
framed = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
chat_ids = tokenizer.encode(framed)
print(framed)
assert chat_ids[0] == tokenizer.bos_token_id

# %% [markdown]
# **Exercise 1.8.** `generate(next_logits, ids, end, max_new_tokens)`: next_logits is a function from a list of ids to the logits
# (V,) of the token after them. Return the list of ids that greedy decoding *adds*, the end token included if it comes; stop there,
# or after max_new_tokens. Leave `ids` as it is.


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
# On the real model: does it write what the library's greedy decoding writes?

# %% tags=["device"]
def next_logits(ids):
    return model(torch.tensor([ids], device=model.device)).logits[0, -1]


ours = generate(next_logits, chat_ids, tokenizer.eos_token_id, 40)
chat_tensor = torch.tensor([chat_ids], device=model.device)
theirs = model.generate(chat_tensor, max_new_tokens=40, do_sample=False)
print("|".join(tokenizer.decode([i]) for i in ours))
assert ours == theirs[0, len(chat_ids) :].tolist() and ours[-1] == tokenizer.eos_token_id

# %% [markdown]
# Token for token, and it stopped by its end token. The way back from ids to text, **detokenization**, is only a lookup and a join;
# special tokens are left out of what a user sees.

# %% [markdown]
# ## 7. Three families
#
# | family | reads | gives | for example | good for |
# | --- | --- | --- | --- | --- |
# | encoder-only | both ways | a vector for each token | BERT, our MiniLM | search, classes, similarity |
# | decoder-only | what came before | the next token | GPT, Llama, our SmolLM2 | writing, chat |
# | encoder-decoder | the source both ways, the target so far | the next token of the target | T5, BART, the first transformer | translating, summarizing |
#
# `!` Some notes list sequence-to-sequence under encoder-only. An encoder-only model has nothing to write with: text in, *vectors*
# out. **Sequence-to-sequence is the encoder-decoder's job** (a decoder-only model can do it too, as a continuation).
#
# First the encoder, on three sentences. **Predict** which two it finds close, and whether the library lets it write.

# %%
lines = ["The cat sleeps on the sofa.", "A kitten naps on the couch.", "The bank raised its rates."]
vectors = torch.stack([sentence_vector(line) for line in lines])  # (3, 384)
similar = cosine(vectors[0], vectors[1:])
print("the first is closer to the second than to the third:", bool(similar[0] > similar[1] + 0.3))
print("can write: encoder", encoder.can_generate(), "- decoder", model.can_generate())
assert similar[0] > similar[1] + 0.3 and not encoder.can_generate()

# %% [markdown]
# The decoder you have seen write. For the third family we train one, here and now: a tiny encoder-decoder that translates rows of
# old English numbers. *Four and twenty* is 24: what is said first is written last, so it has to look to and fro. *Nineteen* is one
# word for two digits, so it cannot just count places. Its decoder begins from a start token alone and stops at an end token.

# %% tags=["device"]
from labutils.transformer import build_translator, train_translator, translation_datasets

train_pairs, test_pairs = translation_datasets()
translator = build_translator("transformer")
losses = train_translator(translator, train_pairs, lab.size(smoke=5, small=600, standard=800))
print(f"{len(losses)} steps, loss {losses[0]:.2f} -> {losses[-1]:.2f}")
assert losses[-1] < losses[0]

# %% [markdown]
# **Cross-attention** is attention whose queries come from the decoder and whose keys and values come from the encoder. For each
# token that it writes, the decoder mixes *its own* context vector from the source. **Predict** the map: which word does it look at
# when it writes the 2 of 24, and which for the 4?

# %% tags=["device"]
from labutils.transformer import cross_attention, translation_pair

cross = cross_attention(translator, translation_pair([24, 19, 73]).source)
assert torch.allclose(cross.weights.sum(-1), torch.ones(len(cross.target)), atol=1e-4)
figure, axes = new_figure("Each written token takes its own context from the source", height=3.6)
_ = axes.imshow(cross.weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
axes.set_xticks(range(len(cross.source)), cross.source, rotation=45, ha="right")
axes.set_yticks(range(len(cross.target)), cross.target)
axes.set(xlabel="source token looked at", ylabel="token being written")
show(
    figure,
    "Heat map of the weights, one row for each written digit, one column for each source word. After training the dark cells "
    "go to and fro: for each number first the word for the tens, further right, then the one for the unit.",
)

# %% [markdown]
# One row, one context vector, for each step of the decoder. Before attention there was *one vector for everything*: the RNN
# encoder's last state, of fixed size, had to hold the whole source.
#
# `!` So what did attention bring? Not just "better RNNs": it **removes the fixed-vector bottleneck**. The longer the source, the
# more it should matter. Two recurrent networks (GRU) of about the same size, without and with attention, same data, same steps.
# **Predict** the share of exact translations for one number, and for six in a row.

# %% tags=["device"]
from labutils.transformer import exact_match, trainable_parameters

rivals = {"transformer": translator}
for kind in ("gru", "gru+attention"):
    rivals[kind] = build_translator(kind)
    _ = train_translator(rivals[kind], train_pairs, len(losses))
shares, lengths = {}, range(1, 7)
for kind, network in rivals.items():
    scores = exact_match(network, test_pairs)
    shares[kind] = [round(scores[n].right / scores[n].total, 3) for n in lengths]
rows = [(kind, trainable_parameters(rivals[kind]), *share) for kind, share in shares.items()]
show_table(("model", "parameters", *map(str, lengths)), rows, "Share of exact translations by length")
record("exact translations by length", shares)
worst_with = min(shares["transformer"][-1], shares["gru+attention"][-1])
assert lab.profile == "smoke" or shares["gru"][-1] + 0.3 < worst_with

# %%
figure, axes = new_figure("One fixed vector holds a short source, and not a long one")
for (kind, share), style in zip(shares.items(), ("o-", "s--", "^:"), strict=True):
    axes.plot(lengths, share, style, label=kind)
axes.set(xlabel="numbers in the source", ylabel="share of exact translations", ylim=(0, 1.03))
axes.legend(frameon=False)
show(
    figure,
    "Share of exact translations against the number of numbers in the source, for three models. Trained for more than a few "
    "steps, both models with attention stay high; the GRU without it falls steeply with length.",
)

# %% [markdown]
# (In the profile `smoke` nothing has been learned yet, and all three lie at the bottom.) An RNN also has to read the source one
# word after another; attention reads all of it at once, which is why transformers train so well on parallel hardware.

# %%
quiz("1.c")

# %% [markdown]
# ## 8. Optional: a GPT of your own
#
# `labutils/transformer/gpt.py` puts the parts of this lab together: embedding, rotary attention, RMS norm, gated feed-forward, residuals. Read
# it now; there should be nothing new. It learns from the course's prose, byte by byte.
#
# How good is it? In **bits per byte** of text that it has not seen, against counting: how often each byte comes (unigram), and how
# often it follows the one before (bigram). A few steps are done here; `train_gpt(prose)` takes 500, about a minute.
# **Predict:** does it beat the counting?

# %% tags=["device"]
from labutils.transformer import train_gpt

steps = lab.size(smoke=4, small=200)
training = train_gpt(prose, steps=steps, eval_interval=max(1, steps // 4), device=lab.device)
rows = [(point.step, round(point.train, 2), round(point.validation, 2)) for point in training.curve]
show_table(("step", "training text", "unseen text"), rows, "Bits per byte")
print(f"counting: unigram {training.unigram:.2f}, bigram {training.bigram:.2f}")
print(training.sample("The sea", max_new_tokens=80))
record("small GPT: bits per byte on unseen text", round(training.curve[-1].validation, 3))
assert training.curve[-1].validation < training.curve[0].validation
assert lab.profile == "smoke" or training.curve[-1].validation < training.bigram < training.unigram

# %% [markdown]
# Once it has had more than a few steps, it beats counting bytes and counting pairs of bytes, and what it writes begins to look like
# words. To get from there to sense takes more text, not more parts. Seventy kilobytes are a few dozen pages; the real model read two
# trillion tokens (Allal et al. 2025). The parts are the same.

# %% [markdown]
# ## 9. What a sceptic would say
#
# - *"One small model."* The equalities are about the architecture, and hold in any Llama-type model. Which head does what, and
#   after which layer an answer appears, is about this one.
# - *"Six sentences a word prove little."* They show what to measure. For a claim about models, take hundreds of sentences and give
#   an interval, as lab 06 does.
# - *"You trained the RNN briefly."* Yes, with the same steps and about as many parameters as the transformer; with longer training
#   it gets further. The trend with length is the point, and Bahdanau et al. (2015) found it on real translation.
# - *"Attention explains the model."* Section 4 showed why it does not, by itself.

# %% [markdown]
# ## Where you stand

# %% tags=["device"]
progress("01")
assert loss_of(prose_ids) < 5

# %% [markdown]
# Next: lab 02 turns the logits that you have followed to the end into text, in more ways than greedy.
