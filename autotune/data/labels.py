"""Names of classes and tags: from whatever the data hold to one spelling and one order."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from autotune.config import DatasetConfig, TagRepair, TagScheme
from autotune.errors import ConfigError, DataError, listing, nearest

TAG = re.compile(r"O|[BIESLU]-.+")
IOB1_SHARE = 0.9
"""Where at least this share of entities begins with I-, the corpus is IOB1: IOB2 never begins so."""


def canonical(value: Any) -> str | None:
    """The name of a label: text in NFC without outer blanks; 1.0 is 1; null, NaN and blanks are None."""
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = unicodedata.normalize("NFC", str(value)).strip()
    return text or None


def label_map(config: DatasetConfig) -> dict[str, str | None]:
    """`dataset.label_map` with canonical keys and values.

    Raises:
        ConfigError: it is not a map.
    """
    if config.label_map is None:
        return {}
    if not isinstance(config.label_map, Mapping):
        raise ConfigError(
            "label_map maps labels to labels",
            where="dataset.label_map",
            found=str(config.label_map),
            fix="'dataset.label_map={1: negativo, 2: negativo, 5: positivo}'",
        )
    return {str(canonical(key)): canonical(value) for key, value in config.label_map.items()}


def label_names(config: DatasetConfig, values: Iterable[str]) -> list[str]:
    """Names in the order of their ids: `dataset.labels`, else numbers by size, else sorted.

    Raises:
        DataError: the data have a label that `dataset.labels` lacks.
    """
    seen = set(values)
    if config.labels is not None:
        names = [str(canonical(name)) for name in config.labels]
        strange = sorted(seen - set(names))
        if strange:
            raise DataError(
                f"labels that dataset.labels does not have: {listing(strange)}",
                where="dataset.labels",
                found=listing(names),
                fix=f"dataset.labels=[{','.join([*names, *strange])}]",
            )
        return names
    if all(re.fullmatch(r"-?\d+", name) for name in seen):
        return sorted(seen, key=int)
    return sorted(seen)


class Tags:
    """Turns gold tags of a split into IOB2 and counts what it repaired.

    Args:
        config: the section `dataset`.
        scheme: from `find_scheme`.
    """

    def __init__(self, config: DatasetConfig, scheme: TagScheme) -> None:
        self.config, self.scheme, self.map = config, scheme, label_map(config)
        self.repaired = 0

    def convert(self, tags: Sequence[str], where: str) -> list[str]:
        """IOB2 tags of one row, renamed by label_map.

        Raises:
            DataError: an illegal transition, when dataset.tag_repair=error.
        """
        out: list[str] = []
        previous = "O"
        for index, tag in enumerate(tags):
            converted = self._iob2(tag, previous, tags[index - 1] if index else "O")
            if converted.startswith("I-") and previous[2:] != converted[2:]:
                if self.config.tag_repair is TagRepair.error:
                    raise DataError(
                        f"the tag {tag} continues an entity that was not begun",
                        where=f"{where}, word {index}",
                        found=f"{previous} before it",
                        fix="dataset.tag_repair=repair reads it as the beginning of one",
                    )
                self.repaired += 1
                converted = f"B-{converted[2:]}"
            out.append(converted)
            previous = converted
        return [self._renamed(tag) for tag in out]

    def _iob2(self, tag: str, previous: str, raw_previous: str) -> str:
        if tag == "O":
            return "O"
        if self.scheme is TagScheme.io:
            name = tag[2:] if TAG.fullmatch(tag) and tag != "O" else tag
            return f"I-{name}" if previous[2:] == name else f"B-{name}"
        prefix, name = tag[0], tag[2:]
        if self.scheme is TagScheme.iob1:
            return f"I-{name}" if prefix == "I" and previous[2:] == name else f"B-{name}"
        if prefix in "SU":
            return f"B-{name}"
        if prefix in "EL":
            return f"I-{name}"
        return tag

    def _renamed(self, tag: str) -> str:
        if tag == "O" or not self.map:
            return tag
        name = self.map.get(tag[2:], tag[2:])
        return "O" if name in (None, "O") else f"{tag[:2]}{name}"


def spelled_tags(tags: Iterable[Any], mapping: Mapping[str, str | None]) -> list[str]:
    """Tags as text; numbers and other codes are replaced by the tags that label_map gives them, {3: B-PESSOA}."""
    names = [str(canonical(tag)) for tag in tags]
    return [mapping.get(name) or name if not TAG.fullmatch(name) else name for name in names]


def find_scheme(config: DatasetConfig, sequences: Iterable[Sequence[str]], where: str) -> TagScheme:
    """The scheme of a data set's tags.

    Raises:
        DataError: tags without B- and I-, or what stands in the column are no tags.
    """
    starts: Counter[str] = Counter()
    prefixes: Counter[str] = Counter()
    strange: Counter[str] = Counter()
    for tags in sequences:
        previous = "O"
        for tag in tags:
            if not TAG.fullmatch(tag):
                strange[tag] += 1
            elif tag != "O":
                prefixes[tag[0]] += 1
                if previous[2:] != tag[2:] or tag[0] in "BSU":
                    starts[tag[0]] += 1
            previous = tag
    if config.tag_scheme is TagScheme.io:
        return TagScheme.io
    if strange:
        raise _not_tags(strange, prefixes, where)
    if config.tag_scheme is not TagScheme.auto:
        return config.tag_scheme
    if any(prefixes[letter] for letter in "ESLU"):
        return TagScheme.iobes
    if starts["I"] and starts["I"] >= IOB1_SHARE * starts.total():
        return TagScheme.iob1
    return TagScheme.iob2


def _not_tags(strange: Counter[str], prefixes: Counter[str], where: str) -> DataError:
    found = listing(f"{tag} ({count})" for tag, count in strange.most_common())
    if all(tag.isdecimal() for tag in strange):
        return DataError(
            "the tags are numbers, and the data do not say what they stand for",
            where=where,
            found=found,
            fix="'dataset.label_map={0: O, 1: B-PESSOA, 2: I-PESSOA}', in the order of the data's documentation",
        )
    if not prefixes and len(strange) <= 30:
        return DataError(
            "the tags have no B- and I-, so it is not said where an entity begins",
            where=where,
            found=found,
            fix="dataset.tag_scheme=io, which reads neighbouring words with the same tag as one entity; "
            "if these are no entity types, dataset.columns.tags=… (CoNLL: dataset.tag_column=…) names the right column",
        )
    near = nearest(next(iter(strange)), ["O", *[f"{letter}-" for letter in prefixes]])
    return DataError(
        "what stands in the column of tags is not O, B-… or I-…",
        where=where,
        found=found,
        fix="dataset.columns.tags=… (CoNLL: dataset.tag_column=…) names the right column"
        + (f"; {next(iter(strange))} may be meant as {near}" if near else ""),
    )
