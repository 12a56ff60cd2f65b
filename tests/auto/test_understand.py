"""What `understand` makes of data: the right roles, or a question with the right ones first; never anything else in silence."""

import json
import random
from pathlib import Path

import pytest

from autotune import registry
from autotune.auto.decisions import IDS, Decision
from autotune.auto.understand import DataOptions, Understanding, understand
from autotune.config.columns import Kind
from autotune.config.compose import compose
from autotune.data.sources import load_rows
from autotune.errors import ConfigError
from autotune.runtime.language import VARIABLE, local
from tests.auto import tables
from tests.auto.tables import Row, write_conll, write_csv, write_jsonl


def understood(path: Path, *words: str, **options) -> tuple[Understanding, dict[str, object]]:
    """What was understood, and the value of each decision; a run with these words reads the rows with these labels."""
    result = understand(str(path), words, DataOptions(**options))
    (run,) = compose(result.words)
    columns = registry.task(run.task.name).columns
    train = load_rows(run.dataset, columns, cache=path.parent / "cache").splits["train"]
    kind = next(column.kind for column in columns if column.target)
    if kind is Kind.label:
        assert set(train["label"]) <= set(result.counts)
    elif kind is Kind.labels:
        assert {name for names in train["label"] for name in names} == set(result.counts)
    for decision in result.decisions:
        assert decision.id in IDS
        assert Decision.from_dict(json.loads(json.dumps(decision.as_dict()))) == decision
    return result, {decision.id: decision.value for decision in result.decisions}


def asked(path: Path, *words: str) -> ConfigError:
    """The question that the data raise."""
    with pytest.raises(ConfigError) as refused:
        understand(str(path), words, DataOptions())
    return refused.value


def reviews(*names: str, count: int = 120) -> list[Row]:
    """Rows with some of the columns of `tables.reviews`."""
    return [{name: row[name] for name in names} for row in tables.reviews(count)]


def renamed(rows: list[Row], *names: str) -> list[Row]:
    return [dict(zip(names, row.values(), strict=True)) for row in rows]


ALL = ("id", "data", "comentário", "sentimento", "produto", "url")
FOUND = {"task": "sentiment", "text": "comentário", "label": "sentimento"}


@pytest.mark.parametrize(
    ("name", "delimiter", "encoding"),
    [
        ("a.csv", ",", "utf-8"),
        ("a.csv", ";", "cp1252"),
        ("a.tsv", "\t", "utf-8"),
        ("a.csv", ";", "utf-8-sig"),
    ],
)
def test_csv_of_any_kind(name, delimiter, encoding, tmp_path):
    path = write_csv(tmp_path / name, reviews(*ALL), delimiter, encoding)
    result, values = understood(path)
    assert FOUND.items() <= values.items()
    assert values["left_out"] == "id, data, produto, url"
    assert values["group"] == "produto"
    assert (result.rows, result.folds, result.language) == (120, 5, "pt")
    assert sum(result.counts.values()) == 120


