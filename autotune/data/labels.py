"""Names of classes and tags: from whatever the data hold to one spelling and one order."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from autotune.config.enums import TagRepair, TagScheme
from autotune.config.label_maps import normalize_label
from autotune.config.labels import TAG, label_map, repaired_tag
from autotune.config.schema import DatasetConfig
from autotune.errors import DataError, format_override, listing

MOST_TYPES = 30
"""A column with more different names than this does not hold entity types."""
IOB1_SHARE = 0.9
"""Where at least this share of entities that follow none of their own type begins with I-, the corpus is IOB1,
in which all do; in IOB2 none does."""


class RelabelError(DataError):
    """Labels are wrong in a way that `dataset.label_map` mends.

    Args:
        what: see `AutotuneError`; likewise `where` and `found`.
        config: the section `dataset`.
        relabel: what labels become, by the names that they have after `dataset.label_map`.
        where: see above.
        found: see above.
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
    """`map_override`, and what null and O in it do."""
    dropped = "  # null drops these rows" if None in relabel.values() else ""
    none = "  # O reads it as no entity" if "O" in relabel.values() else ""
    return map_override(config, relabel, rename=rename, names=names) + dropped + none


def map_override(
    config: DatasetConfig,
    relabel: Mapping[str, str | None],
    *,
    rename: Mapping[str, str | None] | None = None,
    names: Iterable[str] | None = None,
) -> str:
    """The override that changes `dataset.label_map` and keeps what is given: a second one would replace the first.

    Args:
        config: the section `dataset`.
        relabel: what labels become, by the names that they have after the map that is given.
        rename: keys of the map that is given, and the key that was meant; None: the key is left out.
        names: the labels that the data have before any map; None: not known.
    """
    given = label_map(config)
    renamed = rename or {}
    whole = {
        renamed.get(key, key): value if value is None else relabel.get(value, value)
        for key, value in given.items()
        if renamed.get(key, key) is not None
    }
    for name, value in relabel.items():
        made_by_map = name in given.values() and names is not None and name not in set(names)
        if name not in whole and not made_by_map:
            whole[name] = value
    return format_override("dataset.label_map", whole or None)


def label_names(config: DatasetConfig, values: Iterable[str]) -> list[str]:
    """Names in the order of their ids: `dataset.labels`, else numbers by size, else sorted.

    Raises:
        DataError: the data have a label that `dataset.labels` lacks.
    """
    seen = set(values)
    if config.labels is not None:
        names = [str(normalize_label(name)) for name in config.labels]
        if len(set(names)) < len(names):
            raise DataError(
                "dataset.labels names a label twice",
                where="dataset.labels",
                found=listing(names),
                fix=format_override("dataset.labels", list(dict.fromkeys(names))),
            )
        strange = sorted(seen - set(names))
        if strange:
            raise DataError(
                f"labels that dataset.labels does not have: {listing(strange)}",
                where="dataset.labels",
                found=listing(names),
                fix=format_override("dataset.labels", [*names, *strange]),
            )
        return names
    if all(re.fullmatch(r"-?\d+", name) for name in seen):
        return sorted(seen, key=int)
    return sorted(seen)


