"""ROUGE and BLEU, written for reading: the functions of lab 06, equal to rouge_score and to sacreBLEU.

Both metrics count the n-grams that a candidate (what a model wrote) shares with a reference (what a person wrote). ROUGE
(Recall-Oriented Understudy for Gisting Evaluation) gives precision, recall and F1, from 0 to 1; BLEU (Bilingual Evaluation
Understudy) gives one number from 0 to 100. What can be said about a difference of two scores is in `labutils.intervals`.
"""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labutils.errors import LabError

if TYPE_CHECKING:
    from torch import Tensor

Tokenizer = Callable[[str], "list[str]"]

METRICS = Path(__file__).parent / "metrics"
SMOOTHINGS = ("exp", "none")
ENCODER_TOKENS = 256  # where all-MiniLM-L6-v2 cuts a text by default; what comes after is not read
# Scripts written without spaces between words: there a token is one character with its marks.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"


# --------------------------------------------------------------------------------------------------------------- tokens


@lru_cache(maxsize=1)
def _porter() -> Any:
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()


def tokenize(text: str, stem: bool = False) -> list[str]:
    """The tokens that ROUGE counts: runs of the letters a-z and digits, in lower case; everything else separates.

    With `stem`, words of four or more characters are cut to their stem by nltk's Porter stemmer ("meetings" -> "meet").
    A letter outside a-z separates too: "café" gives "caf", and a Thai text gives nothing (see `tokenize_anywhere`).

    Source: rouge_score's default tokenizer; Porter 1980, "An algorithm for suffix stripping".

    >>> tokenize("The cat's 2 meetings.", stem=True)
    ['the', 'cat', 's', '2', 'meet']
    """
    tokens = re.findall("[a-z0-9]+", text.lower())
    if not stem:
        return tokens
    stemmed = [_porter().stem(token) if len(token) > 3 else token for token in tokens]
    return [token for token in stemmed if token]


@lru_cache(maxsize=1)
def _anywhere() -> Any:
    import regex

    word = rf"[[\p{{L}}\p{{N}}]--[{UNSPACED}]][[\p{{L}}\p{{N}}\p{{M}}\u200c\u200d]--[{UNSPACED}]]*"
    character = rf"(?=[[\p{{L}}\p{{N}}]&&[{UNSPACED}]])\X"
    emoji = r"(?=[\p{So}\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}])\X"
    return regex.compile(f"(?V1){word}|{character}|{emoji}")


def tokenize_anywhere(text: str) -> list[str]:
    """Tokens in any script: words where a script has spaces, characters where it has none, and each emoji.

    On plain ASCII text it gives what `tokenize` gives. Elsewhere it keeps what `tokenize` throws away: accented letters, words
    of other alphabets, the characters (with their vowel signs) of Thai or Chinese, an emoji with its skin tone or flag.
    Case is folded and composed and decomposed accents are made one. Pass it to `rouge_n`, `rouge_l` and `rouge_lsum` as
    `tokenizer`. A score on characters is not comparable with a score on words: say which tokens were counted.

    Source: Unicode Standard Annex 29, grapheme clusters (the `\\X` of the regex package).

    >>> tokenize_anywhere("Café สวัสดี 👍🏽")
    ['café', 'ส', 'วั', 'ส', 'ดี', '👍🏽']
    """
    return _anywhere().findall(unicodedata.normalize("NFC", text.casefold()))


def ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """How often each n-gram (n neighbouring tokens) occurs; empty where there are fewer than n tokens.

    Raises:
        LabError: n is below 1.

    >>> ngrams(["a", "b", "a", "b"], 2)
    Counter({('a', 'b'): 2, ('b', 'a'): 1})
    """
    if n < 1:
        raise LabError(f"n is {n}; an n-gram has at least one token.")
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


# ---------------------------------------------------------------------------------------------------------------- ROUGE


@dataclass(frozen=True)
class Score:
    """A ROUGE score; each part is between 0 and 1.

    Attributes:
        precision: matches divided by what the candidate has.
        recall: matches divided by what the reference has.
        f1: the harmonic mean of the two.
    """

    precision: float
    recall: float
    f1: float


def _score(matches: int, in_candidate: int, in_reference: int) -> Score:
    precision = matches / in_candidate if in_candidate else 0.0
    recall = matches / in_reference if in_reference else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return Score(precision, recall, f1)


