"""Figures: equal to those of the libraries and to what a person counts, offline, for any input."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unicodedata
import warnings

import evaluate
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.chrf import CHRF
from seqeval.metrics import classification_report, f1_score
from seqeval.scheme import IOB2
from sklearn.metrics import classification_report as class_report
from sklearn.metrics import confusion_matrix

from autotune.errors import DataError
from autotune.metrics import recipe
from autotune.metrics.classification import Classification
from autotune.metrics.entities import Entities
from autotune.metrics.rouge import Rouge
from autotune.metrics.sentences import sentences, words
from tests.support import ROOT
from tests.support.forks import strangers
from tests.support.scores import classification_scores, entity_scores, rouge_scores

LABELS = ["negativo", "neutro", "positivo", "nunca visto"]

CLASSES = st.lists(
    st.tuples(st.sampled_from(LABELS[:3]), st.sampled_from(LABELS[:3])), min_size=1, max_size=40
)

TAG = st.sampled_from(["O", "B-PESSOA", "I-PESSOA", "B-LOCAL", "I-LOCAL", "I-TEMPO"])
TAGGED = st.lists(
    st.lists(st.tuples(TAG, TAG), max_size=8).map(
        lambda pairs: tuple(list(tags) for tags in zip(*pairs, strict=True)) or ([], [])
    ),
    min_size=1,
    max_size=10,
)

WORDS = st.sampled_from(["a", "avó", "avô", "não", "decisão", "É", "chegou", "Lei", "9.099"])
TEXT = st.lists(st.tuples(WORDS, st.sampled_from([" ", " ", ". ", "?\n", ", "])), max_size=14).map(
    lambda pairs: "".join(word + mark for word, mark in pairs)
)
TEXTS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5)

quick = settings(max_examples=40, deadline=None)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def columns(pairs):
    return [first for first, _ in pairs], [second for _, second in pairs]


def is_plain(value):
    if isinstance(value, dict):
        return all(type(key) is str and is_plain(item) for key, item in value.items())
    return type(value) in (int, float)


class TestClassification:
    def test_the_figures_are_those_counted_by_hand(self):
        scores = classification_scores(
            references=["positivo", "positivo", "positivo", "negativo", "neutro"],
            predictions=["positivo", "positivo", "negativo", "negativo", "positivo"],
            labels=LABELS,
        )
        # positivo 2/3, 2/3 -> 2/3; negativo 1/2, 1/1 -> 2/3; neutro never predicted -> 0.
        assert scores["values"] == pytest.approx(
            {"macro_f1": (2 / 3 + 2 / 3 + 0) / 3, "accuracy": 3 / 5, "weighted_f1": (3 * 2 / 3 + 2 / 3) / 5}
        )
        assert scores["per_class"]["negativo"] == pytest.approx(
            {"precision": 0.5, "recall": 1.0, "f1": 2 / 3, "support": 1}
        )
        assert scores["confusion"]["positivo"] == {
            "negativo": 1,
            "neutro": 0,
            "positivo": 2,
            "nunca visto": 0,
        }
        assert scores["counts"] == {"rows": 5}

    def test_a_class_that_occurs_nowhere_is_listed_but_does_not_lower_macro_f1(self):
        scores = classification_scores(["positivo", "negativo"], ["positivo", "negativo"], LABELS)
        assert scores["values"]["macro_f1"] == 1.0
        assert list(scores["per_class"]) == list(scores["confusion"]) == LABELS
        assert scores["per_class"]["nunca visto"] == {
            "precision": 0.0,
            "recall": 0.0,
            "f1": 0.0,
            "support": 0,
        }

    def test_a_class_that_is_only_predicted_lowers_macro_f1(self):
        scores = classification_scores(["positivo", "positivo"], ["positivo", "nunca visto"], LABELS)
        assert scores["values"]["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)

    @quick
    @given(CLASSES)
    def test_the_figures_are_those_of_scikit_learn(self, pairs):
        references, predictions = columns(pairs)
        scores = classification_scores(references, predictions, LABELS)
        report = class_report(references, predictions, output_dict=True, zero_division=0)
        assert scores["values"]["macro_f1"] == pytest.approx(report["macro avg"]["f1-score"])
        assert scores["values"]["weighted_f1"] == pytest.approx(report["weighted avg"]["f1-score"])
        assert scores["values"]["accuracy"] == pytest.approx(
            np.mean([gold == found for gold, found in pairs])
        )
        for name in set(references) | set(predictions):
            assert scores["per_class"][name]["f1"] == pytest.approx(report[name]["f1-score"])
            assert scores["per_class"][name]["support"] == report[name]["support"]
        table = [list(row.values()) for row in scores["confusion"].values()]
        assert table == confusion_matrix(references, predictions, labels=LABELS).tolist()

    @quick
    @given(CLASSES, st.randoms())
    def test_the_order_of_rows_and_of_classes_does_not_matter(self, pairs, random):
        shuffled, labels = list(pairs), list(LABELS)
        random.shuffle(shuffled)
        random.shuffle(labels)
        scores = classification_scores(*columns(pairs), LABELS)
        other = classification_scores(*columns(shuffled), labels)
        assert other["confusion"] == scores["confusion"]
        assert other["values"] == pytest.approx(scores["values"])

    @quick
    @given(CLASSES)
    def test_a_perfect_prediction_scores_one(self, pairs):
        references, _ = columns(pairs)
        assert set(classification_scores(references, references, LABELS)["values"].values()) == {1.0}

    def test_a_class_that_the_model_does_not_have_is_refused_with_its_row(self):
        with pytest.raises(DataError, match="no class 'Positivo'") as error:
            classification_scores(["negativo", "Positivo"], ["negativo", "negativo"], LABELS)
        assert error.value.where == "row 1"
        assert error.value.fix == "'dataset.label_map={Positivo: positivo}'"

    @pytest.mark.parametrize("wrong", [-1, 4])
    def test_an_id_that_no_class_has_is_refused(self, wrong, tmp_path):
        with pytest.raises(DataError, match="not a class id"):
            Classification(LABELS, tmp_path).compute(predictions=[0, 1], references=[0, wrong])


class TestEntities:
    def test_the_figures_are_those_counted_by_hand(self):
        scores = entity_scores(
            references=[["B-PESSOA", "I-PESSOA", "O", "B-LOCAL"], ["O", "B-LOCAL"]],
            predictions=[["B-PESSOA", "I-PESSOA", "O", "B-PESSOA"], ["O", "B-LOCAL"]],
        )
        # 2 of 3 predicted entities are right and 2 of 3 gold ones are found.
        assert scores["values"] == pytest.approx(
            dict.fromkeys(("entity_f1", "entity_precision", "entity_recall", "entity_f1_conll"), 2 / 3)
            | {"macro_entity_f1": (2 / 3 + 2 / 3) / 2}
        )
        assert scores["per_class"] == {
            "LOCAL": pytest.approx({"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "support": 2}),
            "PESSOA": pytest.approx({"precision": 0.5, "recall": 1.0, "f1": 2 / 3, "support": 1}),
        }
        assert scores["counts"].items() >= {"rows": 2, "words": 6, "entities": 3}.items()

    def test_only_conlleval_lets_an_inside_tag_begin_an_entity(self):
        values = entity_scores([["B-PESSOA", "I-PESSOA"]], [["I-PESSOA", "I-PESSOA"]])["values"]
        assert (values["entity_f1"], values["entity_f1_conll"]) == (0.0, 1.0)

    def test_strict_can_be_above_conlleval_for_it_ignores_stray_inside_tags(self):
        values = entity_scores([["B-LOCAL", "O", "O"]], [["B-LOCAL", "O", "I-LOCAL"]])["values"]
        assert values["entity_f1"] == 1.0
        assert values["entity_f1_conll"] == pytest.approx(2 / 3)

    def test_a_wrong_border_is_wrong(self):
        assert entity_scores([["B-LOCAL", "I-LOCAL"]], [["B-LOCAL", "O"]])["values"]["entity_f1"] == 0.0

    def test_an_entity_does_not_go_on_into_the_next_row(self):
        values = entity_scores([["B-LOCAL"], ["I-LOCAL"]], [["B-LOCAL"], ["O"]])["values"]
        assert (values["entity_f1"], values["entity_recall"]) == (1.0, 1.0)

    @pytest.mark.parametrize("rows", [[["O", "O"]], [["O"], []], [[]]])
    def test_rows_without_entities_score_zero(self, rows):
        scores = entity_scores(rows, rows)
        assert set(scores["values"].values()) == {0.0}
        assert scores["per_class"] == {}
        assert scores["counts"]["entities"] == 0

    def test_a_type_that_is_only_predicted_is_listed(self):
        scores = entity_scores([["O", "B-LOCAL"]], [["B-TEMPO", "B-LOCAL"]])
        assert scores["per_class"]["TEMPO"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
        assert scores["values"]["macro_entity_f1"] == 0.5

    @quick
    @given(TAGGED)
    def test_the_figures_are_those_of_seqeval(self, rows):
        references, predictions = columns(rows)
        scores = entity_scores(references, predictions)
        values = scores["values"]
        same = {"zero_division": 0}
        strict = {"mode": "strict", "scheme": IOB2, **same}
        assert values["entity_f1"] == pytest.approx(f1_score(references, predictions, **strict))
        assert values["entity_f1_conll"] == pytest.approx(f1_score(references, predictions, **same))
        if scores["per_class"]:
            report = classification_report(references, predictions, output_dict=True, **strict)
            assert values["entity_precision"] == pytest.approx(report["micro avg"]["precision"])
            assert values["entity_recall"] == pytest.approx(report["micro avg"]["recall"])
            assert values["macro_entity_f1"] == pytest.approx(report["macro avg"]["f1-score"])
            for name, figures in scores["per_class"].items():
                assert figures == pytest.approx(
                    {"f1" if key == "f1-score" else key: report[name][key] for key in report[name]}
                )

    @quick
    @given(TAGGED, st.randoms())
    def test_the_order_of_rows_does_not_matter(self, rows, random):
        shuffled = list(rows)
        random.shuffle(shuffled)
        assert entity_scores(*columns(shuffled)) == entity_scores(*columns(rows))

    @quick
    @given(TAGGED)
    def test_a_perfect_prediction_scores_one_where_there_are_entities(self, rows):
        references, _ = columns(rows)
        scores = entity_scores(references, references)
        assert scores["values"]["entity_f1"] == (1.0 if scores["counts"]["entities"] else 0.0)

    def test_a_row_with_a_tag_too_few_is_refused_with_its_number(self):
        with pytest.raises(DataError, match="1 predicted tags for 2 words") as error:
            entity_scores([["O"], ["O", "O"]], [["O"], ["O"]])
        assert error.value.where == "row 1"

    @pytest.mark.parametrize(
        "tag", ["PESSOA", "PESSOA-B", "L-LOCAL", "B-", "B", "I", "_", "", "b-LOCAL", "B-LOCAL-"]
    )
    def test_what_is_not_iob2_is_refused_not_scored(self, tag):
        with pytest.raises(DataError, match="not IOB2") as error:
            entity_scores([["O"], ["O", tag]], [["O"], ["O", "O"]])
        assert error.value.where == "row 1, word 1"

    def test_types_may_hold_hyphens_and_accents(self):
        tags = [["B-OBRA-DE-ARTE", "I-OBRA-DE-ARTE", "B-ORGANIZAÇÃO"]]
        assert set(entity_scores(tags, tags)["per_class"]) == {"OBRA-DE-ARTE", "ORGANIZAÇÃO"}


class TestRouge:
    def test_words_with_another_accent_are_other_words(self):
        values = rouge_scores(["a avó chegou"], ["o avô chegou"])["values"]
        assert values["rouge1"] == pytest.approx(1 / 3)
        assert values["rouge1_google"] == pytest.approx(2 / 3)

    def test_an_accented_word_is_one_word(self):
        assert words("A decisão NÃO é técnica, já a guarda-chuva…") == [
            *("a", "decisão", "não", "é", "técnica", "já", "a", "guarda", "chuva"),
        ]

    def test_words_are_the_same_in_either_form_of_accents(self):
        assert words(unicodedata.normalize("NFD", "avó já não")) == ["avó", "já", "não"]

    def test_the_figures_are_those_counted_by_hand(self):
        values = rouge_scores(["o tribunal negou o recurso"], ["o tribunal aceitou o recurso hoje"])["values"]
        # 4 words of 5 and 6; pairs "o tribunal" and "o recurso" of 4 and 5; subsequence of 4 words.
        assert values["rouge1"] == pytest.approx(8 / 11)
        assert values["rouge2"] == pytest.approx(4 / 9)
        assert values["rougeL"] == values["rougeLsum"] == pytest.approx(8 / 11)

    def test_sentences_in_another_order_lower_rougeL_but_not_rougeLsum(self):
        values = rouge_scores(["O réu fugiu. A polícia chegou."], ["A polícia chegou. O réu fugiu."])[
            "values"
        ]
        assert values["rougeLsum"] == 1.0
        assert values["rougeL"] == pytest.approx(0.5)
        assert values["rougeLsum_google"] == values["rougeL_google"]  # it knows line breaks alone

    def test_the_form_of_accents_does_not_matter(self):
        text = "A decisão não é técnica. Órgãos públicos à míngua."
        values = rouge_scores([text], [unicodedata.normalize("NFD", text)])["values"]
        assert {values[name] for name in ("rouge1", "rouge2", "rougeL", "rougeLsum", "chrf")} == {1.0}

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Choveu. Fez sol!", ["Choveu.", "Fez sol!"]),
            ("É o art. 5 da lei, etc. e tal.", ["É o art. 5 da lei, etc. e tal."]),
            ("uma linha\n\noutra linha", ["uma linha", "outra linha"]),
            ("Ele disse: “Não.” Óbvio…  «Sim»", ["Ele disse: “Não.", "Óbvio…", "«Sim»"]),
            ("fim.\n5 dias", ["fim.", "5 dias"]),
            ("R$ 1.000 e v2.Final", ["R$ 1.000 e v2.Final"]),
            ("", []),
            (" \n ", []),
        ],
    )
    def test_sentences(self, text, expected):
        assert sentences(text) == expected

    def test_empty_texts_score_zero(self):
        scores = rouge_scores(["", "resumo", ""], ["", "", "resumo"])
        assert set(scores["values"].values()) == {0.0}
        assert scores["counts"] == {"rows": 3, "empty": 2, "cut": 0}

    @quick
    @given(TEXTS)
    def test_the_google_figures_are_those_of_rouge_score(self, pairs):
        scorer = RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=False)
        found = rouge_scores(*columns(pairs))["values"]
        for name in scorer.rouge_types:
            expected = np.mean(
                [scorer.score(target=gold, prediction=text)[name].fmeasure for gold, text in pairs]
            )
            assert found[f"{name}_google"] == pytest.approx(expected)

    @quick
    @given(TEXTS)
    def test_the_unicode_figures_are_those_of_rouge_score_with_a_unicode_tokenizer(self, pairs):
        class Tokenizer:
            def tokenize(self, text):
                return re.findall(r"\w+", text.lower())

        lines = [tuple("\n".join(sentences(text)) for text in pair) for pair in pairs]
        scorer = RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], tokenizer=Tokenizer())
        found = rouge_scores(*columns(pairs))["values"]
        for name in scorer.rouge_types:
            expected = np.mean([scorer.score(gold, text)[name].fmeasure for gold, text in lines])
            assert found[name] == pytest.approx(expected)

    @quick
    @given(TEXTS)
    def test_without_accents_both_tokenizers_agree(self, pairs):
        plain = [
            tuple("".join(c for c in text if c.isascii() and c != ".") for text in pair) for pair in pairs
        ]
        values = rouge_scores(*columns(plain))["values"]
        for name in ("rouge1", "rouge2", "rougeL", "rougeLsum"):
            assert values[name] == pytest.approx(values[f"{name}_google"])

    @quick
    @given(TEXTS)
    def test_chrf_is_that_of_sacrebleu_divided_by_100(self, pairs):
        references, predictions = columns(pairs)
        expected = CHRF().corpus_score(predictions, [references]).score / 100
        assert rouge_scores(references, predictions)["values"]["chrf"] == pytest.approx(expected)

    @quick
    @given(TEXTS, st.randoms())
    def test_the_order_of_rows_does_not_matter(self, pairs, random):
        shuffled = list(pairs)
        random.shuffle(shuffled)
        assert rouge_scores(*columns(shuffled)) == rouge_scores(*columns(pairs))

    @quick
    @given(TEXTS)
    def test_all_figures_are_from_0_to_1_and_a_perfect_prediction_scores_one(self, pairs):
        references, predictions = columns(pairs)
        assert all(0 <= value <= 1 for value in rouge_scores(references, predictions)["values"].values())
        full = [f"{text} a lei" for text in references]
        perfect = rouge_scores(full, full)["values"]
        assert perfect == pytest.approx(dict.fromkeys(perfect, 1.0))


METRICS = {
    "classification": (lambda folder: Classification(LABELS, folder), [0, 2, 1, 2], [0, 1, 1, 2]),
    "entities": (Entities, [["O"], [], ["B-LOCAL", "I-LOCAL"]], [["O"], [], ["B-LOCAL", "O"]]),
    "rouge": (Rouge, ["A lei vale.", "É não."], ["A lei não vale.", "É sim."]),
}


@pytest.mark.parametrize("name", METRICS)
class TestEvaluateInterface:
    def test_rows_may_come_at_once_in_batches_or_one_by_one(self, name, tmp_path):
        make, references, predictions = METRICS[name]
        metric = make(tmp_path)
        at_once = metric.compute(references=references, predictions=predictions)
        for start in range(0, len(references), 2):
            rows = slice(start, start + 2)
            metric.add_batch(references=references[rows], predictions=predictions[rows])
        in_batches = metric.compute()
        for reference, prediction in zip(references, predictions, strict=True):
            metric.add(reference=reference, prediction=prediction)
        assert metric.compute() == in_batches == at_once

    def test_all_values_are_plain_numbers_that_json_takes(self, name, tmp_path):
        make, references, predictions = METRICS[name]
        result = make(tmp_path).compute(references=references, predictions=predictions)
        assert is_plain(result)
        assert json.loads(json.dumps(result)) == result

    def test_the_folder_stays_without_files(self, name, tmp_path):
        make, references, predictions = METRICS[name]
        make(tmp_path).compute(references=references, predictions=predictions)
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]

    def test_no_rows_are_refused(self, name, tmp_path):
        make, _, _ = METRICS[name]
        with pytest.raises(DataError, match="no rows to score"):
            make(tmp_path).compute(references=[], predictions=[])

    def test_a_prediction_too_few_is_refused(self, name, tmp_path):
        make, references, predictions = METRICS[name]
        with pytest.raises(ValueError, match="Mismatch in the number"):
            make(tmp_path).compute(references=references, predictions=predictions[:-1])

    def test_every_figure_has_a_recipe(self, name, tmp_path):
        make, references, predictions = METRICS[name]
        result = make(tmp_path).compute(references=references, predictions=predictions)
        figures = [key for key, value in result.items() if isinstance(value, float)]
        assert list(recipe(figures)) == figures


def test_evaluate_combines_ours(tmp_path):
    first, second = (
        Classification(["a", "b"], tmp_path / "1"),
        Classification(["a", "b", "c"], tmp_path / "2"),
    )
    both = evaluate.combine({"dois": first, "três": second})
    both.add_batch(references=[0, 1], predictions=[0, 0])
    both.add(reference=1, prediction=1)
    result = both.compute()
    assert result["dois_accuracy"] == result["três_accuracy"] == pytest.approx(2 / 3)
    assert set(result["três_confusion"]) == {"a", "b", "c"}


def test_without_a_folder_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    classification_scores(["positivo"], ["positivo"], LABELS)
    entity_scores([["B-LOCAL"]], [["B-LOCAL"]])
    rouge_scores(["não"], ["não"])
    assert not list(tmp_path.iterdir())


def test_numpy_ids_are_taken(tmp_path):
    result = Classification(LABELS, tmp_path).compute(
        references=np.array([0, 2]), predictions=np.array([0, 0])
    )
    assert result["accuracy"] == 0.5


def test_a_recipe_names_library_version_and_mode_and_leaves_out_what_is_not_ours():
    from importlib.metadata import version

    found = recipe(["entity_f1", "of another task"])
    assert list(found) == ["entity_f1"]
    assert found["entity_f1"].startswith(f"seqeval {version('seqeval')}: ")
    assert "strict IOB2" in found["entity_f1"]


def python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_figures_need_no_network_and_no_home():
    code = """
