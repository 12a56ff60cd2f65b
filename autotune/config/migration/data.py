"""Where the rows of an old run are, how they are split, and the names of their columns."""

import csv
import re
from pathlib import Path

from autotune import registry
from autotune.config.compression import suffix_of
from autotune.config.enums import Format
from autotune.config.formats import READABLE
from autotune.config.migration import names
from autotune.config.migration.migration import Migration
from autotune.config.migration.old_run import DATA
from autotune.errors import AutotuneError, ConfigError
from autotune.runtime.files import read_errors
from autotune.runtime.parsing import Unreadable, parse_json, read_lines, text_of

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
WITH_CONFIG = re.compile(r"(?:([^:\[\]]+):)?(.+)")
"""A split of AutoTrain, perhaps behind the configuration of a data set on the Hub."""
AUTOTRAIN_COLUMN = "autotrain_"
SAVED = ("dataset_dict.json", "dataset_info.json")
"""Files of which a folder has one that save_to_disk has written."""
VALID_FRACTION = 0.2
"""Share of train that AutoTrain makes validation of, for local files."""

TEST_AS_VALIDATION = (
    "the split test chooses the best checkpoint, as before, so its score is too good: dataset.splits.validation=validation "
    "dataset.splits.test=test keeps it for the end"
)
TEST_SCORED = "a split named test, if the data have one, is scored once at the end, and chooses nothing"
NO_VALIDATION = "without a validation split, AutoTrain did not evaluate; here the split validation is used, or a tenth of train"
MADE_VALIDATION = (
    "without a validation file, a tenth of train chooses the best checkpoint; all rows are learned with "
    "dataset.validation_fraction=0"
)
NOT_HERE = "the data are not on this machine; the same path is read when the run starts"
PLAIN_FILES = (
    "loading scripts of the Hub are not run; if the data set has one: dataset.revision=refs/convert/parquet"
)
GUESSED = (
    "the scripts guessed columns that the file does not name; here these are called {input} and {target}, or "
    "dataset.columns.{name}=NAME"
)
PAIRS = "two text columns are read as a pair of texts, not joined"
OWN_NAMES = "autotune knows the names of splits and columns in an AutoTrain project"
GLUE_TEST = "the test split of GLUE has no labels, so validation gives the result"


def migrate_data(migration: Migration) -> None:
    """Fills the section `dataset` of the experiment."""
    run = migration.run
    migration.options["task"] = run.task
    for name in ("task", "regression"):
        if name in run.keys:
            migration.move(name, {}, {"task": run.task})
    if run.project is not None:
        migration.move("path", {"dataset.path": str(run.project)}, {"dataset": "arrow"})
        migration.drop("train validation text target", OWN_NAMES)
    elif run.tool == names.AUTOTRAIN:
        _autotrain_splits(migration)
        _columns(migration)
    elif migration.text("task_name") in names.GLUE:
        _glue(migration)
    elif migration.value("path") is None:
        _files(migration)
        _columns(migration)
    else:
        _place(migration, "path")
        if migration.stated("config"):
            migration.move("config", {"dataset.name": migration.text("config")})
        for split in ("train", "validation", "test"):
            if migration.value(split) is not None:
                migration.move(split, {f"dataset.splits.{split}": migration.text(split)})
        _columns(migration)
    if "dataset.splits.test" not in migration.values:
        migration.changes.append(TEST_SCORED)


def locate(value: str, migration: Migration) -> tuple[str, Path | None]:
    """Returns a path as it is found from the working folder, else beside the old file, and where it is, if it is there."""
    typed, beside = Path(value).expanduser(), migration.run.file.path.parent / value
    if typed.exists():
        return value, typed
    return (str(beside.resolve()), beside) if beside.exists() else (value, None)


def _place(migration: Migration, name: str) -> Path | None:
    """Moves the path of the data; returns the folder or file that it is, None for the Hub."""
    text = migration.text(name)
    if text is None:
        key = migration.run.keys.get(name, "train_file")
        migration.errors.append(ConfigError(
            "no data set is given", where=migration.run.file.where(key), fix=f"{key}: FILE, a folder or a Hub id"
        ))  # fmt: skip
        return None
    path, found = locate(text, migration)
    local = found is not None or suffix_of(Path(path)) in READABLE or Path(path).name == DATA
    if not local and HUB_ID.fullmatch(path):
        migration.move(name, {"dataset.path": path}, {"dataset": "hub"})
        if "/" not in path:  # the old names of the Hub, most of which are loading scripts
            migration.changes.append(PLAIN_FILES)
        return None
    form = _form(found or Path(path), migration.text("train") or "train")
    migration.move(name, {"dataset.path": path}, {"dataset": form or "csv"})
    if form is None:
        migration.values["dataset.format"] = Format.auto.value  # found by the files when they are there
    if found is None:
        migration.changes.append(NOT_HERE)
    return found or Path(path)


def _form(path: Path, train: str) -> str | None:
    """Returns the option of `dataset` for a file, or a folder with a file for train; None if it is unknown."""
    if path.name == DATA or any((path / name).is_file() for name in SAVED):
        return Format.arrow.value
    if path.is_dir():
        files = [path / f"{train}{suffix}" for suffix in (".csv", ".jsonl")]
        path = next((file for file in files if file.is_file()), path)
    if suffix_of(path) == ".json" and not (
        path.is_file() and path.read_bytes()[:64].lstrip().startswith(b"[")
    ):
        return "jsonl"  # what datasets reads from .json: an object per line
    format_ = READABLE.get(suffix_of(path))
    return str(format_.value) if format_ is not None else None


