"""Models without a neural network in the configuration: which task has which, and what cannot be asked of them."""

import pytest

from autotune.config.compose import compose
from autotune.config.rules.baselines import keys_without_effect
from autotune.errors import AutotuneError

METHODS = {
    "tfidf": ("classification", "sentiment", "ordinal", "multi_label", "regression"),
    "tagger": ("ner",),
    "first_sentences": ("summarization",),
    "centroid": ("summarization",),
}
TASKS = sorted({task for tasks in METHODS.values() for task in tasks})


@pytest.mark.parametrize("method", METHODS)
def test_each_method_is_for_its_tasks_alone(method):
    for task in TASKS:
        words = [f"task={task}", f"model={method}"]
        if task in METHODS[method]:
            (config,) = compose(words)
            assert config.model.baseline == method and f"-{method}-" in str(config.name)
            continue
        with pytest.raises(AutotuneError) as caught:
            compose(words)
        assert caught.value.where == "model.baseline" and f"task={task}" in caught.value.what
        compose([words[0], str(caught.value.fix).split(" or ")[0]])


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["peft=lora"], "peft"),
        (["model.trim_vocabulary=true"], "model.trim_vocabulary"),
        (["model.revision=main"], "model.revision"),
        (["model.max_length=64"], "model.max_length"),
        (["model.allow_pickle=true"], "model.allow_pickle"),
        (["model.tokenizer_kwargs={do_lower_case: false}"], "model.tokenizer_kwargs"),
        (["dataset.streaming=true", "trainer.max_steps=9"], "dataset.streaming"),
    ],
)
def test_what_only_base_models_have_is_refused_with_an_override_that_helps(words, where):
    with pytest.raises(AutotuneError) as caught:
        compose(["model=tfidf", *words])
    assert caught.value.where == where
    fix = str(caught.value.fix).strip("'")
    compose(
        ["model=tfidf", *(word for word in words if word.partition("=")[0] != fix.partition("=")[0]), fix]
    )


def test_a_second_model_and_a_c_of_others_are_refused():
    for words, where in (
        (["model=tfidf", "model.tiny=auto"], "model"),
        (["model=tfidf", "model.name_or_path=org/name"], "model"),
        (["model=tiny", "model.C=1"], "model.C"),
        (["task=ner", "model=tagger", "model.C=1"], "model.C"),
        (["model=tfidf", "model.max_epochs=3"], "model.max_epochs"),
        (["model=tfidf", "search=lr"], "search"),
    ):
        with pytest.raises(AutotuneError) as caught:
            compose(words)
        assert where in [error.where for error in caught.value.errors]


def test_the_key_alone_names_the_model_and_c_makes_another_run():
    (named,), (keyed,), (other,) = (
        compose(["task=sentiment", *words])
        for words in (["model=tfidf"], ["model.baseline=tfidf"], ["model=tfidf", "model.C=1"])
    )
    assert keyed.model.tiny is None and named.model.baseline is keyed.model.baseline
    assert named.name != other.name


def test_runs_of_base_models_keep_their_names():
    (config,) = compose(["task=sentiment", "model=tiny"])
    (explicit,) = compose(["task=sentiment", "model=tiny", "model.baseline=null", "model.C=10"])
    assert config.name == explicit.name


def test_keys_that_mean_nothing_are_found():
    (plain,) = compose(["model=tfidf", "task.class_weights=balanced", "task.calibrate=temperature"])
    assert keys_without_effect(plain) == []
    (changed,) = compose(["model=tfidf", "trainer.epochs=3", "task.label_smoothing=0.1", "task.max_length=9"])
    assert keys_without_effect(changed) == ["trainer.epochs", "task.max_length", "task.label_smoothing"]
    (tiny,) = compose(["model=tiny", "trainer.epochs=3"])
    assert keys_without_effect(tiny) == []
