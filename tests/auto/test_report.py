"""report.html of an auto folder: whole, safe, in both languages, of finished and unfinished searches, from its files alone."""

import copy
import json
import re
from importlib.resources import files

import pytest

from autotune.auto.folder import read_auto
from autotune.auto.report import GROUPS, render
from autotune.auto.schemas import Measurement, Result
from autotune.cli.main import main
from autotune.config.enums import CardLanguage
from autotune.reporting.dots import WIDTH, scale
from autotune.reporting.texts import catalogue
from tests.support.auto_folder import DECISIONS, LEADERBOARD, RESULT, measurement, write_auto
from tests.support.page import Page

EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)> {{ 7 * 7 }}'
NEURAL = "bertimbau_base 5e-5"
ALONE = RESULT["chosen"] | {"candidates": 1, "corrected": 0.664}
TFIDF = {"trial": "tfidf C=10", "kind": "cheap", "run": None, "overrides": ["model=tfidf"]}


def changed(**values):
    """The result with other values at some keys."""
    return copy.deepcopy(RESULT) | values


def page_of(folder, language="en"):
    return Page(render(read_auto(folder), CardLanguage(language)))


def words_of(folder, language="en"):
    return " ".join(page_of(folder, language).text.split())


@pytest.fixture
def folder(tmp_path):
    return write_auto(tmp_path / "auto-reviews-1f3a")


ENGLISH = [
    "0.6710", "95 % interval: 0.6370 to 0.7030", "best of 24 candidates: 0.6581", "would promise 0.6640",
    "The 824 test rows were scored once", "better than tfidf C=10 (0.6180) by 0.0530", "is 81 %; that of tfidf C=10 is 19 %",
    "majority class 0.1100", "+0.5610", "541.2 s of the 600 s", "temperature 1.31",
    "from 0.0900 to 0.0300", "5.0 % 0.830 58 %", "best FILE --max-error 0.05",
    "With 2 times as many labeled rows", "41 rows, listed in",
    "Over 3 seeds", "experiment=winner", "replay=", "dataset.columns.text=titulo", "Varma & Simon 2006", "your command",
    "2e-05, 5e-05, 0.0001", "of_a_newer_version true", "time: 600",
]  # fmt: skip
PORTUGUESE = ["0,6710", "classe majoritária 0,1100", "rótulos que parecem errados", "Levou 541,2 s dos 600 s pedidos",
              "falhou: uma só classe", "coluna do rótulo state", "seus dados"]  # fmt: skip


@pytest.mark.parametrize(("language", "expected"), [("en", ENGLISH), ("pt", PORTUGUESE)])
def test_the_page_shows_what_the_files_say_and_needs_nothing_else(folder, language, expected, capsys):
    assert main(["report", str(folder), "--language", language]) == 0
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    text = (folder / "report.html").read_text("utf-8")
    page = Page(text)
    assert [words for words in expected if words not in " ".join(page.text.split())] == []
    assert all(address.startswith("#") for address in page.addresses)
    assert not page.handlers and not {"script", "img", "link", "iframe"} & set(page.tags)
    assert "default-src 'none'" in text
    assert main(["report", str(folder), "--language", language]) == 0
    assert (folder / "report.html").read_text("utf-8") == text


def test_why_a_model_is_left_out_is_said_in_the_readers_language(tmp_path):
    models = {"id": "models", "value": "tiny", "because": "you named them", "source": "you",
              "alternatives": ["distil/there is no 1: it does not fit into the time: about 6 min are needed"]}  # fmt: skip
    folder = write_auto(tmp_path / "auto", decisions=[models])
    assert "distil/there is no 1: it does not fit into the time: about 6 min are needed" in words_of(folder)
    assert "distil/there is no 1: não cabe no tempo: são precisos cerca de 6 min" in words_of(folder, "pt")