class Tags:
    """Turns gold tags of a split into IOB2, renamed by label_map, and counts what it repaired.

    A key of label_map is an entity type (PER) or a whole tag (B-PER, 3); a type that becomes null or O is none.

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
        """Tags and types before and between the maps."""

    def convert(self, tags: Sequence[str], where: str) -> list[str]:
        """IOB2 tags of one row.

        Raises:
            DataError: what stands there is no tag; an illegal transition, when dataset.tag_repair=error.
        """
        self.seen.update(tags)
        self.used |= self.map.keys() & set(tags)
        whole = [self.map.get(tag, tag) or "O" for tag in tags]
        if self.scheme is not TagScheme.io:
            for index, tag in enumerate(whole):
                if not TAG.fullmatch(tag):
                    raise _not_tags(self.config, Counter([tag]), Counter("BI"), f"{where}, word {index}")
        converted, repaired = to_iob2(whole, self.scheme)
        if repaired and self.config.tag_repair is TagRepair.error:
            index = repaired[0]
            raise DataError(
                f"the tag {tags[index]} continues an entity that was not begun",
                where=f"{where}, word {index}",
                found=f"{tags[index - 1]} before it" if index else "the first word",
                fix="dataset.tag_repair=repair reads it as the beginning of one",
            )
        self.repaired += len(repaired)
        return [self._renamed(tag) for tag in converted]

    def _renamed(self, tag: str) -> str:
        self.seen[tag[2:]] += 1
        if tag[2:] in self.map:
            self.used.add(tag[2:])
        name = self.map.get(tag[2:], tag[2:])
        return "O" if name in (None, "O", "") else f"{tag[:2]}{name}"


def to_iob2(tags: Sequence[str], scheme: TagScheme) -> tuple[list[str], list[int]]:
    """Tags of a row in IOB2, and the words whose tag continued an entity that was not begun.

    Such a word begins an entity, as conlleval reads it (Tjong Kim Sang & De Meulder 2003).

    Args:
        tags: O and, in `io`, names of types with or without a prefix; else B-, I-, E-, S-, L-, U- and a name.
        scheme: how they are written; not `auto`.
    """
    converted: list[str] = []
    repaired: list[int] = []
    for index, tag in enumerate(tags):
        if tag == "O":
            converted.append(tag)
            continue
        prefixed = scheme is not TagScheme.io or TAG.fullmatch(tag) is not None
        prefix, name = (tag[0], tag[2:]) if prefixed else ("I", tag)
        before = tags[index - 1] if index else "O"
        ended = scheme is TagScheme.iobes and before[:2] in ("E-", "S-", "L-", "U-")
        inside = bool(converted) and converted[-1][2:] == name and not ended
        if prefix in "IEL" and not inside and scheme in (TagScheme.iob2, TagScheme.iobes):
            repaired.append(index)
        converted.append(f"I-{name}" if inside and prefix in "IEL" else f"B-{name}")
    return converted, repaired


def detect_tag_scheme(config: DatasetConfig, sequences: Iterable[Sequence[str]], where: str) -> TagScheme:
    """The scheme of a data set's tags: `dataset.tag_scheme`, else judged by all of them.

    Names without any prefix are IO where most words are O: in a column of word classes nothing is. Names that
    look like prefixed tags written otherwise (B_PER, PER-B) are not: as IO, neighbours would become one entity.

    Args:
        config: the section `dataset`.
        sequences: the tags of each row.
        where: file, for messages.

    Raises:
        DataError: tags without B- and I-, or what stands in the column are no tags.
    """
    if config.tag_scheme is TagScheme.io:
        return TagScheme.io
    whole = label_map(config)
    starts: Counter[str] = Counter()
    prefixes: Counter[str] = Counter()
    strange: Counter[str] = Counter()
    first = ""
    outside = 0
    for row, tags in enumerate(sequences):
        previous = "O"
        for index, raw in enumerate(tags):
            tag = whole.get(raw, raw) or "O"
            if not TAG.fullmatch(tag):
                first = first or f", row {row}, word {index}"
                strange[tag] += 1
            elif tag == "O":
                outside += 1
            else:
                prefixes[tag[0]] += 1
                if previous[2:] != tag[2:]:
                    starts[tag[0]] += 1
            previous = tag
    if strange and config.tag_scheme is TagScheme.auto and not prefixes:
        names = not all(re.fullmatch(r"-?\d+", tag) for tag in strange)
        almost = sum(repaired_tag(tag) is not None for tag in strange) >= len(strange) / 2
        if names and not almost and len(strange) <= MOST_TYPES and outside > strange.total():
            return TagScheme.io
    if strange:
        raise _not_tags(config, strange, prefixes, where + first)
    if config.tag_scheme is not TagScheme.auto:
        return config.tag_scheme
    if any(prefixes[letter] for letter in "ESLU"):
        return TagScheme.iobes
    if starts["I"] and starts["I"] >= IOB1_SHARE * starts.total():
        return TagScheme.iob1
    return TagScheme.iob2


def _not_tags(config: DatasetConfig, strange: Counter[str], prefixes: Counter[str], where: str) -> DataError:
    found = listing(f"{tag} ({count})" for tag, count in strange.most_common())
    column = "dataset.columns.tags=… (CoNLL: dataset.tag_column=…) names the right column"
    if all(re.fullmatch(r"-?\d+", tag) for tag in strange):
        names = ", ".join(f"{number}: {name}" for number, name in enumerate(("O", "B-PESSOA", "I-PESSOA")))
        return DataError(
            "the tags are numbers, and it is not said what they stand for",
            where=where,
            found=found,
            fix=f"'dataset.label_map={{{names}}}' with their true names; if these are no tags, {column}",
        )
    proper = {tag: made for tag in strange if (made := repaired_tag(tag)) is not None}
    if proper and len(proper) >= len(strange) / 2:
        return DataError(
            "the tags are not written as O, B-… and I-…",
            where=where,
            found=found,
            fix=f"{map_override(config, proper)}; if these are whole names of types: dataset.tag_scheme=io; "
            f"if these are no tags, {column}",
        )
    if not prefixes and len(strange) <= MOST_TYPES:
        return DataError(
            "the tags have no B- and I-, so it is not said where an entity begins",
            where=where,
            found=found,
            fix="dataset.tag_scheme=io, which reads neighbouring words with the same tag as one entity; "
            f"if these are no entity types, {column}",
        )
    return DataError(
        "what stands in the column of tags is not O, B-… or I-…",
        where=where,
        found=found,
        fix=f"{column}; if these are tags: {map_override(config, proper)}" if proper else column,
    )
