"""Named entity recognition: one IOB2 tag per word, in documents of any length."""

import math
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from autotune.baselines.gazetteer import Gazetteer
from autotune.config.columns import Column, Kind
from autotune.config.enums import BaselineMethod
from autotune.config.labels import repaired_type
from autotune.config.schema import DatasetConfig, RunConfig
from autotune.config.section import OptionalPositive
from autotune.data.cache import iter_column, iter_rows
from autotune.data.labels import RelabelError, label_names
from autotune.data.spelling import same_spelling
from autotune.data.words import entities
from autotune.errors import AutotuneError, DataError, listing, raise_all
from autotune.models.spec import Family, Head, ModelSpec, pad, padded_inputs
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
    Task,
    chunks,
    rows_beyond_window,
)
from autotune.tasks.cheap import Tagger
from autotune.tasks.losses import LossConfig, class_weights, guessing_loss, loss_rules, loss_sum
from autotune.tasks.overlap import overlap
from autotune.tasks.windows import most_central, windows

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import nn

    from autotune.metrics.entities import Entities

NOT_A_WORD = -1
"""Value in `words` of a position that does not predict the tag of a word."""


@dataclass
class NerConfig(LossConfig):
    """Section `task` of task=ner."""

    name: str = "ner"
    overlap: OptionalPositive = None
    """Tokens that neighbouring windows of a long document share. null: a quarter of the window."""
    o_weight: Annotated[float, Field(gt=0)] = 1.0
    """Factor of the weight of words outside of entities (tag O): below 1, more entities are found, and more that are none.
    BERTimbau's recipe without a CRF has 0.01 (Souza et al. 2019)."""


class Facts(Record):
    """Facts of the training rows that the model depends on."""

    labels: Annotated[list[str], Field(min_length=2)]
    """Tags in the order of their ids."""
    counts: dict[str, Annotated[int, Field(ge=0)]]
    """Entities of train by type."""
    tags: dict[str, Annotated[int, Field(ge=0)]] = {}
    """Words of train by tag; older models have none."""


