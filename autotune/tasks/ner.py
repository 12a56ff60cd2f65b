"""Named entity recognition: one IOB2 tag for each word, over documents of any length."""

from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from autotune.config.columns import Column, Kind
from autotune.config.labels import repaired_type
from autotune.config.schema import DatasetConfig, OptionalPositive, RunConfig, TaskConfig
from autotune.data.cache import iter_column, iter_rows
from autotune.data.labels import RelabelError, label_names
from autotune.data.spelling import same_spelling
from autotune.data.words import entities
from autotune.errors import AutotuneError, DataError, listing, raise_all
from autotune.models.spec import Family, Head, ModelSpec, pad, padded_inputs
from autotune.registry import register
from autotune.runtime.records import Record
from autotune.tasks.base import IGNORED, Batch, Feature, FeatureOutput, LossSum, Prediction, Row, Task, chunks
from autotune.tasks.overlap import overlap
from autotune.tasks.windows import most_central, windows

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import nn

    from autotune.metrics.entities import Entities

NOT_A_WORD = -1
"""In `words`: the position does not answer for a word."""


@dataclass
class NerConfig(TaskConfig):
    """Section `task` of task=ner."""

    name: str = "ner"
    overlap: OptionalPositive = None
    """Tokens that neighbouring windows of a long document share. null: a quarter of the window."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target probability that is spread over all tags (Szegedy et al. 2016)."""


class Facts(Record):
    """What the model is built on."""

    labels: Annotated[list[str], Field(min_length=2)]
    counts: dict[str, Annotated[int, Field(ge=0)]]