def _autotrain_splits(migration: Migration) -> None:
    """Moves path and splits; AutoTrain reads FOLDER/SPLIT.csv, else .jsonl, else the Hub."""
    folder = _place(migration, "path")
    train_config, train = _split(migration.text("train") or "train")
    text = migration.text("validation")
    validation_config, validation = _split(text) if text is not None else (train_config, None)
    if train_config != validation_config:
        migration.errors.append(ConfigError(
            "train and validation are of different configurations of the data set",
            where=migration.run.file.where(migration.run.keys["validation"]),
            found=f"{train_config}, {validation_config}", fix="one configuration for both",
        ))  # fmt: skip
    if folder is not None and all((folder / f"{train}{suffix}").is_file() for suffix in (".csv", ".jsonl")):
        train, validation = f"{train}.csv", validation and f"{validation}.csv"
    config = {"dataset.name": train_config} if train_config else {}
    migration.move("train", {"dataset.splits.train": train, **config})
    if validation is not None:
        test = (
            {"dataset.splits.test": None} if validation.partition("[")[0].partition(".")[0] == "test" else {}
        )
        migration.move("validation", {"dataset.splits.validation": validation, **test})
        if test:
            migration.changes.append(TEST_AS_VALIDATION)
    elif folder is not None:
        migration.move(
            "validation", {"dataset.splits.validation": None, "dataset.validation_fraction": VALID_FRACTION}
        )
    else:
        migration.drop("validation", NO_VALIDATION)


def _split(text: str) -> tuple[str | None, str]:
    match = WITH_CONFIG.fullmatch(text)
    return (match[1], match[2]) if match else (None, text)


def _files(migration: Migration) -> None:
    """Moves the files of the example scripts."""
    _place(migration, "train_file")
    for split in ("validation", "test"):
        text = migration.text(f"{split}_file")
        if text is not None:
            migration.move(f"{split}_file", {f"dataset.splits.{split}": locate(text, migration)[0]})
    if migration.value("validation_file") is None:
        migration.changes.append(MADE_VALIDATION)


def _columns(migration: Migration) -> None:
    """Moves the names of the columns; one that is called like its role needs none."""
    columns = registry.task(migration.run.task).columns
    input_role = next(column.role for column in columns if not column.target)
    target_role = next(column.role for column in columns if column.target)
    texts = (migration.text("text") or "").split(",") if migration.value("text") is not None else []
    of_glue = [] if texts or input_role != "text" else _columns_of_glue(migration)
    texts = texts or of_glue
    if migration.run.tool == names.SCRIPTS and not (
        of_glue or (texts and migration.value("target") is not None)
    ):
        migration.changes.append(GUESSED.format(input=input_role, target=target_role, name=input_role))
    if texts and not texts[0].startswith(AUTOTRAIN_COLUMN):
        roles = {input_role: texts[0].strip()}
        if len(texts) > 1:
            roles["text_pair"] = texts[1].strip()
            migration.changes += [] if of_glue else [PAIRS]
        _move_columns(migration, "text", roles)
    if len(texts) > 2:
        migration.errors.append(_too_many_columns(migration))
    target = migration.text("target")
    names_tags = "target task_name" if migration.value("task_name") in names.NER_TASKS else "target"
    if target is not None and not target.startswith(AUTOTRAIN_COLUMN):
        _move_columns(migration, names_tags, {target_role: target})
    migration.drop("text target", OWN_NAMES)


def _columns_of_glue(migration: Migration) -> list[str]:
    """Returns the columns of a file that are called as those of GLUE, which run_glue finds; empty if there are none."""
    _, path = locate(migration.text("train_file") or "", migration)
    if path is None or not path.is_file() or suffix_of(path) not in (".csv", ".json", ".jsonl"):
        return []
    with read_errors(path):
        line = next(read_lines(path), b"")
    try:
        text = text_of(line)
        header = set(next(csv.reader([text]), ())) if suffix_of(path) == ".csv" else set(parse_json(text))
    except (Unreadable, csv.Error, TypeError):
        return []  # the data are read, with all that is wrong in them, by `autotune check`
    texts = [list(columns) for columns in names.GLUE.values() if header >= set(columns)]
    return max(texts, key=lambda columns: len(columns), default=[])


def _move_columns(migration: Migration, name: str, roles: dict[str, str]) -> None:
    if not migration.stated(*name.split()):
        roles = {role: column for role, column in roles.items() if role != column}
    if roles:
        migration.move(name, {f"dataset.columns.{role}": column for role, column in roles.items()})
    for role, column in roles.items():
        if column == role:
            del migration.values[f"dataset.columns.{role}"]


def _too_many_columns(migration: Migration) -> AutotuneError:
    key = migration.run.keys["text"]
    return ConfigError("a row has one text, or a pair of texts", where=migration.run.file.where(key),
                       found=str(migration.value("text")), fix="join the columns in the data")  # fmt: skip


def _glue(migration: Migration) -> None:
    """Moves a task of GLUE, whose columns run_glue knows."""
    task = str(migration.text("task_name"))
    roles = dict(zip(("text", "text_pair"), names.GLUE[task], strict=False))
    values = {"dataset.path": names.GLUE_PATH, "dataset.name": task}
    values |= {f"dataset.columns.{role}": column for role, column in roles.items()}
    if task == "mnli":
        values["dataset.splits.validation"] = "validation_matched"
    migration.move("task_name", {**values, "dataset.splits.test": None}, {"dataset": "hub"})
    migration.changes.append(GLUE_TEST)
