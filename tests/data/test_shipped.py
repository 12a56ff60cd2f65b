"""Every data set of configs/dataset is read from a few rows that were written here in its layout."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from autotune.config.compose import compose
from autotune.config.enums import Format
from autotune.data.sources import Rows, load_rows
from autotune.registry import task as find
from tests.support import ROOT

FORMS = {form.value for form in Format} | {"sample"}
FILES = sorted(file.stem for file in (ROOT / "configs" / "dataset").glob("*.yaml") if file.stem not in FORMS)
WORDS = ["Ana", "Souza", "mora", "em", "Évora", "."]
STARS = [(5, "ótimo"), (1, "veio quebrado"), (3, "serve"), (2, "demorou"), (4, "bom")] * 4


def hub(name: str | None, splits: Mapping[str, str], rows: list[dict[str, Any]], **types: Any) -> Any:
    """A repository in the Hub's layout.

    Args:
        name: its configuration.
        splits: files of each split.
        rows: those of every split.
        types: of the columns that are not what Arrow infers.
    """

    def write(folder: Path) -> Path:
        files = [f"  - split: {split}\n    path: {file}" for split, file in splits.items()]
        card = ["---", "configs:", f"- config_name: {name or 'default'}", "  data_files:", *files, "---"]
        (folder / "README.md").write_text("\n".join(card), "utf-8")
        data = Dataset.from_list(rows)
        data = data.cast(Features({**data.features, **types}))
        for file in splits.values():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            if file.endswith(".jsonl"):
                data.to_json(folder / file, force_ascii=False)
            elif file.endswith(".csv"):
                data.to_csv(folder / file)
            else:
                data.to_parquet(folder / file)
        return folder

    return write


def converted(name: str, splits: Sequence[str], rows: list[dict[str, Any]], **types: Any) -> Any:
    """The Hub's own conversion of a repository: no card, and a folder for each configuration and split."""

    def write(folder: Path) -> Path:
        write_repository = hub(
            None, {split: f"{name}/{split}/0000.parquet" for split in splits}, rows, **types
        )
        write_repository(folder)
        (folder / "README.md").rename(folder / ".gitattributes")
        (folder / "english" / "train").mkdir(parents=True)
        Dataset.from_list([{"other": 1}]).to_parquet(folder / "english" / "train" / "0000.parquet")
        return folder

    return write


def files(**texts: str) -> Any:
    """A folder of files; the file itself where it is one alone. `__` in a name is a dot."""

    def write(folder: Path) -> Path:
        for name, text in texts.items():
            (folder / name.replace("__", ".")).write_text(text, "utf-8")
        return folder if len(texts) > 1 else folder / next(iter(texts)).replace("__", ".")

    return write


def three(folder: str = "data", end: str = "parquet") -> dict[str, str]:
    return {split: f"{folder}/{split}-00000-of-00001.{end}" for split in ("train", "validation", "test")}


def benchmark(name: str, names: list[str]) -> Any:
    """A configuration of eduagarcia/portuguese_benchmark with classes."""
    rows = [{"idx": i, "sentence": f"um comentário {i}", "label": i % len(names)} for i in range(8)]
    return hub(name, three(name), rows, label=ClassLabel(names=names))


def benchmark_tags(name: str, *types: str) -> Any:
    """A configuration of eduagarcia/portuguese_benchmark with tags; the last sentence has no word."""
    names = ["O", *(f"{prefix}-{name}" for name in types for prefix in "BI")]
    rows = [{"idx": i, "tokens": WORDS, "ner_tags": [1, 2, 0, 0, 3, 0]} for i in range(8)]
    rows.append({"idx": 8, "tokens": [], "ner_tags": []})
    return hub(name, three(name), rows, ner_tags=List(ClassLabel(names=names)), tokens=List(Value("string")))


def lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def conll(*tags: str) -> str:
    return "\n".join(f"{word} {tag}" for word, tag in zip(WORDS, tags, strict=True)) + "\n\n"


