"""Figures of named entity recognition, by seqeval."""

import re
from itertools import chain
from statistics import fmean
from typing import Any

from datasets import List, Value
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support as conlleval
from seqeval.metrics.v1 import precision_recall_fscore_support as strict
from seqeval.scheme import IOB2
from seqeval.scheme import Entities as Found

from autotune.errors import DataError
from autotune.evaluation.metrics.base import OfflineMetric

Tags = list[list[str]]

TAG = re.compile(r"O|[BI]-[^-](.*[^-])?", re.DOTALL)
"""IOB2. seqeval reads any other tag as something: PESSOA as type ESSOA, L-PER as a type L. It also strips
hyphens from the ends of a type, which would make one of two types."""


class Entities(OfflineMetric):
    """Precision, recall and F1 of entities: one is right when its type and all its words are.

    Strict figures ignore I- tags that continue no entity of their type; entity_f1_conll begins one there.

    Args:
        cache_dir: `evaluate` makes an empty folder in it.
    """

    row = List(Value("string"))
    source = "Tjong Kim Sang and De Meulder 2003, Introduction to the CoNLL-2003 shared task"

    def figures(self, references: Tags, predictions: Tags) -> dict[str, Any]:
        """Scores IOB2 tags, one a word.

        Raises:
            DataError: a row with more or fewer predicted tags than words, or a tag that is not IOB2.
        """
        _check_lengths(references, predictions)
        _check_tags(references, "reference")
        _check_tags(predictions, "prediction")
        # Entities are found once for all averages; finding them is nearly all of the work.
        golden, predicted = Found(references, IOB2), Found(predictions, IOB2)
        found = {"scheme": IOB2, "zero_division": 0, "entities_true": golden, "entities_pred": predicted}
        precision, recall, f1, support = strict(references, predictions, average="micro", **found)
        columns = strict(references, predictions, average=None, **found)
        types = sorted(golden.unique_tags | predicted.unique_tags)
        _, _, conll, _ = conlleval(references, predictions, average="micro", zero_division=0)
        return {
            "entity_f1": float(f1),
            "entity_precision": float(precision),
            "entity_recall": float(recall),
            "macro_entity_f1": fmean(columns[2]) if types else 0.0,
            "entity_f1_conll": float(conll),
            "per_class": {
                name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(count)}
                for name, p, r, f, count in zip(types, *columns, strict=True)
            },
            "counts": {
                "rows": len(references),
                "words": sum(map(len, references)),
                "entities": int(support),
            },
        }


def _check_lengths(references: Tags, predictions: Tags) -> None:
    for row, (golden, predicted) in enumerate(zip(references, predictions, strict=True)):
        if len(golden) != len(predicted):
            raise DataError(
                "a prediction has another length than its reference",
                where=f"row {row}",
                found=f"{len(predicted)} predicted tags for {len(golden)} words",
                fix="one tag for each word",
            )


def _check_tags(rows: Tags, role: str) -> None:
    wrong = {tag for tag in set(chain.from_iterable(rows)) if not TAG.fullmatch(tag)}
    for row, tags in enumerate(rows if wrong else []):
        for word, tag in enumerate(tags):
            if tag in wrong:
                raise DataError(
                    f"a tag of a {role} is not IOB2",
                    where=f"row {row}, word {word}",
                    found=repr(tag),
                    fix="O, B-TYPE for the first word of an entity and I-TYPE for the others",
                )
