"""Models without a neural network, as tasks have them: baselines beside a run, or the model that a run trains.

Each wraps a class of `autotune.baselines`: it reads rows, and answers as `Task.predict` does, with one output per row.
`Task.cheap` names those of a task.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from autotune.baselines import tagger, tfidf
from autotune.baselines.sample import note, sample
from autotune.baselines.vectors import Text, texts_of
from autotune.config.enums import BaselineMethod
from autotune.data.cache import iter_column, iter_rows
from autotune.tasks.base import Baseline, Row
from autotune.tasks.long_documents import GeneratedSummary
from autotune.tasks.text_encoder import chunks

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Settings:
    """What may be set of a model without a neural network; the defaults are those of a baseline beside a run."""

    C: float = 10.0
    """Inverse strength of regularization."""
    epochs: int | None = None
    """Passes over the rows at most; None: as many as suit their number."""
    balanced: bool = True
    """Whether rare classes count more."""
    labels: Sequence[str] | None = None
    """Names of the outputs; None: those that occur in train."""


class CheapModel(ABC):
    """A model without a neural network.

    Args:
        method: a fitted or loaded instance of a class of `autotune.baselines`.
    """

    title: ClassVar[str]
    """Name in English; `assets/messages/pt.toml` has the Portuguese ones."""
    keys: ClassVar[tuple[str, ...]] = ()
    """Keys of the section `task` that it reads."""
    has_facts: ClassVar[bool] = True
    """Whether it needs the facts of the task."""

    def __init__(self, method: Any) -> None:
        self.method = method

    @classmethod
    @abstractmethod
    def fit(cls, train: "Dataset", validation: "Dataset | None", settings: Settings) -> Self:
        """Learns from all rows of train.

        Args:
            train: rows with gold values.
            validation: rows that may choose settings.
            settings: what may be set.
        """

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Reads the files that `save` has written.

        Raises:
            ModelError: a file is missing or damaged.
        """

    def save(self, folder: Path) -> None:
        """Writes model.safetensors and JSON files into an existing folder.

        Raises:
            DiskError: a file cannot be written.
        """
        self.method.save(folder)

    @abstractmethod
    def answers(self, rows: Sequence[Row]) -> Iterable[Any]:
        """Returns the prediction for each row."""

    @abstractmethod
    def outputs(self, labels: Sequence[str], rows: Sequence[Row]) -> Iterable[Any]:
        """Returns for each row what `Task.predict` returns for a feature.

        Args:
            labels: of the task; empty for tasks without.
            rows: with canonical columns.
        """

    def is_for(self, labels: Sequence[str]) -> bool:
        """Returns whether it can answer with these labels alone."""
        return True

    def divide(self, temperature: float) -> None:
        """Divides the logits by a number."""
        raise NotImplementedError(f"{self.title} has no logits")

    @classmethod
    def learnable_part(cls, train: "Dataset") -> "Dataset | None":
        """Returns the rows from which a baseline beside a run learns, in seconds; None if these cannot teach it anything."""
        return train

    def note(self, part: "Dataset", train: "Dataset", validation: "Dataset | None") -> str | None:
        """Returns what should be known about a baseline, such as the number of rows that it was trained on."""
        return note(part, train)

    @classmethod
    def as_baseline(
        cls, method: BaselineMethod, train: "Dataset", rows: "Dataset", validation: "Dataset | None"
    ) -> Iterable[Baseline]:
        """Yields the model as a baseline; nothing if the part of train that it may read teaches it nothing. It learns when its
        predictions are read, so one that nobody wants costs nothing.

        Args:
            method: its name in the configuration.
            train: rows to learn from.
            rows: rows to predict.
            validation: rows that may choose settings.
        """
        part = cls.learnable_part(train)
        if part is None:
            return
        model = cache(lambda: cls.fit(part, validation, Settings()))
        predictions = (
            {"prediction": answer} for chunk in chunks(iter_rows(rows)) for answer in model().answers(chunk)
        )
        yield Baseline(cls.title, predictions, lambda: model().note(part, train, validation), method=method)


class _OfTexts(CheapModel):
    """Reads texts, or pairs of texts."""

    @classmethod
    def learnable_part(cls, train: "Dataset") -> "Dataset | None":
        """Returns as many rows as take seconds."""
        return sample(train, "text", rows=tfidf.ROWS, units=tfidf.CHARACTERS)


