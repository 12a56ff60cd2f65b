"""The figures, as `evaluate.Metric` classes that live in the package: `evaluate.load` would download and run code.

Each metric is computed by an installed library (scikit-learn, seqeval, rouge_score, sacrebleu) and needs no
network. `*_scores` are what the tasks call.
"""

import re
import tempfile
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

import datasets
import evaluate

Result = dict[str, Any]


class Classification(evaluate.Metric):
    """Macro-F1, accuracy, weighted F1, per class, confusion matrix. Predictions and references are class names."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return _info("Figures of a single-label classification.", {"predictions": text, "references": text})

    def _compute(self, predictions: list[str], references: list[str], labels: Sequence[str] | None = None) -> Result:
        from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

        names = list(labels) if labels is not None else sorted(set(predictions) | set(references))
        each = precision_recall_fscore_support(references, predictions, labels=names, zero_division=0)
        present = [index for index, name in enumerate(names) if name in set(references) | set(predictions)]
        f1, support = each[2], each[3]
        matrix = confusion_matrix(references, predictions, labels=names)
        return {
            "values": {
                "macro_f1": float(f1[present].mean()),
                "accuracy": float(matrix.trace() / matrix.sum()),
                "weighted_f1": float((f1 * support).sum() / support.sum()),
            },
            "per_class": {name: _figures(*(column[index] for column in each)) for index, name in enumerate(names)},
            "confusion": {
                gold: {predicted: int(matrix[row, column]) for column, predicted in enumerate(names)}
                for row, gold in enumerate(names)
            },
        }


class Entities(evaluate.Metric):
    """Entity F1 at word level: strict IOB2, and as conlleval counts. Predictions and references are IOB2 tags."""

    def _info(self) -> evaluate.MetricInfo:
        tags = datasets.Sequence(datasets.Value("string"))
        return _info("Figures of named entity recognition.", {"predictions": tags, "references": tags})

    def _compute(self, predictions: list[list[str]], references: list[list[str]]) -> Result:
        for row, (predicted, gold) in enumerate(zip(predictions, references, strict=True)):
            if len(predicted) != len(gold):
                raise ValueError(f"row {row} has {len(gold)} words but {len(predicted)} predicted tags")
        from seqeval.metrics import classification_report
        from seqeval.scheme import IOB2

        entities = sum(tag != "O" for tags in (*predictions, *references) for tag in tags)
        if not entities:
            zero = _figures(0.0, 0.0, 0.0, 0)
            strict: Result = {"micro avg": zero, "macro avg": zero}
            lenient: Result = {"micro avg": zero}
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                options: dict[str, Any] = {"output_dict": True, "zero_division": 0}
                strict = _report(classification_report(references, predictions, mode="strict", scheme=IOB2, **options))
                lenient = _report(classification_report(references, predictions, **options))
        overall = strict.pop("micro avg")
        macro = strict.pop("macro avg")
        strict.pop("weighted avg", None)
        return {
            "values": {
                "entity_f1": overall["f1"],
                "entity_precision": overall["precision"],
                "entity_recall": overall["recall"],
                "entity_f1_conll": lenient["micro avg"]["f1"],
                "macro_entity_f1": macro["f1"],
            },
            "per_class": strict,
        }


class Rouge(evaluate.Metric):
    """ROUGE-1/2/L/Lsum (Lin 2004) on Unicode words, the same with rouge_score's tokenizer, and chrF (Popović 2015)."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return _info("Figures of summarization.", {"predictions": text, "references": text})

    def _compute(self, predictions: list[str], references: list[str]) -> Result:
        from rouge_score.rouge_scorer import RougeScorer
        from sacrebleu.metrics import CHRF

        names = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
        values: dict[str, float] = {}
        for suffix, tokenizer in (("", UnicodeWords()), ("_google", None)):
            scorer = RougeScorer(names, tokenizer=tokenizer)
            totals = dict.fromkeys(names, 0.0)
            for predicted, gold in zip(predictions, references, strict=True):
                scores = scorer.score(sentence_lines(gold), sentence_lines(predicted))
                for name in names:
                    totals[name] += scores[name].fmeasure
            values |= {f"{name}{suffix}": total / len(references) for name, total in totals.items()}
        values["chrf"] = float(CHRF().corpus_score(predictions, [references]).score) / 100
        return {"values": values}