def _tokens(text: str, stem: bool, tokenizer: Tokenizer | None) -> list[str]:
    if tokenizer is None:
        return tokenize(text, stem)
    if stem:
        raise LabError("stem=True belongs to the default tokenizer: leave it out, or stem inside your own tokenizer.")
    return tokenizer(text)


def rouge_n(candidate: str, reference: str, n: int, stem: bool = False, tokenizer: Tokenizer | None = None) -> Score:
    """ROUGE-N: how many n-grams the two texts share, each counted at most as often as it occurs in both.

    Precision divides by the candidate's n-grams, recall by the reference's.

    Args:
        candidate: the text to be scored.
        reference: the text to be scored against.
        n: 1 for ROUGE-1 (words), 2 for ROUGE-2 (pairs of neighbours).
        stem: compare stems, as `use_stemmer=True` does in rouge_score.
        tokenizer: another tokenizer than `tokenize`, such as `tokenize_anywhere`.

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", section 2.

    >>> rouge_n("the cat sat", "the cat sat on the mat", 1)
    Score(precision=1.0, recall=0.5, f1=0.6666666666666666)
    """
    ours = ngrams(_tokens(candidate, stem, tokenizer), n)
    theirs = ngrams(_tokens(reference, stem, tokenizer), n)
    return _score((ours & theirs).total(), ours.total(), theirs.total())


def _lcs_table(a: Sequence[str], b: Sequence[str]) -> list[list[int]]:
    """table[i][j] is the length of the longest common subsequence of a[:i] and b[:j]."""
    table = [[0] * (len(b) + 1)]
    for token in a:
        above, row = table[-1], [0]
        for j, other in enumerate(b):
            row.append(above[j] + 1 if token == other else max(above[j + 1], row[j]))
        table.append(row)
    return table


def lcs_length(a: Sequence[str], b: Sequence[str]) -> int:
    """The length of the longest common subsequence: tokens in the same order in both, with gaps allowed.

    A common substring allows no gaps; that is another thing, and shorter.

    >>> lcs_length("the cat sat on the mat".split(), "the mat sat on a mat".split())
    4
    """
    return _lcs_table(a, b)[-1][-1]


def rouge_l(candidate: str, reference: str, stem: bool = False, tokenizer: Tokenizer | None = None) -> Score:
    """ROUGE-L: the longest common subsequence of the two texts, divided by the length of each. Line breaks do not count.

    Source: Lin 2004, section 3.1, with F1 in place of the paper's beta, as in rouge_score.

    >>> rouge_l("the mat sat", "the cat sat on the mat").recall
    0.3333333333333333
    """
    ours, theirs = _tokens(candidate, stem, tokenizer), _tokens(reference, stem, tokenizer)
    return _score(lcs_length(ours, theirs), len(ours), len(theirs))


def _lcs_places(reference: Sequence[str], candidate: Sequence[str]) -> set[int]:
    """Where in the reference one longest common subsequence lies. Of several, the one that rouge_score takes."""
    table = _lcs_table(reference, candidate)
    i, j = len(reference), len(candidate)
    places = set()
    while i and j:
        if reference[i - 1] == candidate[j - 1]:
            i, j = i - 1, j - 1
            places.add(i)
        elif table[i][j - 1] > table[i - 1][j]:
            j -= 1
        else:
            i -= 1
    return places


def rouge_lsum(candidate: str, reference: str, stem: bool = False, tokenizer: Tokenizer | None = None) -> Score:
    """ROUGE-Lsum: ROUGE-L of a summary whose sentences stand on lines of their own.

    Each line of the reference is matched against every line of the candidate; the union of the matched places counts, and no
    word more often than it occurs in either text. Where neither text has a line break it equals `rouge_l`.
    Exchanging the texts need not exchange precision and recall, because the union is taken over the reference's lines.

    Source: Lin 2004, section 3.2 (union LCS); the limit on counts is that of ROUGE-1.5.5 and rouge_score.

    >>> rouge_lsum("It rained.\\nWe left.", "We left.\\nIt rained.").f1, rouge_l("It rained.\\nWe left.", "We left.\\nIt rained.").f1
    (1.0, 0.5)
    """
    ours = [_tokens(line, stem, tokenizer) for line in candidate.split("\n")]
    theirs = [_tokens(line, stem, tokenizer) for line in reference.split("\n")]
    count_ours = Counter(token for line in ours for token in line)
    count_theirs = Counter(token for line in theirs for token in line)
    matched: Counter[str] = Counter()
    for line in theirs:
        places: set[int] = set().union(*(_lcs_places(line, other) for other in ours))
        matched.update(line[i] for i in places)
    return _score((matched & count_ours & count_theirs).total(), count_ours.total(), count_theirs.total())


