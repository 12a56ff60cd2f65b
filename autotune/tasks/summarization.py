"""Abstractive summarization by an encoder-decoder or a decoder."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from autotune.config.columns import Column, Kind
from autotune.config.enums import BaselineMethod, Overflow
from autotune.config.rules.trainer import head_of_its_own
from autotune.config.schema import DatasetConfig, RunConfig, TaskConfig
from autotune.config.section import OptionalPositive, Positive
from autotune.data.cache import iter_rows
from autotune.errors import AutotuneError, ConfigError, DataError, raise_all
from autotune.models.spec import Family, Head, ModelSpec, check_start_and_end_tokens, pad, padded_inputs
from autotune.registry import register
from autotune.runtime.records import Record
from autotune.tasks.base import (
    IGNORED,
    Baseline,
    Batch,
    Examples,
    Feature,
    FeatureOutput,
    LengthReport,
    LossSum,
    Prediction,
    Row,
    Serving,
    Task,
    chunks,
    padded_lengths,
    rows_beyond_window,
)
from autotune.tasks.cheap import CentralSentences, FirstSentences
from autotune.tasks.greedy import greedy
from autotune.tasks.long_documents import (
    GeneratedSummary,
    assign_sentences,
    joined,
    window_text,
    windows_at_sentences,
)

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import nn

    from autotune.metrics.rouge import Rouge

DECODER_PROMPT = "{document}\n\nResumo: "
"""Input of a decoder, which then continues with the summary."""


@dataclass
class SummarizationConfig(TaskConfig):
    """Section `task` of task=summarization."""

    name: str = "summarization"
    on_overflow: Overflow = Overflow.truncate
    """Documents longer than max_length: the end is cut and counted; or windows that begin and end with sentences are summarized
    one by one, and what is written about them is joined; or the run is refused."""
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


class Facts(Record):
    """Facts that `measure_tokens` derived from the training and validation rows."""

    longest_summary: Positive
    """Longest reference in tokens, with the end token."""
    max_new_tokens: Positive
    """Longest summary that is generated, in tokens."""


@register
class Summarization(Task):
    """Task: document -> summary."""

    name = "summarization"
    Config = SummarizationConfig
    Facts = Facts
    columns = (Column("document", Kind.text), Column("summary", Kind.text, target=True))
    cheap = {BaselineMethod.first_sentences: FirstSentences, BaselineMethod.centroid: CentralSentences}
    heads = {Family.encoder_decoder: Head.seq2seq, Family.decoder: Head.causal}
    examples = Examples(
        models="an encoder-decoder, model=ptt5_base, or a decoder, model=tucano_160m",
        run="dataset=recognasumm model=ptt5_base",
        tiny="t5",
    )
    main_metric = "rougeL"
    config: SummarizationConfig

    def read_base(self, base: ModelSpec) -> None:
        """Sets the prompt, too.

        Raises:
            ModelError: the base model cannot be trained to generate text.
        """
        super().read_base(base)
        self.is_decoder_only = base.family is Family.decoder
        raise_all(list(_config_errors(self.config)))
        check_start_and_end_tokens(base)
        self.prompt = self.config.prompt or (DECODER_PROMPT if self.is_decoder_only else "{document}")
        self.prompt_start, self.prompt_end = self.encoder.ids(self.prompt.split("{document}"))

    @classmethod
    def rules(cls, config: RunConfig) -> Iterator[AutotuneError]:
        """Yields the errors in the section `task`: the prompt, the overflow and the settings of the search."""
        yield from super().rules(config)
        yield from head_of_its_own(config)
        if isinstance(config.task, SummarizationConfig):
            yield from _config_errors(config.task)

    @classmethod
    def fit_labels(cls, config: Any, dataset: DatasetConfig, rows: "Mapping[str, Dataset]") -> dict[str, Any]:
        """Returns no facts: all need the tokenizer, see `measure_tokens`."""
        return {}

    @classmethod
    def texts(cls, rows: "Dataset") -> Iterator[str]:
        """Yields documents and summaries, and the text of the default prompt."""
        for row in iter_rows(rows):
            yield row["document"]
            yield row["summary"]
        yield DECODER_PROMPT

    def labels(self) -> None:
        """Returns None: the outputs are the vocabulary."""
        return

    def measure_tokens(self, rows: "Mapping[str, Dataset]") -> None:
        """Sets `longest_summary` (in tokens, with the end token) and, unless configured, `max_new_tokens` in `facts`."""
        longest = max(
            len(ids)
            for data in rows.values()
            for chunk in chunks(iter_rows(data))
            for ids in self._target_ids([row["summary"] for row in chunk])
        )
        self.facts["longest_summary"] = longest
        self.facts["max_new_tokens"] = self.config.max_new_tokens or longest

    @property
    def max_document_tokens(self) -> int:
        """Maximum tokens of a document, next to the prompt's own tokens and, in a decoder, the summary."""
        prompt_tokens = self.encoder.num_special_tokens + len(self.prompt_start) + len(self.prompt_end)
        limit = self.max_length - prompt_tokens
        summary_tokens = max(self.facts["longest_summary"], self.facts["max_new_tokens"])
        if self.is_decoder_only:
            # A decoder writes into its own context: document, prompt and summary share the positions.
            limit = min(limit, self.base.max_length - summary_tokens - prompt_tokens)
        positions = getattr(self.base.config, "max_position_embeddings", None)
        if limit < 1 or (positions is not None and summary_tokens >= positions):
            raise DataError(
                f"no room is left: the model takes and writes {self.base.max_length} tokens, the longest "
                f"summary has {summary_tokens}",
                where="column summary",
                fix="a base model with a longer input, or shorter summaries",
            )
        return limit

    def prepare(self, rows: Iterable[Row], first: int = 0) -> Iterator[dict[str, Any]]:
        """Yields one feature per window: `row`, `input_ids` (the prompt), `length`, `lost` and `target_ids`: the whole
        summary, or the sentences of it that are learned with the window; empty if there is none."""
        limit = self.max_document_tokens
        number = first
        for chunk in chunks(rows):
            documents = self.encoder.ids([row["document"] for row in chunk])
            summaries = [row.get("summary") for row in chunk]
            targets = iter(self._target_ids([summary for summary in summaries if summary is not None]))
            for row, ids, summary in zip(chunk, documents, summaries, strict=True):
                if len(ids) > limit and self.config.on_overflow is Overflow.error:
                    raise DataError(
                        f"a document has {len(ids)} tokens, more than the {limit} that fit",
                        where=f"row {number} (id {row['id']})",
                        fix="task.on_overflow=window or task.on_overflow=truncate",
                    )
                target = next(targets) if summary is not None else []
                if len(ids) > limit and self.config.on_overflow is Overflow.window:
                    yield from self._windows(number, row["document"], summary)
                else:
                    yield {
                        "row": number,
                        "input_ids": self._prompt_ids(ids[:limit]),
                        "length": len(self._prompt_ids(ids)),
                        "lost": max(0, len(ids) - limit),
                        "target_ids": target,
                    }
                number += 1

    def _windows(self, number: int, document: str, summary: str | None) -> Iterator[dict[str, Any]]:
        """Yields the features of the windows of a document."""
        ids, offsets = self.encoder.ids_and_offsets(document)
        spans = windows_at_sentences(document, offsets, self.max_document_tokens)
        targets: dict[int, list[int]] = {}
        if summary is not None:
            parts = assign_sentences(summary, [window_text(document, offsets, span) for span in spans])
            targets = dict(zip(parts, self._target_ids(list(parts.values())), strict=True))
        for index, (start, end) in enumerate(spans):
            yield {
                "row": number,
                "input_ids": self._prompt_ids(ids[start:end]),
                "length": len(self._prompt_ids(ids)),
                "lost": 0,
                "target_ids": targets.get(index, []),
            }

    def length_report(self, rows: "Dataset", features: "Dataset") -> LengthReport:
        """Counts the tokens of documents after the first window, and those of references after `max_new_tokens`."""
        max_summary = self.facts["max_new_tokens"]
        table = features.data.table
        numbers, lengths = table["row"].to_numpy(), table["length"].to_numpy()
        is_first, targets = np.append(True, numbers[1:] != numbers[:-1]), padded_lengths(features)[:, 1]
        window = self.max_document_tokens + len(self._prompt_ids([]))
        return LengthReport(
            rows_beyond_window(features),
            np.unique(numbers[targets > max_summary]),
            {
                "tokens": int(np.maximum(0, lengths[is_first] - window).sum()),
                "reference tokens": int(np.maximum(0, targets - max_summary).sum()),
            },
            fix="task.on_overflow=window",
        )

    def _prompt_ids(self, document: list[int]) -> list[int]:
        """Returns the ids of the prompt with a document in it, special tokens included."""
        ids = [*self.prompt_start, *document, *self.prompt_end]
        # A decoder continues the prompt, so no end token may follow it: prefix only.
        return [*self.encoder.prefix, *ids] if self.is_decoder_only else self.encoder.wrap(ids)

    def _target_ids(self, summaries: Sequence[str]) -> list[list[int]]:
        """Returns the ids of whole summaries as the model must generate them, with the end token."""
        end = self.tokenizer.eos_token_id
        bare = self.encoder.ids(summaries)
        if self.is_decoder_only:
            return [[*ids, end] for ids in bare]
        return [ids if ids and ids[-1] == end else [*ids, end] for ids in map(self.encoder.wrap, bare)]

    def collate(self, features: Sequence[Feature]) -> Batch:
        """Builds a batch with targets `labels`, int64 (features, length), -100 on the prompt and on padding.

        Each token of a reference counts once, in whichever window, so a row weighs the same in windows or in one piece.
        """
        pad_id = self.tokenizer.pad_token_id
        num_targets = float(sum(len(feature["target_ids"]) for feature in features))
        if self.is_decoder_only:
            sequences = [[*feature["input_ids"], *feature["target_ids"]] for feature in features]
            labels = [
                [IGNORED] * len(feature["input_ids"]) + list(feature["target_ids"]) for feature in features
            ]
            # Shifted here, not by the model: the logits at a position predict the next token.
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
        """Returns the cross-entropy summed over the tokens of the summaries."""
        from torch.nn.functional import cross_entropy

        labels = batch.targets["labels"]
        options = {}
        if self.is_decoder_only:
            # Logits over the whole vocabulary at every position cost more than some layers, and prompts need none.
            options["logits_to_keep"] = positions = (labels != IGNORED).any(dim=0).nonzero().flatten()
            labels = labels[:, positions]
        logits = model(**batch.inputs, **options).logits[labels != IGNORED].float()
        loss = cross_entropy(
            logits, labels[labels != IGNORED], reduction="sum", label_smoothing=self.config.label_smoothing
        )
        return LossSum(loss, batch.num_targets)

    def serving(self) -> Serving:
        """Returns all settings of the search, the prompt and the maximum tokens of a document.

        Settings of the checkpoint are dropped, see `autotune.models.weights.token_ids`.
        """
        start = (
            {}
            if self.is_decoder_only
            else {"decoder_start_token_id": self.base.config.decoder_start_token_id}
        )
        generation = {
            **start,
            "max_new_tokens": self.facts["max_new_tokens"],
            "num_beams": self.config.num_beams,
            "no_repeat_ngram_size": self.config.no_repeat_ngram_size,
            "length_penalty": self.config.length_penalty,
            "do_sample": False,
            "eos_token_id": self.tokenizer.eos_token_id,
            "pad_token_id": self.tokenizer.pad_token_id,
        }
        return Serving(generation, {"prompt": self.prompt, "room": self.max_document_tokens})

    def predict(self, model: "nn.Module", features: Sequence[Feature]) -> list[Any]:
        """Generates the summary of each document, as `GeneratedSummary`."""
        inputs = padded_inputs(
            [feature["input_ids"] for feature in features],
            self.tokenizer.pad_token_id,
            left=self.is_decoder_only,
        )
        # `greedy` removes finished rows from the batch; the beams of a row depend on each other and stay together.
        search = {"custom_generate": greedy} if self.config.num_beams == 1 else {}
        generated = model.generate(
            **Batch(inputs).to(model.device).inputs, **self.serving().generation, **search
        )
        # Remove what was given: the prompt, or the start token of the decoder, which may equal the end token.
        generated = generated[:, inputs["input_ids"].shape[1] if self.is_decoder_only else 1 :]
        ended = (generated == self.tokenizer.eos_token_id).any(dim=1).tolist()
        texts = self.tokenizer.batch_decode(generated, skip_special_tokens=True)
        return [
            GeneratedSummary(text.strip(), not end, feature["length"])
            for text, end, feature in zip(texts, ended, features, strict=True)
        ]

    def next_pass(self, pieces: Sequence[FeatureOutput]) -> Iterator[Feature]:
        """Yields the joined summaries of windows as documents where they are longer than a summary may be.

        They are summarized again as long as that at least halves them: then all passes together cost less than twice the
        first, and a model that does not shorten anything comes to an end, too.
        """
        for row, outputs in groupby(pieces, key=lambda output: output.row):
            summaries = [output.value for output in outputs]
            text = joined(summaries)
            tokens = len(self._target_ids([text])[0])
            if len(summaries) > 1 and self.facts["max_new_tokens"] < tokens <= summaries[0].num_read / 2:
                yield from self._windows(row, text, None)

    def join(self, rows: Iterable[Row], pieces: Sequence[FeatureOutput]) -> Iterator[Prediction]:
        """Yields each summary with its reference; `cut` marks those that reached the maximum length."""
        for row, (_, outputs) in zip(rows, groupby(pieces, key=lambda output: output.row), strict=True):
            summaries = [output.value for output in outputs]
            yield {
                "id": row["id"],
                **({"summary": row["summary"]} if row.get("summary") is not None else {}),
                "prediction": joined(summaries),
                **({"cut": True} if any(summary.cut for summary in summaries) else {}),
            }

    def metric(self) -> "Rouge":
        """Returns ROUGE on Unicode words against whole references, also with the tokenizer of rouge_score."""
        from autotune.metrics import rouge_metric

        return rouge_metric()

    @classmethod
    def trivial_baselines(
        cls, train: "Dataset", rows: "Dataset", validation: "Dataset | None"
    ) -> Iterable[Baseline]:
        """Returns as upper bound the best extract of each document."""
        from autotune.baselines.extracts import extractive_oracle as oracle

        best = ({"prediction": oracle(row["document"], row["summary"])} for row in iter_rows(rows))
        yield Baseline("extractive oracle", best, is_bound=True)


def _config_errors(task: SummarizationConfig) -> Iterator[AutotuneError]:
    """Yields the errors in the section `task` that do not depend on the model."""
    if task.prompt and task.prompt.count("{document}") != 1:
        yield ConfigError(
            "the prompt must hold {document} exactly once",
            where="task.prompt",
            found=task.prompt,
            fix="task.prompt=null",
        )
    if task.length_penalty != 1 and task.num_beams == 1:
        yield ConfigError(
            "task.length_penalty only affects beam search, and task.num_beams=1 is greedy",
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
