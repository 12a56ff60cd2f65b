"""Trained with a push, and used from the Hub by processes that have never seen it: the same predictions."""

import json
from pathlib import Path

import pytest
import yaml

from tests.publishing.conftest import HubForks
from tests.support import SAMPLES
from tests.support.hub.metadata import errors
from tests.support.hub.server import WRITER

TASKS = ("sentiment", "ner", "summarization")
INPUT = {"sentiment": "text", "ner": "tokens", "summarization": "document"}
NAMES = {
    "sentiment": ["negativo", "neutro", "positivo"],
    "ner": [
        "O",
        *(f"{place}-{kind}" for kind in ("LOCAL", "ORGANIZACAO", "PESSOA", "TEMPO") for place in "BI"),
    ],
}
ROWS = 8

UPLOAD = """
from huggingface_hub import HfApi
api = HfApi()
for task in {tasks!r}:
    repo = "acme/data-" + task
    api.create_repo(repo, repo_type="dataset", private=True)
    api.upload_folder(repo_id=repo, repo_type="dataset", folder_path={samples!r} + "/" + task)
"""
PIPELINES = {
    "sentiment": """
from transformers import pipeline
use = pipeline("text-classification", model=MODEL)
answers = [answer["label"] for answer in use([row["text"] for row in rows])]
""",
    "ner": """
from transformers import pipeline
use = pipeline("token-classification", model=MODEL, ignore_labels=[])
answers = []
for row in rows:
    starts = {piece["start"]: piece["entity"] for piece in use(" ".join(row["tokens"]))}
    at = [sum(len(word) + 1 for word in row["tokens"][:number]) for number in range(len(row["tokens"]))]
    answers.append([starts[start] for start in at])
""",
    "summarization": """
import importlib.util
from huggingface_hub import snapshot_download
folder = snapshot_download(MODEL)
spec = importlib.util.spec_from_file_location("handler", folder + "/handler.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
use = module.EndpointHandler(folder)
answers = [answer["summary_text"] for answer in use({"inputs": [row["document"] for row in rows]})]
""",
}
ADAPTED = """
import json, torch, transformers
from peft import PeftConfig, PeftModel
from tests.support import SAMPLES
MODEL, NAMES = {model!r}, {names!r}
stated = PeftConfig.from_pretrained(MODEL, subfolder="adapter")
merged = transformers.AutoConfig.from_pretrained(MODEL)
kind = getattr(transformers, merged.architectures[0])
base = kind.from_pretrained(stated.base_model_name_or_path, revision=stated.revision, config=merged)
adapted = PeftModel.from_pretrained(base, MODEL, subfolder="adapter").merge_and_unload().state_dict()
whole = kind.from_pretrained(MODEL).state_dict()
assert adapted.keys() == whole.keys()
assert all(torch.allclose(adapted[name], whole[name], atol=1e-6) for name in whole)
first = kind.from_pretrained(stated.base_model_name_or_path, revision=stated.revision).state_dict()
assert any(not torch.equal(first[name], whole[name]) for name in whole), "it has learned something"
print(json.dumps(merged.id2label if NAMES else None))
"""
ASK = """
import json
MODEL = {model!r}
rows = [json.loads(line) for line in open({rows!r}, encoding="utf-8")]
{code}
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def world(known, tmp_path_factory) -> tuple[HubForks, Path]:
    """A Hub with a data set for each task, and a folder for runs."""
    known.hub.forget()
    done = known.python(UPLOAD.format(tasks=TASKS, samples=str(SAMPLES)))
    assert done.returncode == 0, done.stderr
    return known, tmp_path_factory.mktemp("world")


def train(world, task: str, name: str, *words: str) -> Path:
    """A smoke run that is pushed to acme/<name>."""
    here, folder = world
    run = folder / "runs" / name
    if not run.exists():
        short = ["task.max_new_tokens=8"] if task == "summarization" else []
        done = here(
            f"task={task}", *short, "debug=smoke", f"dataset.limit={ROWS}", "trainer.batch_size=4",
            "check=none", "report=none", f"name={name}", "hub=private", f"hub.repo=acme/{name}",
            # As transformers computes on a CPU that is not asked for anything else.
            "trainer.precision=fp32", *words, cwd=folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert f"acme/{name} (private" in done.stdout
    return run


def full(world, task: str) -> Path:
    """The tiny model of the task, all weights trained."""
    return train(world, task, f"{task}-full", "hub.language=en")


def lora(world, task: str) -> Path:
    """The pushed full model, tuned on with an adapter, on a data set of the Hub."""
    full(world, task)
    words = [
        "peft=lora",
        f"model.name_or_path=hub:acme/{task}-full",
        "dataset=hub",
        f"dataset.path=acme/data-{task}",
    ]
    return train(world, task, f"{task}-lora", *words)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("how", [full, lora])
@pytest.mark.parametrize("task", TASKS)
def test_predictions_from_the_hub_are_those_of_the_run(world, elsewhere, tmp_path, task, how):
    hub = elsewhere.hub
    run = how(world, task)
    expected = lines(run / "predictions_test.jsonl")[:ROWS]
    given = tmp_path / "given.jsonl"
    rows = [{"id": row["id"], INPUT[task]: row[INPUT[task]]} for row in lines(SAMPLES / task / "test.jsonl")]
    given.write_text("".join(json.dumps(row) + "\n" for row in rows[:ROWS]), encoding="utf-8")
    code = ASK.format(model=f"acme/{run.name}", rows=str(given), code=PIPELINES[task])
    done = elsewhere.python(code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [row["prediction"] for row in expected]
    commit = hub.repo(f"acme/{run.name}").refs["refs/heads/main"]
    done = elsewhere("predict", f"hub:acme/{run.name}@{commit}", given, "-o", "out.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [row["prediction"] for row in lines(tmp_path / "out.jsonl")] == [
        row["prediction"] for row in expected
    ]


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_what_was_pushed_tells_where_it_comes_from(world, task):
    hub, folder = world[0].hub, world[1]
    run = lora(world, task)
    name = f"acme/{run.name}"
    files = hub.files(name)
    assert {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"} <= set(files)
    assert ("handler.py" in files) == (task == "summarization")
    base = hub.repo(f"acme/{task}-full").refs["refs/heads/main"]
    data = hub.repo(f"acme/data-{task}", "datasets").refs["refs/heads/main"]
    adapter = json.loads(hub.store.read(name, "adapter/adapter_config.json"))
    assert (adapter["base_model_name_or_path"], adapter["revision"]) == (f"acme/{task}-full", base)
    card = hub.store.read(name, "README.md").decode()
    assert errors(card) == []
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata["base_model"] == f"acme/{task}-full" and metadata["base_model_relation"] == "finetune"
    assert metadata["datasets"] == [f"acme/data-{task}"]
    assert metadata["model-index"][0]["results"][0]["dataset"]["revision"] == data
    training = yaml.safe_load(hub.store.read(name, "training_config.yaml"))
    assert (training["model"]["revision"], training["dataset"]["revision"]) == (base, data)
    config = (run / "config.yaml").read_text()
    assert f"#   model: {base}" in config and f"#   dataset: {data}" in config
    assert base in card and data in card
    for path in files:
        content = hub.store.read(name, path)
        assert str(folder).encode() not in content and WRITER.encode() not in content, path


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_peft_reads_the_adapter_beside_the_model_and_names_are_those_of_the_data(world, elsewhere, task):
    run = lora(world, task)
    done = elsewhere.python(ADAPTED.format(model=f"acme/{run.name}", names=task != "summarization"))
    assert done.returncode == 0, done.stderr
    names = json.loads(done.stdout.splitlines()[-1])
    assert names is None or list(names.values()) == NAMES[task]


@pytest.mark.slow
def test_the_adapter_alone_and_evaluate(world, elsewhere, tmp_path):
    here, folder = world
    hub, run = here.hub, lora(world, "ner")
    done = here("push", run, "--repo", "acme/only", "--adapter-only", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "model.safetensors" not in hub.files("acme/only")
    words = ("evaluate", "hub:acme/only", "--data", SAMPLES / "ner" / "validation.jsonl", "-o", "scores.json")
    done = elsewhere(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "entity_f1" in json.loads((tmp_path / "scores.json").read_text())
    card = hub.store.read("acme/only", "README.md").decode()
    assert "base_model_relation: adapter" in card and "library_name: peft" in card
    code = card.split("```python\n")[1].split("```")[0]
    done = elsewhere.python(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("here", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_the_code_of_the_card_works_as_pasted(world, elsewhere, task, here):
    run = full(world, task)
    pushed = elsewhere.hub.store.read(f"acme/{run.name}", "README.md").decode()
    card = (run / "model" / "README.md").read_text("utf-8") if here else pushed
    assert (str(run) in card) is here
    code = card.split("```python\n")[1].split("```")[0]
    done = elsewhere.python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\n"), "it answers, be it with an empty summary"
