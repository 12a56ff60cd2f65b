"""Where rows come from: samples, files, folders of splits, saved folders; splits that are made; the cache."""

import json

import pytest
from datasets import Dataset, DatasetDict

from autotune.config.enums import Format, TagRepair, TagScheme
from autotune.data import sources
from autotune.data.locate import SAMPLES
from autotune.errors import DataError

CSV = "text,label\n" + "".join(f"texto {number},{'ab'[number % 2]}\n" for number in range(20))


def sizes(rows) -> dict[str, int]:
    return {split: len(data) for split, data in rows.splits.items()}


def refused(load, task, path, **options) -> str:
    with pytest.raises(DataError) as caught:
        load(task, path, **options)
    return str(caught.value)


@pytest.mark.parametrize("task", ["sentiment", "ner", "summarization"])
def test_samples_come_with_the_package(load, task):
    rows = load(task, f"sample/{task}")
    assert list(rows.splits) == ["train", "validation", "test"]
    assert all(len(data) for data in rows.splits.values())
    assert rows.notes == []


def test_a_sample_that_does_not_exist_is_refused_with_those_that_do(load):
    assert "sample/sentiment" in refused(load, "sentiment", "sample/sentimento")
    assert SAMPLES.is_dir()


def test_a_file_is_train(load, write):
    rows = load("sentiment", write("a.csv", CSV))
    assert sizes(rows) == {"train": 20}
    assert rows.splits["train"][3] == {"id": "3", "text": "texto 3", "label": "b"}


@pytest.mark.parametrize(
    "names",
    [
        ("train.csv", "validation.csv", "test.csv"),
        ("train.csv", "dev.csv", "test.csv"),
        ("Train.csv", "valid.csv", "TEST.csv"),
        ("corpus_train.csv", "corpus-val.csv", "corpus.test.csv"),
        ("train_v2.csv", "dev_v2.csv", "test_v2.csv"),
    ],
)
def test_files_of_a_folder_are_found_by_the_names_of_splits(load, write, names):
    for name in (*names, "LEIAME.md", ".train.csv"):
        folder = write(f"d/{name}", CSV).parent
    assert sizes(load("sentiment", folder)) == {"train": 20, "validation": 20, "test": 20}


def test_files_of_every_form_may_stand_in_one_folder(load, write):
    write("d/train.csv", CSV)
    write("d/dev.json", json.dumps([{"text": "x", "label": "a"}]))
    folder = write("d/test.jsonl", [{"text": "x", "label": "a"}]).parent
    assert sizes(load("sentiment", folder)) == {"train": 20, "validation": 1, "test": 1}


def test_a_format_that_was_given_chooses_among_files(load, write):
    write("d/train.csv", CSV)
    folder = write("d/train.jsonl", [{"text": "x", "label": "a"}]).parent
    assert sizes(load("sentiment", folder, format=Format.jsonl)) == {"train": 1}
    assert sizes(load("sentiment", folder, format=Format.csv)) == {"train": 20}
    message = refused(load, "sentiment", folder)
    assert "several files may be train" in message
    assert "train.csv, train.jsonl" in message


@pytest.mark.parametrize("names", [("a-train.csv", "b-train.csv"), ("train.csv", "dev.csv", "valid.csv")])
def test_a_choice_between_files_is_left_to_the_user(load, write, names):
    for name in names:
        folder = write(f"d/{name}", CSV).parent
    assert "dataset.splits." in refused(load, "sentiment", folder)


@pytest.mark.parametrize("folder", ["d", "d/data"])
def test_shards_are_one_split_in_the_order_of_their_numbers(load, write, folder, tmp_path):
    for number in (10, 2, 0, 1, *range(3, 10)):
        write(f"{folder}/train-{number:05}-of-00011.jsonl", [{"text": str(number), "label": "a"}])
    write(f"{folder}/test-00000-of-00001.jsonl", [{"text": "x", "label": "a"}])
    rows = load("sentiment", tmp_path / "d")
    assert rows.splits["train"]["text"][:] == [str(number) for number in range(11)]
    assert rows.splits["train"]["id"][:] == [str(number) for number in range(11)]
    assert len(rows.splits["test"]) == 1


