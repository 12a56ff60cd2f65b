"""What `autotune check` finds, and what it says to do, through the command line."""

import json
import os

import pytest

from autotune.cli.main import main
from tests.support.forks import forks

GOOD = [(f"texto número {n} sobre {what}", "bom" if n % 2 else "ruim") for n in range(40)
        for what in ("a entrega da loja", "o sabor do almoço")]  # fmt: skip
CSV = ["task=sentiment", "dataset=csv"]
LETTERS = [
    *"abcdefghijklmnopqrstuvwxyz0123456789",
    *(f"##{one}" for one in "abcdefghijklmnopqrstuvwxyz0123456789"),
]


def test_a_clean_run_has_no_warning_and_loads_no_weights(check, reviews, vocabulary, here):
    base = vocabulary([*LETTERS, "ú", "##ú", "ç", "##ç"])
    found = check(*CSV, f"dataset.path={reviews(GOOD)}", "model=custom", f"model.name_or_path={base}",
                  "dataset.test_fraction=0.2", "check.near_duplicates=null")  # fmt: skip
    assert (found.code, found.report["errors"], found.report["warnings"]) == (0, 0, 0)
    assert found.report["splits"].keys() == {"train", "validation", "test"}
    assert sum(split["rows"] for split in found.report["splits"].values()) == 80
    assert found.report["labels"]["ids"] == {"bom": 0, "ruim": 1}
    assert found.report["model"]["parameters"] > 10_000
    assert [path.name for path in (here / "runs").iterdir()] == [".cache"]


def test_the_samples_pass_the_strict_check(check):
    for task in ("sentiment", "ner", "summarization", "classification", "ordinal", "regression"):
        assert check(f"task={task}", "check=strict").code == 0


def test_everything_wrong_is_told_at_once(check, write):
    write("d/train.csv", "texto,label\na,b\n")
    found = check(
        *CSV, "dataset.path=d", "model=custom", "model.name_or_path=./nada", "trainer.precision=fp16"
    )
    assert found.code == 2
    assert {finding["area"] for finding in found.report["findings"] if finding["severity"] == "error"} == {
        "data",
        "model",
    }
    assert found.one("there is no column")["fix"] == "dataset.columns.text=texto"


def test_a_wrong_configuration_is_told_in_json_too(check):
    found = check("trainer.lerning_rate=1")
    assert (found.code, found.report["errors"]) == (2, 1)
    assert "trainer.learning_rate" in found.of("configuration", "error")[0]["fix"]


def test_strict_turns_warnings_into_a_refusal_of_check_and_of_train(check, reviews, capsys):
    path = reviews([*GOOD, *[("raro", "neutro")] * 2])
    assert check(*CSV, f"dataset.path={path}").code == 0
    assert check(*CSV, f"dataset.path={path}", "check=strict").code == 2
    assert main([*CSV, f"dataset.path={path}", "check=strict"]) == 2
    assert "neutro (2)" in capsys.readouterr().err


def test_none_looks_for_nothing_but_errors(check, reviews):
    path = reviews([*GOOD, *[("raro", "neutro")] * 2])
    found = check(*CSV, f"dataset.path={path}", "check=none")
    assert (found.code, found.report["warnings"]) == (0, 0)
    assert "duplicates" not in found.report


def test_the_table_for_people(reviews, here, capsys):
    rows = [*GOOD, ("Texto repetido aqui", "bom"), ("texto REPETIDO aqui!", "ruim")]
    assert main(["check", *CSV, f"dataset.path={reviews(rows)}"]) == 0
    printed = capsys.readouterr().out
    for part in ("split", "train", "validation", "ids: 0 bom, 1 ruim", "tokens per row in train", "0 errors"):
        assert part in printed
    assert max(map(len, printed.splitlines())) < 250


def test_train_says_what_the_check_found_and_keeps_it(reviews, here):
    path = reviews([*GOOD, ("a&amp;b", "bom"), ("perdido \ufffd aqui", "ruim")])
    words = (f"dataset.path={path}", "debug=smoke", "dataset.limit=null", "name=r")
    done = forks().start(*CSV, *words, cwd=here).ended()
    assert done.returncode == 0 and "U+FFFD" in done.stdout, done.stderr
    kept = json.loads((here / "runs" / "r" / "data.json").read_text("utf-8"))
    assert kept["check"]["warnings"] >= 1
    assert kept["check"]["labels"]["ids"] == {"bom": 0, "ruim": 1}


