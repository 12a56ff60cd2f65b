"""The shipped recipes: each is prepared with rows in its data set's layout; the commands in comments of YAML files compose."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer

from autotune.cli.main import main
from autotune.config.compose import compose
from autotune.config.enums import Architecture
from autotune.models.tiny import build_tiny
from autotune.pipeline.prepare import run_preflight
from tests.data.test_shipped import LAYOUTS
from tests.support import ROOT

FILES = sorted((ROOT / "configs").rglob("*.yaml"))
RECIPES = sorted((ROOT / "configs" / "experiment").glob("*.yaml"))
TEXTS = [
    "O produto chegou rápido e é ótimo.",
    "A ata da reunião em Évora foi aprovada.",
    "Ana Souza mora em São Paulo.",
]


COMMAND = re.compile(r"^# {2,3}(autotune .+(?:\n# {5}\S.*)*)", re.MULTILINE)
"""A command line in comments; lines that are indented further continue it."""


def commands(file: Path) -> list[str]:
    return [re.sub(r"\n# +", " ", line) for line in COMMAND.findall(file.read_text("utf-8"))]


COMMANDS = [
    pytest.param(line, id=f"{file.parent.name}-{file.stem}-{number}")
    for file in FILES
    for number, line in enumerate(commands(file))
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")


@pytest.fixture(scope="module")
def bases(tmp_path_factory) -> dict[str, Path]:
    """Tiny models of the recipes' architectures; BERT with the 512 positions of BERTimbau."""
    folder = tmp_path_factory.mktemp("bases")
    short, bert = build_tiny(Architecture.bert, TEXTS, folder), folder / "bert"
    shutil.copytree(short, bert)
    config = AutoConfig.from_pretrained(short, max_position_embeddings=512)
    AutoModelForMaskedLM.from_config(config).save_pretrained(bert)
    AutoTokenizer.from_pretrained(short, model_max_length=512).save_pretrained(bert)
    return {"bert": bert, "t5": build_tiny(Architecture.t5, TEXTS, folder)}


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_in_comments_compose(line, capsys):
    assert main(["show", *shlex.split(line)[1:]]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", [file.stem for file in RECIPES])
def test_a_recipe_fits_its_data_and_its_kind_of_model(tmp_path, bases, name):
    file = ROOT / "configs" / "experiment" / f"{name}.yaml"
    assert f"autotune experiment={name}" in "".join(file.read_text("utf-8").splitlines()[:3])
    task_name, write, _ = LAYOUTS[name.partition("-")[0]]
    folder = tmp_path / "r"
    folder.mkdir()
    path = write(folder)
    base = bases["t5" if task_name == "summarization" else "bert"]
    words = [f"experiment={name}", f"dataset.path={path}", f"model.name_or_path={base}", f"runs={tmp_path}/runs",
             "check=none", "dataset.limit=8"]  # fmt: skip
    is_repository = any((path / card).exists() for card in ("README.md", ".gitattributes"))
    (config,) = compose([*words, "dataset.format=hub"] if is_repository else words)
    prepared = run_preflight(config, tmp_path / "cache").result()
    assert prepared.task.name == task_name
    assert len(prepared.features["train"])
