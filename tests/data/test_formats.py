"""The doors: the same rows through every form, and bad files refused with the line."""

import json

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from autotune.config.column_names import ColumnsConfig
from autotune.config.enums import Format, TagScheme
from autotune.config.schema import DatasetConfig, SplitsConfig
from autotune.data.sources import load_file, load_rows
from autotune.data.texts import rows_from_texts
from autotune.errors import DataError
from autotune.registry import task

REVIEWS = [
    {"text": f'Não gostei, "{n}" é ruim', "label": "negativo" if n % 2 else "positivo"} for n in range(20)
]
CONLL = "-DOCSTART- -X- O\n\n# sent 1\nJoão B-PESSOA\nSilva I-PESSOA\nviu O\nSão\u00a0Luís B-LOCAL\n\nChoveu O\n\n\n"


def load(tmp_path, name="sentiment", **options):
    return load_rows(DatasetConfig(**options), task(name).columns, cache=tmp_path / "cache")


def csv_text(delimiter: str) -> str:
    quoted = [f'"{row["text"].replace(chr(34), chr(34) * 2)}"{delimiter}{row["label"]}' for row in REVIEWS]
    return f"text{delimiter}label\n" + "\n".join(quoted) + "\n"


def write_all(folder):
    """The same reviews in every form."""
    data = Dataset.from_list(REVIEWS)
    for name, delimiter in (("a.csv", ","), ("b.csv", ";"), ("c.tsv", "\t")):
        (folder / name).write_text(csv_text(delimiter), encoding="utf-8")
    (folder / "bom.csv").write_text(csv_text(","), encoding="utf-8-sig")
    (folder / "d.jsonl").write_text("\n".join(json.dumps(row) for row in REVIEWS), encoding="utf-8")
    (folder / "e.json").write_text(json.dumps({"data": REVIEWS}), encoding="utf-8")
    data.to_parquet(str(folder / "f.parquet"))
    data.save_to_disk(str(folder / "g"))
    return ["a.csv", "b.csv", "c.tsv", "bom.csv", "d.jsonl", "e.json", "f.parquet", "g"]


def test_the_same_rows_through_every_door_have_the_same_fingerprint(tmp_path):
    loaded = [load(tmp_path, path=str(tmp_path / name)) for name in write_all(tmp_path)]
    assert {rows.fingerprint for rows in loaded} == {loaded[0].fingerprint}
    texts = [row["text"] for split in loaded[0].splits.values() for row in split]
    assert sorted(texts) == sorted(row["text"] for row in REVIEWS)


def test_windows_files_are_read_as_cp1252_and_it_is_said(tmp_path):
    (tmp_path / "r.csv").write_bytes(csv_text(";").encode("cp1252"))
    rows = load(tmp_path, path=str(tmp_path / "r.csv"))
    assert any("cp1252" in note for note in rows.notes)
    assert rows.splits["train"][0]["text"].startswith("Não")
    assert load(tmp_path, path=str(tmp_path / "r.csv")).notes == rows.notes


def test_words_that_look_like_nothing_stay_text(tmp_path):
    body = "\n".join(
        f"{text},{label}" for text, label in [("NA", "a"), ("null", "b"), ("007", "a"), ("nan", "b")]
    )
    (tmp_path / "r.csv").write_text(f"text,label\n{body}\n", encoding="utf-8")
    rows = load(tmp_path, path=str(tmp_path / "r.csv"), validation_fraction=0.0)
    assert list(rows.splits["train"]["text"]) == ["NA", "null", "007", "nan"]


