"""A linear tagger of IOB2 tags: words, shapes, affixes and neighbours, learned by an averaged perceptron.

It is the structured perceptron (Collins 2002), which scores each tag of a word and each pair of neighbouring tags, and
chooses the best legal sequence by Viterbi's algorithm. All weights are whole numbers, so its result is the same on every
machine.
"""

import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
from pydantic import AfterValidator, Field

from autotune.baselines.saved import VOCABULARY, Names, read_json, read_tensors, unique, write
from autotune.runtime.records import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

WORDS, ROWS, TAGS = 300_000, 20_000, 20
"""Words, and rows, from which it learns at most: about 20 seconds of one CPU core. With more tags, it reads fewer words."""
EPOCHS, FEWEST_EPOCHS, VISITS = 10, 5, 600_000
"""Passes over the rows, and the fewest; words that it reads in all passes where these would be more. LeNER-Br, entity F1 of test
after 2, 5, 10, 20 passes over 1,000 sentences: 0.597, 0.636, 0.664, 0.680; over all 7,827, two seconds each: 0.779, 0.804,
0.820, 0.822."""
ILLEGAL = -(2**60)
"""Score of a tag that may not follow another one."""
SENTENCE_ENDS = frozenset(".!?")
OWN, NEAR = 9, (-1, 1, -2, 2, -1, 1)
"""Features of a word for its own tag, and the places of the words whose further features it uses, in the same order."""
MAX_WEIGHT = 2.0**40
"""Largest weight that is read: sums of them stay far from `ILLEGAL`."""


class TagsRecord(Record):
    """Schema of the vocabulary.json of a `LinearTagger`."""

    tags: Annotated[Names, Field(min_length=1, max_length=10_000)]
    features: Annotated[list[Annotated[str, Field(min_length=1)]], AfterValidator(unique)]


