"""What contradicts itself is refused while composing; what is said to mend it does."""

import importlib.util
import itertools
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.cli.main import main
from autotune.config.compose import compose, config_folder
from autotune.config.enums import Architecture
from autotune.config.keys import keys
from autotune.config.load import dump_config, load_config
from autotune.config.overrides import key_of
from autotune.config.rules import config_warnings
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError

Case = tuple[list[str], str, str]
"""Command line, the key that is named, what is found there."""

CSV = ["dataset=csv", "dataset.path=r.csv"]
HUB = ["dataset=hub", "dataset.path=org/name"]
NER, SUMMARIES = ["task=ner"], ["task=summarization"]
REAL = ["model.name_or_path=org/name"]

DATA: dict[str, Case] = {
    "a blank path": (["dataset.path=' '"], "dataset.path", "' '"),
    "a page of the Hub": (
        ["dataset=hub", "dataset.path=https://huggingface.co/datasets/org/name/tree/main"], "dataset.path", "/tree/main"),
    "a page of a data set without owner": (["dataset.path=hf.co/datasets/imdb/viewer"], "dataset.path", "imdb"),
    "a web address": (["dataset=csv", "dataset.path=https://a.br/r.csv?x=1"], "dataset.path", "https://a.br"),
    "a bucket": (["dataset=csv", "dataset.path=s3://balde/r.csv"], "dataset.path", "s3://balde"),
    "a file address": (["dataset=csv", "dataset.path=file:///dados/r.csv"], "dataset.path", "file:///"),
    "a web address as a split": ([*CSV, "dataset.splits.test=https://a.br/t.csv"], "dataset.splits.test", "a.br"),
    "an old workbook": (["dataset=xlsx", "dataset.path=r.xls"], "dataset.path", "r.xls"),
    "an archive": (["dataset=csv", "dataset.path=dados.zip"], "dataset.path", "dados.zip"),
    "a packed archive": (["dataset=csv", "dataset.path=d/dados.tar.gz"], "dataset.path", "dados.tar.gz"),
    "a document": (["dataset=csv", "dataset.path=textos.docx"], "dataset.path", "textos.docx"),
    "a workbook read as text": (["dataset=csv", "dataset.path=r.xlsx"], "dataset.format", "dataset.path=r.xlsx"),
    "text read as Parquet": (["dataset=parquet", "dataset.path=r.csv"], "dataset.format", "format=parquet"),
    "a revision of a form that is local": ([*CSV, "dataset.revision=main"], "dataset.revision", "revision=main"),
    "a name and files of our samples": (
        ["dataset.name=x", "dataset.data_files={train: a}"], "dataset.name, dataset.data_files", "name=x"),
    "a revision of a path": (["dataset.path=./r", "dataset.revision=v1"], "dataset.revision", "./r"),
    "files of misspelled splits": (
        [*HUB, "dataset.data_files={trian: a.jsonl, test: b.jsonl}"], "dataset.data_files", "trian, test"),
    "files of no split": ([*HUB, "dataset.data_files={train: a, zzz: b}"], "dataset.data_files", "zzz"),
    "files without train": ([*HUB, "dataset.data_files={test: a.jsonl}"], "dataset.data_files", "a.jsonl"),
    "a delimiter of Parquet": (["dataset=parquet", "dataset.path=r", "dataset.delimiter=;"], "dataset.delimiter", "';'"),
    "a delimiter of JSON by its name": (["dataset.path=r.jsonl", "dataset.delimiter=;"], "dataset.delimiter", "';'"),
    "a delimiter of two characters": ([*CSV, "dataset.delimiter=||"], "dataset.delimiter", "'||'"),
    "an empty delimiter": (["task=ner", "dataset=conll", "dataset.path=r", "dataset.delimiter="], "dataset.delimiter", "''"),
    "an encoding of Parquet": (
        ["dataset=parquet", "dataset.path=r", "dataset.encoding=latin-1"], "dataset.encoding", "latin-1"),
    "an encoding that is none": ([*CSV, "dataset.encoding=utf-9"], "dataset.encoding", "utf-9"),
    "numbered words": ([*CSV, "dataset.token_column=1"], "dataset.token_column", "1"),
    "numbered tags": ([*NER, "dataset=spans", "dataset.path=r", "dataset.tag_column=3"], "dataset.tag_column", "3"),
    "no rows left": (["dataset.validation_fraction=0.5", "dataset.test_fraction=0.5"], "dataset.test_fraction", "0.5 + 0.5"),
    "one row": (["dataset.limit=1"], "dataset.limit", "1"),
    "fewer rows than classes": (["dataset.labels=[a,b,c]", "dataset.limit=2"], "dataset.limit", "2"),
    "a stream without end": (["dataset.streaming=true"], "trainer.max_steps", "trainer.max_steps=null"),
    "a language with a low line": (["dataset.language=pt_BR"], "dataset.language", "'pt_BR'"),
    "a language with a name": (["dataset.language=português"], "dataset.language", "'português'"),
}  # fmt: skip

