"""Metrics of summarization: ROUGE as rouge_score counts it, chrF by sacrebleu."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any, Self

import numpy as np
from datasets import Value
from rouge_score.scoring import fmeasure
from rouge_score.tokenizers import DefaultTokenizer
from sacrebleu.metrics.chrf import CHRF

from autotune.metrics.accumulator import CountTable, MetricState, Numbers
from autotune.metrics.base import OfflineMetric
from autotune.metrics.lcs import Candidate
from autotune.metrics.sentences import sentences, words

UNITS = 2**1074
"""Units per 1; every float is a whole number of them."""

Sentences = Sequence[Sequence[str]]
"""The words of each sentence."""


class RougeState(MetricState):
    """Sums over rows of the F1 of ROUGE-1, ROUGE-2, ROUGE-L and ROUGE-Lsum, and the n-gram counts of chrF2.

    ROUGE counts Unicode words and, under the names with `_google`, the words of rouge_score's tokenizer.
    """

    def __init__(self) -> None:
        # Integers are exact, so neither the order of rows nor the number of processes changes a sum.
        self.sums: dict[str, int] = {}
        """Sums in units of 1 / `UNITS`."""
        self.chrf_counts = [0] * (3 * CHRF.CHAR_ORDER)
        self.empty = self.cut = 0
        """Number of predictions without a word, and of those cut at their maximum length."""

    def add(self, reference: str, prediction: str) -> None:
        """Counts one row. ROUGE of a text without words is 0, whatever its reference."""
        gold, predicted = (unicodedata.normalize("NFC", text) for text in (reference, prediction))
        values = rouge(*([words(part) for part in sentences(text)] for text in (gold, predicted)))
        google = rouge(*(_google_words(text) for text in (reference, prediction)))
        values.update({f"{name}_google": value for name, value in google.items()})
        for name, value in values.items():
            numerator, denominator = value.as_integer_ratio()
            self.sums[name] = self.sums.get(name, 0) + numerator * (UNITS // denominator)
        # sacrebleu's public methods take the whole corpus at once; chrF needs only these counts, which add up.
        (counts,) = CHRF()._extract_corpus_statistics([predicted], [[gold]])
        self.chrf_counts = [total + count for total, count in zip(self.chrf_counts, counts, strict=True)]
        self.empty += not predicted.strip()
        self.rows += 1

    def add_extra(self, prediction: Mapping[str, Any]) -> None:
        """Counts a summary that was cut at its maximum length."""
        self.cut += bool(prediction.get("cut"))

    def merge(self, other: Self) -> None:
        """Adds the sums of another process."""
        for name, value in other.sums.items():
            self.sums[name] = self.sums.get(name, 0) + value
        self.chrf_counts = [
            total + count for total, count in zip(self.chrf_counts, other.chrf_counts, strict=True)
        ]
        self.empty += other.empty
        self.cut += other.cut
        self.rows += other.rows

    @classmethod
    def table(cls, states: Sequence[Self]) -> CountTable:
        """Returns the number of rows, the sums of each ROUGE and the n-gram counts of chrF: (rows, 29)."""
        names = list(states[0].sums)
        counts = [
            [state.rows, *(state.sums[name] / UNITS for name in names), *state.chrf_counts]
            for state in states
        ]

        def values(sums: Numbers) -> dict[str, Numbers]:
            means = sums[:, 1 : len(names) + 1] / sums[:, :1]
            chrf = [
                CHRF()._compute_score_from_stats(list(stats)).score for stats in sums[:, len(names) + 1 :]
            ]
            return {**dict(zip(names, means.T, strict=True)), "chrf": np.array(chrf) / 100}

        return CountTable(np.array(counts, dtype=np.float64), values)

    def figures(self) -> dict[str, Any]:
        """Returns means over rows, and chrF2 of all rows together; 0..1."""
        return {
            **{name: total / UNITS / self.rows for name, total in self.sums.items()},
            "chrf": CHRF()._compute_score_from_stats(self.chrf_counts).score / 100,
            "counts": {"rows": self.rows, "empty": self.empty, "cut": self.cut},
        }


class Rouge(OfflineMetric[RougeState]):
    """Computes the mean over rows of the F1 of ROUGE-1, ROUGE-2, ROUGE-L and ROUGE-Lsum, and chrF2 of all rows together.

    Args:
        cache_dir: `evaluate` makes an empty folder in it.
    """

    row = Value("string")
    source = (
        "Lin 2004, ROUGE: A package for automatic evaluation of summaries; "
        "Popović 2015, chrF: character n-gram F-score for automatic MT evaluation"
    )

    def empty(self) -> RougeState:
        """Returns a state without rows."""
        return RougeState()


def rouge(reference: Sentences, prediction: Sentences) -> dict[str, float]:
    """Returns the F1 of ROUGE-1, ROUGE-2, ROUGE-L and ROUGE-Lsum (Lin 2004), by the rules of the package rouge_score."""
    gold, predicted = (list(chain.from_iterable(text)) for text in (reference, prediction))
    longest = Candidate(predicted).length(gold)
    # Between two single sentences, ROUGE-Lsum is ROUGE-L.
    single = len(reference) <= 1 and len(prediction) <= 1
    hits = longest if single else _union_hits(reference, prediction)
    return {
        "rouge1": _f1(*_overlap(gold, predicted)),
        "rouge2": _f1(*_overlap(*(list(pairwise(text)) for text in (gold, predicted)))),
        "rougeL": _f1(longest, len(gold), len(predicted)),
        "rougeLsum": _f1(hits, len(gold), len(predicted)),
    }


def _google_words(text: str) -> list[list[str]]:
    """Returns the words of rouge_score's own tokenizer, by sentence; only line breaks end sentences."""
    tokenize: Callable[[str], list[str]] = DefaultTokenizer(use_stemmer=False).tokenize
    return [tokenize(line) for line in text.split("\n") if line]


def _overlap(gold: Sequence[Any], predicted: Sequence[Any]) -> tuple[int, int, int]:
    """Returns how many items the texts share, each counted as often as both have it, and how many each text has."""
    return (Counter(gold) & Counter(predicted)).total(), len(gold), len(predicted)


def _union_hits(reference: Sentences, prediction: Sentences) -> int:
    """Counts the words of the reference in a longest common subsequence of their sentence with any predicted sentence.

    A word counts at most as often as either text has it, as in ROUGE-1.5.5, unlike the paper.
    """
    candidates = [Candidate(sentence) for sentence in prediction]
    left = Counter(chain.from_iterable(reference)) & Counter(chain.from_iterable(prediction))
    hits = 0
    for sentence in reference:
        for position in set(chain.from_iterable(candidate.indices(sentence) for candidate in candidates)):
            if left[sentence[position]]:
                left[sentence[position]] -= 1
                hits += 1
    return hits


def _f1(hits: int, gold: int, predicted: int) -> float:
    """Returns the F1 of `hits` among `gold` words of the reference and `predicted` words of the prediction."""
    return float(fmeasure(hits / max(predicted, 1), hits / max(gold, 1)))
