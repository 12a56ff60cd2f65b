"""A search that has no time for a fine-tuning on all folds: all candidates are judged on the rows of the first ones."""

import pytest

from autotune.auto.board import Board
from autotune.auto.cheap import cross_fitted
from autotune.auto.decide import choice
from autotune.auto.judging import open_judging
from autotune.auto.ledger import CountingLedger
from autotune.auto.plan import Plan, read_plan
from autotune.auto.race import Race
from autotune.auto.record import SearchFolder
from autotune.auto.trial import Trial
from autotune.config.auto_words import read_auto

CHEAP = Trial("tfidf", "cheap", ("model=tfidf",), (1.0,), None)
ALONE = Trial("net", "full", (), (1.0,), 40.0, 2)


class Trainer:
    """Trains the cheap model; the other one predicts what is right."""

    def __init__(self, judging):
        self.judging = judging

    def predictions(self, trial, share, folds):
        if trial.kind == CHEAP.kind:
            return cross_fitted(self.judging, trial)
        rows = self.judging.gold_rows
        return [
            (row, {"id": rows[row]["id"], "prediction": rows[row]["label"]})
            for row in self.judging.positions(folds)
        ]

    def run_of(self, trial, folds):
        return None


def test_all_candidates_are_compared_and_corrected_on_the_same_rows(tmp_path):
    rows = [
        f"texto palavra{number * 7 % 31} aqui outra{number * 3 % 17},{'ab'[number % 2]}"
        for number in range(60)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *rows]))
    words = ("task=sentiment", "dataset=csv", f"dataset.path={tmp_path / 'rows.csv'}")
    config, _ = read_auto([str(tmp_path / "rows.csv"), "time=1m"])
    with SearchFolder(tmp_path / "auto") as folder:
        folder.write_settings(Plan(config, words, 5, (CHEAP, ALONE)).as_dict())
        plan = read_plan(tmp_path / "auto")
        judging = open_judging(plan.words, plan.folds, str(tmp_path), plan.judged)
        board = Board(folder, judging)
        events = list(Race(plan.trials, board, Trainer(judging), CountingLedger()).run())
    assert judging.all_folds == judging.rung_folds == (1, 2)
    count = len(judging.positions((1, 2)))
    assert 20 <= count <= 28
    assert [(event.entry.trial, event.entry.folds, event.entry.rows) for event in events] == [
        ("tfidf", [1, 2], count), ("net", [1, 2], count),
    ]  # fmt: skip
    assert [entry.fate for entry in board.entries] == ["finished", "leads"]
    figures = choice(board, board.leader(), plan.trials)
    assert figures["rows"] == count and figures["score"] == pytest.approx(1.0)
    # The run of a fold still leaves out one of five.
    assert judging.fold_words(2)[0] == "dataset.fold=2/5"