SPLITS: dict[str, Case] = {
    "no train": (["dataset.splits.train=null"], "dataset.splits.train", "null"),
    "a blank train": (["dataset.splits.train="], "dataset.splits.train", "''"),
    "a blank test": (["dataset.splits.test=' '"], "dataset.splits.test", "' '"),
    "test is train": (["dataset.splits.test=train"], "dataset.splits.test", "test: train"),
    "validation is train, and there is a test": (["dataset.splits.validation=train"], "dataset.splits.validation", "train"),
    "validation is test": (["dataset.splits.validation=test"], "dataset.splits.test", "validation: test"),
    "the same file twice": (
        [*CSV, "dataset.splits.train=a.csv", "dataset.splits.test=a.csv"], "dataset.splits.test", "a.csv"),
    "slices that meet": (
        ["dataset.splits.train='train[:1000]'", "dataset.splits.validation='train[500:]'"],
        "dataset.splits.validation", "train[500:]"),
    "slices that meet from the other side": (
        ["dataset.splits.train='train[500:]'", "dataset.splits.test='train[:1000]'"], "dataset.splits.test", "train[:1000]"),
    "a slice inside another": (
        ["dataset.splits.train='train[:1000]'", "dataset.splits.test='train[10:20]'"], "dataset.splits.test", "train[10:20]"),
    "a slice of the whole": (["dataset.splits.test='train[:10%]'"], "dataset.splits.test", "train[:10%]"),
    "the end of the whole": (["dataset.splits.test='train[90%:]'"], "dataset.splits.test", "train[90%:]"),
    "percentages that meet": (
        ["dataset.splits.train='train[:90%]'", "dataset.splits.test='train[80%:]'"], "dataset.splits.test", "train[80%:]"),
    "a part of a sum": (
        ["dataset.splits.train='train[:90%]+validation'", "dataset.splits.test='train[90%:]'"],
        "dataset.splits.validation", "train[:90%]+validation"),
}  # fmt: skip

