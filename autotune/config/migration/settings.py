"""Model, training, adapters, tracker and push of an old run."""

import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import yaml

from autotune.config.enums import TrackerName
from autotune.config.migration import names
from autotune.config.migration.data import locate
from autotune.config.migration.migration import Migration
from autotune.config.rules.hub import slug
from autotune.config.rules.model import is_t5
from autotune.errors import ConfigError
from autotune.runtime.places import config_folder

NUMBERS: Mapping[str, tuple[str, bool]] = {
    "learning_rate": ("trainer.learning_rate", False), "epochs": ("trainer.epochs", False),
    "weight_decay": ("trainer.weight_decay", False), "max_grad_norm": ("trainer.max_grad_norm", False),
    "adam_beta1": ("trainer.adam_beta1", False), "adam_beta2": ("trainer.adam_beta2", False),
    "adam_epsilon": ("trainer.adam_epsilon", False), "seed": ("seed", True), "limit": ("dataset.limit", True),
    "label_smoothing": ("task.label_smoothing", False),
    "num_beams": ("task.num_beams", True),
}  # fmt: skip
"""Our key of a number, and whether it is a whole one."""
SWITCHES: Mapping[str, str] = {
    "gradient_checkpointing": "trainer.gradient_checkpointing", "compile": "trainer.compile"
}  # fmt: skip
SCHEDULES: Mapping[str, str] = {
    "linear": "linear", "cosine": "cosine", "constant": "constant", "constant_with_warmup": "constant",
    "polynomial": "linear",
}  # fmt: skip
"""Our schedule by that of transformers; polynomial is linear with its default power."""
TARGET_AUTO = ("all-linear", "all")

ADAMW = "the optimizer is AdamW"
NOT_ADAMW = "the optimizer is AdamW; one that needs less memory is not offered: peft=lora does"
FITS = "how many rows fit into memory at once is found out, without changing the batch of a step"
NO_ADAPTER = "every weight is trained; these belong to adapters: peft=lora"
LOSS_DELTA = "it was a difference of losses; trainer.min_delta is one of the score"
HERE = "training runs where the command is given"
FROM_ENVIRONMENT = "the token comes from HF_TOKEN or hf auth login, and is written nowhere"
NOT_PUSHED = "nothing is pushed; hub=private pushes to a private repository"
NAMED = "it names the experiment; a run folder is named after task, data, model and a hash, or name=NAME"
TRACKERS = "trackers are tensorboard, wandb, mlflow and trackio; history.jsonl has every step in any case"
EVERY_EPOCH = "validation is scored after every epoch: trainer.evaluate_every"
WARMUP = "warm-up is a share of the steps, a tenth by default: trainer.warmup_ratio"
NO_COUNTERPART = "the task has no such setting"
INT8_DEFAULT = "AutoTrain quantized adapters' base model to 8 bits by default; here it stays whole: peft.quantization=int8"
T5_PRECISION = "models of the T5 family overflow in fp16, so the machine decides: trainer.precision=auto"
AUTO_PRECISION = "the precision is that of the machine, bf16 on newer GPUs; {tool} computed in fp32: trainer.precision=fp32"
NEAREST_SCHEDULE = "the schedule {old} becomes {new}, the nearest one"


def migrate_settings(migration: Migration) -> None:
    """Fills all sections of the experiment but `dataset`."""
    for part in PARTS:
        part(migration)


def _model(migration: Migration) -> None:
    name = migration.text("model")
    if name is None:
        key = migration.run.keys.get("model", "model")
        migration.errors.append(ConfigError("no base model is named", where=migration.run.file.where(key),
                                            fix=f"{key}: neuralmind/bert-base-portuguese-cased"))  # fmt: skip
        return
    path, found = locate(name, migration)
    option = None if found is not None else _shipped_option(name)
    if option is not None:
        migration.move("model", {}, {"model": option})
    else:
        migration.move("model", {"model.name_or_path": path}, {"model": "custom"})
    if migration.value("revision") is not None:
        revision = migration.text("revision")
        migration.move("revision", {"model.revision": None if revision == "main" else revision})
    if migration.value("lang") is not None:
        language = migration.text("lang")
        migration.move("lang", {"model.tokenizer_kwargs": {"src_lang": language, "tgt_lang": language}})