@register
class Ner(Task):
    """words -> tags.

    The first piece of a word carries its tag (Devlin et al. 2019); in overlapping windows a word is learned
    and predicted only where it is most central, so every gold word counts exactly once.
    """

    name = "ner"
    Config = NerConfig
    Facts = Facts
    columns = (Column("tokens", Kind.words), Column("tags", Kind.tags, target=True))
    heads = {Family.encoder: Head.token, Family.decoder: Head.token}
    pipeline = "token-classification"
    alternatives = "an encoder, model=bertimbau_base, or a decoder, model=tucano_160m"
    example_overrides = "dataset=lener_br model=bertimbau_base"
    tiny = "bert"
    main_metric = "entity_f1"

    config: NerConfig

    def __init__(self, config: NerConfig, base: ModelSpec, facts: dict[str, Any]) -> None:
        super().__init__(config, base, facts)
        self.ids = {tag: number for number, tag in enumerate(facts["labels"])}

    @classmethod
    def rules(cls, config: RunConfig) -> Iterator[AutotuneError]:
        """Windows overlap by less than a window."""
        yield from super().rules(config)
        if isinstance(config.task, NerConfig):
            yield from overlap(config, config.task.overlap)

    @classmethod
    def fit_labels(cls, config: Any, dataset: DatasetConfig, rows: "Mapping[str, Dataset]") -> dict[str, Any]:
        """Tags in the order of their ids (O first), and how many entities of each type train has."""
        counts = {split: _entity_counts(data) for split, data in rows.items()}
        if not counts["train"]:
            raise DataError(
                "train has no entity, so there is nothing to learn",
                where="column tags",
                fix="check dataset.columns.tags (or dataset.tag_column) and dataset.label_map",
            )
        types = label_names(dataset, counts["train"])
        unfit = {
            name: repaired
            for names in (types, *counts.values())
            for name in names
            if (repaired := repaired_type(name))
        }
        if unfit:
            raise RelabelError(
                f"entity types that cannot be scored, for the metric would read them as others: {listing(map(repr, unfit))}",
                where="column tags, dataset.label_map or dataset.labels",
                found="a hyphen or blank at an end, or the form of a tag",
                config=dataset,
                relabel=unfit,
            )
        strange = {
            name: same_spelling(name, types) or "O"
            for found in counts.values()
            for name in found
            if name not in types
        }
        errors: list[AutotuneError] = [
            RelabelError(
                f"{split} has an entity type that train does not have: {name!r} ({number} entities)",
                where=f"{split}, column tags",
                found=f"types of train: {listing(types)}",
                config=dataset,
                relabel=strange,
            )
            for split, found in counts.items()
            for name, number in found.items()
            if name not in types
        ]
        raise_all(errors)
        tags = ["O"] + [f"{prefix}-{name}" for name in types for prefix in "BI"]
        return {"labels": tags, "counts": {name: counts["train"].get(name, 0) for name in types}}

    @classmethod
    def texts(cls, rows: "Dataset") -> Iterator[str]:
        """The words joined by blanks."""
        return (" ".join(tokens) for tokens in iter_column(rows, "tokens"))

    def labels(self) -> list[str]:
        """The tags."""
        return list(self.facts["labels"])

    def prepare(self, rows: Iterable[Row], first: int = 0) -> Iterator[dict[str, Any]]:
        """One feature a window.

        Yields:
            `row`, `input_ids`, `length`, `lost` (always 0), `words`: at each position the number of the word whose tag
            the position gives, else -1; `labels`: the tag's id there, else -100.
        """
        room = self.encoder.max_content_tokens(self.max_length)
        shared = min(self.config.overlap or self.max_length // 4, room - 1)
        number = first
        for chunk in chunks(rows):
            for row, (ids, words) in zip(chunk, self._pieces(chunk), strict=True):
                tags = (
                    [self.ids.get(tag, IGNORED) for tag in row["tags"]]
                    if row.get("tags") is not None
                    else None
                )
                spans = windows(len(ids), room, shared)
                first_pieces = {word: position for position, word in reversed(list(enumerate(words)))}
                owners = {position: most_central(position, spans) for position in first_pieces.values()}
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
                        "length": len(ids) + self.encoder.specials,
                        "lost": 0,
                        "words": window_words,
                        "labels": [
                            tags[word] if tags is not None and word != NOT_A_WORD else IGNORED
                            for word in window_words
                        ],
                    }
                number += 1

    @classmethod
    def count_units(cls, rows: "Dataset") -> dict[str, int]:
        """Words and entities."""
        words = sum(len(tokens) for tokens in iter_column(rows, "tokens"))
        return {"words": words, "entities": _entity_counts(rows).total()}

    def tokens_lost(self, rows: Iterable[Row]) -> Counter[str]:
        """Tokens, words and entities behind the first window; an entity is lost with one of its words."""
        room = self.encoder.max_content_tokens(self.max_length)
        lost: Counter[str] = Counter()
        for chunk in chunks(rows):
            for row, (ids, words) in zip(chunk, self._pieces(chunk), strict=True):
                inside = set(words[:room])
                first = min((word for word in words[room:] if word not in inside), default=len(row["tokens"]))
                spans = entities(row["tags"]) if row.get("tags") is not None else []
                lost["tokens"] += max(0, len(ids) - room)
                lost["words"] += len(row["tokens"]) - first
                lost["entities"] += sum(end > first for _, _, end in spans)
        return lost

    def _pieces(self, rows: Sequence[Row]) -> Iterator[tuple[list[int], list[int]]]:
        """Token ids of each row and the word that each belongs to.

        Words are read as `transformers.pipeline` reads them in a text with one blank between them; a blank that is a
        token belongs to the word after it. A word that the tokenizer drops (a lone control or private-use character)
        becomes the unknown token, so that it is predicted like every other word. Of words that are one token
        together, the first has it.
        """
        units = [self.encoder.count_units(row["text"], row["tokens"], row["starts"]) for row in rows]
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
            for word in sorted({word for word, _ in unit} - set(words)):
                at = next((i for i, other in enumerate(words) if other > word), len(words))
                ids.insert(at, self._unknown)
                words.insert(at, word)
            yield ids, words

    def in_pipeline(self, row: Row) -> str | None:
        """The words with one blank between them."""
        units = [text for _, text in self.encoder.count_units(row["text"], row["tokens"], row["starts"])]
        return " ".join(units) if all(self.encoder.ids(units)) else None

    @property
    def _unknown(self) -> int:
        """What stands for a word without pieces: byte-level vocabularies have no unknown token."""
        unknown = self.tokenizer.unk_token_id
        return self.tokenizer.pad_token_id if unknown is None else unknown

    def collate(self, features: Sequence[Feature]) -> Batch:
        """Targets: `labels` int64 (features, length), -100 where no word begins."""
        return Batch(
            padded_inputs([feature["input_ids"] for feature in features], self.tokenizer.pad_token_id),
            {"labels": pad([feature["labels"] for feature in features], IGNORED)},
            num_targets=float(sum(label != IGNORED for feature in features for label in feature["labels"])),
        )

    def loss(self, model: "nn.Module", batch: Batch) -> LossSum:
        """Cross-entropy summed over words."""
        from torch.nn.functional import cross_entropy

        labels = batch.targets["labels"]
        logits = model(**batch.inputs).logits[labels != IGNORED].float()
        loss = cross_entropy(
            logits, labels[labels != IGNORED], reduction="sum", label_smoothing=self.config.label_smoothing
        )
        return LossSum(loss, batch.num_targets)

    def predict(self, model: "nn.Module", features: Sequence[Feature]) -> list[Any]:
        """(words int32, tags int16, probabilities float32) of the words that each window answers for."""
        inputs = padded_inputs([feature["input_ids"] for feature in features], self.tokenizer.pad_token_id)
        logits = model(**Batch(inputs).to(model.device).inputs).logits.float()
        probabilities, tags = (tensor.cpu() for tensor in logits.softmax(-1).max(-1))
        words = pad([feature["words"] for feature in features], NOT_A_WORD)
        return [
            tuple(part[asked != NOT_A_WORD].numpy() for part in parts)
            for asked, *parts in zip(words, words.int(), tags.short(), probabilities, strict=True)
        ]

    def join(self, rows: Iterable[Row], pieces: Sequence[FeatureOutput]) -> Iterator[Prediction]:
        """A tag for every word; `entities` with offsets into `text`, which is as it was given, and the mean probability
        of their words."""
        names = self.labels()
        for row, (_, group) in zip(rows, groupby(pieces, key=lambda piece: piece.row), strict=True):
            tags, certain = _of_all_words(group, names, len(row["tokens"]))
            text, starts, ends = _places(row)
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
                        "probability": sum(certain[first:last]) / (last - first),
                    }
                    for name, first, last in entities(tags)
                ],
            }

    def metric(self) -> "Entities":
        """Entity F1 over every gold word: strict IOB2, conlleval beside it, per entity type."""
        from autotune.metrics import entity_metric

        return entity_metric()

    @classmethod
    def baselines(cls, train: "Dataset", rows: "Dataset") -> dict[str, Iterator[Prediction]]:
        """For each word the tag it has most often in train; O for words that train does not have."""
        tags: dict[str, Counter[str]] = {}
        for row in iter_rows(train):
            for word, tag in zip(row["tokens"], row["tags"], strict=True):
                tags.setdefault(word, Counter())[tag] += 1
        usual = {word: counter.most_common(1)[0][0] for word, counter in tags.items()}
        return {
            "most frequent tag of each word": (
                {"prediction": [usual.get(word, "O") for word in tokens]}
                for tokens in iter_column(rows, "tokens")
            )
        }


def _places(row: Row) -> tuple[str, Sequence[int], Sequence[int]]:
    """The text as it was given, and where each word begins and ends in it."""
    if row.get("given_starts") is not None:
        return row["given_text"], row["given_starts"], row["given_ends"]
    ends = [start + len(token) for start, token in zip(row["starts"], row["tokens"], strict=True)]
    return row["text"], row["starts"], ends


def _of_all_words(
    pieces: Iterable[FeatureOutput], names: Sequence[str], count: int
) -> tuple[list[str], list[float]]:
    """Tag and probability of each word; a word without a token of its own continues the one before it."""
    tags, certain = [""] * count, [0.0] * count
    for piece in pieces:
        for word, tag, probability in zip(*piece.value, strict=True):
            tags[word], certain[word] = names[tag], float(probability)
    for word, tag in enumerate(tags):
        if not tag:
            before = tags[word - 1]
            tags[word], certain[word] = f"I-{before[2:]}" if before != "O" else "O", certain[word - 1]
    return tags, certain


def _entity_counts(data: "Dataset") -> Counter[str]:
    """Entities of each type."""
    return Counter(name for tags in iter_column(data, "tags") for name, _, _ in entities(tags))
