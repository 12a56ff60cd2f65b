"""Metrics of named entity recognition, by seqeval."""

import re
from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import Any, Self

import numpy as np
from datasets import List, Value
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Tokens

from autotune.errors import DataError
from autotune.metrics.accumulator import CountTable, MetricState, Numbers
from autotune.metrics.base import OfflineMetric

Tags = Sequence[str]

TAG = re.compile(r"O|[BI]-[^-](.*[^-])?", re.DOTALL)
"""An IOB2 tag. seqeval accepts any other tag: it reads PESSOA as type ESSOA, and L-PER as a type L. It also strips
hyphens from the ends of a type, which would merge two types into one."""


class EntityState(MetricState):
    """Counts the entities of references, of predictions and of both: an entity is correct if its type and words are.

    Strict metrics ignore I- tags that continue no entity of their type; entity_f1_conll begins an entity there.
    """

    def __init__(self) -> None:
        self.words = 0
        self.gold: Counter[str] = Counter()
        """Entities of the references by type."""
        self.predicted: Counter[str] = Counter()
        """Entities of the predictions by type."""
        self.correct: Counter[str] = Counter()
        """Entities of both by type."""
        self.conll: Counter[str] = Counter()
        """`gold`, `predicted` and `correct` as conlleval counts them, over all types."""
        self._valid_tags = {"O"}
        """Tags already checked to be IOB2."""

    def add(self, reference: Tags, prediction: Tags) -> None:
        """Counts one row of IOB2 tags, one per word.

        Raises:
            DataError: more or fewer predicted tags than words, or a tag that is not IOB2.
        """
        gold, predicted = list(reference), list(prediction)
        if len(gold) != len(predicted):
            raise DataError(
                "a prediction and its reference differ in length",
                where=f"row {self.rows}",
                found=f"{len(predicted)} predicted tags for {len(gold)} words",
                fix="one tag for each word",
            )
        self._check(gold, "reference")
        self._check(predicted, "prediction")
        gold_entities, predicted_entities = _strict_entities(gold), _strict_entities(predicted)
        self.gold.update(name for name, *_ in gold_entities)
        self.predicted.update(name for name, *_ in predicted_entities)
        self.correct.update(name for name, *_ in gold_entities & predicted_entities)
        gold_entities, predicted_entities = _conll_entities(gold), _conll_entities(predicted)
        self.conll.update(
            gold=len(gold_entities),
            predicted=len(predicted_entities),
            correct=len(gold_entities & predicted_entities),
        )
        self.words += len(gold)
        self.rows += 1

    def merge(self, other: Self) -> None:
        """Adds the entities of another process."""
        self.gold.update(other.gold)
        self.predicted.update(other.predicted)
        self.correct.update(other.correct)
        self.conll.update(other.conll)
        self.words += other.words
        self.rows += other.rows

    def figures(self) -> dict[str, Any]:
        """Returns precision, recall and F1 of all entities and of each type."""
        types = sorted(self.gold.keys() | self.predicted.keys())
        by_type = {
            name: _precision_recall_f1(self.correct[name], self.predicted[name], self.gold[name])
            for name in types
        }
        overall = _precision_recall_f1(self.correct.total(), self.predicted.total(), self.gold.total())
        conll = _precision_recall_f1(self.conll["correct"], self.conll["predicted"], self.conll["gold"])
        return {
            "entity_f1": overall["f1"],
            "entity_precision": overall["precision"],
            "entity_recall": overall["recall"],
            "macro_entity_f1": fmean(values["f1"] for values in by_type.values()) if types else 0.0,
            "entity_f1_conll": conll["f1"],
            "per_class": by_type,
            "counts": {
                "rows": self.rows,
                "words": self.words,
                "entities": self.gold.total(),
                "predicted": self.predicted.total(),
            },
        }

    @classmethod
    def table(cls, states: Sequence[Self]) -> CountTable:
        """Returns correct, predicted and gold entities of each type, and as conlleval counts them: (rows, 3 · (types + 1))."""
        types = sorted(set().union(*(state.gold.keys() | state.predicted.keys() for state in states)))
        counts = [
            [
                number
                for name in ("correct", "predicted", "gold")
                for number in (*map(getattr(state, name).__getitem__, types), state.conll[name])
            ]
            for state in states
        ]
        return CountTable(
            np.array(counts, dtype=np.float64),
            _values,
            lambda sums: dict(zip(types, _f1(sums).T, strict=True)),
        )

    def _check(self, tags: list[str], role: str) -> None:
        for word, tag in enumerate(tags if not self._valid_tags.issuperset(tags) else ()):
            if not TAG.fullmatch(tag):
                raise DataError(
                    f"a tag of a {role} is not IOB2",
                    where=f"row {self.rows}, word {word}",
                    found=repr(tag),
                    fix="O, B-TYPE for the first word of an entity and I-TYPE for the others",
                )
            self._valid_tags.add(tag)


class Entities(OfflineMetric[EntityState]):
    """Computes precision, recall and F1 of entities: an entity is correct if its type and all its words are.

    Args:
        cache_dir: `evaluate` makes an empty folder in it.
    """

    row = List(Value("string"))
    source = "Tjong Kim Sang and De Meulder 2003, Introduction to the CoNLL-2003 shared task"

    def empty(self) -> EntityState:
        """Returns a state without rows."""
        return EntityState()


def _strict_entities(tags: list[str]) -> set[tuple[str, int, int]]:
    """Returns (type, first word, end) of the entities in strict IOB2."""
    # Most sentences have none, and seqeval takes nearly all of the time to find that out.
    if all(tag == "O" for tag in tags):
        return set()
    return {(entity.tag, entity.start, entity.end) for entity in Tokens(tags, IOB2).entities}


def _conll_entities(tags: list[str]) -> set[tuple[str, int, int]]:
    """Returns (type, first word, last word) of the entities as conlleval reads them."""
    return set() if all(tag == "O" for tag in tags) else set(get_entities(tags))


def _f1(sums: Numbers) -> Numbers:
    """Returns the F1 of each type for each line of sums, 0 for a type that does not occur: (lines, types)."""
    correct, predicted, gold = (part[:, :-1] for part in np.split(sums, 3, axis=1))
    return _ratio(2 * correct, predicted + gold)


def _values(sums: Numbers) -> dict[str, Numbers]:
    """Returns the metrics of `EntityState.figures` for each line of sums."""
    correct, predicted, gold = np.split(sums, 3, axis=1)
    conll = (correct[:, -1], predicted[:, -1], gold[:, -1])
    all_correct, all_predicted, all_gold = (part[:, :-1].sum(axis=1) for part in (correct, predicted, gold))
    occurring = ((predicted + gold)[:, :-1] > 0).sum(axis=1)
    return {
        "entity_f1": _ratio(2 * all_correct, all_predicted + all_gold),
        "entity_precision": _ratio(all_correct, all_predicted),
        "entity_recall": _ratio(all_correct, all_gold),
        "macro_entity_f1": _ratio(_f1(sums).sum(axis=1), occurring),
        "entity_f1_conll": _ratio(2 * conll[0], conll[1] + conll[2]),
    }


def _ratio(numerator: Numbers, denominator: Any) -> Numbers:
    """Returns a quotient, 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _precision_recall_f1(correct: int, predicted: int, gold: int) -> dict[str, float]:
    """Returns precision, recall, F1 and support; 0 if a denominator is 0."""
    precision = correct / predicted if predicted else 0.0
    recall = correct / gold if gold else 0.0
    f1 = 2 * precision * recall / (precision + recall) if correct else 0.0
    return {"precision": precision, "recall": recall, "f1": f1, "support": gold}