def test_excel(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [list(ALL), *(list(row.values()) for row in reviews(*ALL))]:
        book.active.append(row)
    book.save(tmp_path / "avaliações.xlsx")
    assert FOUND.items() <= understood(tmp_path / "avaliações.xlsx")[1].items()


def test_json_lines_with_numbers_as_labels(tmp_path):
    rows = [
        {"frase": row["comentário"], "classe": int(row["sentimento"] == "positivo")}
        for row in tables.reviews()
    ]
    _, values = understood(write_jsonl(tmp_path / "a.jsonl", rows))
    assert (values["task"], values["text"], values["label"]) == ("classification", "frase", "classe")


def test_stars_stay_classes_with_a_map_to_paste(tmp_path):
    result, values = understood(
        write_csv(tmp_path / "a.csv", reviews("id", "comentário", "estrelas", "produto"))
    )
    assert (values["task"], values["label"]) == ("sentiment", "estrelas")
    assert set(result.counts) == {"1", "2", "3", "4", "5"}
    label = next(decision for decision in result.decisions if decision.id == "label")
    assert label.alternatives[0].startswith("'dataset.label_map={")
    task = next(decision for decision in result.decisions if decision.id == "task")
    assert task.alternatives[0] == "task=ordinal"


def test_numbers_in_text_are_classes(tmp_path):
    """Strings of whole numbers are not a regression."""
    rows = [{"text": row["comentário"], "label": f"{row['estrelas']}.0"} for row in tables.reviews()]
    result, values = understood(write_csv(tmp_path / "a.csv", rows))
    assert values["task"] == "sentiment"
    assert "5" in result.counts


def test_booleans_are_classes(tmp_path):
    rows = [
        {"post": row["comentário"], "tóxico": row["sentimento"] == "negativo"} for row in tables.reviews()
    ]
    _, values = understood(write_jsonl(tmp_path / "a.jsonl", rows))
    assert (values["task"], values["label"]) == ("classification", "tóxico")


def test_english_names(tmp_path):
    rng = random.Random(1)
    rows = [
        {
            "review_id": f"r{number}",
            "created_at": f"2024-03-{number % 28 + 1:02} 10:00:00",
            "review_text": f"{rng.choice(tables.ENGLISH)} was better than they said, and it is number {number}",
            "overall_rating": rng.randint(1, 5),
            "reviewer_state": rng.choice(["SP", "RJ", "MG"]),
        }
        for number in range(120)
    ]
    result, values = understood(write_csv(tmp_path / "a.csv", rows))
    assert (values["text"], values["label"], result.language) == ("review_text", "overall_rating", "en")


def test_a_column_that_says_the_same_as_the_label_is_named(tmp_path):
    rows = [
        row | {"cod_sentimento": int(row["sentimento"] == "positivo")}
        for row in reviews("comentário", "sentimento")
    ]
    result, values = understood(write_csv(tmp_path / "a.csv", rows))
    assert values["label"] == "sentimento"
    left_out = next(decision for decision in result.decisions if decision.id == "left_out")
    assert left_out.because == "cod_sentimento: says the same as sentimento"


def test_two_columns_of_classes_are_asked_the_named_one_first(tmp_path):
    rows = [
        row | {"recomenda": "não" if row["estrelas"] < 4 else "sim"}
        for row in reviews("comentário", "estrelas")
    ]
    rows = [
        {"comentário": row["comentário"], "recomenda": row["recomenda"], "avaliação": row["estrelas"]}
        for row in rows
    ]
    error = asked(write_csv(tmp_path / "a.csv", rows))
    assert error.what == "it is not clear which column is to be learned"
    assert error.found.splitlines()[0].startswith("avaliação: 5 values, such as ")
    assert error.fix.splitlines() == [
        "task=sentiment dataset.columns.label=avaliação",
        "task=classification dataset.columns.label=recomenda",
    ]
    for fix, label in zip(error.fix.splitlines(), ("avaliação", "recomenda"), strict=True):
        assert understood(tmp_path / "a.csv", *fix.split())[1]["label"] == label


def test_a_place_is_not_taken_for_the_label_of_a_table_without_one(tmp_path):
    rows = [
        {"id": row["id"], "comentário": row["comentário"], "cidade": row["produto"]}
        for row in tables.reviews()
    ]
    error = asked(write_csv(tmp_path / "a.csv", rows))
    assert error.found.startswith("cidade: 8 values")


def test_another_column_is_not_taken_for_a_label_that_has_one_value(tmp_path):
    rows = [
        row | {"label": "x", "tipo": row.pop("sentimento")} for row in reviews("comentário", "sentimento")
    ]
    error = asked(write_csv(tmp_path / "a.csv", rows))
    assert error.what == "it is not clear which column is to be learned"


def test_title_and_body_are_asked_the_body_first(tmp_path):
    rows = [
        {"title": row["título"], "body": row["notícia"], "label": ("a", "b")[number % 2]}
        for number, row in enumerate(tables.news())
    ]
    error = asked(write_csv(tmp_path / "a.csv", rows))
    assert error.what == "it is not clear which column is the text"
    assert error.fix.splitlines()[:2] == ["dataset.columns.text=body", "dataset.columns.text=title"]
    assert understood(tmp_path / "a.csv", "dataset.columns.text=title")[1]["text"] == "title"


def test_title_and_body_alone_are_not_a_summarization_in_silence(tmp_path):
    rows = [{"a": row["título"], "b": row["notícia"]} for row in tables.news()]
    error = asked(write_csv(tmp_path / "a.csv", rows))
    assert error.fix == "task=summarization dataset.columns.document=b dataset.columns.summary=a"


@pytest.mark.parametrize("names", [("título", "notícia", "resumo"), ("x", "y", "z")])
def test_a_document_and_its_summary(names, tmp_path):
    result, values = understood(write_csv(tmp_path / "a.csv", renamed(tables.news(), *names)))
    assert (values["task"], values["text"], values["label"]) == ("summarization", names[1], names[2])
    assert result.counts == {}


def test_news_with_a_category_are_asked_the_named_task_first(tmp_path):
    rows = [
        row | {"categoria": ("esporte", "política")[number % 2]} for number, row in enumerate(tables.news())
    ]
    error = asked(write_csv(tmp_path / "a.csv", rows))
    assert [fix.split()[0] for fix in error.fix.splitlines()][:2] == [
        "task=summarization",
        "task=classification",
    ]


def test_several_labels_in_a_cell(tmp_path):
    rng = random.Random(2)
    topics = ["água", "lixo", "luz", "ruído"]
    texts = [text for text, _ in tables.opinions(120)]
    rows = [{"texto": text, "temas": rng.sample(topics, rng.randint(0, 3))} for text in texts]
    result, values = understood(write_jsonl(tmp_path / "a.jsonl", rows))
    assert (values["task"], values["label"]) == ("multi_label", "temas")
    assert set(result.counts) == set(topics)
    joined = [row | {"temas": "|".join(row["temas"] or ["nenhum"])} for row in rows]
    result, values = understood(write_csv(tmp_path / "a.csv", joined))
    assert values["task"] == "multi_label"
    assert "dataset.label_separator=|" in result.words
    assert set(result.counts) == {*topics, "nenhum"}


def test_columns_of_votes_are_asked_together_first(tmp_path):
    rng = random.Random(3)
    rows = [
        {
            "text": text,
            **{name: float(rng.choice([0, 0, 1, 2, 3])) for name in ("insult", "racism", "obscene")},
        }
        for text, _ in tables.opinions(120)
    ]
    error = asked(write_csv(tmp_path / "a.csv", rows))
    first = "task=multi_label 'dataset.columns.labels=[insult,racism,obscene]' dataset.label_threshold=1"
    assert error.fix.splitlines()[0] == first
    words = [
        "task=multi_label",
        "dataset.columns.labels=[insult,racism,obscene]",
        "dataset.label_threshold=1",
    ]
    assert set(understood(tmp_path / "a.csv", *words)[0].counts) == {"insult", "racism", "obscene"}


def test_numbers_with_a_fraction_are_learned_as_numbers_only_under_their_name(tmp_path):
    rng = random.Random(4)
    rows = [
        {"texto": text, "score": round(rng.random() * 5, 2), "cidade": "x"}
        for text, _ in tables.opinions(120)
    ]
    _, values = understood(write_csv(tmp_path / "a.csv", rows))
    assert (values["task"], values["label"]) == ("regression", "score")
    error = asked(write_csv(tmp_path / "b.csv", renamed(rows, "a", "b", "c")))
    assert error.fix == "task=regression dataset.columns.label=b"


def test_pairs_by_their_names(tmp_path):
    texts = [text for text, _ in tables.opinions(240)]
    rows = [
        {
            "premise": texts[number // 3],
            "hypothesis": texts[number + 120],
            "label": ("sim", "não")[number % 2],
        }
        for number in range(120)
    ]
    result, _ = understood(write_csv(tmp_path / "a.csv", rows))
    assert {"dataset.columns.text=premise", "dataset.columns.text_pair=hypothesis"} <= set(result.words)


def test_conll_with_splits(tmp_path):
    for name, seed in (("train", 0), ("dev", 1), ("test", 2)):
        write_conll(tmp_path / f"{name}.conll", seed)
    result, values = understood(tmp_path)
    assert (values["task"], values["test"]) == ("ner", "test.conll")
    assert dict(result.counts) == {"PESSOA": 60, "LOCAL": 60}
    assert {"dataset.splits.train=train+validation", "dataset.splits.validation=null"} <= set(result.words)
    assert (result.rows, result.folds) == (120, 5)


def test_conll_in_a_text_file(tmp_path):
    assert understood(write_conll(tmp_path / "corpus.txt"))[1]["task"] == "ner"


def test_words_and_tags_in_a_table(tmp_path):
    pairs = [tables.tokens(*item) for item in tables.sentences()]
    rows = [{"palavras": words, "pos": ["O"] * len(words), "ner": tags, "x": 1} for words, tags in pairs]
    result, values = understood(write_jsonl(tmp_path / "a.jsonl", rows))
    assert (values["task"], values["text"], values["label"]) == ("ner", "palavras", "ner")
    assert "dataset.columns.tags=ner" in result.words
    chunks = [row | {"pos": ["B-NP"] + ["O"] * (len(row["palavras"]) - 1)} for row in rows]
    error = asked(write_jsonl(tmp_path / "b.jsonl", renamed(chunks, "a", "b", "c", "d")))
    assert error.what == "it is not clear which column holds the tags"


def label_studio(result_of) -> list[Row]:
    return [
        {"id": number, "data": {"texto": text}, "annotations": [{"result": result_of(number, spans)}]}
        for number, (text, spans) in enumerate(tables.sentences())
    ]


def test_entities_of_label_studio(tmp_path):
    def results(number, spans):
        return [
            {"from_name": "label", "value": {"start": start, "end": end, "labels": [name]}}
            for start, end, name in spans
        ]

    path = tmp_path / "export.json"
    path.write_text(json.dumps(label_studio(results)), encoding="utf-8")
    result, values = understood(path)
    assert values["task"] == "ner"
    assert dict(result.counts) == {"PESSOA": 60, "LOCAL": 60}


def test_choices_of_label_studio(tmp_path):
    def results(number, spans):
        return [{"from_name": "tom", "value": {"choices": [("Positivo", "Negativo")[number % 2]]}}]

    path = tmp_path / "export.json"
    path.write_text(json.dumps(label_studio(results)), encoding="utf-8")
    result, values = understood(path)
    assert values["task"] in ("sentiment", "classification")
    assert dict(result.counts) == {"Positivo": 30, "Negativo": 30}


def test_a_flat_export_of_label_studio(tmp_path):
    """Who annotated, when and how long are not the answer."""
    rows = [
        {
            "text": text,
            "id": number,
            "tom": ("Positivo", "Negativo")[number % 2],
            "annotator": number % 3,
            "annotation_id": 500 + number,
            "created_at": f"2024-05-01T10:00:{number:02}.123456Z",
            "lead_time": 3.5 + number / 7,
        }
        for number, (text, _) in enumerate(tables.sentences())
    ]
    _, values = understood(write_jsonl(tmp_path / "a.jsonl", rows))
    assert (values["task"], values["label"]) == ("sentiment", "tom")


def test_entities_of_doccano_and_brat(tmp_path):
    rows = [{"text": text, "label": [list(span) for span in spans]} for text, spans in tables.sentences()]
    assert understood(write_jsonl(tmp_path / "a.jsonl", rows))[1]["task"] == "ner"
    folder = tmp_path / "brat"
    folder.mkdir()
    for number, (text, spans) in enumerate(tables.sentences(20)):
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
        lines = [
            f"T{at}\t{name} {start} {end}\t{text[start:end]}\n"
            for at, (start, end, name) in enumerate(spans, 1)
        ]
        (folder / f"{number}.ann").write_text("".join(lines), encoding="utf-8")
    result, values = understood(folder)
    assert (values["task"], dict(result.counts)) == ("ner", {"PESSOA": 20, "LOCAL": 20})
    assert "dataset=brat" in result.words


def test_a_project_of_autotrain(tmp_path):
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

    rows = [{"autotrain_text": text, "autotrain_label": int(good)} for text, good in tables.opinions(80)]
    features = Features(
        {"autotrain_text": Value("string"), "autotrain_label": ClassLabel(names=["neg", "pos"])}
    )
    data = DatasetDict(train=Dataset.from_list(rows, features=features))
    data.save_to_disk(str(tmp_path / "projeto" / "autotrain-data"))
    result, values = understood(tmp_path / "projeto")
    assert (values["task"], values["text"]) == ("sentiment", "autotrain_text")
    assert set(result.counts) == {"neg", "pos"}


def test_a_folder_for_each_class_and_fasttext(tmp_path):
    for number, (text, good) in enumerate(tables.opinions(40)):
        folder = tmp_path / "corpus" / ("bom" if good else "ruim")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    result, _ = understood(tmp_path / "corpus")
    assert set(result.counts) == {"bom", "ruim"}
    lines = [f"__label__{('ruim', 'bom')[good]} {text}\n" for text, good in tables.opinions(40)]
    (tmp_path / "treino.txt").write_text("".join(lines), encoding="utf-8")
    result, _ = understood(tmp_path / "treino.txt")
    assert set(result.counts) == {"bom", "ruim"}


@pytest.mark.parametrize("seed", range(3))
def test_order_and_names_of_columns_decide_nothing_where_the_cells_do(seed, tmp_path):
    rows = reviews(*ALL)
    order = random.Random(seed).sample(ALL, len(ALL))
    letters = dict(zip(order, "abcdef", strict=True))
    shuffled = write_csv(tmp_path / "a.csv", [{name: row[name] for name in order} for row in rows])
    without = write_csv(tmp_path / "b.csv", [{letters[name]: row[name] for name in order} for row in rows])
    assert FOUND.items() <= understood(shuffled)[1].items()
    _, values = understood(without)
    expected = {"task": "sentiment", "text": letters["comentário"], "label": letters["sentimento"]}
    assert expected.items() <= values.items()


def test_what_the_user_names_is_not_asked(tmp_path):
    rows = [row | {"tom": row["sentimento"]} for row in reviews("comentário", "sentimento", "estrelas")]
    path = write_csv(tmp_path / "a.csv", rows)
    asked(path)
    result, values = understood(
        path, "dataset.columns.label=estrelas", "task=ordinal", "dataset.language=pt-BR"
    )
    assert (values["task"], values["label"], result.language) == ("ordinal", "estrelas", "pt-BR")
    sources = {decision.id: decision.source for decision in result.decisions}
    assert sources["task"] == sources["label"] == sources["language"] == "you"
    assert result.words[-3:] == ("dataset.columns.label=estrelas", "task=ordinal", "dataset.language=pt-BR")


def test_a_named_task_or_column_leaves_fewer_questions(tmp_path):
    path = write_csv(tmp_path / "a.csv", [{"a": row["título"], "b": row["notícia"]} for row in tables.news()])
    assert understood(path, "task=summarization")[1]["label"] == "a"
    texts = [
        {"a": text, "b": text[::-1], "c": number % 2} for number, (text, _) in enumerate(tables.opinions(60))
    ]
    path = write_csv(tmp_path / "b.csv", texts)
    asked(path)
    assert "dataset.columns.text=a" in understood(path, "dataset.columns.text_pair=b")[0].words
    commas = [
        {"texto": text, "label": ("a, b", "a", "b", "b, a")[number % 4]}
        for number, (text, _) in enumerate(tables.opinions(60))
    ]
    path = write_csv(tmp_path / "c.csv", commas)
    assert understood(path)[1]["task"] == "multi_label"
    assert set(understood(path, "task=classification")[0].counts) == {"a, b", "a", "b", "b, a"}


def test_a_column_that_does_not_exist_is_refused_with_the_nearest(tmp_path):
    error = asked(write_csv(tmp_path / "a.csv", reviews(*ALL)), "dataset.columns.label=sentimentos")
    assert error.fix == "dataset.columns.label=sentimento"


def test_spellings_and_missing_labels_are_mapped_and_stated(tmp_path):
    rows = reviews("comentário", "sentimento")
    for row, label in zip(rows, ["Positivo", " positivo", "", ""], strict=False):
        row["sentimento"] = label
    result, _ = understood(write_csv(tmp_path / "a.csv", rows))
    (run,) = compose(result.words)
    assert run.dataset.label_map == {"Positivo": "positivo", "null": None}
    assert set(result.counts) == {"positivo", "negativo"}
    label = next(decision for decision in result.decisions if decision.id == "label")
    assert label.because.splitlines()[1:] == [
        "read as another spelling of a label: Positivo",
        "rows without a label are left out: 2",
    ]


def test_one_and_minus_one_are_not_spellings_of_each_other(tmp_path):
    rows = [{"text": text, "label": 1 if good else -1} for text, good in tables.opinions(60)]
    result, values = understood(write_csv(tmp_path / "a.csv", rows))
    assert (values["task"], set(result.counts)) == ("sentiment", {"1", "-1"})


@pytest.mark.parametrize(
    ("count", "test", "folds"), [(149, None, 5), (150, 30, 5), (249, 30, 5), (250, 30, None)]
)
def test_rows_decide_what_tests_and_what_chooses(count, test, folds, tmp_path, monkeypatch):
    monkeypatch.setattr("autotune.auto.protocol.MIN_ROWS_FOR_TEST", 150)
    monkeypatch.setattr("autotune.auto.protocol.MIN_TEST", 30)
    monkeypatch.setattr("autotune.auto.protocol.MIN_ROWS_FOR_ONE_SPLIT", 220)
    monkeypatch.setattr("autotune.auto.protocol.MIN_VALIDATION", 100)
    rows = reviews("comentário", "sentimento", count=count)
    result, values = understood(write_csv(tmp_path / "a.csv", rows))
    assert (values["test"], result.folds, result.rows) == (test, folds, count - (test or 0))
    (run,) = compose(result.words)
    assert run.dataset.test_fraction == round((test or 0) / count, 4)
    assert run.dataset.validation_fraction == (0.1 if folds else round(100 / 220, 4))


def test_options_decide_instead(tmp_path):
    path = write_csv(tmp_path / "a.csv", reviews("comentário", "sentimento"))
    result, values = understood(path, test_fraction=0.25, folds=3)
    assert (values["test"], result.folds, result.rows) == (30, 3, 90)
    assert "dataset.test_fraction=0.25" in result.words
    result, values = understood(path, test_fraction=0.0, folds=1)
    assert (values["test"], result.folds, values["folds"]) == (None, None, "validation")


def test_few_groups_are_all_used_to_choose(tmp_path, monkeypatch):
    monkeypatch.setattr("autotune.auto.protocol.MIN_ROWS_FOR_TEST", 150)
    monkeypatch.setattr("autotune.auto.protocol.MIN_TEST", 35)
    rows = [
        row | {"autor": f"a{number % 3}"}
        for number, row in enumerate(reviews("comentário", "sentimento", count=175))
    ]
    result, values = understood(write_csv(tmp_path / "a.csv", rows))
    assert (values["group"], values["test"], result.folds) == ("autor", None, 3)
    result, values = understood(tmp_path / "a.csv", "dataset.columns.group=null")
    assert (values["group"], values["test"], result.folds) == (None, 35, 5)


def test_the_rows_of_test_are_never_read(tmp_path):
    write_csv(tmp_path / "train.csv", reviews("comentário", "sentimento"))
    (tmp_path / "test.csv").write_text("not,a,table\nof,rows\n", encoding="utf-8")
    result = understand(str(tmp_path), [], DataOptions())
    assert "test.csv" in [decision.value for decision in result.decisions]
    assert "dataset.dedup=leaks" in result.words


def test_reading_is_bounded(tmp_path, monkeypatch):
    from autotune.data.formats import readers

    read = []
    original = readers.read_delimited

    def counting(*arguments):
        for row in original(*arguments):
            read.append(1)
            yield row

    monkeypatch.setattr(readers, "read_delimited", counting)
    monkeypatch.setattr("autotune.auto.sample.MAX_ROWS", 200)
    path = write_csv(tmp_path / "a.csv", reviews("comentário", "sentimento", count=5_000))
    result = understand(str(path), [], DataOptions())
    assert len(read) == 201
    assert result.rows == pytest.approx(4_500, rel=0.1)
    assert sum(result.counts.values()) == pytest.approx(5_000, rel=0.1)


def test_a_file_whose_first_line_is_a_row_is_refused(tmp_path):
    path = write_csv(tmp_path / "a.csv", reviews("comentário", "sentimento"))
    path.write_text(path.read_text(encoding="utf-8").partition("\n")[2], encoding="utf-8")
    error = asked(path)
    assert error.fix.startswith("dataset.header=false")
    _, values = understood(path, "dataset.header=false")
    assert (values["text"], values["label"]) == ("0", "1")


def test_one_class_is_refused(tmp_path):
    rows = [row | {"sentimento": "positivo"} for row in reviews("comentário", "sentimento")]
    assert (
        asked(write_csv(tmp_path / "a.csv", rows)).what == "all 120 rows that were read have the same label"
    )


def test_a_pipe_is_refused():
    assert asked(Path("-")).what == "the data are read several times, and a pipe can be read only once"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("o autocarro está a chegar e a equipa vai no comboio de facto", "pt-PT"),
        ("el libro es muy bueno pero la entrega fue una sorpresa para los niños", "es"),
        ("das Buch ist sehr gut und die Lieferung war schnell", "und"),
    ],
)
def test_language(text, language, tmp_path):
    rows = [{"text": f"{text} {number}", "label": number % 2} for number in range(40)]
    assert understood(write_csv(tmp_path / "a.csv", rows))[0].language == language


def test_reasons_and_questions_are_in_portuguese(tmp_path, monkeypatch):
    monkeypatch.setattr("autotune.auto.protocol.MIN_ROWS_FOR_TEST", 150)
    monkeypatch.setattr("autotune.auto.protocol.MIN_TEST", 35)
    cases = [reviews(*ALL), tables.news(), reviews("comentário", "sentimento", count=175)]
    cases[0][0]["sentimento"] = ""
    paths = [write_csv(tmp_path / f"{number}.csv", rows) for number, rows in enumerate(cases)]
    decisions = [
        decision
        for path in [*paths, write_conll(tmp_path / "a.conll")]
        for decision in understood(path)[0].decisions
    ]
    monkeypatch.setenv(VARIABLE, "pt")
    for decision in decisions:
        for line in decision.because.splitlines():
            assert local(line) != line, line
