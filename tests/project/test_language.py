"""The tool in Portuguese: the catalogue against the code, and each part of it through the front door."""

import ast
import errno
import io
import json
import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from string import Formatter

import pytest

import autotune
from autotune.cli.main import main
from autotune.errors import DataError, Findings, listing
from autotune.runtime.language import CATALOGUE, LOCALE, VARIABLE, Pieces, Template, local
from autotune.runtime.ranks import _common_error, _details
from tests.support.forks import forks

PACKAGE = Path(autotune.__file__).parent
TABLES = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
MADE_OF_PARTS = ("words", "pieces", "composed")
"""Tables whose English texts need not be one text of the code."""
HOLE = "\0"
PERCENT = re.compile(r"(?<!%)%(?:\(\w+\))?[-+# 0]*\d*(?:\.\d+)?[sdrfgi]")
BRACES = re.compile(r"\{\w*\}")
PASTED = re.compile(
    r"(?<!\S)--?[a-z][\w-]*|\b[\w.]+=[^\s,;:)]+|\bautotune (?:predict|push|resume)"
    r"|\b(?:pip install|git lfs|hf (?:auth|download)|chmod)"
)
"""What can be pasted."""


REFUSED = {
    "show trainer.epochs=-1": ("{key} should be greater than {limit}",),
    "show trainer.warmup_ratio=-1": ("{key} should be greater than or equal to {limit}",),
    "show trainer.warmup_ratio=2": ("{key} should be less than {limit}",),
    "show dataset.labels=[[a]]": ("{key} should be a valid string",),
    "show trainer.epochs=abc": ("Value {value} of type {kind} could not be converted to {wanted}",),
    "show trainer.compile=maybe": ("Value {value} is not a valid bool (type {kind})",),
    "show trainer.precision=fp8": ("Invalid value {value}, expected one of {options}",),
    "show dataset.labels=3": ("Invalid value assigned: {kind} is not a ListConfig, list or tuple.",),
    "show dataset.path=[a]": ("Cannot convert {kind} to string: {value}",),
    "evaluate": ("the following arguments are required: {names}", "usage: {words}"),
    "push a b": ("unrecognized arguments: {words}",),
    "push a --repo": ("argument {name}: expected one argument",),
}
"""Command lines that a library refuses, and the entries of the catalogue that its words fit."""


def places(template: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(template) if name is not None)


def skeleton(text: str) -> str:
    """A text with one mark for each run of values; values at its ends do not count."""
    return re.sub(f"{HOLE}+", HOLE, text).strip(HOLE)


def said_by(node: ast.AST) -> set[str]:
    """The skeletons of a text in code, an f-string, one of logging or one of `str.format`; none of other code."""
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else HOLE for part in node.values)
        return {skeleton(BRACES.sub(HOLE, "".join(map(str, parts))))}
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        percent = PERCENT.sub(HOLE, node.value).replace("%%", "%")
        return {skeleton(text) for text in (node.value, percent, BRACES.sub(HOLE, node.value))}
    return set()


def texts_of(code: str) -> set[str]:
    """All texts in code, as skeletons."""
    return {text for node in ast.walk(ast.parse(code)) for text in said_by(node)}


@pytest.fixture(scope="module")
def texts() -> set[str]:
    """What autotune, and the system, can say."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        found |= texts_of(file.read_text(encoding="utf-8"))
    return found | {os.strerror(number) for number in errno.errorcode}


def faults(table: str, english: str, other: str, texts: set[str]) -> list[str]:
    """What is wrong with an entry of the catalogue."""
    chunks = Template(english, other).chunks
    names = places(english)
    if table == "libraries":
        said = any(english in entries for entries in REFUSED.values())
    elif table in MADE_OF_PARTS:
        parts = [part.strip() for chunk in chunks for part in re.split("[,;:()]", chunk)]
        said = all(any(part in text for text in texts) for part in parts if re.search("[A-Za-z]", part))
    else:
        said = skeleton(HOLE.join(chunks)) in texts
    wrong = {
        "no code says it": not said,
        "the values differ": places(other) != names,
        "a value has a format in Portuguese": any(form for _, _, form, _ in Formatter().parse(other)),
        "a name stands for two values": len(set(names)) < len(names),
        "two values without anything between": "" in chunks[1:-1],
        "what is pasted differs": sorted(PASTED.findall(other)) != sorted(PASTED.findall(english)),
    }
    return [fault for fault, is_so in wrong.items() if is_so]


@pytest.mark.parametrize("table", TABLES)
def test_each_entry_of_the_catalogue_is_said_by_code_and_is_the_same_in_both_languages(table, texts):
    found = {english: faults(table, english, other, texts) for english, other in TABLES[table].items()}
    assert {english: wrong for english, wrong in found.items() if wrong} == {}


SAYING = re.compile(r"((Config|Data|Model|Hub|Disk|Path|Training|Cluster|Plugin)Error|warning|note|Finding)")
"""Calls whose texts people see."""
COMMAND = re.compile(r"\s*(autotune|pip|git|--to) ")
"""How a fix begins that is nothing but a command."""


def messages(code: str) -> Iterator[set[str]]:
    """What errors, findings and loggers of some code say, each as skeletons."""
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if SAYING.fullmatch(called):
            fixes = [keyword.value for keyword in node.keywords if keyword.arg == "fix"]
            yield from map(said_by, [*node.args, *fixes])
        elif re.fullmatch(r"logger\.(info|warning|error)", called):
            yield from map(said_by, node.args[:1])


def test_each_message_of_the_code_is_in_the_catalogue():
    known = {
        skeleton(HOLE.join(Template(english, "").chunks)) for table in TABLES.values() for english in table
    }
    missing = {
        (file.name, max(texts))
        for file in PACKAGE.rglob("*.py")
        for texts in messages(file.read_text(encoding="utf-8"))
        if any(re.search("[a-z]{2,} [a-z]{2,}", text) and not COMMAND.match(text) for text in texts)
        and not texts & known
    }
    assert missing == set()


def ask(*words: str, encoding: str = "utf-8") -> tuple[int, str, str]:
    """A command line: exit code, standard output, standard error."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    for stream in (out, err):
        stream.seek(0)
    return code, out.read(), err.read()


