"""Documents longer than the input: windows of whole sentences, each reference sentence learned once, summaries merged."""

import json
import re
from itertools import pairwise

import pytest
import torch
from accelerate import Accelerator
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from autotune.data.batches import BatchPlan
from autotune.evaluation.evaluator import Evaluator
from autotune.metrics.sentences import sentence_starts
from autotune.tasks.base import padded_lengths
from autotune.tasks.long_documents import assign_sentences, window_text, windows_at_sentences
from tests.support.forks import forks

PLACES = ["ponte", "escola", "praça", "chuva", "feira", "obra", "voto", "conta", "rua", "saúde"]
SENTENCES = [f"A câmara aprovou a {place} número {number}." for number, place in enumerate(PLACES * 3)]
ROWS = [
    {"id": "short", "document": SENTENCES[0], "summary": "Câmara aprova ponte."},
    {"id": "long", "document": " ".join(SENTENCES), "summary": f"{SENTENCES[29]} {SENTENCES[0]} {SENTENCES[15]}"},
]  # fmt: skip

texts = st.lists(
    st.sampled_from(["Ata", "sim", "não", "5", ".", "!", "\n", " ", "  ", "palavracomprida", "É"]), min_size=1
)


@given(texts, st.integers(1, 9))
def test_windows_are_all_tokens_once_and_begin_with_sentences_where_they_can(parts, size):
    text = " ".join(parts)
    offsets = [(index, index + 1) for index, letter in enumerate(text) if not letter.isspace()]
    windows = windows_at_sentences(text, offsets, size) if offsets else []
    assert [token for first, end in windows for token in range(first, end)] == list(range(len(offsets)))
    assert all(end - first <= size for first, end in windows)


def test_windows_hold_whole_sentences_of_nearly_equal_length_where_they_fit():
    text = "Um dois três. Quatro cinco seis sete. Oito!\nNove dez onze."
    offsets = [match.span() for match in re.finditer(r"\w+|[.!]", text)]
    parts = [window_text(text, offsets, window) for window in windows_at_sentences(text, offsets, 11)]
    assert parts == ["Um dois três. Quatro cinco seis sete.", "Oito!\nNove dez onze."]
    parts = [window_text(text, offsets, window) for window in windows_at_sentences(text, offsets, 4)]
    assert parts == ["Um dois três.", "Quatro cinco seis", "sete. Oito!", "Nove dez onze."]


@given(texts, st.lists(texts, min_size=1, max_size=4))
def test_every_sentence_of_a_reference_is_in_exactly_one_part(reference, windows):
    text = " ".join(reference).strip()
    parts = assign_sentences(text, [" ".join(window) for window in windows])
    starts = sentence_starts(text)
    of_text = sorted(text[first:end].strip() for first, end in pairwise([*starts, len(text)]))
    assert parts and set(parts) <= set(range(len(windows)))
    joined = sorted("".join("".join(parts.values()).split()))
    assert joined == sorted("".join("".join(of_text).split()))


@pytest.mark.parametrize("architecture", ["t5", "gpt2"])
def test_no_token_of_a_document_and_no_sentence_of_a_reference_is_lost(make_task, architecture):
    cut = make_task("summarization", ROWS, architecture, max_length=128)
    task = make_task("summarization", ROWS, architecture, max_length=128, on_overflow="window")
    short, *long = task.prepare(ROWS)
    assert json.dumps(short) == json.dumps(next(iter(cut.prepare(ROWS))))
    assert len(long) >= 3 and {feature["row"] for feature in long} == {1}
    before = len(task.encoder.prefix) + len(task.prompt_start)
    after = len(task.prompt_end) + (0 if task.is_decoder_only else len(task.encoder.suffix))
    read = [token for f in long for token in f["input_ids"][before : len(f["input_ids"]) - after]]
    assert read == task.encoder.ids([ROWS[1]["document"]])[0]
    assert all(feature["lost"] == 0 and len(feature["input_ids"]) <= 128 for feature in long)
    learned = [task.tokenizer.decode(f["target_ids"], skip_special_tokens=True).strip() for f in long]
    assert [text for text in learned if text] == [SENTENCES[0], SENTENCES[15], SENTENCES[29]]
    assert learned[0] == SENTENCES[0] and learned[-1] == SENTENCES[29]

    features = Dataset.from_list([short, *long])
    report = task.length_report(Dataset.from_list(ROWS), features)
    assert report.overlong.tolist() == [1] and report.fix == "task.on_overflow=window"
    assert report.lost["tokens"] == len(read) - task.max_document_tokens