class UnicodeWords:
    """rouge_score's tokenizer interface: lower-case runs of Unicode letters, digits and underscores, NFC."""

    def tokenize(self, text: str) -> list[str]:
        """Words of a text; `não` is one, `avó` is not `avô`."""
        return re.findall(r"\w+", unicodedata.normalize("NFC", text).lower())


def sentence_lines(text: str) -> str:
    """One sentence a line, as rougeLsum wants it: a line ends where one ended, and after . ! ? … before a blank."""
    return re.sub(r"(?<=[.!?…])\s+", "\n", text.strip())


def classification_scores(references: Sequence[str], predictions: Sequence[str], labels: Sequence[str]) -> Result:
    """`values`, `per_class` and `confusion` of class names; both sequences are as long as the split."""
    return _compute(Classification, predictions, references, labels=list(labels))


def entity_scores(references: Iterable[Sequence[str]], predictions: Iterable[Sequence[str]]) -> Result:
    """`values` and `per_class` of IOB2 tags, one list a row.

    Raises:
        ValueError: a row has more or fewer predicted tags than words.
    """
    return _compute(Entities, [list(tags) for tags in predictions], [list(tags) for tags in references])


def rouge_scores(references: Sequence[str], predictions: Sequence[str]) -> Result:
    """`values` of summaries beside their uncut references."""
    return _compute(Rouge, predictions, references)


def recipe(names: Iterable[str]) -> dict[str, str]:
    """How each figure is computed, with the version of the library that computed it."""
    sklearn, seqeval = f"scikit-learn {version('scikit-learn')}", f"seqeval {version('seqeval')}"
    rouge, sacrebleu = f"rouge_score {version('rouge_score')}", f"sacrebleu {version('sacrebleu')}"
    over_words = "over every gold word of every row, entity level, exact borders and type"
    known = {
        "macro_f1": f"mean of the classes' F1 over classes that occur in references or predictions; {sklearn}",
        "accuracy": f"share of rows whose class is right; {sklearn}",
        "weighted_f1": f"mean of the classes' F1 weighted by rows of the class; {sklearn}",
        "entity_f1": f"micro F1, strict IOB2, {over_words}; {seqeval}",
        "entity_precision": f"micro precision, strict IOB2, {over_words}; {seqeval}",
        "entity_recall": f"micro recall, strict IOB2, {over_words}; {seqeval}",
        "entity_f1_conll": f"micro F1 as conlleval counts (I- after O begins an entity), {over_words}; {seqeval}",
        "macro_entity_f1": f"mean of the entity types' F1, strict IOB2, {over_words}; {seqeval}",
        "chrf": f"chrF2 divided by 100; {sacrebleu}",
    }
    for name in ("rouge1", "rouge2", "rougeL", "rougeLsum"):
        known[name] = f"mean F1 over rows, 0..1, Unicode words (NFC, lower case, \\w+), no stemming, whole references; {rouge}"
        known[f"{name}_google"] = f"mean F1 over rows, 0..1, rouge_score's tokenizer (drops accented letters), no stemming; {rouge}"
    return {name: known[name] for name in names if name in known}


def _compute(metric: type[evaluate.Metric], predictions: Sequence[Any], references: Sequence[Any], **options: Any) -> Result:
    # evaluate makes a folder even when it keeps everything in memory; HOME may be unwritable.
    with tempfile.TemporaryDirectory() as folder:
        made = metric(keep_in_memory=True, cache_dir=folder)
        return dict(made.compute(predictions=list(predictions), references=list(references), **options))


def _info(description: str, features: dict[str, Any]) -> evaluate.MetricInfo:
    return evaluate.MetricInfo(description=description, citation="", features=datasets.Features(features))


def _report(report: dict[str, Any]) -> Result:
    return {
        name: _figures(row["precision"], row["recall"], row["f1-score"], row["support"]) for name, row in report.items()
    }


def _figures(precision: float, recall: float, f1: float, support: int) -> dict[str, float]:
    return {"precision": float(precision), "recall": float(recall), "f1": float(f1), "support": int(support)}
