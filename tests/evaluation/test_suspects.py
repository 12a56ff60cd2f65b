"""Which labels and entities are called suspicious, on values computed by hand."""

import numpy as np

from autotune.evaluation.cross_fit import cross_fitted
from autotune.evaluation.suspects import EntitySuspect, entity_suspects, label_suspects


def test_a_row_is_suspicious_where_another_class_reaches_its_own_threshold():
    first = np.array([0.9, 0.8, 0.7, 0.2, 0.1, 0.4, 0.55])
    labels = np.array([0, 0, 0, 0, 1, 1, 1])
    # Thresholds: class 0 (0.9 + 0.8 + 0.7 + 0.2) / 4 = 0.65, class 1 (0.9 + 0.6 + 0.45) / 3 = 0.65. Row 3 reaches that of
    # class 1; row 6 is likelier in class 0, but reaches no threshold.
    probabilities = np.stack([first, 1 - first], axis=1)
    assert label_suspects(probabilities, labels).tolist() == [3]


def test_the_least_sure_of_its_own_label_comes_first():
    first = np.array([0.9, 0.9, 0.9, 0.15, 0.05, 0.2, 0.2, 0.2])
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    assert label_suspects(np.stack([first, 1 - first], axis=1), labels).tolist() == [4, 3]


def test_what_reaches_the_low_threshold_of_a_rare_class_alone_is_not_suspicious():
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.55, 0.45], [0.8, 0.2]])
    assert label_suspects(probabilities, np.array([0, 0, 0, 1])).tolist() == [3]


def test_a_class_that_was_never_learned_is_not_judged():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.8, 0.2, 0.0]])
    assert label_suspects(probabilities, np.array([0, 1, 2])).tolist() == []


def test_no_model_learns_from_rows_of_its_fold_or_rows_that_are_only_predicted():
    texts = ["bom", "bom", "ruim", "ruim", "bom", "ruim", "único", "raro"]
    labels = np.array([0, 0, 1, 1, 0, 1, 1, 1])
    folds = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    probabilities = cross_fitted(texts, labels, folds, np.ones(8, dtype=bool), 2)
    assert (probabilities[:6].argmax(axis=1) == labels[:6]).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    other = labels.copy()
    other[6:] = 0
    learned = np.arange(8) < 6
    kept = [cross_fitted(texts, given, folds, learned, 2) for given in (labels, other)]
    np.testing.assert_array_equal(*kept)


def test_entities_that_disagree_by_kind():
    row = {
        "tokens": ["Ana", "Lima", "viu", "o", "Rio", "em", "Porto", "Alegre"],
        "tags": ["B-PER", "I-PER", "O", "O", "B-LOC", "O", "O", "O"],
        "prediction": ["B-PER", "O", "O", "O", "O", "O", "B-LOC", "I-LOC"],
        "entities": [{"probability": 0.7}, {"probability": 0.9}],
    }
    assert list(entity_suspects(row)) == [
        EntitySuspect("PER: Ana Lima", "PER: Ana", 0.7, 0),
        EntitySuspect("", "LOC: Porto Alegre", 0.9, 6),
        EntitySuspect("LOC: Rio", "", None, 4),
    ]
