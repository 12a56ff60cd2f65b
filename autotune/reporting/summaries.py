"""Written texts beside their references: how much they share, and how much of them is new."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from autotune.metrics.sentences import words
from autotune.reporting.counts import largest, shortened

WORST, BEST = 6, 3
"""Rows that are quoted."""
MAX_DOCUMENT = 4000
"""Characters of a document that are shown."""


class Summaries:
    """Collects written texts.

    Args:
        target: key of the reference.
    """

    template = "summaries"

    def __init__(self, target: str) -> None:
        self._target = target
        self._worst: list[Any] = []
        self._best: list[Any] = []
        self._lengths: list[tuple[int, int]] = []
        self._cut = 0

    def add(self, number: int, row: Mapping[str, Any]) -> None:
        """Adds a row with its prediction."""
        reference, prediction = words(str(row[self._target])), words(str(row["prediction"]))
        shared = overlap(reference, prediction)
        self._lengths.append((len(reference), len(prediction)))
        self._cut += bool(row.get("cut"))
        self._worst = largest(self._worst, (-shared, number, (row, shared)), WORST)
        self._best = largest(self._best, (shared, number, (row, shared)), BEST)

    @property
    def quoted_rows(self) -> list[int]:
        """Numbers of the rows that are quoted."""
        return sorted({number for _, number, _ in [*self._worst, *self._best]})

    def results(self, documents: Mapping[str, str]) -> dict[str, Any]:
        """Returns what the page shows.

        Args:
            documents: by id, those of the quoted rows that are known.
        """
        return {
            "cut": self._cut,
            "rows": len(self._lengths),
            "reference_words": fmean(length for length, _ in self._lengths) if self._lengths else None,
            "written_words": fmean(length for _, length in self._lengths) if self._lengths else None,
            "worst": [self._quoted(row, shared, documents) for _, _, (row, shared) in self._worst],
            "best": [self._quoted(row, shared, documents) for _, _, (row, shared) in self._best],
        }

    def _quoted(self, row: Mapping[str, Any], shared: float, documents: Mapping[str, str]) -> dict[str, Any]:
        document = documents.get(str(row.get("id")))
        written = str(row["prediction"])
        novel = {} if document is None else {size: novel_share(written, document, size) for size in (1, 2, 3)}
        return {
            "id": row.get("id"),
            "document": None if document is None else shortened(document, MAX_DOCUMENT),
            "reference": shortened(str(row[self._target]), MAX_DOCUMENT),
            "written": shortened(written, MAX_DOCUMENT),
            "overlap": shared,
            "novel": {size: share for size, share in novel.items() if share is not None},
            "cut": bool(row.get("cut")),
        }


def overlap(reference: Sequence[str], prediction: Sequence[str]) -> float:
    """Returns the F1 of single words (ROUGE-1) of two texts."""
    remaining: dict[str, int] = {}
    for word in reference:
        remaining[word] = remaining.get(word, 0) + 1
    hits = 0
    for word in prediction:
        if remaining.get(word, 0):
            remaining[word] -= 1
            hits += 1
    return 2 * hits / (len(reference) + len(prediction)) if hits else 0.0


def novel_share(written: str, document: str, size: int) -> float | None:
    """Returns the share of the n-grams of a text that its document has nowhere; None if it has no n-gram.

    See See et al. 2017, Get To The Point, section 5.
    """
    in_document, in_written = (set(_ngrams(words(text), size)) for text in (document, written))
    return len(in_written - in_document) / len(in_written) if in_written else None


def _ngrams(text: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(text[at : at + size]) for at in range(len(text) - size + 1)]