def labelled(*labels: str, name: str = "label", column: str = "text") -> str:
    return f"{column},{name}\n" + "".join(f'"frase {i}, com vírgula\ne outra linha",{label}\n'
                                          for i, label in enumerate(labels * 4))  # fmt: skip


NEWS = [{"index": i, "Titulo": "t", "Noticia": f"Choveu no dia {i}. A feira foi adiada.", "Sumario": "Feira adiada."}
        for i in range(5)]  # fmt: skip
LENER = ["ORGANIZACAO", "PESSOA", "TEMPO", "LOCAL", "LEGISLACAO", "JURISPRUDENCIA"]
FILMS = [{"text": f"um filme {i}", "label": i % 2} for i in range(24)]
WIKI = [{"tokens": WORDS, "ner_tags": [1, 2, 0, 0, 5, 0], "lang": "pt"}] * 4
REVIEWS = Dataset.from_list(
    [{"reviewer_id": f"{i}", "review_title": "", "overall_rating": star, "review_text": text}
     for i, (star, text) in enumerate(STARS)]
)  # fmt: skip
ORDERS = "review_id,order_id,review_score,review_comment_title,review_comment_message\n" + "".join(
    f"r{i},o{i},{star},,{'' if i % 5 == 4 else text}\n" for i, (star, text) in enumerate(STARS)
)
PAIRS = hub(None, three(), [
    {"sentence_pair_id": i, "premise": f"Um menino corre {i}.", "hypothesis": "Alguém corre.", "relatedness_score": 1 + i % 5,
     "entailment_judgment": i % 2} for i in range(10)],
    relatedness_score=Value("float32"), entailment_judgment=ClassLabel(names=["NONE", "ENTAILMENT"]))  # fmt: skip
