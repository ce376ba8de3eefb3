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
# # Lab 06. ROUGE and BLEU evaluation
#
# Summarize the same talk twice, well both times, and hardly a sentence is the same. How, then, can a program say whether a
# model's summary is any good? **ROUGE** and **BLEU** answer by counting shared words. In this lab you write both by hand, check
# them against the reference programs to the last decimal, fool them, and find out what a difference of two scores is worth.
#
# By the end you can
# - compute ROUGE-1, ROUGE-2 and ROUGE-L as precision, recall and F1, and BLEU with clipping and the brevity penalty;
# - fool each of them, and say which part of another metric catches you;
# - say where counting words is blind, and what sentence embeddings see and miss;
# - put an interval on a score, and refuse to rank two systems inside the noise;
# - read a published score with the questions that it leaves open.
#
# Seven exercises, three quizzes; about an hour and a half if you do them all. `hint("6.1")` helps with exercise 6.1, and so on. If the next
# cell finds no `labutils`, choose *Kernel > Change Kernel > LLM Labs* and run it again.

# %%
from labutils import check, guard, hint, load_encoder, load_model, outcome, predict, progress, quiz, record, show, start

# %% [markdown]
# Here the lab looks at the machine it runs on.

# %% tags=["device"]
lab = start("06", seed=0)
assert lab.profile in ("smoke", "small", "standard", "gpu")

# %% [markdown]
# Where we are on the map: whatever you adapt, a prompt or the weights, you need to know whether it became better.

# %%
from labutils.course import show_map

show_map("06")

# %% [markdown]
# The material: 78 everyday dialogues, each with three summaries, written independently of one another; and 78 French
# sentences, each with two or three English translations and eight candidates whose defects are known. Here is one dialogue's
# three summaries.

# %%
import math
import random
from collections import Counter
from statistics import fmean as mean

from labutils import evaluation
from labutils.course import BLUE, GREEN, GREY, ORANGE, VERMILION, load_dialogues, load_translations, new_figure, show_table

dialogues, translations = load_dialogues(references=3), load_translations()
test = dialogues["test"]
print(*test[0]["references"], sep="\n\n")

# %% [markdown]
# ## 1. Why accuracy fails for text
#
# For a yes-or-no task you count how often the answer is right. For text there is no one right answer.
#
# **Predict:** we hold the second summary of each dialogue against the first. How many of the 78 are equal word for word? And what
# share of the words stands in the same place?

# %%
first, second = ([texts[k] for texts in test["references"]] for k in (0, 1))
print("equal texts:", sum(a == b for a, b in zip(first, second, strict=True)), "of", len(first))
tokens = [(evaluation.tokenize(a), evaluation.tokenize(b)) for a, b in zip(first, second, strict=True)]
same = sum(x == y for a, b in tokens for x, y in zip(a, b, strict=False))
print(f"words in the same place: {same / sum(len(a) for a, _ in tokens):.0%}")
assert first != second or not lab.course_dialogues

# %% [markdown]
# By accuracy, a careful summary is wrong every time. One word more at the start, and every later word is in the wrong place. So
# the metrics drop the place, and ask what the two texts *share*.

# %% [markdown]
# ## 2. Shared n-grams
#
# First, what is a word? ROUGE puts a text in lower case and keeps runs of the letters a to z and of digits. Everything else
# separates. An **n-gram** is n neighbouring words.

# %%
def grams(tokens, n):
    """How often each n-gram of a list of tokens occurs: a Counter of tuples."""
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


cat_text = "The cat sat on the mat"
cat = evaluation.tokenize(cat_text + ".")
print(cat, dict(grams(cat, 2)), sep="\n")

# %% [markdown]
# **Predict**, with a pencil: how many words does "the mat sat on a mat" share with "the cat sat on the mat"? Mind that *mat*
# occurs twice on one side and once on the other.
#
# **Exercise 6.1.** Count the shared n-grams. One that occurs three times here and twice there is shared twice: each occurrence in
# the reference can be used once. That limit is called **clipping**.

# %% tags=["exercise"] exercise="6.1"
def overlap(candidate, reference, n):
    """(shared n-grams, n-grams in the candidate, n-grams in the reference), from tokens."""
    ours, theirs = grams(candidate, n), grams(reference, n)
    # ours & theirs keeps the smaller count of each n-gram
    return ...


overlap = check("6.1", overlap)

# %% tags=["solution"] exercise="6.1"
def overlap(candidate, reference, n):
    """(shared n-grams, n-grams in the candidate, n-grams in the reference), from tokens."""
    ours, theirs = grams(candidate, n), grams(reference, n)
    # ours & theirs keeps the smaller count of each n-gram
    return sum((ours & theirs).values()), sum(ours.values()), sum(theirs.values())


overlap = check("6.1", overlap)

# %% [markdown]
# One numerator, two denominators.
#
# `!` They are often given the wrong way round. **Recall** divides by the *reference's* n-grams: how much of what should be there
# is there? **Precision** divides by the *candidate's*: how much of what is there should be? The **F1** is their harmonic mean,
# 2PR / (P + R), which stays near the smaller of the two.
#
# **Exercise 6.2.** Write the three. Where nothing is shared, or there is nothing to share, all three are 0.

# %% tags=["exercise"] exercise="6.2"
def precision_recall_f1(matched, in_candidate, in_reference):
    """(precision, recall, F1) from the three counts; 0.0 in place of a division by zero."""
    return ...


precision_recall_f1 = check("6.2", precision_recall_f1)

