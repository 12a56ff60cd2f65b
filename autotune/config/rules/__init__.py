"""What no type can say: keys that contradict each other or mean nothing. Rules yield what is wrong; none raises.

Everything here is known from the configuration alone, in a moment, and holds on any machine: a saved
configuration is read by the same rules. Only `machine_rules` looks around.
"""

from autotune import registry
from autotune.config.rules import dataset, hub, labels, model, splits, trainer, warnings
from autotune.config.rules.secrets import own_secrets, secret_refused, token_refused, tokens
from autotune.config.rules.trainer import name
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError

__all__ = [
    "machine_rules",
    "name",
    "own_secrets",
    "rules",
    "secret_refused",
    "config_warnings",
    "token_refused",
    "tokens",
]

ERRORS = (
    dataset.path, dataset.task_matches_dataset, dataset.hub_keys, dataset.reading, dataset.amounts, dataset.language,
    splits.named, splits.splits_overlap, labels.columns, labels.tags, labels.labels, labels.mapped, labels.unused,
    model.one_base_model, model.named, model.tiny_model_keys, model.lengths, model.tokenizer, model.targets, model.arithmetic,
    trainer.rate, trainer.evaluations, trainer.kernels, trainer.seed, name, hub.published,
)  # fmt: skip
WARNINGS = (
    warnings.rates, warnings.optimizer, warnings.amounts, warnings.splits, warnings.adapters, warnings.arithmetic,
)  # fmt: skip


def rules(config: RunConfig) -> list[AutotuneError]:
    """Everything that is wrong across sections."""
    task = registry.task(config.task.name)
    return [error for rule in (*ERRORS, task.rules) for error in rule(config)]


def machine_rules(config: RunConfig) -> list[AutotuneError]:
    """What is wrong on this machine: asked of a configuration that is to be run, not of one that was saved."""
    return [error for rule in (trainer.folders, trainer.local) for error in rule(config)]


def config_warnings(config: RunConfig) -> list[AutotuneError]:
    """What is allowed and yet probably not meant; the check shows it as warnings."""
    return [doubt for rule in WARNINGS for doubt in rule(config)]
