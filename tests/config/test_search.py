"""The section `search`: what is wrong with it is reported before anything trains."""

import pytest

from autotune.cli.main import main

BASE = ["search", "task=sentiment", "check=none"]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["search=none"], "no search is chosen"),
        (["search=lr", "-m", "seed=1,2"], "a search is one study"),
        (["search=lr", "trainer.learning_rate=1e-3"], "trainer.learning_rate is set and searched"),
        (["search=lora"], "this key needs an adapter"),
        (["search=lr", "hub=private"], "trials of a search are not pushed"),
        (["search=lr", "resume=never"], "the same command always continues its study"),
        (["search=lr", "search.first_rung=0.1"], "trials would be compared during their warm-up"),
        (
            ["search=lr", "dataset.splits.validation=null", "dataset.validation_fraction=0"],
            "no validation split",
        ),
        (["search=mine", "+spaces={}"], "the search has no spaces"),
        (
            ["search=mine", "+spaces={trainer.lerning_rate: {low: 1, high: 2}}"],
            "there is no key trainer.lerning_rate",
        ),
        (
            ["search=mine", "+spaces={runs: {choices: [a], type: categorical}}"],
            "a search cannot try this key",
        ),
        (["search=mine", "+spaces={seed: {low: 2, high: 1}}"], "a range needs `low` and `high`"),
        (["search=mine", "+spaces={seed: {choices: [1]}}"], "`choices` needs type: categorical"),
        (["search=mine", "+spaces={seed: {type: categorical}}"], "a categorical space needs `choices`"),
        (["search=mine", "+spaces={seed: {type: categorical, choices: [1], low: 1}}"], "not for choices"),
        (["search=mine", "+spaces={seed: {type: int, low: 1.5, high: 3}}"], "are whole numbers"),
        (["search=mine", "+spaces={trainer.weight_decay: {low: 0, high: 1, log: true}}"], "starts above 0"),
        (["search=mine", "+spaces={trainer.epochs: {low: -1, high: 3}}"], "trainer.epochs=-1.0"),
        (["search=mine", "+spaces={peft: {type: categorical, choices: [none, lorra]}}"], "peft=lorra"),
        (["search=mine", "+spaces={seed: {lo: 1}}"], "lo"),
    ],
)
def test_a_search_that_cannot_work_is_refused_in_words(words, what, tmp_path, capsys):
    (tmp_path / "search").mkdir()
    spaces = [word.removeprefix("+spaces=") for word in words if word.startswith("+spaces=")]
    (tmp_path / "search" / "mine.yaml").write_text(f"spaces: {(spaces or ['{}'])[0]}\n", encoding="utf-8")
    rest = [word for word in words if not word.startswith("+spaces=")]
    code = main([*BASE, f"runs={tmp_path}/runs", "--config-dir", str(tmp_path), *rest])
    assert code == 2
    assert what in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_training_does_not_search(capsys):
    assert main(["task=sentiment", "search=lr"]) == 2
    assert "autotune search" in capsys.readouterr().err


def test_the_table_of_a_folder_without_a_study_is_refused(tmp_path, capsys):
    assert main(["search", str(tmp_path)]) == 2
    assert "the folder holds no study" in capsys.readouterr().err


def test_without_optuna_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setattr("autotune.cli.search.find_spec", lambda _: None)
    assert main([*BASE, "search=lr"]) == 2
    assert "pip install 'autotune[search]'" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["lr", "lora", "small"])
def test_the_shipped_spaces_compose(option, capsys):
    adapter = ["peft=lora"] if option == "lora" else []
    assert main(["show", "task=sentiment", f"search={option}", *adapter]) == 0
    assert "spaces:" in capsys.readouterr().out