def test_the_page_is_in_the_users_language(folder, monkeypatch, tmp_path):
    for language, title in (("pt", "Classificação"), ("en", "Leaderboard")):
        monkeypatch.setenv("AUTOTUNE_LANG", language)
        assert main(["report", str(folder), "-o", str(tmp_path / "page.html")]) == 0
        assert title in (tmp_path / "page.html").read_text("utf-8")
    assert not (folder / "report.html").exists()


def test_markup_in_names_stays_text(tmp_path):
    decisions = [
        decision | {"value": EVIL, "because": EVIL, "source": EVIL, "override": EVIL}
        for decision in DECISIONS
    ]
    board = [line | {"trial": EVIL + str(number), "because": EVIL} for number, line in enumerate(LEADERBOARD)]
    result = changed(
        data=EVIL, metric=EVIL, suspects={"rows": 1, "file": EVIL}, commands={"use": EVIL, "again": EVIL}
    )
    result["winner"]["trial"] = EVIL
    result["beside"][0]["trial"] = EVIL
    for language in CardLanguage:
        page = page_of(write_auto(tmp_path / f"<b>{language}", result, decisions, board), language)
        assert not page.handlers and not {"script", "img", "b>"} & set(page.tags)
        assert EVIL in page.text


def test_the_winner_is_first_and_dropped_and_failed_trials_are_last(folder):
    board = read_auto(folder).leaderboard()
    assert [line["trial"] for line in board] == [
        NEURAL, "tfidf C=10", "majority class", "tiny 2e-5", "bertimbau_base 1e-4",
    ]  # fmt: skip
    assert [line["fate"] for line in board] == ["finished", "finished", "finished", "dropped", "failed"]
    assert board[0]["score"] == 0.664 and board[0]["share"] == 1.0


def test_errors_that_should_be_small_are_sorted_the_other_way(tmp_path):
    board = [
        measurement(name, "cheap", score, "finished")
        for name, score in (("a", 0.9), ("b", 0.1), (NEURAL, 0.5))
    ]
    folder = write_auto(tmp_path / "auto", changed(metric="mae", greater_is_better=False), leaderboard=board)
    assert [line["trial"] for line in read_auto(folder).leaderboard()] == [NEURAL, "b", "a"]


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (changed(test=None), "corrected for choosing the best of 24 candidates"),
        (changed(test=None, chosen=ALONE), "the score is that of rows that the model had not learned from."),
        (changed(test={"rows": 58, "score": 0.5, "interval": [0.4, 0.6]}), "Only 58 rows were scored"),
        (changed(beside=[RESULT["beside"][1] | {"difference_interval": [-0.01, 0.1]}]), "may be chance"),
        (changed(beside=[RESULT["beside"][1] | {"difference": -0.05, "difference_interval": [-0.1, -0.01]}]), "is better"),
        (changed(time={"asked": 60, "used": 100.0}), "It took 40 s longer than asked"),
        (changed(winner=TFIDF), "tfidf C=10 won: no fine-tuned model was better"),
    ],
)  # fmt: skip
def test_what_speaks_for_and_against_the_result_is_stated(tmp_path, result, sentence):
    assert sentence in words_of(write_auto(tmp_path / "auto", result))


def test_without_a_test_split_the_headline_is_the_corrected_score(tmp_path):
    words = words_of(write_auto(tmp_path / "auto", changed(test=None)))
    assert "macro_f1, corrected for choosing 0.6581 95 % interval: 0.6400 to 0.6900 (3,296 rows)" in words


def test_one_candidate_is_no_choice(tmp_path):
    for number, test in enumerate((None, RESULT["test"])):
        folder = write_auto(tmp_path / f"auto-{number}", changed(test=test, chosen=ALONE))
        for language, said in (
            ("en", "corrected for choosing|choice would promise|best of"),
            ("pt", "escolha prometeria|o melhor de"),
        ):
            assert not re.search(said, words_of(folder, language).partition("Leaderboard")[0])
    assert "Before the test: 0.6640 (95 % interval 0.6400 to 0.6900)." in words_of(folder)


