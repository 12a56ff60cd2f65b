"""Prediction of splits: every row once, in order, the same whatever the blocks, batches and processes; flat memory."""

import json
from dataclasses import dataclass

import pytest
import torch
from datasets import Dataset

from autotune.config.enums import Precision
from autotune.evaluation import evaluator
from autotune.evaluation.evaluator import Evaluator, blocks
from autotune.models.weights import load_model
from autotune.run.folder import RunFolder
from autotune.tasks.base import padded_lengths
from autotune.training import device
from autotune.training.features import prepare_features
from tests.support.forks import forks
from tests.tasks.conftest import make_task, words_row  # noqa: F401 - a fixture

TEXTS = ["Não gostei da água", "Ótima praça, " * 40, "São três pães", "Sim", "Vovó vê o pinguim " * 9] * 3
ROWS = {
    "sentiment": [
        {"id": str(number), "text": text, "label": ["negativo", "positivo"][number % 3 == 0]}
        for number, text in enumerate(TEXTS)
    ],
    "ner": [
        words_row(number, text.split(), ["B-LOCAL"] + ["O"] * (len(text.split()) - 1))
        for number, text in enumerate(TEXTS)
    ],
    "summarization": [
        {"id": str(number), "document": text, "summary": text[:20]} for number, text in enumerate(TEXTS)
    ],
}


@dataclass
class Process:
    """One of several, as the Evaluator knows it."""

    process_index: int
    num_processes: int

    def __getattr__(self, name):
        return getattr(device.accelerator(Precision.fp32), name)


@pytest.fixture(params=ROWS)
def setting(request, make_task, tmp_path):  # noqa: F811
    """Task, untrained model, features and rows; long texts have several windows where the task has them."""
    options = {"max_new_tokens": 8} if request.param == "summarization" else {}
    task = make_task(request.param, ROWS[request.param], max_length=64, **options)
    model = load_model(
        task.base, task.heads[task.base.family], task.labels(), None, allow_pickle=False, seed=1
    )
    rows = Dataset.from_list(ROWS[request.param])
    return task, model, prepare_features(task, rows, tmp_path, "rows"), rows


def plain(prediction: dict) -> dict:
    """A prediction whose probabilities are rounded: another batch may round otherwise."""
    return json.loads(
        json.dumps(prediction), parse_float=lambda number: pytest.approx(float(number), abs=1e-5)
    )


def test_sorted_batches_predict_what_each_row_gives_alone(setting, tmp_path, monkeypatch):
    task, model, features, rows = setting
    accelerator = device.accelerator(Precision.fp32)
    alone = []
    for number in range(len(rows)):
        one = rows.select([number])
        alone += Evaluator(task, accelerator, 1).predict(
            model, prepare_features(task, one, tmp_path, f"row {number}"), one
        )
    for block, budget in ((evaluator.BLOCK, 4096), (7, 256), (1, 4096)):
        monkeypatch.setattr(evaluator, "BLOCK", block)
        together = Evaluator(task, accelerator, budget).predict(model, features, rows)
        assert together == [plain(prediction) for prediction in alone]


@pytest.mark.parametrize("ranks", [2, 3])
def test_processes_share_the_rows_and_have_the_same_figures(setting, tmp_path, monkeypatch, ranks):
    task, model, features, rows = setting
    alone = Evaluator(task, device.accelerator(Precision.fp32), 4096)
    whole = alone.predict(model, features, rows)
    monkeypatch.setattr(evaluator, "BLOCK", 7)
    folder = RunFolder(tmp_path, (tmp_path / "lock").open("w"))
    metrics = []
    for rank in range(ranks):
        metrics.append(task.metric())
        of_rank = Evaluator(task, Process(rank, ranks), 4096)
        predictions = of_rank.predict_and_score(metrics[rank], model, features, rows)
        folder.write_predictions("test", predictions, rank=rank, ranks=ranks)
    folder.join_predictions("test", ranks)
    written = folder.predictions("test").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in written] == [plain(prediction) for prediction in whole]
    assert {path.name for path in tmp_path.glob("*predictions*")} == {"predictions_test.jsonl"}
    tallies = [metric.state for metric in metrics]
    monkeypatch.setattr(evaluator, "gather_object", lambda mine: tallies)
    for rank in range(ranks):
        found = Evaluator(task, Process(rank, ranks), 4096).scores(metrics[rank])
        assert found == alone.score(model, features, rows)


