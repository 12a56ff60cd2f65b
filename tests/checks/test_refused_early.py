"""What training or a metric would refuse is refused by the check."""

import pytest
from datasets import Dataset

from autotune.checks.metric import try_metric
from autotune.config.compose import compose
from autotune.config.labels import repaired_type
from autotune.config.schema import DatasetConfig
from autotune.errors import AutotuneError, ConfigError, DataError
from autotune.registry import task

NER = task("ner")


def row(*tags, text="Ana ri"):
    return {"id": "0", "tokens": text.split(), "text": text, "starts": [0, 4], "tags": list(tags)}


def splits(**tags):
    return {split: Dataset.from_list([row(one, "O")]) for split, one in tags.items()}


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("PER-", "PER"), ("-PER", "PER"), ("--PER--", "PER"), ("-", "O"), (" PER", "PER"), ("PER ", "PER"), ("B-PER", "PER"),
        ("PER-LOC", None), ("E-MAIL", None), ("I-B-PER-", "PER"), ("PER", None), ("_", None), ("São Paulo", None),
    ],
)  # fmt: skip
def test_types_that_the_metric_would_read_as_others(name, made):
    assert repaired_type(name) == made


@pytest.mark.parametrize("where", ["train", "validation", "test"])
@pytest.mark.parametrize("name", ["PER-", "-PER", "-", "B-PER"])
def test_a_type_of_any_split_is_refused_before_training(where, name):
    tags = {"train": "B-PER", "validation": "B-PER", "test": "B-PER"} | {where: f"B-{name}"}
    with pytest.raises(AutotuneError, match="confuse these entity types") as caught:
        NER.fit_labels(None, DatasetConfig(), splits(**tags))
    assert f"{name}: {repaired_type(name)}" in caught.value.fix


@pytest.mark.parametrize("target", ["PER-", "-PER", "B--PER"])
def test_a_type_that_label_map_makes_is_refused_by_the_configuration(target):
    with pytest.raises(ConfigError, match="cannot be scored"):
        compose(["task=ner", f"dataset.label_map={{PESSOA: {target}}}"])


def test_types_that_are_named_are_refused_by_the_configuration():
    with pytest.raises(ConfigError, match="no hyphen at its ends") as caught:
        compose(["task=ner", "dataset.labels=[PER-,LOC]"])
    assert caught.value.fix == "'dataset.labels=[PER,LOC]'"


class Metric:
    """Refuses a class, as the metric of a plug-in may."""

    def __init__(self, refused, figures):
        self.refused, self.figures = refused, figures

    def add(self, *, reference, prediction):
        if reference == self.refused:
            raise ValueError(f"no {reference}")

    def compute(self):
        return self.figures


class Plugin:
    """As much of a task as the check asks."""

    name, main_metric, columns = "mine", "score", task("sentiment").columns

    def __init__(self, refused=None, figures=None):
        self.refused, self.figures = refused, figures or {"score": 1.0}

    def metric(self):
        return Metric(self.refused, self.figures)

    def to_metric_inputs(self, row, prediction):
        return row["label"], prediction["prediction"]


def rows_of(labels):
    return Dataset.from_list([{"id": str(n), "text": "a", "label": label} for n, label in enumerate(labels)])


@pytest.mark.parametrize("at", [0, 50, 400])
def test_a_class_that_the_metric_of_a_plugin_refuses_is_found_wherever_it_stands(at):
    labels = ["a"] * 500
    labels[at] = "raro"
    with pytest.raises(DataError, match=r"(?s)does not take the gold values of test.*ValueError: no raro"):
        try_metric(Plugin("raro"), {"train": rows_of("ab"), "test": rows_of(labels)})
    try_metric(Plugin("raro"), {"train": rows_of(labels), "test": rows_of("ab")})


def test_a_metric_without_the_figure_that_chooses_is_found():
    with pytest.raises(DataError, match="no figure 'score'"):
        try_metric(Plugin(figures={"other": 1.0}), {"test": rows_of("ab")})
    try_metric(Plugin(), {"test": rows_of("ab")})
