"""Summaries made of whole sentences of the document: the first n, the n most central, and those nearest to the reference."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, pairwise
from math import log, sqrt
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field

from autotune.baselines.saved import SETTINGS, VOCABULARY, Names, read_json, read_tensors, write, write_json
from autotune.metrics.lcs import Candidate
from autotune.metrics.sentences import sentences, words
from autotune.runtime.records import Record

MOST = 10
"""Sentences of the longest summary that is tried."""
ROWS = 500
"""Rows that choose the number of sentences, at most."""
WORDS = 500_000
"""Words of a `Centroid`, at most; of more, the most frequent."""
SEARCHED = 200
"""Sentences of a document among which the oracle chooses."""


class SentencesRecord(Record):
    """Schema of the settings.json of `LeadSentences`."""

    sentences: Annotated[int, Field(ge=1, le=MOST)]


class CentroidRecord(SentencesRecord):
    """Schema of the vocabulary.json of a `Centroid`."""

    documents: Annotated[int, Field(ge=1, le=2**40)]
    words: Annotated[Names, Field(max_length=WORDS)]


class LeadSentences:
    """Takes the first n sentences of a document: of news, a rival that is hard to beat (See et al. 2017)."""

    def __init__(self) -> None:
        self.count = 1
        """Number of sentences."""

    def fit(self, documents: Sequence[str], summaries: Sequence[str]) -> Self:
        """Chooses the number of sentences with the best mean ROUGE-L; of equal ones, the smallest."""
        self.count = _best_count(_first, documents, summaries)
        return self

    def predict(self, documents: Iterable[str]) -> list[str]:
        """Returns the first sentences of each document."""
        return [" ".join(sentences(document)[: self.count]) for document in documents]

    def save(self, folder: Path) -> None:
        """Writes settings.json into an existing folder.

        Raises:
            DiskError: the file cannot be written.
        """
        write_json(folder / SETTINGS, {"sentences": self.count})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` has written.

        Raises:
            ModelError: the file is missing or damaged.
        """
        lead = cls()
        lead.count = read_json(folder / SETTINGS, SentencesRecord)["sentences"]
        return lead


class Centroid:
    """Takes the n sentences that are most like the whole document, in its order: the cosine of their TF-IDF vectors and that
    of the document (Radev et al. 2004, Centroid-based summarization of multiple documents)."""

    def __init__(self) -> None:
        self.count = 1
        """Number of sentences."""
        self._documents = 1
        self._frequencies: dict[str, int] = {}
        """In how many documents each word occurs."""

    def fit(self, documents: Sequence[str], summaries: Sequence[str]) -> Self:
        """Counts words, and chooses the number of sentences with the best mean ROUGE-L; of equal ones, the smallest."""
        counts = Counter(word for document in documents for word in set(words(document)))
        self._documents = len(documents)
        self._frequencies = dict(counts.most_common(WORDS))
        self.count = _best_count(self._order, documents, summaries)
        return self

    def predict(self, documents: Iterable[str]) -> list[str]:
        """Returns the most central sentences of each document."""
        return [
            " ".join(of_document[index] for index in sorted(self._order(of_document)[: self.count]))
            for of_document in map(sentences, documents)
        ]

    def _order(self, of_document: Sequence[str]) -> list[int]:
        """Returns the numbers of sentences, the most central first; of equal ones, the earlier."""
        vectors = [self._vector(sentence) for sentence in of_document]
        centroid = Counter[str]()
        for vector in vectors:
            centroid.update(vector)
        cosines = [
            sum(weight * centroid[word] for word, weight in vector.items()) / (_norm(vector) or 1)
            for vector in vectors
        ]
        return sorted(range(len(vectors)), key=lambda index: -cosines[index])

    def _vector(self, sentence: str) -> dict[str, float]:
        return {
            word: count * (1 + log((1 + self._documents) / (1 + self._frequencies.get(word, 0))))
            for word, count in Counter(words(sentence)).items()
        }

    def save(self, folder: Path) -> None:
        """Writes model.safetensors and vocabulary.json into an existing folder.

        Raises:
            DiskError: a file cannot be written.
        """
        vocabulary = {"sentences": self.count, "documents": self._documents, "words": [*self._frequencies]}
        frequencies = np.array([*self._frequencies.values()], dtype=np.int64)
        write(folder, vocabulary, {"frequencies": frequencies})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` has written.

        Raises:
            ModelError: a file is missing or damaged.
        """
        vocabulary = read_json(folder / VOCABULARY, CentroidRecord)
        centroid = cls()
        centroid.count, centroid._documents = vocabulary["sentences"], vocabulary["documents"]
        layout = {"frequencies": ("I", (len(vocabulary["words"]),))}
        frequencies = read_tensors(folder, layout, low=0, high=vocabulary["documents"])["frequencies"]
        centroid._frequencies = dict(zip(vocabulary["words"], frequencies.tolist(), strict=True))
        return centroid


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


def _first(of_document: Sequence[str]) -> range:
    return range(len(of_document))


def _norm(vector: Mapping[str, float]) -> float:
    return sqrt(sum(weight * weight for weight in vector.values()))


def _best_count(
    order: Callable[[Sequence[str]], Sequence[int]], documents: Sequence[str], summaries: Sequence[str]
) -> int:
    """Returns the number of sentences with the best mean ROUGE-L; of equal ones, the smallest.

    Args:
        order: returns the numbers of a document's sentences, the one that is taken first first.
        documents: of which the first `ROWS` are read.
        summaries: the reference of each.
    """
    totals = [0.0] * MOST
    for document, summary in zip(documents[:ROWS], summaries[:ROWS], strict=True):
        of_document, reference = sentences(document), words(summary)
        ranked = order(of_document)[:MOST]
        of_sentence = {index: words(of_document[index]) for index in ranked}
        for count in range(1, MOST + 1):
            extract = chain.from_iterable(of_sentence[index] for index in sorted(ranked[:count]))
            totals[count - 1] += _rouge_l(reference, [*extract])
    return 1 + totals.index(max(totals))


def _rouge_l(reference: Sequence[str], prediction: Sequence[str]) -> float:
    size = len(reference) + len(prediction)
    return 2 * Candidate(prediction).length(reference) / size if size else 0.0
