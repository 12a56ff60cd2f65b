"""`autotune migrate`: a configuration of AutoTrain, or of an example script of transformers, becomes an experiment."""

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from autotune.config.compose import USER_CONFIGS, compose
from autotune.config.migration import names
from autotune.config.migration.changes import describe_changes
from autotune.config.migration.data import migrate_data
from autotune.config.migration.migration import Migration
from autotune.config.migration.old_run import OldRun, read_old_run
from autotune.config.migration.settings import leave_out_rest, migrate_settings
from autotune.config.proposals import proposal
from autotune.config.rules.hub import slug
from autotune.errors import ConfigError, format_text_override, hydra_quote, raise_all, shell_words
from autotune.pipeline.outputs import refuse_input
from autotune.runtime.files import OUTPUT, atomic_write, disk_errors, scratch
from autotune.runtime.language import Pieces
from autotune.runtime.places import config_folder

logger = logging.getLogger(__name__)

GROUP = "experiment"
AUTOTRAIN_DEFAULTS: Mapping[str, Any] = {
    "learning_rate": 5e-5, "epochs": 3, "batch_size": 8, "accumulation": 1, "warmup_ratio": 0.1, "scheduler": "linear",
    "optimizer": "adamw_torch", "weight_decay": 0.0, "max_grad_norm": 1.0, "seed": 42, "max_length": 128, "patience": 5,
    "min_delta": 0.01, "eval_strategy": "epoch", "logging_steps": -1, "keep": 1, "lora_r": 16, "lora_alpha": 32,
    "lora_dropout": 0.05, "max_target_length": 128, "quantization": "int8", "auto_batch_size": False, "peft": False,
    "push": False,
}  # fmt: skip
SCRIPT_DEFAULTS: Mapping[str, Any] = {
    "learning_rate": 5e-5, "epochs": 3, "batch_size": 8, "accumulation": 1, "warmup_ratio": 0.0,
    "scheduler": "linear", "weight_decay": 0.0, "max_grad_norm": 1.0, "seed": 42,
}  # fmt: skip
"""Values that the tools have for what their files do not say."""


def migrate(name: str, output: str | None, task: str | None, *, force: bool) -> int:
    """Writes the experiment and logs what became of each key; returns the exit code.

    Args:
        name: file or folder of the other tool.
        output: file, or folder of configurations; None: that of AUTOTUNE_CONFIGS, or `config`.
        task: its task, where the file does not say it.
        force: whether a file that exists may be overwritten.

    Raises:
        ConfigError: see `read_old_run`; values are invalid, or the experiment cannot be where it should be.
        DiskError: a file cannot be read or written.
    """
    run = read_old_run(name, task)
    migration = Migration(run, _tool_defaults(run), dropped=dict(run.dropped))
    migrate_data(migration)
    migrate_settings(migration)
    leave_out_rest(migration)
    raise_all(migration.errors)
    target = _target(output, slug(Path(migration.text("project") or run.file.path.stem).name))
    _refuse_target(target, run, force=force)
    command = _command(target)
    text = migration.experiment(
        f"# {run.file.path.name.encode('unicode_escape').decode()}, {run.tool}, became this by autotune migrate\n"
        f"#   {command}\n"
    )
    _check(text, target.stem, migration.values.get("dataset.path"))
    with disk_errors(target, elsewhere=OUTPUT):
        target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target, elsewhere=OUTPUT) as file:
        file.write(text.encode("utf-8"))
    for line in _account(migration, target, command):
        logger.info(line)
    return 0


def _tool_defaults(run: OldRun) -> Mapping[str, Any]:
    if run.tool == names.AUTOTRAIN:
        roles = {"text": "text", "target": "target"}
        if run.task == names.AUTOTRAIN_TASKS["seq2seq"]:
            return {**AUTOTRAIN_DEFAULTS, **roles, "batch_size": 2}
        if run.task == names.AUTOTRAIN_TASKS["token_classification"]:
            roles = {"text": "tokens", "target": "tags"}
        return {**AUTOTRAIN_DEFAULTS, **roles}
    lengths = {names.AUTOTRAIN_TASKS["seq2seq"]: 1024, names.AUTOTRAIN_TASKS["token_classification"]: None}
    length = {"max_length": lengths.get(run.task, 128)}
    if run.task != names.AUTOTRAIN_TASKS["token_classification"] or "path" not in run.keys:
        return {**SCRIPT_DEFAULTS, **length}
    tags = f"{run.file.values.get('task_name') or names.NER_TASKS[0]}_tags"
    return {**SCRIPT_DEFAULTS, **length, "text": "tokens", "target": tags}


