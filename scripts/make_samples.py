#!/usr/bin/env python3
"""Writes the sample data that ship with autotune: autotune/assets/samples/<task>/{train,validation,test}.jsonl.

    python scripts/make_samples.py [FOLDER]

Sentences are put together from the Brazilian Portuguese material in scripts/samples, by a seeded generator: run
again, it writes the same bytes. Everybody and everything named there is invented. What a model has to learn:

sentiment      "não" turns a verdict around, an adjective in a question or in hearsay says nothing, and of two
               opinions the verdict counts: no list of words gives the classes.
ner            the same surname is a person, a street or a bakery, and most names of validation and test do not
               occur in train: only the context tells.
summarization  the facts stand in the middle and at the end, in any order, among sentences that do not matter.
classification the topic of a line of news; half of its words could be of any topic.
ordinal        stars from 1 to 5, the mean of two opinions.
regression     a grade from 0 to 10, of two opinions and a third one that counts twice.
multi_label    a message to a town hall has up to three concerns, or none, in any order.
"""

import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
SEED = 8
SIZES = {
    "sentiment": {"train": 600, "validation": 80, "test": 120},
    "ner": {"train": 500, "validation": 80, "test": 120},
    "summarization": {"train": 400, "validation": 80, "test": 120},
    "classification": {"train": 200, "validation": 40, "test": 60},
    "ordinal": {"train": 200, "validation": 40, "test": 60},
    "regression": {"train": 200, "validation": 40, "test": 60},
    "multi_label": {"train": 140, "validation": 40, "test": 50},
}
MATERIAL = {"ordinal": "graded", "regression": "graded"}
"""Files of the samples that do not have one of their own."""
ALIKE = 0.7
"""Rows that share more than this part of their runs of three words repeat each other; the second is left out."""

Row = dict[str, Any]
Material = dict[str, Any]

CONTRACTIONS = {
    "o": {"o": "o", "a": "a", "": ""},
    "de": {"o": "do", "a": "da", "": "de"},
    "em": {"o": "no", "a": "na", "": "em"},
    "para": {"o": "para o", "a": "para a", "": "para"},
}
"""A preposition (or the article alone) with the article of the name behind it, or with none."""


def sentence(text: str) -> str:
    """With a capital letter first."""
    return text[:1].upper() + text[1:]


def words(text: str) -> list[str]:
    """Words and single punctuation marks."""
    return re.findall(r"\w+|[^\w\s]", text)


class Sentiment:
    """Reviews of one or two sentences."""

    NEGATED = 0.45
    """Share of the opinions that get their polarity by negating the opposite."""
    ASIDE = 0.3
    """Share of the reviews with a sentence that is beside the point."""

    def __init__(self, material: Material, rng: random.Random) -> None:
        self.material, self.rng = material, rng

    def row(self, split: str, number: int) -> Row:
        """The classes take turns; the splits differ in nothing but their rows."""
        choice, material = self.rng.choice, self.material
        label = ("negativo", "neutro", "positivo")[number % 3]
        item, pairs = choice(list(material["items"].items()))
        praise, complaint = choice(pairs).split("/")
        if label == "neutro":
            adjective, opposite = self.rng.sample([praise, complaint], 2)
            text = self.filled(choice(material["neutrals"]), item, adjective=adjective, opposite=opposite)
        else:
            text = self.review(label == "positivo", item, praise, complaint)
        sentences = [text if text.endswith("?") else f"{text}."]
        if self.rng.random() < self.ASIDE:
            sentences.append(f"{choice(material['asides'])}.")
        return {"text": " ".join(map(sentence, sentences)), "label": label}

    def review(self, positive: bool, item: str, praise: str, complaint: str) -> str:
        """One or two opinions; where they differ, the verdict has the polarity that is asked for."""
        material = self.material
        full, short = (
            ([pair[form] for pair in material["praises"]], [pair[form] for pair in material["complaints"]])
            for form in (0, 1)
        )
        described, briefly = ((material[name],) * 2 for name in ("descriptions", "short_descriptions"))
        shape = self.rng.choice(
            ["verdict", "description", "agreeing", "agreeing", "last_counts", "first_counts"]
        )
        first, second, verdict = {
            "verdict": (None, None, full),
            "description": (None, None, described),
            "agreeing": (positive, briefly, full),
            "last_counts": (not positive, described, short),
            "first_counts": (not positive, briefly, full),
        }[shape]
        opinion = self.opinion(positive, verdict, item, praise, complaint)
        if first is None or second is None:
            return opinion
        other = self.opinion(first, second, item, praise, complaint)
        return str(self.rng.choice(material[shape])).format(verdict=opinion, description=other)

    def opinion(
        self, positive: bool, templates: tuple[list[str], list[str]], item: str, praise: str, complaint: str
    ) -> str:
        """An opinion of that polarity, from the templates of praise or, negated, of complaint."""
        negated = self.rng.random() < self.NEGATED
        praises = positive != negated
        no, never = ("não ", self.rng.choice(["não ", "nunca "])) if negated else ("", "")
        template = self.rng.choice(templates[0] if praises else templates[1])
        return self.filled(template, item, adjective=praise if praises else complaint, não=no, nunca=never)

    @staticmethod
    def filled(template: str, item: str, **values: str) -> str:
        """The template with the item, its article and the values in their places."""
        article, noun = item.split(" ", 1)
        return template.format(item=noun, o=article, de=CONTRACTIONS["de"][article], **values)


