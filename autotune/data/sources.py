"""Loads the rows of a run: locates splits, converts them to canonical columns, caches them, makes missing splits."""

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
from autotune.config.formats import READABLE
from autotune.config.labels import label_map
from autotune.config.schema import DatasetConfig
from autotune.config.split_spec import SPLITS
from autotune.data.cache import cache_key, cached_table_with_metadata
from autotune.data.canonical import Converter
from autotune.data.duplicates import removes, text_column, without_leaks, without_repeats
from autotune.data.fold_split import take_fold
from autotune.data.formats.cells import raw_tags
from autotune.data.formats.plain import has_one_text_per_line
from autotune.data.label_fixes import fix_labels
from autotune.data.labels import Tags, detect_tag_scheme, map_override
from autotune.data.local import (
    Source,
    file_source,
    lines_source,
    naming_lines,
    suggest_path,
    with_known_columns,
)
from autotune.data.locate import SourcePart, resolve_splits
from autotune.data.pipes import is_pipe
from autotune.data.spelling import same_spelling
from autotune.data.splits import SourceSlice, concatenate_slices, split_off, take_test
from autotune.data.stream import Sections, slice_source
from autotune.errors import ConfigError, DataError, format_text_override, listing

logger = logging.getLogger(__name__)

TABLE_VERSION = 7
"""Version of the cached tables: raise it when reading changes, so that old tables are not used."""
FINGERPRINT_VERSION = 4
"""Version of the fingerprint: raising it gives the same rows another one, so earlier runs and caches no longer match."""
KEYS_NOT_READ = (
    "path", "splits", "limit", "validation_fraction", "test_fraction", "seed", "task", "license", "language", "labels",
    "dedup", "streaming", "section_rows", "label_fixes", "fold", "leave_out_test", "folder_files",
)  # fmt: skip
"""Keys of `dataset` that do not affect how a row is read, and so are not part of the cache key."""


@dataclass(frozen=True)
class Rows:
    """The rows of a run."""

    splits: dict[str, Dataset]
    """`train` and, if present, `validation` and `test`, with canonical columns."""
    notes: list[str]
    """Notes for the user on how the rows were read."""
    fingerprint: str
    """16 hexadecimal digits of the SHA-256 of the content of all splits."""
    by_split: dict[str, str]
    """Fingerprint of each split alone."""
    names: list[str]
    """Labels before `dataset.label_map`, or tags and types; with streaming, those of the first section."""
    unused: dict[str, str | None]
    """Keys of `dataset.label_map` that do not occur, each with the label that was probably meant."""
    source: dict[str, Any]
    """JSON: path, commit, files."""
    columns: dict[str, dict[str, dict[str, str]]]
    """For each split: `roles`, the column of each role, and `types`, the type of each column in the first row."""
    sections: Sections | None = None
    """With `dataset.streaming`, the sections of train; the first of them is in `splits`."""


