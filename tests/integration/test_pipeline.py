"""The main job through the front door, for all three tasks: a complete run folder, a model that others can load."""

import json
from pathlib import Path

import pytest
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, pipeline

from autotune.cli.main import main
from tests.support import SAMPLES
from tests.support.forks import forks

pytestmark = pytest.mark.slow

TASKS = ["sentiment", "ner", "summarization"]
ROWS = 16
"""Fewer than four steps take."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(
    scope="module", params=[(task, peft) for task in TASKS for peft in ("none", "lora")], ids="-".join
)
def run(request, runs) -> tuple[str, str, Path]:
    """A finished smoke run: task, adapter, folder."""
    task, peft = request.param
    done = forks().start(*words_of(task, peft, runs), cwd=runs).ended()
    assert done.returncode == 0, done.stderr
    return task, peft, runs / f"{task}-{peft}"


def words_of(task: str, peft: str, runs: Path) -> list[str]:
    """In fp32, as transformers computes on a CPU that is not asked for anything else."""
    short = ["task.max_new_tokens=12"] if task == "summarization" else []
    return [
        *short,
        f"task={task}", f"peft={peft}", "debug=smoke", f"dataset.limit={ROWS}", "trainer.precision=fp32", f"runs={runs}",
        f"name={task}-{peft}",
    ]  # fmt: skip


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_run_folder_is_complete(run):
    task, peft, folder = run
    names = {path.name for path in folder.iterdir()}
    files = {"config.yaml", "status.json", "metrics.json", "history.jsonl", "data.json", "log.txt", "model"}
    assert files | {"predictions_validation.jsonl", "predictions_test.jsonl"} <= names
    assert ("adapter" in names) == (peft == "lora")
    assert json.loads((folder / "status.json").read_text())["state"] == "finished"
    metrics = json.loads((folder / "metrics.json").read_text())
    main_figure = {"sentiment": "macro_f1", "ner": "entity_f1", "summarization": "rougeL"}[task]
    assert 0 <= metrics["test"][main_figure] <= 1
    assert main_figure in next(iter(metrics["baseline"]["test"].values()))
    assert main_figure in metrics["recipe"]
    history = lines(folder / "history.jsonl")
    assert [record["step"] for record in history if "loss" in record] == [1, 2, 3, 4]
    assert sum("validation" in record for record in history) == 2
    assert (folder / "model" / "model.safetensors").is_file()
    packages = json.loads((folder / "environment.json").read_text())["packages"]
    assert packages["pytest"] == pytest.__version__ and "torch" in packages


def test_a_prediction_stands_beside_every_gold_value(run):
    task, _, folder = run
    predictions = lines(folder / "predictions_test.jsonl")
    assert len(predictions) == ROWS
    for prediction in predictions:
        gold = prediction[{"sentiment": "label", "ner": "tags", "summarization": "summary"}[task]]
        assert isinstance(prediction["prediction"], type(gold))
        if task == "ner":
            assert len(prediction["prediction"]) == len(gold) == len(prediction["tokens"])


def test_the_same_command_again_trains_nothing(run, runs, capsys):
    task, peft, folder = run
    before = (folder / "model" / "model.safetensors").stat().st_mtime_ns
    assert main(words_of(task, peft, runs)) == 0
    assert "is finished" in capsys.readouterr().out
    assert (folder / "model" / "model.safetensors").stat().st_mtime_ns == before


def test_predict_gives_the_runs_own_predictions(run, tmp_path):
    task, _, folder = run
    expected = lines(folder / "predictions_test.jsonl")
    role = {"sentiment": "text", "ner": "tokens", "summarization": "document"}[task]
    sample = SAMPLES / task / "test.jsonl"
    given = tmp_path / "given.jsonl"
    rows = [{"id": row["id"], role: row[role]} for row in lines(sample)[:ROWS]]
    given.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert main(["predict", str(folder), str(given), "-o", str(tmp_path / "out.jsonl")]) == 0
    actual = lines(tmp_path / "out.jsonl")
    assert [row["prediction"] for row in actual] == [row["prediction"] for row in expected]
    assert [row["id"] for row in actual] == [row["id"] for row in expected]


def test_evaluate_gives_the_runs_own_figures(run, tmp_path):
    _, _, folder = run
    assert main(["evaluate", str(folder), "-o", str(tmp_path / "scores.json")]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    expected = json.loads((folder / "metrics.json").read_text())["test"]
    figures = {name: value for name, value in expected.items() if isinstance(value, float)}
    assert {name: scores[name] for name in figures} == pytest.approx(figures)


def test_transformers_loads_the_model_unchanged(run):
    task, _, folder = run
    model = str(folder / "model")
    predictions = lines(folder / "predictions_test.jsonl")
    if task == "sentiment":
        classify = pipeline("text-classification", model=model)
        for prediction in predictions[:5]:
            (answer,) = classify([prediction["text"]])
            assert answer["label"] == prediction["prediction"]
            assert answer["score"] == pytest.approx(max(prediction["probabilities"].values()), abs=1e-5)
    elif task == "ner":
        tag = pipeline("token-classification", model=model, ignore_labels=[])
        pieces = tag(predictions[0]["text"])
        starts = {piece["start"]: piece["entity"] for piece in pieces}
        position = 0
        for token, expected in zip(predictions[0]["tokens"], predictions[0]["prediction"], strict=True):
            assert starts[position] == expected
            position += len(token) + 1
    else:
        tokenizer, summarizer = (
            AutoTokenizer.from_pretrained(model),
            AutoModelForSeq2SeqLM.from_pretrained(model),
        )
        sample = SAMPLES / task / "test.jsonl"
        inputs = tokenizer(lines(sample)[0]["document"], return_tensors="pt", truncation=True)
        written = tokenizer.decode(summarizer.generate(**inputs)[0], skip_special_tokens=True)
        assert written.strip() == predictions[0]["prediction"]


def test_text_that_is_typed_is_predicted(run, capsys):
    _, _, folder = run
    assert main(["predict", str(folder), "--text", "A Câmara de São Luís não aprovou a obra."]) == 0
    prediction = json.loads(capsys.readouterr().out)
    assert "prediction" in prediction
    for entity in prediction.get("entities", []):
        assert prediction["text"][entity["start"] : entity["end"]] == entity["text"]


def test_in_bf16_everything_works_and_predictions_are_nearly_those_of_fp32(tmp_path):
    """As precision auto may compute where the hardware has units for it."""
    words = ["task=sentiment", "debug=smoke", "trainer.precision=bf16", "dataset.limit=16",
             f"runs={tmp_path}", "name=half"]  # fmt: skip
    done = forks().start(*words, cwd=tmp_path).ended()
    assert done.returncode == 0 and "bf16 on CPU" in done.stdout, done.stderr
    classify = pipeline("text-classification", model=str(tmp_path / "half" / "model"))
    for prediction in lines(tmp_path / "half" / "predictions_test.jsonl")[:5]:
        (answer,) = classify([prediction["text"]])
        assert answer["score"] == pytest.approx(max(prediction["probabilities"].values()), abs=2e-2)
