"""Whether `transformers.pipeline` answers with a saved model as the task's own code does.

The first window of each row is compared: the scores of all classes (text-classification), or the likeliest tag of
each token and its probability (token-classification). What the pipeline cannot do is left out, and all of it is this:

- It reads one window: `truncation=True, max_length=task.max_length` is what it is given. Windows after the first, and
  the mean over them, are autotune's alone.
- It knows no normal form: it is given the text as `dataset.normalize` leaves it.
- Words come with one blank between them. A row with a word that the tokenizer drops is left out.
- In a saved tokenizer with a Unigram vocabulary (T5, XLM-R, DeBERTa-v2), "</s>" in a text is that token. autotune reads it
  as text, so no such text is compared.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from autotune.data.sources import rows_from_texts
from autotune.models.repository import quiet
from autotune.models.spec import padded_inputs
from autotune.models.special_tokens import is_unigram, shaping_tokens
from autotune.tasks.base import Row, Task

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 1e-4
"""By how much a score may differ, relative to its size where that is above 1: batches of other shapes round otherwise."""
LONGEST = 2048
"""Tokens of a window up to which a row that is longer than it is compared: on a CPU it would take too long."""


def rows_to_compare(task: Task, rows: Sequence[Row]) -> list[Row]:
    """The first and the longest of some rows, one with the special tokens of the tokenizer, and one longer than a window."""
    texts = [text for row in rows if (text := task.in_pipeline(row))]
    if not texts:
        return []
    sample = texts[0][:200]
    special = [] if is_unigram(task.tokenizer) else sorted(shaping_tokens(task.tokenizer))
    made = [" ".join([sample, *task.encoder.words[:20], *special[:20], sample])]
    if task.max_length <= LONGEST:
        tokens = max(1, len(task.encoder.ids([sample])[0]))
        made.append(" ".join([sample] * (1 + task.max_length // tokens)))
    known = [rows[0], max(rows, key=lambda row: len(task.in_pipeline(row) or ""))]
    return [*known, *rows_from_texts(made, task.columns)]


def differences(task: Task, folder: Path, rows: Sequence[Row]) -> Iterator[str]:
    """Says of each row that the pipeline answers otherwise what differs.

    Args:
        task: of the saved model, with a `pipeline`.
        folder: of the saved model.
        rows: with canonical columns.
    """
    from transformers import pipeline

    with quiet():
        use: Any = pipeline(task.pipeline, model=str(folder), device="cpu", dtype=torch.float32)
    use.tokenizer.model_max_length = task.max_length
    compare = _tags if task.pipeline == "token-classification" else _classes
    for number, row in enumerate(rows):
        text = task.in_pipeline(row)
        if text:
            first = next(iter(task.prepare([row], number)))
            inputs = padded_inputs([first["input_ids"]], task.tokenizer.pad_token_id)
            with torch.inference_mode():
                logits = use.model(**inputs).logits[0].float()
            difference = compare(use, text, logits, task.max_length)
            if difference is not None:
                yield f"{text[:80]!r}: {difference}"


def _classes(use: Any, text: str, logits: "Tensor", max_length: int) -> str | None:
    """What differs in the scores of a text's classes."""
    given = use(text, top_k=None, function_to_apply="none", truncation=True, max_length=max_length)
    theirs = {one["label"]: one["score"] for one in given}
    for label, score in zip(use.model.config.id2label.values(), logits.tolist(), strict=True):
        if not _same(score, theirs[label]):
            return f"score of {label} {theirs[label]:.4f}, and {score:.4f} here"
    return None


def _tags(use: Any, text: str, logits: "Tensor", max_length: int) -> str | None:
    """What differs in the tags of a text's tokens."""
    names = use.model.config.id2label
    scores, tags = (tensor.tolist() for tensor in logits.softmax(-1).max(-1))
    theirs = use(text, ignore_labels=[])
    specials = use.tokenizer.num_special_tokens_to_add()
    if len(theirs) != len(tags) - specials:
        return f"{len(theirs)} tokens, and {len(tags) - specials} here"
    for one in theirs:
        at = one["index"]
        if one["entity"] != names[tags[at]] or not _same(one["score"], scores[at]):
            return f"{one['word']!r} is {one['entity']} ({one['score']:.4f}), and {names[tags[at]]} ({scores[at]:.4f}) here"
    return None


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= TOLERANCE * max(1.0, abs(one))