class TfidfClasses(_OfTexts):
    """One class for each text or pair of texts."""

    title = "TF-IDF + logistic regression"
    keys = ("class_weights", "calibrate", "tune_threshold", "temperature")
    method: tfidf.TfidfClassifier

    @classmethod
    def learnable_part(cls, train: "Dataset") -> "Dataset | None":
        """Returns as many rows as take seconds; None if they have a single class, which cannot be learned."""
        part = super().learnable_part(train)
        return part if part is not None and len(set(iter_column(part, "label"))) > 1 else None

    @classmethod
    def fit(cls, train: "Dataset", validation: "Dataset | None", settings: Settings) -> Self:
        """Learns the classes of texts."""
        model = tfidf.TfidfClassifier(settings.C, balanced=settings.balanced)
        return cls(model.fit(list(texts_of(train)), list(iter_column(train, "label"))))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads the files of `tfidf.TfidfClassifier`."""
        return cls(tfidf.TfidfClassifier.load(folder))

    def answers(self, rows: Sequence[Row]) -> list[str]:
        """Returns the most probable class of each row."""
        return self.method.predict(_texts(rows))

    def outputs(self, labels: Sequence[str], rows: Sequence[Row]) -> Iterable[Any]:
        """Returns the logits of each row: (classes,)."""
        places = [self.method.classes.index(name) for name in labels]
        return self.method.log_odds(_texts(rows))[:, places]

    def is_for(self, labels: Sequence[str]) -> bool:
        """Returns whether these are its classes."""
        return sorted(labels) == sorted(self.method.classes)

    def divide(self, temperature: float) -> None:
        """Divides the logits by a number."""
        self.method.temperature *= temperature


class TfidfManyLabels(_OfTexts):
    """Any number of labels for each text or pair of texts."""

    title = "TF-IDF + logistic regression"
    keys = ("class_weights", "calibrate", "tune_threshold", "temperature")
    method: tfidf.TfidfLabels

    @classmethod
    def learnable_part(cls, train: "Dataset") -> "Dataset | None":
        """Returns as many rows as take seconds: each label is a model of its own."""
        most = max(tfidf.ROWS // max(1, len(_labels(train)) // 2), 1000)
        return sample(train, "text", rows=most, units=tfidf.CHARACTERS)

    @classmethod
    def fit(cls, train: "Dataset", validation: "Dataset | None", settings: Settings) -> Self:
        """Learns each label of texts."""
        names = _labels(train) if settings.labels is None else settings.labels
        model = tfidf.TfidfLabels(names, settings.C, balanced=settings.balanced)
        return cls(model.fit(list(texts_of(train)), list(iter_column(train, "label"))))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads the files of `tfidf.TfidfLabels`."""
        return cls(tfidf.TfidfLabels.load(folder))

    def answers(self, rows: Sequence[Row]) -> list[list[str]]:
        """Returns the labels of each row."""
        return self.method.predict(_texts(rows))

    def outputs(self, labels: Sequence[str], rows: Sequence[Row]) -> Iterable[Any]:
        """Returns the logits of each row: (labels,)."""
        places = [self.method.labels.index(name) for name in labels]
        return self.method.log_odds(_texts(rows))[:, places]

    def is_for(self, labels: Sequence[str]) -> bool:
        """Returns whether these are its labels."""
        return sorted(labels) == sorted(self.method.labels)

    def divide(self, temperature: float) -> None:
        """Divides the logits by a number."""
        self.method.divide(temperature)