def test_missing_shards_are_named(load, write):
    write("d/train-00002-of-00003.csv", CSV)
    folder = write("d/train-00000-of-00003.csv", CSV).parent
    message = refused(load, "sentiment", folder)
    assert "missing: train-00001-of-00003" in message
    assert "2 of 3" in message


def test_a_folder_without_train_is_refused_with_what_it_has(load, write):
    message = refused(load, "sentiment", write("d/corpus.csv", CSV).parent)
    assert "files: corpus.csv" in message
    assert "dataset.splits.train=corpus.csv" in message
    assert "dataset.format=hub" in refused(load, "sentiment", write("h/pt/train.csv", CSV).parent.parent)


def test_splits_may_have_any_name(load, write):
    write("d/treino.csv", CSV)
    folder = write("d/prova.csv", CSV).parent
    assert sizes(load("sentiment", folder, splits={"train": "treino", "test": "prova"})) == {
        "train": 20,
        "test": 20,
    }
    message = refused(load, "sentiment", folder, splits={"train": "treino", "test": "teste"})
    assert "no file for teste" in message


def test_splits_may_be_files(load, write):
    write("d/treino.csv", CSV)
    folder = write("d/ouro.jsonl", [{"text": "x", "label": "a"}]).parent
    apart = write("e/outro.csv", CSV)
    rows = load(
        "sentiment",
        folder,
        splits={"train": "treino.csv", "validation": f"{apart}[:5]", "test": "ouro.jsonl"},
    )
    assert sizes(rows) == {"train": 20, "validation": 5, "test": 1}
    assert rows.source["files"]["validation"] == str(apart)
    assert "nada.csv" in refused(load, "sentiment", folder, splits={"train": "nada.csv"})


def test_a_split_that_is_null_is_not_read(load, write):
    write("d/test.csv", CSV)
    folder = write("d/train.csv", CSV).parent
    assert sizes(load("sentiment", folder, splits={"test": None})) == {"train": 20}
    assert "no rows to learn from" in refused(load, "sentiment", folder, splits={"train": None})


@pytest.mark.parametrize(
    ("split", "ids"),
    [
        ("train[:3]", "0 1 2"),
        ("train[17:]", "17 18 19"),
        ("train[:10%]", "0 1"),
        ("train[90%:95%]", "18"),
        ("train[18:99]", "18 19"),
    ],
)
def test_a_slice_takes_its_rows(load, write, split, ids):
    rows = load("sentiment", write("a.csv", CSV), splits={"train": split})
    assert rows.splits["train"]["id"][:] == ids.split()


@pytest.mark.parametrize(
    ("split", "ids"),
    [
        ("train[:2]+train[18:]", "0 1 18 19"),
        ("train[:10%] + train[:1]", "train:0 train:1 train:0"),
    ],
)
def test_a_sum_takes_the_rows_of_its_parts_in_order(load, write, split, ids):
    assert (
        load("sentiment", write("a.csv", CSV), splits={"train": split}).splits["train"]["id"][:]
        == ids.split()
    )


def test_a_sum_may_be_of_splits_and_files(load, write):
    write("d/dev.csv", CSV)
    extra = write("e/extra.jsonl", [{"text": "mais", "label": "b"}])
    folder = write("d/train.csv", CSV).parent
    splits = {"train": f"train[:2]+validation[:5%]+{extra}", "validation": "validation[50%:]"}
    rows = load("sentiment", folder, splits=splits)
    assert rows.splits["train"]["text"][:] == ["texto 0", "texto 1", "texto 0", "mais"]
    assert rows.splits["train"]["id"][:] == ["train:0", "train:1", "validation:0", f"{extra}:0"]
    assert len(rows.splits["validation"]) == 10
    assert "dev.csv + " in rows.source["files"]["train"]


def test_a_sum_with_a_part_that_does_not_exist_is_refused(load, write):
    folder = write("d/train.csv", CSV).parent
    assert "no file for dev2" in refused(load, "sentiment", folder, splits={"train": "train+dev2"})
    message = refused(load, "sentiment", folder, splits={"test": "train[:2]+test"})
    assert "a part of test does not exist" in message
    assert "nothing on one side" in refused(load, "sentiment", folder, splits={"train": "train+"})


