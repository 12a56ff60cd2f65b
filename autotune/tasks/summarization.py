"""Abstractive summarization by an encoder-decoder or a decoder."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from autotune.config.columns import Column, Kind
from autotune.config.enums import Overflow
from autotune.config.schema import DatasetConfig, OptionalPositive, Positive, RunConfig, TaskConfig
from autotune.data.cache import iter_column, iter_rows
from autotune.errors import AutotuneError, ConfigError, DataError, ModelError, raise_all
from autotune.models.spec import Family, Head, ModelSpec, pad, padded_inputs
from autotune.registry import register
from autotune.runtime.records import Record
from autotune.tasks.base import IGNORED, Batch, Feature, FeatureOutput, LossSum, Prediction, Row, Task, chunks
from autotune.tasks.greedy import greedy

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import nn

    from autotune.metrics.rouge import Rouge

DECODER_PROMPT = "{document}\n\nResumo: "
"""What a decoder reads before it writes the summary."""


@dataclass
class SummarizationConfig(TaskConfig):
    """Section `task` of task=summarization."""

    name: str = "summarization"
    on_overflow: Overflow = Overflow.truncate
    """Documents longer than max_length: the end is cut and counted, or the run is refused."""
    prompt: str | None = None
    """What the model reads; {document} stands for the document. null: the document alone, and for decoders
    the document followed by "Resumo:"."""
    max_new_tokens: OptionalPositive = None
    """Longest summary that is written, in tokens. null: the longest reference of train and validation."""
    num_beams: Positive = 1
    """Beam search; 1 is greedy."""
    no_repeat_ngram_size: Annotated[int, Field(ge=0)] = 0
    """Forbids repeating so many tokens in a row; 0 forbids nothing."""
    length_penalty: float = 1.0
    """Above 1 favours long summaries in beam search."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target probability that is spread over the vocabulary (Szegedy et al. 2016)."""


@dataclass(frozen=True)
class GeneratedSummary:
    """A summary."""

    text: str
    cut: bool
    """Whether its greatest length came before the end that the model itself writes; the search writes none."""


class Facts(Record):
    """What the model is built on, once it has been measured in tokens."""

    longest_summary: Positive
    max_new_tokens: Positive