@register
class Ner(Task):
    """Task: words -> tags.

    The first token of a word carries its tag (Devlin et al. 2019). In overlapping windows a word is learned and
    predicted only where it is most central, so every gold word counts exactly once.
    """

    name = "ner"
    Config = NerConfig
    Facts = Facts
    columns = (Column("tokens", Kind.words), Column("tags", Kind.tags, target=True))
    heads = {Family.encoder: Head.token, Family.decoder: Head.token}
    cheap = {BaselineMethod.tagger: Tagger}
    pipeline = "token-classification"
    examples = Examples(
        models="an encoder, model=bertimbau_base, or a decoder, model=tucano_160m",
        run="dataset=lener_br model=bertimbau_base",
        tiny="bert",
    )
    main_metric = "entity_f1"

    config: NerConfig

    def __init__(self, config: NerConfig, base: ModelSpec | None, facts: dict[str, Any]) -> None:
        super().__init__(config, base, facts)
        self.ids = {tag: number for number, tag in enumerate(facts["labels"])}
        self.weights = class_weights(config.class_weights, facts.get("tags", {}), facts["labels"])
        self.weights[self.ids["O"]] *= config.o_weight
        self.is_weighted = self.weights != [1.0] * len(self.weights)

    @classmethod
    def rules(cls, config: RunConfig) -> Iterator[AutotuneError]:
        """Yields the errors in the section `task`: windows must overlap by less than a window."""
        yield from super().rules(config)
        if isinstance(config.task, NerConfig):
            yield from overlap(config, config.task.overlap)
            yield from loss_rules(config.task)

    @classmethod
    def fit_labels(cls, config: Any, dataset: DatasetConfig, rows: "Mapping[str, Dataset]") -> dict[str, Any]:
        """Returns the tags in the order of their ids (O first), and how often train has each entity type and tag."""
        counts = {split: _entity_counts(data) for split, data in rows.items()}
        if not counts["train"]:
            raise DataError(
                "train has no entity, so there is nothing to learn",
                where="column tags",
                fix="check dataset.columns.tags (or dataset.tag_column) and dataset.label_map",
            )
        types = label_names(dataset, counts["train"])
        bad_types = {
            name: repaired
            for names in (types, *counts.values())
            for name in names
            if (repaired := repaired_type(name))
        }
        if bad_types:
            raise RelabelError(
                f"the metric would confuse these entity types with others: {listing(map(repr, bad_types))}",
                where="column tags, dataset.label_map or dataset.labels",
                found="a hyphen or blank at an end, or the form of a tag",
                config=dataset,
                relabel=bad_types,
            )
        unseen_types = {
            name: same_spelling(name, types) or "O"
            for type_counts in counts.values()
            for name in type_counts
            if name not in types
        }
        errors: list[AutotuneError] = [
            RelabelError(
                f"{split} has an entity type that train does not have: {name!r} ({number} entities)",
                where=f"{split}, column tags",
                found=f"types of train: {listing(types)}",
                config=dataset,
                relabel=unseen_types,
            )
            for split, type_counts in counts.items()
            for name, number in type_counts.items()
            if name not in types
        ]
        raise_all(errors)
        tags = ["O"] + [f"{prefix}-{name}" for name in types for prefix in "BI"]
        words = Counter(tag for of_row in iter_column(rows["train"], "tags") for tag in of_row)
        return {
            "labels": tags,
            "counts": {name: counts["train"].get(name, 0) for name in types},
            "tags": {tag: words[tag] for tag in tags},
        }

    @classmethod
    def texts(cls, rows: "Dataset") -> Iterator[str]:
        """Yields the words of each row, joined by blanks."""
        return (" ".join(tokens) for tokens in iter_column(rows, "tokens"))

    def labels(self) -> list[str]:
        """Returns the tags in the order of their ids."""
        return list(self.facts["labels"])

    def prepare(self, rows: Iterable[Row], first: int = 0) -> Iterator[dict[str, Any]]:
        """Yields one feature per window.

        Yields:
            `row`, `input_ids`, `length`, `lost` (always 0), `words`: at each position the number of the word whose tag
            the position predicts, else -1; `labels`: the id of that tag, else -100.
        """
        window_size = self.encoder.max_content_tokens(self.max_length)
        overlap_tokens = min(self.config.overlap or self.max_length // 4, window_size - 1)
        number = first
        for chunk in chunks(rows):
            for row, (ids, words) in zip(chunk, self._tokenize(chunk), strict=True):
                tags = (
                    [self.ids.get(tag, IGNORED) for tag in row["tags"]]
                    if row.get("tags") is not None
                    else None
                )
                spans = windows(len(ids), window_size, overlap_tokens)
                # In reverse order, so that the first token of a word overwrites its later ones.
                first_tokens = {word: position for position, word in reversed(list(enumerate(words)))}
                owners = {position: most_central(position, spans) for position in first_tokens.values()}
                for index, (start, end) in enumerate(spans):
                    window_words = [
                        words[position] if owners.get(position) == index else NOT_A_WORD
                        for position in range(start, end)
                    ]
                    before, after = (
                        [NOT_A_WORD] * len(self.encoder.prefix),
                        [NOT_A_WORD] * len(self.encoder.suffix),
                    )
                    window_words = before + window_words + after or [NOT_A_WORD]
                    yield {
                        "row": number,
                        "input_ids": self.encoder.wrap(ids[start:end]),
                        "length": len(ids) + self.encoder.num_special_tokens,
                        "lost": 0,
                        "words": window_words,
                        "labels": [
                            tags[word] if tags is not None and word != NOT_A_WORD else IGNORED
                            for word in window_words
                        ],
                    }
                number += 1

    def length_report(self, rows: "Dataset", features: "Dataset") -> LengthReport:
        """Counts tokens, words and entities after the first window; an entity is lost with any of its words."""
        overlong = rows_beyond_window(features)
        window_size = self.encoder.max_content_tokens(self.max_length)
        lost: Counter[str] = Counter()
        for chunk in chunks(iter_rows(rows.select(overlong))):
            for row, (ids, words) in zip(chunk, self._tokenize(chunk), strict=True):
                kept_words = set(words[:window_size])
                first_lost = min(
                    (word for word in words[window_size:] if word not in kept_words),
                    default=len(row["tokens"]),
                )
                spans = entities(row["tags"]) if row.get("tags") is not None else []
                lost["tokens"] += max(0, len(ids) - window_size)
                lost["words"] += len(row["tokens"]) - first_lost
                lost["entities"] += sum(end > first_lost for _, _, end in spans)
        word_count = sum(len(tokens) for tokens in iter_column(rows, "tokens"))
        units = {"words": word_count, "entities": _entity_counts(rows).total()}
        return LengthReport(overlong, lost=lost, units=units)

    def _tokenize(self, rows: Sequence[Row]) -> Iterator[tuple[list[int], list[int]]]:
        """Yields the token ids of each row, and the number of the word that each token belongs to.

        Words are read as `transformers.pipeline` reads them in a text with one blank between them; a blank that is a
        token belongs to the word after it. A word that the tokenizer drops (a lone control or private-use character)
        becomes the unknown token, so that it is predicted like every other word. If several words form one token, the
        token belongs to the first.
        """
        units = [self.encoder.split_units(row["text"], row["tokens"], row["starts"]) for row in rows]
        texts = [" ".join(text for _, text in unit) for unit in units]
        encoded = self.tokenizer(
            texts,
            add_special_tokens=False,
            split_special_tokens=True,
            return_offsets_mapping=True,
            verbose=False,
        )
        for index, unit in enumerate(units):
            ids = list(encoded["input_ids"][index])
            ends = list(accumulate((len(text) for _, text in unit), lambda end, length: end + 1 + length))
            words = [
                unit[min(bisect(ends, start), len(unit) - 1)][0]
                for start, _ in encoded["offset_mapping"][index]
            ]
            # Words that the tokenizer dropped: without a token they would have no position that predicts them.
            for word in sorted({word for word, _ in unit} - set(words)):
                position = next((i for i, other in enumerate(words) if other > word), len(words))
                ids.insert(position, self._unknown_id)
                words.insert(position, word)
            yield ids, words

    def in_pipeline(self, row: Row) -> str | None:
        """Returns the words with one blank between them; None if the tokenizer drops a word."""
        units = [text for _, text in self.encoder.split_units(row["text"], row["tokens"], row["starts"])]
        return " ".join(units) if all(self.encoder.ids(units)) else None

    @property
    def _unknown_id(self) -> int:
        """Id of a word without tokens; the padding id in byte-level vocabularies, which have no unknown token."""
        unknown = self.tokenizer.unk_token_id
        return self.tokenizer.pad_token_id if unknown is None else unknown

    def collate(self, features: Sequence[Feature]) -> Batch:
        """Builds a batch with targets `labels`, int64 (features, length), -100 where no word begins."""
        return Batch(
            padded_inputs([feature["input_ids"] for feature in features], self.tokenizer.pad_token_id),
            {"labels": pad([feature["labels"] for feature in features], IGNORED)},
            num_targets=float(
                sum(
                    self.weights[label]
                    for feature in features
                    for label in feature["labels"]
                    if label != IGNORED
                )
            ),
        )

    def loss(self, model: "nn.Module", batch: Batch) -> LossSum:
        """Returns the loss summed over words, each times the weight of its tag."""
        is_target = batch.targets["labels"] != IGNORED
        labels = batch.targets["labels"][is_target]
        logits = model(**batch.inputs).logits[is_target].float()
        weights = logits.new_tensor(self.weights)[labels] if self.is_weighted else None
        return LossSum(loss_sum(logits, labels, weights, self.config), batch.num_targets)

    def guessing_loss(self) -> float:
        """Returns the loss of equal probabilities."""
        return guessing_loss(len(self.ids), self.config.gamma)

    def predict(self, model: "nn.Module", features: Sequence[Feature]) -> list[Any]:
        """Returns (words int32, tags int16, probabilities float32) of the words that each window predicts."""
        inputs = padded_inputs([feature["input_ids"] for feature in features], self.tokenizer.pad_token_id)
        logits = model(**Batch(inputs).to(model.device).inputs).logits.float()
        probabilities, tags = (tensor.cpu() for tensor in logits.softmax(-1).max(-1))
        words = pad([feature["words"] for feature in features], NOT_A_WORD)
        return [
            tuple(tensor[window_words != NOT_A_WORD].numpy() for tensor in tensors)
            for window_words, *tensors in zip(words, words.int(), tags.short(), probabilities, strict=True)
        ]

    def join(self, rows: Iterable[Row], pieces: Sequence[FeatureOutput]) -> Iterator[Prediction]:
        """Yields a tag for every word, and `entities` with the mean probability of their words, if it is not NaN, and with
        offsets into `text`, the text before normalization."""
        names = self.labels()
        for row, (_, outputs) in zip(rows, groupby(pieces, key=lambda output: output.row), strict=True):
            tags, word_probabilities = _merge_windows(outputs, names, len(row["tokens"]))
            has_probabilities = not any(map(math.isnan, word_probabilities))
            text, starts, ends = _original_text(row)
            yield {
                "id": row["id"],
                "text": text,
                "tokens": [text[start:end] for start, end in zip(starts, ends, strict=True)],
                **({"tags": list(row["tags"])} if row.get("tags") is not None else {}),
                "prediction": tags,
                "entities": [
                    {
                        "label": name,
                        "start": starts[first],
                        "end": ends[last - 1],
                        "text": text[starts[first] : ends[last - 1]],
                        **(
                            {"probability": sum(word_probabilities[first:last]) / (last - first)}
                            if has_probabilities
                            else {}
                        ),
                    }
                    for name, first, last in entities(tags)
                ],
            }

    def metric(self) -> "Entities":
        """Returns entity F1 over all gold words: strict IOB2, also as conlleval counts, and per entity type."""
        from autotune.metrics import entity_metric

        return entity_metric()

    @classmethod
    def trivial_baselines(
        cls, train: "Dataset", rows: "Dataset", validation: "Dataset | None"
    ) -> Iterable[Baseline]:
        """Returns a gazetteer of the entities of train."""
        gazetteer = Gazetteer().fit(list(iter_column(train, "tokens")), list(iter_column(train, "tags")))
        words = chunks(iter_column(rows, "tokens"))
        answers = ({"prediction": tags} for chunk in words for tags in gazetteer.predict(chunk))
        yield Baseline("gazetteer of train", answers)


def _original_text(row: Row) -> tuple[str, Sequence[int], Sequence[int]]:
    """Returns the text before normalization, and where each word begins and ends in it."""
    if row.get("given_starts") is not None:
        return row["given_text"], row["given_starts"], row["given_ends"]
    ends = [start + len(token) for start, token in zip(row["starts"], row["tokens"], strict=True)]
    return row["text"], row["starts"], ends


def _merge_windows(
    outputs: Iterable[FeatureOutput], names: Sequence[str], count: int
) -> tuple[list[str], list[float]]:
    """Returns tag and probability of each word; a word that shares its token continues the word before it."""
    tags, probabilities = [""] * count, [0.0] * count
    for output in outputs:
        for word, tag, probability in zip(*output.value, strict=True):
            tags[word], probabilities[word] = names[tag], float(probability)
    for word, tag in enumerate(tags):
        if not tag:
            previous = tags[word - 1]
            tags[word] = f"I-{previous[2:]}" if previous != "O" else "O"
            probabilities[word] = probabilities[word - 1]
    return tags, probabilities


def _entity_counts(data: "Dataset") -> Counter[str]:
    """Counts the entities of each type."""
    return Counter(name for tags in iter_column(data, "tags") for name, _, _ in entities(tags))
