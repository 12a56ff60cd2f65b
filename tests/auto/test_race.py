"""The race itself: predictions are made up here, so that nothing is trained and each decision can be looked at."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from autotune.auto import ledger as ledgers
from autotune.auto.board import Board
from autotune.auto.decide import choice, ranking, spread_of_seeds
from autotune.auto.judging import Judging, open_judging
from autotune.auto.ledger import CountingLedger, Ledger, ReplayLedger
from autotune.auto.race import NO_TIME, SAME_PREDICTION, WORSE, Dropped, Event, Race
from autotune.auto.record import SearchFolder, read_entries
from autotune.auto.trial import Trial
from autotune.auto.trials import Failed, OutOfTime
from autotune.config.auto import Goal

ROWS = 120
RUNGS = (0.25, 0.5, 1.0)


@pytest.fixture(scope="module")
def judging(tmp_path_factory) -> Judging:
    """120 rows of two classes in three folds."""
    folder = tmp_path_factory.mktemp("data")
    words = [
        f"palavra{number} outra{number * 7 % 31} mais{number * 3 % 17},{'ab'[number % 2]}"
        for number in range(ROWS)
    ]
    (folder / "rows.csv").write_text("\n".join(["text,label", *words]))
    overrides = ["task=sentiment", "dataset=csv", f"dataset.path={folder / 'rows.csv'}"]
    return open_judging(overrides, 3, str(folder))


class MadeUp:
    """Predicts the gold value of as many rows as `right` says, by trial and share of the schedule.

    Args:
        judging: rows.
        right: share of right predictions by trial; or one for each share of the schedule.
    """

    def __init__(self, judging: Judging, right: Mapping[str, float | Mapping[float, float]]) -> None:
        self._judging, self._right = judging, right
        self.asked: list[tuple[str, float]] = []

    def predictions(
        self, trial: Trial, share: float, folds: object
    ) -> Iterable[tuple[int, dict[str, object]]]:
        self.asked.append((trial.name, share))
        right = self._right[trial.name]
        if right == 0:
            raise Failed("no weights")
        level = right[share] if isinstance(right, Mapping) else right
        for position in self._judging.positions(folds):
            gold = self._judging.gold_rows[position]["label"]
            wrong = (position * 37 + len(trial.name) * 11) % 100 >= 100 * level
            label = "b" if (gold == "a") == wrong else "a"
            yield position, {"id": str(position), "prediction": "a" if level < 0 else label}

    def run_of(self, trial: Trial, folds: object) -> str | None:
        return None


def full(name: str, *words: str, estimate: float | None = None) -> Trial:
    return Trial(name, "full", words, RUNGS, estimate)


def cheap(name: str) -> Trial:
    return Trial(name, "cheap", (), (1.0,), None)


def run(
    path: Path, judging: Judging, trials: list[Trial], right: Mapping, budget=None
) -> tuple[list[Event], Board, MadeUp]:
    trainer = MadeUp(judging, right)
    with SearchFolder(path) as folder:
        board = Board(folder, judging)
        events = list(Race(trials, board, trainer, budget or CountingLedger()).run())
    return events, board, trainer


def test_cheap_models_come_first_and_the_worse_half_is_dropped(tmp_path, judging):
    trials = [cheap("tfidf"), *(full(f"net {number}") for number in range(4))]
    right = {"tfidf": 0.7, "net 0": 0.55, "net 1": 0.95, "net 2": 0.6, "net 3": 0.9}
    events, board, trainer = run(tmp_path / "auto", judging, trials, right)
    assert events[0].entry.trial == "tfidf"
    dropped = {event.trial.name: event.entry for event in events if isinstance(event, Dropped)}
    assert dropped.keys() >= {"net 0", "net 2"}
    assert {dropped[name].because for name in ("net 0", "net 2")} == {WORSE}
    assert [share for name, share in trainer.asked if name == "net 1"] == list(RUNGS)
    assert ("net 0", 0.5) not in trainer.asked
    assert board.leader().trial == "net 1"
    assert [entry.fate for entry in board.entries if entry.trial == "tfidf"] == ["finished"]


@dataclass
class Clock:
    """A clock that goes only when it is told to."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