def test_rows_that_stand_in_train_are_scored_apart(reviews, here):
    reviews(GOOD, "d/train.csv")
    reviews([*GOOD[:6], ("nada disso foi visto antes", "bom"), ("outra frase nova", "ruim")], "d/test.csv")
    done = forks().start(*CSV, "dataset.path=d", "debug=smoke", "name=r", cwd=here).ended()
    assert done.returncode == 0, done.stderr
    assert "on the 2 rows whose text is not in train: macro_f1" in done.stdout
    metrics = json.loads((here / "runs" / "r" / "metrics.json").read_text("utf-8"))
    assert metrics["unseen"]["test"]["rows"] == 2
    assert metrics["unseen"]["test"]["macro_f1"] in (0.0, 1 / 3, 1.0)


class TestTexts:
    def test_signs_that_clean_texts_do_not_have(self, check, reviews):
        dirty = [("perdido \ufffd", "bom"), ("nÃ£o e Ã© assim", "ruim"), ("aspas \u0093 tortas", "bom"),
                 ("invisí\u200bvel", "ruim"), ("a &amp; b", "bom")]  # fmt: skip
        found = check(*CSV, f"dataset.path={reviews([*GOOD, *dirty])}", "dataset.validation_fraction=0")
        for sign in ("U+FFFD", "read as latin-1", "control characters", "zero-width", "HTML entities"):
            finding = found.one(sign)
            assert finding["count"] == 1
            assert "train row 8" in finding["where"]

    def test_empty_texts_of_a_scored_split_are_counted(self, check, reviews):
        reviews(GOOD, "d/train.csv")
        reviews([*GOOD[:4], ("", "bom"), ("  ", "ruim")], "d/test.csv")
        finding = check(*CSV, "dataset.path=d").one("an empty text")
        assert (finding["count"], finding["severity"]) == (2, "warning")
        assert "test row 4" in finding["where"]

    def test_a_column_of_numbers_in_place_of_texts(self, check, write):
        write("r.jsonl", "".join(json.dumps({"text": n, "label": "ab"[n % 2]}) + "\n" for n in range(20)))
        finding = check("dataset=jsonl", "dataset.path=r.jsonl").one("holds numbers")
        assert "text, int" in finding["where"]

    def test_ids_that_stand_twice(self, check, write):
        row = '{{"id": {}, "text": "texto {}", "label": "{}"}}\n'
        write("d/train.jsonl", "".join(row.format(n % 18, n, "ab"[n % 2]) for n in range(20)))
        write("d/test.jsonl", "".join(row.format(n, n + 50, "ab"[n % 2]) for n in range(15, 25)))
        found = check("dataset=jsonl", "dataset.path=d")
        assert found.one("an id that an earlier row has")["count"] == 2
        assert found.one("ids of test are also in train")["count"] == 3


class TestLabels:
    def test_classes_that_a_split_lacks_and_rare_ones(self, check, reviews):
        reviews([*GOOD, *[(f"raro {n}", "neutro") for n in range(3)]], "d/train.csv")
        reviews(GOOD[:6], "d/validation.csv")
        found = check(*CSV, "dataset.path=d")
        assert found.one("validation lacks")["found"] == "neutro (3 in train)"
        assert found.one("fewer than 5")["found"] == "neutro (3)"
        assert found.one("less than a tenth")["fix"] == "task.class_weights=balanced"
        weighted = check(*CSV, "dataset.path=d", "task.class_weights=balanced")
        assert weighted.one("less than a tenth")["severity"] == "note"

    def test_names_that_differ_in_case_alone(self, check, reviews):
        rows = [(f"texto {n}", ["Bom", "bom", "ruim"][n % 3]) for n in range(31)]
        fix = check(*CSV, f"dataset.path={reviews(rows)}").one("differ only in case")["fix"]
        assert fix == "'dataset.label_map={bom: Bom}'"
        mended = check(*CSV, "dataset.path=reviews.csv", fix.strip("'"))
        assert not mended.says("differ only in case")

    def test_a_column_with_too_many_classes(self, check, reviews):
        rows = [(f"texto {n}", f"pessoa {n % 60}") for n in range(120)]
        assert check(*CSV, f"dataset.path={reviews(rows)}", "dataset.validation_fraction=0").says(
            "60 different values"
        )

    def test_tags_without_prefixes_are_found_to_be_io(self, check, write):
        write("r.conll", "Ana PESSOA\nLima PESSOA\nfoi O\na O\nBelém LOCAL\n. O\nSim O\n\n" * 12)
        found = check("task=ner", "dataset=conll", "dataset.path=r.conll")
        assert found.code == 0
        assert found.one("IO, which was converted to IOB2")
        assert found.report["lengths"]["splits"]["train"]["units"]["entities"] == 22