# ----------------------------------------------------------------------------------------------------------------- BLEU


@lru_cache(maxsize=1)
def _tokenizer_13a() -> Any:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    return Tokenizer13a()


def tokenize_13a(text: str) -> list[str]:
    """The tokens that BLEU counts, by sacreBLEU's own 13a tokenizer: case is kept, punctuation marks are tokens.

    >>> tokenize_13a("The cat's 2 meetings.")
    ['The', "cat's", '2', 'meetings', '.']
    """
    return _tokenizer_13a()(text.rstrip()).split()


def clipped_counts(candidate_tokens: Sequence[str], reference_token_lists: Sequence[Sequence[str]], n: int) -> tuple[int, int]:
    """Of the candidate's n-grams: how many are matched, and how many there are.

    Clipping: an n-gram is matched at most as often as it occurs in the one reference that has it most often.

    Returns:
        (clipped, total): their quotient is BLEU's modified precision.

    Raises:
        LabError: there is no reference.

    Source: Papineni et al. 2002 (ACL, "BLEU: a Method for Automatic Evaluation of Machine Translation"), section 2.1.

    >>> clipped_counts("the the the the the the the".split(), ["the cat is on the mat".split()], 1)
    (2, 7)
    """
    if not reference_token_lists:
        raise LabError("There is no reference to score against: give at least one.")
    ours = ngrams(candidate_tokens, n)
    most: Counter[tuple[str, ...]] = Counter()
    for tokens in reference_token_lists:
        most |= ngrams(tokens, n)
    return (ours & most).total(), ours.total()


def brevity_penalty(candidate_length: int, reference_length: int) -> float:
    """What BLEU multiplies by: 1 where the candidate is at least as long as the reference, exp(1 - r / c) where it is shorter.

    Lengths are in tokens, summed over the corpus. An empty candidate (c = 0) has penalty 0, unless the reference is empty too.

    Source: Papineni et al. 2002, section 2.2.

    >>> round(brevity_penalty(3, 6), 3)
    0.368
    """
    if candidate_length >= reference_length:
        return 1.0
    return math.exp(1 - reference_length / candidate_length) if candidate_length else 0.0


def closest_length(candidate_length: int, reference_lengths: Sequence[int]) -> int:
    """The reference length that is closest to the candidate's; of two that are as close, the shorter.

    Raises:
        LabError: there is no reference.

    >>> closest_length(5, [7, 3, 9])
    3
    """
    if not reference_lengths:
        raise LabError("There is no reference to score against: give at least one.")
    return min(reference_lengths, key=lambda length: (abs(length - candidate_length), length))


def _bleu(
    candidates: Sequence[str], references: Sequence[Sequence[str]], max_n: int, smooth: str, effective_order: bool
) -> float:
    clipped, totals = [0] * max_n, [0] * max_n
    candidate_length = reference_length = 0
    for candidate, texts in zip(candidates, references, strict=True):
        ours, theirs = tokenize_13a(candidate), [tokenize_13a(text) for text in texts]
        candidate_length += len(ours)
        reference_length += closest_length(len(ours), [len(tokens) for tokens in theirs])
        for n in range(1, max_n + 1):
            found, total = clipped_counts(ours, theirs, n)
            clipped[n - 1] += found
            totals[n - 1] += total
    if not any(clipped):
        return 0.0
    orders = [n for n in range(max_n) if totals[n]] if effective_order else range(max_n)
    logarithms, halving = [], 1.0
    for n in orders:
        if clipped[n]:
            logarithms.append(math.log(clipped[n] / totals[n]))
        elif totals[n] and smooth == "exp":  # an order without a match counts as 1/2 of a match, the next one as 1/4, ...
            halving /= 2
            logarithms.append(math.log(halving / totals[n]))
        else:
            return 0.0
    geometric_mean = math.exp(sum(logarithms) / len(logarithms))
    return 100 * brevity_penalty(candidate_length, reference_length) * geometric_mean


