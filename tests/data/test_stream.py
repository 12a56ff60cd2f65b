"""Train sets larger than the disk: sections, each on disk only while it is learned from."""

import json
from pathlib import Path

import pytest

from autotune.config.enums import Format
from autotune.data.local import Source
from autotune.data.stream import Sections, slice_source
from autotune.errors import ConfigError
from tests.support.forks import forks


def rows(count: int, labels: str = "ab") -> list[dict[str, str]]:
    return [{"text": f"texto número {n}", "label": labels[n % len(labels)]} for n in range(count)]


def tables(cache: Path) -> int:
    return len(list(cache.glob("**/rows-*.arrow")))


@pytest.fixture
def stream(load, write):
    def of(count: int, **options):
        path = write("train.jsonl", rows(count))
        return load("sentiment", path, streaming=True, section_rows=10, **options)

    return of


def test_every_row_is_in_one_section_and_the_first_stands_behind_the_last(stream):
    made = stream(25)
    assert made.splits["train"]["text"][:] == [f"texto número {n}" for n in range(10)]
    texts = [made.sections(number)["text"][:] for number in range(4)]
    assert [len(section) for section in texts] == [10, 10, 5, 10]
    assert [text for section in texts[:3] for text in section] == [f"texto número {n}" for n in range(25)]
    assert texts[3] == texts[0]
    assert made.sections(5)["text"][:] == texts[2]


def test_sections_are_the_same_in_any_order(stream):
    made = stream(30)
    forward = [made.sections(number)["text"][:] for number in range(3)]
    assert [made.sections(number)["text"][:] for number in (2, 1, 0)] == forward[::-1]


def test_what_was_held_out_of_the_first_section_stays_out_when_it_comes_again(stream):
    made = stream(25, validation_fraction=0.2)
    held_out = set(made.splits["validation"]["text"])
    assert len(held_out) == 2
    seen = {text for number in range(6) for text in made.sections(number)["text"]}
    assert seen | held_out == {f"texto número {n}" for n in range(25)}
    assert not seen & held_out


def test_only_the_section_that_is_learned_from_is_on_disk(load, write, tmp_path_factory):
    made = load("sentiment", write("train.jsonl", rows(40)), streaming=True, section_rows=10)
    folder = Path(made.splits["train"].cache_files[0]["filename"]).parent
    for number in range(9):
        made.sections(number)
        assert tables(folder) <= 2


def test_the_source_is_read_once_a_pass():
    read: list[int] = []

    def raw(_):
        for n in range(25):
            read.append(n)
            yield {"n": n}

    def keep(source: Source):
        return Kept(row["n"] for row in source.raw([]))

    class Kept(list):
        cache_files = ()

    whole = Source(raw, "x", "x")
    sections = Sections(whole, 10, keep, keep(slice_source(whole, 0, 10)))
    read.clear()
    assert [list(sections(number)) for number in range(1, 3)] == [list(range(10, 20)), list(range(20, 25))]
    assert read == list(range(25))


def test_a_slice_cannot_stream(load, write):
    with pytest.raises(ConfigError, match="one whole split"):
        load("sentiment", write("t.jsonl", rows(9)), streaming=True, splits={"train": "train[:5]"})


def test_a_folder_in_the_layout_of_the_hub_streams(load, write):
    folder = write("d/train.jsonl", rows(25)).parent
    write("d/test.jsonl", rows(6))
    made = load("sentiment", folder, format=Format.hub, streaming=True, section_rows=10)
    assert {split: len(data) for split, data in made.splits.items()} == {"train": 10, "test": 6}
    assert made.sections(2)["text"][:] == [f"texto número {n}" for n in range(20, 25)]


def trained(*words: str):
    return forks().start(*words, "report=none", cwd=Path.cwd()).ended()


def test_training_goes_through_the_sections(tmp_path, monkeypatch, write):
    monkeypatch.chdir(tmp_path)
    write("d/train.jsonl", rows(50))
    write("d/validation.jsonl", rows(6))
    words = ["dataset=jsonl", "dataset.path=d", "dataset.streaming=true", "dataset.section_rows=20"]
    small = ["trainer.batch_size=8", "trainer.max_steps=9", "name=r", "check=none"]
    assert trained(*words, *small).returncode == 0
    history = [json.loads(line) for line in Path("runs/r/history.jsonl").read_text("utf-8").splitlines()]
    # Sections of 20, 20 and 10 rows are 3, 3 and 2 steps of 8 rows; the ninth is the first section again.
    assert len([one for one in history if "loss" in one]) == 9
    assert tables(Path("runs/.cache")) == 2


def test_a_label_that_the_first_section_lacks_ends_training(tmp_path, monkeypatch, write):
    monkeypatch.chdir(tmp_path)
    write("d/train.jsonl", [*rows(20), *rows(20, "abc")])
    write("d/validation.jsonl", rows(6))
    words = ["dataset=jsonl", "dataset.path=d", "dataset.streaming=true", "dataset.section_rows=20",
             "trainer.max_steps=9", "trainer.batch_size=8", "check=none"]  # fmt: skip
    refused = trained(*words, "name=r")
    assert refused.returncode == 2
    assert "section 1 of train has labels that the first section lacks: c" in refused.stderr
    assert trained(*words, "name=s", "dataset.labels=[a,b,c]").returncode == 0
