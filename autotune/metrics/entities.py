"""Figures of named entity recognition, by seqeval."""

import re
from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import Any, Self

from datasets import List, Value
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Tokens

from autotune.errors import DataError
from autotune.metrics.accumulator import MetricState
from autotune.metrics.base import OfflineMetric

Tags = Sequence[str]

TAG = re.compile(r"O|[BI]-[^-](.*[^-])?", re.DOTALL)
"""IOB2. seqeval reads any other tag as something: PESSOA as type ESSOA, L-PER as a type L. It also strips
hyphens from the ends of a type, which would make one of two types."""


class EntityState(MetricState):
    """Entities of references, of predictions and of both: one is right when its type and all its words are.

    Strict figures ignore I- tags that continue no entity of their type; entity_f1_conll begins one there.
    """

    def __init__(self) -> None:
        self.words = 0
        self.golden: Counter[str] = Counter()
        self.predicted: Counter[str] = Counter()
        self.right: Counter[str] = Counter()
        """By type; likewise the two above."""
        self.conll: Counter[str] = Counter()
        """`golden`, `predicted` and `right` as conlleval counts them, of all types together."""
        self._tags = {"O"}
        """Those that were seen to be IOB2."""

    def add(self, reference: Tags, prediction: Tags) -> None:
        """Counts one row of IOB2 tags, one a word.

        Raises:
            DataError: more or fewer predicted tags than words, or a tag that is not IOB2.
        """
        golden, predicted = list(reference), list(prediction)
        if len(golden) != len(predicted):
            raise DataError(
                "a prediction has another length than its reference",
                where=f"row {self.rows}",
                found=f"{len(predicted)} predicted tags for {len(golden)} words",
                fix="one tag for each word",
            )
        self._check(golden, "reference")
        self._check(predicted, "prediction")
        ours, theirs = _strict(golden), _strict(predicted)
        self.golden.update(name for name, *_ in ours)
        self.predicted.update(name for name, *_ in theirs)
        self.right.update(name for name, *_ in ours & theirs)
        loose, guessed = (_loose(tags) for tags in (golden, predicted))
        self.conll.update(golden=len(loose), predicted=len(guessed), right=len(loose & guessed))
        self.words += len(golden)
        self.rows += 1

    def merge(self, other: Self) -> None:
        """Adds the entities of another process."""
        self.golden.update(other.golden)
        self.predicted.update(other.predicted)
        self.right.update(other.right)
        self.conll.update(other.conll)
        self.words += other.words
        self.rows += other.rows

    def figures(self) -> dict[str, Any]:
        """Precision, recall and F1 of all entities and of each type."""
        types = sorted(self.golden.keys() | self.predicted.keys())
        by_type = {
            name: _figures(self.right[name], self.predicted[name], self.golden[name]) for name in types
        }
        whole = _figures(self.right.total(), self.predicted.total(), self.golden.total())
        conll = _figures(self.conll["right"], self.conll["predicted"], self.conll["golden"])
        return {
            "entity_f1": whole["f1"],
            "entity_precision": whole["precision"],
            "entity_recall": whole["recall"],
            "macro_entity_f1": fmean(one["f1"] for one in by_type.values()) if types else 0.0,
            "entity_f1_conll": conll["f1"],
            "per_class": by_type,
            "counts": {
                "rows": self.rows,
                "words": self.words,
                "entities": self.golden.total(),
                "predicted": self.predicted.total(),
            },
        }

    def _check(self, tags: list[str], role: str) -> None:
        for word, tag in enumerate(tags if not self._tags.issuperset(tags) else ()):
            if not TAG.fullmatch(tag):
                raise DataError(
                    f"a tag of a {role} is not IOB2",
                    where=f"row {self.rows}, word {word}",
                    found=repr(tag),
                    fix="O, B-TYPE for the first word of an entity and I-TYPE for the others",
                )
            self._tags.add(tag)


class Entities(OfflineMetric[EntityState]):
    """Precision, recall and F1 of entities: one is right when its type and all its words are.

    Args:
        cache_dir: `evaluate` makes an empty folder in it.
    """

    row = List(Value("string"))
    source = "Tjong Kim Sang and De Meulder 2003, Introduction to the CoNLL-2003 shared task"

    def empty(self) -> EntityState:
        """Counts of no row."""
        return EntityState()


def _strict(tags: list[str]) -> set[tuple[str, int, int]]:
    """(type, first word, end) of entities in strict IOB2."""
    # Most sentences have none, and finding that out is nearly all of the work.
    if all(tag == "O" for tag in tags):
        return set()
    return {(one.tag, one.start, one.end) for one in Tokens(tags, IOB2).entities}


def _loose(tags: list[str]) -> set[tuple[str, int, int]]:
    """(type, first word, last word) of entities as conlleval reads them."""
    return set() if all(tag == "O" for tag in tags) else set(get_entities(tags))


def _figures(right: int, predicted: int, golden: int) -> dict[str, float]:
    """Precision, recall, F1 and support; 0 where there is no denominator."""
    precision = right / predicted if predicted else 0.0
    recall = right / golden if golden else 0.0
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return {"precision": precision, "recall": recall, "f1": f1, "support": golden}
