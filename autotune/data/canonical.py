"""Raw rows, whatever their columns are called, to rows with canonical columns."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from autotune.config.columns import Column, Kind
from autotune.config.enums import Normalize
from autotune.config.label_maps import NULL, SURROGATE, normalize_label
from autotune.config.labels import TAG, label_map
from autotune.config.schema import DatasetConfig
from autotune.data.columns import find_columns
from autotune.data.formats.cells import label_of, list_of, read_tags, single
from autotune.data.given import NormalForm, given_words, plain
from autotune.data.labels import Tags
from autotune.data.numbers import read_number
from autotune.data.words import Span, offsets_match, words_from_spans
from autotune.errors import DataError, listing, nearest

EXAMPLES = 5
"""So many row numbers are named in a message."""
MOST_NAMES = 200
"""So many names of labels are remembered."""
MANY = 10
"""With fewer entities than this, nothing is said of their borders."""
INSIDE = "rows have entities that begin or end inside a word"
FORMS: Mapping[Normalize, NormalForm] = {Normalize.nfc: "NFC", Normalize.nfkc: "NFKC"}


class Converter:
    """Converts the rows of one split and counts what it changed.

    Args:
        columns: of the task.
        config: the section `dataset`.
        where: file or Hub id, for messages.
        predicting: every row is kept, and targets may be missing.
        training: rows with an empty text are dropped.
        tags: converter of tags, where the task has them.
        given: rows have `given_<role>`, the text as it was given, and of words `given_starts` and `given_ends`, the places
            in `given_text`; null where normalising has changed nothing.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        config: DatasetConfig,
        where: str,
        *,
        predicting: bool,
        training: bool,
        tags: Tags | None,
        given: bool = False,
    ) -> None:
        self.given = given
        self.columns, self.config, self.where = columns, config, where
        self.predicting, self.training, self.tags = predicting, training, tags
        self.map = label_map(config)
        self.form = FORMS.get(config.normalize)
        self.counts: Counter[str] = Counter()
        self.firsts: dict[str, list[str]] = {}
        self.changed: set[str] = set()
        self.names: dict[str, str] = {}
        """Column of each role, once the first row has been seen."""
        self.kinds: dict[str, str] = {}
        """Type of every column of the first row."""
        self.labels: Counter[str] = Counter()
        """Names of classes before label_map."""
        self.numbered_instead = False
        self.entities = self.inside = 0
        self.shifted: list[str] = []

    def convert(self, raw: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Canonical rows, all with the same columns.

        Raises:
            DataError: a column is missing, a label is null, or a cell does not hold what its role demands.
        """
        names = self.names
        needed: list[str] = []
        unanswered: Counter[str] = Counter()
        for number, row in enumerate(raw):
            if not names:
                names |= find_columns(row, self.columns, self.config, self.where, predicting=self.predicting)
                self.kinds = {str(name): type(value).__name__ for name, value in row.items()}
                self.numbered_instead = self.config.columns.id is not None and "id" not in names
                needed = self._needed(names)
            identifier = row.get(names["id"]) if "id" in names else None
            at = f"row {number}" + (f" (id {identifier})" if identifier is not None else "")
            absent = [name for name in needed if name not in row]
            if absent:
                near = nearest(absent[0], map(str, row))
                raise DataError(
                    f"the row has no {absent[0]}, which the rows before it have",
                    where=f"{self.where}, {at}",
                    found=f"its columns: {listing(row, 30)}",
                    fix=f"rename {near} to {absent[0]} there" if near else "fill it in, or delete the row",
                )
            lacking = self._lacking(row, names)
            if lacking is not None:
                unanswered[lacking] += 1
                firsts = self.firsts.setdefault(lacking, [])
                firsts += [at] * (len(firsts) < EXAMPLES)
                continue
            self.changed.clear()
            made = self._row(row, names, f"{self.where}, {at}")
            for what in self.changed:
                self.counts[what] += 1
                first_rows = self.firsts.setdefault(what, [])
                first_rows += [at] * (len(first_rows) < EXAMPLES)
            if made is not None:
                group = {"group": str(row.get(names["group"]))} if "group" in names else {}
                name = SURROGATE.sub("\ufffd", str(number if identifier is None else identifier))
                yield {"id": name, **made, **group}
        if self.inside > self.entities / 2 and self.entities >= MANY and not self.predicting:
            raise DataError(
                f"{self.inside} of {self.entities} entities begin or end inside a word, so their offsets are shifted",
                where=f"{self.where}, {listing(self.firsts[INSIDE])}",
                found=f"such as {listing(self.shifted)}",
                fix="offsets count characters (not bytes) from 0, and the end is exclusive: "
                "add 1 to each end if yours are inclusive",
            )
        for role, count in unanswered.items():
            raise DataError(
                f"{count} rows have no {role}",
                where=f"{self.where}, column {names[role]}: {listing(self.firsts[role])}"
                + (" …" if count > EXAMPLES else ""),
                fix="fill it in, or delete these rows",
            )

    def label_names(self) -> dict[str, list[str]]:
        """Keys of label_map that are `used`, and the `names` that the data have before it, the most frequent ones."""
        used = self.map.keys() & self.labels.keys()
        seen = self.labels
        if self.tags is not None:
            used, seen = used | self.tags.used, seen + self.tags.seen
        return {"used": sorted(used), "names": [name for name, _ in seen.most_common(MOST_NAMES)]}

    def notes(self, split: str) -> list[str]:
        """What was changed, in sentences."""
        counts = dict(self.counts)
        if self.tags is not None and self.tags.repaired:
            counts["tags continued an entity that was not begun and were read as its beginning"] = (
                self.tags.repaired
            )
        notes = [
            f"{split}: {what}: {count}" + (f" ({listing(self.firsts[what])})" if what in self.firsts else "")
            for what, count in counts.items()
        ]
        if self.numbered_instead:
            notes.append(f"{split}: there is no column {self.config.columns.id}, so rows are numbered from 0")
        return notes

    def _needed(self, names: Mapping[str, str]) -> list[str]:
        """The columns of texts and words that every row must have but those to predict, of which none is dropped."""
        if self.predicting:
            return []
        texts = {column.role for column in self.columns if column.kind is Kind.text}
        words = {"tokens", "text"} if any(column.kind is Kind.words for column in self.columns) else set()
        return [name for role, name in names.items() if role in texts | words]

    def _lacking(self, row: Mapping[str, Any], names: Mapping[str, str]) -> str | None:
        """The role of a label, or outside of train of a reference, that the row does not have."""
        if self.predicting:
            return None
        for column in self.columns:
            value = row.get(names.get(column.role, ""))
            blank = column.kind in (Kind.label, Kind.number, Kind.labels) or (
                column.kind is Kind.text and column.target and not self.training
            )
            if isinstance(value, list | tuple) and len(value) < 2 and column.kind is not Kind.labels:
                value = value[0] if value else None
            several = isinstance(value, list | tuple | Mapping)
            named = column.kind is Kind.label and NULL in self.map
            if blank and not named and not several and normalize_label(value) is None:
                return column.role
        return None

    def _row(self, row: Mapping[str, Any], names: Mapping[str, str], at: str) -> dict[str, Any] | None:
        """The row by canonical names; None when it is dropped."""
        made: dict[str, Any] = {}
        for column in self.columns:
            if column.kind is Kind.words:
                made |= self._words(row, names, at)
                if self.given:
                    tokens = list_of(row[names["tokens"]], names["tokens"], at) if "tokens" in names else None
                    made |= given_words(made, tokens, row.get(names.get("text", "text")), self.form)
                if not made["tokens"] and not self.predicting:
                    self.changed.add("rows without a word were dropped")
                    return None
            elif column.kind is Kind.tags:
                made |= self._tags(row, names, made["tokens"], made.pop("spans", None), at)
            elif column.role not in names:
                continue
            elif column.kind is Kind.number:
                value = single(row.get(names[column.role]), names[column.role], at)
                made[column.role] = read_number(value, f"{at}, column {names[column.role]}")
            elif column.kind is Kind.labels:
                made[column.role] = self._labels(row.get(names[column.role]), names[column.role], at)
            elif column.kind is Kind.label:
                label = label_of(row.get(names[column.role]), names[column.role], at)
                self.labels[NULL if label is None else label] += 1
                made[column.role] = self.map.get(NULL if label is None else label, label)
                if made[column.role] is None and not self.predicting:
                    self.changed.add("rows were dropped because dataset.label_map maps their label to null")
                    return None
            else:
                value = single(row.get(names[column.role]), names[column.role], at)
                made[column.role] = self._text(value)
                if self.given:
                    text = plain(value)
                    made[f"given_{column.role}"] = text if text != made[column.role] else None
                if self.training and not made[column.role].strip():
                    self.changed.add(f"rows with an empty {column.role} were dropped")
                    return None
        return made

    def _labels(self, value: Any, name: str, at: str) -> list[str] | None:
        """The names of a row's classes, each once; one that label_map maps to null is left out."""
        if value is None:
            return None
        found = [normalize_label(one) for one in list_of(value, name, at)]
        self.labels.update(one for one in found if one is not None)
        mapped = (self.map.get(one, one) for one in found if one is not None)
        return list(dict.fromkeys(one for one in mapped if one is not None))

    def _text(self, value: Any) -> str:
        """Text in the normal form that is asked for, without what cannot be written as UTF-8."""
        text = plain(value)
        if isinstance(value, str) and text != value:
            self.changed.add("rows held halves of characters, which were replaced by U+FFFD")
        if self.form is not None and not unicodedata.is_normalized(self.form, text):
            self.changed.add(f"rows were not in Unicode's normal form {self.form} and were normalised")
            text = unicodedata.normalize(self.form, text)
        return text

    def _words(self, row: Mapping[str, Any], names: Mapping[str, str], at: str) -> dict[str, Any]:
        """`tokens`, `text` and `starts`; `spans` holds the tags where these come from character offsets."""
        if "tokens" in names:
            tokens = [self._text(token) for token in list_of(row.get(names["tokens"]), names["tokens"], at)]
            placed = self._placed(row, tokens, at)
            if placed is not None:
                return {"tokens": tokens, **placed}
            starts, position = [], 0
            for token in tokens:
                starts.append(position)
                position += len(token) + 1
            return {"tokens": tokens, "text": " ".join(tokens), "starts": starts}
        raw = single(row.get(names["text"]), names["text"], at)
        text = self._text(raw)
        given = row.get(names["spans"]) if "spans" in names else None
        found = [self._span(span, "" if raw is None else str(raw), at) for span in given or ()]
        spans = list(dict.fromkeys(found))
        if len(spans) < len(found):
            self.counts["entities were in a row twice and were read once"] += len(found) - len(spans)
        try:
            tokens, starts, tags = words_from_spans(text, spans, self._offsets(row, raw))
        except DataError as error:
            raise DataError(error.what, where=at, found=error.found, fix=error.fix) from error
        self._see_borders(text, spans)
        return {
            "tokens": tokens,
            "text": text,
            "starts": starts,
            "spans": tags if given is not None else None,
        }

    def _see_borders(self, text: str, spans: Sequence[Span]) -> None:
        """Counts entities with a border between two letters or digits, as shifted offsets leave them."""
        inside = [
            span
            for span in spans
            if any(text[border - 1 : border + 1].isalnum() for border in span[:2] if 0 < border < len(text))
        ]
        self.entities += len(spans)
        self.inside += len(inside)
        if inside:
            self.changed.add(INSIDE)
            self.shifted += [text[span.start : span.end] for span in inside][: EXAMPLES - len(self.shifted)]

    def _placed(self, row: Mapping[str, Any], tokens: Sequence[str], at: str) -> dict[str, Any] | None:
        """`text` and `starts` of rows that bring both, as autotune writes them; None where the words do not fit."""
        raw, starts = row.get("text"), row.get("starts")
        if isinstance(starts, str) and starts.startswith("["):
            starts = list_of(starts, "starts", at)
        if not isinstance(raw, str) or not isinstance(starts, list):
            return None
        if not all(isinstance(start, int) for start in starts):
            return None
        moved = [self._moved(start, raw) for start in starts]
        text = self._text(raw)
        return {"text": text, "starts": moved} if offsets_match(tokens, text, moved) else None

    def _offsets(self, row: Mapping[str, Any], raw: Any) -> list[tuple[int, int]] | None:
        """(start, end) of the words of rows that bring them, in the normalised text."""
        given = row.get("token_offsets")
        if not isinstance(given, list):
            return None
        if not all(isinstance(pair, list) and list(map(type, pair)) == [int, int] for pair in given):
            return None
        return [(self._moved(start, str(raw)), self._moved(end, str(raw))) for start, end in given]

    def _moved(self, offset: int, raw: str) -> int:
        """An offset in the normalised text."""
        if self.form is None or unicodedata.is_normalized(self.form, raw):
            return offset
        return len(unicodedata.normalize(self.form, raw[:offset]))

    def _span(self, span: Any, raw: str, at: str) -> Span:
        """A span of any of the usual forms; offsets are moved to the normalised text, outer blanks trimmed."""
        try:
            if isinstance(span, Mapping):
                start = span["start"] if "start" in span else span["start_offset"]
                end = span["end"] if "end" in span else span["end_offset"]
                label = span["label"]
            else:
                start, end, label = span
            start, end, label = int(start), int(end), normalize_label(label) or NULL
        except (KeyError, TypeError, ValueError, OverflowError) as error:  # int(float("inf")) overflows
            raise DataError(
                "an entity is not {start, end, label} or [start, end, label]", where=at, found=str(span)[:120]
            ) from error
        if label in ("None", NULL, "O") or TAG.fullmatch(label):
            raise DataError(
                "an entity has no type",
                where=at,
                found=str(span)[:120],
                fix="a name such as PESSOA, without O, B- or I-; delete the entity if it is none",
            )
        inside = raw[start:end]
        if not 0 <= start < end <= len(raw):
            return Span(start, end, label)
        if inside.strip() and inside != inside.strip():
            self.counts["entities had blanks at their borders, which were trimmed"] += 1
            start += len(inside) - len(inside.lstrip())
            end -= len(inside) - len(inside.rstrip())
        return Span(self._moved(start, raw), self._moved(end, raw), label)

    def _tags(
        self,
        row: Mapping[str, Any],
        names: Mapping[str, str],
        tokens: Sequence[str],
        from_spans: Sequence[str] | None,
        at: str,
    ) -> dict[str, list[str] | None]:
        """`tags` in IOB2; null where a row to predict has none, nothing where no row has."""
        name = names.get("tags") or names.get("spans")
        if name is None:
            return {}
        value = row.get(name) if "tags" in names else from_spans
        if value is None and self.predicting:
            return {"tags": None}
        if value is None:
            raise DataError(
                f"the row has no {name}",
                where=at,
                fix="an empty list where a text has no entity; or delete the row",
            )
        tags = read_tags(value, name, at)
        if len(tags) != len(tokens):
            raise DataError(
                "words and tags differ in number", where=at, found=f"{len(tokens)} words, {len(tags)} tags"
            )
        return {"tags": tags if self.tags is None else self.tags.convert(tags, at)}
