"""Folds: what belongs together is in one fold, and labels are spread evenly."""

from collections import Counter

import numpy as np

from autotune.data.folds import assign_folds, clusters

LONG = "O atendimento da loja foi muito bom e a entrega chegou antes do prazo combinado com o vendedor"


def test_duplicates_near_duplicates_and_groups_are_clusters():
    texts = [
        "Que bom!",
        "outra coisa",
        "que BOM",
        LONG,
        f"{LONG}.",
        f"{LONG} ontem",
        "mais um",
        "ainda outro",
    ]
    assert clusters(texts).tolist() == [0, 1, 0, 2, 2, 2, 3, 4]
    groups = ["x", "y", "z", "u", "v", "w", "x", "y"]
    joined = clusters(texts, groups).tolist()
    assert joined[0] == joined[2] == joined[6] and joined[1] == joined[7]
    assert len(set(joined)) == 3


def test_folds_keep_clusters_whole_and_spread_labels():
    generator = np.random.default_rng(1)
    labels = generator.choice(["a", "b", "c"], 300, p=[0.7, 0.25, 0.05]).tolist()
    cluster = np.minimum(np.arange(300), 280)  # the last 20 rows belong together
    folds = assign_folds(labels, cluster, count=5, seed=3)
    assert len(set(folds[280:].tolist())) == 1
    for label in "abc":
        counts = Counter(fold for fold, name in zip(folds.tolist(), labels, strict=True) if name == label)
        assert max(counts.values()) - min(counts[fold] for fold in range(5)) <= 3, label
    assert (folds == assign_folds(labels, cluster, count=5, seed=3)).all()
    assert (folds != assign_folds(labels, cluster, count=5, seed=4)).any()


def test_a_class_with_two_rows_is_in_two_folds():
    folds = assign_folds(["a"] * 50 + ["b"] * 2, np.arange(52), count=5, seed=0)
    assert folds[50] != folds[51]