def test_a_name_with_a_plus_in_it_is_a_file_where_there_is_one(load, write, monkeypatch, tmp_path):
    write("a+b.csv", CSV)
    monkeypatch.chdir(tmp_path)
    assert sizes(load("sentiment", tmp_path, splits={"train": "a+b.csv", "test": "a+b.csv[:3]"})) == {
        "train": 20,
        "test": 3,
    }


def test_slices_of_one_file_may_be_several_splits(load, write):
    splits = {"train": "train[:80%]", "validation": "train[80%:]", "test": None}
    rows = load("sentiment", write("a.csv", CSV), splits=splits)
    assert sizes(rows) == {"train": 16, "validation": 4}
    assert not set(rows.splits["train"]["id"]) & set(rows.splits["validation"]["id"])


@pytest.mark.parametrize("split", ["train[-3:]", "train[3]", "train[a:b]"])
def test_what_is_no_slice_is_refused(load, write, split):
    assert "train[:1000]" in refused(load, "sentiment", write("a.csv", CSV), splits={"train": split})


def test_a_slice_without_rows_is_refused(load, write):
    assert "no rows" in refused(load, "sentiment", write("a.csv", CSV), splits={"train": "train[100:]"})


def test_a_split_that_one_file_cannot_have_is_refused(load, write):
    message = refused(load, "sentiment", write("a.csv", CSV), splits={"test": "prova"})
    assert "'prova'" in message
    assert "dataset.splits.test=FILE" in message


@pytest.mark.parametrize("name", ["avaliacao.csv", "nada/avaliacoes.csv", "./nada", "a/b/c"])
def test_a_path_that_does_not_exist_is_refused(load, write, name, monkeypatch, tmp_path):
    write("avaliacoes.csv", CSV)
    monkeypatch.chdir(tmp_path)
    message = refused(load, "sentiment", name)
    assert name in message
    if name == "avaliacao.csv":
        assert "avaliacoes.csv" in message


@pytest.mark.parametrize("content", ["", "text,label\n", "\n\n"])
def test_a_file_without_rows_is_refused_with_its_name(load, write, content):
    assert "vazio.csv" in refused(load, "sentiment", write("vazio.csv", content))


def test_a_split_without_rows_is_refused_with_its_name(load, write):
    write("d/train.csv", CSV)
    folder = write("d/test.csv", "text,label\n").parent
    assert "test has no rows" in refused(load, "sentiment", folder)


def test_saved_folders_are_read(load, tmp_path):
    data = Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]})
    data.save_to_disk(tmp_path / "one")
    DatasetDict(train=data, dev=data).save_to_disk(tmp_path / "several")
    assert sizes(load("sentiment", tmp_path / "one")) == {"train": 2}
    assert sizes(load("sentiment", tmp_path / "several")) == {"train": 2, "validation": 2}
    message = refused(load, "sentiment", tmp_path / "several", splits={"test": "prova"})
    assert "splits: train, dev" in message


def test_validation_is_made_of_train_when_there_is_none_and_said(load, write):
    rows = load("sentiment", write("a.csv", CSV), validation_fraction=0.2)
    assert sizes(rows) == {"train": 16, "validation": 4}
    assert sorted(rows.splits["validation"]["label"]) == ["a", "a", "b", "b"]
    (note,) = [note for note in rows.notes if "was made" in note]
    assert note == "validation was made of 4 rows of train (stratified by label, dataset.seed 42)"


def test_a_validation_split_that_exists_is_left_alone(load, write):
    write("d/train.csv", CSV)
    folder = write("d/dev.csv", CSV).parent
    assert sizes(load("sentiment", folder, validation_fraction=0.5)) == {"train": 20, "validation": 20}


def test_test_is_made_before_validation_and_never_shared(load, write):
    rows = load("sentiment", write("a.csv", CSV), validation_fraction=0.25, test_fraction=0.2)
    assert sizes(rows) == {"train": 12, "validation": 4, "test": 4}
    same = load("sentiment", write("a.csv", CSV), validation_fraction=0.5, test_fraction=0.2)
    assert same.splits["test"]["id"][:] == rows.splits["test"]["id"][:]
    ids = [identifier for data in rows.splits.values() for identifier in data["id"]]
    assert len(set(ids)) == 20