def test_a_line_break_in_quotes_is_part_of_the_text(tmp_path):
    (tmp_path / "r.csv").write_text('text,label\n"uma\nduas",a\ntrês,b\n', encoding="utf-8")
    rows = load(tmp_path, path=str(tmp_path / "r.csv"), validation_fraction=0.0)
    assert list(rows.splits["train"]["text"]) == ["uma\nduas", "três"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("r.csv", "text,label\na,b,c\n", r"r\.csv:2"),
        ("r.csv", 'text,label\n"a,b\n' + "c,d\n" * 600, r"r\.csv:2"),
        ("r.csv", "text,text\na,b\n", "same name"),
        ("r.csv", "text,label\na\0,b\n", "NUL"),
        ("r.jsonl", '{"text": "a", "label": "b"}\n{"text"\n', r"r\.jsonl:2"),
        ("r.jsonl", "[1]\n", r"r\.jsonl:1"),
        ("r.json", '{"a": [1], "b": [2]}', "lists: a, b"),
        ("r.json", "{", r"r\.json:1"),
        ("r.dat", "a", "dataset.format"),
        ("r.parquet", "no parquet", "Parquet"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(tmp_path, name, content, expected):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=expected):
        load(tmp_path, path=str(tmp_path / name))


def test_columns_of_other_names_are_proposed_and_mapped(tmp_path):
    renamed = [{"Texto": row["text"], "nota": row["label"]} for row in REVIEWS]
    (tmp_path / "r.jsonl").write_text("\n".join(json.dumps(row) for row in renamed), encoding="utf-8")
    with pytest.raises(DataError, match=r"(?s)Texto, nota.*dataset.columns.text=Texto"):
        load(tmp_path, path=str(tmp_path / "r.jsonl"))
    columns = ColumnsConfig(text="Texto", label="nota")
    assert len(load(tmp_path, path=str(tmp_path / "r.jsonl"), columns=columns).splits["train"]) == 18


def test_labels_become_names_and_the_map_renames_and_drops(tmp_path):
    values = [1, 1.0, True, "1", -1, 5, 3]
    (tmp_path / "r.jsonl").write_text(
        "\n".join(json.dumps({"text": "a", "label": value}) for value in values), encoding="utf-8"
    )
    rows = load(
        tmp_path,
        path=str(tmp_path / "r.jsonl"),
        label_map={1: "ruim", "True": "ruim", -1.0: "péssimo", "5": "bom", 3: None},
        validation_fraction=0.0,
    )
    assert list(rows.splits["train"]["label"]) == ["ruim", "ruim", "ruim", "ruim", "péssimo", "bom"]
    assert any("null" in note for note in rows.notes)


def test_empty_texts_are_dropped_from_train_and_kept_where_they_are_scored(tmp_path):
    for split in ("train", "dev"):
        rows = [*REVIEWS, {"text": "  ", "label": "positivo"}]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    loaded = load(tmp_path, path=str(tmp_path))
    assert (len(loaded.splits["train"]), len(loaded.splits["validation"])) == (20, 21)


def test_conll_keeps_no_break_spaces_and_drops_nothing_but_comments(tmp_path):
    (tmp_path / "t.conll").write_text(CONLL, encoding="utf-8")
    rows = load(tmp_path, "ner", path=str(tmp_path / "t.conll"), validation_fraction=0.0).splits["train"]
    assert rows["tokens"][0] == ["João", "Silva", "viu", "São\u00a0Luís"] and rows["tokens"][1] == ["Choveu"]
    assert rows["tags"][0] == ["B-PESSOA", "I-PESSOA", "O", "B-LOCAL"]
    text, starts = rows["text"][0], rows["starts"][0]
    assert [
        text[start : start + len(token)] for start, token in zip(starts, rows["tokens"][0], strict=True)
    ] == rows["tokens"][0]


@pytest.mark.parametrize(
    ("scheme", "written"),
    [
        ("iob2", ["B-A", "I-A", "O", "B-A", "B-A"]),
        ("iob1", ["I-A", "I-A", "O", "I-A", "B-A"]),
        ("iobes", ["B-A", "E-A", "O", "S-A", "S-A"]),
        ("bilou", ["B-A", "L-A", "O", "U-A", "U-A"]),
    ],
)
def test_tag_schemes_are_found_out_and_become_iob2(tmp_path, scheme, written):
    body = "".join(f"w{number} {tag}\n" for number, tag in enumerate(written))
    (tmp_path / "t.conll").write_text((body + "\n") * 12, encoding="utf-8")
    rows = load(tmp_path, "ner", path=str(tmp_path / "t.conll"), validation_fraction=0.0).splits["train"]
    expected = ["B-A", "I-A", "O", "B-A", "B-A"]
    assert rows["tags"][0] == expected


def test_tags_without_prefix_need_a_word_from_the_user(tmp_path):
    (tmp_path / "t.conll").write_text("João PESSOA\nSilva PESSOA\nviu O\n\n", encoding="utf-8")
    with pytest.raises(DataError, match="dataset.tag_scheme=io"):
        load(tmp_path, "ner", path=str(tmp_path / "t.conll"))
    rows = load(
        tmp_path, "ner", path=str(tmp_path / "t.conll"), tag_scheme=TagScheme.io, validation_fraction=0.0
    )
    assert rows.splits["train"]["tags"][0] == ["B-PESSOA", "I-PESSOA", "O"]


def test_spans_become_tags_and_no_entity_is_lost(tmp_path):
    rows = [
        {
            "text": "João vive em Natal-RN.",
            "spans": [{"start": 0, "end": 4, "label": "PESSOA"}, [13, 18, "LOCAL"]],
        },
        {
            "doc_id": "7",
            "doc_text": "em Sa\u0303o Luís ontem",
            "entities": [{"start_offset": 3, "end_offset": 13, "label": "LOCAL"}],
        },
    ]
    (tmp_path / "s.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    loaded = load(
        tmp_path, "ner", path=str(tmp_path / "s.jsonl"), format=Format.spans, validation_fraction=0.0
    ).splits["train"]
    assert loaded["tags"][0] == ["B-PESSOA", "O", "O", "B-LOCAL", "O", "O", "O"]
    assert loaded["tokens"][1] == ["em", "São", "Luís", "ontem"]
    assert loaded["tags"][1] == ["O", "B-LOCAL", "I-LOCAL", "O"]


def test_overlapping_spans_are_refused_with_both(tmp_path):
    row = {"text": "João Silva", "spans": [[0, 10, "A"], [5, 10, "B"]]}
    (tmp_path / "s.jsonl").write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(DataError, match=r"(?s)row 0.*'João Silva'.*'Silva'"):
        load(tmp_path, "ner", path=str(tmp_path / "s.jsonl"), format=Format.spans)


def test_splits_are_found_by_name_sliced_limited_and_made(tmp_path):
    text = "\n".join(json.dumps(row) for row in REVIEWS)
    for name in ("meu_train.jsonl", "meu_test.jsonl", "outro.jsonl"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    loaded = load(
        tmp_path,
        path=str(tmp_path),
        splits=SplitsConfig(train="train[:50%]", validation="outro.jsonl"),
        limit=8,
    )
    assert {split: len(data) for split, data in loaded.splits.items()} == {
        "train": 8,
        "validation": 8,
        "test": 8,
    }
    made = load(tmp_path, path=str(tmp_path / "outro.jsonl"), test_fraction=0.2, validation_fraction=0.25)
    assert {split: len(data) for split, data in made.splits.items()} == {
        "train": 12,
        "validation": 4,
        "test": 4,
    }
    assert sorted(made.splits["validation"]["label"]) == ["negativo"] * 2 + ["positivo"] * 2
    with pytest.raises(DataError, match="prova"):
        load(tmp_path, path=str(tmp_path), splits=SplitsConfig(test="prova"))


def test_groups_stay_together(tmp_path):
    rows = [{**row, "autor": f"a{number // 4}"} for number, row in enumerate(REVIEWS)]
    (tmp_path / "r.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    splits = load(
        tmp_path,
        path=str(tmp_path / "r.jsonl"),
        columns=ColumnsConfig(group="autor"),
        validation_fraction=0.2,
    ).splits
    assert not set(splits["train"]["group"]) & set(splits["validation"]["group"])


def test_a_folder_in_the_hubs_layout_goes_through_datasets(tmp_path):
    repository = tmp_path / "repo"
    (repository / "data").mkdir(parents=True)
    features = Features({"sentence": Value("string"), "label": ClassLabel(names=["ruim", "bom"])})
    rows = [{"sentence": f"frase {n}", "label": n % 2} for n in range(20)]
    Dataset.from_list(rows, features=features).to_parquet(
        str(repository / "data" / "train-00000-of-00001.parquet")
    )
    loaded = load(tmp_path, path=str(repository), format=Format.hub, columns=ColumnsConfig(text="sentence"))
    assert set(loaded.splits["train"]["label"]) == {"ruim", "bom"}
    with pytest.raises(DataError, match=r"(?s)splits: train.*dataset.splits.train=train"):
        load(tmp_path, path=str(repository), format=Format.hub, splits=SplitsConfig(train="treino"))


def test_a_repository_with_only_a_script_is_not_run(tmp_path):
    repository = tmp_path / "lener_br"
    repository.mkdir()
    (repository / "lener_br.py").write_text("raise SystemExit('ran')", encoding="utf-8")
    with pytest.raises(DataError, match="dataset.revision=refs/convert/parquet"):
        load(tmp_path, path=str(repository), format=Format.hub)


def test_saved_splits_are_read_by_name(tmp_path):
    data = Dataset.from_list(REVIEWS)
    DatasetDict({"train": data, "dev": data}).save_to_disk(str(tmp_path / "saved"))
    assert set(load(tmp_path, path=str(tmp_path / "saved")).splits) == {"train", "validation"}


def test_prediction_takes_every_row_with_or_without_gold_under_either_name(tmp_path):
    config = DatasetConfig(path="x", columns=ColumnsConfig(text="review", label="stars"))
    columns = task("sentiment").columns
    for name in ("review", "text"):
        (tmp_path / f"{name}.csv").write_text(f'{name}\num\n""\ntrês\n', encoding="utf-8")
        rows = load_file(str(tmp_path / f"{name}.csv"), config, columns, cache=tmp_path / "cache")
        assert list(rows["text"]) == ["um", "", "três"] and "label" not in rows.column_names
    with pytest.raises(DataError, match="no such file"):
        load_file(str(tmp_path / "nada.csv"), config, columns, cache=tmp_path / "cache")


def test_typed_texts_become_rows_of_each_task():
    assert rows_from_texts(["Olá!"], task("ner").columns)[0]["tokens"] == ["Olá", "!"]
    assert rows_from_texts(["Olá!"], task("sentiment").columns)[0]["text"] == "Olá!"
    assert rows_from_texts(["Olá!"], task("summarization").columns)[0]["document"] == "Olá!"
