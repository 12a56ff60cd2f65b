"""What a base's own search would force or forbid is neither in a run's summaries nor in those of the saved model."""

import json
import math

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from autotune.config.enums import Guard
from autotune.config.schema import DatasetConfig
from autotune.models.saved_model import save_model
from autotune.models.weights import load_model
from autotune.registry import task as find
from autotune.tasks.base import FeatureOutput, Scores
from autotune.training.guards import TrainingMonitor
from tests.models.conftest import SENTENCES

ROWS = [{"id": str(number), "document": text, "summary": text[:24]} for number, text in enumerate(SENTENCES)]
NEW_TOKENS = 6
FORCED = {
    "an end at the greatest length": {"forced_eos_token_id": 2},
    "another beginning": {"forced_bos_token_id": 9},
    "an end as beginning": {"forced_bos_token_id": 2},
    "suppressed tokens": {
        "suppress_tokens": [*range(5, 300, 2)],
        "begin_suppress_tokens": [*range(4, 300, 2)],
    },
    "bad words": {"bad_words_ids": [[token] for token in range(5, 300, 2)]},
    "lengths": {"min_length": 60, "max_length": 3, "exponential_decay_length_penalty": [1, 9.0]},
    "other searches": {
        "num_beams": 3,
        "early_stopping": True,
        "repetition_penalty": 9.0,
        "length_penalty": 3.0,
    },
}


@pytest.fixture(scope="module")
def plain(opened):
    """What a model without any such settings writes, by the number of beams."""
    return {}


def summaries(base, tmp_path, **options):
    """A task, a model that seldom ends, and what it writes."""
    kind = find("summarization")
    own = kind.Config(max_new_tokens=NEW_TOKENS, **options)
    task = kind(own, base, kind.fit_labels(own, DatasetConfig(path="memory"), {}))
    task.measure_tokens({"train": Dataset.from_list(ROWS)})
    model = load_model(base, task.heads[base.family], None, None, allow_pickle=False, seed=1).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
        written = task.predict(model, list(task.prepare(ROWS)))
    save_model(model, base, tmp_path / "model", {}, generation=task.serving().generation)
    return task, written


@pytest.mark.parametrize(
    ("what", "beams"), [*zip(FORCED, [1, 2] * len(FORCED), strict=False), (next(iter(FORCED)), 2)]
)
def test_the_model_is_heard_and_not_the_search(opened, checkpoint, plain, tmp_path, what, beams):
    if beams not in plain:
        _, plain[beams] = summaries(opened("bart"), tmp_path, num_beams=beams)
    folder = checkpoint("bart")
    file = folder / "generation_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **FORCED[what]}), "utf-8")
    _, written = summaries(opened(folder, "summarization"), tmp_path, num_beams=beams)
    assert written == plain[beams]
    assert sum(one.cut for one in written) > len(written) / 2 and all(one.text for one in written)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "model")
    for row, one in zip(ROWS[:2], written, strict=False):
        out = model.generate(**tokenizer(row["document"], return_tensors="pt", truncation=True))[0]
        assert tokenizer.decode(out, skip_special_tokens=True).strip() == one.text


def test_summaries_that_only_the_search_would_end_are_told(opened, tmp_path):
    task, written = summaries(opened("bart"), tmp_path)
    pieces = [FeatureOutput(number, number, one) for number, one in enumerate(written)]
    metric = task.metric()
    for row, prediction in zip(ROWS, task.join(ROWS, pieces), strict=True):
        metric.add(reference=row["summary"], prediction=prediction["prediction"])
        metric.state.add_extra(prediction)
    guards = TrainingMonitor(Guard.warn, guessing_loss=math.inf, per_epoch=9, scaled=False)
    assert [one.trouble for one in guards.validated(9, Scores.of(metric, task.objective))] == [
        "summaries without end"
    ]


def test_a_beginning_that_all_references_have_stays(opened, checkpoint):
    folder = checkpoint("bart")
    first = opened("bart").tokenizer("a")["input_ids"][0]
    file = folder / "generation_config.json"
    file.write_text(
        json.dumps({**json.loads(file.read_text("utf-8")), "forced_bos_token_id": first}), "utf-8"
    )
    base = opened(folder, "summarization")
    model = load_model(base, find("summarization").heads[base.family], None, None, allow_pickle=False, seed=1)
    assert model.generation_config.forced_bos_token_id == first
    assert model.generation_config.forced_eos_token_id is None and model.config.forced_eos_token_id is None