LABELS: dict[str, Case] = {
    "a role of another task": (["dataset.columns.document=texto"], "dataset.columns.document", "texto; its roles: text, label"),
    "a label for words": ([*NER, "dataset.columns.label=tag"], "dataset.columns.label", "tokens, tags, text, spans"),
    "a text for documents": ([*SUMMARIES, "dataset.columns.text=texto"], "dataset.columns.text", "texto"),
    "a column without a name": (["dataset.columns.text="], "dataset.columns.text", "''"),
    "one column for two roles": (
        ["dataset.columns.text=x", "dataset.columns.label=x"], "dataset.columns.label", "text: x, label: x"),
    "a column that has another role by itself": (["dataset.columns.text=label"], "dataset.columns.text", "label"),
    "spans that are the text": ([*NER, "dataset.columns.spans=text"], "dataset.columns.spans", "spans: text"),
    "groups of the label": (["dataset.columns.group=label"], "dataset.columns.group", "label"),
    "groups of the label under its name": (
        ["dataset.columns.label=nota", "dataset.columns.group=nota"], "dataset.columns.group", "nota"),
    "a scheme without tags": (["dataset.tag_scheme=io"], "dataset.tag_scheme", "io"),
    "repair without tags": ([*SUMMARIES, "dataset.tag_repair=error"], "dataset.tag_repair", "error"),
    "no labels": (["dataset.labels=[]"], "dataset.labels", "[]"),
    "one class": (["dataset.labels=[bom]"], "dataset.labels", "bom"),
    "a label twice": (["dataset.labels=[bom,ruim,bom]"], "dataset.labels", "bom"),
    "a number twice": (["dataset.labels=['1','1.0','2']"], "dataset.labels", "1.0"),
    "a label without a name": (["dataset.labels=[bom,' ',ruim]"], "dataset.labels", "' '"),
    "tags in place of types": ([*NER, "dataset.labels=[O,B-PESSOA,I-PESSOA]"], "dataset.labels", "B-PESSOA"),
    "O alone": ([*NER, "dataset.labels=[O]"], "dataset.labels", "O"),
    "no map": (["dataset.label_map=bom"], "dataset.label_map", "bom"),
    "a list for a map": (["dataset.label_map=[bom,ruim]"], "dataset.label_map", "bom"),
    "mapped to a label that there is not": (
        ["dataset.labels=[bom,ruim]", "dataset.label_map={1: mau, 5: bom}"], "dataset.label_map", "mau; dataset.labels: bom"),
    "mapped to a tag that there is not": (
        [*NER, "dataset.labels=[PESSOA]", "dataset.label_map={1: B-LOCAL, 0: O}"], "dataset.label_map", "LOCAL"),
    "labels of summaries": ([*SUMMARIES, "dataset.labels=[a,b]"], "dataset.labels", "a"),
    "a map of summaries": ([*SUMMARIES, "dataset.label_map={a: b}"], "dataset.label_map", "a"),
}  # fmt: skip

MODELS: dict[str, Case] = {
    "a page of a model": (
        ["model.name_or_path=https://huggingface.co/org/name/blob/main/config.json"], "model.name_or_path", "config.json"),
    "a page without https": (["model.name_or_path=huggingface.co/org/name"], "model.name_or_path", "huggingface"),
    "an address of a model": (["model.name_or_path=https://a.br/m"], "model.name_or_path", "https://a.br/m"),
    "weights alone": (["model.name_or_path=base/model.safetensors"], "model.name_or_path", "model.safetensors"),
    "a GGUF file": (["model.name_or_path=m-Q4_K_M.gguf"], "model.name_or_path", "Q4_K_M"),
    "a revision of a tiny model": (["model=tiny", "model.revision=main"], "model.revision", "main"),
    "pickled weights of a tiny model": (["model=tiny", "model.allow_pickle=true"], "model.allow_pickle", "true"),
    "longer than a tiny model": (["model=tiny_bert", "model.max_length=512"], "model.max_length", "512"),
    "longer than a tiny decoder": (["model=tiny_gpt2", "model.max_length=1024"], "model.max_length", "1024"),
    "inputs longer than a tiny model": (["task.max_length=300"], "task.max_length", "300"),
    "inputs longer than a tiny T5 learns": ([*SUMMARIES, "task.max_length=600"], "task.max_length", "600"),
    "inputs longer than the model": (
        [*REAL, "model.max_length=512", "task.max_length=1024"], "task.max_length", "1024"),
    "code of its own": (
        [*REAL, "model.tokenizer_kwargs={trust_remote_code: true}"], "model.tokenizer_kwargs", "trust_remote_code"),
    "a slow tokenizer": (
        [*REAL, "model.tokenizer_kwargs={use_fast: false, do_lower_case: false}"], "model.tokenizer_kwargs", "use_fast"),
    "no layer": (["peft=lora", "peft.target_modules=[]"], "peft.target_modules", "[]"),
    "auto and names": (["peft=lora", "peft.target_modules=[auto,query]"], "peft.target_modules", "query"),
    "a layer twice": (["peft=lora", "peft.target_modules=[query,query]"], "peft.target_modules", "query"),
    "all layers by another word": (["peft=lora", "peft.target_modules=[all-linear]"], "peft.target_modules", "all-linear"),
    "a tiny T5 in fp16": (["model=tiny_t5", "trainer.precision=fp16"], "trainer.precision", "fp16"),
    "a tiny T5 that the task chose": ([*SUMMARIES, "trainer.precision=fp16"], "trainer.precision", "model.tiny=auto"),
}  # fmt: skip

