"""Figures of summarization: ROUGE by rouge_score, chrF by sacrebleu."""

import re
import unicodedata
from math import fsum
from typing import Any

from datasets import Value
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer, Tokenizer
from sacrebleu.metrics.chrf import CHRF

from autotune.evaluation.metrics.base import OfflineMetric

WORD = re.compile(r"\w+")

SENTENCE_END = re.compile(
    r"""
    \n+
    | (?<=[.!?…]) ["'”’»)\]]*+ \s++ (?= \W*+ [^\W\d_a-zß-öø-ÿ] )  # a digit or small letter begins no sentence
    """,
    re.VERBOSE,
)


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


class Rouge(OfflineMetric):
    """Mean over rows of the F1 of ROUGE-1, ROUGE-2, ROUGE-L and ROUGE-Lsum, and chrF2 of all rows together.

    ROUGE is taken on Unicode words and, under the names in `_google`, on those of rouge_score's tokenizer.

    Args:
        cache_dir: `evaluate` makes an empty folder in it.
    """

    row = Value("string")
    source = (
        "Lin 2004, ROUGE: A package for automatic evaluation of summaries; "
        "Popović 2015, chrF: character n-gram F-score for automatic MT evaluation"
    )

    def figures(self, references: list[str], predictions: list[str]) -> dict[str, Any]:
        """Scores texts, 0..1. ROUGE of a text without words is 0, whatever its reference."""
        golden, predicted = (
            [unicodedata.normalize("NFC", text) for text in texts] for texts in (references, predictions)
        )
        unicode_scores = _mean_f1(
            _UnicodeTokenizer(),
            ["\n".join(sentences(text)) for text in golden],
            ["\n".join(sentences(text)) for text in predicted],
        )
        google_scores = _mean_f1(DefaultTokenizer(use_stemmer=False), references, predictions)
        return {
            **unicode_scores,
            **{f"{name}_google": value for name, value in google_scores.items()},
            "chrf": CHRF().corpus_score(predicted, [golden]).score / 100,
            "counts": {"rows": len(references)},
        }


class _UnicodeTokenizer(Tokenizer):
    """`words`, in the form that rouge_score takes."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


def _mean_f1(tokenizer: Tokenizer, references: list[str], predictions: list[str]) -> dict[str, float]:
    """Mean F1 of rows by figure; line breaks end sentences."""
    whole = RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=tokenizer)
    by_sentence = RougeScorer(["rougeLsum"], tokenizer=tokenizer)
    f1: dict[str, list[float]] = {"rouge1": [], "rouge2": [], "rougeL": [], "rougeLsum": []}
    for reference, prediction in zip(references, predictions, strict=True):
        scores = whole.score(reference, prediction)
        # Between two single sentences ROUGE-Lsum is ROUGE-L; finding subsequences is what takes the time.
        single = "\n" not in reference and "\n" not in prediction
        scores["rougeLsum"] = (
            scores["rougeL"] if single else by_sentence.score(reference, prediction)["rougeLsum"]
        )
        for name, score in scores.items():
            f1[name].append(score.fmeasure)
    # An exact sum does not depend on the order of rows.
    return {name: fsum(values) / len(values) for name, values in f1.items()}
