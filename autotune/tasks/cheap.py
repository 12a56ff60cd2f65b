"""Models without a neural network, as tasks have them: baselines beside a run, or the model that a run trains.

Each wraps a class of `autotune.baselines` and turns rows into what that learns from. `Task.cheap` names those of a task.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from autotune.baselines import tagger, tfidf
from autotune.baselines.sample import note, sample
from autotune.baselines.vectors import texts_of
from autotune.config.enums import BaselineMethod
from autotune.data.cache import iter_column
from autotune.tasks.base import Baseline
from autotune.tasks.text_encoder import chunks

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Settings:
    """What may be set of a model without a neural network; the defaults are those of a baseline beside a run."""

    C: float = 10.0
    """Inverse strength of regularization."""
    balanced: bool = True
    """Whether rare classes count more."""


class CheapModel(ABC):
    """A model without a neural network.

    Args:
        method: a fitted or loaded instance of a class of `autotune.baselines`.
    """

    title: ClassVar[str]
    """Name in English; `assets/messages/pt.toml` has the Portuguese ones."""
    keys: ClassVar[tuple[str, ...]] = ()
    """Keys of the section `task` that it reads."""

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

    @abstractmethod
    def answers(self, rows: "Dataset") -> Iterator[Any]:
        """Yields the prediction for each row."""

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
    ) -> Iterator[Baseline]:
        """Yields the model as a baseline; nothing if the part of train that it may read teaches it nothing.

        Args:
            method: its name in the configuration.
            train: rows to learn from.
            rows: rows to predict.
            validation: rows that may choose settings.
        """
        part = cls.learnable_part(train)
        if part is None:
            return
        model = cls.fit(part, validation, Settings())
        answers = ({"prediction": answer} for answer in model.answers(rows))
        yield Baseline(cls.title, answers, model.note(part, train, validation), method=method)


class TfidfClasses(CheapModel):
    """One class for each text or pair of texts."""

    title = "TF-IDF + logistic regression"
    keys = ("class_weights", "calibrate", "tune_threshold")
    method: tfidf.TfidfClassifier

    @classmethod
    def learnable_part(cls, train: "Dataset") -> "Dataset | None":
        """Returns as many rows as take seconds; None if they have a single class, which cannot be learned."""
        part = sample(train, "text", rows=tfidf.ROWS, units=tfidf.CHARACTERS)
        return part if len(set(iter_column(part, "label"))) > 1 else None

    @classmethod
    def fit(cls, train: "Dataset", validation: "Dataset | None", settings: Settings) -> Self:
        """Learns the classes of texts."""
        return cls(tfidf.TfidfClassifier().fit(list(texts_of(train)), list(iter_column(train, "label"))))

    def answers(self, rows: "Dataset") -> Iterator[str]:
        """Yields the most probable class of each row."""
        for texts in chunks(texts_of(rows)):
            yield from self.method.predict(texts)


class TfidfManyLabels(CheapModel):
    """Any number of labels for each text or pair of texts."""

    title = "TF-IDF + logistic regression"
    keys = ("class_weights", "calibrate", "tune_threshold")
    method: tfidf.TfidfLabels

    @classmethod
    def learnable_part(cls, train: "Dataset") -> "Dataset | None":
        """Returns as many rows as take seconds: each label is a model of its own."""
        names = _labels(train)
        most = max(tfidf.ROWS // max(1, len(names) // 2), 1000)
        return sample(train, "text", rows=most, units=tfidf.CHARACTERS)

    @classmethod
    def fit(cls, train: "Dataset", validation: "Dataset | None", settings: Settings) -> Self:
        """Learns each label of texts."""
        labels = list(iter_column(train, "label"))
        return cls(tfidf.TfidfLabels(_labels(train)).fit(list(texts_of(train)), labels))

    def answers(self, rows: "Dataset") -> Iterator[list[str]]:
        """Yields the labels of each row."""
        for texts in chunks(texts_of(rows)):
            yield from self.method.predict(texts)


class TfidfNumbers(CheapModel):
    """Numbers of each text or pair of texts."""

    title = "TF-IDF + ridge regression"
    method: tfidf.TfidfRidge

    @classmethod
    def learnable_part(cls, train: "Dataset") -> "Dataset | None":
        """Returns as many rows as take seconds."""
        return sample(train, "text", rows=tfidf.ROWS, units=tfidf.CHARACTERS)

    @classmethod
    def fit(cls, train: "Dataset", validation: "Dataset | None", settings: Settings) -> Self:
        """Learns the numbers of texts."""
        numbers = np.array(list(iter_column(train, "label")))
        return cls(tfidf.TfidfRidge().fit(list(texts_of(train)), numbers))

    def answers(self, rows: "Dataset") -> Iterator[list[float]]:
        """Yields the numbers of each row."""
        for texts in chunks(texts_of(rows)):
            yield from self.method.predict(texts).tolist()


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
        return cls(
            tagger.LinearTagger().fit(list(iter_column(train, "tokens")), list(iter_column(train, "tags")))
        )

    def answers(self, rows: "Dataset") -> Iterator[list[str]]:
        """Yields the tags of each row."""
        for words in chunks(iter_column(rows, "tokens")):
            yield from self.method.predict(words)


class FirstSentences(CheapModel):
    """The first sentences of each document."""

    title = "first sentences"

    @classmethod
    def fit(cls, train: "Dataset", validation: "Dataset | None", settings: Settings) -> Self:
        """Chooses the number of sentences, on validation where there is one."""
        from autotune.baselines.extracts import ROWS, LeadSentences

        choosing = train if validation is None else validation
        choosing = choosing.select(range(min(ROWS, len(choosing))))
        return cls(LeadSentences().fit(choosing["document"], choosing["summary"]))

    def answers(self, rows: "Dataset") -> Iterator[str]:
        """Yields the summary of each row."""
        for documents in chunks(iter_column(rows, "document")):
            yield from self.method.predict(documents)

    def note(self, part: "Dataset", train: "Dataset", validation: "Dataset | None") -> str | None:
        """Returns the number of sentences."""
        return f"n = {self.method.count}, chosen on {'train' if validation is None else 'validation'}"


def _labels(train: "Dataset") -> list[str]:
    """Returns the names of all labels that occur, sorted."""
    return sorted({name for of_row in iter_column(train, "label") for name in of_row})