class Ner:
    """Sentences of local news, as words and IOB2 tags."""

    OPENING = 0.3
    """Share of the sentences that begin with a time, a place or a source."""
    KNOWN = 2 / 3
    """Share of the names that train may use."""
    REPEATED = 0.4
    """Share of the names of validation and test that train may have too."""
    SLOT = re.compile(r"\{(?:(\w+) )?(?:(\w+) )?([A-Z]+)\}")

    def __init__(self, material: Material, rng: random.Random) -> None:
        self.material, self.rng = material, rng
        self.names = {kind: self.invented(*parts) for kind, parts in material["names"].items()}
        self.parts = re.compile("|".join([*self.names, *material["numbers"], "MONTH"]))

    def invented(self, stems: str, endings: str = "") -> list[str]:
        """Every stem with every ending, in random order."""
        names = [stem + ending for stem in stems.split() for ending in endings.split() or [""]]
        self.rng.shuffle(names)
        return names

    def row(self, split: str, number: int) -> Row:
        """A sentence; `split` says which names it may use."""
        template = self.rng.choice(self.material["sentences"])
        kinds = {match[3] for match in self.SLOT.finditer(template)}
        openings = [
            text for text in self.material["openings"] if kinds.isdisjoint(self.SLOT.findall(text)[0])
        ]
        if openings and self.rng.random() < self.OPENING:
            template = f"{self.rng.choice(openings)} {template}"
        tokens: list[str] = []
        tags: list[str] = []
        end = 0
        for match in self.SLOT.finditer(template):
            before, entity = self.entity(match, split)
            outside = words(f"{self.filled(template[end : match.start()], split)} {before}")
            inside = words(entity)
            tokens += outside + inside
            tags += ["O"] * len(outside) + [
                f"{'I' if place else 'B'}-{match[3]}" for place in range(len(inside))
            ]
            end = match.end()
        rest = words(f"{self.filled(template[end:], split)}.")
        return {"tokens": [sentence(tokens[0]), *tokens[1:], *rest], "tags": tags + ["O"] * len(rest)}

    def entity(self, slot: re.Match[str], split: str) -> tuple[str, str]:
        """What stands before an entity (a preposition, its article, an occupation), and the entity."""
        preposition, occupation, kind = slot.groups()
        if kind == "TEMPO":
            before, pattern = self.rng.choice(self.material["times"])
            return before, self.filled(pattern, split)
        pattern = self.rng.choice(self.material["entities"][kind])
        article, _, name = pattern.partition(" ") if pattern[:2] in ("o ", "a ") else ("", "", pattern)
        if kind == "PESSOA" and occupation is None:
            article = ""
        before = CONTRACTIONS[preposition][article] if preposition else ""
        return f"{before} {occupation or ''}", self.filled(name, split)

    def filled(self, pattern: str, split: str) -> str:
        """The pattern with names, numbers and months for the words in capitals."""
        return self.parts.sub(lambda match: self.word(match[0], split), pattern)

    def word(self, kind: str, split: str) -> str:
        """A name, a number or a month."""
        if kind == "MONTH":
            return str(self.rng.choice(self.material["months"]))
        if kind not in self.names:
            return str(self.rng.randint(*self.material["numbers"][kind]))
        known = int(len(self.names[kind]) * self.KNOWN)
        of_train = split == "train" or self.rng.random() < self.REPEATED
        return self.rng.choice(self.names[kind][:known] if of_train else self.names[kind][known:])


class Summarization:
    """Local news of five to seven sentences with a summary of one."""

    def __init__(self, material: Material, rng: random.Random) -> None:
        self.material, self.rng = material, rng

    def row(self, split: str, number: int) -> Row:
        """The stories take turns; the splits differ in nothing but their rows."""
        story = self.material["stories"][number % len(self.material["stories"])]
        chosen: dict[str, str] = {}
        for kind in re.findall("[A-Z]{3,}", story["summary"]):
            values = [value for value in self.material["values"][kind] if value not in chosen.values()]
            chosen[kind] = self.rng.choice(values)
        told = [self.rng.choice(ways) for ways in story["facts"]] + [self.rng.choice(story["asides"])]
        self.rng.shuffle(told)
        document = " ".join([self.rng.choice(story["openings"]), *told])
        places = re.compile("|".join(chosen))
        document, summary = (
            places.sub(lambda match: chosen[match[0]], text) for text in (document, story["summary"])
        )
        return {"document": document, "summary": sentence(summary)}