TRAINING: dict[str, Case] = {
    "nothing is learned": (["trainer.learning_rate=0"], "trainer.learning_rate", "0"),
    "an exponent without its sign": (["trainer.learning_rate=2e5"], "trainer.learning_rate", "200000"),
    "a rate of the model": (["model.learning_rate=3e4"], "model.learning_rate", "30000"),
    "a rate of the adapter": (["peft=lora", "peft.learning_rate=5"], "peft.learning_rate", "5"),
    "patience without validation": (
        ["trainer=long", "dataset.splits.validation=null", "dataset.validation_fraction=0"], "trainer.patience", "5, with"),
    "no score is so much better": (["trainer.min_delta=1"], "trainer.min_delta", "1.0"),
    "evaluations of nothing": (["trainer.evaluate_every=0st"], "trainer.evaluate_every", "0st"),
    "checkpoints of nothing": (["checkpoint.every=0.0ep"], "checkpoint.every", "0.0ep"),
    "kernels for what is packed": (["trainer.compile=true", "trainer.batching=packed"], "trainer.batching", "packed"),
    "parts of a base in 4 bits": (["peft=qlora", "trainer.sharding=fsdp"], "peft.quantization", "nf4 with"),
    "parts that are compiled": (["trainer.compile=true", "trainer.sharding=fsdp"], "trainer.compile", "true with"),
    "parts in fp16": (["trainer.precision=fp16", "trainer.sharding=fsdp"], "trainer.precision", "fp16 with"),
    "a seed that is too large": (["seed=9223372036854775808"], "seed", "9223372036854775808"),
    "a name that is a path": (["name=a/b"], "name", "a/b"),
}  # fmt: skip

TASKS: dict[str, Case] = {
    "windows that do not move": (["task.max_length=64", "task.overlap=64"], "task.overlap", "64"),
    "windows that do not move, of the model's length": ([*NER, "task.overlap=256"], "task.overlap", "256"),
    "windows where there are none": (
        ["task.on_overflow=truncate", "task.overlap=8"], "task.overlap", "8 with task.on_overflow=truncate"),
    "a prompt without a document": ([*SUMMARIES, "task.prompt=Resuma."], "task.prompt", "Resuma."),
    "a prompt with two": ([*SUMMARIES, "task.prompt='{document} {document}'"], "task.prompt", "{document}"),
    "length without beams": ([*SUMMARIES, "task.length_penalty=2"], "task.length_penalty", "2.0"),
    "nothing to write": ([*SUMMARIES, "task.max_new_tokens=1"], "task.max_new_tokens", "1"),
}  # fmt: skip

CASES = {
    f"{group}: {name}": case
    for group, cases in {
        "data": DATA, "splits": SPLITS, "labels": LABELS, "models": MODELS, "training": TRAINING, "tasks": TASKS,
    }.items()
    for name, case in cases.items()
}  # fmt: skip