def test_windows_without_a_target_are_not_learned_and_ranks_share_the_weights(make_task):
    task = make_task("summarization", ROWS, "t5", max_length=64, on_overflow="window")
    features = list(task.prepare(ROWS))
    lengths = padded_lengths(Dataset.from_list(features))
    plan = BatchPlan([f["row"] for f in features], lengths, batch_size=2, budget=256, seed=1)
    step = set(plan.step_features(0).tolist())
    assert step == {index for index, feature in enumerate(features) if feature["target_ids"]}
    assert len(step) < len(features)
    for ranks in (1, 2, 3):
        batches = [b for rank in range(ranks) for b in plan.micro_batches(0, rank=rank, ranks=ranks)]
        total = sum(task.collate([features[i] for i in batch]).num_targets for batch in batches)
        assert total == sum(len(feature["target_ids"]) for feature in features)


class FirstSentence(torch.nn.Module):
    """Stands for a trained model that writes the first sentence of what it reads.

    Args:
        task: reads its input and ends its output.
    """

    def __init__(self, task) -> None:
        super().__init__()
        self.task, self.device, self.sizes = task, torch.device("cpu"), []

    def generate(self, input_ids, attention_mask, max_new_tokens, **settings):
        self.sizes.append(len(input_ids))
        rows = []
        for ids in input_ids:
            text = self.task.tokenizer.decode(ids, skip_special_tokens=True)
            start = sentence_starts(text)[1:2] or [len(text)]
            rows.append([0, *self.task._target_ids([text[: start[0]].strip()])[0]][: max_new_tokens + 1])
        width = max(map(len, rows))
        return torch.tensor([row + [self.task.tokenizer.pad_token_id] * (width - len(row)) for row in rows])


def summaries(task, rows=ROWS):
    model = FirstSentence(task)
    evaluator = Evaluator(task, Accelerator(cpu=True), 4096)
    answers = evaluator.predict(model, Dataset.from_list(list(task.prepare(rows))), Dataset.from_list(rows))
    return [answer["prediction"] for answer in answers], model.sizes


def test_a_summary_covers_the_end_of_a_document_and_is_summarized_again_if_it_is_too_long(make_task):
    short, cut = summaries(make_task("summarization", ROWS, "t5", max_length=128))[0]
    assert cut == short == SENTENCES[0]
    task = make_task("summarization", ROWS, "t5", max_length=128, on_overflow="window", max_new_tokens=250)
    (short_again, merged), _ = summaries(task)
    spans = [feature for feature in task.prepare(ROWS) if feature["row"] == 1]
    assert (
        short_again == short
        and merged.startswith(SENTENCES[0])
        and len(sentence_starts(merged)) == len(spans)
    )
    assert any(sentence in merged for sentence in SENTENCES[15:])
    # The sentences of two windows are longer than 40 tokens, and a small part of the document: they are read once more.
    task = make_task("summarization", ROWS, "t5", max_length=400, on_overflow="window", max_new_tokens=40)
    (_, again), sizes = summaries(task)
    assert again == SENTENCES[0] and len(sizes) > 1 and sizes[-1] == 1


@pytest.mark.parametrize("architecture", ["t5", "llama"])
def test_a_run_reads_whole_documents_and_one_that_was_cut_can_predict_so(tmp_path, architecture):
    for split, count in (("train", 6), ("validation", 2), ("test", 2)):
        lines = [json.dumps(ROWS[number % 2] | {"id": str(number)}) for number in range(count)]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines), "utf-8")
    words = ("task=summarization", f"dataset.path={tmp_path}", f"model.tiny={architecture}", "guard=none")
    words += ("task.max_length=128", "task.max_new_tokens=8", "trainer.max_steps=2", "trainer.batch_size=2")
    done = (
        forks().start(*words, "task.on_overflow=window", f"runs={tmp_path}", "name=w", cwd=tmp_path).ended()
    )
    assert done.returncode == 0, done.stderr
    assert "read in several windows, so nothing is lost" in done.stdout + done.stderr
    assert "proof: a fresh process" in done.stdout + done.stderr
    card = (tmp_path / "w" / "model" / "README.md").read_text("utf-8")
    assert "resume textos mais longos em partes" in card
    command = ("predict", str(tmp_path / "w"), str(tmp_path / "test.jsonl"), "task.on_overflow=truncate")
    done = forks().start(*command, "-o", "cut.jsonl", cwd=tmp_path).ended()
    assert done.returncode == 0, done.stderr
    whole, cut = ([json.loads(line) for line in (tmp_path / name).read_text("utf-8").splitlines()]
                  for name in ("w/predictions_test.jsonl", "cut.jsonl"))  # fmt: skip
    assert whole[0]["prediction"] == cut[0]["prediction"]