# %% tags=["solution"] exercise="6.2"
def precision_recall_f1(matched, in_candidate, in_reference):
    """(precision, recall, F1) from the three counts; 0.0 in place of a division by zero."""
    if matched == 0:
        return 0.0, 0.0, 0.0
    precision, recall = matched / in_candidate, matched / in_reference
    return precision, recall, 2 * precision * recall / (precision + recall)


precision_recall_f1 = check("6.2", precision_recall_f1)

# %% [markdown]
# Now the cat and the mat. **Predict** precision and recall of the padded candidate, and of the one that stammers.

# %%
rows = []
for text in ("the mat sat on a mat", "the cat sat", cat_text + " and sang all day long", "the " * 7):
    for n in (1, 2):
        counts = overlap(evaluation.tokenize(text), cat, n)
        rows.append((text, n, *counts, *precision_recall_f1(*counts)))
show_table(("candidate", "n", "shared", "it has", "reference has", "P", "R", "F1"), rows, cat_text)

# %% [markdown]
# The last one is what clipping is for. "the" occurs in the reference, so without clipping all seven would count: precision 1.
#
# ### Stems, and equality
#
# "Meetings" and "meeting" do not match: to the metric they are two words. A **stemmer** cuts endings off before counting.
# **Predict:** does that raise or lower the scores of the second summaries, and by how much? And is what you wrote equal to the
# reference program, rouge_score, on all 78 pairs, with stems and without?

# %%
from rouge_score.rouge_scorer import RougeScorer

print(evaluation.tokenize("Meetings moved: she is moving the meeting", stem=True))
means = Counter()
for stem in (False, True):
    scorer = RougeScorer(["rouge1", "rouge2"], use_stemmer=stem)
    for reference, candidate in zip(first, second, strict=True):
        pair = [evaluation.tokenize(text, stem) for text in (candidate, reference)]
        for n in (1, 2):
            ours = precision_recall_f1(*overlap(*pair, n))
            theirs = scorer.score(reference, candidate)[f"rouge{n}"]
            assert max(abs(x - y) for x, y in zip(ours, theirs, strict=True)) < 1e-9
            means[n, stem] += ours[2] / len(first)
rows = [(f"ROUGE-{n}", means[n, False], means[n, True]) for n in (1, 2)]
show_table(("mean F1", "as it is", "stemmed"), rows)
print("equal to rouge_score on each of", len(first), "pairs")

# %% [markdown]
# A small rise for everybody. It is no merit of a system: a stemmed score and an unstemmed one cannot be compared, and papers do
# not always say which one they give.
#
# Two questions. `!` The name in the first is often expanded with another G.

# %%
quiz("6.a")
quiz("6.b")

# %% [markdown]
# ## 3. See it
#
# Edit the candidate; words that match light up in both texts. Blue frames the candidate and its number of n-grams, orange the
# reference's. Press Tab to move between the field, the slider and the box; the arrow keys move the slider.
#
# Try: repeat a word of the reference until it is used up. Then shuffle the words, and watch n = 1 and n = 2.

# %%
from labutils.evaluation import explore_ngrams, ngram_view

explore_ngrams(second[0], first[0], n=1)

# %% [markdown]
# The same pair by its bigrams, and a candidate that repeats itself, for a page without a kernel. The explorer only shows what you
# wrote:

# %%
from IPython.display import HTML, display

for text, n in ((second[0], 2), ("Friday Friday Friday, and Monday at Monday", 1)):
    view = ngram_view(text, first[0], n)
    display(HTML(f"<h4>n = {n}</h4>" + view.html))
    counts = overlap(evaluation.tokenize(text), evaluation.tokenize(first[0]), n)
    assert (view.matched, view.in_candidate, view.in_reference) == counts

# %% [markdown]
# ## 4. Order: the longest common subsequence
#
# ROUGE-1 does not see the order at all, ROUGE-2 only that of neighbours. **ROUGE-L** looks for the longest list of words that
# occur in both texts *in the same order*, with gaps allowed.
#
# A sub*string* allows no gaps. "a x b c" and "a b y c": the longest common substring has one word, the subsequence a b c three.
#
# **Exercise 6.3.** Fill in a table whose entry (i, j) is the answer for the first i words of a and the first j of b. If their
# last words agree, it is one more than the entry for both texts without them. If not, drop the last word of one or of the other.

# %% tags=["exercise"] exercise="6.3"
def lcs(a, b):
    """The length of the longest common subsequence of two lists of tokens."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    # for i in 1..len(a) and j in 1..len(b): table[i][j] from its neighbours above and to the left
    return ...


lcs = check("6.3", lcs)

# %% tags=["solution"] exercise="6.3"
def lcs(a, b):
    """The length of the longest common subsequence of two lists of tokens."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            if a[i - 1] == b[j - 1]:
                table[i][j] = table[i - 1][j - 1] + 1
            else:
                table[i][j] = max(table[i - 1][j], table[i][j - 1])
    return table[-1][-1]


lcs = check("6.3", lcs)

# %% [markdown]
# The rest is as before: the length of the subsequence is the numerator. Equal to the reference program on all pairs?

# %%
scorer = RougeScorer(["rougeL"])
for (a, b), reference, candidate in zip(tokens, first, second, strict=True):
    theirs = scorer.score(reference, candidate)["rougeL"]
    ours = precision_recall_f1(lcs(b, a), len(b), len(a))
    assert max(abs(x - y) for x, y in zip(ours, theirs, strict=True)) < 1e-9
