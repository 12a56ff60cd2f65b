"""The trials of a search: which, in which order, and as many as there is time for."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from autotune.auto.cost import Cost, DoesNotFit
from autotune.auto.fitting import Fitting
from autotune.auto.ledger import CountingLedger
from autotune.auto.space import candidates
from autotune.auto.trial import Trial, laid_over
from autotune.auto.understand import Understanding
from autotune.config.auto_words import read_auto
from autotune.config.compose import compose
from autotune.config.overrides import key_of
from autotune.errors import ConfigError, ModelError

SENTIMENT = Understanding(
    ("task=sentiment", "dataset=sample", "dataset.path=sample/sentiment"),
    (),
    600,
    {"a": 300, "b": 300},
    5,
    "pt",
    9.0,
)
TINY = "auto.models=[tiny]"


@dataclass
class Budget(CountingLedger):
    """A clock that shows how much is left, and does not go."""

    seconds: float = math.inf

    def left(self) -> float:
        return self.seconds


def cost(training: float) -> Callable[..., Cost]:
    return lambda words, elapsed: Cost(training, 0.0, 0.0)


def trials(*words: str, facts: Understanding = SENTIMENT, **options: object) -> list[Trial]:
    return candidates(facts, read_auto(["rows.csv", *words])[0], gpu=False, **options)[0]


def names(*words: str, **options: object) -> list[str]:
    return [trial.name for trial in trials(*words, **options) if trial.kind == "full"]


def test_all_that_is_tried_composes_and_is_another_run():
    chosen = trials("time=null", TINY)
    runs = [compose([*SENTIMENT.words, *trial.words])[0].name for trial in chosen if trial.kind == "full"]
    assert len({*runs}) == len(runs) == 4
    assert [trial.kind for trial in chosen] == ["cheap"] * 3 + ["full"] * 4
    assert {trial.rungs for trial in chosen if trial.kind == "full"} == {(0.25, 0.5, 1.0)}
    assert len({trial.name for trial in chosen}) == len(chosen)


def test_the_learning_rate_comes_first_then_models_then_what_may_help():
    models = "auto.models=[tiny,tiny_roberta]"
    assert names(models, "trials=16") == [
        "tiny 1e-3", "tiny 2e-3", "tiny 4e-4", "tiny_roberta 1e-3", "tiny 1e-3 seed 43", "tiny 1e-3 seed 44",
        "tiny 1e-3 layer_decay 0.9",
    ]  # fmt: skip
    assert names(models, "trials=2") == ["tiny 1e-3", "tiny 2e-3"]
    # Without a number, the greatest power of two: half of them pass each rung.
    assert len(names(models, "time=null")) == 4


def test_seeds_are_for_few_rows_and_class_weights_for_unequal_classes():
    many = replace(SENTIMENT, rows=5000, folds=None, counts={"a": 4500, "b": 500})
    chosen = trials(TINY, "trials=16", facts=many)
    assert [trial.name for trial in chosen if "seed" in trial.name] == []
    assert [trial.name for trial in chosen if "balanced" in trial.name] == [
        "tfidf C=10 balanced", "tfidf C=1 balanced", "tfidf C=100 balanced", "tiny 1e-3 balanced",
    ]  # fmt: skip
    assert all("task.class_weights=balanced" in trial.words for trial in chosen if "balanced" in trial.name)


@pytest.mark.parametrize(
    ("rows", "folds", "epochs", "batch"),
    [(40, 5, 50, 8), (600, 5, 20, 16), (5000, None, 15, 32), (200_000, None, 15, 32)],
)
def test_passes_and_rows_per_step_follow_from_the_rows(rows, folds, epochs, batch):
    (first, *_) = [
        trial
        for trial in trials(TINY, "trials=1", facts=replace(SENTIMENT, rows=rows, folds=folds))
        if trial.kind == "full"
    ]
    assert {f"trainer.epochs={epochs}", f"trainer.batch_size={batch}"} <= {*first.words}


def test_what_the_user_has_set_is_not_searched():
    words = (
        *SENTIMENT.words,
        "trainer.learning_rate=3e-4",
        "seed=7",
        "trainer.epochs=2",
        "trainer.layer_decay=0.8",
    )
    chosen = trials(TINY, "trials=16", facts=replace(SENTIMENT, words=words))
    (only,) = [trial for trial in chosen if trial.kind == "full"]
    assert only.name == "tiny 3e-4" and {key_of(word) for word in only.words} == {
        "model",
        "trainer.batch_size",
    }
    words = (*SENTIMENT.words, "model=tiny_roberta")
    assert {name.split()[0] for name in names("trials=16", facts=replace(SENTIMENT, words=words))} == {
        "tiny_roberta"
    }


def test_a_c_that_the_user_has_set_is_that_of_tfidf_alone():
    words = (*SENTIMENT.words, "model.C=3")
    chosen = trials(TINY, "trials=2", facts=replace(SENTIMENT, words=words))
    assert [trial.name for trial in chosen if trial.kind == "cheap"] == ["tfidf"]
    values = [compose(laid_over(words, *trial.words))[0].model.C for trial in chosen]
    assert values == [3.0, 10.0, 10.0]


def test_the_epochs_that_the_user_has_set_are_those_of_the_tagger_alone():
    words = ("task=ner", "dataset=sample", "dataset.path=sample/ner", "model.max_epochs=3")
    chosen = trials(TINY, "trials=1", facts=replace(SENTIMENT, words=words, counts={}))
    assert [trial.name for trial in chosen if trial.kind == "cheap"] == ["tagger"]
    values = [compose(laid_over(words, *trial.words))[0].model.max_epochs for trial in chosen]
    assert values == [3, None]


def test_as_many_are_begun_as_there_is_time_for():
    def begun(seconds: float) -> list[Trial]:
        # Each fine-tuning takes 100 s over its folds, training on all rows 25 s, the cheap ones a tenth of 10 minutes.
        chosen = trials("time=10m", TINY, budget=Budget(60 + seconds), measured=cost(20.0))
        return [trial for trial in chosen if trial.kind == "full"]

    assert [len(begun(seconds)) for seconds in (64, 66, 149, 151, 224, 226, 10_000)] == [0, 1, 1, 2, 2, 4, 4]
    # A trial by itself is compared at its end only; 2 of the 5 folds have more than 200 rows.
    alone = [begun(seconds)[0] for seconds in (66, 86, 106, 124)]
    assert [(trial.folds, trial.estimate, trial.rungs) for trial in alone] == [
        (2, 40.0, (1.0,)), (3, 60.0, (1.0,)), (4, 80.0, (1.0,)), (4, 80.0, (1.0,)),
    ]  # fmt: skip
    (whole,) = begun(126)
    assert (whole.folds, whole.estimate, whole.rungs) == (None, 100.0, (0.25, 0.5, 1.0))


def test_too_few_rows_are_compared_on_all_folds():
    for rows, seconds, folds in ((600, 66.0, 2), (300, 66.0, None), (300, 106.0, 4), (150, 124.0, None)):
        facts = replace(SENTIMENT, rows=rows)
        chosen = trials("time=10m", TINY, facts=facts, budget=Budget(60 + seconds), measured=cost(20.0))
        assert [trial.folds for trial in chosen if trial.kind == "full"] == ([folds] if folds else [])


@dataclass
class Clock(CountingLedger):
    """A clock that goes when something is measured."""

    seconds: float
    passed: float = 0.0

    def elapsed(self) -> float:
        return self.passed

    def left(self) -> float:
        return 0.88 * self.seconds - self.passed


@pytest.mark.parametrize("folds", [5, None])
@pytest.mark.parametrize(
    "costs", [{"tiny": 20.0}, {"tiny": 90.0, "tiny_roberta": 30.0}, {"tiny": 5.0, "tiny_roberta": 400.0}]
)
def test_with_the_time_that_is_offered_the_model_fits(costs, folds):
    """What each message says is true, and not much less would do."""

    def planned(minutes: int) -> tuple[set[str], dict[str, int], str | None, bool]:
        clock = Clock(60.0 * minutes)

        def measure(words: Sequence[str], elapsed: Callable[[], float]) -> Cost:
            clock.passed += 15.0
            name = next(word.partition("=")[2] for word in words if word.startswith("model="))
            return Cost(costs[name], 3.0, 1.0)

        config, _ = read_auto(["rows.csv", f"time={minutes}m", f"auto.models=[{','.join(costs)}]"])
        facts = replace(SENTIMENT, folds=folds)
        chosen, decisions = candidates(facts, config, clock, measured=measure, gpu=False)
        models = next(decision for decision in decisions if decision.id == "models")
        needed = {
            other.partition(":")[0]: int(minute[1])
            for other in models.alternatives
            if (minute := re.search("(?:about|at least) ([0-9]+) min are needed", other))
        }
        measured = any("at least" in other for other in models.alternatives)
        return {trial.name.split()[0] for trial in chosen} & {*costs}, needed, models.override, not measured

    tried, needed, override, _ = planned(1)
    assert not tried and override == f"time={min(needed.values())}m" and {*needed} == {*costs}
    for _ in range(5):  # as long as a model is too expensive to be measured, the next one says more
        tried, needed, override, measured = planned(min(needed.values()))
        if not needed or (tried and measured):
            break
    for name, minutes in needed.items():
        assert name in planned(minutes)[0]
        if len(costs) == 1 and minutes > 2:
            assert name not in planned(int((minutes - 1) / 1.1))[0]


def test_a_race_costs_what_its_rungs_cost():
    trial = Trial("a", "full", (), (0.25, 0.5, 1.0), 100.0)
    whole = Fitting(math.inf, (0.25, 0.5, 1.0), 1.0, 16)
    assert [whole.cost([trial] * count) for count in (1, 2, 4, 8)] == [100.0, 125.0, 200.0, 400.0]
    # One of five folds compares, and two finalists are trained on the others.
    part = Fitting(math.inf, (0.25, 0.5, 1.0), 0.2, 16, final=0.25)
    assert part.cost([trial] * 8) == pytest.approx(0.2 * 400 + 0.8 * 200 + 25)


def test_a_model_that_does_not_fit_into_memory_gets_adapters_and_a_refused_one_is_named():
    measured: list[str] = []

    def measure(words: Sequence[str], elapsed: object) -> Cost:
        measured.append(" ".join(words))
        if "model=tiny_roberta" in words:
            raise ModelError("the model's config.json is damaged")
        if "peft=lora" not in words:
            raise DoesNotFit("it does not fit into memory")
        return Cost(1.0, 0.0, 0.0)

    config, _ = read_auto(["rows.csv", "time=10m", "auto.models=[tiny,tiny_roberta]", "auto.candidates=full"])
    chosen, decisions = candidates(SENTIMENT, config, Budget(600), measured=measure, gpu=False)
    assert [trial.name for trial in chosen][:2] == ["tiny lora 5e-4", "tiny lora 2e-4"]
    assert all("peft=lora" in trial.words and compose([*SENTIMENT.words, *trial.words]) for trial in chosen)
    assert "dataset.fold=1/5" in measured[0] and "trainer.gradient_checkpointing=true" not in measured[1]
    by_id = {decision.id: decision for decision in decisions}
    assert by_id["models"].alternatives == ("tiny_roberta: the model's config.json is damaged",)
    assert by_id["adapter"].value == "lora"


def test_the_clock_is_not_needed_without_a_time():
    def measure(*_: object) -> Cost:
        raise AssertionError("nothing is measured")

    assert [trial.estimate for trial in trials("trials=2", TINY, measured=measure)] == [None] * 5


def test_without_a_reachable_model_only_cheap_ones_are_tried(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    config, _ = read_auto(["rows.csv", "time=10m", f"auto.models=[bertimbau_base,{tmp_path}/none,tiny/none]"])
    chosen, decisions = candidates(SENTIMENT, config, Budget(600), gpu=False)
    assert {trial.kind for trial in chosen} == {"cheap"}
    (models,) = decisions
    assert models.value is None and models.because == "no base model is tried"
    assert all("neither on this machine nor on a Hub that answers" in other for other in models.alternatives)
    assert "no base model is tried" in caplog.text and "bertimbau_base" in caplog.text
    with pytest.raises(ConfigError, match="nothing to try"):
        trials("auto.candidates=full", f"auto.models={tmp_path}/none")


@pytest.mark.parametrize(
    ("language", "words", "first"),
    [("pt", [], "bertimbau_base"), ("pt-BR", [], "bertimbau_base"), ("pt-PT", [], "albertina_100m_ptpt"),
     ("es", [], "mdeberta_v3"), ("pt", ["time=10m"], "distilbertimbau"), ("pt", ["goal=small"], "distilbertimbau")],
)  # fmt: skip
def test_models_are_those_of_the_language(language, words, first, monkeypatch):
    monkeypatch.setattr("autotune.auto.space.is_reachable", lambda model: True)
    facts = replace(SENTIMENT, language=language)
    chosen = names("auto.candidates=full", *words, facts=facts, budget=Budget(600), measured=cost(0.0))
    assert chosen[0].split()[0] == first
    tried = {name.split()[0] for name in chosen}
    assert tried.isdisjoint({"bertimbau_large", "albertina_900m"})


def test_an_unknown_model_is_refused_with_the_nearest():
    with pytest.raises(ConfigError) as refused:
        trials("auto.models=[bertimbau_bas]")
    assert "model=bertimbau_base" in str(refused.value)


@pytest.mark.parametrize(
    ("task", "cheap"),
    [("ner", ["tagger"]), ("summarization", ["first_sentences", "centroid"]),
     ("regression", ["tfidf C=10", "tfidf C=1", "tfidf C=100"])],
)  # fmt: skip
def test_each_task_has_its_cheap_models(task, cheap):
    facts = replace(
        SENTIMENT, words=(f"task={task}", "dataset=sample", f"dataset.path=sample/{task}"), counts={}
    )
    assert [trial.name for trial in trials("auto.candidates=cheap", facts=facts)] == cheap