class LinearTagger:
    """Gives each word of a row a tag; every I- tag continues an entity of its type.

    Args:
        epochs: passes over the rows at most; it stops where it makes no error. None: as many as suit their number.
    """

    def __init__(self, epochs: int | None = None) -> None:
        self.tags: list[str] = []
        self._epochs = epochs
        self._features: dict[str, int] = {"": 0}
        """Number of each feature; 0 is any feature that did not occur in training, and has no weight."""
        self._emission = self._transition = np.zeros((0, 0), dtype=np.int64)

    def fit(self, rows: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]) -> Self:
        """Learns from the words of rows and their tags."""
        self.tags = sorted(
            {tag for of_row in tags for tag in of_row} | {"O"}, key=lambda tag: (tag != "O", tag)
        )
        number_of = {tag: number for number, tag in enumerate(self.tags)}
        known, sentences = dict[str, list[int]](), []
        for words, of_row in zip(rows, tags, strict=True):
            features = self._encode(words, known)
            gold = np.array([number_of[tag] for tag in of_row], dtype=np.int64)
            starts = _sentence_starts(words, of_row)
            sentences += [
                (features[start:end], gold[start:end])
                for start, end in zip(starts, [*starts[1:], len(words)], strict=True)
            ]
        self._learn(sentences)
        return self

    def predict(self, rows: Sequence[Sequence[str]]) -> list[list[str]]:
        """Returns a tag for each word of each row."""
        decoded = (self._decode(self._encode(words), self._emission, self._transition) for words in rows)
        return [[self.tags[number] for number in numbers] for numbers in decoded]

    def save(self, folder: Path) -> None:
        """Writes model.safetensors and vocabulary.json into an existing folder: features that have a weight.

        Raises:
            DiskError: a file cannot be written.
        """
        used = (self._emission != 0).any(axis=1).tolist()
        features = [name for name, number in self._features.items() if used[number]]
        tensors = {"emission": _narrow(self._emission[used]), "transition": _narrow(self._transition)}
        write(folder, {"tags": self.tags, "features": features}, tensors)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` has written.

        Raises:
            ModelError: a file is missing or damaged.
        """
        vocabulary = read_json(folder / VOCABULARY, TagsRecord)
        tags, features = vocabulary["tags"], vocabulary["features"]
        shapes = {"emission": (len(features), len(tags)), "transition": (len(tags) + 1, len(tags))}
        layout = {name: ("I", shape) for name, shape in shapes.items()}
        tensors = read_tensors(folder, layout, low=-MAX_WEIGHT, high=MAX_WEIGHT)
        tagger = cls()
        tagger.tags = tags
        tagger._features |= {name: number for number, name in enumerate(features, 1)}
        none = np.zeros((1, len(tags)), dtype=np.int64)
        tagger._emission = np.concatenate([none, tensors["emission"]])
        tagger._transition = tensors["transition"].astype(np.int64)
        return tagger

    def _learn(self, sentences: "Sequence[tuple[Integers, Integers]]") -> None:
        """Sets the weights to their mean over all updates, times the number of updates."""
        count = len(self.tags)
        emission = np.zeros((len(self._features), count), dtype=np.int64)
        transition = np.zeros((count + 1, count), dtype=np.int64)
        late_emission, late_transition = np.zeros_like(emission), np.zeros_like(transition)
        generator = np.random.default_rng(0)
        step, words = 1, sum(len(gold) for _, gold in sentences)
        for _ in range(self._epochs or most_epochs(words, count)):
            errors = 0
            for index in generator.permutation(len(sentences)):
                features, gold = sentences[index]
                predicted = self._decode(features, emission, transition)
                step += 1
                wrong = predicted != gold
                if not wrong.any():
                    continue
                errors += 1
                for tags, change in ((gold, 1), (predicted, -1)):
                    at = (features[wrong], tags[wrong, None])
                    pair = (np.append(count, tags[:-1]), tags)
                    np.add.at(emission, at, change)
                    np.add.at(late_emission, at, change * step)
                    np.add.at(transition, pair, change)
                    np.add.at(late_transition, pair, change * step)
            if not errors:
                break
        self._emission, self._transition = (
            step * emission - late_emission,
            step * transition - late_transition,
        )
        self._emission[0] = 0

    @cached_property
    def _legal(self) -> "Integers":
        """0, or `ILLEGAL` where a tag may not follow another; the last line is the beginning: (tags + 1, tags)."""
        legal = np.zeros((len(self.tags) + 1, len(self.tags)), dtype=np.int64)
        for column, tag in enumerate(self.tags):
            if tag.startswith("I-"):
                legal[[before not in (tag, f"B-{tag[2:]}") for before in (*self.tags, "")], column] = ILLEGAL
        return legal

    def _decode(self, features: "Integers", emission: "Integers", transition: "Integers") -> "Integers":
        """Returns the best legal sequence of tags (Viterbi): (words,)."""
        if not len(features):
            return np.zeros(0, dtype=np.int64)
        scores = emission[features].sum(axis=1)
        allowed = transition + self._legal
        best = scores[0] + allowed[-1]
        allowed = np.ascontiguousarray(allowed[:-1].T)
        tags = np.arange(len(allowed))
        before = np.zeros((len(features), len(allowed)), dtype=np.int64)
        for word in range(1, len(features)):
            candidates = allowed + best
            before[word] = candidates.argmax(axis=1)
            best = candidates[tags, before[word]] + scores[word]
        path = np.zeros(len(features), dtype=np.int64)
        path[-1] = best.argmax()
        for word in range(len(features) - 1, 0, -1):
            path[word - 1] = before[word, path[word]]
        return path

    def _encode(self, words: Sequence[str], known: dict[str, list[int]] | None = None) -> "Integers":
        """Returns the numbers of each word's features: (words, features).

        Args:
            words: of a row.
            known: numbers of the features of words that have occurred; those of others are added, and a feature
                that has no number gets one. None: no feature gets one.
        """
        if not len(words):
            return np.zeros((0, OWN + len(NEAR) + 3), dtype=np.int64)
        number = self._known_number if known is None else self._new_number
        own: dict[str, list[int]] = {} if known is None else known
        for word in dict.fromkeys([*words, ""]):
            if word not in own:
                own[word] = [number(name) for name in _word_features(word)]
        of_words, edge = np.array([own[word] for word in words], dtype=np.int64), own[""]
        padded = np.concatenate([np.tile(edge, (2, 1)), of_words, np.tile(edge, (2, 1))])
        columns = [of_words[:, :OWN]]
        for column, place in enumerate(NEAR):
            columns.append(padded[2 + place : 2 + place + len(words), OWN + column, None])
        lower, shapes = [word.lower() for word in words], [shape(word) for word in words]
        before, after = ["", *lower[:-1]], [*lower[1:], ""]
        context = [
            [number(f"b{left} {word}"), number(f"a{word} {right}"), number(f"s{around}")]
            for left, word, right, around in zip(
                before, lower, after, map(" ".join, zip(["", *shapes[:-1]], shapes, [*shapes[1:], ""], strict=True)),
                strict=True,
            )
        ]  # fmt: skip
        return np.concatenate([*columns, np.array(context, dtype=np.int64)], axis=1)

    def _known_number(self, name: str) -> int:
        return self._features.get(name, 0)

    def _new_number(self, name: str) -> int:
        return self._features.setdefault(name, len(self._features))


def most_words(tags: int) -> int:
    """Returns how many words it reads at most: time and memory grow with the number of tags."""
    return WORDS * TAGS // max(TAGS, tags)


def most_epochs(words: int, tags: int) -> int:
    """Returns the passes over words that take seconds; the time of each grows with the number of tags."""
    visits = VISITS * TAGS // max(TAGS, tags)
    return min(EPOCHS, max(FEWEST_EPOCHS, visits // max(1, words)))


@lru_cache(maxsize=20_000)
def _word_features(word: str) -> tuple[str, ...]:
    """Returns the features that a single word has, for its own tag and for those of its neighbours."""
    lower, form = word.lower(), shape(word)
    return (
        f"0{lower}", f"w{word}", f"f{form}",
        *(f"p{lower[:size]}" for size in (2, 3, 4)), *(f"e{lower[-size:]}" for size in (2, 3, 4)),
        *(f"{place}:{lower}" for place in NEAR[:4]), *(f"{place}f{form}" for place in NEAR[4:]),
    )  # fmt: skip


@lru_cache(maxsize=20_000)
def shape(word: str) -> str:
    """Returns the form of a word: A, a and 0 for capitals, small letters and digits, runs of one kind once."""
    kinds = "".join(
        "A" if letter.isupper() else "a" if letter.isalpha() else "0" if letter.isdigit() else letter
        for letter in word
    )
    return re.sub(r"(.)\1+", r"\1+", kinds)


def _narrow(weights: "Integers") -> "NDArray[np.int32] | Integers":
    """Returns the same whole numbers in half of the bytes, if they fit."""
    narrow = weights.astype(np.int32)
    return narrow if (narrow == weights).all() else weights


def _sentence_starts(words: Sequence[str], tags: Sequence[str]) -> list[int]:
    """Returns where sentences begin in a row, never inside of an entity: long documents are learned in parts."""
    return [
        index
        for index in range(len(words))
        if index == 0 or (words[index - 1] in SENTENCE_ENDS and not tags[index].startswith("I-"))
    ]
