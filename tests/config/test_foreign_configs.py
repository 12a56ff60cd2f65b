"""A configuration of somebody else, or an override, holds values: it builds, runs and looks up nothing."""

import os
import sys

import pytest

from autotune.config.compose import compose
from autotune.errors import AutotuneError, ConfigError
from tests.support import ROOT

CALLED = []


def call(*_: object, **__: object) -> object:
    """What a configuration would have built."""
    CALLED.append(True)
    return object()


TARGET = f"{__name__}.call"
CALLBACK = f"hydra: {{callbacks: {{a: {{_target_: {TARGET}}}}}}}"
LOGGING = f'{{version: 1, root: {{handlers: [a]}}, handlers: {{a: {{"()": {TARGET}}}}}}}'
GLOBAL = "# @package _global_\n"


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A user's folder of configurations, in a working folder of its own, where nothing may appear."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def write(files: dict[str, str]) -> str:
        for name, text in files.items():
            file = tmp_path / "mine" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return str(tmp_path / "mine")

    yield write
    assert CALLED == []
    assert list(work.rglob("*")) == []


def refused(*words: str) -> AutotuneError:
    with pytest.raises(ConfigError) as caught:
        compose(words)
    assert "Hydra itself" in caught.value.what or "a configuration cannot create" in caught.value.what
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        CALLBACK,
        f"hydra: {{launcher: {{_target_: {TARGET}}}}}",
        f"hydra: {{sweeper: {{_target_: {TARGET}}}, mode: MULTIRUN}}",
        f"hydra: {{job_logging: {LOGGING}}}",
        f"hydra: {{hydra_logging: {LOGGING}}}",
        "hydra: {run: {dir: elsewhere}}",
        "hydra: {output_subdir: elsewhere}",
        "hydra: {job: {chdir: true}}",
        "hydra: {job: {env_set: {HF_ENDPOINT: http://evil}}}",
        "hydra: null",
        "hydra: {help: {template: other}}",
        "defaults: [{override /hydra/launcher: mine}]",
    ],
)
def test_a_file_cannot_set_what_is_hydras(mine, text):
    group = "experiment" if "defaults" in text else "dataset"
    folder = mine(
        {f"{group}/evil.yaml": f"{GLOBAL}{text}\n", "hydra/launcher/mine.yaml": f"_target_: {TARGET}\n"}
    )
    error = refused("--config-dir", folder, f"{group}=evil")
    assert "hydra" in str(error.where)
    assert "evil.yaml" in str(error) or "launcher/mine.yaml" in str(error)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"dataset/evil.yaml": f"# @package hydra\ncallbacks: {{a: {{_target_: {TARGET}}}}}"}, ["dataset=evil"]),
        ({"dataset/evil.yaml": f"# @package hydra.callbacks.a\n_target_: {TARGET}"}, ["dataset=evil"]),
        ({"dataset/evil.yaml": f"a: {{_target_: {TARGET}}}"}, ["+dataset@hydra.callbacks=evil"]),
        ({"dataset/evil.yaml": "dir: elsewhere"}, ["+dataset@hydra.run=evil"]),
        ({"dataset/evil.yaml": "defaults: [part@_global_.hydra.run]", "dataset/part.yaml": "dir: elsewhere"},
         ["dataset=evil"]),
        ({"evil.yaml": f"defaults: [run, _self_]\n{CALLBACK}"}, ["--config-name", "evil"]),
        ({"evil.yaml": "defaults: [run, _self_]\nhydra: {searchpath: ['pkg://unheard_of']}"}, ["-cn", "evil"]),
        ({"hydra/launcher/basic.yaml": f"_target_: {TARGET}"}, []),
        ({"hydra/job_logging/none.yaml": LOGGING}, []),
        ({"hydra/callbacks/mine.yaml": f"a: {{_target_: {TARGET}}}"}, ["+hydra/callbacks=mine"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "more", [[], ["-m", "seed=1,2"], ["--help"], ["--cfg", "all"], ["--info", "all"]], ids=str
)
def test_no_detour_leads_to_it(mine, monkeypatch, files, words, more):
    """Other packages, other primary files, options of our names; where a folder comes first, and for every question."""
    monkeypatch.setenv("AUTOTUNE_CONFIGS", mine(files))
    refused(*words)


@pytest.mark.parametrize(
    "more", [["-m", "seed=1,2"], ["--help"], ["--cfg", "all"], ["--info", "all"]], ids=str
)
def test_no_question_leads_to_it(mine, more):
    folder = mine({"dataset/evil.yaml": f"{GLOBAL}{CALLBACK}\n"})
    refused("--config-dir", folder, "dataset=evil", *more)


@pytest.mark.parametrize(
    "word",
    [
        f"+hydra.callbacks.a._target_={TARGET}",
        f"++hydra={{callbacks: {{a: {{_target_: {TARGET}}}}}}}", "hydra.run.dir=elsewhere", "hydra.mode=MULTIRUN",
        "hydra.job.chdir=true", "hydra/job_logging=default", "~hydra/job_logging",
        "hydra/launcher=joblib", "hydra.searchpath=[pkg://antigravity]",
        "hydra.job.env_copy=[HOME]",
        f"model.tokenizer_kwargs={{_target_: {TARGET}}}",
        f"+model.tokenizer_kwargs.a._target_={TARGET}", f"dataset.label_map=[{{_target_: {TARGET}}}]",
    ],
)  # fmt: skip
def test_an_override_cannot_either(mine, word):
    mine({})
    error = refused(word)
    assert word.lstrip("+~").split("=")[0].split(".")[0] in str(error.where)
    assert "antigravity" not in sys.modules


def test_a_target_in_a_file_is_refused_with_its_place(mine):
    folder = mine({"model/evil.yaml": f"tokenizer_kwargs: {{a: [{{_target_: {TARGET}}}]}}\n"})
    error = refused("--config-dir", folder, "model=evil")
    assert "tokenizer_kwargs.a._target_" in str(error.where) and "model/evil.yaml" in str(error.where)


def test_a_copy_of_our_own_primary_file_is_welcome(mine, monkeypatch):
    ours = ROOT / "configs" / "run.yaml"
    monkeypatch.setenv(
        "AUTOTUNE_CONFIGS", mine({"run.yaml": ours.read_text().replace("task: sentiment", "task: ner")})
    )
    assert compose([])[0].task.name == "ner"


@pytest.mark.parametrize(
    "expression",
    ["x-${oc.env:MY_SETTING,none}-y", "${oc.decode:${oc.env:MY_SETTING}}",
     "${oc.create:[1]}", "${oc.select:seed}", "${hydra:runtime.cwd}", "${now:%Y}", "${.${oc.env:MY_SETTING}}"],
)  # fmt: skip
def test_only_keys_are_looked_up(mine, expression):
    folder = mine({"dataset/evil.yaml": f"path: x\nlicense: '{expression}'\n"})
    with pytest.raises(ConfigError, match="nothing outside of it"):
        compose(["--config-dir", folder, "dataset=evil"])


@pytest.mark.parametrize("expression", ["${oc.env:MY_SETTING}"])
@pytest.mark.parametrize("where", ["list", "defaults", "word", "quoted", "group", "sweep"])
def test_wherever_they_are(mine, monkeypatch, expression, where):
    monkeypatch.setenv("MY_SETTING", "sample")
    text = {
        "list": f"path: x\nlabels: [a, '{expression}']\n",
        "defaults": f"defaults: ['{expression}']\npath: x\n",
    }.get(where, "path: x\n")
    words = {
        "word": [f"name={expression}"],
        "quoted": [f"dataset.labels=['a', \"{expression}\"]"],
        "group": [f"experiment='{expression}'"],
        "sweep": ["-m", f"name=a,'{expression}'"],
    }.get(where, ["dataset=evil"])
    with pytest.raises(ConfigError) as caught:
        compose(["--config-dir", mine({"dataset/evil.yaml": text}), *words])
    assert "nothing outside of it" in caught.value.what, caught.value
    assert "MY_SETTING" in str(caught.value)
    assert "sample" not in str(caught.value)


def test_plain_references_and_signs_that_are_none_are_values(mine):
    folder = mine({"dataset/mine.yaml": "path: x-${seed}\nlicense: ${.language}\n"})
    (config,) = compose(
        ["--config-dir", folder, "dataset=mine", r"dataset.labels=['\${oc.env:HOME}', '$5', '{a:b}']"]
    )
    assert (config.dataset.path, config.dataset.license) == ("x-42", "pt")
    assert config.dataset.labels == ["${oc.env:HOME}", "$5", "{a:b}"]


def test_a_sweep_writes_nothing_and_leaves_the_environment(mine):
    mine({})
    before = dict(os.environ)
    assert [config.seed for config in compose(["-m", "seed=1,2", "runs=elsewhere"])] == [1, 2]
    assert dict(os.environ) == before
