"""Prediction with generation: autotune's Evaluator beside Seq2SeqTrainer's predict_with_generate."""

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList, Seq2SeqTrainer, Seq2SeqTrainingArguments

from autotune.config.enums import Precision
from autotune.evaluation.evaluator import Evaluator
from autotune.tasks.base import score
from autotune.training import device
from autotune.training.budget import prediction_token_budget
from benchmarks.cells import AUTOTUNE, Cell
from benchmarks.peers import collator, rows_for_trainer
from benchmarks.setting import Opened, fresh_model


class EndsThere(LogitsProcessor):
    """Ends each row where its reference ends: random models do not end by themselves, trained ones do.

    Args:
        lengths: tokens of each row, the end included, int64 (rows,).
        prompt: tokens before the first that is written.
        end: id of the end token.
    """

    def __init__(self, lengths: Tensor, prompt: int, end: int) -> None:
        self.lengths, self.prompt, self.end = lengths, prompt, end

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Only the end is left to rows that are done, and it is forbidden to the others."""
        written = input_ids.shape[1] - self.prompt
        if len(input_ids) < len(self.lengths):
            self.lengths = self.lengths[self.lengths > written]  # rows that have ended have left the batch
        done = written + 1 >= self.lengths
        scores = scores.clone()
        ends = scores[:, self.end].clone()
        scores[done] = -torch.inf
        scores[:, self.end] = torch.where(done, ends, -torch.inf)
        return scores


def end_as_references_do(model: Any, opened: Opened) -> dict[str, int]:
    """Makes the model's `generate` end rows where their references end; returns a counter of its calls."""
    features, _ = opened.held_out
    wanted = {
        tuple(ids): len(target)
        for ids, target in zip(features["input_ids"], features["target_ids"], strict=True)
    }
    plain, calls = model.generate, {"generate": 0}
    end = opened.prepared.task.tokenizer.eos_token_id

    def generate(input_ids: Tensor, attention_mask: Tensor, **options: Any) -> Tensor:
        calls["generate"] += 1
        rows = [tuple(row[mask.bool()].tolist()) for row, mask in zip(input_ids, attention_mask, strict=True)]
        lengths = torch.tensor([wanted[row] for row in rows])
        processors = LogitsProcessorList([EndsThere(lengths, 1, end)])
        return plain(
            input_ids=input_ids, attention_mask=attention_mask, logits_processor=processors, **options
        )

    model.generate = generate
    return calls


def predict(name: str, opened: Opened, cell: Cell, folder: str) -> dict[str, Any]:
    """Summaries of the held-out rows, timed, and their ROUGE."""
    model = fresh_model(opened, cell, dropout=False).eval()
    calls = end_as_references_do(model, opened)
    features, rows = opened.held_out
    work = _ours if name == AUTOTUNE else _peer
    took, texts = work(opened, model, folder)
    scores = score(opened.prepared.task, list(rows), [{"prediction": text} for text in texts])
    written = sum(len(target) for target in features["target_ids"])
    return {**took, "tokens": written, "score": scores.best, "texts": texts, "calls": calls["generate"]}


def _ours(opened: Opened, model: Any, _: str) -> tuple[dict[str, float], list[str]]:
    evaluator = Evaluator(
        opened.prepared.task,
        device.accelerator(Precision.fp32),
        prediction_token_budget(opened.prepared.base.config),
    )
    features, rows = opened.held_out
    took, predictions = _timed(lambda: evaluator.predict(model, features, rows))
    return took, [str(prediction["prediction"]) for prediction in predictions]


def _peer(opened: Opened, model: Any, folder: str) -> tuple[dict[str, float], list[str]]:
    task = opened.prepared.task
    arguments = Seq2SeqTrainingArguments(
        f"{folder}/trainer",
        predict_with_generate=True,
        use_cpu=not torch.cuda.is_available(),
        disable_tqdm=True,
        report_to="none",
    )
    model.generation_config.update(**task.serving().generation)
    trainer = Seq2SeqTrainer(
        model=model,
        args=arguments,
        data_collator=collator(opened, model, True),
        processing_class=task.tokenizer,
    )
    rows = rows_for_trainer(opened, opened.held_out[0])
    longest = task.serving().generation["max_new_tokens"]
    took, output = _timed(lambda: trainer.predict(rows, max_new_tokens=longest, num_beams=1))
    tokens = np.where(output.predictions < 0, task.tokenizer.pad_token_id, output.predictions)
    return took, [text.strip() for text in task.tokenizer.batch_decode(tokens, skip_special_tokens=True)]


def _timed(work: Any) -> tuple[dict[str, float], Any]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}, result