print("equal to rouge_score's ROUGE-L on", len(tokens), "pairs")

# %% [markdown]
# ### Lsum
#
# `!` The *sum* in **ROUGE-Lsum** is for *summary*, not for adding up. Each line counts as a sentence, and each line of the
# reference is matched with all lines of the candidate. Two sentences in the other order then cost nothing. **Predict** which
# number changes when some step of a pipeline loses the line breaks.

# %%
a, b, rows = "The train was late.", "Ana missed the meeting.", []
for name, gap in (("kept", "\n"), ("lost", " ")):
    c, r = b + gap + a, a + gap + b
    rows.append((name, evaluation.rouge_l(c, r).f1, evaluation.rouge_lsum(c, r).f1))
    assert RougeScorer(["rougeLsum"]).score(r, c)["rougeLsum"].fmeasure == rows[-1][2]
show_table(("line breaks", "ROUGE-L", "ROUGE-Lsum"), rows, "Two sentences in the other order")

# %% [markdown]
# Without line breaks Lsum is L. How a text was prepared is part of its score.

# %% [markdown]
# ## 5. Beat the metric
#
# A metric that people aim at gets beaten. Let us be the first.
#
# ### Nonsense that outscores a good summary
#
# **Predict** the ROUGE-1 of the reference's own words in random order. And its ROUGE-2?

# %%
def rouge_scores(texts, n, references=first):
    """The F1 of ROUGE-n of each text against its reference; n is 1, 2 or "L"."""
    metric = evaluation.rouge_l if n == "L" else lambda c, r: evaluation.rouge_n(c, r, n)
    return [metric(c, r).f1 for c, r in zip(texts, references, strict=False)]


dice = random.Random(0)
shuffled = [" ".join(dice.sample(words, len(words))) for words, _ in tokens]
print(shuffled[0])
rows = []
for name, texts in (("the second summary", second), ("word salad", shuffled)):
    rows.append((name, *(mean(rouge_scores(texts, n)) for n in (1, 2, "L"))))
show_table(("candidate", "ROUGE-1", "ROUGE-2", "ROUGE-L"), rows, f"Mean F1 of {len(first)}")
held = rows[1][1] == 1.0 > rows[0][1] and rows[1][2] < rows[0][2] and rows[1][3] < rows[0][3]
assert held or not lab.course_dialogues

# %% [markdown]
# A perfect 1 for word salad. ROUGE-2 and ROUGE-L catch it: few pairs of neighbours survive a shuffle.
#
# ### A constant string that beats a model
#
# That was cheating: we knew the reference. The next candidate is the *same string* for every dialogue, made without the test set,
# from 100 training summaries: always add the word that raises the mean F1 most, until none does. (On bags of words the F1 is
# 2 · shared / (sum of both lengths): put P = shared / c and R = shared / r into 2PR / (P + R).)

# %%
bags = [Counter(evaluation.tokenize(text)) for text in dialogues["train"]["summary"][:100]]
frequent = [word for word, _ in sum(bags, Counter()).most_common(40)]


def mean_f1(words):
    """The mean ROUGE-1 F1 of a bag of words over the training bags."""
    size = sum(words.values())
    return mean(2 * sum((words & bag).values()) / (size + sum(bag.values())) for bag in bags)


def grow(words):
    """The bag with the one more word that helps most."""
    return max((words + Counter([word]) for word in frequent), key=mean_f1)


salad = Counter()
while mean_f1(grow(salad)) > mean_f1(salad):
    salad = grow(salad)
constant = " ".join(salad.elements())
print(constant)
floor = [mean(rouge_scores([constant] * len(first), n)) for n in (1, 2)]
print(f"on the {len(first)} test dialogues: ROUGE-1 {floor[0]:.3f}, ROUGE-2 {floor[1]:.3f}")

# %% [markdown]
# Function words are in every summary, so a string of them collects more than half of the points that a careful summary gets.
#
# The honest competitor: our model, asked for a summary without any training. It takes half a minute on two cores; the
# guard asks first whether the batch fits. **Predict:** who has the higher ROUGE-1?

# %% tags=["device"]
from labutils.prompting import generate_texts, label_log_likelihoods

model, tokenizer = load_model()


def summarize(texts, max_new_tokens=40):
    """One greedy zero-shot summary for each dialogue; a model without a chat template gets the bare request."""
    prompts = [f"Summarize this conversation in one sentence.\n\n{text}" for text in texts]
    if tokenizer.chat_template:
        chats = [[{"role": "user", "content": prompt}] for prompt in prompts]
        prompts = tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=True)
    return [text.strip() for text in generate_texts(model, tokenizer, prompts, max_new_tokens)]


count = min(len(test), lab.size(smoke=4, small=12, standard=16))
with guard("5 Summaries in one batch", need_gib=0.05 * count, smaller={"count = 4": 0.2}):
    summaries = summarize(test["dialogue"][:count])
show_table(("the model", "the first reference"), list(zip(summaries, first, strict=False))[:3])
assert len(summaries) == count and (any(summaries) or not lab.course_model)

# %% [markdown]
# It repeats the dialogue, or talks about it. But at least these are sentences.