@pytest.fixture
def portuguese(monkeypatch):
    monkeypatch.setenv(VARIABLE, "pt_BR")


@pytest.mark.parametrize(
    ("environment", "verb"),
    [
        ({}, "unknown command"),
        ({VARIABLE: "pt"}, "não existe"),
        ({VARIABLE: "pt-BR"}, "não existe"),
        ({VARIABLE: "pt_BR.UTF-8"}, "não existe"),
        ({VARIABLE: "en", "LANG": "pt_BR.UTF-8"}, "unknown command"),
        ({"LANG": "pt_BR.UTF-8"}, "não existe"),
        ({"LC_MESSAGES": "pt_PT", "LANG": "de_DE.UTF-8"}, "não existe"),
        ({"LC_ALL": "C.UTF-8", "LANG": "pt_BR.UTF-8"}, "unknown command"),
        ({"LC_ALL": "", VARIABLE: "", "LANG": "pt_BR"}, "não existe"),
        ({"LANG": "de_DE.UTF-8"}, "unknown command"),
    ],
)
def test_the_variable_comes_before_the_locale_and_english_is_the_default(environment, verb, monkeypatch):
    for name in (VARIABLE, *LOCALE):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code, _, said = ask("trian")
    assert code == 2
    assert verb in said
    assert "autotune train …" in said


def test_a_language_that_is_not_spoken_is_refused_in_words(monkeypatch):
    monkeypatch.setenv(VARIABLE, "fr")
    monkeypatch.setenv("LC_ALL", "pt_BR.UTF-8")
    code, out, said = ask("show")
    assert (code, out) == (2, "")
    assert said == (
        "erro: o autotune não tem mensagens neste idioma\n"
        "  onde:       a variável de ambiente AUTOTUNE_LANG\n"
        "  encontrado: fr\n"
        "  correção:   AUTOTUNE_LANG=pt, ou AUTOTUNE_LANG=en\n"
    )


@pytest.mark.parametrize("line", REFUSED)
def test_what_libraries_refuse_is_said_in_portuguese(line, portuguese):
    code, _, said = ask(*line.split())
    assert code == 2
    other = next(table[REFUSED[line][0]] for table in TABLES.values() if REFUSED[line][0] in table)
    what, *details = said.splitlines()
    assert Template(f"erro: {other}", "").values(what) is not None
    assert details[0].startswith("  onde:       ")


CSV = "texto,nota\n" + "".join(f"frase {number},{number % 2 + 1}\n" for number in range(40))
TEXT = "dataset.columns.text=texto"


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            ["trainer.lerning_rate=1e-4"],
            ["erro: a chave trainer.lerning_rate não existe", "  correção:   trainer.learning_rate=1e-4"],
        ),
        (["task=nerr"], ["erro: a tarefa 'nerr' não existe", "  correção:   task=ner"]),
        (["model=tiny_brt"], ["erro: não existe model 'tiny_brt'", "  correção:   model=tiny_bert"]),
        (["dataset=csv"], ["erro: não foi dito onde estão os dados"]),
        (["dataset=csv", "dataset.path=FILE"], ["erro: dados: não existe a coluna text, label",
          f"  correção:   {TEXT} dataset.columns.label=nota"]),
        (["dataset=csv", "dataset.path=FILE", TEXT, "dataset.columns.label=nota", "dataset.label_map={3: bom}"],
         ["erro: dados: nenhuma chave de label_map é um rótulo dos dados, e o mapa não tem efeito"]),
        (["dataset=csv", "dataset.path=FILE", TEXT, "dataset.columns.label=nota", "dataset.labels=['1','3']"],
         ["erro: rótulos: rótulos que não estão em dataset.labels: 2"]),
        (["dataset=csv", "dataset.path=nada.csv"], ["erro: dados: o arquivo ou a pasta não existe"]),
    ],
)  # fmt: skip
def test_errors_of_the_common_path_are_said_in_portuguese(words, lines, portuguese, tmp_path):
    file = tmp_path / "avaliações.csv"
    file.write_text(CSV, encoding="utf-8")
    words = [word.replace("FILE", str(file)) for word in words]
    code, out, err = ask("check", "task=sentiment", f"runs={tmp_path}/runs", *words)
    assert code == 2
    said = (out + err).splitlines()
    assert [line for line in lines if line not in said] == [], out + err


