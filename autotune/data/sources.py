"""Rows of a run with canonical columns: located, read, converted, kept as Arrow; missing splits made."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from datasets import Dataset

from autotune.config.columns import Column, Kind, canonical_features
from autotune.config.compression import suffix_of
from autotune.config.enums import Dedup, Format, TagScheme
from autotune.config.labels import label_map
from autotune.config.schema import DatasetConfig
from autotune.data.cache import cache_key, cached_table_with
from autotune.data.canonical import Converter
from autotune.data.duplicates import removes, text_column, without_leaks, without_repeats
from autotune.data.formats.cells import raw_tags
from autotune.data.formats.plain import has_one_text_per_line
from autotune.data.formats.readers import SUFFIXES
from autotune.data.labels import Tags, detect_tag_scheme, map_override
from autotune.data.local import (
    SPLITS,
    Source,
    file_source,
    lines_source,
    naming_lines,
    near_file,
    with_known_columns,
)
from autotune.data.locate import Piece, resolve_splits
from autotune.data.pipes import is_pipe
from autotune.data.spelling import same_spelling
from autotune.data.splits import Whole, sliced, split_off, take_test
from autotune.data.stream import Sections, part_of
from autotune.errors import ConfigError, DataError, format_text_override, listing

logger = logging.getLogger(__name__)

VERSION = 6
"""Raised when reading changes, so that old tables are not read."""
CONTENT = 4
"""Raised when the same rows are to have another fingerprint, which ends that runs and caches of before are known."""
NOT_READING = (
    "path",
    "splits",
    "limit",
    "validation_fraction",
    "test_fraction",
    "seed",
    "task",
    "license",
    "language",
    "labels",
    "dedup",
    "streaming",
    "section_rows",
)
"""Keys of `dataset` that do not change how a row is read."""


@dataclass(frozen=True)
class Rows:
    """The rows of a run."""

    splits: dict[str, Dataset]
    """`train`, and where there are such, `validation` and `test`; canonical columns."""
    notes: list[str]
    """What the user should know of how they were read."""
    fingerprint: str
    """16 hexadecimal digits of the SHA-256 of all that the splits hold."""
    by_split: dict[str, str]
    """The same of each split alone."""
    names: list[str]
    """Labels before `dataset.label_map`, or tags and types; of a stream, those of its first section."""
    unused: dict[str, str | None]
    """Keys of `dataset.label_map` that do not occur, and the label that was probably meant."""
    source: dict[str, Any]
    """JSON: path, commit, files."""
    columns: dict[str, dict[str, dict[str, str]]]
    """By split: `roles`, the column of each role, and `types`, the type of each column in the first row."""
    sections: Sections | None = None
    """With `dataset.streaming`: of train, whose first section stands in `splits`."""


def load_rows(config: DatasetConfig, columns: Sequence[Column], *, cache: Path) -> Rows:
    """The splits of a data set; validation (and test, if asked for) is made from train where there is none.

    Args:
        config: the section `dataset`.
        columns: of the task.
        cache: folder for tables.

    Raises:
        DataError: see the readers and converters.
    """
    located, about = resolve_splits(config, columns)
    stream = _first_section(located, config) if config.streaming else None
    scheme = _scheme(config, columns, located["train"][0].source)
    notes: list[str] = []
    if scheme not in (None, TagScheme.iob2):
        io = (
            ": neighbouring words with the same tag were read as one entity" if scheme is TagScheme.io else ""
        )
        notes.append(f"the tags are {scheme.upper()}, which was turned into IOB2{io}")
    used: set[str] = set()
    names: dict[str, None] = {}
    wholes: dict[str, list[Whole]] = {}
    found: dict[str, dict[str, dict[str, str]]] = {}
    for split, pieces in located.items():
        read = [
            _read(piece.source, split, config, columns, scheme, cache, predicting=False) for piece in pieces
        ]
        wholes[split] = [
            Whole(piece.part, f"{piece.source.where} {piece.source.identity}", data)
            for piece, (data, _) in zip(pieces, read, strict=True)
        ]
        said = [note for _, about_part in read for note in about_part["notes"]]
        notes += said
        found[split] = read[0][1]["columns"]
        used |= {key for _, about_part in read for key in about_part["labels"]["used"]}
        names |= dict.fromkeys(name for _, about_part in read for name in about_part["labels"]["names"])
        if not len(sliced(wholes[split])):
            raise DataError(
                f"{split} has no rows", where=about["files"][split], found="; ".join(said) or None
            )
    unused = {} if config.streaming else _unused(config, used, list(names))
    text = text_column(columns)
    splits = _cut(wholes, notes, config, columns)
    if removes(config.dedup, Dedup.repeats):
        _leave_out(splits, without_repeats(splits["train"], text), "stand in train before", notes)
    _make_validation(splits, notes, config, columns)
    others = [data for split, data in splits.items() if split != "train"]
    if removes(config.dedup, Dedup.leaks) and others:
        left = without_leaks(splits["train"], others, text)
        _leave_out(splits, left, "stand in validation or test, too", notes)
    rows = {split: splits[split] for split in SPLITS if split in splits}
    sections = None
    if stream is not None:
        notes.append(
            f"train is read in sections of {config.section_rows} rows; figures are those of the first"
        )

        def section_of(source: Source) -> Dataset:
            data, _ = _read(source, "train", config, columns, scheme, cache, predicting=False)
            data = without_repeats(data, text) if removes(config.dedup, Dedup.repeats) else data
            leaks = others if removes(config.dedup, Dedup.leaks) else []
            return without_leaks(data, leaks, text) if leaks else data

        sections = Sections(stream, config.section_rows, section_of, rows["train"])
    whole, apart = fingerprints(rows)
    return Rows(rows, notes, whole, apart, list(names), unused, about, found, sections)


def _unused(config: DatasetConfig, used: set[str], names: Sequence[str]) -> dict[str, str | None]:
    """The keys of `dataset.label_map` that do not occur, and the label that was probably meant.

    Raises:
        DataError: none occurs, so the map does nothing.
    """
    given = label_map(config)
    unused = {key: same_spelling(key, names) for key in given if key not in used}
    if given and len(unused) == len(given):
        raise DataError(
            "no key of label_map is a label of the data, so it would do nothing",
            where="dataset.label_map",
            found=f"keys: {listing(given)}; labels of the data: {listing(names)}",
            fix=map_override(config, {}, rename=unused),
        )
    return unused


def _first_section(located: dict[str, list[Piece]], config: DatasetConfig) -> Source:
    """Replaces train by its first section; the whole of it is returned.

    Raises:
        ConfigError: train is made of slices or several parts, which a stream does not have.
    """
    piece = located["train"][0]
    if len(located["train"]) > 1 or (piece.part.first, piece.part.last) != (None, None):
        raise ConfigError(
            "a train set that streams is one whole split",
            where="dataset.splits.train",
            found=config.splits.train,
            fix=f"{format_text_override('dataset.splits.train', piece.part.name)}, or dataset.streaming=false",
        )
    located["train"] = [replace(piece, source=part_of(piece.source, 0, config.section_rows))]
    return piece.source


def fingerprints(splits: Mapping[str, Dataset]) -> tuple[str, dict[str, str]]:
    """16 hexadecimal digits of the SHA-256 of the content of all splits, wherever they come from, and of each alone.

    Columns that do not shape what is learned (`group`) do not count.
    """
    whole, apart = hashlib.sha256(), {split: hashlib.sha256() for split in splits}
    for split, data in splits.items():
        names = sorted(set(data.column_names) - {"group"})
        whole.update(f"{CONTENT} {split} {len(data)} {names}".encode())
        for batch in data.select_columns(names).iter(1000):
            content = json.dumps(batch, ensure_ascii=False, sort_keys=True).encode()
            whole.update(content)
            apart[split].update(content)
    return whole.hexdigest()[:16], {split: one.hexdigest()[:16] for split, one in apart.items()}


def _leave_out(splits: dict[str, Dataset], left: Dataset, why: str, notes: list[str]) -> None:
    """Replaces train by the rows that are left and says how many went, and why."""
    gone = len(splits["train"]) - len(left)
    if not len(left):
        raise DataError(
            f"no row of train is left: all {why}", where="dataset.dedup", fix="dataset.dedup=none"
        )
    if gone:
        notes.append(f"train: {gone} rows were left out because their texts {why} (dataset.dedup)")
    splits["train"] = left


def load_file(
    path: str,
    config: DatasetConfig,
    columns: Sequence[Column],
    *,
    cache: Path,
    split: str = "test",
    form: str | None = None,
    given: bool = False,
) -> Dataset:
    """The rows of one file, all of them; targets may be missing.

    Args:
        path: of the file, or of a folder that `save_to_disk` wrote; - is standard input.
        config: the section `dataset` of the run: columns, delimiter, tags.
        columns: of the task.
        cache: folder for tables.
        split: name for messages.
        form: of the file, whatever its name says.
        given: whether the texts are wanted as they were given, too; see `Converter`.

    Raises:
        ConfigError: there is no such form.
        DataError: there is no such file, or it cannot be read.
    """
    file, own = _named_file(path, config, form)
    source = _lines(file, config, columns, form)
    if source is not None:
        own = config
    else:
        source = with_known_columns(file_source(file, own), columns, own, predicting=True)
    scheme = _scheme(own, columns, source)
    data, said = _read(source, split, own, columns, scheme, cache, predicting=True, given=given)
    for note in said["notes"]:
        logger.warning("data: %s", note)
    if not len(data):
        raise DataError("the file has no rows", where=path)
    return data


def original_rows(
    path: str, config: DatasetConfig, columns: Sequence[Column], form: str | None
) -> Iterator[Mapping[str, Any]]:
    """The same rows as those of `load_file`, with the columns of the file.

    Raises:
        DataError: see `load_file`.
    """
    file, own = _named_file(path, config, form)
    yield from (_lines(file, config, columns, form) or file_source(file, own)).raw([])


def _lines(file: Path, config: DatasetConfig, columns: Sequence[Column], form: str | None) -> Source | None:
    """A text file whose lines are texts; None where it is something else."""
    text = text_column(columns)
    if form is not None or not has_one_text_per_line(
        file, config, {text, getattr(config.columns, text, None) or text}
    ):
        return None
    return lines_source(file, config, text)


def _named_file(path: str, config: DatasetConfig, form: str | None) -> tuple[Path, DatasetConfig]:
    """A file, and how it is read: its form is what its own name says, whatever form the run's data had."""
    file = Path(path).expanduser()
    if form == "tsv":
        return file, replace(config, format=Format.csv, delimiter="\t")
    if form is not None:
        known_forms = [str(one) for one in Format if one not in (Format.auto, Format.hub)]
        if form not in known_forms:
            raise ConfigError(
                f"unknown form {form!r}", where="--format", found=f"forms: {listing(known_forms)}, tsv"
            )
        return file, replace(config, format=Format(form))
    if not is_pipe(file) and not file.exists():
        raise DataError("there is no such file", where=path, fix=near_file(file))
    known = SUFFIXES.get(suffix_of(file), config.format)
    as_spans = config.format is Format.spans and known in (Format.json, Format.jsonl)
    return file, replace(config, format=Format.spans if as_spans else known)