# %% tags=["device"]
systems = {"constant string": [constant] * count, "model": summaries, "second summary": second[:count]}
scores = {n: {name: rouge_scores(texts, n) for name, texts in systems.items()} for n in (1, 2)}
means = {n: {name: mean(values) for name, values in scores[n].items()} for n in (1, 2)}
figure, panels = new_figure("A constant string beats the model on ROUGE-1, not on ROUGE-2", columns=2)
for axes, n in zip(panels, (1, 2), strict=True):
    bars = axes.bar(list(means[n]), list(means[n].values()), color=[VERMILION, BLUE, GREY])
    axes.bar_label(bars, fmt="%.2f")
    axes.set(ylabel=f"mean ROUGE-{n} F1 (0 to 1)", xlabel="system")
show(
    figure,
    "Two panels of three bars. On ROUGE-1 the constant string is above the model; on ROUGE-2 it is "
    "near zero, and the model is above it. The second reference is far above both on each.",
)
for n in (1, 2):
    pair = scores[n]["constant string"], scores[n]["model"]
    print(f"ROUGE-{n}:", evaluation.compare(*pair, ("the constant string", "the model")))
record("mean ROUGE-1 and ROUGE-2 of constant string, model, second summary", means)
held = means[1]["constant string"] > means[1]["model"] and means[2]["constant string"] < 0.02
assert held or not (lab.course_model and lab.course_dialogues)

# %% [markdown]
# (Where the two lines below the figure come from, and when they refuse, is section 8.) Whenever you see a ROUGE-1, ask what a
# constant string gets.

# %% [markdown]
# ## 6. BLEU
#
# Machine translation chose another recipe, from four parts: precisions only, of n-grams of 1 to 4 words; clipped against
# *several* references; the four combined by a geometric mean; and a **brevity penalty** in place of recall.
#
# **Exercise 6.4.** Clip against several references: an n-gram may be matched as often as it occurs in the *one* reference that
# has most of it.

# %% tags=["exercise"] exercise="6.4"
def clipped(candidate, references, n):
    """(matched, in the candidate): n-gram counts, clipped against several references."""
    most = Counter()
    # most |= other keeps the larger count of each n-gram
    return ...


clipped = check("6.4", clipped)

# %% tags=["solution"] exercise="6.4"
def clipped(candidate, references, n):
    """(matched, in the candidate): n-gram counts, clipped against several references."""
    most = Counter()
    for reference in references:
        most |= grams(reference, n)
    ours = grams(candidate, n)
    return sum((ours & most).values()), sum(ours.values())


clipped = check("6.4", clipped)

# %% [markdown]
# Precision alone has a hole: say little, and all of it right. "The cat" has a precision of 1. So BLEU multiplies by 1 if the
# candidate is at least as long as the reference, and by exp(1 − r / c) if it is shorter (c and r are the two lengths).
#
# **Exercise 6.5.** Write the brevity penalty, for lengths above 0. **Predict** what half the length costs.

# %% tags=["exercise"] exercise="6.5"
def brevity(candidate_length, reference_length):
    """BLEU's brevity penalty, a factor between 0 and 1."""
    return ...


brevity = check("6.5", brevity)

# %% tags=["solution"] exercise="6.5"
def brevity(candidate_length, reference_length):
    """BLEU's brevity penalty, a factor between 0 and 1."""
    if candidate_length >= reference_length:
        return 1.0
    return math.exp(1 - reference_length / candidate_length)


brevity = check("6.5", brevity)

# %% [markdown]
# Half the length costs nearly two thirds of the score, exp(−1) = 0.37 is left. Too long costs nothing here: a long candidate pays
# in its precisions.
#
# **Exercise 6.6.** The score: 100 × penalty × the *geometric* mean of the precisions, the fourth root of their product.
#
# `!` BLEU is often called an average of precisions. A plain average forgives a missing order; under the geometric mean, one
# zero makes the whole zero.

# %% tags=["exercise"] exercise="6.6"
def bleu_score(pairs, candidate_length, reference_length):
    """BLEU, 0 to 100, from (matched, in the candidate) for n = 1, 2, ... and the two lengths."""
    precisions = [matched / total for matched, total in pairs]
    # brevity() from above, math.prod(...) for the product
    return ...


bleu_score = check("6.6", bleu_score)

# %% tags=["solution"] exercise="6.6"
def bleu_score(pairs, candidate_length, reference_length):
    """BLEU, 0 to 100, from (matched, in the candidate) for n = 1, 2, ... and the two lengths."""
    precisions = [matched / total for matched, total in pairs]
    geometric_mean = math.prod(precisions) ** (1 / len(precisions))
    return 100 * brevity(candidate_length, reference_length) * geometric_mean


bleu_score = check("6.6", bleu_score)

# %% [markdown]
# BLEU is a score of a whole corpus: counts and lengths are added up over all sentences, and divided once. Of several references
# the length closest to the candidate's counts. BLEU's tokens keep case, and punctuation marks are tokens of their own.

# %%
def corpus_counts(candidates, references):
    """Four (matched, in the candidate) pairs and the two lengths, summed over a corpus."""
    ours = [evaluation.tokenize_13a(text) for text in candidates]
    theirs = [[evaluation.tokenize_13a(text) for text in texts] for texts in references]
    found = [[clipped(c, rs, n) for c, rs in zip(ours, theirs, strict=True)] for n in (1, 2, 3, 4)]
    pairs = [(sum(m for m, _ in order), sum(t for _, t in order)) for order in found]
    lengths = [(len(c), [len(r) for r in rs]) for c, rs in zip(ours, theirs, strict=True)]
    closest = [evaluation.closest_length(c, rs) for c, rs in lengths]
    return pairs, sum(map(len, ours)), sum(closest)