DOUBTED: dict[str, Case] = {
    "a rate of full fine-tuning": ([*REAL, "peft=lora", "trainer.learning_rate=1e-5"], "trainer.learning_rate", "1e-05"),
    "a rate of adapters": ([*REAL, "trainer.learning_rate=2e-3"], "trainer.learning_rate", "0.002"),
    "adapters in noise": ([*REAL, "peft=lora", "trainer.learning_rate=0.05"], "trainer.learning_rate", "0.05"),
    "a long warmup": (["trainer.warmup_ratio=0.8"], "trainer.warmup_ratio", "0.8"),
    "moments swapped": (["trainer.adam_beta1=0.999", "trainer.adam_beta2=0.9"], "trainer.adam_beta1", "0.999, 0.9"),
    "heavy decay": (["trainer.weight_decay=5"], "trainer.weight_decay", "5.0"),
    "steps for epochs": (["trainer.epochs=20000"], "trainer.epochs", "20000"),
    "fewer rows than a batch": (["dataset.limit=20", "trainer.batch_size=32"], "dataset.limit", "20 rows"),
    "evaluated only at the end": (
        ["trainer.max_steps=100", "trainer.evaluate_every=200st"], "trainer.evaluate_every", "200st"),
    "less room than one text": (
        ["task.max_length=256", "trainer.micro_batch_tokens=128"], "trainer.micro_batch_tokens", "128"),
    "hardly a word": (["task.max_length=6"], "task.max_length", "6"),
    "a test that is not made": (
        ["dataset.test_fraction=0.2", "dataset.splits.test=null"], "dataset.test_fraction", "0.2"),
    "a tiny model in few bits": (["peft=qlora"], "peft.quantization", "nf4"),
    "a strong adapter": (["peft=lora", "peft.alpha=512", "peft.r=8"], "peft.alpha", "512, 8"),
    "a weak adapter": (["peft=rslora", "peft.alpha=1"], "peft.alpha", "1, 64"),
    "most inputs dropped": (["peft=dora", "peft.dropout=0.9"], "peft.dropout", "0.9"),
    "a name that says T5": (
        ["model.name_or_path=unicamp-dl/ptt5-base", "trainer.precision=fp16"], "trainer.precision", "ptt5-base"),
}  # fmt: skip

SENSIBLE = [
    ["debug=overfit"],
    ["debug=overfit", "dataset=b2w"],
    ["debug=overfit", "dataset.splits.train='train[:100]'"],
    ["debug=smoke", "task=ner", "dataset.limit=1"],
    ["dataset.label_map={3: null}"],
    ["dataset.columns.group=text"],
    ["dataset.splits.train='train[:80%]'", "dataset.splits.validation='train[80%:90%]'", "dataset.splits.test='train[90%:]'"],
    ["dataset.splits.train='train[:90%]'", "dataset.splits.test='train[1000:]'"],
    [*CSV, "dataset.splits.train=a+treino.csv", "dataset.splits.test=a+teste.csv"],
    [*CSV, "dataset.splits.train=a+b/treino.csv", "dataset.splits.test=a+b/teste.csv"],
    [*CSV, "dataset.splits.train=a.csv+b.csv", "dataset.splits.test=c.csv"],
    [*CSV, "dataset.splits.validation=null"],
    ["task=ner", "dataset=lener_br", "dataset.path=pasta", "dataset.format=conll", "dataset.columns.tags=tags"],
    ["task=summarization", "dataset=xlsum_pt", "dataset.path=pasta", "dataset.splits.train=portuguese_train.jsonl"],
    ["task=ner", "dataset=conll", "dataset.path=r.tsv", "dataset.delimiter='\\t'", "dataset.encoding=cp1252"],
    ["task=ner", "dataset=spans", "dataset.path=r.parquet", "dataset.columns.text=t", "dataset.columns.spans=s"],
    ["task=ner", "dataset.labels=[E-MAIL,PESSOA]", "dataset.label_map={PER: PESSOA, 0: O, X: null, 1: B-PESSOA}"],
    [*HUB, "dataset.data_files={train: a, dev: b}", "dataset.name=x", "dataset.revision=v1"],
    ["dataset=hub", "dataset.path=org/dados.zip"],
    ["dataset.language=sr-Latn-RS"],
    ["model=tiny", "model.tokenizer_kwargs={do_lower_case: true}"],
    ["task=summarization", "model=tiny_t5", "model.max_length=2048", "task.max_length=2048"],
    ["task=summarization", "model.name_or_path=org/Cat5-base", "trainer.precision=fp16"],
    ["task=summarization", "task.length_penalty=2", "task.num_beams=4", "task.prompt='Resuma: {document}'"],
    ["dataset.streaming=true", "trainer.max_steps=10", "debug=smoke"],
]  # fmt: skip


def composed(*argv: str) -> RunConfig:
    (config,) = compose(argv)
    return config