KINDS = ("homophobia", "obscene", "insult", "racism", "misogyny", "xenophobia")
VOTES = (
    "text,"
    + ",".join(KINDS)
    + "\n"
    + "".join(
        f"tuíte {i},{','.join(f'{float((i + k) % 4 == 0) * (1 + k % 3)}' for k in range(6))}\n"
        for i in range(24)
    )
)
LAYOUTS: dict[str, tuple[str, Any, set[str]]] = {
    "assin2_rte": ("classification", PAIRS, {"NONE", "ENTAILMENT"}),
    "assin2_sts": ("regression", PAIRS, set()),
    "b2w": ("sentiment", hub(None, {"train": "B2W-Reviews01.csv"}, list(REVIEWS)), {"negativo", "neutro", "positivo"}),
    "bpsad": ("sentiment", hub(None, three(), [{"polarity": float(i % 2), "review_text": f"chegou {i}"} for i in range(8)]),
              {"negativo", "positivo"}),
    "citilink": ("summarization", files(citilink__jsonl=lines(
        {"municipality": town, "text": f"A ata {i} de {town}.", "summary": "Ata."}
        for i in range(3) for town in ("Porto", "Guarda", "Évora", "Fundão"))), set()),
    "cstnews": ("summarization", files(cstnews__jsonl=lines(
        {"cluster": f"C{i // 2}", "text": f"Notícia {i}.", "summary": "Uma notícia."} for i in range(20))), set()),
    "geocorpus": ("ner", files(train__conll=conll("B-idade", "O", "O", "O", "B-bacia", "O") * 3,
                               dev__conll=conll("B-idade", "O", "O", "O", "O", "O"),
                               test__conll=conll("O", "O", "O", "O", "B-bacia", "O")), {"idade", "bacia"}),
    "harem_selective": ("ner", benchmark_tags("harem-selective", "PESSOA", "LOCAL"), {"PESSOA", "LOCAL"}),
    "harem_total": ("ner", benchmark_tags("harem-default", "PESSOA", "LOCAL"), {"PESSOA", "LOCAL"}),
    "hate_speech_pt": ("sentiment", benchmark("Portuguese_Hate_Speech_binary", ["no-hate", "hate"]), {"no-hate", "hate"}),
    "hatebr": ("sentiment", benchmark("HateBR_offensive_binary", ["non-offensive", "offensive"]),
               {"non-offensive", "offensive"}),
    "hatebr_level": ("sentiment", benchmark("HateBR_offensive_level", ["non-offensive", "slightly", "moderately", "highly"]),
                     {"non-offensive", "slightly", "moderately", "highly"}),
    "imdb_pt": ("sentiment", converted("plain_text", ("train", "test", "test_all"), FILMS), {"negativo", "positivo"}),
    "lener_br": ("ner", benchmark_tags("LeNER-Br", *LENER), {"ORGANIZACAO", "PESSOA"}),
    "mapa_pt": ("ner", benchmark_tags("mapa_pt-coarse", "PERSON", "ADDRESS"), {"PERSON", "ADDRESS"}),
    "mapa_pt_fine": ("ner", benchmark_tags("mapa_pt-fine", "family name", "city"), {"family name", "city"}),
    "multinerd_pt": ("ner", hub(None, {"train": "train/train_pt.jsonl", "validation": "val/val_pt.jsonl",
                                       "test": "test/test_pt.jsonl", "english": "train/train_en.jsonl"},
                                [{"tokens": WORDS, "ner_tags": [1, 2, 0, 0, 23, 0], "lang": "pt"}] * 4), {"PER", "MYTH"}),
    "olist": ("sentiment", files(olist_order_reviews_dataset__csv=ORDERS), {"negativo", "neutro", "positivo"}),
    "paramopama": ("ner", files(corpus_Paramopama__txt=conll("PESSOA", "PESSOA", "O", "O", "LOCAL", "O") * 12),
                   {"PESSOA", "LOCAL"}),
    "publico": ("summarization", hub(None, {"train": "data/train-0.parquet", "val": "data/val-0.parquet",
                                            "test": "data/test-0.parquet"},
                                     [{"text": f"A ponte abre {i}.", "target_text": "Abre."} for i in range(4)]), set()),
    "recognasumm": ("summarization", hub(None, {split: f"{split}.jsonl" for split in ("train", "validation", "test")}, NEWS),
                    set()),
    "reli": ("sentiment", files(reli_train__csv=labelled("-1", "1"), reli_test__csv=labelled("1", "-1")),
             {"negativo", "positivo"}),
    "repro": ("sentiment", files(repro_train__csv=labelled("-1", "1"), repro_test__csv=labelled("1", "-1")),
              {"negativo", "positivo"}),
    "rulingbr": ("summarization", files(rulingbr__jsonl=lines(
        {"ementa": "HC denegado.", "acordao": "a", "relatorio": f"O relatório {i}.", "voto": f"Voto {i}.", "area": "penal",
         "relator": "r", "classe": "HC", "extrato": "e"} for i in range(12))), set()),
    "sst2_pt": ("sentiment", converted("default", ("train", "validation"), FILMS), {"negativo", "positivo"}),
    "temario": ("summarization", files(temario__jsonl=lines(
        {"text": f"Notícia {i}.", "summary": "Uma notícia."} for i in range(20))), set()),
    "told_br": ("sentiment", files(**{f"ptbr_{split}_1annotator__csv": labelled("0", "1", name="toxic")
                                      for split in ("train", "validation", "test")}), {"não tóxico", "tóxico"}),
    "told_br_labels": ("multi_label", files(ToLD__csv=VOTES), set(KINDS)),
    "tweetsentbr": ("sentiment", hub(None, {split: f"data/{split}-0.parquet" for split in ("train", "test")},
                                     [{"id": f"{i}", "sentence": f"um tuíte {i}", "label": label} for i, label in
                                      enumerate(["Positive", "Neutral", "Negative"] * 5)]),
                    {"negativo", "neutro", "positivo"}),
    "ulyssesner_c": ("ner", benchmark_tags("UlyssesNER-Br-C-coarse", "DATA", "EVENTO"), {"DATA", "EVENTO"}),
    "ulyssesner_c_fine": ("ner", benchmark_tags("UlyssesNER-Br-C-fine", "ORGpartido", "PESSOAcargo"),
                          {"ORGpartido", "PESSOAcargo"}),
    "ulyssesner_pl": ("ner", benchmark_tags("UlyssesNER-Br-PL-coarse", "DATA", "EVENTO"), {"DATA", "EVENTO"}),
    "ulyssesner_pl_fine": ("ner", benchmark_tags("UlyssesNER-Br-PL-fine", "ORGpartido", "PESSOAcargo"),
                           {"ORGpartido", "PESSOAcargo"}),
    "wikiann_pt": ("ner", hub("pt", three("pt"), [{"tokens": WORDS, "ner_tags": [1, 2, 0, 0, 5, 0], "langs": ["pt"] * 6,
                                                   "spans": ["PER: Ana Souza", "LOC: Évora"]}] * 4,
                              ner_tags=List(ClassLabel(names=["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]))),
                   {"PER", "LOC"}),
    "wikilingua_pt": ("summarization", hub("portuguese", {
        split: f"portuguese/{split}-00000-of-00001.parquet" for split in ("train", "val", "test")},
        [{"id": f"{i}", "split": "train", "src_en": "a", "tgt_en": "b", "src_lang": f"Ferva a água {i}.", "tgt_lang": "Ferva."}
         for i in range(4)]), set()),
    "wikineural_pt": ("ner", hub(None, {f"{split}_pt": f"data/{split}_pt-0.parquet" for split in ("train", "val", "test")},
                                 WIKI), {"PER", "LOC"}),
    "xlsum_pt": ("summarization", converted("portuguese", ("train", "validation", "test"), [
        {"id": f"{i}", "url": "u", "title": "t", "summary": "Abre.", "text": f"A ponte {i}."} for i in range(4)]), set()),
}  # fmt: skip
"""Task, layout, and the classes or entity types of its rows."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")


def test_every_file_has_a_layout():
    assert sorted(LAYOUTS) == FILES


def read(name: str, task_name: str, path: Path, cache: Path) -> tuple[Rows, set[str]]:
    """The rows of a data set at a path, and the names of its classes or entity types."""
    words = [f"task={task_name}", f"dataset={name}", "model=tiny", f"dataset.path={path}"]
    is_repository = any((path / name).exists() for name in ("README.md", ".gitattributes"))
    (config,) = compose([*words, "dataset.format=hub"] if is_repository else words)
    rows = load_rows(config.dataset, find(task_name).columns, cache=cache)
    return rows, labels_of(rows)


def labels_of(rows: Rows) -> set[str]:
    train = rows.splits["train"]
    if "tags" in train.column_names:
        return {tag[2:] for tags in train["tags"] for tag in tags if tag != "O"}
    names = train["label"] if "label" in train.column_names else ()
    names = [name for label in names for name in (label if isinstance(label, list) else [label])]
    return {name for name in names if isinstance(name, str)}


@pytest.mark.parametrize("name", FILES)
def test_it_is_read(tmp_path, name):
    task_name, write, labels = LAYOUTS[name]
    folder = tmp_path / "r"
    folder.mkdir()
    rows, found = read(name, task_name, write(folder), tmp_path / "cache")
    assert labels <= found and (found <= labels or name == "lener_br")
    assert set(rows.splits) == {"train", "validation", "test"}
    assert all(len(data) for data in rows.splits.values())


def test_conll_files_take_the_place_of_a_set_of_the_hub(tmp_path):
    """Their columns have no names, so the names that the set has on the Hub do no harm."""
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.conll").write_text(
            conll("B-PESSOA", "I-PESSOA", "O", "O", "B-LOCAL", "O"), "utf-8"
        )
    (config,) = compose(["experiment=lener_br-bertimbau_base", f"dataset.path={tmp_path}"])
    rows = load_rows(config.dataset, find("ner").columns, cache=tmp_path / "cache")
    assert labels_of(rows) == {"PESSOA", "LOCAL"}


HAREM = [
    {"doc_id": f"d{i}", "doc_text": "Ana mora em Évora.",
     "entities": [{"label": "PESSOA", "start_offset": 0, "end_offset": 3, "text": "Ana"},
                  {"label": "LOCAL", "start_offset": 12, "end_offset": 17, "text": "Évora"}]}
    for i in range(3)
]  # fmt: skip
NEWS_LINES = lines(
    {"id": f"{i}", "title": "t", "summary": "Abre.", "text": f"A ponte {i}."} for i in range(4)
)
TYPED = lines({"tokens": WORDS, "ner_tags": [1, 2, 0, 0, 23, 0], "lang": "pt"} for _ in range(4))
FOLDERS: dict[str, tuple[str, str, dict[str, str]]] = {
    "harem_selective": ("ner", json.dumps(HAREM), {
        "train": "FirstHAREM-selective-train.json", "validation": "FirstHAREM-selective-dev.json",
        "test": "MiniHAREM-selective.json", "other": "FirstHAREM-total-train.json"}),
    "harem_total": ("ner", json.dumps(HAREM), {
        "train": "FirstHAREM-total-train.json", "validation": "FirstHAREM-total-dev.json",
        "test": "MiniHAREM-total.json", "other": "FirstHAREM-selective-train.json"}),
    "multinerd_pt": ("ner", TYPED, {
        "train": "train_pt.jsonl", "validation": "val_pt.jsonl", "test": "test_pt.jsonl", "other": "train_en.jsonl"}),
    "told_br_labels": ("multi_label", VOTES, {"train": "ToLD-BR.csv", "other": "ptbr_validation_1annotator.csv"}),
    "xlsum_pt": ("summarization", NEWS_LINES, {
        "train": "portuguese_train.jsonl", "validation": "portuguese_val.jsonl", "test": "portuguese_test.jsonl"}),
}  # fmt: skip
"""Task, and the files of a folder as the authors name them, in part those of another set."""


@pytest.mark.parametrize("name", FOLDERS)
def test_the_folder_of_the_authors_is_read_without_naming_its_files(tmp_path, name):
    task_name, content, names = FOLDERS[name]
    folder = tmp_path / "r"
    folder.mkdir()
    for split, file in names.items():
        (folder / file).write_text(content if split != "other" else "", "utf-8")
    rows, found = read(name, task_name, folder, tmp_path / "cache")
    assert found == LAYOUTS[name][2]
    read_from = {split: Path(file).name for split, file in rows.source["files"].items()}
    assert read_from == {split: file for split, file in names.items() if split != "other"}
    assert set(rows.splits) == {"train", "validation", "test"}


def test_a_split_that_is_named_and_a_folder_without_the_files_are_read_as_ever(tmp_path):
    _, content, names = FOLDERS["harem_total"]
    for file in ("treino.json", "dev.json", *names.values()):
        (tmp_path / file).write_text(content, "utf-8")
    words = ["task=ner", "dataset=harem_total", "model=tiny", f"dataset.path={tmp_path}"]
    words += ["dataset.splits.train='treino.json[:2]'", "dataset.splits.test=null"]
    (config,) = compose(words)
    files = load_rows(config.dataset, find("ner").columns, cache=tmp_path / "cache").source["files"]
    assert {split: Path(file).name for split, file in files.items()} == {
        "train": "treino.json", "validation": "FirstHAREM-total-dev.json"
    }  # fmt: skip
    (tmp_path / names["test"]).unlink()
    for file in (names["train"], names["other"]):
        (tmp_path / file).unlink()
    (config,) = compose(words[:-2])
    rows = load_rows(config.dataset, find("ner").columns, cache=tmp_path / "cache2")
    assert Path(rows.source["files"]["train"]).name == "treino.json"
