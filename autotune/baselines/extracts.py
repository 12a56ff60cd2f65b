"""Summaries made of whole sentences of the document: the first n, and the ones nearest to the reference."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise
from statistics import fmean
from typing import Any, Self

from autotune.metrics.lcs import Candidate
from autotune.metrics.rouge import sentences, words

MOST = 10
"""Sentences of the longest summary that is tried."""
ROWS = 500
"""Rows that choose the number of sentences, at most."""
SEARCHED = 200
"""Sentences of a document among which the oracle chooses."""


class LeadSentences:
    """Takes the first n sentences of a document: of news, a rival that is hard to beat (See et al. 2017)."""

    def __init__(self) -> None:
        self.count = 1
        """Number of sentences."""

    def fit(self, documents: Sequence[str], summaries: Sequence[str]) -> Self:
        """Chooses the number of sentences with the best mean ROUGE-L; of equal ones, the smallest."""
        pairs = [
            ([words(sentence) for sentence in sentences(document)[:MOST]], words(summary))
            for document, summary in zip(documents[:ROWS], summaries[:ROWS], strict=True)
        ]
        scores = [
            fmean(_rouge_l(summary, [*chain(*document[:count])]) for document, summary in pairs)
            for count in range(1, MOST + 1)
        ]
        self.count = 1 + scores.index(max(scores))
        return self

    def predict(self, documents: Iterable[str]) -> list[str]:
        """Returns the first sentences of each document."""
        return [" ".join(sentences(document)[: self.count]) for document in documents]


def extractive_oracle(document: str, summary: str) -> str:
    """Returns the sentences of a document that together come nearest to a reference: no summary of whole sentences is
    much better.

    They are added one by one, each time the one that raises ROUGE-1 F1 plus ROUGE-2 F1 most, until none does (Nallapati
    et al. 2017, SummaRuNNer; with both measures Liu and Lapata 2019).
    """
    of_document = sentences(document)[:SEARCHED]
    candidates = [_grams(words(sentence)) for sentence in of_document]
    reference = _grams(words(summary))
    chosen: list[int] = []
    total, best = (Counter[Any](), Counter[Any]()), 0.0
    while len(chosen) < len(of_document):
        scores = [
            -1.0 if index in chosen else _overlap(reference, total, candidate)
            for index, candidate in enumerate(candidates)
        ]
        if max(scores) <= best:
            break
        best = max(scores)
        chosen.append(scores.index(best))
        total = (total[0] + candidates[chosen[-1]][0], total[1] + candidates[chosen[-1]][1])
    return " ".join(of_document[index] for index in sorted(chosen))


Grams = tuple[Counter[Any], Counter[Any]]


def _grams(of_text: list[str]) -> Grams:
    """Returns the words and the pairs of neighbouring words."""
    return Counter(of_text), Counter(pairwise(of_text))


def _overlap(reference: Grams, summary: Grams, added: Grams) -> float:
    """Returns the sum of the F1 of words and of pairs of a summary to which a sentence is added."""
    score = 0.0
    for gold, present, more in zip(reference, summary, added, strict=True):
        size = gold.total() + present.total() + more.total()
        hits = sum(min(count, present[gram] + more[gram]) for gram, count in gold.items())
        score += 2 * hits / size if size else 0.0
    return score


def _rouge_l(reference: Sequence[str], prediction: Sequence[str]) -> float:
    size = len(reference) + len(prediction)
    return 2 * Candidate(prediction).length(reference) / size if size else 0.0
