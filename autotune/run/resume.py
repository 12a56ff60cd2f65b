"""resume=RUN: loads the configuration of an existing run, with the changes that are allowed when it resumes."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autotune.config import compose
from autotune.config.compose import Member
from autotune.config.enums import Resume
from autotune.config.load import NOT_IDENTITY, changed_at, load_values, parse_config
from autotune.config.overrides import key_of, normalize_argv
from autotune.config.schema import RunConfig
from autotune.errors import ConfigError, format_text_override, hydra_unquote, listing, nearest, raise_all
from autotune.run import bundle
from autotune.run.status import CONFIG

FROM_FOLDER = ("runs", "name", "resume")
"""Keys whose values follow from RUN itself."""

GROUPS = {"cluster": "slurm"}
"""Sections that a group of another name sets."""


def run_to_resume(words: Sequence[str]) -> Path | None:
    """Returns the folder that resume=RUN names; None if the command line has no such override."""
    values = [word.partition("=")[2] for word in words if key_of(word) == "resume" and "=" in word]
    if not values or values[-1] in set(Resume):
        return None
    return Path(hydra_unquote(values[-1])).expanduser()


def members(argv: Sequence[str]) -> list[Member]:
    """Returns the runs that a command line asks for: those that it composes, with resume=RUN that existing run, with
    bundle=FILE those of the bundle.

    Raises:
        ConfigError: see `compose.members`, `load_resumed_config` and `bundle.members`.
    """
    words = normalize_argv(argv)
    run, file = run_to_resume(words), bundle.bundle_of(words)
    if run is not None:
        return [Member(load_resumed_config(run, words), tuple(words))]
    return compose.members(argv) if file is None else bundle.members(file, argv)


def load_resumed_config(run: Path, words: Sequence[str]) -> RunConfig:
    """Loads the configuration of a run, with the overrides of the command line for keys that may change.

    Args:
        run: folder of the run; it may have been moved.
        words: the whole command line.

    Raises:
        ConfigError: there is no such run, or the command line contradicts its config.yaml.
    """
    values = _load_saved_config(run)
    overrides = [word for word in words if key_of(word) != "resume"]
    if flags := [word for word in overrides if word.startswith("-") or key_of(word) in ("seeds", "folds")]:
        raise ConfigError(
            "resume=RUN continues one run, as it was configured",
            where=f"resume={run}",
            found=" ".join(flags),
            fix=f"autotune {format_text_override('resume', str(run))}",
        )
    place = {"runs": str(run.parent), "name": run.resolve().name, "resume": Resume.auto}
    if not overrides:
        # Composes nothing: the YAML files that the run came from need not be here.
        return parse_config({**values, **place}, to_run=True)
    (requested,) = compose.compose([f"task={values['task']['name']}", *overrides])
    requested_values = asdict(requested)
    errors = []
    for key in (GROUPS.get(key_of(word), key_of(word)) for word in overrides):
        if key in FROM_FOLDER:
            errors.append(
                ConfigError(
                    f"resume={run} already determines the folder of the run",
                    where=key,
                    fix="leave this key out",
                )
            )
        elif {key, key.split(".")[0]} & set(NOT_IDENTITY):
            _copy_value(key.split("."), requested_values, values)
        elif differences := changed_at(key, values, requested):
            errors.append(
                ConfigError(
                    "a run resumes with the settings that it was started with",
                    where=str(run / CONFIG),
                    found="\n".join(differences),
                    fix=f"autotune {format_text_override('resume', str(run))}, or a new run without resume=",
                )
            )
    raise_all(errors)
    return parse_config({**values, **place}, to_run=True)


def _load_saved_config(run: Path) -> dict[str, Any]:
    if (run / CONFIG).is_file():
        return load_values(run / CONFIG)
    runs = sorted(path.parent.name for path in run.parent.glob(f"*/{CONFIG}"))
    similar = nearest(run.name, runs)
    raise ConfigError(
        "there is no run to resume",
        where=f"resume={run}",
        found=f"runs in {run.parent}: {listing(runs)}" if runs else f"no {CONFIG} in {run}",
        fix=format_text_override("resume", str(run.parent / similar))
        if similar
        else "resume=auto, which resumes if the run's folder exists, or resume=never",
    )


def _copy_value(path: Sequence[str], source: dict[str, Any], target: dict[str, Any]) -> None:
    """Copies the value at a key path from one nested dict to another."""
    for part in path[:-1]:
        source, target = source[part], target.setdefault(part, {})
    target[path[-1]] = source[path[-1]]