import json, sys

def refuse(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise RuntimeError(event)

sys.addaudithook(refuse)
from tests.support import ROOT
from tests.support.forks import strangers
from tests.support.scores import classification_scores, entity_scores, rouge_scores
print(json.dumps([
    classification_scores(["a", "b"], ["a", "b"], ["a", "b"])["values"]["macro_f1"],
    entity_scores([["B-LOCAL"]], [["B-LOCAL"]])["values"]["entity_f1"],
    rouge_scores(["a avó"], ["a avó"])["values"]["rouge2"],
]))
"""
    nowhere = f"{os.devnull}/nowhere"
    environment = {**os.environ, "HOME": nowhere, "HF_HOME": nowhere, "XDG_CACHE_HOME": nowhere}
    done = strangers().start(code=code, only=environment, cwd=ROOT).ended()
    assert done.returncode == 0 and json.loads(done.stdout) == [1.0, 1.0, 1.0], done.stderr


def test_importing_the_module_imports_no_metric_library():
    code = """
import json, sys
import autotune.metrics
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
    heavy = {
        "evaluate",
        "datasets",
        "torch",
        "transformers",
        "sklearn",
        "seqeval",
        "rouge_score",
        "sacrebleu",
        "numpy",
    }
    assert not heavy & set(python(code))