def _shipped_option(name: str) -> str | None:
    """Returns the shipped option of a base model; old names of the Hub have no owner."""
    models, name = _shipped_models(), name.lower()
    return next(
        (
            option
            for model, option in models.items()
            if name == (model if "/" in name else model.rpartition("/")[2])
        ),
        None,
    )


@cache
def _shipped_models() -> dict[str, str]:
    """Returns the shipped option of each base model, by its Hub id in lower case: an option knows the model's quirks."""
    options: dict[str, str] = {}
    for file in sorted((config_folder() / "model").glob("*.yaml")):
        name = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("name_or_path")
        if name not in (None, "???"):
            options.setdefault(str(name).lower(), file.stem)
    return options


def _numbers(migration: Migration) -> None:
    for name, (key, whole) in NUMBERS.items():
        if migration.value(name) is not None:
            number = migration.number(name, whole=whole)
            # In transformers, a norm of 0 means no clipping.
            migration.move(name, {key: None if name == "max_grad_norm" and number == 0 else number})
    for name, key in SWITCHES.items():
        if migration.value(name) is not None:
            migration.move(name, {key: migration.switch(name)})
    batch, accumulation = (migration.number(name, whole=True) for name in ("batch_size", "accumulation"))
    if batch is not None:
        migration.move("batch_size accumulation", {"trainer.batch_size": batch * (accumulation or 1)})
    if migration.stated("keep"):
        migration.move("keep", {"checkpoint.keep": migration.number("keep", whole=True)})
    migration.drop("keep", names.BEST)
    max_steps = migration.number("max_steps", whole=True)
    if max_steps is not None:
        migration.move("max_steps", {"trainer.max_steps": max_steps if max_steps > 0 else None})
    migration.drop("auto_batch_size", FITS)
    if migration.switch("group_by_length"):
        migration.move("group_by_length", {"trainer.batching": "bucketed"})
    migration.drop("group_by_length", names.PADDING)


def _schedule(migration: Migration) -> None:
    old = migration.text("scheduler") or "linear"
    new = SCHEDULES.get(old, "cosine" if old.startswith("cosine") else "linear")
    migration.move("scheduler", {"trainer.schedule": new})
    if old not in SCHEDULES:
        migration.changes.append(NEAREST_SCHEDULE.format(old=old, new=new))
    steps, max_steps = migration.number("warmup_steps"), migration.number("max_steps")
    if old == "constant":
        migration.move("warmup_ratio warmup_steps", {"trainer.warmup_ratio": 0.0})
    elif steps and steps < 1:
        migration.move("warmup_steps", {"trainer.warmup_ratio": steps})
    elif steps and max_steps and max_steps > steps:
        migration.move("warmup_steps max_steps", {"trainer.warmup_ratio": round(steps / max_steps, 6)})
    elif steps:
        migration.drop("warmup_steps", WARMUP)
    elif migration.value("warmup_ratio") is not None:
        migration.move(
            "warmup_ratio warmup_steps", {"trainer.warmup_ratio": migration.number("warmup_ratio")}
        )
    migration.drop("warmup_ratio", WARMUP)
    optimizer = migration.text("optimizer") or "adamw"
    migration.drop("optimizer", ADAMW if optimizer.lower().startswith("adamw") else NOT_ADAMW)


def _precision(migration: Migration) -> None:
    if migration.run.tool == names.AUTOTRAIN:
        value, old = str(migration.value("precision")).lower(), "precision"
    else:
        flags = [name for name in ("fp16", "bf16", "tf32") if migration.switch(name)]
        value, old = (flags[0] if flags else "none"), "fp16 bf16 tf32"
    if value == "fp16" and is_t5(migration.text("model") or ""):
        migration.drop(old, T5_PRECISION)
    elif value in ("fp16", "bf16", "tf32"):
        migration.move(old, {"trainer.precision": value})
    elif migration.stated(*old.split()):
        migration.move(old, {"trainer.precision": "fp32"})
    else:
        migration.changes.append(AUTO_PRECISION.format(tool=migration.run.tool))
        migration.handled |= set(old.split())