def bleu(candidates: Sequence[str], references: Sequence[Sequence[str]], max_n: int = 4, smooth: str = "exp") -> float:
    """Corpus BLEU, 0 to 100: the geometric mean of the clipped precisions of orders 1 to `max_n`, times the brevity penalty.

    Matches, totals and lengths are summed over the corpus before anything is divided, so it is not the mean of sentence scores.
    A corpus without a single n-gram of some order (every candidate shorter than `max_n` tokens) scores 0, as in sacreBLEU.

    Args:
        candidates: one text per example.
        references: for each candidate, its references: one or more.
        max_n: the longest n-gram that counts.
        smooth: "exp" gives the k-th order without a match 1 / 2^k of a match; "none" makes the score 0 then.

    Raises:
        LabError: no candidates, a candidate without reference, lists of different lengths, or an unknown smoothing.

    Source: Papineni et al. 2002; the tokenizer and the smoothing are mteval-v13a's, as in Post 2018 (arXiv:1804.08771).

    >>> round(bleu(["the cat sat on the mat"], [["the cat is on the mat", "a cat sat on a mat"]]), 2)
    53.73
    """
    require_lists(candidates, references)
    if max_n < 1:
        raise LabError(f"max_n is {max_n}; BLEU needs at least order 1.")
    if smooth not in SMOOTHINGS:
        raise LabError(f"The smoothing {smooth!r} is unknown: choose {' or '.join(SMOOTHINGS)}.")
    return _bleu(candidates, references, max_n, smooth, effective_order=False)


def sentence_bleu(candidate: str, references: Sequence[str]) -> float:
    """BLEU of one text, 0 to 100, as `sacrebleu.sentence_bleu`: orders of which the candidate has no n-gram are left out.

    A single sentence has few 4-grams, so the number depends on the smoothing: use it to look at examples, not to rank systems.

    Raises:
        LabError: there is no reference.

    >>> round(sentence_bleu("the cat sat", ["the cat sat"]), 2), bleu(["the cat sat"], [["the cat sat"]])
    (100.0, 0.0)
    """
    require_lists([candidate], [references])
    return _bleu([candidate], [references], 4, "exp", effective_order=True)