@register
class Summarization(Task):
    """document -> summary."""

    name = "summarization"
    Config = SummarizationConfig
    Facts = Facts
    columns = (Column("document", Kind.text), Column("summary", Kind.text, target=True))
    heads = {Family.encoder_decoder: Head.seq2seq, Family.decoder: Head.causal}
    alternatives = "an encoder-decoder, model=ptt5_base, or a decoder, model=tucano_160m"
    example_overrides = "dataset=recognasumm model=ptt5_base"
    tiny = "t5"
    main_metric = "rougeL"

    config: SummarizationConfig

    def __init__(self, config: SummarizationConfig, base: ModelSpec, facts: dict[str, Any]) -> None:
        super().__init__(config, base, facts)
        self.writes_after_prompt = base.family is Family.decoder
        raise_all(list(_faults(config)))
        _refuse_without_borders(base)
        prompt = config.prompt or (DECODER_PROMPT if self.writes_after_prompt else "{document}")
        self.prompt = prompt
        self.before, self.after = self.encoder.ids(prompt.split("{document}"))

    @classmethod
    def rules(cls, config: RunConfig) -> Iterator[AutotuneError]:
        """The prompt holds the document, and the search is one."""
        yield from super().rules(config)
        if isinstance(config.task, SummarizationConfig):
            yield from _faults(config.task)

    @classmethod
    def fit_labels(cls, config: Any, dataset: DatasetConfig, rows: "Mapping[str, Dataset]") -> dict[str, Any]:
        """Nothing before the tokenizer is known: see `measure_tokens`."""
        return {}

    @classmethod
    def texts(cls, rows: "Dataset") -> Iterator[str]:
        """Documents and summaries."""
        for row in iter_rows(rows):
            yield row["document"]
            yield row["summary"]
        yield DECODER_PROMPT

    def labels(self) -> None:
        """The outputs are the vocabulary."""
        return

    def measure_tokens(self, rows: "Mapping[str, Dataset]") -> None:
        """`longest_summary` of the splits, in tokens, with its end; `max_new_tokens` unless the config says it."""
        longest = max(
            len(ids)
            for data in rows.values()
            for chunk in chunks(iter_rows(data))
            for ids in self._targets([row["summary"] for row in chunk])
        )
        self.facts["longest_summary"] = longest
        self.facts["max_new_tokens"] = self.config.max_new_tokens or longest

    @property
    def max_document_tokens(self) -> int:
        """Tokens of a document that fit beside the prompt's own tokens and, in a decoder, the summary."""
        room = self.max_length - self.encoder.specials - len(self.before) - len(self.after)
        summary = max(self.facts["longest_summary"], self.facts["max_new_tokens"])
        if self.writes_after_prompt:
            prompt = self.encoder.specials + len(self.before) + len(self.after)
            room = min(room, self.base.max_length - summary - prompt)
        positions = getattr(self.base.config, "max_position_embeddings", None)
        if room < 1 or (positions is not None and summary >= positions):
            raise DataError(
                f"no room is left: the model takes and writes {self.base.max_length} tokens, the longest "
                f"summary has {summary}",
                where="column summary",
                fix="a base model with a longer input, or shorter summaries",
            )
        return room

    def prepare(self, rows: Iterable[Row], first: int = 0) -> Iterator[dict[str, Any]]:
        """One feature a row: `row`, `input_ids` (the prompt), `length`, `lost`, `target_ids`: the whole summary,
        empty where it is unknown."""
        room = self.max_document_tokens
        number = first
        for chunk in chunks(rows):
            documents = self.encoder.ids([row["document"] for row in chunk])
            summaries = [row.get("summary") for row in chunk]
            targets = iter(self._targets([summary for summary in summaries if summary is not None]))
            for row, ids, summary in zip(chunk, documents, summaries, strict=True):
                lost = max(0, len(ids) - room)
                if lost and self.config.on_overflow is Overflow.error:
                    raise DataError(
                        f"a document has {len(ids)} tokens, more than the {room} that fit",
                        where=f"row {number} (id {row['id']})",
                        fix="task.on_overflow=truncate, or a larger task.max_length where the model can take it",
                    )
                yield {
                    "row": number,
                    "input_ids": self._prompt(ids[:room]),
                    "length": len(self._prompt(ids)),
                    "lost": lost,
                    "target_ids": next(targets) if summary is not None else [],
                }
                number += 1

    def reference_too_long(self, features: "Dataset") -> "NDArray[np.bool_]":
        """References that are longer than what may be written."""
        over: NDArray[np.bool_] = self.lengths(features)[:, 1] > self.facts["max_new_tokens"]
        return over

    def tokens_lost(self, rows: Iterable[Row]) -> Counter[str]:
        """Tokens of documents that are cut, and tokens of references beyond the longest summary that is written."""
        room, longest = self.max_document_tokens, self.facts["max_new_tokens"]
        lost: Counter[str] = Counter()
        for chunk in chunks(rows):
            documents = self.encoder.ids([row["document"] for row in chunk])
            summaries = self._targets([row["summary"] for row in chunk if row.get("summary") is not None])
            lost["tokens"] += sum(max(0, len(ids) - room) for ids in documents)
            lost["reference tokens"] += sum(max(0, len(ids) - longest) for ids in summaries)
        return lost

    def _prompt(self, document: list[int]) -> list[int]:
        """A decoder goes on writing after the prompt, so nothing that marks an end may follow it."""
        ids = [*self.before, *document, *self.after]
        return [*self.encoder.prefix, *ids] if self.writes_after_prompt else self.encoder.wrap(ids)

    def _targets(self, summaries: Sequence[str]) -> list[list[int]]:
        """Summaries as the model must write them, whole, with the end token."""
        end = self.tokenizer.eos_token_id
        bare = self.encoder.ids(summaries)
        if self.writes_after_prompt:
            return [[*ids, end] for ids in bare]
        return [ids if ids and ids[-1] == end else [*ids, end] for ids in map(self.encoder.wrap, bare)]

    def collate(self, features: Sequence[Feature]) -> Batch:
        """Targets: `labels` int64 (features, length), -100 on the prompt and on padding."""
        pad_id = self.tokenizer.pad_token_id
        num_targets = float(sum(len(feature["target_ids"]) for feature in features))
        if self.writes_after_prompt:
            sequences = [[*feature["input_ids"], *feature["target_ids"]] for feature in features]
            labels = [
                [IGNORED] * len(feature["input_ids"]) + list(feature["target_ids"]) for feature in features
            ]
            # What stands at a position is predicted from the one before.
            shifted = [[*row[1:], IGNORED] for row in labels]
            return Batch(padded_inputs(sequences, pad_id), {"labels": pad(shifted, IGNORED)}, num_targets)
        inputs = padded_inputs([feature["input_ids"] for feature in features], pad_id)
        start = self.base.config.decoder_start_token_id
        inputs["decoder_input_ids"] = pad(
            [[start, *feature["target_ids"][:-1]] for feature in features], pad_id
        )
        return Batch(
            inputs, {"labels": pad([feature["target_ids"] for feature in features], IGNORED)}, num_targets
        )

    def loss(self, model: "nn.Module", batch: Batch) -> LossSum:
        """Cross-entropy summed over the tokens of the summaries."""
        from torch.nn.functional import cross_entropy

        labels = batch.targets["labels"]
        options = {}
        if self.writes_after_prompt:
            # A vocabulary of scores at every position would cost more than some layers, and prompts need none.
            options["logits_to_keep"] = written = (labels != IGNORED).any(dim=0).nonzero().flatten()
            labels = labels[:, written]
        logits = model(**batch.inputs, **options).logits[labels != IGNORED].float()
        loss = cross_entropy(
            logits, labels[labels != IGNORED], reduction="sum", label_smoothing=self.config.label_smoothing
        )
        return LossSum(loss, batch.num_targets)

    def generation(self) -> dict[str, Any]:
        """Search and length; nothing else of a search is in force, see `autotune.models.weights.token_ids`."""
        start = (
            {}
            if self.writes_after_prompt
            else {"decoder_start_token_id": self.base.config.decoder_start_token_id}
        )
        return {
            **start,
            "max_new_tokens": self.facts["max_new_tokens"],
            "num_beams": self.config.num_beams,
            "no_repeat_ngram_size": self.config.no_repeat_ngram_size,
            "length_penalty": self.config.length_penalty,
            "do_sample": False,
            "eos_token_id": self.tokenizer.eos_token_id,
            "pad_token_id": self.tokenizer.pad_token_id,
        }

    def serving_config(self) -> dict[str, Any]:
        """The prompt, and how many tokens of a document it leaves room for."""
        return {"prompt": self.prompt, "room": self.max_document_tokens}

    def predict(self, model: "nn.Module", features: Sequence[Feature]) -> list[Any]:
        """The summary of each document, as `GeneratedSummary`."""
        inputs = padded_inputs(
            [feature["input_ids"] for feature in features],
            self.tokenizer.pad_token_id,
            left=self.writes_after_prompt,
        )
        # Beams leave the batch together, as `generate` has it.
        search = {"custom_generate": greedy} if self.config.num_beams == 1 else {}
        written = model.generate(**Batch(inputs).to(model.device).inputs, **self.generation(), **search)
        # What was given: the prompt, or the token that decoding starts from, which may be that of the end, too.
        written = written[:, inputs["input_ids"].shape[1] if self.writes_after_prompt else 1 :]
        ended = (written == self.tokenizer.eos_token_id).any(dim=1).tolist()
        texts = self.tokenizer.batch_decode(written, skip_special_tokens=True)
        return [GeneratedSummary(text.strip(), cut=not end) for text, end in zip(texts, ended, strict=True)]

    def join(self, rows: Iterable[Row], pieces: Sequence[FeatureOutput]) -> Iterator[Prediction]:
        """The summaries beside their references."""
        for row, piece in zip(rows, pieces, strict=True):
            yield {
                "id": row["id"],
                **({"summary": row["summary"]} if row.get("summary") is not None else {}),
                "prediction": piece.value.text,
                **({"cut": True} if piece.value.cut else {}),
            }

    def metric(self) -> "Rouge":
        """ROUGE on Unicode words against whole references, rouge_score's own tokenizer beside it."""
        from autotune.metrics import rouge_metric

        return rouge_metric()

    @classmethod
    def baselines(cls, train: "Dataset", rows: "Dataset") -> dict[str, Iterator[Prediction]]:
        """The document's first sentences until the mean length of train's summaries is reached."""
        wanted = sum(len(summary.split()) for summary in iter_column(train, "summary")) / len(train)
        return {
            "first sentences": (
                {"prediction": _lead(document, wanted)} for document in iter_column(rows, "document")
            )
        }


