"""Rules that types cannot express: keys that contradict each other or have no effect. Rules yield errors and never raise.

A rule uses only the configuration, is fast, and gives the same result on any machine, as it also checks saved
configurations. Only `machine_rules` may look at the machine.
"""

from autotune import registry
from autotune.config.rules import (
    baselines,
    dataset,
    gate,
    hub,
    labels,
    launcher,
    model,
    search,
    slurm,
    splits,
    trainer,
    warnings,
)
from autotune.config.rules.secrets import environment_secrets, hub_tokens, secret_refused, token_refused
from autotune.config.rules.trainer import run_name
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError

__all__ = [
    "config_warnings",
    "environment_secrets",
    "hub_tokens",
    "machine_rules",
    "rules",
    "run_name",
    "secret_refused",
    "token_refused",
]

ERRORS = (
    dataset.path, dataset.task_matches_dataset, dataset.hub_keys, dataset.format_options, dataset.row_counts,
    splits.splits_overlap, splits.fold, labels.columns, labels.tags, labels.labels, labels.label_map_targets,
    labels.keys_without_labels, labels.label_fixes, model.one_base_model, model.base_model_name, model.tiny_model_keys,
    model.lengths, model.tokenizer, model.trimming, model.target_modules, model.bundled_base, model.t5_in_fp16,
    baselines.method_of_task, baselines.keys_of_base_models,
    trainer.learning_rate, trainer.frozen_twice, trainer.early_stopping, trainer.compile_with_packing, trainer.sharding,
    run_name, hub.push_keys,
    gate.conditions, slurm.values, slurm.time_limit, slurm.options, search.spaces, search.pruning,
)  # fmt: skip
MACHINE = (
    trainer.runs_folder, trainer.local_file, launcher.external_processes, launcher.accelerate_precision,
    launcher.accelerate_engines,
)  # fmt: skip
WARNINGS = (
    warnings.rates, warnings.optimizer, warnings.rows_and_tokens, warnings.splits, warnings.adapters, warnings.t5_in_fp16,
)  # fmt: skip


def rules(config: RunConfig) -> list[AutotuneError]:
    """Returns the errors of all rules, including those of the task, in a fixed order."""
    task = registry.task(config.task.name)
    return [error for rule in (*ERRORS, task.rules) for error in rule(config)]


def machine_rules(config: RunConfig) -> list[AutotuneError]:
    """Returns the errors of rules about this machine, for a configuration that is about to run, not for a saved one."""
    return [error for rule in MACHINE for error in rule(config)]


def config_warnings(config: RunConfig) -> list[AutotuneError]:
    """Returns warnings for settings that are allowed but probably not intended; the check shows them."""
    return [warning for rule in WARNINGS for warning in rule(config)]