candidates = {}
for row in translations:
    for item in row["candidates"]:
        candidates.setdefault(item["defect"], []).append(item["text"])
references = [texts[:2] for texts in translations["references"]]
print(corpus_counts(candidates["none"], references))

# %% [markdown]
# Equal to **sacreBLEU**, the program that published scores come from, for each of the eight kinds of candidates?

# %%
import sacrebleu

streams = [[texts[k] for texts in references] for k in (0, 1)]  # all first ones, all second ones
for defect, texts in candidates.items():
    theirs = sacrebleu.corpus_bleu(texts, streams, smooth_method="none").score
    assert abs(bleu_score(*corpus_counts(texts, references)) - theirs) < 1e-9, defect
print("equal to sacreBLEU, without smoothing, on", len(candidates), "corpora")

# %% [markdown]
# One of the eight is "too short": the first few words of a good translation. **Predict** its BLEU without the penalty.

# %%
rows = []
for defect in ("none", "too short"):
    pairs, c, r = corpus_counts(candidates[defect], references)
    plain = 100 * mean(m / t for m, t in pairs)
    rows.append((defect, f"{c} of {r}", plain, bleu_score(pairs, r, r), bleu_score(pairs, c, r)))
show_table(("defect", "tokens", "plain average", "geometric mean", "and penalty: BLEU"), rows)

# %% [markdown]
# What there is of it is right, so the precisions are high. The penalty alone tells the stump from the sentence.
#
# ### Smoothing, and sentences
#
# A text that shares no run of four words has a precision of 0 there, and BLEU is 0, however good the rest. sacreBLEU therefore
# **smooths** by default: the first order without a match counts as half a match, the next as a quarter, and so on.
#
# `!` Corpus BLEU is not the mean of sentence scores. A single sentence has few 4-grams, so its score hangs on the smoothing.
# **Predict** the corpus BLEU of "Thank you ." against itself: it has three tokens, and so no 4-gram at all.

# %%
pairs, c, r = corpus_counts(candidates["perfect paraphrase"], references)
smoothed = sacrebleu.corpus_bleu(candidates["perfect paraphrase"], streams).score
print("perfect paraphrases: matches of order 1 to 4:", [m for m, _ in pairs])
print(f"  BLEU without smoothing {bleu_score(pairs, c, r):.2f}, with smoothing {smoothed:.2f}")
single = map(evaluation.sentence_bleu, candidates["none"], references)
corpus = evaluation.bleu(candidates["none"], references)
print(f"good translations: corpus {corpus:.1f}, mean of sentences {mean(single):.1f}")
thanks = sacrebleu.corpus_bleu(["Thank you ."], [["Thank you ."]]).score
print("'Thank you .' against itself:", thanks)
assert abs(smoothed - evaluation.bleu(candidates["perfect paraphrase"], references)) < 1e-9

# %% [markdown]
# ## 7. Where n-grams are blind
#
# We know what is wrong with each candidate, so we can ask whether the metrics do. **Predict:** which of the eight kinds comes
# last? And where does "negation flipped" land, which says the opposite of the source?

# %%
english = [texts[0] for texts in references]
rouge = {defect: rouge_scores(texts, 1, english) for defect, texts in candidates.items()}
rows = []
for defect, texts in candidates.items():
    rouge_2 = mean(rouge_scores(texts, 2, english))
    rows.append((defect, evaluation.bleu(texts, references), mean(rouge[defect]), rouge_2))
show_table(("defect", "BLEU", "ROUGE-1", "ROUGE-2"), sorted(rows, key=lambda row: -row[1]))
pairs = list(zip(rouge["negation flipped"], rouge["perfect paraphrase"], strict=True))
print("the lie beats the paraphrase in", sum(a > b for a, b in pairs), "of", len(pairs), "sentences")
assert all(a > b for a, b in pairs)

# %% [markdown]
# The perfect paraphrase is last by far, behind mutilated sentences. The flipped negation is near the top: to the counter it is a
# word or two. Sentence by sentence, the lie wins every time. (These paraphrases were written to share as few words as possible.
# Ordinary ones fall less deep, but they fall.)
#
# ### What embeddings see
#
# A **sentence encoder** turns a text into 384 numbers, so that texts of like meaning point in like directions. The cosine of the
# angle is 1 for the same direction, and near 0 for unrelated texts. No words need to be shared. **Predict** two comparisons:
# perfect paraphrase against an unrelated sentence, and perfect paraphrase against flipped negation.

# %%
target = evaluation.embed(english)  # (78, 384), every row of length 1
cosines = {name: (evaluation.embed(texts) * target).sum(dim=1) for name, texts in candidates.items()}
cosines["unrelated"] = (target.roll(1, dims=0) * target).sum(dim=1)  # (78,): the next sentence
truth, lie, other = map(cosines.get, ("perfect paraphrase", "negation flipped", "unrelated"))
print(f"paraphrase closer than an unrelated sentence: {(truth > other).float().mean():.0%}")
print(f"flipped negation closer than the paraphrase:  {(lie > truth).float().mean():.0%}")
assert (truth > other).float().mean() > 0.95 and (lie > truth).float().mean() > 0.95

# %% tags=["device"]
figure, axes = new_figure("Embeddings lift the paraphrase, and forgive the lie", height=4.4)
special = {"perfect paraphrase": GREEN, "negation flipped": VERMILION}
for name in candidates:
    x, y = mean(rouge[name]), float(cosines[name].mean())
    axes.plot(x, y, "o", color=special.get(name, BLUE))
    right = x < 0.4 or x > 0.82
    place = {"xytext": (7 if right else -7, -4), "ha": "left" if right else "right"}
    axes.annotate(name, (x, y), textcoords="offset points", fontsize=9, **place)
