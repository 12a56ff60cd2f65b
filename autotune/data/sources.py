"""Where rows come from: our samples, a file, a folder of splits or the Hub; always rows with canonical columns."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from datasets import Dataset

from autotune.config import DatasetConfig, Format, TagScheme
from autotune.data.cache import cached_table, key
from autotune.data.canonical import Rows as Converter
from autotune.data.canonical import raw_tags
from autotune.data.hub import load_hub, named_labels
from autotune.data.labels import Tags, find_scheme
from autotune.data.local import (
    OTHER_NAMES,
    SLICE,
    SPLITS,
    Raw,
    Source,
    explicit_files,
    file_source,
    folder_splits,
    near_file,
    split_name,
)
from autotune.data.readers import SUFFIXES
from autotune.data.roles import Column, Kind
from autotune.data.splits import hold_out
from autotune.errors import DataError, listing, nearest

VERSION = 1
"""Raised when reading changes, so that old tables are not read."""
SAMPLES = Path(__file__).parent.parent / "assets" / "samples"


@dataclass(frozen=True)
class Rows:
    """The rows of a run."""

    splits: dict[str, Dataset]
    """`train`, and where there are such, `validation` and `test`; canonical columns."""
    notes: list[str]
    """What the user should know of how they were read."""
    fingerprint: str
    """16 hexadecimal digits of the SHA-256 of all that the splits hold."""
    source: dict[str, Any]
    """JSON: path, commit, files."""


def load_rows(config: DatasetConfig, columns: Sequence[Column], *, seed: int, cache: Path) -> Rows:
    """The splits of a data set; validation (and test, if asked for) is made from train where there is none.

    Args:
        config: the section `dataset`.
        columns: of the task.
        seed: of the splits that are made.
        cache: folder for tables.

    Raises:
        DataError: see the readers and converters.
    """
    sources, about = _sources(config)
    scheme = _scheme(config, columns, sources)
    notes: list[str] = []
    splits: dict[str, Dataset] = {}
    contents: dict[str, str] = {}
    for split, source in sources.items():
        data, said, content = _read(source, split, config, columns, scheme, cache, predicting=False)
        wanted = getattr(config.splits, split)
        splits[split] = _limited(_sliced(data, wanted), config.limit)
        notes += said
        contents[split] = content
        if not len(splits[split]):
            raise DataError(f"{split} has no rows", where=source.where, found="; ".join(said) or None)
    for split, fraction in (("test", config.test_fraction), ("validation", config.validation_fraction)):
        if split not in splits and fraction and (split == "validation" or config.splits.test is not None):
            if len(splits["train"]) < 2:
                raise DataError("one row cannot be parted into train and " + split, where=config.path)
            label = next((column.role for column in columns if column.kind is Kind.label), None)
            group = "group" if config.columns.group else None
            splits["train"], splits[split], how = hold_out(
                splits["train"], fraction, seed=seed, label=label, group=group
            )
            how = how.replace("of group", f"of {config.columns.group}")
            notes.append(f"{split} was made of {len(splits[split])} rows of train ({how}, seed {seed})")
    if "test" not in splits:
        notes.append("there is no test split: dataset.test_fraction=0.2 makes one of train")
    made = [
        VERSION,
        contents,
        asdict(config.splits),
        config.limit,
        config.test_fraction,
        config.validation_fraction,
        seed,
    ]
    return Rows({split: splits[split] for split in SPLITS if split in splits}, notes, key(*made)[:16], about)


def load_file(
    path: str, config: DatasetConfig, columns: Sequence[Column], *, cache: Path, split: str = "test"
) -> Dataset:
    """The rows of one file, all of them; targets may be missing.

    Args:
        path: of the file.
        config: the section `dataset` of the run: columns, delimiter, tags.
        columns: of the task.
        cache: folder for tables.
        split: name for messages.
    """
    file = Path(path).expanduser()
    if not file.exists():
        raise DataError("there is no such file", where=path, fix=near_file(file))
    known = SUFFIXES.get(file.suffix.lower(), config.format)
    form = Format.spans if config.format is Format.spans and known in (Format.json, Format.jsonl) else known
    own = replace(config, format=form)
    source = file_source(file, own)
    scheme = _scheme(own, columns, {split: source})
    data, _, _ = _read(source, split, own, columns, scheme, cache, predicting=True)
    if not len(data):
        raise DataError("the file has no rows", where=path)
    return data


def rows_from_texts(texts: Sequence[str], columns: Sequence[Column]) -> Dataset:
    """Rows of texts that were typed."""
    role = next(column for column in columns if not column.target)
    name = "text" if role.kind is Kind.words else role.role
    config = DatasetConfig(path="--text")
    converter = Converter(columns, config, "--text", predicting=True, training=False, tags=None)
    return Dataset.from_list(list(converter.convert({name: text} for text in texts)))


def _sources(config: DatasetConfig) -> tuple[dict[str, Source], dict[str, Any]]:
    """Raw rows of each split that exists, and where they are from."""
    if config.path.startswith("sample/"):
        folder = SAMPLES / config.path.removeprefix("sample/")
        if not folder.is_dir():
            known = listing(sorted(f"sample/{path.name}" for path in SAMPLES.iterdir()))
            raise DataError("autotune has no such sample", where=f"dataset.path={config.path}", found=known)
        return folder_splits(folder, config), {"path": config.path}
    path = Path(config.path).expanduser()
    explicit = explicit_files(config)
    if config.format is not Format.hub and (path.exists() or explicit):
        if (
            path.is_dir()
            and not (path / "dataset_info.json").exists()
            and not (path / "dataset_dict.json").exists()
        ):
            found = folder_splits(path, config)
        elif path.is_dir():
            found = _saved(path, config)
        else:
            found = {"train": file_source(path, config)} if path.exists() else {}
        found |= explicit
        for split in SPLITS:
            wanted = split_name(getattr(config.splits, split))
            if wanted not in (None, split) and split not in found:
                raise DataError(
                    f"there is no file for the split {wanted!r}",
                    where=f"dataset.splits.{split}",
                    found=f"dataset.path={config.path}",
                    fix=f"dataset.splits.{split}=FILE, or null for none",
                )
        if "train" not in found:
            raise DataError(
                "there are no rows to learn from",
                where=f"dataset.path={config.path}",
                fix="dataset.splits.train=FILE",
            )
        return found, {"path": config.path, "files": {split: source.where for split, source in found.items()}}
    local = (
        path.suffix.lower() in SUFFIXES
        or config.path.startswith((".", "/", "~"))
        or config.path.count("/") > 1
    )
    if config.format not in (Format.auto, Format.hub) or (local and config.format is not Format.hub):
        raise DataError(
            "there is no such file or folder", where=f"dataset.path={config.path}", fix=near_file(path)
        )
    return _hub(config)


def _saved(path: Path, config: DatasetConfig) -> dict[str, Source]:
    """A folder of `save_to_disk`."""
    from datasets import DatasetDict, load_from_disk

    loaded = load_from_disk(str(path))
    splits = dict(loaded) if isinstance(loaded, DatasetDict) else {"train": loaded}
    return _named(splits, config, config.path)


def _hub(config: DatasetConfig) -> tuple[dict[str, Source], dict[str, Any]]:
    splits, commit = load_hub(config)
    return _named(splits, config, config.path), {"path": config.path, "name": config.name, "commit": commit}


def _named(splits: Mapping[str, Dataset], config: DatasetConfig, where: str) -> dict[str, Source]:
    """Splits by the names that the config gives them; only those named by default may be absent."""
    found = {}
    for split in SPLITS:
        wanted = split_name(getattr(config.splits, split))
        if wanted is None:
            continue
        name = next(
            (
                one
                for one in (wanted, *(OTHER_NAMES.get(split, ()) if wanted == split else ()))
                if one in splits
            ),
            None,
        )
        if name is None and (wanted != split or split == "train"):
            near = nearest(wanted, splits) or next(iter(splits))
            raise DataError(
                f"the data have no split {wanted!r}",
                where=f"dataset.path={where}",
                found=f"splits: {listing(splits)}",
                fix=f"dataset.splits.{split}={near}",
            )
        if name is not None:
            data = splits[name]
            found[split] = Source(_reader(data), data._fingerprint, f"{where}, {name}")
    return found


def _reader(data: Dataset) -> Raw:
    return lambda notes: named_labels(data)


def _scheme(
    config: DatasetConfig, columns: Sequence[Column], sources: Mapping[str, Source]
) -> TagScheme | None:
    """How tags are written, judged by the first split; None for tasks without tags."""
    if not any(column.kind is Kind.tags for column in columns):
        return None
    source = next(iter(sources.values()))
    return find_scheme(config, raw_tags(source.raw([]), config), source.where)


def _read(
    source: Source,
    split: str,
    config: DatasetConfig,
    columns: Sequence[Column],
    scheme: TagScheme | None,
    cache: Path,
    *,
    predicting: bool,
) -> tuple[Dataset, list[str], str]:
    """Canonical rows of a split, what was said while reading, and a hash of their content."""
    reading = asdict(config)
    for irrelevant in (
        "path",
        "splits",
        "limit",
        "validation_fraction",
        "test_fraction",
        "license",
        "language",
        "labels",
    ):
        reading.pop(irrelevant)
    name = (
        f"rows-{key(VERSION, source.identity, reading, [asdict(one) for one in columns], split, predicting)}"
    )
    about = cache / f"{name}.json"
    if not about.exists():
        (cache / f"{name}.arrow").unlink(missing_ok=True)
    notes: list[str] = []
    content = hashlib.sha256()
    tags = Tags(config, scheme) if scheme is not None else None
    converter = Converter(
        columns,
        config,
        source.where,
        predicting=predicting,
        training=split == "train" and not predicting,
        tags=tags,
    )

    def rows() -> Iterator[dict[str, Any]]:
        for row in converter.convert(source.raw(notes)):
            content.update(json.dumps(row, sort_keys=True, ensure_ascii=False).encode())
            yield row

    data = cached_table(cache, name, rows)
    if not about.exists():
        said = {"notes": list(dict.fromkeys(notes)) + converter.notes(split), "content": content.hexdigest()}
        about.write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
    told = json.loads(about.read_text(encoding="utf-8"))
    return data, told["notes"], told["content"]


def _sliced(data: Dataset, split: str | None) -> Dataset:
    """Rows of train[:100], train[10%:20%]."""
    sliced = SLICE.fullmatch(split or "")
    if sliced is None:
        return data

    def position(text: str | None, default: int) -> int:
        if text is None:
            return default
        return len(data) * int(text[:-1]) // 100 if text.endswith("%") else min(int(text), len(data))

    return data.select(range(position(sliced["first"], 0), position(sliced["last"], len(data))))


def _limited(data: Dataset, limit: int | None) -> Dataset:
    return data if limit is None else data.select(range(min(limit, len(data))))