def rows_from_texts(texts: Sequence[str], columns: Sequence[Column], *, given: bool = False) -> Dataset:
    """Rows of texts that were typed; `given` as in `load_file`."""
    role = next(column for column in columns if not column.target)
    name = "text" if role.kind is Kind.words else role.role
    config = DatasetConfig(path="--text")
    converter = Converter(columns, config, "--text", predicting=True, training=False, tags=None, given=given)
    return Dataset.from_list(list(converter.convert({name: text} for text in texts)))


def _cut(
    wholes: dict[str, list[Whole]], notes: list[str], config: DatasetConfig, columns: Sequence[Column]
) -> dict[str, Dataset]:
    """The splits, sliced and limited; test is made before that, where it is wanted and missing."""
    test = None
    if "test" not in wholes and config.splits.test is not None and config.test_fraction:
        distinct = text_column(columns) if removes(config.dedup, Dedup.repeats) else None
        wholes, test, how = take_test(
            wholes, config.test_fraction, distinct=distinct, **_choice(config, columns)
        )
        notes.append(_made("test", test, how, config))
    splits = {split: sliced(parts) for split, parts in wholes.items()}
    if test is not None:
        splits["test"] = test
    if config.limit is not None:
        splits = {split: data.select(range(min(config.limit, len(data)))) for split, data in splits.items()}
    return splits