def require_lists(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Nothing, where there is one list of references, not empty, for each of at least one candidate.

    Raises:
        LabError: something is missing, in one sentence that says what.

    Example: `require_lists(["a text"], ["its reference"])` raises: a reference on its own belongs in a list.
    """
    if isinstance(candidates, str):
        raise LabError("The candidates are one text: put them in a list, one text per example.")
    if not candidates:
        raise LabError("There are no candidates to score: the list is empty.")
    if len(candidates) != len(references):
        raise LabError(
            f"There are {len(candidates):,} candidates and {len(references):,} lists of references: give one list per candidate."
        )
    for i, texts in enumerate(references):
        if isinstance(texts, str):
            raise LabError(f"The references of candidate {i} are one text: put them in a list, even where there is only one.")
        if not texts:
            raise LabError(f"Candidate {i} has no reference to score against: give at least one.")


# ------------------------------------------------------------------------------------------------- several references


def _number(score: float | Score) -> float:
    return score.f1 if isinstance(score, Score) else float(score)


def best_and_average(
    candidate: str, references: Sequence[str], metric: Callable[[str, str], float | Score]
) -> tuple[float, float]:
    """The candidate's best score over several references, and its average.

    rouge_score's `score_multi` takes the best (by F1); the average is lower, and it does not rise with the number of references.
    BLEU does neither: it clips against all references together. A published number without the rule cannot be compared.

    Args:
        candidate: the text to be scored.
        references: one or more.
        metric: (candidate, reference) -> a number, or a `Score`, of which the F1 is taken.

    Raises:
        LabError: there is no reference.

    >>> best_and_average("the cat", ["the cat", "a dog"], rouge_l)
    (1.0, 0.5)
    """
    require_lists([candidate], [references])
    scores = [_number(metric(candidate, reference)) for reference in references]
    return max(scores), sum(scores) / len(scores)


def human_ceiling(rows: Iterable[Sequence[str]], metric: Callable[[str, str], float | Score], best: bool = False) -> list[float]:
    """How well people agree: one score per example, in which each person's reference is scored against the others'.

    Each of an example's references in turn is the candidate, the others are its references; the example's score is the mean over
    these turns. One number per example, so that `intervals.bootstrap_interval` can resample examples.

    Args:
        rows: for each example, its references (three in the course's dialogues; at least two).
        metric: (candidate, reference) -> a number, or a `Score`, of which the F1 is taken.
        best: within a turn take the best score over the others in place of the average. The best rises with the number of
            references, so compare it only with systems scored against as many (here: two).

    Raises:
        LabError: no examples, or an example with a single reference.

    Source: the leave-one-out procedure of Lin 2004, section 2.1, applied to the references themselves.

    >>> human_ceiling([["the cat", "the cat", "a dog"]], rouge_l)
    [0.3333333333333333]
    """
    ceiling = []
    for i, texts in enumerate(rows):
        if isinstance(texts, str) or len(texts) < 2:
            raise LabError(f"Example {i} has fewer than two references: agreement needs at least two.")
        turns = [best_and_average(text, [*texts[:j], *texts[j + 1 :]], metric)[0 if best else 1] for j, text in enumerate(texts)]
        ceiling.append(sum(turns) / len(turns))
    if not ceiling:
        raise LabError("There are no examples to score: the list is empty.")
    return ceiling


# ------------------------------------------------------------------------------------------------- meaning, not n-grams


@lru_cache(maxsize=1)
def _encoder(home: Path) -> tuple[Any, Any]:
    from labutils.loading import load_encoder

    return load_encoder()


def embed(texts: Sequence[str], batch_size: int = 32) -> Tensor:
    """One direction in meaning per text, by the course's sentence encoder: a tensor (n, 384) on the CPU, each row of length 1.

    The hidden states of the last layer are averaged over the real tokens (mean pooling over the attention mask), then
    normalised. A text is read up to its 256th token.

    Raises:
        LabError: there are no texts.
        AssetError: the encoder's files are missing.

    Source: Reimers and Gurevych 2019 (arXiv:1908.10084), section 3; the model is all-MiniLM-L6-v2.

    Example: `embed(["a cat", "a kitten"])` has shape (2, 384), and the product of its rows is their cosine.
    """
    import torch

    from labutils import runtime

    if isinstance(texts, str):
        raise LabError("The texts are one text: put them in a list.")
    if not texts:
        raise LabError("There are no texts to embed: the list is empty.")
    model, tokenizer = _encoder(runtime.home())
    rows = []
    for i in range(0, len(texts), batch_size):
        inputs = tokenizer(
            list(texts[i : i + batch_size]), padding=True, truncation=True, max_length=ENCODER_TOKENS, return_tensors="pt"
        ).to(model.device)
        with torch.no_grad():
            hidden_states = model(**inputs).last_hidden_state  # (B, T, 384)
        mask = inputs["attention_mask"].unsqueeze(-1)  # (B, T, 1)
        rows.append((hidden_states * mask).sum(dim=1) / mask.sum(dim=1))  # (B, 384)
    return torch.nn.functional.normalize(torch.cat(rows).float(), dim=-1).cpu()


def similarity(a: str, b: str) -> float:
    """The cosine of the angle between two texts' embeddings: 1 for the same text, near 0 for unrelated ones.

    It sees a paraphrase that shares no word; a negation it barely sees. Raises and reads as `embed`.

    Example: `similarity("The film was good.", "I liked the movie.")` is far above `rouge_n(..., 1).f1`, which is 0.25.
    """
    first, second = embed([a, b])
    return float(first @ second)


# ------------------------------------------------------------------------------------------------- the production path


def load_metric(name: str) -> Any:
    """The course's own metric module "rouge" or "bleu", loaded by `evaluate` from a local folder: nothing is fetched.

    What evaluate writes (a copy of the module, temporary predictions) goes into LABS_HOME/evaluate. Metrics loaded so can be
    handed to `evaluate.combine([load_metric("rouge"), load_metric("bleu")])`; combine gives an option to every metric, so options
    that one of them does not know (`use_stemmer`) belong in a call of that metric alone.

    Raises:
        LabError: there is no such metric in the course.

    Example: `load_metric("bleu").compute(predictions=["a b c d"], references=[["a b c d"]])["bleu"]` is 100.
    """
    names = sorted(folder.name for folder in METRICS.iterdir() if (folder / f"{folder.name}.py").is_file())
    if name not in names:
        raise LabError(f"The course has no metric {name!r}: choose {' or '.join(names)}.")
    import evaluate

    from labutils import runtime

    cache = runtime.home() / "evaluate"
    modules = cache / "modules"
    evaluate.config.HF_MODULES_CACHE = modules
    # evaluate imports its copies as evaluate_modules.metrics...: where another folder already goes by that name, add ours.
    for package in ("evaluate_modules", "evaluate_modules.metrics", f"evaluate_modules.metrics.{name}"):
        folder = str(modules.joinpath(*package.split(".")))
        if package in sys.modules and folder not in sys.modules[package].__path__:
            sys.modules[package].__path__.insert(0, folder)
    return evaluate.load(str(METRICS / name), cache_dir=str(cache), keep_in_memory=True)