class Slow(MadeUp):
    """Takes so many times as long as was expected, and stops when the ledger says so; a cheap model takes four seconds.

    Args:
        clock: goes on by seconds.
        ledger: the time.
        factor: how many times as long.
        made: the other arguments.
    """

    def __init__(self, clock: Clock, ledger: Ledger, factor: float, *made: Any) -> None:
        super().__init__(*made)
        self._clock, self._ledger, self._factor = clock, ledger, factor
        self._reached: dict[str, float] = {}

    def predictions(self, trial, share, folds):
        part = share - self._reached.get(trial.name, 0.0)
        seconds = math.ceil(part * trial.estimate * self._factor) if trial.kind == "full" else 4
        for _ in range(seconds):
            self._clock.now += 1
            if trial.kind == "full" and self._ledger.expired():
                raise OutOfTime("the time is up")
        self._reached[trial.name] = share
        return super().predictions(trial, share, folds)


@pytest.mark.parametrize("factor", [0.5, 1, 3, 10, 1000])
@pytest.mark.parametrize("seconds", [1, 60, 600])
def test_however_wrong_the_expected_cost_is_a_search_ends_in_time(
    factor, seconds, tmp_path, judging, monkeypatch
):
    """At most 5 % and 20 s after it; 12 % of it are in reserve for what follows the race."""
    clock = Clock()
    monkeypatch.setattr(ledgers, "time", clock)
    trials = [
        cheap("tfidf"),
        cheap("tfidf C=1"),
        *(full(f"net {n}", "model=tiny", estimate=seconds / 4) for n in range(3)),
    ]
    right = {"tfidf": 0.6, "tfidf C=1": 0.6, "net 0": 0.7, "net 1": 0.9, "net 2": 0.8}
    with SearchFolder(tmp_path / "auto") as folder:
        ledger, board = Ledger(seconds, 0.12, 3), Board(folder, judging)
        trainer = Slow(clock, ledger, factor, judging, right)
        list(Race(trials, board, trainer, ledger, 0.1 * seconds).run())
    took = clock.now - 1000
    assert took <= 0.88 * seconds + 5
    winner = ranking(board, Goal.best)[0].trial
    assert (winner == "tfidf") == (factor >= 3 or seconds == 1)
    late = [entry.trial for entry in board.entries if entry.because == NO_TIME]
    assert bool(late) == (factor > 1 or seconds == 1)
    if winner != "tfidf":  # training on all rows takes as long as half of the folds
        assert took + factor * seconds / 4 / 2 <= seconds


def test_a_trial_that_may_still_be_the_best_is_not_dropped(tmp_path, judging):
    trials = [full("net 0"), full("other")]
    events, _, trainer = run(tmp_path / "auto", judging, trials, {"net 0": 0.8, "other": 0.81})
    assert not [event for event in events if isinstance(event, Dropped)]
    assert ("net 0", 1.0) in trainer.asked and ("other", 1.0) in trainer.asked


def test_a_trial_that_fails_or_collapses_is_named_and_the_others_go_on(tmp_path, judging):
    trials = [cheap("tfidf"), full("broken"), full("collapsed"), full("sound")]
    right = {"tfidf": 0.7, "broken": 0, "collapsed": -1, "sound": 0.9}
    events, board, _ = run(tmp_path / "auto", judging, trials, right)
    reasons = {
        event.trial.name: (event.entry.fate, event.entry.because)
        for event in events
        if isinstance(event, Dropped)
    }
    assert reasons == {"broken": ("failed", "no weights"), "collapsed": ("dropped", SAME_PREDICTION)}
    assert [entry.trial for entry in ranking(board, Goal.best)] == ["sound", "tfidf"]


