"""Keys of other tools: what is proposed for them composes, has the key's type, and comes before likeness of spelling."""

import json
import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from autotune.config.compose import compose
from autotune.config.keys import bare_type, keys
from autotune.config.load import parse_config, to_dict
from autotune.config.overrides import key_of, normalize_argv
from autotune.config.proposals import is_valid, proposal, valid_override
from autotune.config.synonyms import SYNONYMS
from autotune.errors import AutotuneError, Findings

VALUES = (
    "true",
    "false",
    "2",
    "0.25",
    "-1",
    "no",
    "cosine",
    "epoch",
    "all-linear",
    "16-mixed",
    "int8",
    "nonsense",
)
HUB = (  # data and a model that all keys suit
    "dataset=hub",
    "dataset.path=org/name",
    "model=custom",
    "model.name_or_path=org/name",
)
SAMPLES = {
    "trainer.learning_rate": ("3e-5", "true"),
    "trainer.head_learning_rate": ("3e-5", "true"),
    "trainer.min_delta": ("0.1", "true"),
}
TASKS = {
    "dataset.columns.tokens": "ner", "dataset.columns.tags": "ner", "dataset.columns.document": "summarization",
    "dataset.columns.summary": "summarization", "task.max_new_tokens": "summarization", "task.num_beams": "summarization",
    "task.o_weight": "ner",
}  # fmt: skip


def proposed() -> set[str]:
    found = set()
    for name, one in SYNONYMS.items():
        texts = one.key is not None and bare_type(keys()[one.key]) in (str, str | None) and one.form == "{}"
        samples = SAMPLES.get(one.key or "", (str(one.key).replace(".", "_"),) if texts else VALUES)
        found |= {fix for value in samples if (fix := proposal(name, value)[0])}
    return found


def test_every_proposal_composes():
    """Hydra composes the options that they choose, once each, and reads the values of all keys."""
    runs: dict[tuple[str, ...], str] = {}
    for fix in sorted(proposed()):
        words = shlex.split(fix)
        options = tuple(word for word in words if "." not in key_of(word))
        overrides = OverridesParser.create().parse_overrides(
            normalize_argv([word for word in words if word not in options])
        )
        task = next((TASKS[one.key_or_group] for one in overrides if one.key_or_group in TASKS), "sentiment")
        line = (f"task={task}", *HUB, *options)
        if line not in runs:
            runs[line] = json.dumps(to_dict(compose(line)[0]))
        values = json.loads(runs[line])
        for override in overrides:
            section = values
            *path, leaf = override.key_or_group.split(".")
            for part in path:
                section = section[part]
            section[leaf] = override.value()
        parse_config(values)


def test_what_is_proposed_for_an_invalid_value_is_valid():
    fixes = {(key, value): valid_override(key, value) for key in keys() for value in (*VALUES, "", "null")}
    assert fixes["trainer.precision", "16-mixed"] and fixes["trainer.epochs", "-1"] == "trainer.epochs=null"
    for (key, _), fix in fixes.items():
        assert fix is None or is_valid(key, shlex.split(fix)[0].partition("=")[2]), fix


def test_what_has_no_key_is_explained():
    for name, one in SYNONYMS.items():
        assert one.note or one.key or one.values, name
        assert name not in keys(), name


@pytest.mark.parametrize(
    ("argv", "fix"),
    [
        (["trainer.early_stopping=3"], "trainer.patience=3"),
        (["early_stopping=true"], "trainer.patience=3"),
        (["callbacks.early_stopping.patience=4"], "trainer.patience=4"),
        (["trainer.fp16=true"], "trainer.precision=fp16"),
        (["bf16=false"], "trainer.precision=fp32"),
        (["trainer.precison=bf61"], "trainer.precision=bf16"),
        (["trainer.epoch=muitas"], "trainer.epochs=null"),
        (["per_device_train_batch_size=8", "+gradient_accumulation_steps=4"], "trainer.batch_size=32"),
        (["eval_strategy=epoch"], "trainer.evaluate_every=1ep"),
        (["eval_steps=100"], "trainer.evaluate_every=100st"),
        (["push_to_hub=true"], "hub=private"),
        (["train_file=meus dados.csv"], "dataset=csv 'dataset.path=meus dados.csv'"),
        (["output_dir=saída 1"], "'runs=saída 1'"),
        (["dataset=a.csv"], "dataset=csv dataset.path=a.csv"),
        (["dataset=b.tsv"], "dataset=csv dataset.path=b.tsv"),
        (["dataset=c.jsonl.gz"], "dataset=jsonl dataset.path=c.jsonl.gz"),
        (["dataset=org/b2w"], "dataset=hub dataset.path=org/b2w"),
        (["dataset=b2v"], "dataset=b2w"),
        (["model.path=/a/b"], "model.name_or_path=/a/b"),
        (["dataset.columns.token=t"], "dataset.columns.tokens=t"),
        (["--num-train-epochs", "5"], "trainer.epochs=5"),
        (["num_gpus=-1"], "launcher.num_processes=auto"),
        (["num_gpus=2"], "launcher.num_processes=2"),
        (["n_gpu=0"], "launcher.num_processes=1"),
        (["--fp16"], "trainer.precision=fp16"),
        (["--learning_rate=1e-4"], "trainer.learning_rate=1e-4"),
        (["trainer.report_to=wandb"], "tracking=wandb"),
        (["logger=tensorboard"], "tracking=tensorboard"),
        (["tracker=comet_ml"], "tracking=tensorboard"),
        (["wandb_project=my team"], "tracking=wandb 'tracking.project=my team'"),
        (["trainer.logging_steps=10"], None),
    ],
)  # fmt: skip
def test_what_other_tools_call_it_comes_before_likeness_of_spelling(argv, fix):
    with pytest.raises(AutotuneError) as caught:
        compose(argv)
    first = caught.value.errors[0] if isinstance(caught.value, Findings) else caught.value
    assert first.fix == fix
    assert fix or "history.jsonl" in (first.found or "")


def test_all_unknown_keys_are_told_at_once():
    with pytest.raises(Findings) as caught:
        compose(["num_train_epochs=3", "fp16=true", "seed=1", "output_dir=x"])
    fixes = [error.fix for error in caught.value.errors]
    assert fixes == ["trainer.epochs=3", "trainer.precision=fp16", "runs=x"]


def test_a_key_of_other_tasks_is_not_proposed_again():
    with pytest.raises(AutotuneError) as caught:
        compose(["task=regression", "task.loss=focal"])
    assert caught.value.what == "this task has no key task.loss"
    assert "ordinal" in caught.value.found and caught.value.fix == "leave it out, or task=classification"