def load_rows(config: DatasetConfig, columns: Sequence[Column], *, cache: Path) -> Rows:
    """Loads the splits of a data set; makes a missing validation split (and test, if configured) from train.

    Args:
        config: the section `dataset`.
        columns: columns of the task.
        cache: folder for tables.

    Raises:
        DataError: see the readers and converters.
    """
    located, origin = resolve_splits(config, columns)
    stream = _first_section(located, config) if config.streaming else None
    scheme = _detect_scheme(config, columns, located["train"][0].source)
    notes: list[str] = []
    if scheme not in (None, TagScheme.iob2):
        suffix = (
            ": neighbouring words with the same tag were read as one entity" if scheme is TagScheme.io else ""
        )
        notes.append(f"the tags are {scheme.upper()}, which was converted to IOB2{suffix}")
    used: set[str] = set()
    names: dict[str, None] = {}
    slices: dict[str, list[SourceSlice]] = {}
    columns_by_split: dict[str, dict[str, dict[str, str]]] = {}
    for split, parts in located.items():
        tables = [
            _read_rows(item.source, split, config, columns, scheme, cache, predicting=False) for item in parts
        ]
        slices[split] = [
            SourceSlice(item.part, f"{item.source.where} {item.source.identity}", data)
            for item, (data, _) in zip(parts, tables, strict=True)
        ]
        reading_notes = [note for _, info in tables for note in info["notes"]]
        notes += reading_notes
        columns_by_split[split] = tables[0][1]["columns"]
        used |= {key for _, info in tables for key in info["labels"]["used"]}
        names |= dict.fromkeys(name for _, info in tables for name in info["labels"]["names"])
        if not len(concatenate_slices(slices[split])):
            raise DataError(
                f"{split} has no rows", where=origin["files"][split], found="; ".join(reading_notes) or None
            )
    unused = {} if config.streaming else _unused_map_keys(config, used, list(names))
    text = text_column(columns)
    # Order matters: test is taken before slicing; repeats are removed before a fold or validation is split off, leaks after
    # it, when all other splits exist.
    splits = _slice_and_limit(slices, notes, config, columns)
    if removes(config.dedup, Dedup.repeats):
        _replace_train(splits, without_repeats(splits["train"], text), "occur earlier in train", notes)
    if config.leave_out_test and (test := splits.pop("test", None)) is not None:
        notes.append(f"the {len(test)} rows of test are left out (dataset.leave_out_test)")
    if config.fold is not None:
        notes += take_fold(splits, config.fold, config, columns)
    _make_validation(splits, notes, config, columns)
    held_out = [data for split, data in splits.items() if split != "train"]
    if removes(config.dedup, Dedup.leaks) and held_out:
        kept = without_leaks(splits["train"], held_out, text)
        _replace_train(splits, kept, "are also in validation or test", notes)
    rows = {split: splits[split] for split in SPLITS if split in splits}
    sections = None
    if stream is not None:
        notes.append(
            f"train is read in sections of {config.section_rows} rows; figures are those of the first"
        )

        def section_of(source: Source) -> Dataset:
            data, _ = _read_rows(source, "train", config, columns, scheme, cache, predicting=False)
            data = without_repeats(data, text) if removes(config.dedup, Dedup.repeats) else data
            leaks = held_out if removes(config.dedup, Dedup.leaks) else []
            return without_leaks(data, leaks, text) if leaks else data

        sections = Sections(stream, config.section_rows, section_of, rows["train"])
    fingerprint, by_split = fingerprints(rows)
    if config.label_fixes is not None:
        fixed = fix_labels(rows, config, columns, by_split, cache)
        rows, notes, origin = fixed.splits, notes + fixed.notes, {**origin, "label_fixes": fixed.source}
        fingerprint, by_split = fingerprints(rows)
    return Rows(rows, notes, fingerprint, by_split, list(names), unused, origin, columns_by_split, sections)


def _unused_map_keys(config: DatasetConfig, used: set[str], names: Sequence[str]) -> dict[str, str | None]:
    """Returns the keys of `dataset.label_map` that do not occur, each with the label that was probably meant.

    Raises:
        DataError: no key occurs, so the map has no effect.
    """
    mapping = label_map(config)
    unused = {key: same_spelling(key, names) for key in mapping if key not in used}
    if mapping and len(unused) == len(mapping):
        raise DataError(
            "no key of label_map is a label of the data, so the map has no effect",
            where="dataset.label_map",
            found=f"keys: {listing(mapping)}; labels of the data: {listing(names)}",
            fix=map_override(config, {}, rename=unused),
        )
    return unused