def _refuse_without_borders(base: ModelSpec) -> None:
    """A summary has a first token, from which it is written, and an end.

    Raises:
        ModelError: the base model names none.
    """
    starts = base.family is Family.decoder or getattr(base.config, "decoder_start_token_id", None) is not None
    missing = [
        name
        for name, known in (
            ("token that summaries begin with (decoder_start_token_id)", starts),
            ("end token (eos_token)", base.tokenizer.eos_token_id is not None),
        )
        if not known
    ]
    if missing:
        raise ModelError(
            f"the model has no {' and no '.join(missing)}, so it cannot learn to write",
            where=f"model.name_or_path={base.name}",
            found=f"{base.config.model_type}, {type(base.tokenizer).__name__}",
            fix="model=ptt5_base; or a copy of the model in a folder whose config.json and tokenizer_config.json name them",
        )


def _lead(document: str, wanted: float) -> str:
    """The first sentences, until they have so many words."""
    lead = ""
    for sentence in re.split(r"(?<=[.!?])\s+", document):
        lead = f"{lead} {sentence}".strip()
        if len(lead.split()) >= wanted:
            break
    return lead


def _faults(task: SummarizationConfig) -> Iterator[AutotuneError]:
    """What is wrong in the section, whatever the model."""
    if task.prompt and task.prompt.count("{document}") != 1:
        yield ConfigError(
            "the prompt must hold {document} exactly once",
            where="task.prompt",
            found=task.prompt,
            fix="task.prompt=null",
        )
    if task.on_overflow is Overflow.window:
        yield ConfigError(
            "a summary is written from one window, so documents cannot be read in several",
            where="task.on_overflow",
            found="window",
            fix="task.on_overflow=truncate, and task.max_length for the longest document",
        )
    if task.length_penalty != 1 and task.num_beams == 1:
        yield ConfigError(
            "the length counts in beam search alone, and task.num_beams=1 is none",
            where="task.length_penalty",
            found=str(task.length_penalty),
            fix="task.num_beams=4, or task.length_penalty=1",
        )
    if task.max_new_tokens == 1:
        yield ConfigError(
            "one token is the end of the summary, so nothing would be written",
            where="task.max_new_tokens",
            found="1",
            fix="task.max_new_tokens=null, or task.max_new_tokens=128",
        )