class Topic:
    """Lines of local news, each of one topic."""

    def __init__(self, material: Material, rng: random.Random) -> None:
        self.material, self.rng = material, rng

    def row(self, split: str, number: int) -> Row:
        """The topics take turns; the splits differ in nothing but their rows."""
        topics, choice = self.material["topics"], self.rng.choice
        label = list(topics)[number % len(topics)]
        parts = (topics[label]["subjects"], topics[label]["actions"], self.material["closings"])
        return {"text": f"{sentence(' '.join(map(choice, parts)))}.", "label": label}


class Graded:
    """Reviews with two opinions of different degrees, from -2 to 2."""

    def __init__(self, material: Material, rng: random.Random) -> None:
        self.material, self.rng = material, rng

    def review(self, degrees: list[int]) -> str:
        """What was bought, and an opinion of each degree."""
        choice, material = self.rng.choice, self.material
        opening = choice(material["openings"]).format(item=choice(material["items"]))
        sides = self.rng.sample(material["sides"], 2)
        first, second = (
            f"{side} {self.adjective(degree, feminine=side.startswith('a '))}"
            for side, degree in zip(sides, degrees, strict=True)
        )
        joint = ", mas" if degrees[0] * degrees[1] < 0 else " e"
        return f"{sentence(opening)}. {sentence(first)}{joint} {second}."

    def adjective(self, degree: int, *, feminine: bool = False) -> str:
        """An adjective of that degree."""
        forms = self.rng.choice(self.material["degrees"][degree + 2]).split("/")
        return str(forms[-1] if feminine else forms[0])


class Ordinal(Graded):
    """Reviews with stars."""

    def row(self, split: str, number: int) -> Row:
        """The stars take turns; the splits differ in nothing but their rows."""
        stars = number % 5 + 1
        pairs = [[a, b] for a in range(-2, 3) for b in range(-2, 3) if a + b == 2 * (stars - 3)]
        return {"text": self.review(self.rng.choice(pairs)), "label": str(stars)}


class Regression(Graded):
    """Reviews with a grade."""

    def row(self, split: str, number: int) -> Row:
        """The splits differ in nothing but their rows."""
        first, second, overall = (self.rng.randint(-2, 2) for _ in range(3))
        text = self.review([first, second])
        closing = self.rng.choice(self.material["overall"]).format(adjective=self.adjective(overall))
        grade = 5 + 2.5 * (first + second + 2 * overall) / 4
        return {"text": f"{text} {sentence(closing)}.", "label": round(grade, 1)}


class MultiLabel:
    """Messages to a town hall about any number of concerns."""

    COUNTS = (0, 1, 1, 2, 2, 3)
    """Concerns of a message, each number as likely as it occurs here."""

    def __init__(self, material: Material, rng: random.Random) -> None:
        self.material, self.rng = material, rng

    def row(self, split: str, number: int) -> Row:
        """The splits differ in nothing but their rows; labels are sorted."""
        choice, material = self.rng.choice, self.material
        labels = self.rng.sample(list(material["concerns"]), choice(self.COUNTS))
        concerns = [choice(material["concerns"][label]) for label in labels] or [choice(material["nothing"])]
        text = concerns[0] + "".join(choice(material["joints"]) + concern for concern in concerns[1:])
        text = re.sub(r"\{place\}", lambda _: choice(material["places"]), text)
        if self.rng.random() < 0.5:
            text = f"{choice(material['openings'])}, {text}"
        closing = f" {sentence(choice(material['closings']))}." if self.rng.random() < 0.5 else ""
        return {"text": f"{sentence(text)}.{closing}", "label": sorted(labels)}


SAMPLERS: dict[str, Callable[[Material, random.Random], Any]] = {
    "sentiment": Sentiment,
    "ner": Ner,
    "summarization": Summarization,
    "classification": Topic,
    "ordinal": Ordinal,
    "regression": Regression,
    "multi_label": MultiLabel,
}


def triples(row: Row) -> set[tuple[str, ...]]:
    """All runs of three words of a row's text."""
    tokens = row.get("tokens") or words(row.get("text") or row["document"])
    return set(zip(tokens, tokens[1:], tokens[2:], strict=False))


def rows(task: str) -> Iterator[tuple[str, Row]]:
    """Splits and their rows; no row nearly repeats another."""
    file = HERE / "samples" / f"{MATERIAL.get(task, task)}.yaml"
    material = yaml.safe_load(file.read_text(encoding="utf-8"))
    sampler = SAMPLERS[task](material, random.Random(f"{SEED} {task}"))
    seen: list[set[tuple[str, ...]]] = []
    for split, size in SIZES[task].items():
        number = 0
        while number < size:
            row = sampler.row(split, number)
            own = triples(row)
            if any(len(own & other) > ALIKE * len(own | other) for other in seen):
                continue
            seen.append(own)
            number += 1
            yield split, {"id": f"{split}-{number:03}", **row}


def main(folder: Path) -> None:
    """Writes the files of all tasks under a folder."""
    for task, sizes in SIZES.items():
        texts = dict.fromkeys(sizes, "")
        for split, row in rows(task):
            texts[split] += json.dumps(row, ensure_ascii=False) + "\n"
        for split, text in texts.items():
            file = folder / task / f"{split}.jsonl"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "autotune" / "assets" / "samples")