def _first_section(located: dict[str, list[SourcePart]], config: DatasetConfig) -> Source:
    """Replaces train by its first section and returns the whole source of train.

    Raises:
        ConfigError: train consists of slices or several parts, which cannot be streamed.
    """
    train = located["train"][0]
    if len(located["train"]) > 1 or not train.part.is_whole:
        raise ConfigError(
            "a streamed train set must be one whole split",
            where="dataset.splits.train",
            found=config.splits.train,
            fix=f"{format_text_override('dataset.splits.train', train.part.name)}, or dataset.streaming=false",
        )
    located["train"] = [replace(train, source=slice_source(train.source, 0, config.section_rows))]
    return train.source


def fingerprints(splits: Mapping[str, Dataset]) -> tuple[str, dict[str, str]]:
    """Returns 16 hexadecimal digits of the SHA-256 of the content of all splits, and of each split alone.

    They do not depend on where the rows come from, nor on columns that do not affect training (`group`, `slices`).
    """
    total, by_split = hashlib.sha256(), {split: hashlib.sha256() for split in splits}
    for split, data in splits.items():
        names = sorted(set(data.column_names) - {"group", "slices"})
        total.update(f"{FINGERPRINT_VERSION} {split} {len(data)} {names}".encode())
        for batch in data.select_columns(names).iter(1000):
            content = json.dumps(batch, ensure_ascii=False, sort_keys=True).encode()
            total.update(content)
            by_split[split].update(content)
    return total.hexdigest()[:16], {split: digest.hexdigest()[:16] for split, digest in by_split.items()}


def _replace_train(splits: dict[str, Dataset], kept: Dataset, why: str, notes: list[str]) -> None:
    """Replaces train by the rows that are kept and notes how many were removed, and why."""
    removed = len(splits["train"]) - len(kept)
    if not len(kept):
        raise DataError(
            f"no row of train is left: all {why}", where="dataset.dedup", fix="dataset.dedup=none"
        )
    if removed:
        notes.append(f"train: {removed} rows were left out because their texts {why} (dataset.dedup)")
    splits["train"] = kept


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
    """Loads all rows of one file; targets may be missing.

    Args:
        path: a file, or a folder written by `save_to_disk`; - is standard input.
        config: the section `dataset` of the run: columns, delimiter, tags.
        columns: columns of the task.
        cache: folder for tables.
        split: name for messages.
        form: format of the file; overrides its suffix.
        given: whether to add the original texts; see `Converter`.

    Raises:
        ConfigError: the form is unknown.
        DataError: the file does not exist or cannot be read.
    """
    file, file_config = _file_and_config(path, config, form)
    source = _text_lines_source(file, config, columns, form)
    if source is not None:
        file_config = config
    else:
        source = with_known_columns(file_source(file, file_config), columns, file_config, predicting=True)
    scheme = _detect_scheme(file_config, columns, source)
    data, info = _read_rows(source, split, file_config, columns, scheme, cache, predicting=True, given=given)
    for note in info["notes"]:
        logger.warning("data: %s", note)
    if not len(data):
        raise DataError("the file has no rows", where=path)
    return data


def original_rows(
    path: str, config: DatasetConfig, columns: Sequence[Column], form: str | None
) -> Iterator[Mapping[str, Any]]:
    """Yields the same rows as `load_file`, with the columns of the file.

    Raises:
        DataError: see `load_file`.
    """
    file, file_config = _file_and_config(path, config, form)
    yield from (_text_lines_source(file, config, columns, form) or file_source(file, file_config)).raw([])


def _text_lines_source(
    file: Path, config: DatasetConfig, columns: Sequence[Column], form: str | None
) -> Source | None:
    """Returns the source of a text file with one text per line; None if the file is something else."""
    text = text_column(columns)
    names = {text, getattr(config.columns, text, None) or text}
    if form is not None or not has_one_text_per_line(file, config, names):
        return None
    return lines_source(file, config, text)


