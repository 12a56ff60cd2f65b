"""The configuration that is pushed names no folder of this machine."""

import yaml

from autotune.config.compose import compose
from autotune.publishing.files import Origins, training_config


def test_of_files_only_the_names_are_pushed(tmp_path):
    for name in ("rows.csv", "more.csv", "fixes.csv"):
        (tmp_path / name).write_text("text,label\nbom,a\n")
    words = [
        "dataset=csv", f"dataset.path={tmp_path}/rows.csv", f"dataset.splits.test={tmp_path}/more.csv",
        f"dataset.label_fixes={tmp_path}/fixes.csv",
    ]  # fmt: skip
    (config,) = compose(["task=sentiment", *words])
    text = training_config(config, Origins(None, None)).decode()
    dataset = yaml.safe_load(text)["dataset"]
    names = (dataset["path"], dataset["splits"]["test"], dataset["label_fixes"])
    assert names == ("rows.csv", "more.csv", "fixes.csv")
    assert str(tmp_path) not in text