axes.axhline(float(other.mean()), color=GREY, linestyle="--", label="unrelated sentence")
axes.set(xlabel="mean ROUGE-1 F1 (0 to 1)", ylabel="mean cosine with the reference")
axes.set(xlim=(-0.05, 1.05), ylim=(0, 1.05))
axes.legend(frameon=False, loc="center right")
show(
    figure,
    "Eight kinds of candidates by ROUGE-1 and cosine. The perfect paraphrase has a ROUGE-1 near zero "
    "and a middling cosine, far above that of an unrelated sentence; the flipped negation is high on both.",
)
record("mean cosine", {name: round(float(values.mean()), 2) for name, values in cosines.items()})
assert lie.mean() > truth.mean() > other.mean()

# %% [markdown]
# So the encoder sees that a paraphrase is about the same thing, where n-grams see nothing. But it measures what a text is
# *about*. To deny a thing is to speak about it. Neither replaces the other, and neither checks facts.

# %% [markdown]
# ## 8. Ten examples are not enough
#
# Two plain summarizers: one copies the first two turns of the dialogue, one the last two. People often settle things at the end,
# so the second should be better. Is it, by ROUGE-L?

# %%
def copied(choose, n="L"):
    """ROUGE-n of a summarizer that copies the turns that `choose` picks from a list of turns."""
    return rouge_scores(["\n".join(choose(text.split("\n"))) for text in test["dialogue"]], n)


opening, ending = copied(lambda turns: turns[:2]), copied(lambda turns: turns[-2:])
print(f"ROUGE-L: first two turns {mean(opening):.3f}, last two turns {mean(ending):.3f}")

# %% [markdown]
# The last two are ahead. But many a report rests on ten examples that somebody picked. **Predict:** if you draw ten dialogues at
# random, how often does the worse summarizer come out ahead?
#
# **Exercise 6.7.** Decide once, on all examples, which system is the worse one. Then count the draws in which it is strictly
# ahead.

# %% tags=["exercise"] exercise="6.7"
def upset_rate(a, b, draws):
    """The share of draws (lists of indices) in which the system that is worse over all wins."""
    # a and b are lists of scores of the same examples
    return ...


upset_rate = check("6.7", upset_rate)

# %% tags=["solution"] exercise="6.7"
def upset_rate(a, b, draws):
    """The share of draws (lists of indices) in which the system that is worse over all wins."""
    worse, better = (a, b) if sum(a) < sum(b) else (b, a)
    upsets = [sum(worse[i] for i in draw) > sum(better[i] for i in draw) for draw in draws]
    return sum(upsets) / len(upsets)


upset_rate = check("6.7", upset_rate)

# %% [markdown]
# Ten examples, 2,000 times; and the same for other sizes, with `evaluation.wrong_winner_rate`:

# %%
dice = random.Random(6)
ten = min(10, len(first))
rate = upset_rate(opening, ending, [dice.sample(range(len(first)), ten) for _ in range(2_000)])
sizes = sorted({min(size, len(first)) for size in (5, 10, 20, 30, 40, 50, 60)})
rates = [evaluation.wrong_winner_rate(opening, ending, size) for size in sizes]
figure, axes = new_figure(f"With {ten} examples, the worse system wins {rate:.0%} of the comparisons")
axes.plot(sizes, [100 * share for share in rates], "o-", color=BLUE)
axes.axvline(ten, color=ORANGE, linestyle="--")
axes.set(xlabel="examples drawn", ylabel="worse system wins (% of 2,000 draws)", ylim=(0, 40))
show(
    figure,
    "The share of draws in which the worse system wins, by the number of examples: "
    + ", ".join(f"{share:.0%} at {size}" for size, share in zip(sizes, rates, strict=True)),
)
print(f"with {ten} examples the worse system wins {rate:.0%} of the time")
record("wrong winner with ten examples, share", rate)
if lab.course_dialogues:
    assert 0.15 < rate < 0.3 and abs(rates[1] - rate) < 0.05 and rates[0] > rates[1] > rates[2]

# %% [markdown]
# Nothing in a report on ten examples would show it. And the curve flatters large samples: drawing 60 of 78 leaves little to
# chance, and the 78 are a sample themselves. So let us ask what matters: what would *another* test set say?
#
# ### Intervals
#
# The **bootstrap** answers with the examples at hand: draw 78 of the 78 *with* replacement, take the mean, do it 10,000 times.
# The middle 95 % of these means is an interval for the score.
#
# `!` If two intervals overlap, that does not make the difference noise. Both systems saw the *same* dialogues, and one that is
# hard for one is often hard for the other. The **paired bootstrap** resamples the differences. **Predict:** do the two intervals
# below overlap? Does that of the difference hold 0?

# %%
copiers = {"first two turns": opening, "last two turns": ending}
rows = [(name, *evaluation.bootstrap_interval(values)) for name, values in copiers.items()]
difference = evaluation.paired_bootstrap(ending, opening)
show_table(("system", "ROUGE-L", "95 % from", "to"), [*rows, ("difference", *difference[:3])])
p_value = evaluation.approximate_randomization(ending, opening)
print(f"p = {difference.p_value:.3f}; by another route, approximate randomization: p = {p_value:.3f}")