def test_memory_that_is_not_enough_halves_the_batch(setting, monkeypatch):
    task, model, features, rows = setting
    evaluator = Evaluator(task, device.accelerator(Precision.fp32), 4096)
    whole = evaluator.predict(model, features, rows)
    predict, sizes = task.predict, []
    enough = 2 * int(padded_lengths(features)[:, 0].max())

    def small(model, features):
        sizes.append(len(features) * max(len(row["input_ids"]) for row in features))
        if sizes[-1] > enough:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return predict(model, features)

    monkeypatch.setattr(task, "predict", small)
    assert evaluator.predict(model, features, rows) == [plain(prediction) for prediction in whole]
    refused = [size for size in sizes if size > enough]
    assert refused == sorted(set(refused), reverse=True), "none is tried that is as large as one before"
    assert min(sizes) < enough < max(sizes)

    def refuse(model, features):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(task, "predict", refuse)
    with pytest.raises(torch.OutOfMemoryError):
        evaluator.predict(model, features, rows)


def test_the_model_is_left_as_it_was_while_predictions_are_read(setting):
    task, model, features, rows = setting
    model.train()
    for _ in Evaluator(task, device.accelerator(Precision.fp32), 4096).stream(model, features, rows):
        assert model.training and not torch.is_inference_mode_enabled()


def test_blocks_hold_all_windows_of_their_rows():
    features = Dataset.from_dict({"row": [0, 0, 0, 1, 2, 2, 3]})
    assert list(blocks(features, 2)) == [(0, 3), (3, 6), (6, 7)]
    assert list(blocks(features, 100)) == [(0, 7)]
    assert list(blocks(features.select([]), 2)) == []


MEMORY = """
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from datasets import Dataset
from transformers import BertConfig, BertForSequenceClassification
from autotune.config.enums import Architecture, Precision
from autotune.config.schema import DatasetConfig, ModelConfig
from autotune.data.cache import cached_table
from autotune.evaluation.evaluator import Evaluator
from autotune.models.base import open_base
from autotune.registry import task as find
from autotune.training import device
from autotune.training.features import prepare_features

def own_memory():
    # Pages of memory-mapped files are the system's to take back at any time.
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024

with TemporaryDirectory() as scratch:
    kind = find("sentiment")
    made = lambda count: ({"id": str(i), "text": "Bom" * (i % 3 + 1), "label": "ab"[i % 2]} for i in range(count))
    config = kind.Config(max_length=16)
    facts = kind.fit_labels(config, DatasetConfig(path="memory"), {"train": Dataset.from_list(list(made(4)))})
    base = open_base(ModelConfig(tiny=Architecture("bert")), kind.heads, "sentiment", "", "bert",
                     lambda: ["Bom bom"], Path(scratch))
    task = kind(config, base, facts)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = BertForSequenceClassification(BertConfig(vocab_size=len(base.tokenizer), **small))
    evaluator = Evaluator(task, device.accelerator(Precision.fp32), 4096)
    peaks = {}
    prepared = {}
    for count in (20_000, 3_000):
        rows = cached_table(Path(scratch), f"rows-{count}", lambda: made(count))
        prepared[count] = rows, prepare_features(task, rows, Path(scratch), str(count))
    for count in (3_000, 20_000):
        rows, features = prepared[count]
        peak = 0.0
        with (Path(scratch) / "out.jsonl").open("w") as out:
            for number, prediction in enumerate(evaluator.predict_and_score(task.metric(), model, features, rows)):
                out.write(json.dumps(prediction))
                if number % 500 == 0:
                    peak = max(peak, own_memory())
        peaks[count] = peak
    print(json.dumps(peaks))
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path):
    done = forks().start(code=MEMORY, cwd=tmp_path).ended()
    assert done.returncode == 0, done.stderr
    few, many = json.loads(done.stdout.splitlines()[-1]).values()
    assert many - few < 12, f"{few:.0f} MiB for 3,000 rows, {many:.0f} MiB for 20,000"