def _file_and_config(path: str, config: DatasetConfig, form: str | None) -> tuple[Path, DatasetConfig]:
    """Returns a file and the config to read it with: its format follows from its own name, not from the run's data."""
    file = Path(path).expanduser()
    if form == "tsv":
        return file, replace(config, format=Format.csv, delimiter="\t")
    if form is not None:
        known_forms = [str(choice) for choice in Format if choice not in (Format.auto, Format.hub)]
        if form not in known_forms:
            raise ConfigError(
                f"unknown form {form!r}", where="--format", found=f"forms: {listing(known_forms)}, tsv"
            )
        return file, replace(config, format=Format(form))
    if not is_pipe(file) and not file.exists():
        raise DataError("there is no such file", where=path, fix=suggest_path(file))
    file_format = READABLE.get(suffix_of(file), config.format)
    as_spans = config.format is Format.spans and file_format in (Format.json, Format.jsonl)
    return file, replace(config, format=Format.spans if as_spans else file_format)


def _slice_and_limit(
    slices: dict[str, list[SourceSlice]], notes: list[str], config: DatasetConfig, columns: Sequence[Column]
) -> dict[str, Dataset]:
    """Returns the splits, sliced and limited; makes a missing test split first, if one is configured."""
    test = None
    if "test" not in slices and config.splits.test is not None and config.test_fraction:
        distinct = text_column(columns) if removes(config.dedup, Dedup.repeats) else None
        slices, test, how = take_test(
            slices, config.test_fraction, distinct=distinct, **_split_options(config, columns)
        )
        notes.append(_split_note("test", test, how, config))
    splits = {split: concatenate_slices(parts) for split, parts in slices.items()}
    if test is not None:
        splits["test"] = test
    if config.limit is not None:
        splits = {split: data.select(range(min(config.limit, len(data)))) for split, data in splits.items()}
    return splits


def _make_validation(
    splits: dict[str, Dataset], notes: list[str], config: DatasetConfig, columns: Sequence[Column]
) -> None:
    """Splits a missing validation split off train, if one is configured, and notes it."""
    if "validation" not in splits and config.validation_fraction:
        splits["train"], splits["validation"], how = split_off(
            splits["train"], config.validation_fraction, **_split_options(config, columns)
        )
        notes.append(_split_note("validation", splits["validation"], how, config))
    if "test" not in splits:
        notes.append("there is no test split: dataset.test_fraction=0.2 makes one of train")


def _split_options(config: DatasetConfig, columns: Sequence[Column]) -> dict[str, Any]:
    """Returns the keyword arguments of `split_off` and `take_test`: how rows are held out."""
    kinds = (Kind.label, Kind.labels)
    label = next((column.role for column in columns if column.kind in kinds), None)
    return {"seed": config.seed, "label": label, "group": config.columns.group and "group"}


def _split_note(split: str, data: Dataset, how: str, config: DatasetConfig) -> str:
    how = how.replace("groups", f"groups of {config.columns.group}")
    return f"{split} was made of {len(data)} rows of train ({how}, dataset.seed {config.seed})"


def _detect_scheme(config: DatasetConfig, columns: Sequence[Column], source: Source) -> TagScheme | None:
    """Returns the tag scheme, detected from one split; None for tasks without tags."""
    if not any(column.kind is Kind.tags for column in columns):
        return None
    with naming_lines(source):
        return detect_tag_scheme(config, raw_tags(source.raw([]), config), source.where)


def _read_rows(
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
    """Returns the canonical rows of a split and the JSON of its reading: `notes`, `columns` and `labels`."""
    reading = {name: value for name, value in asdict(config).items() if name not in KEYS_NOT_READ}
    reading["label_map"] = label_map(config)
    roles = [asdict(column) for column in columns]
    name = f"rows-{cache_key(TABLE_VERSION, source.identity, source.where, reading, roles, scheme, split, predicting, given)}"
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
            "columns": {"roles": converter.names, "types": converter.types},
            "labels": converter.label_names(),
        }

    def rows() -> Iterator[dict[str, Any]]:
        return converter.convert(source.raw(notes))

    with naming_lines(source):
        return cached_table_with_metadata(cache, name, rows, canonical_features(columns, given=given), about)
