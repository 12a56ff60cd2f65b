"""dataset.label_map: keys stay as typed, what does nothing is told, and what is proposed never makes another class."""

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from autotune.checks.findings import Area, Report, warning
from autotune.checks.labels import audit_labels
from autotune.config.compose import compose
from autotune.config.label_maps import normalize_label, read_map
from autotune.config.overrides import normalize_argv
from autotune.config.schema import DatasetConfig
from autotune.data.labels import RelabelError, map_override
from autotune.data.spelling import same_spelling
from autotune.errors import AutotuneError, ConfigError, DataError
from autotune.registry import task
from tests.data.conftest import COLUMNS

ROWS = [{"text": f"Frase {n}.", "label": label} for n, label in enumerate(["1e3", "01", "1", "yes"] * 3)]


def composed(value):
    """The map, as the command line hands it to Hydra and back."""
    (word,) = normalize_argv([f"dataset.label_map={value}"])
    return read_map(OverridesParser.create().parse_override(word).value())


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("{1e3: a, 01: b, 1_000: a}", {"1e3": "a", "01": "b", "1_000": "a"}),
        ("{yes: no, sim: 010}", {"yes": "no", "sim": "010"}),
        ("{null: O, ~: O}", {"null": "O"}),
        ("{'01': a, '1': b, \"yes\": c, 'true': d}", {"01": "a", "1": "b", "yes": "c", "true": "d"}),
        ("{2024-01-01: a, 12:30: b}", {"2024-01-01": "a", "12:30": "b"}),
        ("{'4,5': bom, 4.5: bom}", {"4,5": "bom", "4.5": "bom"}),
        ("{não:ruim,1:null}", {"não": "ruim", "1": None}),
    ],
)
def test_keys_and_values_stay_as_they_were_typed(typed, meant):
    assert composed(typed) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "{1: a, 1.0: b}", "{1: a, 1: b}", "{'1': a, '1,0': b}", "{1e3: a, 1_000: b}", "{1e3: a, 1000: b}", "{01: a, 1: b}",
        "{yes: a, true: b}", "{no: a, off: b}", "{null: a, ~: b}", "{true: a, True: b}", "{5,0: a}", "{a: {b: c}}",
        "{0.5: a, .50: b}",
    ],
)  # fmt: skip
def test_keys_that_are_one_number_or_none_are_refused(typed):
    with pytest.raises(ConfigError, match="label_map"):
        composed(typed)


def test_what_is_proposed_for_two_keys_that_are_one_number_keeps_both():
    with pytest.raises(ConfigError) as caught:
        composed("{01: a, 1: b}")
    (override,) = shlex.split(caught.value.fix.partition(" keeps both")[0])
    assert composed(override.partition("=")[2]) == {"01": "a", "1": "b"}


def test_a_sweep_may_have_several_maps():
    configs = compose(["-m", "task=sentiment", "dataset.label_map={1: a},{1e3: b, 01: c}"])
    assert [config.dataset.label_map for config in configs] == [{"1": "a"}, {"1e3": "b", "01": "c"}]
    with pytest.raises(ConfigError, match="two keys of label_map are one value: 1e3 and 1_000"):
        compose(["task=sentiment", "dataset.label_map={1e3: a, 1_000: b}"])


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("5,0", "5"),
        ("5,00", "5"),
        ("-1,0", "-1"),
        ("4,5", "4,5"),
        ("5,000", "5,000"),
        ("1,10", "1,10"),
        ("a,0", "a,0"),
    ],
)
def test_a_number_with_a_decimal_comma_is_that_number(value, name):
    assert normalize_label(value) == name


def test_a_map_of_which_no_key_occurs_is_refused(load, write):
    path = write(
        "a.jsonl", [row | {"label": label} for row, label in zip(ROWS, ["Sim", "Não"] * 6, strict=True)]
    )
    with pytest.raises(DataError, match="has no effect") as caught:
        load("sentiment", path, label_map={"sim": "pos", "nao": "neg"})
    assert caught.value.fix == "'dataset.label_map={Sim: pos, Não: neg}'"
    with pytest.raises(DataError, match="labels of the data: Sim, Não"):
        load("sentiment", path, label_map={"ruim": "negativo"})