def _make_validation(
    splits: dict[str, Dataset], notes: list[str], config: DatasetConfig, columns: Sequence[Column]
) -> None:
    """Adds validation, out of train, where it is wanted and missing; says so."""
    if "validation" not in splits and config.validation_fraction:
        splits["train"], splits["validation"], how = split_off(
            splits["train"], config.validation_fraction, **_choice(config, columns)
        )
        notes.append(_made("validation", splits["validation"], how, config))
    if "test" not in splits:
        notes.append("there is no test split: dataset.test_fraction=0.2 makes one of train")


def _choice(config: DatasetConfig, columns: Sequence[Column]) -> dict[str, Any]:
    """How rows are held out: arguments of `split_off`."""
    label = next((column.role for column in columns if column.kind is Kind.label), None)
    return {"seed": config.seed, "label": label, "group": config.columns.group and "group"}


def _made(split: str, data: Dataset, how: str, config: DatasetConfig) -> str:
    how = how.replace("groups", f"groups of {config.columns.group}")
    return f"{split} was made of {len(data)} rows of train ({how}, dataset.seed {config.seed})"


def _scheme(config: DatasetConfig, columns: Sequence[Column], source: Source) -> TagScheme | None:
    """How tags are written, judged by one split; None for tasks without tags."""
    if not any(column.kind is Kind.tags for column in columns):
        return None
    with naming_lines(source):
        return detect_tag_scheme(config, raw_tags(source.raw([]), config), source.where)


