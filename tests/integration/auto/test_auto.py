"""`autotune auto` as a whole: a search is planned, raced and decided, and its winner trained again."""

import json
import random
import re
from pathlib import Path

import pytest

from autotune.auto.schemas import Result
from autotune.cli.main import main
from autotune.config.load import load_config
from autotune.runtime.records import fault_of
from tests.integration.auto.searches import CHEAP, QUICK, auto, lines, result, reviews, steps_of, weights
from tests.support.forks import forks
from tests.support.runs import status


@pytest.fixture(scope="module")
def raced(place) -> Path:
    """A search with fine-tunings, folds and a test split."""
    auto(place, "apart", "trials=2", "auto.folds=2", "auto.models=[tiny]", "auto.space.C=[10]", "auto.space.rungs=[0.5,1]",
         "trainer.epochs=2", "name=raced")  # fmt: skip
    return place / "runs" / "raced"


def test_a_search_leaves_the_best_model_and_the_evidence(raced, place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    result = json.loads((raced / "result.json").read_text())
    assert fault_of(result, Result) is None
    assert status(raced)["state"] == "finished"
    board = lines(raced / "leaderboard.jsonl")
    assert {line["kind"] for line in board} == {"trivial", "cheap", "full"}
    assert [line["fate"] for line in board].count("leads") == 1
    complete = {
        line["trial"]: line["score"] for line in board if line["share"] == 1 and line["kind"] != "trivial"
    }
    assert result["winner"]["trial"] == max(complete, key=complete.get)
    assert {decision["id"] for decision in lines(raced / "decisions.jsonl")} >= {
        "task",
        "text",
        "label",
        "folds",
        "winner",
        "refit",
    }
    assert result["test"]["rows"] == 12 and result["chosen"]["rows"] == 40
    assert (raced / "report.html").stat().st_size > 10_000
    assert main(["predict", str(raced / "best"), "--text", "péssimo, odiei"]) == 0
    assert "bom" in capsys.readouterr().out
    assert weights(raced / "best") == weights(raced / result["winner"]["run"] / "model")


def test_only_the_winners_run_has_seen_test_and_nothing_was_trained_twice(raced):
    winner = raced / json.loads((raced / "result.json").read_text())["winner"]["run"]
    assert [run.parent for run in raced.glob("trials/*/predictions_test.jsonl")] == [winner]
    test = {line["id"] for line in lines(winner / "predictions_test.jsonl")}
    for run in raced.glob("trials/*/predictions_paused.jsonl"):
        assert not test & {line["id"] for line in lines(run)}, run
    raced_runs = [run.parent for run in raced.glob("trials/*/predictions_paused.jsonl")]
    reached = {run: load_config(run / "config.yaml").trainer.pause_at for run in raced_runs}
    planned = {run: max(line["step"] for line in lines(run / "history.jsonl")) for run in raced_runs}
    assert len(raced_runs) == 4 and set(reached.values()) <= {0.5, 1.0}
    assert steps_of(raced_runs) == sum(planned.values())  # each step is there once


def test_the_winner_is_trained_again_from_its_experiment(raced, place):
    done = (
        forks().start("--config-dir", raced / "config", "experiment=winner", "runs=again", cwd=place).ended()
    )
    assert done.returncode == 0, done.stderr
    (run,) = (place / "again").glob("sentiment-*")
    assert weights(run / "model") == weights(raced / "best")


def test_a_fine_tuned_model_wins_alone_and_is_trained_again_to_the_same_bytes(place):
    auto(place, "reviews.csv", "trials=1", "auto.folds=2", "auto.models=[tiny]", "auto.candidates=[full]", "auto.space.rungs=[1]",
         "trainer.epochs=2", "trainer.learning_rate=5e-3", *QUICK, "name=full")  # fmt: skip
    folder = place / "runs" / "full"
    result = json.loads((folder / "result.json").read_text())
    assert result["winner"]["kind"] == "full" and result["test"] is None
    config = load_config(folder / result["winner"]["run"] / "config.yaml")
    assert config.dataset.fold is None and config.dataset.validation_fraction == 0  # all rows
    done = (
        forks()
        .start("--config-dir", folder / "config", "experiment=winner", "runs=full-again", cwd=place)
        .ended()
    )
    assert done.returncode == 0, done.stderr
    (run,) = (place / "full-again").glob("sentiment-*")
    assert weights(run / "model") == weights(folder / "best")


def cheap_search(place: Path, language: str) -> str:
    """A search without a test split in English or Portuguese; what it prints."""
    words = [*CHEAP, "auto.folds=2", f"name=card-{language}", f"hub.language={language}"]
    return auto(place, "reviews.csv", *words, AUTOTUNE_LANG=language)


@pytest.fixture(scope="module")
def unreported(place) -> str:
    """One whose report cannot be written; what it prints."""
    (place / "runs" / "card-en" / "report.html").mkdir(parents=True)
    return cheap_search(place, "en")


def test_without_a_test_split_card_and_report_show_the_score_of_the_folds(place, unreported):
    """The winner has learned from all rows, so its score on them says nothing."""
    for language, split, said in (
        ("en", "0.", "each predicted by a model that was trained without its fold"),
        ("pt", "0,", "cada uma prevista por um modelo treinado sem a sua dobra"),
    ):
        printed = unreported if language == "en" else cheap_search(place, language)
        assert ("escolhido" if language == "pt" else "chosen") not in printed
        folder = place / "runs" / f"card-{language}"
        result = json.loads((folder / "result.json").read_text())
        run = folder / result["winner"]["run"]
        chosen = result["chosen"]
        assert json.loads((run / "metrics.json").read_text())["train"]["macro_f1"] > chosen["score"]
        card = (folder / "best" / "README.md").read_text()
        assert card == (run / "model" / "README.md").read_text()
        assert (
            "split: cross-validation" in card
            and "split: train" not in card
            and f"value: {chosen['corrected']}" in card
        )
        results = card.partition("## Resultados" if language == "pt" else "## Results")[2].partition("\n## ")[
            0
        ]
        shown = [
            f"{value:.4f}".replace("0.", split, 1) for value in (chosen["corrected"], *chosen["interval"])
        ]
        assert all(number in results for number in shown) and said in results
        assert results.count("| `") == 1  # of all figures the one that chose
        assert ("classe majoritária |" if language == "pt" else "majority class |") in results
        page = (run / "report.html").read_text()
        assert f'<div class="score">{shown[0]}</div>' in page


def test_a_report_that_cannot_be_written_costs_no_result(place, unreported):
    assert "the report could not be written: " in unreported
    assert status(place / "runs" / "card-en")["state"] == "finished"
    assert (place / "runs" / "card-en" / "result.json").exists()


@pytest.fixture(scope="module")
def planted(place) -> Path:
    """Texts in which one of two words is before the other, and words between them: the order says the class, no word or pair
    of neighboring words does."""
    drawn = random.Random(0)
    rows = ["text,label"]
    for number in range(160):
        first, second = ("antes", "depois") if number % 2 else ("depois", "antes")
        words = drawn.choices(["casa", "dia", "loja", "caixa", "rua", "hora", "mesa", "livro"], k=4)
        rows.append(f"{words[0]} {first} {words[1]} {words[2]} {second} {words[3]},{'ab'[number % 2]}")
    (place / "order.csv").write_text("\n".join(rows), encoding="utf-8")
    return place / "order.csv"


TINY = ("trials=1", "auto.folds=2", "auto.models=[tiny]", "auto.space.C=[10]", "auto.space.rungs=[1]",
        "trainer.batch_size=8", "trainer.min_steps=0", *QUICK)  # fmt: skip


def test_where_the_order_of_words_decides_the_network_wins(planted, place, capsys):
    printed = auto(place, planted, *TINY, "trainer.epochs=4", "trainer.learning_rate=5e-3", "name=order")
    folder = place / "runs" / "order"
    result = json.loads((folder / "result.json").read_text())
    assert result["winner"]["kind"] == "full" and result["chosen"]["corrected"] > 0.95
    (cheap,) = [other for other in result["beside"] if other["trial"] == "tfidf C=10"]
    assert cheap["score"] < 0.7 and cheap["difference_interval"][0] > 0.2
    assert "better than tfidf C=10 beyond chance: +0." in printed
    for text, label in (("rua antes mesa dia depois loja", "b"), ("rua depois mesa dia antes loja", "a")):
        assert main(["predict", str(folder / "best"), "--text", text]) == 0
        assert f'"{label}"' in capsys.readouterr().out.partition('"prediction":')[2][:5]


def test_where_words_decide_the_cheap_model_wins_and_is_the_result(place, capsys):
    printed = auto(
        place, "reviews.csv", *TINY, "trainer.epochs=1", "trainer.learning_rate=1e-5", "name=words"
    )
    folder = place / "runs" / "words"
    result = json.loads((folder / "result.json").read_text())
    assert result["winner"]["trial"] == "tfidf C=10"
    (network,) = [other for other in result["beside"] if other["trial"].startswith("tiny")]
    assert network["difference_interval"][0] > 0
    assert (
        f"no fine-tuned model is better; the best of them is {network['trial']}: +{network['difference']:.4f} ["
        in printed
    )
    assert json.loads((folder / "best" / "autotune.json").read_text())["baseline"] == "tfidf"
    assert main(["predict", str(folder / "best"), "--text", "o produto chegou, adorei"]) == 0
    assert "bom" in capsys.readouterr().out


def test_with_one_validation_split_the_winners_run_continues(place):
    auto(place, "apart", "trials=1", "auto.folds=1", "auto.models=[tiny]", "auto.candidates=[full]", "auto.space.rungs=[0.5,1]",
         "trainer.epochs=2", *QUICK, "name=split")  # fmt: skip
    folder = place / "runs" / "split"
    result = json.loads((folder / "result.json").read_text())
    assert [run.name for run in folder.glob("trials/sentiment*")] == [Path(result["winner"]["run"]).name]
    run = folder / result["winner"]["run"]
    assert load_config(run / "config.yaml").task.calibrate == "temperature"
    steps = [line["step"] for line in lines(run / "history.jsonl") if "loss" in line]
    assert steps == sorted(set(steps))
    assert {
        line["folds"] for line in map(dict, lines(folder / "leaderboard.jsonl")) if line["kind"] == "full"
    } == {None}


@pytest.mark.parametrize("refit", ["true", "false"])
def test_a_cheap_winner_learns_from_the_validation_split_that_judged_it_too(place, refit):
    auto(place, "reviews.csv", *CHEAP, "auto.folds=1", f"auto.refit={refit}", *QUICK, f"name=whole-{refit}")
    folder = place / "runs" / f"whole-{refit}"
    found = json.loads((folder / "result.json").read_text())
    config = load_config(folder / found["winner"]["run"] / "config.yaml")
    assert (config.dataset.validation_fraction == 0) == (refit == "true")
    decided = [line for line in lines(folder / "decisions.jsonl") if line["id"] == "refit"]
    assert [line["value"] for line in decided] == [True] * (refit == "true")
    assert found["test"] is None and found["chosen"]["rows"] < 40
    assert "risk_coverage" in (folder / "best" / "autotune.json").read_text()
    card = (folder / "best" / "README.md").read_text()
    assert (
        f"{found['chosen']['rows']} linhas da validação, previstas por um modelo que não tinha aprendido com elas"
        in card
    )
    replayed = place / "runs" / f"again-{refit}"
    auto(place, f"replay={folder}", f"name={replayed.name}", "runs=runs")
    assert weights(replayed / "best") == weights(folder / "best")


def test_a_users_validation_split_is_never_learned_from(place):
    (place / "own").mkdir()
    (place / "own" / "train.csv").write_text(reviews(30), encoding="utf-8")
    (place / "own" / "validation.csv").write_text(reviews(20, first=100), encoding="utf-8")
    auto(place, "own", *CHEAP, "auto.folds=1", "dataset.validation_fraction=0.5", *QUICK, "name=own")
    assert "refit" not in {line["id"] for line in lines(place / "runs" / "own" / "decisions.jsonl")}
    found = json.loads((place / "runs" / "own" / "result.json").read_text())
    assert found["chosen"]["rows"] == 20
    run = json.loads((place / "runs" / "own" / found["winner"]["run"] / "data.json").read_text())
    assert run["rows"] == {"train": 30, "validation": 20}


def test_if_every_fine_tuning_fails_a_cheap_model_wins(place):
    printed = auto(place, "reviews.csv", "trials=1", "auto.folds=2", "auto.models=[tiny]", "auto.space.C=[10]",
                   "auto.space.rungs=[1]", "trainer.epochs=2", "trainer.precision=fp16", *QUICK, "name=failing")  # fmt: skip
    assert "failed: " in printed
    result = json.loads((place / "runs" / "failing" / "result.json").read_text())
    assert result["winner"]["kind"] == "cheap"


@pytest.mark.parametrize(
    ("data", "metric"), [("sample/ner", "entity_f1"), ("sample/summarization", "rougeL")]
)
def test_other_tasks(data, metric, place):
    auto(place, data, *CHEAP, "auto.folds=2", "dataset.limit=20", *QUICK, f"name={metric}")
    result = json.loads((place / "runs" / metric / "result.json").read_text())
    assert result["metric"] == metric and result["winner"]["kind"] == "cheap"
    assert fault_of(result, Result) is None


def test_an_unknown_model_is_named_before_anything_is_trained(place, tmp_path):
    printed = auto(
        place,
        "reviews.csv",
        "auto.models=[tiny,bertimbau_bas]",
        "trials=1",
        f"runs={tmp_path / 'none'}",
        code=2,
    )
    assert "model=bertimbau_base" in printed and not list(tmp_path.rglob("best"))


def test_a_time_of_seconds_gives_a_cheap_model_and_says_what_there_was_no_time_for(place):
    printed = auto(
        place,
        "reviews.csv",
        "time=1s",
        "auto.folds=2",
        "auto.models=[tiny]",
        "auto.space.C=[10]",
        *QUICK,
        "name=seconds",
    )
    result = json.loads((place / "runs" / "seconds" / "result.json").read_text())
    assert result["winner"]["trial"] == "tfidf C=10" and result["chosen"]["candidates"] == 1
    needed = re.search("tiny: there is no time to measure it: at least ([0-9]+) min are needed", printed)
    assert needed and f"to change it: time={needed[1]}m" in printed
    assert printed.index("usable now: ") < printed.index("no base model is tried")
    assert "the only candidate that was trained to its end" in printed


def test_a_dry_run_writes_nothing(place, tmp_path):
    printed = auto(place, "reviews.csv", "--dry-run", *CHEAP, f"runs={tmp_path / 'none'}")
    assert "comentario" in printed and "tfidf" in printed
    assert not list(tmp_path.rglob("auto.yaml")) and not list(tmp_path.rglob("best"))


def test_a_folder_without_a_search_is_refused(place, capsys):
    assert "autotune auto has not made this folder" in auto(place, "resume=apart", code=2)
    assert main(["auto", "replay=apart", "trainer.epochs=3"]) == 2
    assert "an earlier search continues as it was planned" in capsys.readouterr().err


HELD_OUT = ("reviews.csv", *CHEAP, "auto.folds=2", "auto.test_fraction=0.3", "check=none", "guard=none")
"""A search that holds test rows out by itself."""


def test_a_cheap_winner_learns_from_the_test_rows_once_they_are_scored(place):
    printed = auto(place, *HELD_OUT, "hub.language=en", "name=learned", AUTOTUNE_LANG="en")
    folder = place / "runs" / "learned"
    found, run = result(folder), folder / result(folder)["winner"]["run"]
    assert fault_of(found, Result) is None and "then it learned from these rows, too" in printed
    (scored,) = (path.parent for path in folder.glob("trials/*/predictions_test.jsonl"))
    metrics = json.loads((scored / "metrics.json").read_text())["test"]
    assert found["test"]["learned"] and found["test"]["score"] == metrics[found["metric"]]
    assert rows_of(scored)["test"] == found["test"]["rows"] and rows_of(run) == {"train": 40}
    assert weights(folder / "best") == weights(run / "model") != weights(scored / "model")
    card, score = (folder / "best" / "README.md").read_text(), f"{found['test']['score']:.4f}"
    said = f"The score is that of {found['test']['rows']} rows of test, predicted by the model before it was trained once more"
    assert said in card and score in card and "split: held-out rows" in card and "majority class" in card
    for page in (folder, run):
        html = (page / "report.html").read_text()
        assert "the model was trained once more, with them" in html and score in html, page
    auto(place, f"replay={folder}", "name=learned-again", "runs=runs")
    assert weights(place / "runs" / "learned-again" / "best") == weights(folder / "best")
    order = forks().start(
        "--config-dir", folder / "config", "experiment=winner", "runs=learned-winner", cwd=place
    )
    assert order.ended().returncode == 0
    (again,) = (place / "learned-winner").glob("sentiment-*")
    assert weights(again / "model") == weights(folder / "best")


@pytest.mark.parametrize(
    ("words", "faults", "learned"),
    [(["auto.refit_test=false"], {}, None), ([], {"train dataset.test_fraction=0": "damaged"}, False)],
)
def test_the_test_rows_may_stay_out(place, words, faults, learned):
    name = "apart-" + "".join(map(str, words))[-5:]
    auto(place, *HELD_OUT, *words, f"name={name}", "report=none", faults=faults)
    folder = place / "runs" / name
    found = result(folder)
    assert not found["test"]["learned"] and "test" in rows_of(folder / found["winner"]["run"])
    decided = [line["value"] for line in lines(folder / "decisions.jsonl") if line["id"] == "refit_test"]
    assert decided == ([] if learned is None else [learned])
    assert "split: test" in (folder / "best" / "README.md").read_text()


def rows_of(run: Path) -> dict[str, int]:
    """Rows of each split."""
    rows: dict[str, int] = json.loads((run / "data.json").read_text())["rows"]
    return rows