# %% [markdown]
# The interval leaves 0 out, if only just. `compare` turns that into a sentence, and refuses where it should. Here also with ten
# examples, and with a third system that copies the three longest turns, against the last three.

# %%
longest = copied(lambda turns: sorted(turns, key=len)[-3:])
last_three = copied(lambda turns: turns[-3:])
verdicts = [
    evaluation.compare(ending, opening, ("last two", "first two")),
    evaluation.compare(ending[:10], opening[:10], ("last two", "first two")),
    evaluation.compare(longest, last_three, ("longest three", "last three")),
]
print(*verdicts, sep="\n")
assert [verdict.ranked for verdict in verdicts] == [True, False, False] or not lab.course_dialogues

# %% [markdown]
# "Cannot be ranked" is a result, and an honest one. The number of examples that it asks for is rough, because it rests on a
# difference that is itself uncertain.

# %%
quiz("6.c")

# %% [markdown]
# ## 9. Several references, and the ceiling
#
# With three references you may take the best score or the average. The best rises with every reference that you add; the average
# does not. BLEU does neither: it clips against all at once. rouge_score's `score_multi`, and so `evaluate`, takes the **best**.

# %%
metrics = {
    "ROUGE-1": lambda a, b: evaluation.rouge_n(a, b, 1),
    "ROUGE-2": lambda a, b: evaluation.rouge_n(a, b, 2),
    "ROUGE-L": evaluation.rouge_l,
}
rows, scorer = [], RougeScorer(["rouge1"])
for k in (1, 2, 3):
    some = [texts[:k] for texts in test["references"]]
    both = [evaluation.best_and_average(constant, texts, metrics["ROUGE-1"]) for texts in some]
    rows.append((k, *map(mean, zip(*both, strict=True))))
theirs = [scorer.score_multi(texts, constant)["rouge1"].fmeasure for texts in test["references"]]
show_table(("references", "best", "average"), rows, "ROUGE-1 of the constant string")
assert abs(mean(theirs) - rows[2][1]) < 1e-9
assert rows[0][1] < rows[1][1] < rows[2][1] or not lab.course_dialogues

# %% [markdown]
# The same string, three scores. A number without "how many references, best or average" cannot be compared with another.
#
# What would a perfect system get? Not 1: good summaries differ. Hold each of the three against the other two, and you have the
# **ceiling**, called the human ceiling where people wrote the references. Ours are synthetic and follow one set of rules, so three
# people left to themselves would agree less. **Predict** it for ROUGE-1.

# %%
ceiling = {}
for name, metric in metrics.items():
    agreed = evaluation.human_ceiling(test["references"], metric)
    ceiling[name] = evaluation.bootstrap_interval(agreed)
show_table(("references among themselves", "mean F1", "95 % from", "to"), [(name, *row) for name, row in ceiling.items()])
record("ceiling of one reference against the others", {name: round(row.mean, 3) for name, row in ceiling.items()})

# %% [markdown]
# Between this ceiling and the floor of the constant string lies all that ROUGE-1 can tell.

# %%
figure, axes = new_figure("ROUGE-1 has room between a floor and good summaries that differ", height=2.8)
bars = {
    "constant string": rouge_scores([constant] * len(first), 1),
    "first two turns": copied(lambda turns: turns[:2], 1),
    "last two turns": copied(lambda turns: turns[-2:], 1),
}
places = {name: evaluation.bootstrap_interval(values) for name, values in bars.items()}
places["references"] = ceiling["ROUGE-1"]
for name, (centre, low, high) in places.items():
    colour = {"constant string": VERMILION, "references": GREEN}.get(name, BLUE)
    around = [[centre - low], [high - centre]]
    axes.errorbar(centre, name, xerr=around, fmt="o", capsize=4, color=colour)
axes.set(xlabel="mean ROUGE-1 F1 with 95 % interval", ylabel="system", xlim=(0, 1))
show(
    figure,
    "ROUGE-1 with intervals, on a scale from 0 to 1: "
    + ", ".join(f"{name} {place.mean:.2f}" for name, place in places.items()),
)
held = places["last two turns"].mean < places["constant string"].mean < places["references"].mean
assert held or not lab.course_dialogues

# %% [markdown]
# `!` A score above the ceiling would not mean "better than a careful writer". It would mean that a system comes closer to
# these references than they come to one another, by copying their style, say.

# %% [markdown]
# ## 10. Text beyond a to z
#
# ROUGE's tokenizer keeps the letters a to z and digits. **Predict** the score of a Thai sentence against itself. And of "café"
# against "cafe"?

# %%
thai = "ฉันชอบกินข้าวผัด"  # I like to eat fried rice
print("tokens:", evaluation.tokenize(thai), evaluation.tokenize("Le café est fermé"))
rouge_1 = RougeScorer(["rouge1"]).score(thai, thai)["rouge1"].fmeasure
bleu = sacrebleu.corpus_bleu([thai], [[thai]]).score
print("against itself: ROUGE-1", rouge_1, " BLEU", bleu)
anywhere = evaluation.tokenize_anywhere
print("tokens:", anywhere(thai), anywhere("Le café est fermé"))
mended = evaluation.rouge_n(thai, thai, 1, tokenizer=anywhere).f1
by_character = sacrebleu.corpus_bleu([thai], [[thai]], tokenize="char").score
print("against itself: ROUGE-1", mended, " BLEU on characters", round(by_character, 1))
assert rouge_1 == bleu == 0.0 and mended == 1.0