def test_what_was_measured_is_not_trained_again(tmp_path, judging):
    """After a kill at any line of the leaderboard, only the rest is measured, and the leaderboard is the same."""
    trials = [cheap("tfidf"), full("net 0"), full("net 1"), full("broken")]
    right = {"tfidf": 0.7, "net 0": 0.5, "net 1": 0.95, "broken": 0}
    _, board, trainer = run(tmp_path / "whole", judging, trials, right)
    whole = (tmp_path / "whole" / "leaderboard.jsonl").read_text()
    for kept in range(len(board.entries)):
        path = tmp_path / f"killed-{kept}"
        first = MadeUp(judging, right)
        with SearchFolder(path) as folder:
            race = Race(trials, Board(folder, judging), first, CountingLedger()).run()
            for _ in race:
                if len(read_entries(path)) > kept:
                    break
        known = len(read_entries(path))
        with SearchFolder(path) as folder:
            race = Race(trials, Board(folder, judging), MadeUp(judging, {}), CountingLedger()).run()
            for _ in islice(race, known):  # also if it is killed before it has come to where it was
                assert len(read_entries(path)) == known
        _, _, second = run(path, judging, trials, right)
        assert (path / "leaderboard.jsonl").read_text() == whole
        assert sorted(first.asked + second.asked) == sorted(trainer.asked)  # none twice


class Short(CountingLedger):
    """Has no time for the schedule of one trial beyond a quarter."""

    def fits(self, trial, share, folds):
        return trial.name != "net 0" or share <= 0.25


def test_a_replay_leaves_out_what_there_was_no_time_for(tmp_path, judging):
    trials = [cheap("tfidf"), full("net 0"), full("network")]
    right = {"tfidf": 0.7, "net 0": 0.9, "network": 0.88}
    _, board, _ = run(tmp_path / "auto", judging, trials, right, Short())
    refused = [(entry.trial, entry.share, (1, 2, 3)) for entry in board.entries if entry.because == NO_TIME]
    assert refused == [("net 0", 0.5, (1, 2, 3))]
    _, again, _ = run(tmp_path / "replay", judging, trials, right, ReplayLedger(refused))
    assert again.entries == board.entries
    assert board.leader().trial == "network"


def test_a_small_model_wins_where_the_best_does_not_differ_beyond_chance(tmp_path, judging):
    trials = [cheap("tfidf"), full("net")]
    _, board, _ = run(tmp_path / "tied", judging, trials, {"tfidf": 0.8, "net": 0.82})
    assert [entry.trial for entry in ranking(board, Goal.best)] == ["net", "tfidf"]
    assert [entry.trial for entry in ranking(board, Goal.small)] == ["tfidf", "net"]
    _, board, _ = run(tmp_path / "clear", judging, trials, {"tfidf": 0.6, "net": 0.95})
    assert ranking(board, Goal.small)[0].trial == "net"


def test_the_chosen_score_is_corrected_for_the_choice(tmp_path, judging):
    trials = [cheap("tfidf"), *(full(f"net {'x' * number}") for number in range(6))]
    _, board, _ = run(tmp_path / "auto", judging, trials, {trial.name: 0.8 for trial in trials})
    figures = choice(board, board.leader(), trials)
    assert figures["candidates"] == 7 and figures["rows"] == ROWS
    assert figures["corrected"] < figures["score"] == board.leader().score
    assert figures["interval"][0] < figures["corrected"] < figures["interval"][1]
    assert sum(figures["chance_of_best"].values()) == pytest.approx(1)


def test_seeds_are_trials_that_differ_in_nothing_else(tmp_path, judging):
    trials = [
        full("net", "model=tiny"),
        full("net seed 43", "model=tiny", "seed=43"),
        full("other", "trainer.epochs=1"),
    ]
    _, board, _ = run(tmp_path / "auto", judging, trials, {"net": 0.8, "net seed 43": 0.82, "other": 0.81})
    spread = spread_of_seeds(board, trials)
    assert spread is not None and spread["count"] == 2 and spread["standard_deviation"] > 0