def test_the_check_is_a_table_in_portuguese_and_json_stays_english(monkeypatch, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(CSV + "igual,1\nigual,2\n", encoding="utf-8")
    words = ["check", "task=sentiment", "dataset=csv", f"dataset.path={file}", f"runs={tmp_path}/runs", TEXT]
    words += ["dataset.columns.label=nota", "trainer.warmup_ratio=0.9"]
    said = {}
    for language in ("en", "pt"):
        monkeypatch.setenv(VARIABLE, language)
        said[language] = [ask(*words)[1], ask(*words, "check.format=json")[1]]
    (english, english_json), (other, other_json) = said.values()
    reports = [json.loads(text) for text in (english_json, other_json)]
    for report in reports:  # what differs from one call to the next
        report["seconds"] = report["machine"]["disk_free_gb"] = 0
    assert reports[0] == reports[1]
    assert "\n  split       rows " in english
    assert "\n  partição    linhas " in other
    assert "\naviso: configuração: a taxa de aprendizado sobe durante mais da metade da execução\n" in other
    assert "aviso: duplicatas: 1 textos têm respostas diferentes" in other
    assert " avisos em " in other
    assert not [word for word in ("warning", "where:", "found:", "fix:", " rows ", "memory") if word in other]
    pasted = [re.findall(r"\b\w+\.[\w.]+=[^\s,;:]+", text) for text in (english, other)]
    assert pasted[0] == pasted[1] != []


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_portuguese_in_an_encoding_that_lacks_characters(encoding, portuguese, tmp_path):
    code, out, _ = ask("check", "task=sentiment", f"runs={tmp_path}/runs", encoding=encoding)
    assert code == 0
    assert ("verificação" if encoding != "ascii" else "verifica\\u00e7\\u00e3o") in out
    code, _, err = ask("trian", encoding=encoding)
    assert code == 2
    assert err.startswith("erro: o comando 'trian' n")


def test_a_run_ends_in_portuguese_and_its_files_are_english(tmp_path):
    words = [
        "task=sentiment",
        "trainer.max_steps=1",
        "trainer.keep=best",
        "dataset.limit=16",
        "guard=none",
        f"runs={tmp_path}",
        "name=r",
    ]
    done = forks().start(*words, **{VARIABLE: "pt_BR"}, cwd=tmp_path).ended()
    assert done.returncode == 0, done.stderr
    for line in (
        "resultado em test (1 passos, ",
        "baselines sem rede neural (macro_f1):",
        f"tudo está em {tmp_path}/r: o modelo em model/, as métricas em metrics.json,",
        f'  autotune predict {tmp_path}/r --text "..."',
        "  <- escolhe o melhor checkpoint",
        "dados: train 16 linhas, validation 16 linhas, test 16 linhas",
        "  classe majoritária                 0.",
        "comprovação: um processo novo leu o modelo salvo",
    ):
        assert line in done.stdout
    log = (tmp_path / "r" / "log.txt").read_text(encoding="utf-8")
    assert "result on test (1 steps, " in log
    assert "data: train 16 rows, validation 16 rows, test 16 rows" in log
    assert "  majority class                     0." in log
    files = [
        path for path in (tmp_path / "r").iterdir() if path.suffix in (".json", ".jsonl", ".yaml", ".txt")
    ]
    ours = {
        other for table in TABLES.values() for other in table.values() if len(other) > 20 and "{" not in other
    }
    assert not [other for path in files for other in ours if other in path.read_text(encoding="utf-8")]


def test_the_error_of_another_process_is_the_same_and_in_portuguese(portuguese):
    errors = Findings(
        [DataError("the file is empty", where="a.csv"), DataError("there is no such file", fix="x=1")]
    )
    for error in (errors, errors.errors[0]):
        found = json.loads(json.dumps({"rank": 1, "code": 2, "text": str(error), "errors": _details(error)}))
        assert str(_common_error(found)) == str(error)
    assert local(_common_error(found).what) == "o arquivo está vazio"


def test_values_are_never_changed(portuguese):
    names = [f"the file is empty {number}" for number in range(14)]
    assert local(f"files: {listing(names)}") == f"arquivos: {', '.join(names[:12])}, e mais 2"
    assert local("the line has {name} columns, those before it 3").startswith("a linha tem {name} colunas")
    assert local("o texto de alguém: the file is empty") == "o texto de alguém: the file is empty"


def test_columns_stay_where_they_were(portuguese):
    line = Pieces("  ", "majority class", " " * 21, "0.5")
    assert line == "  majority class                     0.5"
    assert local(line) == "  classe majoritária                 0.5"
    assert len(local(line)) == len(line)