def _target(output: str | None, name: str) -> Path:
    """Returns the file of the experiment."""
    if output is not None and Path(output).suffix in (".yaml", ".yml"):
        path = Path(output).expanduser()
        if path.suffix != ".yaml" or path.absolute().parent.name != GROUP:
            raise ConfigError(
                "an experiment is a .yaml file in a folder called experiment, where --config-dir finds it",
                where="-o", found=output, fix=shell_words("-o", path.parent / GROUP / f"{path.stem}.yaml"),
            )  # fmt: skip
        return path
    folder = Path(output or os.environ.get(USER_CONFIGS) or "config").expanduser()
    return folder / GROUP / f"{name}.yaml"


def _refuse_target(target: Path, run: OldRun, *, force: bool) -> None:
    """Raises ConfigError if the experiment would overwrite a file, or be hidden by another one."""
    refuse_input(target, [str(run.file.path)])
    if os.path.lexists(target) and not (force and target.is_file()):
        raise ConfigError(
            "the output exists and is only overwritten with --force",
            where=str(target), fix="another name, or --force",
        )  # fmt: skip
    user = Path(os.environ.get(USER_CONFIGS) or config_folder())
    for folder in (user, config_folder()):
        other = folder / GROUP / target.name
        if other.is_file() and not (target.exists() and other.samefile(target)) and not _comes_first(target):
            raise ConfigError(
                "there is an experiment of this name, which takes precedence",
                where=str(target), found=str(other),
                fix=shell_words("-o", target.with_name(f"my-{target.name}")),
            )  # fmt: skip


def _comes_first(target: Path) -> bool:
    """Whether the experiment is in the folder of AUTOTUNE_CONFIGS, which takes precedence over the shipped one."""
    user = os.environ.get(USER_CONFIGS)
    return bool(user) and target.absolute().parent.parent == Path(str(user)).absolute()


def _command(target: Path) -> str:
    """Returns the command line that trains the experiment."""
    flags = [] if _comes_first(target) else ["--config-dir", target.parent.parent]
    option = format_text_override(GROUP, target.stem)
    return " ".join(filter(None, [shell_words("autotune", *flags), option]))


def _check(text: str, name: str, path: Any) -> None:
    """Composes the experiment as its command will.

    Raises:
        ConfigError: it does not compose.
    """
    with scratch() as folder:
        file = Path(folder, GROUP, f"{name}.yaml")
        file.parent.mkdir()
        file.write_text(text, encoding="utf-8")
        # As an override, the path is not looked for: the data may be on another machine.
        data = [] if path is None else [f"dataset.path={hydra_quote(str(path))}"]
        compose(["--config-dir", folder, f"{GROUP}={hydra_quote(name)}", *data])


def _account(migration: Migration, target: Path, command: str) -> Iterator[str]:
    """Yields the lines that say what became of each key, and what is different."""
    run = migration.run
    yield Pieces(f"{run.file.path} (", run.tool, f", {run.task}) -> {target}")
    yield from _pairs("keys of the file, and what they are now:", migration.moved)
    yield from _pairs(f"defaults of {run.tool} that are kept:", migration.added)
    if migration.dropped:
        yield "keys that are left out:"
        for reason, keys in migration.dropped.items():
            yield Pieces("  ", ", ".join(keys), ": ", reason)
    if run.unknown:
        yield "keys that are not known, and have no effect:"
        for key in run.unknown:
            yield f"  {key}"
            fix, _ = proposal(key.rpartition(".")[2], str(run.file.values[key]))
            if fix is not None:
                yield f"    perhaps: {fix}"
    yield "what changes on purpose:"
    for change in describe_changes(migration):
        yield Pieces("  - ", change)
    yield "check it, then train it:"
    yield f"  {command.replace('autotune', 'autotune check', 1)}"
    yield f"  {command}"


def _pairs(title: str, pairs: list[tuple[str, str]]) -> Iterator[str]:
    if pairs:
        yield title
        width = min(44, max(len(old) for old, _ in pairs))
        for old, new in pairs:
            yield f"  {old:<{width}}  ->  {new}"
