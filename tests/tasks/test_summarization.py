"""Summarization: whole references, the loss on the summary alone, room for what is written."""

import pytest
import torch

from autotune.errors import ConfigError, DataError
from autotune.tasks.base import IGNORED

ROWS = [
    {"id": "a", "document": "A câmara aprovou a obra. " * 3, "summary": "Câmara aprova obra."},
    {"id": "b", "document": "Choveu em São Luís. " * 60, "summary": "Chuva em São Luís, não há feridos."},
]


def targets(task, batch):
    labels = batch.targets["labels"]
    return [task.tokenizer.decode(row[row != IGNORED], skip_special_tokens=True).strip() for row in labels]


@pytest.mark.parametrize("architecture", ["t5", "bart", "gpt2", "llama"])
def test_references_are_learned_whole_and_end_with_the_end_token(make_task, architecture):
    task = make_task("summarization", ROWS, architecture)
    batch = task.collate(list(task.prepare(ROWS)))
    assert targets(task, batch) == [row["summary"] for row in ROWS]
    for row in batch.targets["labels"]:
        assert row[row != IGNORED][-1] == task.tokenizer.eos_token_id
    assert batch.num_targets == (batch.targets["labels"] != IGNORED).sum()


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_decoder_learns_nothing_on_the_prompt(make_task, architecture):
    task = make_task("summarization", ROWS, architecture)
    features = list(task.prepare(ROWS))
    batch = task.collate(features)
    for row, feature in zip(batch.targets["labels"], features, strict=True):
        learned = (row != IGNORED).nonzero().flatten()
        assert learned[0] == len(feature["input_ids"]) - 1
        assert len(learned) == len(feature["target_ids"])
    text = task.tokenizer.decode(features[0]["input_ids"])
    assert text.rstrip().endswith("Resumo:")


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_left_padding_does_not_change_what_a_decoder_writes(make_task, architecture):
    from autotune.models.weights import load_model

    task = make_task("summarization", ROWS, architecture)
    model = load_model(task.base, task.heads[task.base.family], None, None, allow_pickle=False, seed=1).eval()
    features = list(task.prepare(ROWS))
    with torch.inference_mode():
        together = task.predict(model, features)
        alone = [task.predict(model, [feature])[0] for feature in features]
    assert together == alone


def test_summaries_may_be_as_long_as_the_longest_reference(make_task):
    task = make_task("summarization", ROWS)
    longest = max(len(task.tokenizer(row["summary"])["input_ids"]) for row in ROWS)
    assert task.serving().generation["max_new_tokens"] == longest
    assert make_task("summarization", ROWS, max_new_tokens=7).serving().generation["max_new_tokens"] == 7


@pytest.mark.parametrize("architecture", ["t5", "gpt2"])
def test_a_long_document_is_cut_and_counted_and_the_summary_keeps_its_room(make_task, architecture):
    task = make_task("summarization", ROWS, architecture, max_length=128)
    short, long = task.prepare(ROWS)
    whole = len(task.tokenizer(ROWS[1]["document"], add_special_tokens=False)["input_ids"])
    assert short["lost"] == 0 and long["lost"] == whole - task.max_document_tokens
    assert len(long["input_ids"]) <= 128
    with pytest.raises(DataError, match=r"(?s)id b.*task.on_overflow=window"):
        list(
            make_task("summarization", ROWS, architecture, max_length=128, on_overflow="error").prepare(ROWS)
        )


def test_prompts_without_a_document_are_refused(make_task):
    with pytest.raises(ConfigError, match="task.prompt"):
        make_task("summarization", ROWS, prompt="Resuma.")


def test_a_prefix_of_ones_own_stands_before_the_document(make_task):
    task = make_task("summarization", ROWS, prompt="resumir: {document}")
    feature = next(iter(task.prepare(ROWS)))
    assert task.tokenizer.decode(feature["input_ids"]).startswith("resumir: A câmara")
