"""Compares `transformers.pipeline` on a saved model with the task's own code.

For the first window of each row, it compares the scores of all classes (text-classification), or the likeliest tag of
each token and its probability (token-classification). Whatever the pipeline cannot do is left out:

- It reads one window, with `truncation=True, max_length=task.max_length`. Only autotune reads further windows and takes
  the mean over them.
- It does not normalize: its input is the text as `dataset.normalize` leaves it.
- Its words are separated by one blank. A row with a word that the tokenizer drops is left out.
- In a saved tokenizer with a Unigram vocabulary (T5, XLM-R, DeBERTa-v2), "</s>" in a text is that token. autotune reads
  it as text, so no such text is compared.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from autotune.data.texts import rows_from_texts
from autotune.models.repository import quiet
from autotune.models.spec import feature_inputs
from autotune.models.special_tokens import is_unigram, shaping_tokens
from autotune.tasks.base import Row, Task

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 1e-4
"""Largest difference of a score, relative to the score if that is above 1: batches of other shapes round differently."""
MAX_WINDOW = 2048
"""Tokens of the longest window for which a row longer than the window is compared; more would take too long on a CPU."""


def rows_to_compare(task: Task, rows: Sequence[Row]) -> list[Row]:
    """Returns the first and the longest row, one with the special tokens of the tokenizer, and one longer than a window."""
    rows = [row for row in rows if task.in_pipeline(row)]
    if not rows:
        return []
    of_first = task.in_pipeline(rows[0])
    sample = (of_first["text"] if isinstance(of_first, dict) else str(of_first))[:200]
    special = [] if is_unigram(task.tokenizer) else sorted(shaping_tokens(task.tokenizer))
    made_up = [" ".join([sample, *task.encoder.added_words[:20], *special[:20], sample])]
    if task.max_length <= MAX_WINDOW:
        tokens = max(1, len(task.encoder.ids([sample])[0]))
        made_up.append(" ".join([sample] * (1 + task.max_length // tokens)))
    longest = max(rows, key=lambda row: len(str(task.in_pipeline(row))))
    # Of a pair, both texts are longer than the window, or hold special tokens.
    pairs = made_up if isinstance(of_first, dict) else ()
    return [rows[0], longest, *rows_from_texts(made_up, task.columns, pairs=pairs)]


def differences(task: Task, folder: Path, rows: Sequence[Row]) -> Iterator[str]:
    """Yields a description of the difference for each row on which the pipeline and the task differ.

    Args:
        task: task of the saved model, with a `pipeline`.
        folder: folder of the saved model.
        rows: rows with canonical columns.
    """
    from transformers import pipeline

    with quiet():
        served: Any = pipeline(task.pipeline, model=str(folder), device="cpu", dtype=torch.float32)
    served.tokenizer.model_max_length = task.max_length
    compare = _compare_tags if task.pipeline == "token-classification" else _compare_classes
    for number, row in enumerate(rows):
        text = task.in_pipeline(row)
        if text:
            first = next(iter(task.prepare([row], number)))
            inputs = feature_inputs([first], task.tokenizer.pad_token_id)
            with torch.inference_mode():
                logits = served.model(**inputs).logits[0].float()
            difference = compare(served, text, logits, task.max_length)
            if difference is not None:
                yield f"{str(text)[:80]!r}: {difference}"


def _compare_classes(
    served: Any, text: str | dict[str, str], logits: "Tensor", max_length: int
) -> str | None:
    """Describes the first difference in the scores of a text's classes; None if there is none."""
    answers = served(text, top_k=None, function_to_apply="none", truncation=True, max_length=max_length)
    served_scores = {answer["label"]: answer["score"] for answer in answers}
    for label, score in zip(served.model.config.id2label.values(), logits.tolist(), strict=True):
        if not _is_close(score, served_scores[label]):
            return f"score of {label} {served_scores[label]:.4f}, and {score:.4f} here"
    return None


def _compare_tags(served: Any, text: str | dict[str, str], logits: "Tensor", max_length: int) -> str | None:
    """Describes the first difference in the tags of a text's tokens; None if there is none."""
    names = served.model.config.id2label
    scores, tags = (tensor.tolist() for tensor in logits.softmax(-1).max(-1))
    answers = served(text, ignore_labels=[])
    specials = served.tokenizer.num_special_tokens_to_add()
    if len(answers) != len(tags) - specials:
        return f"{len(answers)} tokens, and {len(tags) - specials} here"
    for answer in answers:
        index = answer["index"]
        tag, score = names[tags[index]], scores[index]
        if answer["entity"] != tag or not _is_close(answer["score"], score):
            served_tag, served_score = answer["entity"], answer["score"]
            return f"{answer['word']!r} is {served_tag} ({served_score:.4f}), and {tag} ({score:.4f}) here"
    return None


def _is_close(first: float, second: float) -> bool:
    return abs(first - second) <= TOLERANCE * max(1.0, abs(first))
