"""Sweeps: the runs of `seeds` and `folds`, the overrides in which runs differ, and run folders that runs would share."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from autotune.config.load import digest
from autotune.config.overrides import key_of, split_sweep
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError, listing, shell_words

SEED, SEEDS = "seed", "seeds"
FOLD, FOLDS = "dataset.fold", "folds"


def asks_for_several(overrides: Sequence[str]) -> bool:
    """Whether a command line sets `seeds` or `folds`.

    Raises:
        ConfigError: it sets `seeds` without the brackets of a list.
    """
    seeds, folds = (
        [word.partition("=")[2] for word in overrides if key_of(word) == key] for key in (SEEDS, FOLDS)
    )
    for value in seeds:
        if len(split_sweep(value)) > 1:
            raise ConfigError(
                "a list of seeds has brackets", where=f"{SEEDS}={value}", fix=f"'{SEEDS}=[{value}]'"
            )
    return any(value not in ("", "null") for value in (*seeds, *folds))


def read_seeds(seeds: Any, first: int, overridden: frozenset[str]) -> list[int]:
    """Returns the seeds that a value of `seeds` stands for.

    Args:
        seeds: a number of seeds, or a list of them.
        first: the value of `seed`, from which a number counts.
        overridden: keys set on the command line.

    Raises:
        ConfigError: `seeds` is something else, or a list contradicts `seed`.
    """
    numbers = seeds if isinstance(seeds, list) else [seeds]
    whole = all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)
    if isinstance(seeds, list) and whole and numbers and len(set(numbers)) == len(numbers):
        if SEED in overridden:
            raise ConfigError(
                "seed has no effect with a list of seeds",
                where=SEED,
                found=f"seeds={seeds}".replace(" ", ""),
                fix="leave out seed=; or seeds=N, which counts from seed",
            )
        return numbers
    if not isinstance(seeds, list) and whole and seeds > 0:
        return [first + number for number in range(seeds)]
    raise ConfigError(
        "seeds is a number of runs, or a list of different seeds",
        where=SEEDS,
        found=str(seeds),
        fix="seeds=5, or seeds=[1,7,9]",
    )


def read_folds(folds: int, overridden: frozenset[str]) -> list[str]:
    """Returns the values of `dataset.fold` that a number of folds expands to.

    Raises:
        ConfigError: there are fewer than two, or `dataset.fold` is set, too.
    """
    if folds < 2:
        raise ConfigError(
            "cross-validation needs two folds or more", where=FOLDS, found=str(folds), fix="folds=5"
        )
    if FOLD in overridden:
        raise ConfigError(
            "folds trains all folds, and dataset.fold names one",
            where=FOLD,
            found=f"{FOLDS}={folds}",
            fix="leave out folds=, or dataset.fold=",
        )
    return [f"{number}/{folds}" for number in range(1, folds + 1)]


def swept(runs: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """Returns for each run the overrides that not all runs have, as a mapping from key to value.

    Args:
        runs: flags and overrides of each run.
    """
    values = [
        {key_of(word): word.partition("=")[2] for word in words if not word.startswith("-")} for words in runs
    ]
    keys = dict.fromkeys(key for run in values for key in run)
    different = [key for key in keys if len({run.get(key) for run in values}) > 1]
    return [{key: run[key] for key in different if key in run} for run in values]


def distinct_run_folders(
    configs: Sequence[RunConfig], runs: Sequence[Sequence[str]]
) -> Iterator[AutotuneError]:
    """Checks that each run of a sweep has a folder of its own.

    Args:
        configs: configurations of the runs.
        runs: flags and overrides of each run.
    """
    members: dict[Path, list[int]] = {}
    for index, config in enumerate(configs):
        members.setdefault(Path(config.runs).expanduser() / str(config.name), []).append(index)
    for folder, indices in members.items():
        if len(indices) == 1:
            continue
        differences = swept([runs[index] for index in indices])
        found = [shell_words(*(f"{key}={value}" for key, value in run.items())) for run in differences]
        if len({digest(configs[index]) for index in indices}) == 1:
            yield ConfigError(
                f"{len(indices)} runs of the sweep are the same run",
                where=str(folder),
                found=listing(dict.fromkeys(found)) if any(found) else listing(runs[indices[0]]),
                fix="keep one of these values; no value twice",
            )
        else:
            name = f"name={configs[indices[0]].name}-${{{next(iter(differences[0]))}}}"
            yield ConfigError(
                f"{len(indices)} runs of the sweep would share one run folder",
                where=str(folder),
                found=listing(found),
                fix=f"leave out name, so that each run gets its own; or {shell_words(name)}",
            )
