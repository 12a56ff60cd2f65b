"""Brings the names of classes and tags to one spelling and one order."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from autotune.config.enums import TagRepair, TagScheme
from autotune.config.label_maps import normalize_label
from autotune.config.labels import TAG, label_map, repaired_tag
from autotune.config.schema import DatasetConfig
from autotune.errors import DataError, format_override, listing

MAX_TYPES = 30
"""A column with more distinct names than this does not contain entity types."""
IOB1_SHARE = 0.9
"""The corpus is IOB1 if at least this share of the entities that do not follow one of their own type begins with I-: in
IOB1 all of them do, in IOB2 none."""


class RelabelError(DataError):
    """Labels are wrong in a way that `dataset.label_map` can correct.

    Args:
        what: see `AutotuneError`, as for `where` and `found`.
        config: the section `dataset`.
        relabel: new label for each label, as named after `dataset.label_map`.
        where: see `AutotuneError`.
        found: see `AutotuneError`.
    """

    def __init__(
        self,
        what: str,
        *,
        config: DatasetConfig,
        relabel: Mapping[str, str | None],
        where: str | None = None,
        found: str | None = None,
    ) -> None:
        self.relabel = relabel
        super().__init__(what, where=where, found=found, fix=relabel_override(config, relabel))


def relabel_override(
    config: DatasetConfig,
    relabel: Mapping[str, str | None],
    rename: Mapping[str, str | None] | None = None,
    names: Iterable[str] | None = None,
) -> str:
    """Returns `map_override` with comments on what null and O in it mean."""
    null_comment = "  # null drops these rows" if None in relabel.values() else ""
    o_comment = "  # O reads it as no entity" if "O" in relabel.values() else ""
    return map_override(config, relabel, rename=rename, names=names) + null_comment + o_comment


def map_override(
    config: DatasetConfig,
    relabel: Mapping[str, str | None],
    *,
    rename: Mapping[str, str | None] | None = None,
    names: Iterable[str] | None = None,
) -> str:
    """Returns the override that extends `dataset.label_map`: it repeats the current map, which it would otherwise replace.

    Args:
        config: the section `dataset`.
        relabel: new label for each label, as named after the current map.
        rename: corrected key for keys of the current map; None removes the key.
        names: labels of the data before any map; None: unknown.
    """
    current = label_map(config)
    new_keys = rename or {}
    merged = {
        new_keys.get(key, key): value if value is None else relabel.get(value, value)
        for key, value in current.items()
        if new_keys.get(key, key) is not None
    }
    for name, value in relabel.items():
        # A label that only the current map produces is already handled above: as a key it would not occur in the data.
        made_by_map = name in current.values() and names is not None and name not in set(names)
        if name not in merged and not made_by_map:
            merged[name] = value
    return format_override("dataset.label_map", merged or None)


def label_names(config: DatasetConfig, values: Iterable[str]) -> list[str]:
    """Returns names in the order of their ids: `dataset.labels`, else numbers by size, else sorted.

    Raises:
        DataError: `dataset.labels` repeats a label or lacks one that occurs in the data.
    """
    occurring = set(values)
    if config.labels is not None:
        names = [str(normalize_label(name)) for name in config.labels]
        if len(set(names)) < len(names):
            raise DataError(
                "dataset.labels has a label twice",
                where="dataset.labels",
                found=listing(names),
                fix=format_override("dataset.labels", list(dict.fromkeys(names))),
            )
        unknown = sorted(occurring - set(names))
        if unknown:
            raise DataError(
                f"labels that dataset.labels does not have: {listing(unknown)}",
                where="dataset.labels",
                found=listing(names),
                fix=format_override("dataset.labels", [*names, *unknown]),
            )
        return names
    if all(re.fullmatch(r"-?\d+", name) for name in occurring):
        return sorted(occurring, key=int)
    return sorted(occurring)


class Tags:
    """Converts the gold tags of a split to IOB2, applies label_map, and counts repaired tags.

    A key of label_map is an entity type (PER) or a whole tag (B-PER, 3); a type mapped to null or O is not an entity.

    Args:
        config: the section `dataset`.
        scheme: from `detect_tag_scheme`.
    """

    def __init__(self, config: DatasetConfig, scheme: TagScheme) -> None:
        self.config, self.scheme, self.map = config, scheme, label_map(config)
        self.repaired = 0
        self.used: set[str] = set()
        """Keys of label_map that occur."""
        self.seen: Counter[str] = Counter()
        """Number of occurrences of each tag, before the map, and of each type, before the map is applied to types."""

    def convert(self, tags: Sequence[str], where: str) -> list[str]:
        """Returns the IOB2 tags of one row.

        Raises:
            DataError: a value is not a tag; an invalid transition, with dataset.tag_repair=error.
        """
        self.seen.update(tags)
        self.used |= self.map.keys() & set(tags)
        mapped = [self.map.get(tag, tag) or "O" for tag in tags]
        if self.scheme is not TagScheme.io:
            for index, tag in enumerate(mapped):
                if not TAG.fullmatch(tag):
                    raise _not_tags_error(
                        self.config, Counter([tag]), Counter("BI"), f"{where}, word {index}"
                    )
        converted, repaired = to_iob2(mapped, self.scheme)
        if repaired and self.config.tag_repair is TagRepair.error:
            index = repaired[0]
            raise DataError(
                f"the tag {tags[index]} continues an entity that has not started",
                where=f"{where}, word {index}",
                found=f"{tags[index - 1]} before it" if index else "the first word",
                fix="dataset.tag_repair=repair reads it as the beginning of one",
            )
        self.repaired += len(repaired)
        return [self._map_type(tag) for tag in converted]

    def _map_type(self, tag: str) -> str:
        self.seen[tag[2:]] += 1
        if tag[2:] in self.map:
            self.used.add(tag[2:])
        name = self.map.get(tag[2:], tag[2:])
        return "O" if name in (None, "O", "") else f"{tag[:2]}{name}"


def to_iob2(tags: Sequence[str], scheme: TagScheme) -> tuple[list[str], list[int]]:
    """Returns the tags of a row in IOB2, and the positions of words whose tag continues an entity that never began.

    Such a word begins an entity, as in conlleval (Tjong Kim Sang & De Meulder 2003).

    Args:
        tags: O and, in `io`, names of types with or without a prefix; else B-, I-, E-, S-, L-, U- and a name.
        scheme: scheme of `tags`; not `auto`.
    """
    converted: list[str] = []
    repaired: list[int] = []
    for index, tag in enumerate(tags):
        if tag == "O":
            converted.append(tag)
            continue
        prefixed = scheme is not TagScheme.io or TAG.fullmatch(tag) is not None
        prefix, name = (tag[0], tag[2:]) if prefixed else ("I", tag)
        previous = tags[index - 1] if index else "O"
        ended = scheme is TagScheme.iobes and previous[:2] in ("E-", "S-", "L-", "U-")
        inside = bool(converted) and converted[-1][2:] == name and not ended
        if prefix in "IEL" and not inside and scheme in (TagScheme.iob2, TagScheme.iobes):
            repaired.append(index)
        converted.append(f"I-{name}" if inside and prefix in "IEL" else f"B-{name}")
    return converted, repaired


def detect_tag_scheme(config: DatasetConfig, sequences: Iterable[Sequence[str]], where: str) -> TagScheme:
    """Returns the scheme of a data set's tags: `dataset.tag_scheme`, or the one detected from all tags.

    Names without any prefix are IO if most words are O; in a column of parts of speech no word is. Names that look like
    misspelled prefixed tags (B_PER, PER-B) are not IO: read as IO, adjacent entities would become one.

    Args:
        config: the section `dataset`.
        sequences: the tags of each row.
        where: file, for messages.

    Raises:
        DataError: the tags have no B- and I-, or the column does not contain tags.
    """
    if config.tag_scheme is TagScheme.io:
        return TagScheme.io
    mapping = label_map(config)
    starts: Counter[str] = Counter()
    prefixes: Counter[str] = Counter()
    non_iob: Counter[str] = Counter()
    first_place = ""
    outside = 0
    for row, tags in enumerate(sequences):
        previous = "O"
        for index, raw in enumerate(tags):
            tag = mapping.get(raw, raw) or "O"
            if not TAG.fullmatch(tag):
                first_place = first_place or f", row {row}, word {index}"
                non_iob[tag] += 1
            elif tag == "O":
                outside += 1
            else:
                prefixes[tag[0]] += 1
                if previous[2:] != tag[2:]:
                    starts[tag[0]] += 1
            previous = tag
    if non_iob and config.tag_scheme is TagScheme.auto and not prefixes:
        are_names = not all(re.fullmatch(r"-?\d+", tag) for tag in non_iob)
        mostly_misspelled = sum(repaired_tag(tag) is not None for tag in non_iob) >= len(non_iob) / 2
        if are_names and not mostly_misspelled and len(non_iob) <= MAX_TYPES and outside > non_iob.total():
            return TagScheme.io
    if non_iob:
        raise _not_tags_error(config, non_iob, prefixes, where + first_place)
    if config.tag_scheme is not TagScheme.auto:
        return config.tag_scheme
    if any(prefixes[letter] for letter in "ESLU"):
        return TagScheme.iobes
    if starts["I"] and starts["I"] >= IOB1_SHARE * starts.total():
        return TagScheme.iob1
    return TagScheme.iob2


def _not_tags_error(
    config: DatasetConfig, non_iob: Counter[str], prefixes: Counter[str], where: str
) -> DataError:
    examples = listing(f"{tag} ({count})" for tag, count in non_iob.most_common())
    column = "dataset.columns.tags=… (CoNLL: dataset.tag_column=…) names the right column"
    if all(re.fullmatch(r"-?\d+", tag) for tag in non_iob):
        names = ", ".join(f"{number}: {name}" for number, name in enumerate(("O", "B-PESSOA", "I-PESSOA")))
        return DataError(
            "the tags are numbers, and their names are unknown",
            where=where,
            found=examples,
            fix=f"'dataset.label_map={{{names}}}' with their true names; if these are not tags, {column}",
        )
    corrected = {tag: tag_in_iob for tag in non_iob if (tag_in_iob := repaired_tag(tag)) is not None}
    if corrected and len(corrected) >= len(non_iob) / 2:
        return DataError(
            "the tags are not written as O, B-… and I-…",
            where=where,
            found=examples,
            fix=f"{map_override(config, corrected)}; if these are whole names of types: dataset.tag_scheme=io; "
            f"if these are not tags, {column}",
        )
    if not prefixes and len(non_iob) <= MAX_TYPES:
        return DataError(
            "the tags have no B- and I- prefixes, so the start of an entity is unknown",
            where=where,
            found=examples,
            fix="dataset.tag_scheme=io, which reads neighbouring words with the same tag as one entity; "
            f"if these are not entity types, {column}",
        )
    return DataError(
        "the column of tags holds values other than O, B-… and I-…",
        where=where,
        found=examples,
        fix=f"{column}; if these are tags: {map_override(config, corrected)}" if corrected else column,
    )
