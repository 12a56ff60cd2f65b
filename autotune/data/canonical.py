"""Raw rows, whatever their columns are called, to rows with canonical columns."""

import ast
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from autotune.config import DatasetConfig
from autotune.data.labels import Tags, canonical, label_map, spelled_tags
from autotune.data.roles import Column, Kind
from autotune.data.words import Span, words_from_spans
from autotune.errors import DataError, listing, nearest

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "text": ("texto", "sentence", "review", "review_text", "content", "tweet", "comentario", "frase"),
    "label": (
        "rotulo",
        "polarity",
        "polaridade",
        "sentiment",
        "sentimento",
        "target",
        "class",
        "rating",
        "toxic",
    ),
    "tokens": ("words", "token", "palavras"),
    "tags": ("ner_tags", "labels", "ner", "tag"),
    "document": ("text", "texto", "article", "noticia", "source", "content"),
    "summary": ("sumario", "resumo", "target", "highlights", "abstract"),
}
"""Names that other data sets use; proposed in errors, never guessed."""

EXAMPLES = 5
"""So many row numbers are named in a message."""


class Rows:
    """Converts the rows of one split and counts what it changed.

    Args:
        columns: of the task.
        config: the section `dataset`.
        where: file or Hub id, for messages.
        predicting: every row is kept, and targets may be missing.
        training: rows with an empty text are dropped.
        tags: converter of tags, where the task has them.
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
    ) -> None:
        self.columns, self.config, self.where = columns, config, where
        self.predicting, self.training, self.tags = predicting, training, tags
        self.map = label_map(config)
        self.counts: Counter[str] = Counter()
        self.null: list[str] = []

    def convert(self, raw: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Canonical rows.

        Raises:
            DataError: a column is missing, a label is null, or a cell does not hold what its role demands.
        """
        names: dict[str, str] = {}
        for number, row in enumerate(raw):
            if not names:
                names = self._names(row)
            identifier = row.get(names["id"]) if "id" in names else None
            at = f"{self.where}, row {number}" + (f" (id {identifier})" if identifier is not None else "")
            made = self._row(row, names, at)
            if made is not None:
                group = {"group": str(row.get(names["group"]))} if "group" in names else {}
                yield {"id": str(number if identifier is None else identifier), **made, **group}
        if self.null:
            raise DataError(
                f"{len(self.null)} rows have no label",
                where=listing(self.null, EXAMPLES),
                fix=f"fill in the column {names['label']}, or delete these rows",
            )

    def notes(self, split: str) -> list[str]:
        """What was changed, in sentences."""
        counts = dict(self.counts)
        if self.tags is not None and self.tags.repaired:
            counts["tags continued an entity that was not begun and were read as its beginning"] = (
                self.tags.repaired
            )
        return [f"{split}: {count} {what}" for what, count in counts.items()]

    def _row(self, row: Mapping[str, Any], names: Mapping[str, str], at: str) -> dict[str, Any] | None:
        made: dict[str, Any] = {}
        for column in self.columns:
            name = names.get(column.role)
            if column.kind is Kind.words:
                made |= self._words(row, names, at)
                if not made["tokens"] and not self.predicting:
                    self.counts["rows without a word were dropped"] += 1
                    return None
            elif column.kind is Kind.tags:
                if name is not None:
                    made["tags"] = self._tags(row[name], made["tokens"], at)
                elif "spans" in made:
                    made["tags"] = self._tags(made["spans"], made["tokens"], at)
                made.pop("spans", None)
            elif name is None:
                continue
            elif column.kind is Kind.label:
                label = canonical(row[name])
                if label is None and not self.predicting:
                    self.null.append(at)
                    return None
                if label is not None and label in self.map:
                    label = self.map[label]
                    if label is None and not self.predicting:
                        self.counts[
                            "rows were dropped because dataset.label_map maps their label to null"
                        ] += 1
                        return None
                made[column.role] = label
            else:
                made[column.role] = self._text(row[name])
                if not made[column.role].strip() and self.training:
                    self.counts[f"rows with an empty {column.role} were dropped"] += 1
                    return None
        return made

    def _text(self, value: Any) -> str:
        text = "" if value is None else str(value)
        normal = unicodedata.normalize("NFC", text)
        if normal != text:
            self.counts["texts were not in Unicode's normal form C and were normalised"] += 1
        return normal

    def _words(self, row: Mapping[str, Any], names: Mapping[str, str], at: str) -> dict[str, Any]:
        if "tokens" in names:
            tokens = [self._text(token) for token in _list(row[names["tokens"]], names["tokens"], at)]
            starts, position = [], 0
            for token in tokens:
                starts.append(position)
                position += len(token) + 1
            return {"tokens": tokens, "text": " ".join(tokens), "starts": starts}
        raw = row[names["text"]]
        text = self._text(raw)
        given = row.get(names["spans"]) if "spans" in names else None
        spans = [self._span(span, str(raw), at) for span in given or ()]
        try:
            tokens, starts, tags = words_from_spans(text, spans)
        except DataError as error:
            raise DataError(error.what, where=at, found=error.found, fix=error.fix) from error
        return {"tokens": tokens, "text": text, "starts": starts} | (
            {"spans": tags} if given is not None else {}
        )

    def _span(self, span: Any, raw: str, at: str) -> Span:
        """A span of any of the usual forms; offsets are moved to the normalised text, outer blanks trimmed."""
        try:
            if isinstance(span, Mapping):
                start = span["start"] if "start" in span else span["start_offset"]
                end = span["end"] if "end" in span else span["end_offset"]
                label = span["label"]
            else:
                start, end, label = span
            start, end, label = int(start), int(end), str(label)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                "an entity is not {start, end, label} or [start, end, label]", where=at, found=str(span)[:120]
            ) from error
        inside = raw[start:end]
        if 0 <= start < end <= len(raw) and inside.strip() and inside != inside.strip():
            self.counts["entities had blanks at their borders, which were trimmed"] += 1
            start += len(inside) - len(inside.lstrip())
            end -= len(inside) - len(inside.rstrip())
        if start < 0 or end > len(raw) or unicodedata.is_normalized("NFC", raw):
            return Span(start, end, label)
        start, end = (len(unicodedata.normalize("NFC", raw[:offset])) for offset in (start, end))
        return Span(start, end, label)

    def _tags(self, value: Any, tokens: Sequence[str], at: str) -> list[str]:
        tags = spelled_tags(_list(value, "tags", at), self.map)
        if len(tags) != len(tokens):
            raise DataError(
                "words and tags differ in number", where=at, found=f"{len(tokens)} words, {len(tags)} tags"
            )
        return tags if self.tags is None else self.tags.convert(tags, at)

    def _names(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Name of the column of each role; roles of targets may be missing in prediction."""
        names: dict[str, str] = {}
        missing: list[str] = []
        for column in self.columns:
            name = self._name(column.role, row)
            if name is not None:
                names[column.role] = name
            elif (
                column.kind in (Kind.words, Kind.tags)
                and self._name("text", row)
                and ((column.kind is Kind.words and self.predicting) or self._name("spans", row))
            ):
                names |= {role: found for role in ("text", "spans") if (found := self._name(role, row))}
            elif not (column.target and self.predicting):
                missing.append(column.role)
        if missing:
            raise self._missing(missing, row)
        for role in ("id", "group"):
            name = self._name(role, row) if role == "id" or self.config.columns.group else None
            if name is not None:
                names[role] = name
        return names

    def _name(self, role: str, row: Mapping[str, Any]) -> str | None:
        mapped = getattr(self.config.columns, role, None)
        if mapped is not None and mapped in row:
            return str(mapped)
        # In prediction, a file may have our own names although the training data had others.
        return role if role in row and (mapped is None or self.predicting) else None

    def _missing(self, roles: Sequence[str], row: Mapping[str, Any]) -> DataError:
        overrides = []
        for role in roles:
            plain = {_plain(str(name)): str(name) for name in row}
            known = next((plain[name] for name in SYNONYMS.get(role, ()) if name in plain), None)
            wanted = getattr(self.config.columns, role) or role
            guess = nearest(_plain(wanted), plain)
            overrides.append(f"dataset.columns.{role}={plain[guess] if guess else known or '…'}")
        wanted_names = [getattr(self.config.columns, role) or role for role in roles]
        return DataError(
            f"there is no column {listing(wanted_names)}",
            where=self.where,
            found=f"columns: {listing(row, 30)}",
            fix=" ".join(overrides),
        )


def raw_tags(raw: Iterable[Mapping[str, Any]], config: DatasetConfig) -> Iterator[list[str]]:
    """The tags of rows that have them, as they stand in the data."""
    name, mapping = config.columns.tags or "tags", label_map(config)
    for number, row in enumerate(raw):
        if row.get(name) is not None:
            yield spelled_tags(_list(row[name], name, f"row {number}"), mapping)


def _list(value: Any, name: str, at: str) -> list[Any]:
    """A list; its text form, as CSV files hold it, is read too."""
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            read = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError) as error:
            raise DataError("the text is no list", where=f"{at}, column {name}", found=value[:80]) from error
        if isinstance(read, list):
            return read
    raise DataError(
        "the cell holds no list", where=f"{at}, column {name}", found=repr(value)[:80],
        fix="a list of words and a list of tags, one a word; for texts with offsets: dataset=spans",
    )  # fmt: skip


def _plain(name: str) -> str:
    """Lower case, without accents."""
    decomposed = unicodedata.normalize("NFD", name.lower())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
