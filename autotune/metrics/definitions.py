"""Definitions of the metrics in words; stored beside the scores so that others can compare theirs."""

from collections.abc import Iterable
from importlib.metadata import version

STRICT = (
    "entities at word level, strict IOB2 (mode strict): type and all words must be right; "
    "an I- tag that continues no entity of its type is ignored"
)
UNICODE_WORDS = r"Unicode words (NFC, lower case, \w+, no stemming)"
GOOGLE_WORDS = "words of rouge_score's own tokenizer (a-z and 0-9 alone: accents break words), no stemming"
SENTENCES = (
    "sentences ended by a line break, or by . ! ? … before a blank and a word that begins with neither a "
    "digit nor a small letter"
)

TARGETS = "; of several targets the mean"

RECIPES = {
    "macro_f1": (
        "scikit-learn",
        "unweighted mean of the F1 of the classes that occur in references or predictions (classes of the "
        "model that occur in neither do not count); 0 where precision or recall has no denominator",
    ),
    "micro_f1": ("scikit-learn", "F1 over all pairs of a row and a label"),
    "subset_accuracy": ("scikit-learn", "share of rows whose labels are all right"),
    "hamming_loss": ("scikit-learn", "share of pairs of a row and a label that are wrong; lower is better"),
    "accuracy": ("scikit-learn", "share of rows whose class is right"),
    "weighted_f1": ("scikit-learn", "mean of the F1 of classes, weighted by their rows in the references"),
    "mse": ("numpy", "mean over rows of the squared error; smaller is better" + TARGETS),
    "rmse": ("numpy", "square root of mse, in the unit of the data; smaller is better" + TARGETS),
    "mae": (
        "numpy",
        "mean over rows of the absolute error, of ordered classes in steps of their order; smaller is better"
        + TARGETS,
    ),
    "r2": ("numpy", "1 - squared errors / squares of the gold values about their mean" + TARGETS),
    "pearson": ("numpy", "Pearson's correlation; 0 where gold values or predictions are all equal" + TARGETS),
    "spearman": (
        "numpy",
        "Spearman's correlation, ties with their mean rank; 0 where gold values or predictions are all equal"
        + TARGETS,
    ),
    "qwk": (
        "numpy",
        "quadratic weighted kappa (Cohen 1968) of classes in order, or of numbers rounded to the nearest value in train, "
        "weighted by the squared distance in steps of that order; 1 where gold values and predictions are all the same one"
        + TARGETS,
    ),
    "entity_f1": ("seqeval", f"micro-averaged F1 of {STRICT}"),
    "entity_precision": ("seqeval", f"micro-averaged precision of {STRICT}"),
    "entity_recall": ("seqeval", f"micro-averaged recall of {STRICT}"),
    "macro_entity_f1": (
        "seqeval",
        "unweighted mean of the F1 of the entity types that occur in references or predictions, of " + STRICT,
    ),
    "entity_f1_conll": (
        "seqeval",
        "micro-averaged F1 of entities at word level as conlleval counts them (default mode): an I- tag that "
        "continues no entity of its type begins one",
    ),
    "rouge1": ("rouge_score", f"mean over rows of the F1 of single words; {UNICODE_WORDS}"),
    "rouge2": ("rouge_score", f"mean over rows of the F1 of word pairs; {UNICODE_WORDS}"),
    "rougeL": ("rouge_score", f"mean over rows of the F1 of the longest common subsequence; {UNICODE_WORDS}"),
    "rougeLsum": (
        "rouge_score",
        "mean over rows of the F1 of the union of the longest common subsequences of sentences; "
        f"{UNICODE_WORDS}; {SENTENCES}",
    ),
    "rouge1_google": ("rouge_score", f"mean over rows of the F1 of single words; {GOOGLE_WORDS}"),
    "rouge2_google": ("rouge_score", f"mean over rows of the F1 of word pairs; {GOOGLE_WORDS}"),
    "rougeL_google": (
        "rouge_score",
        f"mean over rows of the F1 of the longest common subsequence; {GOOGLE_WORDS}",
    ),
    "rougeLsum_google": (
        "rouge_score",
        "mean over rows of the F1 of the union of the longest common subsequences of sentences; "
        f"{GOOGLE_WORDS}; sentences ended by line breaks alone",
    ),
    "chrf": (
        "sacrebleu",
        "chrF2 of all rows together, divided by 100 (0..1 like the others): character n-grams of 1 to 6, no "
        "word n-grams, beta 2, case kept, blanks left out, NFC",
    ),
}
"""For each metric, the package that computes it, and how."""


def recipe(names: Iterable[str]) -> dict[str, str]:
    """Returns the definition of each metric, one sentence that names the library and its installed version.

    Args:
        names: names of metrics; unknown ones are left out, as those of a plug-in task.
    """
    definitions = {name: RECIPES[name] for name in names if name in RECIPES}
    return {name: f"{package} {version(package)}: {how}" for name, (package, how) in definitions.items()}
