"""resume=RUN: the configuration of a run that exists, with what may differ when it goes on."""

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
from autotune.errors import ConfigError, format_text_override, listing, nearest, raise_all
from autotune.run.status import CONFIG

FROM_FOLDER = ("runs", "name", "resume")
"""Keys that RUN itself tells."""


def run_to_resume(words: Sequence[str]) -> Path | None:
    """The folder that resume=RUN names; None where a command line has no such word."""
    named = [word.partition("=")[2] for word in words if key_of(word) == "resume" and "=" in word]
    return Path(named[-1]).expanduser() if named and named[-1] not in set(Resume) else None


def members(argv: Sequence[str]) -> list[Member]:
    """The runs that a command line asks for: those that it composes, or with resume=RUN that one as it is configured.

    Raises:
        ConfigError: see `compose.members` and `load_resumed_config`.
    """
    words = normalize_argv(argv)
    run = run_to_resume(words)
    return compose.members(argv) if run is None else [Member(load_resumed_config(run, words), tuple(words))]


def load_resumed_config(run: Path, words: Sequence[str]) -> RunConfig:
    """The configuration in a run's folder, with what the command line changes of the keys that may change.

    Args:
        run: folder of the run; it may have been moved.
        words: the whole command line.

    Raises:
        ConfigError: there is no such run, or the command line says otherwise than its config.yaml.
    """
    values = _saved(run)
    others = [word for word in words if key_of(word) != "resume"]
    if flags := [word for word in others if word.startswith("-")]:
        raise ConfigError(
            "one run goes on, as it was configured",
            where=f"resume={run}",
            found=" ".join(flags),
            fix=f"autotune {format_text_override('resume', str(run))}",
        )
    (given,) = compose.compose([f"task={values['task']['name']}", *others])
    wanted = asdict(given)
    errors = []
    for key in map(key_of, others):
        if key in FROM_FOLDER:
            errors.append(
                ConfigError(
                    f"resume={run} says which folder the run is in", where=key, fix="leave this key away"
                )
            )
        elif {key, key.split(".")[0]} & set(NOT_IDENTITY):
            _copy(key.split("."), wanted, values)
        elif differences := changed_at(key, values, given):
            errors.append(
                ConfigError(
                    "a run goes on with the settings that it began with",
                    where=str(run / CONFIG),
                    found="\n".join(differences),
                    fix=f"autotune {format_text_override('resume', str(run))}, or a new run without resume=",
                )
            )
    raise_all(errors)
    place = {"runs": str(run.parent), "name": run.resolve().name, "resume": Resume.auto}
    return parse_config({**values, **place}, to_run=True)


def _saved(run: Path) -> dict[str, Any]:
    if (run / CONFIG).is_file():
        return load_values(run / CONFIG)
    known = sorted(path.parent.name for path in run.parent.glob(f"*/{CONFIG}"))
    near = nearest(run.name, known)
    raise ConfigError(
        "there is no run to go on with",
        where=f"resume={run}",
        found=f"runs in {run.parent}: {listing(known)}" if known else f"no {CONFIG} in {run}",
        fix=format_text_override("resume", str(run.parent / near))
        if near
        else "resume=auto, which goes on where the run's folder exists, or resume=never",
    )


def _copy(path: Sequence[str], source: dict[str, Any], target: dict[str, Any]) -> None:
    """Sets what stands at a path of nested dicts, as it is in another."""
    for part in path[:-1]:
        source, target = source[part], target.setdefault(part, {})
    target[path[-1]] = source[path[-1]]