# %% [markdown]
# Zero against itself, without a warning; BLEU takes the whole sentence for one word. The remedy is a tokenizer that knows other
# scripts: ours takes words where a script has spaces, and characters where it has none. A score on characters is another measure:
# never put it beside one on words.

# %% [markdown]
# ## 11. In daily work
#
# You now know what is inside. At work, take the reference programs. The `evaluate` library gives both one face:
# `evaluate.load("rouge")` gets a metric's module from the Hub and makes an object of the class in it. The course ships the two
# modules, and `load_metric` makes the objects, so nothing is downloaded.

# %%
import evaluate

both = evaluate.combine([evaluation.load_metric("rouge"), evaluation.load_metric("bleu")])
result = both.compute(predictions=candidates["none"], references=references)
print({name: round(result[name], 3) for name in ("rouge1", "rouge2", "rougeL", "bleu")})
assert abs(result["bleu"] - evaluation.bleu(candidates["none"], references)) < 1e-9
print(result["signature"].split("|version")[0])

# %% [markdown]
# The last line is sacreBLEU's **signature**: number of references, case, tokenizer, smoothing (and the version). Quote it with
# every BLEU.

# %% [markdown]
# ## 12. The judge of the judges
#
# Human judgement is the gold standard: a metric is only as good as its agreement with people. Our candidates come with a
# verdict from the day they were written: "none" and "perfect paraphrase" are right, the other six are not. For each sentence and each pair of a right and a
# wrong candidate: does the metric prefer the right one? A coin would get 50 %. **Predict** the three rows.

# %% tags=["device"]
judges = {
    "ROUGE-1": lambda name, row: rouge[name][row],
    "BLEU": lambda name, row: evaluation.sentence_bleu(candidates[name][row], references[row]),
    "embeddings": lambda name, row: float(cosines[name][row]),
}
faulty = [name for name in candidates if name not in ("none", "perfect paraphrase")]


def agreement(judge, right):
    """How often a judge ranks a right candidate strictly above a faulty one, over all sentences."""
    places = range(len(english))
    return mean(judge(right, row) > judge(wrong, row) for row in places for wrong in faulty)


rows = []
for name, judge in judges.items():
    shares = [agreement(judge, right) for right in ("none", "perfect paraphrase")]
    rows.append((name, *(f"{share:.0%}" for share in shares)))
    assert shares[0] > 0.5 > shares[1]
show_table(("judge", "right, usual words", "right, words of its own"), rows, "Ranked above the faulty")

# %% [markdown]
# While systems use the reference's words, all three agree with the verdict. (ROUGE-1 loses every pair with "wrong order": the same
# words are a tie, and no win.) When one finds words of its own, they turn against it. The better the systems, the more that
# matters: so have people read a sample, blind, two readers to each text, and report how often the readers agree.

# %% [markdown]
# ### Broad ability
#
# One task's score says nothing about another's. **Benchmarks** such as GLUE, MMLU, BIG-bench and HELM therefore bundle many
# tasks. Here is one in small: three tasks, the model's choice being the answer that it finds most likely. **Predict:** will the
# three be alike?

# %%
from labutils.course import load_probes

frames = {"sentiment": "Review: {} The review is", "facts": "{}", "patterns": "{}"}


def choose_answer(prompt, choices):
    """The choice whose tokens the model finds most likely after the prompt."""
    totals = label_log_likelihoods(model, tokenizer, [prompt], [f" {choice}" for choice in choices])[0]
    return choices[int(totals.argmax())]

# %% tags=["device"]
size, rows = lab.size(smoke=6, small=20, standard=30), []
for task, probes in load_probes().items():
    right, chance = [], []
    for row in probes.select(range(size)):
        said = choose_answer(frames[task].format(row["prompt"]), row["choices"])
        right.append(float(said == row["answer"]))
        chance.append(1 / len(row["choices"]))
    rows.append((task, *evaluation.bootstrap_interval(right), mean(chance)))
show_table(("task", "share right", "95 % from", "to", "by chance"), rows, f"{size} questions each")
average = mean(row[1] for row in rows)
print(f"the average, {average:.2f}, is the number on a leaderboard")
record("small benchmark, share right by task", {row[0]: round(row[1], 2) for row in rows})
assert average > mean(row[4] for row in rows) or not lab.course_model

# %% [markdown]
# One average, and behind it three different abilities with wide intervals. (Where every answer is right, the bootstrap gives no
# width at all: it can only redraw what it has seen. That is its blind spot, not certainty.) And questions that have stood on the
# web for years may have been in the training data, which lifts the score and not the ability.

# %% [markdown]
# ## 13. What a sceptic would say
#
# - *"Nobody ships a bag of function words."* No. But systems are tuned and chosen by these scores, and whatever lifts a score
#   without being better gets chosen too. The constant string is the plainest case.
# - *"Your paraphrases are extreme."* Yes, they were written to be. Read them as a bound: this is how low a right answer can fall.
# - *"The better of your two summarizers is better on 78 dialogues, not in truth."* Right. The interval only just leaves 0 out,
#   and resampling the examples says nothing about other topics, other writers or another seed.
# - *"A language model as a judge would see the negation."* Often. It has habits of its own (it favours long answers, and the
#   first one shown), so it too must be checked against people, as in section 12.

# %% [markdown]
# ## Where you stand

# %% tags=["device"]
progress("06")
assert lab.name == "06"

# %% [markdown]
# Before you trust a score, ask: which tokens, which references, how many examples, what interval, what floor, what ceiling, and
# who read the texts?