def test_groups_are_not_parted(load, write):
    rows = [
        {"text": str(number), "label": "ab"[number % 2], "autor": f"a{number % 5}"} for number in range(50)
    ]
    made = load("sentiment", write("a.jsonl", rows), columns={"group": "autor"}, validation_fraction=0.2)
    assert sizes(made) == {"train": 40, "validation": 10}
    assert not set(made.splits["train"]["group"]) & set(made.splits["validation"]["group"])
    assert any("whole groups of autor" in note for note in made.notes)


def test_the_limit_takes_the_first_rows_of_each_split(load, write):
    write("d/train.csv", CSV)
    rows = load("sentiment", write("d/test.csv", CSV).parent, limit=3)
    assert sizes(rows) == {"train": 3, "test": 3}
    assert rows.splits["train"]["id"][:] == ["0", "1", "2"]


def test_the_scheme_of_tags_is_said_when_it_is_not_iob2(load, write):
    path = write("a.conll", "Ana I-P\nSá I-P\n\nBelém I-L\n")
    rows = load("ner", path)
    assert rows.splits["train"]["tags"][:] == [["B-P", "I-P"], ["B-L"]]
    assert any("IOB1" in note for note in rows.notes)
    assert load("ner", path, tag_scheme=TagScheme.iob2).notes[0].endswith("its start: 2")


def test_all_splits_are_read_in_the_scheme_of_train(load, write):
    write("d/train.conll", "Ana B-P\nSá I-P\n\nBelém B-L\n")
    folder = write("d/test.conll", "Ana I-P\nSá I-P\n").parent
    rows = load("ner", folder)
    assert any(note.startswith("test: tags continued") for note in rows.notes)
    assert "row 0, word 1" in refused(load, "ner", write("d/test.conll", "Ana O\nSá X-P\n").parent)


def test_a_wrong_tag_is_refused_with_its_line(load, write):
    text = "# texto\n\n\nAna B-P\nri O\n\n-DOCSTART- O\n\nBelém I-L\nao O\n"
    message = refused(load, "ner", write("a.conll", text + "mar Y-L\n"))
    assert "a.conll:11 (row 1, word 2)" in message
    options = {"tag_repair": TagRepair.error, "tag_scheme": TagScheme.iob2}
    assert "a.conll:9 (row 1, word 0)" in refused(load, "ner", write("b/a.conll", text), **options)


def test_rows_are_read_once_and_again_when_the_file_or_the_config_changes(load, write, monkeypatch):
    path = write("a.csv", CSV)
    first = load("sentiment", path)
    converted = []
    convert = sources.Converter.convert
    monkeypatch.setattr(sources.Converter, "convert", lambda *args: converted.append(1) or convert(*args))
    again = load("sentiment", path)
    assert (converted, again.fingerprint, again.notes) == ([], first.fingerprint, first.notes)
    assert load("sentiment", path, label_map={"a": "x"}).fingerprint != first.fingerprint
    write("a.csv", CSV.replace("texto 7", "texto sete"))
    assert load("sentiment", path).fingerprint != first.fingerprint
    assert len(converted) == 2


def test_notes_are_there_again_when_rows_come_from_the_cache(load, write):
    path = write("a.csv", (CSV + ",a\nnão,b\n").encode("cp1252"))
    first, again = load("sentiment", path).notes, load("sentiment", path).notes
    assert first == again
    assert any("cp1252" in note for note in again)
    assert any("empty text" in note for note in again)


def test_the_fingerprint_changes_with_the_rows_alone(load, write):
    rows = [{"text": "a", "label": 1}, {"text": "b", "label": 0}]
    one = load("sentiment", write("a.jsonl", rows)).fingerprint
    other = load("sentiment", write("b.json", json.dumps(rows))).fingerprint
    assert one == other != load("sentiment", write("a.jsonl", rows), limit=1).fingerprint
    assert len(one) == 16


def test_keys_of_label_map_may_be_of_several_types(load, write):
    path = write("a.jsonl", [{"text": "a", "label": 1}, {"text": "b", "label": "B"}])
    assert load("sentiment", path, label_map={1: "x", "B": "y"}).splits["train"]["label"][:] == ["x", "y"]
