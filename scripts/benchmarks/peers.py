"""The work done by transformers.Trainer, as its examples set it up and as AutoTrain does."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import nn
from torch.utils.data import DataLoader
from transformers import (
    DataCollatorForSeq2Seq,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerBase,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_pt_utils import LengthGroupedSampler

from autotune.data.batches import Indices, padded_tokens
from autotune.tasks.base import padded_lengths
from benchmarks.cells import AUTOTRAIN, BF16, GROUPED, MAX_LENGTH, SUMMARIES_AT_ONCE
from benchmarks.ours import Run, steps
from benchmarks.setting import SEED, Opened

IGNORED = -100


def rows_for_trainer(opened: Opened, features: Dataset) -> Dataset:
    """Features under the names that models and collators of transformers know."""
    task = opened.prepared.task
    prompt_first = getattr(task, "is_decoder_only", None)

    def convert(feature: dict[str, Any]) -> dict[str, Any]:
        ids = list(feature["input_ids"])
        labels: Any
        if "target_ids" in feature:
            target = list(feature["target_ids"])
            labels = [IGNORED] * len(ids) + target if prompt_first else target
            ids = ids + target if prompt_first else ids
        else:
            labels = feature.get("label", feature.get("labels"))
        return {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels, "length": len(ids)}

    return features.map(convert, remove_columns=features.column_names)


def collator(opened: Opened, model: Any, padding: bool | str) -> Any:
    """The collator that the example of the task uses."""
    tokenizer = opened.prepared.task.tokenizer
    length = MAX_LENGTH if padding == "max_length" else None
    if "target_ids" in opened.prepared.features["train"].column_names:
        plain = model.get_base_model() if hasattr(model, "get_base_model") else model
        return DataCollatorForSeq2Seq(tokenizer, model=plain, padding=padding, max_length=length)
    if "words" in opened.prepared.features["train"].column_names:
        return DataCollatorForTokenClassification(tokenizer, padding=padding, max_length=length)
    return DataCollatorWithPadding(tokenizer, padding=padding, max_length=length)


def grouped_epoch(opened: Opened) -> list[Indices]:
    """The steps of an epoch that is grouped by length, the least padded tokens first."""
    prepared = opened.prepared
    lengths = padded_lengths(prepared.features["train"])
    size = opened.config.trainer.batch_size
    sampler = LengthGroupedSampler(
        size, lengths=lengths.sum(axis=1).tolist(), generator=torch.Generator().manual_seed(SEED)
    )
    order = np.asarray(list(sampler))
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    return sorted(batches, key=lambda batch: padded_tokens(lengths[batch]))


def grouped_steps(opened: Opened, count: int) -> list[Indices]:
    """Some of them; each stands for an equal share of the epoch's padded tokens.

    The sampler sorts each fifty batches, so its first few would all be long ones, and few batches drawn at random
    would miss the longest.
    """
    epoch = grouped_epoch(opened)
    lengths = padded_lengths(opened.prepared.features["train"])
    share = np.cumsum([padded_tokens(lengths[batch]) for batch in epoch], dtype=np.float64)
    return [epoch[int(np.searchsorted(share / share[-1], (number + 0.5) / count))] for number in range(count)]


def order_for(name: str, opened: Opened, count: int) -> list[Indices]:
    """Features of each step of a competitor."""
    return grouped_steps(opened, count) if name == GROUPED else steps(opened, count)


class _Clocked(TrainerCallback):
    """Reads the clocks when training begins and after every step."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """The first batch is about to be read."""
        self.run.mark()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """A step is done."""
        self.run.mark()


def _given_batches(
    base: type[Trainer], batches: Sequence[Indices], losses: list[torch.Tensor]
) -> type[Trainer]:
    """The class, learning from given batches in the given order and remembering its losses."""

    class Given(base):  # type: ignore[misc, valid-type]
        def get_train_dataloader(self) -> DataLoader[Any]:
            sampler: Callable[[], Iterator[list[int]]] = [[int(n) for n in batch] for batch in batches]
            loader = DataLoader(self.train_dataset, batch_sampler=sampler, collate_fn=self.data_collator)
            return self.accelerator.prepare(loader)

        def training_step(self, *arguments: Any, **named: Any) -> torch.Tensor:
            loss = super().training_step(*arguments, **named)
            losses.append(loss)
            return loss

    return Given


def train(name: str, opened: Opened, model: nn.Module, count: int, run: Run, output: str) -> nn.Module:
    """Does so many steps."""
    seq2seq = opened.prepared.base.family == "encoder-decoder" and not opened.prepared.task.labels()
    settings = opened.config.trainer
    rows = SUMMARIES_AT_ONCE if opened.prepared.task.labels() is None else settings.batch_size
    parts = settings.batch_size // rows
    arguments = (Seq2SeqTrainingArguments if seq2seq else TrainingArguments)(
        output,
        max_steps=count,
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=parts,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=-(-count // 10),
        bf16=name == BF16,
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        report_to="none",
        seed=SEED,
    )
    losses: list[torch.Tensor] = []
    batches = [
        step[start : start + rows]
        for step in order_for(name, opened, count)
        for start in range(0, len(step), rows)
    ]
    kind = _given_batches(Seq2SeqTrainer if seq2seq else Trainer, batches, losses)
    tokenizer: PreTrainedTokenizerBase = opened.prepared.task.tokenizer
    trainer = kind(
        model=model,
        args=arguments,
        train_dataset=rows_for_trainer(opened, opened.prepared.features["train"]),
        data_collator=collator(opened, model, "max_length" if name == AUTOTRAIN else True),
        processing_class=tokenizer,
        callbacks=[_Clocked(run)],
    )
    trainer.train()
    run.losses.extend(float(sum(losses[at : at + parts])) / parts for at in range(0, len(losses), parts))
    return model
