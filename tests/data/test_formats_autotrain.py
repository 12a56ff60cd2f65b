"""Projects of AutoTrain: its two columns are the input and the target of any task."""

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from autotune.config.schema import DatasetConfig
from autotune.data.sources import load_file
from autotune.errors import DataError

from .conftest import COLUMNS

ROWS = {
    "sentiment": (
        "bom demais",
        1,
        Features({"autotrain_text": Value("string"), "autotrain_label": ClassLabel(names=["ruim", "bom"])}),
    ),
    "ner": (
        ["Ana", "ri"],
        [1, 0],
        Features(
            {"autotrain_text": List(Value("string")), "autotrain_label": List(ClassLabel(names=["O", "B-P"]))}
        ),
    ),
    "summarization": (
        "Texto longo.",
        "Curto.",
        Features({name: Value("string") for name in ("autotrain_text", "autotrain_label")}),
    ),
}
READ = {
    "sentiment": {"text": "bom demais", "label": "bom"},
    "ner": {"tokens": ["Ana", "ri"], "tags": ["B-P", "O"]},
    "summarization": {"document": "Texto longo.", "summary": "Curto."},
}


@pytest.fixture
def project(tmp_path):
    """Writes a project; gives its folder."""

    def put(task: str):
        text, label, features = ROWS[task]
        data = Dataset.from_dict({"autotrain_text": [text], "autotrain_label": [label]}, features=features)
        DatasetDict(train=data, validation=data).save_to_disk(tmp_path / "projeto" / "autotrain-data")
        return tmp_path / "projeto"

    return put


@pytest.mark.parametrize("inner", ["", "autotrain-data"])
@pytest.mark.parametrize("task", ROWS)
def test_a_project_needs_no_names_of_columns(load, project, task, inner):
    rows = load(task, project(task) / inner)
    assert list(rows.splits) == ["train", "validation"]
    assert READ[task].items() <= rows.splits["train"][0].items()


def test_columns_of_a_project_may_be_named_all_the_same(load, project):
    columns = {"text": "autotrain_text", "label": "autotrain_label"}
    assert load("sentiment", project("sentiment"), columns=columns).splits["train"][0]["label"] == "bom"


def test_a_split_of_a_project_is_predicted(project):
    path = project("ner") / "autotrain-data" / "validation"
    rows = load_file(str(path), DatasetConfig(path="x"), COLUMNS["ner"], cache=path.parent / "cache")
    assert rows["tokens"][:] == [["Ana", "ri"]]


def test_a_project_of_another_task_is_refused(load, project):
    with pytest.raises(DataError, match="several values"):
        load("sentiment", project("ner"))