def overrides_of(fix: str) -> list[str]:
    """The overrides of the first advice that a fix gives; none where it is prose."""
    first = re.split(r", or |; ", fix)[0]
    words = (word.rstrip(",") for word in shlex.split(first))
    groups = {folder.name for folder in config_folder().iterdir() if folder.is_dir()}
    return [word for word in words if "=" in word and key_of(word) in {*keys(), *groups}]


def mended(argv: Sequence[str], fix: str) -> list[str]:
    """The command line with the overrides of a fix in place of those with the same keys."""
    new = overrides_of(fix)
    assert new, f"no override in: {fix}"
    return [word for word in argv if key_of(word) not in set(map(key_of, new))] + new


@pytest.mark.parametrize("case", CASES)
def test_a_contradiction_is_refused_with_its_key_and_what_mends_it(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    argv, where, found = CASES[case]
    assert main(["show", *argv]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("error: ") == 1, printed.err
    said = dict(re.findall(r"^  (where|found|fix): +(.*)", printed.err, re.MULTILINE))
    assert where in said["where"]
    assert found in said["found"]
    compose(mended(argv, said["fix"]))


@pytest.mark.parametrize("case", DOUBTED)
def test_what_is_legal_and_strange_composes_and_is_doubted(case):
    argv, where, found = DOUBTED[case]
    (doubt,) = config_warnings(composed(*argv))
    assert isinstance(doubt, ConfigError)
    assert where in (doubt.where or "")
    assert found in (doubt.found or "")
    assert not config_warnings(composed(*mended(argv, doubt.fix or "")))


@pytest.mark.parametrize("argv", SENSIBLE, ids=" ".join)
def test_what_is_sensible_is_not_refused(argv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = composed(*argv)
    saved = tmp_path / "config.yaml"
    saved.write_text(dump_config(config), encoding="utf-8")
    assert load_config(saved) == config


def test_five_mistakes_are_shown_at_once(capsys):
    argv = ["seed=9223372036854775808", "trainer.learning_rate=2e5", "dataset.language=pt_BR",
            "dataset.splits.test=train", "task.overlap=999"]  # fmt: skip
    assert main(["show", *argv]) == 2
    printed = capsys.readouterr().err
    assert printed.count("error: ") == 5
    for word in argv:
        assert key_of(word) in printed


def test_an_error_that_depends_on_an_invalid_key_waits(capsys):
    assert main(["show", "trainer.max_steps=-1", "dataset.streaming=true", "task.overlap=999"]) == 2
    printed = capsys.readouterr().err
    assert re.findall("where: (.*)", printed) == ["trainer.max_steps", "task.overlap"]


def test_there_are_many_and_each_is_told_apart():
    assert len(CASES) >= 100
    for cases in (CASES, DOUBTED):
        assert len({(where, found) for _, where, found in cases.values()}) >= 0.9 * len(cases)


class TestHere:
    """What depends on the machine ends a run there, and never keeps a saved one from being read."""

    def test_a_file_where_run_folders_should_be(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        saved = tmp_path / "config.yaml"
        saved.write_text(dump_config(composed("runs=saida/runs")), encoding="utf-8")
        Path("saida").write_text("")
        assert main(["show", "runs=saida/runs"]) == 2
        printed = capsys.readouterr().err
        assert "saida is a file" in printed
        assert "fix:   runs=saida_runs" in printed
        assert composed("runs=saida_runs").runs == "saida_runs"
        assert load_config(saved).runs == "saida/runs"

    def test_a_revision_of_a_file_that_is_here(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        argv = ["dataset.path=dados", "dataset.revision=main"]
        saved = tmp_path / "config.yaml"
        saved.write_text(dump_config(composed(*argv)), encoding="utf-8")
        Path("dados").write_text("")
        with pytest.raises(ConfigError, match="a file on this machine") as caught:
            compose(argv)
        assert caught.value.fix == "dataset.revision=null"
        assert composed(*mended(argv, caught.value.fix)).dataset.revision is None
        assert load_config(saved).dataset.revision == "main"

    def test_a_package_that_is_missing_is_found_by_the_check(self, tmp_path, monkeypatch, capsys):
        find = importlib.util.find_spec
        monkeypatch.setattr(
            "importlib.util.find_spec",
            lambda name, *more: None if name == "bitsandbytes" else find(name, *more),
        )
        assert main(["check", "peft=qlora", f"runs={tmp_path}"]) == 2
        assert "pip install 'autotune[quant]'" in "".join(capsys.readouterr())


def options(group: str) -> list[str]:
    return sorted(file.stem for file in (config_folder() / group).glob("*.yaml"))


GROUPS = sorted(folder.name for folder in config_folder().iterdir() if folder.is_dir())
FORMATS = (
    "arrow",
    "brat",
    "conll",
    "csv",
    "fasttext",
    "folders",
    "hub",
    "json",
    "jsonl",
    "parquet",
    "spans",
    "xlsx",
)
FILES = [
    file.stem
    for file in (config_folder() / "dataset").glob("*.yaml")
    if "path: ???" in file.read_text("utf-8")
]
EXPERIMENTS = [f"experiment={name}" for name in options("experiment")]
NEEDED = {
    "model=custom": ["model.name_or_path=org/name"],
    "model=tagger": ["task=ner"],
    "model=first_sentences": ["task=summarization"],
    "model=centroid": ["task=summarization"],
} | {
    option: ["dataset.path=dados"]
    for option in [
        *(f"dataset={name}" for name in (*FORMATS, *FILES)),
        *(option for option in EXPERIMENTS if option.removeprefix("experiment=").partition("-")[0] in FILES),
    ]
}
"""What an option demands of the user."""


def task_of(dataset: str) -> str:
    text = (config_folder() / "dataset" / f"{dataset}.yaml").read_text("utf-8")
    found = re.search(r"^task: (\w+)$", text, re.MULTILINE)
    return f"task={found[1] if found else 'sentiment'}"


@pytest.mark.parametrize("option", [f"{group}={name}" for group in GROUPS for name in options(group)])
def test_every_option_that_is_shipped_composes(option, tmp_path):
    group, _, name = option.partition("=")
    argv = [*([task_of(name)] if group == "dataset" else []), option, *NEEDED.get(option, [])]
    config = composed(*argv)
    saved = tmp_path / "config.yaml"
    saved.write_text(dump_config(config), encoding="utf-8")
    assert load_config(saved) == config
    assert not config_warnings(config) or option == "peft=qlora"


@pytest.mark.parametrize(
    ("experiment", "debug"), zip(EXPERIMENTS, itertools.cycle(options("debug")), strict=False)
)
def test_experiments_compose_with_ways_to_look_for_faults(experiment, debug):
    assert not config_warnings(
        composed(experiment, *NEEDED.get(experiment, []), f"debug={debug}", "peft=qlora")
    )


@given(
    st.fixed_dictionaries({
        group: st.sampled_from(options(group)) for group in ("task", "dataset", "model", "peft", "trainer", "debug")
    }),
    st.booleans(),
)  # fmt: skip
@settings(max_examples=15, deadline=None)
def test_any_options_compose_or_are_refused_in_words(chosen, complete):
    argv = [f"{group}={option}" for group, option in chosen.items()]
    demanded = [more for option in argv for more in NEEDED.get(option, ())]
    try:
        config = composed(*argv, *(demanded if complete else ()))
    except AutotuneError as error:
        whole = isinstance(error, ConfigError) and error.where == "task"
        assert whole or (demanded and not complete), error
    else:
        assert config.task.name == chosen["task"]


def test_tiny_models_are_as_long_as_the_rules_say():
    from autotune.config.rules.model import LONG, LONGEST, SHORT
    from autotune.models import tiny_tokenizers

    assert (SHORT, LONG) == (tiny_tokenizers.SHORT, tiny_tokenizers.LONG)
    assert LONGEST.keys() >= set(Architecture)


def test_the_usual_window_is_that_of_the_tasks():
    from autotune.models.spec import DEFAULT_MAX_LENGTH
    from autotune.tasks.overlap import DEFAULT_WINDOW

    assert DEFAULT_WINDOW == DEFAULT_MAX_LENGTH
