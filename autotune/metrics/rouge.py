"""Figures of summarization: ROUGE as rouge_score counts it, chrF by sacrebleu."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any, Self

from datasets import Value
from rouge_score.scoring import fmeasure
from rouge_score.tokenizers import DefaultTokenizer
from sacrebleu.metrics.chrf import CHRF

from autotune.metrics.accumulator import MetricState
from autotune.metrics.base import OfflineMetric
from autotune.metrics.lcs import Candidate

WORD = re.compile(r"\w+")

SENTENCE_END = re.compile(
    r"""
    \n+
    | (?<=[.!?…]) ["'”’»)\]]*+ \s++ (?= \W*+ [^\W\d_a-zß-öø-ÿ] )  # a digit or small letter begins no sentence
    """,
    re.VERBOSE,
)

UNITS = 2**1074
"""Every float is a whole number of these parts of 1."""

Sentences = Sequence[Sequence[str]]
"""The words of each sentence."""


def words(text: str) -> list[str]:
    r"""Unicode words of a text: NFC, lower case, `\w+`; no stemming.

    `não` is one word and `avó` is not `avô`. rouge_score's own tokenizer breaks words at every letter that is
    not a to z.
    """
    return WORD.findall(unicodedata.normalize("NFC", text).lower())


def sentences(text: str) -> list[str]:
    """Sentences of a text, not empty, without the blanks and closing quotes between them.

    A sentence ends at a line break, and after `.`, `!`, `?` or `…` (closing quotes and brackets may follow)
    where blanks come next and the next word begins with neither a digit nor a small letter: `art. 5` and
    `etc. e` stay whole; `Sr. Silva` does not.
    """
    return [sentence for sentence in SENTENCE_END.split(text) if sentence.strip()]


class RougeState(MetricState):
    """Sums over rows of the F1 of ROUGE-1, ROUGE-2, ROUGE-L and ROUGE-Lsum, and the n-gram counts of chrF2.

    ROUGE is taken on Unicode words and, under the names in `_google`, on those of rouge_score's tokenizer.
    """

    def __init__(self) -> None:
        # Integers are exact, so that neither the order of rows nor the number of processes matters.
        self.sums: dict[str, int] = {}
        """In units of 1 / `UNITS`."""
        self.characters = [0] * (3 * CHRF.CHAR_ORDER)
        self.empty = self.cut = 0
        """Predictions without a word, and those that did not come to an end."""

    def add(self, reference: str, prediction: str) -> None:
        """Counts one row. ROUGE of a text without words is 0, whatever its reference."""
        golden, predicted = (unicodedata.normalize("NFC", text) for text in (reference, prediction))
        figures = rouge(*([words(part) for part in sentences(text)] for text in (golden, predicted)))
        google = rouge(*(_google_words(text) for text in (reference, prediction)))
        figures.update({f"{name}_google": value for name, value in google.items()})
        for name, value in figures.items():
            numerator, denominator = value.as_integer_ratio()
            self.sums[name] = self.sums.get(name, 0) + numerator * (UNITS // denominator)
        (counts,) = CHRF()._extract_corpus_statistics([predicted], [[golden]])
        self.characters = [one + other for one, other in zip(self.characters, counts, strict=True)]
        self.empty += not predicted.strip()
        self.rows += 1

    def add_extra(self, prediction: Mapping[str, Any]) -> None:
        """Whether the summary was cut at its greatest length."""
        self.cut += bool(prediction.get("cut"))

    def merge(self, other: Self) -> None:
        """Adds the sums of another process."""
        for name, value in other.sums.items():
            self.sums[name] = self.sums.get(name, 0) + value
        self.characters = [one + more for one, more in zip(self.characters, other.characters, strict=True)]
        self.empty += other.empty
        self.cut += other.cut
        self.rows += other.rows

    def figures(self) -> dict[str, Any]:
        """Means over rows, and chrF2 of all rows together; 0..1."""
        return {
            **{name: total / UNITS / self.rows for name, total in self.sums.items()},
            "chrf": CHRF()._compute_score_from_stats(self.characters).score / 100,
            "counts": {"rows": self.rows, "empty": self.empty, "cut": self.cut},
        }


class Rouge(OfflineMetric[RougeState]):
    """Mean over rows of the F1 of ROUGE-1, ROUGE-2, ROUGE-L and ROUGE-Lsum, and chrF2 of all rows together.

    Args:
        cache_dir: `evaluate` makes an empty folder in it.
    """

    row = Value("string")
    source = (
        "Lin 2004, ROUGE: A package for automatic evaluation of summaries; "
        "Popović 2015, chrF: character n-gram F-score for automatic MT evaluation"
    )

    def empty(self) -> RougeState:
        """Sums of no row."""
        return RougeState()


def rouge(reference: Sentences, prediction: Sentences) -> dict[str, float]:
    """F1 of ROUGE-1, ROUGE-2, ROUGE-L and ROUGE-Lsum (Lin 2004), by the rules of the package rouge_score."""
    golden, predicted = (list(chain.from_iterable(text)) for text in (reference, prediction))
    longest = Candidate(predicted).length(golden)
    # Between two single sentences ROUGE-Lsum is ROUGE-L.
    single = len(reference) <= 1 and len(prediction) <= 1
    hits = longest if single else _union_hits(reference, prediction)
    return {
        "rouge1": _f1(*_overlap(golden, predicted)),
        "rouge2": _f1(*_overlap(*(list(pairwise(text)) for text in (golden, predicted)))),
        "rougeL": _f1(longest, len(golden), len(predicted)),
        "rougeLsum": _f1(hits, len(golden), len(predicted)),
    }


def _google_words(text: str) -> list[list[str]]:
    """Words of rouge_score's own tokenizer; line breaks alone end sentences."""
    tokenize: Callable[[str], list[str]] = DefaultTokenizer(use_stemmer=False).tokenize
    return [tokenize(line) for line in text.split("\n") if line]


def _overlap(golden: Sequence[Any], predicted: Sequence[Any]) -> tuple[int, int, int]:
    """How many the texts share, each as often as both have it; how many each has."""
    return (Counter(golden) & Counter(predicted)).total(), len(golden), len(predicted)


def _union_hits(reference: Sentences, prediction: Sentences) -> int:
    """Words of the reference that are in a longest common subsequence of their sentence with some sentence.

    A word counts at most as often as either text has it (as ROUGE-1.5.5 does, though the paper does not).
    """
    candidates = [Candidate(sentence) for sentence in prediction]
    left = Counter(chain.from_iterable(reference)) & Counter(chain.from_iterable(prediction))
    hits = 0
    for sentence in reference:
        for position in set(chain.from_iterable(one.indices(sentence) for one in candidates)):
            if left[sentence[position]]:
                left[sentence[position]] -= 1
                hits += 1
    return hits


def _f1(hits: int, golden: int, predicted: int) -> float:
    """F1 of `hits` among so many words of the reference and of the prediction."""
    return float(fmeasure(hits / max(predicted, 1), hits / max(golden, 1)))