def _read(
    source: Source,
    split: str,
    config: DatasetConfig,
    columns: Sequence[Column],
    scheme: TagScheme | None,
    cache: Path,
    *,
    predicting: bool,
    given: bool = False,
) -> tuple[Dataset, dict[str, Any]]:
    """Canonical rows of a split, and the `notes` and `columns` of its reading."""
    reading = {name: value for name, value in asdict(config).items() if name not in NOT_READING}
    reading["label_map"] = label_map(config)
    roles = [asdict(column) for column in columns]
    name = f"rows-{cache_key(VERSION, source.identity, source.where, reading, roles, scheme, split, predicting, given)}"
    notes: list[str] = []
    converter = Converter(
        columns,
        config,
        source.where,
        predicting=predicting,
        training=split == "train" and not predicting,
        tags=Tags(config, scheme) if scheme is not None else None,
        given=given,
    )

    def about() -> dict[str, Any]:
        return {
            "notes": list(dict.fromkeys(notes)) + converter.notes(split),
            "columns": {"roles": converter.names, "types": converter.kinds},
            "labels": converter.label_names(),
        }

    def rows() -> Iterator[dict[str, Any]]:
        return converter.convert(source.raw(notes))

    with naming_lines(source):
        return cached_table_with(cache, name, rows, canonical_features(columns, given=given), about)