def _evaluation(migration: Migration) -> None:
    strategy = str(migration.value("eval_strategy")).lower()
    steps = migration.number("eval_steps") or migration.number("logging_steps") or 0
    if strategy == "epoch":
        migration.move("eval_strategy", {"trainer.evaluate_every": "1ep"})
    elif strategy == "steps" and steps > 0:
        epochs = migration.number("epochs") or 1
        every = f"{steps:.0f}st" if steps >= 1 else f"{steps * epochs:.4f}ep"
        name = "eval_steps" if migration.number("eval_steps") else "logging_steps"
        migration.move(f"eval_strategy {name}", {"trainer.evaluate_every": every})
    migration.drop("eval_strategy eval_steps", EVERY_EPOCH)
    migration.drop("logging_steps", names.HISTORY)
    patience, epochs = migration.number("patience", whole=True), migration.number("epochs") or 0
    if patience is not None and (migration.stated("patience") or epochs > patience):
        migration.move("patience", {"trainer.patience": patience})
    migration.drop("patience", EVERY_EPOCH)
    migration.drop("min_delta", LOSS_DELTA)


def _peft(migration: Migration) -> None:
    if not migration.switch("peft"):
        migration.drop("peft lora_r lora_alpha lora_dropout target_modules quantization merge", NO_ADAPTER)
        return
    migration.move("peft", {}, {"peft": "lora"})
    for name, key in {"lora_r": "r", "lora_alpha": "alpha"}.items():
        migration.move(name, {f"peft.{key}": migration.number(name, whole=True)})
    migration.move("lora_dropout", {"peft.dropout": migration.number("lora_dropout")})
    targets = migration.text("target_modules") or TARGET_AUTO[0]
    modules = ["auto"] if targets in TARGET_AUTO else [name.strip() for name in targets.split(",")]
    migration.move("target_modules", {"peft.target_modules": modules})
    quantization = migration.text("quantization")
    if migration.stated("quantization"):
        number_format = {"int8": "int8", "int4": "nf4"}.get(quantization or "", "none")
        migration.move("quantization", {"peft.quantization": number_format})
    elif quantization is not None:
        migration.changes.append(INT8_DEFAULT)
        migration.handled.add("quantization")
    if "merge" in migration.run.keys:
        migration.move("merge", {"peft.merge": migration.switch("merge")})


def _summaries(migration: Migration) -> None:
    prefix = migration.value("source_prefix")
    if prefix is not None:
        migration.move("source_prefix", {"task.prompt": f"{prefix}{{document}}"})
    length = "generated_length" if migration.value("generated_length") is not None else "max_target_length"
    if migration.stated(length):
        migration.move(length, {"task.max_new_tokens": migration.number(length, whole=True)})
    elif not migration.run.stated:
        migration.handled.add("max_target_length")


def _length(migration: Migration) -> None:
    length = migration.number("max_length", whole=True)
    if length is not None and migration.stated("max_length"):
        migration.move("max_length", {"task.max_length": length})
    migration.handled.add("max_length")  # `describe_changes` mentions a default


def _tracker(migration: Migration) -> None:
    value = migration.value("tracker")
    wanted = [str(name) for name in (value if isinstance(value, list) else [value]) if name is not None]
    known = [name for name in wanted if name in list(TrackerName)]
    if known:
        migration.move("tracker", {}, {"tracking": known[0]})
    migration.drop("tracker", TRACKERS if set(wanted) - {"all"} else names.HISTORY)
    migration.drop("backend", HERE)


def _hub(migration: Migration) -> None:
    migration.drop("token", FROM_ENVIRONMENT)
    if not migration.switch("push"):
        migration.drop("push username repo private", NOT_PUSHED)
        migration.drop("project", NAMED)
        return
    owner = str(migration.value("username") or "")
    if owner.startswith("$"):
        owner = os.environ.get(owner.strip("${}"), "")
    project = slug((migration.text("project") or "model").rstrip("/").rpartition("/")[2])
    repo = migration.text("repo") or (f"{owner}/{project}" if owner else project)
    public = "private" in migration.run.keys and not migration.switch("private")
    migration.move("push private", {}, {"hub": "public" if public else "private"})
    migration.move("repo username project", {"hub.repo": repo})


PARTS: tuple[Callable[[Migration], Any], ...] = (
    _model, _numbers, _schedule, _precision, _length, _summaries, _evaluation, _peft, _tracker, _hub
)  # fmt: skip
"""What fills a section or a part of one."""


def leave_out_rest(migration: Migration) -> None:
    """Leaves out every known key that is left: the task has no such setting."""
    migration.drop(" ".join(migration.run.keys), NO_COUNTERPART)
