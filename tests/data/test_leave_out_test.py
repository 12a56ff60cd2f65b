"""`dataset.leave_out_test`: rows of test that a run neither learns nor scores."""

import pytest

from autotune import registry
from autotune.config.compose import compose
from autotune.data.sources import Rows, load_rows


def rows_of(tmp_path, *words: str) -> tuple[Rows, str]:
    (config,) = compose(["task=sentiment", *words])
    columns = registry.task("sentiment").columns
    return load_rows(config.dataset, columns, cache=tmp_path), config.name


@pytest.mark.parametrize(
    "how", [(), ("dataset.path=reviews.csv", "dataset=csv", "dataset.test_fraction=0.25")]
)
def test_the_rows_of_test_are_in_no_split_and_the_others_stay_the_same(tmp_path, monkeypatch, how):
    monkeypatch.chdir(tmp_path)
    lines = [f"text {number},{'ab'[number % 2]}" for number in range(40)]
    (tmp_path / "reviews.csv").write_text("\n".join(["text,label", *lines]))
    whole, name = rows_of(tmp_path, *how)
    without, other_name = rows_of(tmp_path, *how, "dataset.leave_out_test=true")
    assert set(whole.splits) == {"train", "validation", "test"}
    assert set(without.splits) == {"train", "validation"}
    assert without.by_split == {split: whole.by_split[split] for split in ("train", "validation")}
    assert (
        f"the {len(whole.splits['test'])} rows of test are left out (dataset.leave_out_test)" in without.notes
    )
    assert name != other_name