class TestLengths:
    def test_what_a_window_holds_in_words_and_entities(self, check, write, vocabulary):
        base = vocabulary([*LETTERS, "ana", "foi"])
        long = "foi O\n" * 40 + "ana B-PESSOA\n" * 5
        write("r.conll", ("foi O\nana B-PESSOA\n\n" * 10) + long + "\n")
        found = check("task=ner", "dataset=conll", "dataset.path=r.conll", "model=custom",
                      f"model.name_or_path={base}", "dataset.validation_fraction=0")  # fmt: skip
        figures = found.report["lengths"]["splits"]["train"]
        assert found.report["lengths"]["max_length"] == 32
        assert figures["beyond"] == {"tokens": 15, "words": 15, "entities": 5}
        assert figures["units"] == {"tokens": 10 * 4 + 47, "words": 65, "entities": 15}
        assert figures["histogram"] == {"<=16": 10, "<=32": 0, "<=64": 1}
        assert "nothing is lost" in found.of("lengths")[0]["what"]

    def test_what_is_cut_and_what_max_length_would_hold_it(self, check, reviews, vocabulary):
        base = vocabulary([*LETTERS, "oi"])
        rows = [("oi " * 12, "ab"[n % 2]) for n in range(10)] + [("oi " * 20, "a")]
        words = [*CSV, f"dataset.path={reviews(rows)}", "model=custom", f"model.name_or_path={base}",
                 "dataset.validation_fraction=0", "task.on_overflow=truncate", "task.max_length=16"]  # fmt: skip
        found = check(*words)
        assert found.one("do not fit into 16 tokens")["found"] == "lost: 6 of 162 tokens"
        assert found.one("takes up to 32 tokens")["fix"] == "task.max_length=24"
        assert not check(*words, "task.max_length=24").of("lengths")

    def test_references_longer_than_what_may_be_written(self, check, write):
        rows = [{"document": "palavra " * 30, "summary": "palavra " * (3 + n % 5)} for n in range(20)]
        write("r.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        found = check("task=summarization", "dataset=jsonl", "dataset.path=r.jsonl", "task.max_new_tokens=4")
        assert found.report["lengths"]["splits"]["train"]["beyond"]["reference tokens"] > 0
        assert found.one("15 of 18 references of train are longer")["severity"] == "warning"
        assert not found.says("do not fit")


class TestDuplicates:
    def test_three_degrees_within_and_across(self, check, reviews):
        long = "a entrega demorou muito e o produto chegou quebrado na caixa amassada da transportadora"
        reviews([*GOOD, ("Produto bom", "bom"), ("Produto bom", "bom"), (long, "ruim")], "d/train.csv")
        reviews([("Produto  bom", "bom"), ("PRODUTO, bom!", "bom"), (f"{long} .. hoje", "ruim"), ("outro", "bom")],
                "d/test.csv")  # fmt: skip
        found = check(*CSV, "dataset.path=d", "check.near_duplicates=0.8")
        leaks = found.report["duplicates"]["test in train"]
        assert leaks == {"exact": 1, "alike": 1, "near": 1, "exact_texts": 1}
        assert found.one("3 of 4 rows of test are also in train")["fix"].startswith(
            "dataset.dedup=leaks leaves 2"
        )
        assert found.report["duplicates"]["train"]["exact"] == 1

    def test_texts_with_two_answers(self, check, reviews):
        path = reviews([*GOOD, ("Tanto faz", "bom"), ("Tanto faz", "ruim")])
        finding = check(*CSV, f"dataset.path={path}", "dataset.validation_fraction=0").one(
            "different answers"
        )
        assert finding["count"] == 1
        assert "'Tanto faz'" in finding["found"]

    def test_dedup_acts_and_says_so(self, check, reviews):
        reviews(
            [*GOOD, ("Igual", "bom"), ("igual!", "bom"), ("só aqui", "ruim"), ("só aqui", "ruim")],
            "d/train.csv",
        )
        reviews([("IGUAL", "bom"), ("novo", "ruim")], "d/test.csv")
        sizes = {}
        for how in ("none", "repeats", "leaks", "all"):
            found = check(*CSV, "dataset.path=d", f"dataset.dedup={how}", "dataset.validation_fraction=0")
            sizes[how] = [split["rows"] for split in found.report["splits"].values()]
        assert sizes == {"none": [84, 2], "repeats": [82, 2], "leaks": [82, 2], "all": [81, 2]}
        assert not found.says("rows of test are also in train")

    def test_groups_that_are_in_two_splits(self, check, write):
        row = '{{"text": "texto {}", "label": "{}", "autor": "{}"}}\n'
        write("d/train.jsonl", "".join(row.format(n, "ab"[n % 2], f"autor {n % 5}") for n in range(20)))
        write(
            "d/test.jsonl", "".join(row.format(n, "ab"[n % 2], f"autor {n % 2 + 4}") for n in range(30, 36))
        )
        found = check("dataset=jsonl", "dataset.path=d", "dataset.columns.group=autor")
        assert found.one("groups are in both train")["found"] == "autor 4"


class TestTokenizer:
    def test_letters_that_the_vocabulary_lacks(self, check, reviews, vocabulary):
        base = vocabulary([*LETTERS, "ç", "##ç"])
        path = reviews([*GOOD, ("não", "bom"), ("põe 😀", "ruim")])
        finding = check(*CSV, f"dataset.path={path}", "model=custom", f"model.name_or_path={base}").one(
            "vocabulary has no"
        )
        assert finding["severity"] == "warning"
        assert "ã" in finding["what"]
        assert "😀" not in finding["what"]

    def test_a_letter_inside_longer_pieces_is_known(self, check, reviews, vocabulary):
        base = vocabulary([*LETTERS, "não", "##ção", "ú", "##ú", "ç", "##ç"])
        path = reviews([*GOOD, ("não", "bom"), ("relação", "ruim")])
        found = check(*CSV, f"dataset.path={path}", "model=custom", f"model.name_or_path={base}")
        assert not found.says("vocabulary has no")

    def test_lower_case_and_lost_accents_are_told(self, check, reviews, vocabulary):
        base = vocabulary(LETTERS, lower=True)
        path = reviews([*GOOD, ("São Paulo", "bom")])
        found = check(*CSV, f"dataset.path={path}", "model=custom", f"model.name_or_path={base}")
        assert "drops accents" in found.one("the tokenizer converts upper case")["what"]

    def test_words_without_pieces_are_kept_and_counted(self, check, write, vocabulary):
        base = vocabulary([*LETTERS])
        write("r.conll", "ana B-PESSOA\n\u200b O\nfoi O\n\n" * 10)
        found = check(
            "task=ner", "dataset=conll", "dataset.path=r.conll", "model=custom", f"model.name_or_path={base}"
        )
        assert found.one("have no word piece")["count"] == 10


class TestMachine:
    def test_more_disk_than_there_is(self, check, monkeypatch):
        monkeypatch.setattr(
            "shutil.disk_usage", lambda _: os.terminal_size((0, 0)) and type("", (), {"free": 10})
        )
        finding = check().one("GB of disk")
        assert (finding["severity"], finding["fix"]) == (
            "error",
            "runs=FOLDER on a disk with more room, or checkpoint.keep=1",
        )

    def test_lora_targets_are_looked_up_on_the_real_architecture(self, check):
        found = check("peft=lora", "peft.target_modules=[queri]")
        assert found.code == 2
        assert "query" in found.one("no linear layer")["fix"]

    def test_the_trainable_share_with_adapters(self, check):
        whole, adapters = check().report["model"], check("peft=lora").report["model"]
        assert whole["trainable"] == whole["parameters"]
        assert adapters["trainable"] < adapters["parameters"] / 2


class TestPlan:
    def test_costs_are_measured_and_held_against_the_budget(self, here, capsys):
        assert main(["plan", "debug=smoke", "check.format=json"]) == 0
        costs = json.loads(capsys.readouterr().out)["plan"]
        assert costs["steps"] == 4
        assert costs["hours"] > 0 and costs["seconds_per_step"] > 0 and costs["peak_memory_gb"] > 0.1
        assert main(["plan", "debug=smoke", "plan.budget.memory_gb=0.001", "plan.budget.hours=100"]) == 3
        printed = capsys.readouterr().out
        assert "plan.budget.memory_gb" in printed
        assert "plan.budget.hours" not in printed

    def test_a_refused_run_is_not_measured(self, here, capsys):
        assert main(["plan", "dataset=csv", "dataset.path=nada.csv"]) == 2


@pytest.mark.parametrize("verb", ["check", "plan"])
def test_help_knows_the_verbs(verb, capsys):
    assert main(["--help"]) == 0
    assert f"autotune {verb} " in capsys.readouterr().out