class TfidfNumbers(_OfTexts):
    """Numbers of each text or pair of texts."""

    title = "TF-IDF + ridge regression"
    keys = ("main_metric",)
    method: tfidf.TfidfRidge

    @classmethod
    def fit(cls, train: "Dataset", validation: "Dataset | None", settings: Settings) -> Self:
        """Learns the numbers of texts."""
        # So that the default of C is the default of alpha, and both grow in opposite directions.
        model = tfidf.TfidfRidge(Settings.C / settings.C)
        return cls(model.fit(list(texts_of(train)), np.array(list(iter_column(train, "label")))))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads the files of `tfidf.TfidfRidge`."""
        return cls(tfidf.TfidfRidge.load(folder))

    def answers(self, rows: Sequence[Row]) -> Iterable[list[float]]:
        """Returns the numbers of each row."""
        return self.method.predict(_texts(rows)).tolist()

    def outputs(self, labels: Sequence[str], rows: Sequence[Row]) -> Iterable[Any]:
        """Returns the numbers of each row: (targets,)."""
        return self.method.predict(_texts(rows))

    def is_for(self, labels: Sequence[str]) -> bool:
        """Returns whether it predicts so many numbers."""
        return len(labels) == self.method.targets


class Tagger(CheapModel):
    """A tag for each word."""

    title = "linear tagger"
    method: tagger.LinearTagger

    @classmethod
    def learnable_part(cls, train: "Dataset") -> "Dataset | None":
        """Returns as many rows as take seconds."""
        tags = {tag for of_row in iter_column(train, "tags") for tag in of_row}
        return sample(train, "tokens", rows=tagger.ROWS, units=tagger.most_words(len(tags)))

    @classmethod
    def fit(cls, train: "Dataset", validation: "Dataset | None", settings: Settings) -> Self:
        """Learns the tags of words."""
        words, tags = (list(iter_column(train, name)) for name in ("tokens", "tags"))
        return cls(tagger.LinearTagger(settings.epochs).fit(words, tags))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads the files of `tagger.LinearTagger`."""
        return cls(tagger.LinearTagger.load(folder))

    def answers(self, rows: Sequence[Row]) -> list[list[str]]:
        """Returns the tags of each row."""
        return self.method.predict([row["tokens"] for row in rows])

    def outputs(self, labels: Sequence[str], rows: Sequence[Row]) -> Iterable[Any]:
        """Yields number, tag and probability of the words of each row; the probabilities are NaN, as it has none."""
        numbers = {name: number for number, name in enumerate(labels)}
        for tags in self.answers(rows):
            yield range(len(tags)), [numbers[tag] for tag in tags], [math.nan] * len(tags)

    def is_for(self, labels: Sequence[str]) -> bool:
        """Returns whether it gives no other tags."""
        return set(self.method.tags) <= set(labels)


class _OfDocuments(CheapModel):
    """Summarizes documents by some of their sentences."""

    has_facts = False

    def answers(self, rows: Sequence[Row]) -> Iterable[str]:
        """Returns the summary of each row."""
        return self.method.predict([row["document"] for row in rows])

    def outputs(self, labels: Sequence[str], rows: Sequence[Row]) -> Iterable[Any]:
        """Yields the summary of each row."""
        for text in self.answers(rows):
            yield GeneratedSummary(text, cut=False, num_read=0)

    def note(self, part: "Dataset", train: "Dataset", validation: "Dataset | None") -> str | None:
        """Returns the number of sentences."""
        return f"n = {self.method.count}, chosen on {'train' if validation is None else 'validation'}"


class FirstSentences(_OfDocuments):
    """The first sentences of each document."""

    title = "first sentences"

    @classmethod
    def fit(cls, train: "Dataset", validation: "Dataset | None", settings: Settings) -> Self:
        """Chooses the number of sentences, on validation where there is one."""
        from autotune.baselines.extracts import ROWS, LeadSentences

        choosing = train if validation is None else validation
        choosing = choosing.select(range(min(ROWS, len(choosing))))
        return cls(LeadSentences().fit(choosing["document"], choosing["summary"]))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads the files of `extracts.LeadSentences`."""
        from autotune.baselines.extracts import LeadSentences

        return cls(LeadSentences.load(folder))


class CentralSentences(_OfDocuments):
    """The sentences of each document that are most like the whole document."""

    title = "central sentences"

    @classmethod
    def learnable_part(cls, train: "Dataset") -> "Dataset | None":
        """Returns as many rows as take seconds."""
        return sample(train, "document", rows=tfidf.ROWS, units=tfidf.CHARACTERS)

    @classmethod
    def fit(cls, train: "Dataset", validation: "Dataset | None", settings: Settings) -> Self:
        """Counts the words of train, and chooses the number of sentences there."""
        from autotune.baselines.extracts import Centroid

        documents, summaries = (list(iter_column(train, name)) for name in ("document", "summary"))
        return cls(Centroid().fit(documents, summaries))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads the files of `extracts.Centroid`."""
        from autotune.baselines.extracts import Centroid

        return cls(Centroid.load(folder))

    def note(self, part: "Dataset", train: "Dataset", validation: "Dataset | None") -> str | None:
        """Returns the number of sentences."""
        return super().note(part, train, None)


def _texts(rows: Sequence[Row]) -> list[Text]:
    """Returns the text of each row, or its pair of texts."""
    return [row["text"] if row.get("text_pair") is None else (row["text"], row["text_pair"]) for row in rows]


def _labels(train: "Dataset") -> list[str]:
    """Returns the names of all labels that occur, sorted."""
    return sorted({name for of_row in iter_column(train, "label") for name in of_row})
