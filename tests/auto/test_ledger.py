"""The time of a search: what fits, what trials really cost, and the twins that read no clock."""

import math
from collections.abc import Iterator

import pytest

from autotune.auto import ledger as ledgers
from autotune.auto.ledger import CountingLedger, Ledger, ReplayLedger, budget_of
from autotune.auto.trial import Trial
from autotune.config.auto_words import read_auto


class Clock:
    """A clock that goes only when it is told to."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(ledgers, "time", clock)
    return clock


def trial(name: str, estimate: float | None = 100.0, model: str = "tiny") -> Trial:
    return Trial(name, "full", (f"model={model}",), (0.25, 0.5, 1.0), estimate)


def test_a_part_of_a_trial_costs_its_share_from_where_it_is(clock):
    ledger = Ledger(1000, 0.1, None)
    assert ledger.left() == pytest.approx(900)
    assert ledger.cost(trial("a"), 0.25, None) == pytest.approx(25)
    with ledger.spending(trial("a"), 0.25, None):
        clock.now += 25
    assert ledger.cost(trial("a"), 0.25, None) == 0
    assert ledger.cost(trial("a"), 1.0, None) == pytest.approx(75)
    assert (ledger.elapsed(), ledger.left()) == (25, pytest.approx(875))


def test_folds_share_the_cost_and_are_counted_each(clock):
    ledger = Ledger(1000, 0.0, 5)
    assert ledger.cost(trial("a"), 1.0, (1, 2, 3, 4, 5)) == pytest.approx(100)
    ledger.reached(trial("a"), 0.5, (1, 2))
    assert ledger.cost(trial("a"), 1.0, (1, 2, 3)) == pytest.approx(40)


def test_what_trials_really_take_corrects_the_later_ones_of_the_same_model(clock):
    ledger = Ledger(1000, 0.0, None)
    with ledger.spending(trial("a"), 0.5, None):
        clock.now += 150  # three times as long as was measured
    assert ledger.cost(trial("b"), 0.5, None) == pytest.approx(150)
    with ledger.spending(trial("c", model="other"), 1.0, None):
        clock.now += 50
    assert ledger.cost(trial("d", model="other"), 1.0, None) == pytest.approx(50)
    # A model that has not been trained yet is taken to be as much slower as all others together.
    assert ledger.cost(trial("e", model="third"), 1.0, None) == pytest.approx(100 * 200 / 150)


@pytest.mark.parametrize(("used", "fits"), [(0, True), (675, True), (676, False)])
def test_with_folds_there_must_be_time_to_train_the_winner_on_all_rows(clock, used, fits):
    ledger = Ledger(1000, 0.2, 5)
    clock.now += used
    assert (
        ledger.fits(trial("a"), 1.0, (1, 2, 3, 4, 5)) is fits
    )  # 100 of the folds, 25 of all rows, 200 in reserve


def test_a_trial_must_stop_when_the_winner_could_not_be_trained_any_more(clock):
    ledger = Ledger(1000, 0.2, 5)
    with ledger.spending(trial("a"), 1.0, (1, 2, 3, 4, 5)):
        clock.now += 775
        assert not ledger.expired()
        clock.now += 1
        assert ledger.expired()
    assert not ledger.expired()
    clock.now += 25
    assert ledger.expired() and not ledger.over()
    clock.now += 200  # the reserve is for the final run
    assert ledger.over()


def test_a_trial_that_fails_is_not_taken_to_be_trained(clock):
    ledger = Ledger(1000, 0.0, None)
    with pytest.raises(RuntimeError), ledger.spending(trial("a"), 0.5, None):
        raise RuntimeError
    assert ledger.cost(trial("a"), 0.5, None) == pytest.approx(50)


def test_a_search_that_continues_has_less_time(clock):
    assert Ledger(1000, 0.1, None, spent=300).left() == pytest.approx(600)


def test_the_twins_read_no_clock(monkeypatch):
    monkeypatch.delattr(ledgers.time, "monotonic")
    for budget in (CountingLedger(), ReplayLedger([("a", 0.5, (1, 2)), ("a", 1.0, None)])):
        with budget.spending(trial("b"), 1.0, None):
            budget.reached(trial("b"), 1.0, None)
        assert (budget.elapsed(), budget.left(), budget.expired(), budget.over()) == (
            None,
            math.inf,
            False,
            False,
        )
        assert budget.fits(trial("b"), 1.0, None)
    replay = ReplayLedger([("a", 0.5, (1, 2)), ("a", 1.0, None)])
    assert [replay.fits(trial("a"), *place) for place in ((0.5, [1, 2]), (0.5, [1]), (1.0, None))] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("words", "kind"), [([], Ledger), (["time=null"], CountingLedger), (["trials=3"], CountingLedger)]
)
def test_the_settings_choose_the_budget(words, kind):
    assert type(budget_of(read_auto(["rows.csv", *words])[0], 5)) is kind
