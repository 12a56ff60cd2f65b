"""Which entities were found, and the errors by kind: boundary, type, both, missed, spurious."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from autotune.data.words import entities
from autotune.evaluation.bootstrap import Blocks
from autotune.reporting.counts import Segment

KINDS = ("boundary", "type", "type and boundary", "missed", "spurious")
EXAMPLES = 6
"""Sentences that are quoted for each kind."""
MAX_WORDS = 120
"""Words of a sentence that are shown."""


class Span(NamedTuple):
    """An entity: its type and words, [start, end)."""

    start: int
    end: int
    label: str


class Entities:
    """Collects predictions of IOB2 tags.

    Args:
        target: key of the gold tags.
    """

    template = "entities"

    def __init__(self, target: str) -> None:
        from autotune.metrics.entities import EntityState

        self._target = target
        self._blocks = Blocks(EntityState)
        self._kinds: Counter[str] = Counter()
        self._examples: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}

    def add(self, number: int, row: Mapping[str, Any]) -> None:
        """Adds a row with its prediction."""
        words = list(map(str, row["tokens"]))
        gold, predicted = list(spans(row[self._target])), list(spans(row["prediction"]))
        self._blocks.add(row[self._target], row["prediction"])
        kinds = Counter(errors(gold, predicted))
        self._kinds += kinds
        for kind in kinds:
            if len(self._examples[kind]) < EXAMPLES:
                self._examples[kind].append(
                    {"id": row.get("id"), "gold": marked(words, gold), "predicted": marked(words, predicted)}
                )

    def results(self, seed: int) -> dict[str, Any]:
        """Returns what the page shows."""
        return {
            "f1_intervals": self._blocks.class_intervals(seed),
            "kinds": {kind: self._kinds[kind] for kind in KINDS},
            "examples": {kind: rows for kind, rows in self._examples.items() if rows},
        }


def has_entity_tags(value: Any) -> bool:
    """Returns whether a value of a row is a list of IOB2 tags."""
    return isinstance(value, list) and all(str(tag)[:2] in ("O", "B-", "I-") for tag in value)


def spans(tags: Sequence[str]) -> Iterator[Span]:
    """Yields the entities of IOB2 tags; an I- tag that continues no entity of its type is ignored, as in the score."""
    for label, start, end in entities(tags):
        yield Span(start, end, label)


def errors(gold: Sequence[Span], predicted: Sequence[Span]) -> Iterator[str]:
    """Yields the kind of each error: one per gold entity that was not predicted exactly, and one per predicted entity that
    touches no gold entity."""
    exact = set(predicted)
    for span in gold:
        if span in exact:
            continue
        touching = [other for other in predicted if other.start < span.end and span.start < other.end]
        if not touching:
            yield "missed"
        elif any(other[:2] == span[:2] for other in touching):
            yield "type"
        elif any(other.label == span.label for other in touching):
            yield "boundary"
        else:
            yield "type and boundary"
    for span in predicted:
        if not any(other.start < span.end and span.start < other.end for other in gold):
            yield "spurious"


def marked(words: Sequence[str], marks: Sequence[Span]) -> list[Segment]:
    """Returns a sentence in pieces, of which those with a label are entities."""
    segments, at = [], 0
    for span in marks:
        if span.start >= MAX_WORDS:
            break
        segments += [
            Segment(" ".join(words[at : span.start])),
            Segment(" ".join(words[span.start : span.end]), span.label),
        ]
        at = span.end
    rest = words[at:MAX_WORDS]
    segments.append(Segment(" ".join(rest) + (" …" if len(words) > MAX_WORDS else "")))
    return [segment for segment in segments if segment.text]