def test_keys_are_looked_for_in_all_splits_and_in_tags_and_types(load, write):
    write("d/train.jsonl", [{"text": "a", "label": "x"}])
    folder = write("d/test.jsonl", [{"text": "b", "label": "y"}]).parent
    assert load("sentiment", folder, label_map={"y": "x"}).unused == {}
    tagged = write("b.jsonl", [{"tokens": ["Ana", "ri"], "tags": ["B-PER", None]}] * 3)
    rows = load("ner", tagged, label_map={"PER": "PESSOA", "null": "O", "LOC": "LOCAL"})
    assert rows.splits["train"]["tags"][0] == ["B-PESSOA", "O"]
    assert rows.unused == {"LOC": None}


def test_rows_without_a_label_may_be_given_one(load, write):
    path = write("a.csv", "text,label\na,\nb,pos\n")
    assert load("sentiment", path, label_map={"null": "neutro"}).splits["train"]["label"][:] == [
        "neutro",
        "pos",
    ]
    assert load("sentiment", path, label_map={"null": None}).splits["train"]["label"][:] == ["pos"]
    with pytest.raises(DataError, match="1 rows have no label"):
        load("sentiment", path)


@pytest.mark.parametrize(
    ("name", "candidates", "found"),
    [
        ("muito_bom", ["Muito bom"], "Muito bom"), ("neutro", ["Neutro", "NEUTRO"], None),
        ("nao", ["Não", "Sim"], "Não"), ("NEGATIVO", ["negativo", "positivo"], "negativo"),
        ("negatvo", ["negativo", "positivo"], "negativo"), ("positvio", ["negativo", "positivo"], "positivo"),
        ("positivo", ["negativo"], None), ("neu", ["neg", "pos"], None), ("ilegal", ["legal"], None),
        ("direito", ["direita"], None),
        ("classe1", ["classe2"], None), ("bom", ["bem"], None), ("infeliz", ["feliz"], None),
    ],
)  # fmt: skip
def test_only_case_accents_and_typing_errors_make_one_name_of_two(name, candidates, found):
    assert same_spelling(name, candidates) == found


def test_a_class_that_train_lacks_becomes_null_and_never_another_class(load, write):
    write("d/train.jsonl", [{"text": f"t{n}", "label": "pos" if n % 2 else "neg"} for n in range(8)])
    folder = write("d/test.jsonl", [{"text": "a", "label": "neu"}, {"text": "b", "label": "POS"}]).parent
    rows = load("sentiment", folder)
    with pytest.raises(AutotuneError) as caught:
        task("sentiment").fit_labels(task("sentiment").Config(), DatasetConfig(), rows.splits)
    assert "{neu: null, POS: pos}" in str(caught.value)


def test_all_findings_give_one_map_that_can_be_pasted(load, write):
    labels = ["Bom", "bom", "bom", '"mau"', "mau", "mau"]
    path = write("a.jsonl", [{"text": f"t{n}", "label": label} for n, label in enumerate(labels)])
    config = compose(["task=sentiment", f"dataset.path={path}", "dataset.label_map={Mau: x, bom: bom}"])[0]
    rows = load("sentiment", path, label_map=config.dataset.label_map)
    report = Report()
    report.add(audit_labels(rows, COLUMNS["sentiment"], config, [], report))
    report.refuse(Area.labels, RelabelError("a", config=config.dataset, relabel={"neu": None}))
    report.add([warning(Area.data, "another", fix="stays")])
    report.merge_label_maps(config.dataset, rows.names)
    fixes = {one.fix for one in report.findings if one.relabel or one.rename}
    assert fixes == {
        "'dataset.label_map={mau: x, bom: bom, Bom: bom, '\"'\"'\"mau\"'\"'\"': mau, "
        "neu: null}'  # null drops these rows"
    }
    assert [error.fix for error in report.errors] == list(fixes)
    assert [one.fix for one in report.findings][-1] == "stays"


def test_a_proposal_changes_what_a_map_makes_and_not_only_what_the_data_have():
    config = DatasetConfig(label_map={"1": "Mau", "2": "bom"})
    assert map_override(config, {"Mau": "mau"}, names=["1", "2"]) == "'dataset.label_map={1: mau, 2: bom}'"


def test_a_map_that_was_saved_with_numbers_is_read_as_before():
    config = DatasetConfig(label_map={1: "a", "x": None, None: "b", False: "c"})
    assert map_override(config, {}) == "'dataset.label_map={1: a, x: null, null: b, False: c}'"