def test_what_was_not_computed_is_left_out(tmp_path):
    names = ("seeds", "calibration", "coverage", "more_labels", "suspects", "test")
    bare = changed(**dict.fromkeys(names), beside=[], time={"asked": None, "used": None})
    board = [line for line in LEADERBOARD if line["kind"] != "full"]
    words = words_of(
        write_auto(tmp_path / "auto", bare, leaderboard=[line | {"seconds": None} for line in board])
    )
    assert "Nothing else was computed" in words and "No fine-tuned model was scored" in words
    assert not re.search("Calibration|--max-error|label_fixes|It took|Best score so far", words)


@pytest.mark.parametrize("lines", [LEADERBOARD, []])
def test_an_unfinished_search_shows_what_there_is_and_how_to_continue(tmp_path, lines, capsys):
    folder = write_auto(tmp_path / "auto", None, DECISIONS if lines else [], lines)
    assert main(["report", str(folder), "--language", "en"]) == 0
    words = " ".join(Page((folder / "report.html").read_text("utf-8")).text.split())
    assert f"autotune auto resume={folder}" in words
    assert ("tfidf C=10" in words) is bool(lines)
    assert ("Nothing has been measured yet" in words) is not bool(lines)


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("result.json", "{", "not JSON"),
        ("result.json", json.dumps(RESULT | {"time": None}), "time: "),
        ("result.json", json.dumps(RESULT | {"test": {"rows": 1, "score": 0.5, "interval": [0.1]}}), "test.interval: "),
        ("leaderboard.jsonl", "", "there is no leaderboard.jsonl, or it is empty"),
        ("leaderboard.jsonl", json.dumps(LEADERBOARD[0] | {"fate": "unknown"}), "line 1: fate: "),
        ("leaderboard.jsonl", json.dumps(LEADERBOARD[0] | {"score": "0.5"}), "line 1: score: "),
        ("decisions.jsonl", json.dumps(DECISIONS[0]) + "\n{}", "line 2: id: the key is missing"),
        ("auto.yaml", b"\xff", "not UTF-8"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(folder, name, content, found, capsys):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(["report", str(folder)]) == 2
    error = capsys.readouterr().err
    assert str(folder / name) in error and found in error and f"autotune auto resume={folder}" in error
    assert not (folder / "report.html").exists()


def test_a_folder_without_auto_yaml_is_not_one(folder, capsys):
    (folder / "auto.yaml").unlink()
    assert main(["report", str(folder)]) == 2
    assert "there is no run in this folder" in capsys.readouterr().err


def test_every_name_has_a_text_and_no_text_is_left_over():
    package = files("autotune")
    code = "".join(package.joinpath(*path).read_text("utf-8") for path in (
        ("assets", "report", "auto.html.jinja"), ("auto", "trust.py"), ("auto", "report.py")))  # fmt: skip
    keys = set(re.findall(r'"(auto_[a-z]\w*[a-z])"', code)) | {
        f"auto_id_{name}" for names in GROUPS.values() for name in names
    }
    keys |= {
        f"auto_{name}_{value}"
        for name in ("kind", "fate")
        for value in Measurement.model_fields[name].annotation.__args__
    }
    keys |= {f"auto_source_{name}" for name in ("data", "you")} | {
        f"auto_command_{name}" for name in RESULT["commands"]
    }
    assert keys == {key for key in catalogue() if key.startswith("auto_")}


def test_a_dot_and_its_interval_are_inside_of_the_drawing():
    axis = scale([0.2, None, 0.8], mark=0.5)
    drawn = axis.draw(0.2, [0.2, 0.8])
    places = [float(place) for place in re.findall(r'(?:M|H|cx=")([\d.]+)', drawn)]
    assert len(places) == 4 and all(0 < place < WIDTH for place in places)
    assert places[0] == WIDTH / 2
    assert axis.draw(None, None) == ""
    assert 'cx="120.0"' in scale([0.5]).draw(0.5, None)


def test_the_fixture_has_the_form_of_the_schemas():
    assert Result.model_validate(RESULT).winner.trial == NEURAL
    assert set(RESULT) == set(Result.model_fields)
    assert set(LEADERBOARD[0]) == set(Measurement.model_fields)
